"""A node whose state is not the certified one stops, names the first differing record, and the others go on."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest
from msgspec.structs import replace

from consensus.messages import Block
from contracts.bodies import Transfer
from contracts.receipts import Receipt
from contracts.schema import BALANCES, MEMBERS
from node import divergence
from node.execution import Ground, Outcome, execute, run_block
from node.ledger.records import STATE
from node.peer.wire import CODECS, Frame, TreeResponse
from tests.replica.test_network import heights, network, quiet
from tests.support.memory import Machine, MemoryNetwork
from tests.support.pact import Speaker
from zk import ics23
from zk.codec import encode

GHOST = b"member/ghost"


def wrong_in_memory(net: MemoryNetwork, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on what this node commits has one record more than what its execution gives."""

    def wrong(ledger: Any, block: Block, *rest: Any) -> list[Receipt]:
        if ledger is net.machines[name].ledger and block.payload:
            commit = ledger.commit

            def commit_more(*given: Any) -> None:
                *first, changes, readings, sets, passed = given
                commit(*first, {**changes, GHOST: b"\x01"}, readings, sets, passed)

            with mock.patch.object(ledger, "commit", commit_more):
                return execute(ledger, block, *rest)
        return execute(ledger, block, *rest)

    monkeypatch.setattr("node.driver.execute", wrong)


