"""The set of seats of one height: who votes, with what power, in which order.

Seats are sorted by node id and their power never changes inside a height. `hash` is what headers commit to.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

import msgspec

from consensus.messages import Id, Power, PublicKey
from zk import merkle
from zk.codec import encode


class Validator(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One seat. `flagged` seats count in the total and never for a quorum (tombstoned, see Trust)."""

    id: Id
    organisation: Id
    public_key: PublicKey
    bls_key: Annotated[bytes, msgspec.Meta(max_length=96)]
    power: Power
    flagged: bool = False

    @property
    def counted_power(self) -> int:
        """Power that it adds to a quorum."""
        return 0 if self.flagged else self.power


class ValidatorSet:
    """Immutable, sorted by id, no duplicates. Raises ValueError on an empty, unsorted or powerless set."""

    def __init__(self, seats: tuple[Validator, ...]) -> None:
        ids = [seat.id for seat in seats]
        if not seats or ids != sorted(set(ids)):
            raise ValueError("a validator set is a non-empty list of seats, distinct ids ascending")
        if any(seat.power < 1 for seat in seats):
            raise ValueError("every seat has a power of at least 1")
        self.seats = seats
        self.index = {seat.id: position for position, seat in enumerate(seats)}
        self.total_power = sum(seat.power for seat in seats)

    def __len__(self) -> int:
        return len(self.seats)

    def seat(self, id_: str) -> Validator | None:
        """The seat with this id, or None."""
        position = self.index.get(id_)
        return None if position is None else self.seats[position]

    def counted_power(self, id_: str) -> int:
        """Power that a vote of `id_` adds to a quorum: 0 for strangers and flagged seats."""
        seat = self.seat(id_)
        return 0 if seat is None else seat.counted_power

    @cached_property
    def hash(self) -> bytes:
        """RFC 6962 root over the encoded seats, 32 bytes."""
        return merkle.root([encode(seat) for seat in self.seats])
