"""Words of sealed dispatch by hand, and `gridpact query sealed | capacity`.

Nothing is kept beside the ledger: what a member sealed is read again from its own notes, with its account key. What the
ledger shows of a round is proven before anything is made from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli import options
from node.cli.answer import Data, Rows, show
from node.cli.context import Connection, account
from node.cli.form import Form
from node.cli.output import facts, line, money, per_kwh, reporting, table
from node.cli.purse import entropy, owner_of, patiently, proven_by, wallet_path
from node.cli.tx import interval_number, read_blocks, report, send, settle
from node.errors import NodeError

if TYPE_CHECKING:
    from contracts.bodies import AccountBody
    from node.agents.proven import ProvenLedger
    from node.sealed.agents import Sight
    from node.wallet.account import Owner

Said = tuple["AccountBody", dict[str, Any], Callable[[], None]]
IntervalArgument = Annotated[str, typer.Argument(help="Number of an interval, or `next`.")]
Wh = Annotated[int, typer.Option("--energy-wh", min=0, max=2**32 - 1, help="Energy in Wh; nobody else sees it.")]
PHASES = {
    "bidding": "takes bids and sealed demand",
    "summing": "opens the sum of sealed demand",
    "searching": "opens cumulative sums, in search of the price",
    "awarding": "takes awards",
    "balancing": "opens the sum of awards, and the bids of the silent",
    "running": "is awarded; its interval is not over",
    "ordered": "failed; open merit order has its interval",
    "delivering": "takes proofs of delivery",
    "settling": "opens the bids of those that showed nothing",
    "suspended": "waits for silent meters",
    "done": "is over",
}


def register(tx: typer.Typer, query: typer.Typer) -> None:
    """Add the commands to their nouns."""
    for name, command in (
        ("seal-capacity", seal_capacity),
        ("seal-open", seal_open),
        ("seal-demand", seal_demand),
        ("seal-bid", seal_bid),
        ("seal-award", seal_award),
        ("seal-delivery", seal_delivery),
        ("seal-claim", seal_claim),
    ):
        tx.command(name=name)(options.grouped(command))
    query.command()(options.grouped(sealed))
    query.command()(options.grouped(capacity))


# Words


def seal_capacity(
    meter: Annotated[str, typer.Option("--meter", help="Private source of the signer.")],
    energy_wh: Wh,
    reference: Annotated[
        list[str],
        typer.Option("--reference", help="PRICE:WH, public: what it offers openly where a round fails; repeatable."),
    ],
    meter_key: Annotated[
        str | None, typer.Option("--meter-key", help="File with the meter's key. Default: that of the devnet.")
    ] = None,
    *,
    signing: options.Signing,
    purse: options.Purse,
) -> None:
    """Register what a source delivers in an interval at most, hidden, and co-signed by its meter."""
    from pathlib import Path

    def make(connection: Connection, ledger: ProvenLedger, owner: Owner) -> Said:
        from contracts.sealed.bodies import ReferenceBlock
        from contracts.units import energy_wh as energy_of
        from node.cli.context import meter_seed
        from node.sealed import words
        from zk.ed25519 import SigningKey

        shown = connection.run(connection.client.meter(meter))["data"]
        params = connection.run(connection.client.query("rules"))["data"]["params"]
        nameplate_wh = energy_of(int(shown["rating_w"]), int(params["interval_ms"]))
        path = Path(meter_key) if meter_key else signing.directory / "keys" / "meters" / f"{meter}.json"
        key, blocks = SigningKey(meter_seed(path)), [ReferenceBlock(*pair) for pair in read_blocks(reference)]
        body = _within(
            f"The capacity is above the {nameplate_wh:,} Wh that the rating delivers.",
            lambda: words.capacity(
                ledger.chain_id, owner, meter, nameplate_wh, energy_wh, blocks, key.sign, entropy=entropy()
            ),
        )
        document = {"meter": meter, "capacity": body.capacity.hex(), "nameplate_wh": nameplate_wh}

        def draw() -> None:
            line(f"{meter} has a capacity between 0 and {nameplate_wh:,} Wh: that is all that anybody sees.")

        return body, document, draw

    _speak(signing, purse, "the capacity", make)


def seal_open(
    interval: IntervalArgument,
    ticks: Annotated[
        list[int], typer.Option("--tick", min=1, help="Price in nano-currency per Wh; repeatable, rising.")
    ],
    energy_wh: Annotated[
        int | None, typer.Option("--energy-wh", min=1, max=2**32 - 1, help="Public demand. Default: tenants seal it.")
    ] = None,
    before_s: Annotated[
        int, typer.Option("--before-s", min=1, help="Bids end so many seconds of ledger time before the gate.")
    ] = 60,
    *,
    signing: options.Signing,
) -> None:
    """Open the one sealed round of an interval; the campus is its buyer, and locks what it may cost."""
    from contracts.sealed.bodies import OpenSealed

    def make(connection: Connection) -> Said:
        when = interval_number(connection, interval)
        params = connection.run(connection.client.query("rules"))["data"]["params"]
        deadline_ms = int(when["start_ms"]) - int(params["gate_lead_ms"]) - 1_000 * before_s
        number = int(when["interval"])
        escrow_nano = ticks[-1] * (energy_wh or 0)
        document = {"interval": number, "ticks": ticks, "demand_wh": energy_wh, "deadline_ms": deadline_ms}

        def draw() -> None:
            demand = "the sum of sealed demand" if energy_wh is None else f"{energy_wh:,} Wh"
            line(f"Round of interval {number} over {len(ticks)} ticks for {demand}.")
            line(f"Locked: {money(escrow_nano)}" if energy_wh else "Locked once the demand is opened, before any tick.")

        return OpenSealed(number, tuple(ticks), energy_wh, deadline_ms), document, draw

    send(signing, "the round", make)


def seal_demand(interval: IntervalArgument, energy_wh: Wh, *, signing: options.Signing, purse: options.Purse) -> None:
    """Seal what the signer's private loads will take in an interval: only the sum of all tenants is ever opened."""

    def make(connection: Connection, ledger: ProvenLedger, owner: Owner) -> Said:
        from contracts.units import energy_wh as energy_of
        from node.sealed import words

        sight = _sight(connection, ledger, owner, interval)
        round_ = _round(sight)
        site = connection.run(connection.client.query("meters", member=owner.member))["data"]["meters"]
        params = connection.run(connection.client.query("rules"))["data"]["params"]
        rating_wh = sum(
            energy_of(int(one["rating_w"]), int(params["interval_ms"]))
            for one in site
            if one["member"] == owner.member and one["kind"] == "load" and one["private"] is not None
        )
        body = _within(
            f"The demand is above the {rating_wh:,} Wh that the loads are rated for.",
            lambda: words.demand(ledger.chain_id, owner, round_, energy_wh, rating_wh, entropy=entropy()),
        )
        return body, {"interval": round_.interval, "sealed": body.sealed.hex()}, _sealed_line("demand", rating_wh)

    _speak(signing, purse, "the demand", make)


