"""Breaking consensus with the simulator: the same networks under the real rule for a quorum, and under weaker ones.

A seed draws everything: four nodes, who lies and how, who loses power, which links are cut. `verdicts` plays each seed
with a quorum of more than 2/3 of the power, and again with more than 1/2 and more than 1/3, which every node then
believes. The oracles of the simulator count by themselves, and say who broke which rule. All of it in virtual time.

Run it: `python docs/examples/breaking_consensus.py`, and `gridpact simulate --seed 5 --trace` to see one drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pandas as pd

from consensus import quorum
from devnet.simulator.campaign import known_behaviours
from devnet.simulator.plan import draw
from devnet.simulator.run import Run
from devnet.simulator.violations import ORACLES

NODES = 4


def two_thirds(got: int, total: int) -> bool:
    """The rule: two quorums share more than a third, so somebody honest."""
    return 3 * got > 2 * total


def half(got: int, total: int) -> bool:
    """Enough where nobody lies."""
    return 2 * got > total


def third(got: int, total: int) -> bool:
    """Two quorums need not share anybody."""
    return 3 * got > total


RULES: dict[str, Callable[[int, int], bool]] = {
    "more than 2/3": two_thirds,
    "more than 1/2": half,
    "more than 1/3": third,
}


def verdicts(seeds: Sequence[int]) -> pd.DataFrame:
    """One row for each seed under each rule.

    Columns: seed, quorum; liars and faults of the plan; heights decided and virtual_ms passed; broken, the oracle that
    saw a rule broken (NA: none), its rule in words, and message, who broke it.
    """
    rows = []
    for name, rule in RULES.items():
        with believed(rule):
            for seed in seeds:
                plan = draw(seed, NODES, known_behaviours())
                outcome = Run(plan).go()
                failure = outcome.failure
                rows.append(
                    {
                        "seed": seed,
                        "quorum": name,
                        "liars": len(plan.liars),
                        "faults": len(plan.faults),
                        "heights": outcome.heights,
                        "virtual_ms": outcome.virtual_ms,
                        "broken": pd.NA if failure is None else failure.oracle,
                        "rule": pd.NA if failure is None else ORACLES[failure.oracle],
                        "message": pd.NA if failure is None else failure.message,
                    }
                )
    return pd.DataFrame(rows)


@contextmanager
def believed(rule: Callable[[int, int], bool]) -> Iterator[None]:
    """While this lasts every node takes `rule` for the rule of a quorum; all arithmetic of it is in one function."""
    kept = quorum.is_quorum.__code__
    quorum.is_quorum.__code__ = rule.__code__
    try:
        yield
    finally:
        quorum.is_quorum.__code__ = kept


if __name__ == "__main__":
    played = verdicts(range(2))
    print(played.drop(columns="rule").to_string())
