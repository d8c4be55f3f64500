"""The pool of lost tokens and the moves of contracts, against a model: the supply is fixed, and nobody owes any."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import OPENING_TOKENS, Chain
from trust_world import AGE, NAMES, Model, chain_of, forms

from contracts import schema, trust
from contracts.bodies import Bond, TransferTokens, Unbond
from contracts.genesis import OpeningTrust
from contracts.members import MAX_UNLOCKING, Change, Trust, TrustPool
from contracts.state import State
from contracts.units import MAX_TOKENS


def pool(chain: Chain) -> TrustPool:
    return State(chain.store).load(schema.TRUST_POOLS, schema.TRUST_POOL) or trust.EMPTY_POOL


# By hand


def test_genesis_has_an_empty_pool_and_no_tombstones() -> None:
    chain = chain_of()
    assert pool(chain) == TrustPool(0, Change("genesis", 0))
    assert trust.tombstoned(State(chain.store)) == ()


def test_a_wager_is_locked_and_comes_back_or_goes_to_the_pool() -> None:
    chain = chain_of(OpeningTrust("bio", 100))
    assert chain.decide(lambda state, context: trust.wager(state, context, "bio", 101)) == "trust.insufficient"
    assert chain.decide(lambda state, context: trust.wager(state, context, "bio", 60)) is None
    assert forms(chain.trust("bio")) == (40, 0, 0, 60)
    assert chain.trust("bio").free_change == chain.trust("bio").wagered_change == Change("wagered", 2)
    assert chain.run(chain.say("bio", TransferTokens("solar", 41, ""))) == "trust.insufficient"
    chain.decide(lambda state, context: trust.give_back(state, context, "bio", 25))
    assert forms(chain.trust("bio")) == (65, 0, 0, 35)
    assert chain.trust("bio").free_change == chain.trust("bio").wagered_change == Change("returned", 4)
    chain.decide(lambda state, context: trust.lose(state, context, "bio", 35))
    assert forms(chain.trust("bio")) == (65, 0, 0, 0)
    assert chain.trust("bio").wagered_change == pool(chain).pool_change == Change("lost", 5)
    assert chain.trust("bio").free_change == Change("returned", 4)
    chain.decide(lambda state, context: trust.pay(state, context, "solar", 30, "rewarded"))
    assert forms(chain.trust("solar")) == (30, 0, 0, 0) and pool(chain) == TrustPool(5, Change("rewarded", 6))
    assert chain.trust("solar").free_change == Change("rewarded", 6)


def test_no_contract_gives_what_is_not_there() -> None:
    chain = chain_of()
    chain.decide(lambda state, context: trust.wager(state, context, "bio", 5))
    for move in (trust.give_back, trust.lose):
        for amount in (6, -1):
            with pytest.raises(AssertionError, match="not wagered"):
                chain.decide(lambda state, context, move=move, amount=amount: move(state, context, "bio", amount))
    with pytest.raises(AssertionError, match="pool"):
        chain.decide(lambda state, context: trust.pay(state, context, "bio", 1, "rewarded"))


def test_a_slash_takes_what_is_bonded_and_what_is_unlocking_and_nothing_else() -> None:
    chain = chain_of(OpeningTrust("bio", 50, 100), OpeningTrust("solar", 9))
    chain.run(chain.say("bio", Unbond(30)))
    chain.decide(lambda state, context: trust.wager(state, context, "bio", 20))
    assert chain.decide(lambda state, context: trust.slash(state, context, "bio", "duplicate-vote")) == 100
    slashed = chain.trust("bio")
    assert forms(slashed) == (30, 0, 0, 20) and slashed.index_ppm == 0
    assert slashed.tombstone == Change("duplicate-vote", 3) and chain.trust("solar").tombstone is None
    assert slashed.bonded_change == slashed.index_change == pool(chain).pool_change == Change("slashed", 3)
    assert pool(chain).pool_tokens == 100 and trust.tombstoned(State(chain.store)) == ("bio",)
    assert forms(chain.trust("solar")) == (9, 0, 0, 0)


def test_whatever_evidence_can_not_reach_any_more_is_free_of_a_slash() -> None:
    chain = chain_of(OpeningTrust("bio", 0, 10))
    chain.run(chain.say("bio", Unbond(4)))
    chain.block()
    chain.run(chain.say("bio", Unbond(5)))
    chain.block()
    chain.now_ms += AGE.evidence_age_ms + 1
    for _ in range(AGE.evidence_age_blocks):
        chain.block()
    assert chain.decide(lambda state, context: trust.slash(state, context, "bio", "duplicate-vote")) == 6
    assert forms(chain.trust("bio")) == (4, 0, 0, 0)
    assert chain.trust("bio").free_change == Change("unlocked", 8)


def test_a_full_queue_of_unlocking_parts_is_taken_whole() -> None:
    chain = chain_of(OpeningTrust("bio", 0, 10**6))
    chain.block(*[chain.say("bio", Unbond(1), nonce) for nonce in range(MAX_UNLOCKING)])
    assert chain.decide(lambda state, context: trust.slash(state, context, "bio", "duplicate-vote")) == 10**6
    assert forms(chain.trust("bio")) == (0, 0, 0, 0)


def test_the_tombstoned_bond_and_wager_no_more_but_keep_what_is_free() -> None:
    chain = chain_of(OpeningTrust("bio", 50, 100), OpeningTrust("solar", 9))
    chain.decide(lambda state, context: trust.slash(state, context, "bio", "duplicate-vote"))
    assert chain.run(chain.say("bio", Bond(1))) == "trust.tombstoned"
    assert chain.run(chain.say("bio", Unbond(1))) == "trust.bond"
    assert chain.decide(lambda state, context: trust.wager(state, context, "bio", 1)) == "trust.tombstoned"
    assert chain.run(chain.say("bio", TransferTokens("solar", 50, ""))) == "ok"
    assert chain.run(chain.say("solar", TransferTokens("bio", 3, ""))) == "ok"
    assert forms(chain.trust("bio")) == (3, 0, 0, 0) and chain.trust("bio").index_ppm == 0
    assert chain.decide(lambda state, context: trust.slash(state, context, "bio", "duplicate-vote")) == 0, (
        "once is for good"
    )
    assert chain.run(chain.say("solar", Bond(1))) == "ok"


def test_tombstones_are_found_in_any_order() -> None:
    chain = chain_of()
    for name in ("solar", "bio", "tenant", "campus"):
        chain.decide(lambda state, context, name=name: trust.slash(state, context, name, "duplicate-vote"))
    state = State(chain.store)
    assert trust.tombstoned(state) == ("bio", "campus", "solar", "tenant")
    assert [name for name in NAMES if trust.is_tombstoned(state, name)] == ["bio", "campus", "solar", "tenant"]
    assert not trust.is_tombstoned(state, "zz") and not trust.is_tombstoned(state, "")


def test_the_whole_supply_may_lie_in_the_pool() -> None:
    chain = chain_of(OpeningTrust("bio", 1, MAX_TOKENS - 1))
    assert chain.decide(lambda state, context: trust.slash(state, context, "bio", "duplicate-vote")) == MAX_TOKENS - 1
    assert chain.run(chain.say("bio", TransferTokens("solar", 1, ""))) == "ok"
    chain.decide(lambda state, context: trust.wager(state, context, "solar", 1))
    chain.decide(lambda state, context: trust.lose(state, context, "solar", 1))
    assert pool(chain).pool_tokens == MAX_TOKENS == chain.tokens()
    chain.decide(lambda state, context: trust.pay(state, context, "solar", MAX_TOKENS, "rewarded"))
    assert forms(chain.trust("solar")) == (MAX_TOKENS, 0, 0, 0) and pool(chain).pool_tokens == 0


# Against a model


Kind = Literal["transfer", "bond", "unbond", "wager", "back", "lose", "pay", "slash"]
KINDS: tuple[Kind, ...] = ("transfer", "bond", "unbond", "wager", "back", "lose", "pay", "slash")


def spoken(kind: Kind, to: str, amount: int) -> TransferTokens | Bond | Unbond | None:
    """What a member says; None: a contract decides it."""
    match kind:
        case "transfer":
            return TransferTokens(to, amount, "")
        case "bond":
            return Bond(amount)
        case "unbond":
            return Unbond(amount)
    return None


def play(chain: Chain, model: Model, kind: Kind, who: str, to: str, amount: int) -> tuple[str, str]:
    """The code of a step on the chain and in the model; contracts ask for no more than there is."""
    body = spoken(kind, to, amount)
    if body is not None:
        return chain.run(chain.say(who, body)), model.say(who, body, chain.height)
    match kind:
        case "wager":
            code = chain.decide(lambda state, context: trust.wager(state, context, who, amount))
            return code or "ok", model.wager(who, amount)
        case "back" | "lose":
            move, modelled = (trust.give_back, model.give_back) if kind == "back" else (trust.lose, model.lose)
            most = min(amount, model.wagered[who])
            chain.decide(lambda state, context: move(state, context, who, most))
            modelled(who, most)
        case "pay":
            most = min(amount, model.pool)
            chain.decide(lambda state, context: trust.pay(state, context, who, most, "rewarded"))
            model.pay(who, most)
        case "slash":
            chain.decide(lambda state, context: trust.slash(state, context, who, "duplicate-vote"))
            model.slash(who)
    return "ok", "ok"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from(NAMES[:3]),
        st.sampled_from(NAMES[:3]),
        st.integers(1, 700),
        st.integers(0, 6_000),
    ),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=150)
def test_the_supply_is_that_of_genesis_through_any_sequence(steps: list[tuple[Kind, str, str, int, int]]) -> None:
    chain, model = chain_of(), Model()
    for kind, who, to, amount, wait_ms in steps:
        chain.now_ms += wait_ms
        model.release(chain.height + 1, chain.now_ms)
        before, before_pool = {name: chain.trust(name) for name in NAMES}, pool(chain)
        code, expected = play(chain, model, kind, who, to, amount)
        assert code == expected
        model.end(chain.height, chain.now_ms)
        assert chain.tokens() == len(NAMES) * OPENING_TOKENS
        assert pool(chain).pool_tokens == model.pool
        assert pool(chain).pool_tokens == before_pool.pool_tokens or pool(chain).pool_change.height == chain.height
        assert trust.tombstoned(State(chain.store)) == tuple(sorted(model.dead))
        for name in NAMES:
            stored = chain.trust(name)
            assert msgspec.msgpack.decode(msgspec.msgpack.encode(stored), type=Trust) == stored, "inside its bounds"
            now = trust.unlocked(stored, chain.height, chain.now_ms, AGE)
            assert forms(now) == model.forms(name)
            assert (stored.index_ppm == 0) == (name in model.dead)
            for form in ("free_tokens", "bonded_tokens", "wagered_tokens", "index_ppm"):
                if getattr(stored, form) != getattr(before[name], form):
                    assert getattr(stored, f"{form.split('_')[0]}_change").height == chain.height
