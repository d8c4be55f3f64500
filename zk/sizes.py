"""How long proofs and notes are, and how many seats share a key: what records need to know, without any curve.

Whoever only reads the ledger decodes records and verifies no proof of this package; a light client has no room for the
libraries that would.
"""

from __future__ import annotations

from zk.group import POINT_BYTES, SCALAR_BYTES

KNOWN_BYTES = POINT_BYTES + SCALAR_BYTES
"""Proof that somebody knows a logarithm; see `zk.statements.logarithm`, as the next."""
EQUAL_BYTES = 2 * POINT_BYTES + SCALAR_BYTES
"""Proof that two logarithms are equal."""
MAC_BYTES = 16
OVERHEAD_BYTES = POINT_BYTES + KNOWN_BYTES + MAC_BYTES
"""By so much a note is longer than its plaintext; see `zk.notes`, as the next."""
REVEALED_BYTES = POINT_BYTES + EQUAL_BYTES
"""The common point of a note with its proof."""
MAX_SEATS = 128
"""Of one threshold key: every seat deals a note to every other one. See `zk.ceremony`, as the rest."""
SHARE_NOTE_BYTES = SCALAR_BYTES + OVERHEAD_BYTES


def threshold(seats: int) -> int:
    """How many seats open: more than two thirds."""
    return 2 * seats // 3 + 1
