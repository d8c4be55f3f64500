"""What became of sealed rounds, read from one node, and what of it is not as a scenario expects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devnet.observation import SealedView
from devnet.spec import SealedEnd
from node.client import Client


async def sealed_rounds(client: Client, seconds: Mapping[int, float]) -> tuple[SealedView, ...]:
    """Every sealed round of a run, ascending; `seconds` is what each took, by interval."""
    found = []
    for interval in sorted(seconds):
        shown = (await client.query("sealed", interval))["data"]
        beside = (await client.interval(interval))["data"]
        found.append(_view(shown, int(beside["served_wh"]), seconds[interval]))
    return tuple(found)


def _view(shown: Mapping[str, Any], beside_wh: int, seconds: float) -> SealedView:
    clearing = shown["clearing"]
    return SealedView(
        interval=int(shown["interval"]),
        phase=str(shown["phase"]),
        outcome=str(shown["outcome"]),
        reason=str(shown["reason"]),
        demand_wh=_number(shown["demand_wh"]),
        target_wh=None if clearing is None else int(clearing["target_wh"]),
        price_nano_per_wh=None if clearing is None else int(clearing["price_nano_per_wh"]),
        awarded_wh=_number(shown["awarded_wh"]),
        paid_nano=str(shown["paid_nano"]),
        bidders=tuple(str(name) for name in shown["bidders"]),
        short=tuple(str(one["member"]) for one in shown["suppliers"] if one["shortfall_wh"]),
        lost=tuple(str(one["member"]) for one in shown["suppliers"] if one["lost_wager"]),
        openings=int(shown["openings"]),
        ticks=len(shown["ticks"]),
        seconds=seconds,
        beside_wh=beside_wh,
    )


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def off(rounds: tuple[SealedView, ...], ends: tuple[SealedEnd, ...]) -> list[str]:
    """Rounds that ended otherwise than expected, or in which figures do not fit together."""
    expected = {one.at: one for one in ends}
    offenders = [] if rounds else ["no sealed round was played"]
    for at, one in enumerate(rounds):
        end, what = expected.get(at, SealedEnd(at)), f"sealed round {at}, of interval {one.interval},"
        if one.phase != "done":
            offenders.append(f"{what} is {one.phase}")
        if one.outcome != end.outcome:
            offenders.append(f"{what} is {one.outcome} for {one.reason} where {end.outcome} was expected")
            continue
        for name, names, wanted in (("short", one.short, end.short), ("lost", one.lost, end.lost)):
            if sorted(names) != sorted(wanted):
                offenders.append(
                    f"{what} has {name}: {', '.join(names) or 'nobody'}, not {', '.join(wanted) or 'nobody'}"
                )
        if end.outcome == "balanced":
            offenders += [f"{what} {said}" for said in _unbalanced(one, end)]
    return offenders


def _unbalanced(one: SealedView, end: SealedEnd) -> list[str]:
    if one.target_wh is None or one.awarded_wh is None or one.price_nano_per_wh is None or one.demand_wh is None:
        return ["has no price or no sum of awards"]
    found = []
    if (one.target_wh < one.demand_wh) != end.shortage:
        found.append(f"sells {one.target_wh} Wh of {one.demand_wh}")
    if not 0 <= one.target_wh - one.awarded_wh < len(one.bidders):
        found.append(f"awards {one.awarded_wh} Wh of {one.target_wh}")
    if int(one.paid_nano) != one.price_nano_per_wh * one.awarded_wh:
        found.append(f"paid {one.paid_nano} nano for {one.awarded_wh} Wh at {one.price_nano_per_wh}")
    if one.openings > one.ticks.bit_length() + 2 + 2 * len(one.bidders):
        found.append(f"opened {one.openings} sums")
    return found
