"""AC power flow by Newton and Raphson, in floating point: the voltages that a builder attaches to its dispatch.

Polar coordinates and dense matrices, which is quick up to the few hundred places of a site. Places that aim at a
voltage hold it until their reactive power is used up, then they hold that. What comes out is rounded to the integers
that `contracts.network.mismatch` checks; never trusted, so nothing here has to be exact.
"""

from __future__ import annotations

from typing import Any

import msgspec

from contracts.network.mismatch import TOLERANCE_NPU, Injection, Model, model
from contracts.network.power import injection
from contracts.network.records import NANO, Network
from contracts.program.case import Case, Solution, Voltages
from contracts.program.documents import pack, unpack
from contracts.program.fill import fill
from contracts.program.stack import lock
from contracts.program.verdict import Refusal, Schedule
from node.dispatch.documents import refused
from node.errors import NodeError

Array = Any
"""numpy.ndarray, which is imported only where it is used."""
MAX_STEPS = 30
MAX_SWITCHES = 10
"""How often places may be found to have used up their reactive power."""
ENOUGH = 1e-10
"""Largest error in per unit at which to stop: rounding voltages costs more."""

_STEPS = (0, 1, -1, 1j, -1j, 1 + 1j, 1 - 1j, -1 + 1j, -1 - 1j)


def with_voltages(network: Network | None, case: Case, packed: bytes, interval_ms: int) -> bytes:
    """A packed solution of a case with the voltages that its network asks for, if it asks for any.

    Found is not allowed: whether they keep to all limits says `contracts.network.power.examine`. Raises NodeError: the
    code of the refusal if it is no solution of the case or gets too large, and `solver.voltages`.
    """
    if network is None or network.slack is None:
        return packed
    solution = unpack(packed)
    if isinstance(solution, Refusal):
        raise refused(solution)
    schedule = fill(lock(case), solution)
    if isinstance(schedule, Refusal):
        raise refused(schedule)
    again = pack(attach(network, case, solution, schedule, interval_ms))
    if isinstance(again, Refusal):
        raise refused(again)
    return again


def attach(network: Network | None, case: Case, solution: Solution, schedule: Schedule, interval_ms: int) -> Solution:
    """The solution with the voltages that its network asks for, if it asks for any. Raises NodeError
    `solver.voltages`."""
    if network is None or network.slack is None:
        return solution
    prepared = model(network)
    found = tuple(
        solve(prepared, injection(network, case, schedule, interval, interval_ms)) for interval in range(case.binding)
    )
    return msgspec.structs.replace(solution, voltages=found)


def solve(prepared: Model, put: Injection) -> Voltages:
    """Voltages of all places for what is put in. Raises NodeError `solver.voltages`."""
    import numpy

    network = prepared.network
    places = network.places
    admittance: Array = numpy.zeros((len(places), len(places)), dtype=complex)
    for row, other, g, b in prepared.at_places.entries:
        admittance[row, other] += complex(g, b) / NANO
    watts = network.base_w * put.unit
    active = numpy.array([w / watts for w in put.w])
    drawn = numpy.array([var / watts for var in put.var])
    least = numpy.array([place.least_var / network.base_w for place in places])
    most = numpy.array([place.most_var / network.base_w for place in places])
    reactive = drawn + numpy.clip(0, least, most)
    held = numpy.array([place.aim_npu is not None for place in places])
    held[prepared.slack] = True
    aims = numpy.array([(place.aim_npu or NANO) / NANO for place in places])
    volts: Array = aims * numpy.exp(1j * _angles(admittance, active, prepared.slack))
    for _ in range(MAX_SWITCHES):
        volts = _newton(admittance, active, reactive, held, prepared.slack, volts)
        given = (volts * numpy.conj(admittance @ volts)).imag - drawn
        out = held & ((given < least - ENOUGH) | (given > most + ENOUGH))
        out[prepared.slack] = False
        if not out.any():
            break
        reactive = numpy.where(out, drawn + numpy.clip(given, least, most), reactive)
        held &= ~out
    volts *= numpy.exp(-1j * numpy.angle(volts[prepared.slack]))
    whole = numpy.rint(volts * NANO)
    whole[prepared.slack] = whole[prepared.slack].real
    whole = _nudged(admittance, active + 1j * reactive, held, prepared.slack, whole)
    return Voltages(*(tuple(part.astype(numpy.int64).tolist()) for part in (whole.real, whole.imag)))


