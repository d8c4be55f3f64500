"""Scenario files: the shipped ones parse, and every mistake is named with its path and the closest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from devnet import scenario
from devnet.errors import DevnetError
from devnet.profiles import load as load_profiles

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
        ("gate_lead_ms = 300_000", "gate_lead_ms = -1", "scenario.value", "params.gate_lead_ms", "units"),
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


def test_garbage_and_size_are_refused() -> None:
    with pytest.raises(DevnetError) as caught:
        scenario.parse(b"\xff\xfe")
    assert caught.value.code == "scenario.syntax"
    with pytest.raises(DevnetError) as caught:
        scenario.parse(b"#" * (scenario.MAX_SCENARIO_BYTES + 1))
    assert caught.value.code == "scenario.oversized"
