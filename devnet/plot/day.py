"""What a stretch of intervals was like, read through public RPC: who supplied, who took, at what price.

Ordered energy is taken, because it adds up to the Wh: what sources, batteries and the public grid were ordered
to give is what demand, batteries and the grid were ordered to take. Metered withdrawals stand beside it. Draws
nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from contracts.genesis import Genesis
from devnet.errors import DevnetError
from node.client import Client

MAX_QUESTIONS = 16
"""Requests at once."""
AHEAD, BEHIND = 3, 8
"""Around the present, where the newest order is looked for: gates are ahead, and a run may have ended."""
NAMED_SOURCES = 7
"""The largest have their own colour; the rest are drawn as one."""
OTHERS = "other sources"


class Moment(NamedTuple):
    """One ordered interval. Energies in Wh, prices in nano-currency per Wh."""

    interval: int
    start_ms: int
    sources_wh: Mapping[str, int]
    """Ordered from each source that gave something, by meter."""
    discharge_wh: int
    charge_wh: int
    import_wh: int
    export_wh: int
    needed_wh: int
    """Fixed demand."""
    served_wh: int
    """Demand that was ordered, without what batteries took."""
    shed_wh: int
    delivered_wh: int | None
    """Metered withdrawals of everybody, the grid's and the batteries' included; None before settlement."""
    losses_wh: int | None
    price_nano_per_wh: int
    import_nano_per_wh: int
    export_nano_per_wh: int

    @property
    def given_wh(self) -> int:
        """Height of the stack."""
        return sum(self.sources_wh.values()) + self.discharge_wh + self.import_wh


class Day(NamedTuple):
    """Consecutive intervals of one chain, those without an order left out."""

    chain_id: str
    interval_ms: int
    moments: Sequence[Moment]

    def sources(self) -> list[str]:
        """Those with a colour of their own, largest first."""
        total: dict[str, int] = {}
        for moment in self.moments:
            for meter, energy_wh in moment.sources_wh.items():
                total[meter] = total.get(meter, 0) + energy_wh
        return sorted(total, key=lambda meter: (-total[meter], meter))[:NAMED_SOURCES]


def layers(moment: Moment, named: Sequence[str]) -> list[tuple[str, int]]:
    """The stack from the bottom up: named sources, the others, batteries, import. Adds up to `given_wh`."""
    own = [(meter, moment.sources_wh.get(meter, 0)) for meter in named]
    others_wh = sum(moment.sources_wh.values()) - sum(energy_wh for _, energy_wh in own)
    return [*own, (OTHERS, others_wh), ("battery", moment.discharge_wh), ("import", moment.import_wh)]


async def collect(client: Client, start: int | None, count: int) -> Day:
    """Ask one node for `count` intervals from `start` on; None: the newest. Raises `NodeError`, `plot.empty`."""
    genesis = await client.genesis()
    length_ms = genesis.params.interval_ms
    first = start
    if first is None:
        now = int((await client.status())["time_ms"]) // length_ms
        first = max(await _newest(client, now) + 1 - count, genesis.time_ms // length_ms)
    gate = asyncio.Semaphore(MAX_QUESTIONS)

    async def ask(interval: int) -> Moment | None:
        async with gate:
            if not await _is_ordered(client, interval):
                return None
            return moment((await client.dispatch(interval))["data"], genesis)

    found = await asyncio.gather(*map(ask, range(first, first + count)))
    moments = [one for one in found if one is not None]
    if not moments:
        raise DevnetError(
            "plot.empty",
            f"No interval from {first} to {first + count - 1} is ordered.",
            "Wait for the first gate, or give another --interval-from.",
        )
    return Day(genesis.chain_id(), length_ms, moments)


async def _newest(client: Client, now: int) -> int:
    """The newest interval with an order, of those around `now`; `now` if none has one."""
    for interval in range(now + AHEAD, now - BEHIND, -1):
        if interval >= 0 and await _is_ordered(client, interval):
            return interval
    return now


async def _is_ordered(client: Client, interval: int) -> bool:
    return (await client.interval(interval))["data"]["status"] in ("ordered", "settled")


def moment(data: Mapping[str, Any], genesis: Genesis) -> Moment:
    """What a dispatch document says about its interval."""
    kinds = {meter.id: meter.kind for meter in genesis.meters}
    keepers = {meter.member for meter in genesis.meters if meter.kind == "storage"}
    sources: dict[str, int] = {}
    discharge_wh = charge_wh = 0
    for order in data["orders"]:
        if order["member"] in keepers:
            charge_wh += int(order["served_wh"])
        for part in order["meters"]:
            meter, energy_wh = str(part["meter"]), int(part["energy_wh"])
            if kinds.get(meter) == "storage":
                discharge_wh += energy_wh
            elif energy_wh:
                sources[meter] = energy_wh
    settled = data["status"] == "settled"
    return Moment(
        interval=int(data["interval"]),
        start_ms=int(data["start_ms"]),
        sources_wh=sources,
        discharge_wh=discharge_wh,
        charge_wh=charge_wh,
        import_wh=int(data["import_wh"]),
        export_wh=int(data["export_wh"]),
        needed_wh=int(data["demand_wh"]),
        served_wh=int(data["served_wh"]) - charge_wh,
        shed_wh=int(data["shed_wh"]),
        delivered_wh=int(data["withdrawn_wh"]) if settled else None,
        losses_wh=int(data["losses_wh"]) if settled else None,
        price_nano_per_wh=int(data["price_nano_per_wh"]),
        import_nano_per_wh=int(data["import_nano_per_wh"]),
        export_nano_per_wh=int(data["export_nano_per_wh"]),
    )
