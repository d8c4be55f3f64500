"""Tests of the tests: every planted fault is seen by an oracle, and without the fault the same run passes."""

from __future__ import annotations

from functools import cache, partial

import pytest

from devnet.simulator.violations import ORACLES, Failure
from tests.mutants.catalogue import MUTANTS
from tests.mutants.plant import Edit, Mutant, planted
from tests.mutants.record import load
from tests.mutants.schedules import Schedule
from tests.mutants.trial import apart, failure_of, hunt

RECORD = load()


@cache
def sound(seed: int, replicas: int, behaviours: tuple[str, ...], schedule: Schedule | None) -> Failure | None:
    """How a run ends without any fault; several mutants share one."""
    return failure_of(Mutant("", "", (), replicas, behaviours, schedule), seed, ())


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_fault_is_seen(mutant: Mutant) -> None:
    killed = RECORD.killed[mutant.name]
    assert killed.oracle in ORACLES
    behaviours = mutant.behaviours or RECORD.behaviours
    kill = apart(partial(hunt, mutant, [killed.seed], behaviours))
    assert kill is not None, f"{mutant.breaks}: nobody noticed. Plans have changed? make mutants RECORD=1"
    assert kill.oracle == killed.oracle
    assert sound(killed.seed, mutant.replicas, behaviours, mutant.schedule) is None


def test_every_mutant_is_recorded_once() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert sorted(set(names)) == sorted(names) == sorted(RECORD.killed)


def test_a_fault_is_gone_when_its_block_ends() -> None:
    fault = Mutant("", "", (Edit("consensus.quorum:is_quorum", "3 * got > 2 * total", "True"),))
    from consensus.quorum import is_quorum

    with planted(fault):
        assert is_quorum(0, 9)
    assert not is_quorum(6, 9)


def test_words_that_are_not_there_are_no_fault() -> None:
    missing = Mutant("", "", (Edit("consensus.quorum:is_quorum", "3 * got > 5 * total", "True"),))
    with pytest.raises(LookupError), planted(missing):
        pass
