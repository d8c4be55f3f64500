"""Demands, bids and awards under attack: each forgery is built as far as it goes, and stops where the rule is.

Where a rule could be left out, the test shows first that the forgery works without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest

from tests.zk.statement_cases import (
    CAPACITY,
    ENTROPY,
    KEY,
    QUANTITIES,
    WHERE,
    A,
    B,
    cases,
    point,
    sealed_bid,
    weighted,
)
from zk import elgamal
from zk.batch import Batch, Claim
from zk.digits import weights
from zk.group import ORDER, native
from zk.group.bases import MAX_VECTOR, bases
from zk.sigma import Relation, tag_for
from zk.statements import award, bid, check, demand
from zk.statements.assertion import Assertion, framed, tag_of
from zk.statements.openings import Opening, opened, total
from zk.statements.parts import (
    BELOW_2_31,
    BELOW_2_32,
    MAX_INSTANCE_BYTES,
    MAX_TICKS,
    claim_ranges,
    claim_relation,
    prove_ranges,
    prove_relation,
)
from zk.transcript import Sponge, session_id

RIVAL = WHERE._replace(actor="wind")
THRESHOLD = native.decode_point(KEY)
Weigh = Callable[[bytes, bid.Bid], Sequence[int]]


def scalar(value: int) -> bytes:
    return (value % ORDER).to_bytes(32, "big")


def moved(opening: Opening, by: int) -> Opening:
    return Opening(opening.value, scalar(int.from_bytes(opening.blinding, "big") + by))


def holds(*claims: Claim | None) -> bool:
    batch = Batch()
    for claim in claims:
        batch.add(claim)
    return batch.verify()


class Forged(NamedTuple):
    """A bid that its maker did not check, and its claims under the weights that it was made with."""

    assertion: Assertion
    claims: tuple[Claim | None, Claim | None]


def forge(
    ticks: Sequence[Opening],
    r: Sequence[Opening],
    slack: Opening,
    weigh: Weigh = bid.weights_of,
    shown: Sequence[Opening] | None = None,
) -> Forged:
    """A bid with E of `ticks` and R of the blindings of `r`, whose relation is proven under any weights, and whose
    range proof is about `shown`."""
    e = tuple(point(one, KEY) for one in ticks)
    big_r = tuple(native.GENERATOR.times_secret(native.decode_scalar(one.blinding)).to_bytes() for one in r)
    one = bid.Bid(KEY, point(CAPACITY), e, big_r, point(slack, KEY))
    tag = tag_of("bid", WHERE, one.commitments())
    rho = weigh(tag, one)
    points = [[native.decode_point(data) for data in some] for some in (e, big_r)]
    decoded = bid.Points(THRESHOLD, native.decode_point(one.capacity), *points, native.decode_point(one.slack))
    relation = bid.relation(decoded, rho)
    every = total([tick.times(weight) for tick, weight in zip(ticks, rho, strict=True)])
    witness = {
        "d": every.value,
        "r": int.from_bytes(every.blinding, "big"),
        "alpha": -int.from_bytes(total([*ticks, slack]).blinding, "big"),
        "beta": int.from_bytes(CAPACITY.blinding, "big"),
    }
    same = prove_relation(tag, relation, witness, entropy=ENTROPY)
    ranges, hidden = [BELOW_2_31] * len(ticks) + [BELOW_2_32], [*decoded.e, decoded.slack]
    small = prove_ranges(tag, shown or [*ticks, slack], ranges, entropy=ENTROPY, over=(THRESHOLD, hidden))
    claims = claim_relation(tag, relation, same), claim_ranges(tag, hidden, ranges, small, key=THRESHOLD)
    return Forged(bid.assertion(WHERE, KEY, one.capacity, e, big_r, one.slack, same + small), claims)


def honest() -> tuple[list[Opening], Opening]:
    *ticks, slack = sealed_bid()[1]
    return ticks, slack


def weights_without(*left_out: str) -> Weigh:
    """Weights that a sponge would give that did not absorb some elements."""

    def weigh(tag: bytes, one: bid.Bid) -> Sequence[int]:
        e = one.e[:1] if "E" in left_out else one.e
        r = one.r[:1] if "R" in left_out else one.r
        known = bid.Bid(one.key, one.capacity, e, r, one.slack)
        # Of a tag that does not have the elements either, as many weights as there are ticks.
        first, *_ = bid.weights_of(tag_of("bid", WHERE, known.commitments()), known)
        return [first, first * first % 2**128]

    return weigh


def test_a_bid_made_by_hand_is_proven() -> None:
    ticks, slack = honest()
    made = forge(ticks, ticks, slack)
    assert holds(*made.claims)
    assert check.verify(made.assertion)


def test_e_and_r_of_other_blindings_are_refused() -> None:
    """A bid that opens to something else than it says: the shares of R do not fit E."""
    ticks, slack = honest()
    with pytest.raises(ValueError, match="witness"):
        forge(ticks, [ticks[0], moved(ticks[1], 1)], slack)


def test_errors_that_cancel_under_predictable_weights_are_refused() -> None:
    ticks, slack = honest()
    other = [moved(ticks[0], 1), moved(ticks[1], -1)]
    forged = forge(ticks, other, slack, lambda _tag, _one: (1, 1))
    assert holds(*forged.claims)
    assert not check.verify(forged.assertion)


@pytest.mark.parametrize("left_out", ["E", "R"])
def test_weights_that_do_not_cover_every_element_would_be_forged(left_out: str) -> None:
    """Whoever knows the weights before it chooses an element lets two errors cancel."""
    ticks, slack = honest()
    weigh = weights_without(left_out)
    one = bid.Bid(KEY, point(CAPACITY), *sealed_bid()[0][:2], point(slack, KEY))
    if left_out == "R":
        # R_2 alone may move freely; R_1 is covered, so the weights are those of the R_1 that is wrong by 1.
        first = moved(ticks[0], 1)
        wrong = native.GENERATOR.times_secret(native.decode_scalar(first.blinding)).to_bytes()
        rho = weigh(b"", bid.Bid(one.key, one.capacity, one.e, (wrong, one.r[1]), one.slack))
        other = [first, moved(ticks[1], -rho[0] * pow(rho[1], -1, ORDER))]
        forged = forge(ticks, other, slack, weigh)
    else:
        first = moved(ticks[0], 1)
        rho = weigh(b"", bid.Bid(one.key, one.capacity, (point(first, KEY), one.e[1]), one.r, one.slack))
        forged = forge([first, moved(ticks[1], -rho[0] * pow(rho[1], -1, ORDER))], ticks, slack, weigh)
    assert holds(*forged.claims)
    assert not check.verify(forged.assertion)


def test_every_weight_depends_on_the_tag_and_on_every_element() -> None:
    posted, _ = sealed_bid()
    one = bid.Bid(KEY, point(CAPACITY), posted.e, posted.r, posted.slack)
    base = bid.weights_of(b"tag", one)
    other = bases().U.to_bytes()
    changes = [
        bid.Bid(other, one.capacity, one.e, one.r, one.slack),
        bid.Bid(KEY, other, one.e, one.r, one.slack),
        bid.Bid(KEY, one.capacity, (one.e[0], other), one.r, one.slack),
        bid.Bid(KEY, one.capacity, (other, one.e[1]), one.r, one.slack),
        bid.Bid(KEY, one.capacity, one.e, (one.r[0], other), one.slack),
        bid.Bid(KEY, one.capacity, one.e, (other, one.r[1]), one.slack),
        bid.Bid(KEY, one.capacity, one.e, one.r, other),
    ]
    all_weights = [base, bid.weights_of(b"gat", one), *(bid.weights_of(b"tag", changed) for changed in changes)]
    assert len({weight for weights in all_weights for weight in weights}) == 2 * len(all_weights)
    assert all(0 < weight < 2**128 for weight in base)


@pytest.mark.parametrize("sum_of", ["E", "R"])
def test_an_identity_among_the_first_sums_is_refused(sum_of: str) -> None:
    """Nothing else is wrong with it; it would be an option for nothing, since nobody can open it."""
    ticks = [Opening(0, scalar(5)), Opening(0, scalar(-5)), Opening(3, scalar(9))]
    slack = Opening(CAPACITY.value - 3, scalar(11))
    if sum_of == "R":
        # With a quantity, E does not sum up to the identity, and R does.
        ticks[0] = Opening(1, scalar(5))
        slack = slack.shifted(-1)
    forged = forge(ticks, ticks, slack)
    assert holds(*forged.claims)
    assert not check.verify(forged.assertion)


def test_more_than_the_capacity_is_refused() -> None:
    with pytest.raises(ValueError, match="64 bits"):
        bid.prove(WHERE, KEY, CAPACITY, [70, 31], entropy=ENTROPY)
    # A slack of -1 satisfies the relation; only its range is in the way.
    ticks = [Opening(70, scalar(5)), Opening(31, scalar(6))]
    slack = Opening(ORDER - 1, scalar(7))
    forged = forge(ticks, ticks, slack, shown=[*ticks, Opening(0, slack.blinding)])
    assert holds(forged.claims[0])
    assert not check.verify(forged.assertion)


def test_a_quantity_near_the_order_is_refused() -> None:
    """It would make room for others: together they are within the capacity, mod the order."""
    ticks = [Opening(ORDER - 1_000, scalar(5)), Opening(1_050, scalar(6))]
    slack = Opening(50, scalar(7))
    forged = forge(ticks, ticks, slack, shown=[Opening(0, ticks[0].blinding), ticks[1], slack])
    assert holds(forged.claims[0])
    assert not check.verify(forged.assertion)


@pytest.mark.parametrize("quantity", [-1, 2**31, 2**64, 10**40])
def test_a_quantity_outside_its_range_is_not_proven(quantity: int) -> None:
    with pytest.raises(ValueError, match=r"64 bits|outside"):
        bid.prove(WHERE, KEY, Opening(2**32 - 1, CAPACITY.blinding), [quantity], entropy=ENTROPY)


def test_quantities_at_the_ends_of_their_ranges_are_proven() -> None:
    capacity = Opening(2**32 - 1, CAPACITY.blinding)
    posted, _ = bid.prove(WHERE, KEY, capacity, [0, 2**31 - 1], entropy=ENTROPY)
    assert check.verify(bid.assertion(WHERE, KEY, point(capacity), *posted))


@pytest.mark.parametrize(("e", "r"), [(2, 1), (1, 2), (0, 0), (65, 65)])
def test_a_bid_has_one_to_64_ticks_and_two_points_for_each(e: int, r: int) -> None:
    posted, _ = sealed_bid()
    some = bid.assertion(WHERE, KEY, point(CAPACITY), (posted.e * 33)[:e], (posted.r * 33)[:r], *posted[2:])
    assert not check.verify(some)


def test_a_bid_of_64_ticks_fits_where_instances_and_ranges_end() -> None:
    capacity = Opening(2**32 - 1, CAPACITY.blinding)
    posted, _ = bid.prove(WHERE, KEY, capacity, [2**26] * (MAX_TICKS - 1) + [2**26 - 1], entropy=ENTROPY)
    one = bid.assertion(WHERE, KEY, point(capacity), *posted)
    assert check.verify(one)
    assert len(posted.e) == MAX_TICKS
    assert len(one.instance) <= MAX_INSTANCE_BYTES
    assert sum(len(weights(hi)) for _, hi in [BELOW_2_31] * MAX_TICKS + [BELOW_2_32]) <= MAX_VECTOR


def test_a_bid_of_another_capacity_is_refused() -> None:
    posted, _ = sealed_bid()
    twice = point(CAPACITY.times(2))
    assert not check.verify(bid.assertion(WHERE, KEY, twice, *posted))


def test_a_copied_bid_is_refused() -> None:
    """Under another name, whatever its capacity; also made unlike the first by factors of one's own."""
    posted, _ = sealed_bid()
    assert not check.verify(bid.assertion(RIVAL, KEY, point(CAPACITY), *posted))
    by = native.scalar(3)
    e = tuple((native.decode_point(one) + THRESHOLD.times_secret(by)).to_bytes() for one in posted.e)
    r = tuple((native.decode_point(one) + bases().B.times_secret(by)).to_bytes() for one in posted.r)
    assert not check.verify(bid.assertion(RIVAL, KEY, point(CAPACITY), e, r, posted.slack, posted.proof))


