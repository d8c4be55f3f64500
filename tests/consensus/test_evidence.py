"""Evidence convicts whoever signed two things, and nobody else; certificates that exclude each other say so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from consensus import evidence as rules
from consensus import machine
from consensus.certificates import SignatureCheck
from consensus.conflicts import after_decision, with_certificate
from consensus.effects import HeightContext, PayloadChecked, Received, ReportConflict, StartHeight
from consensus.evidence import (
    EQUIVOCATION,
    MAX_CONTRADICTION_BYTES,
    Amnesia,
    DuplicateProposal,
    DuplicateVote,
    Equivocation,
    Fork,
    SignedProposal,
    check,
    check_contradiction,
    contradiction,
    duplicate_precommits,
    equivocation,
    is_expired,
    rebuts,
    signers_of_both,
)
from consensus.messages import (
    MAX_EVIDENCE_BYTES,
    MAX_VALIDATORS,
    Commit,
    CommitCertificate,
    PolkaCertificate,
    Proposal,
    Vote,
)
from consensus.refusals import Refusal
from consensus.validators import ValidatorSet
from tests.consensus.height import (
    CHAIN,
    HEIGHT,
    NAMES,
    PRECOMMIT,
    PREVOTE,
    START_MS,
    commit_of,
    key_of,
    make_block,
    make_context,
    make_set,
    polka_of,
    propose,
    sign,
    verifies,
    vote,
)
from zk.codec import Malformed, encode
from zk.hashing import sha256

SET = make_set()
A, B = sha256(b"a"), sha256(b"b")
CONTEXT = make_context()


def code_of(evidence: Equivocation, validators: ValidatorSet = SET) -> str | None:
    """Code of the refusal, `forged` when a signature does not verify, None when the evidence holds."""
    try:
        checks = check(evidence, CHAIN, validators)
    except Refusal as refusal:
        return refusal.code
    return None if all(verifies(*one) for one in checks) else "forged"


names = st.sampled_from(NAMES[:2])
values = st.sampled_from([None, A, B])
rounds = st.integers(1, 2)
"""Few of each, so that most pairs differ in one respect only."""


@st.composite
def votes(draw: st.DrawFn) -> Vote:
    kind = draw(st.sampled_from([PREVOTE, PRECOMMIT]))
    height = draw(st.sampled_from([HEIGHT, HEIGHT + 1]))
    return vote(draw(names), kind, draw(rounds), draw(values), draw(st.integers(-1, 0)), height)


@st.composite
def proposals(draw: st.DrawFn) -> Proposal:
    round_ = draw(rounds)
    block = make_block(CONTEXT, draw(st.integers(0, 1)))
    return propose(CONTEXT, round_, block, draw(st.integers(-1, 0)))


def said(message: Vote | Proposal) -> tuple[tuple[str, int, int, int], tuple[bytes | None, int]]:
    """Key and turn, then what was said."""
    if isinstance(message, Vote):
        turn = message.voter, int(message.kind), message.height, message.round
        return turn, (message.block_id, message.valid_round)
    turn = message.proposer, 0, message.height, message.round
    return turn, (message.block.header.id(), message.valid_round)


@settings(max_examples=500)
@given(st.one_of(st.tuples(votes(), votes()), st.tuples(proposals(), proposals()), st.tuples(votes(), proposals())))
def test_two_messages_convict_exactly_when_one_key_said_two_things_in_one_turn(
    pair: tuple[Vote | Proposal, Vote | Proposal],
) -> None:
    one, other = pair
    (turn, word), (turn_again, word_again) = said(one), said(other)
    evidence = equivocation(one, other)
    assert (evidence is not None) == (turn == turn_again and word != word_again)
    # Whoever finds the two, in whatever order, makes the same bytes of them.
    assert equivocation(other, one) == evidence
    if evidence is not None:
        assert code_of(evidence) is None
        assert rules.offence_of(evidence) == (turn[0], one.height)
        raw = encode(evidence)
        assert len(raw) <= MAX_EVIDENCE_BYTES and rules.decode(raw) == evidence


TWO_VOTES = equivocation(vote("bob", PREVOTE, 1, A), vote("bob", PREVOTE, 1, None))
TWO_PROPOSALS = equivocation(
    propose(CONTEXT, 1, make_block(CONTEXT, 1)), propose(CONTEXT, 1, make_block(CONTEXT, 1), valid_round=0)
)
assert isinstance(TWO_VOTES, DuplicateVote) and isinstance(TWO_PROPOSALS, DuplicateProposal)


def altered(message: Any, field: str) -> Any:
    """The message with another value in one field."""
    value = getattr(message, field)
    other = {"voter": "cyd", "proposer": "cyd", "kind": PRECOMMIT, "block_id": B, "signature": bytes(64)}
    return replace(message, **{field: other[field] if field in other else value + 1})


@pytest.mark.parametrize("evidence", [TWO_VOTES, TWO_PROPOSALS], ids=["votes", "proposals"])
@pytest.mark.parametrize("both", [False, True])
def test_no_altered_field_convicts_anybody(evidence: Equivocation, both: bool) -> None:
    assert code_of(evidence) is None
    for field in type(evidence.first).__struct_fields__:
        second = altered(evidence.second, field) if both else evidence.second
        assert code_of(replace(evidence, first=altered(evidence.first, field), second=second)) is not None, field


def test_form() -> None:
    swapped = replace(TWO_VOTES, first=TWO_VOTES.second, second=TWO_VOTES.first)
    assert code_of(swapped) == "consensus.evidence-order"
    assert code_of(replace(TWO_VOTES, second=TWO_VOTES.first)) == "consensus.evidence-same"
    # A randomised signature makes no second statement.
    again = replace(TWO_VOTES.first, signature=bytes(64))
    assert code_of(replace(TWO_VOTES, second=again)) == "consensus.evidence-same"


def test_the_set_is_that_of_its_own_height() -> None:
    strangers = make_set(("ann", "cyd", "dan", "eve"))
    assert code_of(TWO_VOTES, strangers) == "consensus.stranger"
    seats = tuple(replace(seat, public_key=key_of("eve")) if seat.id == "bob" else seat for seat in SET.seats)
    assert code_of(TWO_VOTES, ValidatorSet(seats)) == "forged"
    assert check(TWO_VOTES, CHAIN, SET)[0] == SignatureCheck(
        key_of("bob"), TWO_VOTES.first.sign_bytes(CHAIN), TWO_VOTES.first.signature
    )
    assert not all(verifies(*one) for one in check(TWO_VOTES, "another-chain", SET))


def test_a_proposal_in_evidence_has_the_bytes_that_its_proposer_signed() -> None:
    proposal = propose(CONTEXT, 1, make_block(CONTEXT, 1))
    compact = SignedProposal(HEIGHT, 1, -1, proposal.block.header.id(), "bob", proposal.signature)
    assert compact.sign_bytes(CHAIN) == proposal.sign_bytes(CHAIN)
    assert verifies(key_of("bob"), compact.sign_bytes(CHAIN), compact.signature)


def test_the_largest_evidence_and_certificates_fit_their_bounds() -> None:
    name, top = "n" * 32, 2**31 - 1
    first = Vote(PREVOTE, 2**48 - 1, top, A, top, name, bytes(64))
    for evidence in (
        DuplicateVote(first, replace(first, block_id=B)),
        DuplicateProposal(*(SignedProposal(2**48 - 1, top, top, value, name, bytes(64)) for value in (A, B))),
    ):
        assert EQUIVOCATION.decode(encode(evidence)) == evidence
    signatures = tuple((seat, bytes(64)) for seat in range(MAX_VALIDATORS))
    commit = CommitCertificate(2**48 - 1, top, A, signatures)
    for pair in (Fork(commit, commit), Amnesia(commit, PolkaCertificate(2**48 - 1, top, B, top, signatures))):
        assert len(encode(pair)) < MAX_CONTRADICTION_BYTES


@given(st.binary(max_size=MAX_EVIDENCE_BYTES + 1))
def test_any_bytes_are_evidence_or_refused(raw: bytes) -> None:
    try:
        assert encode(rules.decode(raw)) == raw
    except Refusal as refusal:
        assert refusal.code == "consensus.evidence-malformed"
    with pytest.raises(Malformed):
        EQUIVOCATION.decode(raw + bytes(MAX_EVIDENCE_BYTES))


def test_a_content_has_one_hash_per_chain() -> None:
    hashes = {rules.evidence_hash(one, chain) for one in (TWO_VOTES, TWO_PROPOSALS) for chain in ("x", "y")}
    assert len(hashes) == 4


@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 20), st.integers(1, 20))
def test_evidence_expires_by_blocks_and_time_together(blocks: int, ms: int, max_blocks: int, max_ms: int) -> None:
    assert is_expired(blocks, ms, max_blocks, max_ms) == (not (blocks <= max_blocks or ms <= max_ms))


# Certificates

ABC, BCD = ("ann", "bob", "cyd"), ("bob", "cyd", "dan")


def test_two_decisions_are_a_fork_whoever_finds_them_first() -> None:
    one, other = commit_of(ABC, SET, A, round_=2), commit_of(BCD, SET, B, round_=1)
    pair = contradiction(one, other)
    assert pair == contradiction(other, one) == Fork(other, one)
    assert len(check_contradiction(pair, CHAIN, SET)) == 6
    assert signers_of_both(pair, SET) == ("bob", "cyd")
    assert duplicate_precommits(one, other, SET) == []
    assert contradiction(one, commit_of(BCD, SET, A, round_=5)) is None
    assert contradiction(one, commit_of(BCD, SET, B, height=HEIGHT + 1)) is None


def test_two_decisions_of_one_round_convict_each_who_signed_both() -> None:
    one, other = commit_of(ABC, SET, A, round_=2), commit_of(BCD, SET, B, round_=2)
    found = duplicate_precommits(one, other, SET)
    assert [pair.accused for pair in found] == ["bob", "cyd"]
    assert all(code_of(pair) is None for pair in found)
    assert found == duplicate_precommits(other, one, SET)
    assert duplicate_precommits(one, commit_of(BCD, SET, A, round_=2), SET) == []


@given(st.integers(0, 5), st.integers(0, 6), st.integers(-1, 5), st.sampled_from([A, B]))
def test_amnesia_is_a_later_polka_for_another_value_as_of_before(
    decided: int, round_: int, valid_round: int, value: bytes
) -> None:
    commit = commit_of(ABC, SET, A, round_=decided)
    polka = polka_of(BCD, SET, value, round_, valid_round)
    pair = contradiction(commit, polka)
    assert (pair == Amnesia(commit, polka)) == (value == B and valid_round < decided < round_)
    if isinstance(pair, Amnesia):
        assert len(check_contradiction(pair, CHAIN, SET)) == 6
        assert signers_of_both(pair, SET) == ("bob", "cyd")


def test_an_earlier_polka_rebuts_amnesia() -> None:
    amnesia = Amnesia(commit_of(ABC, SET, A, round_=1), polka_of(BCD, SET, B, 4, 0))
    assert [rebuts(polka_of(BCD, SET, B, round_), amnesia) for round_ in range(6)] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]
    assert not rebuts(polka_of(BCD, SET, A, 2), amnesia)
    assert not rebuts(polka_of(BCD, SET, B, 2), Fork(commit_of(ABC, SET, A, 1), commit_of(BCD, SET, B, 3)))
    assert not rebuts(replace(polka_of(BCD, SET, B, 2), height=HEIGHT + 1), amnesia)


def test_what_is_no_contradiction_is_refused() -> None:
    good = commit_of(ABC, SET, A)
    few = commit_of(("bob", "cyd"), SET, B, round_=1)
    for pair, code in (
        (Fork(good, good), "consensus.evidence-pair"),
        (Fork(commit_of(BCD, SET, B, round_=1), good), "consensus.evidence-pair"),
        (Fork(good, few), "consensus.no-quorum"),
        (Amnesia(few, polka_of(BCD, SET, A, 3)), "consensus.no-quorum"),
        (Amnesia(commit_of(ABC, SET, A, round_=1), polka_of(("bob",), SET, B, 3, 0)), "consensus.no-quorum"),
        (Amnesia(commit_of(ABC, SET, A, round_=1), polka_of(BCD, SET, B, 3, 1)), "consensus.evidence-pair"),
        (Amnesia(good, polka_of(BCD, SET, A, 3)), "consensus.evidence-pair"),
    ):
        with pytest.raises(Refusal) as refused:
            check_contradiction(pair, CHAIN, SET)
        assert refused.value.code == code


def test_every_signature_of_a_contradiction_is_listed() -> None:
    one, other = commit_of(ABC, SET, A, round_=1), polka_of(BCD, SET, B, 3, 0)
    for seat in range(3):
        forged = list(one.signatures)
        forged[seat] = (forged[seat][0], sign("eve", b"x"))
        checks = check_contradiction(Amnesia(replace(one, signatures=tuple(forged)), other), CHAIN, SET)
        assert [verifies(*check) for check in checks].count(False) == 1


# Beyond counting: what contradicts a certificate, and what comes after a decision


def test_a_vote_against_its_own_certificate_is_reported() -> None:
    certificate = commit_of(ABC, SET, A, round_=2)
    against = vote("bob", PRECOMMIT, 2, B)
    (report,) = with_certificate(certificate, [against], SET)
    evidence = equivocation(report.first, report.second)
    assert evidence is not None and code_of(evidence) is None and evidence.accused == "bob"
    for innocent in (
        vote("bob", PRECOMMIT, 2, A),
        vote("bob", PRECOMMIT, 1, B),
        vote("bob", PREVOTE, 2, B),
        vote("dan", PRECOMMIT, 2, B),
        vote("bob", PRECOMMIT, 2, B, height=HEIGHT + 1),
    ):
        assert with_certificate(certificate, [innocent], SET) == []


def test_a_contradiction_after_the_decision_is_reported() -> None:
    block = make_block(CONTEXT, 0)
    block_id = block.header.id()
    state, _ = machine.step(machine.initial("dan"), StartHeight(CONTEXT))
    inputs: list[Any] = [
        Received(propose(CONTEXT, 0, block), START_MS),
        *(Received(vote(name, PREVOTE, 0, block_id), START_MS) for name in ABC),
        PayloadChecked(HEIGHT, block_id, True),
        Received(Commit(commit_of(ABC, SET, block_id), None), START_MS),
    ]
    for input_ in inputs:
        state, effects = machine.step(state, input_)
        assert not any(isinstance(effect, ReportConflict) for effect in effects)
    assert state.decided
    other = make_block(CONTEXT, 0, clock_ms=START_MS + 1)
    for late, accused in (
        (vote("bob", PREVOTE, 0, None), "bob"),
        (vote("cyd", PRECOMMIT, 0, B), "cyd"),
        (propose(CONTEXT, 0, other), "ann"),
    ):
        _, effects = machine.step(state, Received(late, START_MS))
        (report,) = [effect for effect in effects if isinstance(effect, ReportConflict)]
        found = equivocation(report.first, report.second)
        assert found is not None and found.accused == accused and code_of(found) is None
    for input_ in inputs:
        assert not isinstance(input_, Received) or after_decision(state, input_.message, SET) == []


def reported(context: HeightContext, *messages: Any) -> list[str]:
    """Whom a machine of this height accuses when these messages come."""
    state, _ = machine.step(machine.initial("dan"), StartHeight(context))
    accused = []
    for message in messages:
        state, effects = machine.step(state, Received(message, START_MS))
        for effect in effects:
            if isinstance(effect, ReportConflict):
                found = equivocation(effect.first, effect.second)
                assert found is not None and code_of(found) is None
                accused.append(found.accused)
    return accused


def test_a_late_precommit_against_the_decision_below_is_reported() -> None:
    below = CONTEXT.parent.certificate
    assert below is not None
    signer = SET.seats[below.signatures[0][0]].id
    assert reported(CONTEXT, vote(signer, PRECOMMIT, below.round, B, height=HEIGHT - 1)) == [signer]
    assert reported(CONTEXT, vote(signer, PRECOMMIT, below.round, below.block_id, height=HEIGHT - 1)) == []


def test_a_second_polka_or_decision_of_a_round_names_its_double_voters() -> None:
    assert reported(CONTEXT, polka_of(ABC, SET, A), polka_of(BCD, SET, B)) == ["bob", "cyd"]
    assert reported(CONTEXT, polka_of(ABC, SET, A), polka_of(ABC, SET, A)) == []
    precommits = [vote(name, PRECOMMIT, 0, A) for name in ("ann", "bob")]
    assert reported(CONTEXT, *precommits, Commit(commit_of(BCD, SET, B), None)) == ["bob"]


def test_a_second_polka_is_not_redundant() -> None:
    state, _ = machine.step(machine.initial("dan"), StartHeight(CONTEXT))
    state, _ = machine.step(state, Received(polka_of(ABC, SET, A), START_MS))
    assert machine.is_redundant(state, polka_of(BCD, SET, A))
    assert not machine.is_redundant(state, polka_of(BCD, SET, B))
