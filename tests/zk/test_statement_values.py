"""Statements over H at the ends of what they allow: true by one unit, false by one unit, and wrapped around the order.

A prover refuses what is false, and a verifier refuses a true proof of it in wider ranges, or of another number.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.zk import naive_range_proof
from tests.zk.statement_cases import BALANCE, ENTROPY, METERED, NOTE_HASH, SHARE, WHERE, point
from zk.codec import encode
from zk.group import ORDER, native
from zk.group.bases import bases
from zk.pedersen import commit
from zk.sigma import tag_for
from zk.statements import (
    chain,
    check,
    delivery,
    green_share,
    known_difference,
    ranges,
    reserve,
    spend,
    sums,
    withdraw,
    within_loss,
)
from zk.statements.assertion import Assertion, Where, framed, tag_of
from zk.statements.openings import Opening, opened
from zk.statements.parts import BELOW_2_40, BELOW_2_63, number, prove_ranges, prove_relation
from zk.transcript import Sponge, session_id

EMPTY = bytes(32)
TOP = 2**63 - 1


def of(value: int) -> Opening:
    """A commitment's opening, to any value."""
    return Opening(value, (value * value % ORDER + 77).to_bytes(32, "big"))


def scalar(value: int) -> bytes:
    return (value % ORDER).to_bytes(32, "big")


def raw(opening: Opening) -> bytes:
    """Commitment to any integer, also one that wraps."""
    return commit(opening.value % ORDER, opening.blinding).to_bytes()


@pytest.mark.parametrize("kind", ranges.KINDS)
@pytest.mark.parametrize("value", [1_000, 3_000])
def test_the_ends_of_a_range_are_inside(kind: str, value: int) -> None:
    posted = ranges.prove(kind, WHERE, [of(value)], [(1_000, 3_000)], entropy=ENTROPY)
    assert check.verify(ranges.assertion(kind, WHERE, posted.commitments, [(1_000, 3_000)], posted.proof))


@pytest.mark.parametrize("value", [999, 3_001, 0, -1, 2**64, 2**64 + 2_000, 10**40])
def test_a_value_out_of_range_is_neither_proven_nor_passed_off(value: int) -> None:
    with pytest.raises(ValueError, match=r"outside|order"):
        ranges.prove("reading", WHERE, [of(value)], [(1_000, 3_000)], entropy=ENTROPY)
    if 0 <= value < 2**64:
        wide = ranges.prove("reading", WHERE, [of(value)], [(0, 2**64 - 1)], entropy=ENTROPY)
        assert not check.verify(ranges.assertion("reading", WHERE, wide.commitments, [(1_000, 3_000)], wide.proof))


def test_a_kind_that_is_no_kind_of_range_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="none of"):
        ranges.prove("spend", WHERE, [of(1)], [(0, 1)], entropy=ENTROPY)
    with pytest.raises(ValueError, match="none of"):
        ranges.assertion("bid", WHERE, [point(of(1))], [(0, 1)], b"")


def test_a_line_that_may_carry_32_ampere_does() -> None:
    """The example of the paper, in milliamperes: shown is that the limit is kept, and nothing of the current."""
    posted = ranges.prove("quality", WHERE, [of(31_999)], [(0, 32_000)], entropy=ENTROPY)
    assert check.verify(ranges.assertion("quality", WHERE, posted.commitments, [(0, 32_000)], posted.proof))
    with pytest.raises(ValueError, match=r"outside|order"):
        ranges.prove("quality", WHERE, [of(32_001)], [(0, 32_000)], entropy=ENTROPY)


def spent(balance: Opening, sent: Opening, recipient: str = "wind") -> Assertion:
    posted = spend.prove(WHERE, balance, sent, recipient, NOTE_HASH, entropy=ENTROPY)
    return spend.assertion(WHERE, point(balance), posted.transfer, recipient, NOTE_HASH, posted.proof)


@pytest.mark.parametrize("amount", [1, 4_999, 5_000])
def test_a_balance_is_spent_up_to_its_last_unit(amount: int) -> None:
    sent = spend.transfer(WHERE, BALANCE, amount, ENTROPY)
    assert sent.value == amount
    assert check.verify(spent(BALANCE, sent))


