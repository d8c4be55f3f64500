"""`gridpact bench rpc`: what asking a node costs the one who asks, and what listening costs the chain.

Real validators on loopback under load. Point queries (a balance, a meter, a transaction, a header) come from a process
of their own, one at a time on one connection, while 500 transactions a second become final: their latency is what a
page sees, and what did become final while they were asked is told beside it. Subscribers are 200 websockets at one
node, on the topics that pages follow. What they cost is what a burst of transactions takes longer with them than
without, on the slowest node; bursts take turns, so that whatever else the machine does falls on both alike. The
processor time of the node that is listened to is told beside it: that depends on nothing else.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import multiprocessing
import os
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from devnet.bench import site
from devnet.bench.throughput import FIRST_BLOCK_S, WARM_UP_SHARE, Load, Throughput
from node.client import Client

METERS = 2_000
SENDERS = 32
LOAD_TX_PER_S = 500.0
POINTS_PER_S = 100.0
POINTS_BATCH = 25
"""Envelopes that come at once, as gateways send them."""
COOL_DOWN_S = 0.5
"""Of load after the last query."""
SUBSCRIBERS = 200
TOPICS = "block,interval"
BURST, BURST_BATCH, BURST_S = 3_000, 50, 120.0
"""Transactions that are handed in at once; longest wait until they are final."""
AT_ONCE = 1e9
"""A rate that nothing waits for."""
TURNS = 5
"""Bursts without, and as many with subscribers; every other time the other way round, so that drift falls on both."""
FOLLOWED = 0.95
"""Of the load; where less became final, the latency is that of an overloaded machine."""
NODES = 4


def point_latencies(url: str, paths: Sequence[str], seconds: float) -> list[float]:
    """Seconds that each of the queries took, asked in turn at `POINTS_PER_S` for so long."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    taken = []
    start = time.perf_counter()
    for number in range(int(seconds * POINTS_PER_S)):
        time.sleep(max(0.0, start + number / POINTS_PER_S - time.perf_counter()))
        asked = time.perf_counter()
        connection.request("GET", paths[number % len(paths)])
        answer = connection.getresponse()
        answer.read()
        taken.append(time.perf_counter() - asked)
        assert answer.status == 200, f"{paths[number % len(paths)]} was answered with {answer.status}"
    connection.close()
    return taken


