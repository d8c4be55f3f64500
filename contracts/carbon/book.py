"""Carbon of an interval that closes: read from meters, settled by `contracts.carbon.account`, and booked.

Reads what was delivered and which corrections the interval carries, and writes one record of the interval, an entry per
meter that brought energy in or took it into storage, and an entry per member that carries something. Decides nothing
about energy or money. Where a figure would leave its bounds nothing is booked: storages keep the carbon that they hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from contracts.carbon import account, later
from contracts.carbon.account import Fixed, Injection, Sheet, Store, StoreAfter
from contracts.carbon.events import CarbonSettled, PolicyBroken
from contracts.carbon.factors import STORAGE, Applied, applied, imported, worst
from contracts.carbon.green import Sale
from contracts.carbon.origin import GENERATING, Book, Moved, is_green
from contracts.carbon.policy import NO_PAST, Past, above, follow, kept
from contracts.carbon.records import (
    CarbonTotals,
    Carried,
    Emitted,
    IntervalCarbon,
    Lot,
    StoredCarbon,
    Surges,
)
from contracts.cycles import cycle_of
from contracts.members import Asset, Meter
from contracts.metering_records import Correction
from contracts.params import CarbonParams, PactParams
from contracts.receipts import OK
from contracts.records import Site, Utility
from contracts.schema import (
    CARBON_TOTAL,
    CARBON_TOTALS,
    CARBONS,
    CARRIED,
    CORRECTIONS,
    EMITTED,
    ESTIMATES,
    METERS,
    ORDERS,
    SITE,
    SITES,
    STORED,
    SURGE,
    SURGES,
    UTILITIES,
    UTILITY,
)
from contracts.state import State
from contracts.units import MAX_MONEY

OUT_OF_RANGE = "amount.range"
Flows = Mapping[str, tuple[int, int]]
"""Import and export that an interval settles at, by meter."""


class _Seen(NamedTuple):
    """What meters say about the interval's carbon."""

    factors: dict[str, tuple[Meter, Applied, int]]
    """Meters that brought energy in, with it; storages always."""
    injections: list[Injection]
    stores: dict[str, Store]
    consumed: dict[str, int]
    injected: dict[str, int]
    """By member, the utility's import included."""
    exported_wh: int


class Hidden(NamedTuple):
    """Energy of private sources: nobody sees how much each brought in, but what is counted of it, by meter."""

    buyer: str
    """Who consumes it, or answers for those who do."""
    energy_wh: Mapping[str, int]


NOTHING_HIDDEN = Hidden("", {})


