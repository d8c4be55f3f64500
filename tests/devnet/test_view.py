"""The live view: every figure stands under its name and unit, what is not known yet is a dash."""

from __future__ import annotations

import asyncio
import io
from typing import Any

from rich.console import Console

from devnet import scenario, view
from devnet.diary import Progress
from node.access.requests import ReaderKey
from node.client import Client
from node.errors import NodeError

CAMPUS = scenario.load("campus")
FIRST = CAMPUS.first_interval
LENGTH_MS = CAMPUS.params.interval_ms
OPENING = {member.id: member.balance_nano for member in CAMPUS.members}


def interval(number: int, status: str, **fields: Any) -> dict[str, Any]:
    known = {"interval": number, "status": status, "start_ms": number * LENGTH_MS}
    return known | {"demand_wh": 0, "served_wh": 0, "price_nano_per_wh": 0, "import_wh": 0, "export_wh": 0} | fields


SETTLED = interval(
    FIRST,
    "settled",
    demand_wh=501_001,
    served_wh=502_002,
    withdrawn_wh=503_003,
    price_nano_per_wh=123_000,
    tie_import_wh=504_004,
    tie_export_wh=505_005,
    losses_wh=-6_006,
    estimated=3,
    builder="storage",
)
ORDERED = interval(FIRST + 1, "ordered", demand_wh=601_001, served_wh=602_002, import_wh=604_004, export_wh=605_005)
OPEN = interval(FIRST + 2, "open", demand_wh=701_001)
SNAPSHOT = view.Snapshot(
    nodes=[],
    blocks=[],
    intervals=[SETTLED, ORDERED, OPEN, {"interval": FIRST + 3, "status": "empty", "start_ms": 0}],
    balances_nano={"solar": OPENING["solar"] + 5 * 10**9},
    time_ms=FIRST * LENGTH_MS + 1,
    progress=Progress(outcomes={FIRST: {"curtailed_wh": 7_007}}),
    paid_nano={FIRST: 64_500_000_000},
)


def drawn(snapshot: view.Snapshot, width: int = 170) -> list[list[str]]:
    """Rows of the drawn screen as cells."""
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(view.draw(snapshot, CAMPUS, OPENING, "somewhere", width))
    text = console.export_text()
    return [[cell.strip() for cell in line[1:-1].replace("┃", "│").split("│")] for line in text.splitlines()]


def test_every_figure_is_in_its_column() -> None:
    rows = drawn(SNAPSHOT)
    names = next(row for row in rows if row[0] == "interval")
    assert names == [name for name, _ in view.DISPATCH]
    units = rows[rows.index(names) + 1]
    for name, unit in zip(names, units, strict=False):
        units_of = {"price": "currency/kWh", "paid": "currency", "estimated": "meters", "built": "by"}
        units_of["from"] = "UTC · site"
        assert unit == units_of.get(name, "" if name in ("interval", "status") else "kWh")
    found = {row[0]: dict(zip(names, row, strict=True)) for row in rows if len(row) == len(names)}
    assert found[str(FIRST)] == {
        "interval": str(FIRST),
        "from": "08:00 · 10:00",
        "status": "settled",
        "needed": "501.001",
        "ordered": "502.002",
        "delivered": "503.003",
        "price": "0.123",
        "paid": "64.50",
        "import": "504.004",
        "export": "505.005",
        "losses": "-6.006",
        "curtailed": "7.007",
        "estimated": "3",
        "built": "storage",
    }
    ordered = found[str(FIRST + 1)]
    assert [ordered[name] for name in ("ordered", "import", "export")] == ["602.002", "604.004", "605.005"]
    assert {ordered[name] for name in ("delivered", "paid", "losses", "curtailed", "estimated")} == {"-"}
    assert ordered["built"] == "fallback"
    opened = found[str(FIRST + 2)]
    assert opened["needed"] == "701.001"
    assert {opened[name] for name in names[4:]} == {"-"}
    assert set(list(found[str(FIRST + 3)].values())[3:]) == {"-"}


def test_a_narrow_screen_keeps_what_matters() -> None:
    for width, left_out in ((150, 1), (149, 4), (119, 6)):
        console = Console(width=150, file=io.StringIO(), record=True)
        console.print(view.draw(SNAPSHOT, CAMPUS, OPENING, "somewhere", width))
        heading = next(line for line in console.export_text().splitlines() if "needed" in line)
        assert len(heading.split("┃")) - 2 == len(view.DISPATCH) - left_out
        for name in ("needed", "ordered", "delivered", "price", "paid", "losses", "curtailed"):
            assert name in heading


def test_one_line_says_needed_ordered_delivered_price_and_paid() -> None:
    line = view.plain(SNAPSHOT, view.Form(False, False, None))
    assert line.startswith("2025-08-21 08:00:00.001 UTC | ")
    for part in ("needed 501.001 kWh", "ordered 502.002 kWh", "delivered 503.003 kWh", "0.123 currency/kWh"):
        assert part in line
    assert "paid 64.50 currency" in line


def test_a_devnet_without_nodes_is_still_drawn() -> None:
    nothing = view.Snapshot([], [], [], {}, 0, Progress(error="they were tired"), {})
    text = "\n".join(" ".join(row) for row in drawn(nothing))
    assert "no node answers" in text
    assert "the agents stopped: they were tired" in text


class Settling(Client):
    """A node on which two members owe and one is owed."""

    def __init__(self) -> None:
        super().__init__("http://nowhere")
        self.asked = 0

    async def get(self, path: str, reader: ReaderKey | None = None, **options: str | int) -> dict[str, Any]:
        parts = path.split("/")[1:]
        match parts:
            case ["status"]:
                return {"time_ms": (FIRST + 1) * LENGTH_MS}
            case ["block", height]:
                return {"height": int(height)}
            case ["query", "balance", _]:
                return {"data": {"balance_nano": "1"}}
            case ["query", "interval", number]:
                return {"data": interval(int(number), "settled" if int(number) <= FIRST else "open")}
            case ["query", "bill", _, member]:
                self.asked += 1
                owed = {"campus": "-70", "tenant-01": "-5", "solar": "75"}
                if member not in owed:
                    raise NodeError("rpc.unknown-bill", "No line.", "")
                return {"data": {"total_nano": owed[member]}}
        raise AssertionError(path)


def test_payments_are_asked_for_once() -> None:
    node, paid = Settling(), {FIRST - at: 1 for at in range(1, 200)}
    for _ in range(2):
        snapshot = asyncio.run(view._ask(node, CAMPUS, [], 3, Progress(), paid))
        assert snapshot.paid_nano[FIRST] == 75
    assert node.asked == len(CAMPUS.members)
    assert len(paid) == view.MAX_PAID
