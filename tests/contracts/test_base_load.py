"""What a site promises it can keep with its largest source out, is shed last, and a breach costs the site."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, Chain, bill, settle
from mode_world import FIRM_W, NEXT, genesis, lock, promise

from contracts import base_load
from contracts.base_load import broken_wh, tiered
from contracts.bodies import BaseLoad
from contracts.mode_records import BaseLoadEntry, BaseLoads
from contracts.params import ModeParams, PactParams
from contracts.receipts import BaseLoadRegistered
from contracts.records import NeedEntry, Order
from contracts.schema import BASE_LOAD_LIST, BASE_LOADS
from contracts.state import State
from contracts.succession import left_behind

RATE = 7_000
MODES = ModeParams(breach_nano_per_wh=RATE)
PROMISED_WH = FIRM_W // 4
"""Of all the firm power, in a quarter of an hour."""


def entries(chain: Chain) -> tuple[BaseLoadEntry, ...]:
    raw = chain.store.get(BASE_LOAD_LIST)
    return () if raw is None else BASE_LOADS.decode(raw).entries


def admitted(chain: Chain, interval: int = NEXT) -> list[str]:
    return [entry.meter for entry in base_load.admitted(State(chain.store), interval)]


def test_base_loads_are_admitted_up_to_what_is_firm_without_the_largest_source() -> None:
    chain = Chain(genesis())
    (receipt,) = chain.block(promise(chain, "m-campus", FIRM_W - 1_000))
    assert receipt.events == (BaseLoadRegistered("campus", "m-campus", FIRM_W - 1_000),)
    assert chain.run(promise(chain, "m-tenant", 1_001)) == "base.capacity"
    assert chain.run(promise(chain, "m-tenant", 1_000)) == "ok"
    assert [(one.member, one.site, one.power_w) for one in entries(chain)] == [
        ("campus", "site", FIRM_W - 1_000),
        ("tenant", "site", 1_000),
    ]


def test_more_is_promised_behind_the_others_and_less_in_its_place() -> None:
    chain = Chain(genesis())
    for meter, power_w in (("m-campus", 10_000), ("m-tenant", 10_000), ("m-campus", 5_000)):
        assert chain.run(promise(chain, meter, power_w)) == "ok"
    assert [one.meter for one in entries(chain)] == ["m-campus", "m-tenant"]
    assert chain.run(promise(chain, "m-campus", FIRM_W - 10_000 + 1)) == "base.capacity"
    assert chain.run(promise(chain, "m-campus", FIRM_W - 10_000)) == "ok"
    assert [one.meter for one in entries(chain)] == ["m-tenant", "m-campus"]
    assert chain.run(promise(chain, "m-tenant", 0)) == "ok" and chain.run(promise(chain, "m-campus", 0)) == "ok"
    assert BASE_LOAD_LIST not in chain.store


def test_it_counts_from_the_first_interval_that_is_open() -> None:
    chain = Chain(genesis())
    chain.block(promise(chain, "m-campus", 10_000))
    assert entries(chain)[0].since == FIRST + 1
    assert admitted(chain, FIRST) == [] and admitted(chain, FIRST + 1) == ["m-campus"]


def test_when_capacity_goes_who_came_last_loses_the_promise() -> None:
    chain = Chain(genesis(firm_w=5_000))
    state = State(chain.store)
    told = [("m-campus", "campus", 3_000), ("m-tenant", "tenant", 3_000), ("m-bio", "bio", 2_000)]
    state.save(BASE_LOAD_LIST, BaseLoads(tuple(BaseLoadEntry(*one[:2], "site", one[2], 0) for one in told)))
    state.commit()
    assert [one.meter for one in base_load.admitted(state, NEXT)] == ["m-campus", "m-bio"], "there is room behind it"


def need(member: str, tier: int, energy_wh: int, limit: int | None = None) -> NeedEntry:
    return NeedEntry(member, limit, tier, energy_wh)


def test_tier_0_is_for_what_is_promised_by_hand() -> None:
    needs = [need("a", 0, 10), need("a", 2, 5), need("b", 0, 4), need("a", 0, 3, limit=9)]
    assert tiered(needs, {}) == needs
    assert tiered(needs, {"a": 6}) == [
        need("a", 0, 6),
        need("a", 1, 4),
        need("a", 2, 5),
        need("b", 1, 4),
        need("a", 0, 3, limit=9),
    ]


@given(
    st.lists(st.builds(need, st.sampled_from("abc"), st.integers(0, 3), st.integers(1, 99), st.none() | st.just(5))),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 150)),
    st.integers(0, 400),
)
@settings(max_examples=150)
def test_energy_stays_and_a_breach_is_never_more_than_the_promise(
    needs: list[NeedEntry], promised: dict[str, int], shed_wh: int
) -> None:
    counted = tiered(needs, promised)
    for member in "abc":
        own, after = ([one for one in some if one.member == member] for some in (needs, counted))
        assert sum(one.energy_wh for one in own) == sum(one.energy_wh for one in after)
        assert [one for one in own if one.limit_nano_per_wh] == [one for one in after if one.limit_nano_per_wh]
        fixed = [one for one in own if one.limit_nano_per_wh is None]
        fixed_wh = sum(one.energy_wh for one in fixed)
        asked_wh = sum(one.energy_wh for one in fixed if one.tier == 0)
        base_wh = min(promised.get(member, 0), asked_wh) if promised else asked_wh
        shed = min(shed_wh, fixed_wh)
        served_last_wh = min(base_wh, fixed_wh - shed)
        assert broken_wh(counted, Order(member, NEXT, 0, 0, shed, (), 0, 0, None)) == base_wh - served_last_wh


# Through state


def dark(offered_wh: int, promise_first: bool = True) -> Chain:
    """An island in which campus and tenant both ask for tier 0, and the tenant was promised all that is firm."""
    chain = Chain(genesis(MODES))
    if promise_first:
        chain.block(promise(chain, "m-tenant", FIRM_W))
    chain.block(
        chain.mode("utility", NEXT, "island"),
        chain.need("campus", NEXT, 9_000, tier=0),
        chain.need("tenant", NEXT, PROMISED_WH + 2_000, tier=0),
        chain.offer("bio", "m-bio", NEXT, (100_000, offered_wh)),
    )
    lock(chain)
    return chain


def test_base_load_is_shed_last() -> None:
    chain = dark(PROMISED_WH + 1_000)
    assert chain.order(NEXT, "tenant").served_wh >= PROMISED_WH
    assert chain.order(NEXT, "tenant").served_wh + chain.order(NEXT, "campus").served_wh == PROMISED_WH + 1_000
    assert dark(PROMISED_WH + 1_000, promise_first=False).order(NEXT, "tenant").served_wh < PROMISED_WH


def test_a_breach_is_compensated_at_the_stated_rate_out_of_the_residual() -> None:
    chain = dark(PROMISED_WH - 300)
    money = chain.money()
    assert chain.order(NEXT, "tenant").served_wh == PROMISED_WH - 300
    settle(chain, NEXT, {"m-bio": (0, PROMISED_WH - 300), "m-tenant": (PROMISED_WH - 300, 0)})
    lines = {line.kind: line for line in bill(chain, NEXT, "tenant").lines}
    assert (lines["base-load"].energy_wh, lines["base-load"].price_nano_per_wh) == (300, RATE)
    assert lines["base-load"].amount_nano == 300 * RATE
    assert chain.interval(NEXT).residual_nano == -300 * RATE
    assert chain.money() == money


def test_what_was_not_promised_is_shed_for_nothing() -> None:
    chain = dark(PROMISED_WH)
    settle(chain, NEXT, {"m-bio": (0, PROMISED_WH), "m-tenant": (PROMISED_WH, 0)})
    for member in ("tenant", "campus"):
        found = chain.bill(NEXT, member)
        assert found is None or all(line.kind != "base-load" for line in found.lines)


def test_what_nobody_wants_is_no_breach() -> None:
    chain = Chain(genesis(MODES))
    chain.block(promise(chain, "m-tenant", FIRM_W))
    chain.block(chain.mode("campus", NEXT, "island"), chain.need("tenant", NEXT, 100, tier=2))
    lock(chain)
    assert chain.order(NEXT, "tenant").shed_wh == 100
    settle(chain, NEXT, {})
    assert chain.bill(NEXT, "tenant") is None


def test_defaults_promise_nothing_and_cost_nothing() -> None:
    assert PactParams().modes.breach_nano_per_wh > 0
    chain = Chain()
    assert chain.run(chain.say("tenant", BaseLoad("m-tenant", 1))) == "base.capacity", "nothing is firm"


def test_a_successor_promises_nothing_and_says_whose_base_load_stays_behind() -> None:
    chain = Chain(genesis())
    for meter in ("m-tenant", "m-campus"):
        assert chain.run(promise(chain, meter, 1_000)) == "ok"
    assert left_behind(State(chain.store)).promised == ("m-tenant", "m-campus")
    assert left_behind(State(Chain().store)).promised == ()
