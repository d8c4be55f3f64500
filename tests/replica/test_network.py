"""Four whole replicas on virtual time: what is final stays final, whatever crashes, stalls or lies in between."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from contracts.bodies import Transfer
from contracts.schema import BALANCES
from contracts.state import State
from node.peer.wire import Frame
from tests.support.memory import MemoryNetwork
from tests.support.pact import Speaker, genesis, meter

METERS = tuple(meter(f"m-{number}", "campus") for number in range(4))


def network(seed: int = 0) -> tuple[MemoryNetwork, Speaker]:
    net = MemoryNetwork(genesis(meters=METERS), seed=seed)
    net.start()
    net.run_until(lambda: min(heights(net)) == 1)
    return net, Speaker(net.machines["campus"].ledger.chain_id)


def heights(net: MemoryNetwork) -> list[int]:
    return [machine.ledger.height for machine in net.alive()]


def agreed(net: MemoryNetwork) -> None:
    """Same blocks up to the lowest height, same state wherever heights are equal."""
    low = min(heights(net))
    first = net.alive()[0].ledger
    for machine in net.alive():
        for height in range(1, low + 1):
            assert machine.ledger.block_id(height) == first.block_id(height)
        if machine.ledger.height == first.height:
            assert machine.ledger.state_root == first.state_root


def balance(net: MemoryNetwork, node: str, member: str) -> int:
    holding = State(net.machines[node].ledger).entry(BALANCES, member)
    assert holding is not None
    return holding.balance_nano


def quiet(net: MemoryNetwork) -> None:
    """Run until nobody has a pending transaction and all heights are equal."""
    net.run_until(
        lambda: (
            all(m.driver is not None and len(m.driver.replica.flow.mempool) == 0 for m in net.machines.values())
            and len(set(heights(net))) == 1
        )
    )


def test_transfers_and_readings_become_final_everywhere() -> None:
    net, speaker = network()
    for number in range(10):
        net.machines["solar"].submit(speaker.member("campus", Transfer("wind", 100 + number, "")))
        net.machines["wind"].submit(speaker.reading("m-0", net.ledger_ms() // 900_000, 10 * number))
    quiet(net)
    agreed(net)
    sent = sum(100 + number for number in range(10))
    for node in net.machines:
        assert balance(net, node, "wind") == 10**12 + sent
        assert balance(net, node, "campus") == 10**12 - sent


def test_an_idle_chain_makes_no_blocks() -> None:
    net, speaker = network()
    quiet(net)
    before = heights(net)
    net.run_for(30_000)
    assert heights(net) == before
    net.machines["solar"].submit(speaker.member("campus", Transfer("wind", 1, "")))
    quiet(net)
    net.run_for(5_000)
    # One block with the transfer, one that makes its result provable, and then silence.
    assert [height - 2 for height in heights(net)] == before


def test_one_dead_node_does_not_stop_the_others_and_catches_up() -> None:
    net, speaker = network()
    quiet(net)
    net.machines["solar"].crash()
    for _ in range(40):
        net.machines["wind"].submit(speaker.member("campus", Transfer("wind", 1, "")))
        net.run_for(300)
    assert min(heights(net)) > 10
    net.machines["solar"].start()
    quiet(net)
    agreed(net)
    assert balance(net, "solar", "wind") == 10**12 + 40


def test_two_dead_nodes_stop_the_chain_and_nothing_accepted_is_lost() -> None:
    net, speaker = network()
    quiet(net)
    net.machines["solar"].crash()
    net.machines["wind"].crash()
    before = min(heights(net))
    requests = [net.machines["campus"].submit(speaker.member("campus", Transfer("wind", 7, ""))) for _ in range(5)]
    assert all(net.machines["campus"].replies[request][0].code == "ok" for request in requests)
    net.run_for(20_000)
    assert max(heights(net)) <= before + 1
    net.machines["campus"].crash()
    net.machines["biodiesel"].crash()
    for machine in net.machines.values():
        machine.start()
    quiet(net)
    agreed(net)
    assert balance(net, "biodiesel", "wind") == 10**12 + 35


@pytest.mark.parametrize("seed", range(6))
def test_crashes_at_any_moment_lose_nothing_and_count_nothing_twice(seed: int) -> None:
    net, speaker = network(seed)
    accepted = 0
    names = sorted(net.machines)
    for turn in range(30):
        victim = names[(turn + seed) % 4]
        alive = [m for m in net.alive() if m.name != victim]
        request = alive[turn % len(alive)].submit(speaker.member("campus", Transfer("wind", 1, "")))
        assert alive[turn % len(alive)].replies[request][0].code == "ok"
        accepted += 1
        net.run_for(net.random.randint(0, 60))
        net.machines[victim].crash()
        net.run_for(net.random.randint(0, 400))
        net.machines[victim].start()
    quiet(net)
    agreed(net)
    for node in net.machines:
        assert balance(net, node, "wind") == 10**12 + accepted


def test_all_killed_at_once_decide_what_they_had_voted_for() -> None:
    net, speaker = network()
    quiet(net)
    before = min(heights(net))
    net.machines["solar"].submit(speaker.member("campus", Transfer("wind", 5, "")))
    net.run_until(lambda: any(t[3] == Frame.CONSENSUS for t in net.trace[-1:]) and max(heights(net)) == before)
    net.run_for(4)
    for machine in net.machines.values():
        machine.crash()
    for machine in net.machines.values():
        machine.start()
    quiet(net)
    agreed(net)
    assert balance(net, "wind", "wind") == 10**12 + 5


def test_a_partition_halts_both_halves_and_healing_resumes() -> None:
    net, speaker = network()
    quiet(net)
    net.partition({"solar", "wind"}, {"campus", "biodiesel"})
    before = max(heights(net))
    net.machines["solar"].submit(speaker.member("campus", Transfer("wind", 3, "")))
    net.machines["biodiesel"].submit(speaker.member("solar", Transfer("wind", 4, "")))
    net.run_for(10_000)
    assert max(heights(net)) <= before + 1
    net.heal()
    quiet(net)
    agreed(net)
    assert balance(net, "campus", "wind") == 10**12 + 7


def test_lost_gossip_is_fetched_before_the_vote() -> None:
    net, speaker = network()
    quiet(net)
    net.drop = lambda _sender, _target, frame, _body: frame is Frame.TRANSACTIONS
    for _ in range(8):
        net.machines["solar"].submit(speaker.member("campus", Transfer("wind", 2, "")))
    net.run_until(lambda: all(balance(net, node, "wind") == 10**12 + 16 for node in net.machines))
    agreed(net)


def run_trace() -> str:
    """Digest of everything that happened in a run with faults."""
    net, speaker = network(seed=3)
    for number in range(12):
        net.alive()[number % len(net.alive())].submit(
            speaker.member("campus", Transfer("wind", number + 1, "")),
            speaker.reading(f"m-{number % 4}", net.ledger_ms() // 900_000, number),
        )
        net.run_for(70)
        if number == 5:
            net.machines["solar"].crash()
        if number == 9:
            net.machines["solar"].start()
    quiet(net)
    roots = [machine.ledger.state_root.hex() for machine in net.alive()]
    return hashlib.sha256(repr((net.trace, roots)).encode()).hexdigest()


def test_a_run_is_a_function_of_its_seed() -> None:
    """The same trace twice, and under two hash seeds."""
    command = [sys.executable, "-c", "from tests.replica.test_network import run_trace; print(run_trace())"]
    digests = {
        subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True, text=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert digests == {run_trace()}
