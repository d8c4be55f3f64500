"""Every number and every list of a statement's instance is what was proven: none can be another under a proof."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack
import pytest

from tests.zk.statement_vectors import TRUE
from zk.statements import check, logarithm
from zk.statements.assertion import Assertion

KINDS = sorted(set(TRUE) - set(logarithm.KINDS))


def changes(value: Any, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Paths in an instance, and what else could stand there."""
    match value:
        case int():
            yield path, value + 1
            yield path, value - 1
            yield path, value + 2**32
        case list():
            yield path, [*value, *value[-1:]]
            yield path, value[:-1]
            if value != value[::-1]:
                yield path, value[::-1]
            for at, one in enumerate(value):
                yield from changes(one, (*path, at))


def with_change(value: Any, path: tuple[int, ...], by: Any) -> Any:
    """The instance with something else at a path."""
    if not path:
        return by
    return [with_change(one, path[1:], by) if at == path[0] else one for at, one in enumerate(value)]


def changed(one: Assertion) -> Iterator[tuple[tuple[int, ...], Assertion]]:
    """The statement with each of its numbers and lists changed, under its own tag and proof."""
    fields = msgpack.unpackb(one.instance)
    for path, by in changes(fields):
        yield path, one._replace(instance=msgpack.packb(with_change(fields, path, by)))


@pytest.mark.parametrize("kind", KINDS)
def test_no_number_and_no_list_can_be_another_under_a_proof(kind: str) -> None:
    true, tried = TRUE[kind], 0
    assert check.verify(true)
    for path, false in changed(true):
        if kind == "sum" and sorted(msgpack.unpackb(false.instance)[0]) == sorted(msgpack.unpackb(true.instance)[0]):
            # Parts add up in any order.
            continue
        tried += 1
        assert not check.verify(false), path
    assert tried > 2