def other_rules(net: MemoryNetwork, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this node's execution, whenever it runs, renames a member in every block with a transaction."""

    def wrong(ground: Ground, block: Block, *rest: Any) -> Outcome:
        done = run_block(ground, block, *rest)
        mine = net.machines[name].ledger
        if block.payload and (ground is mine or getattr(ground, "_ledger", None) is mine):
            key = MEMBERS.key("wind")
            member = done.state.load(MEMBERS, key)
            assert member is not None
            done.state.save(key, replace(member, name="Storm"))
            done.state.commit()
        return done

    monkeypatch.setattr("node.execution.run_block", wrong)
    monkeypatch.setattr("node.divergence.run_block", wrong)


def submit(net: MemoryNetwork, speaker: Speaker) -> None:
    net.machines["campus"].submit(speaker.member("campus", Transfer("wind", 1, "")))


def stopped(net: MemoryNetwork, speaker: Speaker, limit_ms: int = 60_000) -> tuple[Machine, dict[str, Any]]:
    """The node that diverged, once it has stopped, and its report."""
    submit(net, speaker)
    net.run_until(lambda: net.machines["solar"].error is not None, limit_ms)
    machine = net.machines["solar"]
    assert machine.error is not None
    assert machine.error.code == "ledger.divergence"
    return machine, json.loads(machine.error.report)


def test_a_wrong_root_stops_the_node_and_only_that_node(monkeypatch: pytest.MonkeyPatch) -> None:
    net, speaker = network()
    wrong_in_memory(net, "solar", monkeypatch)
    solar, _ = stopped(net, speaker)
    assert solar.error is not None
    assert solar.ledger.state_root.hex() in solar.error.message
    before = net.machines["campus"].ledger.height
    for _ in range(3):
        submit(net, speaker)
        net.run_for(2_000)
    assert net.machines["campus"].ledger.height >= before + 3
    assert all(m.error is None for m in net.machines.values() if m.name != "solar")
    assert heights(net)


def test_it_names_the_first_differing_record_and_proves_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    net, speaker = network()
    wrong_in_memory(net, "solar", monkeypatch)
    solar, report = stopped(net, speaker)
    assert solar.error is not None
    assert "First differing key: member/ghost. Certified: no such record. Here: 01." in solar.error.message
    assert "memory or disk failed" in solar.error.message
    assert report["key"] == "member/ghost"
    assert report["height"] == solar.ledger.height
    certified, own = report["certified"], report["own"]
    other = net.machines["campus"].ledger
    header = other.header(report["height"] + 1)
    assert header is not None and certified["state_root"] == header.state_root.hex()
    assert own["state_root"] == solar.ledger.state_root.hex()
    assert certified["record"]["value"] is None
    assert own["record"]["value"] == "01"
    root, proof = bytes.fromhex(certified["state_root"]), bytes.fromhex(certified["record"]["proof"])
    assert ics23.verify_non_membership(root, GHOST, proof)
    root, proof = bytes.fromhex(own["state_root"]), bytes.fromhex(own["record"]["proof"])
    assert ics23.verify_membership(root, GHOST, b"\x01", proof)
    assert report["executed_again"]["state_root"] == certified["state_root"]


def test_other_rules_are_told_from_a_failing_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    net, speaker = network()
    other_rules(net, "solar", monkeypatch)
    solar, report = stopped(net, speaker)
    assert solar.error is not None
    assert "other rules" in solar.error.message
    assert report["executed_again"]["state_root"] == report["own"]["state_root"]
    assert report["key"] == "member/wind"
    assert report["own"]["record"]["decoded"]["name"] == "Storm"
    assert report["certified"]["record"]["decoded"]["name"] == "Wind"


def test_a_damaged_record_is_told_from_other_rules() -> None:
    """The tree is right and the value beside it is not: only execution notices, and only its result differs."""
    net, speaker = network()
    quiet(net)
    solar = net.machines["solar"]
    solar.crash()
    key = STATE + BALANCES.roll_key("campus")
    raw = solar.store.get(key)
    assert raw is not None
    entries = [replace(entry, balance_nano=entry.balance_nano + 1) for entry in BALANCES.decode(raw)]
    solar.store.write([(key, encode(tuple(entries)))], sync=True)
    solar.start()
    solar, report = stopped(net, speaker)
    assert solar.error is not None
    assert report["key"] == key[1:].decode()
    assert f"What is stored here under {key[1:].decode()} is not what" in solar.error.message
    assert "other rules" not in solar.error.message


def test_from_that_moment_it_signs_and_executes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net, speaker = network()
    wrong_in_memory(net, "solar", monkeypatch)
    net.drop = lambda sender, target, frame, _body: frame is Frame.TREE_RESPONSE
    submit(net, speaker)
    solar = net.machines["solar"]
    assert solar.driver is not None
    replica = solar.driver.replica
    net.run_until(lambda: replica.divergence is not None)
    height, sent = solar.ledger.height, []
    net.drop = lambda sender, target, frame, _body: (
        frame is Frame.TREE_RESPONSE or (sender == "solar" and sent.append(frame) is not None)
    )
    for _ in range(4):
        submit(net, speaker)
        net.run_for(2_000)
    request = solar.submit(speaker.member("wind", Transfer("campus", 1, "")))
    assert solar.replies[request][0].code == "node.stopped"
    assert solar.ledger.height == height
    assert set(sent) == {Frame.TREE_REQUEST}


def test_without_an_answer_it_stops_with_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    net, speaker = network()
    wrong_in_memory(net, "solar", monkeypatch)
    net.drop = lambda _sender, target, frame, _body: frame is Frame.TREE_RESPONSE and target == "solar"
    _, report = stopped(net, speaker, 2_000 + divergence.ROUNDS * divergence.ASK_AGAIN_MS)
    assert report["key"] is None
    assert report["certified"]["record"] is None
    assert "in time" in report["why_unknown"]


def test_lost_answers_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    net, speaker = network()
    wrong_in_memory(net, "solar", monkeypatch)
    lost = [0]

    def drop(_sender: str, target: str, frame: Frame, _body: bytes) -> bool:
        lost[0] += frame is Frame.TREE_RESPONSE
        return frame is Frame.TREE_RESPONSE and lost[0] % 4 != 0

    net.drop = drop
    _, report = stopped(net, speaker)
    assert report["key"] == "member/ghost"


def test_of_three_peers_two_may_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    """One claims the whole tree is another, one denies the record; the third is believed for its hashes."""
    net, speaker = network()
    wrong_in_memory(net, "solar", monkeypatch)

    def tamper(sender: str, target: str, frame: Frame, body: bytes) -> bytes:
        if frame is not Frame.TREE_RESPONSE or sender == "campus":
            return body
        answer = CODECS[frame].decode(body)
        assert isinstance(answer, TreeResponse)
        if sender == "wind" and answer.inner:
            answer = replace(answer, inner=((answer.inner[0][0], bytes(32)), *answer.inner[1:]))
        elif answer.key:
            answer = replace(answer, proof=b"\x0a", record=b"\x02")
        return encode(answer)

    net.tamper = tamper
    net.drop = lambda sender, _target, frame, body: (
        frame is Frame.TREE_RESPONSE and sender == "campus" and net.penalties.count(FALSE) < 1
    )
    _, report = stopped(net, speaker)
    assert report["key"] == "member/ghost"
    assert FALSE in net.penalties


FALSE = ("solar", "wind", "sync.false-tree")
