"""Cycles of hidden energy under attack: sizes, copies, wrong notes and false complaints, silence, and wrong bills."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from hidden_world import entropy_of, note_secret
from ledger_world import FIRST, change
from private_world import CYCLE, PARAMS, TARIFF, Campus, genesis, tenants

from contracts.members import Private
from contracts.private import agenda, cycles, uses
from contracts.private.bodies import BlameNote, ProveUse, Reconcile
from contracts.private.points import combine
from contracts.private.records import DONE, MAX_LATEST
from contracts.schema import MIX
from node.billing import words
from zk import notes
from zk.pedersen import commit
from zk.statements import known_difference, openings, ranges
from zk.statements.openings import Opening

USED_WH = {"m-t01": 1_000, "m-t02": 3_000}
TWO = ("m-bio", "m-geo")
RATED_WH = 400_000 * PARAMS.cycle_ms // 3_600_000
"""What a meter's rating allows in a cycle."""
LINE = Private("campus", TARIFF, fixed_wh=10, loss_ppm=100_000, accuracy_wh=5)
"""A line that may lose 10 Wh and a tenth of what it carries."""


@cache
def _read(delivered_wh: int = 1_000) -> Campus:
    """Two tenants at the ends of their bounds, and two sources."""
    campus = Campus(genesis(2, {"m-bio": LINE}, sources=2))
    campus.read(FIRST + 1, USED_WH | {"m-bio": delivered_wh, "m-geo": 3_000})
    campus.end()
    return campus


def reading() -> Campus:
    return _read().copy()


@cache
def _proven(delivered_wh: int) -> Campus:
    campus = _read(delivered_wh).copy()
    campus.prove_all()
    campus.chain.block()
    return campus


def proven(delivered_wh: int = 1_000) -> Campus:
    """All uses stand, and the campus may split or complain."""
    return _proven(delivered_wh).copy()


@cache
def _split(delivered_wh: int) -> Campus:
    campus = proven(delivered_wh)
    campus.split_is({"m-bio": 1_000, "m-geo": 3_000})
    return campus


def split(delivered_wh: int = 1_000) -> Campus:
    """4,000 Wh are split, 1,000 of them to bio, whose meter says something else perhaps."""
    return _split(delivered_wh).copy()


# Sizes


@pytest.mark.parametrize(("used_wh", "wide"), [(999, True), (1_000, False), (3_000, False), (3_001, True), (0, True)])
def test_a_use_outside_the_agreed_bounds_shows_that_it_is(used_wh: int, wide: bool) -> None:
    campus = Campus(genesis(1, sources=1))
    campus.read(FIRST + 1, {"m-t01": used_wh})
    campus.end()
    body = campus.prove("m-t01")
    assert body.wide is wide
    assert campus.chain.run(campus.say("m-t01", body)) == "ok"
    assert campus.use("m-t01").wide is wide
    if wide:
        lied = change(body, wide=False)
        other = Campus(genesis(1, sources=1))
        other.read(FIRST + 1, {"m-t01": used_wh})
        other.end()
        assert other.chain.run(other.say("m-t01", lied)) == "private.proof"


@pytest.mark.parametrize(("used_wh", "fits"), [(RATED_WH + 1, True), (RATED_WH + 2, False)])
def test_a_use_beyond_the_rating_has_no_proof(used_wh: int, fits: bool) -> None:
    """Two intervals at 400 kW, and one Wh of rounding."""
    campus = Campus(genesis(1, sources=1))
    campus.read(FIRST + 1, {"m-t01": used_wh})
    campus.end()
    if fits:
        assert campus.chain.run(campus.say("m-t01", campus.prove("m-t01"))) == "ok"
    else:
        with pytest.raises(ValueError):
            campus.prove("m-t01")


