"""Idempotency keys: one key stands for the envelopes that it was first submitted with, and for no others.

The same envelopes twice are harmless without any key: the ledger knows them by their hashes. A key is for whoever does
not know what became of a submission and would sign the same intent anew, with another nonce: under the key of the first
one that is refused. Kept in memory, the newest `MAX_KEYS`: of more, the oldest of the caller that has most
are forgotten. A caller is a token, or whoever is on this machine.
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


class _Claim:
    """What a key stands for."""

    __slots__ = ("digest", "taken", "under_way")

    def __init__(self, digest: bytes) -> None:
        self.digest = digest
        self.under_way = 0
        """Submissions under it that are not answered yet."""
        self.taken = False
        """Whether any of their envelopes was."""


class Keys:
    """The keys of one node's submissions, each caller's apart: nobody uses up or finds out another's."""

    def __init__(self) -> None:
        self._held: dict[str, OrderedDict[str, _Claim]] = {}

    def claim(self, caller: str, key: str, envelopes: Sequence[bytes]) -> None:
        """Let the key stand for these envelopes; `settle` it. Raises `Refusal` 422 `rpc.key-reused`."""
        digest, keys = _digest(envelopes), self._held.setdefault(caller, OrderedDict())
        claim = keys.setdefault(key, _Claim(digest))
        if claim.digest != digest:
            raise Refusal(
                422,
                "rpc.key-reused",
                f"The key {key} stands for other envelopes, which this node has taken.",
                "Ask /transactions what became of them; a new intent needs a new key.",
            )
        claim.under_way += 1
        keys.move_to_end(key)
        while sum(map(len, self._held.values())) > MAX_KEYS:
            most = max(self._held, key=lambda one: len(self._held[one]))
            self._held[most].popitem(last=False)
            if not self._held[most]:
                del self._held[most]

    def settle(self, caller: str, key: str, envelopes: Sequence[bytes], *, taken: bool) -> None:
        """A submission under the key is over. Once all are and none of its envelopes was ever taken, the key may stand
        for corrected ones: of two that come at once, one may be refused because the other is on its way in."""
        keys = self._held.get(caller)
        claim = None if keys is None else keys.get(key)
        if keys is None or claim is None or claim.digest != _digest(envelopes):
            return
        claim.under_way -= 1
        claim.taken |= taken
        if not claim.taken and claim.under_way <= 0:
            del keys[key]
        if not keys:
            del self._held[caller]


def _digest(envelopes: Sequence[bytes]) -> bytes:
    return sha256(b"".join(sha256(one) for one in envelopes))
