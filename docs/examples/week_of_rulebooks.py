"""A week of rulebooks: what the shipped rules of five members do in each interval of a real week.

A day of each member is shipped as its agent recorded it. `week` plays it on each day from Monday to Sunday, one week
without a break, so that limits count by the day. The wind is that of each day: the wind park expects what the real
week of `devnet.profiles` gives. Prices, loads and the sun are those of the recorded day, on every day.
`gridpact rulebook check` does the same with one rulebook and one day; `gridpact agent run --record` records days.

Run it: `python docs/examples/week_of_rulebooks.py`
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pandas as pd

import devnet
from contracts.bodies import FlexibleLoad, Need, Offer
from contracts.params import DAY_MS
from devnet.profiles import load as profiles
from node.rulebook.document import load
from node.rulebook.replay import DAYS, Step, load_day, replay
from node.rulebook.sight import Forecast, MeterSight, Sight

RULEBOOKS = Path(devnet.__file__).parent / "scenarios" / "rulebooks"
MEMBERS = ("biodiesel", "campus", "storage", "tenant", "wind")
"""Names of shipped rulebooks."""
SEASON = "summer"
WEEK = 7
ERROR_PPM = 50_000
"""How far the wind park has found its forecasts to be off."""


def week(rulebooks: Sequence[str] = MEMBERS) -> pd.DataFrame:
    """One row for each interval of each member, in their order.

    Columns: start (UTC), member; fired, names of the rules that did; asked_wh, what it asks for, whatever it costs, up
    to a price or by a deadline; offered_wh; stake_tokens; worst_nano, what that may cost at most; failed, the number of
    rules that could not act; stopped, the code of the limit that held all of it back (NA: none).
    """
    rows = []
    for name in rulebooks:
        book = load(RULEBOOKS / f"{name}.toml")
        for step in replay(book, days(load_day(DAYS / f"{book.member}.jsonl"))):
            rows.append(_row(step))
    return pd.DataFrame(rows)


def days(recorded: Sequence[Sight]) -> list[Sight]:
    """The recorded day on every day of the week, from midnight to midnight."""
    real = profiles(SEASON)
    a_day = len(recorded)
    first = int(pd.Timestamp(real.start_utc).timestamp()) * 1_000 * a_day // DAY_MS
    by_time = {sight.interval % a_day: sight for sight in recorded}
    return [_at(by_time[at % a_day], first + at, real.wind_ppm[at]) for at in range(WEEK * a_day)]


def _at(sight: Sight, interval: int, wind_ppm: int) -> Sight:
    """A sight of another day; the bills that it knows of are as old there as they were."""
    settled = tuple((billed + interval - sight.interval, paid) for billed, paid in sight.settled)
    meters = tuple(_blown(meter, wind_ppm) for meter in sight.meters)
    return msgspec.structs.replace(sight, interval=interval, settled=settled, meters=meters)


def _blown(meter: MeterSight, wind_ppm: int) -> MeterSight:
    if meter.id != "wind-turbines":
        return meter
    mean = meter.give_wh * wind_ppm // 1_000_000
    expected = Forecast(mean, mean * ERROR_PPM // 1_000_000, p10=mean, p50=mean, p90=mean, samples=1)
    return msgspec.structs.replace(meter, expect=expected)


def _row(step: Step) -> dict[str, object]:
    said, decision = step.decision.bodies, step.decision
    loads = sum(one.energy_wh for one in said if isinstance(one, FlexibleLoad))
    return {
        "start": pd.Timestamp(step.sight.interval * step.sight.interval_ms, unit="ms", tz="UTC"),
        "member": step.sight.member,
        "fired": ", ".join(decision.fired),
        "asked_wh": sum(one.energy_wh for one in said if isinstance(one, Need)) + loads,
        "offered_wh": sum(part.energy_wh for one in said if isinstance(one, Offer) for part in one.blocks),
        "stake_tokens": decision.stake_tokens,
        "worst_nano": decision.spend_nano,
        "failed": len(decision.troubles),
        "stopped": pd.NA if decision.stopped is None else decision.stopped.code,
    }


if __name__ == "__main__":
    played = week()
    by_day = played.groupby(["member", played["start"].dt.day_name().rename("day")], sort=False)
    print(by_day[["asked_wh", "offered_wh", "stake_tokens"]].sum().to_string())
    print(played["stopped"].value_counts())
