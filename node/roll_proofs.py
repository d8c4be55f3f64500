"""Where an entry stands in its roll, or that it stands in none: the second half of a proof of state.

The first half is the ICS-23 proof that the state holds this commitment, or no roll, under the roll's key. The
commitment fixes size and root, and a roll ascends by id. So a path shows an entry at its place, and the entries on
both sides of a gap show that nobody is between them. Never trusts a roll that it is given: `contracts.rolls` writes
them, more than 2/3 of the validators' power signed for their commitments.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from contracts.rolls import Commitment, Rolls, leaves, locate
from contracts.units import MAX_COUNT
from zk import merkle
from zk.codec import encode

Hex = Annotated[str, msgspec.Meta(pattern=r"^(?:[0-9a-f]{2})*\Z")]
Hex32 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
HexPath = Annotated[tuple[Hex32, ...], msgspec.Meta(max_length=merkle.MAX_PATH)]


class RollProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an entry is in its roll, or (`beside` not empty) between which entries it would be.

    `index` is the place of the entry or of the first one behind the gap; `paths` are those of the entry, or of
    what is beside the gap.
    """

    size: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)]
    root: Hex32
    index: Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
    beside: Annotated[tuple[Hex, ...], msgspec.Meta(max_length=2)]
    paths: Annotated[tuple[HexPath, ...], msgspec.Meta(max_length=2)]

    def commitment(self) -> bytes:
        """What the state holds under the roll's key, if this is the roll."""
        return encode(Commitment(self.size, bytes.fromhex(self.root)))


def prove_in_roll(rolls: Rolls[Any], key: bytes, roll: bytes) -> tuple[bytes | None, dict[str, Any]]:
    """The encoded entry under `key`, None where an encoded `roll` has none, and the JSON form of its `RollProof`."""
    _, id_ = locate(key)
    encoded = leaves(roll)
    index, there = rolls.search(encoded, id_)
    shown = [index] if there else _around(index, len(encoded))
    return encoded[index] if there else None, {
        "size": len(encoded),
        "root": merkle.root(encoded).hex(),
        "index": index,
        "beside": [] if there else [encoded[one].hex() for one in shown],
        "paths": [[sibling.hex() for sibling in merkle.path(encoded, one)] for one in shown],
    }


def is_in_roll(rolls: Rolls[Any], key: bytes, value: bytes | None, roll: RollProof) -> bool:
    """Whether the roll, whose size and root are proven, has `value` as the entry under `key`, or none."""
    _, id_ = locate(key)
    shown = [bytes.fromhex(one) for one in roll.beside] if value is None else [value]
    places = _around(roll.index, roll.size) if value is None else [roll.index]
    if not len(shown) == len(places) == len(roll.paths) or (value is not None and roll.beside):
        return False
    root = bytes.fromhex(roll.root)
    for encoded, place, path in zip(shown, places, roll.paths, strict=True):
        if not merkle.verify(root, encoded, place, roll.size, [bytes.fromhex(one) for one in path]):
            return False
        found = rolls.id(rolls.decode_entry(encoded))
        if value is not None and found != id_:
            return False
        if value is None and (found >= id_ if place < roll.index else found <= id_):
            return False
    return True


def _around(index: int, size: int) -> list[int]:
    """Places beside the gap before entry `index`."""
    return [one for one in (index - 1, index) if 0 <= one < size]
