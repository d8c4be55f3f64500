"""What the home of a node says about it: files, disk, signing state, journal, store, and why it stopped.

Reads only. A running node is asked over its admin socket; of a stopped one the journal is run through a replica in
memory, over a view of the store, so that the open height is shown as the node will find it when it starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from consensus.status import explain
from contracts.genesis import CODEC, MAX_GENESIS_BYTES, Genesis
from node import admin
from node import config as configuration
from node.disk import RealDisk
from node.doctor.findings import RESTORED, Finding, diagnose, worst_first
from node.effects import Fatal, Now, Recover
from node.errors import UNREADABLE, NodeError
from node.home import Home
from node.journal import Record, Scan, scans, segment_name
from node.keys import read_public_key
from node.ledger.ledger import Ledger
from node.ledger.store import StoreError
from node.ledger.view import view
from node.replica import Replica
from node.roster import Roster
from node.signer import read_state
from node.status import open_height
from zk.codec import Malformed

FULL_BYTES = 64 * 1024 * 1024
"""Less free space than this: the next blocks will not fit."""
LOW_BYTES = 1024 * 1024 * 1024
TAIL_BYTES = 64 * 1024
MAX_REPORT_BYTES = 8 * 1024 * 1024
HALTING = ("consensus.fork", "consensus.amnesia", "ledger.divergence")
"""Codes of reports after which a node must not simply go on."""
ANSWER_S = 5.0

_DISK = RealDisk()


class Examination(NamedTuple):
    """Findings about a home, and the status document if there is one."""

    findings: list[Finding]
    status: dict[str, Any] | None


def examine(root: Path) -> Examination:
    """Everything that the home in `root` tells. Raises nothing for what may be wrong with it: that is a finding."""
    found: list[Finding] = []
    try:
        config = configuration.load(Home.at(root).config)
        home = Home.at(root, config)
        genesis = _genesis(home)
    except NodeError as error:
        return Examination([_of_error(error)], None)
    running, status = _ask(home)
    # A running node knows by itself whether it has a seat, and its store can not be looked at.
    known_keys = None if running else _known_keys(home, config.node.id, genesis)
    found += [*_keys(home), *_registration(home, config.node.id, known_keys), *_space(home), *_reports(home)]
    if running:
        if status is None:
            found.append(
                Finding(
                    "node.silent",
                    "error",
                    f"The node of {root} runs and does not answer: it is starting, paused or overloaded.",
                    f"Look at {home.log}; if it stays so, stop the process and run `gridpact start --home {root}`.",
                )
            )
            return Examination(worst_first(found), None)
        told = diagnose(status)
        known = {finding.code for finding in told}
        # Of the same thing the node itself knows what helps while it runs.
        return Examination(worst_first([*(one for one in found if one.code not in known), *told]), status)
    found.append(
        Finding("node.stopped", "error", f"The node of {root} is not running.", f"gridpact start --home {root}")
    )
    known = {finding.code for finding in found}
    found += [said for said in _last_words(home) if said.code not in known]
    records, damage = _journal(home, genesis)
    found += damage
    status, stored = _replay(home, config.node.id, genesis, None if damage else records)
    found += stored
    if status is not None:
        found += diagnose(status)
    return Examination(worst_first(found), status)


def _of_error(error: NodeError) -> Finding:
    return Finding(error.code, "error", error.message, error.hint)


def _genesis(home: Home) -> Genesis:
    try:
        with home.genesis.open("rb") as file:
            return CODEC.decode(file.read(MAX_GENESIS_BYTES + 1))
    except OSError:
        raise NodeError(
            "genesis.missing",
            f"{home.genesis} can't be read.",
            f"gridpact genesis genesis.toml --home {home.root}, with the document that the members agreed on.",
        ) from None
    except Malformed as error:
        raise NodeError(
            "genesis.damaged",
            f"{home.genesis} is not a genesis document: {error.message}",
            f"Get it from another member, then gridpact genesis genesis.mp --home {home.root}.",
        ) from None


def _keys(home: Home) -> Iterator[Finding]:
    """Key files and signing state."""
    for kind in ("consensus", "tls"):
        if not home.key(kind).exists():
            yield Finding(
                "key.missing", "error", f"{home.key(kind)} is missing.", "Put it back from a copy of keys/ kept apart."
            )
    try:
        state = read_state(home.sign_state, _DISK)
    except FileNotFoundError:
        yield Finding(
            "signer.missing",
            "error",
            f"{home.sign_state} is missing: what this key has signed is not known.",
            f"gridpact restore BACKUP --home {home.root}. Never start a second node with this key.",
        )
    except NodeError as error:
        yield _of_error(error)
    else:
        if state.restored:
            yield Finding(
                "node.restored",
                "warning",
                RESTORED,
                f"gridpact start --home {home.root}, and let it run.",
            )


def _known_keys(home: Home, node_id: str, genesis: Genesis) -> list[bytes]:
    """Consensus keys of this node, present and replaced, as of the newest block here, or of genesis without a store."""
    if home.store.is_dir():
        with contextlib.suppress(StoreError), view(home.store) as store:
            nodes = Roster(Ledger.open(store, genesis)).nodes
            return [keys.consensus_key for keys in nodes.get(node_id, ())]
    return [node.consensus_key for member in genesis.members for node in member.nodes if node.node == node_id]


def _registration(home: Home, node_id: str, known_keys: list[bytes] | None) -> Iterator[Finding]:
    """Whether the pact knows this node by this key; None: whoever runs is not asked."""
    try:
        key = read_public_key(home.key("consensus"))
    except NodeError as error:
        if home.key("consensus").exists():
            yield _of_error(error)
        return
    if known_keys is not None and key not in known_keys:
        yield Finding(
            "node.unregistered",
            "error",
            f"Node {node_id} is not registered with this consensus key, as far as this home has read the ledger.",
            "Use the home that belongs to this genesis, or have the key in keys/node.json registered with `gridpact "
            "govern`; if it was since, let the node run and sync.",
        )


def _space(home: Home) -> Iterator[Finding]:
    """Room on the disk of the data."""
    place = home.data if home.data.exists() else home.root
    with contextlib.suppress(OSError):
        facts = os.statvfs(place)
        free = facts.f_bavail * facts.f_frsize
        if free < FULL_BYTES:
            yield Finding(
                "disk.full", "error", f"The disk of {place} has {free} bytes left.", "Free space, then start."
            )
        elif free < LOW_BYTES:
            yield Finding(
                "disk.low",
                "warning",
                f"The disk of {place} has {free // 2**20} MiB left.",
                "Free space before it is full.",
            )


def _reports(home: Home) -> Iterator[Finding]:
    """Reports of why the node stopped for good."""
    for code in HALTING:
        path = home.root / f"{code}.json"
        try:
            if path.stat().st_size > MAX_REPORT_BYTES:
                continue
            report = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except (OSError, *UNREADABLE):
            continue
        if code == "ledger.divergence":
            key = report.get("key")
            again = report.get("executed_again")
            meaning = again.get("meaning", "") if isinstance(again, dict) else ""
            sentence = f"After height {report.get('height')} its state was not the certified one" + (
                f"; the first differing key is {key}. {meaning}" if key else f". {meaning}"
            )
            fix = (
                f"Keep {path}, then `mv {home.store} {home.store}.diverged` and `gridpact start --home {home.root}`: "
                "it fetches every block from its peers. Done already? Then move the report away too."
            )
        else:
            sentence = str(report.get("message", "Two certificates exclude each other."))
            fix = f"Show {path} to the other members: they decide from which block to go on, by a new genesis."
        yield Finding(code, "error", sentence.strip(), fix)


# Running?


def _ask(home: Home) -> tuple[bool, dict[str, Any] | None]:
    """Whether a process has this home, and its status if it answers."""
    try:
        answer = asyncio.run(admin.call(home.root, {"cmd": "status"}, ANSWER_S))
    except (NodeError, *UNREADABLE, ValueError):
        return _locked(home.sign_state), None
    return True, answer


def _locked(path: Path) -> bool:
    """Whether somebody holds the lock on a file. Asks the kernel's list: trying would take it for a moment."""
    try:
        facts = path.stat()
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return False
    name = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}:{facts.st_ino}"
    return any(name in line.split() for line in lines)


