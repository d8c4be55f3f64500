"""Every refusal by name: each code has one way to provoke it, and none of them leaves more than it may.

A refused transaction of a member leaves its nonce and its budget. A refused reading leaves the meter's
budget, or, where a carrier could provoke the refusal with genuine envelopes, nothing.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import msgspec
import pytest
from ledger_world import FIRST, Chain
from provocations import FREE
from sealed_provocations import CASES

import contracts
from contracts import api
from contracts.codes import CODES, describe
from contracts.network.codes import CODES as NETWORK_CODES
from contracts.schema import ACCOUNTS, HEADS


@pytest.mark.parametrize("code", sorted(CASES))
def test_refusal_has_its_code_and_leaves_only_nonce_and_budget(code: str) -> None:
    chain, envelope = CASES[code]()
    chain.block()
    before = dict(chain.store)
    assert chain.run(envelope) == code
    # What the clock did in that block is no transaction's doing.
    changed = set(chain.changed)
    if code in FREE:
        assert changed == set()
    elif code.startswith("reading."):
        (key,) = changed
        old, new = HEADS.decode(before[key]), HEADS.decode(chain.store[key])
        spent = old.units_used if old.budget_interval == new.budget_interval else 0
        assert new.units_used == spent + api.units(envelope)
        unbilled = msgspec.structs.replace(new, units_used=old.units_used, budget_interval=old.budget_interval)
        assert unbilled == old
    else:
        (key,) = changed
        account, charged = ACCOUNTS.decode(before[key]), ACCOUNTS.decode(chain.store[key])
        assert charged.lanes[0].next_nonce == account.lanes[0].next_nonce + 1
        used = account.lanes[0].units_used if account.lanes[0].interval == charged.lanes[0].interval else 0
        assert charged.lanes[0].units_used == used + api.units(envelope)
        assert charged.lanes[1:] == account.lanes[1:]


@pytest.mark.parametrize("code", sorted(api.RESUBMITTABLE))
def test_what_may_be_sent_again_left_no_trace(code: str) -> None:
    assert code in FREE


def test_what_was_executed_is_refused_when_it_comes_again() -> None:
    chain = Chain()
    envelope = chain.need("campus", FIRST + 2, 1)
    assert chain.run(envelope) == "ok"
    chain.block()
    before = dict(chain.store)
    assert chain.run(envelope) == "tx.nonce"
    assert chain.store == before


# The table


STATELESS = {
    "ok",
    "codec.oversized",
    "codec.malformed",
    "codec.non-canonical",
    "tx.wrong-chain",
    "tx.signature",
}
"""Codes that are found before contracts see an envelope."""


def test_every_code_of_the_table_is_provoked() -> None:
    assert CASES.keys() | STATELESS == CODES.keys()


def test_every_code_in_the_sources_has_a_sentence_and_a_hint() -> None:
    """But for those of the dispatch program, which has its own table; see `tests/program/test_codes.py`. What is wrong
    with voltages is said in verdicts, too."""
    used = set()
    for path in Path(contracts.__path__[0]).rglob("*.py"):
        if path.name != "codes.py" and path.parent.name != "program":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    used |= set(re.findall(r"^[a-z]+\.[a-z]+(?:-[a-z]+)*$", node.value))
    assert not CODES.keys() & NETWORK_CODES.keys()
    assert used == CODES.keys() - STATELESS | NETWORK_CODES.keys()
    for code in CODES.keys() - {"ok"}:
        assert describe(code).message.endswith(".")
        assert describe(code).hint.endswith(".")
    for sentence in NETWORK_CODES.values():
        assert sentence.message.endswith(".") and sentence.hint.endswith(".")
