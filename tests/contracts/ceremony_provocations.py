"""One way to provoke each refusal about threshold keys; with all others, `CASES` has them all."""

from __future__ import annotations

import msgspec
from ceremony_world import Sealers, sealed_pact
from ledger_world import Chain
from private_provocations import CASES
from provocations import provokes, provokes_on

from contracts.ceremony.bodies import CommitDealing, Complain, Deal, GiveShare, RegisterSeat
from contracts.envelope import AccountEnvelope, Envelope
from zk import notes
from zk.sizes import EQUAL_BYTES, KNOWN_BYTES, REVEALED_BYTES, SHARE_NOTE_BYTES

__all__ = ["CASES"]

POINT = notes.public(b"\1" * 32)
NO_POSSESSION = bytes(KNOWN_BYTES)


def changed(envelope: AccountEnvelope, **fields: object) -> AccountEnvelope:
    """The same with some fields of the body changed."""
    return msgspec.structs.replace(envelope, body=msgspec.structs.replace(envelope.body, **fields))


@provokes("ceremony.none")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", RegisterSeat(0, 1, POINT, NO_POSSESSION))


@provokes_on("ceremony.attempt", Sealers)
def _(chain: Sealers) -> Envelope:
    return changed(chain.registering("a"), attempt=2)


@provokes_on("ceremony.phase", Sealers)
def _(chain: Sealers) -> Envelope:
    now = chain.now()
    return chain.say("a", CommitDealing(now.epoch, now.attempt, bytes(32)))


@provokes_on("ceremony.seat", lambda: Sealers(sealed_pact(5)).to_dealing(silent=["e"]))
def _(chain: Sealers) -> Envelope:
    return chain.say("e", Deal(0, 1, (POINT,), NO_POSSESSION, (bytes(SHARE_NOTE_BYTES),)))


@provokes_on("ceremony.twice", Sealers)
def _(chain: Sealers) -> Envelope:
    chain.block(chain.registering("a"))
    return chain.registering("a")


@provokes_on("ceremony.possession", Sealers)
def _(chain: Sealers) -> Envelope:
    return changed(chain.registering("a"), key=POINT)


def _without_a_dealer() -> Sealers:
    """The second attempt of seven seats, in which g may not deal: with two that had not registered, one was missing."""
    chain = Sealers(sealed_pact(7))
    chain.all_ok(chain.registering(name) for name in "abcdg")
    chain.until("commit")
    chain.all_ok(chain.committing(name) for name in "abcd")
    assert chain.until("register") == "register"
    chain.all_ok(chain.registering(name) for name in chain.names)
    chain.until("commit")
    return chain


@provokes_on("ceremony.barred", _without_a_dealer)
def _(chain: Sealers) -> Envelope:
    return chain.committing("g")


def _dealing() -> Sealers:
    return Sealers().to_dealing()


@provokes_on("ceremony.commitment", _dealing)
def _(chain: Sealers) -> Envelope:
    return chain.showing("a", chain.dealing("a")._replace(vector=chain.dealing("b").vector))


def _longer_vector() -> Sealers:
    chain = Sealers()
    chain.all_ok(chain.registering(name) for name in chain.names)
    chain.until("commit")
    longer = (*chain.dealing("a").vector, POINT)
    chain.all_ok([chain.committing("a", longer), *map(chain.committing, "bcd")])
    chain.until("deal")
    return chain


@provokes_on("ceremony.vector", _longer_vector)
def _(chain: Sealers) -> Envelope:
    dealing = chain.dealing("a")
    return chain.showing("a", dealing._replace(vector=(*dealing.vector, POINT)))


@provokes_on("ceremony.shares", _dealing)
def _(chain: Sealers) -> Envelope:
    dealing = chain.dealing("a")
    return chain.showing("a", dealing._replace(shares=dealing.shares[:-1]))


@provokes_on("ceremony.note", _dealing)
def _(chain: Sealers) -> Envelope:
    dealing = chain.dealing("a")
    return chain.showing("a", dealing._replace(shares=dealing.shares[::-1]))


@provokes_on("ceremony.dealer", lambda: _dealing().to_complaints(silent=["d"]))
def _(chain: Sealers) -> Envelope:
    now = chain.now()
    return chain.say("a", Complain(now.epoch, now.attempt, "d", bytes(REVEALED_BYTES)))


@provokes_on("ceremony.shown", lambda: _dealing().to_complaints())
def _(chain: Sealers) -> Envelope:
    now = chain.now()
    return chain.say("a", Complain(now.epoch, now.attempt, "d", bytes(REVEALED_BYTES)))


@provokes("share.opening")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", GiveShare(0, POINT, bytes(EQUAL_BYTES)))


def _asked() -> Sealers:
    chain = Sealers().with_key()
    chain.ask(chain.sealed(5))
    return chain


@provokes_on("share.proof", _asked)
def _(chain: Sealers) -> Envelope:
    return changed(chain.sharing("a", chain.opening(0)), point=POINT)
