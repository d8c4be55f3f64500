"""Private meters: how one is registered, and how its readings extend its chain without showing a register.

A committed reading is numbered, linked and budgeted as any other. Its registers are points, so nothing here knows
whether they rise: the proof of what they rose by, at the end of the cycle, is the check. Of each cycle the last reading
on time is kept; a late one extends the chain, and its energy is in the next cycle's difference.

Never puts a private meter where intervals settle: `contracts.records.Site` has none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from contracts.bodies import CommittedReading
from contracts.context import BlockContext
from contracts.cycles import cycle_of
from contracts.members import Member, Meter, MeterHead
from contracts.private import agenda
from contracts.private.bodies import MAX_HIDDEN_SOURCES
from contracts.private.points import is_point
from contracts.private.records import (
    MAX_CAMPUSES,
    MAX_HIDDEN_METERS,
    MAX_LATEST,
    Campuses,
    HiddenHead,
    HiddenMeter,
    HiddenRegister,
    HiddenSite,
)
from contracts.receipts import OK
from contracts.schema import CAMPUS_LIST, CAMPUSES, HIDDEN_HEADS, HIDDEN_SITES
from contracts.state import State

_replace = msgspec.structs.replace
PRIVATE_KINDS = ("load", "source")
"""A storage's charge and a tie's flow have to be known to dispatch, so neither can be private."""
BILLING_ROLE = "campus"


# Registration


def problem(meter: Meter, campus: Member | None) -> str | None:
    """Why a meter can not be private as it says, in words; None: it can, or does not want to be."""
    terms = meter.private
    if terms is None:
        return None
    if meter.kind not in PRIVATE_KINDS:
        return f"a meter of kind {meter.kind} can not be private; {' and '.join(PRIVATE_KINDS)} can"
    if campus is None or BILLING_ROLE not in campus.roles:
        return f"{terms.campus} is no member with the role {BILLING_ROLE}, which bills private meters"
    if meter.member == terms.campus:
        return "a campus has no private meter that it bills itself"
    if terms.high_wh is not None and terms.low_wh > terms.high_wh:
        return f"agreed bounds from {terms.low_wh} to {terms.high_wh} Wh hold nothing"
    if meter.asset is not None:
        return "dispatch knows nothing of a private meter, so it has no asset"
    return None


def too_many(sites: Iterable[HiddenSite]) -> str | None:
    """Why campuses with these meters can not be billed; None: they can."""
    count = 0
    for site in sites:
        count += 1
        sources = sum(one.source for one in site.meters)
        if len(site.meters) > MAX_HIDDEN_METERS or sources > MAX_HIDDEN_SOURCES:
            return (
                f"{site.campus} bills {len(site.meters)} private meters with {sources} sources; at most "
                f"{MAX_HIDDEN_METERS} and {MAX_HIDDEN_SOURCES} can be"
            )
    return f"{count} campuses bill private meters; at most {MAX_CAMPUSES} can" if count > MAX_CAMPUSES else None


def sites(meters: Iterable[Meter], since: int = 0) -> dict[str, HiddenSite]:
    """The private ones of some meters by their campus, ascending."""
    found: dict[str, list[HiddenMeter]] = {}
    for meter in sorted(meters, key=lambda one: one.id):
        if meter.private is not None:
            entry = HiddenMeter(meter.id, meter.member, meter.kind == "source", since)
            found.setdefault(meter.private.campus, []).append(entry)
    return {campus: HiddenSite(campus, tuple(found[campus])) for campus in sorted(found)}


def opening_records(meters: Sequence[Meter], interval: int) -> dict[bytes, msgspec.Struct]:
    """What state holds of the private ones of genesis, whose readings begin in `interval`."""
    grouped = sites(meters)
    records: dict[bytes, msgspec.Struct] = {HIDDEN_SITES.key(campus): site for campus, site in grouped.items()}
    if grouped:
        records[CAMPUS_LIST] = Campuses(tuple(grouped))
    for meter in meters:
        if meter.private is not None:
            records[HIDDEN_HEADS.key(meter.id)] = HiddenHead(interval, None, ())
    return records


def admit(state: State, meters: Sequence[Meter], interval: int) -> None:
    """Register the private ones of meters that join the pact in `interval`."""
    for campus, added in sites(meters, interval).items():
        known = campus_site(state, campus)
        together = sorted((*known.meters, *added.meters), key=lambda one: one.meter)
        state.save(HIDDEN_SITES.key(campus), HiddenSite(campus, tuple(together)))
        listed = campuses(state)
        if campus not in listed:
            state.save(CAMPUS_LIST, Campuses(tuple(sorted((*listed, campus)))))
        for one in added.meters:
            state.save(HIDDEN_HEADS.key(one.meter), HiddenHead(interval, None, ()))


def after(state: State, meters: Sequence[Meter]) -> list[HiddenSite]:
    """Campuses as they would be once these meters have joined."""
    grouped = {campus: campus_site(state, campus) for campus in campuses(state)}
    for campus, added in sites(meters).items():
        known = grouped.get(campus, HiddenSite(campus, ()))
        grouped[campus] = HiddenSite(campus, (*known.meters, *added.meters))
    return list(grouped.values())


def stop(state: State, member: str) -> None:
    """A member was removed: its private meters are not estimated any more."""
    for campus in campuses(state):
        site = campus_site(state, campus)
        if any(one.member == member for one in site.meters):
            meters = tuple(_replace(one, stopped=True) if one.member == member else one for one in site.meters)
            state.save(HIDDEN_SITES.key(campus), HiddenSite(campus, meters))


def campuses(state: State) -> tuple[str, ...]:
    """Members that bill private meters, ascending."""
    found = state.load(CAMPUSES, CAMPUS_LIST)
    return () if found is None else found.members


def campus_site(state: State, campus: str) -> HiddenSite:
    """The private meters that a campus bills."""
    return state.load(HIDDEN_SITES, HIDDEN_SITES.key(campus)) or HiddenSite(campus, ())


def head_of(state: State, meter: str) -> HiddenHead:
    """Where a private meter's registers stand."""
    found = state.load(HIDDEN_HEADS, HIDDEN_HEADS.key(meter))
    assert found is not None, "every private meter has a head"
    return found