def test_a_register_that_runs_backwards_has_no_proof() -> None:
    campus = Campus(genesis(1, sources=1))
    campus.read(FIRST + 1, {"m-t01": 2_000})
    campus.end()
    campus.prove_all(but=["m-bio"])
    campus.until(DONE)
    campus.read(FIRST + 3, {"m-t01": 1_500})
    campus.end(CYCLE + 1)
    assert campus.opening("m-t01", CYCLE + 1).value == -500
    with pytest.raises(ValueError):
        campus.prove("m-t01", CYCLE + 1)
    forged = commit(1_500, campus.opening("m-t01", CYCLE + 1).blinding).to_bytes()
    assert campus.difference("m-t01", CYCLE + 1).point != forged, "the difference is state's, not the owner's"


def test_differences_go_on_where_the_last_cycle_settled() -> None:
    campus = Campus(genesis(1, sources=1))
    for number, register_wh in ((CYCLE, 2_000), (CYCLE + 1, 3_500)):
        campus.read(FIRST + 1 + 2 * (number - CYCLE), {"m-t01": register_wh, "m-bio": register_wh})
        campus.end(number)
        campus.prove_all(number)
        campus.until(DONE, number)
    assert campus.delivered("m-t01").value == 2_000
    assert campus.delivered("m-t01", CYCLE + 1).value == 1_500
    total = campus.cycle(CYCLE + 1).total
    assert total == commit(*campus.delivered("m-t01", CYCLE + 1)).to_bytes()


# Replays and copies


def _replayed(campus: Campus, where: str) -> str:
    """Code of somebody's proof where it does not belong."""
    genuine = campus.prove("m-t01")
    found = campus.difference("m-t01")
    opening = campus.opening("m-t01")
    chain_id, meter, cycle, sequence = campus.chain.chain_id, "m-t01", CYCLE, found.register.sequence
    match where:
        case "chain":
            chain_id += "x"
        case "meter":
            meter = "m-t02"
        case "cycle":
            cycle += 1
        case "sequence":
            sequence += 1
    kind = "range" if where == "type" else uses.KIND
    place = uses.where(chain_id, meter, cycle, sequence)
    proof = ranges.prove(kind, place, [opening], [(1_000, 3_000)], entropy=entropy_of(where)).proof
    return campus.chain.run(campus.say("m-t01", change(genuine, proof=proof)))


@pytest.mark.parametrize("where", ["chain", "meter", "cycle", "sequence", "type"])
def test_a_proof_made_for_another_place_is_refused(where: str) -> None:
    assert _replayed(reading(), where) == "private.proof"


def test_a_proof_made_for_its_place_is_taken() -> None:
    assert _replayed(reading(), "here") == "ok"


def test_a_copied_use_of_another_tenant_is_refused() -> None:
    campus = reading()
    copied = change(campus.prove("m-t01"), meter="m-t02")
    assert campus.chain.run(campus.say("m-t02", copied)) == "private.note"
    own = campus.prove("m-t02")
    assert campus.chain.run(campus.say("m-t02", change(own, proof=copied.proof))) == "private.proof"
    assert campus.chain.run(campus.say("m-t02", change(own, note=copied.note))) == "private.note"
    assert campus.chain.run(campus.say("m-t02", own)) == "ok"


@pytest.mark.parametrize("damage", [lambda raw: raw[:-1], lambda raw: raw + b"\0", lambda raw: b"\1" + raw[1:]])
def test_a_damaged_proof_is_refused(damage: Callable[[bytes], bytes]) -> None:
    campus = reading()
    body = campus.prove("m-t01")
    assert campus.chain.run(campus.say("m-t01", change(body, proof=damage(body.proof)))) == "private.proof"
    assert campus.chain.run(campus.say("m-t01", change(body, note=damage(body.note)))) == "private.note"


# Notes


def _wrong_note(campus: Campus, opening: Opening | None) -> ProveUse:
    """A use whose note says something else, or nothing that anybody can read."""
    genuine = campus.prove("m-t01")
    route = uses.route(campus.chain.chain_id, "m-t01", CYCLE, "t01", "campus")
    plaintext = b"garbage" if opening is None else openings.told(uses.KIND, opening)
    return change(genuine, note=notes.seal(campus.key("campus"), plaintext, entropy=entropy_of("wrong"), **route))


