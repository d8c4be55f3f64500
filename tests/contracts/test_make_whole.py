"""No storage loses by being dispatched, none is paid twice, and a source never needs it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, METERS, Chain, Site, bill, change, make_genesis, settle

from contracts.bodies import OfferBlock
from contracts.estimates import day_type
from contracts.flexible.records import MadeWhole, StoreAccount
from contracts.genesis import Genesis
from contracts.make_whole import Equipment, Flow, moved, owed_nano
from contracts.members import Asset
from contracts.metering_records import Metered
from contracts.params import DAY_MS, PactParams
from contracts.records import Order, StorageOrder
from contracts.schema import MADE_WHOLE, METERED, ORDERS, STORE_ACCOUNTS
from contracts.state import State
from contracts.units import MAX_MONEY
from zk.codec import encode

PLENTY = 2**60
PERFECT = Equipment(1, 1, 0)
WORN = Equipment(9, 10, 3)
NEW = StoreAccount("m-storage", "storage", 0)
LAST = FIRST - FIRST % 96 + 95
"""Last interval of the UTC day in which the chain starts."""


def run(flows: Sequence[Flow], equipment: Equipment = PERFECT, account: StoreAccount = NEW) -> StoreAccount:
    soc = account.stored
    for flow in flows:
        soc += equipment.efficiency_n**2 * flow.charge_wh
        soc = max(0, soc - equipment.efficiency_d**2 * flow.given_wh)
        account = moved(account, flow, equipment, soc)
    return account


def test_bought_dear_and_sold_cheap_by_hand() -> None:
    """100 Wh at 300; 90/100 each way leave 81 Wh, sold at 200, worn at 3: 30,000 - 16,200 + 243."""
    account = run([Flow(100, 0, 0, 300), Flow(0, 81, 81, 200)], WORN)
    assert (account.used_nano, account.wear_nano, account.revenue_nano) == (30_000, 243, 16_200)
    assert owed_nano(account) == 30_000 + 243 - 16_200
    assert (account.stored, account.stored_nano) == (0, 0)


def test_what_is_still_stored_is_no_loss() -> None:
    half = run([Flow(100, 0, 0, 300), Flow(0, 50, 50, 200)])
    assert (half.stored_nano, half.used_nano) == (15_000, 15_000)
    assert owed_nano(half) == 15_000 - 10_000
    assert owed_nano(run([Flow(100, 0, 0, 300)])) == 0


def test_who_gained_is_owed_nothing_and_keeps_it() -> None:
    assert owed_nano(run([Flow(100, 0, 0, 100), Flow(0, 100, 100, 300)])) == 0


def test_a_gain_of_the_day_pays_for_a_loss_of_the_day() -> None:
    gain, loss = [Flow(10, 0, 0, 100), Flow(0, 10, 10, 300)], [Flow(10, 0, 0, 300), Flow(0, 10, 10, 50)]
    assert owed_nano(run(gain + loss)) == 2_500 - 2_000


def test_energy_that_nobody_was_paid_for_costs_nothing() -> None:
    account = run([Flow(0, 50, 50, -10)])
    assert account.used_nano == 0
    assert owed_nano(account) == 500, "who was ordered to give at a price below zero paid for it"


def test_what_leaves_without_an_order_takes_its_cost_along() -> None:
    account = run([Flow(100, 0, 0, 300), Flow(0, 0, 100, 50), Flow(0, 100, 100, 50)])
    assert (account.used_nano, account.stored_nano) == (0, 0)


def test_what_registers_say_is_gone_has_no_cost_to_claim() -> None:
    full = run([Flow(100, 0, 0, 300)])
    leaked = moved(full, Flow(0, 0, 0, 300), PERFECT, 25)
    assert (leaked.stored, leaked.stored_nano) == (25, 7_500)
    assert moved(full, Flow(0, 0, 0, 300), PERFECT, 0).stored_nano == 0


FLOWS = st.lists(
    st.builds(
        lambda charge, ordered, given, price: Flow(charge, min(ordered, given), given, price),
        st.integers(0, 1_000),
        st.integers(0, 1_000),
        st.integers(0, 1_000),
        st.integers(-500, 4_000),
    ),
    max_size=12,
)
EQUIPMENT = st.builds(Equipment, st.integers(80, 100), st.just(100), st.integers(0, 50))


@given(st.lists(FLOWS, min_size=1, max_size=4), EQUIPMENT)
@settings(max_examples=200)
def test_over_any_days_nobody_is_paid_more_than_it_paid_and_wore(days: list[list[Flow]], equipment: Equipment) -> None:
    """The attack on it: hold energy over midnight, sell it unordered, leak it, at any prices. All that is ever owed is
    at most what was paid for charging, wear, and what had to be paid for giving at prices below zero."""
    account, owed, soc = NEW, 0, 0
    paid = 0
    for flows in days:
        for flow in flows:
            soc += equipment.efficiency_n**2 * flow.charge_wh
            soc = max(0, soc - equipment.efficiency_d**2 * flow.given_wh)
            account = moved(account, flow, equipment, soc)
            paid += max(0, flow.charge_wh * flow.price_nano_per_wh) + flow.discharge_wh * equipment.wear_nano_per_wh
            paid += max(0, -flow.discharge_wh * flow.price_nano_per_wh)
        owed += owed_nano(account)
        account = msgspec.structs.replace(account, used_nano=0, wear_nano=0, revenue_nano=0)
        assert account.stored <= soc
        assert account.stored or not account.stored_nano, "no energy, no cost"
    assert owed <= paid


@given(FLOWS, EQUIPMENT)
@settings(max_examples=100)
def test_carrying_energy_over_midnight_gains_nothing(flows: list[Flow], equipment: Equipment) -> None:
    """All charging on one day and all discharging on the next is owed what it is owed on one day."""
    charges = [flow._replace(discharge_wh=0, given_wh=0) for flow in flows]
    gives = [flow._replace(charge_wh=0) for flow in flows]
    together = run(charges + gives, equipment)
    evening = run(charges, equipment)
    assert owed_nano(evening) == 0
    assert owed_nano(run(gives, equipment, evening)) == owed_nano(together)


def source_nano(blocks: Sequence[OfferBlock], delivered_wh: int, price: int) -> int:
    """What a source's accepted blocks ask for what it delivered of them, less what it is paid."""
    owed = 0
    for block in blocks:
        part_wh = min(block.energy_wh, delivered_wh)
        delivered_wh -= part_wh
        owed += part_wh * (block.price_nano_per_wh - max(price, block.price_nano_per_wh))
    return owed