def _last_words(home: Home) -> Iterator[Finding]:
    """The error with which the last process ended, from the end of its log."""
    try:
        with home.log.open("rb") as file:
            file.seek(max(0, home.log.stat().st_size - TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return
    if not lines:
        return
    try:
        said = msgspec.json.decode(lines[-1], type=dict[str, str])
        yield Finding(said["code"], "error", f"It ended with: {said['message']}", said.get("hint", ""))
    except (*UNREADABLE, KeyError):
        return


# Journal and store


def _journal(home: Home, genesis: Genesis) -> tuple[list[Record], list[Finding]]:
    """All records, or what is wrong with the journal."""
    records: list[Record] = []
    tail: Scan | None = None
    try:
        for tail in scans(home.journal, _DISK, genesis.chain_id(), home.root):
            records += tail
    except NodeError as error:
        return [], [_of_error(error)]
    if tail is not None and tail.damage is not None:
        path = home.journal / segment_name(tail.number)
        return records, [
            Finding(
                "journal.torn-tail",
                "note",
                f"{path} ends in half a write at byte {tail.end}, as after a crash; the next start cuts it off.",
            )
        ]
    return records, []


def _replay(
    home: Home, node_id: str, genesis: Genesis, records: list[Record] | None
) -> tuple[dict[str, Any] | None, list[Finding]]:
    """The open height as the node will find it; None without a store or a journal that can be read."""
    if not home.store.is_dir():
        return None, [Finding("node.new", "note", "It has never run: there is no store yet.")]
    try:
        with view(home.store) as store:
            ledger = Ledger.open(store, genesis)
            if records is None:
                return None, [Finding("node.stood", "note", f"Its last executed height is {ledger.height}.")]
            replica = Replica(ledger, node_id)
            effects = replica.handle(
                Recover([(kind, height, body) for kind, height, body in records]), Now(ledger.time_ms(ledger.height), 0)
            )
            status = {
                "stopped": True,
                "chain_id": ledger.chain_id,
                "node": node_id,
                "height": ledger.height,
                "state_root": ledger.state_root.hex(),
                "consensus": open_height(replica.machine),
                "counters": {},
                "peers": [],
            }
            halted = [Finding(one.code, "error", one.message, one.hint) for one in effects if isinstance(one, Fatal)]
            where = f"Its last executed height is {ledger.height}; then it stood at: {explain(replica.machine)}."
            return status, [*halted, Finding("node.stood", "note", where)]
    except StoreError as error:
        return None, [_of_error(error)]
