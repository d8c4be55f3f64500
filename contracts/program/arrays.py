"""The program as arrays of int64, and sums over them that are exact whatever their size.

Made once per case, from the program in Python's integers, by whoever has more than one solution to check. Arrays are
used only where no intermediate value can leave 63 bits, which is shown before; where that can not be shown they are
None and the caller stays with Python's integers, so both ways always agree.

numpy is imported when it is used: whoever only reads bills never does. `load` imports it before.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

from contracts.program.case import WEIGHT_ONE
from contracts.program.rows import Program

Array = Any
"""numpy's ndarray of int64."""

SAFE = 2**62
"""What every sum stays below."""
SMALL = 2**20
"""Most energies of an interval are smaller."""


class Matrix(NamedTuple):
    """Lines of entries, rows or columns. Those without any entry are not in `lines`."""

    lines: Array
    starts: Array
    """Of each of these lines: where its entries begin."""
    others: Array
    """Of each entry: the number of its column or row."""
    values: Array
    total: int
    """Of lines."""

    def times(self, vector: Array) -> Array:
        """Sum of value x vector over each line. No such sum may reach 2^63, which the caller knows."""
        return self.sums(self.values * vector[self.others])

    def sums(self, entries: Array) -> Array:
        """Sum of something of each entry over each line."""
        import numpy as np

        sums: Array = np.zeros(self.total, np.int64)
        if len(self.lines):
            sums[self.lines] = np.add.reduceat(entries, self.starts)
        return sums


class Arrays(NamedTuple):
    """A program in arrays. For any point inside the boxes, activity of rows stays below 2^62."""

    by_row: Matrix
    by_column: Matrix
    most_entries: int
    """Of a column."""
    lo: Array
    hi: Array
    cost: Array
    scaled_cost: Array
    """2^32 x cost."""
    emission: Array
    cost_bits: int
    """Of the largest of them without sign, as the next."""
    emission_bits: int
    row_lo: Array
    row_hi: Array
    largest: Array
    """Of each row: its largest coefficient without sign."""


def load() -> None:
    """Import numpy: for a process that is going to dispatch, before anybody waits for that."""
    import_module("numpy")


def arrays(program: Program) -> Arrays | None:
    """The arrays of a program. None: an activity, an end of a row, or 2^32 x a cost could reach 2^62."""
    import numpy as np

    try:
        lo, hi, cost, row_lo, row_hi, columns, values, largest, starts = (
            np.array(numbers, np.int64)
            for numbers in (
                program.lo,
                program.hi,
                program.cost,
                program.row_lo,
                program.row_hi,
                program.columns,
                program.values,
                program.largest,
                program.starts,
            )
        )
    except OverflowError:
        return None
    lengths = np.diff(starts)
    by_row = _matrix(lengths, columns, values)
    # Floats are near enough to see that a sum stays below half of what it has to.
    reach = np.maximum(np.abs(lo.astype(float)), np.abs(hi.astype(float)))
    activity = np.add.reduceat(np.abs(values) * reach[columns], by_row.starts) if len(values) else reach[:0]
    largest_numbers = (reach, activity, np.abs(row_lo.astype(float)), np.abs(row_hi.astype(float)))
    if any(numbers.max(initial=0) >= SAFE / 2 for numbers in (*largest_numbers, np.abs(cost) * float(WEIGHT_ONE))):
        return None
    owners: Array = np.repeat(np.arange(len(lengths)), lengths)
    order = np.argsort(columns, kind="stable")
    widths = np.bincount(columns, minlength=len(lo))
    emission: Array = np.array(program.emission, np.int64)
    return Arrays(
        by_row,
        _matrix(widths, owners[order], values[order]),
        int(widths.max(initial=0)),
        lo,
        hi,
        cost,
        cost * WEIGHT_ONE,
        emission,
        bits(cost),
        bits(emission),
        row_lo,
        row_hi,
        largest,
    )


def _matrix(lengths: Array, others: Array, values: Array) -> Matrix:
    import numpy as np

    (lines,) = np.nonzero(lengths)
    starts = (np.cumsum(lengths) - lengths)[lines]
    return Matrix(lines, starts, others, values, len(lengths))


def extremes(arrays: Arrays) -> tuple[Array, Array]:
    """Least and most that each row can come to inside the boxes."""
    import numpy as np

    values, columns = arrays.by_row.values, arrays.by_row.others
    low, high = values * arrays.lo[columns], values * arrays.hi[columns]
    return arrays.by_row.sums(np.minimum(low, high)), arrays.by_row.sums(np.maximum(low, high))


def exact_dot(first: Array, second: Array, first_bits: int | None = None, second_bits: int | None = None) -> int:
    """Sum of products of two arrays, exactly: they are cut until every sum has room.

    Quickest where both are small; else where zeros and many small numbers are in the first. `bits` of either, where
    somebody knows them.
    """
    import numpy as np

    if not len(first):
        return 0
    room = 62 - len(first).bit_length()
    most = bits(second) if second_bits is None else second_bits
    if (bits(first) if first_bits is None else first_bits) + most <= room:
        return int(np.dot(first, second))
    total = 0
    size = np.abs(first)
    for chosen in (size >= SMALL, (size < SMALL) & (size > 0)):
        (used,) = np.nonzero(chosen)
        if len(used):
            one = first[used]
            total += _dot(one, bits(one), second[used], most, room)
    return total


def bits(array: Array) -> int:
    """Of the largest number without sign; 0 of no numbers."""
    return max(int(array.max()), -int(array.min())).bit_length() if len(array) else 0


def _dot(first: Array, first_bits: int, second: Array, second_bits: int, room: int) -> int:
    """Sum of products, of as many bits each; products of together `room` bits may be summed at once."""
    import numpy as np

    if first_bits < second_bits:
        first, first_bits, second, second_bits = second, second_bits, first, first_bits
    if first_bits + second_bits <= room:
        return int(np.dot(first, second))
    cut = first_bits // 2
    high, low = first >> cut, first & ((1 << cut) - 1)
    # A negative number is shifted to the one below, so it may need as many bits as one more.
    upper = _dot(high, first_bits - cut + 1, second, second_bits, room)
    return (upper << cut) + _dot(low, cut, second, second_bits, room)
