"""`gridpact trust ...` and `gridpact tx trust ...`: who has how much trust and why, what a drawn committee risks, and
the transactions that move tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli import options
from node.cli.answer import Data, Rows, show
from node.cli.form import Form
from node.cli.output import counted, emit, line, reporting, table
from node.cli.plots import percent, plot_trust
from node.cli.tx import MAX_MEMO, checked_memo, send
from node.errors import NodeError

if TYPE_CHECKING:
    from fractions import Fraction

    from contracts.bodies import AccountBody

app = typer.Typer(help="Trust: tokens, index, power, and what a committee risks.", no_args_is_help=True)
tx_app = typer.Typer(help="Transfer trust tokens, bond them, take them out of the bond.", no_args_is_help=True)

MOST = 10_000
"""Members that a pact may have."""
FULL_PPM = 1_000_000
DIGITS = 3
"""Of a probability."""
FORMS = ("free", "bonded", "wagered", "index")
UNCHANGED = frozenset({"genesis", "-"})
MIN_ORGANISATIONS = 4
Tokens = Annotated[int, typer.Option("--tokens", min=1, max=2**63 - 1, help="Number of tokens.")]


@app.command(name="show")
@options.grouped
def show_trust(plotted: options.Plot = False, *, asking: options.Asking) -> None:
    """Every member's tokens, index, weight and power, and why each changed last."""
    show("trust", [], plot_trust if plotted else _draw_trust, asking, Rows("members"))


def _draw_trust(data: Data, shown: Form) -> None:
    headings = ["Member", "Free", "Bonded", "Unlocking", "Wagered", "Index (ppm)"]
    rows = [
        [
            one["member"],
            *(f"{int(one[f'{form}_tokens']):,}" for form in ("free", "bonded", "unlocking", "wagered")),
            f"{one['index_ppm']:,}",
        ]
        for one in data["members"]
    ]
    table(f"Trust ({int(data['supply_tokens']):,} tokens in all)", headings, rows, right=headings[1:])
    headings = ["Member", "Weight", "Power", "Share (%)", "Next", "Then", "Changed last by"]
    weighed = [one for one in data["members"] if one["weight"] or _powers(one) or one["power_change"]]
    seats = [_seat(one, data) for one in weighed]
    table(f"Power in epoch {data['epoch']}", headings, seats, right=headings[1:-1])
    if without := len(data["members"]) - len(weighed):
        line(f"Without weight and power: {counted(without, 'other')}.")
    if data["pool_tokens"] != "0":
        why = _change(data["pool_change"])
        line(f"{int(data['pool_tokens']):,} tokens are in the pool of what members lost; changed last: {why}.")
    changes = [[one["member"], *(_change(one[f"{form}_change"]) for form in FORMS)] for one in data["members"]]
    changed = [row for row in changes if set(row[1:]) - UNCHANGED]
    table("Changed last by", ["Member", "Free", "Bonded", "Wagered", "Index"], changed)
    if left := len(changes) - len(changed):
        line(f"As in genesis: {counted(left, 'other')}.")
    for one in data["members"]:
        if one["tombstone"] is not None:
            line(
                f"{one['member']} is tombstoned for good: {_change(one['tombstone'])}. What it lost for it: "
                "gridpact query offences"
            )
        for part in one["unlocking"]:
            line(f"{one['member']}: {int(part['amount_tokens']):,} tokens are {_free(part, shown)}.")
        if one["flagged"]:
            line(
                f"{one['member']} has a seat until another takes it; its votes do not count, and all others are needed."
            )
    bar = int(data["seat_bond_tokens"])
    for one in data["members"]:
        if 0 < int(one["bonded_tokens"]) < bar:
            bonded = f"{int(one['bonded_tokens']):,}"
            line(f"{one['member']} has no weight: it has bonded {bonded} tokens, and a seat takes {bar:,}.")
    if data["organisations"] < MIN_ORGANISATIONS:
        line(
            f"{data['organisations']} members have weight; the rule needs {MIN_ORGANISATIONS}, so who has a seat keeps "
            "it. Weight comes from a bond: gridpact tx trust bond --as MEMBER --tokens N"
        )
    line(f"Epoch {data['epoch']} ends with block {data['epoch_ends_with']}; its power and the next one's are settled.")
    line("Then: what would be seated after these if the epoch ended now.")


def _seat(one: Data, data: Data) -> list[str]:
    """Weight, power now, its share, power in the next epoch and in the one after that, and why it changed."""
    power, following, coming = (
        "-" if one[name] is None else f"{int(one[name]):,}" for name in ("power", "next_power", "coming_power")
    )
    total = data["total_power"]
    share = "-" if total is None else percent(int(one["power"]), int(total))
    return [one["member"], f"{one['weight']:,}", power, share, following, coming, _change(one["power_change"])]


