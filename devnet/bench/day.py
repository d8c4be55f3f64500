"""`gridpact bench day`: from the needs of a day to its orders, on four real nodes, with builders and short phases.

The campus and its 53 tenants want energy in all 96 intervals of a day, which lock as one window with a battery and
ramps between them. Timed is what happens between the first need that leaves and the order that every node has: blocks,
the lock, the solver, wagers, commitments, reveals and the judgement. Offers and tariffs stand before.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec.structs import replace

from contracts.bodies import AccountBody, Need, StorageOffer
from contracts.schedule import first_open, lock_ms
from devnet import profiles, rounds, scenario
from devnet.agents import builders_of, wallets_of
from devnet.conductor import Wallet
from devnet.courier import Courier, Parcel, PooledClient
from devnet.directory import Layout
from devnet.launcher import Launcher
from devnet.scenario import Scenario
from devnet.tempo import Stepped
from devnet.trades import Supplier, UtilityDesk, hire
from devnet.world import World
from node.home import Home
from node.light.founding import read_founding

INTERVALS = 96
HORIZON = 3 * INTERVALS
PHASE_MS = 1_000
"""Of ledger time, which stands until it is stepped: a phase takes the blocks that it needs."""
BLOCK_MS = 30
"""A round waits for some 17 blocks: short, so that work is what shows, and long enough for votes on a busy machine."""
POLL_S = 0.01
LEAST_WH = 3_000
"""Each load wants at least so much, or whole Wh are a large part of it."""

Say = Callable[[str], None]


def day() -> Scenario:
    """The campus with one window of a day, and nothing that breaks."""
    campus = scenario.load("campus")
    wagering = replace(campus.params.wagering, wager_ms=PHASE_MS, commit_ms=PHASE_MS, reveal_ms=PHASE_MS)
    params = replace(
        campus.params, window_intervals=INTERVALS, look_ahead_intervals=0, horizon_intervals=HORIZON, wagering=wagering
    )
    return replace(campus, params=params, consensus=replace(campus.consensus, target_block_ms=BLOCK_MS), faults=())


def measure(say: Say) -> dict[str, Any]:
    """The whole report. Raises DevnetError where the devnet does not come up."""
    with TemporaryDirectory(prefix="gridpact-bench-") as directory:
        launcher = Launcher(Path(directory) / "net", say)
        played = day()
        try:
            launcher.up(played, stepped=True)
            return asyncio.run(_Day(played, launcher.layout, say).play())
        finally:
            launcher.down()


class _Day:
    """One day's dispatch on a devnet that is up."""

    def __init__(self, played: Scenario, layout: Layout, say: Say) -> None:
        self._scenario = played
        self._layout = layout
        self._say = say
        self._document = layout.load()
        homes = [Path(node.home) for node in self._document.nodes]
        self._tempo = Stepped(homes, layout.clock, played.clock.origin_ms)
        self._world = World(played, profiles.load(played.season))
        self._first = first_open(played.params, played.clock.origin_ms)

    async def play(self) -> dict[str, Any]:
        """Offers, then what is timed, then what came of it."""
        async with contextlib.AsyncExitStack() as stack:
            nodes = [await stack.enter_async_context(PooledClient(node.rpc)) for node in self._document.nodes]
            self._courier = Courier(nodes)
            members = [one.id for one in self._scenario.members]
            wallets = await wallets_of(self._layout.agent_keys, members, self._document.chain_id, self._courier)
            founding = read_founding(Home.at(Path(self._document.nodes[0].home)).genesis)
            builders = builders_of(self._layout, self._scenario, nodes, founding, stack, self._told)
            self._say("posting offers and tariffs of a day")
            await self._send(wallets, self._offered())
            needs = self._needed()
            self._say(f"timing {len(needs)} needs")
            started = time.perf_counter()
            await self._send(wallets, needs)
            final = time.perf_counter()
            await self._tempo.reach(lock_ms(self._scenario.params, self._first))
            number = await self._locked()
            locked = time.perf_counter()
            round_ = await rounds.play(number, builders, self._courier, self._tempo, POLL_S, self._phase)
            await asyncio.gather(*(self._ordered(Courier([node])) for node in nodes))
            ordered = time.perf_counter()
        return {
            "nodes": len(nodes),
            "members": len({sender for sender, _ in needs}),
            "intervals": INTERVALS,
            "need_to_order_s": round(ordered - started, 3),
            "needs_final_s": round(final - started, 3),
            "lock_s": round(locked - final, 3),
            "round_s": round(ordered - locked, 3),
            "outcome": round_["outcome"],
            "saved_nano": str(int(round_["fallback_nano"]) - int(round_["cost_nano"])),
        }

    def _told(self, member: str, number: int | None, text: str) -> None:
        self._say(f"builder {member}: {text}")

    def _phase(self, phase: str) -> None:
        self._say(f"builders to {phase}")

    def _offered(self) -> list[tuple[str, AccountBody]]:
        days = range(self._first, self._first + INTERVALS)
        agents = [agent for agent in hire(self._scenario, self._world) if isinstance(agent, Supplier | UtilityDesk)]
        said = [(agent.member, body) for interval in days for agent in agents for body in agent.market(interval)]
        for meter in self._scenario.meters:
            if meter.store is not None:
                limit_wh = self._world.limit_wh(meter.id)
                offer = StorageOffer(meter.id, self._first, INTERVALS, limit_wh, limit_wh, None, 0, 0)
                said.append((meter.member, offer))
        return said

    def _needed(self) -> list[tuple[str, AccountBody]]:
        """What each load takes on average, in every interval of the day."""
        days = range(self._first, self._first + INTERVALS)
        loads = [meter for meter in self._scenario.meters if meter.kind == "load"]
        return [
            (
                meter.member,
                Need(
                    self._first,
                    INTERVALS,
                    max(LEAST_WH, sum(self._world.forecast_wh(meter.id, one) for one in days) // INTERVALS),
                    None,
                    0,
                ),
            )
            for meter in loads
        ]

    async def _send(self, wallets: dict[str, Wallet], said: Sequence[tuple[str, AccountBody]]) -> None:
        height = int((await self._courier.get("/status"))["height"])
        parcels: list[Parcel] = [wallets[member].seal(body, "need", height) for member, body in said]
        await self._courier.deliver(parcels)

    async def _locked(self) -> int:
        """The number of the round about the day."""
        while True:
            found = (await self._courier.get(f"/query/interval/{self._first}"))["data"]
            if found["status"] != "open":
                return int(found["round"])
            await asyncio.sleep(POLL_S)

    async def _ordered(self, node: Courier) -> None:
        last = self._first + INTERVALS - 1
        while (await node.get(f"/query/interval/{last}"))["data"]["status"] != "ordered":
            await asyncio.sleep(POLL_S)
