"""Who has a seat at which height. Imports no storage, so that a verifier of proofs can use it by itself."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from consensus.light import LightBlock
from consensus.messages import CommitCertificate, Header
from consensus.validators import Validator, ValidatorSet
from contracts import epochs
from contracts.genesis import Genesis
from contracts.state import RecordCache, State
from node.errors import NodeError

Sets = Callable[[int], ValidatorSet]
"""The validator set of each height: of any up to two above the newest executed one, and of all below."""

MAX_CACHED_SETS = 16
"""Sets that are kept decoded; most readers want those around the newest height."""


class Chain(Protocol):
    """The part of the ledger that sets are read from."""

    genesis: Genesis
    height: int
    records: RecordCache

    def get(self, key: bytes, /) -> bytes | None: ...

    def header(self, height: int, /) -> Header | None: ...

    def seats(self, set_hash: bytes, /) -> tuple[Validator, ...] | None: ...


class Decided(Protocol):
    """The part of the ledger that light blocks are made from."""

    def header(self, height: int, /) -> Header | None: ...

    def certificate(self, height: int, /) -> CommitCertificate | None: ...


def validators_of(genesis: Genesis) -> ValidatorSet:
    """The validators that genesis seats: the root of all trust. Raises NodeError `genesis.bond` when it seats none."""
    first, _ = epochs.founding(genesis)
    if not first.seats:
        raise NodeError(
            "genesis.bond",
            "Fewer than four members with a validator have weight in this genesis document.",
            f"Give at least four of them a bond of {genesis.consensus.seat_bond_tokens} (seat_bond_tokens) or more, "
            "whose root times the trust index is 1 or more.",
        )
    return ValidatorSet(first.seats)


def light_block(chain: Decided, sets: Sets, height: int) -> LightBlock | None:
    """What a light client needs of one height; None where it is not executed."""
    header, certificate = chain.header(height), chain.certificate(height)
    if header is None or certificate is None:
        return None
    return LightBlock(header, certificate, sets(height).seats, sets(height + 1).seats)


class LedgerSets:
    """The `Sets` of one ledger: kept decoded by their hash, so that a height costs a few look-ups.

    Headers commit to the set of their height and of the one above. The one two above an executed height is in state.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._first = validators_of(chain.genesis)
        self._known: OrderedDict[bytes, ValidatorSet] = OrderedDict()
        self._ahead = self._first
        """Made last from seats in state."""

    def __call__(self, height: int) -> ValidatorSet:
        """The set of `height`, 0 to two above the newest executed one. Raises LookupError for any other, NodeError
        `store.corrupt` where the store has lost what it takes."""
        chain = self._chain
        if height <= 1:
            return self._first
        if height == chain.height + 2:
            return self._in_state(height)
        if height > chain.height + 2:
            raise LookupError(f"the set of height {height} is not known at height {chain.height}")
        header = chain.header(min(height, chain.height))
        if header is None:
            raise _damaged(f"no header of height {min(height, chain.height)}, which is executed")
        return self._committed(header.set_hash if height <= chain.height else header.next_set_hash)

    def _in_state(self, height: int) -> ValidatorSet:
        seats = epochs.seats(State(self._chain, self._chain.records), height)
        if seats is not self._ahead.seats and seats != self._ahead.seats:
            self._ahead = ValidatorSet(seats)
            self._keep(self._ahead)
        return self._ahead

    def _committed(self, set_hash: bytes) -> ValidatorSet:
        if set_hash == self._first.hash:
            return self._first
        known = self._known.get(set_hash)
        if known is None:
            seats = self._chain.seats(set_hash)
            if seats is None:
                raise _damaged(f"no validator set {set_hash.hex()}, which a header names")
            known = ValidatorSet(seats)
            self._keep(known)
        return known

    def _keep(self, validators: ValidatorSet) -> None:
        self._known[validators.hash] = validators
        if len(self._known) > MAX_CACHED_SETS:
            self._known.popitem(last=False)


def _damaged(lost: str) -> NodeError:
    """As `node.ledger.store.damaged`: whoever only verifies seats has no storage."""
    return NodeError(
        "store.corrupt",
        f"The store has {lost}.",
        "Move the store away and start the node: it fetches every block from its peers again.",
    )
