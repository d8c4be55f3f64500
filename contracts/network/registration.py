"""Whether a network may be registered: every reference known, all of it connected, and no line ever overloaded.

Asked at genesis and by governance, with the meters that there are. What it refuses it names, with what would be right;
codes are `network.*`. Its work is bounded before it starts. Never says where a member's demand is: its meters do.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from contracts.network import admittance, transfers
from contracts.network.records import MAX_ADMITTANCE, NANO, Network
from contracts.program.verdict import Refusal
from contracts.units import PPM

SOURCES = ("source", "storage", "tie")
"""Kinds of meters behind which something can deliver."""


class MeterPlace(NamedTuple):
    """What registration has to know of a meter."""

    meter: str
    place: str
    kind: str
    member: str


def problem(network: Network, interval_ms: int, meters: Collection[MeterPlace]) -> Refusal | None:
    """None, or the first thing that is wrong with a network for these meters and intervals of this length."""
    return _shape(network) or _meters(network, meters) or _transfers(network, meters) or _limits(network, interval_ms)


def problem_alone(network: Network, interval_ms: int) -> Refusal | None:
    """The same as far as it can be told without the meters: for whoever writes one."""
    return _shape(network) or _limits(network, interval_ms)


def _shape(network: Network) -> Refusal | None:
    checks = (_size, _order, _lines, _connection, _envelopes, _model)
    return next((found for check in checks if (found := check(network)) is not None), None)


def _size(network: Network) -> Refusal | None:
    size = transfers.size(network)
    if size <= transfers.MAX_SIZE:
        return None
    message = f"lines x (places + lines) is {size} and may be {transfers.MAX_SIZE}; join places that are close"
    return Refusal("network.too-large", "lines", message)


def _order(network: Network) -> Refusal | None:
    lists: dict[str, Sequence[tuple[str, ...]]] = {
        "places": [(place.id,) for place in network.places],
        "lines": [(line.id,) for line in network.lines],
        "transfers": [(transfer.member, transfer.place) for transfer in network.transfers],
    }
    for name, keys in lists.items():
        for position in range(1, len(keys)):
            if keys[position] <= keys[position - 1]:
                where = f'{name}["{" ".join(keys[position])}"]'
                return Refusal("network.order", where, "it comes twice, or too late; sort by id, and name each once")
    return None


def _lines(network: Network) -> Refusal | None:
    places = {place.id for place in network.places}
    for line in network.lines:
        where = f'lines["{line.id}"]'
        for place in (line.from_place, line.to_place):
            if place not in places:
                return Refusal("network.place", where, f'"{place}" is no place; name one of `places`')
        if line.from_place == line.to_place:
            return Refusal("network.ends", where, "it ends where it begins; a line joins two places")
        if line.reactance_npu == 0:
            message = "its reactance is 0, so that nothing says how flows divide; make both its ends one place"
            return Refusal("network.reactance", where, message)
    return None


def _connection(network: Network) -> Refusal | None:
    near: dict[str, list[str]] = {place.id: [] for place in network.places}
    for line in network.lines:
        near[line.from_place].append(line.to_place)
        near[line.to_place].append(line.from_place)
    first = network.places[0].id
    waiting, reached = [first], {first}
    while waiting:
        for other in near[waiting.pop()]:
            if other not in reached:
                reached.add(other)
                waiting.append(other)
    for place in network.places:
        if place.id not in reached:
            message = f'no way leads there from "{first}"; a network is connected'
            return Refusal("network.disconnected", f'places["{place.id}"]', message)
    return None


def _envelopes(network: Network) -> Refusal | None:
    places = {place.id for place in network.places}
    for transfer in network.transfers:
        if transfer.place not in places:
            where = f'transfers["{transfer.member} {transfer.place}"]'
            return Refusal("network.place", where, f'"{transfer.place}" is no place; name one of `places`')
    return None


def _meters(network: Network, meters: Collection[MeterPlace]) -> Refusal | None:
    places = {place.id for place in network.places}
    for meter in meters:
        if meter.place not in places:
            message = f'it is at "{meter.place}", which is no place; every meter is at a place of the network'
            return Refusal("network.place", f'meters["{meter.meter}"]', message)
    if not any(meter.kind in SOURCES for meter in meters):
        message = "nothing can deliver anywhere; it needs a source, a storage or a tie"
        return Refusal("network.no-source", "places", message)
    return None


def _transfers(network: Network, meters: Collection[MeterPlace]) -> Refusal | None:
    held = {(meter.member, meter.place) for meter in meters}
    for transfer in network.transfers:
        if (transfer.member, transfer.place) not in held:
            where = f'transfers["{transfer.member} {transfer.place}"]'
            message = "that member has no meter there; an envelope is for where one of its meters is"
            return Refusal("network.transfer", where, message)
    return None


def _model(network: Network) -> Refusal | None:
    """What the AC model needs; nothing where there is none."""
    if network.slack is None:
        return None
    if network.slack not in {place.id for place in network.places}:
        return Refusal("network.place", "slack", f'"{network.slack}" is no place; name one of `places`')
    for place in network.places:
        if place.least_npu > place.most_npu or place.least_var > place.most_var:
            message = "a least is above its most; turn them round"
            return Refusal("network.band", f'places["{place.id}"]', message)
    for line in network.lines:
        where = f'lines["{line.id}"]'
        if line.g_npu == line.b_npu == 0:
            message = "it has no admittance; every line of an AC model has g or b"
            return Refusal("network.admittance", where, message)
        if 4 * (line.tap_re**2 + line.tap_im**2) < NANO**2:
            return Refusal("network.admittance", where, "its tap is below a half; 10^9 is a ratio of one")
    sums = [0] * len(network.places)
    for row, _, g, b in admittance.entries(network):
        sums[row] += abs(g) + abs(b)
    for place, total in zip(network.places, sums, strict=True):
        if total > MAX_ADMITTANCE:
            message = f"{total} that meet there are more than {MAX_ADMITTANCE}; join places that are so close"
            return Refusal("network.admittance", f'places["{place.id}"]', message)
    return None


def _limits(network: Network, interval_ms: int) -> Refusal | None:
    needed = transfers.work(network)
    if needed > transfers.MAX_PROOF:
        message = f"its proof takes {needed} steps and may take {transfers.MAX_PROOF}; use fewer places or loops"
        return Refusal("network.too-large", "lines", message)
    loads = transfers.heaviest(network, interval_ms)
    over = [(PPM * load.limit_wh // load.most_wh, load) for load in loads if load.most_wh > load.limit_wh]
    if not over:
        return None
    share, worst = min(over, key=lambda one: one[0])
    message = (
        f"inside their envelopes members may make it carry {worst.most_wh} Wh in an interval, and {worst.limit_wh} are "
        f"its limit; with {share} ppm of every envelope no line would be overloaded"
    )
    return Refusal("network.unsafe", f'lines["{worst.line}"]', message)
