"""Fill and prices of all intervals at once, in arrays.

The same as `contracts.program.fill` and `contracts.program.price` in plain integers, figure for figure; those are what
the rule is, and what small cases use. Whatever few intervals need that is not worth an array (a tie, several zones, an
empty stack) is done by their functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain

from contracts.program import ties
from contracts.program.arrays import Array
from contracts.program.case import Solution
from contracts.program.columns import UNLIMITED, Columns, Order, add_at, divided, ordered, sums_until, whole
from contracts.program.fill import Choice, Filled, by_zone, charge_states, imbalance, over_limit
from contracts.program.flows import derive
from contracts.program.price import Column, interval_prices
from contracts.program.stack import Entry, Locked, claim
from contracts.program.verdict import Refusal, Schedule
from contracts.units import PPM

NOTHING = -(2**62)
"""Below all keys."""


def grid(rows: Sequence[Sequence[int]], times: int) -> Array:
    """Rows by interval as an array."""
    import numpy as np

    return np.fromiter(chain.from_iterable(rows), np.int64, len(rows) * times).reshape(len(rows), times)


def _rooms(cols: Columns, solution: Solution) -> Array:
    """What each source that offers reserve may deliver beside what it holds."""
    import numpy as np

    rating_wh = cols.reserving.rating_wh
    return np.maximum(rating_wh - grid(solution.reserve_wh[: len(rating_wh)], rating_wh.shape[1]), 0)


def _held_stack(cols: Columns, solution: Solution) -> Array:
    """Energy of each entry in the stack, with the dearest blocks of those who hold reserve cut off."""
    import numpy as np

    _, blocks, owner, interval, before_wh, _ = cols.reserving
    if not len(blocks):
        return cols.stack_wh
    room_wh = _rooms(cols, solution)[owner, interval] - before_wh
    stack_wh = cols.stack_wh.copy()
    stack_wh[blocks] = np.minimum(np.maximum(room_wh, 0), stack_wh[blocks])
    return stack_wh


def needed_by_place(locked: Locked, solution: Solution) -> Array:
    """What the stack is filled to before flows, by interval and place, with a solution of this shape."""
    case = locked.case
    times = case.intervals
    total_wh = locked.columns.wanted_wh.copy()
    if case.storages:
        charged_wh = grid(solution.charge_wh, times) - grid(solution.discharge_wh, times)
        add_at(total_wh, locked.columns.places[2], charged_wh)
    if case.loads:
        add_at(total_wh, whole(locked.place_of[load.place] for load in case.loads), grid(solution.load_wh, times))
    if locked.ramped:
        add_at(total_wh, locked.columns.ramped.places, -grid(solution.total_wh, times))
    return total_wh


def fill_all(locked: Locked, chosen: Choice) -> Filled | Refusal:
    """The schedule of a solution, and what is taken of each entry."""
    import numpy as np

    solution = chosen.solution
    order, until_wh, markets, stack_wh = _prepared(locked, chosen)
    needed_wh = chosen.needed_wh
    totals = {t: by_zone(locked, zoned, needed_wh[t].tolist()) for t, zoned in chosen.several.items()}
    wanted_wh = needed_wh.sum(axis=1)
    if totals:
        rows_wh = wanted_wh.tolist()
        wanted_wh = np.array([totals[t][zone] if t in totals else rows_wh[t] for t, zone in markets], np.int64)
    below_wh = until_wh[order.rows]
    surplus = (wanted_wh < 0) | (wanted_wh > below_wh[1:] - below_wh[:-1])
    refusal, until = None, len(chosen.declared)
    if surplus.any():
        bad = int(np.argmax(surplus))
        until, zone = markets[bad]
        missing_wh = int(wanted_wh[bad])
        missing_wh -= 0 if missing_wh < 0 else int(below_wh[bad + 1] - below_wh[bad])
        refusal = imbalance(locked, until, zone, missing_wh)
        wanted_wh[surplus] = 0
    taken_wh = _taken(locked, solution, order, until_wh, markets, stack_wh, wanted_wh)
    if locked.case.lines:
        carried_wh = _flows(locked, chosen, needed_wh, taken_wh, until)
        if isinstance(carried_wh, Refusal):
            return carried_wh
    else:
        carried_wh = []
    return refusal or _schedule(locked, chosen, taken_wh, carried_wh)


def _prepared(locked: Locked, chosen: Choice) -> tuple[Order, Array, list[tuple[int, int]], Array]:
    """Order, sums of the entries before each in it and of all, interval and zone of its rows, and energy of entries in
    the stack."""

    cols, solution = locked.columns, chosen.solution
    stack_wh = _held_stack(cols, solution)
    order, until_wh = ordered(cols, solution.kappa_num, solution.kappa_den)
    order, markets = divided(cols, order, {t: zoned.zone_of for t, zoned in chosen.several.items()})
    if chosen.several or stack_wh is not cols.stack_wh:
        until_wh = sums_until(stack_wh[order.entries])
    return order, until_wh, markets, stack_wh


def _taken(
    locked: Locked,
    solution: Solution,
    order: Order,
    until_wh: Array,
    markets: Sequence[tuple[int, int]],
    stack_wh: Array,
    wanted_wh: Array,
) -> Array:
    """What is taken of each entry: all below the key in which a row's quantity ends, nothing above it."""
    import numpy as np

    cols = locked.columns
    some = np.flatnonzero(wanted_wh > 0)
    target_wh = until_wh[order.rows[some]] + wanted_wh[some]
    at = np.searchsorted(until_wh[1:], target_wh)
    group = np.searchsorted(order.groups, at, "right") - 1
    first, end = order.groups[group], order.groups[group + 1]
    rest_wh = target_wh - until_wh[first]
    reached = np.full(len(markets), NOTHING)
    reached[some] = order.key[order.entries[at]]
    if len(markets) == len(cols.rows) - 1:
        limit = reached[cols.interval]
    else:
        limit = np.empty(len(order.key), np.int64)
        limit[order.entries] = np.repeat(reached, np.diff(order.rows))
    taken_wh = np.where(order.key < limit, stack_wh, 0)
    for lo, hi, wh in zip(first.tolist(), end.tolist(), rest_wh.tolist(), strict=True):
        tied = order.entries[lo:hi]
        taken_wh[tied] = _shared(locked, solution, tied, stack_wh[tied], wh) if hi - lo > 1 else wh
    return taken_wh


