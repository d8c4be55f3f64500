"""`gridpact tx call-reduction | offer-reduction | base-load` and `gridpact query conduct | reductions | base-loads |
make-whole`: what is promised beyond the market, who keeps to it, and what it is worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli import options
from node.cli.answer import Data, Rows, show
from node.cli.context import Connection
from node.cli.form import Form
from node.cli.output import line, money, per_kwh, table
from node.cli.tx import MAX_ENERGY, Count, First, Reason, checked_reason, send, window

if TYPE_CHECKING:
    from contracts.bodies import AccountBody

Which = Annotated[str, typer.Argument(help="Interval number, now, or last: the newest settled.")]
MAX_PRICE = 2**28 - 1
Wh = Annotated[int, typer.Option("--wh", min=0, max=MAX_ENERGY, help="Energy in each interval; 0 takes it back.")]


def register(tx: typer.Typer, query: typer.Typer) -> None:
    """Add the commands to their nouns."""
    tx.command()(options.grouped(call_reduction))
    tx.command()(options.grouped(offer_reduction))
    tx.command()(options.grouped(base_load))
    query.command()(options.grouped(conduct))
    query.command()(options.grouped(reductions))
    query.command()(options.grouped(base_loads))
    query.command()(options.grouped(make_whole))


# Transactions


def call_reduction(
    wh: Wh,
    reason: Reason,
    payment: Annotated[int, typer.Option("--payment", min=0, max=MAX_PRICE, help="Paid, in nano-currency per Wh.")],
    interval: First = "next",
    count: Count = 1,
    *,
    signing: options.Signing,
) -> None:
    """Pay members for energy that they do without; the utility only."""
    from contracts.bodies import CallReduction

    def make(connection: Connection) -> tuple[AccountBody, dict[str, Any], Callable[[], None]]:
        checked_reason(reason)
        when, text = window(connection, interval, count, signing)
        document = {**when, "energy_wh": wh, "payment_nano_per_wh": payment, "reason": reason}
        row = [text, f"{wh:,}", per_kwh(payment), reason]
        headings = ["Time", "Energy in each (Wh)", "Payment (currency/kWh)", "Reason"]
        return (
            CallReduction(when["interval"], count, wh, payment, reason),
            document,
            lambda: table("Reduction called for", headings, [row], right=headings[1:3]),
        )

    send(signing, "the call", make)


def offer_reduction(
    wh: Wh,
    value: Annotated[int, typer.Option("--value", min=0, max=MAX_PRICE, help="What a Wh is worth to you, in nano.")],
    rebound: Annotated[
        int, typer.Option("--rebound", min=0, max=MAX_PRICE, help="What catching up costs per Wh, in nano.")
    ] = 0,
    interval: First = "next",
    count: Count = 1,
    *,
    signing: options.Signing,
) -> None:
    """Offer to do without energy where a call pays more than you lose."""
    from contracts.bodies import OfferReduction

    def make(connection: Connection) -> tuple[AccountBody, dict[str, Any], Callable[[], None]]:
        when, text = window(connection, interval, count, signing)
        document = {**when, "energy_wh": wh, "value_nano_per_wh": value, "rebound_nano_per_wh": rebound}
        row = [text, f"{wh:,}", per_kwh(value), per_kwh(rebound)]
        headings = ["Time", "Energy in each (Wh)", "Worth (currency/kWh)", "Catching up (currency/kWh)"]
        return (
            OfferReduction(when["interval"], count, wh, value, rebound),
            document,
            lambda: table("Reduction offered", headings, [row], right=headings[1:]),
        )

    send(signing, "the offer", make)


def base_load(
    meter: Annotated[str, typer.Option("--meter", help="Load meter of the signer.")],
    power: Annotated[int, typer.Option("--power", min=0, max=MAX_ENERGY, help="In W; 0 gives it up.")],
    *,
    signing: options.Signing,
) -> None:
    """Have a load promised its power in any island, as far as the site can keep that."""
    from contracts.bodies import BaseLoad

    def make(_: Connection) -> tuple[AccountBody, dict[str, Any], Callable[[], None]]:
        def draw() -> None:
            table("Base load", ["Meter", "Power (W)"], [[meter, f"{power:,}"]], right=["Power (W)"])
            line("See all with: gridpact query base-loads")

        return BaseLoad(meter, power), {"meter": meter, "power_w": power}, draw

    send(signing, "the registration", make)


# Queries


def conduct(which: Which, asking: options.Asking) -> None:
    """Suppliers in an interval: who gave less than ordered, offered less than it could, or was capped."""

    def draw(data: Data, shown: Form) -> None:
        if not (data["shortfalls"] or data["withholding"] or data["capped"]):
            line(f"Interval {data['interval']}: everybody gave what was ordered, and nobody was seen to hold back.")
        for one in data["shortfalls"]:
            first, last = one["interval"], one["interval"] + one["count"] - 1
            when = f"interval {first}" if first == last else f"intervals {first} to {last}"
            line(
                f"{one['meter']} ({one['member']}) gave {one['delivered_wh']:,} of {one['ordered_wh']:,} Wh that were "
                f"ordered in {when}; its member's index fell for it: gridpact trust show"
            )
        for one in data["withholdings"]:
            line(
                f"{one['meter']} ({one['member']}) offered {one['offered_wh']:,} of {one['available_wh']:,} Wh that it "
                "could have given; nothing follows from that by itself."
            )
        if data["capped"]:
            line(f"The island could not do without {', '.join(data['capped'])}: offers counted at their references.")

    show("conduct", [which], draw, asking, Rows("shortfalls", "shortfall_"))


def reductions(which: Which, asking: options.Asking) -> None:
    """Energy that members were called to do without in an interval, against their baselines, and what was paid."""

    def draw(data: Data, shown: Form) -> None:
        call = data["call"]
        if call is None:
            line(f"Nobody called for a reduction in interval {data['interval']}.")
            return
        line(
            f"{call['member']} called for {call['energy_wh']:,} Wh at {per_kwh(call['payment_nano_per_wh'])} "
            f"currency/kWh: {call['reason']}"
        )
        headings = ["Member", "Ordered (Wh)", "Baseline (Wh)", "Metered (Wh)", "Withdrawn (Wh)", "Paid (Wh)"]
        rows = [
            [
                one["member"],
                f"{one['ordered_wh']:,}",
                f"{one['baseline_wh']:,}",
                "silent" if one["metered_wh"] is None else f"{one['metered_wh']:,}",
                f"{one['withdrawn_wh']:,}",
                f"{one['paid_wh']:,}",
            ]
            for one in data["reductions"]
        ]
        table(f"Reductions in interval {data['interval']}", headings, rows, right=headings[1:])

    show("reductions", [which], draw, asking, Rows("reductions", "reduction_"))


def base_loads(asking: options.Asking, which: Which = "now") -> None:
    """What the site promised to serve in any island, and how much more it can promise."""

    def draw(data: Data, shown: Form) -> None:
        headings = ["Meter", "Member", "Site", "Power (W)", "From interval", "Promised"]
        rows = [
            [
                one["meter"],
                one["member"],
                one["site"],
                f"{one['power_w']:,}",
                str(one["since"]),
                "yes" if one["promised"] else "no",
            ]
            for one in data["entries"]
        ]
        table("Base load", headings, rows, right=["Power (W)", "From interval"])
        line(f"Firm without the largest source: {data['firm_w']:,} W; {data['left_w']:,} W can still be promised.")

    show("base-loads", [which], draw, asking, Rows("entries", "entry_"))


def make_whole(which: Which, asking: options.Asking) -> None:
    """Storages that an interval's bills make whole: what a day of orders cost them beyond what it brought."""

    def draw(data: Data, shown: Form) -> None:
        headings = ["Meter", "Member", "Day", "Energy had cost", "Wear", "Was paid", "Made whole by"]
        rows = [
            [
                one["meter"],
                one["member"],
                shown.time(one["day"] * 86_400_000)[:10],
                *(money(one[f"{name}_nano"]) for name in ("used", "wear", "revenue", "amount")),
            ]
            for one in data["storages"]
        ]
        table(f"Made whole in interval {data['interval']} (currency)", headings, rows, right=headings[3:])

    show("make-whole", [which], draw, asking, Rows("storages", "storage_"))
