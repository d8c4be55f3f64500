"""Digits of numbers in exact ranges: every number of [0, span] is a sum of some of its span's weights, no other is.

With k = floor(log2(span + 1)) the weights are 1, 2, ..., 2^(k-1) and what is left of the span, span - (2^k - 1), unless
that is nothing. All of them add up to the span, so no choice of digits exceeds it; a span of 0 has no digit, and what
remains is that the number is 0. Integers only, and no secret leaves by anything but time.
"""

from __future__ import annotations


def weights(span: int) -> list[int]:
    """Weights of the digits of a number in [0, span], the smallest first and the remainder last."""
    whole = (span + 1).bit_length() - 1
    left = span - ((1 << whole) - 1)
    return [1 << i for i in range(whole)] + [left] * (left > 0)


def digits(number: int, span: int) -> list[int]:
    """A 0 or a 1 for each of `weights(span)`, which sum up to `number`. ValueError outside [0, span]."""
    if not 0 <= number <= span:
        raise ValueError(f"{number} is outside [0, {span}]")
    whole = (span + 1).bit_length() - 1
    most = (1 << whole) - 1
    with_rest = number > most
    low = number - (span - most) * with_rest
    return [low >> i & 1 for i in range(whole)] + [int(with_rest)] * (span > most)
