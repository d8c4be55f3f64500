"""Proofs made out of openings: what a member proves to somebody, as a file orders it.

Never writes a secret into what it makes: openings of new commitments are given back beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec

from node.errors import NodeError
from node.proofs import AnyBundle, Document, decode_file
from node.render import NotThisForm, parse, render
from node.statements.file import ORDERED, Place, Statement, StatementsFile, Terms
from node.statements.kinds import KINDS, Bound, Equal, Form, Known, Nothing, SpendBound
from zk.pedersen import commit
from zk.statements import (
    award,
    bid,
    chain,
    check,
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
from zk.statements.assertion import Where
from zk.statements.openings import Opening


class Opens(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What opens a commitment."""

    value: Annotated[int, msgspec.Meta(ge=0)]
    blinding: bytes

    @property
    def opening(self) -> Opening:
        """The same for a proof."""
        return Opening(self.value, self.blinding)

    @property
    def point(self) -> bytes:
        """Its commitment over H."""
        return commit(self.value, self.blinding).to_bytes()


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One statement that is to be made."""

    statement: str
    where: Document
    inputs: Document
    made_of: dict[str, Terms] = {}


class Orders(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag=ORDERED):
    """The file that `gridpact proof make` takes. It has secrets in it."""

    statements: Annotated[tuple[Order, ...], msgspec.Meta(min_length=1, max_length=64)]


class Made(NamedTuple):
    """A statement and the openings of what it commits to anew."""

    about: Any
    proof: bytes
    bound: Any = Nothing()
    openings: Mapping[str, Opening] = {}
    made_of: Mapping[str, Terms] = {}


class RangesInputs(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What lies in which ranges, over H or a threshold key."""

    openings: tuple[Opens, ...]
    ranges: tuple[tuple[int, int], ...]
    key: bytes
    """Threshold key in the place of H; empty for H."""


def _ranges(kind: str) -> Callable[[Where, RangesInputs, bytes], Made]:
    def make(where: Where, given: RangesInputs, entropy: bytes) -> Made:
        openings = [one.opening for one in given.openings]
        posted = ranges.prove(kind, where, openings, given.ranges, entropy=entropy, key=given.key or None)
        return Made(ranges.Ranges(posted.commitments, given.ranges, given.key), posted.proof)

    return make