def test_a_balance_spent_whole_leaves_no_account() -> None:
    assert point(spend.transfer(WHERE, BALANCE, BALANCE.value, ENTROPY)) == point(BALANCE)


def test_all_of_a_balance_may_stay_behind_a_commitment_to_nothing() -> None:
    assert check.verify(spent(BALANCE, of(BALANCE.value)))


@pytest.mark.parametrize("amount", [0, -1, 5_001, TOP + 1])
def test_an_amount_that_is_not_there_is_not_spent(amount: int) -> None:
    with pytest.raises(ValueError, match="between 1 and"):
        spend.transfer(WHERE, BALANCE, amount, ENTROPY)
    with pytest.raises(ValueError, match=r"outside|order"):
        spent(BALANCE, Opening(amount, of(3).blinding))


def test_more_than_the_balance_would_be_spent_if_the_remainder_had_no_range() -> None:
    sent = of(5_001)
    tag = tag_of("spend", WHERE, (point(BALANCE), point(sent), b"wind", NOTE_HASH))
    alone = prove_ranges(tag, [sent], [spend.AMOUNT], entropy=ENTROPY)
    both = prove_ranges(tag, [sent, of(0)], [spend.AMOUNT, BELOW_2_63], entropy=ENTROPY)
    for proof in (alone, both):
        assert not check.verify(spend.assertion(WHERE, point(BALANCE), point(sent), "wind", NOTE_HASH, proof))


@pytest.mark.parametrize(
    ("recipient", "note_hash"), [("tide", NOTE_HASH), ("wind", b"m" * 32), ("win", b"d" + NOTE_HASH)]
)
def test_a_spend_goes_to_its_recipient_with_its_note_only(recipient: str, note_hash: bytes) -> None:
    sent = spend.transfer(WHERE, BALANCE, 10, ENTROPY)
    posted = spend.prove(WHERE, BALANCE, sent, "wind", NOTE_HASH, entropy=ENTROPY)
    assert not check.verify(spend.assertion(WHERE, point(BALANCE), posted.transfer, recipient, note_hash, posted.proof))


@pytest.mark.parametrize("amount", [1, 5_000])
def test_a_balance_is_withdrawn_up_to_its_last_unit(amount: int) -> None:
    proof = withdraw.prove(WHERE, BALANCE, amount, entropy=ENTROPY)
    assert check.verify(withdraw.assertion(WHERE, point(BALANCE), amount, proof))
    assert not check.verify(withdraw.assertion(WHERE, point(BALANCE), amount + 1, proof))


@pytest.mark.parametrize("amount", [0, -1, 2**63])
def test_an_amount_out_of_bounds_is_not_withdrawn(amount: int) -> None:
    """Of a balance that would pay for it, mod the order."""
    balance = Opening(5_000, of(1).blinding)
    one = withdraw.Withdraw(point(balance), amount)
    tag = tag_of("withdraw", WHERE, (one.balance, (amount % 2**64).to_bytes(8, "big")))
    proof = prove_ranges(tag, [Opening(5_000, balance.blinding)], [BELOW_2_63], entropy=ENTROPY)
    assert not check.verify(Assertion("withdraw", tag, encode(one), proof))


def test_what_was_deposited_in_sight_of_all_is_withdrawn_without_a_proof() -> None:
    """A balance without a blinding: its remainder is the identity, and there is nothing to prove."""
    deposited = Opening(700, EMPTY)
    assert withdraw.prove(WHERE, deposited, 700, entropy=ENTROPY) == b""
    assert check.verify(withdraw.assertion(WHERE, point(deposited), 700, b""))
    assert not check.verify(withdraw.assertion(WHERE, point(deposited), 700, b"\0"))
    assert not check.verify(withdraw.assertion(WHERE, point(deposited), 699, b""))
    part = withdraw.prove(WHERE, deposited, 699, entropy=ENTROPY)
    assert check.verify(withdraw.assertion(WHERE, point(deposited), 699, part))


