"""What every node answers where a case can not be kept: as little as possible is given up, and it is on record."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from contracts import relaxing
from contracts.program.case import Block, Case, Connection, Demand, Line, Reserve, Source, Transfer
from contracts.program.fallback import fallback
from contracts.program.stack import Locked
from contracts.program.verdict import Refusal
from contracts.relaxing import RELAXATIONS, answer

CASE = Case(
    "two places",
    1,
    1,
    "1f" * 32,
    sources=(
        Source("m-sun", "sun", ((Block(10_000, 9_000),),), "south", 5, 20_000, 9_000, 4_000, Reserve(10, (3_000,))),
    ),
    connections=(Connection("grid", "u", (30_000,), (0,), (90_000,), (0,), (900,), "north"),),
    demands=(Demand("campus", (8_000,), place="south"),),
    lines=(Line("tie", "north", "south", (5_000,)),),
    reserve_wh=(2_000,),
    carbon_cap_ug=10**9,
    line_loss_ppm=10_000,
    transfers=(Transfer("campus", "south", 6_000, 0), Transfer("sun", "south", 0, 6_000)),
)
"""Feasible as it is."""
KEEPS: dict[str, Callable[[Case], bool]] = {
    "reserve": lambda case: case.reserve_wh != (),
    "carbon": lambda case: case.carbon_cap_ug is not None,
    "ramp": lambda case: case.sources[0].ramp_wh is not None,
    "losses": lambda case: case.line_loss_ppm > 0,
    "lines": lambda case: case.demands[0].energy_wh == (8_000,),
}
"""Whether a case still has what may be given up."""


def refusing(monkeypatch: pytest.MonkeyPatch, *what: str) -> None:
    """A fallback that finds nothing as long as any of these is kept."""

    def found(locked: Locked) -> object:
        if any(KEEPS[name](locked.case) for name in what):
            return Refusal("dispatch.line-limit", "somewhere", "It would carry too much.")
        return fallback(locked)

    monkeypatch.setattr(relaxing, "fallback", found)


def test_what_can_be_kept_is_kept() -> None:
    found = answer(CASE)
    assert found is not None and found.relaxed == () and found.case == CASE
    assert KEEPS.keys() == {name for name, _ in RELAXATIONS}


@pytest.mark.parametrize("number", range(1, 32))
def test_nothing_is_given_up_in_vain(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Whatever it is that stands in the way, that goes and nothing else."""
    what = tuple(name for bit, name in enumerate(KEEPS) if number >> bit & 1)
    refusing(monkeypatch, *what)
    found = answer(CASE)
    assert found is not None and found.relaxed == what
    assert {name for name, keeps in KEEPS.items() if not keeps(found.case)} == set(what)


def test_nobody_is_cut_to_its_envelope_for_a_reserve_that_is_not_there() -> None:
    """A reserve that nobody has: it goes, and the campus is served all that it wants."""
    found = answer(msgspec.structs.replace(CASE, reserve_wh=(10**6,)))
    assert found is not None and found.relaxed == ("reserve",)
    assert found.verdict.schedule.served_wh[0][0] == 8_000


def test_what_is_no_case_has_no_answer_whatever_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(msgspec.structs.replace(CASE, binding=2)) is None
    monkeypatch.setattr(relaxing, "fallback", lambda locked: Refusal("dispatch.shortage", "here", "Too little."))
    assert answer(CASE) is None


def test_who_is_behind_a_cut_line_takes_nobodys_dispatch_away() -> None:
    """Losses of what is wanted there can neither be delivered nor shed: they go, and all others are served."""
    lab = Demand("lab", (3_000,), place="east")
    cut = msgspec.structs.replace(
        CASE, demands=(*CASE.demands, lab), lines=(*CASE.lines, Line("cut", "north", "east", (0,)))
    )
    found = answer(cut)
    assert found is not None and found.relaxed == ("losses",)
    assert [row[0] for row in found.verdict.schedule.served_wh] == [8_000, 0]
