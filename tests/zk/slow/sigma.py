"""Sigma proofs of the document, each equation for itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tests.zk.slow.curve import B, R, encoded, identity, minus, point, refuse_unless, same, scalar, total
from tests.zk.slow.sponge import Sponge, session

BATCHABLE = b"-DSFS-with-sigma-proofs_Shake128_BLS12381"


class Equation(NamedTuple):
    """image: (element, coefficient), terms: (scalar, element, coefficient)."""

    image: list[tuple[int, int]]
    terms: list[tuple[int, int, int]]


class Relation(NamedTuple):
    """An instance that was read, or built."""

    instance: bytes
    elements: list[Any]
    equations: list[Equation]
    scalars: int


def read(instance: bytes) -> Relation:
    """The relation of instance bytes."""
    rest = instance

    def take(count: int) -> bytes:
        nonlocal rest
        refuse_unless(len(rest) >= count, "instance too short")
        taken, rest = rest[:count], rest[count:]
        return taken

    def index() -> int:
        return int.from_bytes(take(4), "little")

    equations = []
    for _ in range(index()):
        image = [(index(), scalar(take(32))) for _ in range(index())]
        terms = [(index(), index(), scalar(take(32))) for _ in range(index())]
        equations.append(Equation(image, terms))
    used = {at for image, terms in equations for at in (*(at for at, _ in image), *(at for _, at, _ in terms))}
    refuse_unless(len(rest) == 48 * max(used, default=0), "as many elements as the largest index says")
    elements = [B, *(point(rest[at : at + 48]) for at in range(0, len(rest), 48))]
    return valid(Relation(instance, elements, equations, 0))


def valid(relation: Relation) -> Relation:
    """The relation with its scalars counted, unless it says nothing."""
    instance, elements, equations, _ = relation
    refuse_unless(equations, "there is an equation")
    refuse_unless(all(image and terms for image, terms in equations), "an image and a term")
    used = {at for image, terms in equations for at in (*(at for at, _ in image), *(at for _, at, _ in terms))}
    refuse_unless(used | {0} == set(range(len(elements))), "every element is used")
    scalars = {at for _, terms in equations for at, _, _ in terms}
    refuse_unless(scalars == set(range(len(scalars))), "every scalar is used")
    refuse_unless(not any(map(identity, elements)), "no element is the identity")
    for image, _ in equations:
        refuse_unless(not identity(left(elements, image)), "no image is the identity")
    for one in scalars:
        moved = [[(at, factor) for which, at, factor in terms if which == one] for _, terms in equations]
        refuse_unless(any(not identity(left(elements, terms)) for terms in moved), "every scalar acts")
    return Relation(instance, elements, equations, len(scalars))


def build(
    elements: Mapping[str, bytes], scalars: str, *equations: tuple[Mapping[str, int], Sequence[tuple[str, str]]]
) -> Relation:
    """A relation by names: elements in their order, scalars between spaces, and per equation the coefficients of the
    image and the pairs of scalar and element."""
    places = {"B": 0} | {name: at for at, name in enumerate(elements, start=1)}
    names = scalars.split()
    compiled = [
        Equation(
            [(places[name], factor % R) for name, factor in image.items()],
            [(names.index(one), places[element], 1) for one, element in terms],
        )
        for image, terms in equations
    ]
    out = len(compiled).to_bytes(4, "little")
    for image, terms in compiled:
        out += len(image).to_bytes(4, "little")
        for at, factor in image:
            out += at.to_bytes(4, "little") + factor.to_bytes(32, "big")
        out += len(terms).to_bytes(4, "little")
        for which, at, factor in terms:
            out += which.to_bytes(4, "little") + at.to_bytes(4, "little") + factor.to_bytes(32, "big")
    return valid(Relation(out + b"".join(elements.values()), [B, *map(point, elements.values())], compiled, 0))


def left(elements: Sequence[Any], image: Sequence[tuple[int, int]]) -> Any:
    """A public sum of coefficient * element."""
    return total([elements[at] for at, _ in image], [factor for _, factor in image])


def length(relation: Relation) -> int:
    """Bytes of a batchable proof."""
    return 48 * len(relation.equations) + 32 * relation.scalars


def check(tag: bytes, relation: Relation, proof: bytes, *, compact: bool = False) -> None:
    """Refused unless the proof is true."""
    equations = relation.equations
    images = [left(relation.elements, image) for image, _ in equations]
    sponge = Sponge(session(tag))
    sponge.absorb(relation.instance)
    if compact:
        refuse_unless(len(proof) == 32 * (1 + relation.scalars), "length of a compact proof")
        given, *responses = (scalar(proof[at : at + 32]) for at in range(0, len(proof), 32))
        found = [
            minus(right(relation, terms, responses), total([image], [given]))
            for image, (_, terms) in zip(images, equations, strict=True)
        ]
        refuse_unless(not any(map(identity, found)), "no commitment is the identity")
        sponge.absorb(b"".join(map(encoded, found)))
        refuse_unless(sponge.challenge() == given, "the challenge follows from the commitments")
        return
    refuse_unless(len(proof) == length(relation), "length of a proof")
    split = 48 * len(equations)
    responses = [scalar(proof[at : at + 32]) for at in range(split, len(proof), 32)]
    commitments = [point(proof[at : at + 48]) for at in range(0, split, 48)]
    sponge.absorb(proof[:split])
    c = sponge.challenge()
    for image, commitment, (_, terms) in zip(images, commitments, equations, strict=True):
        expected = total([commitment, image], [1, c])
        refuse_unless(same(right(relation, terms, responses), expected), "an equation does not hold")


def right(relation: Relation, terms: Sequence[tuple[int, int, int]], responses: Sequence[int]) -> Any:
    """M_i at the responses."""
    points = [relation.elements[at] for _, at, _ in terms]
    return total(points, [responses[which] * factor for which, _, factor in terms])
