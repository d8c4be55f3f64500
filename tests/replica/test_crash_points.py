"""Wherever the power fails, of one node or of the site: nothing is said twice, nothing is lost, the chain goes on.

`make test` enumerates every point of a node that proposes and of one that only votes, in a run of three heights, every
point at which the site goes dark, and every point of a restart. `make crashes` does so for every node, twice as many
heights, every way in which an operation of the disk can be torn, and journals of many segments: about half an hour.
"""

from __future__ import annotations

import os

import pytest

from tests.replica.crash_points import DISK, LIMIT_MS, TEARS, CrashNetwork, FusedDisk, small_segments
from tests.support.pact import VALIDATORS

EVERYTHING = os.environ.get("CRASHES") == "all"
ROUNDS = 2 if EVERYTHING else 1
PROPOSER, VOTER = "solar", "biodiesel"
"""Who proposes the second of the three heights, and who proposes none of them."""

RUNS = (
    [(victim, site, segment) for victim in VALIDATORS for site in (False, True) for segment in (None, 1_500)]
    if EVERYTHING
    else [(PROPOSER, False, 1_500), (VOTER, False, None), (PROPOSER, True, None)]
)


@pytest.mark.parametrize(("victim", "site", "segment_bytes"), RUNS)
def test_a_power_failure_at_any_point_is_survived(victim: str, site: bool, segment_bytes: int | None) -> None:
    with small_segments(segment_bytes):
        whole = CrashNetwork(victim, rounds=ROUNDS)
        whole.run()
        for number, kind in enumerate(whole.points):
            if site and kind == "publish":
                # What was on its way is lost with the site, so that this is the point before.
                continue
            tears = TEARS if kind == DISK and EVERYTHING else TEARS[number % len(TEARS) :][:1]
            for tear in tears:
                run = CrashNetwork(victim, (number,), tear, site=site, rounds=ROUNDS)
                try:
                    run.run()
                except AssertionError as error:
                    error.add_note(f"{victim} at point {number} ({kind}), {tear}")
                    raise
                assert run.fuse.blown == 1, "the run is not a function of its arguments"


def test_a_power_failure_at_any_point_of_a_restart_is_survived() -> None:
    """The first one hits after a proposal was signed: the log has it half, the next start has most to do."""
    whole = CrashNetwork(PROPOSER)
    whole.run()
    first = whole.points.index("publish", whole.points.index("reply")) - 2
    again = first + 1
    while True:
        run = CrashNetwork(PROPOSER, (first, again), TEARS[again % len(TEARS)])
        run.run()
        if run.fuse.blown == 1:
            break
        again += 1
    assert again - first > 60


def test_a_disk_that_fails_at_any_operation_stops_the_node_and_costs_nothing() -> None:
    """Full until somebody makes room, or one failed operation: what was not durable never left, and a restart heals."""
    first, survived = 0, 0
    with small_segments(1_500):
        while True:
            net = CrashNetwork(PROPOSER)
            for machine in net.machines.values():
                machine.start()
            net.go(60)
            disk = net.victim.disk
            assert isinstance(disk, FusedDisk)
            trouble = disk.trouble
            trouble.first, trouble.lasting = trouble.operations + first, first % 2 == 0
            wanted = "disk.full" if trouble.lasting else "disk.failed"
            net.send(PROPOSER)
            net.go(300)
            net.send("wind")
            net.go(700)
            if trouble.operations <= trouble.first:
                break
            said = len(net.witness.spoken)
            if net.victim.error is None:
                assert not trouble.lasting
                survived += 1
            else:
                assert net.victim.error.code == wanted
                assert net.victim.driver is not None and net.victim.driver.stopped
                assert PROPOSER not in {signer for signer, _ in net.witness.spoken[said:]}
                net.victim.crash(TEARS[first % len(TEARS)])
                trouble.first = None
                net.victim.start()
            net.witness.errors.clear()
            assert net.reached(net.settled, LIMIT_MS), f"operation {first}: {net.describe()}"
            assert not net.witness.errors
            first += 1
    # Marks and reaches are only hints: without one of them a node goes on.
    assert first > 60 and 0 < survived < first // 2


def test_the_points_are_of_every_kind() -> None:
    """A run in which something is never crashed would prove little."""
    whole = CrashNetwork(PROPOSER)
    whole.run()
    counts = {kind: whole.points.count(kind) for kind in set(whole.points)}
    assert counts.keys() == {"append", "disk", "store", "publish", "reply"}
    assert counts["append"] > 20 and counts["disk"] > 50 and counts["publish"] > 30 and counts["store"] >= 3
    proposers = {whole.victim.ledger.block(height).header.proposer for height in range(1, whole.victim.ledger.height)}
    assert PROPOSER in proposers
