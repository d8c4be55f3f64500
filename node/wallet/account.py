"""Hidden money as its owner sees it: what the ledger shows of it, opened, and the words that move it.

What the ledger shows comes proven (`node.agents.proven`), and nothing counts as opened that does not open the very
commitment on the ledger: a node that lies makes a wallet wait, a sender that lies makes an item stay where it is. Draws
no randomness: `entropy` comes from the caller. Every word carries a note to the owner's own key, from which `recover`
reads all of it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from contracts.codes import describe
from contracts.confidential import book
from contracts.confidential.bodies import Accept, RegisterNoteKey, Spend, Withdraw
from contracts.confidential.keys import BOUND, note_key
from contracts.confidential.records import Credit, CreditName, HiddenAccount, PendingItem
from contracts.schema import CREDITS, PENDING
from contracts.state import State
from node.agents.proven import Proven, ProvenLedger
from node.errors import NodeError
from node.wallet.openings import Openings
from zk import notes
from zk.hashing import sha256
from zk.pedersen import commit
from zk.statements import logarithm
from zk.statements import spend as spending
from zk.statements import withdraw as withdrawing
from zk.statements.assertion import Where
from zk.statements.openings import Opening, Told, read, told, total

B = TypeVar("B", Spend, Withdraw, Accept)
BALANCE = "balance"
ITEM = "item"
CREDIT = "credit"
NOTHING = Opening(0, bytes(32))


class Seen(NamedTuple):
    """What the ledger shows of one member's hidden money."""

    chain_id: str
    own: HiddenAccount
    note_key: bytes | None
    items: tuple[PendingItem, ...]
    credits: tuple[Credit, ...]
    """Not accepted yet, newest first."""


class Owner(NamedTuple):
    """Who opens: a member's secrets on one chain."""

    member: str
    note_secret: bytes
    """32 bytes, of its note key; see `zk.notes.secret_of`."""


class Word(NamedTuple, Generic[B]):
    """What is about to be said, and what opens the balance once it was."""

    body: B
    balance: Opening


class Found(NamedTuple):
    """What opens of a member's hidden money."""

    balance: Opening | None
    """None: lost, or there is none."""
    items: dict[int, Opening]
    credits: Opening | None
    """All of them together; None: one of them does not open."""
    lost: tuple[str, ...]
    """What does not open, for people."""


async def look(ledger: ProvenLedger, member: str, least_height: int) -> Seen:
    """What nodes prove of a member's hidden money, as of `least_height` or later. Raises `Unproven`."""

    def whole(proven: Proven) -> tuple[Seen, CreditName | None]:
        state = State(proven)
        own = book.account(state, member)
        items = [state.load(PENDING, PENDING.key(number)) for number in own.pending]
        waiting = tuple(item for item in items if item is not None)
        credits, more = _walk(proven, member, own.newest)
        return Seen(ledger.chain_id, own, note_key(state, member), waiting, credits), more

    seen, more = await ledger.ask(whole, "hidden", member, least_height=least_height)
    while more is not None:
        name = more

        def further(proven: Proven, name: CreditName = name) -> tuple[tuple[Credit, ...], CreditName | None]:
            return _walk(proven, member, name)

        credits, more = await ledger.ask(
            further, "credits", member, name.source, name.number, least_height=least_height
        )
        seen = seen._replace(credits=(*seen.credits, *credits))
    return seen


async def key_of(ledger: ProvenLedger, member: str) -> bytes:
    """The point that nodes prove to be a member's note key. Raises `Unproven`, NodeError `confidential.recipient`."""
    found = await ledger.ask(lambda proven: note_key(State(proven), member), "note-key", member)
    if found is None:
        raise _said("confidential.recipient")
    return found


# What opens


def balance_of(seen: Seen, openings: Openings) -> Opening:
    """The opening of the balance. Raises NodeError `confidential.empty`, `wallet.opening-lost`."""
    if seen.own.balance is None:
        raise _said("confidential.empty")
    known = openings.find(seen.own.balance)
    if known is None:
        raise NodeError(
            "wallet.opening-lost",
            f"The wallet does not open the balance of {seen.own.member} as it stands on the ledger.",
            "It is lost here or older than the last payment; the ledger has it: `gridpact wallet recover`.",
        )
    return known