def _blamed(campus: Campus, meter: str = "m-t01") -> BlameNote:
    return words.blame_use(
        note_secret("campus"), campus.chain.chain_id, "campus", campus.use(meter), entropy=entropy_of("blame")
    )


@pytest.mark.parametrize("said", [None, Opening(1_001, bytes(32))])
def test_who_sends_a_wrong_note_is_named_estimated_and_settled_later(said: Opening | None) -> None:
    campus = reading()
    for meter in sorted(campus.meters):
        body = _wrong_note(campus, said) if meter == "m-t01" else campus.prove(meter)
        assert campus.chain.run(campus.say(meter, body)) == "ok", "nobody sees what a note says"
    index_ppm = campus.chain.trust("t01").index_ppm
    assert words.read_use(note_secret("campus"), campus.chain.chain_id, "campus", campus.use("m-t01")) is None
    assert campus.chain.run(campus.chain.say("campus", _blamed(campus))) == "ok"
    assert campus.names() == [("t01", "m-t01", "note")]
    assert campus.chain.trust("t01").index_ppm == index_ppm - index_ppm // 4
    campus.until("splitting")
    assert [(one.meter, one.energy_wh) for one in campus.cycle().estimates] == [("m-t01", RATED_WH)]
    assert campus.names() == [("t01", "m-t01", "note")], "named once"
    assert campus.head("m-t01").settled is None
    assert campus.total().value == 3_000 + RATED_WH

    campus.split_is({"m-bio": 0, "m-geo": 3_000}, held_wh=RATED_WH)
    campus.until(DONE)
    campus.read(FIRST + 3, {"m-t01": 2_500, "m-t02": 4_000, "m-bio": 1_000, "m-geo": 3_500})
    campus.end(CYCLE + 1)
    assert campus.difference("m-t01", CYCLE + 1).cycles == 2, "one difference covers both"
    campus.prove_all(CYCLE + 1)
    assert campus.chain.balance("t01") == campus.chain.money() // 6 - RATED_WH * TARIFF, "paid as estimated"
    campus.until("splitting", CYCLE + 1)
    assert campus.chain.balance("t01") == campus.chain.money() // 6, "given back"
    assert campus.cycle(CYCLE + 1).returned_wh == RATED_WH
    assert campus.total(CYCLE + 1).value == 2_500 + 1_000 - RATED_WH
    campus.split_is({"m-bio": 3_000, "m-geo": 500}, held_wh=-RATED_WH, number=CYCLE + 1)
    assert campus.book().standing_wh == campus.book().held_wh == 0


def test_who_complains_of_a_note_that_opens_is_named_and_changes_nothing() -> None:
    campus = proven()
    index_ppm, used = campus.chain.trust("campus").index_ppm, campus.cycle().used
    assert campus.chain.run(campus.chain.say("campus", _blamed(campus))) == "ok"
    assert campus.names() == [("campus", "m-t01", "complaint")]
    assert campus.chain.trust("campus").index_ppm == index_ppm - index_ppm // 4
    assert campus.cycle().used == used
    campus.until("splitting")
    assert campus.cycle().estimates == ()


def test_a_supplier_that_gets_a_wrong_note_is_paid_what_it_delivered() -> None:
    campus = proven()
    body = campus.split({"m-bio": 1_000, "m-geo": 3_000})
    told = openings.told("share-of-bill", Opening(999, bytes(32)))
    route = words.shares.route(campus.chain.chain_id, "m-bio", CYCLE, "campus", "bio")
    wrong = notes.seal(campus.key("bio"), told, entropy=entropy_of("wrong"), **route)
    shares = tuple(change(one, note=wrong) if one.meter == "m-bio" else one for one in body.shares)
    assert campus.chain.run(campus.chain.say("campus", change(body, shares=shares))) == "ok"
    blame = words.blame_share(
        note_secret("bio"), campus.chain.chain_id, "campus", CYCLE, campus.share("m-bio"), entropy=entropy_of("b")
    )
    assert campus.chain.run(campus.chain.say("bio", blame)) == "ok"
    assert campus.share("m-bio").outcome == "delivery"
    assert ("campus", "m-bio", "note") in campus.names()
    assert campus.share("m-bio").point == campus.use("m-bio").point


