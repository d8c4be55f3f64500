"""What evidence costs: bond and name of the organisation, once and for good, and nobody else anything."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import OPENING_TOKENS, ROLES, Chain, make_genesis

from contracts import api, schema, trust
from contracts.api import Charge
from contracts.bodies import Bond, TransferTokens, Unbond
from contracts.conduct_records import Offence
from contracts.genesis import ConsensusParams, OpeningTrust
from contracts.members import Change
from contracts.receipts import AnyEvent, BondSlashed, OffenceRecorded
from contracts.state import State
from contracts.units import MAX_TOKENS
from zk.hashing import sha256

NAMES = sorted(ROLES)
AGE = ConsensusParams(epoch_blocks=2, evidence_age_blocks=3, evidence_age_ms=10_000, whistleblower_ppm=100_000)
HASH = sha256(b"evidence")


def chain_of(*trusts: OpeningTrust, consensus: ConsensusParams = AGE) -> Chain:
    return Chain(make_genesis(consensus=consensus, trusts=trusts))


def charge(member: str, height: int = 1, reporter: str = "solar", node: str = "") -> Charge:
    return Charge(node or f"node-{member}", member, "duplicate-prevote", height, 2, HASH, reporter)


def accuse(chain: Chain, *charges: Charge) -> tuple[AnyEvent, ...]:
    """Events of a block that brings this evidence."""

    def open_block(state: State, context: api.BlockContext) -> tuple[AnyEvent, ...]:
        return api.open_block(state, context, charges).events

    return chain.decide(open_block)


def offence(chain: Chain, one: Charge) -> Offence:
    return schema.OFFENCES.decode(chain.store[schema.OFFENCES.key(one.node, one.height)])


def pool(chain: Chain) -> int:
    return trust.pool_tokens(State(chain.store))


def test_evidence_takes_the_bond_and_its_proposer_has_a_share() -> None:
    chain = chain_of(OpeningTrust("bio", 7, 1_009), OpeningTrust("solar", 1, 50), OpeningTrust("tenant", 3, 3))
    one = charge("bio")
    assert accuse(chain, one) == (
        OffenceRecorded("node-bio", "bio", "duplicate-prevote", 1, HASH),
        BondSlashed("bio", 1_009, "solar", 100),
    )
    assert (chain.trust("bio").free_tokens, chain.trust("bio").bonded_tokens, chain.trust("bio").index_ppm) == (7, 0, 0)
    assert chain.trust("bio").bonded_change == chain.trust("bio").index_change == Change("slashed", 1)
    assert (chain.trust("solar").free_tokens, chain.trust("solar").bonded_tokens) == (101, 50)
    assert chain.trust("solar").free_change == Change("whistleblower", 1)
    assert chain.trust("tenant") == chain_of(OpeningTrust("tenant", 3, 3)).trust("tenant")
    assert pool(chain) == 909 and chain.tokens() == 7 + 1_009 + 51 + 6
    known = offence(chain, one)
    assert (known.taken_tokens, known.whistleblower, known.rewarded_tokens) == (1_009, "solar", 100)
    assert api.is_tombstoned(State(chain.store), "bio") and not api.is_tombstoned(State(chain.store), "solar")


def test_a_bond_that_is_on_its_way_out_is_taken_until_evidence_is_too_old() -> None:
    """Bonds withdrawn before evidence: the last block in which the bond may go, and the first in which it is free."""
    for blocks, wait_ms, taken in ((3, 10_001, 100), (4, 10_000, 100), (4, 10_001, 0)):
        chain = chain_of(OpeningTrust("bio", 0, 100))
        chain.run(chain.say("bio", Unbond(100)))
        # It has power to the end of the second epoch, block 4.
        for _ in range(3 + blocks - 1):
            chain.block()
        chain.now_ms += wait_ms
        one = charge("bio", 1, "campus")
        accuse(chain, one)
        assert offence(chain, one).taken_tokens == taken
        assert chain.trust("bio").free_tokens == 100 - taken


def test_the_identity_is_tombstoned_and_no_other_node_or_key_saves_it() -> None:
    chain = chain_of(OpeningTrust("bio", 50, 100))
    first = charge("bio", 4)
    accuse(chain, first)
    again = [charge("bio", 4, node="node-bio-2"), charge("bio", 5), charge("bio", 9, "bio", node="node-bio-new")]
    for number, one in enumerate(again, 1):
        assert accuse(chain, one) == (OffenceRecorded(one.node, "bio", "duplicate-prevote", one.height, HASH),)
        known = offence(chain, one)
        assert (known.number, known.taken_tokens, known.whistleblower, known.rewarded_tokens) == (number, 0, None, 0)
    assert accuse(chain, first, *again) == (), "each once"
    assert api.offence_count(State(chain.store)) == 4
    assert trust.tombstoned(State(chain.store)) == ("bio",)
    assert chain.run(chain.say("bio", Bond(1))) == "trust.tombstoned"


def test_two_pieces_in_one_block_take_one_bond() -> None:
    chain = chain_of(OpeningTrust("bio", 0, 100), OpeningTrust("campus", 0, 10), OpeningTrust("solar", 0, 1))
    events = accuse(chain, charge("bio", 1), charge("bio", 2), charge("campus", 2))
    slashed = [event for event in events if isinstance(event, BondSlashed)]
    assert slashed == [BondSlashed("bio", 100, "solar", 10), BondSlashed("campus", 10, "solar", 1)]
    assert pool(chain) == 99 and trust.tombstoned(State(chain.store)) == ("bio", "campus")


@pytest.mark.parametrize("reporter", ["bio", "campus", "nobody"])
def test_nobody_gains_by_an_offence_of_its_own_nor_a_tombstoned_or_unknown_reporter(reporter: str) -> None:
    chain = chain_of(OpeningTrust("bio", 0, 1_000), OpeningTrust("campus"))
    accuse(chain, charge("campus"))
    assert accuse(chain, charge("bio", 1, reporter))[1] == BondSlashed("bio", 1_000, None, 0)
    assert pool(chain) == 1_000 == chain.tokens()
    assert (offence(chain, charge("bio")).whistleblower, offence(chain, charge("bio")).rewarded_tokens) == (None, 0)


@pytest.mark.parametrize(
    ("bond", "ppm", "share"),
    [(0, 1_000_000, 0), (1, 999_999, 0), (19, 50_000, 0), (20, 50_000, 1), (5, 1_000_000, 5), (5, 0, 0)],
)
def test_the_share_is_in_whole_tokens_and_never_more_than_was_taken(bond: int, ppm: int, share: int) -> None:
    consensus = ConsensusParams(whistleblower_ppm=ppm)
    chain = chain_of(OpeningTrust("bio", 0, bond), consensus=consensus)
    accuse(chain, charge("bio"))
    assert chain.trust("solar").free_tokens == share and pool(chain) == bond - share
    assert api.is_tombstoned(State(chain.store), "bio"), "also who had nothing to lose"


def test_the_largest_bond_there_can_be_is_taken_whole() -> None:
    chain = chain_of(OpeningTrust("bio", 0, MAX_TOKENS), consensus=ConsensusParams(whistleblower_ppm=1_000_000))
    assert accuse(chain, charge("bio"))[1] == BondSlashed("bio", MAX_TOKENS, "solar", MAX_TOKENS)
    assert chain.trust("solar").free_tokens == MAX_TOKENS and pool(chain) == 0
    assert accuse(chain, charge("solar", 1, "tenant"))[1] == BondSlashed("solar", 0, None, 0)


def test_an_organisation_that_is_no_member_any_more_loses_its_name_only() -> None:
    chain = chain_of()
    assert accuse(chain, charge("gone"))[1] == BondSlashed("gone", 0, None, 0)
    assert api.is_tombstoned(State(chain.store), "gone")


CHARGES = st.lists(
    st.builds(charge, st.sampled_from(NAMES[:4]), st.integers(1, 4), st.sampled_from(NAMES[:5])), max_size=4
)
MOVES = st.lists(
    st.tuples(st.sampled_from(NAMES[:4]), st.sampled_from(("transfer", "bond", "unbond")), st.integers(1, 900)),
    max_size=4,
)


@given(st.lists(st.tuples(MOVES, CHARGES, st.integers(0, 8_000)), max_size=6))
@settings(max_examples=100)
def test_offences_cost_only_the_accused_whatever_else_happens(
    blocks: Sequence[tuple[list[tuple[str, str, int]], list[Charge], int]],
) -> None:
    chain = chain_of(*(OpeningTrust(name, OPENING_TOKENS, OPENING_TOKENS) for name in NAMES))
    supply, accused = chain.tokens(), set[str]()
    for moves, charges, wait_ms in blocks:
        for who, kind, amount in moves:
            body = {"transfer": TransferTokens("tenant", amount, ""), "bond": Bond(amount), "unbond": Unbond(amount)}
            chain.run(chain.say(who, body[kind]))
            if who in accused and kind == "bond":
                assert chain.trust(who).bonded_tokens == 0
        before = {name: chain.trust(name) for name in NAMES}
        height, before_pool = chain.height + 1, pool(chain)
        chain.now_ms += wait_ms
        events = accuse(chain, *charges)
        accused |= {one.member for one in charges}
        slashed = {event.member: event for event in events if isinstance(event, BondSlashed)}
        assert trust.tombstoned(State(chain.store)) == tuple(sorted(accused))
        for name in NAMES:
            earned = sum(one.rewarded_tokens for one in slashed.values() if one.whistleblower == name)
            then = trust.unlocked(before[name], height, chain.now_ms, AGE)
            now = trust.unlocked(chain.trust(name), height, chain.now_ms, AGE)
            assert now.free_tokens == then.free_tokens + earned, "what is free is never taken"
            kept = (then.bonded_tokens, trust.unlocking_tokens(then))
            assert (now.bonded_tokens, trust.unlocking_tokens(now)) == ((0, 0) if name in accused else kept)
            if name in slashed:
                assert slashed[name].taken_tokens == then.bonded_tokens + trust.unlocking_tokens(then)
        gone = sum(one.taken_tokens - one.rewarded_tokens for one in slashed.values())
        assert pool(chain) == before_pool + gone and chain.tokens() == supply
