"""In an island nobody that it can't do without asks more than its reference; what is held back is reported."""

from __future__ import annotations

from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import Chain, settle
from mode_world import NEXT, genesis, lock

from contracts.bodies import OfferBlock, PlainReading, Reserve, ReserveOffer
from contracts.conduct import report
from contracts.conduct_records import Withholding
from contracts.delivery import Delivery
from contracts.envelope import MeterEnvelope
from contracts.market_power import cap, pivotal
from contracts.params import PactParams
from contracts.receipts import WithholdingReported
from contracts.records import IntervalRecord, NeedEntry, OfferEntry
from contracts.schema import WITHHOLDINGS
from contracts.state import State
from contracts.units import MAX_ENERGY

REFERENCE = 300


def need(energy_wh: int, limit: int | None = None) -> NeedEntry:
    return NeedEntry("campus", limit, 1, energy_wh)


def offer(member: str, *blocks: tuple[int, int], reference: int | None = None, meter: str = "") -> OfferEntry:
    return OfferEntry(meter or f"m-{member}", member, 0, tuple(OfferBlock(*block) for block in blocks), reference)


def test_who_is_pivotal_by_hand() -> None:
    assert pivotal([need(100)], {"a": 60, "b": 50}) == ("a", "b")
    assert pivotal([need(55)], {"a": 60, "b": 50}) == ("a",)
    assert pivotal([need(50)], {"a": 50, "b": 50}) == ()
    assert pivotal([need(50, limit=9)], {"a": 60}) == (), "a bid goes without"
    assert pivotal([need(70)], {"a": 60, "b": 0}) == ("a",), "who has nothing is nobody's need"


def test_offers_count_at_most_at_their_reference_and_keep_their_energy() -> None:
    offers = [offer("a", (100, 5), (400, 7), (900, 9), reference=350), offer("b", (900, 50))]
    capped = cap([need(60)], offers, {}, REFERENCE)
    assert capped.offers == [offer("a", (100, 5), (350, 16), reference=350), offer("b", (REFERENCE, 50))]
    assert capped.members == ("a", "b")
    assert cap([need(60)], offers[:1], {"c": 60}, REFERENCE) == (offers[:1], ())
    at_it = offer("a", (100, 5), (350, 7), (900, 9), reference=350)
    assert cap([need(60)], [at_it], {}, REFERENCE).offers == [offer("a", (100, 5), (350, 16), reference=350)]


def test_nothing_is_gained_by_splitting_an_offer_among_meters() -> None:
    split = [offer("a", (900, 30), meter="m-1"), offer("a", (901, 30), meter="m-2"), offer("b", (5, 50))]
    assert cap([need(60)], split, {}, REFERENCE).members == ("a",)


OFFERS = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.lists(st.tuples(st.integers(-9, 999), st.integers(1, 99)), min_size=1, max_size=4, unique_by=lambda b: b[0]),
        st.none() | st.integers(-9, 999),
    ),
    max_size=6,
)


@given(OFFERS, st.integers(0, 500), st.dictionaries(st.sampled_from("abe"), st.integers(0, 99)))
@settings(max_examples=150)
def test_a_cap_moves_no_energy_and_only_offers_that_are_needed(
    told: list[tuple[str, list[tuple[int, int]], int | None]], demand_wh: int, stored: dict[str, int]
) -> None:
    offers = [
        offer(member, *sorted(blocks), reference=reference, meter=f"m-{number}")
        for number, (member, blocks, reference) in enumerate(told)
    ]
    capped = cap([need(demand_wh)], offers, stored, REFERENCE)
    supply = {name: stored.get(name, 0) for name in {*stored, *(one.member for one in offers)}}
    for one in offers:
        supply[one.member] += sum(block.energy_wh for block in one.blocks)
    for before, after in zip(offers, capped.offers, strict=True):
        prices = [block.price_nano_per_wh for block in after.blocks]
        assert all(low < high for low, high in pairwise(prices))
        assert sum(block.energy_wh for block in after.blocks) == sum(block.energy_wh for block in before.blocks)
        others_wh = sum(wh for name, wh in supply.items() if name != after.member)
        most = REFERENCE if before.reference_nano_per_wh is None else before.reference_nano_per_wh
        if others_wh >= demand_wh:
            assert after == before
        else:
            assert max(prices) <= max(most, min(prices))
            assert max(prices) == min(most, max(block.price_nano_per_wh for block in before.blocks))


# Through state


def island(**prices: int) -> Chain:
    chain = Chain(genesis(prices={f"m-{name}": price for name, price in prices.items()}))
    chain.block(
        chain.mode("utility", NEXT, "island"),
        chain.need("campus", NEXT, 9_000),
        chain.offer("bio", "m-bio", NEXT, (2_000_000, 8_000)),
        chain.offer("solar", "m-solar", NEXT, (50_000, 4_000)),
    )
    return chain


