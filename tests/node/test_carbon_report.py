"""Reports as they are made of records: whatever contradicts itself is no report, and nothing is counted elsewhere."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from contracts.carbon.records import Carried, Certificate, Emitted, IntervalCarbon, Retirement, Retirements
from contracts.params import PactParams
from contracts.records import Schedule
from node.carbon_report import CLOSED, OPEN, Records, make_report

PARAMS = PactParams()
FIRST = 2_000_000
NOW = (FIRST + 10) * PARAMS.interval_ms
BROUGHT = {"operating_ug": 300, "embodied_ug": 50, "pool_ug": 350, "energy_wh": 10}
ONE = IntervalCarbon(FIRST, "ok", **BROUGHT, exported_ug=40, taken_ug=10, attributed_ug=300)
SOURCE = Emitted("m", FIRST, "sun", 10, 30, 5, "certificate", 0)
SAID = Certificate("m", 0, "auditor", "A-1", "all of it", 30, 5, FIRST, FIRST + 9, 1)
NOTHING = Records(Schedule((), ()), {FIRST: ONE}, {}, (SOURCE,), {("m", 0): SAID}, ())
change = msgspec.structs.replace


def made(records: Records, member: str | None = None, until: int = FIRST + 1, time_ms: int = NOW) -> dict[str, Any]:
    return make_report(PARAMS, FIRST, until, member, time_ms, records)


def test_a_site_that_does_not_balance_has_no_report() -> None:
    assert made(NOTHING)["unexplained_ug"] == "0"
    for field in ("attributed_ug", "exported_ug", "taken_ug", "released_ug", "site_ug", "corrected_ug"):
        wrong = change(ONE, **{field: getattr(ONE, field) + 1})
        with pytest.raises(ValueError, match="does not balance"):
            made(NOTHING._replace(intervals={FIRST: wrong}))


def test_meters_bring_in_no_more_than_the_intervals_have() -> None:
    with pytest.raises(ValueError, match="more than the intervals have"):
        made(NOTHING._replace(emitted=(change(SOURCE, energy_wh=11),)))
    assert made(NOTHING._replace(emitted=(change(SOURCE, energy_wh=9),)))["unexplained_ug"] == "35"


def test_a_figure_without_the_certificate_that_it_names_is_none() -> None:
    with pytest.raises(ValueError, match="certificate 0 of m is missing"):
        made(NOTHING._replace(certificates={}))


def test_a_share_belongs_to_its_interval() -> None:
    own = Carried("a", FIRST, 10, 300, 0, 0)
    assert made(NOTHING._replace(carried={FIRST: own}), "a")["totals"] != {}
    with pytest.raises(ValueError, match="no share"):
        made(NOTHING._replace(carried={FIRST: change(own, interval=FIRST + 1)}), "a")


def test_a_period_is_closed_once_it_is_over_and_nothing_of_it_waits() -> None:
    assert made(NOTHING)["status"] == CLOSED
    assert made(NOTHING, until=FIRST + 11)["status"] == OPEN
    assert made(NOTHING._replace(schedule=Schedule((), (FIRST,))))["status"] == OPEN
    assert made(NOTHING._replace(schedule=Schedule((), (FIRST + 1,))))["status"] == CLOSED


def test_what_was_used_up_outside_of_the_period_is_not_in_it() -> None:
    used = tuple(Retirement(FIRST + at, "x", "auditor", f"o-{at}", 7) for at in (-1, 0, 1))
    shown = made(NOTHING._replace(retired=(Retirements("a", 0, used),)), "a")
    assert (shown["retired_offsets_ug"], len(shown["retired"])) == ("7", 1)
