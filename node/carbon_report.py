"""A carbon report over any intervals, of a member or of the site: every figure with its factor, certificate, boundary.

Made from state records alone, so that whoever has the records can make it again: `verify_report` checks a file against
the genesis document, with headers and proofs and without any node. The file proves for each interval that has begun
what was booked or that nothing was, so no interval can be left out. Which meters brought the carbon in is told as far
as the asker may read it; what is not told is `unexplained_ug`, so that no entry can be left out in silence either.

Offsets and certificates of origin that a member used up stand apart. Nothing is ever subtracted from anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from contracts.carbon.records import (
    CERTIFICATE,
    PACT,
    REGISTRATION,
    TARIFF,
    WORST,
    Carried,
    Certificate,
    Emitted,
    IntervalCarbon,
    Retirements,
)
from contracts.cycles import cycle, cycle_of
from contracts.genesis import Genesis
from contracts.params import PactParams
from contracts.receipts import OK
from contracts.records import Schedule
from contracts.schema import CARBONS, CARRIED, CERTIFICATES, EMITTED, RETIREMENTS, SCHEDULE, SCHEDULES
from contracts.units import MAX_COUNT
from node.errors import ProofError
from node.proofs import Proven, StateBundle, decode_file, verify_bundle
from node.render import render
from node.tables import table_of

Document = dict[str, Any]
CLOSED, OPEN = "closed", "open"
MAX_INTERVALS = 3_000
"""Of one report."""
WORDS = {
    REGISTRATION: ("genesis or admission, to which the pact agreed", "as registered; not split"),
    TARIFF: ("the utility's tariff", "operating, as the utility says"),
    PACT: ("parameters of the pact", "operating, as the pact presumes"),
    WORST: ("none", "worst on the ledger"),
}
"""Certificate and boundary of what no certifier vouches for, by basis."""
FIXED = {
    "certificate": "parameters of the pact: carbon.site_ug, carbon.travel_ug",
    "boundary": "the site, and travel of staff, visitors and deliveries, per interval",
}
"""Of what no energy brings."""


class ReportFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `gridpact carbon report --prove-to` writes."""

    kind: Literal["carbon-report"]
    report: Document
    proof: StateBundle


class Records(NamedTuple):
    """What a report is made of."""

    schedule: Schedule
    intervals: Mapping[int, IntervalCarbon]
    carried: Mapping[int, Carried]
    """The member's; empty in a report of the site."""
    emitted: Sequence[Emitted]
    certificates: Mapping[tuple[str, int], Certificate]
    retired: Sequence[Retirements]


_DECODER = msgspec.json.Decoder(ReportFile)


def is_period(first: int, until: int) -> bool:
    """Whether a report may be about the intervals from `first` to before `until`."""
    return 0 <= first < until <= MAX_COUNT + 1 and until - first <= MAX_INTERVALS


