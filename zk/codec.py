"""Canonical typed MessagePack: one value, one encoding.

Hashes and signatures cover encodings, so a second encoding of the same value would be a second identity
for it. `Codec.decode` therefore re-encodes what it read and refuses unequal bytes. Never decodes untyped
data and never accepts more bytes than the codec's limit.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")

_ENCODER = msgspec.msgpack.Encoder()
encode = _ENCODER.encode
"""Canonical encoding of a struct (array-like) or of a tuple of ints, strings, bytes and structs."""


class Malformed(ValueError):
    """Bytes that are not the canonical encoding of the expected type; `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Codec(Generic[T]):
    """Decoder for one type with a size limit in bytes."""

    def __init__(self, type_: Any, limit: int) -> None:
        self.limit = limit
        self._decode = msgspec.msgpack.Decoder(type_).decode

    def decode(self, raw: bytes) -> T:
        """Value encoded by `raw`. Raises `Malformed` (`codec.oversized|malformed|non-canonical`)."""
        if len(raw) > self.limit:
            raise Malformed("codec.oversized", f"{len(raw)} bytes where at most {self.limit} are allowed")
        try:
            value: T = self._decode(raw)
        except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
            raise Malformed("codec.malformed", str(error)) from None
        if encode(value) != raw:
            raise Malformed("codec.non-canonical", "the bytes are not the canonical encoding of what they mean")
        return value
