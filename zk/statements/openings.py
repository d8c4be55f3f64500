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

from zk.codec import Codec, encode
from zk.group import ORDER, SCALAR_BYTES
from zk.randomness import Draw
from zk.statements.assertion import Where, place

ENTROPY_BYTES = 32
MAX_VALUES = 65
"""Of one note: 64 ticks and slack."""
MAX_TOLD = 8
"""Openings in one note to somebody else; a reading tells two, import and export."""
MAX_PLAINTEXT_BYTES = 1_024
VALUE_BYTES = 8

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


class Kept(NamedTuple):
    """To oneself: enough to make everything that was posted once more."""

    kind: str
    values: tuple[int, ...]
    entropy: bytes


class Told(NamedTuple):
    """To somebody else: openings, in the order of the commitments that they open."""

    kind: str
    openings: tuple[Opening, ...]

    def opening(self, place: int) -> Opening:
        """The opening at `place`. IndexError where there are fewer."""
        return self.openings[place]


Plaintext = Kept | Told


class _Packed(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """As it is sealed. Every value takes the same room, whatever it is: everybody sees how long a note is."""

    kind: str
    values: Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_VALUES * VALUE_BYTES)]
    """Big-endian, `VALUE_BYTES` each."""


class _KeptPacked(_Packed, frozen=True, tag="kept"):
    entropy: Annotated[bytes, msgspec.Meta(min_length=ENTROPY_BYTES, max_length=ENTROPY_BYTES)]


class _ToldPacked(_Packed, frozen=True, tag="told"):
    blindings: Annotated[bytes, msgspec.Meta(min_length=SCALAR_BYTES, max_length=MAX_TOLD * SCALAR_BYTES)]


_CODEC: Codec[_KeptPacked | _ToldPacked] = Codec(_KeptPacked | _ToldPacked, MAX_PLAINTEXT_BYTES)


def told(kind: str, *openings: Opening) -> bytes:
    """Plaintext of a note to somebody else. OverflowError unless each value is of 64 bits."""
    blindings = b"".join(one.blinding for one in openings)
    return encode(_ToldPacked(kind, _joined([one.value for one in openings]), blindings))


def kept(kind: str, values: Sequence[int], entropy: bytes) -> bytes:
    """Plaintext of a note to oneself. OverflowError unless each value is of 64 bits."""
    return encode(_KeptPacked(kind, _joined(values), entropy))


def read(plaintext: bytes) -> Plaintext | None:
    """What a decrypted note says; None where it is of no layout known here."""
    try:
        packed = _CODEC.decode(plaintext)
        values = _parted(packed.values, VALUE_BYTES)
        match packed:
            case _KeptPacked():
                return Kept(packed.kind, tuple(map(_number, values)), packed.entropy)
            case _ToldPacked():
                pairs = zip(values, _parted(packed.blindings, SCALAR_BYTES), strict=True)
                return Told(packed.kind, tuple(Opening(_number(value), blinding) for value, blinding in pairs))
    except ValueError:
        return None


def _joined(values: Sequence[int]) -> bytes:
    return b"".join(value.to_bytes(VALUE_BYTES, "big") for value in values)


def _parted(raw: bytes, size: int) -> list[bytes]:
    """Pieces of this size. ValueError where something is left over."""
    if len(raw) % size:
        raise ValueError(f"{len(raw)} bytes are no pieces of {size}")
    return [raw[at : at + size] for at in range(0, len(raw), size)]


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


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