def test_a_supplier_that_complains_of_a_note_that_opens_is_named() -> None:
    campus = split()
    blame = words.blame_share(
        note_secret("bio"), campus.chain.chain_id, "campus", CYCLE, campus.share("m-bio"), entropy=entropy_of("b")
    )
    assert campus.chain.run(campus.chain.say("bio", blame)) == "ok"
    assert campus.names() == [("bio", "m-bio", "complaint")]
    assert campus.share("m-bio").outcome == ""


def test_a_complaint_does_not_decrypt_what_was_sent_to_somebody_else() -> None:
    """Another's ephemeral point, posted as one's own, is no note: the proof of knowledge is missing."""
    campus = proven()
    fresh = reading()
    stolen = campus.use("m-t01").note
    body = fresh.prove("m-t02")
    copied = stolen[:48] + body.note[48:]
    assert fresh.chain.run(fresh.say("m-t02", change(body, note=copied))) == "private.note"
    assert fresh.chain.run(fresh.say("m-t02", change(body, note=stolen))) == "private.note"


@pytest.mark.parametrize("shown", [b"", bytes(176)])
def test_a_complaint_without_the_common_point_is_no_complaint(shown: bytes) -> None:
    campus = proven()
    assert campus.chain.run(campus.chain.say("campus", change(_blamed(campus), shown=shown))) == "private.proof"
    other = change(_blamed(campus, "m-t02"), meter="m-t01")
    assert campus.chain.run(campus.chain.say("campus", other)) == "private.proof", "the point of another note"


# Silence


def test_a_silent_tenant_is_estimated_named_and_holds_nobody_up() -> None:
    campus = Campus(genesis(2, sources=1))
    campus.read(FIRST + 1, {"m-t02": 1_000, "m-bio": 1_000})
    campus.end()
    campus.prove_all(but=["m-t01"])
    campus.until("splitting")
    assert campus.names() == [("t01", "m-t01", "silent")]
    before = campus.chain.balance("t01")
    assert before == campus.chain.balance("utility") - RATED_WH * TARIFF, "an estimate is paid at once, in public"
    assert campus.total().value == 1_000 + RATED_WH
    campus.split_is({"m-bio": 1_000}, held_wh=RATED_WH)
    assert campus.book().held_wh == RATED_WH


def test_nobody_holds_back_more_than_estimates_put_in() -> None:
    campus = proven()
    for held_wh, code in ((1, "private.held"), (-1, "private.held"), (0, "ok")):
        body = campus.split({"m-bio": 1_000 - held_wh, "m-geo": 3_000}, held_wh=held_wh)
        assert campus.chain.run(campus.chain.say("campus", body)) == code


def test_without_a_split_deliveries_are_paid_and_the_campus_is_named() -> None:
    campus = proven()
    campus.until("paying")
    assert campus.names() == [("campus", None, "no-split")]
    assert [one.outcome for one in campus.cycle().shares] == ["delivery", "delivery"]
    assert [one.point for one in campus.cycle().shares] == [campus.use(meter).point for meter in TWO]


def test_without_an_answer_the_share_stands_and_the_supplier_is_named() -> None:
    campus = split()
    campus.until("paying")
    assert campus.names() == [("bio", "m-bio", "no-answer"), ("geo", "m-geo", "no-answer")]
    assert [one.outcome for one in campus.cycle().shares] == ["share", "share"]
    assert campus.share("m-bio").point == campus.share("m-bio").bill


def test_who_does_not_pay_is_named() -> None:
    campus = split()
    for meter in TWO:
        assert campus.chain.run(campus.say(meter, campus.answer(meter))) == "ok"
    campus.until(DONE)
    assert set(campus.names()) == {
        *((owner, meter, "unpaid") for meter, owner in tenants(2).items()),
        *(("campus", meter, "unpaid") for meter in TWO),
    }
    assert campus.chain.deadline_ms() is None