@pytest.mark.parametrize(("share", "metered"), [(40, 41), (41, 40), (40, 40), (0, 2**40 - 1)])
def test_a_difference_is_the_public_one_and_no_other(share: int, metered: int) -> None:
    a, b = Opening(share, of(3).blinding), Opening(metered, of(4).blinding)
    posted = known_difference.prove(WHERE, a, b, entropy=ENTROPY)
    assert posted.difference == share - metered
    assert check.verify(known_difference.assertion(WHERE, point(a), point(b), posted.difference, posted.proof))
    for other in (posted.difference + 1, posted.difference - 1, -posted.difference or 7):
        assert not check.verify(known_difference.assertion(WHERE, point(a), point(b), other, posted.proof))


def test_a_difference_that_everybody_sees_needs_no_proof() -> None:
    """Whoever chooses the blinding of one side as that of the other can not leave it without a proof to give."""
    a, b = METERED.shifted(-3), METERED
    posted = known_difference.prove(WHERE, a, b, entropy=ENTROPY)
    assert posted == (-3, b"")
    assert check.verify(known_difference.assertion(WHERE, point(a), point(b), -3, b""))
    assert not check.verify(known_difference.assertion(WHERE, point(a), point(b), -2, b""))
    assert not check.verify(known_difference.assertion(WHERE, point(a), point(b), -3, bytes(80)))


def test_a_commitment_chosen_after_the_challenge_would_be_forged() -> None:
    """Frozen Heart: with a challenge of the commitment alone, an image with any value in it is answered for."""
    known, where = bases(), WHERE
    difference = 5

    def weak(commitment: bytes) -> int:
        sponge = Sponge(session_id(b"weak"))
        sponge.absorb(commitment)
        return sponge.challenge()

    commitment = native.multiexp([known.H, known.V], [native.scalar(11), native.scalar(13)])
    challenge, response = weak(commitment.to_bytes()), 17
    # image = (response*H - commitment) / challenge hides -13/challenge, and nobody knows it for a multiple of H.
    inverse = native.scalar(pow(challenge, -1, ORDER))
    image = native.multiexp([known.H, commitment], [native.scalar(response) * inverse, -inverse])
    assert native.multiexp([known.H], [native.scalar(response)]) == commitment + image.times_secret(
        native.scalar(challenge)
    )
    minuend = image + native.decode_point(point(METERED)) + known.V.times_secret(native.scalar(difference))
    proof = commitment.to_bytes() + response.to_bytes(32, "big")
    forged = known_difference.assertion(where, minuend.to_bytes(), point(METERED), difference, proof)
    assert not check.verify(forged)
    # The same with the challenge that the true tag gives to the commitment, without the instance.
    sponge = Sponge(session_id(tag_for(forged.tag + framed((b"sigma",)))))
    sponge.absorb(commitment.to_bytes())
    assert sponge.challenge() != challenge


ALLOWED = {"loss_ppm": 10_000, "fixed_wh": 2, "accuracy_wh": 3}


@pytest.mark.parametrize(
    ("share", "metered", "is_within"),
    [
        (988, 1_000, True),
        (987, 1_000, False),
        (1_003, 1_000, True),
        (1_004, 1_000, False),
        (0, 2, True),
        (0, 3, False),
        (2**40 - 1, 2**40 - 1, True),
    ],
)
def test_what_a_line_may_lose_is_lost_and_a_wh_more_is_not(share: int, metered: int, is_within: bool) -> None:
    a, b = of(share), Opening(metered, of(5).blinding)
    if not is_within:
        with pytest.raises(ValueError, match=r"outside|order"):
            within_loss.prove(WHERE, a, b, entropy=ENTROPY, **ALLOWED)
        return
    proof = within_loss.prove(WHERE, a, b, entropy=ENTROPY, **ALLOWED)
    assert check.verify(within_loss.assertion(WHERE, point(a), point(b), proof, **ALLOWED))


