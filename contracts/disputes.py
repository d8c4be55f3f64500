"""Lines with a meter at both ends: where they disagree both are named, the smaller settles, the parent decides.

At the close of an interval each registered line whose ends were both measured is compared. A difference
outside its tolerance is a dispute: both ends are billed for the smaller reading, and the rest is held, on
record in Wh and nano.

The verdict is the parent meter's own register difference in that interval, whichever of its registers moved
more, taken at the first close that finds it: no extra message that somebody could withhold or forge. Held
between both readings, it is what both ends settle at from then on, as corrections of the closed interval
(`contracts.corrections`). A parent that says nothing for `FINAL_DAYS` leaves things as they are. An estimate
neither disputes nor decides.
"""

from __future__ import annotations

from collections.abc import Sequence

from contracts.corrections import billed_energy, enqueue, is_final, own_lines
from contracts.delivery import Delivery
from contracts.metering_records import (
    MAX_OPEN_DISPUTES,
    Basis,
    Dispute,
    OpenDispute,
    OpenDisputes,
    Return,
    Standing,
    Verdict,
)
from contracts.params import PactParams
from contracts.receipts import AnyEvent, DisputeDecided, LineDisputed
from contracts.records import IntervalRecord, Site, SiteMeter
from contracts.schema import (
    BASES,
    CORRECTIONS,
    DISPUTE_LIST,
    DISPUTES,
    HEADS,
    LINE_LIST,
    LINES,
    METERED,
    OPEN_DISPUTES,
    SITE,
    SITES,
    VERDICTS,
)
from contracts.state import State
from contracts.units import MAX_MONEY, PPM

MAX_VERDICTS_PER_CLOSE = 64
"""Disputes that one close looks at; the others wait for the next ones."""


def compare(
    state: State, params: PactParams, record: IntervalRecord, delivery: Delivery
) -> tuple[Delivery, list[LineDisputed]]:
    """Open a dispute per line that does not fit; the delivery with the smaller readings in it."""
    lines = state.load(LINES, LINE_LIST)
    interval, events = record.interval, list[LineDisputed]()
    for line in lines.lines if lines else ():
        sending, receiving = (delivery.witnesses.get(end) for end in (line.sending_meter, line.receiving_meter))
        if sending is None or receiving is None:
            continue
        sent_wh, received_wh = sending[1].export_wh, receiving[1].import_wh
        excess_wh = sent_wh - received_wh
        if -line.accuracy_wh <= excess_wh <= line.fixed_wh + line.loss_ppm * sent_wh // PPM:
            continue
        held_wh, settled_wh = abs(excess_wh), min(sent_wh, received_wh)
        meter = sending[0] if excess_wh > 0 else receiving[0]
        cut = (0, held_wh) if excess_wh > 0 else (held_wh, 0)
        full_nano = _worth(state, record, delivery, meter.member)
        delivery = _without(delivery, meter, *cut)
        held_nano = full_nano - _worth(state, record, delivery, meter.member)
        # The basis of an earlier line at this meter's other register is cut further.
        billed = billed_energy(state, meter.meter, interval)
        assert billed is not None, "both ends were measured"
        state.save(BASES.key(interval, meter.meter), Basis(billed.import_wh - cut[0], billed.export_wh - cut[1], 0))
        dispute = Dispute(
            interval,
            line.id,
            line.sending_meter,
            line.receiving_meter,
            line.parent_meter,
            sent_wh,
            received_wh,
            settled_wh,
            held_wh,
            max(-MAX_MONEY, min(held_nano, MAX_MONEY)),
        )
        state.save(DISPUTES.key(interval, line.id), dispute)
        events.append(LineDisputed(line.id, interval, line.sending_meter, line.receiving_meter, held_wh))
    if events:
        waiting = state.load(OPEN_DISPUTES, DISPUTE_LIST)
        entries = (*(waiting.entries if waiting else ()), *(OpenDispute(interval, event.line) for event in events))
        for lost in entries[:-MAX_OPEN_DISPUTES]:
            _close(state, lost, interval)
        state.save(DISPUTE_LIST, OpenDisputes(entries[-MAX_OPEN_DISPUTES:]))
    return delivery, events


