"""Which threshold keys there are: the one in force, and those that rounds have pinned and old seats still open for.

A round pins its key while anything of it may have to be opened, and its bonds with it: what the seats of a pinned key
have taken out of their bonds stays locked (`is_pinned`). A key that is neither in force nor pinned is retired, and
what was dealt for it goes; that its seats erase their shares is for them to do (`node.agents.seat`).
"""

from __future__ import annotations

import msgspec

from contracts.ceremony.events import KeyRetired
from contracts.ceremony.records import MAX_HELD, HeldKey, HeldKeys, ThresholdKey
from contracts.context import BlockContext
from contracts.receipts import AnyEvent
from contracts.schema import DEALINGS, HELD_KEY_LIST, HELD_KEYS, THRESHOLD_KEYS
from contracts.state import State

_replace = msgspec.structs.replace
NONE = HeldKeys(b"", ())


def key_in_force(state: State) -> ThresholdKey | None:
    """The key that new rounds use: of exactly the organisations with power. None: there is none, and no sealed round
    can open."""
    held = held_keys(state)
    return key(state, held.in_force) if held.in_force else None


def key(state: State, key_id: bytes) -> ThresholdKey | None:
    """A key by its id, also a retired one."""
    return state.load(THRESHOLD_KEYS, THRESHOLD_KEYS.key(key_id.hex()))


def held_keys(state: State) -> HeldKeys:
    """Keys that are not retired."""
    return state.load(HELD_KEYS, HELD_KEY_LIST) or NONE


def is_held(state: State, key_id: bytes) -> bool:
    """Whether a key is not retired."""
    return any(one.key_id == key_id for one in held_keys(state).held)


def has_room(state: State) -> bool:
    """Whether one more key may be made."""
    return len(held_keys(state).held) < MAX_HELD


def pin(state: State, key_id: bytes) -> None:
    """A round uses this key, which is held; the key stays until as many `unpin` have come."""
    _count(state, key_id, 1)


def unpin(state: State, context: BlockContext, key_id: bytes) -> tuple[AnyEvent, ...]:
    """A round that had pinned this key has settled."""
    _count(state, key_id, -1)
    return _retire(state, context)


def is_pinned(state: State, member: str) -> bool:
    """Whether some round may still need the member's share."""
    for one in held_keys(state).held:
        if one.pins:
            found = key(state, one.key_id)
            if found is not None and any(seat.member == member for seat in found.seats):
                return True
    return False


def put_in_force(state: State, context: BlockContext, made: ThresholdKey) -> tuple[AnyEvent, ...]:
    """A new key takes the place of the one before. There is room for it, see `has_room`."""
    state.save(THRESHOLD_KEYS.key(made.key_id.hex()), made)
    held = held_keys(state)
    state.save(HELD_KEY_LIST, HeldKeys(made.key_id, (*held.held, HeldKey(made.key_id))))
    return _retire(state, context)


def supersede(state: State, context: BlockContext) -> tuple[AnyEvent, ...]:
    """No key is in force any more: other organisations have power than those that made it."""
    state.save(HELD_KEY_LIST, _replace(held_keys(state), in_force=b""))
    return _retire(state, context)


def _count(state: State, key_id: bytes, by: int) -> None:
    held = held_keys(state)
    counted = tuple(_replace(one, pins=one.pins + by) if one.key_id == key_id else one for one in held.held)
    assert counted != held.held and all(one.pins >= 0 for one in counted), "a round pins a held key once, and unpins it"
    state.save(HELD_KEY_LIST, _replace(held, held=counted))


def _retire(state: State, context: BlockContext) -> tuple[AnyEvent, ...]:
    held = held_keys(state)
    over = [one.key_id for one in held.held if not one.pins and one.key_id != held.in_force]
    for key_id in over:
        old = key(state, key_id)
        assert old is not None, "a held key is on record"
        state.save(THRESHOLD_KEYS.key(key_id.hex()), _replace(old, retired_height=context.height))
        for dealer in old.dealers:
            state.remove(DEALINGS.key(old.epoch, old.attempt, dealer))
    if over:
        kept = tuple(one for one in held.held if one.key_id not in over)
        state.save(HELD_KEY_LIST, _replace(held, held=kept))
    return tuple(KeyRetired(key_id) for key_id in over)
