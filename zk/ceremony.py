"""Making a key that nobody has: joint Feldman secret sharing among n seats, of which t open.

Each dealer i draws a polynomial of degree t - 1, binds itself by a hash (`digest`), then shows A_ik = a_ik*B, the
proof that it knows a_i0, and for each seat j its share s_ij = f_i(j) in a note that only j reads. A seat whose share
does not lie on the shown polynomial (`is_share`) proves it by showing that one note. Of the dealers that are left,

    P = sum A_i0,    x_j = sum s_ij,    X_j = x_j*B = sum over i and k of A_ik * j^k

so everybody computes P and every X_j, and t of the x_j are the key x of P = x*B. Since dealers bind themselves before
any shows anything, nobody chooses P; but whoever sees the others' A_i0 may still drop out, so P must not be called
unbiased. That is harmless where P only encrypts.

Indices are 1 to n: at 0 lies the secret itself. Attempts are numbered, and the number is in every tag and note.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from zk import notes
from zk.codec import encode
from zk.group import ORDER, POINT_BYTES, SCALAR_BYTES, native
from zk.group.native import Point
from zk.hashing import domain, sha256
from zk.randomness import Draw
from zk.sizes import MAX_SEATS
from zk.statements import logarithm
from zk.statements.assertion import Assertion, Where

_KEY: Final = (b"seat-key",)
_DEALER: Final = (b"dealer",)


class Attempt(NamedTuple):
    """One try at making a key. No two are alike on one chain."""

    chain_id: str
    epoch: int
    number: int


class Dealing(NamedTuple):
    """What a dealer shows to all."""

    vector: tuple[bytes, ...]
    """A_ik, t points of 48 bytes."""
    possession: bytes
    """Proof that the dealer knows the logarithm of the first."""
    shares: tuple[bytes, ...]
    """Notes to the seats that registered a key, in the order of their indices."""


# Seat keys


def seat_secret(attempt: Attempt, seat: str, entropy: bytes) -> bytes:
    """The secret of a seat's key for one attempt, 32 bytes: shares are sealed to that key, and no other notes."""
    draw = Draw(b"gridpact/1/seat-key", witness=b"", tag=_place(attempt, seat), instance=b"", entropy=entropy)
    return draw.scalar().to_bytes(SCALAR_BYTES, "big")


def prove_seat(attempt: Attempt, seat: str, secret: bytes, *, entropy: bytes) -> tuple[bytes, bytes]:
    """A seat's key, 48 bytes, and the proof that it has it, `zk.sizes.KNOWN_BYTES`."""
    proof = logarithm.prove_known("possession", _where(attempt, seat), secret, _KEY, entropy=entropy)
    return logarithm.public_point(secret), proof


def seat_possession(attempt: Attempt, seat: str, key: bytes, proof: bytes) -> Assertion:
    """The seat has the key that it registers."""
    return logarithm.known("possession", _where(attempt, seat), key, proof, _KEY)


# Dealing


def deal(
    attempt: Attempt, dealer: str, threshold_: int, seats: Mapping[int, tuple[str, bytes]], *, entropy: bytes
) -> Dealing:
    """What a dealer shows. `seats` has the member and the key of each seat that registered one, by index. The same
    entropy gives the same dealing to the same seats, and the same vector whoever they are."""
    place = _place(attempt, dealer)
    draw = Draw(b"gridpact/1/dealer", witness=b"", tag=place, instance=encode(threshold_), entropy=entropy)
    polynomial = draw.scalars(threshold_)
    vector = tuple(native.GENERATOR.times_secret(native.scalar(part)).to_bytes() for part in polynomial)
    secret = polynomial[0].to_bytes(SCALAR_BYTES, "big")
    possession = logarithm.prove_known("possession", _where(attempt, dealer), secret, _DEALER, entropy=entropy)
    shares = tuple(
        notes.seal(
            key,
            _evaluate(polynomial, index).to_bytes(SCALAR_BYTES, "big"),
            entropy=entropy,
            **route(attempt, dealer, member),
        )
        for index, (member, key) in sorted(seats.items())
    )
    return Dealing(vector, possession, shares)


def digest(attempt: Attempt, dealer: str, vector: Sequence[bytes]) -> bytes:
    """What binds a dealer to its polynomial before anybody shows one, 32 bytes."""
    label = domain("ceremony-commitment", attempt.chain_id)
    return sha256(label + encode((attempt.epoch, attempt.number, dealer, tuple(vector))))


def route(attempt: Attempt, dealer: str, recipient: str) -> notes.Route:
    """Where the note with a share goes."""
    return notes.Route(
        purpose=f"key-share-{attempt.number}",
        chain_id=attempt.chain_id,
        epoch=attempt.epoch,
        sender=dealer,
        recipient=recipient,
    )


def dealer_possession(attempt: Attempt, dealer: str, vector: Sequence[bytes], proof: bytes) -> Assertion:
    """The dealer knows the logarithm of its part of P. The vector has `threshold` points, see `decode_vector`."""
    return logarithm.known("possession", _where(attempt, dealer), vector[0], proof, _DEALER)


def decode_vector(vector: Sequence[bytes], threshold_: int) -> tuple[Point, ...]:
    """The points of a vector. ValueError unless they are `threshold_` points other than the identity: a longer vector
    would need more seats to open, a shorter one let fewer do."""
    if len(vector) != threshold_:
        raise ValueError(f"a vector has {threshold_} points, not {len(vector)}")
    return tuple(map(native.decode_point, vector))


def is_share(share: bytes, index: int, vector: Sequence[Point]) -> bool:
    """Whether `share`, 32 bytes, is what the polynomial of `vector` has at `index`. False for what is no scalar, and
    for an index that is not one."""
    try:
        scalar = native.decode_scalar(share)
    except ValueError:
        return False
    return 1 <= index <= MAX_SEATS and native.GENERATOR.times_secret(scalar) == public_share(vector, index)


# The key


def joint(vectors: Sequence[Sequence[Point]]) -> tuple[Point, ...]:
    """Sum of the dealers' vectors: P, and with it every seat's public share. ValueError unless all have one length."""
    total = list(vectors[0])
    for vector in vectors[1:]:
        total = [one + other for one, other in zip(total, vector, strict=True)]
    return tuple(total)


def public_share(vector: Sequence[Point], index: int) -> Point:
    """What the polynomial of a vector has at `index`, times B. The index is public and small, so that multiplying by it
    again and again takes a tenth of one multiplication by its powers."""
    factor, total = native.scalar(index), vector[-1].ark
    for point in reversed(vector[:-1]):
        total = total * factor + point.ark
    return Point(total)


def held_share(shares: Sequence[bytes]) -> bytes:
    """x_j, 32 bytes, out of the shares of all dealers that were left, each of which `is_share`."""
    return (sum(int.from_bytes(one, "big") for one in shares) % ORDER).to_bytes(SCALAR_BYTES, "big")


def key_id(attempt: Attempt, key: bytes) -> bytes:
    """The name of a key, 32 bytes."""
    assert len(key) == POINT_BYTES
    return sha256(domain("threshold-key", attempt.chain_id) + encode((attempt.epoch, attempt.number, key)))


def _evaluate(polynomial: Sequence[int], index: int) -> int:
    value = 0
    for part in reversed(polynomial):
        value = (value * index + part) % ORDER
    return value


def _where(attempt: Attempt, seat: str) -> Where:
    return Where(attempt.chain_id, seat, attempt.epoch, attempt.number)


def _place(attempt: Attempt, seat: str) -> bytes:
    return encode((*attempt, seat))
