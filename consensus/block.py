"""Validity of a block against its height, and how a proposer composes one.

Payload and evidence are opaque here: bytes and their root. Whether transactions exist, decode and verify, and
whether evidence holds against the set of its own height, is asked through `CheckPayload`; what they do is
decided by execution, after agreement. The checks raise `Refusal`.
"""

from __future__ import annotations

from collections.abc import Callable

from consensus.beacon import beacon_sign_bytes, verify_beacon
from consensus.certificates import check_quorum
from consensus.effects import HeightContext, Parent
from consensus.messages import NO_ROUND, Block, CommitCertificate, Header, Proposal
from consensus.refusals import Refusal
from consensus.timing import is_timely
from consensus.validators import ValidatorSet
from zk import merkle
from zk.hashing import ZERO_HASH

Contribute = Callable[[bytes], bytes]
"""Signs with the BLS key of a seat. A function like any other: one key has one signature over one message, so that
signing again, also after a restart, gives the same and betrays nothing."""


def genesis_parent(block_id: bytes, time_ms: int, validators: ValidatorSet) -> Parent:
    """What height 1 knows of the genesis: its hash (the parent hash of height 1), its time, the first set.

    The genesis has no parent, so the root before it is that of the empty tree: block 1 may be empty, and
    makes the genesis state provable.
    """
    return Parent(block_id, time_ms, ZERO_HASH, False, validators, None)


def check_commitments(block: Block) -> None:
    """Raise `Refusal` unless the body is the one that the header commits to.

    Anybody on the way can change a body under an honest header, so a failure says nothing about the block id.
    """
    header = block.header
    # The payload is the committed list of hashes.
    if header.payload_root != merkle.root(block.payload):
        raise Refusal("consensus.body", "payload_root")
    # The evidence is the committed list.
    if header.evidence_root != merkle.root(block.evidence):
        raise Refusal("consensus.body", "evidence_root")
    # The included certificate is the committed one.
    if header.last_certificate_hash != certificate_hash(block.last_certificate, header.chain_id):
        raise Refusal("consensus.body", "last_certificate_hash")


def check_validity(block: Block, context: HeightContext) -> None:
    """Raise `Refusal` unless the block, whose body matches its header, is valid at this height.

    Depends on the block id and committed state alone: every honest node comes to the same answer in every
    round.
    """
    header, parent = block.header, context.parent
    # The rule set is the one in force.
    if header.version != context.version:
        raise Refusal("consensus.block-version", f"{header.version}, in force {context.version}")
    # The block belongs to this chain.
    if header.chain_id != context.chain_id:
        raise Refusal("consensus.block-chain", header.chain_id)
    # It is for this height.
    if header.height != context.height:
        raise Refusal("consensus.block-height", f"{header.height}, here {context.height}")
    # It stands on the decided block.
    if header.parent_hash != parent.block_id:
        raise Refusal("consensus.block-parent", header.parent_hash.hex())
    # Time moves forward.
    if header.time_ms <= parent.time_ms:
        raise Refusal("consensus.block-time", f"{header.time_ms}, parent {parent.time_ms}")
    # The parameters are those in force.
    if header.params_hash != context.params_hash:
        raise Refusal("consensus.block-params", header.params_hash.hex())
    # Its original proposer had the turn in the round that it names (L28: later rounds may repeat it).
    proposer = context.proposers.proposer(header.proposer_round)
    if header.proposer != proposer.id:
        raise Refusal("consensus.block-proposer", f"{header.proposer} in round {header.proposer_round}")
    # Both sets are those of committed state.
    if (header.set_hash, header.next_set_hash) != (context.validators.hash, context.next_set_hash):
        raise Refusal("consensus.block-set")
    # Its proposer had executed the parent, with our result.
    if (header.state_root, header.receipts_root) != (context.state_root, context.receipts_root):
        raise Refusal("consensus.block-state", f"{header.state_root.hex()}, here {context.state_root.hex()}")
    _check_last_certificate(block.last_certificate, parent)
    # No transaction twice.
    if len(set(block.payload)) != len(block.payload):
        raise Refusal("consensus.block-payload")
    # A block without content needs a reason.
    if not block.payload and not block.evidence and empty_block_reason(context, header.time_ms) is None:
        raise Refusal("consensus.block-empty")
    # It adds what its original proposer has to give. Last, because it costs the most.
    if not verify_beacon(proposer.bls_key, header.chain_id, header.height, context.mix, header.beacon):
        raise Refusal("consensus.block-beacon", header.beacon.hex())


