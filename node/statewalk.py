"""Finding the first record in which two states differ, with one peer at a time and nothing taken on its word.

The asking side walks down from a root that is certified: every four levels of the other state are folded to the hash
that is already known for them, and every lone record among them is the preimage of its hash, so a peer can stay
silent and can not mislead. The order is that of the tree, by SHA-256 of the keys. Never writes anything.
"""

from __future__ import annotations

import hashlib
from binascii import hexlify
from typing import NamedTuple

from contracts.rolls import committed
from node.ledger import page as layout
from node.ledger.ledger import Ledger
from node.ledger.page import INNER, LEAF, LEVELS, NOTHING, SLOTS, Slot
from node.peer.wire import TreeRequest, TreeResponse
from node.shares import Shares
from zk import ics23
from zk.sparse import LEAF_PREFIX, Presence, verify_presence

HEIGHTS_PER_S = 64
"""Looking back costs a peer its distance from the newest height, because values are found from there backwards."""
HEIGHTS_AT_ONCE = 320
"""Enough for one look at the oldest retained height."""

_sha256 = hashlib.sha256
_DIGITS = b"0123456789abcdef"
_MAX_DEPTH = 63
_NONE: Slot = (0, *NOTHING)


class Finding(NamedTuple):
    """The first key with two values, in one state or in both. Values are encoded; None: no such record."""

    key: bytes
    own: bytes | None
    certified: bytes | None
    proof: bytes
    """ICS-23, of `certified` under the certified root; empty when it was too large to be sent."""


class Lie(Exception):
    """The peer said something that does not belong to the certified root."""


class Mismatch(Exception):
    """The own tree contradicts itself, so that there is no first key."""


class TreeServer:
    """Answers to `TreeRequest`s from retained heights, within what one peer may cost."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._shares = Shares(HEIGHTS_PER_S, HEIGHTS_AT_ONCE)

    def answer(self, peer: str, request: TreeRequest, now_ms: int) -> TreeResponse | None:
        """What is here; None while the peer has used up what it may ask for."""
        distance = 1 + max(0, self._ledger.height - request.height)
        nothing = TreeResponse(request.height, request.path, request.key, (), (), b"", b"")
        if not self._ledger.oldest <= request.height <= self._ledger.height or request.path.strip(_DIGITS):
            return nothing
        if not self._shares.take(peer, distance, now_ms):
            return None
        return self._record(request) if request.key else self._levels(request)

    def _record(self, request: TreeRequest) -> TreeResponse:
        proof = self._ledger.prove_state(request.key, request.height)
        record = self._ledger.get_at(request.key, request.height) or b""
        if max(len(proof), len(record)) > ics23.MAX_PROOF_BYTES:
            proof = record = b""
        return TreeResponse(request.height, b"", request.key, (), (), proof, record)

    def _levels(self, request: TreeRequest) -> TreeResponse:
        slots = self._ledger.slots(request.path, request.height)
        inner = tuple((digit, hash_) for digit, kind, hash_, _ in slots if kind == INNER)
        leaves = tuple(
            (key, self._value_hash(key, hash_, request.height)) for _, kind, hash_, key in slots if kind == LEAF
        )
        return TreeResponse(request.height, request.path, b"", inner, leaves, b"", b"")

    def _value_hash(self, key: bytes, leaf: bytes, height: int) -> bytes:
        """Hash of the value that the leaf stands for: of the newest one, if the key has not changed since."""
        for value in (self._ledger.get(key), self._ledger.get_at(key, height)):
            value_hash = b"" if value is None else _sha256(committed(key, value)).digest()
            if _leaf(key, value_hash) == leaf:
                break
        return value_hash


class Walk:
    """The search with one peer: send `request`, hand the answer to `take`, until that returns a finding."""

    def __init__(self, ledger: Ledger, certified_root: bytes) -> None:
        """Compares the state after `ledger.height` with the one under `certified_root`, a different root."""
        self._ledger = ledger
        self._height = ledger.height
        self._root = certified_root
        self._expected = certified_root
        self.request = TreeRequest(self._height, b"", b"")

    def take(self, response: TreeResponse) -> Finding | None:
        """One answer; None: ask `request` next (the same again when the answer was to something else or empty).

        Raises `Lie`, and StoreError when the own state can't be read.
        """
        wanted = self.request
        if (response.height, response.path, response.key) != (wanted.height, wanted.path, wanted.key):
            return None
        if wanted.key:
            return self._finish(response)
        if response.inner or response.leaves:
            self._descend(self._checked(response))
        return None

    def _checked(self, response: TreeResponse) -> list[Slot]:
        """The slots of an answer, once they are known to be those of the certified tree."""
        path = response.path
        slots = [(digit, INNER, hash_, b"") for digit, hash_ in response.inner]
        for key, value_hash in response.leaves:
            slots.append((_digit(_path(key), len(path)), LEAF, _leaf(key, value_hash), key))
        slots.sort()
        digits = [slot[0] for slot in slots]
        if len(set(digits)) != len(digits) or layout.fold(slots, 0, len(slots), LEVELS) != self._expected:
            raise Lie("another subtree")
        return slots

    def _descend(self, certified: list[Slot]) -> None:
        """Go down to where the two first differ, as far as no other answer is needed; then ask for what is."""
        path = self.request.path
        while True:
            own = {slot[0]: slot for slot in self._ledger.slots(path, self._height)}
            theirs = {slot[0]: slot for slot in certified}
            differing = (digit for digit in range(SLOTS) if own.get(digit, _NONE)[2] != theirs.get(digit, _NONE)[2])
            digit = next(differing, None)
            if digit is None:
                raise Mismatch("the sums of this node's state tree are not those of its records")
            _, own_kind, _, own_key = own.get(digit, _NONE)
            _, kind, hash_, key = theirs.get(digit, _NONE)
            if INNER not in (own_kind, kind):
                first = min((one for one in (own_key, key) if one), key=_path)
                self.request = TreeRequest(self._height, b"", first)
                return
            if len(path) == _MAX_DEPTH:
                raise Lie("a tree below the tree")
            path += _DIGITS[digit : digit + 1]
            if kind == INNER:
                self._expected = hash_
                self.request = TreeRequest(self._height, path, b"")
                return
            certified = [(_digit(_path(key), len(path)), kind, hash_, key)] if key else []

    def _finish(self, response: TreeResponse) -> Finding:
        key = self.request.key
        own = self._ledger.get_at(key, self._height)
        proof = ics23.decode(response.proof)
        if isinstance(proof, Presence):
            if proof.key != key or not verify_presence(self._root, proof):
                raise Lie("another record")
            if not response.record or committed(key, response.record) != proof.value:
                raise Lie("another value")
            return Finding(key, own, response.record, response.proof)
        if proof is not None:
            if not ics23.verify_non_membership(self._root, key, response.proof):
                raise Lie("no absence")
            return Finding(key, own, None, response.proof)
        if response.proof:
            raise Lie("no proof")
        return Finding(key, own, None, b"")


def _path(key: bytes) -> bytes:
    """The way to a key from the root, as hex digits."""
    return hexlify(_sha256(key).digest())


def _digit(path: bytes, depth: int) -> int:
    return _DIGITS.index(path[depth])


def _leaf(key: bytes, value_hash: bytes) -> bytes:
    return _sha256(LEAF_PREFIX + _sha256(key).digest() + value_hash).digest()
