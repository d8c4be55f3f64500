"""The program as arrays of int64, and sums over them that are exact whatever their size.

Made once per case, from the program in Python's integers, by whoever has more than one solution to check. Arrays are
used only where no intermediate value can leave 63 bits, which is shown before; where that can not be shown they are
None and the caller stays with Python's integers, so both ways always agree.

numpy is imported when it is used: whoever only reads bills never does.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple

from contracts.program.case import WEIGHT_ONE
from contracts.program.rows import Program

Array = Any
"""numpy's ndarray of int64, one dimension."""

SAFE = 2**62
"""What every sum stays below."""


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
        import numpy as np

        sums: Array = np.zeros(self.total, np.int64)
        if len(self.lines):
            sums[self.lines] = np.add.reduceat(self.values * vector[self.others], self.starts)
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
    row_lo: Array
    row_hi: Array
    largest: Array
    """Of each row: its largest coefficient without sign."""


def arrays(program: Program) -> Arrays | None:
    """The arrays of a program. None: an activity, an end of a row, or 2^32 x a cost could reach 2^62."""
    import numpy as np

    lo, hi = program.lo, program.hi
    reach = [max(-low, high) for low, high in zip(lo, hi, strict=True)]
    activity = (
        sum(abs(a) * reach[j] for j, a in zip(program.columns[start:end], program.values[start:end], strict=True))
        for start, end in pairwise(program.starts)
    )
    ends = (abs(end) for end in (*program.row_lo, *program.row_hi))
    costs = (abs(cost) * WEIGHT_ONE for cost in program.cost)
    if any(number >= SAFE for number in chain(reach, activity, ends, costs)):
        return None

    columns, values = _array(program.columns), _array(program.values)
    lengths = np.diff(_array(program.starts))
    owners: Array = np.repeat(np.arange(len(lengths)), lengths)
    order = np.argsort(columns, kind="stable")
    widths = np.bincount(columns, minlength=len(lo))
    cost = _array(program.cost)
    return Arrays(
        _matrix(lengths, columns, values),
        _matrix(widths, owners[order], values[order]),
        int(widths.max(initial=0)),
        _array(lo),
        _array(hi),
        cost,
        cost * WEIGHT_ONE,
        _array(program.row_lo),
        _array(program.row_hi),
        _array(program.largest),
    )


def _matrix(lengths: Array, others: Array, values: Array) -> Matrix:
    import numpy as np

    (lines,) = np.nonzero(lengths)
    starts = (np.cumsum(lengths) - lengths)[lines]
    return Matrix(lines, starts, others, values, len(lengths))


def _array(numbers: Sequence[int]) -> Array:
    import numpy as np

    return np.array(numbers, np.int64)


def exact_dot(first: Array, second: Array) -> int:
    """Sum of products of two arrays, exactly: they are cut until every sum has room."""
    if not len(first):
        return 0
    return _dot(first, _bits(first), second, _bits(second), 62 - len(first).bit_length())


def _bits(array: Array) -> int:
    return max(int(array.max()), -int(array.min())).bit_length()


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
