"""Every kind of statement that a file can carry: its form, how its verifier rebuilds it, and what it says in words.

A kind that `zk.statements.check` knows and this table does not is a mistake, and a test says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec

from zk.group import POINT_BYTES
from zk.statements import (
    award,
    bid,
    chain,
    delivery,
    demand,
    green_share,
    known_difference,
    logarithm,
    ranges,
    reserve,
    spend,
    sums,
    withdraw,
    within_loss,
)
from zk.statements.assertion import Assertion, Where
from zk.statements.openings import Opening
from zk.statements.parts import Instance, PointBytes

MAX_BOUND = 8


class Form(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A part of a file that `node.render` writes and parses."""


class Nothing(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A statement whose tag has nothing in it but its place and its points."""


class SpendBound(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """To whom a spend goes, and the hash of the note that tells it."""

    recipient: str
    note_hash: bytes


class Known(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A point whose logarithm somebody knows."""

    point: PointBytes


class Equal(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Two pairs of points with one logarithm: of `point` to B, and of `image` to `other`."""

    point: PointBytes
    other: PointBytes
    image: PointBytes


class Bound(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What else is in the tag of a statement about logarithms, as its kind has it."""

    parts: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=MAX_BOUND)]


class Said(NamedTuple):
    """A statement in words: half sentences that begin small and have no full stop."""

    proven: str
    hidden: str


class Kind(NamedTuple):
    """How one kind of statement is read, checked and said. Functions take what was parsed by the types here."""

    about: type[Any]
    """Instance, or the form that stands for it."""
    bound: type[Any]
    build: Callable[[Where, Any, Any, bytes], Assertion]
    """Assertion of (place, about, bound, proof). ValueError where these can not belong together."""
    say: Callable[[Where, Any, Any], Said]


def _ranges(kind: str, noun: str) -> Kind:
    def build(where: Where, about: ranges.Ranges, _: Nothing, proof: bytes) -> Assertion:
        return ranges.assertion(kind, where, about.commitments, about.ranges, proof, key=about.key or None)

    def say(where: Where, about: ranges.Ranges, _: Nothing) -> Said:
        spans = [f"[{lo}, {hi}]" for lo, hi in about.ranges]
        within = spans[0] if len({*spans}) == 1 else ", ".join(spans)
        many = f"{len(about.commitments)} {noun}s of {where.actor} are" if len(spans) > 1 else None
        return Said(f"{many or f'a {noun} of {where.actor} is'} in {within}", "where in it")

    return Kind(ranges.Ranges, Nothing, build, say)


def _spend() -> Kind:
    def build(where: Where, about: spend.Spend, bound: SpendBound, proof: bytes) -> Assertion:
        return spend.assertion(where, about.balance, about.transfer, bound.recipient, bound.note_hash, proof)

    def say(where: Where, _: spend.Spend, bound: SpendBound) -> Said:
        return Said(
            f"{where.actor} can pay {bound.recipient} at least 1 nano out of its balance, at sequence {where.at} of "
            "its account, and what stays is not negative",
            "the amount, the balance and what stays",
        )

    return Kind(spend.Spend, SpendBound, build, say)


def _withdraw() -> Kind:
    def build(where: Where, about: withdraw.Withdraw, _: Nothing, proof: bytes) -> Assertion:
        return withdraw.assertion(where, about.balance, about.amount, proof)

    def say(where: Where, about: withdraw.Withdraw, _: Nothing) -> Said:
        return Said(
            f"the balance of {where.actor} holds at least {about.amount} nano, at sequence {where.at} of its account",
            "the balance",
        )

    return Kind(withdraw.Withdraw, Nothing, build, say)


def _difference() -> Kind:
    def build(where: Where, about: known_difference.KnownDifference, _: Nothing, proof: bytes) -> Assertion:
        return known_difference.assertion(where, about.minuend, about.subtrahend, about.difference, proof)

    def say(where: Where, about: known_difference.KnownDifference, _: Nothing) -> Said:
        return Said(
            f"the two figures that {where.actor} compares differ by {about.difference}", "either of the figures"
        )

    return Kind(known_difference.KnownDifference, Nothing, build, say)


