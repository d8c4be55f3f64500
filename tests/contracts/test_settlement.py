"""Bills: known lines, one residual, and a sum of zero to the nano whatever was ordered and metered."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, METERS, OPENING_NANO, Chain, Site, change, make_genesis

from contracts import corrections
from contracts.params import PactParams
from contracts.records import SETTLED, Line, MeterOrder, Order
from contracts.settlement import Owed, Position, Sheet, Terms, Tie, largest_remainder, settle
from contracts.units import MAX_ENERGY, MAX_MONEY, MAX_PRICE
from zk.hashing import sha256

NEXT = FIRST + 2
GRID = Terms(NEXT, 250, True, 300, 50, 4_000, 100_000)
ISLAND = GRID._replace(grid=False, import_nano_per_wh=0, export_nano_per_wh=0)


def position(
    member: str,
    served: int = 0,
    supplied: int = 0,
    withdrawn: int = 0,
    injected: int = 0,
    extra: int = 0,
    offer: int | None = None,
) -> Position:
    return Position(member, served, supplied, extra, offer, withdrawn, injected)


def amounts(sheet: Sheet | None, member: str) -> dict[str, int]:
    assert sheet is not None
    return {line.kind: line.amount_nano for line in sheet.lines.get(member, ())}


def test_interval_as_ordered_has_no_residual() -> None:
    sheet = settle(GRID, [position("a", served=9, withdrawn=9), position("b", supplied=9, injected=9)], None)
    assert sheet is not None
    assert sheet.totals == {"a": -9 * 250, "b": 9 * 250}
    assert sheet.residual_nano == 0


def test_short_supplier_and_short_consumer_pay_alike() -> None:
    sheet = settle(
        GRID,
        [position("a", served=100, withdrawn=110), position("b", supplied=100, injected=90)],
        Tie("u", 20, 0),
    )
    assert amounts(sheet, "a")["short"] == amounts(sheet, "b")["short"] == -10 * 330
    assert amounts(sheet, "u") == {"tie-import": 20 * 300}
    assert amounts(sheet, "a")["residual"] == 20 * 330 - 20 * 300


def test_long_receives_the_lowest_of_price_offer_and_export() -> None:
    for offer, rate in ((None, 50), (60, 50), (20, 20), (-5, -5)):
        sheet = settle(
            GRID,
            [position("a", supplied=100, injected=107, offer=offer), position("b", served=100, withdrawn=100)],
            Tie("u", 0, 7),
        )
        assert amounts(sheet, "a").get("long", 0) == 7 * rate
        assert amounts(sheet, "u") == {"tie-export": -7 * 50}
    cheap = settle(GRID._replace(price_nano_per_wh=30), [position("a", injected=7)], Tie("u", 0, 7))
    assert amounts(cheap, "a")["long"] == 7 * 30


def test_short_pays_the_higher_of_price_and_import() -> None:
    dear = GRID._replace(price_nano_per_wh=1_000)
    assert amounts(settle(dear, [position("a", withdrawn=10)], None), "a")["short"] == -10 * 1_100


def test_penalty_stays_a_penalty_below_zero() -> None:
    negative = GRID._replace(price_nano_per_wh=-300, import_nano_per_wh=-200)
    assert amounts(settle(negative, [position("a", withdrawn=10)], None), "a")["short"] == 10 * 180


def test_island_pays_scarcity_for_short_and_nothing_for_long() -> None:
    sheet = settle(ISLAND, [position("a", withdrawn=10), position("b", injected=10, offer=7)], None)
    assert amounts(sheet, "a")["short"] == -10 * 4_400
    assert amounts(sheet, "b") == {"long": 0}


def test_own_sun_on_the_own_roof_is_no_deviation() -> None:
    """Net positions: what a member makes and takes itself leaves no line behind."""
    sheet = settle(GRID, [position("a", served=10, supplied=4, withdrawn=16, injected=10)], None)
    assert set(amounts(sheet, "a")) == {"consumption", "supply", "residual"}


def test_pay_as_bid_comes_out_of_the_residual() -> None:
    sheet = settle(
        GRID,
        [position("a", served=10, withdrawn=10), position("b", supplied=10, injected=10, extra=77)],
        None,
    )
    assert amounts(sheet, "b")["pay-as-bid"] == 77
    assert amounts(sheet, "a")["residual"] == -77


def test_residual_falls_back_when_nothing_was_consumed() -> None:
    ordered = [position("a", served=10), position("b", supplied=10, injected=4), position("c")]
    assert "residual" in amounts(settle(GRID, ordered, None), "a")
    assert "residual" not in amounts(settle(GRID, ordered, None), "b")
    injected = [position("b", supplied=10, injected=4), position("c")]
    assert "residual" in amounts(settle(GRID, injected, None), "b")
    silent = [position("b", supplied=10), position("c", supplied=10), position("d")]
    sheet = settle(GRID, silent, Tie("u", 3, 0))
    assert sheet is not None
    assert all("residual" in amounts(sheet, member) for member in "bcu")
    assert "d" not in sheet.lines
    alone = settle(GRID, [], Tie("u", 3, 0))
    assert alone is not None
    assert alone.totals == {"u": 0}


def test_largest_remainder_by_hand() -> None:
    """100 by 1:1:1 leaves one over; it goes where hash(interval, member) is lowest. 7 by 3:2 is 4.2 and 2.8."""
    members = ["a", "b", "c"]
    for interval in range(6):
        first = min(members, key=lambda member: sha256(interval.to_bytes(8, "big") + member.encode()))
        expected = {member: 33 + (member == first) for member in members}
        assert largest_remainder(100, dict.fromkeys(members, 1), interval) == expected
        assert largest_remainder(-100, dict.fromkeys(members, 1), interval) == {
            member: -share for member, share in expected.items()
        }
    assert largest_remainder(7, {"a": 3, "b": 2, "c": 0}, 1) == {"a": 4, "b": 3}


@given(
    st.integers(-(10**20), 10**20).filter(bool),
    st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, MAX_ENERGY), min_size=1),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=150)
def test_largest_remainder_is_exact_and_off_by_less_than_one(
    amount: int, weights: dict[str, int], interval: int
) -> None:
    whole = sum(weights.values())
    if whole == 0:
        return
    shares = largest_remainder(amount, weights, interval)
    assert sum(shares.values()) == amount
    for member, share in shares.items():
        assert abs(share * whole - amount * weights[member]) < whole


def test_reserve_is_paid_as_offered_out_of_the_residual() -> None:
    held = position("b", supplied=10, injected=10)._replace(reserve_wh=5, reserve_nano=77)
    sheet = settle(GRID, [position("a", served=10, withdrawn=10), held], None)
    assert amounts(sheet, "b") == {"supply": 2_500, "reserve": 77}
    assert amounts(sheet, "a")["residual"] == -77


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(-(10**6), 10**6)), min_size=2, max_size=5))
@settings(max_examples=60)
def test_rent_of_a_congested_line_is_in_the_residual(zones: list[tuple[int, int]]) -> None:
    """A chain of zones: each takes what it needs, the first delivers all, and every line carries what is behind it."""
    positions, flows = [], []
    behind_wh = sum(taken_wh for taken_wh, _ in zones[1:])
    for number, (wanted_wh, price) in enumerate(zones):
        taken_wh = wanted_wh if number else 0
        supplied_wh = 0 if number else behind_wh
        member = f"m{number}"
        own = position(member, taken_wh, supplied_wh, taken_wh, supplied_wh)
        positions.append(own._replace(price_nano_per_wh=price))
        if number:
            flows.append((behind_wh, price - zones[number - 1][1]))
            behind_wh -= taken_wh
    sheet = settle(GRID, positions, None)
    assert sheet is not None
    assert sheet.residual_nano == sum(flow_wh * difference for flow_wh, difference in flows)


def test_a_deviation_is_settled_at_the_price_of_its_zone() -> None:
    dear = position("a", withdrawn=10)._replace(price_nano_per_wh=1_000)
    assert amounts(settle(GRID, [dear], None), "a")["short"] == -10 * 1_100
    cheap = position("a", injected=10)._replace(price_nano_per_wh=7)
    assert amounts(settle(GRID, [cheap], None), "a")["long"] == 70


ENERGY = st.sampled_from([0, 1, 7, 1_000, MAX_ENERGY]) | st.integers(0, 10**6)
PRICE = st.sampled_from([-MAX_PRICE, -1, 0, 250, MAX_PRICE]) | st.integers(-1_000, 10_000)
POSITIONS = st.lists(
    st.builds(
        Position,
        st.sampled_from(["a", "b", "c", "d", "u"]),
        ENERGY,
        ENERGY,
        st.integers(0, 10**9),
        st.none() | PRICE,
        ENERGY,
        ENERGY,
        st.booleans(),
        st.none() | PRICE,
        ENERGY,
        st.integers(0, 10**9),
    ),
    max_size=5,
    unique_by=lambda entry: entry.member,
).map(sorted)

BONUS = st.builds(Line, st.sampled_from(["builder", "make-whole"]), st.just(0), st.none(), st.integers(-(10**9), 10**9))
OWED = st.lists(
    st.builds(
        Owed,
        st.sampled_from(["a", "b", "u"]),
        st.builds(
            Line, st.sampled_from(["builder", "make-whole"]), st.just(0), st.none(), st.integers(-(10**9), 10**9)
        ),
    ),
    max_size=3,
    unique_by=lambda one: (one.member, one.line.kind),
)


@given(
    st.builds(Terms, st.integers(0, 2**32 - 1), PRICE, st.booleans(), PRICE, PRICE, PRICE, st.integers(0, 10**7)),
    POSITIONS,
    st.none() | st.builds(Tie, st.just("u"), ENERGY, ENERGY),
    OWED,
)
@settings(max_examples=300)
def test_lines_sum_to_zero_and_stay_inside_their_bounds(
    terms: Terms, positions: list[Position], tie: Tie | None, owed: list[Owed]
) -> None:
    sheet = settle(terms, positions, tie, None, owed)
    if sheet is None:
        largest = MAX_ENERGY * (abs(terms.price_nano_per_wh) + 11 * MAX_PRICE) * 20
        assert largest > MAX_MONEY
        return
    for member, line in owed:
        assert line in sheet.lines[member], "whatever is owed is paid"
    assert sum(sheet.totals.values()) == 0
    residual = 0
    for member, lines in sheet.lines.items():
        assert sheet.totals[member] == sum(line.amount_nano for line in lines)
        assert abs(sheet.totals[member]) <= MAX_MONEY
        kinds = [line.kind for line in lines]
        assert len(set(kinds)) == len(kinds), "one line of a kind"
        residual += sum(line.amount_nano for line in lines if line.kind == "residual")
    assert residual == sheet.residual_nano
    assert list(sheet.lines) == sorted(sheet.lines)


# Through state


def test_settlement_may_take_a_balance_below_zero() -> None:
    chain = Chain(make_genesis(balances={"campus": 0}))
    chain.block(chain.reading("m-campus", FIRST, 1_000, 0), chain.reading("m-bio", FIRST, 0, 1_000))
    chain.close(FIRST)
    assert chain.balance("campus") < 0
    assert chain.money() == 5 * OPENING_NANO


def test_storage_both_takes_and_delivers() -> None:
    chain = Chain()
    chain.block(
        chain.need("storage", NEXT, 2_000, limit=200_000),
        chain.offer("bio", "m-bio", NEXT, (100_000, 5_000)),
    )
    chain.block(
        chain.offer("storage", "m-storage", NEXT + 1, (250_000, 1_500)),
        chain.need("campus", NEXT + 1, 1_500),
    )
    chain.at(NEXT + 1)
    chain.block(
        chain.reading("m-storage", NEXT, 2_000, 0),
        chain.reading("m-bio", NEXT, 0, 2_000),
    )
    chain.quiet(NEXT)
    chain.at(NEXT + 2, -1)
    chain.block(
        chain.reading("m-storage", NEXT + 1, 2_000, 1_500),
        chain.reading("m-campus", NEXT + 1, 1_500, 0),
    )
    chain.close(NEXT + 1)
    charged, discharged = chain.bill(NEXT, "storage"), chain.bill(NEXT + 1, "storage")
    assert charged is not None
    assert discharged is not None
    assert [line.kind for line in charged.lines] == ["consumption"]
    assert [line.kind for line in discharged.lines] == ["supply"]
    assert charged.total_nano < 0 < discharged.total_nano


def test_lines_beyond_money_book_nothing_and_say_so() -> None:
    """2^40 Wh at a high price: the registers count as settled, no balance moves, and the record names the code."""
    giant = {"m-giant": Site("bio", "source", MAX_ENERGY)}
    params = change(PactParams(), interval_ms=86_400_000, close_grace_ms=0, import_nano_per_wh=MAX_PRICE)
    chain = Chain(make_genesis(params=params, meters=giant))
    first = chain.now_ms // params.interval_ms
    readings = [chain.reading("m-giant", first, MAX_ENERGY, 0)]
    chain.now_ms += 1
    assert [receipt.code for receipt in chain.block(*readings)] == ["ok"]
    chain.now_ms = (first + 1) * params.interval_ms
    chain.block()
    record = chain.interval(first)
    assert (record.status, record.code, record.residual_nano) == (SETTLED, "amount.range", 0)
    assert chain.bill(first, "bio") is None
    assert chain.money() == 6 * OPENING_NANO
    assert chain.settled("m-giant").import_wh == MAX_ENERGY
    assert chain.deadline_ms() is None


def test_balance_that_would_leave_its_bounds_books_nothing() -> None:
    chain = Chain(make_genesis(balances={"bio": MAX_MONEY}))
    chain.block(chain.reading("m-campus", FIRST, 1_000, 0), chain.reading("m-bio", FIRST, 0, 1_000))
    before = chain.money()
    chain.close(FIRST)
    assert chain.interval(FIRST).code == "amount.range"
    assert chain.money() == before
    assert chain.bill(FIRST, "campus") is None


def test_an_interval_by_hand() -> None:
    """Orders to bills. 10,000 Wh, of which 40 Wh of a dear block: inside the slack, so paid as bid, not by all.

    The campus takes 500 Wh more than ordered, solar gives 100 Wh more, the tie brings 410 Wh, 10 Wh are lost.
    """
    chain = Chain()
    chain.block(
        chain.tariff(NEXT, 300_000, 50_000),
        chain.need("campus", NEXT, 10_000),
        chain.offer("solar", "m-solar", NEXT, (20_000, 6_000)),
        chain.offer("bio", "m-bio", NEXT, (150_000, 3_960), (250_000, 500)),
    )
    chain.at(NEXT)
    chain.block()
    record = chain.interval(NEXT)
    assert (record.price_nano_per_wh, record.supplied_wh, record.import_wh) == (150_000, 10_000, 0)
    bio = chain.order(NEXT, "bio")
    assert (bio.supplied_wh, bio.pay_as_bid_nano, bio.offer_nano_per_wh) == (4_000, 40 * 100_000, 250_000)
    chain.block(
        chain.reading("m-campus", NEXT, 10_500, 0),
        chain.reading("m-solar", NEXT, 0, 6_100),
        chain.reading("m-bio", NEXT, 0, 4_000),
        chain.reading("m-tie", NEXT, 0, 410),
    )
    chain.close(NEXT)
    record = chain.interval(NEXT)
    assert (record.tie_import_wh, record.tie_export_wh, record.losses_wh) == (410, 0, 10)
    expected = {
        "bio": {"supply": 4_000 * 150_000, "pay-as-bid": 40 * 100_000},
        "campus": {"consumption": -10_000 * 150_000, "short": -500 * 330_000},
        "solar": {"supply": 6_000 * 150_000, "long": 100 * 20_000},
        "utility": {"tie-import": 410 * 300_000},
    }
    expected["campus"]["residual"] = -sum(sum(lines.values()) for lines in expected.values())
    for member, lines in expected.items():
        bill = chain.bill(NEXT, member)
        assert bill is not None
        assert {line.kind: line.amount_nano for line in bill.lines} == lines
        assert chain.balance(member) == OPENING_NANO + bill.total_nano == OPENING_NANO + sum(lines.values())
    assert record.residual_nano == expected["campus"]["residual"]


def test_tie_flows_both_ways_and_only_the_utility_has_one() -> None:
    chain = Chain(make_genesis(meters={**METERS, "m-false": Site("bio", "tie", 50_000)}))
    chain.block(chain.reading("m-tie", FIRST, 700, 0), chain.reading("m-false", FIRST, 0, 700))
    chain.close(FIRST)
    record = chain.interval(FIRST)
    assert (record.tie_import_wh, record.tie_export_wh) == (0, 700)
    assert (record.injected_wh, record.withdrawn_wh) == (700, 700)
    sold = chain.bill(FIRST, "bio")
    assert sold is not None
    assert "long" in [line.kind for line in sold.lines]


def test_long_energy_of_two_meters_is_worth_the_lower_offer() -> None:
    chain = Chain(make_genesis(meters={**METERS, "m-wind": Site("solar", "source", 400_000)}))
    chain.block(chain.need("campus", NEXT, 10_000), chain.offer("solar", "m-solar", NEXT, (20_000, 2_000)))
    chain.block(chain.offer("solar", "m-wind", NEXT, (70_000, 2_000), (90_000, 1)))
    chain.at(NEXT).block()
    order = chain.order(NEXT, "solar")
    assert order.offer_nano_per_wh == 20_000
    assert [(entry.meter, entry.energy_wh) for entry in order.meters] == [("m-solar", 2_000), ("m-wind", 2_001)]


def test_meters_in_zones_of_their_own_are_paid_there() -> None:
    order = Order("b", NEXT, 0, 0, 0, (MeterOrder("m-1", 10, 100), MeterOrder("m-2", 5, 400)), 15, 0, None, 100)
    sheet = settle(GRID, [corrections.position("b", order, 0, 15)], None)
    assert sheet is not None
    (line, _) = sheet.lines["b"]
    assert line == Line("supply", 15, None, 10 * 100 + 5 * 400)
    one = msgspec.structs.replace(order, meters=(MeterOrder("m-1", 15, 100),))
    sheet = settle(GRID, [corrections.position("b", one, 0, 15)], None)
    assert sheet is not None and sheet.lines["b"][0] == Line("supply", 15, 100, 1_500)
