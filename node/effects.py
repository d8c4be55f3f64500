"""The replica's whole interface: inputs with the time at which they came, and effects for the driver.

A driver (the asyncio runner, a test, the simulator) carries effects out strictly in order and feeds the results
back as inputs. Own signed messages leave only behind the `Sync` that makes their journal record durable.
"""

from __future__ import annotations

from typing import NamedTuple

from consensus.messages import Block, CommitCertificate, Proposal, Vote
from contracts.api import Charge
from contracts.envelope import Envelope
from node.peer.wire import Frame
from zk.statements.assertion import Assertion


class Now(NamedTuple):
    """Both clocks of the driver when an input is handled."""

    ledger_ms: int
    monotonic_ms: int


Timer = tuple[str | int, ...]
"""Name of a timer; setting one that is running restarts it."""


class Triple(NamedTuple):
    """One Ed25519 signature to verify."""

    public_key: bytes
    message: bytes
    signature: bytes


class Submission(NamedTuple):
    """Answer to one submitted envelope. `code` "ok" means: on this node's disk, kept until final or expired."""

    hash: bytes
    code: str


# Inputs


class Recover(NamedTuple):
    """First input: the journal's records (kind, height, body) in order."""

    records: list[tuple[int, int, bytes]]


class FrameReceived(NamedTuple):
    """A frame of an authenticated peer; its body is hostile until decoded."""

    peer: str
    frame: Frame
    body: bytes


class PeerConnected(NamedTuple):
    """A link to this node is up."""

    peer: str


class PeerGone(NamedTuple):
    """The link is down."""

    peer: str


class Submitted(NamedTuple):
    """Envelopes from the RPC; answered by `Reply` with the same request number."""

    request: int
    envelopes: list[bytes]


class Reported(NamedTuple):
    """Evidence from the RPC, encoded; answered by `Reply` with the same request number."""

    request: int
    evidence: bytes


class Verified(NamedTuple):
    """Result of `Verify`, one bool per triple, or of `Prove`, one per assertion."""

    job: int
    valid: list[bool]


class OwnSigned(NamedTuple):
    """Result of `SignMessage`."""

    message: Proposal | Vote


class Executed(NamedTuple):
    """Result of `Execute`: the ledger stands at this height now.

    `unfinished` are transactions of the block whose refusal left everything as it was (a gap in a lane): they stay
    pending, because somebody was told that they are kept until they are final.
    """

    height: int
    unfinished: frozenset[bytes]


class TimerFired(NamedTuple):
    """A timer set by `SetTimer` or `SetLedgerTimer` has run out."""

    timer: Timer


Input = (
    Recover
    | FrameReceived
    | PeerConnected
    | PeerGone
    | Submitted
    | Reported
    | Verified
    | OwnSigned
    | Executed
    | TimerFired
)


# Effects


class Append(NamedTuple):
    """Append a record to the journal."""

    kind: int
    height: int
    body: bytes


class Sync(NamedTuple):
    """Make all appended records durable before anything that follows."""


class Resume(NamedTuple):
    """The log is read, nothing has come of it yet: it asked for own messages of the open `height` up to `last`, as
    (round, step); (-1, 0) when for none. The driver compares it with what the key has signed."""

    height: int
    last: tuple[int, int]


class Checkpoint(NamedTuple):
    """Records at or below `height` are obsolete; the driver may start a new segment with the pending transactions."""

    height: int


class Send(NamedTuple):
    """Send a frame to one peer."""

    peer: str
    frame: Frame
    body: bytes


class SendAll(NamedTuple):
    """Send a frame to every peer. `own` marks a message that this node signed."""

    frame: Frame
    body: bytes
    own: bool


class Penalise(NamedTuple):
    """A peer sent something that no honest node sends."""

    peer: str
    code: str


class Verify(NamedTuple):
    """Check signatures. Urgent ones (consensus) go before all others."""

    job: int
    triples: list[Triple]
    urgent: bool


class Prove(NamedTuple):
    """Find out which proofs hold; answered by `Verified` with the same job number, perhaps much later."""

    job: int
    assertions: list[Assertion]


class SignMessage(NamedTuple):
    """Sign an own proposal or vote."""

    message: Proposal | Vote


class Execute(NamedTuple):
    """Execute and store a decided block; envelopes in payload order, charges in the order of its evidence."""

    block: Block
    certificate: CommitCertificate
    envelopes: list[tuple[bytes, Envelope]]
    charges: tuple[Charge, ...] = ()
    passed: tuple[str, ...] = ()
    """Nodes whose turn to propose came before the block's."""


class SetTimer(NamedTuple):
    """Start a timer on the monotonic clock."""

    timer: Timer
    delay_ms: int


class SetLedgerTimer(NamedTuple):
    """Start a timer that fires when ledger time reaches `at_ms`."""

    timer: Timer
    at_ms: int


class Reply(NamedTuple):
    """Answer a `Submitted`, or with one result a `Reported`."""

    request: int
    results: list[Submission]


class Fatal(NamedTuple):
    """Going on would be unsafe: stop, with a sentence and, where one is not enough, a report (JSON) to be kept."""

    code: str
    message: str
    hint: str
    report: bytes = b""


Effect = (
    Append
    | Sync
    | Resume
    | Checkpoint
    | Send
    | SendAll
    | Penalise
    | Verify
    | Prove
    | SignMessage
    | Execute
    | SetTimer
    | SetLedgerTimer
    | Reply
    | Fatal
)
