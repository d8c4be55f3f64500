"""Chains for light clients: every height signed as it would be, sets that may change at each, and no node anywhere."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from consensus import skipping
from consensus.light import LightBlock
from consensus.messages import NO_ROUND, CommitCertificate, Header, VoteType, vote_sign_bytes
from consensus.skipping import Seen
from consensus.validators import Validator, ValidatorSet
from tests.support.pact import key_of
from zk import merkle
from zk.hashing import ZERO_HASH, sha256

CHAIN = "light-test"
R = TypeVar("R")
SECOND = 1_000
Powers = dict[str, int]
"""Power by name; the key of a seat is made from its name. A name that ends with `!` is a flagged seat."""


@lru_cache(maxsize=1024)
def seat(name: str, power: int) -> Validator:
    """A seat whose key is that of its name."""
    plain = name.rstrip("!")
    return Validator(plain, plain, key_of(plain).public_key, b"", power, name.endswith("!"))


def seats_of(powers: Powers) -> tuple[Validator, ...]:
    """Seats in order of their ids."""
    return tuple(sorted((seat(name, power) for name, power in powers.items()), key=lambda one: one.id))


def hash_of(seats: tuple[Validator, ...]) -> bytes:
    """What headers commit to."""
    return ValidatorSet(seats).hash


def header(
    height: int, time_ms: int, seats: tuple[Validator, ...], next_seats: tuple[Validator, ...], **changes: Any
) -> Header:
    """A header of this height; `changes` overwrite its fields."""
    made = Header(
        version=1,
        chain_id=CHAIN,
        height=height,
        parent_hash=ZERO_HASH,
        time_ms=time_ms,
        params_hash=sha256(b"params"),
        proposer=seats[0].id,
        proposer_round=0,
        set_hash=hash_of(seats),
        next_set_hash=hash_of(next_seats),
        last_certificate_hash=ZERO_HASH,
        payload_root=merkle.EMPTY_ROOT,
        state_root=sha256(b"state %d" % height),
        receipts_root=sha256(b"receipts %d" % height),
        evidence_root=merkle.EMPTY_ROOT,
        beacon=b"",
    )
    return msgspec.structs.replace(made, **changes)


def sign(header_: Header, seats: tuple[Validator, ...], signers: Iterable[str], round_: int = 0) -> CommitCertificate:
    """Precommits of those `signers` who have one of the seats, with the keys of their ids."""
    chosen = list(signers)
    signed = vote_sign_bytes(header_.chain_id, VoteType.PRECOMMIT, header_.height, round_, header_.id(), NO_ROUND)
    signatures = tuple((index, key_of(one.id).sign(signed)) for index, one in enumerate(seats) if one.id in chosen)
    return CommitCertificate(header_.height, round_, header_.id(), signatures)


def light_block(
    height: int,
    time_ms: int,
    powers: Powers,
    next_powers: Powers,
    signers: Iterable[str] | None = None,
    round_: int = 0,
    **changes: Any,
) -> LightBlock:
    """One block signed by `signers` (None: by its whole set); `changes` go into its header before it is signed."""
    seats, next_seats = seats_of(powers), seats_of(next_powers)
    made = header(height, time_ms, seats, next_seats, **changes)
    names = [one.id for one in seats] if signers is None else signers
    return LightBlock(made, sign(made, seats, names, round_), seats, next_seats)


def chain(sets: Sequence[Powers], signers: Callable[[int], Iterable[str] | None] = lambda _: None) -> list[LightBlock]:
    """Blocks of heights 1 to len(sets) - 1, one a second, linked by parent hash; `sets[i]` is the set of height
    i + 1, and the last one only that which the last block names as next."""
    blocks: list[LightBlock] = []
    for height in range(1, len(sets)):
        parent = blocks[-1].id() if blocks else ZERO_HASH
        blocks.append(
            light_block(height, height * SECOND, sets[height - 1], sets[height], signers(height), parent_hash=parent)
        )
    return blocks


def drive(
    driver: Generator[int, Seen, R], answer: Callable[[int], LightBlock], now_ms: int, asked: list[int] | None = None
) -> R:
    """Run a driver to its end against `answer`, at one time; the heights it wanted go into `asked`."""

    def noted(height: int) -> LightBlock:
        if asked is not None:
            asked.append(height)
        return answer(height)

    return skipping.drive(driver, noted, lambda: now_ms)
