"""Making a threshold key on the ledger: what cheating dealers, silent seats and false complaints achieve."""

from __future__ import annotations

import msgspec
import pytest
from ceremony_provocations import changed
from ceremony_world import Sealers, sealed_pact
from ledger_world import codes

from contracts import api
from contracts.ceremony.bodies import Complain, Deal
from contracts.ceremony.events import CeremonyMoved, KeyMade, SeatNamed
from contracts.ceremony.records import ThresholdKey
from contracts.receipts import AnyEvent
from contracts.schema import DEALINGS
from contracts.units import PPM
from zk import ceremony as making
from zk import elgamal, notes
from zk.group import native
from zk.group.native import IDENTITY
from zk.sizes import MAC_BYTES, MAX_SEATS
from zk.statements import logarithm


def clock_of(chain: Sealers) -> tuple[AnyEvent, ...]:
    assert chain.clock is not None
    return chain.clock.events


def named(chain: Sealers) -> list[tuple[str, str]]:
    """Whom the clock names next, and why."""
    for _ in range(12):
        chain.block()
        if found := [(one.member, one.reason) for one in clock_of(chain) if isinstance(one, SeatNamed)]:
            return found
    return []


# Where all goes well


def test_four_seats_make_a_key_that_any_three_open_with() -> None:
    chain = Sealers().with_key()
    key = chain.made()
    assert (key.threshold, len(key.seats), key.dealers) == (3, 4, ("a", "b", "c", "d"))
    for number, three in enumerate(("abc", "abd", "acd", "bcd")):
        assert chain.ask(chain.sealed(31_000 + number), tick=number) == number
        chain.all_ok(chain.sharing(name, chain.opening(number)) for name in three)
        record = chain.opening(number)
        assert record.outcome == "opened" and record.shares == ()
        assert elgamal.is_value(elgamal.decode(record.point, record.point).E, 31_000 + number)


def test_every_public_share_is_that_of_what_its_seat_holds_and_they_interpolate_to_the_key() -> None:
    chain = Sealers(sealed_pact(7)).with_key()
    key = chain.made()
    assert key.threshold == 5
    shares = {}
    for seat in key.seats:
        assert logarithm.public_point(chain.held_share(seat.member, key)) == seat.share
        shares[seat.index] = native.decode_point(seat.share)
    assert elgamal.combine(shares, key.threshold).to_bytes() == key.point
    # One fewer than the threshold is another point.
    assert elgamal.combine(shares, key.threshold - 1).to_bytes() != key.point


def test_phases_end_as_soon_as_everybody_has_spoken() -> None:
    chain = Sealers()
    before = chain.height
    chain.with_key()
    # Register, commit and deal take a block each; to complain there is a whole window.
    assert chain.height - before <= 3 + 8


# Cheating dealers


@pytest.mark.parametrize("lie", [b"\1" * 32, b"\xff" * 32, bytes(32), b"short", b""])
def test_a_dealer_of_a_bad_share_is_disqualified_and_loses_trust(lie: bytes) -> None:
    """A wrong scalar, one above the order, none at all. What has another length than a share is not even taken."""
    chain = Sealers().to_dealing()
    if len(lie) != 32:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(msgspec.to_builtins(chain.lying("a", "c", lie)), type(chain.showing("a")))
        return
    chain.to_complaints({"a": chain.lying("a", "c", lie)})
    assert codes(chain.block(chain.complaining("c", "a"))) == ["ok"]
    assert chain.index_ppm("a") == PPM - PPM // 4
    chain.until("done")
    assert chain.made().dealers == ("b", "c", "d")
    # What the others have dealt opens all the same, and the liar is one of those who can.
    number = chain.ask(chain.sealed(17))
    chain.all_ok(chain.sharing(name, chain.opening(number)) for name in "acd")
    assert chain.opening(number).outcome == "opened"


def test_a_note_that_does_not_open_disqualifies_its_dealer() -> None:
    chain = Sealers().to_dealing()
    honest = chain.dealing("a")
    route = making.route(chain.attempt(), "a", "b")
    known, garbage = b"\5" * 32, b"g" * (32 + MAC_BYTES)
    to = chain.now().seats[1].key
    bound = (route["purpose"].encode(), b"a", b"b", to, notes.sha256(garbage))
    where = logarithm.Where(chain.chain_id, "a", chain.now().epoch)
    proof = logarithm.prove_known("note", where, known, bound, entropy=b"e" * 32)
    note = logarithm.public_point(known) + proof + garbage
    false = honest._replace(shares=(honest.shares[0], note, *honest.shares[2:]))
    chain.to_complaints({"a": chain.showing("a", false)})
    assert codes(chain.block(chain.complaining("b", "a"))) == ["ok"]
    assert chain.now().seats[0].bad
    chain.until("done")
    assert chain.made().dealers == ("b", "c", "d")


