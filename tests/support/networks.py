"""Networks for tests: small ones by hand, and the IEEE cases of PYPOWER as networks of the ledger."""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from contracts.network.records import NANO, Branch, Network, Place, Transfer
from contracts.program.case import MAX_BLOCKS, Block, Case, Demand, Line, Source

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


NANO_PER_DOLLAR = 1_000_000
"""Nano per Wh that a dollar per MWh is in `dc_case`: a thousand times what it is worth, for more digits."""
NO_LIMIT_WH = 10**10


def dc_case(case: Mapping[str, Any], block_mw: float = 1.0) -> Case:
    """The DC optimal power flow of a case of PYPOWER over one hour: quadratic costs as secant blocks.

    Reactances are those of PYPOWER's DC model, tap ratio included. Phase shifters are not in it.
    """
    bus, gen, branch = (case[name].astype(float) for name in ("bus", "gen", "branch"))
    sources: list[Source] = []
    for number, (row, costs) in enumerate(zip(gen, case["gencost"].astype(float), strict=True)):
        assert (costs[0], costs[3]) == (2, 3) and row[9] >= 0, "quadratic, from nothing on"
        square, linear = costs[4] * NANO_PER_DOLLAR, costs[5] * NANO_PER_DOLLAR
        edges = [min(row[8], block_mw * step) for step in range(int(-(-row[8] // block_mw)) + 1)]
        blocks = [
            Block(round(linear + square * (low + high)), round((high - low) * 1e6)) for low, high in pairwise(edges)
        ]
        for part in range(0, len(blocks), MAX_BLOCKS):
            name = f"gen-{number}-{part // MAX_BLOCKS:02d}"
            sources.append(
                Source(name, f"unit-{number}", (tuple(blocks[part : part + MAX_BLOCKS]),), _name(int(row[0])))
            )
    lines = tuple(
        Line(
            f"line-{number:04d}",
            _name(int(row[0])),
            _name(int(row[1])),
            (round(row[5] * 1e6) or NO_LIMIT_WH,),
            round(row[3] * (row[8] or 1) * NANO),
        )
        for number, row in enumerate(branch)
        if row[10]
    )
    drawn = [(row, round((row[2] + row[4]) * 1e6)) for row in bus]
    return Case(
        name="dc",
        intervals=1,
        binding=1,
        round_id="5e" * 32,
        sources=tuple(sources),
        demands=tuple(Demand(_name(int(row[0])), (wh,), place=_name(int(row[0]))) for row, wh in drawn if wh),
        lines=lines,
        shed_nano_per_wh=(2**28 - 1,),
        offer_cap_nano_per_wh=2**27,
        scarcity_nano_per_wh=2**27,
        price_slack_ppm=0,
        reference_nano_per_wh=(40 * NANO_PER_DOLLAR,),
    )


def dollars(case: Mapping[str, Any], cost_nano: int) -> float:
    """What a dispatch of `dc_case` costs in an hour, with what units cost at rest."""
    return cost_nano / (NANO_PER_DOLLAR * 1e6) + float(case["gencost"][:, 6].sum())
