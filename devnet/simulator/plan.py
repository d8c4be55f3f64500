"""What one run of the simulator will do, drawn from its seed before it starts.

A plan is plain data: `draw` makes it from a seed, shrinking leaves faults out of it, and a run adds nothing but the
chance of single frames. Each seed draws its own mixture (swarm testing: a run with few kinds of faults goes deeper than
one with all of them). Never decides what a fault does; `devnet.simulator.run` carries it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import msgspec

from contracts.genesis import ConsensusParams, Genesis, OpeningTrust
from contracts.params import PactParams, WagerParams
from devnet.simulator import stakes
from devnet.simulator.network import Link, Weather
from devnet.simulator.pact import VALIDATORS, genesis, meter
from devnet.simulator.stakes import Stakes

PHASE_1_MS = 5_000
"""Virtual time in which anything may happen."""
CALM = (
    *(Weather(1, 2), Weather(1, 10), Weather(1, 40)) * 5,
    Weather(250, 260),
)
"""Links without a fault. The last are slower than the timeouts of first rounds: heights end because timeouts grow."""
ROLES = ("campus", *(role for role in VALIDATORS if role != "campus"))


class Fault(msgspec.Struct, frozen=True, tag=True):
    """Something that is wrong from `at_ms` on, for `for_ms` of virtual time. Faults do not depend on each other."""

    at_ms: int
    for_ms: int


class Outage(Fault, frozen=True):
    """The node has no power. With `inside` n it fails in the n-th disk operation from then on, else between two."""

    node: str
    inside: int

    def describe(self) -> str:
        """For people, without its times."""
        where = f" inside disk operation {self.inside}" if self.inside else ""
        return f"{self.node} loses power{where}"


class Partition(Fault, frozen=True):
    """These links are cut, each in one direction."""

    links: tuple[Link, ...]

    def describe(self) -> str:
        """For people, without its times."""
        return "cut: " + ", ".join(f"{sender}>{target}" for sender, target in self.links)


class Pause(Fault, frozen=True):
    """The node stands still, with everything in memory, while the others go on."""

    node: str

    def describe(self) -> str:
        """For people, without its times."""
        return f"{self.node} stands still"


class Drift(Fault, frozen=True):
    """The node's ledger clock is off by `skew_ms`."""

    node: str
    skew_ms: int

    def describe(self) -> str:
        """For people, without its times."""
        return f"clock of {self.node} is off by {self.skew_ms} ms"


class Storm(Fault, frozen=True):
    """All links are worse."""

    weather: Weather

    def describe(self) -> str:
        """For people, without its times."""
        worse = self.weather
        return f"links take up to {worse.most_ms} ms, lose {worse.loss_ppm} and double {worse.double_ppm} of a million"


AnyFault = Outage | Partition | Pause | Drift | Storm


class Liar(msgspec.Struct, frozen=True):
    """A Byzantine node and its behaviours, by name; `devnet.simulator.behaviours` has them."""

    node: str
    behaviours: tuple[str, ...]


class Plan(msgspec.Struct, frozen=True):
    """One run."""

    seed: int
    nodes: tuple[str, ...]
    target_block_ms: int
    epoch_length: int
    evidence_age_blocks: int
    evidence_age_ms: int
    stakes: Stakes
    weather: Weather
    faults: tuple[AnyFault, ...]
    liars: tuple[Liar, ...]
    absent: tuple[str, ...]
    """Honest nodes that are down in phase 2: a quorum does without them."""
    traffic_ms: int
    """Mean virtual time between two transactions."""
    wagering: bool = True
    """Dispatch goes through rounds of wagering."""
    governing: bool = True
    """Members propose changes of the pact and vote on them."""
    epochs: int = 4

    @property
    def honest(self) -> tuple[str, ...]:
        """Nodes that follow the protocol."""
        lying = {liar.node for liar in self.liars}
        return tuple(node for node in self.nodes if node not in lying)

    @property
    def heights(self) -> int:
        """The height at which all epochs have passed."""
        return self.epochs * self.epoch_length + 1


def genesis_of(plan: Plan) -> Genesis:
    """The pact of a plan: short intervals, so that some close, and meters for everybody."""
    meters = tuple(meter(f"m-{node}", node, "load" if node == "campus" else "source") for node in plan.nodes)
    wagering = WagerParams(on=plan.wagering, wager_ms=300, commit_ms=300, reveal_ms=300)
    lead_ms = 3_000 if plan.wagering else 1_000
    params = PactParams(interval_ms=2_000, gate_lead_ms=lead_ms, close_grace_ms=1_000, wagering=wagering)
    consensus = ConsensusParams(
        target_block_ms=plan.target_block_ms,
        epoch_blocks=plan.epoch_length,
        evidence_age_blocks=plan.evidence_age_blocks,
        evidence_age_ms=plan.evidence_age_ms,
    )
    trusts = tuple(
        OpeningTrust(node, stake.free_tokens, stake.bonded_tokens)
        for node, stake in zip(plan.nodes, plan.stakes.opening, strict=True)
    )
    return genesis(validators=plan.nodes, meters=meters, params=params, consensus=consensus, trusts=trusts)


