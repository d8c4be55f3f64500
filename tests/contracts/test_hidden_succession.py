"""Hidden money outlives its chain: every point is carried over, and its owner opens it there with its key alone."""

from __future__ import annotations

import pytest
from hidden_world import entropy_of, found, note_secret, register, said, seen, take
from ledger_world import Chain, change, make_genesis

from contracts.confidential import crediting
from contracts.confidential.bodies import Deposit
from contracts.confidential.records import CarriedAccount, HiddenFounding
from contracts.confidential.succession import problem
from contracts.genesis import CODEC, Genesis
from contracts.params import ConfidentialParams, PactParams
from contracts.state import State
from contracts.succession import successor
from node.wallet import account
from node.wallet.account import NOTHING, Owner
from zk import notes, pedersen
from zk.codec import encode
from zk.group.bases import bases
from zk.statements.openings import Opening

SOLAR, BIO = (Owner(name, note_secret(name)) for name in ("solar", "bio"))
PARAMS = PactParams(confidential=ConfidentialParams(0, 3))


def pay(chain: Chain, sender: Owner, to: Owner, amount: int) -> None:
    balance = found(chain, sender).balance
    assert balance is not None
    to_key = notes.public(to.note_secret)
    word = account.spend(seen(chain, sender), sender, balance, to.member, to_key, amount, entropy_of(amount))
    said(chain, sender, word.body)


def lived() -> Chain:
    """300 of solar's 1,000 are bio's, 40 came back from bio, 50 were awarded, 200 wait for bio."""
    chain = Chain(make_genesis(PARAMS))
    for owner in (SOLAR, BIO):
        said(chain, owner, register(chain, owner.member, owner.note_secret))
    said(chain, SOLAR, Deposit(1_000))
    pay(chain, SOLAR, BIO, 300)
    take(chain, BIO)
    pay(chain, SOLAR, BIO, 40)
    for _ in range(3):
        chain.block()
    award = Opening(50, bytes(1) + entropy_of("award")[1:])
    point = pedersen.commit(award.value, award.blinding).to_bytes()
    assert chain.decide(lambda state, _: crediting.debit_public(state, "campus", 50)) == "ok"
    note = account.award_note(chain.chain_id, SOLAR, 7, award, b"e" * 32)
    chain.decide(lambda state, context: crediting.credit_award(state, context, "solar", point, note, round_=7))
    said(chain, SOLAR, Deposit(5))
    pay(chain, SOLAR, BIO, 200)
    return chain


def exported(chain: Chain, name: str = "again") -> Genesis:
    genesis = successor(State(chain.store), chain.genesis, name, chain.now_ms)
    assert CODEC.decode(encode(genesis)) == genesis
    return genesis


def test_everything_hidden_goes_on_and_is_opened_with_the_key_alone() -> None:
    before = lived()
    genesis = exported(before)
    chain = Chain(genesis)
    assert chain.money() == before.money()
    for _ in range(2):
        opened = found(chain, SOLAR)
        assert opened.balance is not None and opened.credits is not None
        assert (opened.balance.value, opened.credits.value, opened.lost) == (465, 290, ())
        theirs = found(chain, BIO)
        assert theirs.balance is not None and (theirs.balance.value, theirs.items) == (300, {})
        # And once more: what was carried twice opens as well.
        chain = Chain(exported(chain, "once-more"))
    chain.block()
    take(chain, SOLAR)
    pay(chain, SOLAR, BIO, 755)
    take(chain, BIO)
    assert (found(chain, BIO).balance or NOTHING).value == 1_055
    assert chain.money() == before.money()


def test_a_round_that_credited_on_the_old_chain_may_credit_on_the_new_one() -> None:
    chain = Chain(exported(lived()))
    chain.decide(lambda state, _: crediting.debit_public(state, "campus", 1))
    point = bases().V.to_bytes()
    assert chain.decide(
        lambda state, context: crediting.credit_award(state, context, "solar", point, b"", round_=7) is not None
    )


def test_a_chain_without_hidden_money_says_nothing_of_it() -> None:
    assert exported(Chain(make_genesis(PARAMS))).hidden is None


@pytest.mark.parametrize(
    "forged",
    [
        lambda one: change(one, net_nano=one.net_nano + 1),
        lambda one: change(one, debited_nano=2**63 - 1),
        lambda one: change(one, net_nano=-51),
        lambda one: change(one, accounts=one.accounts[::-1]),
        lambda one: change(one, accounts=one.accounts[1:]),
        lambda one: change(one, accounts=(*one.accounts, CarriedAccount("stranger", 1))),
        lambda one: change(one, accounts=(change(one.accounts[0], balance=bytes(48)), *one.accounts[1:])),
        lambda one: change(one, accounts=(change(one.accounts[0], balance=bases().V.to_bytes()), *one.accounts[1:])),
        lambda one: change(one, credited=None),
    ],
)
def test_a_document_whose_hidden_money_does_not_add_up_is_refused(forged: object) -> None:
    founding = LIVED.hidden
    assert founding is not None and callable(forged)
    members = {member.id for member in LIVED.members}
    assert problem(founding, members) is None
    changed = forged(founding)
    assert isinstance(changed, HiddenFounding) and problem(changed, members) is not None


LIVED = exported(lived())
