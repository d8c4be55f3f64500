"""What a Wh of each meter emits, and who says so.

A certifier (a member with that role, which governance gives) registers operating and embodied emission of somebody
else's meter, with certificate, boundary and the intervals in which it counts: always ahead, so that no settled figure
ever changes. Until a meter's first certificate its registration counts, to which the pact agreed at genesis or
admission; it has one figure, which is taken for operating, since nobody says what of it is embodied (of a storage it
is embodied). From the first certificate on registration says nothing any more: who has been certified does not fall
back to an older, lower word.

Without a valid factor the worst on the ledger applies: the highest that genesis, admission or a certifier ever
registered, and never less than `worst_factor_ug_per_wh`. It never falls, so that nobody waits for a dirty one to end.

What the utility says of its import in a tariff counts as far as it is no less than what the pact presumes, or than what
is certified for its tie: less is its own word in its own favour.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from contracts.carbon.bodies import EndFactor, RegisterFactor
from contracts.carbon.events import FactorEnded, FactorRegistered
from contracts.carbon.records import (
    CERTIFICATE,
    MAX_SPANS,
    PACT,
    REGISTRATION,
    TARIFF,
    WORST,
    Certificate,
    FactorSpans,
    Span,
    WorstFactor,
)
from contracts.context import BlockContext, current_interval
from contracts.members import Meter
from contracts.metering_records import FINAL_DAYS
from contracts.params import DAY_MS, PactParams
from contracts.schema import CERTIFICATES, FACTORS, MEMBERS, METERS, TARIFFS, WORST_FACTOR, WORST_FACTORS
from contracts.state import State
from contracts.trust import is_tombstoned
from contracts.units import MAX_FACTOR

_replace = msgspec.structs.replace
CERTIFIER = "certifier"
STORAGE = "storage"
MAX_VALIDITY_MS = 3_653 * DAY_MS
"""Ten years."""

Events = tuple[FactorRegistered | FactorEnded, ...]


class Applied(NamedTuple):
    """The factor of one meter in one interval."""

    operating_ug_per_wh: int
    embodied_ug_per_wh: int
    basis: str
    certificate: int | None = None

    @property
    def total_ug_per_wh(self) -> int:
        """What a Wh emits, at most `MAX_FACTOR`."""
        return self.operating_ug_per_wh + self.embodied_ug_per_wh


def register(state: State, context: BlockContext, sender: str, body: RegisterFactor) -> Events | str:
    """Let a certificate count. Refuses `carbon.role`, `meter.unknown`, `carbon.own`, `factor.validity`, `factor.range`,
    `factor.storage`, `factor.taken`, `factor.full`."""
    if not is_certifier(state, sender):
        return "carbon.role"
    meter = state.load(METERS, METERS.key(body.meter))
    if meter is None:
        return "meter.unknown"
    if meter.member == sender:
        return "carbon.own"
    now = current_interval(context)
    longest = MAX_VALIDITY_MS // context.params.interval_ms
    if not now < body.first < body.until <= now + longest:
        return "factor.validity"
    total = body.operating_ug_per_wh + body.embodied_ug_per_wh
    if total > MAX_FACTOR:
        return "factor.range"
    if meter.kind == STORAGE and body.operating_ug_per_wh:
        return "factor.storage"
    before = state.load(FACTORS, FACTORS.key(body.meter)) or FactorSpans(body.meter, 0, body.first, ())
    if any(one.certifier != sender and one.first < body.until and body.first < one.until for one in before.spans):
        return "factor.taken"
    figures = body.operating_ug_per_wh, body.embodied_ug_per_wh
    span = Span(before.certificates, sender, *figures, body.first, body.until)
    spans = (*_cut(context.params, before.spans, sender, now, body.first), span)
    if len(spans) > MAX_SPANS:
        return "factor.full"
    number = before.certificates
    since = min(before.since, body.first)
    ordered = tuple(sorted(spans, key=lambda one: one.first))
    state.save(FACTORS.key(body.meter), FactorSpans(body.meter, number + 1, since, ordered))
    texts = body.certificate, body.boundary
    certificate = Certificate(body.meter, number, sender, *texts, *figures, body.first, body.until, context.height)
    state.save(CERTIFICATES.key(body.meter, number), certificate)
    note(state, context.params, [total])
    return (FactorRegistered(body.meter, number, sender, body.first, body.until),)


def end(state: State, context: BlockContext, sender: str, body: EndFactor) -> Events | str:
    """Let nothing be certified from an interval on. Refuses `meter.unknown`, `factor.none`, `factor.party`."""
    meter = state.load(METERS, METERS.key(body.meter))
    if meter is None:
        return "meter.unknown"
    held = state.load(FACTORS, FACTORS.key(body.meter))
    ahead = [one for one in held.spans if one.until > body.interval] if held is not None else []
    if held is None or not ahead or body.interval <= current_interval(context):
        return "factor.none"
    if sender != meter.member and any(one.certifier != sender for one in ahead):
        return "factor.party"
    state.save(FACTORS.key(body.meter), _replace(held, spans=_before(held.spans, body.interval)))
    return (FactorEnded(body.meter, body.interval),)


def applied(state: State, params: PactParams, meter: Meter, interval: int) -> Applied:
    """What a Wh from this meter (of a storage: discharged) emits in an interval. Of a tie see `imported`."""
    return _at(meter, state.load(FACTORS, FACTORS.key(meter.id)), worst(state, params), interval)


def applied_over(state: State, params: PactParams, meter: Meter, times: range) -> list[Applied]:
    """The factors that apply in some intervals, at least one; the same in all of them stands there once."""
    held, highest = state.load(FACTORS, FACTORS.key(meter.id)), worst(state, params)
    if held is None or times.stop <= held.since:
        times = times[:1]
    return [_at(meter, held, highest, interval) for interval in times]


def _at(meter: Meter, held: FactorSpans | None, highest: int, interval: int) -> Applied:
    """The factor of a meter in an interval, from what is certified for it and the worst on the ledger."""
    if held is not None and interval >= held.since:
        for span in held.spans:
            if span.first <= interval < span.until:
                return Applied(span.operating_ug_per_wh, span.embodied_ug_per_wh, CERTIFICATE, span.number)
    elif (factor := registered(meter)) is not None:
        return Applied(0, factor, REGISTRATION) if meter.kind == STORAGE else Applied(factor, 0, REGISTRATION)
    return Applied(0, highest, WORST) if meter.kind == STORAGE else Applied(highest, 0, WORST)


def imported(state: State, params: PactParams, tie: Meter, interval: int) -> Applied:
    """What a Wh of import through the utility's tie emits: all of it operating, but for what is certified otherwise."""
    found = applied(state, params, tie, interval)
    tariff = state.load(TARIFFS, TARIFFS.key(interval))
    floor = found if found.basis == CERTIFICATE else Applied(params.import_factor_ug_per_wh, 0, PACT)
    if tariff is None or tariff.factor_ug_per_wh <= floor.total_ug_per_wh:
        return floor
    return Applied(tariff.factor_ug_per_wh, 0, TARIFF)


