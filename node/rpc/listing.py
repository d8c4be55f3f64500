"""Lists of what was decided, newest first, in pages: blocks, and transactions by sender, body and code.

A page looks at a bounded number of transactions, found or not, and says where the next one begins. What a member
keeps is listed by hash and sort, without its sender, and no filter by sender finds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from consensus.messages import Block
from contracts.envelope import CODEC, AccountEnvelope
from node.access.rights import Rights
from node.access.shown import may_show, sorts_of
from node.ledger.ledger import Ledger
from node.rpc.errors import malformed
from node.rpc.limits import MAX_SCANNED
from node.rpc.routes import PLACE, form
from node.rpc.turns import in_turns

Document = dict[str, Any]
BLOCKS_AT_ONCE = 16
"""Read before other work of the node gets a turn."""
SHOWN_AT_ONCE = 64
"""Transactions, likewise."""
_PLACE = form(PLACE)


def read_place(text: str) -> tuple[int, int]:
    """Height and index of `HEIGHT.INDEX`. Raises `Refusal` (400)."""
    match = _PLACE.match(text)
    if match is None:
        raise malformed(f"{text[:40]!r} is no place of a transaction.", "Use `next` of the page before: HEIGHT.INDEX.")
    return int(match[1]), int(match[2])


async def blocks(ledger: Ledger, before: int | None, limit: int) -> Document:
    """The newest `limit` blocks, or those below height `before`, as of the height where it began."""
    top = ledger.height
    newest = top if before is None else min(before - 1, top)
    heights = range(newest, max(newest - limit, 0), -1)
    found = []
    async for height in in_turns(heights, BLOCKS_AT_ONCE):
        block = ledger.block(height)
        if block is not None:
            found.append({"height": height, **summary(block), "time_ms": block.header.time_ms})
    oldest = heights[-1] if heights else 0
    return {"height": top, "blocks": found, "next": oldest if oldest > 1 else None}


def summary(block: Block) -> Document:
    """What lists and events tell of a block."""
    return {
        "id": block.header.id().hex(),
        "proposer": block.header.proposer,
        "proposer_round": block.header.proposer_round,
        "transactions": len(block.payload),
        "evidence": len(block.evidence),
    }


async def transactions(
    ledger: Ledger,
    rights: Rights,
    before: tuple[int, int] | None,
    limit: int,
    wanted: dict[str, str | None],
) -> Document:
    """The newest transactions that have what is `wanted` (None: anything) as `sender`, `body` and `code`, as of the
    height where it began."""
    as_of = ledger.height
    top = (as_of + 1, 0) if before is None else min(before, (as_of + 1, 0))
    heights = range(top[0] if top[1] else top[0] - 1, 0, -1)
    found: list[Document] = []
    looked, following = 0, None
    async for height, index, document in in_turns(_down(ledger, rights, heights, top), SHOWN_AT_ONCE):
        if document is not None and all(value is None or document[name] == value for name, value in wanted.items()):
            found.append(document)
        looked += 1
        if len(found) == limit or looked == MAX_SCANNED:
            following = f"{height}.{index}"
            break
    return {"height": as_of, "transactions": found, "next": None if following == "1.0" else following}


def _down(
    ledger: Ledger, rights: Rights, heights: range, top: tuple[int, int]
) -> Iterator[tuple[int, int, Document | None]]:
    """Transactions below the place `top`, newest first; an empty block is one without a document."""
    for height in heights:
        block = ledger.block(height)
        if block is None or not block.payload:
            yield height, 0, None
            continue
        receipts, raws = ledger.receipts(height), ledger.transactions(height)
        for index in range((min(top[1], len(raws)) if height == top[0] else len(raws)) - 1, -1, -1):
            envelope = CODEC.decode(raws[index])
            type_, body = sorts_of(envelope)
            sender = envelope.sender if isinstance(envelope, AccountEnvelope) else envelope.meter
            yield (
                height,
                index,
                {
                    "height": height,
                    "index": index,
                    "time_ms": block.header.time_ms,
                    "hash": block.payload[index].hex(),
                    "type": type_,
                    "body": body,
                    "sender": sender if may_show(envelope, rights) else None,
                    "code": receipts[index + 1].code,
                },
            )
