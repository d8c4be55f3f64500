"""Whoever lies is named, and nobody else: any schedule of honest nodes, and any schedule with one equivocator."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from consensus.block import build_block
from consensus.certificates import votes_of
from consensus.evidence import equivocation
from consensus.messages import Commit, PolkaCertificate, Proposal, RoundCertificate, Vote, VoteType
from contracts.bodies import Transfer
from contracts.schema import OFFENCE_PLACES
from contracts.state import State
from node.chain import height_context
from node.peer.wire import CODECS, Frame
from node.seats import LedgerSets, validators_of
from tests.replica.test_evidence import hand, offence, recorded, signed
from tests.replica.test_network import agreed, network, quiet
from tests.support.memory import MemoryNetwork
from tests.support.pact import VALIDATORS, Speaker, beacon_key_of, genesis, key_of

MAX_LATER = 4
"""Heights after an equivocation within which a block names it: with four seats one of two honest witnesses proposes."""


class Listener:
    """Hears every frame, and knows every signed message that was ever sent, inside certificates too."""

    def __init__(self, net: MemoryNetwork) -> None:
        self.turns: dict[tuple[object, ...], dict[object, Vote | Proposal]] = {}
        self._validators = validators_of(net.genesis)
        net.tamper = self.hear

    def hear(self, _sender: str, _target: str, frame: Frame, body: bytes) -> bytes:
        if frame is Frame.CONSENSUS:
            self.note(CODECS[frame].decode(body))
        return body

    def note(self, message: Any) -> None:
        match message:
            case Vote(kind=kind, height=height, round=round_, voter=voter):
                said: object = (message.block_id, message.valid_round)
                self.turns.setdefault((voter, kind, height, round_), {})[said] = message
            case Proposal(height=height, round=round_, proposer=proposer, block=block):
                said = (block.header.id(), message.valid_round)
                self.turns.setdefault((proposer, None, height, round_), {})[said] = message
            case PolkaCertificate():
                list(map(self.note, votes_of(message, self._validators)))
            case RoundCertificate(votes=votes):
                list(map(self.note, votes))
            case Commit(certificate):
                list(map(self.note, votes_of(certificate, self._validators)))

    def doubles(self) -> list[dict[object, Vote | Proposal]]:
        """Turns in which somebody said two things."""
        return [said for said in self.turns.values() if len(said) > 1]


ACTIONS = st.one_of(
    st.tuples(st.just("submit"), st.sampled_from(VALIDATORS)),
    st.tuples(st.just("run"), st.sampled_from([0, 3, 10, 40, 150, 600, 1_500])),
    st.tuples(st.just("crash"), st.sampled_from(VALIDATORS)),
    st.tuples(st.just("start"), st.sampled_from(VALIDATORS)),
    st.tuples(st.just("cut"), st.sets(st.sampled_from(VALIDATORS), min_size=1, max_size=3)),
    st.tuples(st.just("heal"), st.none()),
    st.tuples(st.just("lose"), st.integers(0, 60)),
)


def play(net: MemoryNetwork, speaker: Any, actions: list[tuple[str, Any]]) -> None:
    """Crashes, cuts, losses and submissions; in the end everybody runs and reaches everybody."""
    loss = [0]
    net.drop = lambda *_: net.random.randrange(100) < loss[0]
    for name, argument in actions:
        machine = net.machines[argument] if isinstance(argument, str) else None
        match name:
            case "submit" if machine is not None and machine.running:
                machine.submit(speaker.member("campus", Transfer("wind", 1, "")))
            case "run":
                net.run_for(argument)
            case "crash" if machine is not None and machine.driver is not None:
                machine.crash()
            case "start" if machine is not None and machine.driver is None:
                machine.start()
            case "cut":
                net.partition(set(argument), set(VALIDATORS) - set(argument))
            case "heal":
                net.heal()
            case "lose":
                loss[0] = argument
    loss[0] = 0
    net.heal()
    for machine in net.machines.values():
        if machine.driver is None:
            machine.start()


@settings(max_examples=15)
@given(st.integers(0, 2**16), st.lists(ACTIONS, min_size=10, max_size=50))
def test_honest_members_are_never_accused(seed: int, actions: list[tuple[str, Any]]) -> None:
    """Restarts sign the same again, locks move, rounds re-propose: in all that was ever sent there are no two messages
    that make evidence, and no node has made any."""
    net, speaker = network(seed)
    listener = Listener(net)
    net.machines["solar"].submit(speaker.member("campus", Transfer("wind", 1, "")))
    play(net, speaker, actions)
    net.run_for(5_000)
    agreed(net)
    assert listener.turns and not listener.doubles()
    for machine in net.machines.values():
        assert machine.driver is not None and machine.error is None
        assert machine.driver.replica.work.counters["consensus.conflict"] == 0
        assert len(machine.driver.replica.evidence) == recorded(net, machine.name) == 0


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**16),
    liar=st.sampled_from(VALIDATORS),
    kind=st.sampled_from([VoteType.PREVOTE, VoteType.PRECOMMIT, None]),
    round_=st.integers(0, 2),
    witnesses=st.permutations(VALIDATORS),
    together=st.booleans(),
    actions=st.lists(ACTIONS, max_size=12),
)
def test_an_equivocator_that_two_honest_nodes_saw_is_named_soon_and_alone(
    seed: int,
    liar: str,
    kind: VoteType | None,
    round_: int,
    witnesses: list[str],
    together: bool,
    actions: list[tuple[str, Any]],
) -> None:
    net, speaker = network(seed)
    quiet(net)
    listener = Listener(net)
    seen_by = [name for name in witnesses if name != liar][:2]
    height = max(machine.ledger.height for machine in net.machines.values()) + 1
    net.run_until(lambda: all(net.machines[name].ledger.height == height - 1 for name in seen_by))
    messages = two_messages(net, liar, kind, height, round_)
    liar = messages[0].voter if isinstance(messages[0], Vote) else messages[0].proposer
    seen_by = [name for name in witnesses if name != liar][:2]
    pairs = [(name, message) for name in seen_by for message in messages]
    for name, message in pairs if together else sorted(pairs, key=lambda pair: messages.index(pair[1])):
        hand(net, name, liar, Frame.CONSENSUS, message)
    play(net, speaker, actions)
    net.run_until(lambda: all(offence(net, name, liar, height) for name in net.machines))
    found = offence(net, seen_by[0], liar, height)
    assert found is not None and (found.node, found.member, found.round) == (liar, liar, round_)
    assert height <= found.recorded_height <= height + MAX_LATER
    quiet(net)
    agreed(net)
    # Only the liar's key ever said two things, and only that is on record.
    assert all(len({accused(said) for said in turn.values()}) == 1 for turn in listener.doubles())
    assert {accused(next(iter(turn.values()))) for turn in listener.doubles()} <= {liar}
    assert {recorded(net, name) for name in net.machines} == {1}


def accused(message: Vote | Proposal) -> str:
    return message.voter if isinstance(message, Vote) else message.proposer


def two_messages(
    net: MemoryNetwork, liar: str, kind: VoteType | None, height: int, round_: int
) -> tuple[Vote | Proposal, Vote | Proposal]:
    """Two signed messages of one turn; proposals (no kind) are of whoever has the turn."""
    if kind is not None:
        votes = [signed(net, liar, kind, height, value, round_) for value in ("one", "other")]
        return votes[0], votes[1]
    ledger = net.machines[liar].ledger
    context = height_context(ledger, LedgerSets(ledger))
    proposer = context.proposers.proposer(round_).id
    proposals = []
    for later_ms in (1, 2):
        clock_ms, sign = net.ledger_ms() + later_ms, beacon_key_of(proposer).sign
        block = build_block(context, round_, (), clock_ms, context.parent.certificate, contribute=sign)
        proposal = Proposal(height, round_, -1, block, proposer, b"")
        signature = key_of(f"{proposer} node").sign(proposal.sign_bytes(ledger.chain_id))
        proposals.append(replace(proposal, signature=signature))
    assert equivocation(*proposals) is not None
    return proposals[0], proposals[1]


@settings(max_examples=8)
@given(st.integers(0, 2**16), st.sampled_from(VALIDATORS), st.sampled_from(VALIDATORS))
def test_two_machines_with_one_key_are_named_and_the_chain_goes_on(seed: int, twin: str, apart: str) -> None:
    """Nobody forges anything here: an operator runs a second copy of a node, each with a signing state of its own."""
    net = MemoryNetwork(genesis(), seed=seed, twins=(twin,))
    net.start()
    speaker = Speaker(net.machines["solar"].ledger.chain_id)
    others = sorted(set(VALIDATORS) - {twin})
    near = apart if apart != twin else others[0]
    for turn in range(60):
        # Each copy hears another client, and they hear each other's friends late.
        net.machines[twin].submit(speaker.member("campus", Transfer("wind", 1 + turn, "")))
        net.machines[f"{twin}~2"].submit(speaker.member("solar", Transfer("wind", 1 + turn, "")))
        net.partition({twin, near}, {f"{twin}~2", *(name for name in others if name != near)})
        net.run_for(30)
        net.heal()
        net.run_for(800)
        if all(recorded(net, name) for name in others):
            break
    assert all(recorded(net, name) for name in others), "nobody noticed two machines with one key"
    net.run_for(3_000)
    found = net.machines[others[0]].ledger
    for number in range(recorded(net, others[0])):
        place = State(found).load(OFFENCE_PLACES, OFFENCE_PLACES.key(number))
        assert place is not None and place.node == twin
    height = found.height
    net.machines[others[0]].submit(speaker.member("wind", Transfer("campus", 1, "")))
    net.run_until(lambda: all(net.machines[name].ledger.height > height for name in others))
    assert len({net.machines[name].ledger.block_id(height) for name in others}) == 1
