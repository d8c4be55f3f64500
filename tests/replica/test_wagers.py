"""Rounds of wagering on real replicas: phases pass on an idle chain, and everybody orders the same."""

from __future__ import annotations

from contracts import windows
from contracts.bodies import AccountBody, Need, Offer, OfferBlock, Wager
from contracts.params import PactParams, WagerParams
from contracts.records import IntervalRecord
from contracts.schema import INTERVALS, ROUNDS
from contracts.state import State
from contracts.wagers.records import Round
from contracts.wagers.sealing import seal
from node.building import packed
from node.solver.build import build
from tests.support.memory import Machine, MemoryNetwork
from tests.support.pact import START_MS, VALIDATORS, Speaker, genesis, meter
from zk.hashing import sha256

TERMS = WagerParams(on=True, wager_ms=10_000, commit_ms=10_000, reveal_ms=10_000)
PARAMS = PactParams(interval_ms=120_000, gate_lead_ms=60_000, wagering=TERMS)
TARGET = START_MS // PARAMS.interval_ms + 1


class Site:
    """Four replicas, and one interval that the sun and the campus speak about."""

    def __init__(self) -> None:
        document = genesis(params=PARAMS, meters=(meter("solar-1", "solar", "source"),))
        self.net = MemoryNetwork(document)
        self.speaker = Speaker(document.chain_id())
        self.net.start()
        offer = Offer("solar-1", TARGET, (OfferBlock(50_000, 5_000),))
        self.say(solar=offer, campus=Need(TARGET, 1, 4_000, None, 1))

    def say(self, **bodies: AccountBody) -> None:
        """Each member says something to a node that is up."""
        machine = next(one for one in self.net.alive() if one.running)
        request = machine.submit(*(self.speaker.member(name, body) for name, body in bodies.items()))
        assert [one.code for one in machine.replies[request]] == ["ok"] * len(bodies)

    def rounds(self) -> list[Round | None]:
        """Round 0 as each node that is up has it."""
        return [State(one.ledger).load(ROUNDS, ROUNDS.key(0)) for one in self.up()]

    def up(self) -> list[Machine]:
        return [one for one in self.net.alive() if one.running]

    def until(self, phase: str) -> Round:
        """Nobody says anything until everybody is in this phase."""
        self.net.run_until(lambda: all(one is not None and one.phase == phase for one in self.rounds()), 300_000)
        found = self.rounds()[0]
        assert found is not None
        return found

    def interval(self) -> IntervalRecord:
        (record,) = {State(one.ledger).load(INTERVALS, INTERVALS.key(TARGET)) for one in self.up()}
        assert record is not None
        return record


def test_nobody_wagers_and_everybody_is_served_before_the_interval_starts() -> None:
    site = Site()
    judged = site.until("judged")
    assert judged.reason == "few" and site.net.ledger_ms() < TARGET * PARAMS.interval_ms
    assert (site.interval().status, site.interval().served_wh) == ("ordered", 4_000)
    heights = {one.ledger.height for one in site.up()}
    site.net.run_for(20_000)
    assert {one.ledger.height for one in site.up()} == {max(heights) + 1}, "then the chain is idle again"


def test_a_liar_loses_on_every_node_while_one_of_four_is_down() -> None:
    site = Site()
    site.until("wager")
    site.net.machines["wind"].crash()
    builders = VALIDATORS[:3]
    site.say(**{name: Wager(0, "least-cost", 100) for name in builders})
    drawn = site.until("commit").builders
    assert sorted(drawn) == sorted(builders)
    machine = site.up()[0]
    chain_id = machine.ledger.chain_id
    case = windows.kept_case(State(machine.ledger), TARGET)
    assert case is not None
    best = packed(build(case, 60.0).solution)
    solutions = {name: b"a lie" if name == drawn[0] else best for name in drawn}
    sealed = {name: seal(chain_id, 0, name, sha256(name.encode()), solutions[name]) for name in drawn}
    site.say(**{name: bodies[0] for name, bodies in sealed.items()})
    site.until("reveal")
    site.say(**{name: bodies[1] for name, bodies in sealed.items()})
    judged = site.until("judged")
    assert (judged.outcome, judged.builder) == ("builder", drawn[1])
    assert (site.interval().builder, site.interval().served_wh) == (drawn[1], 4_000)
    assert site.net.ledger_ms() < TARGET * PARAMS.interval_ms
