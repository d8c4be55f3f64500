"""A share of an opening: a holder of the threshold key gave x_j*R for the R that the state machine asked about.

The tag binds key, round, tick, seat and, by its bytes, the summed R, so that no share counts for another opening.
"""

from __future__ import annotations

from zk.statements import logarithm
from zk.statements.assertion import Assertion, Where


def prove(where: Where, purpose: str, tick: int, r: bytes, secret: bytes, *, entropy: bytes) -> tuple[bytes, bytes]:
    """x_j*R, 48 bytes, and its proof of `EQUAL_BYTES`, by the holder of x_j, 32 bytes. `where` has seat, key id and
    round. ValueError when R is no point: the identity is never opened."""
    return logarithm.prove_equal("share", where, secret, r, _bound(purpose, tick), entropy=entropy)


def assertion(where: Where, purpose: str, tick: int, r: bytes, key: bytes, point: bytes, proof: bytes) -> Assertion:
    """`point` is x_j*R for the x_j of the seat's public share `key` = x_j*B."""
    return logarithm.equal("share", where, key, r, point, proof, _bound(purpose, tick))


def _bound(purpose: str, tick: int) -> tuple[bytes, ...]:
    return purpose.encode(), tick.to_bytes(8, "big")
