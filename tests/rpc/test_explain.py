"""Explanations against the dispatch itself: what they say of any interval is what was ordered in it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.records import NeedEntry, OfferEntry, Order
from contracts.rolls import BUCKETS
from contracts.schema import INTERVALS, NEEDS, OFFERS, ORDERS, TARIFFS
from node.rpc.explain import explain, explain_member
from tests.contracts.ledger_world import FIRST, INTERVAL_MS, ROLES, Chain, make_genesis

NEXT = FIRST + 2
PRICES = st.sampled_from([40_000, 50_000, 90_000, 100_000, 240_000, 300_000])
ENERGY = st.integers(1, 9_000)
NEED = st.tuples(st.sampled_from(["campus", "tenant", "storage"]), ENERGY, st.none() | PRICES, st.integers(0, 7))
OFFER = st.tuples(
    st.sampled_from([("bio", "m-bio"), ("solar", "m-solar"), ("storage", "m-storage")]),
    st.dictionaries(PRICES, ENERGY, min_size=1, max_size=3).map(lambda blocks: tuple(sorted(blocks.items()))),
)
Ordered = tuple[Chain, list[NeedEntry], list[OfferEntry], list[Order]]


def ordered(
    needs: list[tuple[str, int, int | None, int]],
    offers: list[tuple[tuple[str, str], tuple[tuple[int, int], ...]]],
    limit_wh: int | None,
) -> Ordered:
    """An interval after its lock, with what stood before it; `limit_wh` None: an island."""
    roles = ROLES if limit_wh is not None else {**ROLES, "utility": ("consumer",)}
    chain = Chain(make_genesis(roles=roles))
    if limit_wh is not None:
        chain.block(chain.tariff(NEXT, 240_000, 50_000, limit_wh))
    for sender, energy_wh, limit, tier in needs:
        assert chain.run(chain.need(sender, NEXT, energy_wh, limit=limit, tier=tier)) == "ok"
    for (sender, meter), blocks in offers:
        assert chain.run(chain.offer(sender, meter, NEXT, *blocks)) == "ok"
    chain.at(0, NEXT * INTERVAL_MS - chain.genesis.params.gate_lead_ms).catch_up()
    store = chain.store
    stood = [NEEDS.decode(store[key]) for n in range(BUCKETS) if (key := NEEDS.key(NEXT, n)) in store]
    offered = [OFFERS.decode(store[key]) for n in range(BUCKETS) if (key := OFFERS.key(NEXT, n)) in store]
    orders = [order for key in ORDERS.roll_keys(NEXT) if key in store for order in ORDERS.decode(store[key])]
    return (
        chain,
        [entry for one in stood for entry in one.entries],
        [entry for one in offered for entry in one.entries],
        sorted(orders, key=lambda order: order.member),
    )


@given(
    st.lists(NEED, min_size=1, max_size=6),
    st.lists(OFFER, max_size=4),
    st.none() | st.sampled_from([0, 1_000, 90_000]),
)
@settings(max_examples=150)
def test_an_explanation_is_true(
    needs: list[tuple[str, int, int | None, int]],
    offers: list[tuple[tuple[str, str], tuple[tuple[int, int], ...]]],
    limit_wh: int | None,
) -> None:
    chain, stood, offered, orders = ordered(needs, offers, limit_wh)
    params, record = chain.genesis.params, INTERVALS.decode(chain.store[INTERVALS.key(NEXT)])
    raw = chain.store.get(TARIFFS.key(NEXT))
    told = explain(params, record, None if raw is None else TARIFFS.decode(raw), stood, offered, orders)

    sides = [told["offered"][name] for name in ("cheaper", "equal", "dearer")]
    assert sum(side["ordered_wh"] for side in sides) == record.supplied_wh
    assert sum(side["offered_wh"] for side in sides) == told["offered"]["offered_wh"]
    stack = told["offered"]["stack"]
    assert sum(block["offered_wh"] for block in stack) == told["offered"]["offered_wh"]
    assert sum(block["ordered_wh"] for block in stack) == sum(side["ordered_wh"] for side in sides)
    assert [block["price_nano_per_wh"] for block in stack] == sorted(block["price_nano_per_wh"] for block in stack)
    cheaper, _, dearer = sides
    assert cheaper["ordered_wh"] == cheaper["offered_wh"], "everything cheaper than the price is taken"
    assert dearer["ordered_wh"] == told["price"]["as_bid_wh"] <= told["price"]["slack_wh"]
    demand = told["demand"]
    assert demand["fixed_wh"] + demand["bids_wh"] == sum(need[1] for need in needs)
    assert demand["members"] == len({need[0] for need in needs})
    assert sum(one["requested_wh"] for one in demand["largest"]) == sum(need[1] for need in needs)

    assert told["price"]["set_by"], "somebody wanted energy, so something was filled"
    for reason in told["price"]["set_by"]:
        assert 0 <= reason["ordered_wh"] <= reason["offered_wh"]
        match reason["kind"]:
            case "offer":
                assert any(
                    entry.meter == reason["meter"]
                    and any(
                        (block.price_nano_per_wh, block.energy_wh) == (record.price_nano_per_wh, reason["offered_wh"])
                        for block in entry.blocks
                    )
                    for entry in offered
                )
            case "bid":
                assert any((need[0], need[2]) == (reason["member"], record.price_nano_per_wh) for need in needs)
                assert reason["ordered_wh"] < reason["offered_wh"], "a bid sets the price where it is refused"
            case "import":
                assert record.price_nano_per_wh == 240_000 and record.import_wh
            case "export":
                assert record.price_nano_per_wh == 50_000 and record.export_wh < (limit_wh or 0)
            case "shed":
                assert record.price_nano_per_wh == params.offer_cap_nano_per_wh and record.shed_wh


@given(st.lists(NEED, min_size=1, max_size=6), st.lists(OFFER, max_size=4))
@settings(max_examples=40)
def test_what_members_expect_adds_up_to_the_tariff_spread(
    needs: list[tuple[str, int, int | None, int]],
    offers: list[tuple[tuple[str, str], tuple[tuple[int, int], ...]]],
) -> None:
    """In an island everything that is paid for energy is received for energy, but for what is paid as bid."""
    chain, stood, _, orders = ordered(needs, offers, None)
    record = INTERVALS.decode(chain.store[INTERVALS.key(NEXT)])
    told = [
        explain_member(record, order, None, sum(need.energy_wh for need in stood if need.member == order.member))
        for order in orders
    ]
    assert sum(int(one["expected_nano"]) for one in told) == sum(order.pay_as_bid_nano for order in orders)
    assert sum(one["served_wh"] for one in told) == record.served_wh
    assert all(one["served_wh"] + one["shed_wh"] <= one["requested_wh"] for one in told)


def test_a_members_cheapest_bid_is_refused_first_and_sets_the_price() -> None:
    needs = [("campus", 1_000, 300_000, 0), ("campus", 1_000, 100_000, 0)]
    chain, stood, offered, orders = ordered(needs, [(("bio", "m-bio"), ((90_000, 1_200),))], None)
    record = INTERVALS.decode(chain.store[INTERVALS.key(NEXT)])
    told = explain(chain.genesis.params, record, None, stood, offered, orders)
    assert told["price"]["price_nano_per_wh"] == 100_000
    assert told["price"]["set_by"] == [{"kind": "bid", "member": "campus", "offered_wh": 1_000, "ordered_wh": 200}]
    (campus,) = (order for order in orders if order.member == "campus")
    assert explain_member(record, campus, None, 2_000)["expected_nano"] == str(-1_200 * 100_000)