def begun(params: PactParams, first: int, until: int, time_ms: int) -> range:
    """Intervals from `first` to before `until` that have begun: only these can have carbon."""
    return range(first, max(first, min(until, time_ms // params.interval_ms + 1)))


def cycles(params: PactParams, first: int, until: int) -> range:
    """Billing cycles of these intervals, at least one."""
    return range(cycle_of(params, first), cycle_of(params, until - 1) + 1)


def needed_keys(params: PactParams, first: int, until: int, member: str | None, time_ms: int) -> list[bytes]:
    """Records without which there is no report; besides them entries of meters, and the certificates of these."""
    intervals = begun(params, first, until, time_ms)
    keys = [SCHEDULE, *(CARBONS.key(interval) for interval in intervals)]
    if member is not None:
        keys += [CARRIED.key(interval, member) for interval in intervals]
        keys += [RETIREMENTS.key(member, number) for number in cycles(params, first, until)]
    return keys


def make_report(
    params: PactParams, first: int, until: int, member: str | None, time_ms: int, records: Records
) -> Document:
    """The report, JSON-ready, as of ledger time `time_ms`. Raises ValueError when records contradict themselves."""
    lines = [
        _site_line(params, one) if member is None else _member_line(params, one, records.carried.get(interval))
        for interval, one in sorted(records.intervals.items())
        if member is None or interval in records.carried
    ]
    figures = (
        [name for name in lines[0] if name.endswith("_ug") or name in ("consumed_wh", "green_wh")] if lines else []
    )
    sums = {name: sum(int(line[name]) for line in lines) for name in figures if name != "pool_ug"}
    explained = sum(_brought(entry) for entry in records.emitted)
    brought = sum(one.operating_ug + one.embodied_ug + one.unseen_ug for one in records.intervals.values())
    if explained > brought:
        raise ValueError("meters brought in more than the intervals have")
    waiting = [one for one in records.schedule.closes if first <= one < until]
    number = cycle_of(params, first)
    whole = cycle(params, number)
    retired = [one for held in records.retired for one in held.retired if first <= one.interval < until]
    return {
        "member": member,
        "cycle": number if (whole.first, whole.last + 1) == (first, until) else None,
        "first_interval": first,
        "until_interval": until,
        "start_ms": first * params.interval_ms,
        "end_ms": until * params.interval_ms,
        "as_of_ms": time_ms,
        "status": CLOSED if until * params.interval_ms <= time_ms and not waiting else OPEN,
        "waiting_intervals": len(waiting),
        "booked_intervals": len(records.intervals),
        "beyond_bounds": sum(one.code != OK for one in records.intervals.values()),
        "lines": lines,
        "totals": render(sums),
        "factors": _factors(records),
        "fixed": FIXED,
        "unexplained_ug": str(brought - explained),
        "retired": [render(one) for one in retired],
        "retired_offsets_ug": str(sum(one.amount_ug for one in retired)),
        "retired_origin_wh": sum(one.energy_wh for one in retired),
    }


def _site_line(params: PactParams, one: IntervalCarbon) -> Document:
    stored = one.taken_ug - one.released_ug + one.stored_corrected_ug
    emitted = one.operating_ug + one.embodied_ug + one.unseen_ug + one.site_ug + one.travel_ug + one.corrected_ug
    exported = one.exported_ug + one.exported_corrected_ug
    if emitted != one.attributed_ug + exported + stored:
        raise ValueError(f"interval {one.interval} does not balance")
    figures = {
        "emitted_ug": emitted,
        "operating_ug": one.operating_ug,
        "embodied_ug": one.embodied_ug,
        "unseen_ug": one.unseen_ug,
        "site_ug": one.site_ug,
        "travel_ug": one.travel_ug,
        "corrected_ug": one.corrected_ug,
        "attributed_ug": one.attributed_ug,
        "exported_ug": exported,
        "stored_ug": stored,
    }
    rendered: Document = render(figures)
    return _place(params, one) | rendered


def _member_line(params: PactParams, one: IntervalCarbon, own: Carried | None) -> Document:
    if own is None or own.interval != one.interval:
        raise ValueError(f"interval {one.interval} has no share of the member")
    figures = {
        "consumed_wh": own.consumed_wh,
        "energy_ug": own.energy_ug,
        "site_ug": own.site_ug,
        "travel_ug": own.travel_ug,
        "corrected_ug": own.corrected_ug,
        "carried_ug": own.energy_ug + own.site_ug + own.travel_ug + own.corrected_ug,
        "green_wh": own.green_wh,
    }
    rendered: Document = render(figures)
    return _place(params, one) | rendered


def _place(params: PactParams, one: IntervalCarbon) -> Document:
    return {
        "interval": one.interval,
        "start_ms": one.interval * params.interval_ms,
        "code": one.code,
        "policy": one.policy,
        "entered_wh": one.energy_wh,
        "pool_ug": str(one.pool_ug),
        "mix_ug_per_wh": one.pool_ug // one.energy_wh if one.energy_wh else None,
    }


def _brought(entry: Emitted) -> int:
    return entry.energy_wh * (entry.operating_ug_per_wh + entry.embodied_ug_per_wh) + entry.unseen_ug


def _factors(records: Records) -> list[Document]:
    """What each meter brought in, by the factor that applied, with who vouches for it."""
    groups: dict[tuple[str, str, int, int, int], list[Emitted]] = {}
    for entry in records.emitted:
        number = -1 if entry.certificate is None else entry.certificate
        key = entry.meter, entry.basis, number, entry.operating_ug_per_wh, entry.embodied_ug_per_wh
        groups.setdefault(key, []).append(entry)
    found = []
    for key, entries in sorted(groups.items()):
        meter, basis, number, operating, embodied = key
        energy_wh = sum(entry.energy_wh for entry in entries)
        if basis == CERTIFICATE:
            said = records.certificates.get((meter, number))
            if said is None:
                raise ValueError(f"certificate {number} of {meter} is missing")
            certifier, certificate, boundary = said.certifier, said.certificate, said.boundary
            valid: tuple[int | None, int | None] = said.first, said.until
        else:
            (certificate, boundary), certifier, valid = WORDS[basis], None, (None, None)
        figures = {
            "energy_wh": energy_wh,
            "operating_ug": energy_wh * operating,
            "embodied_ug": energy_wh * embodied,
            "unseen_ug": sum(entry.unseen_ug for entry in entries),
            "released_ug": sum(entry.released_ug for entry in entries),
            "origin_wh": sum(entry.origin_wh for entry in entries),
        }
        found.append(
            {
                "meter": meter,
                "member": entries[0].member,
                "basis": basis,
                "operating_ug_per_wh": operating,
                "embodied_ug_per_wh": embodied,
                **render(figures),
                "certifier": certifier,
                "certificate": certificate,
                "boundary": boundary,
                "valid_first": valid[0],
                "valid_until": valid[1],
            }
        )
    return found


# Verifying


def verify_report(raw: bytes, genesis: Genesis) -> Proven:
    """Check a report file against `genesis`. Raises `ProofError`; returns the report as its data."""
    file = decode_file(raw, _DECODER, "a carbon report", "carbon report --prove-to")
    proven = verify_bundle(file.proof, genesis)
    params, stated, time_ms = genesis.params, file.report, proven.data["time_ms"]
    first, until, member = _about(stated)
    values = {bytes.fromhex(entry.key): entry.value for entry in file.proof.entries}
    needed = needed_keys(params, first, until, member, time_ms)
    if len(values) != len(file.proof.entries) or not values.keys() >= set(needed):
        raise ProofError("proof.carbon", "The file does not prove every interval of its report.")
    held = {key: bytes.fromhex(value) for key, value in values.items() if value is not None}
    try:
        records = _records(params, first, until, member, time_ms, held, values.keys() - set(needed))
        made = make_report(params, first, until, member, time_ms, records)
    except ValueError as error:
        raise ProofError("proof.carbon", f"The records contradict themselves: {error}.") from None
    if made != stated:
        wrong = sorted(name for name in made.keys() | stated.keys() if made.get(name) != stated.get(name))
        raise ProofError("proof.carbon", f"The report does not say what its records say: {', '.join(wrong)}.")
    whose = "the site" if member is None else member
    total = made["totals"].get("emitted_ug" if member is None else "carried_ug", "0")
    return Proven(
        f"Intervals {first} to {until - 1} of {whose} are {made['status']}: {total} ug in {len(made['lines'])} of "
        f"{len(begun(params, first, until, time_ms))} intervals; proven by header {proven.data['height']} of "
        f"{genesis.chain_id()}.",
        {**made, "height": proven.data["height"], "block_id": proven.data["block_id"]},
    )


def _about(stated: Document) -> tuple[int, int, str | None]:
    """First interval, interval behind the last, and member of a report. Raises `ProofError`."""
    first, until, member = (stated.get(name) for name in ("first_interval", "until_interval", "member"))
    if type(first) is not int or type(until) is not int or not isinstance(member, str | None):
        raise ProofError("proof.carbon", "The report names no intervals.")
    if not is_period(first, until):
        raise ProofError("proof.carbon", f"A report has 1 to {MAX_INTERVALS} intervals.")
    return first, until, member


def _records(
    params: PactParams,
    first: int,
    until: int,
    member: str | None,
    time_ms: int,
    held: Mapping[bytes, bytes],
    further: Iterable[bytes],
) -> Records:
    """The records of a file. Raises ValueError where there is one that the report is not made of."""
    intervals = begun(params, first, until, time_ms)
    emitted: list[Emitted] = []
    certificates: dict[tuple[str, int], Certificate] = {}
    for key in sorted(further):
        table = table_of(key)
        if key not in held or table not in (EMITTED, CERTIFICATES):
            raise ValueError(f"{key!r} is no part of it")
        if table is EMITTED:
            entry = EMITTED.decode_entry(held[key])
            if entry.interval not in intervals:
                raise ValueError(f"an entry of interval {entry.interval} is no part of it")
            emitted.append(entry)
        else:
            said = CERTIFICATES.decode(held[key])
            certificates[said.meter, said.number] = said
    if certificates.keys() != {(one.meter, one.certificate) for one in emitted if one.certificate is not None}:
        raise ValueError("its certificates are not those that its meters name")
    schedule = SCHEDULES.decode(held[SCHEDULE]) if SCHEDULE in held else Schedule((), ())
    return Records(
        schedule,
        {t: CARBONS.decode(held[key]) for t in intervals if (key := CARBONS.key(t)) in held},
        {} if member is None else {
            t: CARRIED.decode_entry(held[key]) for t in intervals if (key := CARRIED.key(t, member)) in held
        },
        emitted,
        certificates,
        [] if member is None else [
            RETIREMENTS.decode(held[key])
            for number in cycles(params, first, until)
            if (key := RETIREMENTS.key(member, number)) in held
        ],
    )  # fmt: skip
