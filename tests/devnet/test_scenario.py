"""Scenario files: the shipped ones parse, and every mistake is named with its path and the closest name."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from contracts.members import PowerLine
from devnet import founding, scenario
from devnet.directory import Layout
from devnet.errors import DevnetError
from devnet.faults import Fault, broken, misreading, sagging, to_restate, within
from devnet.profiles import load as load_profiles
from node import genesis_file
from node.home import Home

CAMPUS = (scenario.SCENARIOS / "campus.toml").read_text()
SMOKE = (scenario.SCENARIOS / "smoke.toml").read_text()


def refusal(text: str) -> DevnetError:
    with pytest.raises(DevnetError) as caught:
        scenario.parse(text.encode(), "test.toml")
    return caught.value


def test_campus_is_a_realistic_site() -> None:
    campus = scenario.load("campus")
    tenants = [meter for meter in campus.meters if meter.id.startswith("tenant-")]
    peaks = [meter.peak_w for meter in tenants if meter.peak_w is not None]
    assert len(tenants) == 53 == len(peaks)
    assert min(peaks) == 20_000
    assert max(peaks) == 60_000
    assert 1_800_000 <= sum(peaks) <= 2_300_000
    named = [member.id for member in campus.members[:7]]
    assert named == ["solar", "wind", "geothermal", "biodiesel", "campus", "utility", "storage"]
    assert campus.nodes == ("solar", "wind", "geothermal", "biodiesel")


def test_smoke_has_four_validators_twenty_meters_and_one_casualty() -> None:
    smoke = scenario.load("smoke")
    assert len(smoke.nodes) == 4
    assert len(smoke.meters) == 20
    assert smoke.load is not None
    assert smoke.load.seconds == 20
    assert [fault.action for fault in smoke.faults] == ["kill", "restart"]


@pytest.mark.parametrize("name", scenario.available())
def test_every_profile_that_is_named_exists(name: str) -> None:
    wanted = scenario.load(name)
    known = {"flat", "pv", "wind", *load_profiles(wanted.season).load}
    assert {meter.profile for meter in wanted.meters} <= known


def test_more_validators_take_the_next_able_members() -> None:
    seven = scenario.parse(CAMPUS.replace("validators = 4", "validators = 7").encode())
    assert seven.nodes[-1] == "storage"
    assert refusal(CAMPUS.replace("validators = 4", "validators = 8")).code == "scenario.value"
    only = CAMPUS.replace("validators = 4", "validators = 5").replace("able = true", "able = false")
    assert refusal(only).code == "scenario.validators"


@pytest.mark.parametrize(
    ("right", "wrong", "code", "path", "hint"),
    [
        ("able = true", "ables = true", "scenario.unknown-field", "members[0].ables", "`able`"),
        ("line_loss_ppm", "line_los_ppm", "scenario.unknown-field", "line_los_ppm", "`line_loss_ppm`"),
        ("gate_lead_ms", "gate_led_ms", "scenario.unknown-field", "params.gate_led_ms", "`gate_lead_ms`"),
        (
            "capacity_wh",
            "capacty_wh",
            "scenario.unknown-field",
            "meters[6].store.capacty_wh",
            "`capacity_wh`",
        ),
        (
            "share_ppm = 7",
            "shar_ppm = 7",
            "scenario.unknown-field",
            "meters[0].blocks[0].shar_ppm",
            "`share_ppm`",
        ),
        ("load_served", "load_serve", "scenario.unknown-field", "expect.load_serve", "`load_served`"),
        ('member = "storage"', 'member = "storag"', "scenario.reference", "meters[6].member", "`storage`"),
        ("gate_lead_ms = 600_000", "gate_lead_ms = -1", "scenario.value", "params.gate_lead_ms", "units"),
        ("wager_ms = 60_000", "wager_ms = 0", "scenario.value", "params.wagering.wager_ms", "units"),
        (
            "commit_ms = 60_000",
            "comit_ms = 60_000",
            "scenario.unknown-field",
            "params.wagering.comit_ms",
            "`commit_ms`",
        ),
        (
            '[[builders]]\nmember = "utility"',
            '[[builders]]\nmember = "utilty"',
            "scenario.reference",
            "builders[1].member",
            "`utility`",
        ),
        (
            '[[builders]]\nmember = "utility"',
            '[[builders]]\nmember = "campus"',
            "scenario.duplicate",
            "`campus`",
            "one wager",
        ),
        ("on = true", "on = false", "scenario.builders", "builders", "on = true"),
        ('kind = "tie"', 'kind = "tye"', "scenario.value", "meters[5].kind", "units"),
        ("rating_w = 2_400_000", 'rating_w = "big"', "scenario.value", "meters[0].rating_w", "units"),
        ('title = "', "#", "scenario.missing", "title", "Add"),
        ('id = "wind"', 'id = "solar"', "scenario.duplicate", "`solar`", "Rename"),
        (
            "price_nano_per_wh = 70_000",
            "price_nano_per_wh = 45_000",
            "scenario.blocks",
            "meters[0].blocks",
            "Sort",
        ),
        ("T08:00:00Z", "T08:00:00+02:00", "scenario.clock", "clock.origin", "Z"),
        ("T08:00:00Z", "T08:01:00Z", "scenario.clock", "clock.origin", "interval"),
        ("[clock]", "[clock", "scenario.syntax", "line", "line"),
    ],
)
def test_a_typo_is_named(right: str, wrong: str, code: str, path: str, hint: str) -> None:
    assert right in CAMPUS
    error = refusal(CAMPUS.replace(right, wrong, 1))
    assert error.code == code
    assert path in error.message
    assert hint in error.hint
    assert "test.toml" in error.message


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ('nodes = ["campus"]', 'nodes = ["campos"]', "scenario.reference"),
        ("after_ms = 6_000", "after_ms = 6_000\ninterval = 1", "scenario.fault"),
        ("after_ms = 6_000", "", "scenario.fault"),
        ('action = "kill"', 'action = "partition"', "scenario.fault"),
        ('action = "kill"', 'action = "explode"', "scenario.value"),
        ('kind = "load"', 'kind = "storage"', "scenario.store"),
    ],
)
def test_faults_and_stores_must_make_sense(right: str, wrong: str, code: str) -> None:
    assert right in SMOKE
    assert refusal(SMOKE.replace(right, wrong, 1)).code == code


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ('nodes = ["agents"]\ninterval = 3', 'nodes = ["agent"]\ninterval = 3', "scenario.reference"),
        ('action = "restart"\nnodes = ["wind"]', 'action = "restart"\nnodes = ["agents"]', "scenario.fault"),
        ('action = "silence"', 'action = "kill"', "scenario.fault"),
        ('meters = ["tenant-07-load"]\ninterval = 4', 'nodes = ["wind"]\ninterval = 4', "scenario.fault"),
        ('meters = ["tenant-07-load"]\ninterval = 4', 'meters = ["tenant-07-load"]\nafter_ms = 4', "scenario.fault"),
        ('meters = ["tenant-07-load"]', 'meters = ["tenant-7-load"]', "scenario.reference"),
        ('{ meter = "tenant-07-load"', '{ meter = "tenant-7-load"', "scenario.reference"),
        ('lost_sources = [{ meter = "geo', 'lost_sources = [{ meter = "deo', "scenario.reference"),
        ("until_interval = 6", "until_interval = -1", "scenario.value"),
        ('id = "storage"', 'id = "agents"', "scenario.duplicate"),
        ("counts_ppm = 500_000\n", "", "scenario.fault"),
        ('action = "misread"', 'action = "sag"', "scenario.fault"),
        ("counts_ppm = 500_000", "gives_ppm = 500_000", "scenario.fault"),
        ("counts_ppm = 500_000", "counts_ppm = 1_000_001", "scenario.value"),
        ('action = "misread"', 'action = "silence"', "scenario.fault"),
        ('action = "lose"', 'action = "open"', "scenario.fault"),
        ('action = "mend"\nmeters = ["tenant-23', 'action = "speak"\nmeters = ["tenant-23', "scenario.fault"),
        ('restated_meters = [{ meter = "tenant', 'restated_meters = [{ meter = "tenet', "scenario.reference"),
        ('[[expect.disputed_lines]]\nline = "f', '[[expect.disputed_lines]]\nline = "g', "scenario.reference"),
        ('sending_meter = "campus-main"\nreceiving', 'sending_meter = "campus"\nreceiving', "scenario.reference"),
    ],
)
def test_equipment_faults_name_meters_and_expectations_too(right: str, wrong: str, code: str) -> None:
    assert right in CAMPUS
    assert refusal(CAMPUS.replace(right, wrong, 1)).code == code


LINE = """
[[lines]]
id = "second"
sending_meter = "tenant-02-load"
receiving_meter = "tenant-03-load"
parent_meter = "tenant-04-load"
"""


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ('"second"', '"feeder-01"', "scenario.duplicate"),
        ("tenant-02-load", "tenant-99-load", "scenario.reference"),
        ("tenant-02-load", "solar-pv", "scenario.line"),
        ("tenant-02-load", "utility-feeder", "scenario.line"),
        ("tenant-04-load", "tenant-03-load", "scenario.line"),
        ('"second"', '"second"\nloss_ppm = -1', "scenario.value"),
        ('"second"', '"second"\nlosses_ppm = 1', "scenario.unknown-field"),
    ],
)
def test_a_line_has_three_loads_of_its_own(right: str, wrong: str, code: str) -> None:
    assert [line.id for line in scenario.parse((CAMPUS + LINE).encode()).lines] == ["feeder-01", "second"]
    assert right in LINE
    assert refusal(CAMPUS + LINE.replace(right, wrong, 1)).code == code


def test_lines_and_batteries_are_founded_as_written(tmp_path: Path) -> None:
    """The genesis document has the line and what the battery holds, and passes its own check."""
    layout = Layout(tmp_path / "devnet")
    layout.make()
    campus = scenario.load("campus")
    founding.found(campus, layout, list(range(20_001, 20_009)), stepped=True)
    document = genesis_file.load(Home.at(layout.nodes / "solar").genesis_toml)
    (line,) = document.lines
    assert line == PowerLine("feeder-01", "campus-main", "tenant-01-load", "utility-feeder", 10, 15_000, 5)
    assert line.loss_ppm > campus.line_loss_ppm, "honest meters must not be in dispute"
    assert {meter.id: meter.capacity_wh for meter in document.meters if meter.capacity_wh is not None} == {
        "storage-battery": 2_000_000
    }
    firm = {meter.id: meter.asset.firm_w for meter in document.meters if meter.asset is not None}
    assert firm == {"geothermal-well": 400_000, "biodiesel-gensets": 800_000, "storage-battery": 0}


@pytest.mark.parametrize("efficiency_ppm", [1_000, 920_300, 960_000, 999_999, 1_000_000])
def test_the_ledger_takes_no_battery_for_a_better_one(efficiency_ppm: int) -> None:
    battery = next(meter for meter in scenario.load("campus").meters if meter.store is not None)
    assert battery.store is not None
    for better in ({"charge_efficiency_ppm": 1_000_000}, {"discharge_efficiency_ppm": 1_000_000}):
        both = {"charge_efficiency_ppm": efficiency_ppm, "discharge_efficiency_ppm": efficiency_ppm}
        store = msgspec.structs.replace(battery.store, **(both | better))
        asset = founding._asset(msgspec.structs.replace(battery, store=store))
        assert asset is not None
        off = Fraction(efficiency_ppm, 1_000_000) - Fraction(asset.efficiency_n, asset.efficiency_d)
        assert 0 <= off < Fraction(1, 1_000)


CUT = Fault("partition", groups=(("a",), ("b",)), interval=4)
DAY = (
    Fault("kill", ("a",), interval=2),
    Fault("silence", meters=("m", "n"), interval=3),
    CUT,
    Fault("speak", meters=("m",), interval=5),
    Fault("lose", meters=("s",), interval=6),
    Fault("restart", ("a",), interval=9),
    Fault("heal", interval=12),
    Fault("regain", meters=("s",), interval=20),
)
COUNTING = (
    Fault("misread", meters=("m", "n"), counts_ppm=300_000, interval=2),
    Fault("mend", meters=("m",), restate=True, interval=4),
    Fault("misread", meters=("m",), counts_ppm=0, interval=6),
    Fault("mend", meters=("m", "n"), interval=7),
)


def test_a_short_run_has_the_faults_that_begin_in_it_and_their_mending() -> None:
    assert within(DAY, 96) == DAY
    assert within(DAY, 2) == ()
    assert [fault.action for fault in within(DAY, 4)] == ["kill", "silence", "speak", "restart"]
    assert [fault.action for fault in within(DAY, 5)] == ["kill", "silence", "partition", "speak", "restart", "heal"]
    assert within(DAY, 7) == DAY


def test_equipment_is_broken_from_its_fault_to_its_mending() -> None:
    held = [sorted(broken(DAY, "silence", at)) for at in range(7)]
    assert held == [[], [], [], ["m", "n"], ["m", "n"], ["n"], ["n"]]
    assert [at for at in range(25) if broken(DAY, "lose", at)] == list(range(6, 20))


def test_faults_may_stand_in_any_order_in_the_file() -> None:
    """A mending that is written before what it mends would otherwise mend nothing."""
    late = '[[faults]]\naction = "speak"\nmeters = ["tenant-09-load"]\ninterval = 20\n'
    early = '[[faults]]\naction = "silence"\nmeters = ["tenant-09-load"]\ninterval = 10\n'
    one, other = (scenario.parse(f"{CAMPUS}\n{faults}".encode()) for faults in (late + early, early + late))
    assert one == other
    assert [sorted(broken(one.faults, "silence", at)) for at in (9, 10, 19, 20)] == [
        [],
        ["tenant-09-load"],
        ["tenant-09-load"],
        [],
    ]


def test_meters_misread_until_they_are_mended_and_owners_speak_two_intervals_later() -> None:
    assert [misreading(COUNTING, at) for at in (1, 2, 3, 4, 6, 7)] == [
        {},
        {"m": 300_000, "n": 300_000},
        {"m": 300_000, "n": 300_000},
        {"n": 300_000},
        {"n": 300_000, "m": 0},
        {},
    ]
    assert {at: said for at in range(12) if (said := to_restate(COUNTING, at))} == {6: [("m", 2), ("m", 3)]}
    assert [fault.action for fault in within(COUNTING, 3)] == ["misread", "mend", "mend"]


def test_sources_sag_until_they_recover() -> None:
    faults = (Fault("sag", meters=("s",), gives_ppm=700_000, interval=1), Fault("recover", meters=("s",), interval=3))
    assert [sagging(faults, at) for at in range(4)] == [{}, {"s": 700_000}, {"s": 700_000}, {}]


@pytest.mark.parametrize("name", ["campus", "four-sources"])
def test_what_breaks_is_what_is_expected(name: str) -> None:
    """A day loses a validator, the gateways, a meter and a supplier, and says exactly which must be missed."""
    day = scenario.load(name)
    assert day.intervals == 96
    actions = [(fault.action, target) for fault in day.faults for target in fault.nodes]
    assert ("kill", "agents") in actions
    assert any(action == "kill" and node in day.nodes for action, node in actions)
    for at in range(day.intervals):
        silent = {span.meter for span in day.expect.silent_meters if span.covers(at)}
        assert silent == broken(day.faults, "silence", at)
        # What is lost in one interval is missed in the orders of the windows that lock behind it.
        lost = {span.meter for span in day.expect.lost_sources if span.covers(at)}
        window = at - at % day.params.window_intervals
        assert lost == (broken(day.faults, "lose", window - 1) if window else frozenset())
        disputed = {span.receiving_meter for span in day.expect.disputed_lines if span.covers(at)}
        restated = {span.meter for span in day.expect.restated_meters if span.covers(at)}
        assert disputed | restated == misreading(day.faults, at).keys()
    assert day.expect.silent_meters
    assert day.expect.lost_sources


def test_a_scenario_is_found_by_name_or_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SMOKE)
    assert scenario.load(str(path)) == scenario.load("smoke")
    with pytest.raises(DevnetError) as caught:
        scenario.load("campsu")
    assert (caught.value.code, "`campus`" in caught.value.hint) == ("scenario.unknown", True)
    with pytest.raises(DevnetError) as caught:
        scenario.load(str(tmp_path / "nowhere.toml"))
    assert caught.value.code == "scenario.unreadable"


def test_a_scenario_says_what_it_changes_of_its_base(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base = scenario.load("smoke")
    changed = scenario.parse(
        b'base = "smoke"\nname = "slow"\nintervals = 3\n[clock]\nspeed = 7\n[expect]\ncaught_up = false'
    )
    assert changed.name == "slow" and changed.intervals == 3 and not changed.expect.caught_up
    assert changed.clock == msgspec.structs.replace(base.clock, speed=7)
    assert changed.expect == msgspec.structs.replace(base.expect, caught_up=False)
    for field in ("members", "meters", "params", "faults"):
        assert getattr(changed, field) == getattr(base, field)
    assert scenario.parse(b'base = "smoke"\nfaults = []').faults == ()
    with pytest.raises(DevnetError) as caught:
        scenario.parse(b'base = "smok"')
    assert caught.value.code == "scenario.base" and "smoke" in caught.value.hint
    (tmp_path / "second.toml").write_text('base = "first"')
    monkeypatch.setattr(scenario, "SCENARIOS", tmp_path)
    with pytest.raises(DevnetError) as caught:
        scenario.parse(b'base = "second"')
    assert caught.value.code == "scenario.base" and "first" in caught.value.hint


def test_garbage_and_size_are_refused() -> None:
    with pytest.raises(DevnetError) as caught:
        scenario.parse(b"\xff\xfe")
    assert caught.value.code == "scenario.syntax"
    with pytest.raises(DevnetError) as caught:
        scenario.parse(b"#" * (scenario.MAX_SCENARIO_BYTES + 1))
    assert caught.value.code == "scenario.oversized"
