"""Transactions in frames: how many fit, and how they are put into them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from node.mempool import Entry
from node.peer.wire import BATCH_BYTES, Transactions
from zk.codec import encode


def up_to(limit: int, entries: Iterable[Entry | None]) -> Iterator[Entry]:
    """The entries that are there, until they would be more than `limit` bytes."""
    size = 0
    for entry in entries:
        if entry is not None:
            size += len(entry.raw)
            if size > limit:
                return
            yield entry


def batches(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Encoded frames of at most `BATCH_BYTES` (or one envelope) each."""
    batch: list[bytes] = []
    size = 0
    for entry in entries:
        if batch and size + len(entry.raw) > BATCH_BYTES:
            yield encode(Transactions(tuple(batch)))
            batch, size = [], 0
        batch.append(entry.raw)
        size += len(entry.raw)
    if batch:
        yield encode(Transactions(tuple(batch)))