@pytest.mark.parametrize("by", [-1, 1])
def test_a_vector_of_the_wrong_length_is_refused(by: int) -> None:
    """A longer one would need more seats to open, a shorter one let fewer do."""
    chain = Sealers()
    chain.all_ok(chain.registering(name) for name in chain.names)
    chain.until("commit")
    vector = chain.dealing("a").vector
    wrong = vector[:-1] if by < 0 else (*vector, vector[0])
    chain.all_ok([chain.committing("a", wrong), *map(chain.committing, "bcd")])
    chain.until("deal")
    false = chain.dealing("a")._replace(vector=wrong)
    assert codes(chain.block(chain.showing("a", false))) == ["ceremony.vector"]


def test_a_vector_with_the_identity_is_refused() -> None:
    chain = Sealers()
    chain.all_ok(chain.registering(name) for name in chain.names)
    chain.until("commit")
    wrong = (*chain.dealing("a").vector[:-1], IDENTITY.to_bytes())
    chain.all_ok([chain.committing("a", wrong), *map(chain.committing, "bcd")])
    chain.until("deal")
    false = chain.dealing("a")._replace(vector=wrong)
    assert codes(chain.block(chain.showing("a", false))) == ["ceremony.vector"]


def test_a_dealer_can_not_choose_its_vector_after_it_has_seen_the_others() -> None:
    """So nobody deals what is left of a key of its own choice once the others' parts are taken off."""
    chain = Sealers().to_dealing()
    chain.all_ok(map(chain.showing, "abc"))
    others = [making.decode_vector(chain.dealt(name).vector, 3) for name in "abc"]
    chosen = native.GENERATOR.times_secret(native.scalar(7)) - making.joint(others)[0]
    rogue = (chosen.to_bytes(), *chain.dealing("d").vector[1:])
    false = chain.dealing("d")._replace(vector=rogue)
    assert codes(chain.block(chain.showing("d", false))) == ["ceremony.commitment"]


def test_a_dealer_without_proof_of_possession_is_refused() -> None:
    """A key made of other people's parts: committed to in time, but nobody knows its logarithm."""
    chain = Sealers()
    chain.all_ok(chain.registering(name) for name in chain.names)
    chain.until("commit")
    rogue = (chain.dealing("a").vector[0], *chain.dealing("d").vector[1:])
    chain.all_ok([*map(chain.committing, "abc"), chain.committing("d", rogue)])
    chain.until("deal")
    for possession in (chain.dealing("a").possession, chain.dealing("d").possession):
        false = chain.dealing("d")._replace(vector=rogue, possession=possession)
        assert codes(chain.block(chain.showing("d", false))) == ["ceremony.possession"]


def test_a_seat_key_of_somebody_else_is_refused() -> None:
    chain = Sealers()
    chain.all_ok([chain.registering("a")])
    stolen = chain.registering("a").body
    assert codes(chain.block(chain.say("b", stolen))) == ["ceremony.possession"]


def test_a_copied_ephemeral_point_is_refused_before_anybody_can_complain_of_it() -> None:
    """The point of a's note to c in d's note to c: d would have c's common point with a shown to all."""
    chain = Sealers().to_dealing()
    chain.all_ok([chain.showing("a")])
    victim = chain.dealt("a").shares[2]
    honest = chain.dealing("d")
    for copied in (victim, victim[:48] + honest.shares[2][48:], victim[:128] + honest.shares[2][128:]):
        false = honest._replace(shares=(*honest.shares[:2], copied, honest.shares[3]))
        assert codes(chain.block(chain.showing("d", false))) == ["ceremony.note"]


def test_shares_to_others_than_the_registered_are_refused() -> None:
    chain = Sealers().to_dealing()
    honest = chain.dealing("a")
    for shares, code in (
        (honest.shares[:-1], "ceremony.shares"),
        ((*honest.shares, honest.shares[0]), "ceremony.shares"),
        ((honest.shares[1], honest.shares[0], *honest.shares[2:]), "ceremony.note"),
    ):
        assert codes(chain.block(chain.showing("a", honest._replace(shares=shares)))) == [code]


