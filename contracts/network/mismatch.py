"""Whether voltages are those of a dispatch: power that flows at each place against power that the dispatch puts there.

A builder solves the power flow in floating point and attaches bus voltages as integers. Power is bilinear in them,

    S_k = V_k conj(sum_m Y_km V_m)

so every node computes it exactly, in 10^-27 per unit, and compares. Nobody needs the builder's solver, and no solver is
trusted. `Matrix.powers` is the reference in plain integers; `Matrix.fast_powers` computes the same in int64 limbs.

At the slack place active power is whatever the lines need: its sources' order includes the losses. Reactive power of
sources and compensators is free within what each place registered; nothing in a dispatch prices it. Codes are
`network.*`. Work is one pass over places and lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from contracts.network import admittance
from contracts.network.admittance import Entry
from contracts.network.records import NANO, Network
from contracts.program.case import Voltages
from contracts.program.verdict import Refusal

TOLERANCE_NPU = 1_000
"""Most by which active or reactive power at a place may be off: 1e-6 per unit."""
MANY = 64
"""Rows from which on limbs are faster than plain integers."""
_POWER = NANO**3
"""What power per unit counts in."""
_LIMB = 30
_LOW = (1 << _LIMB) - 1
_SPLIT = 20
"""Bits of the lower part of an admittance."""

Powers = tuple[list[int], list[int]]
"""Active and reactive, per row, in 10^-27 per unit."""


class Injection(NamedTuple):
    """What a dispatch puts in at each place, in the order of the network: `w / unit` watts; negative is drawn.

    Reactive power is what loads put in (so it is negative, as a rule), without that of sources.
    """

    w: Sequence[int]
    var: Sequence[int]
    unit: int


class Flow(NamedTuple):
    """What a dispatch comes to, averaged over one interval and rounded up."""

    slack_w: int
    """Put in at the slack place."""
    loss_w: int
    """In all lines and shunts."""


class Matrix:
    """Admittances by rows, each at one place; entries ascending by row, at least one in each."""

    def __init__(self, entries: Iterable[Entry], rows: Sequence[int]) -> None:
        self.entries = tuple(entries)
        self.rows = tuple(rows)
        """Place of each row."""

    def powers(self, voltages: Voltages) -> Powers:
        """What flows from each row's place into its admittances."""
        re, im = voltages.re_npu, voltages.im_npu
        current_re, current_im = [0] * len(self.rows), [0] * len(self.rows)
        for row, other, g, b in self.entries:
            current_re[row] += g * re[other] - b * im[other]
            current_im[row] += g * im[other] + b * re[other]
        active = [re[at] * current_re[row] + im[at] * current_im[row] for row, at in enumerate(self.rows)]
        reactive = [im[at] * current_re[row] - re[at] * current_im[row] for row, at in enumerate(self.rows)]
        return active, reactive

    def fast_powers(self, voltages: Voltages) -> Powers:
        """As `powers`, with numpy.

        No step leaves int64: parts of voltages are below 2^31 and admittances that meet below 2^46 together, in at most
        513 entries, so the sums of both parts of an admittance are below 2^62. A current is below 2^78: it is cut into
        limbs of 30 bits, each of which is multiplied by itself.
        """
        import numpy

        g, b, other, at, starts = self._arrays
        re = numpy.array(voltages.re_npu, dtype=numpy.int64)
        im = numpy.array(voltages.im_npu, dtype=numpy.int64)

        def current(first: Any, second: Any) -> list[Any]:
            """Limbs of the sum of g * first + b * second over each row."""
            high = numpy.add.reduceat((g >> _SPLIT) * first + (b >> _SPLIT) * second, starts)
            mask = (1 << _SPLIT) - 1
            low = numpy.add.reduceat((g & mask) * first + (b & mask) * second, starts)
            # high * 2^20 + low: the lower 10 bits of `high` belong to the lowest limb.
            step = _LIMB - _SPLIT
            lowest = (low & _LOW) + ((high & ((1 << step) - 1)) << _SPLIT)
            above = (low >> _LIMB) + (high >> step) + (lowest >> _LIMB)
            return [lowest & _LOW, above & _LOW, above >> _LIMB]

        real, imaginary = current(re[other], -im[other]), current(im[other], re[other])
        own_re, own_im = re[at], im[at]
        active = [own_re * one + own_im * two for one, two in zip(real, imaginary, strict=True)]
        reactive = [own_im * one - own_re * two for one, two in zip(real, imaginary, strict=True)]
        return _whole(active), _whole(reactive)

    @cached_property
    def _arrays(self) -> tuple[Any, ...]:
        import numpy

        row, other, g, b = numpy.array(self.entries, dtype=numpy.int64).T.copy()
        return g, b, other, numpy.array(self.rows), numpy.searchsorted(row, numpy.arange(len(self.rows)))


