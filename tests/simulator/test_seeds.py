"""Two hundred seeds of faults and liars, and the machinery that finds, repeats and explains a failure."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random

import pytest
from msgspec.structs import replace

from consensus import power
from contracts.epochs import seat_weight
from contracts.genesis import ConsensusParams
from devnet.simulator import campaign as campaigns
from devnet.simulator.campaign import Campaign, campaign, known_behaviours
from devnet.simulator.cli import _again
from devnet.simulator.network import Weather
from devnet.simulator.plan import Outage, Partition, Pause, Plan, draw
from devnet.simulator.run import Outcome, Run
from devnet.simulator.shrink import shrink
from devnet.simulator.stakes import SLACK_TOKENS, Move
from devnet.simulator.trace import Trace

FIRST_SEED = 7_400
SEEDS = 200
REPEATED = 7_003


def test_two_hundred_seeds_break_no_rule() -> None:
    broken: list[Outcome] = []
    # Each process of a parallel test run has one share of the cores.
    jobs = max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    document = campaign(Campaign(4, FIRST_SEED, SEEDS, None, jobs, known_behaviours()), broken.append)
    assert document["failures"] == [], broken[0]
    assert (document["first_seed"], document["seeds"]) == (FIRST_SEED, SEEDS)
    # Four epochs of at least three heights each, and something to be afraid of.
    assert document["heights"] >= SEEDS * 13
    assert set(document["faults"]) == {"cut", "doubled", "drift", "lost", "outage", "partition", "pause", "storm"}
    assert set(document["byzantine"]) == set(known_behaviours())


def digest(seed: int) -> str:
    """Everything that happened in a run, and what it came to."""
    plan = draw(seed, 4, known_behaviours())
    trace = Trace()
    outcome = Run(plan, trace).go()
    return hashlib.sha256(f"{plan}{outcome}{trace.render(plan.nodes, 2_000)}".encode()).hexdigest()


def test_a_run_is_a_function_of_its_seed_whatever_the_hash_seed() -> None:
    command = f"from tests.simulator.test_seeds import digest; print(digest({REPEATED}))"
    digests = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=True, timeout=120
        )
        digests.add(done.stdout)
    assert len(digests) == 1
    assert digest(REPEATED) + "\n" in digests
    assert digest(REPEATED + 1) + "\n" not in digests


@pytest.mark.parametrize("seed", range(20))
def test_plans_leave_the_honest_a_quorum_in_whatever_the_moves_lead_to(seed: int) -> None:
    """Any part of the moves may have happened, and any part of that be seated."""
    random = Random(seed)
    for replicas in (4, 7, 31):
        plan = draw(seed, replicas, known_behaviours())
        assert 3 <= plan.epoch_length <= 8
        bad = set(plan.nodes) - set(plan.honest) | set(plan.absent)
        applied = weights(plan, (), [0] * replicas)
        for _ in range(20):
            moves = [move for move in plan.stakes.moves if random.random() < 0.5]
            wanted = weights(plan, moves, [random.randint(-SLACK_TOKENS, SLACK_TOKENS) for _ in plan.nodes])
            applied = power.advance(applied, wanted, random.randbytes(8))
            assert len(applied) >= 4
            powers = power.powers(applied)
            assert 3 * sum(powers.get(node, 0) for node in bad) < sum(powers.values())


def weights(plan: Plan, moves: Iterable[Move], stirred: Sequence[int]) -> dict[str, int]:
    """What bonds ask for after these moves, and so many tokens more or less of each node."""
    bonds = {
        node: stake.bonded_tokens + tokens
        for node, stake, tokens in zip(plan.nodes, plan.stakes.opening, stirred, strict=True)
    }
    for move in moves:
        bonds[move.member] += move.tokens
    bar = ConsensusParams().seat_bond_tokens
    found = {node: seat_weight(max(0, bond), 500_000, bar) for node, bond in bonds.items()}
    return {node: weight for node, weight in found.items() if weight}


def test_plans_move_seats_tokens_and_rules() -> None:
    """Over few seeds everything that trust is made of happens, besides the faults."""
    seen: Counter[str] = Counter()
    sets = set()
    for seed in range(7_000, 7_012):
        run = Run(draw(seed, 4, known_behaviours()))
        assert run.go().failure is None
        ledger = run.oracles.reference
        sets |= {(seed, header.set_hash) for height in range(1, ledger.height + 1) if (header := ledger.header(height))}
        for height in range(1, ledger.height + 1):
            events = (event for receipt in ledger.receipts(height) for event in receipt.events)
            seen.update(type(event).__name__ for event in events)
    assert len(sets) > 24
    asked = {"TokensBonded", "TokensUnbonded", "BondSlashed", "WagerJudged", "ProposalDecided", "ProposalPostponed"}
    assert asked <= set(seen), seen


def failing_plan() -> Plan:
    """A plan full of faults, of which two matter to `breaks`."""
    plan = draw(3, 4, known_behaviours())
    faults = (
        Pause(100, 60, "solar"),
        Outage(200, 300, "wind", 2),
        Pause(300, 60, "campus"),
        Partition(400, 1_000, (("campus", "solar"),)),
        *(Pause(500 + at, 60, "biodiesel") for at in range(20)),
    )
    return replace(plan, faults=faults, absent=("solar",))


def breaks(plan: Plan) -> bool:
    return any(isinstance(fault, Outage) for fault in plan.faults) and any(
        isinstance(fault, Partition) for fault in plan.faults
    )


def test_shrinking_leaves_what_is_needed_and_nothing_else() -> None:
    small = shrink(failing_plan(), breaks)
    assert [type(fault) for fault in small.faults] == [Outage, Partition]
    assert all(fault.for_ms < 10 for fault in small.faults)
    assert (small.liars, small.absent, small.epochs, small.weather) == ((), (), 1, Weather())


def test_shrinking_stops_when_its_trials_are_used_up() -> None:
    trials: list[Plan] = []

    def count(plan: Plan) -> bool:
        trials.append(plan)
        return breaks(plan)

    small = shrink(failing_plan(), count, max_trials=5)
    assert len(trials) == 5
    assert breaks(small)


def test_a_failing_seed_is_shrunk_and_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a rule that no run can keep, every seed fails and needs no fault."""
    monkeypatch.setattr("devnet.simulator.run.FIRST_HEIGHT_MS", 0)
    shown = campaigns.replay(11, 4, ("withhold",), 60)
    assert shown.outcome.failure is not None
    assert shown.outcome.failure.oracle == "liveness"
    assert shown.plan.faults == ()
    lines = shown.diagram.splitlines()
    assert lines[0].split() == ["ms", *shown.plan.nodes]
    assert "●" in shown.diagram
    assert "■" in shown.diagram
    assert any("proposal" in line for line in lines)


