"""Carbon in the case that a window is dispatched by: factors that count, premiums taken off, the policy."""

from __future__ import annotations

from typing import Any

import pytest
from carbon_world import METERS, NEXT, certified, factor, green
from flexible_world import storage
from ledger_world import Chain, change, settle

from contracts import windows
from contracts.carbon.book import past_before
from contracts.carbon.policy import Past
from contracts.params import CarbonParams
from contracts.program.case import Case
from contracts.program.validate import problem
from contracts.schedule import Window
from contracts.state import State


def case_of(chain: Chain, length: int = 1) -> Case:
    found = windows.build(State(chain.store), chain.context(), Window(NEXT, length))
    assert problem(found) is None
    return found


def offered(chain: Chain) -> Chain:
    """A case with sun, bio-diesel, a battery and a load."""
    assert chain.run(chain.need("campus", NEXT, 60_000, tier=0)) == "ok"
    assert chain.run(chain.need("tenant", NEXT, 5_000, tier=3)) == "ok"
    assert chain.run(chain.offer("bio", "m-bio", NEXT, (90_000, 60_000))) == "ok"
    assert chain.run(chain.offer("solar", "m-solar", NEXT, (80_000, 20_000), (85_000, 10_000))) == "ok"
    assert chain.run(storage(chain, NEXT)) == "ok"
    return chain


def blocks(case: Case, name: str) -> list[tuple[int, int]]:
    (source,) = [one for one in case.sources if one.id == name]
    return [(block.price_nano_per_wh, block.energy_wh) for block in source.blocks[0]]


def test_factors_are_those_that_count_in_the_intervals_of_the_case() -> None:
    chain = offered(Chain(certified()))
    case = case_of(chain)
    assert {one.id: one.factor_ug_per_wh for one in case.sources} == {"m-bio": 30_000, "m-solar": 0}
    assert [one.factor_ug_per_wh for one in case.storages] == [10_000]
    assert case.connections[0].factor_ug_per_wh == (400_000,)
    assert chain.run(factor(chain)) == "ok"
    assert chain.run(factor(chain, meter="m-storage", operating_ug_per_wh=0, embodied_ug_per_wh=77)) == "ok"
    assert chain.run(factor(chain, meter="m-tie", operating_ug_per_wh=5, embodied_ug_per_wh=6)) == "ok"
    case = case_of(chain)
    assert {one.id: one.factor_ug_per_wh for one in case.sources} == {"m-bio": 25, "m-solar": 0}
    assert [one.factor_ug_per_wh for one in case.storages] == [77]
    assert case.connections[0].factor_ug_per_wh == (11,)


def test_a_certificate_that_ends_inside_a_case_counts_for_nothing_in_it() -> None:
    chain = offered(Chain(certified()))
    assert chain.run(factor(chain, until=NEXT + 1)) == "ok"
    found = {one.id: one.factor_ug_per_wh for one in case_of(chain, 2).sources}
    assert found["m-bio"] == 1_000_000


def test_premiums_come_off_the_cheapest_green_energy() -> None:
    chain = offered(Chain(certified()))
    before = case_of(chain)
    assert chain.run(green(chain, energy_wh=21_000, premium_nano_per_wh=30_000)) == "ok"
    after = case_of(chain)
    assert blocks(after, "m-solar") == [(50_000, 20_000), (55_000, 1_000), (85_000, 9_000)]
    assert blocks(after, "m-bio") == blocks(before, "m-bio")
    assert change(after, sources=before.sources) == before


def test_the_policy_leaves_out_what_emits_but_for_critical_demand() -> None:
    """60 kWh are critical; the sun gives 30, the battery would have to be charged again; import is dearer than bio."""
    zero = {"zero_ghg": True, "embodied_baseline_ug": 10**9}
    case = case_of(offered(Chain(certified(**zero))))
    assert blocks(case, "m-bio") == [(90_000, 30_000)]
    assert case.connections[0].import_limit_wh == (0,)
    assert case.carbon_cap_ug == 10**9
    lent = Chain(certified(**zero))
    assert lent.run(storage(lent, NEXT, end_value_nano_per_wh=1_000)) == "ok"
    assert lent.run(lent.need("campus", NEXT, 60_000, tier=0)) == "ok"
    assert lent.run(lent.offer("bio", "m-bio", NEXT, (90_000, 60_000))) == "ok"
    assert blocks(case_of(lent), "m-bio") == [(90_000, 60_000 - 25_000)]


def test_surges_are_counted_as_metered_and_where_nothing_is_settled_as_ordered() -> None:
    meters = METERS | {"m-solar": METERS["m-solar"]._replace(factor=None)}
    chain = Chain(certified(meters, zero_ghg=True, embodied_baseline_ug=1_000, surge_window_intervals=4))
    embodied = {"meter": "m-solar", "operating_ug_per_wh": 0, "embodied_ug_per_wh": 10, "first": NEXT - 1}
    assert chain.run(factor(chain, **embodied)) == "ok"
    settle(chain, NEXT - 1, {"m-solar": (0, 150), "m-campus": (150, 0)})
    assert past_before(State(chain.store), chain.genesis.params, NEXT) == Past(1, (500,))
    assert chain.run(chain.need("campus", NEXT + 1, 400)) == "ok"
    assert chain.run(chain.offer("solar", "m-solar", NEXT + 1, (1_000, 400))) == "ok"
    chain.at(NEXT + 1)
    chain.catch_up()
    found = past_before(State(chain.store), chain.genesis.params, NEXT + 2)
    assert (found.run, tuple(found.excess_ug)) == (1, (500, 0, 3_000))


@pytest.mark.parametrize("fields", [{}, {"site_ug": 5, "travel_ug": 9}])
def test_without_policy_and_bids_only_factors_count(fields: dict[str, int]) -> None:
    chain = offered(Chain(certified(**fields)))
    case = case_of(chain)
    assert case.carbon_cap_ug is None and blocks(case, "m-bio") == [(90_000, 60_000)]
    assert CarbonParams().zero_ghg is False


# As ordered


def ordered(premium: int = 0, **carbon: Any) -> dict[str, int]:
    """Who is ordered to deliver what for 20 kWh, where the sun asks for more than bio-diesel."""
    chain = Chain(certified(**carbon))
    assert chain.run(chain.need("campus", NEXT, 20_000, tier=0)) == "ok"
    assert chain.run(chain.offer("bio", "m-bio", NEXT, (90_000, 60_000))) == "ok"
    assert chain.run(chain.offer("solar", "m-solar", NEXT, (100_000, 15_000))) == "ok"
    if premium:
        assert chain.run(green(chain, energy_wh=30_000, premium_nano_per_wh=premium)) == "ok"
    chain.at(NEXT)
    chain.catch_up()
    found = {name: chain.order(NEXT, name) for name in ("bio", "solar")}
    return {member: order.supplied_wh for member, order in found.items()}


def test_a_premium_turns_the_dispatch_to_green_energy_and_a_smaller_one_does_not() -> None:
    assert ordered() == ordered(premium=9_999) == {"bio": 20_000, "solar": 0}
    assert ordered(premium=10_001) == {"bio": 5_000, "solar": 15_000}


def test_under_the_policy_only_what_critical_demand_lacks_is_ordered_from_what_emits() -> None:
    assert ordered(zero_ghg=True) == {"bio": 5_000, "solar": 15_000}
