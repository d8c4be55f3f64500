"""`gridpact bench throughput`: finalised transactions a second, latency, and where the time goes.

Real validators on loopback, a generator of pre-signed envelopes, and a rate that rises until the chain no longer
follows: until less than 85% of what was offered became final on the slowest node, over the step without its first
fifth. The figure is the most that any step made final. Everything is measured in one run, the limit by signature
verification included.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devnet.bench import site
from devnet.bench.site import RECIPIENT, Running, Site
from devnet.bench.traffic import BATCH, Traffic, bench_key
from devnet.errors import DevnetError
from node.admin import call
from node.client import Client
from zk import ed25519

Say = Callable[[str], None]

METERS = 20_000
SENDERS = 128
FIRST_RATE = 1_000
GROWTH = 1.25
MAX_STEPS = 8
SWEEP_S = 170.0
"""No further step after this, so that the whole run stays below five minutes."""
FOLLOWS = 0.85
WARM_UP_SHARE = 0.2
IDLE_PROBES = 30
IDLE_PAUSE_S = 0.4
"""Longer than the block that makes a result provable takes to follow."""
PROBES_PER_S = 10
RETRY_S = 20.0
RETRY_PAUSE_S = 0.1
MAX_RETRY_PAUSE_S = 1.0
"""A node that is full says so; a lane without one of its envelopes would stand still for good."""
OUTSTANDING = 24
"""Requests per node that may wait for an answer: beyond it the generator offers less."""
FIRST_BLOCK_S = 30.0
DRAIN_S = 30.0
VERIFICATIONS = 3_000


class Load:
    """Batches at a rate, dealt out to the nodes in turn; signing happens in `prepare`."""

    def __init__(self, plan: Site, clients: dict[str, Client]) -> None:
        chain_id = plan.genesis.chain_id()
        self._clients = clients
        self._traffic = {
            name: Traffic(chain_id, plan.meters[name], plan.senders[name][1:], RECIPIENT, plan.interval)
            for name in clients
        }
        self._probes = {
            name: Traffic(chain_id, (), plan.senders[name][:1], RECIPIENT, plan.interval) for name in clients
        }
        self.refused = 0
        """Envelopes that a node had no room for at first; they were sent again until it had."""

    def prepare(self, names: list[str], count: int, size: int) -> list[tuple[str, list[bytes]]]:
        """Signed batches of `size` for these nodes, `count` envelopes in all."""
        batches = max(1, count // size)
        return [(names[n % len(names)], self._traffic[names[n % len(names)]].take(size)) for n in range(batches)]

    async def run(self, batches: list[tuple[str, list[bytes]]], rate: float) -> None:
        """Send at `rate` envelopes a second, open loop up to `OUTSTANDING` requests per node."""
        gates = {name: asyncio.Semaphore(OUTSTANDING) for name in self._clients}
        sending: list[asyncio.Task[None]] = []
        start = time.perf_counter()
        sent = 0
        for name, envelopes in batches:
            due = start + sent / rate
            delay = due - time.perf_counter()
            if delay > 0:
                await asyncio.sleep(delay)
            await gates[name].acquire()
            sending.append(asyncio.create_task(self._send(name, envelopes, gates[name])))
            sent += len(envelopes)
        await asyncio.gather(*sending)

    async def _send(self, name: str, envelopes: list[bytes], gate: asyncio.Semaphore) -> None:
        try:
            end, pause = time.perf_counter() + RETRY_S, RETRY_PAUSE_S
            while envelopes:
                results = await self._clients[name].submit(envelopes, wait="accepted")
                envelopes = [raw for raw, one in zip(envelopes, results, strict=True) if one.code != "ok"]
                self.refused += len(envelopes)
                codes = sorted({one.code for one in results} - {"ok"})
                if envelopes and (time.perf_counter() > end or not all(code.startswith("mempool.") for code in codes)):
                    raise DevnetError("bench.refused", f"{name} refused {codes}.", "See the node's log.")
                if envelopes:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, MAX_RETRY_PAUSE_S)
        finally:
            gate.release()

    async def probe(self, name: str) -> float:
        """Seconds from sending one transfer to its final receipt, seen by the node it was sent to."""
        envelope = self._probes[name].transfer()
        start = time.perf_counter()
        result = await self._clients[name].submit_one(envelope, wait="final")
        if result.code != "ok":
            raise DevnetError("bench.probe", f"A probe was refused: {result.code}.", "See the node's log.")
        return time.perf_counter() - start


class Throughput:
    """One benchmark run."""

    def __init__(self, nodes: int, seconds: float, say: Say) -> None:
        self._nodes = nodes
        self._seconds = seconds
        self._say = say
        self._running: list[Running] = []
        self._clients: dict[str, Client] = {}

    async def run(self) -> dict[str, Any]:
        """All figures. Raises DevnetError when a node does not start or a probe fails."""
        root = Path(tempfile.mkdtemp(prefix="gridpact-bench-"))
        try:
            return await self._measure(root)
        finally:
            for client in self._clients.values():
                await client.close()
            site.stop(self._running)
            shutil.rmtree(root, ignore_errors=True)

    async def _measure(self, root: Path) -> dict[str, Any]:
        self._say(f"founding a chain of {self._nodes} validators and {METERS:,} meters")
        plan = site.found(root, self._nodes, METERS, SENDERS)
        started = time.perf_counter()
        self._running = site.start(plan.homes, list(plan.homes))
        self._clients = {node.name: Client(node.rpc) for node in self._running}
        names = list(self._clients)
        await self._until(lambda s: all(x["height"] >= 1 for x in s), FIRST_BLOCK_S, "the first block")
        report: dict[str, Any] = {"nodes": self._nodes, "devnet_ready_s": round(time.perf_counter() - started, 2)}
        verify_us = verification_us()
        load = Load(plan, self._clients)

        self._say("latency of single transfers on an idle chain")
        idle = []
        for number in range(IDLE_PROBES):
            idle.append(await load.probe(names[number % len(names)]))
            await asyncio.sleep(IDLE_PAUSE_S)
        report["idle_p50_ms"] = round(1000 * statistics.median(idle), 1)

        best: dict[str, Any] = {}
        sweep = []
        rate = float(FIRST_RATE)
        for _ in range(MAX_STEPS):
            step = await self._step(load, names, rate, profile=True)
            sweep.append({key: step[key] for key in ("rate", "finalised_tx_per_s", "cpu_us_per_tx_node")})
            self._say(f"offered {rate:,.0f} tx/s, final {step['finalised_tx_per_s']:,.0f} tx/s")
            if step["finalised_tx_per_s"] > best.get("finalised_tx_per_s", 0):
                best = step
            if step["finalised_tx_per_s"] < FOLLOWS * rate or time.perf_counter() - started > SWEEP_S:
                break
            rate *= GROWTH
        report.update(best)
        del report["rate"]
        report["sweep"] = sweep

        half = best["finalised_tx_per_s"] / 2
        self._say(f"latency at half load, {half:,.0f} tx/s")
        latencies = await self._latency(load, names, half)
        report["half_load_p50_ms"] = round(1000 * statistics.median(latencies), 1)
        report["half_load_p99_ms"] = round(1000 * statistics.quantiles(latencies, n=100)[98], 1)
        report["rss_mb_max"] = round(max(map(self._rss_mb, self._running)), 1)
        report["transactions"] = min(x["executed"] for x in await self._statuses())

        victim = self._running[-1]
        self._say(f"killing {victim.name}")
        victim.process.kill()
        victim.process.wait()
        self._running.remove(victim)
        await self._clients.pop(victim.name).close()
        dead = await self._step(load, names[:-1], best["finalised_tx_per_s"], profile=False)
        report["one_dead_tx_per_s"] = dead["finalised_tx_per_s"]

        report["refused"] = load.refused
        report["verify_us"] = round(verify_us, 1)
        cores = os.cpu_count() or 1
        report["cores"] = cores
        limit = cores / self._nodes / verify_us * 1e6
        report["verify_limit_tx_per_s"] = round(limit)
        report["verify_limit_ratio"] = round(report["finalised_tx_per_s"] / limit, 3)
        return report

    async def _step(self, load: Load, names: list[str], rate: float, *, profile: bool) -> dict[str, Any]:
        """Offer `rate` for one step; what became final, and what it cost."""
        size = int(min(BATCH, max(16, rate / 20)))
        batches = load.prepare(names, int(rate * self._seconds), size)
        if profile:
            await self._admin({"cmd": "profile", "on": True})
        sending = asyncio.create_task(load.run(batches, rate))
        await asyncio.sleep(WARM_UP_SHARE * self._seconds)
        before, cpu_before, clock_before = await self._statuses(), self._cpu_s(), time.perf_counter()
        await asyncio.sleep((1 - WARM_UP_SHARE) * self._seconds - 0.1)
        after, cpu_after, clock_after = await self._statuses(), self._cpu_s(), time.perf_counter()
        samples = await self._admin({"cmd": "profile", "on": False}) if profile else []
        await sending
        await self._drained()
        seconds = clock_after - clock_before
        executed = [b["executed"] - a["executed"] for a, b in zip(before, after, strict=True)]
        blocks = [b["height"] - a["height"] for a, b in zip(before, after, strict=True)]
        fsyncs = [b["fsyncs"] - a["fsyncs"] for a, b in zip(before, after, strict=True)]
        step: dict[str, Any] = {
            "rate": round(rate),
            "finalised_tx_per_s": round(min(executed) / seconds),
            "cpu_us_per_tx_node": round((cpu_after - cpu_before) / max(1, sum(executed)) * 1e6, 1),
            "fsyncs_per_block": round(sum(fsyncs) / max(1, sum(blocks)), 2),
            "blocks_per_s": round(min(blocks) / seconds, 2),
        }
        if profile:
            totals: dict[str, int] = {}
            for answer in samples:
                for area, count in answer["samples"].items():
                    totals[area] = totals.get(area, 0) + count
            step["cpu_share"] = {area: round(count / max(1, sum(totals.values())), 3) for area, count in totals.items()}
        return step

    async def _latency(self, load: Load, names: list[str], rate: float) -> list[float]:
        batches = load.prepare(names, int(rate * self._seconds), int(max(16, min(BATCH, rate / 20))))
        sending = asyncio.create_task(load.run(batches, rate))
        await asyncio.sleep(WARM_UP_SHARE * self._seconds)
        probes = []
        for number in range(int((1 - WARM_UP_SHARE) * self._seconds * PROBES_PER_S) - 1):
            probes.append(asyncio.create_task(load.probe(names[number % len(names)])))
            await asyncio.sleep(1 / PROBES_PER_S)
        latencies = list(await asyncio.gather(*probes))
        await sending
        await self._drained()
        return latencies

    async def _drained(self) -> None:
        """Everything accepted is final: otherwise a killed node takes the start of a lane with it."""
        await self._until(lambda s: all(x["mempool"]["transactions"] == 0 for x in s), DRAIN_S, "the backlog")

    async def _statuses(self) -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(client.status() for client in self._clients.values())))

    async def _until(self, condition: Callable[[list[dict[str, Any]]], bool], seconds: float, what: str) -> None:
        end = time.perf_counter() + seconds
        while not condition(await self._statuses()):
            if time.perf_counter() > end:
                raise DevnetError("bench.timeout", f"Waited {seconds:.0f} s for {what}.", "See the nodes' logs.")
            await asyncio.sleep(0.02)

    async def _admin(self, command: dict[str, Any]) -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(call(node.home, command) for node in self._running)))

    def _cpu_s(self) -> float:
        """Processor seconds of all nodes together."""
        ticks = 0
        for node in self._running:
            fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def _rss_mb(self, node: Running) -> float:
        status = Path(f"/proc/{node.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def verification_us() -> float:
    """Microseconds of one signature verification, measured here and now."""
    key = bench_key("verification")
    message = bytes(180)
    signature = key.sign(message)
    start = time.perf_counter()
    for _ in range(VERIFICATIONS):
        ed25519.verify(key.public_key, message, signature)
    return (time.perf_counter() - start) / VERIFICATIONS * 1e6
