"""Readings: how a meter's hash chain grows, and every reason why a reading is refused.

A meter speaks with its own key, without nonce or expiry; anybody may carry its envelope. (meter, sequence) is
the replay guard, so each reading counts once however often and in whatever order it arrives.

Registers are cumulative and differences settle: what was missed in one interval appears in the next reading.
Several readings of one interval are welcome; the last one settles. A reading for an interval that is already
settled extends the chain (`late`), and its energy settles with the next interval that the meter reports.

`import` is what the meter's owner takes from the site, `export` what it puts into it; on the utility's tie
meter, export is therefore what the site buys.

Refusals that a carrier could provoke with genuine old or early envelopes (gap, replay, duplicate, future,
open-full) cost the meter nothing, so that nobody can spend its budget; those that only its own key can
produce are charged to it.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache

from contracts.bodies import PlainReading, Reading
from contracts.context import BlockContext, current_interval
from contracts.envelope import MeterEnvelope
from contracts.members import MAX_OPEN_REGISTERS, Meter, MeterHead, OpenRegister
from contracts.params import PactParams
from contracts.receipts import OK, ReadingAccepted, Receipt
from contracts.schedule import await_close, close_ms, waits_for_close
from contracts.schema import HEADS, METERS
from contracts.state import State
from zk.codec import encode
from zk.hashing import domain, sha256

READING_UNITS = 1
ADMISSION_WINDOW = 1024
"""Sequences ahead of the head that a mempool holds for one meter."""
WH_MS = 3_600_000
"""Milliseconds in which one watt makes one Wh."""


@lru_cache(maxsize=16)
def _domain(chain_id: str) -> bytes:
    return domain("reading", chain_id)


def reading_hash(chain_id: str, body: Reading) -> bytes:
    """Link of a meter's hash chain: the domain-separated hash of the encoded body, 32 bytes."""
    return sha256(_domain(chain_id) + encode(body))


def apply_reading(state: State, envelope: MeterEnvelope, context: BlockContext) -> Receipt:
    """Extend the meter's chain, or say why not. Writes the meter's head, and at most one more key."""
    raw_id = envelope.meter.encode()
    meter = state.load(METERS, METERS.prefix + raw_id)
    head_key = HEADS.prefix + raw_id
    head = state.load(HEADS, head_key)
    if meter is None or head is None:
        return _refused("meter.unknown")
    if meter.public_key != envelope.public_key:
        return _refused("meter.key")
    body = envelope.body
    if type(body) is not PlainReading:
        return _refused("reading.committed")
    digest = reading_hash(context.chain_id, body)
    if body.sequence != head.sequence + 1:
        return _refused(_out_of_sequence(head, body.sequence, digest))
    params, interval = context.params, body.interval
    if interval * params.interval_ms > context.time_ms:
        return _refused("reading.future")
    now = current_interval(context)
    used = (head.units_used if head.budget_interval == now else 0) + READING_UNITS
    if used > params.units_per_meter:
        return _refused("budget.exceeded")

    late = close_ms(params, interval) <= context.time_ms and not waits_for_close(state, interval)
    open_, code = _checked(params, meter, head, body, late)
    if code == OK and len(open_) > MAX_OPEN_REGISTERS:
        return _refused("reading.open-full")
    if code != OK:
        state.save(head_key, _charged(head, now, used))
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
            head.settled_interval,
            head.settled_import_wh,
            head.settled_export_wh,
            open_,
            now,
            used,
        ),
    )
    state.commit()
    return Receipt(OK, READING_UNITS, (ReadingAccepted(envelope.meter, body.sequence, interval, late),))


def admit_reading(state: State, envelope: MeterEnvelope, context: BlockContext) -> str:
    """Whether a mempool should keep this reading: ok, or the code of the first thing that will not change."""
    raw_id = envelope.meter.encode()
    meter = state.load(METERS, METERS.prefix + raw_id)
    head = state.load(HEADS, HEADS.prefix + raw_id)
    if meter is None or head is None:
        return "meter.unknown"
    if meter.public_key != envelope.public_key:
        return "meter.key"
    body = envelope.body
    if type(body) is not PlainReading:
        return "reading.committed"
    if body.sequence <= head.sequence:
        return _out_of_sequence(head, body.sequence, reading_hash(context.chain_id, body))
    if body.sequence >= head.sequence + ADMISSION_WINDOW:
        return "reading.gap"
    return OK


def settle_register(head: MeterHead, interval: int) -> tuple[MeterHead, int, int] | None:
    """Take `interval` out of the open registers: new head, imported and exported Wh since the settled ones.

    None when the meter said nothing about the interval.
    """
    at = bisect_left(head.open, interval, key=lambda register: register.interval)
    if at == len(head.open) or head.open[at].interval != interval:
        return None
    register = head.open[at]
    settled = MeterHead(
        head.sequence,
        head.reading_hash,
        head.interval,
        head.import_wh,
        head.export_wh,
        interval,
        register.import_wh,
        register.export_wh,
        head.open[at + 1 :],
        head.budget_interval,
        head.units_used,
    )
    return (
        settled,
        register.import_wh - head.settled_import_wh,
        register.export_wh - head.settled_export_wh,
    )


def _out_of_sequence(head: MeterHead, sequence: int, digest: bytes) -> str:
    """Why a reading is not the next one. The hash of older ones is not kept, so those are plain replays."""
    if sequence > head.sequence:
        return "reading.gap"
    if sequence < head.sequence:
        return "reading.replay"
    return "reading.duplicate" if digest == head.reading_hash else "reading.fork"


def _checked(
    params: PactParams, meter: Meter, head: MeterHead, body: PlainReading, late: bool
) -> tuple[tuple[OpenRegister, ...], str]:
    """Open registers with this reading among them, and the code of the first rule that it breaks."""
    open_ = head.open
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
        since, imported, exported = head.settled_interval, head.settled_import_wh, head.settled_export_wh
    # Both readings may be taken at any moment of their intervals, so both intervals count; one Wh
    # is the rounding of two registers. Anything tighter would refuse honest meters for good, since
    # a chain cannot skip a reading.
    most = meter.rating_w * (body.interval - since + 1) * params.interval_ms
    if max(body.import_wh - imported, body.export_wh - exported) * WH_MS > most + WH_MS:
        return open_, "reading.rating"
    if late:
        return open_, OK
    return (*open_, OpenRegister(body.interval, body.import_wh, body.export_wh)), OK


def _charged(head: MeterHead, now: int, used: int) -> MeterHead:
    """The same head with the units of a refused reading."""
    return MeterHead(
        head.sequence,
        head.reading_hash,
        head.interval,
        head.import_wh,
        head.export_wh,
        head.settled_interval,
        head.settled_import_wh,
        head.settled_export_wh,
        head.open,
        now,
        used,
    )


def _refused(code: str) -> Receipt:
    return Receipt(code, READING_UNITS, ())
