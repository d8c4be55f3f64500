"""`gridpact tx storage | load | withdraw-load | reserve | require`: what can be moved in time, or must be held back.
`gridpact query case | flexible | storage | loads | load`: what stands, and what was made of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli import options
from node.cli.answer import Data, Rows, show
from node.cli.context import Connection
from node.cli.form import Form
from node.cli.output import facts, line, per_kwh, table
from node.cli.tx import MAX_ENERGY, MAX_WINDOW, Count, First, interval_number, send
from node.errors import NodeError

if TYPE_CHECKING:
    from contracts.bodies import AccountBody

NAME = re.compile(r"[a-z0-9-]{1,32}")
Price = Annotated[int, typer.Option("--price", min=0, help="Asked for a Wh held back, in nano-currency.")]
Which = Annotated[str, typer.Argument(help="Interval number, `now`, or `next`.")]
Name = Annotated[str, typer.Argument(help="Name of the load.")]
Made = tuple["AccountBody", dict[str, Any], Callable[[], None]]


def register(tx: typer.Typer, query: typer.Typer) -> None:
    """Mount the commands."""
    said: dict[str, Callable[..., None]] = {
        "storage": offer_storage,
        "load": want,
        "withdraw-load": withdraw_load,
        "reserve": offer_reserve,
        "require": require,
    }
    asked: dict[str, Callable[..., None]] = {
        "case": case,
        "flexible": standing,
        "storage": storage,
        "loads": loads,
        "load": load,
    }
    for app, commands in ((tx, said), (query, asked)):
        for name, command in commands.items():
            app.command(name=name)(options.grouped(command))


# Transactions


def offer_storage(
    meter: Annotated[str, typer.Option("--meter", help="Meter of the storage.")],
    charge_wh: Annotated[
        int, typer.Option("--charge", min=0, max=MAX_ENERGY, help="Most to take in an interval, in Wh.")
    ],
    discharge_wh: Annotated[int, typer.Option("--discharge", min=0, max=MAX_ENERGY, help="Most to give, in Wh.")],
    end_value: Annotated[
        int | None,
        typer.Option("--end-value", help="Worth of a Wh left in it, nano-currency. Default: it ends as it began."),
    ] = None,
    reserve_wh: Annotated[int, typer.Option("--reserve", min=0, max=MAX_ENERGY, help="Most to hold back, in Wh.")] = 0,
    price: Price = 0,
    first: First = "next",
    count: Count = 1,
    *,
    signing: options.Signing,
) -> None:
    """Let the dispatch charge and discharge a storage; nothing to charge and to discharge withdraws it."""
    from contracts.bodies import StorageOffer

    def make(connection: Connection) -> Made:
        when = interval_number(connection, first)["interval"]
        body = StorageOffer(meter, when, count, charge_wh, discharge_wh, end_value, reserve_wh, price)
        return _said("Storage", body)

    send(signing, "the offer", make)


def want(
    name: Annotated[str, typer.Argument(help="Name of the load, used once: 1 to 32 of a-z, 0-9 and hyphen.")],
    energy_wh: Annotated[int, typer.Option("--wh", min=1, max=MAX_ENERGY, help="Energy wanted in all, in Wh.")],
    most_wh: Annotated[int, typer.Option("--most", min=1, max=MAX_ENERGY, help="Most in one interval, in Wh.")],
    value: Annotated[int, typer.Option("--value", help="Worth of a Wh that it does not get, in nano-currency.")],
    intervals: Annotated[int, typer.Option("--within", min=1, max=MAX_WINDOW, help="Intervals until its deadline.")],
    first: First = "next",
    *,
    signing: options.Signing,
) -> None:
    """Want energy by a deadline, whenever it is cheapest: an electric vehicle, a job."""
    from contracts.bodies import FlexibleLoad

    def make(connection: Connection) -> Made:
        when = interval_number(connection, first)["interval"]
        body = FlexibleLoad(checked_name(name), when, when + intervals, energy_wh, most_wh, value)
        return _said("Flexible load", body)

    send(signing, "the load", make)


def withdraw_load(name: Name, signing: options.Signing) -> None:
    """Let a load want nothing more than what is ordered for it."""
    from contracts.bodies import WithdrawLoad

    send(signing, "the withdrawal", lambda _: _said("Withdrawn", WithdrawLoad(checked_name(name))))


def offer_reserve(
    meter: Annotated[str, typer.Option("--meter", help="Meter of the source.")],
    reserve_wh: Annotated[int, typer.Option("--wh", min=0, max=MAX_ENERGY, help="Energy per interval; 0 withdraws.")],
    price: Price = 0,
    first: First = "next",
    count: Count = 1,
    *,
    signing: options.Signing,
) -> None:
    """Let a source hold energy back for the worst; paid as offered where it is required."""
    from contracts.bodies import ReserveOffer

    def make(connection: Connection) -> Made:
        when = interval_number(connection, first)["interval"]
        return _said("Reserve", ReserveOffer(meter, when, count, reserve_wh, price))

    send(signing, "the reserve", make)


def require(
    reserve_wh: Annotated[int, typer.Option("--reserve", min=0, max=MAX_ENERGY, help="Held back in each, in Wh.")] = 0,
    carbon_cap_ug: Annotated[
        int | None, typer.Option("--carbon", min=0, max=2**63 - 1, help="Most that each may emit, in micrograms.")
    ] = None,
    first: First = "next",
    count: Count = 1,
    *,
    signing: options.Signing,
) -> None:
    """Require reserve or a cap on carbon; campus or utility only, and nothing takes back one's own."""
    from contracts.bodies import Require

    def make(connection: Connection) -> Made:
        when = interval_number(connection, first)["interval"]
        return _said("Required", Require(when, count, reserve_wh, carbon_cap_ug))

    send(signing, "the requirement", make)


