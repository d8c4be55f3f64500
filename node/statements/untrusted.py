"""What a bundle says is on the ledger, taken at its word: for files whose reader checks the bundle that is in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from contracts.state import Table
from node.errors import ProofError
from node.proofs import AnyBundle, StateBundle

R = TypeVar("R", bound=msgspec.Struct)


def records(bundle: AnyBundle, table: Table[R]) -> Iterator[R]:
    """The records of a table in a bundle of state, in its order. Raises ValueError for what is none."""
    for entry in bundle.entries if isinstance(bundle, StateBundle) else ():
        if entry.value is not None and bytes.fromhex(entry.key).startswith(table.prefix):
            yield table.decode(bytes.fromhex(entry.value))


@contextmanager
def read_as_it_is() -> Iterator[None]:
    """Around whatever is made of records and points in a bundle that nobody has checked yet: what is none of them is
    `ProofError` `proof.malformed`."""
    try:
        yield
    except ValueError as error:
        raise ProofError("proof.malformed", f"The bundle holds what is no record of its table: {error}.") from None