@pytest.mark.parametrize("which", ["no gain left", "no loss left", "neither"])
def test_a_share_blinded_so_that_a_side_is_the_identity_is_proven_all_the_same(which: str) -> None:
    """Whoever makes the share and knows the delivery's blinding may choose that, so that its owner had no proof to give
    and were named for its silence."""
    metered = Opening(1_000_000, METERED.blinding)
    allowed = {"loss_ppm": 10_000, "fixed_wh": 2, "accuracy_wh": 3}
    factor = 10**6 - allowed["loss_ppm"]
    least = Opening(metered.value - 10_000 - 2, scalar(number(metered.blinding) * factor * pow(10**6, -1, ORDER)))
    if which == "no gain left":
        share = metered.shifted(3)
    elif which == "no loss left":
        share = least
    else:
        allowed, share = dict.fromkeys(allowed, 0), metered
    proof = within_loss.prove(WHERE, share, metered, entropy=ENTROPY, **allowed)
    assert (proof == b"") is (which == "neither")
    at = (WHERE, point(share), point(metered))
    assert check.verify(within_loss.assertion(*at, proof, **allowed))
    # What is left to prove is not left out, and one Wh beyond is not within.
    assert not check.verify(within_loss.assertion(*at, proof + b"\0", **allowed))
    assert (which == "neither") or not check.verify(within_loss.assertion(*at, b"", **allowed))
    for more in {"no gain left": [1], "no loss left": [-1], "neither": [1, -1]}[which]:
        with pytest.raises(ValueError, match=r"outside|order"):
            within_loss.prove(WHERE, share.shifted(more), metered, entropy=ENTROPY, **allowed)


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_is_part_of_the_statement(name: str) -> None:
    proof = within_loss.prove(WHERE, SHARE, METERED, entropy=ENTROPY, **ALLOWED)
    for value in (ALLOWED[name] + 1, -1, 2**40, 10**6 + 1):
        other = within_loss.assertion(WHERE, point(SHARE), point(METERED), proof, **(ALLOWED | {name: value}))
        assert not check.verify(other)


@pytest.mark.parametrize(
    "beyond", [{"loss_ppm": 10**6 + 1}, {"loss_ppm": -1}, {"fixed_wh": 2**40}, {"fixed_wh": -1}, {"accuracy_wh": 2**40}]
)
def test_what_is_allowed_is_bounded(beyond: dict[str, int]) -> None:
    """So that nothing can wrap, and no allowance is less than none. The proofs are of what is so."""
    allowed = ALLOWED | beyond
    share = Opening(METERED.value + 1, SHARE.blinding)
    proof = within_loss.prove(WHERE, share, METERED, entropy=ENTROPY, **allowed)
    assert not check.verify(within_loss.assertion(WHERE, point(share), point(METERED), proof, **allowed))


@pytest.mark.parametrize(
    ("amount", "used", "is_held"), [(100, 100, True), (100, 0, True), (99, 100, False), (101, 1, False)]
)
def test_a_reserve_is_within_nameplate_and_not_used_up(amount: int, used: int, is_held: bool) -> None:
    a, b = of(amount), Opening(used, of(6).blinding)
    if not is_held:
        with pytest.raises(ValueError, match=r"outside|order"):
            reserve.prove(WHERE, a, b, 100, entropy=ENTROPY)
        return
    posted = reserve.prove(WHERE, a, b, 100, entropy=ENTROPY)
    assert check.verify(reserve.assertion(WHERE, posted.reserve, point(b), 100, posted.proof))
    assert not check.verify(reserve.assertion(WHERE, posted.reserve, point(b), 99, posted.proof))


def delivered(award: Opening, metered: Opening, shortfall: int, others: int) -> Assertion:
    proof = delivery.prove(WHERE, award, metered, shortfall_wh=shortfall, others_wh=others, entropy=ENTROPY)
    return delivery.assertion(WHERE, point(award), point(metered), proof, shortfall_wh=shortfall, others_wh=others)


@pytest.mark.parametrize(
    ("award", "metered", "shortfall", "others"),
    [(40, 40, 0, 0), (40, 39, 1, 0), (40, 0, 40, 0), (40, 50, 0, 10), (2**32 - 1, 2**40 - 1, 0, 0)],
)
def test_what_was_delivered_is_proven(award: int, metered: int, shortfall: int, others: int) -> None:
    assert check.verify(delivered(of(award), Opening(metered, of(7).blinding), shortfall, others))


