"""Twins: two machines with one key, tried under every schedule of leaders and partitions of a few rounds.

After Bano et al., "Twins: BFT systems made robust" (OPODIS 2021, arXiv:2004.10617). Each twin is an honest replica, and
together they equivocate, forget locks and change sides, as real attacks do. In the first height the messages of a round
pass within the groups of that round only; then everything heals, and all that is promised must hold. Adds one rule to
those of `devnet.simulator.oracles`: whoever contradicts itself before one honest node is punished on the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import permutations, product
from random import Random
from typing import Any

import msgspec

from consensus.messages import Commit, PolkaCertificate, Proposal, RoundCertificate, Vote, VoteType
from contracts import api
from contracts.bodies import Transfer
from contracts.genesis import ConsensusParams, Genesis
from contracts.state import State
from devnet.simulator.frames import read
from devnet.simulator.machine import Machine
from devnet.simulator.network import Network, Watcher, Watchers, Weather
from devnet.simulator.oracles import Oracles
from devnet.simulator.pact import Speaker, genesis
from devnet.simulator.plan import node_names
from devnet.simulator.violations import Failure, Violation, judged
from node.peer.wire import BlockResponse, Frame

HEIGHT = 1
"""The height that is fought over."""
PATIENCE_MS = 700
"""Virtual time after which a round that can not end (no group has a quorum) heals."""
HEALED_MS = 20_000
"""Virtual time from healing until a transaction is final everywhere."""
PUNISHED_MS = 5_000
"""Virtual time from then on until evidence that somebody can give is in a block."""
SAMPLED_ROUNDS = 6
DELAY_MS = 2


class Turn(msgspec.Struct, frozen=True):
    """A round: who leads it, and the machines of one group; all others are the other group.

    Precommits have groups of their own, so that some lock what nobody decides.
    """

    leader: str
    group: frozenset[str]
    precommit_group: frozenset[str]


class Scenario(msgspec.Struct, frozen=True):
    """`twins` are the nodes of which there are two machines, the second one named `<node>~2`."""

    nodes: tuple[str, ...]
    twins: tuple[str, ...]
    turns: tuple[Turn, ...]

    @property
    def machines(self) -> tuple[str, ...]:
        """Names of all machines: nodes first."""
        return self.nodes + tuple(f"{twin}~2" for twin in self.twins)

    def describe(self) -> str:
        """For people, one round after the other."""

        def split(group: frozenset[str]) -> str:
            return f"{' '.join(sorted(group))} | {' '.join(sorted(set(self.machines) - group))}"

        return "; ".join(
            f"{turn.leader} leads {split(turn.group)}, precommits {split(turn.precommit_group)}" for turn in self.turns
        )


class Result(msgspec.Struct, frozen=True):
    """What a scenario came to."""

    scenario: Scenario
    failure: Failure | None
    virtual_ms: int
    caught: int
    """(node, height, round, step) in which an honest node saw a twin contradict itself."""


# Schedules


def enumerate_all(rounds: int) -> Iterator[Scenario]:
    """Every schedule of four nodes, one of them with a twin: 64 to the power of `rounds`, of which those remain that do
    not follow from another by renaming the honest or the twins."""
    nodes = node_names(4)
    machines = (*nodes, f"{nodes[3]}~2")
    renamings = [(*order, *twins) for order in permutations(range(3)) for twins in ((3, 4), (4, 3))]
    for schedule in product(product(range(4), range(16)), repeat=rounds):
        if any(_renamed(schedule, renaming) < schedule for renaming in renamings):
            continue
        turns = []
        for leader, mask in schedule:
            group = frozenset(name for at, name in enumerate(machines) if mask >> at & 1)
            turns.append(Turn(nodes[leader], group, group))
        yield Scenario(nodes, nodes[3:], tuple(turns))


def _renamed(schedule: tuple[tuple[int, int], ...], renaming: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """The same schedule with other names: leaders by node, groups as bit masks over machines without the last."""
    renamed = []
    for leader, mask in schedule:
        moved = sum(1 << renaming[at] for at in range(5) if mask >> at & 1)
        # Both groups are the same partition; the one without the last machine stands for it.
        renamed.append((min(renaming[leader], 3), moved ^ 31 if moved >> 4 else moved))
    return tuple(renamed)


def sample(seed: int) -> Scenario:
    """One of the many longer schedules, of four nodes or of seven with two twins."""
    random = Random(f"twins/{seed}")
    nodes = node_names(random.choice((4, 4, 7)))
    twins = tuple(sorted(random.sample(nodes, (len(nodes) - 1) // 3)))
    machines = Scenario(nodes, twins, ()).machines

    def group() -> frozenset[str]:
        share = random.choice((0.2, 0.5))
        return frozenset(name for name in machines if random.random() < share)

    turns = []
    for _ in range(random.randint(2, SAMPLED_ROUNDS)):
        first = group()
        turns.append(Turn(random.choice((*nodes, *twins)), first, random.choice((first, group()))))
    return Scenario(nodes, twins, tuple(turns))


@lru_cache(maxsize=4)
def pact_of(nodes: tuple[str, ...]) -> Genesis:
    """Their pact: quick rounds, and evidence that never expires."""
    return genesis(validators=nodes, consensus=ConsensusParams(target_block_ms=40))


# Running


class Witness(Watcher):
    """Whom honest machines saw contradict itself, in the height that they were voting in."""

    def __init__(self, honest: frozenset[str]) -> None:
        self.caught: set[tuple[str, int, int, int]] = set()
        """(node, height, round, step)."""
        self._honest = honest
        self._heard: dict[tuple[str, str, int, int, int], tuple[bytes, int]] = {}

    def delivered(self, machine: Machine, peer: str, frame: Frame, body: bytes) -> None:
        message = read(frame, body)
        if machine.node not in self._honest or not isinstance(message, Proposal | Vote):
            return
        if message.height != machine.ledger.height + 1:
            return
        if isinstance(message, Proposal):
            author, step, said = message.proposer, 0, (message.block.header.id(), message.valid_round)
        else:
            author, step, said = message.voter, int(message.kind), (message.block_id or b"", message.valid_round)
        known = self._heard.setdefault((machine.name, author, message.height, message.round, step), said)
        if known != said:
            self.caught.add((author, message.height, message.round, step))


class Play:
    """One scenario on a network under the oracles."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        pact = pact_of(scenario.nodes)
        leaders = tuple(turn.leader for turn in scenario.turns)

        def led(height: int) -> tuple[str, ...]:
            return leaders if height == HEIGHT else ()

        self.network = Network(pact, weather=Weather(DELAY_MS, DELAY_MS), led=led, twins=scenario.twins)
        honest = frozenset(scenario.nodes) - set(scenario.twins)
        self.oracles = Oracles(self.network, honest)
        self.witness = Witness(honest)
        self.network.watcher = Watchers(self.oracles, self.witness)
        self.network.passes = self._passes
        self._honest = [machine for machine in self.network.machines.values() if machine.node in honest]
        self._healed = False
        for twin in scenario.twins:
            # At the same moment both would build the same block.
            self.network.machines[f"{twin}~2"].skew_ms = 1

    def go(self) -> Result:
        """Play it."""
        failure = judged(self._play)
        return Result(self.scenario, failure, self.network.now_ms, len(self.witness.caught))

    def _play(self) -> None:
        self._fight()
        self._heal()
        self._punish()

    def _fight(self) -> None:
        self.network.start()
        rounds = len(self.scenario.turns)
        self.network.reached(
            lambda: all(machine.ledger.height >= HEIGHT or self._round(machine) >= rounds for machine in self._honest),
            PATIENCE_MS * rounds,
        )

    def _heal(self) -> None:
        self._healed = True
        speaker = Speaker(self.network.genesis.chain_id())
        first = self._honest[0]
        first.submit(speaker.member(first.node, Transfer(self._honest[1].node, 1, "")))
        hash_ = next(iter(first.replies.values()))[0].hash

        def everywhere() -> bool:
            heights = {machine.ledger.height for machine in self._honest}
            return len(heights) == 1 and self.oracles.on_ledger(hash_)

        if not self.network.reached(everywhere, HEALED_MS):
            raise Violation("liveness", f"nothing is final {self.network.describe()}")

    def _punish(self) -> None:
        """Whoever honest nodes can give evidence against is punished."""
        accused = sorted({node for node, _, _, _ in self.witness.caught})

        def punished() -> bool:
            state = State(self._honest[0].ledger, self._honest[0].ledger.records)
            return all(api.is_tombstoned(state, node) for node in accused)

        if not self.network.reached(punished, PUNISHED_MS):
            raise Violation("evidence", f"not all of {accused} are tombstoned {self.network.describe()}")

    def _round(self, machine: Machine) -> int:
        assert machine.driver is not None
        return machine.driver.replica.machine.round

    def _passes(self, sender: Machine, target: Machine, frame: Frame, body: bytes) -> bool:
        """Messages of a round reach its group, until everything heals."""
        if self._healed:
            return True
        place = _place_of(read(frame, body))
        if place is None or place[0] >= len(self.scenario.turns):
            return True
        turn = self.scenario.turns[place[0]]
        group = turn.precommit_group if place[1] else turn.group
        return (sender.name in group) == (target.name in group)


