"""What the threshold key opens: what the state machine asks, by proven shares, in time, or not at all."""

from __future__ import annotations

import pytest
from ceremony_provocations import changed
from ceremony_world import WINDOW, Sealers, sealed_pact
from ledger_world import codes
from test_ceremony import clock_of, named

from contracts import api, trust
from contracts.bodies import Unbond
from contracts.ceremony import keys, openings
from contracts.ceremony.bodies import GiveShare
from contracts.ceremony.events import KeyRetired, OpeningLate, SumOpened
from contracts.ceremony.records import MAX_HELD, MAX_OPEN, HeldKey, HeldKeys
from contracts.params import PactParams
from contracts.schema import DEALINGS, HELD_KEY_LIST
from contracts.units import PPM
from zk import elgamal
from zk.group.native import IDENTITY
from zk.statements import share


@pytest.fixture(scope="module")
def made() -> Sealers:
    return Sealers().with_key()


def test_an_opening_is_there_with_the_last_share_that_it_needs(made: Sealers) -> None:
    chain = made.copy()
    number = chain.ask(chain.sealed(31_000))
    assert api.phase_open(chain.state())
    for name in "db":
        chain.all_ok([chain.sharing(name, chain.opening(number))])
        assert openings.opened(chain.state(), number) is None
    (receipt,) = chain.block(chain.sharing("a", chain.opening(number)))
    assert isinstance(receipt.events[-1], SumOpened)
    point = openings.opened(chain.state(), number)
    assert point is not None and point != "late" and elgamal.is_value(point, 31_000)
    assert openings.waiting(chain.state()) == [] and not api.phase_open(chain.state())


def test_a_sum_of_nothing_opens_to_the_identity(made: Sealers) -> None:
    chain = made.copy()
    number = chain.ask(elgamal.total([chain.sealed(0), chain.sealed(0, number=78)]))
    chain.all_ok(chain.sharing(name, chain.opening(number)) for name in "abc")
    assert openings.opened(chain.state(), number) == IDENTITY


def test_an_identity_ciphertext_is_not_asked_about(made: Sealers) -> None:
    chain = made.copy()
    one, nothing, key_id = chain.sealed(5), IDENTITY.to_bytes(), chain.made().key_id
    for e, r in ((nothing, one.R.to_bytes()), (one.E.to_bytes(), nothing)):
        wanted = openings.Opening(key_id, "price", 5, 1, r, e)
        assert chain.decide(lambda state, context, wanted=wanted: openings.ask(state, context, wanted)) is None
    assert openings.waiting(chain.state()) == []


def test_a_share_of_another_validator_is_refused(made: Sealers) -> None:
    chain = made.copy()
    record = chain.opening(chain.ask(chain.sealed(5)))
    stolen = chain.sharing("b", record).body
    assert codes(chain.block(chain.say("a", stolen))) == ["share.proof"]
    # Nor does a make one with b's part in its own name.
    where = openings.where_of(chain.chain_id, chain.made(), record, "a")
    secret = chain.held_share("b", chain.made())
    made_up = share.prove(where, record.purpose, record.tick, record.R, secret, entropy=b"e" * 32)
    assert codes(chain.block(chain.say("a", GiveShare(record.number, *made_up)))) == ["share.proof"]


def test_a_replayed_share_is_refused(made: Sealers) -> None:
    """Of another opening of the very same sum, at another tick."""
    chain = made.copy()
    sealed = chain.sealed(5)
    first, second = chain.ask(sealed, tick=1), chain.ask(sealed, tick=2)
    given = chain.sharing("a", chain.opening(first))
    chain.all_ok([given])
    replayed = changed(chain.say("a", given.body), opening=second)
    assert codes(chain.block(replayed)) == ["share.proof"]
    assert codes(chain.block(chain.say("a", given.body))) == ["ceremony.twice"]
    chain.all_ok(chain.sharing(name, chain.opening(first)) for name in "bc")
    assert codes(chain.block(chain.sharing("d", chain.opening(first)))) == ["share.opening"]


def test_nobody_without_a_seat_or_a_share_gives_one() -> None:
    chain = Sealers()
    chain.all_ok(map(chain.registering, "abc"))
    assert named(chain) == [("d", "absent")]
    chain.all_ok(map(chain.committing, "abc"))
    chain.until("deal")
    chain.all_ok(map(chain.showing, "abc"))
    chain.until("done")
    record = chain.opening(chain.ask(chain.sealed(5)))
    theirs = chain.sharing("a", record).body
    assert codes(chain.block(chain.say("d", theirs))) == ["ceremony.seat"]


def test_withheld_shares_make_an_opening_late_for_good_and_are_named(made: Sealers) -> None:
    chain = made.copy()
    record = chain.opening(chain.ask(chain.sealed(5)))
    late = chain.sharing("c", record)
    chain.all_ok(chain.sharing(name, record) for name in "ab")
    begun = chain.height
    assert named(chain) == [("c", "withheld"), ("d", "withheld")]
    assert chain.height - begun >= WINDOW
    (told,) = [one for one in clock_of(chain) if isinstance(one, OpeningLate)]
    assert told.withheld == ("c", "d")
    assert openings.opened(chain.state(), record.number) == "late"
    assert chain.opening(record.number).shares == ()
    # It may have been a crash: silence is on record and costs no trust.
    assert chain.index_ppm("c") == PPM
    assert codes(chain.block(chain.say("c", late.body))) == ["share.opening"]


