"""The chain that benchmarks run on: validators as real processes, many meters, members that only pay.

Its keys are made from names (`devnet.bench.traffic.bench_key`), so nothing has to be written for 20,000 meters.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from contracts.genesis import Balance, ConsensusParams, DevnetClock, Genesis, OpeningTrust
from contracts.members import AccountKey, Member, Meter, NodeKeys
from contracts.params import PactParams
from contracts.units import PPM
from devnet.bench.traffic import bench_key
from devnet.errors import DevnetError
from devnet.processes import free_ports
from node.config import Config, NodeSection, P2pSection, RpcSection
from node.home import init_home
from zk.codec import encode

HOST = "127.0.0.1"
READY_S = 30.0
BALANCE_NANO = 10**15
BOND = 10**6
"""Of each validator: tokens."""
RECIPIENT = "bench-recipient"


class Site(NamedTuple):
    """What was founded: genesis, homes, and who pays and meters through which node."""

    genesis: Genesis
    homes: dict[str, Path]
    meters: dict[str, list[str]]
    senders: dict[str, list[str]]
    interval: int


class Running(NamedTuple):
    """A node's process and where it serves."""

    name: str
    home: Path
    process: subprocess.Popen[str]
    rpc: str


def found(
    root: Path, nodes: int, meters: int, senders: int, change: Callable[[Genesis], Genesis] = lambda made: made
) -> Site:
    """Homes and genesis for `nodes` validators; meters and senders are dealt out to them. `change` has the last word
    about the genesis."""
    names = [f"node-{number}" for number in range(1, nodes + 1)]
    ports = free_ports(2 * nodes)
    identities: dict[str, NodeKeys] = {}
    homes = {}
    for name, p2p, rpc in zip(names, ports[::2], ports[1::2], strict=True):
        homes[name] = root / name
        config = Config(node=NodeSection(id=name), p2p=P2pSection(port=p2p), rpc=RpcSection(port=rpc))
        address = f"{HOST}:{p2p}"
        made = init_home(homes[name], name, None, devnet=True, address=address, config=config)
        identities[name] = made.node
    payers = [f"payer-{number:04d}" for number in range(senders)]
    members = [_member(name, ("supplier",), (identities[name],)) for name in names]
    members += [_member(name, ("consumer",), ()) for name in (*payers, RECIPIENT)]
    loads = [f"meter-{number:05d}" for number in range(meters)]
    start_ms = time.time_ns() // 1_000_000
    params = PactParams(units_per_key=10**8, units_per_meter=10**6)
    origin_ms = start_ms // params.interval_ms * params.interval_ms
    genesis = Genesis(
        name="bench",
        rule_set=1,
        time_ms=origin_ms,
        params=params,
        consensus=ConsensusParams(),
        members=tuple(sorted(members, key=lambda member: member.id)),
        meters=tuple(
            Meter(name, payers[number % senders], bench_key(name).public_key, "load", "site", 10**9, None, None)
            for number, name in enumerate(loads)
        ),
        balances=tuple(Balance(name, BALANCE_NANO) for name in sorted(payers)),
        registers=(),
        validators=tuple(names),
        devnet_clock=DevnetClock(origin_ms, start_ms, PPM),
        trusts=tuple(OpeningTrust(name, bonded_tokens=BOND) for name in names),
    )
    genesis = change(genesis)
    packed = encode(genesis)
    for home in homes.values():
        (home / "genesis.mp").write_bytes(packed)
    return Site(
        genesis,
        homes,
        {name: loads[place::nodes] for place, name in enumerate(names)},
        {name: payers[place::nodes] for place, name in enumerate(names)},
        origin_ms // params.interval_ms,
    )


def start(homes: dict[str, Path], names: Sequence[str]) -> list[Running]:
    """Start these nodes and return once all of them serve. Raises DevnetError `bench.start`."""
    processes = {}
    for name in names:
        log = (homes[name] / "node.log").open("ab")
        processes[name] = subprocess.Popen(
            [sys.executable, "-m", "node.main", "--home", str(homes[name])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": "random"},
        )
        log.close()
    running: list[Running] = []
    for name, process in processes.items():
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            stop(running)
            text = (homes[name] / "node.log").read_text(errors="replace")[-2000:]
            raise DevnetError("bench.start", f"{name} did not start: {text}", "See its node.log.")
        running.append(Running(name, homes[name], process, json.loads(line)["rpc"]))
    return running


def stop(running: Sequence[Running]) -> None:
    """End the processes; their folders stay."""
    for node in running:
        node.process.terminate()
    for node in running:
        try:
            node.process.wait(5)
        except subprocess.TimeoutExpired:
            node.process.kill()
            node.process.wait()


def _member(name: str, roles: tuple[str, ...], nodes: tuple[NodeKeys, ...]) -> Member:
    key = AccountKey(bench_key(name).public_key, "all")
    return Member(name, name, roles, "site", (key,), nodes, b"")