class Listener(asyncio.Protocol):
    """A subscriber that counts what it is told and looks at nothing, so that little of its own cost is measured."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._transport: asyncio.Transport | None = None
        self.told_bytes = 0
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(bytes(16)).decode()
        transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Count."""
        self.told_bytes += len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The node dropped it, or it was closed."""
        self.lost = True

    def close(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.abort()


@contextlib.asynccontextmanager
async def listening(url: str, count: int) -> AsyncIterator[list[Listener]]:
    """So many subscribers at one node, all of them connected."""
    address, loop = urlsplit(url), asyncio.get_running_loop()
    listeners = [Listener(f"/ws?topics={TOPICS}") for _ in range(count)]
    try:
        for one in listeners:
            await loop.create_connection(partial(_same, one), address.hostname or "", address.port or 0)
        while not all(one.told_bytes for one in listeners):
            await asyncio.sleep(0.01)
        yield listeners
    finally:
        for one in listeners:
            one.close()


class Burst(NamedTuple):
    """What one burst took."""

    tx_per_s: float
    cpu_s: float
    """Of the node that is listened to."""


def processor_s(node: site.Running) -> float:
    """Processor seconds of one node so far."""
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _same(listener: Listener) -> Listener:
    return listener


class Rpc(Throughput):
    """One benchmark run."""

    def __init__(self, seconds: float, say: Any) -> None:
        super().__init__(NODES, seconds, say)

    async def _measure(self, root: Path) -> dict[str, Any]:
        self._say(f"founding a chain of {NODES} validators and {METERS:,} meters")
        plan = site.found(root, NODES, METERS, SENDERS)
        self._running = site.start(plan.homes, list(plan.homes))
        self._clients = {node.name: Client(node.rpc) for node in self._running}
        names = list(self._clients)
        await self._until(lambda s: all(x["height"] >= 1 for x in s), FIRST_BLOCK_S, "the first block")
        load = Load(plan, self._clients)
        report: dict[str, Any] = {"nodes": NODES, **await self._points(load, names, plan)}
        report |= await self._subscribers(load, names)
        report["refused"] = load.refused
        return report

    async def _points(self, load: Load, names: list[str], plan: site.Site) -> dict[str, Any]:
        self._say(f"point queries while {LOAD_TX_PER_S:,.0f} tx/s become final")
        node = self._clients[names[0]]
        sent = await node.submit_one(load._probes[names[0]].transfer(), "final")
        meter, payer = plan.meters[names[0]][0], plan.senders[names[0]][0]
        paths = (f"/query/balance/{payer}", f"/query/meter/{meter}", f"/tx/{sent.hash.hex()}", "/header/latest")
        batches = load.prepare(names, int(LOAD_TX_PER_S * self._seconds), POINTS_BATCH)
        loop = asyncio.get_running_loop()
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            # Starting a process takes a second of its own, and is not what is measured.
            await loop.run_in_executor(pool, point_latencies, node.base_url, paths, 1.0)
            sending = asyncio.create_task(load.run(batches, LOAD_TX_PER_S))
            await asyncio.sleep(WARM_UP_SHARE * self._seconds)
            before, clock = await self._statuses(), time.perf_counter()
            asking = (1 - WARM_UP_SHARE) * self._seconds - COOL_DOWN_S
            taken = await loop.run_in_executor(pool, point_latencies, node.base_url, paths, asking)
            after, seconds = await self._statuses(), time.perf_counter() - clock
        await sending
        await self._drained()
        finalised = min(b["executed"] - a["executed"] for a, b in zip(before, after, strict=True)) / seconds
        if finalised < FOLLOWED * LOAD_TX_PER_S:
            self._say(
                f"only {finalised:,.0f} tx/s became final: the machine is busy, and latencies are those of a queue"
            )
        return {
            "point_queries": len(taken),
            "point_p50_ms": round(1000 * statistics.median(taken), 2),
            "point_p99_ms": round(1000 * statistics.quantiles(taken, n=100)[98], 2),
            "point_max_ms": round(1000 * max(taken), 2),
            "finalised_per_s": round(finalised),
        }

    async def _subscribers(self, load: Load, names: list[str]) -> dict[str, Any]:
        heard_by = self._running[0]
        await self._burst(load, names)
        without, beside, told = [], [], 0
        for turn in range(TURNS):
            self._say(f"{BURST:,} transactions without and with {SUBSCRIBERS} subscribers, {turn + 1} of {TURNS}")
            for heard in (False, True) if turn % 2 else (True, False):
                if not heard:
                    without.append(await self._burst(load, names))
                    continue
                async with listening(heard_by.rpc, SUBSCRIBERS) as listeners:
                    beside.append(await self._burst(load, names))
                    assert not any(one.lost for one in listeners), "the node dropped a subscriber that reads"
                    told += sum(one.told_bytes for one in listeners)
        plain, told_too = (statistics.median(one.tx_per_s for one in some) for some in (without, beside))
        plain_cpu, heard_cpu = (statistics.median(one.cpu_s for one in some) for some in (without, beside))
        return {
            "subscribers": SUBSCRIBERS,
            "topics": TOPICS,
            "finalised_tx_per_s": round(plain),
            "finalised_with_subscribers_tx_per_s": round(told_too),
            "subscribers_cost_ratio": round(1 - told_too / plain, 3),
            "subscribers_cpu_ratio": round(heard_cpu / plain_cpu - 1, 3),
            "told_mb": round(told / 1e6, 1),
        }

    async def _burst(self, load: Load, names: list[str]) -> Burst:
        """As many transactions as fast as they are taken, until the slowest node has all of them final."""
        batches = load.prepare(names, BURST, BURST_BATCH)
        count = sum(len(envelopes) for _, envelopes in batches)
        goals = [one["executed"] + count for one in await self._statuses()]
        cpu, start = processor_s(self._running[0]), time.perf_counter()
        await load.run(batches, AT_ONCE)
        await self._until(
            lambda s: all(one["executed"] >= goal for one, goal in zip(s, goals, strict=True)), BURST_S, "a burst"
        )
        return Burst(count / (time.perf_counter() - start), processor_s(self._running[0]) - cpu)
