"""What no order may make of a controllable asset: power both ways, ramp, times of day, critical load, safe state.

The ledger keeps to envelopes twice: offers beyond one are refused, and whatever is dispatched all the same (an offer
that stood before its asset's key was revoked) is cut to it. An interval whose offers have locked keeps the terms that
it locked with, so that no builder loses a wager to a vote. The agent at the device keeps to the newest terms once more
by itself (`node.agents.device`), whoever signed an order. Who sets them is in `contracts.governance.envelopes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from contracts.flexible.records import FlexibleOffers, StorageEntry
from contracts.governance.rules import rules
from contracts.members import AssetEnvelope, Enveloped, EnvelopedList, Meter, Terms
from contracts.params import DAY_MS
from contracts.records import OfferEntry
from contracts.schema import ENVELOPED_LIST, ENVELOPED_LISTS, ENVELOPES, METERS
from contracts.state import State
from contracts.units import WH_MS, energy_wh
from zk.codec import encode

MINUTE_MS = 60_000
GIVING_KINDS = ("source", "storage")
TAKING_KINDS = ("load", "storage")


class Limits(NamedTuple):
    """What an asset may do in one interval, in whole Wh."""

    give_wh: int
    """Most that it may put into the site."""
    take_wh: int
    ramp_wh: int | None
    """Most by which it may differ from the interval before; None: by any."""
    floor_wh: int
    """Of what a load needs, the part that no order takes away."""
    code: str = ""
    """Why it is in its safe state, which `give_wh` and `take_wh` then are; empty: it is not."""


NOTHING = Limits(0, 0, 0, 0)


def limits(state: State, meter: str, interval: int) -> Limits:
    """What the asset behind `meter` may do in `interval` as far as the ledger goes; nothing for an unknown meter."""
    registered = state.load(METERS, METERS.key(meter))
    if registered is None:
        return NOTHING
    asset = state.load(ENVELOPES, ENVELOPES.key(meter))
    return at(
        rules(state).params.interval_ms, registered, None if asset is None else in_force(asset, interval), interval
    )


def refusal(state: State, meter: str, interval: int, *, give_wh: int = 0, take_wh: int = 0) -> str | None:
    """Why nobody may offer so much from the asset behind `meter` in `interval`: `envelope.*`; None: it is within."""
    allowed = limits(state, meter, interval)
    if give_wh <= allowed.give_wh and take_wh <= allowed.take_wh:
        return None
    return allowed.code or "envelope.power"


def in_force(asset: Enveloped, interval: int) -> Terms | None:
    """The terms by which an interval is dispatched; None: those of the meter's registration."""
    return next((terms for terms in reversed(asset.terms) if terms.since <= interval), None)


