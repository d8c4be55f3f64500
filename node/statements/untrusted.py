"""What a bundle says is on the ledger, taken at its word: for files whose reader checks the bundle that is in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from contracts.state import Table
from node.proofs import AnyBundle, StateBundle

R = TypeVar("R", bound=msgspec.Struct)


def records(bundle: AnyBundle, table: Table[R]) -> Iterator[R]:
    """The records of a table in a bundle of state, in its order. Raises `msgspec.DecodeError` for what is none."""
    for entry in bundle.entries if isinstance(bundle, StateBundle) else ():
        if entry.value is not None and bytes.fromhex(entry.key).startswith(table.prefix):
            yield table.decode(bytes.fromhex(entry.value))