class SpendInputs(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The balance, who gets how much of it, and the hash of the note that tells it."""

    balance: Opens
    amount: int
    recipient: str
    note_hash: bytes


def _spend(where: Where, given: SpendInputs, entropy: bytes) -> Made:
    balance = given.balance.opening
    sent = spend.transfer(where, balance, given.amount, entropy)
    posted = spend.prove(where, balance, sent, given.recipient, given.note_hash, entropy=entropy)
    bound = SpendBound(given.recipient, given.note_hash)
    return Made(spend.Spend(given.balance.point, posted.transfer), posted.proof, bound, {"transfer": sent})


class WithdrawInputs(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The balance, and what is shown to be in it."""

    balance: Opens
    amount: int


def _withdraw(where: Where, given: WithdrawInputs, entropy: bytes) -> Made:
    proof = withdraw.prove(where, given.balance.opening, given.amount, entropy=entropy)
    return Made(withdraw.Withdraw(given.balance.point, given.amount), proof)


class DifferenceInputs(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Two figures; the difference is shown."""

    minuend: Opens
    subtrahend: Opens


def _difference(where: Where, given: DifferenceInputs, entropy: bytes) -> Made:
    minuend, subtrahend = given.minuend, given.subtrahend
    posted = known_difference.prove(where, minuend.opening, subtrahend.opening, entropy=entropy)
    return Made(known_difference.KnownDifference(minuend.point, subtrahend.point, posted.difference), posted.proof)


class WithinLossInputs(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A share of a bill, the delivery that it is for, and what may be between them."""

    share: Opens
    delivery: Opens
    loss_ppm: int
    fixed_wh: int
    accuracy_wh: int


def _within_loss(where: Where, given: WithinLossInputs, entropy: bytes) -> Made:
    allowed = {"loss_ppm": given.loss_ppm, "fixed_wh": given.fixed_wh, "accuracy_wh": given.accuracy_wh}
    proof = within_loss.prove(where, given.share.opening, given.delivery.opening, entropy=entropy, **allowed)
    return Made(within_loss.WithinLoss(given.share.point, given.delivery.point, **allowed), proof)


class ReserveInputs(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A reserve, what was delivered of it, and the most that it can be."""

    reserve: Opens
    delivery: Opens
    most: int


def _reserve(where: Where, given: ReserveInputs, entropy: bytes) -> Made:
    posted = reserve.prove(where, given.reserve.opening, given.delivery.opening, given.most, entropy=entropy)
    return Made(reserve.Reserve(posted.reserve, given.delivery.point, given.most), posted.proof)


class DeliveryInputs(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An award, what was metered, and two public numbers, in Wh."""

    award: Opens
    metered: Opens
    shortfall_wh: int
    others_wh: int


def _delivery(where: Where, given: DeliveryInputs, entropy: bytes) -> Made:
    numbers = {"shortfall_wh": given.shortfall_wh, "others_wh": given.others_wh}
    proof = delivery.prove(where, given.award.opening, given.metered.opening, entropy=entropy, **numbers)
    return Made(delivery.Delivery(given.award.point, given.metered.point, **numbers), proof)


class GreenShareInputs(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A consumption, and its green share in millionths."""

    consumption: Opens
    ppm: int


def _green_share(where: Where, given: GreenShareInputs, entropy: bytes) -> Made:
    posted, volume = green_share.prove(where, given.consumption.opening, given.ppm, entropy=entropy)
    about = green_share.GreenShare(given.consumption.point, given.ppm, posted.volume, posted.remainder)
    return Made(about, posted.proof, openings={"volume": volume})


class DemandInputs(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A threshold key, a need in Wh and its bound."""

    key: bytes
    quantity: int
    most: int


def _demand(where: Where, given: DemandInputs, entropy: bytes) -> Made:
    posted, opening = demand.prove(where, given.key, given.quantity, given.most, entropy=entropy)
    about = demand.Demand(given.key, posted.e, posted.r, given.most)
    return Made(about, posted.proof, openings={"demand": opening})


class BidInputs(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A threshold key, a capacity and quantities by tick, in Wh."""

    key: bytes
    capacity: Opens
    quantities: tuple[int, ...]


def _bid(where: Where, given: BidInputs, entropy: bytes) -> Made:
    posted, openings = bid.prove(where, given.key, given.capacity.opening, given.quantities, entropy=entropy)
    about = bid.Bid(given.key, given.capacity.point, posted.e, posted.r, posted.slack)
    *ticks, slack = openings
    named = {f"tick {number}": one for number, one in enumerate(ticks, start=1)} | {"slack": slack}
    return Made(about, posted.proof, openings=named)


class AwardInputs(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A threshold key, a bid, and what the price makes of it."""

    key: bytes
    ticks: tuple[Opens, ...]
    """Openings of the bid over the key, up to the tick of the price."""
    a: int
    b: int


def _award(where: Where, given: AwardInputs, entropy: bytes) -> Made:
    if not given.ticks:
        raise ValueError("an award is of one tick or more")
    ticks = [one.opening for one in given.ticks]
    weighted = award.weigh(ticks, given.a, given.b)
    posted, sold = award.prove(where, given.key, weighted, given.b, entropy=entropy)
    point = commit(*weighted, base=given.key).to_bytes()
    factors = award.factors(len(ticks), given.a, given.b)
    terms = tuple(
        (factor, commit(*tick, base=given.key).to_bytes().hex()) for factor, tick in zip(factors, ticks, strict=True)
    )
    return Made(
        award.Award(given.key, point, given.b, *posted[:4]),
        posted.proof,
        openings={"award": sold},
        made_of={point.hex(): terms},
    )


class SumInputs(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Commitments that add up, with a public number; no secret."""

    parts: tuple[bytes, ...]
    public: int
    total: bytes


class OpeningInputs(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is to be shown."""

    opening: Opens


class ChainInputs(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A chain of records, and which of them are shown."""

    records: tuple[bytes, ...]
    """All of the chain, from its first."""
    first: int
    count: int


class KnownInputs(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A secret, and what else its statement is about."""

    secret: bytes
    bound: tuple[bytes, ...]


def _known(kind: str) -> Callable[[Where, KnownInputs, bytes], Made]:
    def make(where: Where, given: KnownInputs, entropy: bytes) -> Made:
        proof = logarithm.prove_known(kind, where, given.secret, given.bound, entropy=entropy)
        return Made(Known(logarithm.public_point(given.secret)), proof, Bound(given.bound))

    return make


class EqualInputs(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A secret, a point to multiply by it, and what else the statement is about."""

    secret: bytes
    other: bytes
    bound: tuple[bytes, ...]


def _equal(kind: str) -> Callable[[Where, EqualInputs, bytes], Made]:
    def make(where: Where, given: EqualInputs, entropy: bytes) -> Made:
        image, proof = logarithm.prove_equal(kind, where, given.secret, given.other, given.bound, entropy=entropy)
        return Made(Equal(logarithm.public_point(given.secret), given.other, image), proof, Bound(given.bound))

    return make


class Maker(NamedTuple):
    """What a kind takes, and what makes a statement of it out of (place, inputs, entropy)."""

    inputs: type[Any]
    make: Callable[[Where, Any, bytes], Made]


MAKERS: Mapping[str, Maker] = {
    **{kind: Maker(RangesInputs, _ranges(kind)) for kind in ranges.KINDS},
    spend.KIND: Maker(SpendInputs, _spend),
    withdraw.KIND: Maker(WithdrawInputs, _withdraw),
    known_difference.KIND: Maker(DifferenceInputs, _difference),
    within_loss.KIND: Maker(WithinLossInputs, _within_loss),
    reserve.KIND: Maker(ReserveInputs, _reserve),
    delivery.KIND: Maker(DeliveryInputs, _delivery),
    green_share.KIND: Maker(GreenShareInputs, _green_share),
    demand.KIND: Maker(DemandInputs, _demand),
    bid.KIND: Maker(BidInputs, _bid),
    award.KIND: Maker(AwardInputs, _award),
    sums.SUM: Maker(SumInputs, lambda _, given, __: Made(sums.Sum(given.parts, given.public, given.total), b"")),
    sums.OPENING: Maker(
        OpeningInputs, lambda _, given, __: Made(sums.Opened(given.opening.point, *given.opening.opening), b"")
    ),
    chain.KIND: Maker(
        ChainInputs, lambda where, given, _: Made(*chain.prove(where, given.records, given.first, given.count))
    ),
    "possession": Maker(KnownInputs, _known("possession")),
    "note": Maker(KnownInputs, _known("note")),
    "reveal": Maker(EqualInputs, _equal("reveal")),
    "share": Maker(EqualInputs, _equal("share")),
}
_DECODER = msgspec.json.Decoder(Orders)


def make(raw: bytes, facts: tuple[AnyBundle, ...], entropy: bytes) -> tuple[StatementsFile, list[Document]]:
    """What an order file (JSON bytes) orders, with the facts, and the openings of everything that is new in it.

    Raises `ProofError` `proof.malformed`, NodeError `proof.kind`, and `proof.not-so` for what can not be proven because
    it is not so. `entropy` has 32 bytes that nobody else knows.
    """
    orders = decode_file(raw, _DECODER, "an order of statements", "gridpact proof make --example")
    statements: list[Statement] = []
    openings: list[Document] = []
    for number, order in enumerate(orders.statements, start=1):
        made = _made(order, number, entropy)
        statements.append(
            Statement(
                order.statement,
                order.where,
                render(made.about),
                render(made.bound),
                made.proof.hex(),
                {**order.made_of, **made.made_of},
            )
        )
        openings += [
            {"statement": number, "of": name, "value": one.value, "blinding": one.blinding.hex()}
            for name, one in made.openings.items()
        ]
    return StatementsFile(tuple(statements), facts), openings


def _made(order: Order, number: int, entropy: bytes) -> Made:
    maker = MAKERS.get(order.statement)
    if maker is None:
        raise NodeError("proof.kind", f"There are no statements of {order.statement!r}.", f"Kinds: {', '.join(KINDS)}.")
    try:
        where, given = parse(Place, order.where).where(), parse(maker.inputs, order.inputs)
    except NotThisForm as error:
        raise NodeError(
            "proof.inputs",
            f"Order {number} has not what a {order.statement} takes: {error}.",
            f"See gridpact proof make --example {order.statement}.",
        ) from None
    try:
        made = maker.make(where, given, entropy)
        if not check.verify(KINDS[order.statement].build(where, made.about, made.bound, made.proof)):
            raise ValueError("nobody would take it for proven")
        return made
    except (ValueError, OverflowError) as error:
        raise NodeError(
            "proof.not-so",
            f"Order {number} can not be proven, because it is not so: {error}.",
            f"Check the openings and the figures of this {order.statement}.",
        ) from None