def relation_of(one: demand.Demand) -> Relation:
    return demand.relation(THRESHOLD, native.decode_point(one.e), one)


def test_a_copied_demand_is_refused() -> None:
    """With it, less the demands of all others, a victim's own would be opened."""
    posted, opening = demand.prove(WHERE, KEY, 40, 50, entropy=ENTROPY)
    assert not check.verify(demand.assertion(RIVAL, KEY, posted.e, posted.r, 50, posted.proof))
    # Re-randomised with a factor of one's own, and the response moved along: it fits the challenge of the first.
    factor = 3
    again = moved(opening, factor)
    e, r = native.decode_point(point(again, KEY)), bases().B.times_secret(native.decode_scalar(again.blinding))
    assert e == native.decode_point(posted.e) + THRESHOLD.times_secret(native.scalar(factor))
    first = relation_of(demand.Demand(KEY, posted.e, posted.r, 50)).instance
    true = demand.assertion(WHERE, KEY, posted.e, posted.r, 50, posted.proof)
    sponge = Sponge(session_id(tag_for(true.tag + framed((b"sigma",)))))
    sponge.absorb(first.encoded)
    sponge.absorb(posted.proof[:96])
    challenge = sponge.challenge()
    response = int.from_bytes(posted.proof[128:160], "big") + challenge * factor
    proof = posted.proof[:128] + scalar(response) + posted.proof[160:]
    commitment = native.decode_point(proof[48:96])
    assert bases().B.times_secret(native.scalar(response % ORDER)) == commitment + r.times_secret(
        native.scalar(challenge)
    )
    for where in (WHERE, RIVAL):
        for tried in (proof, posted.proof):
            assert not check.verify(demand.assertion(where, KEY, e.to_bytes(), r.to_bytes(), 50, tried))
        moved_only = demand.assertion(where, KEY, e.to_bytes(), r.to_bytes(), 50, proof)._replace(tag=true.tag)
        assert not check.verify(moved_only)


