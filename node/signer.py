"""The seat's key and its signing state: what keeps a validator from ever contradicting itself.

A signer remembers the highest (height, round, step) it signed, with what it signed in that round. Anything at
or below is refused unless it is byte for byte what was signed before; then the same signature is returned.
The state is on disk before a signature leaves. It belongs to one key and one chain, lives beside the key, and
never moves backwards: only `gridpact restore` starts over, with a mark that forbids signing until the node
has caught up.

Never decides what to sign.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple, overload
from zlib import crc32

import msgspec

from consensus.messages import Proposal, Vote, VoteType
from node.disk import Disk, Lock
from node.errors import NodeError
from zk.ed25519 import SIGNATURE_BYTES, SigningKey
from zk.hashing import ZERO_HASH, sha256

_BLOCK = 4096
"""A multiple of any sector size, so that copies never share a sector."""
_COPIES = 2
_HALF = _COPIES * _BLOCK
_FILE_BYTES = 2 * _HALF
_MAGIC = b"gpsign\x00\x01"
_STATE = struct.Struct(">8sQ32s32s?QQB" + "32s64s" * 3)
_CHECKSUM = struct.Struct(">I")

PROPOSAL, PREVOTE, PRECOMMIT = 1, 2, 3
"""Order of steps inside a round."""

_NOTHING = (ZERO_HASH, bytes(SIGNATURE_BYTES))


class Position(NamedTuple):
    """Where a message stands; later positions compare greater."""

    height: int
    round: int
    step: int


_START = Position(0, 0, 0)
LAST_ROUND = 2**31 - 1
"""Of a height at which nothing more is signed."""


class SignState(NamedTuple):
    """What a key has signed. `signed` are (digest of the signed bytes, signature) per step of the round at
    `high`.

    `sequence` counts versions of the state.
    """

    sequence: int
    key: bytes
    chain: bytes
    restored: bool
    high: Position
    signed: tuple[tuple[bytes, bytes], tuple[bytes, bytes], tuple[bytes, bytes]]


def blank(public_key: bytes, restored: bool = False) -> SignState:
    """State of a key that signed nothing yet, for any chain; `restored`: of a key whose state was lost."""
    return SignState(1, public_key, ZERO_HASH, restored, _START, (_NOTHING, _NOTHING, _NOTHING))


def _above(state: SignState, height: int) -> SignState:
    """`state` of a key that signs nothing more at or below `height`."""
    return state._replace(high=max(state.high, Position(height, LAST_ROUND, PRECOMMIT)))


def position(message: Proposal | Vote) -> Position:
    """Height, round and step of a message."""
    match message:
        case Proposal():
            step = PROPOSAL
        case Vote(kind=VoteType.PREVOTE):
            step = PREVOTE
        case _:
            step = PRECOMMIT
    return Position(message.height, message.round, step)


class FileSigner:
    """A key whose state is in one file of two halves that are written in turn, each holding two copies of a version.

    A crash tears at most the half being written, whose signature nobody has seen; the other half is the
    version before. One damaged sector spares the second copy. One signer per file at a time, by lock.
    """

    def __init__(self, key: SigningKey, path: Path, disk: Disk) -> None:
        """Open an existing state. Raises NodeError `signer.missing`, `signer.corrupt`, `signer.key`,
        `disk.*`.
        """
        self._lock = _lock(path, disk)
        self._path = path
        self._disk = disk
        try:
            state = read_state(path, disk)
            if state.key != key.public_key:
                raise NodeError(
                    "signer.key",
                    f"{path} belongs to the key {state.key.hex()}, not to {key.public_key.hex()}.",
                    "Keep each consensus key together with its own signing state.",
                )
        except NodeError:
            self._lock.release()
            raise
        self._key = key
        self._state = state

    @staticmethod
    def create(path: Path, disk: Disk, public_key: bytes, restored: bool = False) -> None:
        """Write the state of a key that never signed; with `restored`, of one whose state was lost.

        Raises NodeError `signer.exists`.
        """
        if disk.exists(path):
            raise NodeError("signer.exists", f"{path} exists.", "A signing state is never replaced.")
        disk.replace(path, _encode_half(blank(public_key, restored)) * 2)

    @staticmethod
    def mark(path: Path, disk: Disk) -> None:
        """Refuse to sign until `clear_restored`; for whoever holds the lock. Raises NodeError `signer.corrupt`,
        `disk.*`.
        """
        _save(path, disk, read_state(path, disk)._replace(restored=True))

    @staticmethod
    def retire(path: Path, disk: Disk) -> int | None:
        """Sign nothing more at the last height that this key signed, for whoever holds the lock; that height, or None
        when there is nothing to forbid. Raises NodeError `signer.corrupt`, `disk.*`.
        """
        state = read_state(path, disk)
        if state.high == _START or state.high.round == LAST_ROUND:
            return None
        _save(path, disk, _above(state, state.high.height))
        return state.high.height

    @property
    def high_water(self) -> Position:
        """Highest position signed so far."""
        return self._state.high

    @property
    def restored(self) -> bool:
        """The node came from a backup and has not caught up yet: nothing is signed."""
        return self._state.restored

    @overload
    def sign(self, message: Proposal, chain_id: str) -> Proposal: ...
    @overload
    def sign(self, message: Vote, chain_id: str) -> Vote: ...
    def sign(self, message: Proposal | Vote, chain_id: str) -> Proposal | Vote:
        """`message` with its signature, once the state that remembers it is durable.

        Raises NodeError `signer.double`, `signer.restored`, `signer.chain`, `disk.*`; then nothing was
        signed.
        """
        state, at = self._state, position(message)
        chain = sha256(chain_id.encode())
        if state.chain not in (ZERO_HASH, chain):
            raise NodeError(
                "signer.chain",
                f"The signing state belongs to another chain than {chain_id}.",
                "Use one home per chain.",
            )
        if state.restored:
            raise NodeError(
                "signer.restored",
                "This node was restored from a backup and may have signed what it does not remember.",
                "It signs again above the first height that it sees decided.",
            )
        signed_bytes = message.sign_bytes(chain_id)
        digest = sha256(signed_bytes)
        if at <= state.high:
            earlier, signature = state.signed[at.step - 1]
            if digest != earlier:
                raise NodeError(
                    "signer.double",
                    f"Height {at.height}, round {at.round}, step {at.step} is not above what this key has"
                    f" signed ({state.high.height}, {state.high.round}, {state.high.step}).",
                    "This vote is left out. If it goes on, check that no other node uses this key.",
                )
            return msgspec.structs.replace(message, signature=signature)
        signature = self._key.sign(signed_bytes)
        signed = list(state.signed)
        signed[at.step - 1] = (digest, signature)
        self._advance(state._replace(chain=chain, high=at, signed=(signed[0], signed[1], signed[2])))
        return msgspec.structs.replace(message, signature=signature)

    def clear_restored(self, height: int) -> None:
        """The node has caught up and seen `height` decided: from now on sign, only above it."""
        if self._state.restored:
            self._advance(_above(self._state, height)._replace(restored=False))

    def resume(self, height: int, last: tuple[int, int]) -> bool:
        """See `node.interfaces.Signer.resume`."""
        high = self._state.high
        if self._state.restored or high.height < height or high.round == LAST_ROUND:
            return True
        if high.height > height:
            self._advance(_above(self._state, high.height))
            return True
        return (high.round, high.step) <= last

    def close(self) -> None:
        """Let another signer open the file."""
        self._lock.release()

    def _advance(self, state: SignState) -> None:
        """Return once `state` is durable as the next version."""
        self._state = _save(self._path, self._disk, state)


def _lock(path: Path, disk: Disk) -> Lock:
    try:
        return disk.lock(path)
    except FileNotFoundError:
        raise NodeError(
            "signer.missing",
            f"{path} is missing: what this key has signed is not known.",
            "Put it back, or run `gridpact restore`. Never start a second node with this key.",
        ) from None


def _encode_half(state: SignState) -> bytes:
    flat = (field for pair in state.signed for field in pair)
    raw = _STATE.pack(_MAGIC, state.sequence, state.key, state.chain, state.restored, *state.high, *flat)
    return (raw + _CHECKSUM.pack(crc32(raw))).ljust(_BLOCK, b"\x00") * _COPIES


def _decode_block(block: bytes) -> SignState | None:
    raw = block[: _STATE.size]
    if len(block) != _BLOCK or _CHECKSUM.unpack_from(block, _STATE.size)[0] != crc32(raw):
        return None
    magic, sequence, key, chain, restored, height, round_, step, *signed = _STATE.unpack(raw)
    if magic != _MAGIC:
        return None
    pairs = ((signed[0], signed[1]), (signed[2], signed[3]), (signed[4], signed[5]))
    return SignState(sequence, key, chain, restored, Position(height, round_, step), pairs)


def _save(path: Path, disk: Disk, state: SignState) -> SignState:
    """Write the version after `state`'s, with its contents, and return it."""
    state = state._replace(sequence=state.sequence + 1)
    disk.overwrite(path, _HALF * (state.sequence % 2), _encode_half(state))
    return state


def read_state(path: Path, disk: Disk) -> SignState:
    """Newest intact copy. An interrupted write may show as a newer version: higher is always safe.

    Raises FileNotFoundError, NodeError `signer.corrupt`, `disk.*`.
    """
    raw = disk.read(path)
    copies = [_decode_block(raw[at : at + _BLOCK]) for at in range(0, _FILE_BYTES, _BLOCK)]
    intact = [copy for copy in copies if copy is not None]
    if not intact or len(raw) != _FILE_BYTES:
        raise NodeError(
            "signer.corrupt",
            f"{path} is damaged: what this key has signed is not known.",
            "Run `gridpact restore`: the node then signs only above what it sees decided.",
        )
    return max(intact, key=lambda copy: copy.sequence)