def _shared(locked: Locked, solution: Solution, tied: Array, offered_wh: Array, taken_wh: int) -> Array:
    """What is taken of each of some entries with one key."""
    import numpy as np

    cols = locked.columns
    if int(offered_wh.sum()) == taken_wh:
        return offered_wh
    order = np.lexsort((cols.number[tied], cols.place[tied]))
    tied, offered_wh = tied[order], offered_wh[order]
    columns = (cols.kind[tied], cols.number[tied], cols.factor[tied], offered_wh)
    claims = [claim(locked.case, *row) for row in zip(*(column.tolist() for column in columns), strict=True)]
    shares: Array = np.empty(len(tied), np.int64)
    shares[order] = ties.share_group(claims, taken_wh, solution.theta, locked.round_id)
    return shares


def _flows(locked: Locked, chosen: Choice, needed_wh: Array, taken_wh: Array, until: int) -> list[list[int]] | Refusal:
    """What lines carry by interval, up to the first interval that does not balance, or which carries too much."""
    import numpy as np

    cols = locked.columns
    left_wh = -needed_wh
    np.add.at(left_wh, (cols.interval, cols.place), taken_wh)
    found = []
    for t, row in enumerate(left_wh[:until].tolist()):
        carried_wh = derive(locked.case, locked.net, row, chosen.declared[t].flow_wh)
        refusal = over_limit(locked.case, carried_wh, t)
        if refusal:
            return refusal
        found.append(carried_wh)
    return found


