"""Whoever contradicts itself ends up on the ledger, on every node; nobody else does; and a fork stops everything."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from consensus.evidence import EQUIVOCATION, Amnesia, Fork
from consensus.messages import Commit, CommitCertificate, PolkaCertificate, Vote, VoteType
from contracts.bodies import Transfer
from contracts.conduct_records import Offence
from contracts.schema import OFFENCE_COUNT, OFFENCE_COUNTS, OFFENCES
from contracts.state import State
from node.effects import FrameReceived
from node.evidence import AHEAD
from node.ledger.store import MemoryStore
from node.peer.wire import CODECS, Frame
from tests.replica.test_network import agreed, network, quiet
from tests.support.memory import MemoryNetwork
from tests.support.pact import VALIDATORS, key_of
from zk.codec import encode
from zk.hashing import sha256


def signed(
    net: MemoryNetwork,
    voter: str,
    kind: VoteType,
    height: int,
    value: str | None,
    round_: int = 0,
    valid_round: int = -1,
) -> Vote:
    """A vote with the real key of `voter`."""
    chain = net.machines[voter].ledger.chain_id
    block_id = None if value is None else sha256(value.encode())
    vote = Vote(kind, height, round_, block_id, valid_round, voter, b"")
    return replace(vote, signature=key_of(f"{voter} node").sign(vote.sign_bytes(chain)))


def hand(net: MemoryNetwork, target: str, sender: str, frame: Frame, message: object) -> None:
    """Let a frame arrive now."""
    net.machines[target].feed(FrameReceived(sender, frame, encode(message)))


def offence(net: MemoryNetwork, node: str, accused: str, height: int) -> Offence | None:
    return State(net.machines[node].ledger).load(OFFENCES, OFFENCES.key(accused, height))


def recorded(net: MemoryNetwork, node: str) -> int:
    counted = State(net.machines[node].ledger).load(OFFENCE_COUNTS, OFFENCE_COUNT)
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


# Certificates that exclude each other


def commit_by(net: MemoryNetwork, voters: tuple[str, ...], height: int, value: str, round_: int) -> CommitCertificate:
    """A certificate with real signatures, over a block that nobody has."""
    votes = [signed(net, voter, VoteType.PRECOMMIT, height, value, round_) for voter in voters]
    seats = sorted((VALIDATORS.index(vote.voter), vote.signature) for vote in votes)
    return CommitCertificate(height, round_, sha256(value.encode()), tuple(seats))


def polka_by(
    net: MemoryNetwork, voters: tuple[str, ...], height: int, value: str, round_: int, valid_round: int = -1
) -> PolkaCertificate:
    votes = [signed(net, voter, VoteType.PREVOTE, height, value, round_, valid_round) for voter in voters]
    seats = sorted((VALIDATORS.index(vote.voter), vote.signature) for vote in votes)
    return PolkaCertificate(height, round_, sha256(value.encode()), valid_round, tuple(seats))


LIARS = ("biodiesel", "solar", "wind")


def stopped(net: MemoryNetwork, code: str) -> None:
    """Everybody halts with this code, stays halted across restarts, and signs nothing any more."""
    net.run_until(lambda: all(machine.error is not None for machine in net.machines.values()))
    high = {name: machine.driver._signer.high_water for name, machine in net.machines.items() if machine.driver}
    for machine in net.machines.values():
        assert machine.error is not None and machine.error.code == code
        report = json.loads(machine.error.report)
        assert report["code"] == code
        # What the report holds is what peers understand.
        assert isinstance(CODECS[Frame.EVIDENCE].decode(bytes.fromhex(report["encoded"])), Fork | Amnesia)
        assert all(name in machine.error.message for name in report["signed_both"])
        assert len(report["signed_both"]) >= 2
        machine.crash()
    sent = len([entry for entry in net.trace if entry[3:4] == (int(Frame.CONSENSUS),)])
    net.start()
    net.run_for(20_000)
    assert all(machine.error is not None and machine.error.code == code for machine in net.machines.values())
    assert high == {name: machine.driver._signer.high_water for name, machine in net.machines.items() if machine.driver}
    assert sent == len([entry for entry in net.trace if entry[3:4] == (int(Frame.CONSENSUS),)])


@pytest.mark.parametrize("round_", [0, 1])
def test_two_decisions_of_a_past_height_halt_everybody(round_: int) -> None:
    net, _ = network()
    quiet(net)
    other = commit_by(net, LIARS, 1, "other", round_)
    hand(net, "campus", "wind", Frame.CONSENSUS, Commit(other, None))
    kept = net.machines["campus"].driver.replica.evidence.pending()
    # Of one round, they convict each of those who signed both.
    convicted = [EQUIVOCATION.decode(raw).accused for raw in kept]
    own = net.machines["campus"].ledger.certificate(1)
    assert own is not None
    both = [VALIDATORS[seat] for seat, _ in own.signatures if VALIDATORS[seat] in LIARS]
    assert convicted == (both if round_ == own.round else [])
    stopped(net, "consensus.fork")


def test_two_decisions_of_the_open_height_halt_everybody() -> None:
    net, _ = network()
    quiet(net)
    height = net.machines["campus"].ledger.height + 1
    hand(net, "campus", "wind", Frame.CONSENSUS, Commit(commit_by(net, LIARS, height, "one", 0), None))
    assert net.machines["campus"].error is None
    hand(net, "campus", "wind", Frame.CONSENSUS, Commit(commit_by(net, LIARS, height, "other", 3), None))
    stopped(net, "consensus.fork")


def test_a_synced_block_that_is_not_the_certified_one_halts_everybody() -> None:
    net, speaker = network()
    quiet(net)
    net.partition({"campus"}, {"biodiesel", "solar", "wind"})
    height = net.machines["campus"].ledger.height + 1
    hand(net, "campus", "wind", Frame.CONSENSUS, Commit(commit_by(net, LIARS, height, "one", 2), None))
    net.machines["wind"].submit(speaker.member("campus", Transfer("wind", 5, "")))
    net.run_until(lambda: net.machines["wind"].ledger.height > height)
    net.heal()
    stopped(net, "consensus.fork")


def test_who_has_halted_stays_halted_without_its_store() -> None:
    """The seats of the height are gone with the blocks below it; the journal still says why it stopped."""
    net, speaker = network()
    machine = net.machines["campus"]
    for _ in range(AHEAD + 1):
        machine.submit(speaker.member("campus", Transfer("wind", 1, "")))
        quiet(net)
    height = machine.ledger.height
    assert height > AHEAD
    hand(net, "campus", "wind", Frame.CONSENSUS, Commit(commit_by(net, LIARS, height, "other", 0), None))
    machine.crash()
    machine.store = MemoryStore()
    machine.start()
    assert machine.ledger.height == 0
    assert machine.error is not None and machine.error.code == "consensus.fork"
    assert f"decided height {height}" in machine.error.message and "this store does not know" in machine.error.message
    assert json.loads(machine.error.report)["signed_both"] == []


@pytest.mark.parametrize("past", [True, False])
def test_amnesia_halts_everybody(past: bool) -> None:
    net, _ = network()
    quiet(net)
    height = 1 if past else net.machines["campus"].ledger.height + 1
    if not past:
        hand(net, "campus", "wind", Frame.CONSENSUS, Commit(commit_by(net, LIARS, height, "one", 1), None))
    hand(net, "campus", "wind", Frame.CONSENSUS, polka_by(net, LIARS, height, "other", 3, 0 if not past else -1))
    stopped(net, "consensus.amnesia")


def test_amnesia_that_was_seen_before_the_decision_halts_too() -> None:
    net, _ = network()
    quiet(net)
    height = net.machines["campus"].ledger.height + 1
    for machine in net.machines:
        hand(net, machine, "wind", Frame.CONSENSUS, polka_by(net, LIARS, height, "other", 3))
        assert net.machines[machine].error is None
    hand(net, "campus", "wind", Frame.CONSENSUS, Commit(commit_by(net, LIARS, height, "one", 1), None))
    stopped(net, "consensus.amnesia")


def test_a_polka_in_between_clears_the_accused_and_not_the_chain() -> None:
    """More than 1/3 were faulty all the same, so the node stops; but it says that these may be innocent."""
    net, _ = network()
    quiet(net)
    height = net.machines["campus"].ledger.height + 1
    for round_, valid_round in ((3, 2), (5, 0)):
        polka = polka_by(net, LIARS, height, "other", round_, valid_round)
        hand(net, "campus", "wind", Frame.CONSENSUS, polka)
    hand(net, "campus", "wind", Frame.CONSENSUS, Commit(commit_by(net, LIARS, height, "one", 1), None))
    for _ in range(2):
        error = net.machines["campus"].error
        assert error is not None and error.code == "consensus.amnesia"
        assert "The polka of round 3 clears them" in error.message
        assert [polka["round"] for polka in json.loads(error.report)["rebuttals"]] == [3]
        net.machines["campus"].crash()
        net.machines["campus"].start()


def test_what_proves_nothing_halts_nobody_and_costs_its_sender() -> None:
    net, _ = network()
    quiet(net)
    known = net.machines["campus"].ledger.certificate(1)
    assert known is not None
    few = commit_by(net, ("solar", "wind"), 1, "other", 2)
    forged = replace(commit_by(net, LIARS, 1, "other", 2), block_id=sha256(b"third"))
    for message in (Commit(few, None), Commit(forged, None), polka_by(net, ("solar", "wind"), 1, "other", 3)):
        hand(net, "campus", "wind", Frame.CONSENSUS, message)
    for pair in (Fork(known, few), Fork(known, forged), Fork(few, known), Fork(known, known)):
        hand(net, "campus", "wind", Frame.EVIDENCE, pair)
    # A repeated value, and a polka that a lock of the same round excuses, contradict nothing.
    hand(net, "campus", "wind", Frame.CONSENSUS, Commit(replace(known, round=7), None))
    hand(net, "campus", "wind", Frame.CONSENSUS, polka_by(net, LIARS, 1, "other", 3, known.round))
    net.run_for(5_000)
    assert all(machine.error is None for machine in net.machines.values())
    assert [code for name, peer, code in net.penalties if (name, peer) == ("campus", "wind")] == [
        "consensus.no-quorum",
        "consensus.signature",
        "consensus.no-quorum",
        "consensus.no-quorum",
        "consensus.signature",
        "consensus.evidence-pair",
        "consensus.evidence-pair",
    ]
