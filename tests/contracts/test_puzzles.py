"""Wagering with another judge than dispatch: that it is pluggable, that improving pays, and any history of rounds.

The histories are attacks: builders of every kind, tokens that wander, proposers that censor, clocks that jump. Tokens
are conserved through all of them, and whoever has a live connection and a good solution never loses one.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import ROLES
from puzzle import FALLBACK, FLOOR, HONEST, REWARDING, Puzzles
from wager_world import drawn, open_numbers, play, round_of, sealed, wager_of, wagering

from contracts import trust
from contracts.bodies import CLAIMS, Bond, CommitSolution, TransferTokens, Wager
from contracts.envelope import Envelope
from contracts.genesis import ConsensusParams
from contracts.schema import WAGERS
from contracts.state import State
from contracts.wagers.records import Round, Wagered

NAMES = sorted(ROLES)
BUILDERS = ("bio", "storage", "utility")


def pool(chain: Puzzles) -> int:
    return trust.pool_tokens(State(chain.store))


def asked(**terms: int) -> Puzzles:
    """A round with full significance, and 30 tokens in the pool that somebody lost before."""
    chain = Puzzles(wagering(**{**REWARDING, **terms}))
    chain.decide(lambda state, context: trust.wager(state, context, "tenant", 30))
    chain.decide(lambda state, context: trust.lose(state, context, "tenant", 30))
    assert chain.ask() is not None
    return chain


# Rewards


def test_who_improves_on_the_fallback_is_paid_and_trusted_more() -> None:
    chain = asked()
    builders = drawn(chain, BUILDERS)
    play(chain, {builders[0]: b"602", builders[1]: HONEST, builders[2]: b"1000000"})
    assert [wager_of(chain, one).verdict for one in builders] == ["valid", "best", "infeasible"]
    assert round_of(chain).cost_nano == FLOOR and round_of(chain).fallback_nano == FALLBACK
    assert [wager_of(chain, one).reward_tokens for one in builders] == [26, 104, 0], "130 in the pool"
    assert chain.trust(builders[1]).index_ppm == 500_000 + 500_000 // 64
    assert chain.trust(builders[0]).index_ppm == 500_000 + 500_000 // 64
    assert chain.trust(builders[1]).index_change.kind == "truthful"
    assert chain.trust(builders[2]).index_ppm == 375_000
    assert pool(chain) == 0


def test_equal_solutions_share_equally() -> None:
    chain = asked()
    builders = drawn(chain, BUILDERS)
    play(chain, dict.fromkeys(builders, HONEST))
    assert {wager_of(chain, one).reward_tokens for one in builders} == {10}
    assert round_of(chain).builder == builders[0]


def test_who_equals_the_fallback_earns_nothing() -> None:
    """Whatever is in the pool: a reward for what everybody computes would be a reward for being there."""
    chain = asked()
    play(chain, dict.fromkeys(drawn(chain, BUILDERS), b"1000"))
    assert pool(chain) == 33 and {wager_of(chain, one).verdict for one in BUILDERS} == {"uncertified"}


def test_an_opener_that_builds_for_itself_earns_nothing() -> None:
    chain = asked()
    assert chain.ask(opener="bio") is not None
    play(chain, dict.fromkeys(drawn(chain, BUILDERS, number=1), HONEST), 1)
    assert wager_of(chain, "bio", 1).verdict == wager_of(chain, "utility", 1).verdict == "best"
    assert wager_of(chain, "bio", 1).reward_tokens == 0 and chain.trust("bio").index_ppm == 500_000
    assert wager_of(chain, "utility", 1).reward_tokens == 15 and chain.trust("utility").index_ppm > 500_000


def test_the_tombstoned_earn_nothing_with_what_they_had_begun() -> None:
    chain = asked()
    drawn(chain, BUILDERS)
    chain.decide(lambda state, context: trust.slash(state, context, "bio", "duplicate-prevote"))
    play(chain, dict.fromkeys(BUILDERS, HONEST))
    assert wager_of(chain, "bio").verdict == "best" and wager_of(chain, "bio").reward_tokens == 0
    assert chain.trust("bio").index_ppm == 0 and chain.trust("bio").wagered_tokens == 0


def test_the_index_rises_once_per_epoch_and_falls_every_time() -> None:
    genesis = wagering(**REWARDING)
    for length, rises in ((1_000_000, 1), (8, 3)):
        consensus = ConsensusParams(epoch_blocks=length)
        chain = Puzzles(msgspec.structs.replace(genesis, consensus=consensus))
        for number in range(3):
            assert chain.ask() is not None
            play(chain, dict.fromkeys(drawn(chain, BUILDERS, number=number), HONEST), number)
        expected = 500_000
        for _ in range(rises):
            expected += (1_000_000 - expected) // 64
        assert chain.trust("bio").index_ppm == expected


def test_stakes_of_others_raise_nobodys_bar() -> None:
    chain = Puzzles()
    for opener, stake in (("bio", 5 * 10**11), ("solar", 10**11), ("bio", 10**11), (None, 10**11)):
        assert chain.ask(opener=opener, stake_nano=stake) is not None
    assert [round_of(chain, number).significance_ppm for number in range(4)] == [500_000, 100_000, 600_000, 100_000]


def test_a_small_significance_moves_the_index_little() -> None:
    chain = Puzzles()
    assert chain.ask(stake_nano=10**9) is not None
    play(chain, dict.fromkeys(drawn(chain, BUILDERS), HONEST))
    assert round_of(chain).significance_ppm == 1_000
    assert chain.trust("bio").index_ppm == 500_000 + 500_000 * 1_000 // 64_000_000


@pytest.mark.parametrize("stake", [-1, 2**63])
def test_a_stake_that_is_no_money_opens_nothing(stake: int) -> None:
    assert Puzzles().ask(stake_nano=stake) is None


# Any history

SOLUTIONS = st.sampled_from([HONEST, b"605", b"606", b"1000", b"2000", b"599", b"", b"noise"])
AMOUNTS = st.sampled_from([1, 10, 20, 100, 1_000, 2**63 - 1])
OTHERS = [name for name in NAMES if name != "bio"]
CENSOR = "campus"
"""One of four validators: it never includes what the honest builder says."""
WAITS = st.sampled_from([0, 0, 1, 60_000, 150_000, 299_999, 300_000, 300_000, 300_000, 900_000] * 3 + [10_000_000])
"""The last is beyond all that a round has."""
LASTS_MS = 9_000_000
STEPS = st.lists(
    st.tuples(
        st.sampled_from([CENSOR, CENSOR, "bio", "solar", "storage"]),
        WAITS,
        st.lists(
            st.one_of(
                st.tuples(st.just("wager"), st.sampled_from(OTHERS), st.sampled_from(CLAIMS), AMOUNTS),
                st.tuples(st.just("commit"), st.sampled_from(OTHERS), SOLUTIONS, st.just(0)),
                st.tuples(st.just("reveal"), st.sampled_from(OTHERS), SOLUTIONS, st.just(0)),
                st.tuples(st.just("copy"), st.sampled_from(OTHERS), st.just(b""), st.just(0)),
                st.tuples(st.just("send"), st.sampled_from(OTHERS), st.sampled_from(OTHERS), st.sampled_from([1, 900])),
                st.tuples(st.just("bond"), st.sampled_from(OTHERS), st.just(b""), st.sampled_from([1, 900])),
            ),
            max_size=4,
        ),
        st.sampled_from(["", "", "", "", "", "", "ask", "slash"]),
    ),
    min_size=10,
    max_size=40,
)  # fmt: skip
PARTS = st.fixed_dictionaries(dict.fromkeys(("solar", "storage", "utility"), SOLUTIONS))
"""Who plays its part in every round, whatever else it does, and with which solution."""


def words_of(
    chain: Puzzles, name: str, solution: bytes, said: set[tuple[str, int, str]]
) -> dict[tuple[str, int, str], Envelope]:
    """What a builder has to say in the phases as they are, by name, round and phase; `said` is what was taken of it."""
    words: dict[tuple[str, int, str], Envelope] = {}
    nonce = chain.account(name).lanes[0].next_nonce
    for number in open_numbers(chain):
        round_ = round_of(chain, number)
        committed, revealed = sealed(chain, name, solution, number)
        says: dict[str, Any] = {"wager": Wager(number, "least-cost", 20), "commit": committed, "reveal": revealed}
        mark = name, number, round_.phase
        called = round_.phase == "wager" or name in round_.builders
        committed_to = round_.phase != "reveal" or (name, number, "commit") in said
        if round_.phase in says and mark not in said and called and committed_to:
            words[mark] = chain.say(name, says[round_.phase], nonce + len(words))
    return words


def spoken(chain: Puzzles, number: int, action: tuple[str, str, Any, int], pending: dict[str, int]) -> Envelope:
    kind, who, what, amount = action
    bodies: dict[str, Any] = {
        "wager": lambda: Wager(number, what, amount),
        "commit": lambda: sealed(chain, who, what, number)[0],
        "reveal": lambda: sealed(chain, who, what, number)[1],
        "copy": lambda: CommitSolution(number, sealed(chain, "bio", HONEST, number)[0].commitment),
        "send": lambda: TransferTokens(what, amount, ""),
        "bond": lambda: Bond(amount),
    }
    nonce = pending.setdefault(who, chain.account(who).lanes[0].next_nonce)
    pending[who] += 1
    return chain.say(who, bodies[kind](), nonce)


@given(STEPS, PARTS)
@settings(max_examples=120)
def test_tokens_are_conserved_and_no_honest_builder_loses_through_any_history(
    steps: list[Any], parts: dict[str, bytes]
) -> None:
    chain = Puzzles()
    supply, number = chain.tokens(), 0
    assert chain.ask(lasts_ms=LASTS_MS) is not None
    said: set[tuple[str, int, str]] = set()
    had = chain.trust("bio")
    for proposer, wait_ms, actions, event in steps:
        chain.now_ms += wait_ms
        chain.proposer = proposer
        if event == "ask" and chain.ask(stake_nano=10**11, lasts_ms=LASTS_MS) is not None:
            number += 1
        if event == "slash":
            chain.decide(lambda state, context: trust.slash(state, context, "tenant", "duplicate-prevote"))
        for others in ([], actions):
            # An honest proposer takes everything that is waiting into its block.
            words = {} if proposer == CENSOR else words_of(chain, "bio", HONEST, said)
            for name, part in parts.items():
                words |= words_of(chain, name, part, said)
            pending: dict[str, int] = {}
            for name, _, _ in words:
                pending[name] = pending.get(name, chain.account(name).lanes[0].next_nonce) + 1
            envelopes = [spoken(chain, number, action, pending) for action in others]
            receipts = chain.block(*words.values(), *envelopes)
            for mark, receipt in zip(words, receipts, strict=False):
                assert receipt.code in ("ok", "wager.phase") or mark[0] != "bio", receipt
                said |= {mark} if receipt.code == "ok" else set()
        assert chain.tokens() == supply, "no token appears or vanishes"
        check_wagers(chain, number + 1)
        now = chain.trust("bio")
        assert trust.all_tokens(now) >= trust.all_tokens(had), "an honest builder never loses a token"
        assert now.index_ppm >= had.index_ppm
        had = now
    for open_ in range(number + 1):
        assert round_of(chain, open_).phase == "judged" or open_ in open_numbers(chain)


def check_wagers(chain: Puzzles, rounds: int) -> None:
    """What members have wagered is what rounds hold, and what a judged round took is in the pool or paid."""
    state = State(chain.store)
    locked = dict.fromkeys(NAMES, 0)
    for number in range(rounds):
        round_: Round = round_of(chain, number)
        wagers: list[Wagered] = state.group(WAGERS, number)
        assert len(wagers) == round_.wagers and len({one.member for one in wagers}) == len(wagers)
        for one in wagers:
            assert 0 <= one.lost_tokens <= one.amount_tokens
            assert (one.verdict == "open") <= (round_.phase != "judged")
            locked[one.member] += one.amount_tokens if one.verdict == "open" else 0
            assert one.reward_tokens == 0 or one.verdict in ("best", "valid")
    for name, amount in locked.items():
        assert chain.trust(name).wagered_tokens == amount
        assert min(chain.trust(name).free_tokens, chain.trust(name).index_ppm, pool(chain)) >= 0
