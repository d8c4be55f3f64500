"""The rules in force: parameters, rule set and epochs as state has them. Genesis only says where they begin."""

from __future__ import annotations

from contracts.genesis import Genesis
from contracts.governance.records import Rules
from contracts.schema import RULES, RULES_IN_FORCE
from contracts.state import State


def opening(genesis: Genesis) -> Rules:
    """What is in force at the start."""
    return Rules(genesis.rule_set, genesis.params, genesis.consensus, 1, 0)


def rules(state: State) -> Rules:
    """What is in force in the block after this state."""
    found = state.load(RULES, RULES_IN_FORCE)
    assert found is not None, "genesis writes the rules"
    return found