@pytest.mark.parametrize(
    ("award", "metered", "shortfall", "others"),
    [(40, 39, 0, 0), (40, 40, 41, 0), (40, 49, 0, 10), (40, 100, -1, 0)],
)
def test_what_was_not_delivered_is_not_proven(award: int, metered: int, shortfall: int, others: int) -> None:
    """u above q among them, and a negative u, which the instance refuses when the ranges would hold."""
    try:
        made = delivered(of(award), Opening(metered, of(7).blinding), shortfall, others)
    except ValueError:
        return
    assert shortfall < 0
    assert not check.verify(made)


@pytest.mark.parametrize(("shortfall", "others"), [(2**32, 0), (0, 2**40), (0, -1), (-1, 0), (2**63, 0)])
def test_shortfall_and_other_obligations_are_bounded(shortfall: int, others: int) -> None:
    """u without bounds prints money: near the order, Q - uV is in range and p*(Q - uV) is more than was sold."""
    one = delivery.Delivery(point(SHARE), point(METERED), shortfall, others)
    tag = tag_of("delivery", WHERE, (one.award, one.metered))
    left = SHARE.shifted(-shortfall)
    rest = METERED.minus(left).shifted(-others)
    near = [Opening(max(0, part.value) % 2**32, part.blinding) for part in (left, rest)]
    proof = prove_ranges(tag, near, delivery.RANGES, entropy=ENTROPY)
    assert not check.verify(Assertion("delivery", tag, encode(one), proof))


def test_an_award_that_was_opened_is_delivered_like_any_other() -> None:
    opened_award = Opening(40, EMPTY)
    assert check.verify(delivered(opened_award, METERED, 3, 0))
    with pytest.raises(ValueError, match="identity"):
        delivered(opened_award, METERED, 40, 0)


def test_what_is_left_of_an_award_is_not_the_identity() -> None:
    """Its range would hold. Nothing of it was delivered, which is what counts without a proof."""
    nothing, metered = (77, EMPTY), METERED
    one = delivery.Delivery(raw(Opening(*nothing)), point(metered), 77, 0)
    tag = tag_of("delivery", WHERE, (one.award, one.metered))
    digits = [[0] * len(naive_range_proof.weights_of(hi)) for _, hi in delivery.RANGES]
    digits[1] = [metered.value >> bit & 1 for bit in range(40)]
    blindings = [0, int.from_bytes(metered.blinding, "big")]
    sent, proof = naive_range_proof.prove(
        [0, metered.value], digits, blindings, delivery.RANGES, tag=tag + framed((b"range",))
    )
    assert sent == [native.IDENTITY.to_bytes(), point(metered)]
    assert not check.verify(Assertion("delivery", tag, encode(one), proof))


@pytest.mark.parametrize("ppm", [1, 333_333, 1_000_000])
def test_a_green_share_is_rounded_down(ppm: int) -> None:
    posted, volume = green_share.prove(WHERE, METERED, ppm, entropy=ENTROPY)
    assert volume.value == METERED.value * ppm // 10**6
    assert check.verify(green_share.assertion(WHERE, point(METERED), ppm, posted))
    assert not check.verify(green_share.assertion(WHERE, point(METERED), ppm + 1, posted))


def claim_green(consumption: Opening, ppm: int, quotient: int, rest: int, widest: int) -> Assertion:
    """A green share of any quotient and remainder, with range proofs of what is near enough to be proven."""
    volume, remainder = Opening(quotient, of(3).blinding), Opening(rest, of(4).blinding)
    one = green_share.GreenShare(point(consumption), ppm, raw(volume), point(remainder))
    tag = tag_of("green-share", WHERE, (one.consumption, one.volume, one.remainder))
    beta = consumption.times(ppm).minus(volume.times(10**6)).minus(remainder).blinding
    same = prove_relation(tag, green_share.relation(one), {"beta": int.from_bytes(beta, "big")}, entropy=ENTROPY)
    near = [Opening(min(quotient, 2**40 - 1), volume.blinding), remainder]
    ranges_ = [BELOW_2_40, (0, widest)]
    return Assertion("green-share", tag, encode(one), same + prove_ranges(tag, near, ranges_, entropy=ENTROPY))


