"""Trust tokens against a model: supply is fixed, nothing is in two places, and no bond is gone before evidence is."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import OPENING_TOKENS, START_MS, Chain, make_genesis
from trust_world import AGE, EPOCH, NAMES, Model, chain_of, forms

from consensus.evidence import is_expired
from consensus.power import weight
from contracts import epochs, trust
from contracts.bodies import Bond, TransferTokens, Unbond
from contracts.genesis import ConsensusParams, OpeningTrust
from contracts.members import MAX_UNLOCKING, STARTING_INDEX_PPM, Change, Unlocking
from contracts.receipts import TokensBonded, TokensTransferred, TokensUnbonded
from contracts.state import State
from contracts.units import MAX_TOKENS

# By hand


def test_genesis_gives_what_it_says_and_nothing_to_others() -> None:
    chain = chain_of(OpeningTrust("bio", 7, 5, 900_000))
    assert forms(chain.trust("bio")) == (7, 5, 0, 0) and chain.trust("bio").index_ppm == 900_000
    assert forms(chain.trust("solar")) == (0, 0, 0, 0) and chain.trust("solar").index_ppm == STARTING_INDEX_PPM
    assert chain.trust("solar").free_change == chain.trust("bio").index_change == Change("genesis", 0)


def test_every_change_says_why_and_when() -> None:
    chain = chain_of()
    (receipt,) = chain.block(chain.say("bio", TransferTokens("solar", 300, "for the audit")))
    assert receipt.events == (TokensTransferred("bio", "solar", 300),)
    assert chain.trust("bio").free_change == Change("sent", 1)
    assert chain.trust("solar").free_change == Change("received", 1)
    assert chain.trust("solar").bonded_change == Change("genesis", 0)
    (receipt,) = chain.block(chain.say("solar", Bond(500)))
    assert receipt.events == (TokensBonded("solar", 500),)
    bonded = chain.trust("solar")
    assert forms(bonded) == (800, 500, 0, 0)
    assert bonded.free_change == bonded.bonded_change == Change("bonded", 2)
    (receipt,) = chain.block(chain.say("solar", Unbond(200)))
    assert receipt.events == (TokensUnbonded("solar", 200),)
    leaving = chain.trust("solar")
    assert forms(leaving) == (800, 300, 200, 0)
    assert leaving.bonded_change == Change("unbonded", 3) and leaving.free_change == Change("bonded", 2)
    assert leaving.unlocking == (Unlocking(200, 3, START_MS),)
    assert leaving.index_change == leaving.wagered_change == Change("genesis", 0)


def test_what_left_has_power_to_the_end_of_the_next_epoch() -> None:
    chain = chain_of(OpeningTrust("bio", 0, 10))
    assert chain.run(chain.say("bio", Unbond(4))) == "ok"
    assert chain.run(chain.say("bio", Unbond(3))) == "ok"
    assert chain.run(chain.say("bio", Unbond(2))) == "ok"
    assert [part.power_height for part in chain.trust("bio").unlocking] == [0, 0, 0]
    chain.now_ms += 70
    chain.block()
    ended = START_MS + 70
    # The set of blocks 5 and 6 was computed in block 2, and that of 3 and 4 by genesis.
    assert [(part.power_height, part.power_ms) for part in chain.trust("bio").unlocking] == [
        (4, ended),
        (4, ended),
        (0, 0),
    ]
    chain.block()
    chain.block()
    assert [part.power_height for part in chain.trust("bio").unlocking] == [4, 4, 6]


def test_what_unlocks_is_free_once_evidence_is_too_old_by_blocks_and_by_time() -> None:
    chain = chain_of(OpeningTrust("bio", 0, 10))
    assert chain.run(chain.say("bio", Unbond(10))) == "ok"
    for _ in range(3):
        chain.block()
    everything = TransferTokens("solar", 10, "")
    chain.now_ms += AGE.evidence_age_ms + 1
    for _ in range(AGE.evidence_age_blocks):
        assert chain.run(chain.say("bio", everything)) == "trust.insufficient"
    chain.now_ms = START_MS + AGE.evidence_age_ms
    assert chain.run(chain.say("bio", everything)) == "trust.insufficient"
    chain.now_ms += 1
    assert chain.run(chain.say("bio", everything)) == "ok"
    assert forms(chain.trust("bio")) == (0, 0, 0, 0) and forms(chain.trust("solar")) == (10, 0, 0, 0)


def test_who_receives_also_gets_what_has_unlocked() -> None:
    chain = chain_of(OpeningTrust("bio", 1), OpeningTrust("solar", 0, 10))
    chain.run(chain.say("solar", Unbond(4)))
    for _ in range(3):
        chain.block()
    chain.now_ms += AGE.evidence_age_ms + 1
    for _ in range(AGE.evidence_age_blocks):
        chain.block()
    assert forms(chain.trust("solar")) == (0, 6, 4, 0), "nothing was written for it"
    assert chain.run(chain.say("bio", TransferTokens("solar", 1, ""))) == "ok"
    assert forms(chain.trust("solar")) == (5, 6, 0, 0)


def test_a_bond_leaves_in_a_bounded_number_of_parts() -> None:
    chain = chain_of(OpeningTrust("bio", 0, 10**6))
    chain.block(*[chain.say("bio", Unbond(1), nonce) for nonce in range(MAX_UNLOCKING)])
    assert len(chain.trust("bio").unlocking) == MAX_UNLOCKING
    assert chain.run(chain.say("bio", Unbond(1))) == "trust.unlocking-full"
    while chain.height < 2 * EPOCH + AGE.evidence_age_blocks:
        chain.block()
    chain.now_ms += AGE.evidence_age_ms + 1
    assert chain.run(chain.say("bio", Unbond(1))) == "ok"
    assert forms(chain.trust("bio")) == (MAX_UNLOCKING, 10**6 - MAX_UNLOCKING - 1, 1, 0)


def test_a_transfer_to_oneself_needs_the_tokens_and_moves_none() -> None:
    chain = chain_of()
    before = chain.trust("bio")
    assert chain.run(chain.say("bio", TransferTokens("bio", OPENING_TOKENS + 1, ""))) == "trust.insufficient"
    assert chain.run(chain.say("bio", TransferTokens("bio", OPENING_TOKENS, ""))) == "ok"
    assert chain.trust("bio") == before


def test_tokens_at_their_bound_move_whole() -> None:
    chain = chain_of(OpeningTrust("bio", MAX_TOKENS))
    assert chain.run(chain.say("bio", TransferTokens("solar", MAX_TOKENS, ""))) == "ok"
    assert chain.run(chain.say("solar", Bond(MAX_TOKENS))) == "ok"
    assert chain.run(chain.say("solar", Unbond(MAX_TOKENS))) == "ok"
    assert forms(chain.trust("solar")) == (0, 0, MAX_TOKENS, 0)


def test_a_member_holds_no_more_than_there_may_be_in_any_form() -> None:
    """Only a genesis document that nobody checked has so many."""
    chain = chain_of(OpeningTrust("bio", 2), OpeningTrust("solar", 0, MAX_TOKENS - 1))
    assert chain.run(chain.say("bio", TransferTokens("solar", 2, ""))) == "amount.range"
    assert chain.run(chain.say("bio", TransferTokens("solar", 1, ""))) == "ok"


def test_a_key_for_money_moves_no_trust() -> None:
    chain = chain_of()
    for body in (TransferTokens("solar", 1, ""), Bond(1), Unbond(1)):
        assert chain.run(chain.say("bio", body, scope="money")) == "key.scope"


# Against a model


AMOUNTS = st.one_of(st.integers(1, 1_500), st.sampled_from([1, OPENING_TOKENS, MAX_TOKENS]))
BODIES = st.one_of(
    st.builds(TransferTokens, st.sampled_from([*NAMES, "nobody"]), AMOUNTS, st.just("")),
    st.builds(Bond, AMOUNTS),
    st.builds(Unbond, st.integers(1, 1_000)),
)
STEPS = st.lists(st.tuples(st.integers(0, 6_000), st.sampled_from(NAMES[:3]), BODIES), max_size=25)


@given(STEPS)
@settings(max_examples=150)
def test_tokens_are_conserved_and_in_one_place_through_any_sequence(
    steps: list[tuple[int, str, TransferTokens | Bond | Unbond]],
) -> None:
    chain, model = chain_of(), Model()
    supply = chain.tokens()
    for wait_ms, who, body in steps:
        chain.now_ms += wait_ms
        height = chain.height + 1
        model.release(height, chain.now_ms)
        before = {name: chain.trust(name) for name in NAMES}
        assert chain.run(chain.say(who, body)) == model.say(who, body, height)
        model.end(height, chain.now_ms)
        assert chain.tokens() == supply == len(NAMES) * OPENING_TOKENS
        for name in NAMES:
            stored = chain.trust(name)
            assert min(forms(stored)) >= 0 and stored.index_ppm == before[name].index_ppm
            now = trust.unlocked(stored, chain.height, chain.now_ms, AGE)
            assert forms(now) == model.forms(name)
            # Whatever changed says so in this block, and nothing else does.
            for form in ("free", "bonded", "wagered"):
                old, new = (getattr(one, f"{form}_tokens") for one in (before[name], stored))
                assert old == new or getattr(stored, f"{form}_change").height == height


HISTORY = st.lists(
    st.tuples(st.sampled_from(NAMES[:2]), st.sampled_from((Bond, Unbond)), st.integers(1, 500), st.integers(0, 4_000)),
    max_size=30,
)


@given(HISTORY, st.integers(1, 5), st.sampled_from((1, 3_000, 9_000)))
@settings(max_examples=100)
def test_a_bond_outlives_every_piece_of_evidence(
    history: list[tuple[str, type[Bond | Unbond], int, int]], age_blocks: int, age_ms: int
) -> None:
    """In any block that may hold evidence of a height, what gave its member the weight of that height can be taken."""
    ages = ConsensusParams(epoch_blocks=EPOCH, evidence_age_blocks=age_blocks, evidence_age_ms=age_ms)
    chain = Chain(make_genesis(consensus=ages, trusts=tuple(OpeningTrust(name, 900, 600) for name in NAMES[:5])))
    past: list[tuple[int, int, dict[str, int]]] = []
    for who, kind, amount, wait_ms in history:
        chain.now_ms += wait_ms
        height, now_ms = chain.height + 1, chain.now_ms
        seated = epochs.seating(State(chain.store), height)
        past.append((height, now_ms, {one.id: one.weight for one in seated.organisations}))
        for then, then_ms, weights in past:
            if is_expired(height - then, now_ms - then_ms, age_blocks, age_ms):
                continue
            for name in NAMES[:2]:
                held = trust.unlocked(chain.trust(name), height, now_ms, ages)
                at_stake = held.bonded_tokens + trust.unlocking_tokens(held)
                assert weight(at_stake, held.index_ppm) >= weights.get(name, 0)
        chain.run(chain.say(who, kind(amount)))


def test_power_that_the_churn_budget_holds_back_keeps_its_bond() -> None:
    """Of one of four nobody goes: whoever takes its whole bond out has power, and can lose it, until a fifth comes."""
    trusts = (*(OpeningTrust(name, 0, 10_000) for name in NAMES[:4]), OpeningTrust(NAMES[4], 10_000))
    everybody = tuple(f"node-{name}" for name in NAMES)
    chain = Chain(msgspec.structs.replace(make_genesis(consensus=AGE, trusts=trusts), validators=everybody))
    leaver = NAMES[0]
    assert chain.run(chain.say(leaver, Unbond(10_000))) == "ok"
    for _ in range(6 * EPOCH):
        chain.block()
    assert leaver in epochs.powers(State(chain.store), chain.height + 1)
    assert chain.trust(leaver).unlocking[0].power_height == 0
    assert chain.run(chain.say(NAMES[4], Bond(10_000))) == "ok"
    while leaver in epochs.powers(State(chain.store), chain.height + 1):
        assert chain.trust(leaver).unlocking[0].power_height == 0 and chain.height < 100
        chain.block()
    assert chain.trust(leaver).unlocking[0].power_height == chain.height, "the last block in which it voted"


def test_the_index_is_never_moved_by_a_member() -> None:
    chain = chain_of(OpeningTrust("bio", 10, 10, 123))
    for body in (TransferTokens("solar", 1, ""), Bond(1), Unbond(1)):
        assert chain.run(chain.say("bio", body)) == "ok"
    assert chain.trust("bio").index_ppm == 123 and chain.trust("bio").index_change == Change("genesis", 0)


@pytest.mark.parametrize("age", [AGE, ConsensusParams()])
def test_opening_bonds_are_bonds(age: ConsensusParams) -> None:
    chain = Chain(make_genesis(consensus=age, trusts=(OpeningTrust("bio", 0, 5),)))
    assert chain.run(chain.say("bio", TransferTokens("solar", 1, ""))) == "trust.insufficient"
    assert chain.run(chain.say("bio", Unbond(6))) == "trust.bond"
    assert chain.run(chain.say("bio", Unbond(5))) == "ok"
