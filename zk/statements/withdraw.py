"""A public amount leaves a confidential balance, and what stays is no less than nothing.

C - vV hides a value in [0, 2^63). Where it is the identity, everything that was there has left, in sight of everybody,
and there is nothing to prove.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from zk.batch import Claim
from zk.codec import encode
from zk.group.bases import bases
from zk.group.native import IDENTITY, Point, decode_point, linear
from zk.pedersen import commit
from zk.statements.assertion import Assertion, Where, tag_of
from zk.statements.openings import Opening
from zk.statements.parts import (
    BELOW_2_63,
    Instance,
    PointBytes,
    claim_ranges,
    claims_of,
    nothing_to_prove,
    prove_ranges,
    reducer,
)

KIND = "withdraw"


class Withdraw(Instance, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The balance before, and the public amount."""

    balance: PointBytes
    amount: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


def prove(where: Where, balance: Opening, amount: int, *, entropy: bytes) -> bytes:
    """The proof; what stays is opened by `balance.shifted(-amount)`. ValueError where that is negative."""
    before, stays = commit(*balance), balance.shifted(-amount)
    if _rest(before, amount) == IDENTITY:
        return b""
    return prove_ranges(_tag(where, before.to_bytes(), amount), [stays], [BELOW_2_63], entropy=entropy)


def assertion(where: Where, balance: bytes, amount: int, proof: bytes) -> Assertion:
    """That `amount` may be taken from `balance`; `where.at` is the sequence of the account, its owner acts."""
    return Assertion(KIND, _tag(where, balance, amount), encode(Withdraw(balance, amount)), proof)


def _tag(where: Where, balance: bytes, amount: int) -> bytes:
    return tag_of(KIND, where, (balance, amount.to_bytes(8, "big")))


def _rest(balance: Point, amount: int) -> Point:
    return linear((balance, 1), (bases().V, -amount))


def _claims(tag: bytes, one: Withdraw, proof: bytes) -> Sequence[Claim] | None:
    rest = _rest(decode_point(one.balance), one.amount)
    if rest == IDENTITY:
        return nothing_to_prove(proof)
    return claims_of(claim_ranges(tag, [rest], [BELOW_2_63], proof))


reduce = reducer(Withdraw, _claims)
