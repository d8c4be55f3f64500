"""What its maker has to keep of everything that it posts, so that it can be opened again: two plaintexts of notes.

A poster seals `Kept` to its own note key, beside every bid, award, capacity, reading and spend: the values in the order
that their kind lists them in `VALUES`, and the entropy that the proof was made of. Every blinding follows from these
two and from the place (`blindings`), so the wallet that lost everything but its key makes the same commitments again
and knows by comparing them that it reads its own note right.

Whoever is told an amount by somebody else (the recipient of a spend, the owner of a meter, a supplier whose share of
a bill was fixed) gets `Told`: values with their blindings, never entropy, from which more than that would follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec

from zk.codec import Codec, Malformed, encode
from zk.group import ORDER, SCALAR_BYTES
from zk.randomness import Draw
from zk.statements.assertion import Where, place

ENTROPY_BYTES = 32
MAX_VALUES = 65
"""Of one note: 64 ticks and slack."""
MAX_TOLD = 8
"""Openings in one note to somebody else; a reading tells two, import and export."""
MAX_PLAINTEXT_BYTES = 1_024

VALUES: dict[str, tuple[str, ...]] = {
    "reading": ("import register, Wh", "export register, Wh"),
    "capacity": ("capacity, Wh",),
    "quality": ("field of the record",),
    "reserve": ("reserve, Wh",),
    "demand": ("demand, Wh",),
    "bid": ("quantity at each tick, Wh ...", "slack, Wh"),
    "award": ("award, Wh", "remainder"),
    "spend": ("amount, nano", "amount that stays, nano"),
    "green-share": ("volume, Wh", "remainder"),
    "share-of-bill": ("energy, Wh",),
}
"""Per kind, the values of its `Kept`, in their order. "share-of-bill" is a D_j of a split, proven as a "range"."""

Scalar = Annotated[bytes, msgspec.Meta(min_length=SCALAR_BYTES, max_length=SCALAR_BYTES)]
Value = Annotated[int, msgspec.Meta(ge=0)]
"""Below 2^64, which is what one encoding of an integer holds at most."""


class Opening(NamedTuple):
    """What opens one commitment: value*V + blinding*H, or over the threshold key in place of H."""

    value: int
    blinding: bytes
    """32 bytes big-endian."""

    def plus(self, other: Opening) -> Opening:
        """Opening of the sum of both commitments."""
        return Opening(self.value + other.value, _sum(self.blinding, other.blinding, 1))

    def minus(self, other: Opening) -> Opening:
        """Opening of the difference. Its value may be negative; a range proof of it is refused then."""
        return Opening(self.value - other.value, _sum(self.blinding, other.blinding, -1))

    def times(self, factor: int) -> Opening:
        """Opening of `factor` times the commitment."""
        return Opening(self.value * factor, _reduced(int.from_bytes(self.blinding, "big") * factor))

    def shifted(self, value: int) -> Opening:
        """Opening after `value` times V was added in public."""
        return Opening(self.value + value, self.blinding)


class Kept(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="kept"):
    """To oneself: enough to make everything that was posted once more."""

    kind: str
    values: Annotated[tuple[Value, ...], msgspec.Meta(min_length=1, max_length=MAX_VALUES)]
    entropy: Annotated[bytes, msgspec.Meta(min_length=ENTROPY_BYTES, max_length=ENTROPY_BYTES)]


class Told(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="told"):
    """To somebody else: openings, in the order of the commitments that they open."""

    kind: str
    openings: Annotated[tuple[tuple[Value, Scalar], ...], msgspec.Meta(min_length=1, max_length=MAX_TOLD)]

    def opening(self, place: int) -> Opening:
        """The opening at `place`. IndexError where there are fewer."""
        return Opening(*self.openings[place])


Plaintext = Kept | Told
_CODEC: Codec[Plaintext] = Codec(Plaintext, MAX_PLAINTEXT_BYTES)


def told(kind: str, *openings: Opening) -> bytes:
    """Plaintext of a note to somebody else."""
    return encode(Told(kind, tuple((one.value, one.blinding) for one in openings)))


def kept(kind: str, values: Sequence[int], entropy: bytes) -> bytes:
    """Plaintext of a note to oneself."""
    return encode(Kept(kind, tuple(values), entropy))


def read(plaintext: bytes) -> Plaintext | None:
    """What a decrypted note says; None where it is of no layout known here."""
    try:
        return _CODEC.decode(plaintext)
    except Malformed:
        return None


def blindings(kind: str, where: Where, values: Sequence[int], entropy: bytes, count: int) -> list[bytes]:
    """`count` blindings of 32 bytes each: of the place, the kind, all values and the entropy.

    ValueError where the entropy is short or a value is no unsigned integer of 64 bits.
    """
    if len(entropy) < ENTROPY_BYTES:
        raise ValueError(f"entropy has at least {ENTROPY_BYTES} bytes, not {len(entropy)}")
    if any(not 0 <= value < 2**64 for value in values):
        raise ValueError("a value is an unsigned integer of 64 bits")
    draw = Draw(
        b"gridpact/1/blindings",
        witness=b"".join(value.to_bytes(8, "big") for value in values),
        tag=place(kind, where),
        instance=b"",
        entropy=entropy,
    )
    return [scalar.to_bytes(SCALAR_BYTES, "big") for scalar in draw.scalars(count)]


def opened(kind: str, where: Where, values: Sequence[int], entropy: bytes) -> list[Opening]:
    """One opening per value with the blindings of this place, also out of a recovered `Kept`."""
    made = blindings(kind, where, values, entropy, len(values))
    return [Opening(value, blinding) for value, blinding in zip(values, made, strict=True)]


def is_nothing(opening: Opening) -> bool:
    """Whether the commitment that this opens over H is the identity."""
    return opening == Opening(0, bytes(SCALAR_BYTES))


def recovered(note: Kept, where: Where) -> list[Opening]:
    """What a note to oneself opens, in the order of its values: commitments over H, of demands and bids over the key.

    Of a spend, its transfer alone, since what stays is the balance without it; where nothing stays, the transfer is the
    balance as it was, and opens as that does. Compare with what was posted: a note may have been sealed wrongly.
    """
    made = opened(note.kind, where, note.values, note.entropy)
    return made[:1] if note.kind == "spend" else made


def total(openings: Sequence[Opening]) -> Opening:
    """Opening of the sum of commitments; of nothing, value 0 and blinding 0."""
    amount = Opening(0, bytes(SCALAR_BYTES))
    for one in openings:
        amount = amount.plus(one)
    return amount


def _sum(left: bytes, right: bytes, sign: int) -> bytes:
    return _reduced(int.from_bytes(left, "big") + sign * int.from_bytes(right, "big"))


def _reduced(value: int) -> bytes:
    return (value % ORDER).to_bytes(SCALAR_BYTES, "big")