def at(interval_ms: int, meter: Meter, terms: Terms | None, interval: int) -> Limits:
    """What these terms let the asset behind `meter` do in `interval`."""
    rating_wh = energy_wh(meter.rating_w, interval_ms)
    rated_give_wh = rating_wh if meter.kind in GIVING_KINDS else 0
    rated_take_wh = rating_wh if meter.kind in TAKING_KINDS else 0
    if terms is None:
        return Limits(rated_give_wh, rated_take_wh, None, 0)
    envelope = terms.envelope
    if envelope is None:
        return NOTHING._replace(code="envelope.revoked") if terms.revoked else at(interval_ms, meter, None, interval)
    floor_wh = -(-envelope.floor_w * interval_ms // WH_MS)
    if terms.revoked or not is_open(envelope, interval_ms, interval):
        return Limits(
            min(energy_wh(envelope.safe_give_w, interval_ms), rated_give_wh),
            min(energy_wh(envelope.safe_take_w, interval_ms), rated_take_wh),
            None,
            floor_wh,
            "envelope.revoked" if terms.revoked else "envelope.time",
        )
    return Limits(
        min(energy_wh(envelope.give_w, interval_ms), rated_give_wh),
        min(energy_wh(envelope.take_w, interval_ms), rated_take_wh),
        None if envelope.ramp_w is None else energy_wh(envelope.ramp_w, interval_ms),
        floor_wh,
    )


def is_open(envelope: AssetEnvelope, interval_ms: int, interval: int) -> bool:
    """Whether orders may move the asset during the whole of an interval."""
    if not envelope.spans:
        return True
    now_ms = interval * interval_ms
    end_ms = now_ms + interval_ms
    while now_ms < end_ms:
        day_ms, of_day_ms = now_ms - now_ms % DAY_MS, now_ms % DAY_MS
        for span in envelope.spans:
            if span.from_minute * MINUTE_MS <= of_day_ms < span.until_minute * MINUTE_MS:
                now_ms = day_ms + span.until_minute * MINUTE_MS
                break
        else:
            return False
    return True


def fits(envelope: AssetEnvelope, meter: Meter) -> bool:
    """Whether an envelope makes sense for a meter: within its rating, its safe state within itself, and critical load
    within that."""
    spans = envelope.spans
    return (
        meter.kind in {*GIVING_KINDS, *TAKING_KINDS}
        and envelope.give_w <= (meter.rating_w if meter.kind in GIVING_KINDS else 0)
        and envelope.take_w <= (meter.rating_w if meter.kind in TAKING_KINDS else 0)
        and envelope.safe_give_w <= envelope.give_w
        and envelope.safe_take_w <= envelope.take_w
        and not (envelope.safe_give_w and envelope.safe_take_w)
        and envelope.floor_w <= envelope.safe_take_w
        and all(span.from_minute < span.until_minute for span in spans)
        and all(before.until_minute <= after.from_minute for before, after in pairwise(spans))
    )


def clamp(state: State, interval: int, offers: Sequence[OfferEntry]) -> list[OfferEntry]:
    """Offers as far as envelopes let them be ordered: the dearest energy goes first, and an empty offer altogether."""
    known = enveloped(state)
    if not known:
        return list(offers)
    cut = (_cut(state, interval, offer) if offer.meter in known else offer for offer in offers)
    return [offer for offer in cut if offer.blocks]


def clamp_flexible(state: State, interval: int, offers: FlexibleOffers) -> FlexibleOffers:
    """The same of storages and reserves; what a storage holds back is part of what it gives."""
    known = enveloped(state)
    if not known:
        return offers
    storages = (_cut_storage(state, interval, one) if one.meter in known else one for one in offers.storages)
    reserves = (
        msgspec.structs.replace(one, reserve_wh=min(one.reserve_wh, limits(state, one.meter, interval).give_wh))
        if one.meter in known
        else one
        for one in offers.reserves
    )
    return FlexibleOffers(tuple(storages), tuple(reserves))


def _cut_storage(state: State, interval: int, offer: StorageEntry) -> StorageEntry:
    allowed = limits(state, offer.meter, interval)
    discharge_wh = min(offer.discharge_wh, allowed.give_wh)
    return msgspec.structs.replace(
        offer,
        charge_wh=min(offer.charge_wh, allowed.take_wh),
        discharge_wh=discharge_wh,
        reserve_wh=min(offer.reserve_wh, discharge_wh),
    )


def enveloped(state: State) -> frozenset[str]:
    """Meters that have an envelope of their own."""
    known = state.load(ENVELOPED_LISTS, ENVELOPED_LIST)
    return frozenset() if known is None else frozenset(known.meters)


def _cut(state: State, interval: int, offer: OfferEntry) -> OfferEntry:
    left_wh = limits(state, offer.meter, interval).give_wh
    kept = []
    for block in offer.blocks:
        energy_wh = min(block.energy_wh, left_wh)
        left_wh -= energy_wh
        if energy_wh:
            kept.append(block if energy_wh == block.energy_wh else msgspec.structs.replace(block, energy_wh=energy_wh))
    return msgspec.structs.replace(offer, blocks=tuple(kept))


def newest(state: State, meter: str) -> AssetEnvelope | None:
    """The envelope that an asset has by its newest terms, its safe state where it was revoked; None: it has none."""
    asset = state.load(ENVELOPES, ENVELOPES.key(meter))
    if asset is None:
        return None
    terms = asset.terms[-1]
    envelope = terms.envelope or AssetEnvelope(meter, 0, 0)
    if not terms.revoked:
        return envelope
    return msgspec.structs.replace(
        envelope,
        give_w=envelope.safe_give_w,
        take_w=envelope.safe_take_w,
        floor_w=min(envelope.floor_w, envelope.safe_take_w),
        ramp_w=None,
        spans=(),
    )


def opening_records(envelopes: Sequence[AssetEnvelope]) -> dict[bytes, bytes]:
    """The assets of genesis, encoded; `envelopes` ascend by meter."""
    records = {
        ENVELOPES.key(one.meter): encode(Enveloped(one.meter, (Terms(0, one, revoked=False, height=0),)))
        for one in envelopes
    }
    return records | (
        {ENVELOPED_LIST: encode(EnvelopedList(tuple(one.meter for one in envelopes)))} if envelopes else {}
    )