def close(
    state: State,
    params: PactParams,
    interval: int,
    flows: Flows,
    corrections: Mapping[bytes, Correction],
    sales: Sequence[Sale] = (),
    hidden: Hidden = NOTHING_HIDDEN,
) -> list[CarbonSettled | PolicyBroken]:
    """Book the carbon of an interval. Nothing is written where nothing flowed, and nothing fixed is shared. For hidden
    energy nobody gets a certificate of origin."""
    utility = state.load(UTILITIES, UTILITY)
    site = state.load(SITES, SITE) or Site(())
    ties = frozenset(meter.meter for meter in site.meters if meter.tie)
    seen = _look(state, params, interval, flows, ties, corrections)
    counted = _count(state, params, interval, hidden, seen)
    stores = dict(seen.stores)
    said = later.follow(state, params, ties, corrections, stores)
    fixed = Fixed(params.carbon.site_ug, params.carbon.travel_ug)
    if not (any(any(flow) for flow in flows.values()) or counted or said.records or any(fixed)):
        return []
    sheet = account.settle(
        interval,
        seen.injections,
        list(stores.values()),
        seen.exported_wh,
        seen.consumed,
        fixed,
        worst(state, params),
        said.shared_ug,
        (seen.injected, dict.fromkeys(sorted({meter.member for meter in site.meters}), 1)),
    )
    totals = _totals(state, sheet, said, seen.stores)
    if totals is None:
        _keep_stores(state, seen.stores, sheet, booked=False)
        state.save(CARBONS.key(interval), IntervalCarbon(interval, OUT_OF_RANGE))
        held_ug = (state.load(CARBON_TOTALS, CARBON_TOTAL) or CarbonTotals(0, 0, 0, 0)).held_ug
        return [CarbonSettled(interval, 0, 0, 0, held_ug, OUT_OF_RANGE)]
    state.save(CARBON_TOTAL, totals)
    for key, correction in said.records.items():
        state.save(key, correction)
    _keep_stores(state, seen.stores, sheet, booked=True)
    issued, bought = _certify(state, params, interval, seen, stores, sheet, corrections, sales, utility)
    entries = _entries(interval, seen._replace(factors=seen.factors | counted), sheet, issued)
    state.fill(EMITTED, entries, interval)
    state.fill(CARRIED, _carried(interval, seen, sheet, said, bought), interval)
    policy, broken = _judge(state, params.carbon, interval, sheet)
    record = IntervalCarbon(
        interval,
        OK,
        sheet.operating_ug,
        sheet.embodied_ug,
        sheet.unseen_ug,
        sheet.site_ug,
        sheet.travel_ug,
        said.emitted_ug,
        sheet.pool_ug,
        sheet.energy_wh,
        seen.exported_wh,
        sheet.exported_ug,
        said.exported_ug,
        sum(one.taken_ug for one in sheet.stores),
        sum(one.released_ug for one in sheet.stores),
        said.stored_ug,
        sheet.attributed_ug + sum(said.members.values()),
        len(said.records),
        policy,
        params.carbon.embodied_baseline_ug if params.carbon.zero_ghg else 0,
    )
    state.save(CARBONS.key(interval), record)
    settled = CarbonSettled(
        interval,
        sheet.emitted_ug + said.emitted_ug,
        record.attributed_ug,
        sheet.exported_ug + said.exported_ug,
        totals.held_ug,
        OK,
    )
    return [settled, *broken]


def _look(
    state: State,
    params: PactParams,
    interval: int,
    flows: Flows,
    ties: frozenset[str],
    corrections: Mapping[bytes, Correction],
) -> _Seen:
    """Sort the meters' flows by what they mean for carbon; storages that only a correction is about are there, too."""
    seen = _Seen({}, [], {}, {}, {}, 0)
    exported_wh = 0
    corrected = {one.meter for one in corrections.values() if not one.final}
    for name in sorted(flows.keys() | corrected):
        import_wh, export_wh = flows.get(name, (0, 0))
        if not (import_wh or export_wh or name in corrected):
            continue
        meter = state.load(METERS, METERS.key(name))
        assert meter is not None, "every meter of the site is registered"
        if name in ties:
            exported_wh += import_wh
        elif meter.kind == STORAGE:
            seen.stores[name] = _store(state, params, meter, interval, (import_wh, export_wh))
        else:
            consumed_wh, export_wh = account.passed(meter.kind == GENERATING, import_wh, export_wh)
            if consumed_wh:
                seen.consumed[meter.member] = seen.consumed.get(meter.member, 0) + consumed_wh
        if not export_wh and name not in seen.stores:
            continue
        rule = imported if name in ties else applied
        factor = rule(state, params, meter, interval)
        seen.factors[name] = meter, factor, export_wh
        if export_wh:
            seen.injected[meter.member] = seen.injected.get(meter.member, 0) + export_wh
            if name not in seen.stores:
                figures = factor.operating_ug_per_wh, factor.embodied_ug_per_wh
                seen.injections.append(Injection(export_wh, *figures))
    return seen._replace(exported_wh=exported_wh)


def _count(
    state: State, params: PactParams, interval: int, hidden: Hidden, seen: _Seen
) -> dict[str, tuple[Meter, Applied, int]]:
    """Count hidden energy among what entered and was consumed; with its factors, by meter."""
    counted: dict[str, tuple[Meter, Applied, int]] = {}
    for name, energy_wh in sorted(hidden.energy_wh.items()):
        meter = state.load(METERS, METERS.key(name))
        assert meter is not None, "private sources are registered"
        factor = applied(state, params, meter, interval)
        counted[name] = meter, factor, energy_wh
        seen.injections.append(Injection(energy_wh, factor.operating_ug_per_wh, factor.embodied_ug_per_wh))
        seen.consumed[hidden.buyer] = seen.consumed.get(hidden.buyer, 0) + energy_wh
    return counted


