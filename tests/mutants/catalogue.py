"""The faults: what a tired engineer could write, one line each, against every rule that safety or liveness rests on.

Each is a change of a few words in the real code. A mutant that no seed kills is a rule that nothing tests: teach the
simulator to reach it, never weaken the mutant.
"""

from __future__ import annotations

from tests.mutants.checking import BLOCKS, MEMORY, VERIFYING
from tests.mutants.plant import Mutant
from tests.mutants.punishing import PUNISHING
from tests.mutants.ruling import RULING
from tests.mutants.voting import COUNTING, VOTING

MUTANTS: tuple[Mutant, ...] = (*VOTING, *COUNTING, *VERIFYING, *BLOCKS, *MEMORY, *PUNISHING, *RULING)
