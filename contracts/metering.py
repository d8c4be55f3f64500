"""Readings: how a meter's hash chain grows, and every reason why a reading is refused.

A meter speaks with its own key, without nonce or expiry; anybody may carry its envelope. (meter, sequence) is
the replay guard, so each reading counts once however often and in whatever order it arrives.

Registers are cumulative and differences settle. Several readings of one interval are welcome; the last one
settles. A meter that says nothing about an interval that closes is estimated, and the interval stays a gap of
its `Registers` until registers return: by a late reading for it, or by the next reading at all. What the registers
grew by since the last settled ones then belongs to all gaps up to the reading, and to the reading's own
interval where that is not closed: evenly in whole Wh, what is left over to the earliest, 1 Wh each. Any other
late reading extends the chain (`late`), and its energy settles with the next interval that the meter reports.

`import` is what the meter's owner takes from the site, `export` what it puts into it; on the utility's tie
meter, export is therefore what the site buys.

Quality and reserve records are checked against what is physically possible and registered, and kept where
readings are: in the transaction list, provable by (meter, sequence). Of them the head keeps alone what a storage says
of its charge, which has to fit its registers and is where the next dispatch begins.

A meter that is registered private commits to its registers; of it only the chain is kept here, and it settles by the
billing cycle (`contracts.private`).

Refusals that a carrier could provoke with genuine old or early envelopes (gap, replay, duplicate, future,
open-full) cost the meter nothing, so that nobody can spend its budget; those that only its own key can
produce are charged to it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import msgspec

from contracts.bodies import CommittedReading, PlainReading, Quality, Reading, Reserve
from contracts.context import BlockContext, current_interval
from contracts.envelope import MeterEnvelope
from contracts.flexible.assets import is_plausible
from contracts.governance.membership import is_removed
from contracts.members import MAX_GAPS, MAX_OPEN_REGISTERS, Gap, Meter, MeterHead, OpenRegister, Registers
from contracts.metering_records import Return
from contracts.params import PactParams
from contracts.private import meters as hidden_meters
from contracts.receipts import OK, ReadingAccepted, Receipt
from contracts.schedule import await_close, is_closed
from contracts.schema import CHARGES, HEADS, METERS, REGISTERS
from contracts.sealed import metered
from contracts.sealed.records import Register
from contracts.state import State
from contracts.units import PPM, WH_MS
from zk.codec import encode
from zk.hashing import domain, sha256

_replace = msgspec.structs.replace
READING_UNITS = 1
POINTS_PER_UNIT = 2
"""Commitments of a reading that are decoded in the time of one plain reading."""
ADMISSION_WINDOW = 1024
"""Sequences ahead of the head that a mempool holds for one meter."""
RETURNED = "returned"
"""Cause of a correction: the meter's own registers."""
MAX_FREQUENCY_MHZ = 1_000_000
"""1 kHz: above every power system, aircraft included."""
MAX_THD_PPM = 10 * PPM
"""A distorted current may be more than all harmonics of its fundamental; tenfold is a broken sensor."""
MIN_AMBIENT_MC = -273_150
MAX_AMBIENT_MC = 200_000


@lru_cache(maxsize=16)
def _domain(chain_id: str) -> bytes:
    return domain("reading", chain_id)


def reading_hash(chain_id: str, body: Reading) -> bytes:
    """Link of a meter's hash chain: the domain-separated hash of the encoded body, 32 bytes."""
    return sha256(_domain(chain_id) + encode(body))


def reading_units(body: Reading) -> int:
    """Declared verification units of a reading: one, and more for commitments."""
    if isinstance(body, PlainReading):
        return READING_UNITS
    points = 2 + len(body.quality) + (body.reserve is not None)
    return READING_UNITS + points // POINTS_PER_UNIT


