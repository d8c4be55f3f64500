"""A relation by names, compiled to an instance as draft-irtf-cfrg-sigma-protocols does.

Names stand for elements (public points) and scalars (secrets); indices follow the order of declaration, equations and
terms the order in which they are written, so the same relation has the same bytes everywhere. Element "B" is the
generator and is always there. To be sound, name every public point that matters, never a sum of some: a proof about a
sum says nothing of its parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from zk.group import ORDER, SCALAR_BYTES
from zk.sigma.instance import Instance, LinearEquation, Term, decode_element

GENERATOR = "B"

Image = str | Mapping[str, int]
"""Element by name, or elements by name with their public coefficients, any integers."""


class Relation:
    """A relation under construction; done when `instance` was read."""

    def __init__(self, elements: Mapping[str, Any], scalars: Sequence[str]) -> None:
        """Elements are points, decoded or as 48 bytes, in the order of their indices from 1; scalars are names.
        ValueError on a point that does not decode or a name given twice."""
        if GENERATOR in elements or len(set(scalars)) != len(scalars):
            raise ValueError(f"every name stands for one thing, and {GENERATOR} for the generator")
        self._elements = {GENERATOR: 0} | {name: at for at, name in enumerate(elements, start=1)}
        self._scalars = {name: at for at, name in enumerate(scalars)}
        self._points = [decode_element(one) if isinstance(one, bytes) else one for one in elements.values()]
        self._equations: list[LinearEquation] = []

    def equation(self, image: Image, *terms: tuple[str, str] | tuple[str, str, int]) -> None:
        """Add: image = sum of scalar * element * coefficient (1 unless given). KeyError on an unknown name."""
        weights = {image: 1} if isinstance(image, str) else image
        left = tuple((self._elements[name], coefficient % ORDER) for name, coefficient in weights.items())
        right = tuple(
            Term(self._scalars[scalar], self._elements[element], rest[0] % ORDER if rest else 1)
            for scalar, element, *rest in terms
        )
        self._equations.append(LinearEquation(left, right))

    @cached_property
    def instance(self) -> Instance:
        """The compiled relation; `.encoded` are its bytes. ValueError unless it is valid."""
        return Instance.of(self._points, self._equations)

    def witness(self, values: Mapping[str, int]) -> bytes:
        """Concatenated scalars, as `zk.sigma.prove` takes them, of integers by name. KeyError when one is missing."""
        return b"".join((values[name] % ORDER).to_bytes(SCALAR_BYTES, "big") for name in self._scalars)