def _within_loss() -> Kind:
    def build(where: Where, about: within_loss.WithinLoss, _: Nothing, proof: bytes) -> Assertion:
        allowed = {"loss_ppm": about.loss_ppm, "fixed_wh": about.fixed_wh, "accuracy_wh": about.accuracy_wh}
        return within_loss.assertion(where, about.share, about.delivery, proof, **allowed)

    def say(where: Where, about: within_loss.WithinLoss, _: Nothing) -> Said:
        return Said(
            f"the share of {where.actor} is below its delivery by no more than {about.loss_ppm} ppm and "
            f"{about.fixed_wh} Wh, and above it by no more than {about.accuracy_wh} Wh",
            "share, delivery and loss",
        )

    return Kind(within_loss.WithinLoss, Nothing, build, say)


def _reserve() -> Kind:
    def build(where: Where, about: reserve.Reserve, _: Nothing, proof: bytes) -> Assertion:
        return reserve.assertion(where, about.reserve, about.delivery, about.most, proof)

    def say(where: Where, about: reserve.Reserve, _: Nothing) -> Said:
        return Said(
            f"the reserve of {where.actor} is at most {about.most} Wh and covers what it delivered",
            "the reserve and the delivery",
        )

    return Kind(reserve.Reserve, Nothing, build, say)


def _delivery() -> Kind:
    def build(where: Where, about: delivery.Delivery, _: Nothing, proof: bytes) -> Assertion:
        numbers = {"shortfall_wh": about.shortfall_wh, "others_wh": about.others_wh}
        return delivery.assertion(where, about.award, about.metered, proof, **numbers)

    def say(where: Where, about: delivery.Delivery, _: Nothing) -> Said:
        return Said(
            f"{where.actor} delivered its award less {about.shortfall_wh} Wh, beside {about.others_wh} Wh that it owed "
            "otherwise",
            "award and delivery",
        )

    return Kind(delivery.Delivery, Nothing, build, say)


def _green_share() -> Kind:
    def build(where: Where, about: green_share.GreenShare, _: Nothing, proof: bytes) -> Assertion:
        return green_share.assertion(where, about.consumption, about.ppm, _green(about, proof))

    def say(where: Where, about: green_share.GreenShare, _: Nothing) -> Said:
        return Said(
            f"the green volume of {where.actor} is {about.ppm} ppm of what it used, rounded down",
            "the volume and the consumption",
        )

    return Kind(green_share.GreenShare, Nothing, build, say)


def _green(about: green_share.GreenShare, proof: bytes) -> green_share.Green:
    return green_share.Green(about.volume, about.remainder, proof)


def _demand() -> Kind:
    def build(where: Where, about: demand.Demand, _: Nothing, proof: bytes) -> Assertion:
        return demand.assertion(where, about.key, about.e, about.r, about.most, proof)

    def say(where: Where, about: demand.Demand, _: Nothing) -> Said:
        return Said(
            f"{where.actor} sealed a demand of at most {about.most} Wh for interval {where.at} and knows it, so copied "
            "it from nobody",
            "the demand, unless enough seats open it alone",
        )

    return Kind(demand.Demand, Nothing, build, say)


def _bid() -> Kind:
    def build(where: Where, about: bid.Bid, _: Nothing, proof: bytes) -> Assertion:
        return bid.assertion(where, about.key, about.capacity, about.e, about.r, about.slack, proof)

    def say(where: Where, about: bid.Bid, _: Nothing) -> Said:
        return Said(
            f"{where.actor} sealed a bid with a quantity at each of {len(about.e)} ticks for interval {where.at}, none "
            "negative and all of them together within its capacity",
            "every quantity and the capacity",
        )

    return Kind(bid.Bid, Nothing, build, say)


def _award() -> Kind:
    def build(where: Where, about: award.Award, _: Nothing, proof: bytes) -> Assertion:
        posted = award.Awarded(about.award, about.remainder, about.summand, about.summand_r, proof)
        return award.assertion(where, about.key, about.weighted, about.divisor, posted)

    def say(where: Where, about: award.Award, _: Nothing) -> Said:
        return Said(
            f"the award of {where.actor} in interval {where.at} is its weighted bid divided by {about.divisor}, "
            "rounded down, and is what it adds to the sum of all awards",
            "the award and the bid",
        )

    return Kind(award.Award, Nothing, build, say)


