"""Statements about logarithms: somebody knows that of a point, or that two pairs of points have the same.

What they are good for is in the kind and the place of each, both in its tag: a proof of one kind, place or actor is
none of another. Kinds:

    possession   who registers a key knows its secret: nobody registers a key that is made of other people's keys
    note         who sends a note knows the logarithm of its ephemeral point, see `zk.notes`
    reveal       the shown point of a note is that of its recipient's key, see `zk.notes`
    share        a share of an opening is made with the seat's share of the threshold key, see `zk.elgamal`

Nothing here decodes a point before the proof is checked; a statement about what is no point is not proven.
"""

from __future__ import annotations

from zk import sigma
from zk.batch import Claim
from zk.group import POINT_BYTES, native
from zk.group.bases import bases
from zk.statements.assertion import Assertion, Where, tag_of

KINDS = ("possession", "note", "reveal", "share")


def reduce(tag: bytes, instance: bytes, proof: bytes) -> tuple[Claim] | None:
    """Claims of a statement of this module. Never raises."""
    claim = sigma.claim(tag, instance, proof)
    return None if claim is None else (claim,)


def prove_known(kind: str, where: Where, secret: bytes, bound: tuple[bytes, ...] = (), *, entropy: bytes) -> bytes:
    """Proof of `KNOWN_BYTES` that the prover knows `secret`, 32 bytes, of secret*B. `bound` is what else it is about.
    ValueError when the secret is no scalar in [1, ORDER)."""
    point = public_point(secret)
    return sigma.prove(_tag(kind, where, (point, *bound)), _KNOWN + point, secret, compact=False, entropy=entropy)


def known(kind: str, where: Where, point: bytes, proof: bytes, bound: tuple[bytes, ...] = ()) -> Assertion:
    """Somebody knows the logarithm of a point to B."""
    return Assertion(kind, _tag(kind, where, (point, *bound)), _KNOWN + point, proof)


def prove_equal(
    kind: str, where: Where, secret: bytes, other: bytes, bound: tuple[bytes, ...] = (), *, entropy: bytes
) -> tuple[bytes, bytes]:
    """secret*other, 48 bytes, and a proof of `EQUAL_BYTES` that its logarithm to `other` is that of secret*B to B.
    ValueError when the secret is no scalar in [1, ORDER), or `other` no point."""
    point = public_point(secret)
    image = native.decode_point(other).times_secret(native.decode_scalar(secret)).to_bytes()
    tag, instance = _tag(kind, where, (point, other, image, *bound)), _EQUAL + point + other + image
    return image, sigma.prove(tag, instance, secret, compact=False, entropy=entropy)


def equal(
    kind: str, where: Where, point: bytes, other: bytes, image: bytes, proof: bytes, bound: tuple[bytes, ...] = ()
) -> Assertion:
    """The logarithm of `image` to `other` is that of `point` to B."""
    instance = _EQUAL + point + other + image
    return Assertion(kind, _tag(kind, where, (point, other, image, *bound)), instance, proof)


def public_point(secret: bytes) -> bytes:
    """secret*B, 48 bytes. ValueError unless the secret is a scalar in [1, ORDER), 32 bytes big-endian."""
    scalar = native.decode_scalar(secret)
    if not int(scalar):
        raise ValueError("a secret is not zero")
    return native.GENERATOR.times_secret(scalar).to_bytes()


def _tag(kind: str, where: Where, commitments: tuple[bytes, ...]) -> bytes:
    return sigma.tag_for(tag_of(kind, where, commitments))


def _heads() -> tuple[bytes, bytes]:
    """Instances of both relations up to their points."""
    one, other, third = bases().V, bases().H, bases().U
    known_ = sigma.Relation({"X": one}, ("x",))
    known_.equation("X", ("x", "B"))
    equal_ = sigma.Relation({"X": one, "R": other, "D": third}, ("x",))
    equal_.equation("X", ("x", "B"))
    equal_.equation("D", ("x", "R"))
    return known_.instance.encoded[:-POINT_BYTES], equal_.instance.encoded[: -3 * POINT_BYTES]


_KNOWN, _EQUAL = _heads()
