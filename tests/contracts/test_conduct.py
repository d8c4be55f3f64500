"""Who gives less than ordered loses trust: once, by its own registers, and not for what nobody could have taken."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, METERS, Chain, Site, change, make_genesis, settle

from contracts.bodies import Correct
from contracts.conduct import MAX_JUDGED
from contracts.conduct_records import Shortfall
from contracts.params import PactParams
from contracts.receipts import UnderDelivered
from contracts.schema import SHORTFALLS
from contracts.state import State

NEXT = FIRST + 2
INDEX = 500_000
TOLERATED = PactParams().delivery_loss_ppm


def ordered(chain: Chain, *intervals: int, energy_wh: int = 10_000, island: bool = False) -> None:
    """The campus asks for energy in each of these intervals, and biodiesel offers it."""
    for interval in intervals:
        if island:
            assert chain.run(chain.mode("campus", interval, "island")) == "ok"
        chain.block(
            chain.need("campus", interval, energy_wh), chain.offer("bio", "m-bio", interval, (100_000, energy_wh))
        )


def shortfalls(chain: Chain, interval: int) -> list[Shortfall]:
    return State(chain.store).group(SHORTFALLS, interval)


def delivers(chain: Chain, interval: int, given_wh: int, taken_wh: int = 10_000, silent: tuple[str, ...] = ()) -> None:
    settle(chain, interval, {"m-bio": (0, given_wh), "m-campus": (taken_wh, 0)}, silent)


def test_less_than_ordered_costs_a_part_of_the_index_and_says_so() -> None:
    chain = Chain()
    ordered(chain, NEXT)
    delivers(chain, NEXT, 6_000)
    assert shortfalls(chain, NEXT) == [Shortfall("m-bio", "bio", NEXT, 1, 10_000, 6_000)]
    lost_ppm = INDEX * 4_000 // 40_000
    held = chain.trust("bio")
    assert (held.index_ppm, held.index_change.kind) == (INDEX - lost_ppm, "under-delivery")
    assert chain.trust("campus").index_ppm == chain.trust("solar").index_ppm == INDEX


def test_nothing_at_all_costs_what_a_lost_wager_does() -> None:
    chain = Chain()
    ordered(chain, NEXT)
    delivers(chain, NEXT, 0)
    assert chain.trust("bio").index_ppm == INDEX - INDEX // 4


def test_the_tolerance_is_free_to_the_last_wh() -> None:
    for missing_wh, free in ((10_000 * TOLERATED // 1_000_000, True), (10_000 * TOLERATED // 1_000_000 + 1, False)):
        chain = Chain()
        ordered(chain, NEXT)
        delivers(chain, NEXT, 10_000 - missing_wh)
        assert (shortfalls(chain, NEXT) == []) == free == (chain.trust("bio").index_ppm == INDEX)


def test_the_event_is_in_the_block_that_settles() -> None:
    chain = Chain()
    ordered(chain, NEXT)
    chain.at(NEXT)
    chain.quiet(NEXT)
    chain.at(NEXT + 1, chain.genesis.params.close_grace_ms).block()
    assert chain.clock is not None
    found = [event for event in chain.clock.events if isinstance(event, UnderDelivered)]
    assert found == [UnderDelivered("bio", NEXT, INDEX // 4)]


def test_a_silent_meter_is_judged_once_when_its_register_is_back() -> None:
    """Two intervals without a word, of which half was given: one shortfall over both and the one that says so."""
    chain = Chain()
    ordered(chain, NEXT, NEXT + 1, NEXT + 2)
    for interval in (NEXT, NEXT + 1):
        delivers(chain, interval, 0, silent=("m-bio",))
        assert chain.trust("bio").index_ppm == INDEX and shortfalls(chain, interval) == []
    delivers(chain, NEXT + 2, 15_000)
    assert shortfalls(chain, NEXT + 2) == [Shortfall("m-bio", "bio", NEXT, 3, 30_000, 15_000)]
    assert chain.trust("bio").index_ppm == INDEX - INDEX // 8
    delivers(chain, NEXT + 3, 0)
    assert chain.trust("bio").index_ppm == INDEX - INDEX // 8, "what was corrected meanwhile costs nothing more"


def test_a_silent_meter_that_gave_all_is_not_blamed_for_how_its_energy_spreads() -> None:
    chain = Chain()
    ordered(chain, NEXT, NEXT + 3)
    for interval in (NEXT, NEXT + 1, NEXT + 2):
        delivers(chain, interval, 0, silent=("m-bio",))
    delivers(chain, NEXT + 3, 20_000)
    assert shortfalls(chain, NEXT + 3) == []
    assert chain.trust("bio").index_ppm == INDEX


def test_of_a_long_silence_the_last_day_counts() -> None:
    chain = Chain(make_genesis(params=change(PactParams(), horizon_intervals=300)))
    run = range(NEXT, NEXT + MAX_JUDGED + 4)
    ordered(chain, *run[:8], energy_wh=1_000)
    for interval in run:
        chain.at(interval)
        chain.block(chain.reading("m-campus", interval, chain.head("m-campus").import_wh + 1, 0))
        chain.close(interval, silent=True)
    delivers(chain, run[-1] + 1, 0)
    # The run has the reading's own interval, too: of its 101, the first five are out of sight.
    assert shortfalls(chain, run[-1] + 1) == [Shortfall("m-bio", "bio", NEXT, MAX_JUDGED + 5, 3_000, 0)]


def test_an_owner_that_restates_against_itself_loses_money_alone() -> None:
    chain = Chain()
    ordered(chain, NEXT)
    delivers(chain, NEXT, 10_000)
    assert chain.run(chain.say("bio", Correct("m-bio", chain.head("m-bio").sequence, NEXT, 0, 1_000))) == "ok"
    before = chain.balance("bio")
    delivers(chain, NEXT + 1, 0)
    assert chain.balance("bio") < before
    assert chain.trust("bio").index_ppm == INDEX


def test_in_an_island_nobody_is_blamed_for_what_nobody_took() -> None:
    for taken_wh, given_wh, blamed in ((7_000, 7_000, False), (7_000, 6_000, True), (10_000, 7_000, True)):
        chain = Chain()
        ordered(chain, NEXT, island=True)
        delivers(chain, NEXT, given_wh, taken_wh)
        assert bool(shortfalls(chain, NEXT)) == blamed


def test_nobody_is_blamed_for_export_that_could_not_leave_what_turned_out_to_be_an_island() -> None:
    for given_wh, blamed in ((10_000, False), (9_000, True)):
        chain = Chain()
        chain.block(chain.need("campus", NEXT, 10_000), chain.offer("bio", "m-bio", NEXT, (10_000, 20_000)))
        settle(chain, NEXT - 1, {})
        delivers(chain, NEXT, given_wh, silent=("m-tie",))
        assert (chain.interval(NEXT).grid, chain.interval(NEXT).supplied_wh) == (False, 20_000)
        assert bool(shortfalls(chain, NEXT)) == blamed


def test_on_the_grid_what_nobody_took_could_have_been_exported() -> None:
    chain = Chain()
    ordered(chain, NEXT)
    delivers(chain, NEXT, 7_000, 7_000)
    assert len(shortfalls(chain, NEXT)) == 1


def test_of_a_day_the_worst_close_counts_and_the_next_day_counts_anew() -> None:
    chain = Chain()
    ordered(chain, NEXT, NEXT + 1, NEXT + 2)
    for at, given_wh, lost_ppm in ((0, 6_000, 50_000), (1, 8_000, 50_000), (2, 4_000, 75_000)):
        delivers(chain, NEXT + at, given_wh)
        assert chain.trust("bio").index_ppm == INDEX - lost_ppm
        assert len(shortfalls(chain, NEXT + at)) == 1, "each is on record"
    ordered(chain, NEXT + 96)
    delivers(chain, NEXT + 96, 6_000)
    assert chain.trust("bio").index_ppm == INDEX - 75_000 - (INDEX - 75_000) * 4_000 // 40_000


def test_several_meters_of_a_member_cost_it_once() -> None:
    chain = Chain(make_genesis(meters={**METERS, "m-bio-2": Site("bio", "source", 400_000)}))
    chain.block(chain.need("campus", NEXT, 20_000), chain.offer("bio", "m-bio", NEXT, (100_000, 10_000)))
    chain.block(chain.offer("bio", "m-bio-2", NEXT, (100_000, 10_000)))
    chain.at(NEXT).catch_up()
    settle(chain, NEXT, {"m-bio": (0, 0), "m-bio-2": (0, 10_000), "m-campus": (20_000, 0)})
    assert [one.meter for one in shortfalls(chain, NEXT)] == ["m-bio"]
    assert chain.trust("bio").index_ppm == INDEX - INDEX // 4
    settle(chain, NEXT + 1, {})
    assert chain.trust("bio").index_ppm == INDEX - INDEX // 4


@given(st.lists(st.tuples(st.integers(0, 12_000), st.booleans()), min_size=1, max_size=6), st.integers(0, 100_000))
@settings(max_examples=25)
def test_whatever_a_meter_says_when_its_index_falls_by_what_was_missing_at_most(
    story: list[tuple[int, bool]], loss_ppm: int
) -> None:
    """Each interval is ordered 10,000 Wh and given some, said at once or later: an index falls only for a close that
    has a shortfall, a day costs what its worst close does, and who gives all it was ordered keeps it."""
    chain = Chain(make_genesis(params=change(PactParams(), delivery_loss_ppm=loss_ppm)))
    intervals = range(NEXT, NEXT + len(story))
    ordered(chain, *intervals)
    real = worst_ppm = 0
    for interval, (given_wh, silent) in zip(intervals, story, strict=True):
        real += given_wh
        chain.at(interval)
        readings = [] if silent else [chain.reading("m-bio", interval, 0, real)]
        campus = chain.head("m-campus").import_wh + 10_000
        chain.block(*readings, chain.reading("m-campus", interval, campus, 0))
        chain.close(interval, silent=True)
        for one in shortfalls(chain, interval):
            missing_wh = one.ordered_wh - one.delivered_wh
            assert missing_wh * 1_000_000 > one.ordered_wh * loss_ppm
            worst_ppm = max(worst_ppm, INDEX * missing_wh // (4 * one.ordered_wh))
        assert chain.trust("bio").index_ppm == INDEX - worst_ppm
    if all(given_wh >= 10_000 for given_wh, _ in story):
        assert chain.trust("bio").index_ppm == INDEX
    judged = [one for interval in intervals for one in shortfalls(chain, interval)]
    spans = [range(one.interval, one.interval + one.count) for one in judged]
    assert len({at for span in spans for at in span}) == sum(map(len, spans)), "no interval is judged twice"