def _store(state: State, params: PactParams, meter: Meter, interval: int, flow: tuple[int, int]) -> Store:
    """A storage as it stands, with what it took and gave; where no more is registered it is taken to lose nothing."""
    held = state.load(STORED, STORED.key(meter.id)) or StoredCarbon(meter.id, 0, 0)
    asset = meter.asset or Asset()
    unit = asset.efficiency_n * asset.efficiency_d
    return Store(
        meter.id,
        held.charge,
        None if meter.capacity_wh is None else meter.capacity_wh * unit,
        held.carbon_ug,
        *flow,
        applied(state, params, meter, interval).total_ug_per_wh,
        asset.efficiency_n,
        asset.efficiency_d,
    )


def _totals(state: State, sheet: Sheet, said: later.Later, before: Mapping[str, Store]) -> CarbonTotals | None:
    """Totals with this interval; None where a figure leaves its bounds."""
    totals = state.load(CARBON_TOTALS, CARBON_TOTAL) or CarbonTotals(0, 0, 0, 0)
    emitted_ug = totals.emitted_ug + sheet.emitted_ug + said.emitted_ug
    attributed_ug = totals.attributed_ug + sheet.attributed_ug + sum(said.members.values())
    exported_ug = totals.exported_ug + sheet.exported_ug + said.exported_ug
    held_ug = totals.held_ug - sum(store.carbon_ug for store in before.values())
    held_ug += sum(one.carbon_ug for one in sheet.stores)
    after = emitted_ug, attributed_ug, exported_ug, held_ug
    assert emitted_ug == attributed_ug + exported_ug + held_ug, "what was emitted is carried, exported or held"
    figures = [*after, said.emitted_ug, said.exported_ug, said.stored_ug, *said.members.values()]
    figures += [figure for record in said.records.values() for figure in (record.emitted_ug, record.stored_ug)]
    figures += [figure for record in said.records.values() for figure in (record.member_ug, record.exported_ug)]
    figures += [one.charge for one in sheet.stores]
    within = account.in_bounds(sheet) and all(abs(figure) <= MAX_MONEY for figure in figures)
    return CarbonTotals(*after) if within else None


def _keep_stores(state: State, before: Mapping[str, Store], sheet: Sheet, booked: bool) -> None:
    """Write what storages hold; where nothing is booked their charge moves alone, as far as it fits."""
    for after in sheet.stores:
        old = before[after.meter]
        carbon_ug = after.carbon_ug if booked else old.carbon_ug
        charge = min(after.charge, MAX_MONEY)
        if (charge, carbon_ug) != (old.charge, old.carbon_ug):
            state.save(STORED.key(after.meter), StoredCarbon(after.meter, charge, carbon_ug))


def _certify(
    state: State,
    params: PactParams,
    interval: int,
    seen: _Seen,
    stores: Mapping[str, Store],
    sheet: Sheet,
    corrections: Mapping[bytes, Correction],
    sales: Sequence[Sale],
    utility: Utility | None,
) -> tuple[dict[str, int], dict[str, int]]:
    """Issue certificates of origin, and let them follow the energy; issued by meter, bought by member."""
    book = Book(state, params, interval)
    for key, one in corrections.items():
        meter = state.load(METERS, METERS.key(one.meter))
        assert meter is not None, "a corrected meter is registered"
        if not one.final and is_green(meter, applied(state, params, meter, one.interval)):
            _correct_origin(state, book, key, one)
    issued: dict[str, int] = {}
    lots: list[tuple[str, Lot]] = []
    for name, (meter, factor, energy_wh) in seen.factors.items():
        if energy_wh and is_green(meter, factor) and state.entry(ESTIMATES, name, interval) is None:
            issued[name], left_wh = book.issue(meter.member, name, interval, energy_wh)
            lots.append((meter.member, Lot(name, cycle_of(params, interval), left_wh)))
    moved = [_moved(stores[one.meter], one) for one in sheet.stores]
    taker = utility.member if utility is not None else None
    bought = book.follow(lots, sales, seen.exported_wh, sheet.energy_wh, taker, moved)
    book.save()
    return issued, bought