def test_a_phase_lasts_until_more_than_a_third_has_made_a_block_and_two_for_each_seat() -> None:
    """A proposer that keeps a word out of its blocks does not end the time for it."""
    campus = proven()
    everybody = campus.chain.genesis
    campus.chain.genesis = change(everybody, validators=everybody.validators[:1])
    for _ in range(30):
        campus.chain.block()
        assert campus.cycle().phase == "opening"
    campus.chain.genesis = change(everybody, validators=everybody.validators[1:2])
    campus.chain.block()
    campus.chain.block()
    assert campus.cycle().phase == "splitting"

    campus = proven()
    since = campus.cycle().since_height
    campus.pass_phase()
    assert campus.cycle().since_height - since == 8, "four seats"


def test_a_phase_has_its_time_in_which_an_idle_chain_makes_no_blocks() -> None:
    campus = Campus(genesis(2, sources=1, params=change(PARAMS, private_ms=600_000)))
    campus.read(FIRST + 1, {"m-t02": 1_000, "m-bio": 1_000})
    campus.end()
    ends_ms = campus.chain.now_ms + 600_000
    for _ in range(30):
        campus.chain.block()
    assert campus.cycle().phase == "proving"
    assert not agenda.phase_open(campus.state)
    assert campus.chain.deadline_ms() == ends_ms
    campus.chain.now_ms = ends_ms
    campus.chain.block()
    assert agenda.phase_open(campus.state)
    assert campus.chain.run(campus.say("m-t02", campus.prove("m-t02"))) == "ok", "it still counts"
    campus.until("opening")
    assert campus.cycle().closing_height == 0


# The split


def test_shares_that_do_not_add_up_are_refused() -> None:
    campus = proven()
    body = campus.split({"m-bio": 1_000, "m-geo": 3_000})
    one, other = body.shares
    more = combine((one.point, 1), (commit(1, bytes(32)).to_bytes(), 1))
    assert more is not None
    wrong = change(body, shares=(change(one, point=more), other))
    assert campus.chain.run(campus.chain.say("campus", wrong)) == "private.sum"
    assert campus.chain.run(campus.chain.say("campus", change(body, shares=(other, one)))) == "private.shares"
    assert campus.chain.run(campus.chain.say("campus", change(body, shares=(one,)))) == "private.shares"
    assert campus.chain.run(campus.chain.say("campus", change(body, proof=b""))) == "private.proof"
    assert campus.chain.run(campus.chain.say("campus", body)) == "ok"
    assert campus.chain.run(campus.chain.say("campus", body)) == "private.phase", "once"


def test_a_negative_share_has_no_proof() -> None:
    """It would add up: one source is paid more than all used, another one owes it."""
    campus = proven()
    with pytest.raises(ValueError):
        campus.split({"m-bio": -1, "m-geo": 4_001})


def test_a_source_whose_share_is_its_very_delivery_has_nothing_to_answer() -> None:
    campus = proven()
    body = campus.split({"m-bio": 1_000, "m-geo": 3_000}, deliveries={"m-bio": campus.delivered("m-bio")})
    assert campus.chain.run(campus.chain.say("campus", body)) == "ok"
    assert campus.share("m-bio").outcome == "equal"
    assert campus.chain.run(campus.say("m-geo", campus.answer("m-geo"))) == "ok"
    campus.chain.block()
    assert campus.cycle().phase == "paying"


def test_a_cycle_is_split_or_paid_by_awards_never_both() -> None:
    campus = reading()
    campus.chain.decide(lambda state, context: cycles.pay_by_awards(state, context, "campus", FIRST + 1))
    assert not campus.cycle().by_awards, "its time is over: it is split"
    other = Campus(genesis(2, sources=2))
    other.chain.at(FIRST)
    assert other.chain.decide(lambda state, context: cycles.pay_by_awards(state, context, "campus", FIRST + 1))
    other.read(FIRST + 1, USED_WH | dict.fromkeys(TWO, 2_000))
    other.end()
    other.prove_all()
    body = other.split({"m-bio": 2_000, "m-geo": 2_000})
    other.chain.block()
    assert other.chain.run(other.chain.say("campus", body)) in ("private.awards", "private.phase")
    other.until("paying")
    assert other.cycle().shares == ()


