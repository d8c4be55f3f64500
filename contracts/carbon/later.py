"""What later words about closed intervals do to carbon. The carbon of a closed interval never changes.

A correction of energy (`contracts.corrections`) changes what one meter brought in or took out of an interval that is
closed. Its emission, at the factor of then, is booked in the interval that books its money; so is what its member
carries, what was exported, and what a storage holds, at the mix of then. The difference of these is carried by the
consumption of the booking interval, as the residual is. So every interval balances by itself.

What was discharged less than billed comes back as it was released; what was discharged more is drawn from what the
storage holds now. Several words about one storage may make it hold less than nothing in between; only what is missing
in the end is left to consumption.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from contracts.carbon.account import Store, at_mix, draw, passed
from contracts.carbon.factors import Applied, applied, imported, worst
from contracts.carbon.origin import GENERATING
from contracts.carbon.records import CarbonCorrection, Emitted, IntervalCarbon
from contracts.members import Meter
from contracts.metering_records import Correction
from contracts.params import PactParams
from contracts.schema import CARBON_CORRECTIONS, CARBONS, CORRECTIONS, EMITTED, METERS
from contracts.state import State

_replace = msgspec.structs.replace


class Later(NamedTuple):
    """All corrections that one interval books."""

    records: dict[bytes, CarbonCorrection]
    members: dict[str, int]
    """What each member carries for its own."""

    @property
    def emitted_ug(self) -> int:
        """Sum, as the next three."""
        return sum(one.emitted_ug for one in self.records.values())

    @property
    def exported_ug(self) -> int:
        """Of either sign."""
        return sum(one.exported_ug for one in self.records.values())

    @property
    def stored_ug(self) -> int:
        """Of either sign."""
        return sum(one.stored_ug for one in self.records.values())

    @property
    def shared_ug(self) -> int:
        """What is left to consumption."""
        return self.emitted_ug - self.exported_ug - self.stored_ug - sum(self.members.values())


def follow(
    state: State,
    params: PactParams,
    ties: frozenset[str],
    corrections: Mapping[bytes, Correction],
    stores: dict[str, Store],
) -> Later:
    """What these corrections, by their keys, do; `stores` are changed as they say. Final ones do nothing."""
    later = Later({}, {})
    for key, one in corrections.items():
        if one.final:
            continue
        meter = state.load(METERS, METERS.key(one.meter))
        assert meter is not None, "a corrected meter is registered"
        if meter.id in ties:
            record = _of_tie(state, params, meter, one)
        elif meter.id in stores:
            record = _of_storage(state, params, stores, one)
        else:
            record = _of_member(state, params, meter, one)
        place = CARBON_CORRECTIONS.prefix + key[len(CORRECTIONS.prefix) :]
        later.records[place] = record
        if record.member_ug:
            later.members[one.member] = later.members.get(one.member, 0) + record.member_ug
    for place, record in _last_words(later.records).items():
        if record.meter in stores:
            store = stores[record.meter]
            later.records[place] = _replace(record, stored_ug=record.stored_ug + max(0, -store.carbon_ug))
            stores[record.meter] = _possible(store)
    return later


def _last_words(records: Mapping[bytes, CarbonCorrection]) -> dict[bytes, CarbonCorrection]:
    """The last record of each meter."""
    return {place: records[place] for place in {record.meter: place for place, record in records.items()}.values()}


def _of_tie(state: State, params: PactParams, meter: Meter, one: Correction) -> CarbonCorrection:
    factor = _factor(state, one) or imported(state, params, meter, one.interval)
    emitted_ug = (one.new_export_wh - one.old_export_wh) * factor.total_ug_per_wh
    exported_wh = one.new_import_wh - one.old_import_wh
    return _record(one, emitted_ug=emitted_ug, exported_ug=_at_mix(state, one.interval, exported_wh))


def _of_member(state: State, params: PactParams, meter: Meter, one: Correction) -> CarbonCorrection:
    factor = _factor(state, one) or applied(state, params, meter, one.interval)
    generates = meter.kind == GENERATING
    old = passed(generates, one.old_import_wh, one.old_export_wh)
    new = passed(generates, one.new_import_wh, one.new_export_wh)
    emitted_ug = (new[1] - old[1]) * factor.total_ug_per_wh
    return _record(one, emitted_ug=emitted_ug, member_ug=_at_mix(state, one.interval, new[0] - old[0]))


def _of_storage(state: State, params: PactParams, stores: dict[str, Store], one: Correction) -> CarbonCorrection:
    store = stores[one.meter]
    n, d = store.efficiency_n, store.efficiency_d
    before_ug = store.carbon_ug
    charged_wh = one.new_import_wh - one.old_import_wh
    store = _holding(store, n * n * charged_wh, _at_mix(state, one.interval, charged_wh))

    entry = _entry(state, one)
    seen_wh = entry.energy_wh if entry is not None else 0
    old, new = min(one.old_export_wh, seen_wh), min(one.new_export_wh, seen_wh)
    emitted_ug = (one.new_export_wh - one.old_export_wh) * store.embodied_ug_per_wh
    if entry is not None and old != new:
        (old_ug, old_unseen), (new_ug, new_unseen) = _released(entry, old), _released(entry, new)
        emitted_ug += new_unseen - old_unseen
        store = _holding(store, d * d * (old - new), old_ug - new_ug)
    more_wh = max(0, one.new_export_wh - seen_wh) - max(0, one.old_export_wh - seen_wh)
    if more_wh > 0:
        drawn, released_ug = draw(_possible(store)._replace(discharged_wh=more_wh))
        unseen_wh = -(-(d * d * more_wh - drawn) // (d * d))
        emitted_ug += unseen_wh * worst(state, params)
        store = _holding(store, -drawn, -released_ug)
    elif more_wh < 0:
        store = _holding(store, -d * d * more_wh, 0)
    stores[one.meter] = store
    return _record(one, emitted_ug=emitted_ug, stored_ug=store.carbon_ug - before_ug)


def _released(entry: Emitted, discharged_wh: int) -> tuple[int, int]:
    """Carbon released, and emission of energy that nobody saw go in, had the interval seen so much discharged."""
    seen_wh = entry.energy_wh - entry.unseen_wh
    part_wh = min(discharged_wh, seen_wh)
    released_ug = entry.released_ug if part_wh == seen_wh else entry.released_ug * part_wh // seen_wh
    unseen_ug = entry.unseen_ug * (discharged_wh - part_wh) // entry.unseen_wh if entry.unseen_wh else 0
    return released_ug, unseen_ug


def _holding(store: Store, charge: int, carbon_ug: int) -> Store:
    """The storage with so much more in it."""
    return store._replace(charge=store.charge + charge, carbon_ug=store.carbon_ug + carbon_ug)


def _possible(store: Store) -> Store:
    """The storage with what it can hold at most, and nothing at least."""
    most = store.charge if store.capacity is None else min(store.charge, store.capacity)
    return store._replace(charge=max(0, most), carbon_ug=max(0, store.carbon_ug))


def _at_mix(state: State, interval: int, more_wh: int) -> int:
    """Carbon of what was taken more (or less) in a closed interval, at its mix."""
    then = state.load(CARBONS, CARBONS.key(interval)) or IntervalCarbon(interval, "")
    if not then.energy_wh:
        return 0
    size_ug = at_mix(then.pool_ug, then.energy_wh, abs(more_wh))
    return size_ug if more_wh > 0 else -size_ug


def _entry(state: State, one: Correction) -> Emitted | None:
    return state.entry(EMITTED, one.meter, one.interval)


def _factor(state: State, one: Correction) -> Applied | None:
    """The factor that the corrected interval was settled with."""
    entry = _entry(state, one)
    if entry is None:
        return None
    return Applied(entry.operating_ug_per_wh, entry.embodied_ug_per_wh, entry.basis, entry.certificate)


def _record(
    one: Correction, emitted_ug: int = 0, exported_ug: int = 0, member_ug: int = 0, stored_ug: int = 0
) -> CarbonCorrection:
    figures = emitted_ug, exported_ug, member_ug, stored_ug
    return CarbonCorrection(one.interval, one.meter, one.member, one.booked_in, *figures)