def _whole(limbs: Sequence[Any]) -> list[int]:
    low, middle, high = (limb.tolist() for limb in limbs)
    return [a + (b << _LIMB) + (c << 2 * _LIMB) for a, b, c in zip(low, middle, high, strict=True)]


class Model(NamedTuple):
    """A network with an AC model, prepared once."""

    network: Network
    at_places: Matrix
    at_ends: Matrix
    """A row for each end of each line, the first end first."""
    slack: int


@lru_cache(maxsize=4)
def model(network: Network) -> Model:
    """What `check` needs of a registered network with a slack place."""
    assert network.slack is not None, "a network with an AC model has a slack place"
    number = {place.id: index for index, place in enumerate(network.places)}
    ends = [number[place] for line in network.lines for place in (line.from_place, line.to_place)]
    return Model(
        network,
        Matrix(admittance.entries(network), range(len(number))),
        Matrix(admittance.end_entries(network), ends),
        number[network.slack],
    )


def check(model: Model, injection: Injection, voltages: Voltages, where: str) -> Flow | Refusal:
    """What the voltages come to, or the first rule that they break; `where` names the interval."""
    broken = _bounds(model, voltages, where)
    if broken is not None:
        return broken
    active, reactive = _powers(model.at_places, voltages)
    broken = _balance(model, injection, (active, reactive), where) or _overload(model, voltages, where)
    if broken is not None:
        return broken
    base_w = model.network.base_w
    return Flow(-(-active[model.slack] * base_w // _POWER), -(-sum(active) * base_w // _POWER))


def _powers(matrix: Matrix, voltages: Voltages) -> Powers:
    return matrix.fast_powers(voltages) if len(matrix.rows) >= MANY else matrix.powers(voltages)


def _bounds(model: Model, voltages: Voltages, where: str) -> Refusal | None:
    """So many, each as high as its place allows. What passes is inside the bounds of the limbs."""
    places = model.network.places
    re, im = voltages.re_npu, voltages.im_npu
    if not len(re) == len(im) == len(places):
        message = f"{len(re)} real and {len(im)} imaginary parts; each of {len(places)} places has one of both"
        return Refusal("network.voltages", where, message)
    if im[model.slack] != 0 or re[model.slack] <= 0:
        at = f'place "{model.network.slack}" in {where}'
        return Refusal("network.reference", at, "its voltage has an angle; angles are counted from the slack place")
    for place, one, other in zip(places, re, im, strict=True):
        if not place.least_npu**2 <= one**2 + other**2 <= place.most_npu**2:
            message = f"its voltage is outside {place.least_npu} to {place.most_npu} nano per unit"
            return Refusal("network.voltage", f'place "{place.id}" in {where}', message)
    return None


def _balance(model: Model, injection: Injection, powers: Powers, where: str) -> Refusal | None:
    network = model.network
    watts = network.base_w * injection.unit
    """Power per unit, in units of the injection."""
    slip = TOLERANCE_NPU * NANO * NANO * watts
    unit = injection.unit * _POWER
    for number, (place, active, reactive) in enumerate(zip(network.places, *powers, strict=True)):
        at = f'place "{place.id}" in {where}'
        off = active * watts - injection.w[number] * _POWER
        if number != model.slack and abs(off) > slip:
            message = (
                f"{active // NANO**2} nano per unit leave it and the dispatch puts in "
                f"{injection.w[number] * NANO // watts}; they may differ by {TOLERANCE_NPU}"
            )
            return Refusal("network.active", at, message)
        given = reactive * watts - injection.var[number] * _POWER
        if not place.least_var * unit - slip <= given <= place.most_var * unit + slip:
            message = f"{given // unit} var would have to be given, and {place.least_var} to {place.most_var} can be"
            return Refusal("network.reactive", at, message)
    return None


def _overload(model: Model, voltages: Voltages, where: str) -> Refusal | None:
    """The first line whose apparent power at an end is above its limit."""
    network = model.network
    if not network.lines:
        return None
    active, reactive = _powers(model.at_ends, voltages)
    for number, line in enumerate(network.lines):
        most = (line.limit_w * _POWER) ** 2
        for end in (2 * number, 2 * number + 1):
            if (active[end] ** 2 + reactive[end] ** 2) * network.base_w**2 > most:
                message = f"more than {line.limit_w} VA, its limit, enter it at an end"
                return Refusal("network.line", f'line "{line.id}" in {where}', message)
    return None
