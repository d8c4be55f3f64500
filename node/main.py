"""The process of one node: `python -m node.main --home DIR`. Imports nothing that a node does not need.

Reads the home, opens the ledger and the journal, takes part until told to stop, and says one line of JSON when it
serves. Exit code 0 after SIGTERM or `stop`, 1 with a document `{code, message, hint}` on stderr otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from contracts.genesis import CODEC, MAX_GENESIS_BYTES, Genesis
from contracts.program import arrays
from node import config as configuration
from node.access.log import AccessLog
from node.admin import AdminServer
from node.clock import ClockSetting, SystemClock, wall_ms
from node.config import Config
from node.disk import RealDisk
from node.errors import UNREADABLE, NodeError
from node.home import Home, Secrets, keep_report, load_secrets
from node.journal import Journal
from node.keys import find_passphrase, refuse_devnet_keys
from node.ledger.ledger import Ledger
from node.ledger.store import LevelStore
from node.mempool import MempoolLimits
from node.peer.tls import Identity
from node.peer.transport import Former, Registry, Transport
from node.roster import Nodes
from node.rpc.arguments import transaction_hash
from node.rpc.exposure import protect
from node.rpc.server import RpcServer
from node.runner import Node, SystemEntropy
from node.signer import FileSigner
from node.tracing import trace
from zk.codec import Malformed

LOG = logging.getLogger("gridpact")
LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"

Answer = dict[str, Any]


def load_genesis(path: Path) -> Genesis:
    """The canonical genesis document. Raises NodeError `genesis.missing` or `genesis.damaged`."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_GENESIS_BYTES + 1)
        return CODEC.decode(raw)
    except FileNotFoundError:
        raise NodeError(
            "genesis.missing", f"{path} is missing.", "Copy the pact's genesis.mp there; every node has the same one."
        ) from None
    except Malformed as error:
        raise NodeError(
            "genesis.damaged", f"{path} is not a genesis document: {error.message}", "Get it from another member."
        ) from None


def peers_of(nodes: Nodes, config: Config) -> tuple[Registry, Former]:
    """Registered nodes as peers know them; the configuration's seeds overrule registered addresses."""

    def records(node: str) -> list[tuple[bytes, bytes, str]]:
        return [
            (keys.tls_certificate, keys.consensus_key, config.seeds.get(node, keys.address)) for keys in nodes[node]
        ]

    return {node: records(node)[0] for node in nodes}, {node: records(node)[1:] for node in nodes}


def is_registered(nodes: Nodes, node: str, consensus_key: bytes, bls_key: bytes) -> bool:
    """Whether the ledger knows the node by these keys, present or replaced."""
    return any((keys.consensus_key, keys.bls_key) == (consensus_key, bls_key) for keys in nodes.get(node, ()))


def kept_clock(home: Home, genesis: Genesis) -> SystemClock:
    """The clock of a node that starts: on a devnet, as it went when it was set last. Raises `clock.damaged`."""
    clock = SystemClock(genesis.devnet_clock)
    if genesis.devnet_clock is not None and home.clock.exists():
        try:
            clock.follow(msgspec.json.decode(home.clock.read_bytes(), type=ClockSetting))
        except UNREADABLE as error:
            raise NodeError("clock.damaged", f"{home.clock} can't be read: {error}.", "Remove it.") from None
    return clock


def keep_clock(home: Home, clock: SystemClock) -> None:
    """Write down how the clock goes, whole or not at all."""
    part = home.clock.with_suffix(".part")
    part.write_bytes(msgspec.json.encode(clock.say()))
    part.replace(home.clock)


