"""Starts, watches, breaks and removes a devnet: real node processes on free loopback ports.

Every method works from `devnet.json` alone, so that each command may be another process, and every signal
goes through `devnet.processes`, so that a pid that the system gave to somebody else is never hit. Never talks
to the ledger beyond asking a node how it is.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import msgspec

from contracts.bodies import Transfer
from devnet import keyring, processes
from devnet.directory import FORMAT, Document, Layout, NodeEntry
from devnet.errors import DevnetError
from devnet.founding import PORTS_PER_NODE, Founding, found
from devnet.scenario import Scenario
from devnet.scenario_checks import AGENTS
from devnet.tempo import clock_command, read_clock
from node.client import Account, SyncClient

START_TIMEOUT_S = 30.0
"""From the first process to the first block final on every node."""
START_ATTEMPTS = 3
"""Ports are free when they are chosen and may be taken when they are bound; then everything starts over."""
PROBE_TIMEOUT_S = 1.0
MAX_PROBES = 16
"""Nodes that are asked at the same time."""
PORT_TAKEN = ("address already in use", "port-taken", "Errno 98", "Errno 48")
"""What a node that could not bind its port leaves in its log."""

Say = Callable[[str], None]


class Launcher:
    """One devnet in one directory."""

    def __init__(self, directory: Path, say: Say = lambda text: None, program: tuple[str, ...] = ()) -> None:
        self.layout = Layout(directory)
        self._say = say
        self._program = program or (sys.executable, "-m", "node.main")

    # Life

    def up(self, scenario: Scenario, *, stepped: bool = False) -> Document:
        """Create and start a devnet and return once its first block is final everywhere.

        A stepped one's clock stands at the scenario's origin. Raises `DevnetError`: `devnet.running`,
        `devnet.directory`, `devnet.start`, `devnet.timeout`; then nothing is left running.
        """
        self.refuse_running()
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                return self._up_once(scenario, stepped)
            except _PortTaken as error:
                self.kill_all()
                if attempt == START_ATTEMPTS:
                    raise DevnetError(
                        "devnet.ports",
                        f"Ports were taken between choosing and binding, {START_ATTEMPTS} times in a row: {error}",
                        "Try again; if it persists, see what binds loopback ports here.",
                    ) from None
                self._say(f"a port was taken by somebody else, starting over ({attempt})")
            except BaseException:
                self.kill_all()
                raise
        raise AssertionError("the last attempt returns or raises")

    def _up_once(self, scenario: Scenario, stepped: bool) -> Document:
        self.layout.make()
        # Before anything else, so that a start that is killed half-way is known for what it is.
        self.layout.save(Document(FORMAT, scenario.name, "", stepped, (), ()))
        ports = processes.free_ports(PORTS_PER_NODE * len(scenario.nodes))
        self._say(f"founding {len(scenario.members)} members and {len(scenario.meters)} meters")
        founded = found(scenario, self.layout, ports, stepped=stepped)
        document = self._document(scenario, founded, stepped)
        self.layout.save(document)
        self._say(f"starting {len(document.nodes)} nodes")
        offsets = {}
        for node in document.nodes:
            document, offsets[node.name] = self._spawn(document, node)
        for node in document.nodes:
            self._await_ready(node, offsets[node.name], START_TIMEOUT_S)
        self._say("making the first block")
        first_light(document)
        self._await_heights(document, 1, START_TIMEOUT_S, "the first block to be final on every node")
        return document

    def _document(self, scenario: Scenario, founded: Founding, stepped: bool) -> Document:
        return Document(
            format=FORMAT,
            scenario=scenario.name,
            chain_id=founded.chain_id,
            stepped=stepped,
            nodes=founded.nodes,
            members=founded.members,
            zone=site.key if (site := scenario.clock.site) is not None else None,
        )

    def refuse_running(self) -> None:
        """Raise `DevnetError` (`devnet.running`) if processes of a devnet live here."""
        try:
            document = self.layout.load()
        except DevnetError:
            return
        alive = [node.name for node in document.nodes if processes.state(node.pid, node.home) != "dead"]
        if alive or processes.state(document.agents, str(self.layout.root)) != "dead":
            raise DevnetError(
                "devnet.running",
                f"A devnet runs in {self.layout.root} ({', '.join(alive) or 'agents'}).",
                "`gridpact devnet down` first, or give another --dir.",
            )

    def down(self, *, keep: bool = False) -> None:
        """Stop everything and remove the directory (`keep` leaves the files); fine if there is nothing."""
        if not self.layout.exists():
            return
        self.kill_all()
        if not keep:
            self.layout.remove()

    def kill_all(self) -> None:
        """Stop every process of this devnet, agents first; processes that are already gone are fine."""
        try:
            document = self.layout.load()
        except DevnetError:
            return
        processes.stop(document.agents, str(self.layout.root))
        for node in document.nodes:
            processes.send(node.pid, node.home, signal.SIGTERM)
            processes.send(node.pid, node.home, signal.SIGCONT)
        for node in document.nodes:
            processes.stop(node.pid, node.home)
        self.layout.save(
            msgspec.structs.replace(
                document,
                agents=None,
                nodes=tuple(msgspec.structs.replace(node, pid=None) for node in document.nodes),
            )
        )

    # Faults

    def kill(self, name: str) -> None:
        """SIGKILL to a node, or to `agents`: no goodbye, no flush."""
        self._signal(name, signal.SIGKILL, "dead")

    def pause(self, name: str) -> None:
        """SIGSTOP: the process freezes, its sockets stay open."""
        self._signal(name, signal.SIGSTOP, "paused")

    def resume(self, name: str) -> None:
        """SIGCONT after `pause`."""
        self._signal(name, signal.SIGCONT, "running")

    def restart(self, name: str) -> NodeEntry:
        """Start a node that is down (a running one is stopped first) and wait until it serves.

        Raises `DevnetError` (`devnet.start`, `devnet.timeout`).
        """
        node = self._node(name)
        processes.stop(node.pid, node.home)
        document, offset = self._spawn(self.layout.load(), node)
        node = self._find(document, name)
        try:
            self._await_ready(node, offset, START_TIMEOUT_S)
        except _PortTaken as error:
            raise _taken(name, error) from None
        if (setting := read_clock(self.layout.clock)) is not None:
            self.admin(name, clock_command(setting))
        return node

    def start(self, names: Iterable[str]) -> None:
        """Start nodes that are down, all at once, and wait until they serve. Raises as `restart` does."""
        document, offsets = self.layout.load(), {}
        for name in names:
            document, offsets[name] = self._spawn(document, self._find(document, name))
        for name, offset in offsets.items():
            try:
                self._await_ready(self._find(document, name), offset, START_TIMEOUT_S)
            except _PortTaken as error:
                raise _taken(name, error) from None

    def partition(self, groups: Iterable[Iterable[str]]) -> None:
        """Let each group hear only itself; nodes in no group are in one of their own together.

        Raises `DevnetError` (`devnet.no-node`, `devnet.partition`).
        """
        sides = [set(group) for group in groups]
        names = {node.name for node in self.layout.load().nodes}
        for name in (name for side in sides for name in side):
            self._node(name)
        if sum(map(len, sides)) != len(set().union(*sides)):
            raise DevnetError(
                "devnet.partition", "A node is on two sides at once.", "Write A,B/C,D with every name once."
            )
        if rest := names - set().union(*sides):
            sides.append(rest)
        for side in sides:
            for name in sorted(side):
                self.admin(name, {"cmd": "partition", "blocked": sorted(names - side)})

    def heal(self) -> None:
        """End every partition; nodes that are down have none."""
        for node in self.layout.load().nodes:
            if processes.state(node.pid, node.home) == "running":
                self.admin(node.name, {"cmd": "heal"})

    def admin(self, name: str, command: dict[str, Any]) -> dict[str, Any]:
        """Ask a node's admin socket. Raises `NodeError` with the node's code, or `admin.unreachable`."""
        import asyncio  # only faults need it; `status` and `logs` start faster without

        from node.admin import call

        return asyncio.run(call(Path(self._node(name).home), command))

    # Looking

    def status(self) -> list[dict[str, Any]]:
        """One document per node: name, pid, rpc, p2p, height, state, peers, and why it is `stuck` if it is.

        `state` is `running`, `starting`, `paused` or `dead`. Nodes are asked at the same time.
        """
        nodes = self.layout.load().nodes
        with ThreadPoolExecutor(max(1, min(MAX_PROBES, len(nodes)))) as pool:
            return list(pool.map(probe, nodes))

    def log_tail(self, name: str, lines: int) -> str:
        """Last lines of a node's log, or of the agents'."""
        log = self.layout.agents_log if name == AGENTS else Path(self._node(name).log)
        return processes.tail(log, lines)

    # Processes

    def spawn_agents(self, arguments: list[str]) -> Document:
        """Start the process of all agents; its output goes to `agents.log`. One that was killed goes on."""
        pid = processes.spawn(
            [sys.executable, "-m", "devnet.agents", "--dir", str(self.layout.root), *arguments],
            self.layout.agents_log,
        )
        document = msgspec.structs.replace(self.layout.load(), agents=pid)
        self.layout.save(document)
        return document

    def _spawn(self, document: Document, node: NodeEntry) -> tuple[Document, int]:
        """Start one node and note its pid; also where its new log begins."""
        log = Path(node.log)
        offset = log.stat().st_size if log.exists() else 0
        pid = processes.spawn([*self._program, "--home", node.home], log)
        started = msgspec.structs.replace(node, pid=pid)
        nodes = tuple(started if other.name == node.name else other for other in document.nodes)
        document = msgspec.structs.replace(document, nodes=nodes)
        self.layout.save(document)
        return document, offset

    def _await_ready(self, node: NodeEntry, offset: int, timeout_s: float) -> None:
        """Return once the node printed its ready line after byte `offset` of its log."""
        deadline = time.monotonic() + timeout_s
        log = Path(node.log)
        while not _ready(log, offset):
            if processes.state(node.pid, node.home) == "dead":
                tail = processes.tail(log, start=offset)
                if any(mark in tail for mark in PORT_TAKEN):
                    raise _PortTaken(f"{node.name} on {node.rpc} or {node.p2p}")
                raise DevnetError(
                    "devnet.start",
                    f"{node.name} ended at its start; the end of its log says:\n{tail or '(nothing)'}",
                    f"The whole log: {node.log}",
                )
            if time.monotonic() > deadline:
                raise DevnetError(
                    "devnet.timeout",
                    f"{node.name} was not ready after {timeout_s:.0f} s; the end of its log says:\n"
                    f"{processes.tail(log, start=offset) or '(nothing)'}",
                    f"The whole log: {node.log}",
                )
            time.sleep(processes.POLL_S)

    def _await_heights(self, document: Document, height: int, timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            seen = [probe(node) for node in document.nodes]
            behind = [one for one in seen if one["height"] is None or one["height"] < height]
            if not behind:
                return
            if time.monotonic() > deadline:
                why = next((one["stuck"] for one in behind if one["stuck"]), "no node says why")
                raise DevnetError(
                    "devnet.timeout",
                    f"Waited {timeout_s:.0f} s for {what}; {', '.join(one['name'] for one in behind)} "
                    f"did not get there ({why}).",
                    f"`gridpact devnet logs {behind[0]['name']} --dir {self.layout.root}`",
                )
            time.sleep(processes.POLL_S)

    def _signal(self, name: str, number: signal.Signals, then: str) -> None:
        """Signal a node and return once it shows."""
        pid, marker = self._process(name)
        if not processes.send(pid, marker, number):
            raise DevnetError("devnet.not-running", f"{name} is not running.", f"`gridpact devnet restart {name}`")
        processes.wait_state(pid, marker, then, PROBE_TIMEOUT_S)

    def _process(self, name: str) -> tuple[int | None, str]:
        """Pid and marker of a node, or of the agents."""
        if name == AGENTS:
            return self.layout.load().agents, str(self.layout.root)
        node = self._node(name)
        return node.pid, node.home

    def _node(self, name: str) -> NodeEntry:
        return self._find(self.layout.load(), name)

    @staticmethod
    def _find(document: Document, name: str) -> NodeEntry:
        for node in document.nodes:
            if node.name == name:
                return node
        raise DevnetError(
            "devnet.no-node",
            f"There is no node {name!r}.",
            f"Nodes here: {', '.join(node.name for node in document.nodes)}.",
        )


class _PortTaken(Exception):
    """A node could not bind a port that was free a moment ago."""


def _taken(name: str, error: _PortTaken) -> DevnetError:
    return DevnetError(
        "devnet.port-taken", f"{name} can't bind its port again: {error}", "See who took it: `ss -ltnp`."
    )


def first_light(document: Document) -> None:
    """Submit the transaction that makes the first block: a member's transfer to itself, which moves nothing.

    Raises `DevnetError` (`devnet.start`) if it is not final in time.
    """
    member = document.members[0]
    with SyncClient(document.nodes[0].rpc) as sync:
        account = Account(document.chain_id, member.id, keyring.seed(Path(member.key), "account"))
        sync.run(account.sync(sync.client))
        raw = account.sign(Transfer(member.id, 1, "first light"))
        result = sync.run(sync.client.submit_one(raw, "final", int(START_TIMEOUT_S * 1000)))
    if not result.done:
        why = next((one["stuck"] for one in map(probe, document.nodes) if one["stuck"]), "no node says why")
        raise DevnetError(
            "devnet.start", f"The first transaction is {result.status} ({result.code}): {why}.", "See its log."
        )


def probe(node: NodeEntry) -> dict[str, Any]:
    """How one node is; a paused, dead or slow one answers nothing within a second."""
    state = processes.state(node.pid, node.home)
    document: dict[str, Any] = {}
    if state == "running":
        try:
            with urlopen(f"{node.rpc}/status", timeout=PROBE_TIMEOUT_S) as answer:
                document = json.load(answer)
        except (URLError, OSError, ValueError):
            # It may have been killed or paused while it was asked.
            state = processes.state(node.pid, node.home)
            state = "starting" if state == "running" else state
    return {
        "name": node.name,
        "pid": None if state == "dead" else node.pid,
        "rpc": node.rpc,
        "p2p": node.p2p,
        "height": document.get("height"),
        "state": state,
        "stuck": document.get("stuck"),
        "peers": _connected(document),
    }


def _connected(document: dict[str, Any]) -> int | None:
    """How many peers a node is connected to; None if it did not say."""
    peers = document.get("peers")
    return sum(bool(peer["connected"]) for peer in peers) if isinstance(peers, list) else None


def _ready(log: Path, offset: int) -> bool:
    """Whether a complete ready line is in the log from `offset` on."""
    try:
        with log.open("rb") as file:
            file.seek(offset)
            return any(line.startswith(b'{"ready"') and line.endswith(b"\n") for line in file)
    except OSError:
        return False
