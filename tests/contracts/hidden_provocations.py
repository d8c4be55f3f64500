"""One way to provoke each refusal about hidden money; with all others, `CASES` has them all."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from carbon_provocations import CASES
from hidden_world import account, note_secret, register
from ledger_world import Chain, change, make_genesis
from provocations import PARAMS, provokes_on

from contracts.bodies import AccountBody
from contracts.confidential.bodies import MAX_PENDING, Accept, Deposit, RegisterNoteKey, Spend, Withdraw
from contracts.confidential.records import MAX_NOTE_KEYS, NoteKeys, RegisteredKey
from contracts.envelope import Envelope
from contracts.schema import HIDDEN, HIDDEN_TOTAL, HIDDEN_TOTALS, NOTE_KEYS
from contracts.units import MAX_COUNT
from zk.group.bases import bases

__all__ = ["CASES"]

POINT = bases().H.to_bytes()
SPEND = Spend("bio", 1, POINT, b"", b"", b"")


def stands() -> Chain:
    """A chain on which solar hid some money, and bio can be told how much it gets."""
    chain = Chain(make_genesis(PARAMS))
    assert chain.run(chain.say("bio", register(chain, "bio"))) == "ok"
    assert chain.run(chain.say("solar", Deposit(1_000))) == "ok"
    return chain


def provokes(code: str) -> Callable[[Callable[[Chain], Envelope]], None]:
    """Register the way to provoke `code` on such a chain."""
    return provokes_on(code, stands)


def said(code: str, body: AccountBody, sender: str = "solar") -> None:
    """This word is refused."""
    provokes(code)(lambda chain: chain.say(sender, body))


def keep(chain: Chain, key: bytes, record: msgspec.Struct) -> None:
    """Let this be on record."""
    chain.store[key] = msgspec.msgpack.encode(record)


said("confidential.possession", RegisterNoteKey(POINT, bytes(80)))
said("confidential.empty", change(SPEND, to="solar"), "bio")
said("confidential.sequence", change(SPEND, sequence=0))
said("confidential.self", change(SPEND, to="solar"))
said("confidential.recipient", change(SPEND, to="campus"))
said("confidential.point", change(SPEND, commitment=bytes(48)))
said("confidential.proof", Withdraw(1_001, 1, b""))
said("confidential.nothing", Accept(1, (), None, b""))
said("confidential.item", Accept(1, (0,), None, b""))
said("confidential.credits", Accept(1, (), POINT, b""))


@provokes("confidential.key-same")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", register(chain, "bio"))


@provokes("confidential.key-full")
def _(chain: Chain) -> Envelope:
    keep(chain, NOTE_KEYS.key("bio"), NoteKeys((RegisteredKey(POINT, 1),) * MAX_NOTE_KEYS))
    return chain.say("bio", register(chain, "bio", note_secret("another")))


@provokes("confidential.sequence-full")
def _(chain: Chain) -> Envelope:
    keep(chain, HIDDEN.key("solar"), change(account(chain, "solar"), sequence=MAX_COUNT))
    return chain.say("solar", Deposit(1))


@provokes("confidential.pending-full")
def _(chain: Chain) -> Envelope:
    keep(chain, HIDDEN.key("bio"), change(account(chain, "bio"), pending=tuple(range(MAX_PENDING))))
    return chain.say("solar", SPEND)


@provokes("confidential.items-full")
def _(chain: Chain) -> Envelope:
    sums = HIDDEN_TOTALS.decode(chain.store[HIDDEN_TOTAL])
    keep(chain, HIDDEN_TOTAL, change(sums, next_item=MAX_COUNT, first_item=MAX_COUNT))
    return chain.say("solar", SPEND)


@provokes("confidential.fee")
def _(chain: Chain) -> Envelope:
    assert chain.run(chain.pay("solar", "bio", chain.balance("solar"))) == "ok"
    return chain.say("solar", SPEND)
