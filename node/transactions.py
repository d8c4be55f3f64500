"""Transactions on their way: from clients and peers to the mempool and the journal, and to whoever misses them.

Also keeps the promise behind a vote: a block's payload is complete only when every transaction of it is journaled here.
Decides nothing about consensus; `on_payload` and `on_arrival` tell the replica what changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import islice

from consensus.messages import Block
from node.admission import Admission, Candidate
from node.effects import Append, Reply, Send, SendAll, SetTimer, Submission, Sync
from node.gossip import batches, up_to
from node.journal import TRANSACTIONS, encode_batch
from node.ledger.ledger import Ledger
from node.mempool import Entry, Lane, Mempool, MempoolLimits
from node.peer.limits import QUEUE_BOUNDS
from node.peer.wire import Frame, Priority, TransactionRequest
from node.proving.stage import ProofStage
from node.shares import Shares
from node.sync import MAX_BLOCK_BYTES
from node.work import Work
from zk.codec import encode

MAX_UNVERIFIED = 4_096
"""Transactions that nobody asked for whose signatures may wait for verification."""
SERVED_PER_S = 16 * 1024 * 1024
"""Bytes of asked-for transactions that one peer gets on average,"""
SERVED_AT_ONCE = 4 * MAX_BLOCK_BYTES
"""and at once: the payloads of four blocks."""
RESEND_BYTES = QUEUE_BOUNDS[Priority.TRANSACTIONS].bytes
"""Pending transactions sent to a peer at once: what its queue holds."""
EXPIRY_EVERY = 16
"""Heights between two sweeps for expired transactions (no block takes one in between)."""
FETCH_MS = 150
"""Patience with one peer for missing transactions."""
RESEND_LIMIT = 512
"""Own pending transactions re-sent at once."""


@dataclass(slots=True)
class _Gathering:
    """The payload of a live block that is not complete yet: hashes that are missing, and sums of what is here."""

    missing: set[bytes]
    units: int = 0
    size: int = 0

    def add(self, entry: Entry) -> None:
        """One of its transactions is here."""
        self.missing.discard(entry.hash)
        self.units += entry.units
        self.size += len(entry.raw)


class TransactionFlow:
    """Mempool, admission, gossip and the payloads of the open height."""

    def __init__(
        self,
        ledger: Ledger,
        work: Work,
        limits: MempoolLimits,
        on_payload: Callable[[Block, bool], None],
        on_arrival: Callable[[], None],
    ) -> None:
        self.mempool = Mempool(limits)
        self.admission = Admission(ledger, self.mempool)
        self._proofs = ProofStage(self.admission, work)
        self._ledger = ledger
        self._work = work
        self._on_payload = on_payload
        self._on_arrival = on_arrival
        self._unverified = 0
        self._blocks: dict[bytes, Block] = {}
        self._missing: dict[bytes, _Gathering] = {}
        self._invalid: set[bytes] = set()
        self._own: dict[bytes, None] = {}
        self._verifying: set[bytes] = set()
        """Hashes of peers' transactions whose signatures are being checked: none is checked twice at once."""
        self._proving: dict[bytes, Entry] = {}
        """Transactions whose proofs are being checked; their signatures are good."""
        self._guests: set[bytes] = set()
        """Pending only because a block of the open height names them."""
        self._served = Shares(SERVED_PER_S, SERVED_AT_ONCE)
        self._fetch_turn = 0

    # Heights

    def recover(self, batches: Iterable[list[bytes]]) -> None:
        """Take back journaled transactions; they were verified before they were journaled."""
        for batch in batches:
            for raw in batch:
                candidate = self.admission.decode(raw, self.admission.hash(raw), local=True)
                if isinstance(candidate, Candidate):
                    self.mempool.add(candidate.entry)

    def recovered(self) -> None:
        """Forget those that are final by now, unless a block of the open height names them."""
        height = self._ledger.height + 1
        named = {hash_ for block in self._blocks.values() for hash_ in block.payload}
        self.mempool.remove(
            entry.hash
            for entry in list(self.mempool)
            if entry.hash not in named
            and (entry.position < self.admission.next_position(entry.lane) or entry.expired(height))
        )
        self._own = {entry.hash: None for entry in self.mempool}

    def height_done(self, payload: tuple[bytes, ...], lanes: frozenset[Lane]) -> None:
        """The ledger has a new height with this payload: drop what is final, stale or expired.

        Nothing is dropped at any other time, so what a live block names stays here until its height is stored."""
        height = self._ledger.height
        self._blocks.clear()
        self._missing.clear()
        self._invalid.clear()
        self._fetch_turn = 0
        self.mempool.remove(payload)
        self.mempool.remove(self._guests)
        self._guests.clear()
        for hash_ in payload:
            self._own.pop(hash_, None)
        self.admission.refresh()
        self.mempool.drop_stale(lanes, self.admission.next_position)
        if height % EXPIRY_EVERY == 0:
            self.mempool.drop_expired(height + 1)
            self._own = {hash_: None for hash_ in self._own if hash_ in self.mempool}

    def select(self, max_count: int) -> list[Entry]:
        """Entries that a block of the open height may hold, in order."""
        return self.mempool.select(
            self.admission.next_position,
            height=self._ledger.height + 1,
            max_count=max_count,
            max_units=self.admission.rules.params.max_block_units,
            max_bytes=MAX_BLOCK_BYTES,
        )

    def hold(self, blocks: dict[bytes, Block]) -> None:
        """The live blocks of the open height, by id: what is missing of them is fetched."""
        if blocks.keys() != self._blocks.keys():
            self._blocks = blocks
            self._missing = {block_id: kept for block_id, kept in self._missing.items() if block_id in blocks}

    def missing(self) -> dict[bytes, int]:
        """Block ids whose payload is incomplete, with the number of missing transactions."""
        return {block_id: len(gathering.missing) for block_id, gathering in self._missing.items()}

    # Payloads

    def check_payload(self, block: Block) -> None:
        """Find out whether every transaction of a live block is here and valid; `on_payload` gets the answer."""
        block_id = block.header.id()
        # A false proof makes no transaction invalid, so a block waits for none: execution will refuse it.
        self._take([self._proving.pop(hash_) for hash_ in block.payload if hash_ in self._proving])
        gathering = self._missing[block_id] = _Gathering(set(block.payload))
        for entry in map(self.mempool.get, block.payload):
            if entry is not None:
                gathering.add(entry)
        if gathering.missing & self._invalid:
            self._payload_checked(block_id, False)
        elif not self._settled(block_id, gathering):
            self.fetch(block_id)

    def _settled(self, block_id: bytes, gathering: _Gathering) -> bool:
        """Whether the answer is known: all is here and journaled, or what is here is too much already.

        A proposer may break the limits, and must not make others fetch and keep more than they allow.
        """
        limit = self.admission.rules.params.max_block_units
        fits = gathering.units <= limit and gathering.size <= MAX_BLOCK_BYTES
        if fits and gathering.missing:
            return False
        height, payload = self._ledger.height + 1, self._blocks[block_id].payload
        entries = map(self.mempool.get, payload if fits else ())
        self._payload_checked(block_id, fits and not any(entry is None or entry.expired(height) for entry in entries))
        return True

    def _payload_checked(self, block_id: bytes, ok: bool) -> None:
        self._missing.pop(block_id, None)
        self._on_payload(self._blocks[block_id], ok)

    def fetch(self, block_id: bytes) -> None:
        """Ask one peer after the other for what is missing, the proposer's node first."""
        gathering = self._missing.get(block_id)
        if gathering is None:
            return
        peers = sorted(self._work.peers)
        proposer = self._blocks[block_id].header.proposer
        if peers:
            turn = self._fetch_turn
            peer = proposer if turn == 0 and proposer in self._work.peers else peers[turn % len(peers)]
            self._fetch_turn += 1
            body = encode(TransactionRequest(tuple(sorted(gathering.missing))))
            self._work.emit(Send(peer, Frame.TRANSACTION_REQUEST, body))
        self._work.emit(SetTimer(("fetch", block_id.hex()), FETCH_MS))

    # Transactions

    def submitted(self, request: int, envelopes: list[bytes]) -> None:
        """Envelopes of a client: each gets "ok" once it is on disk, or the code of a refusal.

        One that is final already is refused (its nonce is used); whoever asked finds it in the ledger."""
        results: list[Submission] = []
        candidates: list[Candidate] = []
        positions: list[int] = []
        taken: set[tuple[object, int]] = set()
        for raw in envelopes:
            hash_ = self.admission.hash(raw)
            code = "ok"
            if hash_ not in self.mempool or hash_ in self._guests:
                outcome = self._examine(raw, hash_, None)
                if isinstance(outcome, str):
                    code = outcome
                elif (place := (outcome.entry.lane, outcome.entry.position)) in taken:
                    code = "mempool.conflict"
                else:
                    taken.add(place)
                    positions.append(len(results))
                    candidates.append(outcome)
            results.append(Submission(hash_, code))
        if not candidates:
            self._work.emit(Sync(), Reply(request, results))
            return
        self._unverified += len(candidates)
        done = partial(self._submission_verified, request, results, positions, candidates)
        self._work.verify([candidate.triple for candidate in candidates], done, urgent=False)

    def _submission_verified(
        self,
        request: int,
        results: list[Submission],
        positions: list[int],
        candidates: list[Candidate],
        valid: list[bool],
    ) -> None:
        done = partial(self._submission_proven, request, results, positions, candidates)
        self._check_proofs(None, candidates, valid, done)

    def _submission_proven(
        self,
        request: int,
        results: list[Submission],
        positions: list[int],
        candidates: list[Candidate],
        codes: list[str],
    ) -> None:
        self._keep(candidates, codes)
        for position, code in zip(positions, codes, strict=True):
            hash_ = results[position].hash
            if code != "ok":
                results[position] = Submission(hash_, code)
            elif hash_ not in self.mempool and self._ledger.find_transaction(hash_) is None:
                results[position] = Submission(hash_, "tx.overtaken")
        self._work.emit(Sync(), Reply(request, results))

    def _examine(self, raw: bytes, hash_: bytes, peer: str | None) -> Candidate | str:
        """Everything but signature and proofs, for a transaction that nobody asked for, of a client or a peer. An
        overloaded node says so first."""
        if self._unverified >= MAX_UNVERIFIED:
            return "mempool.busy"
        if self.mempool.full:
            return "mempool.full"
        outcome = self.admission.decode(raw, hash_, local=peer is None)
        if isinstance(outcome, str):
            return outcome
        code = self.admission.worth_keeping(outcome.entry, self._work.now.ledger_ms)
        if code == "ok":
            code = self._proofs.may_enter(outcome.entry, peer)
        return outcome if code == "ok" else code

    def gossiped(self, peer: str, envelopes: tuple[bytes, ...]) -> None:
        """Envelopes that a peer took from its clients."""
        candidates: list[Candidate] = []
        for raw in envelopes:
            hash_ = self.admission.hash(raw)
            if hash_ in self.mempool or hash_ in self._verifying:
                continue
            outcome = self._examine(raw, hash_, peer)
            if isinstance(outcome, str):
                self._work.counters[outcome] += 1
                if outcome.startswith("codec."):
                    self._work.penalise(peer, outcome)
                    # What came before it is checked all the same: it counts as being verified, and is not taken again.
                    break
                continue
            self._begin(outcome, candidates)
        self._check_batch(peer, candidates)

    def answered(self, peer: str, envelopes: tuple[bytes, ...]) -> None:
        """Transactions that were asked for: validity counts, not whether this node would have kept them."""
        candidates: list[Candidate] = []
        for raw in envelopes:
            hash_ = self.admission.hash(raw)
            if hash_ in self._verifying or not self._is_missing(hash_):
                continue
            outcome = self.admission.decode(raw, hash_, local=False)
            if isinstance(outcome, str):
                self._found_invalid(hash_)
            else:
                self._begin(outcome, candidates)
        self._check_batch(peer, candidates)

    def _is_missing(self, hash_: bytes) -> bool:
        """Whether a live block waits for this transaction."""
        return any(hash_ in gathering.missing for gathering in self._missing.values())

    def _begin(self, candidate: Candidate, candidates: list[Candidate]) -> None:
        """Have one more signature checked, once."""
        candidates.append(candidate)
        self._verifying.add(candidate.entry.hash)
        self._unverified += 1

    def _check_batch(self, peer: str, candidates: list[Candidate]) -> None:
        if candidates:
            done = partial(self._batch_verified, peer, candidates)
            self._work.verify([candidate.triple for candidate in candidates], done, urgent=False)

    def _batch_verified(self, peer: str, candidates: list[Candidate], valid: list[bool]) -> None:
        if not all(valid):
            self._work.penalise(peer, "tx.signature")
        self._check_proofs(peer, candidates, valid, partial(self._batch_proven, candidates))

    def _batch_proven(self, candidates: list[Candidate], codes: list[str]) -> None:
        self._verifying.difference_update(candidate.entry.hash for candidate in candidates)
        self._keep(candidates, codes)

    def _check_proofs(
        self,
        peer: str | None,
        candidates: list[Candidate],
        valid: list[bool],
        done: Callable[[list[str]], None],
    ) -> None:
        """Of those with good signatures that no live block waits for. `done` gets "ok", or what is wrong, for each."""
        asking = {
            candidate.entry.hash: candidate.entry
            for candidate, good in zip(candidates, valid, strict=True)
            if good and self.admission.asks_proof(candidate.entry) and not self._is_missing(candidate.entry.hash)
        }
        self._proving |= asking

        def proven(codes: list[str]) -> None:
            refused = dict(zip(asking, codes, strict=True))
            done(
                [
                    refused.get(candidate.entry.hash, "ok") if good else "tx.signature"
                    for candidate, good in zip(candidates, valid, strict=True)
                ]
            )

        self._proofs.check(list(asking.values()), peer, proven)

    def _keep(self, candidates: list[Candidate], codes: list[str]) -> None:
        """Journal and keep the good ones, forward those that came from clients, and see what they complete."""
        self._unverified -= len(candidates)
        kept: list[Entry] = []
        for candidate, code in zip(candidates, codes, strict=True):
            entry = candidate.entry
            self._proving.pop(entry.hash, None)
            if code == "tx.signature":
                self._found_invalid(entry.hash)
            elif entry.hash in self.mempool or not self._still_needed(entry):
                continue
            elif code == "ok":
                kept.append(entry)
            else:
                self._work.counters[code] += 1
        self._take(kept)

    def _take(self, kept: list[Entry]) -> None:
        """Put them on disk and into the pool."""
        if not kept:
            return
        self._work.emit(Append(TRANSACTIONS, self._ledger.height + 1, encode_batch([entry.raw for entry in kept])))
        own = []
        for entry in kept:
            if not entry.local and self._is_missing(entry.hash) and not self._is_worth_keeping(entry):
                self._guests.add(entry.hash)
            self.mempool.add(entry)
            if entry.local:
                own.append(entry)
                self._own[entry.hash] = None
        self.gossip(own)
        for block_id, gathering in list(self._missing.items()):
            for entry in kept:
                if entry.hash in gathering.missing:
                    gathering.add(entry)
            # One answer may end the round that the next block was proposed in.
            if block_id in self._missing:
                self._settled(block_id, gathering)
        self._on_arrival()

    def _is_worth_keeping(self, entry: Entry) -> bool:
        return self.admission.worth_keeping(entry, self._work.now.ledger_ms) == "ok"

    def _still_needed(self, entry: Entry) -> bool:
        """Whether no block took the entry's place in its lane while its signature was being checked."""
        return entry.position >= self.admission.next_position(entry.lane) or self._is_missing(entry.hash)

    def _found_invalid(self, hash_: bytes) -> None:
        """A hash whose transaction can never be valid spoils every block that names it."""
        for block_id, gathering in list(self._missing.items()):
            if hash_ in gathering.missing and block_id in self._missing:
                self._invalid.add(hash_)
                self._payload_checked(block_id, False)

    def gossip(self, entries: Iterable[Entry], to: str | None = None) -> None:
        """Send transactions to all peers, or to one."""
        for body in batches(entries):
            frame = Frame.TRANSACTIONS
            self._work.emit(SendAll(frame, body, own=False) if to is None else Send(to, frame, body))

    def serve(self, peer: str, hashes: tuple[bytes, ...]) -> None:
        """Answer a request with what is here, at most one block's worth; who needs more asks for the rest."""
        now_ms = self._work.now.monotonic_ms
        if not self._served.has_any(peer, now_ms):
            return
        entries = list(up_to(MAX_BLOCK_BYTES, map(self.mempool.get, dict.fromkeys(hashes))))
        self._served.spend(peer, sum(len(entry.raw) for entry in entries), now_ms)
        for body in batches(entries):
            self._work.emit(Send(peer, Frame.TRANSACTION_RESPONSE, body))

    def resend(self) -> None:
        """Send own pending transactions once more: the height does not progress, so somebody may have missed them."""
        self.gossip(up_to(RESEND_BYTES, map(self.mempool.get, islice(self._own, RESEND_LIMIT))))

    def introduce(self, peer: str) -> None:
        """Send pending transactions to a peer that has just connected."""
        self.gossip(up_to(RESEND_BYTES, islice(self.mempool, RESEND_LIMIT)), to=peer)
