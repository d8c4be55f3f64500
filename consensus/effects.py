"""The machine's whole interface: what goes in and what comes out.

`consensus.machine.step(state, input) -> (state, effects)`. Inputs carry every clock reading and every answer
that the machine needs, so that a log of inputs replays it exactly. Messages in inputs have already had every
signature verified against the height's set; the machine checks everything else.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

import msgspec

from consensus.messages import (
    Block,
    CommitCertificate,
    Hash,
    Height,
    Message,
    Proposal,
    Round,
    Time,
    Vote,
)
from consensus.proposers import Proposers
from consensus.validators import ValidatorSet


class Step(IntEnum):
    """What a timeout is about. REBROADCAST re-sends own votes and the certificates that justify them."""

    PROPOSE = 1
    PREVOTE = 2
    PRECOMMIT = 3
    REBROADCAST = 4


class Parent(msgspec.Struct, frozen=True):
    """What this height must know of the decided block below it (height 0: the genesis)."""

    block_id: bytes
    time_ms: int
    state_root: bytes
    """Root in the parent's header, that is after its own parent."""
    carried: bool
    """It had transactions or evidence."""
    validators: ValidatorSet
    """The set that decided it, against which its included certificate is verified."""
    certificate: CommitCertificate | None
    """The certificate by which this node knows the decision; None only for genesis."""


class HeightContext(msgspec.Struct, frozen=True):
    """Everything about one height that comes from committed state."""

    chain_id: str
    version: int
    height: int
    validators: ValidatorSet
    proposers: Proposers
    mix: bytes
    """Randomness of the chain after the parent, 32 bytes: what this height's beacon is signed over."""
    next_set_hash: bytes
    params_hash: bytes
    timing: Timing
    parent: Parent
    state_root: bytes
    receipts_root: bytes
    earliest_deadline_ms: int | None
    phase_open: bool
    """A phase counted in heights is open, so empty blocks are wanted."""


class Timing(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Consensus timing parameters, part of the hashed params. Everything follows from `target_block_ms`."""

    target_block_ms: Annotated[int, msgspec.Meta(ge=10, le=60_000)]
    """Wanted distance of blocks under load; timeouts are multiples of it."""
    precision_ms: Annotated[int, msgspec.Meta(ge=1, le=86_400_000)]
    """Largest accepted difference of honest clocks (ledger time)."""
    message_delay_ms: Annotated[int, msgspec.Meta(ge=1, le=86_400_000)]
    """Largest accepted travel time of a proposal in round 0 (ledger time); grows with the round."""


# Inputs. Each names its height, so that a late one is recognised and ignored.


class StartHeight(msgspec.Struct, frozen=True):
    """The only input that is never logged: it is rebuilt from the store."""

    context: HeightContext


class Wake(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """There is a reason for a block at this height (the empty-block rule): leave idle."""

    height: Height


class Received(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A message of a peer, signatures verified, with this node's ledger time at arrival."""

    message: Message
    received_ms: Time


class Signed(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Own proposal or vote, now with its signature; answers `Sign`."""

    message: Proposal | Vote
    at_ms: Time


class Timeout(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """A scheduled timeout has passed (real monotonic time)."""

    step: Step
    height: Height
    round: Round


class PayloadChecked(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """All transactions of the block are on disk and pass the stateless checks (`ok`), or never will."""

    height: Height
    block_id: Hash
    ok: bool


class ValueBuilt(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """The block to propose in this round; answers `BuildValue`. The machine fills no field of it."""

    height: Height
    round: Round
    block: Block


LoggedInput = Wake | Received | Signed | Timeout | PayloadChecked | ValueBuilt
Input = StartHeight | LoggedInput


# Effects.


class BuildValue(msgspec.Struct, frozen=True):
    """Compose a block for (height, round); resumes with `ValueBuilt`.

    `last_certificate` is the certificate of height - 1 to include, with the late precommits that arrived;
    None at height 1.
    """

    height: int
    round: int
    last_certificate: CommitCertificate | None


class Sign(msgspec.Struct, frozen=True):
    """Sign this own message (its signature is empty); resumes with `Signed`. Logged and synced before it
    leaves."""

    message: Proposal | Vote


class Broadcast(msgspec.Struct, frozen=True):
    """Send to every validator. For own messages only ever emitted after their `Signed` input."""

    message: Message


class Schedule(msgspec.Struct, frozen=True):
    """Start a timer on the real monotonic clock; resumes with `Timeout`."""

    step: Step
    height: int
    round: int
    duration_ms: int


class CheckPayload(msgspec.Struct, frozen=True):
    """Fetch and check the transactions of this block; resumes with `PayloadChecked`."""

    block: Block


class Decide(msgspec.Struct, frozen=True):
    """The block of this height, with its certificate and payload. Emitted exactly once per height."""

    block: Block
    certificate: CommitCertificate


class MissingBlock(msgspec.Struct, frozen=True):
    """A certificate decides this block id, and the block itself is unknown here: fetch it (as a `Commit`)."""

    height: int
    block_id: bytes


class ReportConflict(msgspec.Struct, frozen=True):
    """Two contradicting signed messages of one key for one (height, round, type)."""

    first: Proposal | Vote
    second: Proposal | Vote


class Refused(msgspec.Struct, frozen=True):
    """A message was dropped: stable code and a sentence, for counters and `status`."""

    code: str
    reason: str
    sender: str


Effect = BuildValue | Sign | Broadcast | Schedule | CheckPayload | Decide | MissingBlock | ReportConflict | Refused
