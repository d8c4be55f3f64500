"""The end of a replica whose state is not the certified one: it says so, finds the first differing record, and stops.

From the moment it is made, the replica votes, signs, proposes and executes nothing any more: two states of one chain
must not both be built upon. What is left is to ask the peers for their side (`node.statewalk`), for a bounded time,
and to report both sides. Repairs nothing: which side is right is for people, and the report is what they need.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from consensus.messages import Block, CommitCertificate
from contracts.offences import Charge
from contracts.rolls import committed
from contracts.state import RecordCache
from node.effects import (
    Fatal,
    FrameReceived,
    Input,
    PeerConnected,
    PeerGone,
    Reply,
    Reported,
    Send,
    SetTimer,
    Submission,
    Submitted,
    Sync,
    TimerFired,
)
from node.errors import UNREADABLE, NodeError
from node.execution import run_block
from node.ledger.ledger import Ledger
from node.peer.wire import CODECS, Frame, TreeResponse
from node.render import render
from node.rules import rule_set
from node.statewalk import Finding, Lie, Mismatch, Walk
from node.tables import show_key, table_of
from node.work import Work
from zk import ics23
from zk.codec import Malformed, encode

CODE = "ledger.divergence"
ASK_AGAIN_MS = 1_000
"""Questions without an answer are repeated after this."""
ROUNDS = 10
"""So often; then the replica stops with what it knows."""
SHOWN_CHARACTERS = 300
"""Of each value in the sentence; the report has all of it."""

_TIMER = ("divergence",)
Document = dict[str, Any]
Charges = Callable[[Block], tuple[Charge, ...]]
"""What the evidence of a decided block says, for execution."""


class Diverged(Exception):
    """A certified block builds on another state than this node's."""

    def __init__(self, block: Block, certificate: CommitCertificate) -> None:
        super().__init__(block, certificate)
        self.block = block
        self.certificate = certificate


def check_ground(block: Block, certificate: CommitCertificate, ledger: Ledger) -> None:
    """Raise `Diverged` unless the certified `block`, of the next height, builds on what this node computed."""
    header = block.header
    if (header.state_root, header.receipts_root) != (ledger.state_root, ledger.receipts_root):
        raise Diverged(block, certificate)


class Divergence:
    """What a diverged replica still does: `handle` inputs until it emits `Fatal`."""

    def __init__(self, ledger: Ledger, work: Work, node_id: str, found: Diverged, charges: Charges) -> None:
        self._ledger = ledger
        self._work = work
        self._node_id = node_id
        self._found = found
        self._charges = charges
        self._walks: dict[str, Walk] = {}
        self._rounds = 0
        self._unproven: Finding | None = None
        work.counters[CODE] += 1
        if found.block.header.state_root == ledger.state_root:
            self._stop("The two states are the same, the receipts are not", None)
            return
        for peer in sorted(work.peers):
            self._begin(peer)
        work.emit(SetTimer(_TIMER, ASK_AGAIN_MS))

    def handle(self, event: Input) -> None:
        """One input of the replica."""
        match event:
            case FrameReceived(peer, Frame.TREE_RESPONSE, body):
                self._answered(peer, body)
            case PeerConnected(peer):
                self._work.peers.add(peer)
                self._begin(peer)
            case PeerGone(peer):
                self._work.peers.discard(peer)
                self._walks.pop(peer, None)
            case Submitted(request, envelopes):
                self._work.emit(Sync(), Reply(request, [Submission(b"", "node.stopped") for _ in envelopes]))
            case Reported(request, _):
                self._work.emit(Sync(), Reply(request, [Submission(b"", "node.stopped")]))
            case TimerFired(timer) if timer == _TIMER:
                self._ask_again()

    def _begin(self, peer: str) -> None:
        walk = self._walks[peer] = Walk(self._ledger, self._found.block.header.state_root)
        self._ask(peer, walk)

    def _ask(self, peer: str, walk: Walk) -> None:
        self._work.emit(Send(peer, Frame.TREE_REQUEST, encode(walk.request)))

    def _ask_again(self) -> None:
        self._rounds += 1
        if self._rounds == ROUNDS:
            self._stop("No peer showed its side in time" if self._unproven is None else "", self._unproven)
            return
        for peer, walk in self._walks.items():
            self._ask(peer, walk)
        self._work.emit(SetTimer(_TIMER, ASK_AGAIN_MS))

    def _answered(self, peer: str, body: bytes) -> None:
        walk = self._walks.get(peer)
        if walk is None:
            return
        before = walk.request
        try:
            response = CODECS[Frame.TREE_RESPONSE].decode(body)
            assert isinstance(response, TreeResponse)
            finding = walk.take(response)
        except Malformed as error:
            self._blame(peer, error.code)
        except Lie:
            self._blame(peer, "sync.false-tree")
        except (Mismatch, NodeError) as error:
            self._stop(f"This node's own state can't be compared: {error}", None)
        else:
            if finding is None:
                if walk.request != before:
                    self._ask(peer, walk)
            elif finding.proof:
                self._stop("", finding)
            else:
                del self._walks[peer]
                self._unproven = finding

    def _blame(self, peer: str, code: str) -> None:
        del self._walks[peer]
        self._work.penalise(peer, code)

    # The report

    def _stop(self, why_unknown: str, finding: Finding | None) -> None:
        """Emit `Fatal` with both sides. Without a finding `why_unknown` says why there is none."""
        self._walks.clear()
        ledger, header = self._ledger, self._found.block.header
        height = ledger.height
        again = execute_again(ledger, self._charges)
        cause, hint = _cause(again, header.state_root, ledger.state_root)
        key = None if finding is None else show_key(finding.key)
        sentences = [
            f"block {height + 1} is certified on state root {header.state_root.hex()}, and this node computed "
            f"{ledger.state_root.hex()} after block {height}."
        ]
        if finding is None:
            sentences.append(f"{why_unknown}.")
        else:
            certified = _shown(finding.key, finding.certified) if finding.proof else "not known, too large to be sent"
            own = _shown(finding.key, finding.own)
            sentences.append(f"First differing key: {key}. Certified: {certified}. Here: {own}.")
        sentences.append(cause)
        document = {
            "code": CODE,
            "chain_id": ledger.chain_id,
            "node": self._node_id,
            "height": height,
            "key": key,
            "why_unknown": why_unknown or None,
            "certified": {
                "state_root": header.state_root.hex(),
                "receipts_root": header.receipts_root.hex(),
                "record": _side(finding, finding.certified, finding.proof) if finding and finding.proof else None,
                "header": render(header),
                "certificate": render(self._found.certificate),
            },
            "own": {
                "state_root": ledger.state_root.hex(),
                "receipts_root": ledger.receipts_root.hex(),
                "record": None if finding is None else _side(finding, finding.own, self._own_proof(finding.key)),
            },
            "executed_again": {"state_root": None if again.root is None else again.root.hex(), "meaning": cause},
        }
        content = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
        self._work.emit(Fatal(CODE, " ".join(sentences), hint, content))

    def _own_proof(self, key: bytes) -> bytes:
        try:
            return self._ledger.prove_state(key, self._ledger.height)
        except NodeError:
            # The own disk may be what is damaged.
            return b""


