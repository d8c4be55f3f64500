"""Many proofs checked as one: a single multi-scalar multiplication for all of them.

A proof is reduced to equations, sums of scalar times point that must each be the identity (`Claim`). A batch adds all
equations, each times a weight of 128 bits that follows from every session id, instance and whole proof in it, responses
included, as draft-irtf-cfrg-sigma-protocols has it: errors of two proofs can not be made to cancel. Which proofs are
false is looked for only when the sum is not the identity.

Only decoded points enter: together with random weights, a point outside the prime-order subgroup would let nodes
disagree. `verify` never raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from zk.group import AnyGroup, native
from zk.transcript import Sponge, session_id

WEIGHT_BYTES = 16
_WEIGHTS = session_id(b"gridpact/1/batch-weights")


class Equation(NamedTuple):
    """The sum of scalar times point that must be the identity. One scalar (of the batch's backend) per point."""

    points: Sequence[Any]
    scalars: Sequence[Any]


class Claim(NamedTuple):
    """What one proof comes down to."""

    transcript: bytes
    """Digest or bytes that bind session id, instance and the whole proof, responses included."""
    equations: Sequence[Equation]


class Batch:
    """Claims to be checked together."""

    def __init__(self, group: AnyGroup = native) -> None:
        self._group = group
        self._claims: list[Claim | None] = []

    def __len__(self) -> int:
        return len(self._claims)

    def add(self, claim: Claim | None) -> int:
        """Add a claim and return its place; None stands for a proof that could not even be read, and is false."""
        self._claims.append(claim)
        return len(self._claims) - 1

    def verify(self) -> bool:
        """True when every claim holds; an empty batch does."""
        return None not in self._claims and self._holds(range(len(self._claims)))

    def culprits(self) -> list[int]:
        """Places of the claims that do not hold, ascending. By bisection, so one false among n takes about 2 log2 n
        multiplications; bound how often a peer may cause that."""
        unread = [place for place, claim in enumerate(self._claims) if claim is None]
        read = [place for place, claim in enumerate(self._claims) if claim is not None]
        return sorted(unread + self._false(read))

    def _false(self, places: Sequence[int]) -> list[int]:
        if self._holds(places):
            return []
        if len(places) == 1:
            return list(places)
        middle = len(places) // 2
        return self._false(places[:middle]) + self._false(places[middle:])

    def _holds(self, places: Sequence[int]) -> bool:
        claims = [claim for place in places if (claim := self._claims[place]) is not None]
        sponge = Sponge(_WEIGHTS)
        for claim in claims:
            sponge.absorb(len(claim.transcript).to_bytes(8, "little") + claim.transcript)
        equations = [equation for claim in claims for equation in claim.equations]
        # At once: a sponge goes over its whole output for every piece of it.
        drawn = sponge.squeeze(WEIGHT_BYTES * len(equations))
        # Points that several equations share (the bases) are multiplied once.
        sums: dict[int, tuple[Any, Any]] = {}
        for at, (points, scalars) in enumerate(equations):
            squeezed = drawn[at * WEIGHT_BYTES : (at + 1) * WEIGHT_BYTES]
            weight = self._group.scalar(max(1, int.from_bytes(squeezed, "little")))
            for point, scalar in zip(points, scalars, strict=True):
                part = scalar * weight
                known = sums.get(id(point))
                sums[id(point)] = (point, part if known is None else known[1] + part)
        points = [point for point, _ in sums.values()]
        total = self._group.multiexp(points, [scalar for _, scalar in sums.values()])
        return bool(total == self._group.IDENTITY)