@pytest.mark.parametrize("quantity", [51, -1, 2**64])
def test_a_demand_above_what_can_be_needed_is_not_proven(quantity: int) -> None:
    with pytest.raises(ValueError, match=r"64 bits|outside"):
        demand.prove(WHERE, KEY, quantity, 50, entropy=ENTROPY)


def test_a_demand_is_proven_for_its_own_bound_only() -> None:
    posted, _ = demand.prove(WHERE, KEY, 50, 50, entropy=ENTROPY)
    assert check.verify(demand.assertion(WHERE, KEY, posted.e, posted.r, 50, posted.proof))
    assert not check.verify(demand.assertion(WHERE, KEY, posted.e, posted.r, 49, posted.proof))


def test_a_demand_whose_r_is_of_another_blinding_is_refused() -> None:
    """The sum would not open."""
    (opening,) = opened("demand", WHERE, [40], ENTROPY)
    e, r = elgamal.encrypt(40, opening.blinding, THRESHOLD)
    one = demand.Demand(KEY, e.to_bytes(), (r + bases().B).to_bytes(), 50)
    witness = {"d": 40, "r": int.from_bytes(opening.blinding, "big")}
    with pytest.raises(ValueError, match="witness"):
        prove_relation(b"tag", relation_of(one), witness, entropy=ENTROPY)


