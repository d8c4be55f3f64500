"""Ruled members of a devnet: hired in place of their trades, deciding anew what they are asked anew, counted once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from contracts.bodies import FlexibleLoad, Need, Offer, OfferBlock
from devnet import ruled, scenario
from devnet.errors import DevnetError
from devnet.profiles import load as load_profiles
from devnet.ruled import Ruled, own_data
from devnet.scenario_checks import rulebook_of
from devnet.trades import Supplier, UtilityDesk, hire
from devnet.world import World
from node.agents.builder import FRUGAL, Builder
from node.agents.eyes import Eyes, Own
from node.agents.proven import Unproven
from node.disk import MemoryDisk
from node.rulebook.ledger import RuleLedger
from node.rulebook.replay import load_day
from node.rulebook.sight import Forecast, Sight
from tests.rulebook.sights import INTERVAL, rulebook, seen

CAMPUS = scenario.load("campus")
OFFER = "true -> action = 'offer', meter = 'roof', blocks = [{wh = 'supply.mean', nano_per_wh = 9}]"
BID = "true -> action = 'bid', wh = 10, limit_nano_per_wh = 7"


class Shown:
    """Eyes that see what they are given, once nobody is missing any more."""

    def __init__(self, sights: Sequence[Sight], missing: int = 0) -> None:
        self.sights = {sight.interval: sight for sight in sights}
        self.missing = missing
        self.asked: list[Sequence[int]] = []

    async def look(self, interval: int, open_: Sequence[int] = ()) -> Sight:
        self.asked.append(open_)
        if self.missing:
            self.missing -= 1
            raise Unproven("agent.unproven", "nobody", "wait")
        return self.sights[interval]


def agent(tmp_path: Path, rules: Any, eyes: Shown, said: list[str], builder: object = None) -> Ruled:
    world = World(CAMPUS, load_profiles("summer"))
    ledger = RuleLedger(Path("kept"), "chain", "me", MemoryDisk())
    hidden, built = cast(Eyes, eyes), cast(Builder, builder)
    return Ruled("me", (), world, rules, hidden, ledger, tmp_path / "me.jsonl", said.append, built)


def ask(one: Ruled, interval: int) -> list[Any]:
    asyncio.run(one.look([interval]))
    return one.market(interval)


def test_what_is_asked_anew_is_decided_anew_and_counts_once(tmp_path: Path) -> None:
    eyes, said = Shown([seen(), seen(interval=INTERVAL + 1)]), list[str]()
    one = agent(tmp_path, rulebook(BID, OFFER, limits="spend_nano_per_day = 139"), eyes, said)
    wanted = [Need(INTERVAL, 1, 10, 7, 0), Offer("roof", INTERVAL, (OfferBlock(9, 2_000),))]
    for _ in range(3):
        assert ask(one, INTERVAL) == wanted
    assert said == []
    # What it pledged for the first interval leaves no room for the second.
    assert ask(one, INTERVAL + 1) == [] and eyes.asked[-1] == [INTERVAL]
    assert [sight.interval for sight in load_day(tmp_path / "me.jsonl")] == [INTERVAL, INTERVAL + 1]
    assert len(said) == 1 and "rulebook.spending-limit" in said[0]


def test_of_a_window_each_interval_is_seen_and_spoken_about_by_itself(tmp_path: Path) -> None:
    intervals = range(INTERVAL, INTERVAL + 4)
    car = "time.minute == 15 -> action = 'schedule', name = 'car', wh = 9, most_wh = 9, intervals = 1, "
    one = agent(
        tmp_path,
        rulebook(BID, car + "value_nano_per_wh = 1"),
        Shown([seen(interval=interval) for interval in intervals]),
        [],
    )
    asyncio.run(one.look(intervals))
    words = [word for interval in intervals for word in one.market(interval)]
    assert [word.interval for word in words if isinstance(word, Need)] == list(intervals)
    assert [word.interval for word in words if isinstance(word, FlexibleLoad)] == [INTERVAL + 1]


def test_a_limit_is_said_once_and_stops_all_words(tmp_path: Path) -> None:
    eyes, said = Shown([seen(interval=INTERVAL + at) for at in range(3)]), list[str]()
    one = agent(tmp_path, rulebook(BID, limits="spend_nano_per_day = 70"), eyes, said)
    assert [len(ask(one, INTERVAL + at)) for at in range(3)] == [1, 0, 0]
    assert len(said) == 1 and "rulebook.spending-limit" in said[0]


def test_who_sees_nothing_says_nothing_and_who_sees_late_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ruled, "POLL_S", 0.0)
    said: list[str] = []
    assert len(ask(agent(tmp_path, rulebook(BID), Shown([seen()], ruled.PATIENCE - 1), said), INTERVAL)) == 1
    assert ask(agent(tmp_path, rulebook(BID), Shown([seen()], ruled.PATIENCE), said), INTERVAL) == []
    assert len(said) == 1 and "nothing is proven" in said[0]
    eyes = Shown([seen(), seen(interval=INTERVAL + 1)])
    one = agent(tmp_path, rulebook(BID), eyes, said)
    assert len(ask(one, INTERVAL)) == 1
    eyes.missing = ruled.PATIENCE
    assert ask(one, INTERVAL + 1) == [], "what was seen of another interval is of another interval"


def test_rules_grant_a_builder_its_stakes_interval_by_interval(tmp_path: Path) -> None:
    builder = SimpleNamespace(allowance=FRUGAL)
    rules = rulebook(
        "price.last > 100000 -> action = 'wager', tokens = 40, claim = 'zero-carbon'",
        limits="wager_tokens_per_day = 40",
    )
    eyes = Shown([seen(), seen(interval=INTERVAL + 1, last_nano_per_wh=0)])
    one = agent(tmp_path, rules, eyes, [], builder)
    ask(one, INTERVAL)
    assert builder.allowance == FRUGAL._replace(stake_tokens=40, claim="zero-carbon")
    ask(one, INTERVAL + 1)
    assert builder.allowance == FRUGAL


def test_a_ruled_member_has_no_other_agent_but_the_utility_its_desk(tmp_path: Path) -> None:
    world = World(CAMPUS, load_profiles("summer"))
    one = agent(tmp_path, rulebook(BID), Shown([]), [])
    one.member = "solar"
    agents = hire(CAMPUS, world, [one])
    assert [type(other) for other in agents if other.member == "solar"] == [Ruled]
    assert [type(other) for other in agents if other.member == "wind"] == [Supplier]
    one.member = "utility"
    assert UtilityDesk in [type(other) for other in hire(CAMPUS, world, [one]) if other.member == "utility"]


def test_a_member_knows_its_forecast_with_its_error_and_what_its_battery_holds() -> None:
    world = World(CAMPUS, load_profiles("summer"))
    meters = [meter for meter in CAMPUS.meters if meter.id in ("storage-battery", "solar-pv")]
    noon = CAMPUS.first_interval - CAMPUS.first_interval % 96 + 44
    known = own_data(world, meters)(noon)
    mean = world.forecast_wh("solar-pv", noon)
    off = mean * 40_000 // 1_000_000
    expected = Forecast(mean, off // 2, mean - off * 8 // 10, mean, mean + off * 8 // 10, 1)
    assert known["solar-pv"] == Own(0, expected) and mean > 0
    assert known["storage-battery"].charge_wh == world.charge_wh("storage-battery") == 800_000


WRITTEN = 'base = "campus"\n[[rulebooks]]\nmember = "wind"\nfile = "wind"\nweather = ["solar-pv"]\n'


def test_a_scenario_names_who_acts_by_which_rulebook() -> None:
    (spec,) = scenario.parse(WRITTEN.encode()).rulebooks
    assert rulebook_of(spec).member == "wind"
    assert msgspec.json.decode(msgspec.json.encode(CAMPUS), type=scenario.Scenario) == CAMPUS


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ('member = "wind"', 'member = "wand"', "scenario.reference"),
        ('weather = ["solar-pv"]', 'weather = ["solar-vp"]', "scenario.reference"),
        ('file = "wind"', 'file = "wand"', "scenario.rulebook"),
        ('file = "wind"', 'file = "campus"', "scenario.rulebook"),
        ('file = "wind"', 'file = "../campus"', "scenario.value"),
        ('weather = ["solar-pv"]\n', '[[rulebooks]]\nmember = "wind"\nfile = "wind"\n', "scenario.duplicate"),
    ],
)
def test_a_rulebook_that_is_nobodys_or_none_is_refused(right: str, wrong: str, code: str) -> None:
    assert right in WRITTEN
    with pytest.raises(DevnetError) as refused:
        scenario.parse(WRITTEN.replace(right, wrong, 1).encode())
    assert refused.value.code == code
