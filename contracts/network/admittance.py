"""Lines, transformers and shunts as integers in 10^-9 per unit: what flows at which place for which voltages.

A line is its series admittance ys = g + jb between two halves of its charging, behind an ideal transformer of complex
ratio t at its first place (the pi model of MATPOWER's manual, section 3.2):

    first end   (ys + j charging/2) / |t|^2  and  -ys / conj(t)
    other end   ys + j charging/2            and  -ys / t

Rounded once, half up, here and nowhere else: these integers are the network. Never solves anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from contracts.network.records import NANO, Branch, Network

Entry = tuple[int, int, int, int]
"""Row, place whose voltage counts, real and imaginary part of the admittance."""


class Ends(NamedTuple):
    """Admittances of one line: of each end to itself and to the other end."""

    first_own: tuple[int, int]
    first_other: tuple[int, int]
    second_own: tuple[int, int]
    second_other: tuple[int, int]


def ends(line: Branch) -> Ends:
    """The four admittances of a line. Its tap is not 0."""
    g, b, re, im = line.g_npu, line.b_npu, line.tap_re, line.tap_im
    square = re * re + im * im
    own_b = 2 * b + line.charging_npu
    return Ends(
        first_own=(_rounded(g * NANO * NANO, square), _rounded(own_b * NANO * NANO, 2 * square)),
        first_other=(_rounded((b * im - g * re) * NANO, square), _rounded(-(g * im + b * re) * NANO, square)),
        second_own=(g, _rounded(own_b, 2)),
        second_other=(_rounded(-(g * re + b * im) * NANO, square), _rounded((g * im - b * re) * NANO, square)),
    )


def entries(network: Network) -> Iterator[Entry]:
    """The admittance matrix by places, ascending by row; entries of one place and neighbour add up."""
    number = {place.id: index for index, place in enumerate(network.places)}
    found = [(index, index, place.shunt_g_npu, place.shunt_b_npu) for index, place in enumerate(network.places)]
    for line in network.lines:
        first, second = number[line.from_place], number[line.to_place]
        four = ends(line)
        found += [
            (first, first, *four.first_own),
            (first, second, *four.first_other),
            (second, second, *four.second_own),
            (second, first, *four.second_other),
        ]
    summed: dict[tuple[int, int], tuple[int, int]] = {}
    for row, other, g, b in found:
        before = summed.get((row, other), (0, 0))
        summed[row, other] = (before[0] + g, before[1] + b)
    return ((row, other, g, b) for (row, other), (g, b) in sorted(summed.items()))


def end_entries(network: Network) -> Iterator[Entry]:
    """As `entries`, with a row for each end of each line: first end of the first line, second end of it, and so on."""
    number = {place.id: index for index, place in enumerate(network.places)}
    for index, line in enumerate(network.lines):
        first, second = number[line.from_place], number[line.to_place]
        four = ends(line)
        yield 2 * index, first, *four.first_own
        yield 2 * index, second, *four.first_other
        yield 2 * index + 1, second, *four.second_own
        yield 2 * index + 1, first, *four.second_other


def _rounded(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
