"""The picture of a day: well-formed, its stacks add up to what the ledger recorded, and heights are energies."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.genesis import Genesis
from contracts.members import Meter
from devnet import founding, scenario
from devnet.errors import DevnetError
from devnet.plot.day import OTHERS, Day, Moment, collect, layers
from devnet.plot.day import moment as moment_of
from devnet.plot.picture import PANELS, draw
from node.access.requests import ReaderKey
from node.cli.form import Form
from node.client import Client
from node.drawing.panels import scale

SITE = Form(False, False, ZoneInfo("Etc/GMT-2"))
PLAIN = Form(False, False, None)
SVG = "{http://www.w3.org/2000/svg}"
LENGTH_MS = 900_000
CAMPUS = scenario.load("campus")

energies = st.integers(0, 10**7)
names = st.sampled_from([f"source-{number}" for number in range(12)])


@st.composite
def days(draw: st.DrawFn) -> Day:
    """Balanced intervals, some missing, from any mix of sources."""
    moments = []
    for interval in sorted(draw(st.sets(st.integers(100, 130), min_size=1, max_size=12))):
        sources = {name: energy for name, energy in draw(st.dictionaries(names, energies)).items() if energy}
        discharge, imported, charge, exported = (draw(energies) for _ in range(4))
        settled = draw(st.booleans())
        price, import_price = draw(st.integers(-(10**6), 10**6)), draw(st.integers(0, 10**6))
        moments.append(
            Moment(
                interval=interval,
                start_ms=interval * LENGTH_MS,
                sources_wh=sources,
                discharge_wh=discharge,
                charge_wh=charge,
                import_wh=imported,
                export_wh=exported,
                needed_wh=draw(energies),
                served_wh=draw(energies),
                shed_wh=0,
                delivered_wh=draw(energies) if settled else None,
                losses_wh=draw(st.integers(-1000, 10**6)) if settled else None,
                price_nano_per_wh=price,
                import_nano_per_wh=import_price,
                export_nano_per_wh=import_price // 2,
            )
        )
    return Day('<chain> & "co"', LENGTH_MS, moments)


@settings(max_examples=60)
@given(days(), st.sampled_from([SITE, PLAIN]))
def test_stacks_add_up_and_heights_are_energies(day: Day, shown: Form) -> None:
    root = ElementTree.fromstring(draw(day, shown))
    assert root.tag == f"{SVG}svg"
    bars: dict[int, list[tuple[float, float, int]]] = defaultdict(list)
    for rect in root.iter(f"{SVG}rect"):
        if "data-wh" in rect.attrib:
            at = rect.attrib
            bars[int(at["data-interval"])].append((float(at["y"]), float(at["height"]), int(at["data-wh"])))
    _, top, bottom = PANELS[0]
    ratios = []
    for moment in day.moments:
        stack = bars.pop(moment.interval, [])
        assert sum(energy_wh for _, _, energy_wh in stack) == moment.given_wh
        assert sum(energy_wh for _, energy_wh in layers(moment, day.sources())) == moment.given_wh
        below = bottom
        for y, height, energy_wh in stack:
            assert y + height == pytest.approx(below, abs=0.02)
            assert y >= top - 0.02
            below = y
            if height > 20:
                ratios.append(energy_wh / height)
    assert not bars
    assert all(ratio == pytest.approx(ratios[0], rel=0.002) for ratio in ratios)


@settings(max_examples=100)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1))
def test_a_scale_holds_everything_with_round_marks(values: list[float]) -> None:
    made = scale(values, 400, 100)
    assert 2 <= len(made.marks) <= 8
    assert made.marks[0] <= min(0, *values) <= max(0, *values) <= made.marks[-1] + 1e-9
    assert made.at(made.low) == 400
    assert made.at(made.high) == pytest.approx(100)


def test_axes_name_units_and_both_times() -> None:
    day = Day("pact-0", LENGTH_MS, [plain_moment(96 * 20_000 + slot) for slot in range(96)])
    text = [one.text or "" for one in ElementTree.fromstring(draw(day, SITE)).iter(f"{SVG}text")]
    assert {"UTC", "site", "12:00", "14:00"} <= set(text)
    for unit in ("Power (kW, mean of the interval)", "Price (currency per kWh)", "battery: discharge, charge"):
        assert unit in text
    assert "site" not in [one.text for one in ElementTree.fromstring(draw(day, PLAIN)).iter(f"{SVG}text")]


def plain_moment(interval: int) -> Moment:
    return Moment(interval, interval * LENGTH_MS, {"s": 5_000}, 0, 0, 1_000, 0, 6_000, 6_000, 0, None, None, 50, 80, 20)


class Told(Client):
    """A node with a few ordered intervals."""

    def __init__(self, ordered: dict[int, dict[str, Any]], now: int) -> None:
        super().__init__("http://nowhere")
        self._ordered = ordered
        self._now = now

    async def genesis(self) -> Genesis:
        meters = [
            Meter(one.id, one.member, bytes(32), one.kind, one.zone, one.rating_w, None, None) for one in CAMPUS.meters
        ]
        document = founding.genesis(CAMPUS, (), meters, stepped=True)
        return msgspec.structs.replace(document, time_ms=10 * LENGTH_MS)

    async def status(self) -> dict[str, Any]:
        return {"time_ms": self._now * LENGTH_MS + 1}

    async def get(self, path: str, reader: ReaderKey | None = None, **options: str | int) -> dict[str, Any]:
        _, _, kind, interval = path.split("/")
        document = self._ordered.get(int(interval), {"status": "empty"})
        assert kind == "interval" or document["status"] in ("ordered", "settled")
        return {"data": document}


def dispatch(interval: int, status: str = "ordered") -> dict[str, Any]:
    """Ten kWh: sun 6, battery 1, import 3; one of them charges the battery again."""
    sun = {"member": "solar", "served_wh": 0, "meters": [{"meter": "solar-pv", "energy_wh": 6_000}]}
    battery = {"member": "storage", "served_wh": 1_000, "meters": [{"meter": "storage-battery", "energy_wh": 1_000}]}
    campus: dict[str, Any] = {"member": "campus", "served_wh": 8_500, "meters": []}
    return {
        "interval": interval,
        "status": status,
        "start_ms": interval * LENGTH_MS,
        "orders": [sun, battery, campus],
        "import_wh": 3_000,
        "export_wh": 500,
        "demand_wh": 8_500,
        "served_wh": 9_500,
        "shed_wh": 0,
        "withdrawn_wh": 9_800,
        "losses_wh": 100,
        "price_nano_per_wh": 50,
        "import_nano_per_wh": 80,
        "export_nano_per_wh": 20,
    }


def test_what_is_given_is_what_is_taken() -> None:
    seen = moment_of(dispatch(12, "settled"), asyncio.run(Told({}, 0).genesis()))
    assert seen.sources_wh == {"solar-pv": 6_000}
    assert (seen.discharge_wh, seen.charge_wh, seen.served_wh) == (1_000, 1_000, 8_500)
    assert seen.given_wh == seen.served_wh + seen.charge_wh + seen.export_wh == 10_000
    assert (seen.delivered_wh, seen.losses_wh) == (9_800, 100)


def test_the_newest_intervals_are_drawn_from_genesis_on() -> None:
    node = Told({interval: dispatch(interval) for interval in (12, 13, 15)}, now=14)
    for start, count, found in ((None, 96, [12, 13, 15]), (None, 2, [15]), (13, 2, [13]), (12, 4, [12, 13, 15])):
        day = asyncio.run(collect(node, start, count))
        assert [one.interval for one in day.moments] == found
    with pytest.raises(DevnetError) as caught:
        asyncio.run(collect(node, 20, 5))
    assert caught.value.code == "plot.empty"


def test_small_sources_are_drawn_as_one() -> None:
    many = {f"source-{number:02d}": 1_000 + number for number in range(12)}
    day = Day("pact-0", LENGTH_MS, [plain_moment(5)._replace(sources_wh=many)])
    assert day.sources() == [f"source-{number:02d}" for number in range(11, 4, -1)]
    assert dict(layers(day.moments[0], day.sources()))[OTHERS] == sum(1_000 + number for number in range(5))


def test_without_a_node_nothing_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a node the command says so, with a code."""
    from devnet.cli import app
    from node.cli.output import run

    arguments = ["plot", "day", "--dir", str(tmp_path), "--out", str(tmp_path / "day.svg"), "--json"]
    assert run(app, arguments) == 1
    assert msgspec.json.decode(capsys.readouterr().out)["code"] == "cli.no-node"
    assert not (tmp_path / "day.svg").exists()
