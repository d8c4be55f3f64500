"""Committees on the ledger: drawn each day where more than 100 organisations have weight, blind to how much it is."""

from __future__ import annotations

from collections import Counter
from functools import cache
from math import isqrt

import msgspec
import pytest
from ledger_world import START_MS, make_genesis

from consensus.committee import EVERYBODY, MAX_SEATS
from contracts import api, epochs, trust
from contracts.context import BlockContext
from contracts.epochs import Terms
from contracts.genesis import ConsensusParams, Genesis, OpeningTrust
from contracts.members import MAX_NODES, NodeKeys, Seating
from contracts.params import DAY_MS
from contracts.state import State
from contracts.units import MAX_TOKENS, PPM
from zk.codec import encode
from zk.hashing import sha256

TODAY = START_MS // DAY_MS
GIANT, DUST = MAX_TOKENS // 2_000, 100


@cache
def pact_of(count: int, seats: int = 200) -> Genesis:
    """So many members with four nodes each: every other one a giant, the rest dust."""
    names = [f"m-{number:04d}" for number in range(count)]
    consensus = ConsensusParams(epoch_blocks=2, committee_seats=seats)
    pact = make_genesis(roles=dict.fromkeys(names, ("supplier",)), meters={}, consensus=consensus, trusts=())
    members = tuple(
        msgspec.structs.replace(
            member,
            nodes=tuple(
                NodeKeys(f"{member.id}-{number}", sha256(f"{member.id}{number}".encode()), b"", b"", b"", "")
                for number in range(MAX_NODES)
            ),
        )
        for member in pact.members
    )
    bonds = (GIANT if at % 2 else DUST for at in range(count))
    return msgspec.structs.replace(
        pact,
        members=members,
        validators=tuple(node.node for member in members for node in member.nodes),
        trusts=tuple(OpeningTrust(name, 0, bond, PPM) for name, bond in zip(names, bonds, strict=True)),
    )


@cache
def records_of(count: int, seats: int = 200) -> dict[bytes, bytes]:
    return api.genesis_records(pact_of(count, seats))


def drawn(seating: Seating) -> set[str]:
    return {one.id for one in seating.organisations}


def lot(day: int, word: bytes) -> Terms:
    return epochs.terms("test", sha256(word), day, day * DAY_MS, ConsensusParams())


def state_of(count: int) -> State:
    return State(records_of(count))


@pytest.mark.parametrize(
    ("count", "seats", "seated"), [(101, 200, 101), (250, 200, 200), (250, MAX_SEATS, 250), (1_000, 200, 200)]
)
def test_above_a_hundred_each_seat_counts_one(count: int, seats: int, seated: int) -> None:
    first, second = epochs.founding(pact_of(count, seats))
    for made in (first, second):
        assert len(made.organisations) == len(made.seats) == seated and made.drawn_day == TODAY
        assert {one.power for one in made.organisations} == {seat.power for seat in made.seats} == {1}
        assert len({seat.organisation for seat in made.seats}) == seated, "one node of each organisation"
        assert [seat.id for seat in made.seats] == sorted(seat.id for seat in made.seats)


def test_up_to_a_hundred_everybody_votes_by_weight() -> None:
    first, _ = epochs.founding(pact_of(EVERYBODY))
    assert len(first.organisations) == EVERYBODY and first.drawn_day is None
    assert {one.weight for one in first.organisations} == {isqrt(GIANT), isqrt(DUST)}
    assert max(one.power for one in first.organisations) == isqrt(GIANT)


def test_trust_is_the_bar_and_weighs_nothing_behind_it() -> None:
    """A giant is drawn as often as dust: of 40 days, within five standard deviations."""
    state = state_of(1_000)
    before = epochs.seating(state, 3)
    days = Counter[bool]()
    for day in range(1, 41):
        made = epochs.following(state, before, 4, lot(TODAY + day, b""))
        days.update(int(name.removeprefix("m-")) % 2 == 1 for name in drawn(made))
    # Hypergeometric: 40 draws of 200 of 1,000 have a variance of 40 * 200 / 4 * 800 / 999.
    assert abs(days[True] - 40 * 100) < 5 * isqrt(40 * 200 * 800 // (4 * 999)) and days.total() == 40 * 200


def test_a_day_has_one_draw_and_each_randomness_another() -> None:
    state = state_of(250)
    before = epochs.seating(state, 3)
    assert drawn(epochs.following(state, before, 4, lot(TODAY, b"x"))) == drawn(before)
    late = TODAY * DAY_MS + DAY_MS - 1
    days = [epochs.terms("test", b"", 1, time_ms, ConsensusParams()).day for time_ms in (late, late + 1)]
    assert days == [TODAY, TODAY + 1]
    committees = [drawn(epochs.following(state, before, 4, lot(TODAY + 1, word))) for word in (b"x", b"y", b"x")]
    assert committees[0] == committees[2] != committees[1] != drawn(before)
    jumped = epochs.following(state, before, 4, lot(TODAY + 400, b"x"))
    assert jumped.drawn_day == TODAY + 400, "a long silence is followed by one draw"


def test_the_tombstoned_are_never_drawn_and_leave_a_committee_that_they_are_in() -> None:
    state = State(dict(records_of(250)))
    before = epochs.seating(state, 3)
    liars = sorted(drawn(before))[:20]
    consensus = pact_of(250).consensus
    for liar in liars:
        trust.slash(state, BlockContext("chain", 4, START_MS, pact_of(250).params, consensus), liar, "duplicate-vote")
    assert drawn(epochs.following(state, before, 4, lot(TODAY, b"x"))) == drawn(before) - set(liars)
    redrawn = epochs.following(state, before, 4, lot(TODAY + 1, b"x"))
    assert len(redrawn.organisations) == 200 and not drawn(redrawn) & set(liars)


def test_a_redraw_may_replace_nearly_everybody() -> None:
    """Churn does not bound it: two committees need share no quorum, so whoever follows goes by the hash of the next."""
    state = state_of(1_000)
    before = epochs.seating(state, 3)
    made = epochs.following(state, before, 4, lot(TODAY + 1, b"x"))
    assert len(drawn(made) & drawn(before)) < 200 // 3, "about a fifth stays"
    assert made.number == before.number + 1


@pytest.mark.parametrize("seats", [EVERYBODY - 1, MAX_SEATS + 1])
def test_a_committee_has_no_fewer_seats_than_vote_without_one_and_no_more_than_fit(seats: int) -> None:
    raw = encode(msgspec.structs.replace(ConsensusParams(), committee_seats=seats))
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(raw, type=ConsensusParams)
