"""Proving and checking a valid instance.

Commitments are the equations at random nonces; the challenge follows from tag, instance and commitments; a response is
nonce + witness * challenge. Never reuses a nonce for another challenge: nonces follow from all that a proof is about
(`zk.randomness`). A proof that the prover itself can not verify is not given away, so neither a false witness nor a
computation that went wrong shows anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

from zk.batch import Batch, Claim, Equation
from zk.group import ORDER, POINT_BYTES, SCALAR_BYTES, native
from zk.randomness import Draw
from zk.sigma.instance import Instance, columns
from zk.transcript import Sponge, session_id

_LABEL = b"gridpact/1/sigma"
_ONE = native.scalar(1)


def prove(
    tag: bytes,
    instance: Instance,
    witness: Sequence[int],
    *,
    compact: bool = False,
    entropy: bytes,
    nonces: Sequence[int] | None = None,
) -> bytes:
    """As `zk.sigma.prove`, of an instance with its points and of integers in [0, ORDER)."""
    if len(witness) != instance.scalars:
        raise ValueError(f"{len(witness)} scalars where the relation has {instance.scalars}")
    if nonces is None:
        secret = b"".join(value.to_bytes(SCALAR_BYTES, "big") for value in witness)
        nonces = Draw(_LABEL, witness=secret, tag=tag, instance=instance.encoded, entropy=entropy).scalars(len(witness))
    if len(nonces) != len(witness):
        raise ValueError("there is one nonce per scalar")
    commitments = b"".join(point.to_bytes() for point in _commitments(instance, nonces))
    challenge = _challenge(tag, instance, commitments)
    responses = b"".join(
        ((nonce + secret * challenge) % ORDER).to_bytes(SCALAR_BYTES, "big")
        for nonce, secret in zip(nonces, witness, strict=True)
    )
    proof = (challenge.to_bytes(SCALAR_BYTES, "big") if compact else commitments) + responses
    if not verify(tag, instance, proof, compact=compact):
        raise ValueError("the witness does not satisfy the relation")
    return proof


def verify(tag: bytes, instance: Instance, proof: bytes, *, compact: bool = False) -> bool:
    """As `zk.sigma.verify`."""
    if compact:
        return _verify_compact(tag, instance, proof)
    batch = Batch()
    batch.add(claim(tag, instance, proof))
    return batch.verify()


def claim(tag: bytes, instance: Instance, proof: bytes) -> Claim | None:
    """As `zk.sigma.claim`."""
    split = POINT_BYTES * len(instance.equations)
    if len(proof) != split + SCALAR_BYTES * instance.scalars:
        return None
    try:
        commitments = [native.decode_point(proof[at : at + POINT_BYTES]) for at in range(0, split, POINT_BYTES)]
        responses = _decode_scalars(proof[split:])
    except ValueError:
        return None
    challenge = native.scalar(_challenge(tag, instance, proof[:split]))
    equations = []
    for commitment, image, one in zip(commitments, instance.images, instance.equations, strict=True):
        points, scalars = [commitment, image], [_ONE, challenge]
        for term in one.terms:
            factor = responses[term.scalar]
            points.append(instance.elements[term.element])
            scalars.append(-(factor if term.coefficient == 1 else factor * native.scalar(term.coefficient)))
        equations.append(Equation(points, scalars))
    return Claim(session_id(tag) + instance.encoded + proof, equations)


def _verify_compact(tag: bytes, instance: Instance, proof: bytes) -> bool:
    if len(proof) != SCALAR_BYTES * (1 + instance.scalars):
        return False
    try:
        challenge, *responses = _decode_scalars(proof)
    except ValueError:
        return False
    commitments = []
    for image, one in zip(instance.images, instance.equations, strict=True):
        points = [image, *(instance.elements[term.element] for term in one.terms)]
        scalars = [-challenge, *(responses[term.scalar] * native.scalar(term.coefficient) for term in one.terms)]
        commitments.append(native.multiexp(points, scalars))
    # The identity has no encoding that a proof may carry.
    if native.IDENTITY in commitments:
        return False
    encoded = b"".join(point.to_bytes() for point in commitments)
    return int(challenge) == _challenge(tag, instance, encoded)


def _commitments(instance: Instance, nonces: Sequence[int]) -> list[Any]:
    scalars = [native.scalar(nonce) for nonce in nonces]
    return [
        reduce(add, (point.times_secret(scalars[at]) for at, point in columns(instance, equation).items()))
        for equation in instance.equations
    ]


def _challenge(tag: bytes, instance: Instance, commitments: bytes) -> int:
    sponge = Sponge(session_id(tag))
    sponge.absorb(instance.encoded)
    sponge.absorb(commitments)
    return sponge.challenge()


def _decode_scalars(data: bytes) -> list[Any]:
    return [native.decode_scalar(data[at : at + SCALAR_BYTES]) for at in range(0, len(data), SCALAR_BYTES)]