@given(
    st.lists(st.builds(OfferBlock, st.integers(-500, 4_000), st.integers(1, 1_000)), max_size=5),
    st.integers(0, 6_000),
    st.integers(-500, 4_000),
)
def test_a_source_is_paid_at_least_what_it_offered(blocks: list[OfferBlock], delivered_wh: int, price: int) -> None:
    assert source_nano(blocks, delivered_wh, price) <= 0


def test_sums_stay_inside_the_bounds_of_money() -> None:
    giant = Flow(2**40 - 1, 0, 0, 2**28 - 1)
    account = moved(moved(NEW, giant, PERFECT, PLENTY), giant, PERFECT, PLENTY)
    assert account.stored_nano == MAX_MONEY
    worn = run([Flow(0, 2**40 - 1, 2**40 - 1, -(2**28 - 1))] * 2, Equipment(1, 1, 2**28 - 1))
    assert owed_nano(worn) == MAX_MONEY
    encode(worn)


# Through state


def genesis() -> Genesis:
    made = make_genesis(params=change(PactParams(), horizon_intervals=300), meters={**METERS, "m-other": OTHER})
    stores = tuple(
        msgspec.structs.replace(
            meter, capacity_wh=100_000, asset=Asset(efficiency_n=9, efficiency_d=10, wear_nano_per_wh=3)
        )
        if meter.kind == "storage"
        else meter
        for meter in made.meters
    )
    return msgspec.structs.replace(made, meters=stores)


OTHER = Site("storage", "storage", 100_000)


def order(chain: Chain, interval: int, price: int, *stores: tuple[str, int, int]) -> None:
    """As if the dispatch had ordered so much to be taken and given."""
    chain.at(interval).catch_up()
    record = msgspec.structs.replace(chain.interval(interval), price_nano_per_wh=price)
    chain.store[b"interval/%010d" % interval] = encode(record)
    state = State(chain.store)
    charge, discharge = sum(one[1] for one in stores), sum(one[2] for one in stores)
    told = tuple(StorageOrder(meter, taken, given, 0) for meter, taken, given in stores)
    state.put(ORDERS, Order("storage", interval, charge, charge, 0, (), discharge, 0, None, storages=told), interval)
    state.commit()
    chain.keep(state)


def account_of(chain: Chain, meter: str = "m-storage") -> StoreAccount:
    found = State(chain.store).entry(STORE_ACCOUNTS, meter)
    assert found is not None
    return found


def made_whole(chain: Chain, interval: int) -> list[MadeWhole]:
    return State(chain.store).group(MADE_WHOLE, interval)


def lines(chain: Chain, interval: int) -> dict[str, int]:
    return {line.kind: line.amount_nano for line in bill(chain, interval, "storage").lines}


def begun(*intervals: int) -> Chain:
    """The campus needs a Wh in each of these."""
    chain = Chain(genesis())
    for interval in intervals:
        chain.block(chain.need("campus", interval, 1))
    return chain