# Readings


def take(state: State, context: BlockContext, meter: Meter, head: MeterHead, body: CommittedReading, late: bool) -> str:
    """Keep what a reading that is the next of its chain commits to; "ok", or why it can not be.

    Refuses `reading.fork`, `reading.interval`, `reading.point`, `reading.monitor`, `reading.cycles-full`.
    """
    if body.previous_hash != head.reading_hash:
        return "reading.fork"
    if body.interval < head.interval:
        return "reading.interval"
    sealed = () if body.reserve is None else (body.reserve,)
    for point in (body.import_commitment, body.export_commitment, *sealed, *body.quality):
        if not is_point(point):
            return "reading.point"
    assert meter.private is not None, "only of private meters"
    hidden = head_of(state, meter.id)
    if sealed or body.quality:
        hidden = _replace(hidden, sequence=body.sequence, reserve=body.reserve, quality=body.quality)
    if body.monitor is not None:
        if body.monitor.length < hidden.monitor_length:
            return "reading.monitor"
        hidden = _replace(hidden, monitor_length=body.monitor.length, monitor_head=body.monitor.head)
    if not late:
        cycle = cycle_of(context.params, body.interval)
        point = body.export_commitment if meter.kind == "source" else body.import_commitment
        latest = [one for one in hidden.latest if one.cycle != cycle]
        latest.append(HiddenRegister(cycle, body.interval, body.sequence, point))
        if len(latest) > MAX_LATEST or not agenda.begin(state, meter.private.campus, cycle):
            return "reading.cycles-full"
        hidden = _replace(hidden, latest=tuple(latest))
    state.save(HIDDEN_HEADS.key(meter.id), hidden)
    return OK


def is_late(state: State, context: BlockContext, meter: Meter, interval: int) -> bool:
    """The cycle of the interval takes no registers of this meter any more."""
    assert meter.private is not None, "only of private meters"
    return agenda.is_closed(state, context, meter.private.campus, cycle_of(context.params, interval))
