"""What making a threshold key costs one node with a seat: processor time, on one core, by the ledger's contracts.

Counted is what the node does: it executes every block of the ceremony and checks each proof in it once, and its seat
registers, deals, and opens and checks what the others dealt to it. What the other seats do is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from contracts import api
from contracts.bodies import AccountBody
from contracts.ceremony import keys
from contracts.ceremony.bodies import CommitDealing, Deal, RegisterSeat
from contracts.ceremony.making import recipients, running
from contracts.ceremony.records import COMMIT, DEAL, DONE, Ceremony, ThresholdKey
from contracts.envelope import NO_SIGNATURE, AccountEnvelope
from contracts.genesis import ConsensusParams
from contracts.params import PactParams, SealedParams
from contracts.receipts import OK
from contracts.schema import DEALINGS
from contracts.state import State
from devnet.bench.epoch import found
from devnet.bench.traffic import EXPIRY_HEIGHT, bench_key
from devnet.errors import DevnetError
from zk import ceremony, notes
from zk.hashing import sha256
from zk.statements import logarithm

T = TypeVar("T")
SEATS = 10
MOST_BLOCKS = 200


def measure(seats: int = SEATS) -> float:
    """Seconds. Raises DevnetError `bench.zk` when no key comes out, or one that its seat has no share of."""
    return _Pact(seats).make()


class _Pact:
    """The state of one node, and all seats."""

    def __init__(self, seats: int) -> None:
        self._genesis = msgspec.structs.replace(
            found(seats),
            params=PactParams(sealed=SealedParams(on=True, window_blocks=1)),
            consensus=ConsensusParams(epoch_blocks=MOST_BLOCKS),
        )
        self._chain_id = self._genesis.chain_id()
        self._store = dict(api.genesis_records(self._genesis))
        self._names = [member.id for member in self._genesis.members]
        self._nonces = dict.fromkeys(self._names, 0)
        self._height = 0
        self._spent_s = 0.0

    def make(self) -> float:
        self._block([])
        self._say([self._counted(name, self._register) for name in self._names])
        self._until(COMMIT)
        self._say([self._counted(name, self._commit) for name in self._names])
        self._until(DEAL)
        self._say([self._counted(name, self._deal) for name in self._names])
        self._until(DONE)
        made = keys.key_in_force(State(self._store))
        if made is None or self._counted(self._names[0], partial(self._hold, made)) != made.seats[0].share:
            raise DevnetError("bench.zk", "the seats made no key that opens", "This is a bug.")
        return self._spent_s

    # What seats do; that of the first is counted

    def _counted(self, name: str, work: Callable[[str], T]) -> T:
        start = time.process_time()
        done = work(name)
        if name == self._names[0]:
            self._spent_s += time.process_time() - start
        return done

    def _register(self, name: str) -> AccountBody:
        now, attempt = self._now()
        secret = ceremony.seat_secret(attempt, name, _entropy(name))
        shown = ceremony.prove_seat(attempt, name, secret, entropy=_entropy(name))
        return RegisterSeat(now.epoch, now.attempt, *shown)

    def _commit(self, name: str) -> AccountBody:
        now, attempt = self._now()
        vector = ceremony.deal(attempt, name, now.threshold, {}, entropy=_entropy(name)).vector
        return CommitDealing(now.epoch, now.attempt, ceremony.digest(attempt, name, vector))

    def _deal(self, name: str) -> AccountBody:
        now, attempt = self._now()
        to = {index: (now.seats[index - 1].member, now.seats[index - 1].key) for index in recipients(now.seats)}
        dealt = ceremony.deal(attempt, name, now.threshold, to, entropy=_entropy(name))
        return Deal(now.epoch, now.attempt, *dealt)

    def _hold(self, made: ThresholdKey, name: str) -> bytes:
        """The public share of what the seat was dealt."""
        attempt, parts = ceremony.Attempt(self._chain_id, made.epoch, made.attempt), []
        secret = ceremony.seat_secret(attempt, name, _entropy(name))
        for dealer in made.dealers:
            dealt = DEALINGS.decode(self._store[DEALINGS.key(made.epoch, made.attempt, dealer)])
            plain = notes.open_(secret, dealt.shares[0], **ceremony.route(attempt, dealer, name))
            vector = ceremony.decode_vector(dealt.vector, made.threshold)
            if plain is not None and ceremony.is_share(plain, 1, vector):
                parts.append(plain)
        return logarithm.public_point(ceremony.held_share(parts))

    # The node

    def _now(self) -> tuple[Ceremony, ceremony.Attempt]:
        now = running(State(self._store))
        assert now is not None, "the first block begins an attempt"
        return now, ceremony.Attempt(self._chain_id, now.epoch, now.attempt)

    def _until(self, phase: str) -> None:
        while self._now()[0].phase != phase:
            if self._height > MOST_BLOCKS // 2:
                raise DevnetError("bench.zk", f"the ceremony never comes to {phase}", "This is a bug.")
            self._block([])

    def _say(self, bodies: Sequence[AccountBody]) -> None:
        envelopes = []
        for name, body in zip(self._names, bodies, strict=True):
            key = bench_key(name).public_key
            nonce, self._nonces[name] = self._nonces[name], self._nonces[name] + 1
            envelopes.append(AccountEnvelope(self._chain_id, name, key, nonce, EXPIRY_HEIGHT, body, NO_SIGNATURE))
        if {OK} != set(self._block(envelopes)):
            raise DevnetError("bench.zk", "the ledger refuses what a seat has to say", "This is a bug.")

    def _block(self, envelopes: Sequence[AccountEnvelope]) -> list[str]:
        """Codes of the transactions of the next block, which the node executes."""
        start = time.process_time()
        self._height += 1
        proposer = self._genesis.validators[self._height % len(self._genesis.validators)]
        state = State(self._store)
        context = api.BlockContext(
            self._chain_id,
            self._height,
            self._genesis.time_ms + self._height,
            self._genesis.params,
            self._genesis.consensus,
            proposer,
        )
        api.open_block(state, context)
        codes = [api.apply(state, envelope, context).code for envelope in envelopes]
        api.close_block(state, context)
        for key, value in state.changes().items():
            if value is None:
                self._store.pop(key, None)
            else:
                self._store[key] = value
        self._spent_s += time.process_time() - start
        return codes


def _entropy(name: str) -> bytes:
    return sha256(b"bench ceremony " + name.encode())
