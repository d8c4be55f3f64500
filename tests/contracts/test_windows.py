"""Windows: intervals that lock together, and the case that is made of what stands for them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from flexible_world import (
    CAPACITY_WH,
    NEXT,
    UNIT,
    charge_report,
    equipped,
    load,
    require,
    storage,
)
from hypothesis import given
from hypothesis import strategies as st
from ledger_world import FIRST, INTERVAL_MS, Chain, change

from contracts import questions, windows
from contracts.bodies import ReserveOffer, WithdrawLoad
from contracts.envelope import Envelope
from contracts.envelopes import opening_records
from contracts.flexible.records import Load
from contracts.members import AssetEnvelope
from contracts.params import PactParams
from contracts.program.case import Block, Case, Connection, Demand
from contracts.receipts import IntervalOrdered
from contracts.schedule import Window, due_window, first_open, lock_ms, window_start
from contracts.state import State

PARAMS = PactParams()
LEAD_MS = PARAMS.gate_lead_ms
WINDOW = FIRST + 8
"""First interval of a window of four, and there is another one that is not locked before it."""
LOCK_MS = WINDOW * INTERVAL_MS - LEAD_MS
WHOLE = Window(WINDOW, 4)


def windowed(**params: object) -> Chain:
    return Chain(equipped(**{"window_intervals": 4, "look_ahead_intervals": 8} | params))


def say(chain: Chain, *words: Callable[[], Envelope]) -> None:
    """Each is taken, in a block of its own."""
    for word in words:
        assert chain.run(word()) == "ok"


def ordered(chain: Chain) -> list[int]:
    assert chain.clock is not None
    return [event.interval for event in chain.clock.events if isinstance(event, IntervalOrdered)]


def case_of(chain: Chain, window: Window = WHOLE) -> Case:
    context = chain.context()
    return windows.build(State(chain.store), context, window, context.params.look_ahead_intervals)


# Locks


@given(st.integers(0, 10**6), st.integers(1, 96), st.integers(0, 10**9))
def test_whatever_is_first_open_is_the_first_whose_lock_lies_ahead(interval: int, window: int, lead_ms: int) -> None:
    params = change(PARAMS, window_intervals=window, gate_lead_ms=lead_ms % 86_400_000)
    time_ms = interval * params.interval_ms
    first = first_open(params, time_ms)
    assert lock_ms(params, first) > time_ms >= lock_ms(params, first - 1)
    assert window_start(params, first) == first


def test_a_window_locks_as_one_whichever_interval_has_content() -> None:
    chain = windowed()
    chain.block(chain.need("campus", WINDOW + 2, 1_000))
    assert chain.deadline_ms() == LOCK_MS
    assert chain.at(0, LOCK_MS - 1).run(chain.need("campus", WINDOW, 10)) == "ok"
    assert chain.at(0, LOCK_MS).run(chain.need("campus", WINDOW + 3, 10)) == "need.late"
    assert ordered(chain) == [WINDOW, WINDOW + 1, WINDOW + 2, WINDOW + 3]
    assert chain.run(chain.need("campus", WINDOW + 4, 10)) == "ok"
    assert chain.deadline_ms() == (WINDOW + 1) * INTERVAL_MS + PARAMS.close_grace_ms
    for interval in range(WINDOW, WINDOW + 4):
        chain.close(interval)
        assert chain.interval(interval).status == "settled"


def test_what_other_parameters_locked_or_closed_is_not_locked_again() -> None:
    chain = Chain(equipped())
    chain.block(chain.need("campus", WINDOW + 1, 1_000))
    chain.at(0, (WINDOW + 1) * INTERVAL_MS - LEAD_MS).block()
    params, state = change(PARAMS, window_intervals=4), State(chain.store)
    assert due_window(state, params, WINDOW + 2) == Window(WINDOW + 2, 2)
    assert due_window(state, params, WINDOW) == Window(WINDOW, 1)
    chain.close(WINDOW + 1)
    state = State(chain.store)
    assert due_window(state, change(PARAMS, window_intervals=96), WINDOW + 3).first == WINDOW + 2


# What stands


def test_a_case_has_what_stands_and_nothing_else() -> None:
    chain = windowed(line_loss_ppm=12_000, reserve_wh=5)
    say(
        chain,
        lambda: chain.need("campus", WINDOW, 1_000, tier=0, count=2),
        lambda: chain.need("tenant", WINDOW, 500, tier=7),
        lambda: chain.need("tenant", WINDOW + 1, 70, limit=200_000),
        lambda: chain.offer("solar", "m-solar", WINDOW + 1, (10_000, 300), (20_000, 400)),
        lambda: chain.tariff(WINDOW + 1, 200_000, 30_000, 77),
    )
    case = case_of(chain)
    assert (case.intervals, case.binding, case.line_loss_ppm) == (12, 4, 12_000)
    idle = (0,) * 10
    assert case.demands == (Demand("campus", (1_000, 1_000, *idle), 0), Demand("tenant", (500, 0, *idle), 3))
    (bid,), (source,), (tie,) = case.bids, case.sources, case.connections
    assert (bid.organisation, bid.limit_nano_per_wh, bid.energy_wh[:3]) == ("tenant", 200_000, (0, 70, 0))
    assert source.blocks[:3] == ((), (Block(10_000, 300), Block(20_000, 400)), ())
    assert (source.organisation, source.factor_ug_per_wh, source.ramp_wh) == ("solar", 0, None)
    assert (tie.import_nano_per_wh[:3], tie.import_limit_wh[:3]) == (
        (300_000, 200_000, 300_000),
        (1_000_000, 77, 1_000_000),
    )
    assert case.reference_nano_per_wh[:3] == (300_000, 200_000, 300_000)
    assert case.reserve_wh == (5,) * 12
    assert case.carbon_cap_ug is None
    assert not case.storages
    assert not case.loads


def test_a_case_is_the_same_for_everybody_whatever_order_things_were_said_in() -> None:
    words = [
        lambda chain: chain.need("campus", WINDOW, 1_000),
        lambda chain: chain.need("tenant", WINDOW + 5, 500),
        lambda chain: storage(chain, WINDOW, count=12),
        lambda chain: load(chain, interval=WINDOW, until=WINDOW + 4),
        lambda chain: chain.offer("bio", "m-bio", WINDOW, (1, 2)),
    ]
    seen = []
    for order in (words, words[::-1]):
        chain = windowed()
        for word in order:
            assert chain.run(word(chain)) == "ok"
        seen.append(msgspec.json.encode(case_of(chain)))
    assert seen[0] == seen[1]


def test_an_island_has_neither_import_nor_export_in_its_intervals() -> None:
    chain = windowed()
    chain.block(chain.mode("campus", WINDOW + 1, "island"))
    (tie,) = case_of(chain).connections
    assert isinstance(tie, Connection)
    assert tie.import_limit_wh[:3] == tie.export_limit_wh[:3] == (1_000_000, 0, 1_000_000)


def test_the_look_ahead_is_cut_where_a_program_would_be_too_large() -> None:
    chain = windowed(max_dispatch_variables=3)
    for interval in range(WINDOW, WINDOW + 12):
        chain.block(chain.need("campus", interval, 1))
    assert case_of(chain).intervals == 4
    chain = windowed(max_dispatch_variables=6)
    for interval in range(WINDOW, WINDOW + 12):
        chain.block(chain.need("campus", interval, 1))
    assert case_of(chain).intervals == 6


def test_requirements_count_where_they_are_strictest_and_a_cap_only_over_all_intervals() -> None:
    chain = windowed(look_ahead_intervals=0)
    say(
        chain,
        lambda: require(chain, interval=WINDOW, count=4, reserve_wh=3_000, carbon_cap_ug=50),
        lambda: require(chain, "utility", interval=WINDOW + 1, count=1, reserve_wh=2_000, carbon_cap_ug=20),
    )
    case = case_of(chain)
    assert case.reserve_wh == (3_000,) * 4
    assert case.carbon_cap_ug == 50 + 20 + 50 + 50
    chain.block(require(chain, interval=WINDOW + 3, count=1, reserve_wh=0, carbon_cap_ug=None))
    assert case_of(chain).carbon_cap_ug is None
    assert case_of(chain).reserve_wh == (3_000, 3_000, 3_000, 0)


# Where a window begins


def test_a_storage_begins_at_its_report_and_moves_by_what_is_ordered() -> None:
    chain = windowed()
    chain.block(storage(chain, WINDOW, count=12, end_value_nano_per_wh=7, reserve_wh=9, reserve_nano_per_wh=2))
    (store,) = case_of(chain).storages
    assert (store.id, store.capacity_wh, store.start_soc) == ("m-storage", CAPACITY_WH, 50_000 * UNIT)
    assert (store.efficiency_n, store.efficiency_d, store.wear_nano_per_wh) == (24, 25, 1_000)
    assert (store.most_charge_wh[0], store.most_discharge_wh[11]) == (20_000, 25_000)
    assert store.end_value_nano_per_wh == 7
    assert store.reserve is not None
    assert (store.reserve.price_nano_per_wh, store.reserve.most_wh[0]) == (2, 9)
    chain.block(charge_report(chain, FIRST, 0, 0, 50_400))
    chain.close(FIRST)
    assert case_of(chain).storages[0].start_soc == 50_400 * UNIT


FOLLOWED = [
    ((40_000,) * 4, 40_000),
    ((40_000, 15_000, 40_000, 40_000), 35_000),
    ((5_000, 40_000, 40_000, 40_000), 15_000),
]


@pytest.mark.parametrize(("offered_wh", "last_wh"), FOLLOWED)
def test_a_source_ramps_from_its_last_order_unless_it_can_not_follow(offered_wh: tuple[int, ...], last_wh: int) -> None:
    chain = windowed(look_ahead_intervals=0)
    assert case_of(chain).sources == ()
    say(chain, lambda: chain.need("campus", WINDOW - 4, 40_000, count=4))
    for at in range(4):
        say(chain, lambda at=at: chain.offer("bio", "m-bio", WINDOW - 4 + at, (1_000, 40_000)))
    for at, energy_wh in enumerate(offered_wh):
        say(chain, lambda at=at, wh=energy_wh: chain.offer("bio", "m-bio", WINDOW + at, (1_000, wh)))
    (source,) = case_of(chain).sources
    assert (source.ramp_wh, source.last_wh) == (10_000, None), "nobody knows before it is ordered"
    chain.at(WINDOW - 4, -LEAD_MS).block()
    (source,) = case_of(chain).sources
    assert source.last_wh == last_wh


def test_nothing_in_a_case_leaves_the_envelope_of_its_asset() -> None:
    chain = windowed(look_ahead_intervals=0)
    say(
        chain,
        lambda: chain.offer("solar", "m-solar", WINDOW, (1_000, 40_000)),
        lambda: chain.say("solar", ReserveOffer("m-solar", WINDOW, 2, 50_000, 0)),
        lambda: chain.offer("bio", "m-bio", WINDOW, (1_000, 40_000)),
        lambda: storage(chain, WINDOW, count=2),
    )
    # What stands when members agree on narrower envelopes is cut.
    narrow = (AssetEnvelope("m-solar", 8_000, 0, ramp_w=400), AssetEnvelope("m-storage", 4_000, 12_000))
    chain.store.update(opening_records(narrow))
    case = case_of(chain)
    bio, solar = case.sources
    assert (solar.blocks[0], solar.rating_wh, solar.ramp_wh) == ((Block(1_000, 2_000),), 2_000, 100)
    assert solar.reserve is not None and solar.reserve.most_wh[:2] == (2_000, 2_000)
    assert (bio.blocks[0], bio.ramp_wh) == ((Block(1_000, 40_000),), 10_000)
    (stored,) = case.storages
    assert (stored.most_charge_wh[:2], stored.most_discharge_wh[:2]) == ((3_000,) * 2, (1_000,) * 2)


def test_what_a_load_has_to_get_is_what_it_can_not_have_later() -> None:
    wanted = Load("car", "tenant", WINDOW, WINDOW + 6, 6_000, 2_000, 1)
    assert questions.due_wh(wanted, WINDOW, WINDOW + 4) == 2_000
    assert questions.due_wh(wanted, WINDOW, WINDOW + 6) == 6_000
    assert questions.due_wh(change(wanted, ordered_wh=1_500), WINDOW, WINDOW + 4) == 500
    assert questions.due_wh(change(wanted, ordered_wh=5_000), WINDOW + 4, WINDOW + 8) == 1_000
    assert questions.due_wh(wanted, WINDOW + 5, WINDOW + 8) == 2_000, "no more than it can take"
    assert questions.due_wh(wanted, WINDOW + 6, WINDOW + 9) == 0
    assert questions.due_wh(wanted, WINDOW - 4, WINDOW) == 0


def test_loads_are_in_the_case_from_their_first_interval_to_their_deadline() -> None:
    chain = windowed()
    say(
        chain,
        lambda: load(chain, interval=WINDOW + 2, until=WINDOW + 5),
        lambda: load(chain, "van", interval=WINDOW, until=WINDOW + 12),
    )
    car, van = case_of(chain).loads
    assert (car.id, car.first, car.until, car.energy_wh) == ("car", 2, 5, 6_000)
    assert (van.id, van.first, van.until, van.most_wh) == ("van", 0, 12, 4_000)
    chain.block(chain.say("tenant", WithdrawLoad("car")))
    assert [one.id for one in case_of(chain).loads] == ["van"]


@pytest.mark.parametrize("word", [storage, load])
def test_what_one_interval_says_by_itself_needs_no_copy(word: Callable[..., Envelope]) -> None:
    one, chain = Window(NEXT, 1), Chain(equipped())
    say(chain, lambda: chain.need("campus", NEXT, 1_000), lambda: chain.offer("solar", "m-solar", NEXT, (1, 2)))
    assert windows.is_plain(case_of(chain, one))
    say(chain, lambda: chain.offer("bio", "m-bio", NEXT, (1, 2)))
    assert not windows.is_plain(case_of(chain, one)), "it ramps"
    say(chain, lambda: chain.offer("bio", "m-bio", NEXT))
    assert windows.is_plain(case_of(chain, one))
    say(chain, lambda: word(chain, **({"energy_wh": 12_000} if word is load else {})))
    assert not windows.is_plain(case_of(chain, one))


def test_a_kept_case_is_what_it_was() -> None:
    chain = windowed()
    chain.block(chain.need("campus", WINDOW, 1_000))
    window, before = Window(WINDOW, 4), case_of(chain)
    kept = windows.stored(window, before)
    assert kept is not None
    chain.decide(lambda state, context: windows.keep(state, kept))
    chain.block(chain.need("campus", WINDOW + 5, 1_000))
    assert windows.kept_case(State(chain.store), WINDOW) == before != case_of(chain)
    assert windows.kept_case(State(chain.store), WINDOW + 4) is None
