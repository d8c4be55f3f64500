"""From a case to a solution that every node accepts: solve, round, weigh, fill as all fill, check as all check.

Where whole Wh break what real numbers kept, the program is tightened by what was missing and solved again: a carbon
cap by the overshoot, a need of reserve by the shortage. A line that rounding pushes over its limit is declared at it.
Only what `contracts.program.check` lets pass is returned.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from msgspec.structs import replace

from contracts.program.case import WEIGHT_ONE, Case, LineFlow, Multiplier, Solution
from contracts.program.certificate import MAX_WEIGHED
from contracts.program.check import Ready, check, ready
from contracts.program.fill import emissions_ug, fill
from contracts.program.points import schedule as real_schedule
from contracts.program.rows import Program
from contracts.program.verdict import Refusal, Schedule, Verdict
from contracts.program.zones import zones
from contracts.units import MAX_MONEY
from node.dispatch.documents import refused
from node.errors import NodeError
from node.solver import linear, merit, weights
from node.solver.flows import whole_flows
from node.solver.linear import Optimum
from node.solver.nudging import nudged
from node.solver.rounding import chosen

MAX_SOLVES = 10
MAX_FILLS = 64
"""Of one optimum, while lines are declared at their limits."""
AT_LIMIT, NEAR_LIMIT = 0.5, 3.0
"""Wh from its limit within which a line is declared at it: always, and once it or another has passed it."""
MAX_ROOM_QUARTERS = 3
"""Of what loops may be off by: the last quarter is the optimum's."""
LINE_LIMIT, LOOP = "dispatch.line-limit", "dispatch.loop"
SHORTAGE, SURPLUS = BALANCES = "dispatch.shortage", "dispatch.surplus"


class Built(NamedTuple):
    """A solution with everybody's verdict on it, and what it took."""

    solution: Solution
    verdict: Verdict
    solve_s: float
    """Processor time of the solver."""
    repair_s: float
    """Processor time of everything else: writing the program, rounding, weighing, filling, checking."""


def build(case: Case, seconds: float) -> Built:
    """The best solution found in about `seconds`, certified or not.

    Raises NodeError: the code of the refusal if the document is no case, what `linear.solve` raises, and
    `solver.repair` if no optimum could be made of whole Wh.
    """
    start, started_s = time.perf_counter(), time.process_time()
    known = ready(case)
    if isinstance(known, Refusal):
        raise refused(known)
    return _Builder(known, seconds, start, started_s).build()


class _Tried(NamedTuple):
    """An optimum in whole Wh."""

    solution: Solution
    refusal: Refusal | None
    short_wh: Mapping[int, int]
    """Reserve that is missing, by interval."""
    over_ug: int
    """Emission above the cap."""