def node_names(count: int) -> tuple[str, ...]:
    """Names of `count` nodes, sorted; the first four are those of the small pact."""
    more = [f"node-{number:03d}" for number in range(4, count)]
    return tuple(sorted([*ROLES[:count], *more]))


def draw(seed: int, replicas: int, behaviours: Sequence[str]) -> Plan:
    """The plan of a seed. `behaviours` are the names to choose from."""
    random = Random(f"plan/{seed}/{replicas}")
    nodes = node_names(replicas)
    bad = _draw_liars(random, nodes, behaviours)
    epoch_length = random.randint(3, 8)
    calm = random.choice(CALM)
    lying = frozenset(liar.node for liar in bad)
    absent = _draw_absent(random, nodes, lying)
    return Plan(
        seed=seed,
        nodes=nodes,
        target_block_ms=random.choice((40, 80, 120)),
        epoch_length=epoch_length,
        evidence_age_blocks=random.randint(1, 4 * epoch_length),
        evidence_age_ms=random.choice((500, 2_000, 10_000)),
        stakes=stakes.draw(random, nodes, lying | frozenset(absent)),
        weather=calm,
        faults=_draw_faults(random, nodes, calm),
        liars=bad,
        absent=absent,
        traffic_ms=random.choice((20, 60, 200)),
        wagering=random.randrange(3) > 0,
        governing=random.randrange(3) > 0,
    )


def _draw_liars(random: Random, nodes: tuple[str, ...], behaviours: Sequence[str]) -> tuple[Liar, ...]:
    """Up to a third of the nodes, not all of it: their power is drawn to fit."""
    count = random.choice((0, 1, 1, (len(nodes) - 1) // 3))
    return tuple(
        Liar(node, tuple(sorted(random.sample(behaviours, random.randint(1, min(3, len(behaviours)))))))
        for node in sorted(random.sample(nodes, count))
    )


def _draw_absent(random: Random, nodes: tuple[str, ...], lying: frozenset[str]) -> tuple[str, ...]:
    """Some of the honest; with the liars they are fewer than a third of the nodes."""
    honest = [node for node in nodes if node not in lying]
    room = (len(nodes) - 1) // 3 - len(lying)
    return tuple(sorted(random.sample(honest, random.randint(0, room))))


def _draw_faults(random: Random, nodes: tuple[str, ...], calm: Weather) -> tuple[AnyFault, ...]:
    """Which kinds happen in this run, how often, and each one's time and extent."""
    kinds = [kind for kind in (_outage, _partition, _pause, _drift, _storm) if random.random() < 0.6]
    if not kinds:
        return ()
    count = random.choice((0, 3, 8, 20))
    faults = [random.choice(kinds)(random, nodes, calm) for _ in range(count)]
    return tuple(sorted(faults, key=lambda fault: (fault.at_ms, repr(fault))))


def _when(random: Random) -> tuple[int, int]:
    return random.randrange(PHASE_1_MS), random.choice((5, 60, 300, 1_000, 3_000))


def _outage(random: Random, nodes: tuple[str, ...], _calm: Weather) -> Outage:
    return Outage(*_when(random), random.choice(nodes), random.choice((0, 1, 2, 3, 5, 9)))


def _partition(random: Random, nodes: tuple[str, ...], _calm: Weather) -> Partition:
    """Two groups that do not hear each other, or one direction of it, or single links."""
    group = set(random.sample(nodes, random.randint(1, len(nodes) - 1)))
    across = [(a, b) for a in nodes for b in nodes if (a in group) != (b in group)]
    shape = random.randrange(3)
    if shape == 0:
        links = across
    elif shape == 1:
        links = [(a, b) for a, b in across if a in group]
    else:
        links = random.sample(across, random.randint(1, len(across)))
    return Partition(*_when(random), tuple(sorted(links)))


def _pause(random: Random, nodes: tuple[str, ...], _calm: Weather) -> Pause:
    return Pause(*_when(random), random.choice(nodes))


def _drift(random: Random, nodes: tuple[str, ...], _calm: Weather) -> Drift:
    return Drift(*_when(random), random.choice(nodes), random.choice((-1, 1)) * random.choice((50, 400, 3_000, 60_000)))


def _storm(random: Random, _nodes: tuple[str, ...], calm: Weather) -> Storm:
    worst = calm.most_ms + random.choice((20, 100, 500))
    loss, double = random.choice((0, 20_000, 200_000)), random.choice((0, 20_000, 200_000))
    return Storm(*_when(random), Weather(calm.least_ms, worst, loss, double))
