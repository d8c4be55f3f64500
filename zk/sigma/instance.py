"""A linear relation over group elements: what it is, its one encoding, and when it says anything at all.

An instance is a list of equations. On the left of each a public sum of coefficient times element, the image; on the
right a sum of coefficient times secret scalar times element. Element 0 is the generator and is not encoded.

    u32le number of equations
    per equation: u32le number of image terms, each u32le element, 32 bytes big-endian coefficient
                  u32le number of terms, each u32le scalar, u32le element, 32 bytes big-endian coefficient
    elements 1, 2, ... of 48 bytes

An instance is valid when its proof attests something: no element is the identity, every element is used, no image is
the identity (all zeros would be its witness), and every scalar acts (another one would be as good a witness).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from zk.group import ORDER, POINT_BYTES, SCALAR_BYTES, native
from zk.group.bases import bases

INDEX_BYTES = 4
MAX_INSTANCE_BYTES = 1 << 20
"""More than any statement needs; bounds the work that bytes can cause."""


class Term(NamedTuple):
    """Coefficient times secret scalar times element, the latter two by index."""

    scalar: int
    element: int
    coefficient: int


class LinearEquation(NamedTuple):
    """Image equals the sum of terms. Coefficients in [0, ORDER); neither side is empty."""

    image: tuple[tuple[int, int], ...]
    """Element by index, and its coefficient."""
    terms: tuple[Term, ...]


class Instance(NamedTuple):
    """A valid instance, with its points decoded. Made by `Instance.of` and `Instance.decode` only."""

    encoded: bytes
    elements: tuple[Any, ...]
    """Points; the generator first."""
    equations: tuple[LinearEquation, ...]
    scalars: int
    """How many secret scalars there are."""
    images: tuple[Any, ...]
    """Per equation, the point on its left side."""

    @staticmethod
    def of(elements: Sequence[Any], equations: Sequence[LinearEquation]) -> Instance:
        """The instance of decoded points, the generator left out. ValueError unless it is valid."""
        tail = b"".join(point.to_bytes() for point in elements)
        return _valid(_head(equations) + tail, (native.GENERATOR, *elements), tuple(equations))

    @staticmethod
    def decode(data: bytes) -> Instance:
        """The instance that is encoded. ValueError unless it is valid."""
        if len(data) > MAX_INSTANCE_BYTES:
            raise ValueError(f"an instance has at most {MAX_INSTANCE_BYTES} bytes, not {len(data)}")
        reader = _Reader(data)
        equations = tuple(reader.equation() for _ in range(reader.index()))
        used = _used(equations)
        # Asked before any point is decoded, so that a short head can not ask for much work.
        if reader.left() != POINT_BYTES * max(used, default=0):
            raise ValueError("an instance ends with the elements that its equations name, and nothing else")
        elements = [decode_element(reader.take(POINT_BYTES)) for _ in range(max(used, default=0))]
        return _valid(data, (native.GENERATOR, *elements), equations)


def decode_element(data: bytes) -> Any:
    """Point of 48 bytes, see `zk.group`. A base is always the same object, so that a batch multiplies it once."""
    return _known().get(data) or native.decode_point(data)


def columns(instance: Instance, equation: LinearEquation) -> Mapping[int, Any]:
    """Per secret scalar of an equation, the point that it multiplies."""
    return {scalar: _column(instance.elements, terms) for scalar, terms in _by_scalar(equation).items()}


def _by_scalar(equation: LinearEquation) -> Mapping[int, Sequence[Term]]:
    grouped: dict[int, list[Term]] = {}
    for term in equation.terms:
        grouped.setdefault(term.scalar, []).append(term)
    return grouped


def _column(elements: Sequence[Any], terms: Sequence[Term]) -> Any:
    return native.linear(*((elements[term.element], term.coefficient) for term in terms))


def _valid(encoded: bytes, elements: tuple[Any, ...], equations: tuple[LinearEquation, ...]) -> Instance:
    if not equations or not all(equation.image and equation.terms for equation in equations):
        raise ValueError("a relation has an equation, and every equation has an image and a term")
    if (used := _used(equations) | {0}) != set(range(len(elements))):
        raise ValueError(f"an equation uses every element, and {len(elements)} elements are not {len(used)} used ones")
    scalars = {term.scalar for equation in equations for term in equation.terms}
    count = len(scalars)
    if max(scalars) + 1 != count:
        raise ValueError("an equation uses every scalar")
    if any(element == native.IDENTITY for element in elements):
        raise ValueError("no element is the identity")
    images = tuple(native.linear(*((elements[at], coefficient) for at, coefficient in one.image)) for one in equations)
    if any(image == native.IDENTITY for image in images):
        raise ValueError("no image is the identity: all zeros would be its witness")
    idle = scalars
    for equation in equations:
        idle -= {at for at, terms in _by_scalar(equation).items() if at in idle and _acts(elements, terms)}
    if idle:
        raise ValueError(f"scalar {min(idle)} acts on nothing: another one would be as good a witness")
    return Instance(encoded, elements, equations, count, images)


def _acts(elements: Sequence[Any], terms: Sequence[Term]) -> bool:
    """Whether the terms of a scalar in one equation sum to more than the identity."""
    if len({term.element for term in terms}) == 1:
        # Of one element that is not the identity, no group operation is needed.
        return sum(term.coefficient for term in terms) % ORDER != 0
    return bool(_column(elements, terms) != native.IDENTITY)


def _used(equations: Iterable[LinearEquation]) -> set[int]:
    return {
        at
        for equation in equations
        for at in (*(at for at, _ in equation.image), *(term.element for term in equation.terms))
    }


def _head(equations: Sequence[LinearEquation]) -> bytes:
    parts = [_index(len(equations))]
    for image, terms in equations:
        parts.append(_index(len(image)))
        parts += (_index(element) + coefficient.to_bytes(SCALAR_BYTES, "big") for element, coefficient in image)
        parts.append(_index(len(terms)))
        parts += (
            _index(scalar) + _index(element) + coefficient.to_bytes(SCALAR_BYTES, "big")
            for scalar, element, coefficient in terms
        )
    return b"".join(parts)


def _index(value: int) -> bytes:
    return value.to_bytes(INDEX_BYTES, "little")


class _Reader:
    """Reads from the front of bytes; ValueError beyond their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left():
            raise ValueError("the bytes of an instance end too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def index(self) -> int:
        return int.from_bytes(self.take(INDEX_BYTES), "little")

    def coefficient(self) -> int:
        value = int.from_bytes(self.take(SCALAR_BYTES), "big")
        if value >= ORDER:
            raise ValueError("a coefficient is below the order of the group")
        return value

    def equation(self) -> LinearEquation:
        image = tuple((self.index(), self.coefficient()) for _ in range(self.index()))
        terms = tuple(Term(self.index(), self.index(), self.coefficient()) for _ in range(self.index()))
        return LinearEquation(image, terms)


@cache
def _known() -> Mapping[bytes, Any]:
    return {base.to_bytes(): base for base in bases()}