def registered(meter: Meter) -> int | None:
    """The factor to which the pact agreed with the meter; None: it says nothing of it."""
    if meter.factor_ug_per_wh is None and meter.asset is not None and meter.kind == STORAGE:
        # Nothing made is free of carbon, so 0 is no statement.
        return meter.asset.embodied_ug_per_wh or None
    return meter.factor_ug_per_wh


def is_certified(state: State, meter: str) -> bool:
    """Whether a certifier ever said anything of a meter."""
    return state.load(FACTORS, FACTORS.key(meter)) is not None


def carried(state: State, params: PactParams, meter: Meter, time_ms: int) -> Meter:
    """The registration with which a meter goes on in another chain: certified once, it never falls back to an older and
    lower word."""
    if not is_certified(state, meter.id):
        return meter
    factor = applied(state, params, meter, time_ms // params.interval_ms)
    asset = None if meter.asset is None else _replace(meter.asset, embodied_ug_per_wh=0)
    total = factor.total_ug_per_wh if factor.basis == CERTIFICATE else None
    return _replace(meter, factor_ug_per_wh=total, asset=asset)


def worst(state: State, params: PactParams) -> int:
    """The worst factor on the ledger."""
    held = state.load(WORST_FACTORS, WORST_FACTOR)
    return max(params.worst_factor_ug_per_wh, held.ug_per_wh if held is not None else 0)


def note(state: State, params: PactParams, factors: Iterable[int | None]) -> None:
    """Remember a new worst factor, if one of these is."""
    highest = max((factor for factor in factors if factor is not None), default=0)
    if highest > worst(state, params):
        state.save(WORST_FACTOR, WorstFactor(highest))


def opening_records(params: PactParams, meters: Iterable[Meter]) -> dict[bytes, WorstFactor]:
    """The worst factor of genesis, where it is above the pact's."""
    highest = max((factor for meter in meters if (factor := registered(meter)) is not None), default=0)
    return {WORST_FACTOR: WorstFactor(highest)} if highest > params.worst_factor_ug_per_wh else {}


def is_certifier(state: State, member: str) -> bool:
    """Whether a member's word about others' emissions counts."""
    found = state.load(MEMBERS, MEMBERS.key(member))
    return found is not None and CERTIFIER in found.roles and not is_tombstoned(state, member)


def _cut(params: PactParams, spans: Iterable[Span], sender: str, now: int, first: int) -> list[Span]:
    """Spans that stay beside a new one from `first` on: the sender's own end before it, those out of reach go."""
    oldest = now - FINAL_DAYS * DAY_MS // params.interval_ms - 1
    kept = []
    for span in spans:
        until = min(span.until, first) if span.certifier == sender else span.until
        if until > max(span.first, oldest):
            kept.append(_replace(span, until=until))
    return kept


def _before(spans: Iterable[Span], interval: int) -> tuple[Span, ...]:
    """Spans as far as they lie before an interval."""
    return tuple(_replace(span, until=min(span.until, interval)) for span in spans if span.first < interval)
