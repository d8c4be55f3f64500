"""Pre-signed envelopes for load: 80% readings and 20% transfers, one signature each.

Meters and senders are dealt out to the nodes, so that a lane's envelopes reach the ledger in order. Signing happens
before a step is measured, never during it.
"""

from __future__ import annotations

from contracts.bodies import PlainReading, Transfer
from contracts.envelope import NO_SIGNATURE, AccountEnvelope, Domains, MeterEnvelope
from contracts.metering import reading_hash
from zk.ed25519 import SigningKey
from zk.hashing import ZERO_HASH, sha256

BATCH = 256
"""Envelopes of one request."""
READINGS_IN_TEN = 8
EXPIRY_HEIGHT = 2**40


def bench_key(name: str) -> SigningKey:
    """Key of a bench member or meter; worthless anywhere else, as its name is its secret."""
    return SigningKey(sha256(b"gridpact bench " + name.encode()))


class Traffic:
    """Endless envelopes for one node: readings of its meters in turn, transfers from its senders in turn."""

    def __init__(self, chain_id: str, meters: list[str], senders: list[str], recipient: str, interval: int) -> None:
        self._chain_id = chain_id
        self._domains = Domains(chain_id)
        self._meters = [(name, bench_key(name)) for name in meters]
        self._senders = [(name, bench_key(name)) for name in senders]
        self._recipient = recipient
        self._interval = interval
        self._chains: dict[str, tuple[int, bytes]] = {}
        self._nonces: dict[str, int] = {}
        self._turns = [0, 0]
        self._count = 0

    def take(self, count: int) -> list[bytes]:
        """The next `count` envelopes."""
        return [self._next() for _ in range(count)]

    def transfer(self) -> bytes:
        """One transfer from the next sender."""
        name, key = self._senders[self._turns[1] % len(self._senders)]
        self._turns[1] += 1
        nonce = self._nonces.get(name, 0)
        self._nonces[name] = nonce + 1
        body = Transfer(self._recipient, 1 + nonce, "")
        envelope = AccountEnvelope(self._chain_id, name, key.public_key, nonce, EXPIRY_HEIGHT, body, NO_SIGNATURE)
        return self._domains.seal(key, envelope)

    def _next(self) -> bytes:
        self._count += 1
        return self._reading() if self._count % 10 < READINGS_IN_TEN else self.transfer()

    def _reading(self) -> bytes:
        name, key = self._meters[self._turns[0] % len(self._meters)]
        self._turns[0] += 1
        sequence, previous = self._chains.get(name, (0, ZERO_HASH))
        body = PlainReading(sequence + 1, self._interval, 10 * (sequence + 1), 0, None, None, 0, previous)
        self._chains[name] = (sequence + 1, reading_hash(self._chain_id, body))
        return self._domains.seal(key, MeterEnvelope(self._chain_id, name, key.public_key, body, NO_SIGNATURE))
