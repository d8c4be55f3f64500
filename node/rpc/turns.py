"""Long answers let other work of the node have a turn: one loop form for everything that reads many records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")
YIELD_EVERY = 256
"""Entries worked on before other work of the node gets a turn."""


async def in_turns(entries: Iterable[T], at_once: int = YIELD_EVERY) -> AsyncIterator[T]:
    """The entries, with a turn for other work after every `at_once` of them."""
    for count, entry in enumerate(entries, 1):
        yield entry
        if count % at_once == 0:
            await asyncio.sleep(0)
