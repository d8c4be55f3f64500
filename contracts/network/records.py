"""A network as it is on the ledger. Types and bounds only; `contracts.network.registration` says what has to fit.

Power is in watts and 1 per unit of it is `base_w`; voltages, reactances and admittances are in 10^-9 per unit. A
meter says itself where it is (`contracts.flexible.assets.place_of`). Lines without admittances are enough for limits
on flows (DC); with them the network has an AC model, and a dispatch brings voltages (`contracts.network.mismatch`).
"""

from __future__ import annotations

from typing import Annotated

from contracts.members import Record
from contracts.program.case import MAX_LINES, MAX_PLACES, MAX_REACTANCE, MAX_TRANSFERS
from contracts.units import PPM, Energy, Id, Meta, Power

NANO = 1_000_000_000
MAX_VOLTAGE = 2**31 - 1
"""Of either part of a voltage; twice the nominal one and more."""
MAX_ADMITTANCE = 2**46 - 1
"""Also of all that meets at one place: 70,000 per unit."""

Admittance = Annotated[int, Meta(ge=-MAX_ADMITTANCE, le=MAX_ADMITTANCE)]
Magnitude = Annotated[int, Meta(ge=1, le=MAX_VOLTAGE)]
Reactive = Annotated[int, Meta(ge=-(2**40 - 1), le=2**40 - 1)]


class Place(Record, frozen=True):
    """A bus. The fields after the id belong to the AC model alone."""

    id: Id
    least_npu: Magnitude = 900_000_000
    """Lowest voltage, as a magnitude."""
    most_npu: Magnitude = 1_100_000_000
    shunt_g_npu: Admittance = 0
    shunt_b_npu: Admittance = 0
    reactive_ppm: Annotated[int, Meta(ge=-10 * PPM, le=10 * PPM)] = 0
    """Reactive power that loads draw here with each W that they draw, tan phi."""
    least_var: Reactive = 0
    """Least that sources and compensators here can give on top of that."""
    most_var: Reactive = 0
    aim_npu: Magnitude | None = None
    """Voltage that they hold as long as they can; None: nobody holds it. For whoever solves: nodes check the bounds."""


class Branch(Record, frozen=True):
    """A line or transformer between two places; a positive flow goes from the first to the second.

    The tap is on the side of the first place: a complex ratio, its modulus 10^9 where there is none.
    """

    id: Id
    from_place: Id
    to_place: Id
    limit_w: Energy
    """Of what flows, in either direction; of apparent power at both ends where there is an AC model."""
    reactance_npu: Annotated[int, Meta(ge=0, le=MAX_REACTANCE)] = 1_000_000
    g_npu: Admittance = 0
    """Series admittance, real part."""
    b_npu: Admittance = 0
    charging_npu: Admittance = 0
    """Susceptance of the whole line to ground."""
    tap_re: Annotated[int, Meta(ge=-4 * NANO, le=4 * NANO)] = NANO
    tap_im: Annotated[int, Meta(ge=-4 * NANO, le=4 * NANO)] = 0


class Transfer(Record, frozen=True):
    """What a member may move at a place without anybody looking at the lines: its static transfer envelope."""

    member: Id
    place: Id
    import_w: Power
    """Most that it takes from the network, losses included."""
    export_w: Power


class Network(Record, frozen=True):
    """Lists ascending by id, transfers by member and place. None registered: everything is at one place."""

    places: Annotated[tuple[Place, ...], Meta(min_length=1, max_length=MAX_PLACES)]
    lines: Annotated[tuple[Branch, ...], Meta(max_length=MAX_LINES)]
    transfers: Annotated[tuple[Transfer, ...], Meta(max_length=MAX_TRANSFERS)] = ()
    slack: Id | None = None
    """Place whose sources make up what is lost on lines; None: there is no AC model."""
    base_w: Annotated[int, Meta(ge=1, le=2**40 - 1)] = 1_000_000
