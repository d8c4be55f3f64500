"""Whoever contradicts itself ends up on the ledger, on every node; nobody else does; and a fork stops everything."""

from __future__ import annotations

from consensus.messages import Vote, VoteType
from contracts import offences
from contracts.offences import OFFENCES, Offence
from contracts.state import State
from node.effects import FrameReceived
from node.peer.wire import Frame
from tests.replica.test_network import agreed, network, quiet
from tests.support.memory import MemoryNetwork
from tests.support.pact import key_of
from zk.codec import encode
from zk.hashing import sha256


def signed(net: MemoryNetwork, voter: str, kind: VoteType, height: int, value: str | None, round_: int = 0) -> Vote:
    """A vote with the real key of `voter`."""
    chain = net.machines[voter].ledger.chain_id
    block_id = None if value is None else sha256(value.encode())
    vote = Vote(kind, height, round_, block_id, -1, voter, b"")
    signature = key_of(f"{voter} node").sign(vote.sign_bytes(chain))
    return Vote(kind, height, round_, block_id, -1, voter, signature)


def hand(net: MemoryNetwork, target: str, sender: str, frame: Frame, message: object) -> None:
    """Let a frame arrive now."""
    net.machines[target].feed(FrameReceived(sender, frame, encode(message)))


def offence(net: MemoryNetwork, node: str, accused: str, height: int) -> Offence | None:
    return State(net.machines[node].ledger).load(OFFENCES, OFFENCES.key(accused, height))


def recorded(net: MemoryNetwork, node: str) -> int:
    counted = State(net.machines[node].ledger).load(offences.OFFENCE_COUNTS, offences.OFFENCE_COUNT)
    return 0 if counted is None else counted.count


def test_an_equivocator_is_on_the_ledger_of_everybody() -> None:
    net, _ = network()
    quiet(net)
    height = net.machines["solar"].ledger.height + 1
    for value in ("one", "other"):
        hand(net, "solar", "campus", Frame.CONSENSUS, signed(net, "campus", VoteType.PREVOTE, height, value))
    net.run_until(lambda: all(offence(net, node, "campus", height) for node in net.machines))
    quiet(net)
    agreed(net)
    found = offence(net, "wind", "campus", height)
    assert found is not None
    assert (found.node, found.member, found.kind, found.height) == ("campus", "campus", "duplicate-prevote", height)
    assert height <= found.recorded_height <= height + 4
    assert {recorded(net, node) for node in net.machines} == {1}
    assert {len(machine.driver.replica.evidence) for machine in net.machines.values()} == {0}