def checked_name(name: str) -> str:
    """An id as the ledger takes it. Raises NodeError `cli.name`."""
    if NAME.fullmatch(name) is None:
        raise NodeError("cli.name", f"{name!r} is no name of a load.", "Use 1 to 32 of a-z, 0-9 and hyphen.")
    return name


def _said(title: str, body: AccountBody) -> Made:
    """A body with its document and its table. Raises NodeError `cli.value` for what is beyond its bounds."""
    import msgspec

    from node.render import render
    from zk.codec import encode

    try:
        msgspec.msgpack.decode(encode(body), type=type(body))
    except msgspec.ValidationError as error:
        raise NodeError("cli.value", f"A value is out of its bounds: {error}.", "See the units in --help.") from None
    document = {name: value for name, value in render(body).items() if name != "type"}
    rows = [[name, "-" if value is None else str(value)] for name, value in document.items()]
    return body, document, lambda: facts(title, rows)


# Queries


def case(which: Which, asking: options.Asking) -> None:
    """The case by which an interval's window is dispatched, as `gridpact dispatch solve` takes it (`data.case`)."""

    def draw(data: Data, shown: Form) -> None:
        found = data["case"]
        kinds = ("sources", "storages", "connections", "demands", "bids", "loads", "lines")
        rows = [[kind, str(len(found.get(kind, ())))] for kind in kinds]
        title = f"Case of interval {data['interval']}: {data['count']} to order, {found['intervals']} in sight"
        table(title, ["Things", "Number"], rows, right=["Number"])

    show("case", [which], draw, asking)


def standing(which: Which, asking: options.Asking) -> None:
    """Storages, reserves and requirements of an interval."""

    def draw(data: Data, shown: Form) -> None:
        headings = ["Meter", "Member", "Charge (Wh)", "Discharge (Wh)", "Reserve (Wh)", "Asked (currency/kWh)"]
        rows = [
            [
                one["meter"],
                one["member"],
                f"{one.get('charge_wh', 0):,}",
                f"{one.get('discharge_wh', 0):,}",
                f"{one['reserve_wh']:,}",
                per_kwh(one["reserve_nano_per_wh"]),
            ]
            for one in (*data["storages"], *data["reserves"])
        ]
        table(f"Storages and reserves of interval {data['interval']}", headings, rows, right=headings[2:])
        for one in data["requirements"]:
            cap = "any" if one["carbon_cap_ug"] is None else f"at most {int(one['carbon_cap_ug']):,} ug of"
            line(f"{one['member']} requires {one['reserve_wh']:,} Wh of reserve, and {cap} carbon.")

    show("flexible", [which], draw, asking, Rows("storages", "storage_", ("reserves", "requirements")))


def storage(meter: Annotated[str, typer.Argument(help="Meter of the storage.")], asking: options.Asking) -> None:
    """What a storage holds by its registers, and what it said of itself."""

    def draw(data: Data, shown: Form) -> None:
        said = "nothing" if data["reported_wh"] is None else f"{data['reported_wh']:,} Wh"
        line(f"{data['meter']} holds {data['charge_wh']:,} Wh after interval {data['interval']}; it said {said}.")

    show("storage", [meter], draw, asking)


def loads(asking: options.Asking) -> None:
    """Flexible loads that wait for energy."""

    def draw(data: Data, shown: Form) -> None:
        headings = ["Load", "Member", "From", "Until", "Wants (Wh)", "Ordered (Wh)"]
        table("Flexible loads", headings, [_row(one) for one in data["loads"]], right=headings[2:])

    show("loads", [], draw, asking, Rows("loads", "load_"))


def load(name: Name, asking: options.Asking) -> None:
    """A flexible load, and what became of it."""

    def draw(data: Data, shown: Form) -> None:
        headings = ["Load", "Member", "From", "Until", "Wants (Wh)", "Ordered (Wh)"]
        table("Withdrawn" if data["withdrawn"] else "Flexible load", headings, [_row(data)], right=headings[2:])

    show("load", [name], draw, asking)


def _row(one: Data) -> list[str]:
    return [
        one["id"],
        one["member"],
        str(one["first"]),
        str(one["until"]),
        f"{one['energy_wh']:,}",
        f"{one['ordered_wh']:,}",
    ]
