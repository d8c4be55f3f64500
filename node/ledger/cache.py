"""A cache bounded by bytes, in two generations: what is used moves to the young one, a full one becomes old.

Close to least-recently-used for two dictionary look-ups, without a list to keep in order. Never holds more
than its limit, and what it forgot can always be read again from the store.
"""

from __future__ import annotations

ENTRY_BYTES = 160
"""What an entry costs besides its key and value: their headers and its share of a dictionary."""


class BoundedCache:
    """Byte strings under byte keys; at most `limit` bytes in both generations together."""

    __slots__ = ("_half", "_old", "_young", "_young_bytes")

    def __init__(self, limit: int) -> None:
        self._half = limit // 2
        self._young: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}
        self._young_bytes = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: bytes) -> bytes | None:
        """The value under `key`, or None when it was never put, dropped or forgotten."""
        value = self._young.get(key)
        if value is None:
            value = self._old.pop(key, None)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Remember `value`, unless it alone would fill a generation."""
        self.drop(key)
        size = len(key) + len(value) + ENTRY_BYTES
        if self._young_bytes + size > self._half:
            self._old, self._young, self._young_bytes = self._young, {}, 0
        if size <= self._half:
            self._young[key] = value
            self._young_bytes += size

    def drop(self, key: bytes) -> None:
        """Forget `key`."""
        held = self._young.pop(key, None)
        if held is not None:
            self._young_bytes -= len(key) + len(held) + ENTRY_BYTES
        self._old.pop(key, None)
