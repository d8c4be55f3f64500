"""`make mutants`: plant each fault in turn and try seeds until an oracle sees it."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from devnet.simulator.behaviours import BEHAVIOURS
from tests.mutants.catalogue import MUTANTS
from tests.mutants.plant import Mutant
from tests.mutants.record import TABLE, Killed, Record, load, save
from tests.mutants.trial import Kill, search

MAX_SEED = 2**32


def main() -> int:
    """Exit code 1 when a mutant survives."""
    arguments = _arguments()
    known = load() if TABLE.exists() else Record((), {})
    chosen = [mutant for mutant in MUTANTS if not arguments.only or mutant.name in arguments.only.split(",")]
    first = 0 if arguments.record else secrets.randbelow(MAX_SEED) if arguments.first is None else arguments.first
    print(f"{len(chosen)} mutants, up to {arguments.seeds} seeds each, from {first}")
    print(f"{'mutant':30} {'killed by':12} {'seed':>10} {'tried':>6} {'seconds':>8}")
    killed = dict(known.killed)
    survivors = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        # Each thread waits for a process of its own.
        tasks = {
            mutant: pool.submit(_hunt, mutant, first, arguments.seeds, known if arguments.record else None)
            for mutant in chosen
        }
        for mutant, task in tasks.items():
            kill = task.result()
            if kill is None:
                survivors.append(mutant.name)
                print(f"{mutant.name:30} survives: {mutant.breaks}", flush=True)
                continue
            killed[mutant.name] = Killed(kill.seed, kill.oracle)
            where = "schedule" if mutant.schedule else kill.seed
            print(f"{mutant.name:30} {kill.oracle:12} {where:>10} {kill.tried:>6} {kill.seconds:>8.1f}", flush=True)
            if arguments.verbose:
                print(f"    {kill.message}")
    if arguments.record:
        names = {mutant.name for mutant in MUTANTS}
        kept = {name: one for name, one in killed.items() if name in names and name not in survivors}
        save(Record(tuple(sorted(BEHAVIOURS)), kept))
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} killed")
    return 1 if survivors else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many to try for each mutant")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at once")
    parser.add_argument("--first", type=int, help="first seed; drawn afresh by default")
    parser.add_argument("--only", default="", help="names, by comma; default: all")
    parser.add_argument("--record", action="store_true", help="start at seed 0 and keep what killed in killed.json")
    parser.add_argument("--verbose", action="store_true", help="say what the oracle saw")
    return parser.parse_args()


def _hunt(mutant: Mutant, first: int, seeds: int, known: Record | None) -> Kill | None:
    return search(mutant, islice(_order(mutant.name, first, known), seeds), tuple(sorted(BEHAVIOURS)))


def _order(name: str, first: int, known: Record | None) -> Iterator[int]:
    """Seeds to try: when recording, those that have killed before come first, because each must be run without a fault
    too."""
    if known is not None:
        before = [known.killed[name].seed] if name in known.killed else []
        yield from dict.fromkeys([*before, *sorted(one.seed for one in known.killed.values())])
    yield from range(first, MAX_SEED)


if __name__ == "__main__":
    sys.exit(main())
