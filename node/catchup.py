"""Catching up: asks for decided blocks, checks them against the own set and state, and serves others.

A block is taken on the word of its commit certificate: more than 2/3 of power checked its payload. A peer that
sends anything else is set aside and costs nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from consensus import certificates, evidence
from consensus.block import check_commitments
from consensus.effects import HeightContext
from consensus.messages import Block, Commit, CommitCertificate
from consensus.quorum import is_quorum
from consensus.refusals import Refusal
from contracts.envelope import Envelope
from node.admission import Admission
from node.divergence import check_ground
from node.effects import Send, Triple
from node.ledger.ledger import Ledger
from node.peer.wire import LIMITS, BlockRequest, BlockResponse, Frame, FullBlock
from node.shares import Shares
from node.sync import MAX_BLOCK_BYTES, BlockSync
from node.work import Work
from zk.codec import encode

SERVED = 64
"""Blocks in one answer."""
SERVED_PER_S = LIMITS[Frame.BLOCK_RESPONSE].bytes_per_s
"""Bytes of blocks that one peer gets on average: what its own limit on the wire lets it read,"""
SERVED_AT_ONCE = 4 * SERVED_PER_S
"""and at once."""

Envelopes = list[tuple[bytes, Envelope]]


class CatchUp:
    """`execute` runs a checked block; `context` is that of the open height."""

    def __init__(
        self,
        ledger: Ledger,
        work: Work,
        admission: Admission,
        execute: Callable[[Block, CommitCertificate, Envelopes], None],
    ) -> None:
        self.plan = BlockSync()
        self._served = Shares(SERVED_PER_S, SERVED_AT_ONCE)
        self._ledger = ledger
        self._work = work
        self._admission = admission
        self._execute = execute
        self._checking = False
        self._caught_up: int | None = None
        """Height at which this node first had all that a quorum claims."""

    def answer(self, peer: str, first: int, blocks: tuple[FullBlock, ...]) -> None:
        """Blocks from height `first` on that were asked for."""
        if not self.plan.hold(peer, first, blocks, self._ledger.height):
            self._blame(peer, "sync.unasked")

    def compare(self, context: HeightContext, node_id: str) -> None:
        """Notice the first moment since the start at which this node has all that those claim who, with itself, are a
        quorum: of whatever was decided before, one of them has at least the height below."""
        if self._caught_up is None:
            present = {node_id, *self.plan.credible(self._work.now.monotonic_ms)}
            power = sum(context.validators.counted_power(seat) for seat in sorted(present))
            if is_quorum(power, context.validators.total_power) and self.best_height() <= self._ledger.height:
                self._caught_up = self._ledger.height

    def safe_to_sign_above(self, height: int) -> bool:
        """Whether `height`, just stored, was decided after this node had caught up. One more than the next counts:
        before its data was lost this node may have been the only one to know of a decision, and have signed above it.
        """
        return self._caught_up is not None and height >= self._caught_up + 2

    def best_height(self) -> int:
        """Highest height that a credible peer claims."""
        return self.plan.best_height(self._work.now.monotonic_ms)

    def ask(self) -> None:
        """Request blocks while peers are ahead."""
        now = self._work.now.monotonic_ms
        if self.plan.behind(self._ledger.height, now):
            # The block that is being checked is here already.
            for request in self.plan.plan(self._ledger.height + self._checking, now):
                body = encode(BlockRequest(request.first, request.last))
                self._work.emit(Send(request.peer, Frame.BLOCK_REQUEST, body))

    def apply(self, context: HeightContext) -> None:
        """Check the held block of the open height and have its certificate verified."""
        if self._checking:
            return
        taken = self.plan.take(context.height)
        if taken is None:
            return
        peer, full = taken
        outcome = self._examine(full, context)
        if outcome is None:
            self._blame(peer, "sync.false-block")
            return
        triples, envelopes = outcome
        self._checking = True
        self._work.verify(triples, partial(self._verified, peer, full, envelopes), urgent=False)

    def _examine(self, full: FullBlock, context: HeightContext) -> tuple[list[Triple], Envelopes] | None:
        header = full.block.header
        try:
            required = certificates.signatures_of(Commit(full.certificate, full.block), context)
            check_commitments(full.block)
            for raw in full.block.evidence:
                evidence.decode(raw)
        except Refusal:
            return None
        hashes = tuple(self._admission.hash(raw) for raw in full.transactions)
        if (
            header.height != context.height
            or header.parent_hash != context.parent.block_id
            or header.id() != full.certificate.block_id
            or hashes != full.block.payload
        ):
            return None
        envelopes: Envelopes = []
        for raw, hash_ in zip(full.transactions, hashes, strict=True):
            candidate = self._admission.decode(raw, hash_, local=False)
            if isinstance(candidate, str):
                return None
            envelopes.append((raw, candidate.entry.envelope))
        return [Triple(*one) for one in required], envelopes

    def _verified(self, peer: str, full: FullBlock, envelopes: Envelopes, valid: list[bool]) -> None:
        self._checking = False
        if full.block.header.height != self._ledger.height + 1:
            return
        if not all(valid):
            self._blame(peer, "sync.false-certificate")
        else:
            check_ground(full.block, full.certificate, self._ledger)
            self._work.counters["sync.blocks"] += 1
            self._execute(full.block, full.certificate, envelopes)

    def _blame(self, peer: str, code: str) -> None:
        self.plan.set_aside(peer, self._work.now.monotonic_ms)
        self._work.penalise(peer, code)

    def serve(self, peer: str, first: int, last: int) -> None:
        """Answer a request with what is here, unless the peer has had more than its share."""
        now_ms = self._work.now.monotonic_ms
        if not self._served.has_any(peer, now_ms):
            return
        blocks: list[FullBlock] = []
        size = 0
        for height in range(max(first, 1), min(last, first + SERVED - 1, self._ledger.height) + 1):
            block, certificate = self._ledger.block(height), self._ledger.certificate(height)
            if block is None or certificate is None:
                break
            raws = self._ledger.transactions(height)
            size += sum(map(len, raws)) + 32 * len(raws)
            if blocks and size > MAX_BLOCK_BYTES:
                break
            blocks.append(FullBlock(block, certificate, tuple(raws)))
        body = encode(BlockResponse(first, tuple(blocks)))
        self._served.spend(peer, len(body), now_ms)
        self._work.emit(Send(peer, Frame.BLOCK_RESPONSE, body))