class Claimed(NamedTuple):
    """An award that its maker did not check, and the claims of its relation and of the range of its remainder alone."""

    assertion: Assertion
    relation: Claim | None
    remainder: Claim | None


def claim_award(w: Opening, divisor: int, quantity: int, rest: int, widest: int) -> Claimed:
    """An award of any quantity and remainder, with range proofs of what is near enough to be proven, the remainder's in
    [0, widest]. It has a remainder also where nothing is divided."""
    s, g, y = (scalar(value) for value in (3, 4, 5))
    q, x = Opening(quantity % ORDER, s), Opening(rest % ORDER, g)
    sealed = elgamal.encrypt(q.value, y, THRESHOLD)
    one = award.Award(KEY, point(w, KEY), divisor, point(q), point(x), sealed.E.to_bytes(), sealed.R.to_bytes())
    tag = tag_of("award", WHERE, (KEY, one.weighted, one.award, one.remainder, one.summand, one.summand_r))
    made: Relation = award.relation(one)
    witness = {
        "q": quantity,
        "s": 3,
        "y": 5,
        "alpha": int.from_bytes(w.blinding, "big"),
        "beta": -int.from_bytes(q.times(divisor).plus(x).blinding, "big"),
    }
    same = prove_relation(tag, made, witness, entropy=ENTROPY)
    near = [Opening(max(0, min(value, hi)), blinding) for value, hi, blinding in ((quantity, 99, s), (rest, widest, g))]
    last = (0, widest)
    many = 1 if divisor == 1 else 2
    both = prove_ranges(tag, near[:many], [BELOW_2_32, last][:many], entropy=ENTROPY)
    alone = prove_ranges(tag, near[1:], [last], entropy=ENTROPY)
    posted = award.Awarded(one.award, one.remainder, one.summand, one.summand_r, same + both)
    return Claimed(
        award.assertion(WHERE, KEY, one.weighted, divisor, posted),
        claim_relation(tag, made, same),
        claim_ranges(tag, [native.decode_point(one.remainder)], [last], alone),
    )


def bid_sum() -> Opening:
    return award.weigh(honest()[0], A, B)