class Process:
    """Everything one node opens, in order, so that it can be closed in reverse."""

    def __init__(self, home: Home, config: Config, genesis: Genesis, secrets: Secrets) -> None:
        self._home = home
        self._config = config
        self._genesis = genesis
        self._secrets = secrets
        self._closers: list[Callable[[], Coroutine[Any, Any, None] | None]] = []
        self.clock = kept_clock(home, genesis)

    async def run(self) -> None:
        """Take part until stopped. Raises the NodeError that stopped it, if one did."""
        try:
            node = await self._open()
            error = await node.stopped
        finally:
            for close in reversed(self._closers):
                closing = close()
                if closing is not None:
                    await closing
        if error is not None:
            raise error

    async def _open(self) -> Node:
        home, config, genesis = self._home, self._config, self._genesis
        disk = RealDisk()
        public_key = self._secrets.consensus.public_key
        signer = FileSigner(self._secrets.consensus.signing, home.sign_state, disk)
        self._closers.append(signer.close)
        home.store.mkdir(parents=True, exist_ok=True)
        store = LevelStore(home.store)
        self._closers.append(store.close)
        ledger = Ledger.open(store, genesis, retain=config.ledger.retain_heights)
        # The first window that locks would wait for it, on all nodes in the same block.
        arrays.load()
        home.journal.mkdir(parents=True, exist_ok=True)
        journal = Journal.open(home.journal, disk, ledger.chain_id, home.root)
        self._closers.append(journal.close)
        if journal.torn_tail is not None:
            LOG.warning("cut off a torn tail of the journal: %s", journal.torn_tail)
        limits = MempoolLimits(config.mempool.max_bytes, config.mempool.max_transactions, config.mempool.max_per_sender)
        contribute = self._secrets.beacon.sign
        node = Node(ledger, config.node.id, journal, signer, self.clock, limits, contribute, public_key)
        if not is_registered(node.roster.nodes, config.node.id, public_key, self._secrets.beacon.public_key):
            LOG.warning(
                "block %d knows no node %s with these keys: it follows, and takes part once it is admitted "
                "(keys/node.json has what `gridpact govern propose-member` needs)",
                ledger.height,
                config.node.id,
            )
        self._closers += (node.settled, node.stop)
        identity = Identity(
            config.node.id, self._secrets.certificate, self._secrets.tls.seed, self._secrets.consensus.signing.sign
        )
        registry, former = peers_of(node.roster.nodes, config)
        transport = Transport(identity, registry, ledger.chain_id, node, SystemEntropy(), former=former)
        node.on_roster = lambda nodes: transport.update_registry(*peers_of(nodes, config))
        node.peers = transport.peers
        node.on_penalty = transport.penalise
        self._closers.append(transport.stop)
        node.start(transport)
        p2p_port = await transport.start(config.p2p.host, config.p2p.port)
        log = AccessLog(disk, home.root / "access")
        self._closers.append(lambda: log.close(wall_ms()))
        served = config.rpc
        rpc = RpcServer(
            node,
            served.host,
            served.port,
            max_connections=served.max_connections,
            max_subscribers=served.max_subscribers,
            names=served.names,
            exposure=protect(served.host, home.root, served.tls_certificate, served.tls_key, wall_ms),
            log=log,
        )
        url = await rpc.start()
        self._closers.append(rpc.stop)
        admin = AdminServer(home.root, Admin(home, node, self.clock, transport, genesis, rpc).handle)
        await admin.start()
        self._closers.append(admin.stop)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, node.stop)
        gc.collect()
        gc.freeze()
        ready = {"ready": True, "rpc": url, "p2p": f"{config.p2p.host}:{p2p_port}", "node": config.node.id}
        LOG.info("node %s of %s at height %d", config.node.id, ledger.chain_id, ledger.height)
        print(msgspec.json.encode(ready).decode(), flush=True)
        return node


class Admin:
    """Commands of the admin socket."""

    def __init__(
        self, home: Home, node: Node, clock: SystemClock, transport: Transport, genesis: Genesis, rpc: RpcServer
    ) -> None:
        self._home = home
        self._rpc = rpc
        self._node = node
        self._clock = clock
        self._transport = transport
        self._devnet = genesis.devnet_clock is not None

    async def handle(self, command: dict[str, Any]) -> Answer:
        """Carry one command out. Raises NodeError for a command that is unknown or not for this chain."""
        match command:
            case {"cmd": "status"}:
                return self._node.status()
            case {"cmd": "read", "target": str(target)}:
                return {"answer": await self._rpc.for_operator(target)}
            case {"cmd": "stop"}:
                self._node.stop()
                return {}
            case {"cmd": "clock-now"}:
                return msgspec.structs.asdict(self._clock.say())
            case {"cmd": "clock", "freeze": bool(freeze), **rest}:
                at_ms, said_ms = (
                    one if isinstance(one := rest.get(name), int) else None for name in ("at_ms", "said_ms")
                )
                self._clock.set(freeze=freeze, at_ms=at_ms, said_ms=said_ms)
                keep_clock(self._home, self._clock)
                self._node.clock_moved()
                return {"time_ms": self._clock.ledger_ms()}
            case {"cmd": "partition" | "heal" | "profile" | "trace" | "record"} if not self._devnet:
                raise NodeError("admin.devnet-only", "This command exists on devnets only.", "")
            case {"cmd": "partition", "blocked": list(blocked)}:
                self._transport.set_partition({str(name) for name in blocked})
                return {}
            case {"cmd": "heal"}:
                self._transport.set_partition(set())
                return {}
            case {"cmd": "trace", "hash": str(hash_)}:
                return trace(self._node.ledger, transaction_hash(hash_), self._node.charges)
            case {"cmd": "profile", "on": True}:
                self._node.profiler.start()
                return {}
            case {"cmd": "profile"}:
                return {"samples": self._node.profiler.stop()}
            case {"cmd": "record", "path": str(path)}:
                self._transport.recorder.start(Path(path))
                self._rpc.recorder.start(Path(path))
                return {}
            case _:
                raise NodeError(
                    "admin.command",
                    f"unknown command {command.get('cmd')!r}",
                    "One of status, read, stop, clock, clock-now, partition, heal, profile, trace, record: name one.",
                )


def run(root: Path, passphrase: Callable[[], str]) -> int:
    """Run the node in `root` until it stops; the process's exit code."""
    try:
        config = configuration.load(Home.at(root).config)
        home = Home.at(root, config)
        genesis = load_genesis(home.genesis)
        secrets = load_secrets(home, config.node.id, passphrase)
        refuse_devnet_keys((secrets.consensus, secrets.tls), genesis)
        logging.basicConfig(level=config.node.log_level.upper(), format=LOG_FORMAT)
        uvloop.run(Process(home, config, genesis, secrets).run())
    except NodeError as error:
        keep_report(root, error)
        sys.stderr.write(msgspec.json.encode(error.document()).decode() + "\n")
        return 1
    return 0


def main() -> None:
    """Entry point of `python -m node.main`."""
    parser = argparse.ArgumentParser(prog="node.main", description="Run one Gridpact node.")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--passphrase-file", type=Path)
    arguments = parser.parse_args()
    sys.exit(run(arguments.home, lambda: find_passphrase(file=arguments.passphrase_file)))


if __name__ == "__main__":
    main()
