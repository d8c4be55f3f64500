"""Whatever suppliers, tenants, seats and meters do or omit, a sealed round ends, and money adds up to the nano.

Lives of rounds are drawn, played through, and held against merit order in plain integers.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sealed_world import NEXT, SEATS, SUPPLIERS, TENANTS, WAGER, World, world

from contracts.sealed.records import SETTLED
from zk.pedersen import commit

TICKS = (100, 250)
SHORT_NANO = 330_000
WAGER_NANO = WAGER * 100_000
DEFECT_END_MS = (NEXT + 1) * 900_000 + 35 * 86_400_000


class Conduct(NamedTuple):
    """What a supplier does in a life."""

    offer: tuple[int, int] | None
    awards: bool
    speaks: bool
    """Its meter."""
    shortfall_wh: int | None
    """None: it shows nothing."""


class Life(NamedTuple):
    """What everybody does."""

    demand_wh: int | None
    demands: tuple[int | None, ...]
    suppliers: tuple[Conduct, ...]
    silent_seats: dict[str, int]
    """How many seats give no share, by the phase that waits for it."""


T = TypeVar("T")


def mostly(values: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    """One of these; nothing in one of ten."""
    return st.tuples(st.integers(0, 9), values).map(lambda drawn: drawn[1] if drawn[0] else None)


WH = st.integers(0, 2_000)
CONDUCTS = st.builds(
    Conduct,
    offer=mostly(st.tuples(WH, WH)),
    awards=st.sampled_from([True] * 5 + [False]),
    speaks=st.sampled_from([True] * 7 + [False]),
    shortfall_wh=mostly(st.integers(0, 200)),
)
LIVES = st.builds(
    Life,
    demand_wh=st.one_of(st.none(), st.integers(1, 4_000), st.integers(1, 12_000)),
    demands=st.tuples(*[mostly(WH)] * len(TENANTS)),
    suppliers=st.tuples(*[CONDUCTS] * len(SUPPLIERS)),
    silent_seats=st.fixed_dictionaries(
        {phase: st.sampled_from([0] * 9 + [1, 2]) for phase in ("summing", "searching", "balancing", "settling")}
    ),
)


def play(life: Life) -> World:
    """The life, block by block, to its end."""
    one, conduct = world(), dict(zip(SUPPLIERS, life.suppliers, strict=True))
    one.bidding(life.demand_wh, ticks=TICKS)
    if life.demand_wh is None:
        said = zip(TENANTS, life.demands, strict=True)
        one.block(*(one.demand(tenant, wh) for tenant, wh in said if wh is not None))
    one.block(*(one.bid(name, known.offer) for name, known in conduct.items() if known.offer is not None))
    if one.round().phase == "bidding":
        one.freeze()
    open_sums(one, life)
    if one.round().phase == "awarding":
        one.block(*(one.award(name) for name in one.round().bidders if conduct[name].awards))
        one.until("balancing", "running", "done", interval=NEXT)
        open_sums(one, life)
    one.pass_interval({name: 40_000 for name, known in conduct.items() if known.speaks})
    one.now_ms = max(one.now_ms, DEFECT_END_MS) if one.round().phase == "suspended" else one.now_ms
    for name in one.round().bidders if one.round().phase == "delivering" else ():
        held, known = one.supplier(name), conduct[name]
        if held.state not in SETTLED and known.speaks and known.shortfall_wh is not None:
            award_wh = one.awards[name, NEXT].value if held.award_wh is None else held.award_wh
            one.run(one.delivery(name, min(known.shortfall_wh, award_wh)))
    for _ in range(8):
        one.until("settling", "suspended", "done", interval=NEXT)
        if one.round().phase == "suspended":
            one.now_ms = max(one.now_ms, DEFECT_END_MS)
            one.block()
        open_sums(one, life)
        if one.round().phase == "done":
            break
    return one


def open_sums(one: World, life: Life) -> None:
    while (phase := one.round().phase) in life.silent_seats:
        silent = SEATS[: life.silent_seats[phase]]
        one.answer(silent)
        one.claim_all()
        if life.silent_seats[phase] > 1:
            one.block()


def price_of(life: Life, demand_wh: int) -> tuple[int, dict[str, int]]:
    """Merit order in plain integers: the price, and each bidder's award."""
    offers = {name: one.offer for name, one in zip(SUPPLIERS, life.suppliers, strict=True) if one.offer is not None}
    before = 0
    for tick, price in enumerate(TICKS):
        here = sum(offer[tick] for offer in offers.values())
        if before + here >= demand_wh:
            part = demand_wh - before
            return price, {name: sum(offer[:tick]) + part * offer[tick] // here for name, offer in offers.items()}
        before += here
    return TICKS[-1], {name: sum(offer) for name, offer in offers.items()}


@given(LIVES)
@settings(max_examples=20, phases=[Phase.generate])
def test_whatever_happens_a_round_ends_and_money_adds_up(life: Life) -> None:
    one = play(life)
    round_ = one.round()
    assert round_.phase == "done" and one.locked() == 0
    if round_.outcome == "failed":
        assert (one.inside(), one.kept()) == (0, 0)
        return
    assert round_.clearing is not None and round_.demand_wh is not None
    price, awards = price_of(life, round_.demand_wh)
    assert round_.clearing.price_nano_per_wh == price
    worth = 0
    for name in round_.bidders:
        held = one.supplier(name)
        assert held.state in SETTLED
        known = one.awards.get((name, NEXT))
        assert known is None or known.value == awards[name]
        assert held.award_wh in (None, awards[name])
        shortfall_wh = awards[name] if held.shortfall_wh is None else held.shortfall_wh
        if held.state == "shown":
            worth += price * (awards[name] - shortfall_wh)
            if held.award_wh is None and known is not None:
                credit = known.shifted(-shortfall_wh).times(price)
                assert one.credited(name) == commit(*credit).to_bytes()
        else:
            assert one.credited(name) is None
        lost = WAGER_NANO if held.lost_wager else 0
        charged = (held.shortfall_wh or 0) * SHORT_NANO
        assert one.spent(name) == lost + charged
    assert one.kept() == WAGER_NANO * sum(one.supplier(name).lost_wager for name in round_.bidders)
    if round_.outcome == "balanced":
        assert one.inside() == worth
        assert round_.awarded_wh == sum(awards.values())
        assert 0 <= round_.clearing.target_wh - sum(awards.values()) < max(1, len(round_.bidders))
    else:
        assert round_.outcome == "overpaid" and one.inside() >= worth
