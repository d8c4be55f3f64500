"""Openings of a round: asked by the state machine alone, and counted once somebody has found what they say.

What may be opened of a round, and nothing else ever is:

- the sum of sealed demands, of three or more tenants, before any tick;
- cumulative sums of all bids, of three or more suppliers, along one binary search;
- the sum of all awards, of three or more;
- of one supplier that said nothing of its award or its delivery, what it bid below the marginal tick and at it.
"""

from __future__ import annotations

import msgspec

from contracts.ceremony import openings
from contracts.ceremony.openings import Opening
from contracts.context import BlockContext
from contracts.sealed.bodies import ClaimSum
from contracts.sealed.events import SumFound
from contracts.sealed.points import encoded
from contracts.sealed.records import Asked, SealedRound
from contracts.state import State
from zk import elgamal
from zk.elgamal import Ciphertext

_replace = msgspec.structs.replace


def ask(
    state: State,
    context: BlockContext,
    round_: SealedRound,
    part: str,
    tick: int,
    ciphertext: Ciphertext,
    supplier: str | None = None,
) -> SealedRound:
    """The round with one more opening to wait for. What can not be opened at all counts as late."""
    sealed, ephemeral = encoded(ciphertext)
    opening = Opening(round_.key_id, f"sealed-{part}", round_.interval, tick, ephemeral, sealed)
    number = openings.ask(state, context, opening)
    asked = Asked(number or 0, part, tick, supplier, late=number is None)
    return _replace(round_, asked=(*round_.asked, asked), openings=round_.openings + 1)


def listen(state: State, round_: SealedRound) -> SealedRound:
    """The round, knowing which of its openings came too late, and who withheld shares of them."""
    if not any(_waits(one) for one in round_.asked):
        return round_
    asked, withheld = [], list(round_.withheld)
    for one in round_.asked:
        if _waits(one) and openings.opened(state, one.opening) == openings.LATE:
            asked.append(_replace(one, late=True))
            record = openings.load(state, one.opening)
            assert record is not None, "what was asked is on record"
            withheld += [name for name in record.withheld if name not in withheld]
        else:
            asked.append(one)
    return _replace(round_, asked=tuple(asked), withheld=tuple(withheld))


def forget_unclaimed(state: State, round_: SealedRound) -> SealedRound:
    """The round, counting as late what is open to all and was found by nobody."""
    asked = tuple(_replace(one, late=True) if is_open(state, one) else one for one in round_.asked)
    return _replace(round_, asked=asked)


def is_open(state: State, asked: Asked) -> bool:
    """Whether the point is there, and what it says is still to be claimed."""
    return _waits(asked) and openings.opened(state, asked.opening) is not None


def is_claimable(state: State, round_: SealedRound) -> bool:
    """Whether seats have done their part of everything that is waited for."""
    return all(is_open(state, one) for one in round_.asked if _waits(one))


def is_answered(round_: SealedRound) -> bool:
    """Whether nothing is waited for."""
    return not any(_waits(one) for one in round_.asked)


def value(round_: SealedRound, part: str, supplier: str | None = None) -> int | None:
    """What an opening said; None: it came too late, or was not asked."""
    return next((one.value_wh for one in round_.asked if one.part == part and one.supplier == supplier), None)


def claim(state: State, round_: SealedRound, body: ClaimSum) -> tuple[SealedRound, SumFound] | str:
    """The round with what somebody found. Refuses `sealed.opening`, `sealed.claim`."""
    one = next((one for one in round_.asked if one.opening == body.opening and _waits(one)), None)
    point = None if one is None else openings.opened(state, one.opening)
    if one is None or point is None or point == openings.LATE:
        return "sealed.opening"
    if not elgamal.is_value(point, body.value_wh):
        return "sealed.claim"
    found = _replace(one, value_wh=body.value_wh)
    asked = tuple(found if held is one else held for held in round_.asked)
    event = SumFound(round_.interval, one.part, one.tick, one.supplier, body.value_wh)
    return _replace(round_, asked=asked), event


def _waits(asked: Asked) -> bool:
    return asked.value_wh is None and not asked.late
