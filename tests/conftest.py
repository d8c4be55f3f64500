"""What holds for all tests: one Hypothesis profile, and which files are handed out first.

The profile is deterministic, or `DEEP=1` for long runs with fresh examples.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pkgutil import walk_packages

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile(
    "deep", deadline=None, max_examples=2_000, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("deep" if os.environ.get("DEEP") else "fixed")

LONGEST = (
    "tests/simulator/test_seeds.py",
    "tests/devnet/test_end_to_end.py",
    "tests/replica/test_crash_points.py",
    "tests/simulator/test_mutants.py",
)
"""Files that take longest, first: one that came last would keep a single process busy while the others wait."""


def pytest_configure() -> None:
    """Test under the bound on nesting that a node has, also beside py-ecc.

    py-ecc lifts it to 100,000 for the whole process when it is loaded. Input that is nested so deep overflows the stack
    of a decoder in C then, where a node, which does not load py-ecc, gets a RecursionError and refuses it.
    """
    bound = sys.getrecursionlimit()
    import_module("py_ecc")
    sys.setrecursionlimit(bound)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in LONGEST first, everything else in its order."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.nodeid.partition("::")[0], len(LONGEST)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Load the whole program before the first test of a parallel run.

    Hypothesis draws constants of the modules that are loaded, also in a deterministic profile. What a process has
    loaded by the time of a test depends on the files that it was handed before; so a test could draw a fault in one run
    and miss it in the next.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ or not session.items:
        return
    for floor in ("zk", "consensus", "contracts", "node", "devnet"):
        for module in walk_packages(import_module(floor).__path__, f"{floor}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
