"""What a wallet opens of what the ledger shows: nothing that does not open the very commitment that stands there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

import msgspec
import pytest

from contracts.confidential import book
from contracts.confidential.records import Credit, CreditName, HiddenAccount, PendingItem
from contracts.schema import HIDDEN, NOTE_KEYS
from node.agents.proven import Proven, ProvenLedger
from node.errors import NodeError
from node.wallet import account
from node.wallet.account import NOTHING, Owner, Seen
from node.wallet.openings import Openings
from zk import notes
from zk.hashing import sha256
from zk.pedersen import commit
from zk.statements.openings import Opening, told

CHAIN = "test-0123"
SOLAR = Owner("solar", notes.secret_of(sha256(b"solar")))
BIO = Owner("bio", notes.secret_of(sha256(b"bio")))
ENTROPY = sha256(b"entropy")


def blinded(value: int) -> Opening:
    return Opening(value, bytes(1) + sha256(b"%d" % value)[1:])


def point(opening: Opening) -> bytes:
    return commit(opening.value, opening.blinding).to_bytes()


def seen(balance: Opening | None = None, **fields: object) -> Seen:
    own = HiddenAccount("solar", 3, None if balance is None else point(balance), b"", 0, 0, (), None, None)
    return Seen(CHAIN, msgspec.structs.replace(own, **fields), notes.public(SOLAR.note_secret), (), ())


def paid(number: int, opening: Opening, shown: Opening | None = None, to: bytes | None = None) -> PendingItem:
    """An item whose note says `shown` in place of the truth."""
    note = notes.seal(
        to or notes.public(SOLAR.note_secret),
        told("spend", shown or opening),
        entropy=ENTROPY,
        purpose="spend",
        chain_id=CHAIN,
        epoch=9,
        sender="bio",
        recipient="solar",
    )
    return PendingItem(number, "bio", "solar", point(opening), note, b"", 9, 1, 100)


def test_an_item_counts_only_if_its_note_opens_its_own_commitment() -> None:
    fine = paid(0, blinded(5))
    lies = paid(1, blinded(5), shown=blinded(6))
    elsewhere = paid(2, blinded(7), to=notes.public(BIO.note_secret))
    copied = msgspec.structs.replace(paid(3, blinded(8)), note=fine.note)
    moved = msgspec.structs.replace(paid(4, blinded(9)), sequence=10)
    short = msgspec.structs.replace(paid(5, blinded(9)), note=b"short")
    kept = msgspec.structs.replace(paid(6, blinded(9)), note=b"")
    items = (fine, lies, elsewhere, copied, moved, short, kept)
    found = account.find(seen()._replace(items=items), SOLAR, Openings())
    assert found.items == {0: blinded(5)}
    assert found.lost == tuple(f"item {number} from bio" for number in range(1, 7))


def test_credits_open_together_or_not_at_all() -> None:
    award = Credit("solar", CreditName("award", 4), point(blinded(30)), b"", 0, None, 1)
    award = msgspec.structs.replace(award, note=account.award_note(CHAIN, SOLAR, 4, blinded(30), ENTROPY))
    empty = Credit("solar", CreditName("award", 5), None, b"", 0, award.name, 2)
    whole = point(blinded(30))
    shown = seen(credits=whole)._replace(credits=(empty, award))
    found = account.find(shown, SOLAR, Openings())
    assert found.credits == blinded(30) and found.lost == ()
    word = account.accept(shown, SOLAR, NOTHING, found, (), True, ENTROPY)
    assert word.body.credits == whole and word.balance == blinded(30)
    torn = shown._replace(credits=(empty, msgspec.structs.replace(award, note=b"")))
    lost = account.find(torn, SOLAR, Openings())
    assert lost.credits is None and lost.lost == ("award 4",)
    with pytest.raises(NodeError) as refused:
        account.accept(torn, SOLAR, NOTHING, lost, (), True, ENTROPY)
    assert refused.value.code == "wallet.unopenable"


def test_a_balance_is_found_by_its_note_and_what_came_and_went_since() -> None:
    before = blinded(100)
    word = account.withdraw(seen(before), SOLAR, before, 40, ENTROPY)
    assert word.balance == before.shifted(-40)
    sent = account.spend(seen(before), SOLAR, before, "bio", notes.public(BIO.note_secret), 30, ENTROPY)
    for since_nano in (0, 50, -60):
        after = sent.balance.shifted(since_nano)
        fields = {"note": sent.body.own_note, "note_sequence": 3, "since_nano": since_nano}
        assert account.noted_balance(seen(after, **fields), SOLAR) == after
        assert account.noted_balance(seen(after, **fields), BIO) is None
        assert account.noted_balance(seen(after, **{**fields, "note_sequence": 4}), SOLAR) is None
        assert account.noted_balance(seen(after, **{**fields, "since_nano": since_nano + 1}), SOLAR) is None
        assert account.noted_balance(seen(before, **fields), SOLAR) is None
    public = Opening(70, bytes(32))
    assert account.noted_balance(seen(public, since_nano=70), SOLAR) == public
    assert account.noted_balance(seen(public, since_nano=-1), SOLAR) is None


def test_recovery_needs_the_key_and_nothing_else_and_remembers_only_what_opens() -> None:
    before = blinded(100)
    sent = account.spend(seen(before), SOLAR, before, "bio", notes.public(BIO.note_secret), 30, ENTROPY)
    back = Credit("solar", CreditName("return", 7), sent.body.commitment, sent.body.own_note, 3, None, 1)
    shown = seen(sent.balance, note=sent.body.own_note, note_sequence=3, credits=sent.body.commitment)
    shown = shown._replace(items=(paid(0, blinded(5)), paid(1, blinded(5), shown=blinded(6))), credits=(back,))
    openings = Openings()
    found = account.recover(shown, SOLAR, openings)
    assert found.balance == sent.balance and found.credits is not None and found.credits.value == 30
    assert len(openings) == 3 and openings.find(sent.body.commitment) == found.credits
    assert account.balance_of(shown, openings) == sent.balance
    assert len(account.recover(shown, BIO, Openings()).lost) == 4


def test_the_recipient_opens_what_was_sent_and_nobody_else() -> None:
    before = blinded(100)
    word = account.spend(seen(before), SOLAR, before, "bio", notes.public(BIO.note_secret), 30, ENTROPY)
    item = PendingItem(0, "solar", "bio", word.body.commitment, word.body.note, word.body.own_note, 3, 1, 9)
    own = HiddenAccount("bio", 0, None, b"", 0, 0, (0,), None, None)
    theirs = Seen(CHAIN, own, notes.public(BIO.note_secret), (item,), ())
    assert account.find(theirs, BIO, Openings()).items[0].value == 30
    assert account.find(theirs, SOLAR, Openings()).items == {}


def test_a_walk_over_credits_goes_on_where_an_answer_ends_and_never_skips_one() -> None:
    """Two answers, each with one credit."""
    names = [CreditName("award", number) for number in range(3)]
    credits = [
        Credit("solar", name, point(blinded(1 + number)), b"", 0, names[number - 1] if number else None, 1)
        for number, name in enumerate(names)
    ]
    own = HiddenAccount("solar", 1, None, b"", 0, 0, (), point(blinded(9)), names[-1])
    records = {HIDDEN.key("solar"): msgspec.msgpack.encode(own), NOTE_KEYS.key("solar"): None}
    keys = [book.credit_key("solar", name) for name in names]
    answers: list[Mapping[bytes, bytes | None]] = [
        records | {keys[2]: msgspec.msgpack.encode(credits[2])},
        {keys[1]: msgspec.msgpack.encode(credits[1])},
        {keys[0]: msgspec.msgpack.encode(credits[0])},
    ]

    class Ledger:
        chain_id = CHAIN

        async def ask(self, read: object, *_: object, **__: object) -> object:
            assert callable(read)
            return read(Proven(1, 1, answers.pop(0)))

    found = asyncio.run(account.look(cast(ProvenLedger, Ledger()), "solar", 0))
    assert [credit.name.number for credit in found.credits] == [2, 1, 0] and not answers