@pytest.mark.parametrize("index", [0, -1, MAX_SEATS + 1])
def test_an_index_that_is_none_has_no_share(index: int) -> None:
    """At 0 lies the dealer's secret itself."""
    vector = [native.GENERATOR.times_secret(native.scalar(part)) for part in (5, 6)]
    assert making.is_share((5).to_bytes(32, "big"), index, vector) is False
    assert making.is_share((11).to_bytes(32, "big"), 1, vector)


# False complaints


def test_a_false_complaint_costs_its_sender_and_nobody_else() -> None:
    chain = Sealers().to_dealing().to_complaints()
    assert codes(chain.block(chain.complaining("b", "a"))) == ["ok"]
    assert chain.index_ppm("b") == PPM - PPM // 4
    assert chain.index_ppm("a") == PPM
    assert not any(seat.bad for seat in chain.now().seats)
    chain.until("done")
    assert chain.made().dealers == ("a", "b", "c", "d")


def test_nobody_complains_in_the_name_of_another_or_of_anothers_note() -> None:
    chain = Sealers().to_dealing()
    chain.to_complaints({"a": chain.lying("a", "c", b"\1" * 32)})
    true = chain.complaining("c", "a").body
    assert isinstance(true, Complain)
    # b repeats what c showed, before it counts; and c's point is none of its note from d.
    assert codes(chain.block(chain.say("b", true))) == ["ceremony.shown"]
    other = msgspec.structs.replace(true, dealer="d")
    assert codes(chain.block(chain.say("c", other))) == ["ceremony.shown"]
    assert codes(chain.block(chain.say("c", true))) == ["ok"]
    # A disqualified dealer is disqualified once.
    assert codes(chain.block(chain.complaining("c", "a"))) == ["ceremony.dealer"]
    assert chain.index_ppm("a") == PPM - PPM // 4


def test_a_shown_point_that_is_not_the_right_one_accuses_nobody() -> None:
    """With a point of its choice a complainer would make any good note unopenable."""
    chain = Sealers().to_dealing().to_complaints()
    shown = chain.complaining("b", "a")
    body = shown.body
    assert isinstance(body, Complain)
    doubled = native.decode_point(body.shown[:48]).times_secret(native.scalar(2)).to_bytes()
    assert codes(chain.block(changed(shown, shown=doubled + body.shown[48:]))) == ["ceremony.shown"]
    assert not any(seat.bad for seat in chain.now().seats)


# Silence


def test_a_pact_makes_its_key_without_a_seat_that_never_comes() -> None:
    chain = Sealers()
    chain.all_ok(map(chain.registering, "abc"))
    assert named(chain) == [("d", "absent")]
    chain.all_ok(map(chain.committing, "abc"))
    chain.until("deal")
    chain.all_ok(map(chain.showing, "abc"))
    chain.until("done")
    key = chain.made()
    assert key.dealers == ("a", "b", "c") and key.seats[3].share == b""
    assert chain.index_ppm("d") == PPM


def test_registering_waits_as_long_as_it_takes_and_needs_no_blocks() -> None:
    chain = Sealers()
    chain.all_ok(map(chain.registering, "ab"))
    for _ in range(30):
        chain.block()
    assert chain.now().phase == "register" and not api.phase_open(chain.state())
    chain.all_ok([chain.registering("c")])
    assert api.phase_open(chain.state())
    chain.until("commit")


def test_a_dealer_that_commits_and_does_not_deal_holds_nobody_up() -> None:
    chain = Sealers().to_dealing()
    chain.all_ok(map(chain.showing, "abc"))
    assert named(chain) == [("d", "silent")]
    chain.until("done")
    key = chain.made()
    assert key.dealers == ("a", "b", "c")
    # It holds a share of what the others dealt.
    assert logarithm.public_point(chain.held_share("d", key)) == key.seats[3].share


def _short_attempt() -> Sealers:
    """Of seven seats five registered, and one of these did not commit: too few are left."""
    chain = Sealers(sealed_pact(7))
    chain.all_ok(map(chain.registering, "abcde"))
    chain.until("commit")
    chain.all_ok(map(chain.committing, "abcd"))
    chain.until("register")
    return chain


def test_an_attempt_without_enough_dealers_begins_anew_with_the_next_number() -> None:
    chain = _short_attempt()
    now = chain.now()
    assert (now.epoch, now.attempt) == (0, 2)
    assert [seat.member for seat in now.seats if seat.barred] == ["e"]
    assert not any(seat.key or seat.commitment for seat in now.seats)
    chain.all_ok(map(chain.registering, chain.names))
    chain.until("commit")
    # Who was silent may not deal again, and holds a share all the same.
    assert codes(chain.block(chain.committing("e"))) == ["ceremony.barred"]
    chain.all_ok(map(chain.committing, "abcdfg"))
    chain.until("deal")
    chain.all_ok(map(chain.showing, "abcdfg"))
    chain.until("done")
    key = chain.made()
    assert key.attempt == 2 and key.dealers == ("a", "b", "c", "d", "f", "g")
    assert logarithm.public_point(chain.held_share("e", key)) == key.seats[4].share