def _place_of(message: object) -> tuple[int, bool] | None:
    """The round of the contested height that a message belongs to, and whether it tells of precommits; None: it
    belongs to none."""
    match message:
        case Commit(certificate) if certificate.height == HEIGHT:
            return certificate.round, True
        case BlockResponse(blocks=blocks):
            return next(((full.certificate.round, True) for full in blocks if full.certificate.height == HEIGHT), None)
        case RoundCertificate(height, round_) if height == HEIGHT:
            return round_, True
        case Vote(kind, height, round_) if height == HEIGHT:
            return round_, kind == VoteType.PRECOMMIT
        case Proposal(height, round_) | PolkaCertificate(height, round_) if height == HEIGHT:
            return round_, False
        case _:
            return None


def campaign(first: int, count: int, played: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Play `count` sampled scenarios from seed `first` on; the document of the failures and of what was seen. `played`
    hears of each."""
    results = []
    for seed in range(first, first + count):
        results.append((seed, Play(sample(seed)).go()))
        played()
    return {
        "first_seed": first,
        "seeds": count,
        "caught": sum(result.caught for _, result in results),
        "failures": [
            {
                "seed": seed,
                "oracle": result.failure.oracle,
                "message": result.failure.message,
                "scenario": result.scenario.describe(),
            }
            for seed, result in results
            if result.failure is not None
        ],
    }