def find(seen: Seen, owner: Owner, openings: Openings) -> Found:
    """What the wallet opens of all that the ledger shows, by what it remembers or by the notes."""
    lost: list[str] = []
    balance = None
    if seen.own.balance is not None:
        balance = openings.find(seen.own.balance) or noted_balance(seen, owner)
        if balance is None:
            lost.append("the balance")
    items: dict[int, Opening] = {}
    for item in seen.items:
        opened = openings.find(item.commitment) or _item(seen, owner, item)
        if opened is None:
            lost.append(f"item {item.number} from {item.sender}")
        else:
            items[item.number] = opened
    parts: list[Opening] = []
    for credit in seen.credits:
        part = (
            NOTHING if credit.commitment is None else openings.find(credit.commitment) or _credit(seen, owner, credit)
        )
        if part is None:
            lost.append(f"{credit.name.source} {credit.name.number}")
        else:
            parts.append(part)
    credits = total(parts) if len(parts) == len(seen.credits) else None
    return Found(balance, items, credits, tuple(lost))


def noted_balance(seen: Seen, owner: Owner) -> Opening | None:
    """The opening of the balance by the owner's note on the ledger, and what has come and gone in public since."""
    own, last = seen.own, NOTHING
    if own.note:
        noted = _noted(own.noted_on or seen.chain_id, owner, own.note, "own", own.note_sequence, owner.member)
        if noted is None:
            return None
        # A spend notes what it sent, then what stayed; an acceptance the balance alone.
        last = noted.opening(len(noted.openings) - 1)
    value = last.value + own.since_nano
    return _opens(Opening(value, last.blinding), own.balance) if value >= 0 else None


def recover(seen: Seen, owner: Owner, openings: Openings) -> Found:
    """Read everything from the notes on the ledger into `openings`, whatever they had."""
    found = find(seen, owner, Openings())
    if found.balance is not None:
        openings.keep(BALANCE, owner.member, found.balance)
    for number, opened in found.items.items():
        openings.keep(ITEM, str(number), opened)
    for credit in seen.credits:
        part = None if credit.commitment is None else _credit(seen, owner, credit)
        if part is not None:
            openings.keep(CREDIT, f"{credit.name.source} {credit.name.number}", part)
    return found


def _item(seen: Seen, owner: Owner, item: PendingItem) -> Opening | None:
    noted = _noted(seen.chain_id, owner, item.note, "spend", item.sequence, item.sender)
    return None if noted is None else _opens(noted.opening(0), item.commitment)


def _credit(seen: Seen, owner: Owner, credit: Credit) -> Opening | None:
    name = credit.noted_as or credit.name
    purpose, epoch = ("award", name.number) if name.source == "award" else ("own", credit.sequence)
    noted = _noted(credit.noted_on or seen.chain_id, owner, credit.note, purpose, epoch, owner.member)
    return None if noted is None else _opens(noted.opening(0), credit.commitment)


def _noted(chain_id: str, owner: Owner, note: bytes, purpose: str, epoch: int, sender: str) -> Told | None:
    plain = notes.open_(
        owner.note_secret,
        note,
        purpose=purpose,
        chain_id=chain_id,
        epoch=epoch,
        sender=sender,
        recipient=owner.member,
    )
    said = None if plain is None else read(plain)
    return said if isinstance(said, Told) else None


def _opens(opening: Opening, commitment: bytes | None) -> Opening | None:
    """The opening, if it is one of this commitment."""
    try:
        return opening if commit(*opening).to_bytes() == commitment else None
    except ValueError:
        return None


def _walk(proven: Proven, member: str, name: CreditName | None) -> tuple[tuple[Credit, ...], CreditName | None]:
    """Credits from one on as far as they are shown, and the first that is not."""
    state, found = State(proven), list[Credit]()
    while name is not None and book.credit_key(member, name) in proven.records:
        credit = state.load(CREDITS, book.credit_key(member, name))
        assert credit is not None, "a credit that is named is on record"
        found.append(credit)
        name = credit.previous
    return tuple(found), name


# What is said


def registration(chain_id: str, owner: Owner, entropy: bytes) -> RegisterNoteKey:
    """The owner's note key with its proof of possession."""
    proof = logarithm.prove_known(
        "possession", Where(chain_id, owner.member), owner.note_secret, BOUND, entropy=entropy
    )
    return RegisterNoteKey(notes.public(owner.note_secret), proof)


