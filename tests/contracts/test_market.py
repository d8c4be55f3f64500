"""Needs add up, offers replace each other, tariffs stand; and money moves only where it exists."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, INTERVAL_MS, OPENING_NANO, Chain, change, codes, make_genesis

from contracts.params import PactParams
from contracts.schema import ACCOUNTS, BALANCES, NEEDS, OFFERS, ORDERS
from contracts.units import MAX_ENERGY

PARAMS = PactParams()
NEXT = FIRST + 2


def lock(chain: Chain, interval: int = NEXT) -> None:
    chain.at(0, interval * INTERVAL_MS - PARAMS.gate_lead_ms).block()


def test_needs_of_one_member_add_up() -> None:
    chain = Chain()
    receipts = chain.block(
        chain.need("campus", NEXT, 100),
        chain.say("campus", chain.need("campus", NEXT, 50).body, nonce=1),
        chain.say("campus", chain.need("campus", NEXT, 7, tier=3).body, nonce=2),
        chain.say("campus", chain.need("campus", NEXT, 5, limit=400_000).body, nonce=3),
        chain.say("campus", chain.need("campus", NEXT, 5, limit=400_000, tier=4).body, nonce=4),
    )
    assert codes(receipts) == ["ok"] * 5
    assert [receipt.events[0].index for receipt in receipts] == [0, 1, 2, 3, 4]
    record = chain.interval(NEXT)
    assert (record.needs, record.demand_wh, record.bids_wh) == (5, 157, 10)
    (bucket,) = [raw for key, raw in chain.store.items() if key.startswith(NEEDS.prefix)]
    entries = {(e.limit_nano_per_wh, e.tier): e.energy_wh for e in NEEDS.decode(bucket).entries}
    assert entries == {(None, 1): 150, (None, 3): 7, (400_000, 0): 10}
    lock(chain)
    assert chain.order(NEXT, "campus").served_wh == 167


def test_sum_of_needs_stays_an_energy() -> None:
    chain = Chain()
    assert chain.run(chain.need("campus", NEXT, MAX_ENERGY)) == "ok"
    assert chain.run(chain.need("tenant", NEXT, 1)) == "amount.range"


def test_multi_interval_need_is_all_or_nothing() -> None:
    chain = Chain(make_genesis(params=change(PARAMS, max_needs_per_interval=1)))
    assert chain.run(chain.need("campus", NEXT + 1, 1)) == "ok"
    assert chain.run(chain.need("tenant", NEXT, 1, count=2)) == "need.full"
    assert chain.deadline_ms() == (NEXT + 1) * INTERVAL_MS - PARAMS.gate_lead_ms, "nothing of it was scheduled"


def test_need_over_several_intervals_is_wanted_in_each() -> None:
    chain = Chain()
    chain.block(chain.need("campus", NEXT, 100, count=3))
    assert [chain.interval(NEXT + i).demand_wh for i in range(3)] == [100] * 3


def test_later_offer_replaces_the_earlier_and_an_empty_one_withdraws() -> None:
    chain = Chain()
    chain.block(chain.need("campus", NEXT, 10_000), chain.offer("bio", "m-bio", NEXT, (10_000, 10_000)))
    chain.block(chain.offer("bio", "m-bio", NEXT, (60_000, 4_000)), chain.offer("solar", "m-solar", NEXT, (1, 5)))
    assert chain.interval(NEXT).offers == 2
    chain.block(chain.offer("solar", "m-solar", NEXT))
    assert chain.interval(NEXT).offers == 1
    lock(chain)
    assert chain.order(NEXT, "bio").supplied_wh == 4_000
    assert chain.interval(NEXT).import_wh == 6_000


def test_what_was_asked_and_offered_stays_provable() -> None:
    """Whoever doubts a dispatch computes it again from these records."""
    chain = Chain()
    chain.block(chain.need("campus", NEXT, 10), chain.offer("bio", "m-bio", NEXT, (1, 1)))
    standing = {key: raw for key, raw in chain.store.items() if key.startswith((NEEDS.prefix, OFFERS.prefix))}
    assert len(standing) == 2
    lock(chain)
    chain.close(NEXT)
    late = chain.block(chain.need("campus", NEXT, 10), chain.offer("bio", "m-bio", NEXT, (2, 1)))
    assert [receipt.code for receipt in late] == ["need.late", "offer.late"]
    assert standing.items() <= chain.store.items()
    assert chain.interval(NEXT).need_buckets and chain.interval(NEXT).offer_buckets


def test_tariff_counts_for_its_intervals_and_genesis_for_the_others() -> None:
    chain = Chain()
    chain.block(chain.tariff(NEXT, 200_000, 10_000), chain.need("campus", NEXT, 10, count=2))
    lock(chain, NEXT + 1)
    assert chain.interval(NEXT).price_nano_per_wh == 200_000
    assert chain.interval(NEXT + 1).price_nano_per_wh == PARAMS.import_nano_per_wh


def test_import_cheaper_than_export_clears_at_one_price_and_says_so() -> None:
    chain = Chain()
    chain.block(
        chain.tariff(NEXT, 100_000, 150_000),
        chain.need("campus", NEXT, 1_000),
        chain.offer("bio", "m-bio", NEXT, (120_000, 50_000)),
    )
    lock(chain)
    record = chain.interval(NEXT)
    assert record.export_lowered
    assert (record.price_nano_per_wh, record.export_nano_per_wh) == (100_000, 100_000)
    assert chain.order(NEXT, "bio").supplied_wh == 0, "no round trip through the tie"


def test_member_without_offers_or_needs_gets_no_order() -> None:
    chain = Chain()
    chain.block(chain.need("campus", NEXT, 10))
    lock(chain)
    written = [raw for key, raw in chain.store.items() if key.startswith(ORDERS.prefix)]
    assert [order.member for raw in written for order in ORDERS.decode(raw)] == ["campus"]


# Transfers


@given(amount=st.integers(1, 2 * OPENING_NANO), to=st.sampled_from(["bio", "solar"]))
@settings(max_examples=40)
def test_transfer_moves_exactly_what_exists(amount: int, to: str) -> None:
    chain = Chain()
    code = chain.run(chain.pay("bio", to, amount))
    assert code == ("ok" if amount <= OPENING_NANO else "money.insufficient")
    moved = amount if code == "ok" and to != "bio" else 0
    assert chain.balance("bio") == OPENING_NANO - moved
    assert chain.balance("solar") == OPENING_NANO + moved
    rolls = {BALANCES.roll_key("bio"), BALANCES.roll_key("solar")}
    assert chain.changed == {ACCOUNTS.key("bio")} | (rolls if moved else set())


def test_debtor_pays_nothing() -> None:
    chain = Chain(make_genesis(balances={"bio": -5}))
    assert chain.run(chain.pay("bio", "solar", 1)) == "money.insufficient"
    assert chain.run(chain.pay("bio", "bio", 1)) == "money.insufficient"


def test_each_key_has_its_own_nonces_and_budget() -> None:
    chain = Chain()
    assert codes(chain.block(chain.pay("bio", "solar", 1), chain.pay("bio", "solar", 1, scope="money"))) == ["ok", "ok"]
    lanes = chain.account("bio").lanes
    assert [(lane.next_nonce, lane.units_used) for lane in lanes] == [(1, 1), (0, 0), (1, 1)]
