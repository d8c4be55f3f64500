"""The optimum of a dispatch case by scipy, from a model that shares nothing with `contracts.program.rows`.

In real numbers and in another shape: what is served is a variable and not what is shed, charge states are sums and have
no variable, and lines follow from angles of places and not from loops. Costs are those of the case: what is bought,
what serving is worth less where it fails, penalties, wear, reserve, less what is left in storage.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

from scipy.optimize import linprog
from scipy.sparse import csr_matrix

from contracts.program.case import Case, Storage

Terms = dict[int, float]


class Answer(NamedTuple):
    """What scipy found; `cost_nano` None where there is no dispatch."""

    cost_nano: float | None
    status: int


class _Model:
    """A linear program by words."""

    def __init__(self) -> None:
        self.boxes: list[tuple[float | None, float | None]] = []
        self.cost: list[float] = []
        self.constant = 0.0
        self.less: list[tuple[Terms, float]] = []
        self.equal: list[tuple[Terms, float]] = []

    def variable(self, cost: float, most: float | None, least: float | None = 0.0) -> int:
        self.boxes.append((least, most))
        self.cost.append(cost)
        return len(self.cost) - 1

    def solve(self) -> Answer:
        found = linprog(
            self.cost,
            *_matrix(self.less, len(self.cost)),
            *_matrix(self.equal, len(self.cost)),
            bounds=self.boxes,
            method="highs",
        )
        return Answer(None if found.fun is None else float(found.fun) + self.constant, int(found.status))


def _matrix(rows: list[tuple[Terms, float]], width: int) -> tuple[Any, Any]:
    if not rows:
        return None, None
    entries = [(i, j, a) for i, (terms, _) in enumerate(rows) for j, a in terms.items()]
    matrix = csr_matrix(
        ([a for _, _, a in entries], ([i for i, _, _ in entries], [j for _, j, _ in entries])), (len(rows), width)
    )
    return matrix, [right for _, right in rows]


def optimum(case: Case) -> Answer:
    """The least cost of the case."""
    model = _Model()
    times = range(case.intervals)
    supply: dict[tuple[str, int], Terms] = defaultdict(lambda: defaultdict(float))
    needed: dict[tuple[str, int], float] = defaultdict(float)
    carbon: Terms = defaultdict(float)
    reserve: list[Terms] = [defaultdict(float) for _ in times]

    for source in case.sources:
        last: Terms | None = None
        for t in times:
            total: Terms = {}
            for block in source.blocks[t]:
                given = model.variable(block.price_nano_per_wh, block.energy_wh)
                total[given] = 1.0
                supply[source.place, t][given] += 1.0
                carbon[given] += source.factor_ug_per_wh
            if source.ramp_wh is not None and (last is not None or source.last_wh is not None):
                known = source.last_wh or 0 if last is None else 0
                for sign in (1.0, -1.0):
                    step = {j: sign for j in total} | {j: -sign for j in last or {}}
                    model.less.append((step, source.ramp_wh + sign * known))
            last = total
            if source.reserve is not None:
                most = source.reserve.most_wh[t]
                most = most if source.ramp_wh is None else min(most, source.ramp_wh)
                held = model.variable(source.reserve.price_nano_per_wh, most)
                reserve[t][held] = 1.0
                offered = sum(block.energy_wh for block in source.blocks[t])
                rating = offered if source.rating_wh is None else source.rating_wh
                model.less.append((total | {held: 1.0}, rating))

    for store in case.storages:
        _store(model, case, store, supply, carbon, reserve)

    for tie in case.connections:
        for t in times:
            bought = model.variable(tie.import_nano_per_wh[t], tie.import_limit_wh[t])
            supply[tie.place, t][bought] += 1.0
            carbon[bought] += tie.factor_ug_per_wh[t]
            worth = min(tie.import_nano_per_wh[t], tie.export_nano_per_wh[t])
            _serve(model, supply, tie.place, t, worth, tie.export_limit_wh[t])
    for bid in case.bids:
        for t in times:
            _serve(model, supply, bid.place, t, bid.limit_nano_per_wh, bid.energy_wh[t])
    for demand in case.demands:
        for t in times:
            _serve(model, supply, demand.place, t, case.shed_nano_per_wh[demand.tier], demand.energy_wh[t])
            needed[demand.place, t] += demand.energy_wh[t]
    for (place, t), energy_wh in needed.items():
        needed[place, t] = -(-energy_wh * case.line_loss_ppm // 1_000_000)
    for load in case.loads:
        taken = [model.variable(-load.value_nano_per_wh, load.most_wh) for _ in range(load.first, load.until)]
        model.constant += load.value_nano_per_wh * load.energy_wh
        model.less.append((dict.fromkeys(taken, 1.0), load.energy_wh))
        for t, part in enumerate(taken, load.first):
            supply[load.place, t][part] -= 1.0

    for t in times:
        angles: dict[str, int] = {}
        for line in case.lines:
            flow = model.variable(0.0, line.limit_wh[t], -line.limit_wh[t])
            supply[line.from_place, t][flow] -= 1.0
            supply[line.to_place, t][flow] += 1.0
            for place in (line.from_place, line.to_place):
                if place not in angles:
                    angles[place] = model.variable(0.0, None, None)
            law = {flow: line.reactance_npu / 1e6, angles[line.from_place]: -1.0, angles[line.to_place]: 1.0}
            model.equal.append((law, 0.0))
        if case.reserve_wh:
            model.less.append(({held: -1.0 for held in reserve[t]}, -case.reserve_wh[t]))
    for (place, t), terms in supply.items():
        model.equal.append((dict(terms), needed[place, t]))
    if case.carbon_cap_ug is not None:
        model.less.append(({j: a / 1e6 for j, a in carbon.items()}, case.carbon_cap_ug / 1e6))
    return model.solve()


def _serve(
    model: _Model, supply: dict[tuple[str, int], Terms], place: str, t: int, worth: float, energy_wh: int
) -> None:
    """Something that is worth so much per Wh when it is served."""
    served = model.variable(-worth, energy_wh)
    model.constant += worth * energy_wh
    supply[place, t][served] -= 1.0


def _store(
    model: _Model,
    case: Case,
    store: Storage,
    supply: dict[tuple[str, int], Terms],
    carbon: Terms,
    reserve: list[Terms],
) -> None:
    """Charge states in Wh, as sums of all that went in and out before."""
    n, d = store.efficiency_n, store.efficiency_d
    start = store.start_soc / (n * d)
    state: Terms = {}
    for t in range(case.intervals):
        most_up, most_down = store.most_charge_wh[t], store.most_discharge_wh[t]
        up, down = model.variable(0.0, most_up), model.variable(store.wear_nano_per_wh, most_down)
        supply[store.place, t][up] -= 1.0
        supply[store.place, t][down] += 1.0
        carbon[down] += store.factor_ug_per_wh
        model.less.append(({up: float(most_down), down: float(most_up)}, most_up * most_down))
        state = state | {up: n / d, down: -d / n}
        model.less.append((state, store.capacity_wh - start))
        model.less.append(({j: -a for j, a in state.items()}, start))
        if store.reserve is not None:
            held = model.variable(store.reserve.price_nano_per_wh, store.reserve.most_wh[t])
            reserve[t][held] = 1.0
            model.less.append(({held: 1.0, up: -1.0, down: 1.0}, most_down))
            model.less.append(({held: d / n} | {j: -a for j, a in state.items()}, start))
    if store.end_value_nano_per_wh is None:
        model.less.append(({j: -a for j, a in state.items()}, 0.0))
    else:
        left = model.variable(-store.end_value_nano_per_wh, store.capacity_wh)
        model.less.append(({left: 1.0} | {j: -a for j, a in state.items()}, start))
