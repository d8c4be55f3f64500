"""Any traffic about modes and promises: nothing raises, every settled interval sums to zero, no line is there twice."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, INTERVAL_MS, METERS, Chain
from mode_world import DAY, FIRM_W, genesis
from test_totality import check_readable

from contracts.bodies import AccountBody, BaseLoad, CallReduction, Need, Offer, OfferBlock, OfferReduction, SetMode
from contracts.metering_records import Metered
from contracts.mode_rules import DEMAND_RESPONSE, GRID, INJECTION, ISLAND
from contracts.params import ModeParams
from contracts.records import SETTLED, IntervalRecord
from contracts.schema import BILLS, INTERVALS, METERED
from contracts.state import State

Word = tuple[str, AccountBody]
NAMES = ("campus", "tenant", "utility")
NEAR = st.integers(FIRST + 1, FIRST + 2)
SPAN = st.integers(1, 3)
WH = st.integers(0, 12_000)
PRICE = st.integers(0, 900_000)
BLOCKS = st.builds(OfferBlock, PRICE, st.integers(1, 20_000)).map(lambda one: (one,))
MODES = st.sampled_from(["grid", "island", "injection"])
WORDS = st.one_of(
    st.tuples(
        st.sampled_from(["campus", "tenant"]),
        st.builds(Need, NEAR, SPAN, st.integers(1, 15_000), st.none() | PRICE, st.integers(0, 3)),
    ),
    st.sampled_from(["bio", "solar"]).flatmap(
        lambda name: st.tuples(st.just(name), st.builds(Offer, st.just(f"m-{name}"), NEAR, BLOCKS))
    ),
    st.tuples(st.just("utility"), st.builds(CallReduction, NEAR, SPAN, WH, PRICE, st.just("peak"))),
    st.tuples(st.sampled_from(NAMES), st.builds(OfferReduction, NEAR, SPAN, WH, st.integers(0, 300_000), st.just(0))),
    st.tuples(st.sampled_from(NAMES), st.builds(SetMode, NEAR, SPAN, MODES, st.just("x"))),
    st.tuples(st.just("tenant"), st.builds(BaseLoad, st.just("m-tenant"), st.integers(0, FIRM_W))),
)
READINGS = st.dictionaries(
    st.sampled_from(sorted(METERS)), st.tuples(st.integers(0, 12_000), st.integers(0, 12_000)), max_size=5
)
OPENING = st.lists(WORDS, min_size=8, max_size=20)
STORY = st.lists(st.tuples(st.lists(WORDS, max_size=3), READINGS, st.booleans()), min_size=4, max_size=5)


@given(
    OPENING,
    STORY,
    st.builds(ModeParams, st.booleans(), st.integers(1, 3), st.integers(0, 10**9), st.integers(0, 10**6)),
)
@settings(max_examples=25)
def test_any_traffic_about_promises_keeps_every_nano(
    opening: list[Word], story: list[tuple[list[Word], dict[str, tuple[int, int]], bool]], modes: ModeParams
) -> None:
    chain = Chain(genesis(modes, proposer_fee_nano=5))
    remember(chain)
    money, tokens = chain.money(), chain.tokens()
    for step, (words, readings, skips) in enumerate(story):
        for sender, word in (*(() if step else opening), *words):
            chain.run(chain.say(sender, word))
        interval = FIRST + step
        chain.at(interval, INTERVAL_MS // 2)
        said = []
        for meter, (import_wh, export_wh) in readings.items():
            head = chain.head(meter)
            said.append(chain.reading(meter, interval, head.import_wh + import_wh, head.export_wh + export_wh))
        chain.block(*said)
        chain.at(interval + 1 + skips, chain.genesis.params.close_grace_ms)
        chain.catch_up()
        assert (chain.money(), chain.tokens()) == (money, tokens)
    check_readable(chain.store)
    for key in [key for key in chain.store if key.startswith(INTERVALS.prefix)]:
        record = INTERVALS.decode(chain.store[key])
        if record.status == SETTLED and record.interval >= FIRST:
            check_settled(chain, record)


def remember(chain: Chain) -> None:
    """A past: what loads took in earlier weeks, and that there was a surplus on the days before."""
    state = State(chain.store)
    for interval in range(FIRST, FIRST + 12):
        for meter, energy_wh in (("m-tenant", 5_000), ("m-campus", 9_000)):
            state.put(METERED, Metered(meter, energy_wh, 0, 1), interval - 7 * DAY)
        for day in range(1, 4):
            then = IntervalRecord(interval - day * DAY, SETTLED, surplus_wh=0)
            state.save(INTERVALS.key(then.interval), then)
    state.commit()
    chain.keep(state)


def check_settled(chain: Chain, record: IntervalRecord) -> None:
    """Bills of an interval sum to zero, and have what its mode allows."""
    state = State(chain.store)
    bills = state.group(BILLS, record.interval)
    assert sum(one.total_nano for one in bills) == 0
    for one in bills:
        kinds = [line.kind for line in one.lines]
        assert len(set(kinds)) == len(kinds)
    called = sum(line.amount_nano for one in bills for line in one.lines if line.kind == "demand-response")
    assert called == 0, "the utility pays what members get"
    assert record.mode in (GRID, ISLAND, INJECTION, DEMAND_RESPONSE)
    assert record.reduced_wh == 0 or record.mode == DEMAND_RESPONSE
    assert not record.capped or record.mode == ISLAND
    assert record.mode != ISLAND or record.import_wh == record.export_wh == 0
    assert record.served_wh + record.shed_wh + record.reduced_wh <= record.demand_wh + record.bids_wh