# Answers


@pytest.mark.parametrize(
    ("delivered_wh", "hidden", "outcome"),
    [
        (1_000, True, "within"),
        (1_122, True, "within"),
        (1_123, False, "delivery"),
        (995, True, "within"),
        (994, False, "delivery"),
    ],
)
def test_a_bill_that_differs_by_more_than_the_line_loses_is_not_paid(
    delivered_wh: int, hidden: bool, outcome: str
) -> None:
    """1,000 Wh billed; 10 Wh and a tenth of the delivery may be lost, 5 Wh too much is the meters' accuracy."""
    campus = split(delivered_wh)
    body = campus.answer("m-bio")
    assert (body.difference_wh is None) is hidden
    assert campus.chain.run(campus.say("m-bio", body)) == "ok"
    assert campus.share("m-bio").outcome == outcome
    if outcome == "delivery":
        assert campus.names() == [("campus", "m-bio", "loss")]
        assert campus.cycle().residual_wh == 1_000 - delivered_wh
        assert campus.share("m-bio").point == campus.use("m-bio").point
    else:
        assert campus.names() == []


def _shown(campus: Campus, difference_wh: int, beyond: bytes = b"") -> Reconcile:
    """A public answer of this difference."""
    bill, delivery = campus.told("m-bio"), campus.delivered("m-bio")
    place = words.shares.answer_where(campus.chain.chain_id, "m-bio", CYCLE)
    proof = known_difference.prove(place, bill, delivery, entropy=entropy_of("shown")).proof
    return Reconcile("m-bio", CYCLE, difference_wh, proof, beyond)


def test_a_public_difference_is_the_true_one() -> None:
    campus = split(1_100)
    for lie_wh in (-99, -101, 0, 100):
        assert campus.chain.run(campus.say("m-bio", _shown(campus, lie_wh))) == "private.proof"
    assert campus.chain.run(campus.say("m-bio", _shown(campus, -100))) == "ok"
    assert campus.share("m-bio").difference_wh == -100


def test_what_the_meters_may_err_by_is_no_reason_to_pay_otherwise() -> None:
    campus = split(995)
    assert campus.chain.run(campus.say("m-bio", _shown(campus, 5))) == "ok"
    assert campus.share("m-bio").outcome == "within"
    campus = split(994)
    assert campus.chain.run(campus.say("m-bio", _shown(campus, 6))) == "ok"
    assert campus.share("m-bio").outcome == "delivery"


def test_nobody_shows_a_loss_to_be_beyond_the_line_that_is_within() -> None:
    campus = split(1_122)
    honest = split(1_123).answer("m-bio")
    assert honest.beyond
    lied = _shown(campus, -122, honest.beyond)
    assert campus.chain.run(campus.say("m-bio", lied)) == "private.proof"
    assert campus.chain.run(campus.say("m-bio", change(lied, beyond=b""))) == "ok"
    assert campus.share("m-bio").outcome == "within"


def test_an_answer_of_another_source_or_cycle_is_refused() -> None:
    campus = split()
    other = campus.answer("m-geo")
    assert campus.chain.run(campus.say("m-bio", change(other, meter="m-bio"))) == "private.proof"
    assert campus.chain.run(campus.chain.say("geo", campus.answer("m-bio"))) == "private.meter"


# Open and private


def test_a_private_meter_takes_no_part_in_intervals() -> None:
    campus = Campus(genesis(1, sources=1))
    chain = campus.chain
    chain.at(FIRST).block(chain.reading("m-campus", FIRST, 70, 0))
    campus.read(FIRST, {"m-t01": 1_500, "m-bio": 1_500})
    chain.at(FIRST + 1, PARAMS.close_grace_ms)
    chain.catch_up()
    record = chain.interval(FIRST)
    assert record.estimated_meters == ()
    assert (record.injected_wh, record.withdrawn_wh) == (0, 70)
    assert chain.bill(FIRST, "t01") is None
    assert chain.metered(FIRST, "m-t01") is None