def test_a_green_share_made_by_hand_is_proven() -> None:
    quotient, rest = divmod(METERED.value * 300_000, 10**6)
    assert check.verify(claim_green(METERED, 300_000, quotient, rest, 10**6 - 1))


@pytest.mark.parametrize("shift", [1, -1])
def test_a_green_share_with_a_remainder_off_by_one_would_be_any_number(shift: int) -> None:
    """As an award: the quotient of another remainder is near the order, and only its range refuses it."""
    share = METERED.value * 300_000
    rest = share % 10**6 + shift
    quotient = (share - rest) * pow(10**6, -1, ORDER) % ORDER
    assert quotient > 2**200
    assert not check.verify(claim_green(METERED, 300_000, quotient, rest, 10**6 - 1))


def test_a_green_share_has_one_quotient() -> None:
    """With a remainder in [0, 10^6] it would have two."""
    whole = Opening(40, METERED.blinding)
    assert not check.verify(claim_green(whole, 250_000, 9, 10**6, 10**6))
    assert check.verify(claim_green(whole, 250_000, 10, 0, 10**6 - 1))


@pytest.mark.parametrize("ppm", [0, 1_000_001])
def test_a_share_of_nothing_or_of_more_than_all_is_refused(ppm: int) -> None:
    """Proven of a true division, so that only the bound is in the way."""
    quotient, rest = divmod(METERED.value * ppm, 10**6)
    assert not check.verify(claim_green(METERED, ppm, quotient, rest, 10**6 - 1))


PARTS = [of(value) for value in (31_000, 30_000, 15_100)]


def test_parts_are_their_total_and_no_other() -> None:
    whole = PARTS[0].plus(PARTS[1]).plus(PARTS[2])
    parts = [point(part) for part in PARTS]
    assert check.verify(sums.assert_sum(WHERE, parts, 0, point(whole)))
    assert check.verify(sums.assert_sum(WHERE, parts, 900, point(whole.shifted(900))))
    for false in (
        sums.assert_sum(WHERE, parts, 1, point(whole)),
        sums.assert_sum(WHERE, parts, -1, point(whole.shifted(-1))),
        sums.assert_sum(WHERE, parts[:2], 0, point(whole)),
        sums.assert_sum(WHERE, [*parts, parts[0]], 0, point(whole)),
        sums.assert_sum(WHERE, [], 0, point(whole)),
        sums.assert_sum(WHERE, parts, 0, point(whole))._replace(proof=b"\0"),
        sums.assert_sum(WHERE, [*parts, native.IDENTITY.to_bytes()], 0, point(whole)),
    ):
        assert not check.verify(false)


def test_a_sum_has_so_many_parts_and_no_more() -> None:
    """True of one part more than there may be; refused before any is decoded."""
    whole = of(1).times(sums.MAX_PARTS + 1)
    many = [point(of(1))] * (sums.MAX_PARTS + 1)
    assert not check.verify(sums.assert_sum(WHERE, many, 0, point(whole)))
    assert check.verify(sums.assert_sum(WHERE, many[:64], 0, point(of(1).times(64))))


def test_an_opening_is_of_its_commitment_only() -> None:
    one = of(31_000)
    assert check.verify(sums.assert_opening(WHERE, point(one), one))
    for false in (
        sums.assert_opening(WHERE, point(one), one.shifted(1)),
        sums.assert_opening(WHERE, point(one), Opening(31_000, of(1).blinding)),
        sums.assert_opening(WHERE, point(of(1)), one),
        sums.assert_opening(WHERE, point(one), Opening(31_000, ORDER.to_bytes(32, "big"))),
        sums.assert_opening(WHERE, point(one), one)._replace(proof=b"\0"),
    ):
        assert not check.verify(false)


RECORDS = [f"record {number}".encode() for number in range(7)]
MONITOR = Where("campus-1", "m-feeder")


