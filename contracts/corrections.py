"""Later words about closed intervals: what they are worth, and where they are billed.

A correction recomputes the lines of one member in one closed interval with the true energy of one meter, at
that interval's price and rules. The difference is one line `correction` in the member's bill of the interval
that closes now, and this interval's residual, shared by its metered consumption, is the other side of it. So
every bill sums to zero when it is written, no closed bill changes, and balances move in the block that closes
the carrying interval. Who shared the residual of the old interval does not matter: it would take a line per
member and correction, for a sum that consumption shares in either case.

`FINAL_DAYS` after an interval, and where an amount would leave the bounds of money, a correction is recorded
as final and not billed. At most `MAX_CORRECTIONS_PER_CLOSE` are billed with one interval; the rest waits for
the next ones, meters taking turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from contracts import settlement
from contracts.bodies import Correct
from contracts.context import BlockContext, current_interval
from contracts.estimates import estimate
from contracts.members import MeterHead
from contracts.metering import RETURNED, beyond_rating, take_share
from contracts.metering_records import FINAL_DAYS, MAX_RETURNS, Basis, Correction, Return, Returns, Standing
from contracts.params import DAY_MS, PactParams
from contracts.receipts import OK, AnyEvent, EnergyCorrected, ReadingCorrected
from contracts.records import SETTLED, IntervalRecord, Line, Order, SiteMeter
from contracts.schema import (
    BASES,
    BILLS,
    CORRECTIONS,
    ESTIMATES,
    HEADS,
    INTERVALS,
    METERED,
    METERS,
    ORDERS,
    RETURNS,
    STANDINGS,
    UTILITIES,
    UTILITY,
)
from contracts.state import State
from contracts.units import MAX_MONEY

_replace = msgspec.structs.replace
MAX_CORRECTIONS_PER_CLOSE = 256


def restate(state: State, context: BlockContext, sender: str, body: Correct) -> tuple[AnyEvent, ...] | str:
    """Queue what the owner says its settled reading should have said.

    Refuses `meter.unknown`, `correction.owner`, `correction.open`, `correction.final`, `correction.unknown`,
    `correction.rating`, `correction.favour`, `correction.same`, `correction.full`.

    An owner's word is good against the owner alone: it may take more and give less than billed. What would be
    in its favour only another meter can say, see `contracts.disputes`.
    """
    params, interval = context.params, body.interval
    meter = state.load(METERS, METERS.key(body.meter))
    head = state.load(HEADS, HEADS.key(body.meter))
    if meter is None or head is None:
        return "meter.unknown"
    if meter.member != sender:
        return "correction.owner"
    record = state.load(INTERVALS, INTERVALS.key(interval))
    if record is None or record.status != SETTLED:
        return "correction.open"
    if is_final(params, interval, current_interval(context)):
        return "correction.final"
    metered = state.entry(METERED, body.meter, interval)
    billed = billed_energy(state, body.meter, interval)
    if metered is None or metered.sequence != body.sequence or billed is None:
        return "correction.unknown"
    guess = estimate(state, params, meter, interval)
    import_wh = guess.import_wh if body.import_wh is None else body.import_wh
    export_wh = guess.export_wh if body.export_wh is None else body.export_wh
    if beyond_rating(params, meter, 1, import_wh, export_wh):
        return "correction.rating"
    if import_wh < billed.import_wh or export_wh > billed.export_wh:
        return "correction.favour"
    if (import_wh, export_wh) == (billed.import_wh, billed.export_wh):
        return "correction.same"
    if head.returns >= MAX_RETURNS:
        return "correction.full"
    entry = Return(interval, 1, import_wh, export_wh, "restated")
    state.save(HEADS.key(body.meter), enqueue(state, body.meter, head, [entry]))
    return (ReadingCorrected(body.meter, body.sequence, interval, import_wh, export_wh),)


class Batch(NamedTuple):
    """Corrections that one interval carries: their sum by member, and what `cancel` needs."""

    amounts: dict[str, int]
    counts: dict[str, int]
    corrections: dict[bytes, Correction]
    before: dict[bytes, Standing | None]

    def events(self) -> list[EnergyCorrected]:
        """One per correction, in the order in which they were made."""
        return [
            EnergyCorrected(one.meter, one.interval, one.booked_in, one.amount_nano, one.final)
            for one in self.corrections.values()
        ]


def enqueue(state: State, meter: str, head: MeterHead, returns: Sequence[Return]) -> MeterHead:
    """Let `returns` wait to be billed; the head that says so. The oldest beyond `MAX_RETURNS` are given up."""
    key = RETURNS.key(meter)
    waiting = state.load(RETURNS, key)
    entries = (*(waiting.entries if waiting else ()), *returns)[-MAX_RETURNS:]
    state.save(key, Returns(entries))
    return _replace(head, returns=len(entries))


def is_final(params: PactParams, interval: int, now: int) -> bool:
    """In interval `now`, `interval` is too old to be billed again."""
    return (now - interval) * params.interval_ms > FINAL_DAYS * DAY_MS


def terms(record: IntervalRecord) -> settlement.Terms:
    """Prices at which an interval settles, and is corrected for ever after."""
    return settlement.Terms(
        record.interval,
        record.price_nano_per_wh,
        record.grid,
        record.import_nano_per_wh,
        record.export_nano_per_wh,
        record.scarcity_nano_per_wh,
        record.penalty_ppm,
    )


def position(
    member: str, order: Order | None, withdrawn_wh: int, injected_wh: int, estimated: bool = False
) -> settlement.Position:
    """What was ordered from a member beside what was delivered."""
    return settlement.Position(
        member,
        order.served_wh if order else 0,
        order.supplied_wh if order else 0,
        order.pay_as_bid_nano if order else 0,
        order.offer_nano_per_wh if order else None,
        withdrawn_wh,
        injected_wh,
        estimated,
        order.price_nano_per_wh if order else None,
        sum(held.energy_wh for held in order.reserves) if order else 0,
        order.reserve_nano if order else 0,
        _supply_nano(order) if order else None,
        order.spared_nano if order else 0,
        order.limit_nano_per_wh if order else None,
    )


def _supply_nano(order: Order) -> int | None:
    """What an order is worth whose meters stand in zones with prices of their own; None: they have one price."""
    priced = [(part.energy_wh, part.price_nano_per_wh) for part in order.meters if part.price_nano_per_wh is not None]
    if len(priced) < len(order.meters) or not priced:
        return None
    return sum(energy_wh * price for energy_wh, price in priced)


def carry(state: State, params: PactParams, interval: int, behind: Sequence[SiteMeter]) -> Batch:
    """Work off what waits, as far as one interval carries; meters begin in turn."""
    batch = Batch({}, {}, {}, {})
    first = interval % len(behind) if behind else 0
    for meter in (*behind[first:], *behind[:first]):
        left = MAX_CORRECTIONS_PER_CLOSE - len(batch.corrections)
        if left <= 0:
            break
        _work_off(state, params, interval, meter, left, batch)
    return batch


def cancel(state: State, batch: Batch) -> Batch:
    """The amounts can not be booked: the same corrections as final ones, which change nothing."""
    for key, standing in batch.before.items():
        if standing is None:
            state.remove(key)
        else:
            state.save(key, standing)
    # Latest first, so that what was billed before the batch stands in the end; the numbers stay taken.
    for one in reversed(batch.corrections.values()):
        place = BASES.key(one.interval, one.meter)
        basis = state.load(BASES, place)
        assert basis is not None, "a correction writes its basis"
        state.save(place, Basis(one.old_import_wh, one.old_export_wh, basis.corrections))
    finals: dict[bytes, Correction] = {}
    for key, correction in batch.corrections.items():
        finals[key] = _replace(correction, final=True)
        state.save(key, finals[key])
    return Batch({}, {}, finals, {})


def _work_off(state: State, params: PactParams, interval: int, meter: SiteMeter, most: int, batch: Batch) -> None:
    """Up to `most` waiting intervals of one meter, oldest first."""
    key = RETURNS.key(meter.meter)
    waiting = state.load(RETURNS, key)
    entries = list(waiting.entries) if waiting else []
    while entries and most > 0:
        first, later = take_share(entries[0])
        entries[:1] = [] if later is None else [later]
        _correct(state, params, interval, meter, first, batch)
        most -= 1
    if entries:
        state.save(key, Returns(tuple(entries)))
    else:
        state.remove(key)
    head_key = HEADS.key(meter.meter)
    head = state.load(HEADS, head_key)
    assert head is not None, "what waits belongs to a meter"
    state.save(head_key, _replace(head, returns=len(entries)))


def _correct(
    state: State,
    params: PactParams,
    booked_in: int,
    meter: SiteMeter,
    said: Return,
    batch: Batch,
) -> None:
    """Make one correction: record it, and add what it is worth to the batch.

    What changes nothing leaves nothing, except where registers confirm an estimate: then it is one no more.
    """
    interval = said.interval
    basis = billed_energy(state, meter.meter, interval)
    record = state.load(INTERVALS, INTERVALS.key(interval))
    final = basis is None or record is None or record.status != SETTLED or record.code != OK
    final = final or is_final(params, interval, booked_in)
    old = basis or Basis(0, 0, 0)
    import_wh = old.import_wh if said.import_wh is None else said.import_wh
    export_wh = old.export_wh if said.export_wh is None else said.export_wh
    if (old.import_wh, old.export_wh) == (import_wh, export_wh) and said.cause != RETURNED:
        return
    lines: tuple[Line, ...] = ()
    amount_nano = 0
    if not final:
        assert record is not None, "only a settled interval is billed"
        standing = _standing(state, record, meter)
        moved = _moved(standing, meter.tie, import_wh - old.import_wh, export_wh - old.export_wh)
        before = own_lines(state, record, meter.member, standing)
        lines = _difference(before, own_lines(state, record, meter.member, moved))
        amount_nano = sum(line.amount_nano for line in lines)
        if max(abs(amount) for amount in (amount_nano, *(line.amount_nano for line in lines))) > MAX_MONEY:
            final, lines, amount_nano = True, (), 0
        else:
            place = STANDINGS.key(interval, meter.member)
            batch.before.setdefault(place, state.load(STANDINGS, place))
            state.save(place, moved)
    kept = old if final else Basis(import_wh, export_wh, 0)
    state.save(BASES.key(interval, meter.meter), _replace(kept, corrections=old.corrections + 1))
    correction = Correction(
        interval,
        meter.meter,
        meter.member,
        booked_in,
        said.cause,
        old.import_wh,
        old.export_wh,
        import_wh,
        export_wh,
        lines,
        amount_nano,
        final,
    )
    key = CORRECTIONS.key(interval, meter.meter, old.corrections)
    state.save(key, correction)
    batch.corrections[key] = correction
    if not final:
        batch.amounts[meter.member] = batch.amounts.get(meter.member, 0) + amount_nano
        batch.counts[meter.member] = batch.counts.get(meter.member, 0) + 1


def billed_energy(state: State, meter: str, interval: int) -> Basis | None:
    """What a meter is billed for in a closed interval by now; None before the meter was on the ledger."""
    basis = state.load(BASES, BASES.key(interval, meter))
    if basis is not None:
        return basis
    guess = state.entry(ESTIMATES, meter, interval)
    if guess is not None:
        return Basis(guess.import_wh, guess.export_wh, 0)
    metered = state.entry(METERED, meter, interval)
    return None if metered is None else Basis(metered.import_wh, metered.export_wh, 0)


def _standing(state: State, record: IntervalRecord, meter: SiteMeter) -> Standing:
    """Where a member stands in a closed interval by now. Without a bill it delivered what was ordered."""
    standing = state.load(STANDINGS, STANDINGS.key(record.interval, meter.member))
    if standing is not None:
        return standing
    utility = state.load(UTILITIES, UTILITY)
    owns_tie = utility is not None and utility.member == meter.member
    tie = (record.tie_import_wh, record.tie_export_wh) if owns_tie else (0, 0)
    bill = state.entry(BILLS, meter.member, record.interval)
    if bill is not None:
        return Standing(bill.injected_wh - bill.withdrawn_wh, *tie)
    order = state.entry(ORDERS, meter.member, record.interval)
    return Standing(order.supplied_wh - order.served_wh if order else 0, *tie)


def _moved(standing: Standing, tie: bool, import_wh: int, export_wh: int) -> Standing:
    """The standing after a meter's energy changed by these differences."""
    if tie:
        return Standing(standing.net_wh, standing.tie_import_wh + export_wh, standing.tie_export_wh + import_wh)
    return Standing(standing.net_wh + export_wh - import_wh, standing.tie_import_wh, standing.tie_export_wh)


def own_lines(state: State, record: IntervalRecord, member: str, standing: Standing) -> list[Line]:
    """All lines of a member in an interval but the residual and corrections, for where it stands."""
    order = state.entry(ORDERS, member, record.interval)
    at = terms(record)
    own = position(member, order, max(0, -standing.net_wh), max(0, standing.net_wh))
    tie = settlement.Tie(member, standing.tie_import_wh, standing.tie_export_wh)
    return settlement.position_lines(at, own) + settlement.tie_lines(at, tie)


def _difference(old: Sequence[Line], new: Sequence[Line]) -> tuple[Line, ...]:
    """New minus old by kind, in order of kinds; equal ones are left out."""
    sums: dict[str, tuple[int, int]] = {}
    for sign, lines in ((-1, old), (1, new)):
        for line in lines:
            energy_wh, amount_nano = sums.get(line.kind, (0, 0))
            sums[line.kind] = energy_wh + sign * line.energy_wh, amount_nano + sign * line.amount_nano
    return tuple(Line(kind, change[0], None, change[1]) for kind, change in sorted(sums.items()) if any(change))