def _schedule(locked: Locked, chosen: Choice, taken_wh: Array, carried_wh: list[list[int]]) -> Filled:
    """The schedule of what is taken of the stack, with ramp-limited sources beside it."""
    import numpy as np

    case, cols, solution = locked.case, locked.columns, chosen.solution
    times = case.intervals
    blocks_end, import_end, unserved_end, shed_end = cols.ends
    flat_wh: Array = np.zeros(times * len(case.sources), np.int64)
    if locked.ramped:
        totals_wh, limited = grid(solution.total_wh, times), cols.ramped
        blocks = limited.blocks
        under_wh = totals_wh[limited.owner, limited.interval] - limited.before_wh
        taken_wh[blocks] = np.clip(under_wh, 0, limited.most_wh)
    if blocks_end:
        flat_wh[cols.owners] = np.add.reduceat(taken_wh[:blocks_end], cols.first_blocks)
    source_wh: Array = flat_wh.reshape(times, -1).T
    if locked.ramped:
        source_wh[cols.ramped.sources] = totals_wh

    def by_thing(values: Array) -> Array:
        return values.reshape(times, -1).T

    refused_wh = cols.energy_wh[import_end:shed_end] - taken_wh[import_end:shed_end]
    served_wh = by_thing(refused_wh[: unserved_end - import_end])
    bids = len(case.bids)
    schedule = Schedule(
        source_wh,
        by_thing(taken_wh[blocks_end:import_end]),
        served_wh[bids:],
        by_thing(refused_wh[unserved_end - import_end :]),
        served_wh[:bids],
        solution.load_wh,
        solution.charge_wh,
        solution.discharge_wh,
        charge_states(case, solution),
        solution.reserve_wh,
        [list(row) for row in zip(*carried_wh, strict=True)],
    )
    return Filled(schedule, taken_wh)


