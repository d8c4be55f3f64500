"""What members said they need and offer in an interval: how the market's buckets are read.

Needs lie in the bucket of their member, offers in that of their meter; the masks of the interval's record say which
buckets there are. All is as it was said: what of it counts is in `contracts.standing`.

Reads state and writes nothing: that is `contracts.market`.
"""

from __future__ import annotations

from contracts.params import PactParams
from contracts.records import IntervalRecord, NeedBucket, NeedEntry, OfferEntry, TariffRecord
from contracts.rolls import BUCKETS, bucket
from contracts.schema import NEEDS, OFFERS, TARIFFS
from contracts.state import State


def needs(state: State, record: IntervalRecord) -> list[NeedEntry]:
    """All needs of an interval, bucket by bucket."""
    there = (number for number in range(BUCKETS) if record.need_buckets >> number & 1)
    held = (state.load(NEEDS, NEEDS.key(record.interval, number)) for number in there)
    return [entry for one in held if one is not None for entry in one.entries]


def offers(state: State, record: IntervalRecord) -> list[OfferEntry]:
    """All offers of blocks of an interval, bucket by bucket."""
    there = (number for number in range(BUCKETS) if record.offer_buckets >> number & 1)
    held = (state.load(OFFERS, OFFERS.key(record.interval, number)) for number in there)
    return [entry for one in held if one is not None for entry in one.entries]


def needs_of(state: State, interval: int, member: str) -> list[NeedEntry]:
    """What one member needs in an interval."""
    held = state.load(NEEDS, NEEDS.key(interval, bucket(member))) or NeedBucket(())
    return [entry for entry in held.entries if entry.member == member]


def offer_of(state: State, record: IntervalRecord, meter: str) -> OfferEntry | None:
    """The offer of blocks that stands for one meter in an interval."""
    number = bucket(meter)
    if not record.offer_buckets >> number & 1:
        return None
    held = state.load(OFFERS, OFFERS.key(record.interval, number))
    return None if held is None else next((entry for entry in held.entries if entry.meter == meter), None)


def tariff(state: State, params: PactParams, interval: int) -> TariffRecord:
    """What the utility asks and gives: as it wrote, or the terms in force."""
    return state.load(TARIFFS, TARIFFS.key(interval)) or TariffRecord(
        params.import_nano_per_wh,
        params.export_nano_per_wh,
        params.import_limit_wh,
        params.export_limit_wh,
        params.import_factor_ug_per_wh,
    )
