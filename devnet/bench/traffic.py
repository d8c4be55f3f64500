"""Pre-signed envelopes for load: 80% readings and 20% transfers, one signature each.

Meters and senders are dealt out to the nodes, so that a lane's envelopes reach the ledger in order. Signing happens
before a step is measured, never during it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from contracts.bodies import PlainReading, Transfer
from contracts.metering import reading_hash
from node.client import Account, MeterKey
from zk.ed25519 import SigningKey
from zk.hashing import ZERO_HASH, sha256

BATCH = 256
"""Envelopes of one request."""
READINGS_IN_TEN = 8
EXPIRY_HEIGHT = 2**40


def bench_seed(name: str) -> bytes:
    """Of the key of a bench member or meter; worthless anywhere else, as its name is its secret."""
    return sha256(b"gridpact bench " + name.encode())


def bench_key(name: str) -> SigningKey:
    """The key of `bench_seed`."""
    return SigningKey(bench_seed(name))


class Traffic:
    """Endless envelopes for one node: readings of its meters in turn, transfers from its senders in turn."""

    def __init__(
        self, chain_id: str, meters: Sequence[str], senders: Sequence[str], recipient: str, interval: int
    ) -> None:
        self._meters = cycle([MeterKey(chain_id, name, bench_seed(name)) for name in meters])
        self._accounts = cycle([Account(chain_id, name, bench_seed(name)) for name in senders])
        self._recipient = recipient
        self._interval = interval
        self._chains: dict[str, tuple[int, bytes]] = {}
        self._count = 0

    def take(self, count: int) -> list[bytes]:
        """The next `count` envelopes."""
        return [self._next() for _ in range(count)]

    def transfer(self) -> bytes:
        """One transfer from the next sender."""
        account = next(self._accounts)
        return account.sign(Transfer(self._recipient, 1 + account.next_nonce, ""), EXPIRY_HEIGHT)

    def _next(self) -> bytes:
        self._count += 1
        return self._reading() if self._count % 10 < READINGS_IN_TEN else self.transfer()

    def _reading(self) -> bytes:
        key = next(self._meters)
        sequence, previous = self._chains.get(key.meter, (0, ZERO_HASH))
        body = PlainReading(sequence + 1, self._interval, 10 * (sequence + 1), 0, None, None, 0, previous)
        self._chains[key.meter] = (sequence + 1, reading_hash(key.chain_id, body))
        return key.sign(body)