def decide(
    state: State, params: PactParams, interval: int, behind: Sequence[SiteMeter]
) -> tuple[list[SiteMeter], list[AnyEvent]]:
    """Verdicts of parent meters that have spoken; `behind` with the ends that they move, ascending."""
    waiting = state.load(OPEN_DISPUTES, DISPUTE_LIST)
    if waiting is None:
        return list(behind), []
    events: list[AnyEvent] = []
    moved: set[str] = {meter.meter for meter in behind}
    # Beginning at another one each time, so that those of a dead parent do not block the others.
    entries = waiting.entries
    first = interval % len(entries)
    decided: set[OpenDispute] = set()
    for place in (*entries[first:], *entries[:first])[:MAX_VERDICTS_PER_CLOSE]:
        dispute = state.load(DISPUTES, DISPUTES.key(place.interval, place.line))
        assert dispute is not None, "an open dispute has its record"
        if is_final(params, place.interval, interval):
            _close(state, place, interval)
            decided.add(place)
            events.append(DisputeDecided(place.line, place.interval, dispute.parent_meter, dispute.settled_wh, True))
            continue
        parent_wh = _witness(state, dispute.parent_meter, place.interval)
        if parent_wh is None:
            continue
        settled_wh = max(dispute.settled_wh, min(parent_wh, dispute.settled_wh + dispute.held_wh))
        verdict = Verdict(
            place.interval, place.line, dispute.parent_meter, parent_wh, settled_wh, interval, final=False
        )
        state.save(VERDICTS.key(place.interval, place.line), verdict)
        decided.add(place)
        _restore(state, dispute.sending_meter, Return(place.interval, 1, None, settled_wh, "verdict"))
        _restore(state, dispute.receiving_meter, Return(place.interval, 1, settled_wh, None, "verdict"))
        moved |= {dispute.sending_meter, dispute.receiving_meter}
        events.append(DisputeDecided(place.line, place.interval, dispute.parent_meter, settled_wh, False))
    left = tuple(place for place in entries if place not in decided)
    if not left:
        state.remove(DISPUTE_LIST)
    elif decided:
        state.save(DISPUTE_LIST, OpenDisputes(left))
    site = state.load(SITES, SITE) or Site(())
    return [meter for meter in site.meters if meter.meter in moved], events


def _witness(state: State, meter: str, interval: int) -> int | None:
    """Energy that a parent meter saw in a closed interval, by its own registers; None while it is silent."""
    metered = state.entry(METERED, meter, interval)
    if metered is not None:
        return max(metered.import_wh, metered.export_wh)
    # Not what it is billed for: that stays the estimate where the correction is final.
    returned = state.load(CORRECTIONS, CORRECTIONS.key(interval, meter, 0))
    return max(returned.new_import_wh, returned.new_export_wh) if returned is not None else None


def _restore(state: State, meter: str, entry: Return) -> None:
    """Queue one register of one end as the verdict has it."""
    head = state.load(HEADS, HEADS.key(meter))
    assert head is not None, "both ends of a dispute are meters"
    state.save(HEADS.key(meter), enqueue(state, meter, head, [entry]))


def _close(state: State, place: OpenDispute, interval: int) -> None:
    """Nobody decided: what settled stays."""
    dispute = state.load(DISPUTES, DISPUTES.key(place.interval, place.line))
    assert dispute is not None, "an open dispute has its record"
    verdict = Verdict(place.interval, place.line, dispute.parent_meter, 0, dispute.settled_wh, interval, final=True)
    state.save(VERDICTS.key(place.interval, place.line), verdict)


def _without(delivery: Delivery, meter: SiteMeter, import_wh: int, export_wh: int) -> Delivery:
    """The delivery with so much less of a meter's registers."""
    seen = delivery.flows[meter.meter]
    flow = seen[0] - import_wh, seen[1] - export_wh
    delivery = delivery._replace(flows={**delivery.flows, meter.meter: flow})
    if meter.tie:
        return delivery._replace(
            tie_import_wh=delivery.tie_import_wh - export_wh, tie_export_wh=delivery.tie_export_wh - import_wh
        )
    withdrawn_wh, injected_wh = delivery.members[meter.member]
    flows = withdrawn_wh - import_wh, injected_wh - export_wh
    return delivery._replace(members={**delivery.members, meter.member: flows})


def _worth(state: State, record: IntervalRecord, delivery: Delivery, member: str) -> int:
    """Sum of a member's lines but the residual, as delivered; the tie counts where it changes."""
    withdrawn_wh, injected_wh = delivery.members.get(member, (0, 0))
    standing = Standing(injected_wh - withdrawn_wh, delivery.tie_import_wh, delivery.tie_export_wh)
    return sum(line.amount_nano for line in own_lines(state, record, member, standing))
