"""Parts of solutions that make one."""

from __future__ import annotations

import msgspec

from contracts.program.case import Block, Case, Demand, LineFlow, Multiplier, Solution, Source, Storage
from contracts.program.compose import MAX_PARTS, compose
from contracts.program.fallback import fallback
from contracts.program.verdict import Refusal
from tests.contracts.dispatch_cases import ROUND


def case() -> Case:
    blocks = ((Block(10, 50), Block(90, 50)),) * 2
    store = Storage("a", "a", 40, 10, (9, 9), (9, 9))
    return Case(
        "parts",
        2,
        2,
        ROUND,
        (Source("slow", "s", blocks, ramp_wh=5), Source("quick", "q", blocks)),
        (store, msgspec.structs.replace(store, id="b")),
        demands=(Demand("t", (60, 60)),),
        reference_nano_per_wh=(100, 100),
    )


def refused(*parts: Solution, base: Solution | None = None) -> str:
    refusal = compose(case(), parts, base)
    assert isinstance(refusal, Refusal)
    return refusal.code


def test_each_part_says_what_is_its_own_and_the_fallback_the_rest() -> None:
    first = Solution(ROUND, ((5, 0), ()), ((0, 5), ()), multipliers=(Multiplier(3, 7), Multiplier(5, 1)))
    second = Solution(ROUND, total_wh=((20, 25),), multipliers=(Multiplier(0, 2), Multiplier(3, 9)))
    whole = compose(case(), (first, second))
    expected = fallback(case())
    assert isinstance(whole, Solution) and isinstance(expected, Solution)
    assert whole.charge_wh == ((5, 0), (0, 0))
    assert whole.discharge_wh == ((0, 5), (0, 0))
    assert whole.total_wh == ((20, 25),)
    assert whole.multipliers == (Multiplier(0, 2), Multiplier(3, 7), Multiplier(5, 1)), "ascending, the first counts"
    assert compose(case(), ()) == expected
    assert compose(case(), (first, Solution(ROUND)), base=whole) == whole


def test_what_is_no_case_is_refused_before_anything_is_made_for_it() -> None:
    good = case()
    short = msgspec.structs.replace(good.demands[0], energy_wh=(60,))
    for wrong, code in (
        (msgspec.structs.replace(good, demands=(short,)), "dispatch.length"),
        (msgspec.structs.replace(good, intervals=3), "dispatch.length"),
        (msgspec.structs.replace(good, storages=(good.storages[0], good.storages[0])), "dispatch.duplicate"),
    ):
        refusal = compose(wrong, ())
        assert isinstance(refusal, Refusal) and refusal.code == code


def test_a_whole_solution_is_a_part() -> None:
    solution = fallback(case())
    assert isinstance(solution, Solution)
    assert compose(case(), (solution, solution)) == solution


def test_parts_that_contradict_each_other_are_refused() -> None:
    mine = Solution(ROUND, ((5, 0), ()), ((0, 5), ()))
    assert refused(mine, msgspec.structs.replace(mine, charge_wh=((6, 0), ()))) == "dispatch.parts"
    heavy = Solution(ROUND, kappa_num=1)
    assert refused(heavy, msgspec.structs.replace(heavy, theta=5)) == "dispatch.parts"
    assert refused(Solution(ROUND, theta=4), Solution(ROUND, theta=5)) == "dispatch.parts"
    along = Solution(ROUND, flows=(LineFlow(0, 1, 5),))
    assert refused(along, Solution(ROUND, flows=(LineFlow(0, 1, 6),))) == "dispatch.parts"


def test_a_part_of_no_shape_or_another_round_is_refused() -> None:
    assert refused(Solution("11" * 32)) == "dispatch.round"
    assert refused(base=Solution("11" * 32)) == "dispatch.round"
    assert refused(Solution(ROUND, charge_wh=((5, 0),))) == "dispatch.shape"
    assert refused(Solution(ROUND, charge_wh=((5,), ()))) == "dispatch.shape"
    assert refused(base=Solution(ROUND)) == "dispatch.shape"
    assert refused(*[Solution(ROUND)] * (MAX_PARTS + 1)) == "dispatch.size"


def test_flows_of_an_interval_are_those_of_its_parts() -> None:
    base = fallback(case())
    assert isinstance(base, Solution)
    base = msgspec.structs.replace(base, flows=(LineFlow(0, 0, 1), LineFlow(1, 0, 2), LineFlow(0, 1, 3)))
    parts = (Solution(ROUND, flows=(LineFlow(1, 0, 5),)), Solution(ROUND, flows=(LineFlow(2, 0, 6),)))
    whole = compose(case(), parts, base)
    assert isinstance(whole, Solution)
    assert whole.flows == (LineFlow(1, 0, 5), LineFlow(2, 0, 6), LineFlow(0, 1, 3))
