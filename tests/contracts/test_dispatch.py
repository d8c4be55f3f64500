"""The single-interval dispatch against closed forms, against brute force, and against everyone who would cheat."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.units import PPM
from tests.contracts.one_interval import Demand, Dispatch, Grid, Market, Supply, clear, uniform_share
from zk.hashing import sha256

CAP = 4_000
ROUND = bytes(32)


def market(
    supplies: list[Supply],
    demands: list[Demand],
    grid: Grid | None = None,
    slack_ppm: int = 5_000,
    scarcity: int = CAP,
    round_id: bytes = ROUND,
) -> Market:
    return Market(round_id, supplies, demands, grid, CAP, scarcity, slack_ppm)


def supply(organisation: str, price: int, energy_wh: int, factor: int = 0, meter: str = "") -> Supply:
    return Supply(organisation, meter or f"m-{organisation}", price, factor, energy_wh)


def fixed(organisation: str, energy_wh: int, tier: int = 1) -> Demand:
    return Demand(organisation, energy_wh, None, tier)


def bid(organisation: str, energy_wh: int, limit: int) -> Demand:
    return Demand(organisation, energy_wh, limit, 0)


def grid(import_: int = 300, export: int = 50, imports: int = 10_000, exports: int = 10_000) -> Grid:
    return Grid("utility", import_, export, imports, exports, 400)


# Closed forms


def test_white_paper_tenants() -> None:
    """53 tenants, 91,000 Wh; sources of 31,000, 30,000, 15,100 and 14,900 Wh deliver everything, in merit order."""
    needs = [1_000 + 1_415 * (i % 3) // 2 for i in range(52)]
    needs.append(91_000 - sum(needs))
    sources = [supply("a", 10, 31_000), supply("b", 20, 30_000), supply("c", 30, 15_100), supply("d", 40, 14_900)]
    result = clear(market(sources, [fixed(f"t{i:02d}", need) for i, need in enumerate(needs)], grid(export=5)))
    assert result.supplied_wh == [31_000, 30_000, 15_100, 14_900]
    assert (result.import_wh, result.export_wh, result.shed_wh) == (0, 0, 0)
    assert result.price_nano_per_wh == 40
    assert result.served_wh == needs


def test_import_fills_what_offers_leave_and_sets_the_price() -> None:
    result = clear(market([supply("a", 10, 600), supply("b", 350, 600)], [fixed("t", 1_000)], grid()))
    assert (result.supplied_wh, result.import_wh, result.price_nano_per_wh) == ([600, 0], 400, 300)


def test_surplus_is_exported_at_the_export_price() -> None:
    result = clear(market([supply("a", 10, 5_000), supply("b", 60, 600)], [fixed("t", 1_000)], grid()))
    assert (result.supplied_wh, result.export_wh, result.price_nano_per_wh) == ([5_000, 0], 4_000, 50)


def test_full_export_line_lets_the_local_margin_set_the_price() -> None:
    result = clear(market([supply("a", 10, 5_000)], [fixed("t", 1_000)], grid(exports=500)))
    assert (result.supplied_wh, result.export_wh, result.price_nano_per_wh) == ([1_500], 500, 10)


def test_bid_is_served_below_its_limit_and_sets_the_price_where_supply_ends() -> None:
    supplies = [supply("a", 10, 1_000)]
    cheap = clear(market(supplies, [fixed("t", 500), bid("s", 300, 40)]))
    assert (cheap.served_wh, cheap.price_nano_per_wh) == ([500, 300], 10)
    scarce = clear(market(supplies, [fixed("t", 500), bid("s", 800, 40)]))
    assert (scarce.served_wh, scarce.price_nano_per_wh) == ([500, 500], 40)
    dear = clear(market(supplies, [fixed("t", 500), bid("s", 300, 9)]))
    assert (dear.served_wh, dear.price_nano_per_wh) == ([500, 0], 10)


def test_bid_at_the_price_of_an_offer_is_not_served() -> None:
    """Equal price and factor: the unserved bid stands first."""
    assert clear(market([supply("a", 40, 100)], [bid("s", 50, 40)])).served_wh == [0]


def test_shedding_counts_at_the_cap_and_spares_the_critical_tier() -> None:
    demands = [fixed("hospital", 400, tier=0), fixed("office", 400, tier=2), fixed("pool", 400, tier=5)]
    result = clear(market([supply("a", 10, 500)], demands))
    assert (result.served_wh, result.shed_wh, result.price_nano_per_wh) == ([400, 100, 0], 700, CAP)


def test_nobody_is_shed_while_an_offer_at_the_cap_is_left() -> None:
    result = clear(market([supply("a", CAP, 500, factor=4_000_000)], [fixed("t", 400)]))
    assert (result.supplied_wh, result.shed_wh) == ([400], 0)


def test_shed_tier_shares_what_is_served() -> None:
    """Asking for more than the common level changes nothing."""
    for asked in (600, 6_000):
        result = clear(market([supply("a", 10, 500)], [fixed("small", 100), fixed("big", asked)]))
        assert result.served_wh == [100, 400]


def test_clean_goes_first_at_equal_price() -> None:
    result = clear(market([supply("a", 10, 500, factor=9), supply("b", 10, 500, factor=8)], [fixed("t", 600)]))
    assert result.supplied_wh == [100, 500]


def test_equal_offers_share_uniformly_per_organisation() -> None:
    """Splitting an offer over two meters wins nothing; a meter beyond the level is filled in meter order."""
    supplies = [
        supply("a", 10, 1_000),
        supply("b", 10, 100),
        supply("c", 10, 700, meter="m-1"),
        supply("c", 10, 700, meter="m-2"),
    ]
    result = clear(market(supplies, [fixed("t", 1_700)]))
    assert result.supplied_wh == [800, 100, 700, 100]


def test_remainders_go_out_in_order_of_the_round_hash() -> None:
    names = ["a", "b", "c"]
    for number in range(8):
        round_id = sha256(bytes([number]))
        result = clear(market([supply(name, 10, 9) for name in names], [fixed("t", 10)], round_id=round_id))
        first = min(names, key=lambda name: sha256(round_id + name.encode()))
        assert dict(zip(names, result.supplied_wh, strict=True)) == {name: 4 if name == first else 3 for name in names}


def test_group_that_ends_exactly_at_the_total_is_taken_whole() -> None:
    result = clear(market([supply("a", 10, 3), supply("b", 10, 4)], [fixed("t", 7)]))
    assert result.supplied_wh == [3, 4]


def test_one_wh_of_a_dear_block_does_not_move_the_price() -> None:
    supplies = [supply("a", 10, 9_960), supply("b", 3_000, 1_000)]
    assert clear(market(supplies, [fixed("t", 10_000)])).price_nano_per_wh == 10
    assert clear(market(supplies, [fixed("t", 10_011)])).price_nano_per_wh == 3_000


def test_slack_does_not_count_unserved_bids() -> None:
    """A large unserved bid must not widen the slack: 1 Wh of 100 is 1%."""
    supplies = [supply("a", 10, 99), supply("b", 3_000, 1)]
    assert clear(market(supplies, [fixed("t", 100), bid("s", 10**6, 5)])).price_nano_per_wh == 3_000


def test_empty_stack() -> None:
    assert clear(market([], [], grid(exports=0))).price_nano_per_wh == 50
    assert clear(market([supply("a", 70, 5), supply("b", 60, 5)], [])).price_nano_per_wh == 60
    assert clear(market([], [], scarcity=3_000)).price_nano_per_wh == 3_000
    assert clear(market([], [], scarcity=CAP + 1)).price_nano_per_wh == CAP


def test_import_below_export_is_cleared_at_import() -> None:
    result = clear(market([supply("a", 40, 100)], [fixed("t", 100)], grid(import_=30, export=50)))
    assert result.export_lowered
    assert (result.supplied_wh, result.import_wh, result.export_wh) == ([0], 100, 0)
    assert result.price_nano_per_wh == 30


def test_tariff_above_the_cap_is_taken_at_the_cap() -> None:
    result = clear(market([], [fixed("t", 100)], grid(import_=CAP * 2, export=CAP * 2)))
    assert result.price_nano_per_wh == CAP


# Brute force

ENERGIES = st.integers(0, 3)
PRICES = st.sampled_from([-20, 0, 10, 20, 50, 300, CAP])
FACTORS = st.sampled_from([0, 5, 400])
NAMES = st.sampled_from(["a", "b", "c"])
GRIDS = st.none() | st.builds(
    Grid, st.just("utility"), st.sampled_from([10, 50, 300]), st.sampled_from([0, 10, 50]), ENERGIES, ENERGIES, FACTORS
)


@st.composite
def markets(draw: st.DrawFn) -> Market:
    """Small markets full of ties."""
    supplies = [
        Supply(draw(NAMES), f"m-{number}", draw(PRICES), draw(FACTORS), draw(ENERGIES))
        for number in range(draw(st.integers(0, 3)))
    ]
    demands = [
        Demand(draw(NAMES), draw(ENERGIES), draw(st.none() | PRICES), draw(st.integers(0, 2)))
        for _ in range(draw(st.integers(0, 3)))
    ]
    slack = draw(st.sampled_from([0, 5_000, 200_000, PPM]))
    return Market(draw(st.binary(min_size=32, max_size=32)), supplies, demands, draw(GRIDS), CAP, CAP, slack)


def lowered(connection: Grid | None) -> Grid:
    """The connection as it clears; no grid is one without capacity."""
    if connection is None:
        return Grid("utility", 0, 0, 0, 0, 0)
    export = min(connection.export_nano_per_wh, connection.import_nano_per_wh)
    return connection._replace(export_nano_per_wh=export)


Objective = tuple[int, int, int, tuple[int, ...]]


def objective(
    market_: Market, supplied: tuple[int, ...], served: tuple[int, ...], import_wh: int, export_wh: int
) -> Objective:
    """Cost, then energy shed, then emissions, then energy shed by tier from the most critical on."""
    connection = lowered(market_.grid)
    shed = [0, 0, 0]
    cost = import_wh * connection.import_nano_per_wh - export_wh * connection.export_nano_per_wh
    carbon = import_wh * connection.factor_ug_per_wh
    for block, energy_wh in zip(market_.supplies, supplied, strict=True):
        cost += energy_wh * block.price_nano_per_wh
        carbon += energy_wh * block.factor_ug_per_wh
    for demand, energy_wh in zip(market_.demands, served, strict=True):
        if demand.limit_nano_per_wh is None:
            shed[demand.tier] += demand.energy_wh - energy_wh
            cost += (demand.energy_wh - energy_wh) * CAP
        else:
            cost -= energy_wh * demand.limit_nano_per_wh
    return cost, sum(shed), carbon, tuple(shed)


def feasible(market_: Market) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], int, int]]:
    """Every integer dispatch that balances."""
    connection = lowered(market_.grid)
    for supplied in product(*[range(block.energy_wh + 1) for block in market_.supplies]):
        for served in product(*[range(demand.energy_wh + 1) for demand in market_.demands]):
            for export_wh in range(connection.export_limit_wh + 1):
                import_wh = sum(served) + export_wh - sum(supplied)
                if 0 <= import_wh <= connection.import_limit_wh:
                    yield supplied, served, import_wh, export_wh


def check_uniform(wanted: dict[str, int], got: dict[str, int]) -> None:
    """Everybody min(wanted, common level), where the level may differ by the one Wh of a remainder."""
    short = [got[name] for name in wanted if got[name] < wanted[name]]
    if short:
        assert max(short) - min(short) <= 1
        assert all(got[name] <= max(short) + (max(short) == min(short)) for name in wanted)


def groups_are_uniform(market_: Market, result: Dispatch) -> None:
    """Every group of equal keys, of offers and of demand, is shared by the rule."""
    wanted: dict[tuple[object, ...], dict[str, int]] = {}
    got: dict[tuple[object, ...], dict[str, int]] = {}
    rows = [
        ((block.price_nano_per_wh, block.factor_ug_per_wh), block.organisation, block.energy_wh, energy_wh)
        for block, energy_wh in zip(market_.supplies, result.supplied_wh, strict=True)
    ] + [
        (
            (demand.limit_nano_per_wh, -demand.tier if demand.limit_nano_per_wh is None else None),
            demand.organisation,
            demand.energy_wh,
            energy_wh,
        )
        for demand, energy_wh in zip(market_.demands, result.served_wh, strict=True)
        if demand.limit_nano_per_wh is None
        or market_.grid is None
        or demand.limit_nano_per_wh != lowered(market_.grid).export_nano_per_wh
    ]
    for key, name, want, get in rows:
        wanted.setdefault(key, {})
        got.setdefault(key, {})
        wanted[key][name] = wanted[key].get(name, 0) + want
        got[key][name] = got[key].get(name, 0) + get
    for key, share in wanted.items():
        check_uniform(share, got[key])


@given(markets())
@settings(max_examples=300)
def test_dispatch_is_an_optimum_of_brute_force(market_: Market) -> None:
    result = clear(market_)
    supplied, served = tuple(result.supplied_wh), tuple(result.served_wh)
    plan = (supplied, served, result.import_wh, result.export_wh)
    plans = list(feasible(market_))
    assert plan in plans, "balanced, inside every limit"
    assert objective(market_, *plan) == min(objective(market_, *other) for other in plans)
    groups_are_uniform(market_, result)


@given(markets())
@settings(max_examples=300)
def test_price_is_that_of_the_wh_that_the_slack_leaves(market_: Market) -> None:
    """An independent reading of the rule: expand the accepted stack into single Wh and count."""
    result = clear(market_)
    connection = lowered(market_.grid)
    accepted = [connection.export_nano_per_wh] * (connection.export_limit_wh - result.export_wh)
    accepted += [connection.import_nano_per_wh] * result.import_wh
    for block, energy_wh in zip(market_.supplies, result.supplied_wh, strict=True):
        accepted += [block.price_nano_per_wh] * energy_wh
    for demand, energy_wh in zip(market_.demands, result.served_wh, strict=True):
        limit = CAP if demand.limit_nano_per_wh is None else demand.limit_nano_per_wh
        accepted += [limit] * (demand.energy_wh - energy_wh)
    price = result.price_nano_per_wh
    assert price <= CAP
    if not accepted:
        return
    real_wh = sum(result.supplied_wh) + result.import_wh + result.shed_wh
    reach = -((real_wh * market_.slack_ppm - len(accepted) * PPM) // PPM)
    assert price == sorted(accepted)[max(reach, 1) - 1]
    for demand, energy_wh in zip(market_.demands, result.served_wh, strict=True):
        if demand.limit_nano_per_wh is not None and energy_wh:
            assert demand.limit_nano_per_wh >= price, "no bid pays more than its limit"
    for block, energy_wh in zip(market_.supplies, result.supplied_wh, strict=True):
        if block.price_nano_per_wh < price:
            assert energy_wh == block.energy_wh, "whoever is below the price delivers everything"


@given(markets(), st.integers(1, 3))
@settings(max_examples=200)
def test_more_demand_never_lowers_the_price_and_more_supply_never_raises_it(market_: Market, extra: int) -> None:
    connection = lowered(market_.grid)
    if connection.export_limit_wh + sum(demand.energy_wh for demand in market_.demands) == 0:
        return  # an empty stack has a price of its own
    price = clear(market_).price_nano_per_wh
    hungry = market_._replace(demands=[*market_.demands, fixed("new", extra)])
    assert clear(hungry).price_nano_per_wh >= price
    for added in (0, 10, 300):
        rich = market_._replace(supplies=[*market_.supplies, Supply("new", "m-new", added, 0, extra)])
        assert clear(rich).price_nano_per_wh <= price


@given(markets(), st.data())
@settings(max_examples=100)
def test_order_of_arrival_is_irrelevant(market_: Market, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(list(enumerate(market_.supplies))))
    result = clear(market_)
    other = clear(market_._replace(supplies=[block for _, block in shuffled]))
    assert other.price_nano_per_wh == result.price_nano_per_wh
    assert other.supplied_wh == [result.supplied_wh[number] for number, _ in shuffled]


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 20), min_size=1), st.integers(0, 160), st.binary())
@settings(max_examples=200)
def test_uniform_share(wanted: dict[str, int], amount: int, round_id: bytes) -> None:
    amount = min(amount, sum(wanted.values()))
    shares = uniform_share(wanted, amount, round_id)
    assert shares.keys() == wanted.keys()
    assert sum(shares.values()) == amount
    assert all(0 <= shares[name] <= wanted[name] for name in wanted)
    check_uniform(wanted, shares)
    for name, energy_wh in wanted.items():
        if shares[name] < energy_wh:
            greedy = uniform_share({**wanted, name: energy_wh + 50}, amount, round_id)
            assert greedy == shares, "asking for more than the level changes nothing"
