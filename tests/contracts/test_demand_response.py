"""Energy that members do without: ordered cheapest first, measured against days nobody could bend, paid once."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, INTERVAL_MS, Chain, Store, bill, settle
from mode_world import DAY, NEXT, call, genesis, lock, would_do_without

from contracts.bodies import Correct
from contracts.demand_response import (
    ADJUSTED,
    LEAST_FACTOR_PPM,
    MOST_FACTOR_PPM,
    baseline,
    event_days,
    ordered_wh,
    without,
)
from contracts.estimates import day_type
from contracts.metering_records import Metered
from contracts.mode_records import MAX_BASELINE_DAYS, EventDays, Reduction
from contracts.params import PactParams
from contracts.records import NeedEntry
from contracts.schema import EVENT_DAY_LIST, METERED, MODES, REDUCTION_OFFERS, REDUCTIONS
from contracts.state import State
from zk.codec import encode

PAYMENT = 500
LIKE = [
    at for at in range(NEXT - DAY, NEXT - 30 * DAY, -DAY) if day_type(PactParams(), at) == day_type(PactParams(), NEXT)
]
"""The same interval of the like days before, the latest first."""


def past(chain: Chain, energy_wh: int, intervals: list[int] | None = None, meter: str = "m-tenant") -> None:
    """What a meter took in intervals that are long settled."""
    state = State(chain.store)
    for interval in LIKE if intervals is None else intervals:
        state.put(METERED, Metered(meter, energy_wh, 0, 1), interval)
    state.commit()
    chain.keep(state)


def reduction(chain: Chain, interval: int = NEXT, member: str = "tenant") -> Reduction:
    found = State(chain.store).entry(REDUCTIONS, member, interval)
    assert found is not None
    return found


def paid(chain: Chain, member: str, interval: int = NEXT) -> tuple[int, int]:
    """Energy and amount of the line; zeros where there is none."""
    found = chain.bill(interval, member)
    line = next((one for one in found.lines if one.kind == "demand-response"), None) if found else None
    return (0, 0) if line is None else (line.energy_wh, line.amount_nano)


def event(usual_wh: int = 1_000, need_wh: int = 1_000, wanted_wh: int = 400, called_wh: int = 5_000) -> Chain:
    """The tenant usually takes `usual_wh`, needs `need_wh`, and would do without `wanted_wh`."""
    chain = Chain(genesis())
    past(chain, usual_wh)
    chain.block(
        call(chain, NEXT, called_wh, PAYMENT),
        would_do_without(chain, "tenant", NEXT, wanted_wh, 300, 100),
        chain.offer("bio", "m-bio", NEXT, (100_000, 9_000)),
    )
    chain.block(chain.need("tenant", NEXT, need_wh))
    lock(chain)
    return chain


def test_who_does_without_is_paid_by_the_utility_and_buys_nothing_it_does_not_take() -> None:
    chain = event()
    money = chain.money()
    record = chain.interval(NEXT)
    assert (record.mode, record.mode_reason) == ("demand_response", "called by utility: peak")
    assert chain.order(NEXT, "tenant").requested_wh == 600
    assert (record.demand_wh, record.served_wh, record.shed_wh, record.reduced_wh) == (1_000, 600, 0, 400)
    settle(chain, NEXT, {"m-tenant": (600, 0), "m-bio": (0, 600)})
    found = reduction(chain)
    assert (found.ordered_wh, found.baseline_wh, found.metered_wh, found.factor_ppm) == (400, 1_000, 600, 1_000_000)
    assert found.like == tuple(reversed(LIKE[:MAX_BASELINE_DAYS]))
    assert paid(chain, "tenant") == (400, 400 * PAYMENT)
    assert paid(chain, "utility") == (-400, -400 * PAYMENT)
    kinds = {line.kind for line in bill(chain, NEXT, "tenant").lines}
    assert kinds == {"consumption", "demand-response"}, "no long, no short: nothing is paid twice"
    assert chain.interval(NEXT).residual_nano == 0
    assert chain.money() == money


def test_paid_is_the_smaller_of_reduction_and_order() -> None:
    for taken_wh, paid_wh in ((0, 400), (600, 400), (700, 300), (999, 1), (1_000, 0), (1_400, 0)):
        chain = event()
        settle(chain, NEXT, {"m-tenant": (taken_wh, 0), "m-bio": (0, taken_wh)})
        assert paid(chain, "tenant") == (paid_wh, paid_wh * PAYMENT)


def test_who_is_ordered_to_and_does_not_is_short() -> None:
    chain = event()
    settle(chain, NEXT, {"m-tenant": (1_000, 0), "m-bio": (0, 1_000)})
    assert {line.kind: line.energy_wh for line in bill(chain, NEXT, "tenant").lines}["short"] == -400


def test_what_the_dispatch_withdrew_already_is_never_paid() -> None:
    """The tenant wanted 300 Wh more at a limit that nobody offers below, and does not get them."""
    chain = Chain(genesis())
    past(chain, 1_000)
    chain.block(
        call(chain, NEXT, 5_000, PAYMENT),
        would_do_without(chain, "tenant", NEXT, 400, 1),
        chain.offer("bio", "m-bio", NEXT, (100_000, 9_000)),
    )
    chain.block(chain.need("tenant", NEXT, 700))
    chain.block(chain.need("tenant", NEXT, 300, limit=1))
    lock(chain)
    assert chain.order(NEXT, "tenant").served_wh == 300
    settle(chain, NEXT, {"m-tenant": (300, 0), "m-bio": (0, 300)})
    assert (reduction(chain).withdrawn_wh, paid(chain, "tenant")[0]) == (300, 400)
    again = Chain(genesis())
    past(again, 800)
    again.block(
        call(again, NEXT, 5_000, PAYMENT),
        would_do_without(again, "tenant", NEXT, 400, 1),
        again.offer("bio", "m-bio", NEXT, (100_000, 9_000)),
    )
    again.block(again.need("tenant", NEXT, 700))
    again.block(again.need("tenant", NEXT, 300, limit=1))
    lock(again)
    settle(again, NEXT, {"m-tenant": (300, 0), "m-bio": (0, 300)})
    assert paid(again, "tenant")[0] == 200, "500 less than usual, 300 of which it was not served"


def test_only_whom_the_call_pays_more_than_it_loses_is_ordered_the_cheapest_first() -> None:
    chain = Chain(genesis())
    needs = [NeedEntry(name, None, 1, 1_000) for name in ("bio", "campus", "solar", "tenant")]
    chain.block(
        call(chain, NEXT, 1_500, PAYMENT),
        would_do_without(chain, "tenant", NEXT, 900, 300, 200),
        would_do_without(chain, "campus", NEXT, 900, 400, 99),
        would_do_without(chain, "solar", NEXT, 900, 100),
        would_do_without(chain, "bio", NEXT, 2_000, 100),
    )
    assert ordered_wh(State(chain.store), NEXT, needs) == {"bio": 750, "solar": 750}
    chain.block(call(chain, NEXT, 2_500, PAYMENT))
    assert ordered_wh(State(chain.store), NEXT, needs) == {"bio": 1_000, "solar": 900, "campus": 600}


def test_nobody_is_ordered_to_do_without_more_than_it_needs_or_anything_without_a_call() -> None:
    chain = Chain(genesis())
    needs = [NeedEntry("tenant", None, 1, 50), NeedEntry("tenant", 9, 0, 100)]
    chain.block(would_do_without(chain, "tenant", NEXT, 900))
    assert ordered_wh(State(chain.store), NEXT, needs) == {}
    chain.block(call(chain, NEXT, 1_500, PAYMENT))
    assert ordered_wh(State(chain.store), NEXT, needs) == {"tenant": 50}
    chain.block(call(chain, NEXT, 0, PAYMENT))
    assert ordered_wh(State(chain.store), NEXT, needs) == {}
    chain.block(call(chain, NEXT, 1_500, PAYMENT), would_do_without(chain, "tenant", NEXT, 0))
    assert ordered_wh(State(chain.store), NEXT, needs) == {}


def test_least_critical_demand_goes_first_and_bids_stay() -> None:
    needs = [
        NeedEntry("a", None, 0, 10),
        NeedEntry("a", None, 3, 5),
        NeedEntry("a", 9, 0, 7),
        NeedEntry("b", None, 3, 5),
    ]
    assert without(needs, {"a": 7}) == [NeedEntry("a", None, 0, 8), needs[2], needs[3]]


def test_an_island_calls_for_nothing() -> None:
    chain = Chain(genesis())
    past(chain, 1_000)
    chain.block(
        chain.mode("campus", NEXT, "island"),
        call(chain, NEXT, 5_000, PAYMENT),
        would_do_without(chain, "tenant", NEXT, 400),
    )
    chain.block(chain.need("tenant", NEXT, 1_000), chain.offer("bio", "m-bio", NEXT, (100_000, 9_000)))
    lock(chain)
    assert chain.interval(NEXT).mode == "island"
    assert chain.order(NEXT, "tenant").requested_wh == 1_000


# The baseline


def usual(chain: Chain, meters: tuple[str, ...] = ("m-tenant",)) -> tuple[tuple[int, ...], int]:
    return baseline(State(chain.store), PactParams(), meters, NEXT)


def test_the_baseline_is_the_mean_of_ten_like_days_without_event() -> None:
    chain = Chain(genesis())
    for number, interval in enumerate(LIKE):
        past(chain, 100 * number, [interval])
    like, mean_wh = usual(chain)
    assert (like, mean_wh) == (tuple(sorted(LIKE[:10])), 450)
    state = State(chain.store)
    gone = [at * INTERVAL_MS // 86_400_000 for at in LIKE[:3]]
    state.save(EVENT_DAY_LIST, EventDays(tuple(sorted(gone))))
    state.commit()
    chain.keep(state)
    like, mean_wh = usual(chain)
    assert (like, mean_wh) == (tuple(sorted(LIKE[3:13])), 750)


def test_fewer_days_count_and_none_pay_nothing() -> None:
    chain = Chain(genesis())
    assert usual(chain) == ((), 0)
    past(chain, 70, LIKE[4:5])
    assert usual(chain) == ((LIKE[4],), 70)
    assert baseline(State(chain.store), PactParams(), (), NEXT) == ((), 0), "who has no load meter has no baseline"
    fresh = Chain(genesis())
    fresh.block(call(fresh, NEXT, 5_000, PAYMENT), would_do_without(fresh, "tenant", NEXT, 400))
    fresh.block(fresh.need("tenant", NEXT, 1_000))
    lock(fresh)
    settle(fresh, NEXT, {})
    assert paid(fresh, "tenant") == (0, 0) and reduction(fresh).baseline_wh == 0


def test_another_kind_of_day_is_not_alike() -> None:
    chain = Chain(genesis())
    other = [at for at in range(NEXT - DAY, NEXT - 30 * DAY, -DAY) if at not in LIKE]
    past(chain, 9_000, other)
    assert usual(chain) == ((), 0)


@pytest.mark.parametrize(
    ("real_wh", "factor_ppm"),
    [(1_000, 1_000_000), (900, 900_000), (1_150, 1_150_000), (0, LEAST_FACTOR_PPM), (9_000, MOST_FACTOR_PPM)],
)
def test_the_day_before_the_call_scales_the_baseline_within_a_fifth(real_wh: int, factor_ppm: int) -> None:
    chain = Chain(genesis())
    first = NEXT + 20
    assert first // DAY == (first - ADJUSTED) // DAY
    for interval in range(first - ADJUSTED, first + 12):
        past(chain, 1_000, [at - NEXT + interval for at in LIKE])
    past(chain, real_wh, list(range(first - ADJUSTED, first)))
    # What it takes once it knows of the call counts for nothing.
    past(chain, 50_000, list(range(first, first + 8)))
    target = first + 10
    chain.at(first, 1)
    chain.block(call(chain, target, 5_000, PAYMENT), would_do_without(chain, "tenant", target, 4_000, 1))
    chain.block(chain.need("tenant", target, 5_000))
    lock(chain, target)
    settle(chain, target, {})
    found = reduction(chain, target)
    assert (found.factor_ppm, found.baseline_wh) == (factor_ppm, factor_ppm // 1_000)


def test_a_call_that_is_changed_has_been_known_since_it_was_made() -> None:
    chain = Chain(genesis())
    chain.block(call(chain, NEXT + 3, 100, PAYMENT))
    chain.at(FIRST + 2).block(call(chain, NEXT + 3, 200, PAYMENT))
    called = MODES.decode(chain.store[MODES.key(NEXT + 3)]).call
    assert called is not None and (called.called, called.energy_wh) == (FIRST, 200)


def test_silence_is_no_reduction() -> None:
    chain = event()
    settle(chain, NEXT, {"m-bio": (0, 600)}, silent=("m-tenant",))
    assert reduction(chain).metered_wh is None and paid(chain, "tenant") == (0, 0)
    settle(chain, NEXT + 1, {})
    assert paid(chain, "tenant", NEXT + 1) == (0, 0)


def test_what_an_owner_restates_later_bends_no_baseline() -> None:
    chain = Chain(genesis())
    settle(chain, FIRST, {"m-tenant": (100, 0)})
    assert chain.run(chain.say("tenant", Correct("m-tenant", 1, FIRST, 5_000, 0))) == "ok"
    settle(chain, FIRST + 1, {})
    assert baseline(State(chain.store), PactParams(), ("m-tenant",), FIRST + 7 * DAY)[1] == 100


def test_a_day_with_an_event_is_remembered_and_never_usual() -> None:
    chain = event()
    settle(chain, NEXT, {"m-tenant": (600, 0), "m-bio": (0, 600)})
    assert event_days(State(chain.store)) == (NEXT * INTERVAL_MS // 86_400_000,)
    assert NEXT not in baseline(State(chain.store), PactParams(), ("m-tenant",), NEXT + 7 * DAY)[0]


@given(
    st.lists(st.integers(0, 3_000), max_size=12),
    st.integers(0, 3_000),
    st.integers(0, 3_000),
    st.integers(1, 4_000),
    st.integers(0, 900),
)
@settings(max_examples=40)
def test_nobody_is_paid_for_more_than_it_was_ordered_or_ever_took(
    history: list[int], need_wh: int, taken_wh: int, called_wh: int, wanted_wh: int
) -> None:
    """Whatever the past was and whatever is done: zero sum, one line each, at most 120% of the dearest like day."""
    chain = Chain(genesis())
    for interval, energy_wh in zip(LIKE, history, strict=False):
        past(chain, energy_wh, [interval])
    chain.block(
        call(chain, NEXT, called_wh, PAYMENT),
        would_do_without(chain, "tenant", NEXT, wanted_wh),
        chain.offer("bio", "m-bio", NEXT, (100_000, 9_000)),
    )
    if need_wh:
        chain.block(chain.need("tenant", NEXT, need_wh))
    lock(chain)
    money = chain.money()
    settle(chain, NEXT, {"m-tenant": (taken_wh, 0), "m-bio": (0, taken_wh)})
    paid_wh, amount = paid(chain, "tenant")
    assert paid(chain, "utility") == (-paid_wh, -amount) and amount == paid_wh * PAYMENT
    ordered = min(wanted_wh, need_wh, called_wh)
    most_wh = max(history[:MAX_BASELINE_DAYS], default=0) * 12 // 10
    assert 0 <= paid_wh <= min(ordered, max(0, most_wh - taken_wh))
    assert chain.money() == money


def test_offers_and_calls_leave_nothing_where_they_are_taken_back() -> None:
    chain = Chain(genesis())
    chain.block(call(chain, NEXT, 0, PAYMENT), would_do_without(chain, "tenant", NEXT, 0))
    assert MODES.key(NEXT) not in chain.store
    assert not any(key.startswith(REDUCTION_OFFERS.prefix) for key in chain.store)


def test_a_site_that_never_calls_pays_no_price_for_it() -> None:
    chain = Chain()
    settle(chain, FIRST, {"m-tenant": (5, 0)})
    prefixes = REDUCTIONS.prefix, REDUCTION_OFFERS.prefix, EVENT_DAY_LIST
    assert not any(key.startswith(prefixes) for key in chain.store)
    assert isinstance(chain.store, Store) and encode(msgspec.structs.replace(PactParams()))
