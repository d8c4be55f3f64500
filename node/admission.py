"""What a transaction must pass before this node keeps and forwards it.

Stateless checks (encoding, size, chain, expiry, signature) decide validity and are done once per hash. Checks against
committed state (known sender, unused nonce) only decide whether it is worth keeping: a block may hold a transaction
that this node would not have kept, and then execution refuses it alike everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contracts import api
from contracts.envelope import AccountEnvelope, Domains, Envelope
from contracts.state import State
from node.effects import Triple
from node.ledger.ledger import Ledger
from node.mempool import Entry, Lane, Mempool, lane_of
from node.rules import rule_set
from zk.codec import Malformed
from zk.statements.assertion import Assertion


@dataclass(frozen=True, slots=True)
class Candidate:
    """A transaction that passed everything but its signature."""

    entry: Entry
    triple: Triple


class Admission:
    """Stateless and state checks against the newest committed height."""

    def __init__(self, ledger: Ledger, mempool: Mempool) -> None:
        self._ledger = ledger
        self._mempool = mempool
        self._domains = Domains(ledger.chain_id)
        self.refresh()

    def refresh(self) -> None:
        """Look at the newest committed state from now on."""
        self._state = State(self._ledger, self._ledger.records)
        self.rules = api.rules(self._state)
        """In force in the next block."""
        self.rule_set = rule_set(self._ledger.rule_sets, self.rules.rule_set, self._ledger.height + 1)
        self._positions: dict[Lane, int] = {}

    def next_position(self, lane: Lane) -> int:
        """Nonce or sequence that this lane needs next."""
        position = self._positions.get(lane)
        if position is None:
            position = self._positions[lane] = api.next_position(self._state, lane[0], lane[1])
        return position

    def hash(self, raw: bytes) -> bytes:
        """Transaction hash of an encoded envelope."""
        return self._domains.transaction_id(raw)

    def decode(self, raw: bytes, hash_: bytes, *, local: bool) -> Candidate | str:
        """Stateless checks but the signature; a code when one fails."""
        try:
            envelope = self.rule_set.codec.decode(raw)
        except Malformed as error:
            return error.code
        if envelope.chain_id != self._domains.chain_id:
            return "tx.wrong-chain"
        lane, position = lane_of(envelope)
        owner = api.owner(self._state, envelope)
        entry = Entry(hash_, raw, envelope, owner, lane, position, self.rule_set.units(envelope), local)
        return Candidate(entry, Triple(envelope.public_key, self._domains.sign_bytes(raw), envelope.signature))

    def worth_keeping(self, entry: Entry, now_ms: int) -> str:
        """ "ok", or why this node does not take the transaction now."""
        height = self._ledger.height + 1
        envelope: Envelope = entry.envelope
        if type(envelope) is AccountEnvelope and envelope.expiry_height < height:
            return "tx.expired"
        code = self.rule_set.admit(self._state, envelope, self._context(now_ms))
        if code != "ok":
            return code
        return self._mempool.room_for(entry)

    def asks_proof(self, entry: Entry) -> bool:
        """Whether executing it may take a proof."""
        return self.rule_set.asks_proof(entry.envelope)

    def rehearse(self, entry: Entry, now_ms: int, proves: Callable[[Assertion], bool]) -> str:
        """What would become of it if it were its turn now: "ok", or the code of a refusal. Keeps nothing."""
        state = State(self._ledger, self._ledger.records)
        return self.rule_set.rehearse(state, entry.envelope, self._context(now_ms)._replace(proves=proves))

    def _context(self, now_ms: int) -> api.BlockContext:
        height = self._ledger.height + 1
        return api.BlockContext(self._ledger.chain_id, height, now_ms, self.rules.params, self.rules.consensus)