def apply_reading(state: State, envelope: MeterEnvelope, context: BlockContext) -> Receipt:
    """Extend the meter's chain, or say why not. Writes the meter's head, and at most one more key."""
    speaker = _speaker(state, envelope)
    if isinstance(speaker, str):
        return _refused(speaker)
    meter, head, body = speaker
    digest = reading_hash(context.chain_id, body)
    if body.sequence != head.sequence + 1:
        return _refused(_out_of_sequence(head, body.sequence, digest))
    params, interval = context.params, body.interval
    if interval * params.interval_ms > context.time_ms:
        return _refused("reading.future")
    now = current_interval(context)
    used = (head.units_used if head.budget_interval == now else 0) + reading_units(body)
    if used > params.units_per_meter:
        return _refused("budget.exceeded")

    if isinstance(body, CommittedReading):
        return _apply_committed(state, context, meter, head, body, digest, used)
    settled = state.entry(REGISTERS, envelope.meter)
    assert settled is not None, "every open meter has registers"
    head_key = HEADS.prefix + envelope.meter.encode()
    late = is_closed(state, context, interval)
    open_, code = _checked(params, meter, head, settled, body, late)
    if code == OK and not _is_charge_plausible(state, params, meter, settled, body):
        code = "reading.charge"
    if code == OK and len(open_) > MAX_OPEN_REGISTERS:
        return _refused("reading.open-full")
    if code != OK:
        state.save(head_key, _replace(head, budget_interval=now, units_used=used))
        state.commit()
        return _refused(code)
    if not late:
        await_close(state, interval)
    state.save(
        head_key,
        MeterHead(
            body.sequence,
            digest,
            interval,
            body.import_wh,
            body.export_wh,
            open_,
            now,
            used,
            head.returns,
        ),
    )
    state.commit()
    return Receipt(OK, READING_UNITS, (ReadingAccepted(envelope.meter, body.sequence, interval, late),))


def _apply_committed(
    state: State,
    context: BlockContext,
    meter: Meter,
    head: MeterHead,
    body: CommittedReading,
    digest: bytes,
    used: int,
) -> Receipt:
    """Extend the chain of a private meter. Its registers are points, kept by `contracts.private.meters`."""
    now, head_key = current_interval(context), HEADS.key(meter.id)
    charged = _replace(head, budget_interval=now, units_used=used)
    late = hidden_meters.is_late(state, context, meter, body.interval)
    code = hidden_meters.take(state, context, meter, head, body, late)
    if code == "reading.cycles-full":
        state.rollback()
        return _refused(code)
    if code != OK:
        state.rollback()
        state.save(head_key, charged)
        state.commit()
        return Receipt(code, reading_units(body), ())
    if meter.kind == "source":
        since = hidden_meters.head_of(state, meter.id).since
        register = Register(body.interval, body.export_commitment, body.sequence)
        metered.witness(state, meter.id, Register(since, metered.opening(head), 0), register)
    state.save(head_key, _replace(charged, sequence=body.sequence, reading_hash=digest, interval=body.interval))
    state.commit()
    return Receipt(OK, reading_units(body), (ReadingAccepted(meter.id, body.sequence, body.interval, late),))


def admit_reading(state: State, envelope: MeterEnvelope, context: BlockContext) -> str:
    """Whether a mempool should keep this reading: ok, or the code of the first thing that will not change."""
    speaker = _speaker(state, envelope)
    if isinstance(speaker, str):
        return speaker
    _, head, body = speaker
    if body.sequence <= head.sequence:
        return _out_of_sequence(head, body.sequence, reading_hash(context.chain_id, body))
    if body.sequence >= head.sequence + ADMISSION_WINDOW:
        return "reading.gap"
    return OK


def _speaker(state: State, envelope: MeterEnvelope) -> tuple[Meter, MeterHead, Reading] | str:
    """The meter that speaks, its head, and what it says; a code when it may not say that."""
    raw_id = envelope.meter.encode()
    meter = state.load(METERS, METERS.prefix + raw_id)
    head = state.load(HEADS, HEADS.prefix + raw_id)
    if meter is None or head is None:
        return "meter.unknown"
    if meter.public_key != envelope.public_key:
        return "meter.key"
    if is_removed(state, meter.member):
        return "meter.stopped"
    body = envelope.body
    if meter.private is None and isinstance(body, CommittedReading):
        return "reading.committed"
    if meter.private is not None and isinstance(body, PlainReading):
        return "reading.open"
    return meter, head, body


