"""Proofs of knowledge of a preimage under a linear map of group elements, without interaction.

Byte for byte draft-irtf-cfrg-sigma-protocols, ciphersuite `sigma-proofs_Shake128_BLS12381`: what a relation is, how it
is written as bytes (`zk.sigma.instance`), how its names become indices (`zk.sigma.relation`), how it is proven and
checked (`zk.sigma.proof`). Here are the same with bytes on both sides.

A verifier builds the instance from what it knows; instance bytes that came from a prover prove nothing. The tag names
the place of the proof and its flavor (`tag_for`). Provers are not constant-time as a whole; secrets meet only
`times_secret` and integer arithmetic.
"""

from __future__ import annotations

from zk.batch import Claim
from zk.group import ORDER, SCALAR_BYTES
from zk.sigma import proof as _proof
from zk.sigma.instance import Instance
from zk.sigma.relation import Relation

__all__ = ["Instance", "Relation", "claim", "prove", "tag_for", "verify"]

CIPHERSUITE = b"sigma-proofs_Shake128_BLS12381"


def tag_for(name: bytes, *, compact: bool = False) -> bytes:
    """Tag of a proof at the place `name`: the draft wants flavor and ciphersuite in every tag, verbatim."""
    return name + (b"-CMPT-with-" if compact else b"-DSFS-with-") + CIPHERSUITE


def prove(
    tag: bytes,
    instance: bytes | Instance,
    witness: bytes,
    *,
    compact: bool,
    entropy: bytes,
    nonces: bytes | None = None,
) -> bytes:
    """Proof that the prover knows `witness`, concatenated scalars of 32 bytes big-endian, one per scalar index.

    An instance that was compiled here is valid, one in bytes is checked. `entropy` is at least 32 bytes that nobody
    else knows. `nonces`, as the witness is, replaces the nonces that follow from it: for known answers only, since
    whoever knows them knows the witness. Compact proofs are a challenge and the responses, others commitments and the
    responses, which a batch can check. ValueError when the instance is not valid, the witness has another length or
    does not satisfy the relation.
    """
    known = instance if isinstance(instance, Instance) else Instance.decode(instance)
    chosen = None if nonces is None else _scalars(nonces)
    return _proof.prove(tag, known, _scalars(witness), compact=compact, entropy=entropy, nonces=chosen)


def verify(tag: bytes, instance: bytes, proof: bytes, *, compact: bool) -> bool:
    """Whether `proof` was made for this tag and this instance by somebody who knew a witness. Never raises."""
    try:
        return _proof.verify(tag, Instance.decode(instance), proof, compact=compact)
    except ValueError:
        return False


def claim(tag: bytes, instance: bytes, proof: bytes) -> Claim | None:
    """What a proof that is not compact comes down to, for a batch; None when it can not be valid. Never raises."""
    try:
        return _proof.claim(tag, Instance.decode(instance), proof)
    except ValueError:
        return None


def _scalars(data: bytes) -> list[int]:
    if len(data) % SCALAR_BYTES:
        raise ValueError(f"scalars have {SCALAR_BYTES} bytes each, so {len(data)} bytes are not some of them")
    values = [int.from_bytes(data[at : at + SCALAR_BYTES], "big") for at in range(0, len(data), SCALAR_BYTES)]
    if any(value >= ORDER for value in values):
        raise ValueError("a scalar is below the order of the group")
    return values
