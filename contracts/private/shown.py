"""What a private meter saw beside its registers, proven to lie between bounds without being shown.

The meter itself commits to it, in the reading that it signs: so a reserve is co-signed by its meter, and a line that
carried 32 A at a time proves that it did not carry more. Of each meter the newest reading with such a record counts.
"""

from __future__ import annotations

from contracts.context import BlockContext
from contracts.cycles import cycle as cycle_at
from contracts.members import Meter
from contracts.private.bodies import SEALED, ShowReading
from contracts.private.cycles import use_of
from contracts.private.events import ReadingShown
from contracts.private.meters import head_of
from contracts.receipts import AnyEvent
from contracts.schema import METERS
from contracts.state import State
from contracts.units import energy_wh
from zk.statements import ranges, reserve
from zk.statements.assertion import Assertion, Where

QUALITY_SHIFT = 2**31
"""Fields of a quality record are committed to so much higher: none is negative then."""
RESERVE = SEALED[0]


def where(chain_id: str, body: ShowReading) -> Where:
    """The place that what is shown is good for: meter, reading or cycle, and field."""
    return Where(chain_id, body.meter, body.at, SEALED.index(body.field))


def show(state: State, context: BlockContext, sender: str, body: ShowReading) -> tuple[AnyEvent, ...] | str:
    """Put on record that something lies between bounds. Refuses `private.meter`, `private.range`, `private.reading`,
    `private.proof`."""
    meter = state.load(METERS, METERS.key(body.meter))
    if meter is None or meter.private is None or meter.member != sender:
        return "private.meter"
    if body.low > body.high:
        return "private.range"
    asked = _reserve(state, context, meter, body) if body.field == RESERVE else _field(state, context, body)
    if isinstance(asked, str):
        return asked
    if not context.proves(asked):
        return "private.proof"
    return (ReadingShown(meter.id, body.field, body.at, body.low, body.high),)


def _field(state: State, context: BlockContext, body: ShowReading) -> Assertion | str:
    """That a field of the newest quality record is in range."""
    head = head_of(state, body.meter)
    if not head.quality or head.sequence != body.at:
        return "private.reading"
    if body.high >= QUALITY_SHIFT:
        return "private.range"
    point = head.quality[SEALED.index(body.field) - 1]
    limits = body.low + QUALITY_SHIFT, body.high + QUALITY_SHIFT
    return ranges.assertion("quality", where(context.chain_id, body), [point], [limits], body.proof)


def _reserve(state: State, context: BlockContext, meter: Meter, body: ShowReading) -> Assertion | str:
    """That the newest reserve is no more than this, and covers what was delivered in a cycle."""
    head, use = head_of(state, meter.id), use_of(state, body.at, meter.id)
    if head.reserve is None or use is None or meter.kind != "source":
        return "private.reading"
    nameplate_wh = energy_wh(meter.rating_w, cycle_at(context.params, body.at).intervals * context.params.interval_ms)
    if body.low or body.high > nameplate_wh:
        return "private.range"
    return reserve.assertion(where(context.chain_id, body), head.reserve, use.point, body.high, body.proof)