def test_what_was_said_in_one_attempt_counts_in_no_other() -> None:
    chain = Sealers(sealed_pact(7))
    first = chain.registering("a")
    chain.all_ok([first, *map(chain.registering, "bcde")])
    chain.until("commit")
    committed = chain.committing("a")
    chain.all_ok([committed, *map(chain.committing, "bcd")])
    chain.until("register")
    assert codes(chain.block(chain.say("a", first.body))) == ["ceremony.attempt"]
    # Nor with the new number on it: the proof is of the old one.
    renumbered = changed(chain.say("a", first.body), attempt=2)
    assert codes(chain.block(renumbered)) == ["ceremony.possession"]


def test_with_fewer_left_than_open_the_pact_waits_for_the_next_epoch() -> None:
    chain = Sealers(sealed_pact(4, epoch_blocks=40))
    chain.to_dealing()
    chain.all_ok(map(chain.showing, "ab"))
    chain.until("waiting")
    assert chain.key() is None
    assert codes(chain.block(changed(chain.say("a", chain.registering("a").body), attempt=2))) == ["ceremony.phase"]
    chain.past("waiting")
    assert chain.height % 40 == 1
    assert (chain.now().epoch, chain.now().attempt, chain.now().phase) == (1, 1, "register")
    # Everybody may deal again.
    chain.with_key()
    assert chain.made().epoch == 1 and len(chain.made().dealers) == 4


def test_liars_leave_too_few_and_nothing_of_the_attempt_stays() -> None:
    chain = Sealers().to_dealing()
    chain.to_complaints({name: chain.lying(name, "c", b"\1" * 32) for name in "ab"})
    chain.all_ok([chain.complaining("c", "a")])
    chain.all_ok([chain.complaining("c", "b")])
    chain.until("waiting")
    assert chain.key() is None
    assert not any(key.startswith(DEALINGS.prefix) for key in chain.store)


# Later


def _with_a_hidden_lie() -> tuple[Sealers, ThresholdKey]:
    """Nobody complained in time."""
    chain = Sealers().to_dealing()
    chain.to_complaints({"a": chain.lying("a", "c", b"\1" * 32)})
    chain.until("done")
    return chain, chain.made()


def test_a_bad_share_that_is_proven_late_moves_the_blame_and_not_the_key() -> None:
    chain, key = _with_a_hidden_lie()
    assert key.dealers == ("a", "b", "c", "d")
    assert codes(chain.block(chain.complaining("c", "a", key))) == ["ok"]
    after = chain.made()
    assert (after.point, after.key_id) == (key.point, key.key_id)
    assert after.blamed == ("a",) and after.seats[2].excused
    assert chain.index_ppm("a") == PPM - PPM // 4 and chain.index_ppm("c") == PPM
    # c can open nothing, and is not named for that.
    number = chain.ask(chain.sealed(9))
    chain.all_ok([chain.sharing("b", chain.opening(number))])
    assert sorted(named(chain)) == [("a", "withheld"), ("d", "withheld")]
    assert chain.opening(number).withheld == ("a", "d")
    # Once is enough.
    assert codes(chain.block(chain.complaining("c", "a", key))) == ["ceremony.dealer"]
    assert chain.index_ppm("a") == PPM - PPM // 4


def test_a_second_victim_is_excused_and_its_dealer_pays_once() -> None:
    chain = Sealers(sealed_pact(7)).to_dealing()
    false = chain.lying("a", "c", b"\1" * 32).body
    other = chain.lying("a", "d", b"\1" * 32).body
    assert isinstance(false, Deal) and isinstance(other, Deal)
    both = (*false.shares[:3], other.shares[3], *false.shares[4:])
    chain.to_complaints({"a": changed(chain.say("a", false), shares=both)})
    chain.until("done")
    key = chain.made()
    for victim in "cd":
        assert codes(chain.block(chain.complaining(victim, "a", key))) == ["ok"]
    assert [seat.member for seat in chain.made().seats if seat.excused] == ["c", "d"]
    assert chain.index_ppm("a") == PPM - PPM // 4