@pytest.mark.parametrize(("first", "count"), [(0, 1), (0, 7), (3, 2), (6, 1)])
def test_a_slice_of_chained_records_is_proven(first: int, count: int) -> None:
    one, proof = chain.prove(MONITOR, RECORDS, first, count)
    assert one.records == tuple(RECORDS[first : first + count])
    assert one.head == chain.links(MONITOR, RECORDS)[-1]
    assert check.verify(chain.assertion(MONITOR, one, proof))


def test_the_chain_of_another_monitor_is_not_passed_off_as_ones_own_from_its_beginning() -> None:
    other = MONITOR._replace(actor="m-other")
    one, proof = chain.prove(MONITOR, RECORDS, 0, 3)
    assert not check.verify(chain.assertion(other, one, proof))
    assert not check.verify(chain.assertion(MONITOR._replace(at=1), one, proof))


Change = Callable[[chain.Slice], chain.Slice]


def slice_with(
    one: chain.Slice, records: tuple[bytes, ...] | None = None, first: int | None = None, length: int | None = None
) -> chain.Slice:
    return chain.Slice(
        one.head,
        one.length if length is None else length,
        one.first if first is None else first,
        one.records if records is None else records,
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda one: slice_with(one, records=(one.records[0], b"record 4 ")),
        lambda one: slice_with(one, records=one.records[::-1]),
        lambda one: slice_with(one, records=one.records[:1]),
        lambda one: slice_with(one, records=(*one.records, b"record 5")),
        lambda one: slice_with(one, records=()),
        lambda one: slice_with(one, first=2),
        lambda one: slice_with(one, length=8),
        lambda one: slice_with(one, first=2, length=6),
    ],
)
def test_an_altered_slice_is_refused(change: Change) -> None:
    """A record altered, two in another order, one left out, one added, none, another place, another length."""
    one, proof = chain.prove(MONITOR, RECORDS, 3, 2)
    assert not check.verify(chain.assertion(MONITOR, change(one), proof))


def test_a_chain_is_of_one_monitor_and_one_record_longer_has_another_head() -> None:
    heads = [chain.links(where, RECORDS)[-1] for where in (MONITOR, MONITOR._replace(actor="m-other"))]
    heads += [chain.links(MONITOR, some)[-1] for some in ([*RECORDS, b""], RECORDS[:-1])]
    assert len(set(heads)) == 4


@pytest.mark.parametrize(
    ("count", "size", "is_taken"),
    [
        (1, chain.MAX_RECORD_BYTES, True),
        (1, chain.MAX_RECORD_BYTES + 1, False),
        (chain.MAX_RECORDS, 200, True),
        (chain.MAX_RECORDS, 300, False),
        (chain.MAX_RECORDS + 1, 1, False),
    ],
)
def test_a_slice_has_so_many_records_and_bytes_and_no_more(count: int, size: int, is_taken: bool) -> None:
    one, proof = chain.prove(MONITOR, [bytes(size)] * count, 0, count)
    assert check.verify(chain.assertion(MONITOR, one, proof)) is is_taken


@pytest.mark.parametrize(("first", "count"), [(0, 0), (0, 8), (-1, 2), (7, 1)])
def test_a_slice_that_is_not_there_is_a_mistake(first: int, count: int) -> None:
    with pytest.raises(ValueError, match="slice"):
        chain.prove(MONITOR, RECORDS, first, count)


def test_a_slice_whose_proof_is_cut_or_extended_is_refused() -> None:
    one, proof = chain.prove(MONITOR, RECORDS, 3, 2)
    for other in (proof[:-32], proof + bytes(32), proof[:-1], b"", proof[32:]):
        assert not check.verify(chain.assertion(MONITOR, one, other))


def test_blindings_of_a_place_differ_by_value_kind_place_and_entropy() -> None:
    made = [
        opened("reading", WHERE, [5, 6], ENTROPY),
        opened("reading", WHERE, [5, 7], ENTROPY),
        opened("capacity", WHERE, [5, 6], ENTROPY),
        opened("reading", WHERE._replace(at=8), [5, 6], ENTROPY),
        opened("reading", WHERE, [5, 6], ENTROPY[::-1]),
    ]
    assert len({one.blinding for some in made for one in some}) == 10