def test_an_island_clears_at_the_reference_of_who_it_needs() -> None:
    chain = island(bio=250_000)
    lock(chain)
    record = chain.interval(NEXT)
    assert (record.price_nano_per_wh, record.capped, record.mode) == (250_000, ("bio",), "island")
    order = chain.order(NEXT, "bio")
    assert (order.supplied_wh, order.pay_as_bid_nano, order.offer_nano_per_wh) == (5_000, 0, 250_000)


def test_without_a_registered_price_the_tariff_is_the_reference() -> None:
    chain = island()
    chain.block(chain.tariff(NEXT, 280_000, 50_000))
    lock(chain)
    assert chain.interval(NEXT).price_nano_per_wh == 280_000


def test_on_the_grid_nobody_is_capped() -> None:
    chain = Chain(genesis(prices={"m-bio": 1_000}))
    chain.block(chain.need("campus", NEXT, 9_000), chain.offer("bio", "m-bio", NEXT, (200_000, 9_000)))
    lock(chain)
    assert (chain.interval(NEXT).price_nano_per_wh, chain.interval(NEXT).capped) == (200_000, ())


# Withholding


def could(chain: Chain, meter: str, interval: int, generation_w: int, export_wh: int = 0) -> MeterEnvelope:
    """A reading that says what its source could give."""
    envelope = chain.reading(meter, interval, 0, chain.head(meter).export_wh + export_wh)
    assert isinstance(envelope.body, PlainReading)
    return chain.meter_says(meter, msgspec.structs.replace(envelope.body, reserve=Reserve(0, 0, generation_w)))


def reported(chain: Chain, interval: int = NEXT) -> list[Withholding]:
    return State(chain.store).group(WITHHOLDINGS, interval)


def test_offering_less_than_is_there_is_reported_and_costs_nothing() -> None:
    chain = Chain(genesis())
    chain.block(chain.offer("solar", "m-solar", NEXT, (50_000, 4_000)))
    chain.at(NEXT).block(could(chain, "m-solar", NEXT, 40_000))
    index = chain.trust("solar").index_ppm
    chain.quiet(NEXT)
    chain.at(NEXT + 1, PactParams().close_grace_ms).block()
    assert chain.clock is not None
    assert [one for one in chain.clock.events if isinstance(one, WithholdingReported)] == [
        WithholdingReported("solar", NEXT)
    ]
    assert reported(chain) == [Withholding("m-solar", "solar", NEXT, 10_000, 4_000, 0)]
    assert chain.interval(NEXT).withholding == 1
    assert chain.trust("solar").index_ppm == index


def test_tolerance_reserve_and_own_use_are_no_withholding() -> None:
    for offered_wh, reserve_wh, own_wh, named in (
        (9_800, 0, 0, False),
        (9_799, 0, 0, True),
        (4_000, 5_800, 0, False),
        (4_000, 0, 5_800, False),
        (4_000, 0, 5_799, True),
    ):
        chain = Chain(genesis())
        chain.block(chain.offer("bio", "m-bio", NEXT, (50_000, offered_wh)))
        if reserve_wh:
            assert chain.run(chain.say("bio", ReserveOffer("m-bio", NEXT, 1, reserve_wh, 1))) == "ok"
        chain.at(NEXT).block(could(chain, "m-bio", NEXT, 40_000))
        settle_with_own(chain, own_wh)
        assert bool(reported(chain)) == named


def settle_with_own(chain: Chain, own_wh: int) -> None:
    """What the member takes at the same meter counts, too."""
    head = chain.head("m-bio")
    envelope = chain.reading("m-bio", NEXT, own_wh, head.export_wh)
    body = msgspec.structs.replace(envelope.body, reserve=Reserve(0, 0, 40_000))
    chain.block(chain.meter_says("m-bio", body))
    chain.close(NEXT)


def test_a_meter_that_says_nothing_about_it_is_not_reported() -> None:
    chain = Chain(genesis())
    settle(chain, NEXT, {"m-solar": (0, 5)})
    assert reported(chain) == [] and chain.interval(NEXT).withholding == 0


def test_what_a_source_could_give_in_a_long_interval_is_an_energy() -> None:
    params = msgspec.structs.replace(PactParams(), interval_ms=86_400_000)
    state = State(dict(Chain(genesis()).store))
    seen = Delivery({"solar": (0, 0)}, 0, 0, {}, [], [], {}, {}, {}, {"m-solar": MAX_ENERGY})
    found, _ = report(state, params, IntervalRecord(NEXT), seen)
    assert [one.available_wh for one in found] == [MAX_ENERGY]