def test_late_readings_extend_the_chain_and_count_for_the_next_cycle() -> None:
    campus = reading()
    late = campus.chain.meter_says("m-t01", campus.reading("m-t01", FIRST + 1, 1_200))
    (receipt,) = campus.chain.block(late)
    assert receipt.code == "ok"
    assert receipt.events[0].late
    assert campus.chain.head("m-t01").sequence == 2
    assert campus.opening("m-t01").value == 1_000


def test_a_cycle_waits_until_the_one_before_it_has_its_total() -> None:
    campus = reading()
    campus.read(FIRST + 3, {"m-t01": 2_500, "m-t02": 4_500, "m-bio": 2_000, "m-geo": 5_000})
    campus.chain.at(FIRST + 4, PARAMS.close_grace_ms)
    campus.chain.block()
    assert campus.cycle(CYCLE + 1).phase == "reading", "differences begin where the first cycle settles"
    assert campus.chain.run(campus.say("m-t01", change(campus.prove("m-t01"), cycle=CYCLE + 1))) == "private.phase"
    campus.prove_all()
    campus.chain.block()
    campus.split_is({"m-bio": 1_000, "m-geo": 3_000})
    campus.chain.block()
    assert campus.cycle(CYCLE + 1).phase == "proving"
    campus.prove_all(CYCLE + 1)
    assert {meter: campus.delivered(meter, CYCLE + 1).value for meter in sorted(campus.meters)} == {
        "m-bio": 1_000,
        "m-geo": 2_000,
        "m-t01": 1_500,
        "m-t02": 1_500,
    }


def test_who_reads_and_never_proves_goes_on_whenever_it_likes() -> None:
    campus = Campus(genesis(2, sources=1))
    late = {"m-t01", "m-bio"}
    for at in range(MAX_LATEST + 2):
        campus.read(FIRST + 1 + 2 * at, dict.fromkeys(sorted(campus.meters), 1_500 * (at + 1)))
        campus.end(CYCLE + at)
        campus.prove_all(CYCLE + at, but=late if at <= MAX_LATEST else ())
        campus.until("splitting", CYCLE + at)
    assert campus.delivered("m-t01", CYCLE + MAX_LATEST + 1).value == 1_500 * (MAX_LATEST + 2)
    assert campus.delivered("m-bio", CYCLE + MAX_LATEST + 1).value == 1_500 * (MAX_LATEST + 2)
    assert campus.head("m-t01").latest == ()
    assert campus.head("m-t01").owed_wh == 0


def test_a_waiting_cycle_writes_nothing() -> None:
    campus = Campus(genesis(1, sources=1))
    campus.read(FIRST + 1, {"m-t01": 1_000})
    campus.chain.block()
    before = dict(campus.chain.store)
    campus.chain.block()
    assert {key for key in before if before[key] != campus.chain.store[key]} <= {MIX}


def test_a_cycle_in_which_nobody_spoke_never_begins() -> None:
    campus = Campus(genesis(1, sources=1))
    campus.chain.at(FIRST + 40)
    assert campus.chain.deadline_ms() is None
    campus.read(FIRST + 41, {"m-t01": 2_000, "m-bio": 1})
    campus.end(CYCLE + 20)
    campus.prove_all(CYCLE + 20)
    assert campus.difference("m-t01", CYCLE + 20).cycles == 21, "bounds are agreed for each of them"


def test_everybody_else_can_name_nothing_of_a_bill() -> None:
    """What stands on the ledger of two months that differ in who used what has the same size everywhere."""
    first, other = proven(), proven(100_000)
    sizes = [{key: len(raw) for key, raw in campus.chain.store.items()} for campus in (first, other)]
    assert sizes[0] == sizes[1]