def price_all(locked: Locked, chosen: Choice, schedule: Schedule) -> list[Column]:
    """Prices of all intervals, as `contracts.program.price.interval_prices` gives them."""
    import numpy as np

    case, cols, solution = locked.case, locked.columns, chosen.solution
    order, until_wh, markets, stack_wh = _prepared(locked, chosen)
    total_wh = chosen.needed_wh
    below_wh: Array = np.zeros(0, np.int64)
    if locked.ramped:
        total_wh = total_wh.copy()
        low_wh, high_wh = _boxes(locked, chosen)
        add_at(total_wh, cols.ramped.places, grid(solution.total_wh, case.intervals) - low_wh)
        stack_wh, below_wh = _inside(cols, stack_wh, low_wh, high_wh)
        until_wh = sums_until(stack_wh[order.entries])
    real_wh = _real_supply(locked, schedule)
    rows_wh, real = total_wh.sum(axis=1).tolist(), real_wh.sum(axis=1).tolist()
    reach = [wh * PPM - case.price_slack_ppm * supply for wh, supply in zip(rows_wh, real, strict=True)]
    alone = [t for t, wh in enumerate(reach) if wh > 0 and t not in chosen.several]
    found: dict[int, Column] = {}
    if alone:
        names = [0] * len(locked.net.places)
        row_of = {t: row for row, (t, _) in enumerate(markets)}
        rows = np.array([row_of[t] for t in alone])
        target_wh = np.array([-(-reach[t] // PPM) for t in alone], np.int64) + until_wh[order.rows[rows]]
        # What is taken never ends behind the stack of its interval but where a schedule breaks its own limits
        at = np.minimum(np.searchsorted(until_wh[1:], target_wh), order.rows[rows + 1] - 1)
        prices = _offered(cols, order, stack_wh, until_wh, at, target_wh, case.offer_cap_nano_per_wh)
        for t, price in zip(alone, prices, strict=True):
            found[t] = (names, [price] * len(names), [real[t]] * len(names))
    for t in range(case.intervals):
        if t not in found:
            row = cols.by_interval[cols.rows[t] : cols.rows[t + 1]]
            lower = cols.ramped.blocks[cols.ramped.interval == t]
            entries = (_entries(cols, row, stack_wh[row]), _entries(cols, lower, below_wh[cols.ramped.interval == t]))
            found[t] = interval_prices(locked, chosen, t, entries, total_wh[t].tolist(), real_wh[t].tolist())
    return [found[t] for t in range(case.intervals)]


def _boxes(locked: Locked, chosen: Choice) -> tuple[Array, Array]:
    """Between what each ramp-limited source could stand in each interval, its neighbours as they are."""
    import numpy as np

    limited = locked.columns.ramped
    totals_wh = grid(chosen.solution.total_wh, locked.case.intervals)
    before_wh = np.concatenate([limited.last_wh, totals_wh[:, :-1]], axis=1)
    after_wh = np.concatenate([totals_wh[:, 1:], np.zeros_like(limited.last_wh)], axis=1)
    down_wh, up_wh = (np.repeat(limited.ramp_wh, totals_wh.shape[1], axis=1) for _ in range(2))
    down_wh[:, :1] += limited.slack_wh
    up_wh[:, -1] += UNLIMITED
    most_wh = limited.offered_wh.copy()
    also = locked.columns.reserving.ramped
    most_wh[also >= 0] = np.minimum(most_wh[also >= 0], _rooms(locked.columns, chosen.solution)[also[also >= 0]])
    low_wh = np.maximum(0, np.maximum(before_wh - down_wh, after_wh - up_wh))
    high_wh = np.minimum(most_wh, np.minimum(before_wh + down_wh, after_wh + up_wh))
    return low_wh, np.maximum(low_wh, high_wh)


def _inside(cols: Columns, stack_wh: Array, low_wh: Array, high_wh: Array) -> tuple[Array, Array]:
    """The stack with ramp-limited sources between two totals, and what their blocks hold below."""
    import numpy as np

    limited = cols.ramped
    energy_wh, before_wh = cols.energy_wh[limited.blocks], limited.before_wh
    ends = (low_wh[limited.owner, limited.interval], high_wh[limited.owner, limited.interval])
    below_wh, until_wh = (np.minimum(np.maximum(end - before_wh, 0), energy_wh) for end in ends)
    stack_wh = stack_wh.copy()
    stack_wh[limited.blocks] = until_wh - below_wh
    return stack_wh, below_wh


def _real_supply(locked: Locked, schedule: Schedule) -> Array:
    """What is put in, by interval and place."""
    import numpy as np

    case, cols = locked.case, locked.columns
    times = case.intervals
    total_wh: Array = np.zeros_like(cols.wanted_wh)
    _, _, unserved_end, shed_end = cols.ends
    shed_wh = cols.energy_wh[unserved_end:shed_end].reshape(times, -1).T
    rows = (
        *(schedule.source_wh, schedule.import_wh, schedule.discharge_wh),
        shed_wh - np.asarray(schedule.served_wh, np.int64).reshape(-1, times),
    )
    for places, grid_wh in zip(cols.places, rows, strict=True):
        add_at(total_wh, places, np.asarray(grid_wh, np.int64).reshape(-1, times))
    return total_wh


def _offered(
    cols: Columns, order: Order, stack_wh: Array, until_wh: Array, at: Array, target_wh: Array, cap: int
) -> list[int]:
    """Prices of the entries that are reached, among equal keys cheapest first; at most the cap."""
    import numpy as np

    entries = order.entries[at]
    prices: list[int] = np.minimum(cols.price[entries], cap).tolist()
    if order.key is cols.price:
        return prices
    group = np.searchsorted(order.groups, at, "right") - 1
    for i, (first, end) in enumerate(zip(order.groups[group].tolist(), order.groups[group + 1].tolist(), strict=True)):
        if end - first > 1:
            tied = order.entries[first:end]
            rest_wh = int(target_wh[i]) - int(until_wh[first])
            steps = sorted(zip(cols.price[tied].tolist(), stack_wh[tied].tolist(), strict=True))
            sums = accumulate(wh for _, wh in steps)
            prices[i] = min(cap, next(price for (price, _), wh in zip(steps, sums, strict=True) if wh >= rest_wh))
    return prices


def _entries(cols: Columns, numbers: Array, energy_wh: Array) -> list[Entry]:
    """Some entries one by one, with what they hold."""
    columns = (cols.price, cols.factor, cols.kind, energy_wh, cols.place, cols.number)
    rows = (column.tolist() if column is energy_wh else column[numbers].tolist() for column in columns)
    return [Entry(*row) for row in zip(*rows, strict=True) if row[3]]
