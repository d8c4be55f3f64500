"""Idempotency keys: one key stands for the envelopes that it was first submitted with, and for no others.

The same envelopes twice are harmless without any key: the ledger knows them by their hashes. A key is for whoever does
not know what became of a submission and would sign the same intent anew, with another nonce: under the key of the first
one that is refused. Kept in memory, the newest `MAX_KEYS`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from node.rpc.errors import Refusal
from node.rpc.limits import MAX_KEYS
from node.rpc.routes import text_option
from zk.hashing import sha256

KEY = text_option(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[!-~]{1,64}$"},
    "Stands for these envelopes: others under the same key are refused. Printable ASCII, no spaces.",
)
"""The header that carries one."""


class Keys:
    """The keys of one node's submissions."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, bytes] = OrderedDict()

    def claim(self, key: str, envelopes: Sequence[bytes]) -> None:
        """Let the key stand for these envelopes. Raises `Refusal` 422 `rpc.key-reused`."""
        digest = _digest(envelopes)
        held = self._held.setdefault(key, digest)
        if held != digest:
            raise Refusal(
                422,
                "rpc.key-reused",
                f"The key {key} stands for other envelopes, which this node has taken.",
                "Ask /transactions what became of them; a new intent needs a new key.",
            )
        self._held.move_to_end(key)
        if len(self._held) > MAX_KEYS:
            self._held.popitem(last=False)

    def release(self, key: str, envelopes: Sequence[bytes]) -> None:
        """None of the envelopes was taken: the key may stand for corrected ones."""
        if self._held.get(key) == _digest(envelopes):
            del self._held[key]


def _digest(envelopes: Sequence[bytes]) -> bytes:
    return sha256(b"".join(sha256(one) for one in envelopes))
