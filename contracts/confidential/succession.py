"""Hidden money goes on when a chain is succeeded by another: the same points, so the same openings.

Nobody could have taken it out before: a chain is succeeded because it agrees on nothing any more. What waited for
somebody counts as returned. Notes keep the name of the chain that they were sealed on, so a wallet reads all of it from
the new chain alone. What such a document says is checked as every block is: it has to add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from contracts.confidential import book
from contracts.confidential.keys import note_key
from contracts.confidential.records import (
    CarriedAccount,
    CarriedCredit,
    Credit,
    CreditName,
    HiddenAccount,
    HiddenFounding,
    HiddenTotal,
    NoteKeys,
    PendingItem,
    RegisteredKey,
)
from contracts.schema import CREDITS, HIDDEN, HIDDEN_TOTAL, NOTE_KEYS, PENDING
from contracts.state import State
from contracts.units import MAX_MONEY
from zk.codec import encode
from zk.group import native


def carried(state: State, chain_id: str, members: Sequence[str]) -> HiddenFounding | None:
    """All hidden money of a state of the chain `chain_id`, and the note keys; None where there are neither."""
    own = {member: book.account(state, member) for member in sorted(members)}
    sent: dict[str, list[PendingItem]] = {}
    for receiver in own.values():
        for number in receiver.pending:
            item = state.load(PENDING, PENDING.key(number))
            assert item is not None, "what an account names as waiting does"
            sent.setdefault(item.sender, []).append(item)
    accounts = [_account(state, chain_id, one, sent.get(member, ())) for member, one in own.items()]
    going = tuple(one for one in accounts if one.sequence or one.note_key is not None or one.credits)
    if not going:
        return None
    sums = book.total(state)
    return HiddenFounding(sums.net_nano, sums.debited_nano, sums.next_item, going, sums.credited)


def problem(founding: HiddenFounding, members: AbstractSet[str]) -> str | None:
    """What is wrong with hidden money in a genesis document; None: a chain can begin with it."""
    names = [one.member for one in founding.accounts]
    if names != sorted(set(names)) or not members >= set(names):
        return "the accounts are not ascending by member, or one is nobody's"
    if not 0 <= founding.net_nano + founding.debited_nano <= MAX_MONEY:
        return f"{founding.net_nano + founding.debited_nano} nano are no amount that could be inside"
    try:
        balanced = book.is_balanced(_total(founding))
    except ValueError:
        return "a commitment is no point"
    return None if balanced else "the commitments do not add up to what went in and was awarded"


def opening_records(founding: HiddenFounding) -> dict[bytes, bytes]:
    """What state holds of it at the start, encoded."""
    records: dict[bytes, bytes] = {HIDDEN_TOTAL: encode(_total(founding))}
    for one in founding.accounts:
        names = [CreditName("carried", number) for number in range(len(one.credits))]
        for number, (name, credit) in enumerate(zip(names, one.credits, strict=True)):
            previous = names[number - 1] if number else None
            record = Credit(
                one.member,
                name,
                credit.commitment,
                credit.note,
                credit.sequence,
                previous,
                0,
                credit.noted_on,
                credit.name,
            )
            records[book.credit_key(one.member, name)] = encode(record)
        account = HiddenAccount(
            one.member,
            one.sequence,
            one.balance,
            one.note,
            one.note_sequence,
            one.since_nano,
            (),
            book.encoded(_sum(one.credits)),
            names[-1] if names else None,
            one.noted_on,
        )
        records[HIDDEN.key(one.member)] = encode(account)
        if one.note_key is not None:
            records[NOTE_KEYS.key(one.member)] = encode(NoteKeys((RegisteredKey(one.note_key, 0),)))
    return records


def _account(state: State, chain_id: str, own: HiddenAccount, sent: Sequence[PendingItem]) -> CarriedAccount:
    credits: list[CarriedCredit] = []
    name = own.newest
    while name is not None:
        credit = state.load(CREDITS, book.credit_key(own.member, name))
        assert credit is not None, "a credit that is named is on record"
        if credit.commitment is not None:
            noted_on, noted_as = credit.noted_on or chain_id, credit.noted_as or name
            credits.append(CarriedCredit(noted_as, credit.commitment, credit.note, credit.sequence, noted_on))
        name = credit.previous
    credits.reverse()
    for item in sent:
        back = CreditName("return", item.number)
        credits.append(CarriedCredit(back, item.commitment, item.own_note, item.sequence, chain_id))
    return CarriedAccount(
        member=own.member,
        sequence=own.sequence,
        note=own.note,
        note_sequence=own.note_sequence,
        since_nano=own.since_nano,
        noted_on=own.noted_on or chain_id,
        balance=own.balance,
        note_key=note_key(state, own.member),
        credits=tuple(credits),
    )


def _total(founding: HiddenFounding) -> HiddenTotal:
    held = native.IDENTITY
    for one in founding.accounts:
        held += book.point(one.balance) + _sum(one.credits)
    first = founding.next_item
    return HiddenTotal(founding.net_nano, founding.debited_nano, book.encoded(held), founding.credited, first, first)


def _sum(credits: Sequence[CarriedCredit]) -> native.Point:
    total = native.IDENTITY
    for one in credits:
        total += book.point(one.commitment)
    return total
