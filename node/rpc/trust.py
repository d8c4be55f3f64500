"""Trust of members as a query shows it: tokens in every form, index, weight, and power in three epochs.

Figures are as of one height: what has unlocked by then is free, although the ledger writes it down with the member's
next transaction. Power of the epoch of the next block and of the one after it is what the ledger has seated. That of
the third is reckoned: what would be seated if the epoch ended with this block, without the draw of a new day. It takes
every member's record, so each height is reckoned once, and of past ones nothing is: anybody may ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts import epochs
from contracts.genesis import ConsensusParams
from contracts.members import Seating, Trust
from contracts.schema import SEATINGS, TRUST_POOLS, TRUSTS
from contracts.trust import EMPTY_POOL, all_tokens, as_of, unlocking_tokens
from node.render import render
from node.rpc.turns import in_turns

if TYPE_CHECKING:
    from node.rpc.view import View

Document = dict[str, Any]


def trust_of_member(view: View, member: str, time_ms: int, consensus: ConsensusParams) -> Document | None:
    """One member's tokens and index with what changed them last; None: no such member."""
    found = view.entry(TRUSTS, member)
    if found is None:
        return None
    return _document(as_of(view.reckoning(), found, view.height, time_ms, consensus), consensus)


class Forecast:
    """The seating of the third epoch, as of the newest height and the one below, of which there are proofs."""

    def __init__(self) -> None:
        self._known: dict[int, Seating] = {}

    def at(self, view: View, newest_height: int, following: Seating, consensus: ConsensusParams) -> Seating | None:
        """What would follow `following`; None as of earlier heights than the one below the newest."""
        if view.height < newest_height - 1:
            return None
        for height in [height for height in self._known if height < newest_height - 1]:
            del self._known[height]
        if view.height not in self._known:
            # Nobody knows in which order the changes of an epoch will be applied before it ends.
            day, seats, bar = following.drawn_day or 0, consensus.committee_seats, consensus.seat_bond_tokens
            at = epochs.Terms(day, b"", b"", seats, bar)
            self._known[view.height] = epochs.following(view.reckoning(), following, view.height, at)
        return self._known[view.height]


async def trust_of_all(
    view: View, newest_height: int, forecast: Forecast, time_ms: int, consensus: ConsensusParams
) -> Document:
    """Everybody's trust and power; `organisations` have weight now, and the powers are None where nobody has a seat,
    or where it is not known."""
    state = view.reckoning()
    everybody = [as_of(state, one, view.height, time_ms, consensus) for one in view.group(TRUSTS)]
    number = epochs.epoch_of(view.height + 1, consensus)
    now, following = (_seating(view, number + later) for later in range(2))
    coming = forecast.at(view, newest_height, following, consensus)
    shown = {"power": now, "next_power": following, "coming_power": coming}
    powers = {
        name: {one.id: one for one in seating.organisations} if seating else {} for name, seating in shown.items()
    }
    pool = view.load(TRUST_POOLS, "all") or EMPTY_POOL
    members = []
    async for one in in_turns(everybody):
        seats = {name: held.get(one.member) for name, held in powers.items()}
        newest = seats["next_power"] or seats["power"]
        members.append(
            {
                **_document(one, consensus),
                **{name: str(seat.power) if seat else "0" if powers[name] else None for name, seat in seats.items()},
                "power_change": None if newest is None else render(newest.change),
                "flagged": seats["power"] is not None and seats["power"].flagged,
            }
        )
    totals = {f"total_{name}": str(sum(one.power for one in held.values())) for name, held in powers.items() if held}
    return {
        "supply_tokens": str(sum(map(all_tokens, everybody)) + pool.pool_tokens),
        **render(pool),
        "epoch": number,
        "epoch_ends_with": (number + 1) * consensus.epoch_blocks,
        "organisations": sum(1 for one in everybody if _weight(one, consensus)),
        "seat_bond_tokens": str(consensus.seat_bond_tokens),
        **{f"total_{name}": totals.get(f"total_{name}") for name in shown},
        "members": members,
    }


def _seating(view: View, number: int) -> Seating:
    found = view.load(SEATINGS, number)
    assert found is not None, "state has the seatings of the epoch of the next block and of the one after it"
    return found


def _weight(trust: Trust, consensus: ConsensusParams) -> int:
    return epochs.seat_weight(trust.bonded_tokens, trust.index_ppm, consensus.seat_bond_tokens)


def _document(trust: Trust, consensus: ConsensusParams) -> Document:
    document: Document = render(trust)
    for part in document["unlocking"]:
        has_power = not part["power_height"]
        part["free_after_height"] = None if has_power else part["power_height"] + consensus.evidence_age_blocks
        part["free_after_ms"] = None if has_power else part["power_ms"] + consensus.evidence_age_ms
    return {**document, "unlocking_tokens": str(unlocking_tokens(trust)), "weight": _weight(trust, consensus)}
