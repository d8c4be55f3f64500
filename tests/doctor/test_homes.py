"""Homes with something wrong in them: each is named, with what helps, and nothing in them is touched."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from contracts.bodies import Transfer
from contracts.schema import MEMBERS
from node.disk import RealDisk
from node.doctor import home as module
from node.doctor.home import examine
from node.home import Home, init_home
from node.journal import INPUT, Journal, Scan, segment_name
from node.keys import read_public_key
from node.ledger.ledger import Ledger
from node.ledger.store import LevelStore
from node.peer.wire import Frame
from node.signer import FileSigner
from tests.ledger.heights import next_height
from tests.replica.test_network import network
from tests.support import pact
from tests.support.memory import JOURNAL
from zk.codec import encode
from zk.hashing import sha256

NAME = "campus"


@pytest.fixture
def node(tmp_path: Path) -> Home:
    """A home that never ran, of a node of the pact."""
    seeds = iter([sha256(b"test key of campus node"), bytes(32), bytes([1] * 32)])
    init_home(tmp_path / NAME, NAME, None, devnet=True, entropy=lambda _: next(seeds))
    made = Home.at(tmp_path / NAME)
    made.genesis.write_bytes(encode(pact.genesis()))
    return made


def stopped_in_a_height(node: Home) -> None:
    """Give it the disk of a node that was stopped after it had prevoted, without a quorum."""
    net, speaker = network()
    net.machines["solar"].crash()
    net.machines["wind"].crash()
    machine = net.machines[NAME]
    net.drop = lambda _sender, _target, frame, _body: frame is Frame.TRANSACTIONS
    machine.submit(speaker.member(NAME, Transfer("wind", 1, "")))
    net.run_for(8_000)
    store = LevelStore(node.store)
    store.write([(key, value) for key, value in machine.store.scan(b"", b"\xff" * 64)], sync=True)
    store.close()
    node.journal.mkdir(parents=True)
    for name in machine.disk.list(JOURNAL):
        (node.journal / name).write_bytes(machine.disk.read(JOURNAL / name))
    node.genesis.write_bytes(encode(net.genesis))


def ran(node: Home) -> None:
    """Give it a store at height 0 and a journal with some records."""
    store = LevelStore(node.store)
    ledger = Ledger.open(store, pact.genesis())
    ledger.close()
    journal = Journal.open(node.journal, RealDisk(), ledger.chain_id)
    for number in range(3):
        journal.append(INPUT, 900 + number, b"of a height that is not open %d" % number)
        journal.sync()
    journal.close()


def contents(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def codes(node: Home) -> set[str]:
    """Codes of what is found, and that looking changed nothing."""
    before = contents(node.root)
    found = {finding.code for finding in examine(node.root).findings}
    assert contents(node.root) == before
    return found - {"disk.low", "disk.full"}


def test_a_home_that_never_ran(node: Home) -> None:
    assert codes(node) == {"node.stopped", "node.new"}


def test_a_stopped_node_still_tells_where_its_height_stood(node: Home) -> None:
    stopped_in_a_height(node)
    before = contents(node.root)
    findings, status = examine(node.root)
    assert contents(node.root) == before
    assert status is not None
    found = {finding.code: finding for finding in findings}
    assert "last executed height is" in found["node.stood"].sentence
    quorum = found["chain.no-quorum"].sentence
    assert f"height {status['height'] + 1}, round 0" in quorum
    assert "Missing:" in quorum
    assert "solar 15, wind 15" in quorum
    assert found["chain.no-quorum"].severity == "note"
    assert found["node.stopped"].severity == "error"


def damaged_journal(node: Home) -> None:
    path = node.journal / segment_name(1)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def torn_journal(node: Home) -> None:
    path = node.journal / segment_name(1)
    path.write_bytes(path.read_bytes() + b"\x00\x00\x01\x00half")


def missing_segment(node: Home) -> None:
    (node.journal / segment_name(1)).rename(node.journal / segment_name(3))


def lost_end(node: Home) -> None:
    """All records but the last one are sound, and no mark says that there was one more."""
    path = node.journal / segment_name(1)
    raw = path.read_bytes()
    records = Scan(raw, 1, None)
    ends = [records.end for _ in records]
    path.write_bytes(raw[: ends[-1]])


def lost_segment(node: Home) -> None:
    (node.journal / segment_name(1)).unlink()


def damaged_store(node: Home) -> None:
    (node.store / "CURRENT").write_text("MANIFEST-999999\n")


def other_chain(node: Home) -> None:
    node.genesis.write_bytes(encode(pact.genesis(balance_nano=5)))
    for path in node.journal.iterdir():
        path.unlink()


def no_genesis(node: Home) -> None:
    node.genesis.unlink()


def damaged_genesis(node: Home) -> None:
    node.genesis.write_bytes(b"\x01")


def no_config(node: Home) -> None:
    node.config.unlink()


def damaged_config(node: Home) -> None:
    node.config.write_text("[node\n")


def no_key(node: Home) -> None:
    node.key("tls").unlink()


def damaged_state(node: Home) -> None:
    node.sign_state.write_bytes(bytes(10))


def no_state(node: Home) -> None:
    node.sign_state.unlink()


def restored(node: Home) -> None:
    FileSigner.mark(node.sign_state, RealDisk())


def diverged(node: Home) -> None:
    report = {"height": 41, "key": "account/campus", "executed_again": {"meaning": "This machine failed once."}}
    (node.root / "ledger.divergence.json").write_text(json.dumps(report))


def forked(node: Home) -> None:
    (node.root / "consensus.fork.json").write_text(json.dumps({"message": "Two quorums decided height 3."}))


def last_words(node: Home) -> None:
    said = {"code": "net.port-taken", "message": "Port 5 is taken.", "hint": "Stop that process."}
    node.log.write_text("INFO started\n" + json.dumps(said) + "\n")


def stranger(node: Home) -> None:
    node.key("consensus").write_bytes(node.key("tls").read_bytes())


def damaged_key(node: Home) -> None:
    raw = node.key("consensus").read_bytes()
    node.key("consensus").write_bytes(raw.replace(b"public_key", b"public_kez"))


@pytest.mark.parametrize(
    ("harm", "code", "fix"),
    [
        (damaged_journal, "journal.corrupt", "gridpact repair --home"),
        (missing_segment, "journal.corrupt", "gridpact repair --home"),
        (lost_end, "journal.corrupt", "gridpact repair --home"),
        (lost_segment, "journal.corrupt", "gridpact repair --home"),
        (torn_journal, "journal.torn-tail", ""),
        (damaged_store, "store.corrupt", "fetches every block"),
        (other_chain, "store.chain", "another home"),
        (no_genesis, "genesis.missing", "gridpact genesis"),
        (damaged_genesis, "genesis.damaged", "another member"),
        (no_config, "config.missing-file", "gridpact init"),
        (no_key, "key.missing", "copy"),
        (damaged_state, "signer.corrupt", "gridpact restore"),
        (no_state, "signer.missing", "gridpact restore"),
        (restored, "node.restored", "gridpact start"),
        (diverged, "ledger.divergence", "mv "),
        (forked, "consensus.fork", "new genesis"),
        (last_words, "net.port-taken", "Stop that process"),
        (stranger, "node.unregistered", "genesis"),
        (damaged_key, "key.malformed", ""),
    ],
)
def test_each_harm_is_named_with_what_helps(node: Home, harm: Callable[[Home], None], code: str, fix: str) -> None:
    ran(node)
    assert code not in codes(node)
    harm(node)
    assert code in codes(node)
    (finding,) = [one for one in examine(node.root).findings if one.code == code]
    assert fix in finding.fix
    assert "gridpact-view-" not in finding.sentence


def test_a_key_that_governance_registered_is_known(node: Home) -> None:
    ran(node)
    stranger(node)
    assert "node.unregistered" in codes(node)
    with contextlib.closing(LevelStore(node.store)) as store:
        ledger = Ledger.open(store, pact.genesis())
        (member,) = [one for one in ledger.genesis.members if any(its.node == NAME for its in one.nodes)]
        keys = msgspec.structs.replace(member.nodes[0], consensus_key=read_public_key(node.key("consensus")))
        record = encode(msgspec.structs.replace(member, nodes=(keys,)))
        made = next_height(ledger, 1)
        sets = {"set_hash": ledger.sets(1).hash, "next_set_hash": ledger.sets(2).hash}
        header = msgspec.structs.replace(made.block.header, **sets)
        ledger.commit(
            *made._replace(
                block=msgspec.structs.replace(made.block, header=header),
                certificate=msgspec.structs.replace(made.certificate, block_id=header.id()),
                changes={MEMBERS.key(member.id): record},
            )
        )
    assert "node.unregistered" not in codes(node)


def test_a_configuration_that_can_not_be_read_is_a_finding(node: Home) -> None:
    damaged_config(node)
    (finding,) = examine(node.root).findings
    assert finding.code.startswith("config.")


def test_a_full_disk_is_called_full(node: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOW_BYTES", 1)
    monkeypatch.setattr(module, "FULL_BYTES", 1)
    assert not {"disk.full", "disk.low"} & {one.code for one in examine(node.root).findings}
    monkeypatch.setattr(module, "LOW_BYTES", 2**62)
    assert "disk.low" in {one.code for one in examine(node.root).findings}
    monkeypatch.setattr(module, "FULL_BYTES", 2**62)
    assert "disk.full" in {one.code for one in examine(node.root).findings}


def test_a_running_node_speaks_for_itself(node: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its files say of the same thing is advice for a stopped one."""
    ran(node)
    restored(node)
    monkeypatch.setattr(module, "_ask", lambda _: (True, {"restored": True}))
    (finding,) = [one for one in examine(node.root).findings if one.code not in ("disk.low", "disk.full")]
    assert finding.code == "node.restored" and "gridpact start" not in finding.fix


def test_the_lock_of_a_running_node_is_seen_and_not_taken(node: Home) -> None:
    ran(node)
    lock = RealDisk().lock(node.sign_state)
    assert codes(node) == {"node.silent"}
    lock.release()
    assert "node.stopped" in codes(node)
    RealDisk().lock(node.sign_state).release()
