"""The program once more, from its description: rows as sums over names, place by place, without any numbering."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, gcd

from contracts.program.case import Case
from contracts.program.flows import cycles

Terms = dict[str, int]
Row = tuple[int | None, Terms, int | None]


def boxes(case: Case) -> dict[str, tuple[int, int, int]]:
    """Least, most and cost of every variable by its name."""
    found: dict[str, tuple[int, int, int]] = {}
    for t in range(case.intervals):
        at = f" in interval {t}"
        for source in case.sources:
            for b, block in enumerate(source.blocks[t]):
                found[f"block {b} of source {source.id}{at}"] = (0, block.energy_wh, block.price_nano_per_wh)
            if source.reserve:
                step = source.reserve.most_wh[t] if source.ramp_wh is None else source.ramp_wh
                most = min(source.reserve.most_wh[t], step)
                found[f"reserve of source {source.id}{at}"] = (0, most, source.reserve.price_nano_per_wh)
        for tie in case.connections:
            price = tie.import_nano_per_wh[t]
            found[f"import of connection {tie.id}{at}"] = (0, tie.import_limit_wh[t], price)
            price = min(price, tie.export_nano_per_wh[t])
            found[f"unserved of export of connection {tie.id}{at}"] = (0, tie.export_limit_wh[t], price)
        for i, bid in enumerate(case.bids):
            found[f"unserved of bid {i} of {bid.organisation}{at}"] = (0, bid.energy_wh[t], bid.limit_nano_per_wh)
        for i, demand in enumerate(case.demands):
            cost = case.shed_nano_per_wh[demand.tier]
            found[f"shed of demand {i} of {demand.organisation}{at}"] = (0, demand.energy_wh[t], cost)
        for store in case.storages:
            unit = store.efficiency_n * store.efficiency_d
            found[f"charge of storage {store.id}{at}"] = (0, store.most_charge_wh[t], 0)
            found[f"discharge of storage {store.id}{at}"] = (0, store.most_discharge_wh[t], store.wear_nano_per_wh)
            found[f"soc of storage {store.id}{at}"] = (0, store.capacity_wh * unit, 0)
            if store.reserve:
                price = store.reserve.price_nano_per_wh
                found[f"reserve of storage {store.id}{at}"] = (0, store.reserve.most_wh[t], price)
        for load in case.loads:
            if load.first <= t < load.until:
                found[f"energy of load {load.id}{at}"] = (0, load.most_wh, 0)
        for line in case.lines:
            found[f"flow of line {line.id}{at}"] = (-line.limit_wh[t], line.limit_wh[t], 0)
    for store in case.storages:
        if store.end_value_nano_per_wh is not None:
            found[f"end value of storage {store.id}"] = (0, store.capacity_wh, -store.end_value_nano_per_wh)
    for load in case.loads:
        found[f"what load {load.id} does not get"] = (0, load.energy_wh, load.value_nano_per_wh)
    return found


def rows(case: Case) -> dict[str, Row]:
    """Every row by its name; None: no limit on this side."""
    found: dict[str, Row] = {}
    stores = case.storages
    known = boxes(case)
    places = {line.from_place for line in case.lines} | {line.to_place for line in case.lines}
    for things in (case.sources, stores, case.connections, case.demands, case.bids, case.loads):
        places |= {thing.place for thing in things}
    for t in range(case.intervals):
        at = f" in interval {t}"
        for place in places:
            found[f"balance of place {place}{at}"] = _balance(case, place, t, at)
        for store in stores:
            n, d = store.efficiency_n, store.efficiency_d
            name = f"storage {store.id}"
            terms = {f"soc of {name}{at}": 1, f"charge of {name}{at}": -n * n, f"discharge of {name}{at}": d * d}
            if t:
                terms[f"soc of {name} in interval {t - 1}"] = -1
            start = 0 if t else store.start_soc
            found[f"soc of {name}{at}"] = (start, terms, start)
            most_c, most_d = store.most_charge_wh[t], store.most_discharge_wh[t]
            both = gcd(most_c, most_d) or 1
            terms = {f"charge of {name}{at}": most_d // both, f"discharge of {name}{at}": most_c // both}
            found[f"sharing of {name}{at}"] = (None, terms, most_c * most_d // both)
            if store.reserve:
                terms = {f"soc of {name}{at}": 1, f"reserve of {name}{at}": -d * d}
                found[f"stored of {name}{at}"] = (0, terms, None)
                terms = {f"reserve of {name}{at}": 1, f"charge of {name}{at}": -1, f"discharge of {name}{at}": 1}
                found[f"headroom of {name}{at}"] = (None, terms, most_d)
        for source in case.sources:
            total = {f"block {b} of source {source.id}{at}": 1 for b in range(len(source.blocks[t]))}
            if source.reserve:
                rating = source.rating_wh
                if rating is None:
                    rating = sum(block.energy_wh for block in source.blocks[t])
                found[f"headroom of source {source.id}{at}"] = (
                    None,
                    {**total, f"reserve of source {source.id}{at}": 1},
                    rating,
                )
            if source.ramp_wh is not None and (t or source.last_wh is not None):
                before = t - 1
                past = {
                    f"block {b} of source {source.id} in interval {before}": -1
                    for b in range(len(source.blocks[before]) if t else 0)
                }
                last = 0 if t else source.last_wh
                found[f"ramp of source {source.id}{at}"] = (
                    last - source.ramp_wh,
                    {**total, **past},
                    last + source.ramp_wh,
                )
        if case.reserve_wh:
            held = {name: 1 for name in known if name.startswith("reserve of") and name.endswith(at)}
            found[f"reserve{at}"] = (case.reserve_wh[t], held, None)
        for i, loop in enumerate(cycles(case)):
            lines = [(case.lines[k], sign) for k, sign in loop]
            most = 2 * sum(line.reactance_npu for line, _ in lines)
            terms = {f"flow of line {line.id}{at}": sign * line.reactance_npu for line, sign in lines}
            found[f"loop of {i}{at}"] = (-most, terms, most)
    for store in stores:
        name = f"soc of storage {store.id} in interval {case.intervals - 1}"
        if store.end_value_nano_per_wh is None:
            row: Row = (store.start_soc, {name: 1}, None)
        else:
            row = (0, {name: 1, f"end value of storage {store.id}": -store.efficiency_n * store.efficiency_d}, None)
        found[f"charge at the end of storage {store.id}"] = row
    for load in case.loads:
        terms = {f"energy of load {load.id} in interval {t}": 1 for t in range(load.first, load.until)}
        terms[f"what load {load.id} does not get"] = 1
        found[f"energy of load {load.id}"] = (load.energy_wh, terms, load.energy_wh)
    if case.carbon_cap_ug is not None:
        found["carbon cap"] = (None, emissions(case), case.carbon_cap_ug)
    return found


def _balance(case: Case, place: str, t: int, at: str) -> Row:
    terms: Terms = {}
    fixed = sum(demand.energy_wh[t] for demand in case.demands if demand.place == place)
    right = fixed + ceil(Fraction(fixed * case.line_loss_ppm, 1_000_000))
    for source in case.sources:
        if source.place == place:
            terms |= {f"block {b} of source {source.id}{at}": 1 for b in range(len(source.blocks[t]))}
    for tie in case.connections:
        if tie.place == place:
            terms |= {f"import of connection {tie.id}{at}": 1, f"unserved of export of connection {tie.id}{at}": 1}
            right += tie.export_limit_wh[t]
    for i, bid in enumerate(case.bids):
        if bid.place == place:
            terms[f"unserved of bid {i} of {bid.organisation}{at}"] = 1
            right += bid.energy_wh[t]
    for i, demand in enumerate(case.demands):
        if demand.place == place:
            terms[f"shed of demand {i} of {demand.organisation}{at}"] = 1
    for store in case.storages:
        if store.place == place:
            terms |= {f"discharge of storage {store.id}{at}": 1, f"charge of storage {store.id}{at}": -1}
    for load in case.loads:
        if load.place == place and load.first <= t < load.until:
            terms[f"energy of load {load.id}{at}"] = -1
    for line in case.lines:
        if place in (line.from_place, line.to_place):
            terms[f"flow of line {line.id}{at}"] = -1 if place == line.from_place else 1
    return (right, terms, right)


def emissions(case: Case) -> Terms:
    """What emits anything, per unit."""
    terms: Terms = {}
    for t in range(case.intervals):
        at = f" in interval {t}"
        for source in case.sources:
            terms |= {
                f"block {b} of source {source.id}{at}": source.factor_ug_per_wh for b in range(len(source.blocks[t]))
            }
        for tie in case.connections:
            terms[f"import of connection {tie.id}{at}"] = tie.factor_ug_per_wh[t]
        for store in case.storages:
            terms[f"discharge of storage {store.id}{at}"] = store.factor_ug_per_wh
    return {name: factor for name, factor in terms.items() if factor}
