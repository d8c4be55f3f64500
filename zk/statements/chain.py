"""Records that are chained by their hashes: a slice of them is what the head on the ledger was made of.

A monitor that writes thousands of records an hour puts the head of their chain on the ledger, and shows records to
whoever is to see them, with the links before and the digests after. Each link is of number and digest of its record and
of the link before, and the chain begins with the name of its monitor: nothing in it can be altered, left out, moved
or taken from another chain. Hides the records that are not in the slice, as far as nobody can guess them.

Nothing here is a proof of knowledge; whoever has slice and head computes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Annotated

import msgspec

from zk.batch import Claim
from zk.codec import encode
from zk.hashing import HASH_BYTES, sha256
from zk.statements.assertion import Assertion, Where, framed, place, tag_of
from zk.statements.parts import Instance, reducer

KIND = "chain"
MAX_RECORDS = 4_096
MAX_RECORD_BYTES = 4_096
MAX_SLICE_BYTES = 1 << 20
_LINK = b"gridpact/1/chain-link"
_DIGEST_PART_BYTES = len(framed((bytes(HASH_BYTES),)))
"""What a tag has behind its place."""


class Slice(Instance, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Records number `first`, `first` + 1, ... of a chain of `length` records with this head."""

    head: Annotated[bytes, msgspec.Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]
    length: Annotated[int, msgspec.Meta(ge=1, le=2**32)]
    first: Annotated[int, msgspec.Meta(ge=0, le=2**32)]
    records: Annotated[
        tuple[Annotated[bytes, msgspec.Meta(max_length=MAX_RECORD_BYTES)], ...],
        msgspec.Meta(min_length=1, max_length=MAX_RECORDS),
    ]


def begin(where: Where) -> bytes:
    """What the first link of a monitor's chain goes on from: `where` is its chain and its name. 32 bytes."""
    return sha256(place(KIND, where))


def link(before: bytes, number: int, digest: bytes) -> bytes:
    """Link of the record `number`, from 0, with this SHA-256. 32 bytes; the last one is the head."""
    return sha256(framed((_LINK, before, number.to_bytes(8, "big"), digest)))


def links(where: Where, records: Sequence[bytes]) -> list[bytes]:
    """`begin`, and the link of every record."""
    digests = (sha256(record) for record in records)
    return list(accumulate(enumerate(digests), lambda before, one: link(before, *one), initial=begin(where)))


def prove(where: Where, records: Sequence[bytes], first: int, count: int) -> tuple[Slice, bytes]:
    """A slice of `count` records from number `first` on, and its proof: the link before it, the digests after it.
    ValueError where it is empty or outside."""
    if count < 1 or not 0 <= first <= len(records) - count:
        raise ValueError(f"{count} records from number {first} are no slice of {len(records)}")
    every, last = links(where, records), first + count
    one = Slice(every[-1], len(records), first, tuple(records[first:last]))
    return one, every[first] + b"".join(sha256(record) for record in records[last:])


def assertion(where: Where, one: Slice, proof: bytes) -> Assertion:
    """That the records are a slice of the chain with this head. Take head and length from the ledger."""
    return Assertion(KIND, tag_of(KIND, where, (one.head,)), encode(one), proof)


def _claims(tag: bytes, one: Slice, proof: bytes) -> Sequence[Claim] | None:
    parts = [proof[at : at + HASH_BYTES] for at in range(0, len(proof), HASH_BYTES)]
    after = one.length - one.first - len(one.records)
    if after < 0 or len(proof) != HASH_BYTES * (1 + after):
        return None
    now, *later = parts
    if one.first == 0 and now != sha256(tag[:-_DIGEST_PART_BYTES]):
        # The beginning is the monitor's own: nobody passes the chain of another off as its own from there.
        return None
    digests = [*(sha256(record) for record in one.records), *later]
    for number, digest in enumerate(digests, start=one.first):
        now = link(now, number, digest)
    return () if now == one.head else None


reduce = reducer(Slice, _claims, MAX_SLICE_BYTES)
