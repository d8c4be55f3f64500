"""Who worked for an interval is paid by it: builders of the solution that was ordered, and who proposed its settlement.

What builders are owed is decided when their round is judged (`contracts.wagers.judging.money_rewards`): a fee and a
capped share of what they save, and never more than that. Both are lines out of the residual of the interval, so those
who consume pay for what they were saved. A round that decided several intervals is paid by the first that settles.

Proposers are drawn apart from builders. The fee of an interval goes to the organisation whose node first proposed the
block that settles it; an interval in which nobody took anything pays none.
"""

from __future__ import annotations

import msgspec

from contracts import epochs
from contracts.context import BlockContext
from contracts.delivery import Delivery
from contracts.records import IntervalRecord, Line
from contracts.schema import ROUNDS, WAGERS
from contracts.settlement import Due, Owed
from contracts.state import State

_replace = msgspec.structs.replace


def builders(state: State, record: IntervalRecord) -> Due:
    """Lines of those who built what the interval was ordered by, if no other interval has paid them."""
    round_ = None if record.round is None else state.load(ROUNDS, ROUNDS.key(record.round))
    if round_ is None or round_.paid_in is not None:
        return Due()
    owed = []
    for member in round_.builders:
        one = state.entry(WAGERS, member, round_.number)
        if one is not None and one.reward_nano:
            owed.append(Owed(member, Line("builder", 0, None, one.reward_nano)))
    if not owed:
        return Due()
    return Due(tuple(owed), {ROUNDS.key(round_.number): _replace(round_, paid_in=record.interval)})


def proposer(state: State, context: BlockContext, delivery: Delivery) -> Due:
    """The line of who proposed this block."""
    fee_nano = context.params.proposer_fee_nano
    if not fee_nano or not any(withdrawn_wh for withdrawn_wh, _ in delivery.members.values()):
        return Due()
    member = epochs.organisation(state, context.height, context.proposer)
    return Due() if member is None else Due((Owed(member, Line("proposer", 0, None, fee_nano)),))
