"""A node whose state is not the certified one stops and says so; the others go on."""

from __future__ import annotations

import pytest

from contracts.bodies import Transfer
from node.execution import execute
from tests.replica.test_network import heights, network
from tests.support.memory import MemoryNetwork
from tests.support.pact import Speaker


def faulty(net: MemoryNetwork, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this node's execution writes one record more than it should."""

    def wrong(ledger, block, certificate, envelopes, charges):  # type: ignore[no-untyped-def]
        if ledger is net.machines[name].ledger and block.payload:
            commit = ledger.commit

            def commit_more(block, certificate, raws, receipts, changes, readings):  # type: ignore[no-untyped-def]
                commit(block, certificate, raws, receipts, {**changes, b"account/ghost": b"\x01"}, readings)

            ledger.commit = commit_more
            try:
                return execute(ledger, block, certificate, envelopes, charges)
            finally:
                del ledger.commit
        return execute(ledger, block, certificate, envelopes, charges)

    monkeypatch.setattr("node.driver.execute", wrong)


def submit(net: MemoryNetwork, speaker: Speaker) -> None:
    net.machines["campus"].submit(speaker.member("campus", Transfer("wind", 1, "")))


def test_a_wrong_root_stops_the_node_and_only_that_node(monkeypatch: pytest.MonkeyPatch) -> None:
    net, speaker = network()
    faulty(net, "solar", monkeypatch)
    submit(net, speaker)
    net.run_until(lambda: net.machines["solar"].error is not None)
    error = net.machines["solar"].error
    assert error is not None
    assert error.code == "ledger.divergence"
    assert net.machines["solar"].ledger.state_root.hex() in error.message
    before = net.machines["campus"].ledger.height
    for _ in range(3):
        submit(net, speaker)
        net.run_for(2_000)
    assert net.machines["campus"].ledger.height >= before + 3
    assert all(m.error is None for m in net.machines.values() if m.name != "solar")
    assert heights(net)
