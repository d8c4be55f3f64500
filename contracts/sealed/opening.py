"""From the last bid to a price: the frozen set, the sum of sealed demands, and the search for the first tick that is
enough.

Openings cost secrets, so there are as few as a binary search needs: at most log2 K + 1 of K ticks. Whatever stands in
the way ends the round (`endings.fail`), and what is already known of the demand is dispatched in the open.
"""

from __future__ import annotations

import msgspec

from contracts import modes
from contracts.context import BlockContext
from contracts.receipts import AnyEvent
from contracts.sealed import agenda, asking, endings, money, points
from contracts.sealed.bidding import ENOUGH
from contracts.sealed.events import SealedFrozen, SealedPriced
from contracts.sealed.exclusive import open_sellers
from contracts.sealed.records import AWARDING, DEMAND, SEARCHING, SUMMING, TICK, Clearing, SealedRound
from contracts.state import State
from zk.elgamal import Ciphertext

_replace = msgspec.structs.replace
Moved = tuple[SealedRound, list[AnyEvent]]


def freeze(state: State, context: BlockContext, round_: SealedRound) -> Moved:
    """No bid and no demand comes any more; open the sum of demands, or begin to search."""
    bidders = tuple(sorted(round_.bidders))
    spoken = open_sellers(state, round_.interval).union(bidders)
    absent = tuple(one.member for one in round_.participants if one.member not in spoken)
    frozen = _replace(round_, bidders=bidders, absent=absent)
    events: list[AnyEvent] = [SealedFrozen(round_.interval, bidders, absent)]
    if frozen.demand_wh is not None:
        moved, more = _search(state, context, frozen)
    elif len(frozen.tenants) < ENOUGH:
        moved, more = endings.fail(state, context, frozen, "few-demands")
    else:
        moved, more = _ask(state, context, frozen, SUMMING, DEMAND, 0, points.pair(*frozen.demand_sums))
    return moved, events + more


def summed(state: State, context: BlockContext, round_: SealedRound) -> Moved:
    """The sum of demands is known, or will never be: lock what it may cost, before any tick is looked at."""
    demand_wh = asking.value(round_, DEMAND)
    if demand_wh is None:
        return endings.fail(state, context, round_, "withheld")
    if demand_wh == 0:
        return endings.fail(state, context, round_, "no-demand")
    known = _replace(round_, demand_wh=demand_wh)
    escrow_nano = round_.ticks[-1] * demand_wh
    if not money.lock(state, round_.buyer, escrow_nano):
        return endings.fail(state, context, known, "insolvent")
    return _search(state, context, _replace(known, escrow_nano=escrow_nano))


def _search(state: State, context: BlockContext, round_: SealedRound) -> Moved:
    contributors = [one for one in round_.participants if one.member in round_.bidders and one.nameplate_wh > 0]
    if len(contributors) < ENOUGH:
        return endings.fail(state, context, round_, "few-bids")
    return _look(state, context, _replace(round_, low=0, low_wh=0, high=len(round_.ticks) + 1, high_wh=0))


def searched(state: State, context: BlockContext, round_: SealedRound) -> Moved:
    """A cumulative sum is known, or will never be."""
    sum_wh, tick = asking.value(round_, TICK), round_.asked[-1].tick
    if sum_wh is None:
        return endings.fail(state, context, round_, "withheld")
    assert round_.demand_wh is not None, "ticks are opened once the demand is known"
    if sum_wh >= round_.demand_wh:
        round_ = _replace(round_, high=tick, high_wh=sum_wh)
    else:
        round_ = _replace(round_, low=tick, low_wh=sum_wh)
    return _look(state, context, round_) if round_.high - round_.low > 1 else _price(state, context, round_)


def _look(state: State, context: BlockContext, round_: SealedRound) -> Moved:
    if modes.island_reason(state, round_.interval):
        return endings.fail(state, context, round_, "island")
    tick = (round_.low + round_.high) // 2
    return _ask(state, context, round_, SEARCHING, TICK, tick, points.prefix(round_.sums, tick))


def _ask(
    state: State,
    context: BlockContext,
    round_: SealedRound,
    phase: str,
    part: str,
    tick: int,
    ciphertext: Ciphertext,
) -> Moved:
    moved, event = agenda.enter(context, _replace(round_, asked=()), phase)
    events: list[AnyEvent] = [] if round_.phase == phase else [event]
    return asking.ask(state, context, moved, part, tick, ciphertext), events


def _price(state: State, context: BlockContext, round_: SealedRound) -> Moved:
    """The first tick at which there is enough; where there never is, the last one, and all of it."""
    demand_wh = round_.demand_wh
    assert demand_wh is not None, "ticks are opened once the demand is known"
    if round_.high > len(round_.ticks):
        found = Clearing(len(round_.ticks), round_.ticks[-1], round_.low_wh, 1, 1)
    else:
        part, whole = demand_wh - round_.low_wh, round_.high_wh - round_.low_wh
        found = Clearing(round_.high, round_.ticks[round_.high - 1], demand_wh, part, whole)
    shortage_wh = demand_wh - found.target_wh
    moved, event = agenda.enter(context, _replace(round_, asked=(), clearing=found), AWARDING)
    priced = SealedPriced(round_.interval, found.tick, found.price_nano_per_wh, found.target_wh, shortage_wh)
    return moved, [priced, event]
