"""What streams tell: events of final blocks as JSON text, rendered once for all subscribers who may read the same.

A cursor `H.I` is event I of height H, where 0 is the block, 1 what its clock did (orders, settlements), 2 + i the
receipt of transaction i. Sends nothing: `node.rpc.events` and `node.rpc.live` do.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, NamedTuple

import msgspec

from node.access.rights import Rights
from node.access.shown import show_receipt
from node.rpc.errors import Refusal, malformed
from node.rpc.limits import EVENTS_PER_MESSAGE, FRAME_CACHE
from node.rpc.listing import summary
from node.rpc.routes import PLACE, form
from node.service import NodeService

TOPICS = ("block", "interval", "receipt")
OPEN_TOPICS = frozenset({"block"})
"""Topics that tell the same to everybody, whatever members keep."""
FIRST_RECEIPT = 2
AFTER_ALL = 2**31
"""Event number above every one of a block."""

_CURSOR = form(PLACE)


class Cursor(NamedTuple):
    """The last event that a subscriber has seen."""

    height: int
    event: int

    def __str__(self) -> str:
        return f"{self.height}.{self.event}"


class Frame(NamedTuple):
    """One event."""

    event: int
    text: str


def read_cursor(text: str | None, height: int) -> Cursor:
    """Where to go on; without a cursor after the newest block. Raises `Refusal` (400)."""
    if text is None:
        return Cursor(height, AFTER_ALL)
    match = _CURSOR.match(text)
    if match is None:
        raise malformed(f"{text[:40]!r} is not a cursor.", "Use the last cursor received, or 0.0 for everything.")
    cursor = Cursor(int(match[1]), int(match[2]))
    if cursor.height > height:
        raise Refusal(
            400,
            "events.cursor-ahead",
            f"The cursor is at height {cursor.height}, this node at {height}.",
            "Wait until it has caught up, or start from 0.0 if this is a new chain.",
        )
    return cursor


class Pulse:
    """Wakes everybody who waits for a height by one wait of the node's, however many they are."""

    def __init__(self, service: NodeService) -> None:
        self._service = service
        self._grown = asyncio.Event()
        self._next: asyncio.Task[None] | None = None

    async def reached(self, height: int) -> None:
        """Return once the ledger has `height`, and after other work of the node had a turn."""
        ledger = self._service.ledger
        if ledger.height >= height:
            await asyncio.sleep(0)
        while ledger.height < height:
            if self._next is None or self._next.done():
                self._grown = asyncio.Event()
                self._next = asyncio.create_task(self._service.wait_height(ledger.height + 1))
                self._next.add_done_callback(partial(_wake, self._grown))
            waited = self._next
            # Not for the task itself: one subscriber that leaves does not end what the others wait for.
            await self._grown.wait()
            waited.result()

    def stop(self) -> None:
        """Wait no more: who waits is cancelled."""
        if self._next is not None:
            self._next.cancel()


def _wake(grown: asyncio.Event, _: asyncio.Task[None]) -> None:
    grown.set()


class Frames:
    """Renders and remembers the newest frames and messages."""

    def __init__(self, service: NodeService) -> None:
        self._ledger = service.ledger
        self._frames: dict[tuple[int, str], list[Frame]] = {}
        self._messages: dict[tuple[int, tuple[str, ...]], list[tuple[Cursor, bytes]]] = {}

    def of(self, height: int, topic: str, rights: Rights) -> list[Frame]:
        """Frames of one topic of one block; the last few are shared among subscribers who may read all of them."""
        if topic not in OPEN_TOPICS and not rights.unrestricted:
            return self._render(height, topic, rights)
        key = (height, topic)
        if key not in self._frames:
            _make_room(self._frames)
            self._frames[key] = self._render(height, topic, rights)
        return self._frames[key]

    def messages(self, height: int, topics: tuple[str, ...], seen: int, rights: Rights) -> list[tuple[Cursor, bytes]]:
        """The events of one block behind number `seen`, several to a message, each with the cursor after it."""
        key = (height, topics)
        shared = seen < 0 and (rights.unrestricted or set(topics) <= OPEN_TOPICS)
        if shared and key in self._messages:
            return self._messages[key]
        frames = [frame for topic in topics for frame in self.of(height, topic, rights) if frame.event > seen]
        made = []
        for start in range(0, len(frames), EVENTS_PER_MESSAGE):
            part = frames[start : start + EVENTS_PER_MESSAGE]
            cursor = Cursor(height, part[-1].event)
            body = f'{{"kind":"events","cursor":"{cursor}","events":[{",".join(one.text for one in part)}]}}'
            made.append((cursor, body.encode()))
        if shared:
            _make_room(self._messages)
            self._messages[key] = made
        return made

    def _render(self, height: int, topic: str, rights: Rights) -> list[Frame]:
        documents = self._events(height, topic, rights)
        return [Frame(event, _text(f"{height}.{event}", topic, document)) for event, document in documents]

    def _events(self, height: int, topic: str, rights: Rights) -> list[tuple[int, dict[str, Any]]]:
        block = self._ledger.block(height)
        if block is None:
            return []
        place = {"height": height, "time_ms": block.header.time_ms}
        if topic == "block":
            return [(0, {**place, **summary(block)})]
        clock, *receipts = self._ledger.receipts(height)
        if topic == "interval":
            return [(1, {**place, **show_receipt(clock, rights)})] if clock.events else []
        return [
            (
                FIRST_RECEIPT + index,
                {**place, "index": index, "hash": hash_.hex(), "receipt": show_receipt(receipt, rights)},
            )
            for index, (hash_, receipt) in enumerate(zip(block.payload, receipts, strict=True))
        ]


def _make_room(cache: dict[Any, Any]) -> None:
    if len(cache) >= FRAME_CACHE:
        del cache[next(iter(cache))]


def _text(cursor: str, topic: str, document: dict[str, Any]) -> str:
    return msgspec.json.encode({"cursor": cursor, "topic": topic, **document}).decode()
