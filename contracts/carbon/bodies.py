"""What members say about carbon: bodies with the tags 128..143. Types and bounds only; the union is in
`contracts.bodies`.
"""

from __future__ import annotations

from typing import Annotated

from contracts.members import Record
from contracts.units import MAX_MONEY, MAX_PRICE, Count, Energy, Factor, Id, Interval, Meta, Name

MAX_GREEN_SPAN = 96
"""Intervals that one bid may cover."""

Wh = Annotated[int, Meta(ge=1, le=2**40 - 1)]


class RegisterFactor(Record, frozen=True, tag=128):
    """A certifier says what a Wh through a meter emits from interval `first` to before `until`.

    Renewing is registering again: from `first` on, the certifier's earlier certificates for the meter count no more.
    """

    meter: Id
    certificate: Name
    """How the certifier names it: a number, a link."""
    boundary: Name
    """What is counted, and over which life."""
    operating_ug_per_wh: Factor
    embodied_ug_per_wh: Factor
    """Emitted to build and scrap the asset, per Wh over its life."""
    first: Interval
    until: Interval


class EndFactor(Record, frozen=True, tag=129):
    """Whatever is certified for a meter ends before `interval`; its certifier or its owner says so."""

    meter: Id
    interval: Interval


class IssueOffset(Record, frozen=True, tag=130):
    """A certifier vouches that so much was not emitted, or taken out of the air, elsewhere; `to` holds it."""

    serial: Id
    """The certifier's own, never used twice."""
    to: Id
    certificate: Name
    boundary: Name
    amount_ug: Annotated[int, Meta(ge=1, le=MAX_MONEY)]


class TransferOffset(Record, frozen=True, tag=131):
    """A whole offset goes from the sender to a member."""

    certifier: Id
    serial: Id
    to: Id


class RetireOffset(Record, frozen=True, tag=132):
    """The sender uses up an offset that it holds, for good."""

    certifier: Id
    serial: Id
    purpose: Name


class TransferOrigin(Record, frozen=True, tag=133):
    """Certificates of origin of one meter and billing cycle go from the sender to a member."""

    to: Id
    meter: Id
    cycle: Count
    energy_wh: Wh


class RetireOrigin(Record, frozen=True, tag=134):
    """The sender uses up certificates of origin, for good: so many Wh of its consumption came from that meter."""

    meter: Id
    cycle: Count
    energy_wh: Wh
    purpose: Name


class GreenBid(Record, frozen=True, tag=135):
    """What the sender pays on top for green energy in `count` intervals from `interval` on, for `energy_wh` in each at
    most, and no more than it needs there. Its later bid replaces an earlier one, no energy withdraws it.
    """

    interval: Interval
    count: Annotated[int, Meta(ge=1, le=MAX_GREEN_SPAN)]
    energy_wh: Energy
    premium_nano_per_wh: Annotated[int, Meta(ge=1, le=MAX_PRICE)]


CarbonBody = (
    RegisterFactor | EndFactor | IssueOffset | TransferOffset | RetireOffset | TransferOrigin | RetireOrigin | GreenBid
)
