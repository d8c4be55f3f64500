"""Members with hidden money: what their wallets know, and the words that they make of it, with real proofs."""

from __future__ import annotations

from typing import NamedTuple

from ledger_world import Chain, change, make_genesis

from contracts.bodies import AccountBody
from contracts.confidential import book, crediting, keys
from contracts.confidential.bodies import Accept, Deposit, RegisterNoteKey, Spend, Withdraw
from contracts.confidential.keys import note_key
from contracts.confidential.records import Credit, HiddenAccount
from contracts.context import BlockContext
from contracts.envelope import AccountEnvelope
from contracts.params import ConfidentialParams, PactParams
from contracts.schema import CREDITS, PENDING
from contracts.state import State
from node.wallet import account as wallet
from node.wallet.account import Found, Owner, Seen
from node.wallet.openings import Openings
from zk import notes, pedersen
from zk.hashing import sha256
from zk.statements import logarithm
from zk.statements import spend as spending
from zk.statements import withdraw as withdrawing
from zk.statements.assertion import Where
from zk.statements.openings import Opening

RETURN_BLOCKS = 20
FEE = 1_000
PARAMS = PactParams(confidential=ConfidentialParams(FEE, RETURN_BLOCKS))


def entropy_of(*parts: object) -> bytes:
    """Entropy of one proof of this world."""
    return sha256(repr(parts).encode())


def note_secret(member: str) -> bytes:
    """Of the key of a member in this world."""
    return notes.secret_of(sha256(member.encode()))


def blinding(*parts: object) -> bytes:
    """A blinding of this world."""
    return bytes(1) + entropy_of(*parts)[1:]


class Sent(NamedTuple):
    """A spend, and what its sender's wallet knows afterwards."""

    body: Spend
    sent: Opening
    rest: Opening


def register(chain: Chain, member: str, secret: bytes | None = None) -> RegisterNoteKey:
    """A note key with its proof of possession."""
    secret = secret or note_secret(member)
    where = Where(chain.chain_id, member)
    proof = logarithm.prove_known("possession", where, secret, keys.BOUND, entropy=entropy_of(member))
    return RegisterNoteKey(logarithm.public_point(secret), proof)


def account(chain: Chain, member: str) -> HiddenAccount:
    return book.account(State(chain.store), member)


def spend(chain: Chain, sender: str, balance: Opening, to: str, amount: int, note: bytes = b"note") -> Sent:
    """A spend from the account as it stands."""
    where = Where(chain.chain_id, sender, account(chain, sender).sequence)
    entropy = entropy_of(chain.chain_id, where, amount)
    sent = spending.transfer(where, balance, amount, entropy)
    commitment, proof = spending.prove(where, balance, sent, to, sha256(note), entropy=entropy)
    return Sent(Spend(to, where.at, commitment, proof, note, b"own"), sent, balance.minus(sent))


def withdraw(chain: Chain, member: str, balance: Opening, amount: int) -> Withdraw:
    """A withdrawal from the account as it stands."""
    where = Where(chain.chain_id, member, account(chain, member).sequence)
    proof = withdrawing.prove(where, balance, amount, entropy=entropy_of(where, amount))
    return Withdraw(amount, where.at, proof)


def accept(chain: Chain, member: str, *items: int, credits: bool = False) -> AccountEnvelope:
    own = account(chain, member)
    return chain.say(member, Accept(own.sequence, items, own.credits if credits else None, b"own"))


def fresh(**fields: object) -> Chain:
    """A chain on which everybody but the utility has a note key."""
    chain = Chain(make_genesis(change(PARAMS, **fields)))
    for name in ("bio", "campus", "solar", "tenant"):
        assert chain.run(chain.say(name, register(chain, name))) == "ok"
    return chain


def deposited(amount: int = 1_000, member: str = "solar") -> tuple[Chain, Opening]:
    chain = fresh()
    assert chain.run(chain.say(member, Deposit(amount))) == "ok"
    return chain, Opening(amount, bytes(32))


def opens(encoded: bytes | None, opening: Opening) -> bool:
    return book.point(encoded) == pedersen.commit(opening.value, opening.blinding)


def unchanged(chain: Chain, code: str, sender: str, body: object) -> None:
    """The word is refused with this code, and nothing of hidden money moves."""
    chain.block()
    before = {key: raw for key, raw in chain.store.items() if not key.startswith(b"account/")}
    assert chain.run(chain.say(sender, body)) == code
    assert {key: raw for key, raw in chain.store.items() if not key.startswith(b"account/")} == before


def award(chain: Chain, member: str, opening: Opening, round_: int = 7) -> bool:
    point = pedersen.commit(opening.value, opening.blinding).to_bytes()

    def pay(state: State, context: BlockContext) -> bool:
        made = crediting.credit_award(state, context, member, point, b"note", round_=round_)
        return made is not None

    return chain.decide(pay)


# As a wallet sees it, with nothing but the notes


def seen(chain: Chain, owner: Owner) -> Seen:
    state = State(chain.store)
    own, credits = book.account(state, owner.member), list[Credit]()
    items = [PENDING.decode(chain.store[PENDING.key(number)]) for number in own.pending]
    name = own.newest
    while name is not None:
        credits.append(CREDITS.decode(chain.store[book.credit_key(owner.member, name)]))
        name = credits[-1].previous
    return Seen(chain.chain_id, own, note_key(state, owner.member), tuple(items), tuple(credits))


def found(chain: Chain, owner: Owner) -> Found:
    """By the notes alone."""
    return wallet.find(seen(chain, owner), owner, Openings())


def take(chain: Chain, owner: Owner) -> None:
    opened = found(chain, owner)
    shown = seen(chain, owner)
    word = wallet.accept(
        shown,
        owner,
        opened.balance or wallet.NOTHING,
        opened,
        sorted(opened.items),
        shown.own.credits is not None,
        b"e" * 32,
    )
    said(chain, owner, word.body)


def said(chain: Chain, owner: Owner, body: AccountBody) -> None:
    assert chain.run(chain.say(owner.member, body)) == "ok"
