"""GET: carbon. Intervals, reports, factors, and what members hold and used up; see `docs/carbon.md`."""

from __future__ import annotations

from typing import Any

from contracts.carbon.factors import worst
from contracts.carbon.records import Certificate, Emitted
from contracts.cycles import cycle_of
from contracts.params import PactParams
from contracts.records import Schedule
from contracts.schema import (
    CARBON_TOTALS,
    CARBONS,
    CARRIED,
    CERTIFICATES,
    EMITTED,
    FACTORS,
    MEMBERS,
    METERS,
    OFFSET_ACCOUNTS,
    OFFSETS,
    ORIGIN_TOTALS,
    ORIGINS,
    RETIREMENTS,
    SCHEDULES,
    WORST_FACTORS,
)
from node.carbon_report import MAX_INTERVALS, Records, begun, cycles, is_period, make_report
from node.render import render
from node.rpc.errors import Refusal
from node.rpc.turns import in_turns
from node.rpc.view import View

Document = dict[str, Any]


async def report(
    view: View, params: PactParams, first: int, until: int, member: str | None, time_ms: int
) -> Document | None:
    """The carbon of intervals from `first` to before `until`: of a member, or of the site. Raises `Refusal`."""
    if not is_period(first, until):
        raise Refusal(
            400,
            "rpc.period",
            f"Intervals {first} to before {until} are no period of a report.",
            f"Give the first interval and one behind it, at most {MAX_INTERVALS} later.",
        )
    if member is not None:
        if view.load(MEMBERS, member) is None:
            return None
        view.leave_out(MEMBERS, member)
    schedule = view.load(SCHEDULES, "working") or Schedule((), ())
    intervals, carried, emitted = {}, {}, list[Emitted]()
    async for interval in in_turns(begun(params, first, until, time_ms)):
        one = view.load(CARBONS, interval)
        own = None if member is None else view.entry(CARRIED, member, interval)
        if one is not None:
            intervals[interval] = one
            emitted += _entries(view, interval)
        if own is not None:
            carried[interval] = own
    retired = [] if member is None else [view.load(RETIREMENTS, member, one) for one in cycles(params, first, until)]
    records = Records(
        schedule,
        intervals,
        carried,
        emitted,
        _certificates(view, emitted),
        [one for one in retired if one is not None],
    )
    return make_report(params, first, until, member, time_ms, records)


def interval_of(view: View, interval: int) -> Document | None:
    """The carbon of one interval, with what each meter brought in as far as the asker may read it."""
    one = view.load(CARBONS, interval)
    if one is None:
        return None
    emitted = _entries(view, interval)
    certificates = _certificates(view, emitted)
    sources = []
    for entry in emitted:
        said = None if entry.certificate is None else certificates[entry.meter, entry.certificate]
        sources.append({**render(entry), "said": render(said)})
    return {**render(one), "sources": sources}


def factors_of(view: View, params: PactParams, meter: str, now: int) -> Document | None:
    """What is certified for a meter, and what it was registered with."""
    found = view.load(METERS, meter)
    if found is None:
        return None
    held = view.load(FACTORS, meter)
    spans = held.spans if held else ()
    view.load(WORST_FACTORS, "all")
    said = [view.load(CERTIFICATES, meter, span.number) for span in spans]
    return {
        "meter": meter,
        "member": found.member,
        "kind": found.kind,
        "interval": now,
        "registered_ug_per_wh": found.factor_ug_per_wh,
        "certified_since": held.since if held else None,
        "certificates": [
            {**render(one), "first": span.first, "until": span.until}
            for one, span in zip(said, spans, strict=True)
            if one is not None
        ],
        "worst_ug_per_wh": worst(view.reckoning(), params),
    }


def held_by(view: View, params: PactParams, member: str, interval: int) -> Document | None:
    """Certificates of origin and offsets of a member, and what it used up in the running billing cycle."""
    if view.load(MEMBERS, member) is None:
        return None
    origins, offsets = view.load(ORIGINS, member), view.load(OFFSET_ACCOUNTS, member)
    number = cycle_of(params, interval)
    retired = view.load(RETIREMENTS, member, number)
    held = [view.load(OFFSETS, one.certifier, one.serial) for one in (offsets.offsets if offsets else ())]
    return {
        "member": member,
        "lots": render(origins.lots) if origins else [],
        "owed_wh": origins.owed_wh if origins else 0,
        "offsets": [render(one) for one in held if one is not None],
        "cycle": number,
        "retired": render(retired.retired) if retired else [],
    }


def totals(view: View) -> Document:
    """Everything since genesis: carbon, and certificates of origin."""
    carbon, origin = view.load(CARBON_TOTALS, "all"), view.load(ORIGIN_TOTALS, "all")
    return {"carbon": render(carbon), "origin": render(origin)}


def offset_of(view: View, certifier: str, serial: str) -> Document | None:
    """One offset, and what became of it."""
    found = view.load(OFFSETS, certifier, serial)
    return None if found is None else dict(render(found))


def _entries(view: View, interval: int) -> list[Emitted]:
    """What meters brought in, as far as the asker may read it, ascending by meter."""
    state = view.reckoning()
    names = sorted(entry.meter for entry in state.group(EMITTED, interval))
    found = (view.readable_entry(EMITTED, name, interval) for name in names)
    return [entry for entry in found if entry is not None]


def _certificates(view: View, emitted: list[Emitted]) -> dict[tuple[str, int], Certificate]:
    """Certificates that these entries name."""
    named = {(entry.meter, entry.certificate) for entry in emitted if entry.certificate is not None}
    found = {}
    for meter, number in sorted(named):
        said = view.load(CERTIFICATES, meter, number)
        assert said is not None, "a certificate never goes"
        found[meter, number] = said
    return found