def seal_bid(
    interval: IntervalArgument,
    blocks: Annotated[
        list[str],
        typer.Option("--block", help="PRICE:WH, so much more from that price on, or the next tick; repeatable."),
    ],
    *,
    signing: options.Signing,
    purse: options.Purse,
) -> None:
    """Bid sealed in the round of an interval: neither prices nor quantities are shown, and no other bid replaces it."""

    def make(connection: Connection, ledger: ProvenLedger, owner: Owner) -> Said:
        from node.sealed import words
        from zk.statements.openings import total

        sight = _sight(connection, ledger, owner, interval)
        round_ = _round(sight)
        if sight.own is None:
            raise _refused("sealed.participant")
        quantities = at_ticks(round_.ticks, read_blocks(blocks))
        held = total([words.capacity_of(ledger.chain_id, owner, one) for one in sight.capacities])
        body = _within(
            f"The bid is above the registered capacity of {held.value:,} Wh.",
            lambda: words.bid(ledger.chain_id, owner, round_, held, quantities, entropy=entropy()),
        )
        document = {"interval": round_.interval, "ticks": list(round_.ticks), "quantities_wh": quantities}

        def draw() -> None:
            headings = ["From a price of (currency/kWh)", "More (Wh)"]
            rows = [[per_kwh(tick), f"{wh:,}"] for tick, wh in zip(round_.ticks, quantities, strict=True)]
            table(f"Sealed bid, interval {round_.interval}; only you see this", headings, rows, right=headings)

        return body, document, draw

    _speak(signing, purse, "the bid", make)