def test_a_late_complaint_about_a_good_share_costs_its_sender() -> None:
    chain = Sealers().with_key()
    assert codes(chain.block(chain.complaining("b", "a", chain.made()))) == ["ok"]
    assert chain.index_ppm("b") == PPM - PPM // 4
    assert not chain.made().seats[1].excused and chain.made().blamed == ()


def test_a_key_that_too_few_can_open_with_is_made_anew_in_the_next_epoch() -> None:
    chain = Sealers(sealed_pact(4, epoch_blocks=30)).to_dealing()
    chain.to_complaints({"a": chain.lying("a", "c", b"\1" * 32), "b": chain.lying("b", "d", b"\1" * 32)})
    chain.until("done")
    key = chain.made()
    chain.all_ok([chain.complaining("c", "a", key), chain.complaining("d", "b", key)])
    chain.past("done")
    assert chain.now().epoch == 1 and chain.key() is None
    chain.with_key()
    assert chain.made().key_id != key.key_id


# Who was left out


def _left_out() -> Sealers:
    """A key of three of four seats: d was away."""
    chain = Sealers(sealed_pact(4, epoch_blocks=30))
    chain.all_ok(map(chain.registering, "abc"))
    assert named(chain) == [("d", "absent")]
    chain.all_ok(map(chain.committing, "abc"))
    chain.until("deal")
    chain.all_ok(map(chain.showing, "abc"))
    chain.until("done")
    return chain


def test_who_was_away_gets_a_share_of_another_key_that_is_made_beside_the_one_in_force() -> None:
    chain = _left_out()
    old = chain.made()
    chain.past("done")
    assert chain.now().epoch == 1 and chain.made() == old
    # The others have registered, and it waits for d without a block.
    chain.all_ok(map(chain.registering, "abc"))
    for _ in range(20):
        chain.block()
    assert chain.now().phase == "register" and not api.phase_open(chain.state()) and chain.made() == old
    number = chain.ask(chain.sealed(8))
    chain.all_ok(chain.sharing(name, chain.opening(number), old) for name in "abc")
    assert chain.opening(number).outcome == "opened"
    chain.all_ok([chain.registering("d")])
    chain.until("commit")
    chain.all_ok(map(chain.committing, chain.names))
    chain.until("deal")
    assert chain.made() == old
    chain.all_ok(map(chain.showing, chain.names))
    chain.until("done")
    assert chain.made().key_id != old.key_id and all(seat.share for seat in chain.made().seats)
    # And that is the last one.
    for _ in range(70):
        chain.block()
    assert chain.now().phase == "done" and chain.now().epoch == 1


def test_when_the_key_in_force_can_not_open_any_more_nobody_waits_for_who_was_left_out() -> None:
    chain = Sealers(sealed_pact(5, epoch_blocks=30)).to_dealing()
    chain.to_complaints({"a": chain.lying("a", "c", b"\1" * 32), "b": chain.lying("b", "d", b"\1" * 32)})
    chain.until("done")
    key = chain.made()
    chain.all_ok([chain.complaining("c", "a", key)])
    chain.past("done")
    assert chain.now().epoch == 1 and chain.made().key_id == key.key_id
    chain.all_ok([chain.complaining("d", "b", key)])
    chain.all_ok(map(chain.registering, "abde"))
    chain.without_key()
    assert (chain.now().epoch, chain.now().seen_epoch) == (1, 2)
    chain.until("commit")


def test_an_attempt_that_fails_in_a_later_epoch_bars_nobody() -> None:
    chain = Sealers(sealed_pact(7, epoch_blocks=30))
    while chain.height < 27:
        chain.block()
    chain.all_ok(map(chain.registering, "abcde"))
    chain.until("commit")
    chain.all_ok(map(chain.committing, "abcd"))
    chain.until("register")
    now = chain.now()
    assert (now.epoch, now.attempt) == (1, 1) and not any(seat.barred for seat in now.seats)


def test_events_tell_what_happens() -> None:
    chain = Sealers()
    events = list(clock_of(chain))
    chain.all_ok(map(chain.registering, chain.names))
    chain.block()
    events += clock_of(chain)
    chain.all_ok(map(chain.committing, chain.names))
    chain.block()
    events += clock_of(chain)
    chain.all_ok(map(chain.showing, chain.names))
    for _ in range(12):
        chain.block()
        events += clock_of(chain)
    moved = [one.phase for one in events if isinstance(one, CeremonyMoved)]
    assert moved == ["register", "commit", "deal", "complain"]
    (made,) = [one for one in events if isinstance(one, KeyMade)]
    assert (made.key_id, made.threshold, made.seats, made.dealers) == (chain.made().key_id, 3, 4, 4)
