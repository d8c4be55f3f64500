"""Where on the ledger a point stands, by bundles that were verified.

Only fields that are points count, of records of state and of transactions that the ledger executed. What else is in
these is its author's to choose: a note or a reason could spell any point, and a transaction that was refused proves
nothing of what it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from msgspec import inspect

from contracts import schema
from contracts.bodies import AccountBody, MeterBody
from contracts.receipts import OK
from contracts.rolls import Rolls
from contracts.state import Table
from node.proofs import Proven
from zk.group import POINT_BYTES


def standing(fact: Proven) -> Iterator[tuple[str, str]]:
    """Every point of a verified bundle in hex, and where it stands in words."""
    for record in fact.data.get("records", ()):
        yield from _points(record["value"], record["key"])
    if "receipt" in fact.data and fact.data["receipt"]["code"] == OK:
        yield from _points(fact.data["envelope"], f"transaction {fact.data['hash']}")


def _points(value: Any, where: str, name: str = "") -> Iterator[tuple[str, str]]:
    match value:
        case str() if name in point_fields():
            yield value, where
        case dict():
            for field, item in value.items():
                yield from _points(item, f"{where}: {field}" if ":" not in where else f"{where}.{field}", field)
        case list():
            for item in value:
                yield from _points(item, where, name)


@cache
def point_fields() -> frozenset[str]:
    """Names of the fields of records and bodies that hold points, one, several or none."""
    tables = (one.type for one in vars(schema).values() if isinstance(one, Table | Rolls))
    found: set[str] = set()
    seen: set[type] = set()
    for type_ in (*tables, AccountBody, MeterBody):
        found.update(name for name, info in _fields(inspect.type_info(type_), seen) if _is_point(info))
    return frozenset(found)


def _fields(info: inspect.Type, seen: set[type], name: str = "") -> Iterator[tuple[str, inspect.Type]]:
    match info:
        case inspect.StructType() if info.cls not in seen:
            seen.add(info.cls)
            for field in info.fields:
                yield from _fields(field.type, seen, field.name)
        case inspect.StructType():
            pass
        case inspect.UnionType():
            for one in info.types:
                yield from _fields(one, seen, name)
        case inspect.TupleType():
            for one in info.item_types:
                yield from _fields(one, seen, name)
        case inspect.VarTupleType() | inspect.ListType():
            yield from _fields(info.item_type, seen, name)
        case _:
            yield name, info


def _is_point(info: inspect.Type) -> bool:
    return isinstance(info, inspect.BytesType) and info.max_length == POINT_BYTES
