"""The optimum of a small case by trying every point, from its second description and without any solver."""

from __future__ import annotations

from contracts.program.case import Case
from tests.program import naive

MAX_STEPS = 200_000


def optimum(case: Case) -> int | None:
    """Least cost of any feasible integer point. None: there is none. Raises `OverflowError` when there are too many.

    Variables are set one after the other; a branch ends only where a row or the best cost can not be reached any more.
    """
    boxes = naive.boxes(case)
    rows = list(naive.rows(case).values())
    names = _order(list(boxes), rows)
    touched: dict[str, list[tuple[int, int]]] = {name: [] for name in names}
    low, high = [0] * len(rows), [0] * len(rows)
    for i, (_, terms, _) in enumerate(rows):
        for name, a in terms.items():
            touched[name].append((i, a))
            ends = sorted((a * boxes[name][0], a * boxes[name][1]))
            low[i] += ends[0]
            high[i] += ends[1]
    cheapest = [0] * (len(names) + 1)
    for k in reversed(range(len(names))):
        lo, hi, cost = boxes[names[k]]
        cheapest[k] = cheapest[k + 1] + min(lo * cost, hi * cost)
    best: int | None = None
    steps = 0

    def possible(i: int) -> bool:
        lo, _, hi = rows[i]
        return (hi is None or low[i] <= hi) and (lo is None or high[i] >= lo)

    def descend(k: int, cost: int) -> None:
        nonlocal best, steps
        steps += 1
        if steps > MAX_STEPS:
            raise OverflowError
        if best is not None and cost + cheapest[k] >= best:
            return
        if k == len(names):
            best = cost
            return
        lo, hi, price = boxes[names[k]]
        for value in range(lo, hi + 1):
            saved = []
            for i, a in touched[names[k]]:
                saved.append((i, low[i], high[i]))
                ends = sorted((a * lo, a * hi))
                low[i] += a * value - ends[0]
                high[i] += a * value - ends[1]
            if all(possible(i) for i, _ in touched[names[k]]):
                descend(k + 1, cost + price * value)
            for i, was_low, was_high in saved:
                low[i], high[i] = was_low, was_high

    if all(possible(i) for i in range(len(rows))):
        descend(0, 0)
    return best


def _order(names: list[str], rows: list[naive.Row]) -> list[str]:
    """Variables row by row, so that rows are complete early; the charge state last, because it follows."""
    ordered = dict.fromkeys(name for _, terms, _ in rows for name in sorted(terms, key=lambda n: n.startswith("soc")))
    return [*ordered, *(name for name in names if name not in ordered)]
