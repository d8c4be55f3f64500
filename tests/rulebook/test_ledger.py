"""What a ruled agent remembers: no limit is lifted by a restart, and nothing is said twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.params import PactParams
from node.disk import MemoryDisk
from node.errors import NodeError
from node.rulebook.forecasts import expect, like_days
from node.rulebook.ledger import MAX_OPEN, MAX_PENDING, RuleLedger
from node.rulebook.replay import load_day, replay
from node.rulebook.sight import NOTHING, Spent
from tests.rulebook.sights import DAY, INTERVAL, SIGHT, rulebook, seen

PATH = Path("kept")
PARAMS = PactParams()


def opened(disk: MemoryDisk, member: str = "me", chain: str = "chain") -> RuleLedger:
    return RuleLedger(PATH, chain, member, disk)


def test_what_the_day_cost_is_the_worst_until_it_is_billed_and_survives_a_restart() -> None:
    disk = MemoryDisk()
    ledger = opened(disk)
    assert ledger.look(SIGHT) == Spent(0, 0)
    ledger.act(INTERVAL, 500, 7, (b"envelope",))
    ledger.release()
    disk.crash()
    again = opened(disk)
    assert (again.page.acted, again.page.pending) == (INTERVAL, (b"envelope",))
    assert again.look(seen(interval=INTERVAL + 1)) == Spent(500, 7)
    assert again.look(seen(interval=INTERVAL + 2, settled=((INTERVAL, 90),))) == Spent(90, 7)
    # A bill counts once, and income lifts no limit.
    assert again.look(seen(interval=INTERVAL + 3, settled=((INTERVAL, 90),))) == Spent(90, 7)
    again.act(INTERVAL + 3, 50, 0, ())
    assert again.look(seen(interval=INTERVAL + 4, settled=((INTERVAL + 3, -400),))) == Spent(90, 7)


def test_a_new_day_begins_with_what_is_still_open() -> None:
    ledger = opened(MemoryDisk())
    ledger.look(SIGHT)
    ledger.act(INTERVAL, 500, 7, ())
    ledger.act(INTERVAL + 1, 30, 2, ())
    tomorrow = (DAY + 1) * 96
    assert ledger.look(seen(interval=tomorrow)) == Spent(530, 0)
    # What yesterday's intervals cost is not of today.
    assert ledger.look(seen(interval=tomorrow, settled=((INTERVAL, 500),))) == Spent(30, 0)


def test_nothing_that_is_open_is_forgotten_where_there_is_no_room() -> None:
    ledger = opened(MemoryDisk())
    ledger.look(SIGHT)
    for at in range(MAX_OPEN + 5):
        ledger.act(INTERVAL + at, 10, 0, (b"%d" % at,))
    assert ledger.look(SIGHT).spend_nano == 10 * (MAX_OPEN + 5)
    assert (len(ledger.page.open), len(ledger.page.pending)) == (MAX_OPEN, MAX_PENDING)
    ledger.done((ledger.page.pending[3],))
    assert len(ledger.page.pending) == MAX_PENDING - 1


def test_a_stop_is_remembered_until_it_is_over() -> None:
    ledger = opened(MemoryDisk())
    ledger.stop(INTERVAL, "rulebook.trust-limit")
    assert (ledger.page.stopped, ledger.page.acted) == ("rulebook.trust-limit", INTERVAL)
    ledger.act(INTERVAL + 1, 0, 0, ())
    assert ledger.page.stopped == ""


def test_a_file_of_somebody_else_a_damaged_one_and_a_second_process_are_refused() -> None:
    disk = MemoryDisk()
    first = opened(disk)
    first.act(INTERVAL, 1, 0, ())
    for code, again in (
        ("rulebook.locked", lambda: opened(disk)),
        ("rulebook.foreign", lambda: first.release() or opened(disk, member="rival")),
        ("rulebook.foreign", lambda: opened(disk, chain="other")),
        ("rulebook.corrupt", lambda: disk.replace(PATH, b"\x00") or opened(disk)),
    ):
        with pytest.raises(NodeError) as refused:
            again()
        assert refused.value.code == code


# Forecasts


def test_like_days_are_of_the_same_kind_and_time() -> None:
    monday = 4 * 96 + 17
    assert like_days(PARAMS, monday + 7 * 96, 8) == [monday + days * 96 for days in (4, 3, 2, 1, 0)]
    saturday = monday + 5 * 96
    assert like_days(PARAMS, saturday + 14 * 96) == [saturday + 7 * 96, saturday, saturday - 7 * 96]


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=20))
def test_a_forecast_lies_in_its_history_and_its_spread_is_what_it_was_off_by(values: list[int]) -> None:
    interval = 10_000 * 96
    places = like_days(PARAMS, interval)[: len(values)]
    found = expect(PARAMS, dict(zip(places, values, strict=False)), interval)
    newest = values[: min(10, len(places))]
    assert min(newest) <= found.p10 <= found.p50 <= found.p90 <= max(newest)
    assert min(newest) <= found.mean <= max(newest) and found.samples == len(newest)
    if len(set(values)) == 1:
        assert found.spread == 0


def test_a_forecast_is_judged_by_what_was_known_then() -> None:
    interval = 10_000 * 96
    first, second, third = like_days(PARAMS, interval)[:3]
    found = expect(PARAMS, {first: 100, second: 40, third: 60}, interval)
    # 100 was expected to be (40 + 60) / 2, and 40 to be 60.
    assert (found.mean, found.spread) == (67, (50 + 20) // 2)
    assert expect(PARAMS, {first: 100}, interval).spread == 0
    ten = expect(PARAMS, dict(zip(like_days(PARAMS, interval), range(1, 11), strict=False)), interval)
    assert (ten.p10, ten.p50, ten.p90) == (1, 5, 9)
    assert expect(PARAMS, {first + 1: 100}, interval) == NOTHING


# A recorded day


def test_a_day_is_played_with_its_own_limits() -> None:
    ruled = rulebook("true -> action = 'bid', wh = 10, limit_nano_per_wh = 7", limits="spend_nano_per_day = 150")
    day = [seen(interval=INTERVAL + at) for at in range(3)]
    day.append(seen(interval=INTERVAL + 3, settled=((INTERVAL, 5), (INTERVAL + 1, 70))))
    steps = replay(ruled, day)
    assert [step.spent.spend_nano for step in steps] == [0, 70, 140, 75]
    assert [step.decision.stopped is None for step in steps] == [True, True, False, True]


@pytest.mark.parametrize("content", ["", "{}\n", "not json\n"])
def test_what_is_no_day_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "day.jsonl"
    file.write_text(content)
    with pytest.raises(NodeError) as refused:
        load_day(file)
    assert refused.value.code == "rulebook.day"
    with pytest.raises(NodeError):
        load_day(tmp_path / "none")
