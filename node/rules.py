"""Which rules the next block is executed by. A node that does not know them stops before it, instead of forking."""

from __future__ import annotations

from contracts.rulesets import RuleSet, RuleSets
from node.errors import NodeError


def rule_set(known: RuleSets, version: int, height: int) -> RuleSet:
    """The rule set `version`, in force in block `height`. Raises NodeError `rules.unknown`."""
    found = known.get(version)
    if found is None:
        have = ", ".join(map(str, sorted(known)))
        raise NodeError(
            "rules.unknown",
            f"Members agreed on rule set {version} from block {height} on, and this program knows {have}.",
            f"Install a release that knows rule set {version} and start the node again: it goes on where it stopped.",
        )
    return found
