"""A private bill as one member may see it: what its own keys open of a billing cycle, held against proven points.

An owner sees its own meters, the campus all that it bills; of everybody else there are points. Whatever a note or
reading does not open is said to be so. Never signs, and keeps nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from contracts.private import bills
from contracts.private.records import HiddenMeter, PrivateCycle, Share
from node.billing.agents import CampusAgent, Metered, OwnerAgent, Sight
from node.errors import NodeError
from zk.statements.openings import Opening


class Line(NamedTuple):
    """One meter in a private bill."""

    meter: str
    member: str
    kind: str
    """`use` of a load; of a source `delivery`, what its meter proves, and `share`, what the campus says."""
    energy_wh: int | None
    """None: it does not open for this member."""
    amount_nano: int | None
    """What it comes to, for the payer; None where it is not what is paid."""
    state: str
    """`paid`, `due`, `estimated`, or `open` while nothing is decided."""


class View(NamedTuple):
    """What a member sees of a billing cycle."""

    cycle: int
    campus: str
    phase: str
    total_wh: int | None
    """The campus alone knows it."""
    lines: tuple[Line, ...]


async def of_owner(agent: OwnerAgent, campus: str, cycle: int) -> View:
    """The bill of an owner's meters. Raises NodeError `billing.cycle`, `wallet.opening-lost`."""
    sight = await agent.see(campus, cycle)
    record = _begun(sight, campus, cycle)
    lines: list[Line] = []
    for one in sight.meters:
        if one.member != agent.member:
            continue
        known = await agent.metered(one.meter, cycle)
        use = sight.uses.get(one.meter)
        used = None if use is None else await agent.delivered(use, known)
        share = _share(record, one.meter)
        told = None if share is None else agent.share(record, share)
        lines += _lines(record, one, _tariff(known), used, use is not None and use.paid, share, told)
    return View(cycle, campus, record.phase, None, tuple(lines))


async def of_campus(agent: CampusAgent, cycle: int) -> View:
    """All that the campus bills. Raises NodeError `billing.cycle`."""
    sight = await agent.see(agent.member, cycle)
    record = _begun(sight, agent.member, cycle)
    lines, splits = list[Line](), agent.splits(sight, record)
    total_wh: int | None = sum(one.energy_wh for one in record.estimates) - record.returned_wh
    for one in sight.meters:
        tariff = _tariff(await agent.metered(one.meter, cycle))
        use = sight.uses.get(one.meter)
        used = None if use is None else agent.told(use)
        share = _share(record, one.meter)
        told = splits.get(one.meter)
        if use is not None and not one.source:
            total_wh = None if used is None or total_wh is None else total_wh + used.value
        lines += _lines(record, one, tariff, used, use is not None and use.paid, share, told)
    return View(cycle, agent.member, record.phase, total_wh, tuple(lines))


def _lines(
    record: PrivateCycle,
    one: HiddenMeter,
    tariff: int,
    used: Opening | None,
    paid: bool,
    share: Share | None,
    told: Opening | None,
) -> list[Line]:
    estimate = next((item.energy_wh for item in record.estimates if item.meter == one.meter), None)
    if not one.source:
        if estimate is not None:
            return [Line(one.meter, one.member, "use", estimate, estimate * tariff, "estimated")]
        state = "paid" if paid else "due" if record.phase in bills.BILLED else "open"
        wh = None if used is None else used.value
        return [Line(one.meter, one.member, "use", wh, None if wh is None else wh * tariff, state)]
    lines: list[Line] = []
    for kind, opening, point in (
        ("delivery", used, None if share is None else share.delivery),
        ("share", told, None if share is None else share.bill),
    ):
        if kind == "share" and point is None:
            continue
        wh = None if opening is None else opening.value
        is_owed = share is not None and share.point is not None and share.point == point
        state = "open" if not is_owed else "paid" if share is not None and share.paid else "due"
        lines.append(Line(one.meter, one.member, kind, wh, wh * tariff if is_owed and wh is not None else None, state))
    return lines


def _tariff(known: Metered) -> int:
    assert known.meter.private is not None, "only of private meters"
    return known.meter.private.tariff_nano_per_wh


def _share(record: PrivateCycle, meter: str) -> Share | None:
    return next((one for one in record.shares if one.meter == meter), None)


def _begun(sight: Sight, campus: str, cycle: int) -> PrivateCycle:
    if sight.record is None:
        raise NodeError(
            "billing.cycle",
            f"Nobody has spoken in billing cycle {cycle} of {campus}.",
            "A cycle begins with the first private reading of it: gridpact query private-meter METER",
        )
    return sight.record
