"""What a member's agent sees before the offers of one interval lock: public figures, its own, and what to expect.

A sight is a plain record, so that a day of them can be kept and a rulebook tried on it. `facts` gives every figure the
name by which rules call it; the names are part of the language, and are only ever added to. Knows no network.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from contracts.params import DAY_MS
from contracts.units import MAX_MONEY, Energy, Id, Interval, Meta, Money, Ppm, Price, Tokens
from node.rulebook.expression import LIST

MAX_METERS = 64
"""Of one member that its rulebook acts for; the first by id."""
MAX_AHEAD = 96
_EPOCH_WEEKDAY = 3
"""1970-01-01 was a Thursday; Monday is 0."""
_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000

Signed = Annotated[int, Meta(ge=-MAX_MONEY, le=MAX_MONEY)]
MeterKind = Literal["source", "load", "storage"]


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Common options."""


class Forecast(Seen, frozen=True):
    """What to expect of one figure, and how sure that is. All zero without `samples`."""

    mean: Signed = 0
    spread: Annotated[int, Meta(ge=0, le=MAX_MONEY)] = 0
    """Mean absolute error of such forecasts so far; without any, that of the samples around their mean."""
    p10: Signed = 0
    """A tenth of the like intervals had no more."""
    p50: Signed = 0
    p90: Signed = 0
    samples: Annotated[int, Meta(ge=0, le=366)] = 0


NOTHING = Forecast()


class MeterSight(Seen, frozen=True, kw_only=True):
    """Equipment of the member's own. Energies are of one interval, in Wh."""

    id: Id
    kind: MeterKind
    give_wh: Energy = 0
    """Most that its envelope lets it put into the site."""
    take_wh: Energy = 0
    floor_wh: Energy = 0
    """Critical load."""
    expect: Forecast = NOTHING
    """Of what it takes, of a source what it could give."""
    charge_wh: Energy = 0
    capacity_wh: Energy = 0
    reference_nano_per_wh: Price = 0
    """The price that its registration names."""


class Sight(Seen, frozen=True, kw_only=True):
    """One interval as it looked when there was still time to act."""

    interval: Interval
    interval_ms: Annotated[int, Meta(ge=1_000, le=DAY_MS)]
    member: Id
    mode: Literal["grid", "island"] = "grid"
    import_nano_per_wh: Price = 0
    """The utility's tariff in the interval."""
    export_nano_per_wh: Price = 0
    last_nano_per_wh: Price = 0
    """Price of the interval that was ordered last."""
    cap_nano_per_wh: Price = 0
    floor_nano_per_wh: Price = 0
    price: Forecast = NOTHING
    weather: Forecast = NOTHING
    """What sun and wind give to the site, in Wh."""
    ahead: Annotated[tuple[Price, ...], Meta(max_length=MAX_AHEAD)] = ()
    """Import tariff of the interval and those after it, as far as it is written."""
    meters: Annotated[tuple[MeterSight, ...], Meta(max_length=MAX_METERS)] = ()
    """Ascending by id."""
    balance_nano: Money = 0
    free_tokens: Tokens = 0
    bonded_tokens: Tokens = 0
    index_ppm: Ppm = 0
    settled: Annotated[tuple[tuple[Interval, Money], ...], Meta(max_length=MAX_AHEAD)] = ()
    """Intervals that were billed, with what the member paid in each; below zero, what it received."""

    @property
    def day(self) -> int:
        """Days from 1970-01-01, UTC."""
        return self.interval * self.interval_ms // DAY_MS


class Spent(msgspec.Struct, frozen=True):
    """What counts against the limits of the day."""

    spend_nano: int = 0
    wager_tokens: int = 0


NOTHING_SPENT = Spent()


def facts(sight: Sight, spent: Spent = NOTHING_SPENT) -> dict[str, Any]:
    """The names of the language, each a number, a word or a condition; `ahead` is the only list."""
    start_ms = sight.interval * sight.interval_ms
    loads = [meter for meter in sight.meters if meter.kind == "load"]
    sources = [meter for meter in sight.meters if meter.kind == "source"]
    stores = [meter for meter in sight.meters if meter.kind == "storage"]
    return {
        "interval": sight.interval,
        "time": {
            "hour": start_ms // _HOUR_MS % 24,
            "minute": start_ms // _MINUTE_MS % 60,
            "weekday": (start_ms // DAY_MS + _EPOCH_WEEKDAY) % 7,
            "per_hour": max(1, _HOUR_MS // sight.interval_ms),
        },
        "mode": sight.mode,
        "price": {
            "last": sight.last_nano_per_wh,
            "tariff": sight.import_nano_per_wh,
            "export": sight.export_nano_per_wh,
            "cap": sight.cap_nano_per_wh,
            "floor": sight.floor_nano_per_wh,
            **_forecast(sight.price),
        },
        LIST: list(sight.ahead),
        "weather": _forecast(sight.weather),
        "need": _sum(loads) | {"floor_wh": sum(meter.floor_wh for meter in loads)},
        "supply": _sum(sources) | {"give_wh": sum(meter.give_wh for meter in sources)},
        "battery": {
            "charge_wh": sum(meter.charge_wh for meter in stores),
            "capacity_wh": sum(meter.capacity_wh for meter in stores),
            "room_wh": sum(max(0, meter.capacity_wh - meter.charge_wh) for meter in stores),
            "give_wh": sum(min(meter.give_wh, meter.charge_wh) for meter in stores),
            "take_wh": sum(min(meter.take_wh, max(0, meter.capacity_wh - meter.charge_wh)) for meter in stores),
        },
        "trust": {"free": sight.free_tokens, "bonded": sight.bonded_tokens, "index_ppm": sight.index_ppm},
        "balance_nano": sight.balance_nano,
        "spent": {"nano": spent.spend_nano, "tokens": spent.wager_tokens},
    }


def _forecast(one: Forecast) -> dict[str, int]:
    return {name: getattr(one, name) for name in Forecast.__struct_fields__}


def _sum(meters: list[MeterSight]) -> dict[str, int]:
    """Expectations add up; that their errors do, too, is the careful side. Samples are those of the poorest."""
    parts = [_forecast(meter.expect) for meter in meters]
    if not parts:
        return _forecast(NOTHING)
    return {name: (min if name == "samples" else sum)(part[name] for part in parts) for name in parts[0]}
