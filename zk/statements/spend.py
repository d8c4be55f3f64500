"""Part of a confidential balance goes to somebody else, and what stays is no less than nothing.

Balance C = cV + .H is split into T = vV + .H, which the recipient gets, and C - T, with v in [1, 2^63) and c - v in
[0, 2^63): below 2^64 together, so nothing wraps. The tag binds the account and its sequence, C, T, the recipient and
the note that tells it. T = C leaves the identity, so no account at all, and then v alone needs its range.

Says nothing about who may spend: knowing an opening is no authority, the account's key signs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from zk.batch import Claim
from zk.codec import encode
from zk.group.native import IDENTITY, decode_point
from zk.pedersen import commit
from zk.statements.assertion import Assertion, Where, tag_of
from zk.statements.openings import Opening, blindings, is_nothing
from zk.statements.parts import (
    BELOW_2_63,
    Instance,
    PointBytes,
    Range,
    claim_ranges,
    claims_of,
    prove_ranges,
    reducer,
)

KIND = "spend"
AMOUNT: Range = (1, 2**63 - 1)


class Spend(Instance, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The balance before, and the part of it that goes."""

    balance: PointBytes
    transfer: PointBytes


class Spent(NamedTuple):
    """What is posted."""

    transfer: bytes
    proof: bytes


def transfer(where: Where, balance: Opening, amount: int, entropy: bytes) -> Opening:
    """Opening of T, which the recipient is told and `prove` takes. ValueError where the balance is less.

    The whole balance goes as it is committed to, so that no account is left behind.
    """
    if not 1 <= amount <= balance.value:
        raise ValueError(f"{amount} is not between 1 and the balance")
    if amount == balance.value:
        return balance
    return Opening(amount, *blindings(KIND, where, (amount, balance.value - amount), entropy, 1))


def prove(
    where: Where, balance: Opening, transferred: Opening, recipient: str, note_hash: bytes, *, entropy: bytes
) -> Spent:
    """T and its proof; what stays is opened by `balance.minus(transferred)`. ValueError where that is negative."""
    before, sent = commit(*balance).to_bytes(), commit(*transferred).to_bytes()
    stays = balance.minus(transferred)
    openings = [transferred] if is_nothing(stays) else [transferred, stays]
    tag = _tag(where, before, sent, recipient, note_hash)
    return Spent(sent, prove_ranges(tag, openings, (AMOUNT, BELOW_2_63)[: len(openings)], entropy=entropy))


def assertion(
    where: Where, balance: bytes, transferred: bytes, recipient: str, note_hash: bytes, proof: bytes
) -> Assertion:
    """That `transferred` may be taken from `balance`; `where.at` is the sequence of the account, its owner acts."""
    tag = _tag(where, balance, transferred, recipient, note_hash)
    return Assertion(KIND, tag, encode(Spend(balance, transferred)), proof)


def _tag(where: Where, balance: bytes, transferred: bytes, recipient: str, note_hash: bytes) -> bytes:
    return tag_of(KIND, where, (balance, transferred, recipient.encode(), note_hash))


def _claims(tag: bytes, one: Spend, proof: bytes) -> Sequence[Claim] | None:
    balance, sent = decode_point(one.balance), decode_point(one.transfer)
    stays = balance - sent
    points = [sent] if stays == IDENTITY else [sent, stays]
    return claims_of(claim_ranges(tag, points, (AMOUNT, BELOW_2_63)[: len(points)], proof))


reduce = reducer(Spend, _claims)
