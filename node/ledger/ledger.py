"""What this node holds to be true: every executed block, the state after the latest, and proofs of both.

A height is committed by one synced batch: block, certificate, transactions, receipts, state, tree and indexes appear
together or not at all, so a node that is killed reopens at exactly its last committed height. Of the state, the latest
version and a window of earlier ones can be read and proven; blocks are kept for good.

Never decides what is valid: `commit` stores what consensus decided and contracts computed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

from consensus.beacon import genesis_mix, next_mix
from consensus.messages import Block, CommitCertificate, Header
from consensus.validators import Validator, ValidatorSet
from contracts.api import genesis_records
from contracts.genesis import Genesis
from contracts.receipts import OK, Receipt
from contracts.rolls import committed
from contracts.rulesets import RULE_SETS, RuleSets
from contracts.state import RecordCache
from node.ledger import records as layout
from node.ledger.page import NOTHING, Node, Slot
from node.ledger.records import (
    BLOCK,
    CERTIFICATE,
    META,
    PROGRESS,
    RECEIPTS,
    SET,
    STATE,
    TRANSACTION_INDEX,
    TRANSACTIONS,
    TURN,
    UNDO,
    Meta,
    Turn,
    height_bytes,
    place_bytes,
    reading_key,
)
from node.ledger.store import Batch, KeyValue, damaged
from node.ledger.tree import PAGE_TAG, ROOT_TAG, Tree
from node.seats import LedgerSets, Sets
from zk import ics23, merkle
from zk.codec import encode
from zk.sparse import Absence, Presence

RETAINED_HEIGHTS = 256
"""State can be read and proven as of this many heights before the latest."""
FILL_KEYS = 4096
"""Records of genesis that are written at once."""
COMPACTED_HEIGHTS = 64
"""Heights whose pruned space one call of `compact` gives back."""


class HistoryPruned(LookupError):
    """The asked height is before the retained window (`code` is stable)."""

    code = "ledger.pruned"


class Ledger:
    """One chain in one store. One writer; `prune` and `compact` may run on another thread than the rest."""

    def __init__(self, store: KeyValue, genesis: Genesis, chain_id: str, retain: int, rule_sets: RuleSets) -> None:
        self._store = store
        self._tree = Tree(store)
        self.records = RecordCache()
        """Decoded records of the latest state."""
        self._retain = retain
        self._root: Node = NOTHING
        self._pruned = 0
        self._compacted = 0
        self.genesis = genesis
        self.chain_id = chain_id
        self.rule_sets = rule_sets
        """By which blocks can be executed here."""
        self.genesis_hash = genesis.hash()
        """`parent_hash` of height 1."""
        self.height = 0
        """Last executed; 0 is genesis."""
        self.mix = genesis_mix(chain_id, self.genesis_hash)
        """Randomness of the chain after `height`, 32 bytes."""
        self.receipts_root = merkle.EMPTY_ROOT
        """Over the receipts of `height`."""
        self._tip: Header | None = None

    @cached_property
    def sets(self) -> Sets:
        """The validator set of each height. Raises NodeError `genesis.bond` when genesis seats nobody."""
        return LedgerSets(self)

    @classmethod
    def open(
        cls,
        store: KeyValue,
        genesis: Genesis,
        records: Callable[[Genesis], dict[bytes, bytes]] = genesis_records,
        retain: int = RETAINED_HEIGHTS,
        rule_sets: RuleSets = RULE_SETS,
    ) -> Ledger:
        """The ledger in `store`; an empty store becomes height 0 of `genesis`, whose state is `records(genesis)`.

        Raises StoreError `store.chain` or `store.format` when the store holds something else.
        """
        ledger = cls(store, genesis, genesis.chain_id(), retain, rule_sets)
        raw = store.get(META)
        if raw is None:
            ledger._fill(records(genesis))
        else:
            meta = layout.read_meta(raw, ledger.chain_id)
            ledger.height, ledger.receipts_root = meta.height, meta.receipts_root
            ledger._root = ledger._tree.root(meta.height)
            ledger._tip = ledger._read_header(meta.height)
            ledger.mix = ledger.mix_at(meta.height)
            ledger._pruned, ledger._compacted = layout.read_progress(store.get(PROGRESS))
        return ledger

    # State

    @property
    def state_root(self) -> bytes:
        """Root of the state after executing `height`."""
        return self._root[1]

    @property
    def oldest(self) -> int:
        """The earliest height whose state can be read and proven."""
        return max(0, self.height - self._retain)

    def get(self, key: bytes) -> bytes | None:
        """Encoded record under `key` in the latest state."""
        return self._store.get(STATE + key)

    def get_at(self, key: bytes, height: int) -> bytes | None:
        """Encoded record under `key` after `height`. Raises HistoryPruned, or LookupError above the latest.

        The cost grows with the number of heights since: the first later change of the key tells.
        """
        self._check_retained(height)
        for later in range(height + 1, self.height + 1):
            raw = self._store.get(UNDO + height_bytes(later))
            # Most heights did not change the key: a search for its bytes is far cheaper than decoding.
            if raw is not None and key in raw:
                undo = layout.decode_undo(raw)
                if key in undo:
                    return undo[key]
        return self.get(key)

    def prove_state(self, key: bytes, height: int) -> bytes:
        """ICS-23 `CommitmentProof` that `key` has its value, or no value, in the state after `height`.

        The value of a roll is its commitment. The root is in the header of `height` + 1. Raises as `get_at`.
        """
        self._check_retained(height)
        root = self._root if height == self.height else self._tree.root(height)
        found = self._presence(root, key, height)
        if found is not None:
            return ics23.encode(found)
        left, right = self._tree.neighbours(root, key)
        return ics23.encode(
            Absence(
                key,
                None if left is None else self._presence(root, left, height),
                None if right is None else self._presence(root, right, height),
            )
        )

    def slots(self, path: bytes, height: int) -> list[Slot]:
        """The four levels of the state tree below `path` after `height`, see `Tree.slots`. Raises as `get_at`."""
        self._check_retained(height)
        return self._tree.slots(self._root if height == self.height else self._tree.root(height), path)

    def root_with(self, changes: dict[bytes, bytes | None], height: int) -> bytes:
        """Root of the state after `height` with these changes; nothing is stored. Raises as `get_at`."""
        self._check_retained(height)
        base = self._root if height == self.height else self._tree.root(height)
        return self._tree.update(base, height + 1, _commitments(changes.items())).root[1]

    # Blocks

    def header(self, height: int) -> Header | None:
        """Header of `height`; None for 0 and for what is not executed yet."""
        if self._tip is not None and height == self.height:
            return self._tip
        return self._read_header(height)

    def block(self, height: int) -> Block | None:
        """The block of `height`."""
        raw = self._read(BLOCK, height)
        return None if raw is None else layout.decode_block(raw)

    def certificate(self, height: int) -> CommitCertificate | None:
        """The certificate by which this node saw `height` decided."""
        raw = self._read(CERTIFICATE, height)
        return None if raw is None else layout.decode_certificate(raw)

    def transactions(self, height: int) -> list[bytes]:
        """Encoded envelopes of `height`, in the order of the payload; empty when there is no such block."""
        raw = self._read(TRANSACTIONS, height)
        return [] if raw is None else layout.decode_blobs(raw)

    def receipts(self, height: int) -> list[Receipt]:
        """Receipts of `height`: what opening the block did, then one per transaction."""
        return [layout.decode_receipt(leaf) for leaf in self._receipt_leaves(height)]

    def time_ms(self, height: int) -> int:
        """Ledger time of `height`. Raises LookupError when it is not executed."""
        return self.genesis.time_ms if height == 0 else self._known_header(height).time_ms

    def block_id(self, height: int) -> bytes:
        """Block id of `height`, for 0 that of genesis. Raises LookupError when it is not executed."""
        return self.genesis_hash if height == 0 else self._known_header(height).id()

    def seats(self, set_hash: bytes) -> tuple[Validator, ...] | None:
        """Seats of the set with this hash that an executed block computed, whenever that was."""
        raw = self._store.get(SET + set_hash)
        return None if raw is None else layout.decode_seats(raw)

    def turn(self, height: int) -> Turn:
        """What `height` shows of its proposers and of the voters below. Raises LookupError when it is not executed."""
        raw = self._read(TURN, height)
        if raw is None:
            raise self._absent("turn", height)
        return layout.decode_turn(raw)

    def mix_at(self, height: int) -> bytes:
        """Randomness of the chain after `height`, 32 bytes. Raises LookupError when it is not executed."""
        return genesis_mix(self.chain_id, self.genesis_hash) if height == 0 else self.turn(height).mix

    def find_transaction(self, hash_: bytes) -> tuple[int, int] | None:
        """Height and index in the payload of the execution that counts: the accepted one, else the latest."""
        raw = self._store.get(TRANSACTION_INDEX + hash_)
        return None if raw is None else layout.read_place(raw)

    def _before(self, key: bytes) -> bytes | None:
        """Encoded record under `key` before the block that is being committed; blocks have mostly just decoded it."""
        try:
            record = self.records.records[key]
        except KeyError:
            return self._store.get(STATE + key)
        return None if record is None else encode(record)

    def _was_accepted(self, hash_: bytes) -> bool:
        """Whether the transaction succeeded before: a proposer may repeat it, and then it is refused."""
        place = self.find_transaction(hash_)
        return place is not None and self.receipts(place[0])[place[1] + 1].code == OK

    def find_reading(self, meter: str, sequence: int) -> tuple[int, int] | None:
        """Height and index of the transaction that carried this accepted reading."""
        raw = self._store.get(reading_key(meter, sequence))
        return None if raw is None else layout.read_place(raw)

    def prove_transaction(self, height: int, index: int) -> list[bytes]:
        """Siblings of transaction hash `index` under `payload_root` of `height`. Raises LookupError."""
        block = self.block(height)
        if block is None:
            raise self._absent("block", height)
        return merkle.path(block.payload, index)

    def prove_receipt(self, height: int, index: int) -> list[bytes]:
        """Siblings of receipt `index` of `height` under `receipts_root` of the next header. Raises LookupError."""
        return merkle.path(self._receipt_leaves(height), index)

    # Writing

    def commit(
        self,
        block: Block,
        certificate: CommitCertificate,
        raws: list[bytes],
        receipts: list[Receipt],
        changes: dict[bytes, bytes | None],
        readings: Iterable[tuple[str, int, int]],
        sets: Iterable[ValidatorSet] = (),
        passed: tuple[str, ...] = (),
    ) -> None:
        """Store the next height in one synced batch.

        `raws` are the envelopes in payload order, `receipts` one more (opening the block comes first), `changes` the
        new state values with None for removed, `readings` the accepted ones as (meter, sequence, index in payload),
        `sets` those that the block computed, `passed` the nodes whose turn to propose came before the block's.
        Raises ValueError when these don't fit together, StoreError when the node must stop; either way nothing
        changed in memory.
        """
        height = block.header.height
        if height != self.height + 1 or certificate.height != height:
            raise ValueError(f"height {height} can't follow {self.height}")
        if len(raws) != len(block.payload) or len(receipts) != len(raws) + 1:
            raise ValueError("a block has one envelope per hash and one receipt more")
        update = self._tree.update(self._root, height, _commitments(changes.items()))
        leaves = [receipt.leaf() for receipt in receipts]
        receipts_root = merkle.root(leaves)
        batch = update.writes
        at = height_bytes(height)
        if changes:
            batch.append((UNDO + at, encode({key: self._before(key) for key in changes})))
            batch += [(STATE + key, value) for key, value in changes.items()]
        batch.append((BLOCK + at, encode(block)))
        batch.append((CERTIFICATE + at, encode(certificate)))
        batch.append((TRANSACTIONS + at, encode(raws)))
        batch.append((RECEIPTS + at, encode(leaves)))
        places = [place_bytes(height, index) for index in range(len(raws))]
        batch += [
            (TRANSACTION_INDEX + hash_, place)
            for hash_, place, receipt in zip(block.payload, places, receipts[1:], strict=True)
            if receipt.code == OK or not self._was_accepted(hash_)
        ]
        batch += [(reading_key(meter, sequence), places[index]) for meter, sequence, index in readings]
        batch += [(SET + validators.hash, encode(validators.seats)) for validators in sets]
        mix = next_mix(self.chain_id, self.mix, block.header.beacon)
        below = () if block.last_certificate is None else block.last_certificate.signatures
        turn = Turn(mix, block.header.proposer, passed, tuple(seat for seat, _ in below))
        batch.append((TURN + at, encode(turn)))
        batch.append((META, encode(Meta(layout.FORMAT, self.chain_id, height, receipts_root))))
        self._store.write(batch, sync=True)
        self._tree.accept(update)
        self.records.forget(changes)
        self._root = update.root
        self.height, self.receipts_root, self._tip, self.mix = height, receipts_root, block.header, mix

    def prune(self, max_work: int) -> int:
        """Delete state that no retained height needs, in about `max_work` records at most; 0 when nothing is left.

        Cheap enough to run between blocks. What a crash undoes of it is found again.
        """
        before = self.oldest
        batch = self._tree.stale(self._pruned, before, max_work)
        for tag, last in ((UNDO, before + 1), (ROOT_TAG, before)):
            first, stop = tag + height_bytes(self._pruned), tag + height_bytes(last)
            for key, _ in self._store.scan(first, stop):
                if len(batch) >= max_work:
                    break
                batch.append((key, None))
        done = len(batch)
        if done:
            if done < max_work:
                self._pruned = before
                batch.append((PROGRESS, encode((before, self._compacted))))
            self._store.write(batch, sync=False)
        return done

    def compact(self) -> bool:
        """Give back the disk space that pruning freed over some heights; False when there is none yet.

        Takes seconds on a busy machine, without holding the interpreter: for a thread of its own.
        """
        stop = self._compacted + COMPACTED_HEIGHTS
        if stop > self._pruned:
            return False
        for tag in (PAGE_TAG, UNDO):
            self._store.compact(tag + height_bytes(self._compacted), tag + height_bytes(stop))
        self._compacted = stop
        self._store.write([(PROGRESS, encode((self._pruned, stop)))], sync=False)
        return True

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    # Within

    def _fill(self, records: dict[bytes, bytes]) -> None:
        """Write height 0. Done once the meta record is there; what an interrupted attempt left is removed first."""
        if not records:
            raise ValueError("a tree without records proves nothing: genesis writes at least a sentinel")
        for batch in _portions((key, None) for key, _ in self._store.scan(*layout.EVERYTHING)):
            self._store.write(batch, sync=True)
        # In the order of the tree, so that each page is made once and needs no memory afterwards.
        ordered = sorted(records.items(), key=lambda item: hashlib.sha256(item[0]).digest())
        for portion in _portions(ordered):
            update = self._tree.update(self._root, 0, _commitments(portion))
            self._store.write(update.writes + [(STATE + key, value) for key, value in portion], sync=True)
            self._tree.accept(update)
            self._root = update.root
        meta = Meta(layout.FORMAT, self.chain_id, 0, self.receipts_root)
        self._store.write([(META, encode(meta))], sync=True)

    def _check_retained(self, height: int) -> None:
        if height < self.oldest:
            raise HistoryPruned(f"height {height} is before {self.oldest}, the earliest that is retained")
        if height > self.height:
            raise LookupError(f"height {height} is not executed")

    def _presence(self, root: Node, key: bytes, height: int) -> Presence | None:
        """The leaf of `key` under `root`, which is that after `height`."""
        siblings = self._tree.siblings(root, key)
        if siblings is None:
            return None
        value = self.get_at(key, height)
        if value is None:
            raise damaged(f"the tree has {key!r} at height {height}, the state has not")
        return Presence(key, committed(key, value), siblings)

    def _read(self, tag: bytes, height: int) -> bytes | None:
        return self._store.get(tag + height_bytes(height)) if 0 < height <= self.height else None

    def _read_header(self, height: int) -> Header | None:
        raw = self._read(BLOCK, height)
        return None if raw is None else layout.decode_opening(raw).header

    def _known_header(self, height: int) -> Header:
        header = self.header(height)
        if header is None:
            raise self._absent("header", height)
        return header

    def _absent(self, what: str, height: int) -> Exception:
        """Why the store does not have what every executed height has."""
        if 0 < height <= self.height:
            return damaged(f"height {height} is executed, and its {what} is missing")
        return LookupError(f"height {height} is not executed")

    def _receipt_leaves(self, height: int) -> list[bytes]:
        raw = self._read(RECEIPTS, height)
        return [] if raw is None else layout.decode_blobs(raw)


def _commitments(changes: Iterable[tuple[bytes, bytes | None]]) -> Iterator[tuple[bytes, bytes | None]]:
    """The same changes as the tree has them."""
    return ((key, None if value is None else committed(key, value)) for key, value in changes)


def _portions(entries: Iterable[tuple[bytes, bytes | None]]) -> Iterator[Batch]:
    """`entries` in batches of `FILL_KEYS`."""
    batch: Batch = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == FILL_KEYS:
            yield batch
            batch = []
    if batch:
        yield batch
