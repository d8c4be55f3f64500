"""From state to a dispatch case: what stands for a window of intervals and its look-ahead, when its offers lock.

A window is ordered by one case. The look-ahead takes what stands by then, and stays open: what is said about it later
counts in its own window. The case is kept, so that builders, judges and whoever doubts an order have the very same
question, whatever is said in between (`contracts.schema.CASES`).

Reads state and never dispatches; see `contracts.ordering`. What a case is made of is in `contracts.questions`.
"""

from __future__ import annotations

import msgspec

from contracts import modes, order_book
from contracts.bounding import Extent
from contracts.carbon.cases import dispatched
from contracts.context import BlockContext
from contracts.envelopes import clamp, clamp_flexible
from contracts.flexible.records import MAX_DOCUMENT_BYTES, FlexibleOffers, StoredCase
from contracts.params import PactParams
from contracts.program.case import Case
from contracts.questions import Question
from contracts.records import LOCKED, ORDERED, SETTLED, IntervalRecord
from contracts.schedule import Window
from contracts.schema import CASES, FLEXIBLE, INTERVALS, UTILITIES, UTILITY
from contracts.standing import Standing, counted
from contracts.state import State
from contracts.units import MAX_COUNT

_document = msgspec.json.Decoder(Case)


def kept_case(state: State, first: int) -> Case | None:
    """The case by which a window is ordered, as its lock kept it; None: it kept none."""
    kept = state.load(CASES, CASES.key(first))
    return None if kept is None else _document.decode(kept.document)


def stored(window: Window, case: Case) -> StoredCase | None:
    """The case of a window as a record; None: it is too long for one."""
    document = msgspec.json.encode(case)
    return StoredCase(window.first, window.length, document) if len(document) <= MAX_DOCUMENT_BYTES else None


def keep(state: State, case: StoredCase) -> None:
    """Keep the case of a window whose offers lock."""
    state.save(CASES.key(case.interval), case)


def is_plain(case: Case) -> bool:
    """Whether needs and offers of one interval, which lock with it, say all of the case."""
    coupled = case.storages or case.loads or any(source.ramp_wh is not None for source in case.sources)
    return case.intervals == 1 and not coupled


def variables(case: Case) -> int:
    """Size of the program of a case, before anybody builds it."""
    each = len(case.demands) + len(case.bids) + 3 * len(case.connections) + 4 * len(case.storages) + len(case.lines)
    blocks = sum(len(offered) for source in case.sources for offered in source.blocks)
    reserves = sum(source.reserve is not None for source in case.sources)
    return blocks + case.intervals * (each + reserves + len(case.loads))


def standing(state: State, params: PactParams, interval: int) -> Standing:
    """What stands for an interval by now."""
    record = state.load(INTERVALS, INTERVALS.key(interval)) or IntervalRecord(interval)
    needs, offers = order_book.needs(state, record), clamp(state, interval, order_book.offers(state, record))
    if record.status in (LOCKED, ORDERED, SETTLED):
        connected = record.grid
    else:
        connected = state.load(UTILITIES, UTILITY) is not None and not modes.island_reason(state, interval)
    flexible = clamp_flexible(state, interval, state.load(FLEXIBLE, FLEXIBLE.key(interval)) or FlexibleOffers())
    terms = order_book.tariff(state, params, interval)
    found = counted(state, params, interval, connected, needs, offers, flexible, terms)
    return Standing(found.needs, found.offers, flexible, found.tariff, connected, found)


def build(state: State, context: BlockContext, window: Window, ahead: int = 0) -> Case:
    """The case of a window as things stand, and of up to `ahead` intervals behind it: fewer where the program would be
    larger than what is judged. Where not even the window fits into a case, less of it binds, at least one interval."""
    params, extent, seen = context.params, Extent(), list[Standing]()
    last = min(window.first + window.length + ahead - 1, MAX_COUNT)
    for interval in range(window.first, last + 1):
        one, bound = standing(state, params, interval), interval in window.intervals
        extent.add(one)
        if not extent.fits or (not bound and extent.variables > params.max_dispatch_variables):
            break
        seen.append(one)
    binding = Window(window.first, min(window.length, len(seen)))
    return dispatched(state, context, window.first, Question(state, context, binding, seen).case())