class Measured(NamedTuple):
    """Energy of a meter in the interval that closes, and sequence and status of the reading that says so."""

    import_wh: int
    export_wh: int
    sequence: int
    status: int
    charge_wh: int | None = None
    """What a storage said of its charge."""
    generation_w: int | None = None
    """What a source said it could give."""


def settle_registers(
    head: MeterHead, before: Registers, interval: int
) -> tuple[Registers, Measured | None, list[Return]]:
    """Settle the open registers of a head up to `interval`, at its close.

    Returns up to where the meter is settled now, the energy of `interval` (None: the meter said nothing about
    it, and it is a gap now) and what earlier gaps turn out to be.
    """
    settled = before.interval, before.import_wh, before.export_wh
    sequence, gaps, measured = before.sequence, before.gaps, None
    returns: list[Return] = []
    for register in head.open:
        if register.sequence <= before.sequence:
            continue
        if register.interval > interval:
            break
        sequence = register.sequence
        covered, later = _split(gaps, register.interval) if gaps else ((), gaps)
        own = register.interval == interval
        shares = sum(gap.count for gap in covered) + own
        if not shares:
            # The gap was given up as final meanwhile: the energy settles with the next register.
            continue
        gaps = later
        import_wh, export_wh = register.import_wh - settled[1], register.export_wh - settled[2]
        for gap in covered:
            part = _first_shares(import_wh, shares, gap.count), _first_shares(export_wh, shares, gap.count)
            returns.append(Return(gap.interval, gap.count, *part, RETURNED))
            import_wh, export_wh = import_wh - part[0], export_wh - part[1]
            shares -= gap.count
        if own:
            measured = Measured(
                import_wh, export_wh, register.sequence, register.status, register.charge_wh, register.generation_w
            )
        settled = register.interval, register.import_wh, register.export_wh
    if measured is None:
        gaps = _with_gap(gaps, interval)
    return Registers(before.meter, *settled, sequence, gaps), measured, returns


def _first_shares(total_wh: int, shares: int, count: int) -> int:
    """Sum of the first `count` of `shares` even parts; the remainder is with the first ones."""
    share, remainder = divmod(total_wh, shares)
    return share * count + min(count, remainder)


def take_share(waiting: Return) -> tuple[Return, Return | None]:
    """The first interval of `waiting` by itself, and what waits behind it."""
    import_wh = None if waiting.import_wh is None else _first_shares(waiting.import_wh, waiting.count, 1)
    export_wh = None if waiting.export_wh is None else _first_shares(waiting.export_wh, waiting.count, 1)
    first = Return(waiting.interval, 1, import_wh, export_wh, waiting.cause)
    if waiting.count == 1:
        return first, None
    return first, Return(
        waiting.interval + 1,
        waiting.count - 1,
        None if waiting.import_wh is None or import_wh is None else waiting.import_wh - import_wh,
        None if waiting.export_wh is None or export_wh is None else waiting.export_wh - export_wh,
        waiting.cause,
    )


def _split(gaps: tuple[Gap, ...], last: int) -> tuple[tuple[Gap, ...], tuple[Gap, ...]]:
    """The gaps up to and including the interval `last`, and those behind it."""
    covered, later = [], []
    for gap in gaps:
        count = min(max(0, last + 1 - gap.interval), gap.count)
        if count:
            covered.append(Gap(gap.interval, count))
        if count < gap.count:
            later.append(Gap(gap.interval + count, gap.count - count))
    return tuple(covered), tuple(later)


def _with_gap(gaps: tuple[Gap, ...], interval: int) -> tuple[Gap, ...]:
    """The gaps and this interval behind them; the oldest run beyond the maximum is final."""
    if gaps and gaps[-1].interval + gaps[-1].count == interval:
        return (*gaps[:-1], Gap(gaps[-1].interval, gaps[-1].count + 1))
    return (*gaps, Gap(interval, 1))[-MAX_GAPS:]