def seal_award(interval: IntervalArgument, *, signing: options.Signing, purse: options.Purse) -> None:
    """Take what one's own bid gives at the price; without it the bid is opened, and its wager is lost."""

    def make(connection: Connection, ledger: ProvenLedger, owner: Owner) -> Said:
        from node.sealed import words

        sight = _sight(connection, ledger, owner, interval)
        round_ = _round(sight)
        if sight.offer is None:
            raise _refused("sealed.bidder")
        price, ticks = words.clearing(round_), words.bid_of(ledger.chain_id, owner, round_, sight.offer)
        body = words.award(ledger.chain_id, owner, round_, ticks, entropy=entropy())
        below, marginal = sum(one.value for one in ticks[: price.tick - 1]), ticks[price.tick - 1].value
        award_wh = (price.whole * below + price.part * marginal) // price.whole
        document = {"interval": round_.interval, "award_wh": award_wh, "price_nano_per_wh": price.price_nano_per_wh}

        def draw() -> None:
            line(f"Awarded: {award_wh:,} Wh at {per_kwh(price.price_nano_per_wh)} per kWh; only you see how much.")

        return body, document, draw

    _speak(signing, purse, "the award", make)


def seal_delivery(interval: IntervalArgument, *, signing: options.Signing, purse: options.Purse) -> None:
    """Prove that one's meters saw what was awarded; what is missing of it is shown, and everything else credited."""

    def make(connection: Connection, ledger: ProvenLedger, owner: Owner) -> Said:
        from node.sealed import agents

        number = int(interval_number(connection, interval)["interval"])
        body = patiently(connection, lambda: agents.delivery(ledger, owner, number, 0, entropy()))
        if body is None:
            raise _refused("sealed.metered")
        missing = f"{body.shortfall_wh:,} Wh are missing." if body.shortfall_wh else "Nothing is missing."
        return body, {"interval": number, "shortfall_wh": body.shortfall_wh}, lambda: line(missing)

    _speak(signing, purse, "the delivery", make)


def seal_claim(interval: IntervalArgument, *, signing: options.Signing) -> None:
    """Say what an opened sum of a round is, so that the round goes on; seats do so by themselves, anybody may."""

    def make(connection: Connection) -> Said:
        from contracts.sealed.bodies import ClaimSum
        from node.sealed import finding

        number = int(interval_number(connection, interval)["interval"])
        waiting = finding.points_of(connection.run(connection.client.query("sealed", number))["data"])
        opening, sum_wh = next(((one, finding.sum_of(point)) for one, point in waiting), (0, None))
        if sum_wh is None:
            raise _refused("sealed.opening")
        document = {"interval": number, "opening": opening, "value_wh": sum_wh}
        return ClaimSum(number, opening, sum_wh), document, lambda: line(f"Opening {opening} is {sum_wh:,} Wh.")

    send(signing, "the claim", make)


def at_ticks(ticks: tuple[int, ...], blocks: list[tuple[int, int]]) -> list[int]:
    """Quantities by tick: each block at the first tick that is not below its price. Raises NodeError `cli.block`."""
    quantities = [0] * len(ticks)
    for price, energy_wh in blocks:
        place = next((at for at, tick in enumerate(ticks) if price <= tick), None)
        if place is None or energy_wh < 0:
            raise NodeError(
                "cli.block",
                f"{price}:{energy_wh} fits no tick of the round, the highest of which is {ticks[-1]}.",
                "Give a price at or below it and at least 0 Wh, or leave the block out.",
            )
        quantities[place] += energy_wh
    return quantities


def _speak(
    signing: options.Signing,
    purse: options.Purse,
    what: str,
    make: Callable[[Connection, ProvenLedger, Owner], Said],
) -> None:
    """Sign what `make` says of what is proven, submit it, and print what became of it."""
    with reporting(signing.as_json), Connection(signing.node, signing.directory) as connection:
        path = wallet_path(signing.as_, purse, signing.directory)
        owner = owner_of(signing.as_, signing.key, signing.directory)
        with proven_by(connection, path, purse, signing.directory) as ledger:
            signer = account(connection, signing.as_, signing.key, signing.directory)
            body, document, draw = make(connection, ledger, owner)
            report(settle(connection, signer.sign(body), signing, what), signing, document, draw)


def _sight(connection: Connection, ledger: ProvenLedger, owner: Owner, interval: str) -> Sight:
    from node.sealed import agents

    number = int(interval_number(connection, interval)["interval"])
    return patiently(connection, lambda: agents.look(ledger, number, owner.member, 0))


def _round(sight: Sight) -> Any:
    if sight.round_ is None:
        raise _refused("sealed.round")
    return sight.round_


