"""Each Byzantine behaviour really deviates, and the network stands it."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace

from consensus import evidence
from consensus.block import check_commitments, check_validity
from consensus.certificates import signatures_of
from consensus.messages import Block, Header, Proposal, RoundCertificate, Vote, VoteType
from consensus.refusals import Refusal
from contracts.bodies import Transfer
from devnet.simulator.behaviours import BEHAVIOURS, Puppeteer
from devnet.simulator.behaviours.proposals import FALSE_BLOCKS, FALSE_FIELDS
from devnet.simulator.machine import Machine
from devnet.simulator.network import Network, Watcher
from devnet.simulator.pact import Speaker, genesis
from devnet.simulator.plan import PHASE_1_MS, Liar, Plan, draw
from devnet.simulator.run import Run
from devnet.simulator.stakes import Stake, Stakes
from node.peer.wire import CODECS, Frame
from tests.consensus.height import make_block, make_context, propose, verifies
from zk.codec import Malformed, encode

SEED = 4
"""A short run with one liar."""
SEEDS = range(SEED, SEED + 16)
"""Some behaviours wait for an occasion: a lock that did not decide, a round in which they propose."""


def torn(_sender: Machine, target: Machine, frame: Frame, body: bytes) -> bool:
    """For a while one node gets no first proposals, and those who precommit hear of too few others: three lock, and
    nobody decides in the first round."""
    if target.network.now_ms > PHASE_1_MS:
        return True
    match CODECS[frame].decode(body):
        case Proposal(round=0):
            return target.node != "biodiesel"
        case Vote(kind=VoteType.PRECOMMIT, round=0, voter=voter):
            return voter != "campus" and (voter, target.node) != ("wind", "campus")
        case RoundCertificate(round=0):
            return False
        case _:
            return True


@pytest.mark.parametrize("name", sorted(set(BEHAVIOURS) - {"amnesia"}))
def test_a_liar_deviates_and_every_oracle_holds(name: str) -> None:
    for seed in SEEDS:
        outcome = Run(draw(seed, 4, [name])).go()
        assert outcome.failure is None, (seed, outcome.failure)
        if outcome.byzantine.get(name, 0) > 0:
            return
    pytest.fail(f"{name} never deviates")


def test_who_forgets_its_lock_votes_against_it_and_breaks_nothing() -> None:
    liars = (Liar("solar", ("amnesia",)),)
    stakes = Stakes((Stake(40_000, 0),) * 4, ())
    plan = replace(draw(SEED, 4, ["amnesia"]), stakes=stakes, faults=(), absent=(), liars=liars)
    run = Run(plan)
    run.network.passes = torn
    outcome = run.go()
    assert outcome.failure is None, outcome.failure
    assert outcome.byzantine["amnesia"] > 0


def colluding(seed: int) -> Plan:
    """Seven nodes, two of which collude."""
    while len((plan := draw(seed, 7, ["collude"])).liars) != 2:
        seed += 1
    return plan


def test_colluders_speak_for_each_other() -> None:
    """Either one's votes leave the other's machine, as well signed as its own."""
    run = Run(colluding(0))
    network, liars = run.network, {liar.node for liar in run.plan.liars}
    in_others_name = set()

    def passes(sender: Machine, _target: Machine, frame: Frame, body: bytes) -> bool:
        message = CODECS[frame].decode(body)
        if sender.node in liars and isinstance(message, Vote) and message.voter in liars - {sender.node}:
            in_others_name.add(message.voter)
        return True

    network.passes = passes
    outcome = run.go()
    assert outcome.failure is None, outcome.failure
    assert in_others_name == liars


def test_who_accepts_and_forgets_keeps_nothing() -> None:
    network = Network(genesis())
    machine = network.machines["wind"]
    counts: Counter[str] = Counter()
    machine.mouth = Puppeteer(machine, ["accept-and-forget"], counts)
    network.start()
    envelope = Speaker(network.genesis.chain_id()).member("wind", Transfer("solar", 1, ""))
    answer = machine.replies[machine.submit(envelope)]
    assert [result.code for result in answer] == ["ok"]
    assert machine.driver is not None and len(machine.driver.replica.flow.mempool) == 0
    assert counts["accept-and-forget"] == 1


def refused(block: Block) -> bool:
    """Whether some check that every honest node makes keeps this block from being voted for."""
    context = make_context()
    try:
        read = CODECS[Frame.CONSENSUS].decode(encode(propose(context, 0, block)))
        assert isinstance(read, Proposal)
        if not all(verifies(*check) for check in signatures_of(read, context)):
            return True
        check_commitments(read.block)
        check_validity(read.block, context)
        for raw in read.block.evidence:
            evidence.decode(raw)
    except (Malformed, Refusal):
        return True
    return False


def test_each_false_block_is_refused_and_each_field_has_its_turn() -> None:
    assert set(FALSE_FIELDS) == set(Header.__struct_fields__)
    honest = make_block(make_context(), 0)
    assert not refused(honest)
    for make in FALSE_BLOCKS:
        assert refused(make(honest)), make


class Blame(Watcher):
    """For what liars were penalised."""

    def __init__(self) -> None:
        self.codes: set[str] = set()

    def penalised(self, machine: Machine, peer: str, code: str) -> None:
        self.codes.add(code)


def test_each_lie_in_sync_is_told_and_blamed() -> None:
    """Blocks that were not asked for, false blocks, and real blocks with signatures of other blocks."""
    blame = Blame()
    for seed in SEEDS:
        outcome = Run(draw(seed, 4, ["lie-in-sync"]), blame).go()
        assert outcome.failure is None, outcome.failure
        if {"sync.unasked", "sync.false-block", "sync.false-certificate"} <= blame.codes:
            return
    pytest.fail(f"only {sorted(blame.codes)}")


def test_more_liars_than_one_kind_at_once() -> None:
    """Behaviours stand behind each other: what one says, the next may change."""
    plan = draw(SEED, 4, ["equivocate"])
    both = Liar(plan.liars[0].node, ("equivocate", "slow-drip", "stale-replays"))
    outcome = Run(replace(plan, liars=(both,))).go()
    assert outcome.failure is None, outcome.failure
    assert min(outcome.byzantine[name] for name in both.behaviours) > 0