def test_an_award_with_a_remainder_off_by_one_would_print_money() -> None:
    """b*q + e = w has a q for every e, mod the order. Only the range of q tells the one that was sold."""
    w = bid_sum().value
    sold, rest = divmod(w, B)
    assert w == B * QUANTITIES[0] + A * QUANTITIES[1]
    assert 0 < rest < B - 1
    forged = (w - (rest + 1)) * pow(B, -1, ORDER) % ORDER
    assert forged > 2**200
    made = claim_award(bid_sum(), B, forged, rest + 1, B - 1)
    assert holds(made.relation, made.remainder)
    assert not check.verify(made.assertion)
    assert check.verify(cases()["award"].true)
    assert (B * forged + rest + 1) % ORDER == B * sold + rest


def test_an_award_of_one_more_needs_a_negative_remainder_and_is_refused() -> None:
    sold, rest = divmod(bid_sum().value, B)
    made = claim_award(bid_sum(), B, sold + 1, rest - B, B - 1)
    assert holds(made.relation)
    assert not check.verify(made.assertion)


def test_an_award_of_one_less_needs_a_remainder_of_the_divisor_and_is_refused() -> None:
    """The last one outside: with a remainder in [0, b] it would have two awards."""
    whole = award.weigh(honest()[0], B, B)
    sold, rest = divmod(whole.value, B)
    assert rest == 0
    made = claim_award(whole, B, sold - 1, B, B)
    assert holds(made.relation, made.remainder)
    assert not check.verify(made.assertion)


def test_an_award_in_a_shortage_with_a_remainder_would_print_money() -> None:
    """Nothing is divided, so nothing would bound it: less than nothing is left, and more was sold than was bid."""
    whole = total(honest()[0])
    made = claim_award(whole, 1, whole.value + 7, -7, B)
    assert holds(made.relation)
    assert not check.verify(made.assertion)


def test_an_award_is_of_the_weights_that_the_price_says() -> None:
    opening = award.weigh(honest()[0], A + 1, B)
    posted, _ = award.prove(WHERE, KEY, opening, B, entropy=ENTROPY)
    assert check.verify(award.assertion(WHERE, KEY, point(opening, KEY), B, posted))
    assert not check.verify(award.assertion(WHERE, KEY, weighted(), B, posted))
    assert not check.verify(award.assertion(WHERE, KEY, point(opening, KEY), B + 1, posted))


def test_an_award_in_a_shortage_has_no_remainder() -> None:
    opening = total(honest()[0])
    posted, sold = award.prove(WHERE, KEY, opening, 1, entropy=ENTROPY)
    assert posted.remainder == b""
    assert sold.value == sum(QUANTITIES)
    assert check.verify(award.assertion(WHERE, KEY, point(opening, KEY), 1, posted))
    with_one = posted._replace(remainder=bases().H.to_bytes())
    assert not check.verify(award.assertion(WHERE, KEY, point(opening, KEY), 1, with_one))


@pytest.mark.parametrize("divisor", [0, -1, 2**32])
def test_a_divisor_outside_its_range_is_refused(divisor: int) -> None:
    posted, _ = award.prove(WHERE, KEY, total(honest()[0]), 1, entropy=ENTROPY)
    assert not check.verify(award.assertion(WHERE, KEY, point(total(honest()[0]), KEY), divisor, posted))


def test_an_award_without_its_remainder_is_refused() -> None:
    posted, _ = award.prove(WHERE, KEY, award.weigh(honest()[0], A, B), B, entropy=ENTROPY)
    assert not check.verify(award.assertion(WHERE, KEY, weighted(), B, posted._replace(remainder=b"")))


def test_the_summand_of_an_award_hides_what_the_award_does() -> None:
    """Else the sum that validators open says nothing of what is credited."""
    opening = award.weigh(honest()[0], A, B)
    posted, sold = award.prove(WHERE, KEY, opening, B, entropy=ENTROPY)
    more = elgamal.encrypt(sold.value + 1, scalar(5), THRESHOLD)
    one = award.Award(KEY, weighted(), B, posted.award, posted.remainder, more.E.to_bytes(), more.R.to_bytes())
    witness = {"q": sold.value, "s": int.from_bytes(sold.blinding, "big"), "y": 5, "alpha": 1, "beta": 1}
    with pytest.raises(ValueError, match="witness"):
        prove_relation(b"tag", award.relation(one), witness, entropy=ENTROPY)
    moved_sum = posted._replace(summand=more.E.to_bytes(), summand_r=more.R.to_bytes())
    assert not check.verify(award.assertion(WHERE, KEY, weighted(), B, moved_sum))
