"""Forged, padded, unsorted and short certificates; what has to be verified in every message."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from consensus.certificates import (
    check_message,
    commit_certificate,
    extend_commit,
    polka_certificate,
    round_certificate,
    signatures_of,
    verify_commit,
)
from consensus.messages import Commit, CommitCertificate, Message, RoundCertificate, VoteType
from consensus.refusals import Refusal
from consensus.validators import Validator, ValidatorSet
from tests.consensus.height import (
    CHAIN,
    HEIGHT,
    NAMES,
    PRECOMMIT,
    PREVOTE,
    commit_of,
    key_of,
    make_block,
    make_context,
    make_set,
    polka_of,
    propose,
    verifies,
    vote,
)
from zk import ed25519
from zk.hashing import sha256

BLOCK_ID = sha256(b"block")
OTHER_ID = sha256(b"other")
CONTEXT = make_context()
SET = CONTEXT.validators


def refusal_of(action: Callable[[], object]) -> str | None:
    """Code with which `action` is refused."""
    try:
        action()
    except Refusal as refusal:
        return refusal.code
    return None


def code_of(message: Message) -> str | None:
    """Code with which the form of `message` is refused at the test height."""
    return refusal_of(lambda: check_message(message, CONTEXT))


# What has to be verified.


def all_messages() -> list[Message]:
    block = make_block(CONTEXT, 1)
    votes = tuple(vote(name, PRECOMMIT, 1, BLOCK_ID) for name in ("ann", "cyd"))
    return [
        vote("ann", PREVOTE, 2, BLOCK_ID, 1),
        vote("ann", PRECOMMIT, 0, CONTEXT.parent.block_id, height=HEIGHT - 1),
        propose(CONTEXT, 1, block),
        polka_of(("ann", "bob", "dan"), SET, BLOCK_ID, 3, 1),
        RoundCertificate(HEIGHT, 1, votes),
        Commit(commit_of(("ann", "bob", "dan"), SET, BLOCK_ID, 4), None),
        Commit(commit_of(("ann", "bob", "dan"), SET, block.header.id(), 4), block),
    ]


@pytest.mark.parametrize(("message", "count"), list(zip(all_messages(), (1, 1, 4, 3, 2, 3, 6), strict=True)))
def test_every_signature_is_listed_and_verifies(message: Message, count: int) -> None:
    checks = signatures_of(message, CONTEXT)
    assert len(checks) == count
    assert all(verifies(*check) for check in checks)
    assert len({check.public_key + check.sign_bytes for check in checks}) == count


def test_a_changed_field_breaks_the_signature() -> None:
    good = vote("ann", PREVOTE, 2, BLOCK_ID, 1)
    for bad in (
        replace(good, round=3),
        replace(good, kind=PRECOMMIT, valid_round=-1),
        replace(good, block_id=OTHER_ID),
        replace(good, block_id=None, valid_round=-1),
        replace(good, valid_round=0),
        replace(good, voter="bob"),
    ):
        assert not any(verifies(*check) for check in signatures_of(bad, CONTEXT))
    assert not any(verifies(*check) for check in signatures_of(good, replace(CONTEXT, chain_id="other")))


# Form.


def test_strangers_and_other_heights() -> None:
    assert code_of(vote("eve", PREVOTE, 0, BLOCK_ID)) == "consensus.stranger"
    assert code_of(vote("ann", PREVOTE, 0, BLOCK_ID, height=HEIGHT + 1)) == "consensus.future-height"
    assert code_of(vote("ann", PREVOTE, 0, BLOCK_ID, height=HEIGHT - 2)) == "consensus.stale-height"
    late = Commit(commit_of(NAMES, SET, BLOCK_ID, height=HEIGHT - 1), None)
    assert code_of(late) == "consensus.stale-height"
    assert code_of(replace(polka_of(NAMES, SET, BLOCK_ID), height=HEIGHT + 1)) == "consensus.future-height"


def test_votes_below_genesis_have_no_set() -> None:
    first = replace(CONTEXT, height=1, parent=replace(CONTEXT.parent, certificate=None))
    early = vote("ann", PRECOMMIT, 0, BLOCK_ID, height=0)
    assert refusal_of(lambda: check_message(early, first)) == "consensus.stale-height"


def test_late_votes_are_checked_against_the_set_below() -> None:
    left = make_context(make_set(("ann", "bob", "cyd", "eve")))
    moved = replace(left, parent=CONTEXT.parent)
    late = vote("dan", PRECOMMIT, 0, CONTEXT.parent.block_id, height=HEIGHT - 1)
    assert refusal_of(lambda: check_message(late, moved)) is None
    late = vote("eve", PRECOMMIT, 0, CONTEXT.parent.block_id, height=HEIGHT - 1)
    assert refusal_of(lambda: check_message(late, moved)) == "consensus.stranger"


@pytest.mark.parametrize(
    ("kind", "round_", "block_id", "valid_round"),
    [(PREVOTE, 1, BLOCK_ID, 1), (PREVOTE, 1, None, 0), (PRECOMMIT, 3, BLOCK_ID, 0), (PRECOMMIT, 3, None, 2)],
)
def test_valid_round_only_where_it_may_be(
    kind: VoteType, round_: int, block_id: bytes | None, valid_round: int
) -> None:
    assert code_of(vote("ann", kind, round_, block_id, valid_round)) == "consensus.valid-round"


def test_only_the_proposer_proposes() -> None:
    proposal = propose(CONTEXT, 1, make_block(CONTEXT, 1))
    assert code_of(proposal) is None
    assert code_of(replace(proposal, proposer="ann")) == "consensus.wrong-proposer"
    assert code_of(replace(proposal, round=2)) == "consensus.wrong-proposer"
    assert code_of(replace(proposal, valid_round=1)) == "consensus.valid-round"


def test_a_proposal_is_refused_for_its_nested_certificate() -> None:
    block = make_block(CONTEXT, 0)
    short = commit_of(("ann", "bob"), SET, CONTEXT.parent.block_id, height=HEIGHT - 1)
    assert code_of(propose(CONTEXT, 0, replace(block, last_certificate=short))) == "consensus.no-quorum"
    other = commit_of(NAMES, SET, CONTEXT.parent.block_id, height=HEIGHT - 2)
    assert code_of(propose(CONTEXT, 0, replace(block, last_certificate=other))) == "consensus.stale-height"


# Certificates under attack.


def commit_with(signatures: tuple[tuple[int, bytes], ...]) -> Commit:
    return Commit(CommitCertificate(HEIGHT, 0, BLOCK_ID, signatures), None)


def test_a_duplicate_signer_does_not_count_twice() -> None:
    ann, bob = commit_of(("ann", "bob"), SET, BLOCK_ID).signatures
    assert code_of(commit_with((ann, bob, bob))) == "consensus.unsorted"
    assert code_of(commit_with((ann, ann, bob))) == "consensus.unsorted"


def test_signers_are_in_seat_order() -> None:
    ann, bob, cyd = commit_of(("ann", "bob", "cyd"), SET, BLOCK_ID).signatures
    assert code_of(commit_with((ann, bob, cyd))) is None
    assert code_of(commit_with((bob, ann, cyd))) == "consensus.unsorted"


def test_seats_outside_the_set() -> None:
    ann, bob, cyd = commit_of(("ann", "bob", "cyd"), SET, BLOCK_ID).signatures
    assert code_of(commit_with((ann, bob, (4, cyd[1])))) == "consensus.stranger"
    assert code_of(commit_with(())) == "consensus.no-quorum"


def test_exactly_two_thirds_are_not_enough() -> None:
    context = make_context(make_set(("ann", "bob", "cyd")))
    two = Commit(commit_of(("ann", "bob"), context.validators, BLOCK_ID), None)
    assert refusal_of(lambda: check_message(two, context)) == "consensus.no-quorum"
    assert code_of(polka_of(("ann", "bob"), SET, BLOCK_ID)) == "consensus.no-quorum"


def test_a_flagged_seat_is_in_the_total_and_never_counted() -> None:
    flagged = make_set(flagged=("bob",))
    context = replace(CONTEXT, validators=flagged)
    with_bob = Commit(commit_of(("ann", "bob", "cyd"), flagged, BLOCK_ID), None)
    assert refusal_of(lambda: check_message(with_bob, context)) == "consensus.no-quorum"
    everybody_else = Commit(commit_of(("ann", "cyd", "dan"), flagged, BLOCK_ID), None)
    assert refusal_of(lambda: check_message(everybody_else, context)) is None
    voices = RoundCertificate(HEIGHT, 1, tuple(vote(name, PREVOTE, 1, None) for name in ("ann", "bob")))
    assert refusal_of(lambda: check_message(voices, context)) == "consensus.no-skip"


def test_power_counts_and_not_heads() -> None:
    heavy = make_set(powers=(7, 1, 1, 1))
    context = replace(CONTEXT, validators=heavy)
    alone = Commit(commit_of(("ann",), heavy, BLOCK_ID), None)
    assert refusal_of(lambda: check_message(alone, context)) is None
    others = Commit(commit_of(("bob", "cyd", "dan"), heavy, BLOCK_ID), None)
    assert refusal_of(lambda: check_message(others, context)) == "consensus.no-quorum"


def test_round_certificates() -> None:
    one, two = vote("ann", PREVOTE, 1, None), vote("bob", PRECOMMIT, 1, BLOCK_ID)
    assert code_of(RoundCertificate(HEIGHT, 1, (one, two))) is None
    assert code_of(RoundCertificate(HEIGHT, 1, (two, one))) == "consensus.unsorted"
    assert code_of(RoundCertificate(HEIGHT, 1, (one, one))) == "consensus.unsorted"
    assert code_of(RoundCertificate(HEIGHT, 1, (one,))) == "consensus.no-skip"
    assert code_of(RoundCertificate(HEIGHT, 2, (one, two))) == "consensus.wrong-round"
    stranger = vote("eve", PREVOTE, 1, None)
    assert code_of(RoundCertificate(HEIGHT, 1, (one, stranger))) == "consensus.stranger"


def test_a_commit_carries_the_block_that_it_decides() -> None:
    block = make_block(CONTEXT, 0)
    wrong = Commit(commit_of(NAMES, SET, BLOCK_ID), block)
    assert code_of(wrong) == "consensus.wrong-block"


# Real signatures.

SEEDS = {name: sha256(name.encode()) for name in NAMES}
REAL_SET = ValidatorSet(tuple(Validator(name, name, ed25519.public_key(SEEDS[name]), b"", 1) for name in NAMES))


def real_commit(names: tuple[str, ...], chain_id: str = CHAIN) -> CommitCertificate:
    certificate = CommitCertificate(HEIGHT, 2, BLOCK_ID, ())
    unsigned = vote("ann", PRECOMMIT, 2, BLOCK_ID)
    signatures = tuple(
        (REAL_SET.index[name], ed25519.sign(SEEDS[name], unsigned.sign_bytes(chain_id))) for name in names
    )
    return replace(certificate, signatures=signatures)


def test_verify_commit() -> None:
    verify_commit(real_commit(("ann", "cyd", "dan")), CHAIN, REAL_SET)
    verify_commit(real_commit(NAMES), CHAIN, REAL_SET)


def test_verify_commit_refuses() -> None:
    good = real_commit(("ann", "cyd", "dan"))
    attempts: list[tuple[CommitCertificate, str, ValidatorSet, str]] = [
        (real_commit(("ann", "cyd")), CHAIN, REAL_SET, "consensus.no-quorum"),
        (good, "other-chain", REAL_SET, "consensus.signature"),
        (good, CHAIN, make_set(), "consensus.signature"),
        (replace(good, round=3), CHAIN, REAL_SET, "consensus.signature"),
        (replace(good, height=HEIGHT + 1), CHAIN, REAL_SET, "consensus.signature"),
        (replace(good, block_id=OTHER_ID), CHAIN, REAL_SET, "consensus.signature"),
        (replace(good, signatures=good.signatures[::-1]), CHAIN, REAL_SET, "consensus.unsorted"),
        (replace(good, signatures=((9, good.signatures[0][1]),)), CHAIN, REAL_SET, "consensus.stranger"),
    ]
    for certificate, chain_id, validators, code in attempts:
        assert refusal_of(partial(verify_commit, certificate, chain_id, validators)) == code


def test_one_bad_signature_in_a_full_certificate_is_refused() -> None:
    """Enough good ones are no excuse: two nodes must not differ on what a certificate is."""
    good = real_commit(NAMES)
    seat, signature = good.signatures[3]
    bad = replace(good, signatures=(*good.signatures[:3], (seat, signature[:63] + b"\x00")))
    assert refusal_of(lambda: verify_commit(bad, CHAIN, REAL_SET)) == "consensus.signature"


# Building.


@given(order=st.permutations(NAMES), nil=st.sampled_from(NAMES))
def test_what_is_built_from_votes_is_accepted(order: list[str], nil: str) -> None:
    prevotes = [vote(name, PREVOTE, 2, None if name == nil else BLOCK_ID, -1 if name == nil else 1) for name in order]
    choice = next(each for each in prevotes if each.block_id is not None)
    polka = polka_certificate(prevotes, choice, SET)
    assert all(verifies(*check) for check in signatures_of(polka, CONTEXT))
    precommits = [vote(name, PRECOMMIT, 2, None if name == nil else BLOCK_ID) for name in order]
    choice = next(each for each in precommits if each.block_id is not None)
    commit = commit_certificate(precommits, choice, SET)
    assert all(verifies(*check) for check in signatures_of(Commit(commit, None), CONTEXT))
    assert len(polka.signatures) == len(commit.signatures) == 3
    skip = round_certificate(precommits, SET)
    assert all(verifies(*check) for check in signatures_of(skip, CONTEXT))


def test_votes_that_differ_in_valid_round_do_not_add_up_in_a_polka() -> None:
    prevotes = [vote(name, PREVOTE, 2, BLOCK_ID, 0 if name == "dan" else 1) for name in NAMES]
    assert len(polka_certificate(prevotes, prevotes[0], SET).signatures) == 3


def test_late_precommits_extend_a_certificate() -> None:
    certificate = commit_of(("ann", "bob", "dan"), SET, BLOCK_ID, 1)
    extended = extend_commit(certificate, vote("cyd", PRECOMMIT, 1, BLOCK_ID), SET)
    assert extended == commit_of(NAMES, SET, BLOCK_ID, 1)
    for useless in (
        vote("bob", PRECOMMIT, 1, BLOCK_ID),
        vote("cyd", PRECOMMIT, 2, BLOCK_ID),
        vote("cyd", PRECOMMIT, 1, OTHER_ID),
        vote("cyd", PRECOMMIT, 1, None),
        vote("cyd", PREVOTE, 1, BLOCK_ID),
        vote("cyd", PRECOMMIT, 1, BLOCK_ID, height=HEIGHT - 1),
        vote("eve", PRECOMMIT, 1, BLOCK_ID),
    ):
        assert extend_commit(certificate, useless, SET) is certificate


def test_keys_differ() -> None:
    assert len({key_of(name) for name in NAMES}) == len(NAMES)
