"""ICS-23 `CommitmentProof` as protobuf bytes: existence and non-existence in the sparse tree under `SmtSpec`.

Field numbers are those of `cosmos/ics23/v1/proofs.proto`. The codec knows these messages and no others, and
is strict: one proof has one encoding, so bytes that differ from what `encode` would write are refused.
Batches and compressed proofs are not taken. Nothing here raises on hostile bytes.

SmtSpec: leaf = SHA-256(0x00 || SHA-256(key) || SHA-256(value)), inner = SHA-256(0x01 || left || right), an
empty child is 32 zero bytes, at most 256 levels, and neighbours are compared by SHA-256(key).
"""

from __future__ import annotations

from collections.abc import Iterator

from zk.sparse import (
    EMPTY,
    INNER_PREFIX,
    LEAF_PREFIX,
    MAX_DEPTH,
    Absence,
    Presence,
    bit,
    path_of,
    verify_absence,
    verify_presence,
)

MAX_PROOF_BYTES = 1024 * 1024
_VARINT, _BYTES = 0, 2
_SHA256 = 1
_MAX_VARINT_BYTES = 5


def encode(proof: Presence | Absence) -> bytes:
    """`CommitmentProof` with `exist` (1) or `nonexist` (2)."""
    if isinstance(proof, Presence):
        return _bytes(1, _existence(proof))
    neighbours = _message(2, proof.left) + _message(3, proof.right)
    return _bytes(2, _bytes(1, proof.key) + neighbours)


def decode(raw: bytes) -> Presence | Absence | None:
    """The proof that `encode` turned into `raw`; None for any other bytes."""
    if len(raw) > MAX_PROOF_BYTES:
        return None
    try:
        proof = _commitment(raw)
        return proof if encode(proof) == raw else None
    except ValueError:
        return None


def verify_membership(root: bytes, key: bytes, value: bytes, proof: bytes) -> bool:
    """True when `proof` shows that the tree under `root` holds `key` with `value`."""
    decoded = decode(proof)
    return (
        isinstance(decoded, Presence)
        and decoded.key == key
        and decoded.value == value
        and verify_presence(root, decoded)
    )


def verify_non_membership(root: bytes, key: bytes, proof: bytes) -> bool:
    """True when `proof` shows that the tree under `root` does not hold `key`."""
    decoded = decode(proof)
    return isinstance(decoded, Absence) and decoded.key == key and verify_absence(root, decoded)


# Writing: fields in ascending order, those with a default value left out.


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _bytes(field: int, content: bytes) -> bytes:
    """A length-delimited field; empty content is the default."""
    return _varint(field << 3 | _BYTES) + _varint(len(content)) + content if content else b""


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(number)


def _message(field: int, presence: Presence | None) -> bytes:
    return b"" if presence is None else _bytes(field, _existence(presence))


_LEAF_OP = _number(1, _SHA256) + _number(2, _SHA256) + _number(3, _SHA256) + _bytes(5, LEAF_PREFIX)
"""`LeafOp`: hash, prehash_key and prehash_value are SHA-256; `length` is NO_PREFIX, the default."""


def _existence(presence: Presence) -> bytes:
    path, depth = path_of(presence.key), len(presence.siblings)
    steps = []
    for level, sibling in enumerate(presence.siblings):
        steps.append(_bytes(4, _inner_op(sibling, bit(path, depth - 1 - level))))
    return _bytes(1, presence.key) + _bytes(2, presence.value) + _bytes(3, _LEAF_OP) + b"".join(steps)


def _inner_op(sibling: bytes, side: int) -> bytes:
    """`InnerOp` for a child on `side`: what is hashed before it, and after it."""
    hash_ = _number(1, _SHA256)
    if side:
        return hash_ + _bytes(2, INNER_PREFIX + sibling)
    return hash_ + _bytes(2, INNER_PREFIX) + _bytes(3, sibling)


# Reading. ValueError means that the bytes are no such message; what is redundant is caught by encoding again.


def _fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers with their numbers or bytes."""
    at = 0
    while at < len(raw):
        tag, at = _read_varint(raw, at)
        content, at = _read_varint(raw, at)
        if tag & 7 == _VARINT:
            yield tag >> 3, content
        elif tag & 7 == _BYTES and at + content <= len(raw):
            yield tag >> 3, raw[at : at + content]
            at += content
        else:
            raise ValueError("neither a number nor bytes that are there")


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    number = 0
    for index, byte in enumerate(raw[at : at + _MAX_VARINT_BYTES]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, at + index + 1
    raise ValueError("a number without an end")


def _content(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number where bytes belong")
    return value


def _commitment(raw: bytes) -> Presence | Absence:
    fields = list(_fields(raw))
    if len(fields) != 1:
        raise ValueError("a commitment proof is exactly one proof")
    field, value = fields[0]
    if field == 1:
        return _read_existence(_content(value))
    if field == 2:
        return _read_non_existence(_content(value))
    raise ValueError("neither existence nor non-existence")


def _read_non_existence(raw: bytes) -> Absence:
    parts = {field: _content(value) for field, value in _fields(raw)}
    return Absence(
        parts.get(1, b""),
        _read_existence(parts[2]) if 2 in parts else None,
        _read_existence(parts[3]) if 3 in parts else None,
    )


def _read_existence(raw: bytes) -> Presence:
    key = value = b""
    steps = []
    for field, content in _fields(raw):
        if field == 1:
            key = _content(content)
        elif field == 2:
            value = _content(content)
        elif field == 4:
            steps.append(_read_sibling(_content(content)))
        elif field != 3:
            raise ValueError("no such field")
    if len(steps) > MAX_DEPTH:
        raise ValueError("deeper than the tree")
    return Presence(key, value, tuple(steps))


def _read_sibling(raw: bytes) -> bytes:
    """The sibling of an inner step. Its side follows from the key, and is checked by encoding again."""
    parts = dict(_fields(raw))
    sibling = _content(parts.get(3, b"")) or _content(parts.get(2, b""))[len(INNER_PREFIX) :]
    if len(sibling) != len(EMPTY):
        raise ValueError("a sibling is a hash")
    return sibling
