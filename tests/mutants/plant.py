"""Planting a fault: a few words of a real function are replaced while a block of code runs.

The function's code object is swapped in place, so that every module that has imported it gets the fault too. Words that
are not found exactly once raise at once: a mutant that no longer changes anything must not pass for one that survives.
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from tests.mutants.schedules import Schedule


class Edit(NamedTuple):
    """In the function `where` (`module:name` or `module:Class.name`) the words `old` become `new`."""

    where: str
    old: str
    new: str


class Mutant(NamedTuple):
    """A fault and the networks in which it is looked for."""

    name: str
    breaks: str
    """What is wrong, in a line."""
    edits: tuple[Edit, ...]
    replicas: int = 4
    behaviours: tuple[str, ...] = ()
    """What liars draw from; none: everything."""
    schedule: Schedule | None = None
    """Instead of what seeds draw."""


@contextmanager
def planted(mutant: Mutant | None) -> Iterator[None]:
    """The fault is there inside this block, in this process."""
    with ExitStack() as stack:
        for edit in () if mutant is None else mutant.edits:
            stack.enter_context(_edited(edit))
        yield


@contextmanager
def _edited(edit: Edit) -> Iterator[None]:
    function = _find(edit.where)
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(edit.old) != 1:
        raise LookupError(f"{edit.where} has {source.count(edit.old)} times: {edit.old}")
    changed = f"from __future__ import annotations\n{source.replace(edit.old, edit.new)}"
    original = function.__code__
    function.__code__ = _code_of(compile(changed, f"<{edit.where}>", "exec"), function.__name__)
    try:
        yield
    finally:
        function.__code__ = original


def _find(where: str) -> FunctionType:
    """The function behind a name, also of a property."""
    module, _, path = where.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = inspect.getattr_static(found, name)
    match found:
        case property(fget=FunctionType() as function):
            return function
        case cached_property(func=FunctionType() as function):
            return function
        case classmethod() | staticmethod():
            found = found.__func__
    assert isinstance(found, FunctionType), where
    return found


def _code_of(module: CodeType, name: str) -> CodeType:
    """The code of the one function that a compiled module defines."""
    return next(code for code in module.co_consts if isinstance(code, CodeType) and code.co_name == name)
