"""The fee of a spend: nobody fills another's list of waiting items for nothing.

It is public, a line in the next bill of its sender, and so a part of the residual that those share who consume; while
nobody consumes it waits, or it would go back to who owes it. A spend needs a public balance that covers all fees that
are not billed yet.
"""

from __future__ import annotations

import msgspec

from contracts.confidential.records import SpendFee
from contracts.delivery import Delivery
from contracts.records import Line
from contracts.schema import SPEND_FEES
from contracts.settlement import Due, Owed
from contracts.state import State

_replace = msgspec.structs.replace


def due(state: State, delivery: Delivery) -> Due:
    """Lines of all who spent since the last bills."""
    if not any(withdrawn_wh for withdrawn_wh, _ in delivery.members.values()):
        return Due()
    entries = sorted(state.group(SPEND_FEES), key=SPEND_FEES.id)
    owing = [one for one in entries if one.unbilled_nano]
    if not owing:
        return Due()
    billed: list[SpendFee] = [_replace(one, unbilled_nano=0) for one in entries]
    lines = tuple(Owed(one.member, Line("spend-fee", 0, None, -one.unbilled_nano)) for one in owing)
    return Due(lines, SPEND_FEES.spread(billed))
