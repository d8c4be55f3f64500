"""Rounds about windows: what couples intervals is judged by the certificate, ordered, and paid for."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from flexible_world import EQUIPPED, UNIT, charge_of, load, require, reserve, storage
from ledger_world import FIRST, INTERVAL_MS, Chain, change, make_genesis
from wager_world import BOND, SEATED, TERMS, best_of, case_of, drawn, packed, play, round_of, solution_of, wager_of

from contracts import relaxing, windows
from contracts.envelope import Envelope
from contracts.genesis import OpeningTrust
from contracts.params import PactParams
from contracts.program.case import Case
from contracts.program.check import check
from contracts.program.verdict import Refusal, Verdict
from contracts.records import LOCKED, ORDERED
from contracts.schedule import Window
from contracts.schema import CASES, LOADS, OPEN_LOAD_LIST, OPEN_LOADS
from contracts.state import State

LEAD_MS = 1_800_000
WINDOW = FIRST + 8
BUILDERS = ("bio", "campus", "utility")
NIGHT, DAY = 100_000, 400_000
"""Import prices of the first two and the last two intervals."""


def say(chain: Chain, *words: Callable[[], Envelope]) -> None:
    for word in words:
        assert chain.run(word()) == "ok"


def pact(on: bool = True, **params: object) -> Chain:
    """Windows of four with a look-ahead of four, a battery, and energy that is cheap first and dear later."""
    wagering = change(TERMS, on=on, reward_nano_per_token=1, significance_full_nano=10**12)
    terms = {"window_intervals": 4, "look_ahead_intervals": 4, "gate_lead_ms": LEAD_MS, "wagering": wagering} | params
    names = ("bio", "campus", "solar", "storage", "tenant", "utility")
    trusts = tuple(OpeningTrust(name, 1_000, BOND if name in SEATED else 0) for name in names)
    genesis = make_genesis(
        params=change(PactParams(), **terms), meters=EQUIPPED, trusts=trusts, scopes=("all", "wagering")
    )
    chain = Chain(genesis)
    say(chain, lambda: chain.need("campus", WINDOW, 30_000, count=8))
    for at in range(8):
        price = NIGHT if at % 4 < 2 else DAY
        say(chain, lambda at=at, price=price: chain.tariff(WINDOW + at, price, 10_000))
    return chain


def locked(chain: Chain) -> Chain:
    chain.at(WINDOW, -LEAD_MS).block()
    return chain


def charged(chain: Chain) -> list[tuple[int, int]]:
    """What the battery takes and gives in each interval of the window."""
    orders = [chain.order(interval, "storage").storages[0] for interval in range(WINDOW, WINDOW + 4)]
    return [(one.charge_wh, one.discharge_wh) for one in orders]


def test_a_builder_that_uses_the_battery_is_ordered_and_paid() -> None:
    chain = pact()
    say(chain, lambda: storage(chain, WINDOW, count=8))
    locked(chain)
    assert [chain.interval(WINDOW + at).status for at in range(5)] == [LOCKED] * 4 + ["open"]
    assert {chain.interval(WINDOW + at).round for at in range(4)} == {0}
    round_ = round_of(chain)
    assert (round_.subject, round_.last_ms) == (WINDOW, WINDOW * INTERVAL_MS)
    assert round_.stake_nano == 30_000 * 2 * (NIGHT + DAY)
    builders = drawn(chain, BUILDERS)
    before = chain.trust(builders[0]).free_tokens
    play(chain, dict.fromkeys(builders, solution_of(chain, WINDOW)))
    judged = round_of(chain)
    assert (judged.outcome, judged.builder) == ("builder", builders[0])
    assert judged.fallback_nano - judged.cost_nano > 10**9
    assert all(wager_of(chain, name).verdict == "best" for name in builders)
    assert chain.trust(builders[0]).free_tokens >= before
    flows = charged(chain)
    assert sum(charge for charge, _ in flows[:2]) > 0 and sum(given for _, given in flows[2:]) > 0
    soc = 50_000 * UNIT
    for at, (charge_wh, discharge_wh) in enumerate(flows):
        soc += 24**2 * charge_wh - 25**2 * discharge_wh
        order = chain.order(WINDOW + at, "storage")
        assert order.storages[0].soc == soc >= 0
        assert (order.served_wh, order.supplied_wh) == (charge_wh, discharge_wh)
        assert order.wear_nano == 1_000 * discharge_wh
        record = chain.interval(WINDOW + at)
        assert (record.status, record.window, record.relaxed) == (ORDERED, WINDOW, ())
        assert record.served_wh + record.export_wh == record.supplied_wh + record.import_wh
        assert chain.order(WINDOW + at, "campus").served_wh == 30_000
    assert chain.interval(WINDOW).price_nano_per_wh == NIGHT


def test_the_next_window_begins_where_orders_lead() -> None:
    chain = pact()
    say(chain, lambda: storage(chain, WINDOW, count=12, end_value_nano_per_wh=0))
    locked(chain)
    builders = drawn(chain, BUILDERS)
    play(chain, dict.fromkeys(builders, solution_of(chain, WINDOW)))
    last = chain.order(WINDOW + 3, "storage").storages[0].soc
    assert last != 50_000 * UNIT
    chain.at(WINDOW + 4, -LEAD_MS).block()
    following = msgspec.json.decode(CASES.decode(chain.store[CASES.key(WINDOW + 4)]).document)
    assert following["storages"][0]["start_soc"] == last
    assert charge_of(chain).soc == 50_000 * UNIT, "what really flowed is for meters to say"


def test_while_a_window_is_undecided_nobody_knows_where_the_next_one_begins() -> None:
    chain = pact()
    say(
        chain,
        lambda: storage(chain, WINDOW, count=12),
        lambda: load(chain, interval=WINDOW, until=WINDOW + 7, energy_wh=20_000),
    )
    for at in range(8):
        say(chain, lambda at=at: chain.offer("bio", "m-bio", WINDOW + at, (200_000, 20_000)))
    locked(chain)

    def following() -> Case:
        return windows.build(State(chain.store), chain.context(), Window(WINDOW + 4, 4))

    waiting = following()
    assert (waiting.storages, waiting.loads, waiting.sources[0].last_wh) == ((), (), None)
    builders = drawn(chain, BUILDERS)
    play(chain, dict.fromkeys(builders, solution_of(chain, WINDOW)))
    known = following()
    assert known.storages and known.sources[0].last_wh is not None


def test_who_has_no_certificate_pays_a_fee_and_is_not_ordered() -> None:
    chain = pact()
    say(chain, lambda: storage(chain, WINDOW, count=8))
    locked(chain)
    careless, *_ = drawn(chain, BUILDERS)
    play(chain, {careless: packed(change(best_of(chain, WINDOW), multipliers=()))})
    assert wager_of(chain, careless).verdict == "uncertified" and round_of(chain).outcome == "fallback"
    assert wager_of(chain, careless).lost_tokens == TERMS.fee_tokens
    assert [chain.interval(WINDOW + at).builder for at in range(4)] == [None] * 4


@pytest.mark.parametrize("said", ["load", "need", "offer"])
def test_what_is_said_after_the_lock_changes_no_question(said: str) -> None:
    chain = pact()
    say(chain, lambda: storage(chain, WINDOW, count=8))
    locked(chain)
    before, solution = case_of(chain, WINDOW), solution_of(chain, WINDOW)
    words = {
        "load": lambda: load(chain, interval=WINDOW + 4, until=WINDOW + 6),
        "need": lambda: chain.need("tenant", WINDOW + 5, 9_000),
        "offer": lambda: chain.offer("solar", "m-solar", WINDOW + 4, (1, 50_000)),
    }
    say(chain, words[said])
    assert case_of(chain, WINDOW) == before
    builders = drawn(chain, BUILDERS)
    play(chain, dict.fromkeys(builders, solution))
    assert wager_of(chain, builders[0]).verdict == "best"


def test_a_solution_of_another_window_is_none_of_this_one() -> None:
    chain = pact()
    say(chain, lambda: storage(chain, WINDOW, count=8))
    locked(chain)
    liar, *_ = drawn(chain, BUILDERS)
    play(chain, {liar: packed(change(best_of(chain, WINDOW), round_id="11" * 32))})
    assert wager_of(chain, liar).verdict == "infeasible"


# Loads, reserve, and what goes where nothing is feasible


def test_a_load_is_served_by_its_deadline_and_then_waits_no_longer() -> None:
    chain = pact(on=False)
    say(
        chain,
        lambda: chain.tariff(WINDOW + 4, DAY, 10_000, count=4),
        lambda: load(chain, "bus", interval=WINDOW, until=WINDOW + 6),
        lambda: load(chain, interval=WINDOW, until=WINDOW + 3),
        lambda: load(chain, "van", interval=WINDOW, until=WINDOW + 14),
    )
    locked(chain)
    served = [sum(one.energy_wh for one in chain.order(WINDOW + at, "tenant").loads) for at in range(2)]
    assert sum(served) == 12_000, "in the cheap intervals"
    for name in ("bus", "car"):
        assert LOADS.decode(chain.store[LOADS.key(name)]).ordered_wh == 6_000
    waiting = OPEN_LOADS.decode(chain.store[OPEN_LOAD_LIST])
    assert [one.id for one in waiting.entries] == ["van"], "which can have all of it later"
    assert chain.order(WINDOW, "tenant").served_wh == served[0]


def test_reserve_is_held_where_it_is_required_and_paid_as_offered() -> None:
    chain = pact(on=False)
    say(
        chain,
        lambda: require(chain, interval=WINDOW, count=2, reserve_wh=3_000),
        lambda: reserve(chain, interval=WINDOW, count=8),
    )
    for at in range(8):
        say(chain, lambda at=at: chain.offer("bio", "m-bio", WINDOW + at, (200_000, 20_000)))
    locked(chain)
    order = chain.order(WINDOW, "bio")
    assert [(one.energy_wh, one.price_nano_per_wh) for one in order.reserves] == [(3_000, 10_000)]
    assert order.reserve_nano == 3_000 * 10_000
    assert [chain.interval(WINDOW + at).reserve_wh for at in range(4)] == [3_000, 3_000, 0, 0]
    assert chain.interval(WINDOW).relaxed == ()


@pytest.mark.parametrize("on", [False, True])
def test_what_can_not_be_kept_is_given_up_and_on_record(on: bool) -> None:
    chain = pact(on)
    say(chain, lambda: require(chain, interval=WINDOW, count=8, reserve_wh=50_000))
    locked(chain)
    if on:
        assert chain.interval(WINDOW).relaxed == ("reserve",)
        assert case_of(chain, WINDOW).reserve_wh == (), "builders solve what is left"
        builders = drawn(chain, BUILDERS)
        play(chain, dict.fromkeys(builders, solution_of(chain, WINDOW)))
        assert wager_of(chain, builders[0]).verdict == "best"
    for at in range(4):
        record = chain.interval(WINDOW + at)
        assert (record.status, record.relaxed, record.served_wh) == (ORDERED, ("reserve",), 30_000)


def test_every_case_of_state_has_an_answer_that_passes_the_check() -> None:
    chain = pact(on=False)
    say(
        chain,
        lambda: storage(chain, WINDOW, count=8),
        lambda: load(chain, interval=WINDOW, until=WINDOW + 3),
        lambda: require(chain, interval=WINDOW, count=8, reserve_wh=10**9, carbon_cap_ug=0),
        lambda: reserve(chain, interval=WINDOW, count=8),
    )
    for at in range(8):
        say(chain, lambda at=at: chain.offer("bio", "m-bio", WINDOW + at, (200_000, 20_000)))
    locked(chain)
    case = case_of(chain, WINDOW)
    found = relaxing.answer(case)
    assert found is not None
    assert isinstance(check(case, found.solution), Verdict)
    assert not isinstance(check(found.ready, found.solution), Refusal)
    assert State(chain.store).load(CASES, CASES.key(WINDOW + 4)) is None
    assert [chain.interval(WINDOW + at).status for at in range(4)] == [ORDERED] * 4
