"""An order of every kind of statement that can be made as it stands: what `gridpact proof make --example` prints.

The figures and blindings are everybody's; replace them. Blindings have to be drawn, and never be used twice.
"""

from __future__ import annotations

from collections.abc import Mapping

from node.proofs import Document
from zk.group import SCALAR_BYTES, native
from zk.group.bases import bases
from zk.pedersen import commit

_KEY = bases().B.times_secret(native.scalar(3)).to_bytes().hex()
"""Stands for a threshold key."""


def example(kind: str, chain_id: str) -> Document:
    """An order of one statement. KeyError for a kind that there is not."""
    where = {"chain_id": chain_id, "actor": "solar", "at": 7, "round": 0, "key_id": ""}
    order = {"statement": kind, "where": where, "inputs": INPUTS[kind]}
    return {"kind": "statements-to-make", "statements": [order]}


def _scalar(value: int) -> str:
    return value.to_bytes(SCALAR_BYTES, "big").hex()


def _opens(value: int, blinding: int) -> Document:
    return {"value": value, "blinding": _scalar(blinding)}


def _point(value: int, blinding: int) -> str:
    return commit(value, blinding.to_bytes(SCALAR_BYTES, "big")).to_bytes().hex()


def _ranges(value: int, lo: int, hi: int) -> Document:
    return {"openings": [_opens(value, 11)], "ranges": [[lo, hi]], "key": ""}


INPUTS: Mapping[str, Document] = {
    "range": _ranges(31_000, 0, 2**40 - 1),
    "reading": _ranges(1_500, 1_000, 3_000),
    "capacity": _ranges(5_000, 0, 10_000),
    "quality": _ranges(31_999, 0, 32_000),
    "spend": {"balance": _opens(5_000, 11), "amount": 1_200, "recipient": "wind", "note_hash": "00" * 32},
    "withdraw": {"balance": _opens(5_000, 11), "amount": 1_200},
    "known-difference": {"minuend": _opens(30_970, 11), "subtrahend": _opens(31_000, 12)},
    "within-loss": {
        "share": _opens(30_970, 11),
        "delivery": _opens(31_000, 12),
        "loss_ppm": 1_000,
        "fixed_wh": 0,
        "accuracy_wh": 0,
    },
    "reserve": {"reserve": _opens(6_000, 11), "delivery": _opens(4_000, 12), "most": 10_000},
    "delivery": {"award": _opens(40, 11), "metered": _opens(50, 12), "shortfall_wh": 0, "others_wh": 10},
    "green-share": {"consumption": _opens(1_500, 11), "ppm": 300_000},
    "demand": {"key": _KEY, "quantity": 900, "most": 1_000},
    "bid": {"key": _KEY, "capacity": _opens(100, 11), "quantities": [20, 30]},
    "award": {"key": _KEY, "ticks": [_opens(20, 11), _opens(30, 12)], "a": 11, "b": 17},
    "sum": {"parts": [_point(31_000, 11), _point(30_000, 12)], "public": 0, "total": _point(61_000, 23)},
    "opening": {"opening": _opens(31_000, 11)},
    "chain": {"records": ["00", "01", "02"], "first": 1, "count": 1},
    "possession": {"secret": _scalar(11), "bound": []},
    "note": {"secret": _scalar(11), "bound": []},
    "reveal": {"secret": _scalar(11), "other": _KEY, "bound": []},
    "share": {"secret": _scalar(11), "other": _KEY, "bound": []},
}