def check_proposal(proposal: Proposal, context: HeightContext, received_ms: int) -> None:
    """Raise `Refusal` unless this proposal of a valid block may be prevoted in its round.

    The clock counts for fresh values only: a value with a polka was timely for somebody honest.
    """
    header = proposal.block.header
    if proposal.valid_round != NO_ROUND:
        if header.proposer_round > proposal.valid_round:
            raise Refusal("consensus.proposer-round", f"{header.proposer_round} after {proposal.valid_round}")
        return
    if header.proposer_round != proposal.round:
        raise Refusal("consensus.proposer-round", f"{header.proposer_round} in round {proposal.round}")
    earliest_ms = context.parent.time_ms + 1
    if not is_timely(context.timing, proposal.round, header.time_ms, received_ms, earliest_ms):
        raise Refusal("consensus.untimely", f"{header.time_ms} seen at {received_ms}")


def empty_block_reason(context: HeightContext, time_ms: int) -> str | None:
    """Why a block without transactions and evidence is valid at `time_ms` ledger time, or None when it is
    not.

    One of `parent-carried`, `state-changed`, `deadline`, `phase-open`. A node leaves idle for the same
    reasons.
    """
    if context.parent.carried:
        return "parent-carried"
    if context.state_root != context.parent.state_root:
        return "state-changed"
    if context.earliest_deadline_ms is not None and time_ms >= context.earliest_deadline_ms:
        return "deadline"
    if context.phase_open:
        return "phase-open"
    return None


def proposal_time_ms(context: HeightContext, clock_ms: int) -> int:
    """Time of a block proposed at `clock_ms` ledger time: a frozen or slow clock still makes blocks."""
    return max(clock_ms, context.parent.time_ms + 1)


def build_block(
    context: HeightContext,
    round_: int,
    payload: tuple[bytes, ...],
    clock_ms: int,
    last_certificate: CommitCertificate | None,
    evidence: tuple[bytes, ...] = (),
    *,
    contribute: Contribute,
) -> Block:
    """The block that the proposer of (height, `round_`) proposes: `payload` are transaction hashes in order,
    `last_certificate` the one that `BuildValue` carries, `evidence` encoded `consensus.evidence.Equivocation`s,
    `contribute` signs with its BLS key. Valid if payload, evidence or empty-block rule allow it."""
    header = Header(
        version=context.version,
        chain_id=context.chain_id,
        height=context.height,
        parent_hash=context.parent.block_id,
        time_ms=proposal_time_ms(context, clock_ms),
        params_hash=context.params_hash,
        proposer=context.proposers.proposer(round_).id,
        proposer_round=round_,
        set_hash=context.validators.hash,
        next_set_hash=context.next_set_hash,
        last_certificate_hash=certificate_hash(last_certificate, context.chain_id),
        payload_root=merkle.root(payload),
        state_root=context.state_root,
        receipts_root=context.receipts_root,
        evidence_root=merkle.root(evidence),
        beacon=contribute(beacon_sign_bytes(context.chain_id, context.height, context.mix)),
    )
    return Block(header, payload, last_certificate, evidence)


def certificate_hash(certificate: CommitCertificate | None, chain_id: str) -> bytes:
    """What a header commits to for its included certificate; 32 zero bytes for none (height 1)."""
    return ZERO_HASH if certificate is None else certificate.hash(chain_id)


def _check_last_certificate(certificate: CommitCertificate | None, parent: Parent) -> None:
    if parent.certificate is None:
        # Nothing certifies the genesis.
        if certificate is not None:
            raise Refusal("consensus.block-certificate", "height 1 includes one")
        return
    # It decides the parent.
    if certificate is None or (certificate.height, certificate.block_id) != (
        parent.certificate.height,
        parent.block_id,
    ):
        raise Refusal("consensus.block-certificate", "not of the parent")
    # By the parent's own set.
    check_quorum(certificate.signatures, parent.validators)
