"""Known answers of our own: one true statement of every kind as bytes, for whoever writes a third verifier.

python -m tests.zk.statement_vectors     writes them anew, after a format was changed on purpose
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.zk.statement_cases import ENTROPY, WHERE, cases
from zk import notes
from zk.group.bases import bases
from zk.pedersen import commit
from zk.statements import chain, logarithm, share, sums
from zk.statements.assertion import Assertion
from zk.statements.openings import opened, total

FILE = Path(__file__).parent.parent / "vectors" / "gridpact-statements.json"
SECRET = b"\x05".rjust(32, b"\0")
ROUTE: dict[str, Any] = {
    "purpose": "bill",
    "chain_id": "campus-1",
    "epoch": 3,
    "sender": "solar",
    "recipient": "campus",
}


def of_logarithms() -> dict[str, Assertion]:
    """One true statement of every kind about logarithms."""
    to = logarithm.public_point(SECRET)
    note = notes.seal(to, b"41 Wh", entropy=ENTROPY, **ROUTE)
    shown = notes.reveal(SECRET, note, entropy=ENTROPY, **ROUTE)
    r = bases().H.to_bytes()
    point, proof = share.prove(WHERE, "award", 4, r, SECRET, entropy=ENTROPY)
    possession = logarithm.prove_known("possession", WHERE, SECRET, entropy=ENTROPY)
    sent, seen = notes.check(note, to, **ROUTE), notes.revealed(note, shown, to, **ROUTE)
    assert sent is not None
    assert seen is not None
    return {
        "note": sent,
        "reveal": seen,
        "share": share.assertion(WHERE, "award", 4, r, to, point, proof),
        "possession": logarithm.known("possession", WHERE, to, possession),
    }


def in_sight() -> dict[str, Assertion]:
    """One true statement of every kind that everybody computes."""
    openings = opened("tests", WHERE, [1, 2, 3], ENTROPY)
    points = [commit(*one).to_bytes() for one in openings]
    whole = commit(*total(openings).shifted(4)).to_bytes()
    records = [b"first", b"second", b"", b"fourth", b"fifth"]
    return {
        "sum": sums.assert_sum(WHERE, points, 4, whole),
        "opening": sums.assert_opening(WHERE, points[1], openings[1]),
        "chain": chain.assertion(WHERE, *chain.prove(WHERE, records, 1, 2)),
    }


TRUE = of_logarithms() | in_sight() | {kind: case.true for kind, case in cases().items()}
"""Of every kind."""


def vectors() -> list[dict[str, str]]:
    """Kind, tag, instance and proof, bytes in hexadecimal, ascending by kind."""
    return [
        {"kind": one.kind, "tag": one.tag.hex(), "instance": one.instance.hex(), "proof": one.proof.hex()}
        for _, one in sorted(TRUE.items())
    ]


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1) + "\n")
