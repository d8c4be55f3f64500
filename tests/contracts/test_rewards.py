"""Builders and proposers are paid out of the residual: what they saved at most, once, and never a nano that is made."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, Chain, bill, change
from puzzle import Puzzles
from wager_world import TARGET, drawn, opened, play, round_of, solution_of, wager_of, wagering

from contracts.members import Record
from contracts.params import PactParams, WagerParams
from contracts.schema import WAGERS
from contracts.state import State
from contracts.units import MAX_MONEY
from contracts.wagers.judging import money_rewards
from zk.codec import encode

VERDICTS = st.sampled_from(["best", "valid", "infeasible", "uncertified", "silent"])
MONEY = st.sampled_from([0, 1, 7, 10**9, 2**61]) | st.integers(0, 10**12)


def test_a_fee_and_a_capped_share_by_hand() -> None:
    """1,000 saved: a tenth is shared, two parts for the best and half a part for the other one, on top of the fees."""
    terms = WagerParams(builder_fee_nano=10, saving_share_ppm=100_000, saving_cap_nano=1_000, other_reward_ppm=500_000)
    assert money_rewards(terms, ["best", "valid", "infeasible"], [1_000, 400, 0]) == [10 + 66, 10 + 33, 0]
    capped = msgspec.structs.replace(terms, saving_cap_nano=30)
    assert money_rewards(capped, ["best", "best"], [1_000, 1_000]) == [25, 25]


def test_who_saves_less_than_the_fee_gets_what_it_saved() -> None:
    assert money_rewards(WagerParams(builder_fee_nano=1_000), ["best"], [7]) == [7]
    assert money_rewards(WagerParams(builder_fee_nano=1_000), ["best", "valid"], [7, 7]) == [3, 3]


@given(st.lists(st.tuples(VERDICTS, MONEY), max_size=6), MONEY, st.integers(0, 10**6), MONEY, st.integers(0, 10**6))
@settings(max_examples=200)
def test_no_terms_pay_more_than_is_saved_nor_anybody_without_an_improvement(
    submissions: list[tuple[str, int]], fee: int, share_ppm: int, cap: int, other_ppm: int
) -> None:
    terms = WagerParams(
        builder_fee_nano=fee, saving_share_ppm=share_ppm, saving_cap_nano=cap, other_reward_ppm=other_ppm
    )
    improved = [saved if verdict in ("best", "valid") else 0 for verdict, saved in submissions]
    paid = money_rewards(terms, [verdict for verdict, _ in submissions], improved)
    assert sum(paid) <= max(improved, default=0)
    for amount, saved in zip(paid, improved, strict=True):
        assert 0 <= amount <= (fee + cap if saved else 0)
    assert sum(paid) <= fee * len(paid) + cap


def test_a_round_writes_down_what_its_builders_are_owed() -> None:
    """The puzzle's fallback costs 1,000, the best builder 600: a tenth of 400 and the fee."""
    chain = Puzzles(wagering(builder_fee_nano=5))
    assert chain.ask() is not None
    drawn(chain, ("bio", "solar"))
    solutions = {"bio": b"600", "solar": b"604"}
    play(chain, solutions)
    assert (wager_of(chain, "bio").reward_nano, wager_of(chain, "solar").reward_nano) == (5 + 32, 5 + 8)


# Through state


def wagered(**params: int) -> Chain:
    """An interval whose round was decided by two builders, and orders that nobody has settled yet."""
    genesis = wagering(change(PactParams(gate_lead_ms=1_800_000, wagering=WagerParams(on=True)), **params))
    chain = opened(genesis)
    builders = drawn(chain, ("bio", "solar"))
    play(chain, dict.fromkeys(builders, solution_of(chain)))
    assert chain.interval(TARGET).builder in builders
    return chain


def owe(chain: Chain, **amounts: int) -> None:
    """As if the solutions had saved something: the merit order, which they are, never does."""
    for member, amount_nano in amounts.items():
        state = State(chain.store)
        state.put(WAGERS, msgspec.structs.replace(wager_of(chain, member), reward_nano=amount_nano), 0)
        state.commit()
        chain.keep(state)


def line(chain: Chain, interval: int, member: str, kind: str) -> list[int]:
    found = chain.bill(interval, member)
    return [one.amount_nano for one in found.lines if one.kind == kind] if found else []


def close(chain: Chain, interval: int) -> None:
    chain.at(interval)
    chain.block(chain.reading("m-campus", interval, chain.head("m-campus").import_wh + 30_000, 0))
    chain.close(interval)


def test_builders_are_paid_by_those_who_consume_and_once() -> None:
    chain = wagered()
    owe(chain, bio=700, solar=300)
    before = chain.money()
    close(chain, TARGET)
    assert line(chain, TARGET, "bio", "builder") == [700] and line(chain, TARGET, "solar", "builder") == [300]
    assert round_of(chain).paid_in == TARGET
    assert chain.money() == before
    plain = wagered()
    close(plain, TARGET)
    assert round_of(plain).paid_in is None
    paid_nano = bill(plain, TARGET, "campus").total_nano - bill(chain, TARGET, "campus").total_nano
    assert paid_nano == 1_000, "the only one who consumed"
    close(chain, TARGET + 1)
    assert line(chain, TARGET + 1, "bio", "builder") == []


def test_a_round_that_decided_two_intervals_is_paid_by_the_first() -> None:
    chain = wagered()
    owe(chain, bio=700)
    close(chain, TARGET)
    second = msgspec.structs.replace(chain.interval(TARGET), interval=TARGET + 1, status="ordered")
    put(chain, b"interval/%010d" % (TARGET + 1), second)
    close(chain, TARGET + 1)
    assert line(chain, TARGET, "bio", "builder") == [700] and line(chain, TARGET + 1, "bio", "builder") == []


def put(chain: Chain, key: bytes, record: Record) -> None:
    chain.store[key] = encode(record)


def test_what_would_leave_the_bounds_of_money_is_not_paid_and_the_interval_settles() -> None:
    chain = wagered()
    owe(chain, bio=MAX_MONEY)
    close(chain, TARGET)
    assert (chain.interval(TARGET).code, chain.interval(TARGET).status) == ("ok", "settled")
    assert line(chain, TARGET, "bio", "builder") == []
    assert round_of(chain).paid_in is None, "it is owed still"


def test_the_proposer_of_the_settling_block_has_its_fee_where_somebody_consumed() -> None:
    chain = Chain(wagering(change(PactParams(), proposer_fee_nano=77)))
    interval = FIRST
    chain.at(interval)
    chain.block(chain.reading("m-campus", interval, 500, 0))
    chain.quiet(interval)
    chain.at(interval + 1, PactParams().close_grace_ms)
    proposer = chain.context().proposer.removeprefix("node-")
    before = chain.money()
    chain.block()
    paid = {member: line(chain, interval, member, "proposer") for member in ("bio", "campus", "solar", "storage")}
    assert {member for member, amounts in paid.items() if amounts} == {proposer}
    assert paid[proposer] == [77]
    assert chain.money() == before
    chain.at(interval + 1).block(chain.reading("m-solar", interval + 1, 0, 5))
    chain.close(interval + 1)
    assert all(line(chain, interval + 1, member, "proposer") == [] for member in paid)
