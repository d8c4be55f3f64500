"""Items that nobody accepts go back to their senders after `return_blocks` blocks, a bounded number in each block.

They are looked at in the order of their numbers, so that a block never looks at more than what is due. Counted in
blocks and not in time: a chain that makes no blocks returns nothing, and nobody could accept anything either.
"""

from __future__ import annotations

import msgspec

from contracts.confidential import book, crediting
from contracts.confidential.events import SpendReturned
from contracts.context import BlockContext
from contracts.schema import PENDING
from contracts.state import State

MAX_RETURNS = 64
"""Items that one block looks at; those that were accepted count, too."""


def advance(state: State, context: BlockContext) -> tuple[SpendReturned, ...]:
    """Return what is due."""
    sums = book.total(state)
    first, events = sums.first_item, []
    last = min(sums.next_item, first + MAX_RETURNS)
    while first < last:
        item = state.load(PENDING, PENDING.key(first))
        if item is not None and item.due_height > context.height:
            break
        if item is not None:
            events.append(crediting.give_back(state, context, item))
        first += 1
    if first > sums.first_item:
        book.write_total(state, msgspec.structs.replace(book.total(state), first_item=first))
        state.commit()
    return tuple(events)
