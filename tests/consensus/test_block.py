"""Every header field is checked, every empty block needs its reason, every re-proposal its rounds."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from consensus.beacon import beacon_sign_bytes
from consensus.block import (
    certificate_hash,
    check_commitments,
    check_proposal,
    check_validity,
    empty_block_reason,
    genesis_parent,
)
from consensus.effects import HeightContext
from consensus.messages import Block, Header
from consensus.refusals import Refusal
from consensus.validators import ValidatorSet
from tests.consensus.height import (
    CHAIN,
    HEIGHT,
    START_MS,
    build,
    commit_of,
    contribution,
    make_block,
    make_context,
    make_set,
    payload_named,
    propose,
    rotation,
)
from zk import merkle
from zk.hashing import ZERO_HASH, sha256

CONTEXT = make_context()
GOOD = make_block(CONTEXT, 1)


def code_of(block: Block, context: HeightContext = CONTEXT) -> str | None:
    """Code with which the block is refused, body or header."""
    try:
        check_commitments(block)
        check_validity(block, context)
    except Refusal as refusal:
        return refusal.code
    return None


def with_header(**changes: object) -> Block:
    return replace(GOOD, header=replace(GOOD.header, **changes))


def test_what_a_proposer_builds_is_valid() -> None:
    for round_ in range(5):
        assert code_of(make_block(CONTEXT, round_)) is None


WRONG: dict[str, tuple[object, str]] = {
    "version": (2, "block-version"),
    "chain_id": ("other", "body"),
    "height": (HEIGHT + 1, "block-height"),
    "parent_hash": (sha256(b"?"), "block-parent"),
    "time_ms": (START_MS - 1_000, "block-time"),
    "params_hash": (sha256(b"?"), "block-params"),
    "proposer": ("ann", "block-proposer"),
    "proposer_round": (2, "block-proposer"),
    "set_hash": (sha256(b"?"), "block-set"),
    "next_set_hash": (sha256(b"?"), "block-set"),
    "last_certificate_hash": (sha256(b"?"), "body"),
    "payload_root": (sha256(b"?"), "body"),
    "state_root": (sha256(b"?"), "block-state"),
    "receipts_root": (sha256(b"?"), "block-state"),
    "evidence_root": (sha256(b"?"), "body"),
    "beacon": (b"\x01", "block-beacon"),
}


def test_every_header_field_has_an_attack() -> None:
    assert set(WRONG) == set(Header.__struct_fields__)


@pytest.mark.parametrize("field", WRONG)
def test_every_header_field_is_checked(field: str) -> None:
    value, code = WRONG[field]
    assert code_of(with_header(**{field: value})) == f"consensus.{code}"


@pytest.mark.parametrize(
    "beacon",
    [
        b"",
        contribution("ann", beacon_sign_bytes(CHAIN, HEIGHT, CONTEXT.mix)),
        contribution("bob", beacon_sign_bytes(CHAIN, HEIGHT + 1, CONTEXT.mix)),
        contribution("bob", beacon_sign_bytes("other", HEIGHT, CONTEXT.mix)),
        contribution("bob", beacon_sign_bytes(CHAIN, HEIGHT, sha256(CONTEXT.mix))),
        contribution("bob", CONTEXT.mix),
    ],
)
def test_a_beacon_of_another_proposer_height_chain_or_mix_is_refused(beacon: bytes) -> None:
    assert GOOD.header.beacon == contribution("bob", beacon_sign_bytes(CHAIN, HEIGHT, CONTEXT.mix))
    assert code_of(with_header(beacon=beacon)) == "consensus.block-beacon"


def test_a_proposer_gives_the_same_beacon_in_each_of_its_rounds() -> None:
    """A second turn is no second draw."""
    beacons = [make_block(CONTEXT, round_, f"value {round_}").header.beacon for round_ in range(8)]
    assert beacons[:4] == beacons[4:]
    assert len(set(beacons)) == 4


def test_a_beacon_of_a_set_without_keys_is_refused() -> None:
    """Who has no key has no turn that counts, and no bytes pass for its beacon."""
    seats = tuple(replace(seat, bls_key=b"") for seat in CONTEXT.validators.seats)
    validators = ValidatorSet(seats)
    context = replace(CONTEXT, validators=validators, proposers=rotation(validators, HEIGHT))
    for beacon in (b"", GOOD.header.beacon, bytes(48)):
        header = replace(GOOD.header, set_hash=validators.hash, beacon=beacon)
        assert code_of(replace(GOOD, header=header), context) == "consensus.block-beacon"


def test_another_chain_with_its_own_certificate_hash() -> None:
    header = replace(
        GOOD.header,
        chain_id="other",
        last_certificate_hash=certificate_hash(GOOD.last_certificate, "other"),
    )
    assert code_of(replace(GOOD, header=header)) == "consensus.block-chain"


def test_a_transaction_appears_once() -> None:
    twice = payload_named("a") * 2
    block = build(CONTEXT, 0, twice, START_MS, CONTEXT.parent.certificate)
    assert code_of(block) == "consensus.block-payload"


def test_the_body_is_the_committed_one() -> None:
    assert code_of(replace(GOOD, payload=payload_named("b"))) == "consensus.body"
    assert code_of(replace(GOOD, payload=())) == "consensus.body"
    assert code_of(replace(GOOD, evidence=(b"x",))) == "consensus.body"
    assert code_of(replace(GOOD, last_certificate=None)) == "consensus.body"


def test_evidence_alone_is_a_reason_for_a_block() -> None:
    block = build(CONTEXT, 0, (), START_MS, CONTEXT.parent.certificate, (b"x",))
    assert block.header.evidence_root == merkle.root([b"x"])
    assert code_of(block) is None
    assert code_of(replace(block, evidence=())) == "consensus.body"


@pytest.mark.parametrize(
    ("names", "height", "block_id", "code"),
    [
        (("ann", "bob"), HEIGHT - 1, None, "consensus.no-quorum"),
        (("ann", "bob", "cyd"), HEIGHT - 2, None, "consensus.block-certificate"),
        (("ann", "bob", "cyd"), HEIGHT - 1, sha256(b"?"), "consensus.block-certificate"),
        (("bob", "cyd", "dan"), HEIGHT - 1, None, None),
        (("ann", "bob", "cyd", "dan"), HEIGHT - 1, None, None),
    ],
)
def test_the_included_certificate_decides_the_parent(
    names: tuple[str, ...], height: int, block_id: bytes | None, code: str | None
) -> None:
    certificate = commit_of(names, CONTEXT.validators, block_id or CONTEXT.parent.block_id, height=height)
    block = build(CONTEXT, 0, payload_named("a"), START_MS, certificate)
    assert code_of(block) == code


def test_the_included_certificate_is_of_the_parents_set() -> None:
    strangers = make_set(("eve", "fay", "gus", "hal", "ian"))
    certificate = commit_of(("eve", "fay", "gus", "ian"), strangers, CONTEXT.parent.block_id, height=HEIGHT - 1)
    block = build(CONTEXT, 0, payload_named("a"), START_MS, certificate)
    assert code_of(block) == "consensus.stranger"


def test_a_missing_certificate_above_height_1() -> None:
    block = build(CONTEXT, 0, payload_named("a"), START_MS, None)
    assert code_of(block) == "consensus.block-certificate"


# Height 1.


def first_height() -> HeightContext:
    validators = make_set()
    parent = genesis_parent(sha256(b"genesis"), START_MS, validators)
    proposers = rotation(validators, 1)
    return replace(CONTEXT, height=1, validators=validators, proposers=proposers, parent=parent)


def test_block_1_includes_no_certificate_and_may_be_empty() -> None:
    context = first_height()
    block = build(context, 0, (), START_MS, None)
    assert block.header.last_certificate_hash == ZERO_HASH
    assert code_of(block, context) is None
    certified = build(
        context, 0, (), START_MS, commit_of(("ann", "bob", "cyd"), context.validators, sha256(b"genesis"))
    )
    assert code_of(certified, context) == "consensus.block-certificate"


# Empty blocks.


def test_an_empty_block_needs_a_reason() -> None:
    empty = build(CONTEXT, 0, (), START_MS, CONTEXT.parent.certificate)
    assert code_of(empty) == "consensus.block-empty"
    reasons = {
        "parent-carried": replace(CONTEXT, parent=replace(CONTEXT.parent, carried=True)),
        "state-changed": replace(CONTEXT, parent=replace(CONTEXT.parent, state_root=sha256(b"before"))),
        "deadline": replace(CONTEXT, earliest_deadline_ms=START_MS),
        "phase-open": replace(CONTEXT, phase_open=True),
    }
    for reason, context in reasons.items():
        assert empty_block_reason(context, START_MS) == reason
        assert code_of(empty, context) is None


def test_an_empty_block_waits_for_the_deadline() -> None:
    context = replace(CONTEXT, earliest_deadline_ms=START_MS + 1)
    early = build(context, 0, (), START_MS, CONTEXT.parent.certificate)
    assert code_of(early, context) == "consensus.block-empty"
    due = build(context, 0, (), START_MS + 1, CONTEXT.parent.certificate)
    assert code_of(due, context) is None


# Time.


@pytest.mark.parametrize(("clock_ms", "expected"), [(0, 1), (1, 1), (2, 2), (-500, 1)])
def test_a_proposers_time_is_above_the_parents(clock_ms: int, expected: int) -> None:
    parent_ms = CONTEXT.parent.time_ms
    block = make_block(CONTEXT, 0, clock_ms=parent_ms + clock_ms)
    assert block.header.time_ms == parent_ms + expected
    assert code_of(block) is None


# Proposals.


def proposal_code(round_: int, block: Block, valid_round: int, received_ms: int = START_MS) -> str | None:
    try:
        check_proposal(propose(CONTEXT, round_, block, valid_round), CONTEXT, received_ms)
    except Refusal as refusal:
        return refusal.code
    return None


def test_a_fresh_value_names_its_own_round() -> None:
    assert proposal_code(1, GOOD, -1) is None
    assert proposal_code(5, GOOD, -1) == "consensus.proposer-round"


def test_a_repeated_value_keeps_its_round() -> None:
    assert proposal_code(3, GOOD, 1) is None
    assert proposal_code(3, GOOD, 2) is None
    assert proposal_code(3, GOOD, 0) == "consensus.proposer-round"


def test_the_clock_counts_for_fresh_values_only() -> None:
    assert proposal_code(1, GOOD, -1, START_MS + 10_000) == "consensus.untimely"
    assert proposal_code(1, GOOD, -1, START_MS - 10_000) == "consensus.untimely"
    assert proposal_code(3, GOOD, 2, START_MS + 10_000) is None
