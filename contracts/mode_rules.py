"""When a site feeds the bus by itself, sells to the grid, or takes less for pay: the formulas of the white paper.

In the paper they are images; this reconstruction is argued in `docs/dispatch.md`. Powers are energies of one interval
in Wh, the sign as the bus sees it: what comes in is positive, loading and injection are negative.

    P(t) = sum g_i(t) + u(t) + s(t) = D(t)         null state: g_i = 0
    C(t) = sum c_i g_i + c_u u + c_s |s|           c_u = import price where u >= 0, else export price
    start: u = D, g_i = 0, s = 0, no export; utility cost on [a,b) = sum import price x D >= 0, else stay in `grid`
    surplus(t) = available + deliverable(soc) - D - reserve
    injection iff surplus >= 0 for all t in [a,b) and in 95% of the same intervals of 28 days,
                  and min C with export < C without - threshold
    demand_response iff event payment > lost load value + rebound cost

Pure, in exact integers. Reads no state, orders nothing, and knows nobody; `contracts.modes` is who may order what.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

GRID = "grid"
ISLAND = "island"
INJECTION = "injection"
DEMAND_RESPONSE = "demand_response"

HISTORY_SHARE = 19, 20
"""Part of the same intervals of the past that must have had a surplus: 95%, cross-multiplied."""


class Slot(NamedTuple):
    """What decides about one interval of a window, in Wh and nano per Wh."""

    demand_wh: int
    """D: everything that is wanted at any price."""
    available_wh: int
    """What sources offer."""
    deliverable_wh: int
    """What storage could give from its charge."""
    reserve_wh: int
    import_nano_per_wh: int
    history: Sequence[bool]
    """Whether there was a surplus in the same interval of each earlier day that counts; False where nobody knows."""


class Start(NamedTuple):
    """The bus in one interval before anything is dispatched: unity."""

    utility_wh: int
    generated_wh: int
    stored_wh: int
    cost_nano: int


def start(demand_wh: int, import_nano_per_wh: int) -> Start:
    """The utility feeds the bus, all sources are null, nothing is loaded, unloaded or exported."""
    return Start(demand_wh, 0, 0, demand_wh * import_nano_per_wh)


def balance_wh(generated_wh: Sequence[int], utility_wh: int, storage_wh: int) -> int:
    """P: power on the bus. It has to be D."""
    return sum(generated_wh) + utility_wh + storage_wh


def cost_nano(
    generated: Sequence[tuple[int, int]],
    utility_wh: int,
    storage_wh: int,
    import_nano_per_wh: int,
    export_nano_per_wh: int,
    wear_nano_per_wh: int,
) -> int:
    """C: cost of one interval. `generated` has (price, energy) of each source; wear counts either way."""
    utility = import_nano_per_wh if utility_wh >= 0 else export_nano_per_wh
    own = sum(price * energy_wh for price, energy_wh in generated)
    return own + utility * utility_wh + wear_nano_per_wh * abs(storage_wh)


def stays_on_grid(window: Sequence[Slot]) -> bool:
    """The grid pays for what it delivers: nothing that the site could do itself is cheaper than to take it."""
    return sum(start(slot.demand_wh, slot.import_nano_per_wh).cost_nano for slot in window) < 0


def deliverable_wh(soc: int, efficiency_n: int, efficiency_d: int, most_wh: int) -> int:
    """What a storage can give in one interval from a charge state in 1/(n*d) Wh."""
    assert efficiency_n > 0 and efficiency_d > 0, "an efficiency is a ratio of positive integers"
    return min(most_wh, soc // (efficiency_d * efficiency_d))


def surplus_wh(slot: Slot) -> int:
    """What the site could give away and still serve itself with its reserve; negative: what it lacks."""
    return slot.available_wh + slot.deliverable_wh - slot.demand_wh - slot.reserve_wh


def was_usual(history: Sequence[bool]) -> bool:
    """Whether 95% of the same intervals of the past had a surplus; without a past nothing is usual."""
    part, whole = HISTORY_SHARE
    return len(history) > 0 and sum(history) * whole >= part * len(history)


def may_inject(window: Sequence[Slot]) -> str:
    """Why a window can not be `injection` whatever it costs; empty: it can.

    `empty`, `paid` (the grid pays for what it delivers), `surplus` (an interval lacks energy), `unusual`.
    """
    if not window:
        return "empty"
    if stays_on_grid(window):
        return "paid"
    if any(surplus_wh(slot) < 0 for slot in window):
        return "surplus"
    return "" if all(was_usual(slot.history) for slot in window) else "unusual"


def injects(window: Sequence[Slot], with_export_nano: int, without_export_nano: int, threshold_nano: int) -> bool:
    """The mode `injection`: it can, and the cheapest dispatch with export saves more than the threshold."""
    return may_inject(window) == "" and with_export_nano < without_export_nano - threshold_nano


def responds(payment_nano_per_wh: int, value_nano_per_wh: int, rebound_nano_per_wh: int) -> bool:
    """The mode `demand_response`, for one who would take less: the event pays more than what the load is worth to it
    and catching up later costs."""
    return payment_nano_per_wh > value_nano_per_wh + rebound_nano_per_wh
