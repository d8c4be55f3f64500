"""A pact whose organisations make a threshold key, with seats that do their duties, or cheat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from epoch_world import letters, pact_of
from ledger_world import Chain

from contracts import epochs
from contracts.ceremony import keys, openings
from contracts.ceremony.bodies import CommitDealing, Complain, Deal, GiveShare, RegisterSeat
from contracts.ceremony.making import recipients, running
from contracts.ceremony.records import Ceremony, Dealt, OpeningRecord, ThresholdKey
from contracts.envelope import AccountEnvelope
from contracts.genesis import ConsensusParams, Genesis
from contracts.params import PactParams, SealedParams
from contracts.schema import DEALINGS, TRUSTS
from contracts.state import State
from zk import ceremony as making
from zk import elgamal, notes
from zk.hashing import sha256
from zk.statements import share

WINDOW = 3
EPOCH_BLOCKS = 64
BOND = 10_000
SEALED = SealedParams(on=True, window_blocks=WINDOW)


def sealed_pact(seats: int = 4, epoch_blocks: int = EPOCH_BLOCKS, window_blocks: int = WINDOW) -> Genesis:
    """Organisations a, b, c, ... of equal power."""
    return msgspec.structs.replace(
        pact_of(letters(*(BOND for _ in range(seats)))),
        params=PactParams(sealed=SealedParams(on=True, window_blocks=window_blocks)),
        consensus=ConsensusParams(epoch_blocks=epoch_blocks),
    )


class Sealers(Chain):
    """The chain, and what each seat would say next."""

    def __init__(self, genesis: Genesis | None = None) -> None:
        super().__init__(genesis or sealed_pact())
        self.names = tuple(member.id for member in self.genesis.members)
        self.block()

    # State

    def state(self) -> State:
        return State(self.store)

    def now(self) -> Ceremony:
        found = running(self.state())
        assert found is not None
        return found

    def key(self) -> ThresholdKey | None:
        return keys.key_in_force(self.state())

    def made(self) -> ThresholdKey:
        key = self.key()
        assert key is not None
        return key

    def dealt(self, dealer: str, now: Ceremony | ThresholdKey | None = None) -> Dealt:
        about = now or self.now()
        found = self.state().load(DEALINGS, DEALINGS.key(about.epoch, about.attempt, dealer))
        assert found is not None
        return found

    def index_ppm(self, member: str) -> int:
        found = self.state().entry(TRUSTS, member)
        assert found is not None
        return found.index_ppm

    def attempt(self, now: Ceremony | ThresholdKey | None = None) -> making.Attempt:
        about = now or self.now()
        return making.Attempt(self.chain_id, about.epoch, about.attempt)

    # Secrets, which nobody but the seat has

    def entropy(self, seat: str) -> bytes:
        return sha256(b"entropy of " + seat.encode())

    def secret(self, seat: str, now: Ceremony | ThresholdKey | None = None) -> bytes:
        return making.seat_secret(self.attempt(now), seat, self.entropy(seat))

    def dealing(self, dealer: str) -> making.Dealing:
        now = self.now()
        to = {index: (now.seats[index - 1].member, now.seats[index - 1].key) for index in recipients(now.seats)}
        return making.deal(self.attempt(), dealer, now.threshold, to, entropy=self.entropy(dealer))

    def held_share(self, seat: str, key: ThresholdKey) -> bytes:
        """x_j of a seat, out of the notes on the ledger."""
        index = next(one.index for one in key.seats if one.member == seat)
        place, plain = recipients(key.seats).index(index), []
        for dealer in key.dealers:
            route = making.route(self.attempt(key), dealer, seat)
            opened = notes.open_(self.secret(seat, key), self.dealt(dealer, key).shares[place], **route)
            assert opened is not None
            plain.append(opened)
        return making.held_share(plain)

    # What seats say

    def registering(self, seat: str) -> AccountEnvelope:
        now = self.now()
        key, proof = making.prove_seat(self.attempt(), seat, self.secret(seat), entropy=self.entropy(seat))
        return self.say(seat, RegisterSeat(now.epoch, now.attempt, key, proof))

    def committing(self, seat: str, vector: Sequence[bytes] | None = None) -> AccountEnvelope:
        now = self.now()
        shown = self.dealing(seat).vector if vector is None else vector
        return self.say(seat, CommitDealing(now.epoch, now.attempt, making.digest(self.attempt(), seat, shown)))

    def showing(self, seat: str, dealing: making.Dealing | None = None) -> AccountEnvelope:
        now, shown = self.now(), dealing or self.dealing(seat)
        return self.say(seat, Deal(now.epoch, now.attempt, *shown))

    def lying(self, dealer: str, to: str, plain: bytes) -> AccountEnvelope:
        """A dealing as it should be, but for what the note to one seat says."""
        now, honest = self.now(), self.dealing(dealer)
        members = [now.seats[index - 1].member for index in recipients(now.seats)]
        place = members.index(to)
        key = next(seat.key for seat in now.seats if seat.member == to)
        note = notes.seal(key, plain, entropy=b"lie" * 11, **making.route(self.attempt(), dealer, to))
        shares = (*honest.shares[:place], note, *honest.shares[place + 1 :])
        return self.showing(dealer, honest._replace(shares=shares))

    def complaining(self, seat: str, dealer: str, now: Ceremony | ThresholdKey | None = None) -> AccountEnvelope:
        about = now or self.now()
        index = next(place for place, one in enumerate(about.seats, start=1) if one.member == seat)
        note = self.dealt(dealer, about).shares[recipients(about.seats).index(index)]
        route = making.route(self.attempt(about), dealer, seat)
        shown = notes.reveal(self.secret(seat, about), note, entropy=self.entropy(seat), **route)
        return self.say(seat, Complain(about.epoch, about.attempt, dealer, shown))

    def sharing(self, seat: str, record: OpeningRecord, key: ThresholdKey | None = None) -> AccountEnvelope:
        of = key or self.made()
        where = openings.where_of(self.chain_id, of, record, seat)
        point, proof = share.prove(
            where, record.purpose, record.tick, record.R, self.held_share(seat, of), entropy=self.entropy(seat)
        )
        return self.say(seat, GiveShare(record.number, point, proof))

    # Whole phases

    def all_ok(self, envelopes: Iterable[AccountEnvelope]) -> None:
        assert {receipt.code for receipt in self.block(*envelopes)} <= {"ok"}

    def until(self, *phases: str, most: int = 40) -> str:
        """Blocks until the attempt is in one of these phases."""
        for _ in range(most):
            if self.now().phase in phases:
                return self.now().phase
            self.block()
        raise AssertionError(f"still in {self.now().phase}")

    def to_dealing(self, silent: Sequence[str] = ()) -> Sealers:
        """Everybody but the silent registers and commits."""
        self.until("register")
        self.all_ok([self.registering(name) for name in self.names if name not in silent])
        self.until("commit")
        self.all_ok([self.committing(name) for name in self.names if name not in silent])
        self.until("deal")
        return self

    def to_complaints(self, lies: Mapping[str, AccountEnvelope] | None = None, silent: Sequence[str] = ()) -> Sealers:
        """... and deals, as it should or as `lies` say."""
        said = dict(lies or {})
        self.all_ok([said.get(name) or self.showing(name) for name in self.names if name not in silent])
        self.until("complain")
        return self

    def past(self, phase: str, most: int = 80) -> None:
        """Blocks until the attempt is in another phase."""
        for _ in range(most):
            if self.now().phase != phase:
                return
            self.block()
        raise AssertionError(f"still in {phase}")

    def without_key(self, most: int = 80) -> None:
        """Blocks until no key is in force."""
        for _ in range(most):
            if self.key() is None:
                return
            self.block()
        raise AssertionError("the key stays in force")

    def with_key(self, silent: Sequence[str] = ()) -> Sealers:
        """... until the key is made."""
        self.to_dealing(silent).to_complaints(silent=silent)
        self.until("done")
        return self

    # Openings

    def sealed(self, value: int, key: ThresholdKey | None = None, number: int = 77) -> elgamal.Ciphertext:
        """A value under the key."""
        point = (key or self.made()).point
        return elgamal.encrypt(value, number.to_bytes(32, "big"), elgamal.decode(point, point).E)

    def ask(self, ciphertext: elgamal.Ciphertext, key: ThresholdKey | None = None, tick: int = 1) -> int:
        """The state machine asks for an opening, in a block of its own."""
        e, r = ciphertext.E.to_bytes(), ciphertext.R.to_bytes()
        wanted = openings.Opening((key or self.made()).key_id, "price", 5, tick, r, e)
        number = self.decide(lambda state, context: openings.ask(state, context, wanted))
        assert number is not None
        return number

    def opening(self, number: int) -> OpeningRecord:
        found = openings.load(self.state(), number)
        assert found is not None
        return found

    def powers(self) -> dict[str, int]:
        return epochs.powers(self.state(), self.height + 1)