def _within(message: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except ValueError:
        raise NodeError("cli.energy", message, "Seal less.") from None


def _refused(code: str) -> NodeError:
    from contracts.codes import describe

    said = describe(code)
    return NodeError(code, said.message, said.hint)


def _sealed_line(what: str, most_wh: int) -> Callable[[], None]:
    return lambda: line(f"Sealed: everybody sees a {what} between 0 and {most_wh:,} Wh, and nobody how much.")


# Queries


def sealed(
    interval: Annotated[str | None, typer.Argument(help="Number of an interval. Default: rounds that wait.")] = None,
    *,
    asking: options.Asking,
) -> None:
    """Sealed rounds as everybody sees them: phase, price, sums that were opened, who bid, who is short of what."""
    if interval is None:
        show("sealed", [], _draw_all, asking, Rows("rounds", "round_"))
    else:
        show("sealed", [interval], _draw_round, asking, Rows("suppliers", "supplier_", ("asked", "shown")))


def capacity(meter: Annotated[str, typer.Argument(help="Meter id.")], asking: options.Asking) -> None:
    """The hidden capacity of a source, and what it offers openly where a sealed round fails."""

    def draw(data: Data, shown: Form) -> None:
        blocks = [f"{one['energy_wh']:,} Wh at {per_kwh(int(one['price_nano_per_wh']))}" for one in data["reference"]]
        rows = [
            ["Member", data["member"]],
            ["Capacity", f"between 0 and {data['nameplate_wh']:,} Wh in an interval"],
            ["Commitment", data["capacity"]],
            ["Reference offer", "; ".join(blocks)],
        ]
        facts(f"Capacity of {meter}", rows)

    show("capacity", [meter], draw, asking)


def _draw_all(data: Data, shown: Form) -> None:
    rows = [
        [str(one["interval"]), PHASES[one["phase"]], one["outcome"], _price(one["clearing"]), ", ".join(one["bidders"])]
        for one in data["rounds"]
    ]
    table(f"Sealed rounds that wait: {data['waiting']}", ["Interval", "It", "Outcome", "Price", "Bidders"], rows)
    line(f"Capacities are registered for {', '.join(data['capacities']) or 'no meter'}.")


def _draw_round(data: Data, shown: Form) -> None:
    clearing = data["clearing"]
    demand = "sealed" if data["demand_wh"] is None else f"{data['demand_wh']:,} Wh"
    awarded = "not opened" if data["awarded_wh"] is None else f"{data['awarded_wh']:,} Wh"
    rows = [
        ["It", PHASES[data["phase"]]],
        ["Outcome", data["outcome"] if data["reason"] == "none" else f"{data['outcome']}: {data['reason']}"],
        ["Buyer", data["buyer"]],
        ["Demand", demand],
        ["Ticks (currency/kWh)", ", ".join(per_kwh(int(tick)) for tick in data["ticks"])],
        ["Price", _price(clearing)],
        ["Awarded", awarded],
        ["Paid (currency)", money(int(data["paid_nano"]))],
        ["Sums opened", str(data["openings"])],
        ["Said nothing", ", ".join(data["absent"]) or "nobody"],
        ["Withheld shares", ", ".join(data["withheld"]) or "nobody"],
    ]
    facts(f"Sealed round of interval {data['interval']}", rows)
    suppliers = [
        [
            one["member"],
            one["state"],
            "hidden" if one["award_wh"] is None else f"{one['award_wh']:,}",
            "-" if one["shortfall_wh"] is None else f"{one['shortfall_wh']:,}",
            "lost" if one["lost_wager"] else money(int(one["wager_nano"])),
        ]
        for one in data["suppliers"]
    ]
    headings = ["Supplier", "State", "Award (Wh)", "Short (Wh)", "Wager (currency)"]
    table("Suppliers", headings, suppliers, right=headings[2:])
    for one in data["asked"]:
        what = f"{one['part']} {one['tick']}" if one["supplier"] is None else f"{one['part']} of {one['supplier']}"
        said = "too late" if one["late"] else "waits" if one["value_wh"] is None else f"{one['value_wh']:,} Wh"
        line(f"Opening {one['opening']}, {what}: {said}.")


def _price(clearing: Data | None) -> str:
    return (
        "none"
        if clearing is None
        else f"{per_kwh(int(clearing['price_nano_per_wh']))} for {clearing['target_wh']:,} Wh"
    )
