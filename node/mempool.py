"""Transactions that wait for a block, in this node's memory; the journal holds the same ones on disk.

Every entry has passed the stateless checks (`node.admission`) once and is cached under its hash. Entries of one
lane (an account key's nonces, a meter's sequences) are proposed in order. Evicts nothing: a full pool takes nothing
more, and what it has stays until its height is stored or it expires. Never checks a signature and never reads the
clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from contracts.envelope import AccountEnvelope, Envelope, MeterEnvelope

Lane = tuple[str, bytes]
"""(sender, account key) or (meter, meter key): positions in it are nonces or sequences."""


def lane_of(envelope: Envelope) -> tuple[Lane, int]:
    """Lane and position of an envelope."""
    if type(envelope) is MeterEnvelope:
        return (envelope.meter, b""), envelope.body.sequence
    assert isinstance(envelope, AccountEnvelope)
    return (envelope.sender, envelope.public_key), envelope.nonce


@dataclass(frozen=True, slots=True)
class Entry:
    """One pending transaction with everything that proposing and executing it needs."""

    hash: bytes
    raw: bytes
    envelope: Envelope
    owner: str
    """Member who answers for it: all its keys and meters share one limit."""
    lane: Lane
    position: int
    units: int
    local: bool
    """Submitted to this node, so this node re-sends it until it is final."""

    def expired(self, height: int) -> bool:
        """True when a block at `height` may not hold it any more."""
        return type(self.envelope) is AccountEnvelope and self.envelope.expiry_height < height


@dataclass(frozen=True, slots=True)
class MempoolLimits:
    """Maxima of the pool; what blocks of the open height name may exceed them."""

    size: int = 32 * 1024 * 1024
    transactions: int = 6_144
    per_member: int = 1_024


@dataclass(slots=True)
class Mempool:
    """Pending transactions by hash, in order of arrival."""

    limits: MempoolLimits = field(default_factory=MempoolLimits)
    size: int = 0
    """Bytes of all envelopes."""
    _entries: dict[bytes, Entry] = field(default_factory=dict)
    _lanes: dict[Lane, dict[int, tuple[bytes, ...]]] = field(default_factory=dict)
    _owners: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, hash_: bytes) -> bool:
        return hash_ in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def get(self, hash_: bytes) -> Entry | None:
        """Entry with this hash, or None."""
        return self._entries.get(hash_)

    @property
    def full(self) -> bool:
        """Whether nothing more is taken from anybody."""
        return len(self._entries) >= self.limits.transactions or self.size >= self.limits.size

    def room_for(self, entry: Entry) -> str:
        """Whether one more entry fits: "ok" or the code of what stands in its way."""
        if len(self._entries) >= self.limits.transactions or self.size + len(entry.raw) > self.limits.size:
            return "mempool.full"
        if entry.position in self._lanes.get(entry.lane, ()):
            return "mempool.conflict"
        if self._owners[entry.owner] >= self.limits.per_member:
            return "mempool.sender-full"
        return "ok"

    def waiting(self, lane: Lane, position: int, height: int) -> int:
        """How many positions of a lane, from `position` on without a gap, hold what a block at `height` may hold: so
        far ahead may a client count. At most as many as admission lets be ahead of the ledger."""
        positions, count = self._lanes.get(lane, {}), 0
        while (same := positions.get(position + count)) and not self._entries[same[0]].expired(height):
            count += 1
        return count

    def add(self, entry: Entry) -> None:
        """Keep an entry; of several in one lane position (a block may name a second one) the first is proposed."""
        if entry.hash in self._entries:
            return
        self._entries[entry.hash] = entry
        positions = self._lanes.setdefault(entry.lane, {})
        positions[entry.position] = (*positions.get(entry.position, ()), entry.hash)
        self.size += len(entry.raw)
        self._owners[entry.owner] += 1

    def remove(self, hashes: Iterable[bytes]) -> None:
        """Forget final entries."""
        for hash_ in hashes:
            entry = self._entries.pop(hash_, None)
            if entry is None:
                continue
            self.size -= len(entry.raw)
            self._owners[entry.owner] -= 1
            if not self._owners[entry.owner]:
                del self._owners[entry.owner]
            positions = self._lanes[entry.lane]
            others = tuple(other for other in positions[entry.position] if other != hash_)
            if others:
                positions[entry.position] = others
            elif len(positions) > 1:
                del positions[entry.position]
            else:
                del self._lanes[entry.lane]

    def drop_stale(self, lanes: Iterable[Lane], next_position: Callable[[Lane], int]) -> None:
        """Forget entries of these lanes whose position is used up."""
        stale: list[bytes] = []
        for lane in lanes:
            positions = self._lanes.get(lane)
            if positions:
                wanted = next_position(lane)
                stale += [hash_ for position, same in positions.items() if position < wanted for hash_ in same]
        self.remove(stale)

    def drop_expired(self, height: int) -> None:
        """Forget entries that no block at `height` or above may hold."""
        self.remove([entry.hash for entry in self if entry.expired(height)])

    def select(
        self,
        next_position: Callable[[Lane], int],
        *,
        height: int,
        max_count: int,
        max_units: int,
        max_bytes: int,
    ) -> list[Entry]:
        """Entries for a block: each lane in order from its next position, lanes in order of arrival."""
        chosen: list[Entry] = []
        expected: dict[Lane, int] = {}
        units = size = 0
        for entry in self._entries.values():
            lane = entry.lane
            if lane in expected:
                continue
            position = next_position(lane)
            positions = self._lanes[lane]
            while (same := positions.get(position)) is not None:
                candidate = self._entries[same[0]]
                if (
                    units + candidate.units > max_units
                    or size + len(candidate.raw) > max_bytes
                    or len(chosen) == max_count
                ):
                    return chosen
                if candidate.expired(height):
                    break
                chosen.append(candidate)
                units += candidate.units
                size += len(candidate.raw)
                position += 1
            expected[lane] = position
        return chosen
