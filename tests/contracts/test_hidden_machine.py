"""Any words about hidden money, honest and not, against a model that knows every opening; and faults that it finds.

Proofs are played by a judge that is told the openings and checks the statement itself: as sound as a proof, and fast.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import msgspec
import pytest
from hidden_world import account, entropy_of
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from ledger_world import Chain, change, make_genesis

from contracts import api
from contracts.api import BlockContext
from contracts.confidential import accounts, book, crediting, returning
from contracts.confidential.bodies import Accept, Deposit, Spend, Withdraw
from contracts.confidential.records import NoteKeys, RegisteredKey
from contracts.params import ConfidentialParams, PactParams
from contracts.receipts import OK
from contracts.schema import HIDDEN, HIDDEN_TOTAL, HIDDEN_TOTALS, NOTE_KEYS, PENDING
from contracts.state import State
from zk.group import ORDER, native
from zk.group.bases import bases
from zk.hashing import sha256
from zk.pedersen import commit
from zk.statements import spend as spending
from zk.statements import withdraw as withdrawing
from zk.statements.assertion import Assertion
from zk.statements.openings import Opening, total

NAMES = ("bio", "solar", "tenant")
OPENING_NANO = 1_000
RETURN_BLOCKS = 5
PARAMS = PactParams(confidential=ConfidentialParams(0, RETURN_BLOCKS))
NOTHING = Opening(0, bytes(32))
MEMBERS = st.sampled_from(NAMES)
HONEST = (None,) * 6


class Claimed(msgspec.Struct, frozen=True, array_like=True):
    """What stands for a proof: the openings of all points that it is about, and the tag it was made for."""

    tag: bytes
    openings: tuple[tuple[int, bytes], ...]


def judge(assertion: Assertion) -> bool:
    """Whether the statement is true, by the openings that the prover shows the judge alone."""
    try:
        claimed = msgspec.msgpack.decode(assertion.proof, type=Claimed)
    except msgspec.DecodeError:
        return False
    if assertion.kind == spending.KIND:
        stated = msgspec.msgpack.decode(assertion.instance, type=spending.Spend)
        sent = native.decode_point(stated.transfer)
        points, least = [sent, native.decode_point(stated.balance) - sent], [1, 0]
    else:
        taken = msgspec.msgpack.decode(assertion.instance, type=withdrawing.Withdraw)
        points, least = [native.decode_point(taken.balance) - book.of_amount(taken.amount)], [0]
    return claimed.tag == sha256(assertion.tag) and all(
        low <= value < 2**63 and commit(value, blinding) == point
        for point, low, (value, blinding) in zip(points, least, claimed.openings, strict=True)
    )


class Judged(Chain):
    def context(self) -> BlockContext:
        return super().context()._replace(proves=judge)


@cache
def committed(opening: Opening) -> bytes | None:
    return book.encoded(commit(opening.value % ORDER, opening.blinding))


class Money(RuleBasedStateMachine):
    """Members move money about. The model has an opening for everything, and the public balances."""

    def __init__(self) -> None:
        super().__init__()
        self.chain = Judged(make_genesis(PARAMS, balances=dict.fromkeys(NAMES, OPENING_NANO)))
        for name in NAMES:
            keys = NoteKeys((RegisteredKey(bases().H.to_bytes(), 0),))
            self.chain.store[NOTE_KEYS.key(name)] = msgspec.msgpack.encode(keys)
        self.public = dict.fromkeys(NAMES, OPENING_NANO)
        self.balances = dict.fromkeys(NAMES, NOTHING)
        self.credits = dict.fromkeys(NAMES, NOTHING)
        self.items: dict[int, tuple[str, str, Opening, int]] = {}
        """Sender, recipient, opening, and the block in which it returns."""
        self.next_item = 0
        self.rounds: dict[tuple[int, str], Opening] = {}
        self.count = 0

    def say(self, sender: str, body: Any, due: bool) -> bool:
        """Say it; whether it was done has to be what the model says."""
        code = self.chain.run(self.chain.say(sender, body))
        assert (code == OK) == due, (code, body)
        self.let_return()
        return due

    def let_return(self) -> None:
        """What the block that just ended gave back before its transactions."""
        height = self.chain.height
        for number, (sender, _, opening, due_height) in list(self.items.items()):
            if due_height <= height:
                self.credits[sender] = total([self.credits[sender], opening])
                del self.items[number]

    def due_soon(self, number: int) -> bool:
        """Whether the item goes back before the next transaction."""
        return self.items[number][3] <= self.chain.height + 1

    def blinding(self) -> bytes:
        self.count += 1
        return bytes(1) + entropy_of("blinding", self.count)[1:]

    def sequence(self, name: str) -> int:
        return account(self.chain, name).sequence

    @initialize(amount=st.integers(1, OPENING_NANO))
    def begin(self, amount: int) -> None:
        for name in NAMES[:2]:
            self.deposit(name, amount)

    @rule(name=MEMBERS, amount=st.integers(1, 2 * OPENING_NANO))
    def deposit(self, name: str, amount: int) -> None:
        if self.say(name, Deposit(amount), amount <= self.public[name]):
            self.public[name] -= amount
            self.balances[name] = self.balances[name].shifted(amount)

    @rule(name=MEMBERS, amount=st.integers(1, 900), stale=st.sampled_from((False, False, False, True)))
    def withdraw(self, name: str, amount: int, stale: bool) -> None:
        balance, own = self.balances[name], account(self.chain, name)
        rest = balance.shifted(-amount)
        body = Withdraw(amount, own.sequence + stale, b"")
        if own.balance is not None:
            asked = accounts.withdraw_assertion(self.chain.chain_id, own, own.balance, body)
            shown = msgspec.msgpack.encode(Claimed(sha256(asked.tag), ((max(rest.value, 0), rest.blinding),)))
            body = change(body, proof=shown)
        if self.say(name, body, own.balance is not None and rest.value >= 0 and not stale):
            self.public[name] += amount
            self.balances[name] = rest

    @rule(
        sender=MEMBERS,
        to=MEMBERS,
        data=st.data(),
        lie=st.sampled_from((*HONEST, "amount", "sequence", "to", "nothing")),
    )
    def spend(self, sender: str, to: str, data: Any, lie: str | None) -> None:
        balance, own = self.balances[sender], account(self.chain, sender)
        if lie != "to" and to == sender and data.draw(st.integers(0, 3)):
            to = NAMES[NAMES.index(sender) - 1]
        wrong = st.sampled_from((0, -1, balance.value + 1))
        amount = data.draw(wrong if lie == "amount" else st.integers(1, max(1, balance.value)))
        sent = Opening(amount, self.blinding())
        rest = balance.minus(sent)
        point = committed(sent)
        assert point is not None
        body = Spend(to, own.sequence, point, b"", b"note %d" % self.count, b"own %d" % self.count)
        if own.balance is not None:
            asked = accounts.spend_assertion(self.chain.chain_id, own, own.balance, body)
            openings = tuple((max(0, one.value), one.blinding) for one in (sent, rest))
            body = change(body, proof=msgspec.msgpack.encode(Claimed(sha256(asked.tag), openings)))
        match lie:
            case "sequence":
                body = change(body, sequence=own.sequence + 1)
            case "to":
                body = change(body, to=next(name for name in NAMES if name not in (to, sender)))
            case "nothing":
                body = change(body, proof=b"")
            case _:
                pass
        due = own.balance is not None and to != sender and lie is None and 1 <= amount <= balance.value
        if self.say(sender, body, due):
            self.balances[sender] = rest
            self.items[self.next_item] = sender, to, sent, self.chain.height + RETURN_BLOCKS
            self.next_item += 1

    @precondition(lambda self: self.items)
    @rule(data=st.data(), credits=st.booleans(), lie=st.sampled_from((*HONEST, "sequence", "others")))
    def accept(self, data: Any, credits: bool, lie: str | None) -> None:
        sender, name, _, _ = self.items[data.draw(st.sampled_from(sorted(self.items)))]
        name = sender if lie == "others" else name
        known = sorted(number for number, item in self.items.items() if lie == "others" or item[1] == name)
        chosen = data.draw(st.lists(st.sampled_from(known), min_size=1, unique=True))
        own = account(self.chain, name)
        self.take(name, tuple(sorted(chosen)), own.credits if credits else None, own.sequence + (lie == "sequence"))

    @rule(name=MEMBERS, lie=st.sampled_from((*HONEST, "credits", "nothing")))
    def accept_credits(self, name: str, lie: str | None) -> None:
        own = account(self.chain, name)
        wrong = bases().V.to_bytes() if own.credits != bases().V.to_bytes() else bases().H.to_bytes()
        self.take(name, (), {None: own.credits, "credits": wrong, "nothing": None}[lie], own.sequence)

    def take(self, name: str, numbers: tuple[int, ...], taken: bytes | None, sequence: int) -> None:
        own = account(self.chain, name)
        # What goes back before the word is executed waits no more, and changes the credits.
        returns = any(self.items[number][0] == name and self.due_soon(number) for number in self.items)
        fine = all(self.items[number][1] == name and not self.due_soon(number) for number in numbers)
        fine = fine and (taken is None or (taken == own.credits and not returns))
        fine = fine and sequence == own.sequence and bool(numbers or taken)
        gained = [self.items[number][2] for number in numbers]
        if self.say(name, Accept(sequence, numbers, taken, b"own"), fine):
            if taken is not None:
                gained.append(self.credits[name])
                self.credits[name] = NOTHING
            self.balances[name] = total([self.balances[name], *gained])
            for number in numbers:
                del self.items[number]

    @rule(buyer=MEMBERS, name=MEMBERS, amount=st.integers(0, 300), round_=st.integers(0, 3))
    def award(self, buyer: str, name: str, amount: int, round_: int) -> None:
        opening = Opening(amount, self.blinding())

        def pay(state: State, context: BlockContext) -> bool:
            returning.advance(state, context)
            if (round_, name) in self.rounds:
                return crediting.credit_award(state, context, name, committed(opening), b"", round_=round_) is not None
            if crediting.debit_public(state, buyer, amount) != OK:
                return False
            return crediting.credit_award(state, context, name, committed(opening), b"", round_=round_) is not None

        due = (round_, name) not in self.rounds and self.public[buyer] >= amount
        assert self.chain.decide(pay) == due
        self.let_return()
        if due:
            self.rounds[round_, name] = opening
            self.public[buyer] -= amount
            self.credits[name] = total([self.credits[name], opening])

    @rule()
    def time_passes(self) -> None:
        self.chain.block()
        self.let_return()

    @invariant()
    def every_point_is_what_the_model_says(self) -> None:
        held = native.IDENTITY
        for name in NAMES:
            own = account(self.chain, name)
            assert (own.balance, own.credits) == (committed(self.balances[name]), committed(self.credits[name]))
            mine = tuple(sorted(number for number, item in self.items.items() if item[1] == name))
            assert own.pending == mine
            assert self.chain.balance(name) == self.public[name]
            held += book.point(own.balance) + book.point(own.credits)
        keys = sorted(key for key in self.chain.store if key.startswith(PENDING.prefix))
        assert keys == [PENDING.key(number) for number in sorted(self.items)]
        for key in keys:
            held += book.point(PENDING.decode(self.chain.store[key]).commitment)
        sums = HIDDEN_TOTALS.decode(self.chain.store[HIDDEN_TOTAL])
        assert book.encoded(held) == sums.held, "the running sum is the sum"
        assert book.is_balanced(sums)
        hidden = total([*self.balances.values(), *self.credits.values(), *(item[2] for item in self.items.values())])
        assert hidden.value == sums.net_nano + sums.debited_nano, "everything that was debited was credited here"
        assert hidden.value + sum(self.public.values()) == OPENING_NANO * len(NAMES)
        assert len([key for key in self.chain.store if key.startswith(HIDDEN.prefix)]) <= len(NAMES)


TestMoney = Money.TestCase
TestMoney.settings = settings(max_examples=30, stateful_step_count=30)


# Faults that must not go unnoticed


class Fault(NamedTuple):
    """Text of one function that stands there once, and what takes its place."""

    function: Callable[..., Any]
    text: str
    instead: str


FAULTS = {
    "a spend whose proof nobody asks for": Fault(accounts.spend, 'return "confidential.proof"', "pass"),
    "a spend that adds what it sends": Fault(accounts.spend, "- commitment)", "+ commitment)"),
    "a spend that nobody can find": Fault(accounts.spend, "(*receiver.pending, item.number)", "receiver.pending"),
    "a spend to oneself": Fault(accounts.spend, 'return "confidential.self"', "pass"),
    "a withdrawal whose proof nobody asks for": Fault(accounts.withdraw, 'return "confidential.proof"', "pass"),
    "a withdrawal that pays one more": Fault(
        accounts.withdraw, "Holding(sender, received_nano)", "Holding(sender, received_nano + 1)"
    ),
    "a withdrawal that is not counted": Fault(accounts.withdraw, "sums.net_nano - body.amount_nano", "sums.net_nano"),
    "a deposit that costs nothing": Fault(
        accounts.deposit, "payer.balance_nano - body.amount_nano", "payer.balance_nano"
    ),
    "a sequence that nobody looks at": Fault(accounts._refused, "sequence != own.sequence", "False"),
    "items of others that one accepts": Fault(accounts.accept, "not waiting.issuperset(body.items)", "False"),
    "an item that stays when it was accepted": Fault(accounts.accept, "book.remove_item(state, item)", "pass"),
    "an item that is lost when it is accepted": Fault(
        accounts.accept, "balance += book.point(item.commitment)", "pass"
    ),
    "credits that are what one says": Fault(accounts.accept, "body.credits != own.credits", "False"),
    "credits that stay when they were accepted": Fault(accounts.accept, "credits=None, newest=None", "newest=None"),
    "an award that comes twice": Fault(crediting.credit_award, "is not None:", "is None and False:"),
    "an award that nobody pays": Fault(
        crediting.debit_public, "payer.balance_nano - amount_nano", "payer.balance_nano"
    ),
    "a credit in place of the others": Fault(crediting._add, "book.point(own.credits) + ", ""),
    "an item that goes back to the wrong one": Fault(crediting.give_back, "item.sender, name", "item.to, name"),
    "an item that goes back and stays": Fault(crediting.give_back, "book.remove_item(state, item)", "pass"),
    "an item that goes back too late": Fault(
        returning.advance, "item.due_height > context", "item.due_height >= context"
    ),
    "a running sum that only grows": Fault(book._hold, "held -= point(one)", "pass"),
}


def planted(fault: Fault, patch: pytest.MonkeyPatch) -> None:
    """Put the function with the fault in the place of the sound one, wherever that is known."""
    source = textwrap.dedent(inspect.getsource(fault.function))
    assert source.count(fault.text) == 1
    name, scope = fault.function.__name__, fault.function.__globals__
    made: dict[str, Any] = {}
    exec(source.replace(fault.text, fault.instead).replace("from __future__", "#"), scope, made)
    patch.setitem(scope, name, made[name])
    for body, (key, handler) in api._HANDLERS.items():
        if handler is fault.function:
            patch.setitem(api._HANDLERS, body, (key, made[name]))


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_planted_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(FAULTS[fault], monkeypatch)
    quick = settings(max_examples=100, stateful_step_count=20, phases=(Phase.generate,), database=None)
    with pytest.raises((AssertionError, ValueError)):
        run_state_machine_as_test(Money, settings=quick)