def _angles(admittance: Array, active: Array, slack: int) -> Array:
    """Where to begin: the angles of lossless lines at nominal voltages."""
    import numpy

    others: Array = numpy.delete(numpy.arange(len(active)), slack)
    susceptance = -admittance.imag.copy()
    numpy.fill_diagonal(susceptance, 0)
    numpy.fill_diagonal(susceptance, -susceptance.sum(axis=1))
    angles = numpy.zeros(len(active))
    try:
        angles[others] = numpy.linalg.solve(susceptance[numpy.ix_(others, others)], active[others])
    except numpy.linalg.LinAlgError:
        angles[others] = 0
    return angles


def _nudged(admittance: Array, wanted: Array, held: Array, slack: int, whole: Array) -> Array:
    """Move rounded voltages by single steps where rounding cost too much: at a place with large admittances one step is
    more than half of what is tolerated."""
    import numpy

    def errors(near: Array) -> Array:
        off = whole[near] * numpy.conj(admittance[near] @ whole) / NANO**2 - wanted[near]
        off.real[near == slack] = 0
        off.imag[held[near]] = 0
        return numpy.maximum(numpy.abs(off.real), numpy.abs(off.imag))

    limit = TOLERANCE_NPU / NANO / 2
    for place in numpy.flatnonzero(errors(numpy.arange(len(whole))) > limit):
        if place == slack:
            continue
        near = numpy.flatnonzero(admittance[place])
        tried = []
        for voltage in whole[place] + numpy.array(_STEPS):
            whole[place] = voltage
            tried.append((errors(near).max(), voltage))
        whole[place] = min(tried, key=lambda one: float(one[0]))[1]
    return whole


def _newton(admittance: Array, active: Array, reactive: Array, held: Array, slack: int, volts: Array) -> Array:
    """Voltages at which active power fits everywhere but at the slack place, and reactive where nothing holds."""
    import numpy

    turned: Array = numpy.delete(numpy.arange(len(volts)), slack)
    scaled = numpy.flatnonzero(~held)
    angle, size = numpy.angle(volts), numpy.abs(volts)
    for _ in range(MAX_STEPS):
        volts = size * numpy.exp(1j * angle)
        current = admittance @ volts
        power = volts * numpy.conj(current)
        error = numpy.concatenate(((power.real - active)[turned], (power.imag - reactive)[scaled]))
        if not numpy.isfinite(error).all():
            break
        if not error.size or numpy.abs(error).max() < ENOUGH:
            return volts
        # Derivatives of V conj(Y V), see MATPOWER Technical Note 2.
        unit = volts / size
        by_size = volts[:, None] * numpy.conj(admittance * unit) + numpy.diag(numpy.conj(current) * unit)
        by_angle = 1j * volts[:, None] * numpy.conj(numpy.diag(current) - admittance * volts)
        jacobian = numpy.block(
            [
                [by_angle.real[numpy.ix_(turned, turned)], by_size.real[numpy.ix_(turned, scaled)]],
                [by_angle.imag[numpy.ix_(scaled, turned)], by_size.imag[numpy.ix_(scaled, scaled)]],
            ]
        )
        try:
            step = numpy.linalg.solve(jacobian, error)
        except numpy.linalg.LinAlgError:
            break
        angle[turned] -= step[: len(turned)]
        size[scaled] -= step[len(turned) :]
    raise NodeError(
        "solver.voltages",
        "No voltages fit this dispatch: what flows is close to the most that the lines can carry, or beyond.",
        "Lower the limits of the lines that are loaded most.",
    )