def test_what_is_cancelled_opens_no_more_and_names_nobody(made: Sealers) -> None:
    """The round that asked has failed: nothing more of it is shown."""
    chain = made.copy()
    record = chain.opening(chain.ask(chain.sealed(5)))
    chain.all_ok(chain.sharing(name, record) for name in "ab")
    chain.decide(lambda state, _: openings.cancel(state, record.number))
    assert openings.opened(chain.state(), record.number) == "late"
    assert chain.opening(record.number).shares == () == chain.opening(record.number).withheld
    assert codes(chain.block(chain.sharing("c", record))) == ["share.opening"]
    assert named(chain) == []
    # What is open stays open.
    other = chain.ask(chain.sealed(5))
    chain.all_ok(chain.sharing(name, chain.opening(other)) for name in "abc")
    before = chain.opening(other)
    chain.decide(lambda state, _: openings.cancel(state, other))
    assert chain.opening(other) == before


def test_no_transaction_asks_for_an_opening() -> None:
    """Else a majority of one block's worth of luck would open a single offer."""
    assert not any("ask" in handler.__name__ for _, handler in api._HANDLERS.values())


def test_what_waits_is_bounded(made: Sealers) -> None:
    chain = made.copy()
    sealed, key_id = chain.sealed(5), chain.made().key_id

    def ask_all(state: api.State, context: api.BlockContext) -> list[int | None]:
        e, r = sealed.E.to_bytes(), sealed.R.to_bytes()
        return [
            openings.ask(state, context, openings.Opening(key_id, "price", 5, tick, r, e))
            for tick in range(MAX_OPEN + 1)
        ]

    numbers = chain.decide(ask_all)
    assert numbers[-1] is None and None not in numbers[:-1]


# Keys come and go


def test_other_organisations_make_another_key_and_old_seats_finish_old_rounds() -> None:
    chain = Sealers(sealed_pact(5, epoch_blocks=24)).with_key()
    old = chain.made()
    chain.decide(lambda state, context: keys.pin(state, old.key_id))
    sealed = chain.sealed(12, old)
    chain.block(chain.say("e", Unbond(9_950)))
    chain.without_key()
    assert sorted(chain.powers()) == ["a", "b", "c", "d"]
    chain.names = ("a", "b", "c", "d")
    chain.with_key()
    assert chain.made().key_id != old.key_id and len(chain.made().seats) == 4
    # e has no power any more, and its share of the old key still counts.
    number = chain.ask(sealed, old)
    chain.all_ok(chain.sharing(name, chain.opening(number), old) for name in "abce")
    point = openings.opened(chain.state(), number)
    assert point is not None and point != "late" and elgamal.is_value(point, 12)
    events = chain.decide(lambda state, context: keys.unpin(state, context, old.key_id))
    assert events == (KeyRetired(old.key_id),)
    gone = keys.key(chain.state(), old.key_id)
    assert gone is not None and gone.retired_height == chain.height
    kept = [key for key in chain.store if key.startswith(DEALINGS.prefix)]
    assert sorted(kept) == sorted(DEALINGS.key(chain.made().epoch, 1, name) for name in "abcd")


def test_a_key_that_nobody_has_pinned_goes_with_its_organisations() -> None:
    chain = Sealers(sealed_pact(5, epoch_blocks=24)).with_key()
    old = chain.made()
    chain.block(chain.say("e", Unbond(9_950)))
    chain.without_key()
    assert KeyRetired(old.key_id) in clock_of(chain)
    assert not keys.is_held(chain.state(), old.key_id)


def test_the_same_organisations_keep_their_key_from_epoch_to_epoch() -> None:
    chain = Sealers(sealed_pact(4, epoch_blocks=16)).with_key()
    key = chain.made()
    for _ in range(40):
        chain.block()
    assert chain.made() == key


def test_bonds_stay_locked_while_a_round_pins_their_key(made: Sealers) -> None:
    chain = made.copy()
    key = chain.made()
    chain.decide(lambda state, context: keys.pin(state, key.key_id))
    chain.all_ok([chain.say("a", Unbond(5_000))])

    def free_in_years() -> int:
        state = chain.state()
        consensus = chain.genesis.consensus
        held = state.entry(trust.TRUSTS, "a")
        assert held is not None
        parts = tuple(type(part)(part.amount_tokens, part.height, part.time_ms, 1, 1) for part in held.unlocking)
        left = trust._replace(held, unlocking=parts)
        return trust.as_of(state, left, 10**9, 10**13, consensus).free_tokens

    assert free_in_years() == 0
    chain.decide(lambda state, context: keys.unpin(state, context, key.key_id))
    assert free_in_years() == 5_000


def test_what_is_switched_off_makes_no_key_and_no_blocks(made: Sealers) -> None:
    for chain in (made.copy(), Sealers().to_dealing()):
        off = chain.context()._replace(params=PactParams())
        chain.decide(lambda state, _, off=off: api.open_block(state, off))
        assert not api.phase_open(chain.state()) and chain.key() is None
        assert not any(key.startswith(DEALINGS.prefix) for key in chain.store)


def test_no_more_keys_are_held_than_may_be() -> None:
    """While so many rounds have pinned old keys, no other is made."""
    chain = Sealers(sealed_pact(4, epoch_blocks=30)).with_key()
    many = HeldKeys(b"", tuple(HeldKey(bytes([number]) * 32, 1) for number in range(MAX_HELD)))
    chain.decide(lambda state, _: state.save(HELD_KEY_LIST, many))
    chain.past("done")
    assert chain.now().phase == "waiting" and chain.now().seats == ()
    assert keys.held_keys(chain.state()) == many