def spend(
    seen: Seen,
    owner: Owner,
    balance: Opening,
    to: str,
    to_key: bytes,
    amount_nano: int,
    entropy: bytes,
    sent: Opening | None = None,
) -> Word[Spend]:
    """Pay a member. `sent` opens the commitment that has to be spent, where a bill says which; its value is the amount.
    Raises NodeError `wallet.insufficient`."""
    _demand(balance, amount_nano)
    where = _where(seen, owner)
    sent = sent or spending.transfer(where, balance, amount_nano, entropy)
    rest = balance.minus(sent)
    note = notes.seal(
        to_key,
        told("spend", sent),
        entropy=entropy,
        purpose="spend",
        chain_id=seen.chain_id,
        epoch=where.at,
        sender=owner.member,
        recipient=to,
    )
    commitment, proof = spending.prove(where, balance, sent, to, sha256(note), entropy=entropy)
    own_note = _to_oneself(seen, owner, "spend", (sent, rest), entropy)
    return Word(Spend(to, where.at, commitment, proof, note, own_note), rest)


def withdraw(seen: Seen, owner: Owner, balance: Opening, amount_nano: int, entropy: bytes) -> Word[Withdraw]:
    """Take money out. Raises NodeError `wallet.insufficient`."""
    _demand(balance, amount_nano)
    where = _where(seen, owner)
    proof = withdrawing.prove(where, balance, amount_nano, entropy=entropy)
    return Word(Withdraw(amount_nano, where.at, proof), balance.shifted(-amount_nano))


def accept(
    seen: Seen, owner: Owner, balance: Opening, found: Found, numbers: Sequence[int], credits: bool, entropy: bytes
) -> Word[Accept]:
    """Take in items that open, and all credits if asked for. Raises NodeError `wallet.unopenable`,
    `confidential.item`, `confidential.nothing`."""
    waiting = [item.number for item in seen.items]
    for number in numbers:
        if number not in waiting:
            raise _said("confidential.item")
        if number not in found.items:
            raise NodeError(
                "wallet.unopenable",
                f"Item {number} does not open: accepted, it would make the whole balance useless.",
                "Leave it: it goes back to its sender by itself.",
            )
    taken = seen.own.credits if credits else None
    if taken is not None and found.credits is None:
        raise NodeError(
            "wallet.unopenable",
            "One of the credits does not open, so their sum would make the balance useless.",
            "Restore the wallet that knows it (`gridpact wallet restore`), and leave the credits until then.",
        )
    if not numbers and taken is None:
        raise _said("confidential.nothing")
    parts = [balance, *(found.items[number] for number in sorted(set(numbers)))]
    after = total(parts if taken is None or found.credits is None else [*parts, found.credits])
    own_note = _to_oneself(seen, owner, "accept", (after,), entropy)
    return Word(Accept(seen.own.sequence, tuple(sorted(set(numbers))), taken, own_note), after)


def award_note(chain_id: str, owner: Owner, round_: int, credited: Opening, entropy: bytes) -> bytes:
    """What goes with a proof of delivery: the opening of p*(Q - uV), from which this wallet finds the credit again."""
    return notes.seal(
        notes.public(owner.note_secret),
        told("award", credited),
        entropy=entropy,
        purpose="award",
        chain_id=chain_id,
        epoch=round_,
        sender=owner.member,
        recipient=owner.member,
    )


def _demand(balance: Opening, amount_nano: int) -> None:
    if not 1 <= amount_nano <= balance.value:
        raise NodeError(
            "wallet.insufficient",
            f"The hidden balance is {balance.value} nano, and {amount_nano} are asked for.",
            "Deposit or accept more first, or ask for 1 to what there is: gridpact wallet show",
        )


def _where(seen: Seen, owner: Owner) -> Where:
    return Where(seen.chain_id, owner.member, seen.own.sequence)


def _to_oneself(seen: Seen, owner: Owner, kind: str, openings: Sequence[Opening], entropy: bytes) -> bytes:
    return notes.seal(
        notes.public(owner.note_secret),
        told(kind, *openings),
        entropy=entropy,
        purpose="own",
        chain_id=seen.chain_id,
        epoch=seen.own.sequence,
        sender=owner.member,
        recipient=owner.member,
    )


def _said(code: str) -> NodeError:
    said = describe(code)
    return NodeError(code, said.message, said.hint)