class _Builder:
    """One case while it is solved."""

    def __init__(self, known: Ready, seconds: float, start: float, started_s: float) -> None:
        self.known = known
        self.case = known.program.case
        self.program = known.program
        self.locked = known.locked
        self.seconds = seconds
        self.start = start
        self.started_s = started_s
        self.solve_s = 0.0
        self.tightened: dict[int, tuple[int, int]] = {}
        """Rows that have other ends than their own."""
        self.room_quarters = 0
        """Of what loops may be off by, left to rounding."""

    def build(self) -> Built:
        if merit.is_enough(self.program):
            built = self._in_merit_order()
            if built is not None:
                return built
        optimum = self._solve()
        multipliers = certificate(self.program, optimum)
        for attempt in range(MAX_SOLVES):
            tried = self._whole(optimum)
            if tried.refusal is None:
                solution = replace(tried.solution, multipliers=multipliers)
                verdict = check(self.known, solution)
                if isinstance(verdict, Verdict):
                    return self._built(solution, verdict)
                tried = tried._replace(refusal=verdict)
            if not self._tighten(tried, attempt):
                break
            try:
                optimum = self._solve()
            except NodeError as error:
                if error.code != "solver.infeasible":
                    raise
                # Of the tightened program, and not of the case.
                break
        refusal = tried.refusal
        assert refusal is not None, "what passes is returned"
        raise NodeError(
            "solver.repair",
            f"No optimum could be made of whole Wh: {refusal.where}: {refusal.message}",
            "Larger energies, a looser limit there, or the fallback may help.",
        )

    def _in_merit_order(self) -> Built | None:
        """Without a solver; None: not even all rules together make a dispatch of it."""
        solution = merit.nothing_chosen(self.case)
        schedule = fill(self.locked, solution)
        if isinstance(schedule, Refusal):
            return None
        solution = replace(solution, multipliers=merit.margins(self.program, schedule))
        verdict = check(self.known, solution)
        return self._built(solution, verdict) if isinstance(verdict, Verdict) else None

    def _built(self, solution: Solution, verdict: Verdict) -> Built:
        taken_s = time.process_time() - self.started_s
        return Built(solution, verdict, self.solve_s, taken_s - self.solve_s)

    def _solve(self) -> Optimum:
        left = self.seconds - (time.perf_counter() - self.start)
        if left <= 0:
            raise linear.out_of_time(self.seconds)
        optimum = linear.solve(self.program, left, self.tightened)
        self.solve_s += optimum.seconds
        return optimum

    def _tighten(self, tried: _Tried, attempt: int) -> bool:
        """Ask for more where whole Wh fell short, each time by twice as much. False: nothing of that kind is wrong."""
        for interval, missing_wh in tried.short_wh.items():
            number = self.program.rows["spinning"][interval]
            low, high = self._ends(number)
            self.tightened[number] = low + missing_wh * 2**attempt, high
        if tried.over_ug:
            number = self.program.rows["carbon"].start
            low, high = self._ends(number)
            self.tightened[number] = low, high - tried.over_ug * 2**attempt
        return self._leave_room_around_loops(tried) or bool(tried.short_wh) or tried.over_ug > 0

    def _leave_room_around_loops(self, tried: _Tried) -> bool:
        """A quarter more of what loops may be off by, for rounding their flows, where that was not enough."""
        if tried.refusal is None or tried.refusal.code != LOOP or self.room_quarters == MAX_ROOM_QUARTERS:
            return False
        self.room_quarters += 1
        for number in self.program.rows["loop"]:
            room = self.program.row_hi[number] * self.room_quarters // 4
            self.tightened[number] = self.program.row_lo[number] + room, self.program.row_hi[number] - room
        return True

    def _ends(self, number: int) -> tuple[int, int]:
        return self.tightened.get(number, (self.program.row_lo[number], self.program.row_hi[number]))

    def _whole(self, optimum: Optimum) -> _Tried:
        """What a builder chooses at an optimum, filled; without multipliers."""
        whole = chosen(self.program, optimum.point)
        kappa = weights.weight(self.program, optimum)
        solution = Solution(
            round_id=self.case.round_id,
            charge_wh=_rows(whole.charge_wh),
            discharge_wh=_rows(whole.discharge_wh),
            load_wh=_rows(whole.load_wh),
            total_wh=_rows(whole.total_wh),
            reserve_wh=_rows(whole.reserve_wh),
            kappa_num=kappa.numerator,
            kappa_den=kappa.denominator,
        )
        solution, schedule = self._within_lines(solution, optimum)
        if isinstance(schedule, Refusal):
            return _Tried(solution, schedule, whole.short_wh, 0)
        cap_ug = self.case.carbon_cap_ug
        if cap_ug is not None:
            over_ug = emissions_ug(self.case, schedule) - cap_ug
            if over_ug > 0:
                refusal = Refusal("dispatch.carbon", "carbon cap", f"It is passed by {over_ug} ug.")
                return _Tried(solution, refusal, whole.short_wh, over_ug)
            if kappa:
                solution = replace(solution, theta=self._share(solution, cap_ug))
        return _Tried(solution, None, whole.short_wh, 0)

    def _share(self, solution: Solution, cap_ug: int) -> int:
        """The share of the dirty-first order that just meets the cap."""

        def emitted(theta: int) -> int:
            schedule = fill(self.locked, replace(solution, theta=theta))
            # What other lines would not carry is no dispatch at all, and worse than any emission.
            return cap_ug + MAX_MONEY if isinstance(schedule, Refusal) else emissions_ug(self.case, schedule)

        return weights.share(emitted, cap_ug, self.program.largest[self.program.rows["carbon"].start])

    def _within_lines(self, solution: Solution, optimum: Optimum) -> tuple[Solution, Schedule | Refusal]:
        """Lines that are at their limits declared so, until all others stay within theirs and all zones balance."""
        case = self.case
        first = self.program.variables["flow"].start
        width = len(case.lines)
        names = {
            f"line {line.id} in interval {t}": (t, number)
            for number, line in enumerate(case.lines)
            for t in range(case.intervals)
        }
        flow_wh = {(t, i): float(optimum.point[first + t * width + i]) for t, i in names.values()}
        room_wh = {(t, i): case.lines[i].limit_wh[t] - abs(wh) for (t, i), wh in flow_wh.items()}
        limited = {at for at, room in room_wh.items() if room <= AT_LIMIT}
        drift_wh = self._drift_wh(solution, optimum) if case.lines else []
        for _ in range(MAX_FILLS):
            solution = replace(solution, flows=self._declared(flow_wh, limited, drift_wh))
            schedule = fill(self.locked, solution)
            if isinstance(schedule, Refusal) and schedule.code in BALANCES:
                moved = self._balanced(solution, schedule)
                if moved is None:
                    break
                solution = moved
            elif isinstance(schedule, Refusal) and schedule.code == LINE_LIMIT and names[schedule.where] not in limited:
                passed = names[schedule.where]
                limited |= {passed} | {at for at, room in room_wh.items() if at[0] == passed[0] and room <= NEAR_LIMIT}
            else:
                break
        return solution, schedule

    def _balanced(self, solution: Solution, refusal: Refusal) -> Solution | None:
        """One Wh more or less in the zone that does not balance; None: nobody in it can give way."""
        net = self.locked.net
        where = {
            f"balance of place {place} in interval {t}": (number, t)
            for number, place in enumerate(net.places)
            for t in range(self.case.intervals)
        }
        place, interval = where[refusal.where]
        removed = {flow.line: flow.flow_wh for flow in solution.flows if flow.interval == interval}
        zone_of = zones(net, removed)
        inside = {name for name, zone in zip(net.places, zone_of, strict=True) if zone == zone_of[place]}
        return nudged(self.case, solution, inside, interval, refusal.code == SHORTAGE)

    def _declared(
        self,
        flow_wh: Mapping[tuple[int, int], float],
        limited: Collection[tuple[int, int]],
        drift_wh: Sequence[Mapping[int, float]],
    ) -> tuple[LineFlow, ...]:
        """Flows of the lines at their limits, and of all that share loops with them."""
        net = self.locked.net
        found: list[LineFlow] = []
        for t in sorted({t for t, _ in limited}):
            at_limit = [number for at, number in sorted(limited) if at == t]
            meshed = (net.meshes[net.mesh_of[number]].lines for number in at_limit if net.mesh_of[number] >= 0)
            removed = dict.fromkeys(sorted({*at_limit, *chain.from_iterable(meshed)}), 0)
            zone_of = zones(net, removed)
            drift: dict[int, float] = {}
            for place, wh in drift_wh[t].items():
                drift[zone_of[place]] = drift.get(zone_of[place], 0.0) + wh
            whole = whole_flows(
                {number: flow_wh[t, number] for number in removed},
                {number: (zone_of[net.ends[number][0]], zone_of[net.ends[number][1]]) for number in removed},
                {number: self.case.lines[number].limit_wh[t] for number in removed},
                at_limit,
                drift,
            )
            found += [LineFlow(number, t, wh) for number, wh in whole.items()]
        return tuple(sorted(found, key=lambda flow: (flow.line, flow.interval)))

    def _drift_wh(self, solution: Solution, optimum: Optimum) -> list[dict[int, float]]:
        """By interval: what each place puts in more than in the optimum since what a builder chooses was rounded."""
        case, place_of = self.case, self.locked.place_of
        real = real_schedule(self.program, optimum.point.tolist())
        ramped = [number for number, source in enumerate(case.sources) if source.ramp_wh is not None]
        moved = (
            ([case.sources[i].place for i in ramped], 1, solution.total_wh, [real.source_wh[i] for i in ramped]),
            ([store.place for store in case.storages], 1, solution.discharge_wh, real.discharge_wh),
            ([store.place for store in case.storages], -1, solution.charge_wh, real.charge_wh),
            ([load.place for load in case.loads], -1, solution.load_wh, real.load_wh),
        )
        drift: list[dict[int, float]] = [{} for _ in range(case.intervals)]
        for places, sign, whole, before in moved:
            for place, row, real_row in zip(places, whole, before, strict=True):
                for t, (one, other) in enumerate(zip(row, real_row, strict=True)):
                    drift[t][place_of[place]] = drift[t].get(place_of[place], 0.0) + sign * (one - other)
        return drift


def certificate(program: Program, optimum: Optimum) -> tuple[Multiplier, ...]:
    """Multipliers of all rows in 2^-32 nano per unit, as large as anybody takes them; zeros are left out."""
    weighed = (round(float(value) * WEIGHT_ONE) for value in optimum.multipliers)
    most = ((MAX_WEIGHED - 1) // max(1, largest) for largest in program.largest)
    kept = (max(-limit, min(limit, value)) for value, limit in zip(weighed, most, strict=True))
    return tuple(Multiplier(number, value) for number, value in enumerate(kept) if value)


def _rows(paths: list[list[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(map(tuple, paths))