def gridpact(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from devnet.cli import main; main()", "simulate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_the_command_prints_its_document() -> None:
    done = gridpact("--first-seed", "5", "--seeds", "2", "--jobs", "1", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["first_seed"], document["seeds"], document["failures"]) == (5, 2, [])
    assert document["heights"] > 0
    assert document["heights_per_minute"] > 0
    assert "first seed 5" in done.stderr
    drawn = [gridpact("--seeds", "1", "--jobs", "1", "--json") for _ in range(2)]
    assert len({json.loads(one.stdout)["first_seed"] for one in drawn}) == 2


def test_the_command_plays_twins() -> None:
    done = gridpact("--twins", "--first-seed", "0", "--seeds", "10", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["first_seed"], document["seeds"], document["failures"]) == (0, 10, [])
    assert document["caught"] > 0


def test_a_failing_seed_is_repeated_with_what_it_was_drawn_from() -> None:
    assert _again(4, []) == "--trace"
    assert _again(7, ["withhold", "mutate"]) == "--replicas 7 --behaviour withhold --behaviour mutate --trace"


def test_the_command_replays_one_seed() -> None:
    done = gridpact("--seed", "5", "--trace", "--lines", "30")
    assert done.returncode == 0, done.stderr
    assert "seed 5 passes" in done.stdout
    assert "decided" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--trace",), "simulate.trace"),
        (("--behaviour", "bribe"), "simulate.behaviour"),
        (("--twins", "--seed", "1"), "simulate.twins"),
        (("--replicas", "3"), "usage"),
        (("--seeds", "0"), "usage"),
        (("--first-seed", "-1"), "usage"),
    ],
)
def test_wrong_input_gets_a_code_and_a_sentence(arguments: tuple[str, ...], code: str) -> None:
    done = gridpact(*arguments, "--json")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert code in done.stderr + done.stdout