def _sum() -> Kind:
    def build(where: Where, about: sums.Sum, _: Nothing, proof: bytes) -> Assertion:
        return sums.assert_sum(where, about.parts, about.public, about.total)._replace(proof=proof)

    def say(where: Where, about: sums.Sum, _: Nothing) -> Said:
        beside = f" and {about.public} in public" if about.public else ""
        many = f"{len(about.parts)} hidden figures" if len(about.parts) > 1 else "a hidden figure"
        return Said(f"{many} of {where.actor}{beside} make up a total, hidden too", "every hidden figure")

    return Kind(sums.Sum, Nothing, build, say)


def _opening() -> Kind:
    def build(where: Where, about: sums.Opened, _: Nothing, proof: bytes) -> Assertion:
        opening = Opening(about.value, about.blinding)
        return sums.assert_opening(where, about.commitment, opening)._replace(proof=proof)

    def say(where: Where, about: sums.Opened, _: Nothing) -> Said:
        return Said(f"a commitment of {where.actor} hides {about.value}", "nothing, this file shows the figure")

    return Kind(sums.Opened, Nothing, build, say)


def _chain() -> Kind:
    def build(where: Where, about: chain.Slice, _: Nothing, proof: bytes) -> Assertion:
        return chain.assertion(where, about, proof)

    def say(where: Where, about: chain.Slice, _: Nothing) -> Said:
        last = about.first + len(about.records) - 1
        return Said(
            f"records {about.first} to {last} are unaltered records of {where.actor}, of {about.length} that end in "
            f"head {about.head.hex()}",
            "every other record",
        )

    return Kind(chain.Slice, Nothing, build, say)


def _known(kind: str, what: str) -> Kind:
    def build(where: Where, about: Known, bound: Bound, proof: bytes) -> Assertion:
        return logarithm.known(kind, where, about.point, proof, bound.parts)

    return Kind(Known, Bound, build, lambda where, *_: Said(f"{where.actor} knows {what}", "that secret"))


def _equal(kind: str, what: str) -> Kind:
    def build(where: Where, about: Equal, bound: Bound, proof: bytes) -> Assertion:
        return logarithm.equal(kind, where, about.point, about.other, about.image, proof, bound.parts)

    return Kind(Equal, Bound, build, lambda where, *_: Said(f"{where.actor} {what}", "that secret"))


KINDS: Mapping[str, Kind] = {
    "range": _ranges("range", "figure"),
    "reading": _ranges("reading", "reading"),
    "capacity": _ranges("capacity", "capacity"),
    "quality": _ranges("quality", "measured value"),
    spend.KIND: _spend(),
    withdraw.KIND: _withdraw(),
    known_difference.KIND: _difference(),
    within_loss.KIND: _within_loss(),
    reserve.KIND: _reserve(),
    delivery.KIND: _delivery(),
    green_share.KIND: _green_share(),
    demand.KIND: _demand(),
    bid.KIND: _bid(),
    award.KIND: _award(),
    sums.SUM: _sum(),
    sums.OPENING: _opening(),
    chain.KIND: _chain(),
    "possession": _known("possession", "the secret of the key that it registers"),
    "note": _known("note", "the secret of the note that it sends"),
    "reveal": _equal("reveal", "shows the one point that its note is opened with, made with the secret of its key"),
    "share": _equal("share", "gave a share of an opening that was made with its share of the threshold key"),
}


def points_of(about: Instance | Form) -> list[bytes]:
    """All points of a statement, in the order of its fields; records have none, whatever their length."""
    if isinstance(about, chain.Slice):
        return []
    fields = [getattr(about, field) for field in about.__struct_fields__]
    flat = [one for field in fields for one in (field if isinstance(field, tuple) else (field,))]
    return [one for one in flat if isinstance(one, bytes) and len(one) == POINT_BYTES]
