"""Networks for tests: small ones by hand, and the IEEE cases of PYPOWER as networks of the ledger."""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from contracts.network.records import NANO, Branch, Network, Place, Transfer

WIDE = 2**40 - 1
"""No limit."""


class Flows(NamedTuple):
    """What a case puts in at each place, in `1 / unit` W and var; loads are negative."""

    w: list[int]
    var: list[int]
    unit: int


def wires(
    lines: Mapping[tuple[str, str], int], transfers: Mapping[str, tuple[int, int]], reactance_npu: int = 1_000_000
) -> Network:
    """Lines of these limits, and per place one member of its name that may take and give so much, all in W."""
    places = sorted({place for pair in lines for place in pair} | set(transfers))
    return Network(
        places=tuple(Place(place) for place in places),
        lines=tuple(
            Branch(f"{first}-{second}", first, second, limit_w, reactance_npu)
            for (first, second), limit_w in sorted(lines.items())
        ),
        transfers=tuple(Transfer(place, place, *both) for place, both in sorted(transfers.items())),
    )


def ieee(case: Mapping[str, Any]) -> tuple[Network, Flows]:
    """A case of PYPOWER with all that it says but limits, and what it puts in, in mW and mvar."""
    bus, gen, branch = (case[name].astype(float) for name in ("bus", "gen", "branch"))
    mva = float(case["baseMVA"])
    order = sorted(bus, key=lambda row: row[0])
    aims = {int(row[0]): row[5] for row in gen if row[7] > 0}
    places, w, var = [], [], []
    for row in order:
        number = int(row[0])
        most_var = WIDE if number in aims else 0
        places.append(
            Place(
                _name(number),
                least_npu=NANO // 2,
                most_npu=3 * NANO // 2,
                shunt_g_npu=round(row[4] / mva * NANO),
                shunt_b_npu=round(row[5] / mva * NANO),
                least_var=-most_var,
                most_var=most_var,
                aim_npu=round(aims[number] * NANO) if number in aims else None,
            )
        )
        made = sum(one[1] for one in gen if one[7] > 0 and int(one[0]) == number)
        w.append(round((made - row[2]) * 1e9))
        var.append(round(-row[3] * 1e9))
    slack = next(_name(int(row[0])) for row in order if row[1] == 3)
    lines = tuple(_branch(number, row) for number, row in enumerate(branch) if row[10])
    return Network(tuple(places), lines, (), slack, round(mva * 1e6)), Flows(w, var, 1_000)


def _name(number: int) -> str:
    return f"bus-{number:05d}"


def _branch(number: int, row: Any) -> Branch:
    series = 1 / complex(row[2], row[3])
    tap = (row[8] or 1) * cmath.exp(1j * math.radians(row[9]))
    return Branch(
        id=f"line-{number:04d}",
        from_place=_name(int(row[0])),
        to_place=_name(int(row[1])),
        limit_w=WIDE,
        reactance_npu=max(1, min(2**31 - 1, abs(round(row[3] * NANO)))),
        g_npu=round(series.real * NANO),
        b_npu=round(series.imag * NANO),
        charging_npu=round(row[4] * NANO),
        tap_re=round(tap.real * NANO),
        tap_im=round(tap.imag * NANO),
    )
