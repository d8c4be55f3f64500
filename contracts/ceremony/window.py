"""How long the ledger waits for what somebody should say, counted in blocks and their proposers, never in time.

A window is over once blocks of organisations that exceed 1/3 of the power have been made in it, and then of two
more, and no fewer blocks than `sealed.window_blocks`: whoever speaks at its beginning is heard, although proposers
with up to 1/3, and one more that is late, leave it out. Organisations that are away propose nothing; so that these
hold nobody up, 1/3 is enough once there was a block for each seat and as many again.
"""

from __future__ import annotations

from itertools import accumulate

import msgspec

from consensus.quorum import is_skip
from contracts import epochs
from contracts.ceremony.records import MAX_HEARD, Window
from contracts.context import BlockContext
from contracts.state import State

MORE_PROPOSERS = 2
"""Beyond those with more than 1/3 of the power together."""
TURNS = 2
"""Blocks per seat after which the further ones are not waited for."""


def begin(context: BlockContext) -> Window:
    """A window whose first block is the next."""
    return Window(context.height)


def hear(state: State, context: BlockContext, window: Window) -> Window:
    """The window with the organisation that proposed this block; the same where that adds nothing."""
    name = epochs.organisation(state, context.height, context.proposer)
    if name is None or name in window.heard or len(window.heard) >= MAX_HEARD or context.height <= window.since_height:
        return window
    return msgspec.structs.replace(window, heard=(*window.heard, name))


def is_over(state: State, context: BlockContext, window: Window) -> bool:
    """Whether all blocks of a window were made before this one."""
    made = context.height - window.since_height - 1
    return made >= context.params.sealed.window_blocks and has_spanned(state, context, window)


def has_spanned(state: State, context: BlockContext, window: Window) -> bool:
    """The same for what ends at a time of its own: enough proposers were in it, however few blocks they made."""
    made = context.height - window.since_height - 1
    powers = epochs.powers(state, context.height)
    total, sums = sum(powers.values()), accumulate(powers.get(name, 0) for name in window.heard)
    enough = next((count for count, heard in enumerate(sums, start=1) if is_skip(heard, total)), None)
    if enough is None:
        return False
    seats = len(epochs.seats(state, context.height))
    return len(window.heard) >= enough + MORE_PROPOSERS or made >= TURNS * seats
