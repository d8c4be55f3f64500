"""The process of all agents of one devnet: `python -m devnet.agents --dir DIR [--intervals N] [--record]`.

Reads the scenario, gives each agent its own member's key and each gateway its own meter's, and plays until it
is stopped or has seen N intervals settle. What it waits for, and what physically happened, is in
`DIR/agents.json`. With `--record` every envelope is written to `DIR/submitted.jsonl` before it is first sent.
With `--load` it makes traffic instead of playing intervals.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from devnet import keyring, profiles
from devnet.conductor import Conductor, Progress, Wallet
from devnet.courier import Courier, PooledClient
from devnet.directory import Layout, write_whole
from devnet.errors import DevnetError
from devnet.expectations import Submitted
from devnet.scenario import Scenario
from devnet.tempo import Running, Stepped, Tempo
from devnet.trades import hire
from devnet.traffic import Traffic
from devnet.world import Flow, World
from node.agents.gateway import MeterGateway
from node.client import Account, MeterKey
from node.clock import SystemClock
from node.disk import AppendFile, RealAppendFile, RealDisk
from node.errors import NodeError


class KillSafeDisk(RealDisk):
    """Writes without waiting for the medium: they survive a kill, not a power cut.

    Sixty gateways that share one disk would wait for each other as sixty devices never do.
    """

    def open_append(self, path: Path) -> AppendFile:
        """Append-only file whose `sync` returns at once."""
        return _KillSafeFile(path)


class _KillSafeFile(RealAppendFile):
    def sync(self) -> None:
        """What was appended is with the operating system already."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until done, stopped or failed; 0 unless failed."""
    parser = argparse.ArgumentParser(prog="python -m devnet.agents")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--intervals", type=int, default=None)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--load", action="store_true")
    options = parser.parse_args(arguments)
    layout = Layout(options.dir)
    progress = Progress()
    report = _reporter(layout)
    try:
        with contextlib.ExitStack() as stack:
            record: Callable[[Sequence[Submitted]], None] = _forget
            if options.record:
                record = _Recorder(stack.enter_context(layout.submitted.open("ab")))
            asyncio.run(_until_stopped(_play(layout, options.intervals, options.load, record, report)))
    except asyncio.CancelledError:
        return 0
    except NodeError as error:
        progress.error = str(error)
        report(progress)
        print(error, file=sys.stderr)
        return 1
    return 0


async def _until_stopped(work: object) -> None:
    """Await `work`; SIGTERM cancels it."""
    assert asyncio.iscoroutine(work)
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await task


async def _play(
    layout: Layout,
    intervals: int | None,
    load: bool,
    record: Callable[[Sequence[Submitted]], None],
    report: Callable[[Progress], None],
) -> None:
    document = layout.load()
    scenario = load_scenario(layout)
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(PooledClient(node.rpc)) for node in document.nodes]
        courier = Courier(clients, record)
        genesis = await courier.ask(lambda node: node.genesis())
        clock = SystemClock(genesis.devnet_clock)
        if load:
            await _make_traffic(layout, scenario, courier, clock, report)
            return
        tempo: Tempo = Running(clock)
        if document.stepped:
            now_ms = int((await courier.get("/status"))["time_ms"])
            tempo = Stepped([Path(node.home) for node in document.nodes], layout.clock, now_ms)
        world = World(scenario, profiles.load(scenario.season))
        wallets = {}
        for member in scenario.members:
            wallets[member.id] = Wallet(_account(layout, document.chain_id, member.id))
            await wallets[member.id].catch_up(courier)
        gateways = {}
        for meter in scenario.meters:
            gateway = await _gateway(layout, document.chain_id, meter.id, courier)
            stack.callback(gateway.close)
            gateways[meter.id] = gateway
            head = (await courier.get(f"/query/meter/{meter.id}"))["data"]["head"]
            world.registers[meter.id] = Flow(int(head["import_wh"]), int(head["export_wh"]))
        conductor = Conductor(
            scenario,
            world,
            hire(scenario, world),
            wallets,
            gateways,
            courier,
            document.chain_id,
            tempo,
            report,
        )
        # The first interval whose gate is still ahead.
        params = scenario.params
        first = (tempo.now_ms() + params.gate_lead_ms) // params.interval_ms + 1
        await conductor.run(first, intervals)
        conductor.progress.done = True
        report(conductor.progress)


async def _make_traffic(
    layout: Layout,
    scenario: Scenario,
    courier: Courier,
    clock: SystemClock,
    report: Callable[[Progress], None],
) -> None:
    plan = scenario.load
    if plan is None:
        raise DevnetError("scenario.load", f"{scenario.name} has no [load].", "Add the table to the scenario.")
    progress = Progress(waiting_for=f"{plan.seconds} s of traffic to be final", begun=1)
    report(progress)
    traffic = await Traffic.open(layout, scenario, courier, clock, readings=True)
    result = await traffic.run(plan.seconds, plan.readings_per_s, plan.transfers_per_s)
    progress.refused = result.refused
    progress.done = True
    report(progress)


def _account(layout: Layout, chain_id: str, member: str) -> Account:
    seed = keyring.seed(layout.agent_keys / f"{member}.json", "account")
    return Account(chain_id, member, seed)


async def _gateway(layout: Layout, chain_id: str, meter: str, courier: Courier) -> MeterGateway:
    """The meter's gateway, with everything final that an earlier process signed."""
    seed = keyring.seed(layout.meter_keys / f"{meter}.json", "meter")
    gateway = MeterGateway(MeterKey(chain_id, meter, seed), layout.outbox / meter, KillSafeDisk())
    await courier.ask(gateway.adopt)
    while gateway.waiting:
        await courier.ask(gateway.flush)
    return gateway


def load_scenario(layout: Layout) -> Scenario:
    """The scenario that the devnet was made from."""
    try:
        return msgspec.json.decode(layout.scenario.read_bytes(), type=Scenario)
    except (OSError, msgspec.DecodeError) as error:
        raise DevnetError(
            "devnet.damaged", f"{layout.scenario} can't be read: {error}.", "`gridpact devnet down`, then up."
        ) from None


def _reporter(layout: Layout) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        write_whole(layout.progress, msgspec.json.encode(progress), durable=False)

    return report


class _Recorder:
    """Writes submissions down before they are sent, one JSON document per line."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __call__(self, items: Sequence[Submitted]) -> None:
        self._file.write(b"".join(msgspec.json.encode(item) + b"\n" for item in items))
        self._file.flush()


def _forget(items: Sequence[Submitted]) -> None:
    """Nobody asked for a record."""


if __name__ == "__main__":
    sys.exit(main())
