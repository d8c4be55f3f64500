"""Which bodies ask for proofs: the table that nodes prepare by, against what the contracts' code does."""

from __future__ import annotations

from collections.abc import Iterator
from dis import Instruction, get_instructions
from itertools import zip_longest
from types import CodeType, FunctionType, ModuleType

import pytest

from contracts import api
from contracts.api import _HANDLERS, PROVEN


def _instructions(code: CodeType) -> Iterator[tuple[Instruction, Instruction | None]]:
    """Those of a function and of functions inside it, each with the one after it."""
    own = list(get_instructions(code))
    yield from zip_longest(own, own[1:])
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)


def _named(function: FunctionType) -> Iterator[object]:
    """What a function names: globals, attributes of modules, and what it closes over."""
    for one, after in _instructions(function.__code__):
        if one.opname == "LOAD_GLOBAL":
            found = function.__globals__.get(one.argval)
            if isinstance(found, ModuleType) and after is not None:
                found = getattr(found, str(after.argval), None)
            yield found
    for cell in function.__closure__ or ():
        yield cell.cell_contents


def _asks(function: object, seen: set[object]) -> bool:
    """Whether a function of the contracts, or one that it names, asks `context.proves`."""
    if not isinstance(function, FunctionType) or function in seen or not function.__module__.startswith("contracts"):
        return False
    seen.add(function)
    if any(one.argval == "proves" for one, _ in _instructions(function.__code__)):
        return True
    return any(_asks(one, seen) for one in _named(function))


@pytest.mark.parametrize("body", _HANDLERS, ids=lambda body: body.__name__)
def test_the_table_of_bodies_with_proofs_is_what_their_contracts_ask(body: type) -> None:
    assert _asks(_HANDLERS[body][1], set()) == (body in PROVEN)


def test_readings_ask_for_none() -> None:
    assert not _asks(api.apply_reading, set())