def _free(part: Data, shown: Form) -> str:
    """When a part that has left a bond is free."""
    if part["free_after_height"] is None:
        return "in the power of an epoch that has not ended"
    return f"free after block {part['free_after_height']} and {shown.time(part['free_after_ms'])}, whichever is later"


def _powers(one: Data) -> bool:
    """Whether a member has, or is about to have, power."""
    return any(int(one[name] or 0) for name in ("power", "next_power", "coming_power"))


def _change(change: Data | None) -> str:
    if change is None:
        return "-"
    return "genesis" if change["kind"] == "genesis" else f"{change['kind']} in block {change['height']}"


@app.command()
def risk(
    members: Annotated[int, typer.Option("--members", min=1, max=MOST, help="Members that a committee is drawn from.")],
    bad: Annotated[
        int, typer.Option("--bad", min=0, max=FULL_PPM, help="Share of them that is bad, in ppm: 200000 is a fifth.")
    ],
    seats: Annotated[int, typer.Option("--seats", min=1, max=MOST, help="Seats of the committee.")],
    as_json: options.Json = False,
) -> None:
    """How likely a committee is drawn in which the good are no quorum: per draw, and in a year of daily draws."""
    from consensus.committee import DRAWS_PER_YEAR, breaking_point, repeated
    from consensus.committee import risk as risk_of

    with reporting(as_json):
        if seats > members:
            raise NodeError(
                "cli.seats", f"{seats} seats can not be drawn from {members} members.", "Give --seats up to --members."
            )
        # A part of a member is a member: the risk is never told too small.
        bad_members = -(-members * bad // FULL_PPM)
        once = risk_of(members, bad_members, seats)
        document = {
            "members": members,
            "bad_ppm": bad,
            "bad_members": bad_members,
            "seats": seats,
            "breaking_seats": breaking_point(seats),
            "per_draw": scientific(once),
            "draws_per_year": DRAWS_PER_YEAR,
            "per_year": scientific(repeated(once, DRAWS_PER_YEAR)),
        }

        def draw() -> None:
            line(f"Bad are {bad_members:,} of {members:,} members ({bad:,} ppm), and {seats:,} are drawn.")
            line(f"With {document['breaking_seats']} bad seats or more the others are no quorum.")
            line(f"Probability per draw: {document['per_draw']}")
            line(f"Probability in a year of {DRAWS_PER_YEAR} draws: {document['per_year']}")

        emit(as_json, document, draw)


def scientific(value: Fraction) -> str:
    """A number from 0 on like 2.71e-07, exact before it is rounded to the nearest; it may be too small for a float."""
    if not value:
        return "0"
    number, whole = value.numerator, value.denominator
    exponent = (number.bit_length() - whole.bit_length()) * 30_103 // 100_000 + 1
    while number * 10 ** max(-exponent, 0) < whole * 10 ** max(exponent, 0):
        exponent -= 1
    shift = DIGITS - 1 - exponent
    above, below = number * 10 ** max(shift, 0), whole * 10 ** max(-shift, 0)
    digits = (2 * above + below) // (2 * below)
    if digits == 10**DIGITS:
        digits, exponent = digits // 10, exponent + 1
    text = str(digits)
    return f"{text[0]}.{text[1:]}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


@tx_app.command()
@options.grouped
def transfer(
    to: Annotated[str, typer.Option("--to", help="Member who receives.")],
    tokens: Tokens,
    memo: Annotated[str, typer.Option("--memo", help=f"Up to {MAX_MEMO} characters, public.")] = "",
    *,
    signing: options.Signing,
) -> None:
    """Give free trust tokens to another member."""
    from contracts.bodies import TransferTokens

    with reporting(signing.as_json):
        body = TransferTokens(to, tokens, checked_memo(memo))
    _move(signing, "Transfer of trust tokens", body, {"from": signing.as_, "to": to}, tokens)


@tx_app.command()
@options.grouped
def bond(tokens: Tokens, *, signing: options.Signing) -> None:
    """Put free tokens behind the signer's word: they give weight, and lies cost them."""
    from contracts.bodies import Bond

    _move(signing, "Bond", Bond(tokens), {"member": signing.as_}, tokens)


@tx_app.command()
@options.grouped
def unbond(tokens: Tokens, *, signing: options.Signing) -> None:
    """Take tokens out of the signer's bond; they are free once evidence against them is too old to count."""
    from contracts.bodies import Unbond

    _move(signing, "Taken out of the bond", Unbond(tokens), {"member": signing.as_}, tokens)


def _move(signing: options.Signing, title: str, body: AccountBody, who: dict[str, Any], tokens: int) -> None:
    document = {**who, "amount_tokens": str(tokens)}
    headings = [*(name.title() for name in who), "Tokens"]
    row = [*map(str, who.values()), f"{tokens:,}"]

    def draw() -> None:
        table(title, headings, [row], right=["Tokens"])
        line("See everybody's with:")
        line("  gridpact trust show")

    send(signing, "it", lambda _: (body, document, draw))