def _out_of_sequence(head: MeterHead, sequence: int, digest: bytes) -> str:
    """Why a reading is not the next one. The hash of older ones is not kept, so those are plain replays."""
    if sequence > head.sequence:
        return "reading.gap"
    if sequence < head.sequence:
        return "reading.replay"
    return "reading.duplicate" if digest == head.reading_hash else "reading.fork"


def _checked(
    params: PactParams, meter: Meter, head: MeterHead, settled: Registers, body: PlainReading, late: bool
) -> tuple[tuple[OpenRegister, ...], str]:
    """Open registers with this reading among them, and the code of the first rule that it breaks."""
    open_ = head.open
    if open_ and open_[0].sequence <= settled.sequence:
        open_ = tuple(register for register in open_ if register.sequence > settled.sequence)
    if body.previous_hash != head.reading_hash:
        return open_, "reading.fork"
    if body.interval < head.interval:
        return open_, "reading.interval"
    if body.import_wh < head.import_wh or body.export_wh < head.export_wh:
        return open_, "reading.backwards"
    # Registers of this interval's earlier readings are replaced, so the rating is measured from
    # what stays before.
    if open_ and open_[-1].interval == body.interval:
        open_ = open_[:-1]
    if open_:
        last = open_[-1]
        since, imported, exported = last.interval, last.import_wh, last.export_wh
    else:
        since, imported, exported = settled.interval, settled.import_wh, settled.export_wh
    if beyond_rating(params, meter, body.interval - since, body.import_wh - imported, body.export_wh - exported):
        return open_, "reading.rating"
    if body.quality is not None and not _plausible(body.quality):
        return open_, "reading.quality"
    if body.reserve is not None and not _possible(meter, body.reserve):
        return open_, "reading.reserve"
    if late and not any(gap.interval <= body.interval < gap.interval + gap.count for gap in settled.gaps):
        return open_, OK
    said_wh = body.reserve.charge_wh if body.reserve is not None and meter.asset is not None else None
    could_w = body.reserve.generation_w if body.reserve is not None and meter.kind == "source" else None
    said = OpenRegister(body.interval, body.import_wh, body.export_wh, body.sequence, body.status, said_wh, could_w)
    return (*open_, said), OK


def beyond_rating(params: PactParams, meter: Meter, intervals: int, import_wh: int, export_wh: int) -> bool:
    """More than the meter's rating allows between two readings that are so many intervals apart.

    Both may be taken at any moment of their intervals, so both intervals count; one Wh is the rounding of two
    registers. Anything tighter would refuse honest meters for good, since a chain cannot skip a reading.
    """
    most = meter.rating_w * (intervals + 1) * params.interval_ms
    return max(import_wh, export_wh) * WH_MS > most + WH_MS


def _plausible(quality: Quality) -> bool:
    """A wave and a climate that exist. The power factor is negative where energy flows to the site."""
    return (
        quality.voltage_mv >= 0
        and quality.current_ma >= 0
        and 0 <= quality.frequency_mhz <= MAX_FREQUENCY_MHZ
        and -PPM <= quality.power_factor_ppm <= PPM
        and 0 <= quality.thd_ppm <= MAX_THD_PPM
        and MIN_AMBIENT_MC <= quality.ambient_mc <= MAX_AMBIENT_MC
        and 0 <= quality.ambient_humidity_ppm <= PPM
    )


def _possible(meter: Meter, reserve: Reserve) -> bool:
    """No more stored than the registered capacity, and no more coming in than the rating."""
    return reserve.generation_w <= meter.rating_w and (
        meter.capacity_wh is None or reserve.charge_wh <= meter.capacity_wh
    )


def _is_charge_plausible(
    state: State, params: PactParams, meter: Meter, settled: Registers, body: PlainReading
) -> bool:
    """Whether what a storage says of its charge fits its registers."""
    if body.reserve is None:
        return True
    held = state.entry(CHARGES, meter.id)
    if held is None:
        return True
    return is_plausible(params, meter, held, settled, (body.import_wh, body.export_wh), body.reserve.charge_wh)


def _refused(code: str) -> Receipt:
    return Receipt(code, READING_UNITS, ())
