"""What loads buy green of what they used, without anybody seeing how much that is.

Each buyer proves its volume to be the public share of its hidden use, and pays the premium on it. The campus opens the
sum of all volumes, and uses up as many certificates of origin: so every Wh that was sold as green was one, once. Of
fewer than three buyers the sum would tell too much; then nothing is sold.
"""

from __future__ import annotations

import msgspec

from contracts.carbon import origin
from contracts.carbon.bodies import RetireOrigin
from contracts.context import BlockContext
from contracts.private import agenda
from contracts.private.bodies import RetireGreen
from contracts.private.events import GreenRetired
from contracts.private.records import DONE, LEAST_BUYERS, PAYING
from contracts.receipts import AnyEvent
from contracts.state import State
from zk.statements import ranges
from zk.statements.assertion import Where

_replace = msgspec.structs.replace
KIND = "range"
"""Of the statement that the sum is this one number."""
PURPOSE = "green share of private loads"


def where(chain_id: str, campus: str, cycle: int) -> Where:
    """The place that the opening of a cycle's green energy is good for."""
    return Where(chain_id, campus, cycle, 1)


def retire(state: State, context: BlockContext, sender: str, body: RetireGreen) -> tuple[AnyEvent, ...] | str:
    """Open the sum and use up certificates for it. Refuses `private.cycle`, `private.phase`, `private.few`,
    `private.retired`, `private.lots`, `private.proof`, and whatever a certificate is refused for."""
    record = agenda.load(state, sender, body.cycle)
    if record is None:
        return "private.cycle"
    if record.phase not in (PAYING, DONE):
        return "private.phase"
    if record.green_buyers < LEAST_BUYERS or record.green is None:
        return "private.few"
    if record.retired_wh is not None:
        return "private.retired"
    if sum(lot.energy_wh for lot in body.lots) != body.energy_wh:
        return "private.lots"
    place, limits = where(context.chain_id, sender, body.cycle), (body.energy_wh, body.energy_wh)
    if not context.proves(ranges.assertion(KIND, place, [record.green], [limits], body.proof)):
        return "private.proof"
    events: tuple[AnyEvent, ...] = ()
    for lot in body.lots:
        used = origin.use(state, context, sender, RetireOrigin(lot.meter, lot.cycle, lot.energy_wh, PURPOSE))
        if isinstance(used, str):
            return used
        events += used
    agenda.save(state, _replace(record, retired_wh=body.energy_wh))
    return (*events, GreenRetired(sender, body.cycle, body.energy_wh))