class Again(NamedTuple):
    """The newest block executed once more on the state before it."""

    root: bytes | None = None
    """None when that is not possible here."""
    damaged: bytes | None = None
    """A key that it read and whose stored value is not the one in the certified state before the block."""


def execute_again(ledger: Ledger, charges: Charges) -> Again:
    """What the newest block gives now. Stores nothing."""
    height = ledger.height
    block = ledger.block(height)
    if block is None or height - 1 < ledger.oldest:
        return Again()
    try:
        codec = rule_set(ledger.rule_sets, block.header.version, height).codec
        envelopes = [(raw, codec.decode(raw)) for raw in ledger.transactions(height)]
        rehearsal = _Rehearsal(ledger, block.header.state_root)
        changes = run_block(rehearsal, block, envelopes, charges(block)).state.changes()
        return Again(ledger.root_with(changes, height - 1), rehearsal.damaged)
    except (NodeError, LookupError, Malformed, ValueError):
        return Again()


class _Rehearsal:
    """The ledger as it was before its newest block, under a certified root."""

    def __init__(self, ledger: Ledger, certified_root: bytes) -> None:
        self.chain_id = ledger.chain_id
        self.rule_sets = ledger.rule_sets
        self.records = RecordCache()
        self.mix = ledger.mix_at(ledger.height - 1)
        self._present: bytes | None = None
        self._absent: bytes | None = None
        self._ledger = ledger
        self._certified_root = certified_root
        self._before = ledger.height - 1

    @property
    def damaged(self) -> bytes | None:
        """The first record read that is not the certified one. That a key is absent is proven with the records beside
        it, so an absent one counts only where none of those that are there is damaged."""
        return self._present or self._absent

    def get(self, key: bytes) -> bytes | None:
        """Record under `key` before the block."""
        value = self._ledger.get_at(key, self._before)
        proof = self._ledger.prove_state(key, self._before)
        if value is None:
            sound = ics23.verify_non_membership(self._certified_root, key, proof)
        else:
            sound = ics23.verify_membership(self._certified_root, key, committed(key, value), proof)
        # Larger proofs than this are not read by anybody.
        if not sound and len(proof) <= ics23.MAX_PROOF_BYTES:
            if value is None:
                self._absent = self._absent or key
            else:
                self._present = self._present or key
        return value


def _cause(again: Again, certified: bytes, own: bytes) -> tuple[str, str]:
    """What executing the block again tells, and what to do about it."""
    fresh = (
        f"Both sides are in {CODE}.json in this node's home. Keep them, move data/store aside and start: the node "
        "fetches every block from its peers again."
    )
    if again.damaged is not None:
        return (
            f"What is stored here under {show_key(again.damaged)} is not what the certified state before the block "
            "has: this machine's memory or disk failed.",
            f"{fresh} Check the machine before.",
        )
    if again.root is None:
        return "The block could not be executed again here.", fresh
    if again.root == certified:
        return (
            "Executing the block again gives the certified root: this machine's memory or disk failed once.",
            f"{fresh} Check the machine before.",
        )
    if again.root == own:
        return (
            "Executing the block again gives the same wrong root: this node runs other rules than the others.",
            f"{fresh} Install the version of gridpact that the other members run before.",
        )
    return (
        "Executing the block again gives a third root: what is stored here is damaged.",
        f"{fresh} Check the machine before.",
    )


def _side(finding: Finding, value: bytes | None, proof: bytes) -> Document:
    return {
        "key": finding.key.hex(),
        "value": None if value is None else value.hex(),
        "decoded": _decoded(finding.key, value),
        "proof": proof.hex(),
    }


def _decoded(key: bytes, value: bytes | None) -> Any:
    """JSON form of a record or a roll; None when there is none, or when it is not one of its table."""
    table = table_of(key)
    if value is None or table is None:
        return None
    try:
        return render(table.decode(value))
    except UNREADABLE:
        return None


def _shown(key: bytes, value: bytes | None) -> str:
    if value is None:
        return "no such record"
    decoded = _decoded(key, value)
    text = value.hex() if decoded is None else msgspec.json.encode(decoded).decode()
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "..."
