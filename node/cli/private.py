"""`gridpact query cycle|private-meter` and `gridpact bill private`: hidden energy as the ledger has it, who kept it
from settling, and what a member's own keys open of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from node.cli import options
from node.cli.answer import Data, Rows, show
from node.cli.context import Connection, genesis_path
from node.cli.form import Form
from node.cli.output import emit, facts, line, money, reporting, table

if TYPE_CHECKING:
    from node.billing.views import View

REASONS = {
    "silent": "proved nothing in time",
    "note": "sent a note that does not open",
    "complaint": "complained of a note that opens",
    "no-split": "did not split the total",
    "loss": "billed something that differs by more than the line loses",
    "no-answer": "did not answer to its share",
    "unpaid": "did not pay",
    "not-green": "sold green energy and used up no certificates for it",
}
OUTCOMES = {
    "": "not decided",
    "equal": "the delivery itself",
    "within": "the share, within the line's loss",
    "share": "the share, which nobody answered to",
    "delivery": "the delivery, in place of the share",
}


def register(query: typer.Typer) -> None:
    """Add the commands to their noun."""
    query.command()(options.grouped(cycle))
    query.command(name="private-meter")(options.grouped(private_meter))


def cycle(
    cycle: Annotated[str, typer.Argument(help="Number of a billing cycle, now, or last.")],
    campus: Annotated[str, typer.Argument(help="The member that bills private meters.")],
    asking: options.Asking,
) -> None:
    """A private billing cycle: its phase, what is public of it, and who is named for what."""

    def draw(data: Data, shown: Form) -> None:
        estimated_wh = sum(one["energy_wh"] for one in data["estimates"])
        rows = [
            ["Campus", data["campus"]],
            ["Phase", data["phase"]],
            ["Uses that stand", str(data["proven"])],
            ["Wider than agreed", ", ".join(one["meter"] for one in data["uses"] if one["wide"]) or "none"],
            ["Estimated (Wh)", f"{estimated_wh:,} of {len(data['estimates'])} meters"],
            ["Total", data["total"] or "not fixed"],
            ["Held back of estimates (Wh)", f"{data['held_wh']:,}"],
            ["Bills less deliveries (Wh)", f"{data['residual_wh']:,}"],
        ]
        facts(f"Billing cycle {data['cycle']}", rows)
        shares = [
            [one["meter"], one["member"], OUTCOMES[one["outcome"]], "yes" if one["paid"] else "no"]
            for one in data["shares"]
        ]
        table("Sources", ["Meter", "Member", "Paid for", "Paid"], shares)
        named = [[one["member"], one["meter"] or "-", REASONS[one["reason"]]] for one in data["named"]]
        table("Named", ["Member", "Meter", "Because it"], named)

    show("cycle", [cycle, campus], draw, asking, Rows("uses", "use_", ("estimates", "shares", "named")))


def private_meter(
    meter: Annotated[str, typer.Argument(help="Meter id.")],
    asking: options.Asking,
) -> None:
    """A private meter: what was agreed for it, and up to where it is settled."""

    def draw(data: Data, shown: Form) -> None:
        terms, hidden = data["private"], data["hidden"]
        agreed = "anything its rating allows"
        if terms["high_wh"] is not None:
            agreed = f"{terms['low_wh']:,} to {terms['high_wh']:,} Wh in a billing cycle"
        settled = hidden["settled"]
        rows = [
            ["Meter", data["id"]],
            ["Member", data["member"]],
            ["Billed by", terms["campus"]],
            ["Tariff (nano per Wh)", f"{terms['tariff_nano_per_wh']:,}"],
            ["Agreed", agreed],
            ["Settled up to cycle", "none" if settled is None else str(settled["cycle"])],
            ["Estimates that stand (Wh)", f"{hidden['owed_wh']:,}"],
        ]
        facts("Private meter", rows)

    show("private-meter", [meter], draw, asking, Rows(without=("note_keys",)))


def show_bill(which: str, campus: str, asking: options.Asking) -> None:
    """Print what the member that the options name sees of a cycle."""
    from node.agents.proven import ProvenLedger
    from node.billing import views
    from node.billing.agents import CampusAgent, OwnerAgent
    from node.cli.purse import entropy, owner_of
    from node.light.founding import read_founding

    with reporting(asking.as_json):
        owner = owner_of(asking.as_, asking.key, asking.directory)
        with Connection(asking.node, asking.directory) as connection:
            found = connection.run(connection.client.query("cycle", which, campus))["data"]
            number = int(found["cycle"])
            ledger = ProvenLedger([connection.client], read_founding(genesis_path(None, asking.directory)))
            if owner.member == campus:
                seen = connection.run(views.of_campus(CampusAgent(owner, ledger, _nothing, entropy), number))
            else:
                agent = OwnerAgent(owner, ledger, _nothing, entropy)
                seen = connection.run(views.of_owner(agent, campus, number))
        emit(asking.as_json, _document(seen), lambda: _draw(seen))


async def _nothing(body: object) -> str:
    raise AssertionError("who looks says nothing")


def _document(seen: View) -> Data:
    lines = [
        {**one._asdict(), "amount_nano": None if one.amount_nano is None else str(one.amount_nano)}
        for one in seen.lines
    ]
    return {**seen._asdict(), "lines": lines}


def _draw(seen: View) -> None:
    rows = [
        [
            one.meter,
            one.member,
            one.kind,
            "does not open" if one.energy_wh is None else f"{one.energy_wh:,}",
            "-" if one.amount_nano is None else money(one.amount_nano),
            one.state,
        ]
        for one in seen.lines
    ]
    headings = ["Meter", "Member", "What", "Energy (Wh)", "Amount (currency)", "State"]
    table(f"Billing cycle {seen.cycle} of {seen.campus}: {seen.phase}", headings, rows, right=headings[3:5])
    if seen.total_wh is not None:
        line(f"All loads together: {seen.total_wh:,} Wh.")
    line("Everything opens the very points that are proven to be on the ledger.")