def test_the_last_interval_of_a_day_has_the_line_with_its_record() -> None:
    chain = begun(LAST - 1, LAST)
    money = chain.money()
    order(chain, LAST - 1, 300, ("m-storage", 100, 0))
    settle(chain, LAST - 1, {"m-storage": (100, 0), "m-campus": (1, 0)})
    assert "make-whole" not in lines(chain, LAST - 1)
    order(chain, LAST, 200, ("m-storage", 0, 81))
    settle(chain, LAST, {"m-storage": (0, 81), "m-campus": (1, 0)})
    owed = 30_000 + 243 - 16_200
    assert lines(chain, LAST)["make-whole"] == owed
    day = LAST * 900_000 // DAY_MS
    assert made_whole(chain, LAST) == [MadeWhole("m-storage", "storage", day, LAST, 30_000, 243, 16_200, owed)]
    assert account_of(chain) == StoreAccount("m-storage", "storage", day + 1)
    assert chain.money() == money
    settle(chain, LAST + 1, {"m-campus": (1, 0)})
    assert chain.bill(LAST + 1, "storage") is None, "paid once"


def test_a_day_whose_last_interval_never_settles_is_paid_by_the_next_that_does() -> None:
    chain = begun(LAST - 1)
    order(chain, LAST - 1, -40, ("m-storage", 0, 50))
    settle(chain, LAST - 1, {"m-storage": (0, 50), "m-campus": (1, 0)})
    settle(chain, LAST + 5, {"m-campus": (1, 0)})
    assert lines(chain, LAST + 5) == {"make-whole": 50 * 40 + 150}
    assert [one.interval for one in made_whole(chain, LAST + 5)] == [LAST + 5]


def test_several_storages_of_a_member_have_a_record_each_and_one_line() -> None:
    chain = begun(LAST)
    order(chain, LAST, -10, ("m-storage", 0, 50), ("m-other", 0, 30))
    settle(chain, LAST, {"m-storage": (0, 50), "m-other": (0, 30), "m-campus": (1, 0)})
    assert sorted(one.amount_nano for one in made_whole(chain, LAST)) == [30 * 13, 50 * 13]
    assert lines(chain, LAST)["make-whole"] == 80 * 13


def test_only_what_was_delivered_of_an_order_counts() -> None:
    chain = begun(LAST)
    order(chain, LAST, -10, ("m-storage", 0, 50))
    settle(chain, LAST, {"m-storage": (0, 20), "m-campus": (1, 0)})
    assert lines(chain, LAST)["make-whole"] == 20 * 13


def test_a_loss_waits_for_the_end_of_its_day() -> None:
    chain = begun(LAST - 2)
    order(chain, LAST - 2, -10, ("m-storage", 0, 50))
    settle(chain, LAST - 2, {"m-storage": (0, 50), "m-campus": (1, 0)})
    assert "make-whole" not in lines(chain, LAST - 2)
    settle(chain, LAST - 1, {"m-campus": (1, 0)})
    assert chain.bill(LAST - 1, "storage") is None
    settle(chain, LAST, {"m-campus": (1, 0)})
    assert lines(chain, LAST) == {"make-whole": 50 * 13}


def test_charging_costs_what_was_taken_and_no_more_than_was_ordered() -> None:
    for taken_wh, counted_wh in ((60, 60), (140, 100)):
        chain = begun(LAST)
        order(chain, LAST, 300, ("m-storage", 100, 0))
        settle(chain, LAST, {"m-storage": (taken_wh, 0), "m-campus": (1, 0)})
        assert account_of(chain).stored_nano == counted_wh * 300


def test_silence_is_not_made_whole_and_not_when_it_ends() -> None:
    chain = begun(LAST)
    state = State(chain.store)
    like = next(at for at in range(LAST - 96, 0, -96) if day_type(PactParams(), at) == day_type(PactParams(), LAST))
    state.put(METERED, Metered("m-storage", 0, 50, 1), like)
    state.commit()
    chain.keep(state)
    order(chain, LAST, -10, ("m-storage", 0, 50))
    settle(chain, LAST, {"m-campus": (1, 0)}, silent=("m-storage",))
    assert "make-whole" not in lines(chain, LAST) and made_whole(chain, LAST) == []
    settle(chain, LAST + 1, {"m-storage": (0, 50), "m-campus": (1, 0)})
    assert made_whole(chain, LAST + 1) == []


def test_a_pact_without_storages_writes_no_account() -> None:
    chain = Chain()
    settle(chain, FIRST, {"m-campus": (5, 0)})
    assert not any(key.startswith((STORE_ACCOUNTS.prefix, MADE_WHOLE.prefix)) for key in chain.store)