def _moved(store: Store, after: StoreAfter) -> Moved:
    n, d = store.efficiency_n, store.efficiency_d
    return Moved(store.meter, store.charged_wh, after.drawn, store.charge, n, d)


def _correct_origin(state: State, book: Book, key: bytes, one: Correction) -> None:
    """Certificates for what the register turned out to say; an estimate had none until the first word about it."""
    number = int(key[-10:])
    earlier = [state.load(CORRECTIONS, CORRECTIONS.key(one.interval, one.meter, at)) for at in range(number)]
    guessed = state.entry(ESTIMATES, one.meter, one.interval) is not None
    untold = guessed and all(word is None or word.final for word in earlier)
    more_wh = one.new_export_wh - (0 if untold else one.old_export_wh)
    if more_wh > 0:
        book.issue(one.member, one.meter, one.interval, more_wh)
    elif more_wh < 0:
        book.cancel(one.member, one.meter, one.interval, -more_wh)


def _entries(interval: int, seen: _Seen, sheet: Sheet, issued: Mapping[str, int]) -> list[Emitted]:
    """What each meter brought in, ascending by meter."""
    after = {one.meter: one for one in sheet.stores}
    entries = []
    for name, (meter, factor, energy_wh) in sorted(seen.factors.items()):
        own = factor.operating_ug_per_wh, factor.embodied_ug_per_wh, factor.basis, factor.certificate
        entry = Emitted(name, interval, meter.member, energy_wh, *own, origin_wh=issued.get(name, 0))
        if name in after:
            if not (energy_wh or seen.stores[name].charged_wh):
                continue
            store, moved = seen.stores[name], after[name]
            figures = moved.released_ug, moved.unseen_wh, moved.unseen_ug, store.charged_wh, moved.taken_ug
            entry = Emitted(name, interval, meter.member, energy_wh, *own, *figures)
        entries.append(entry)
    return entries


def _carried(interval: int, seen: _Seen, sheet: Sheet, said: later.Later, bought: Mapping[str, int]) -> list[Carried]:
    """What each member carries, ascending; members without anything are left out."""
    entries = []
    for member in sorted(sheet.shares.keys() | said.members.keys() | bought.keys()):
        share = sheet.shares.get(member, account.Share(0, 0, 0))
        own = said.members.get(member, 0), bought.get(member, 0)
        entries.append(Carried(member, interval, seen.consumed.get(member, 0), *share, *own))
    return entries


def _judge(state: State, params: CarbonParams, interval: int, sheet: Sheet) -> tuple[str, list[PolicyBroken]]:
    """Whether the interval kept to the policy; what was not seen go in counts as operating."""
    if not params.zero_ghg:
        return "off", []
    operating_ug, past = sheet.operating_ug + sheet.unseen_ug, past_of(state)
    after = follow(params, past, sheet.embodied_ug)
    state.save(SURGE, Surges(interval, after.run, tuple(after.excess_ug)))
    if kept(params, past, operating_ug, sheet.embodied_ug):
        return "kept", []
    return "broken", [PolicyBroken(interval, operating_ug, above(params, sheet.embodied_ug))]


def past_of(state: State) -> Past:
    """Surges up to the interval that settled last."""
    held = state.load(SURGES, SURGE)
    return NO_PAST if held is None else Past(held.run, held.excess_ug)


def past_before(state: State, params: PactParams, first: int) -> Past:
    """Surges up to interval `first`, which is not ordered yet: metered where intervals are settled, as ordered where
    they are not."""
    held, past = state.load(SURGES, SURGE), past_of(state)
    since = max(first - params.carbon.surge_window_intervals, 0 if held is None else held.interval + 1)
    for interval in range(since, first):
        orders = state.group(ORDERS, interval)
        embodied_ug = sum(
            ordered.energy_wh * _embodied(state, params, ordered.meter, interval)
            for order in orders
            for ordered in order.meters
        )
        past = follow(params.carbon, past, embodied_ug)
    return past


def _embodied(state: State, params: PactParams, meter: str, interval: int) -> int:
    found = state.load(METERS, METERS.key(meter))
    return 0 if found is None else applied(state, params, found, interval).embodied_ug_per_wh
