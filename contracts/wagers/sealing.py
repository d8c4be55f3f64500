"""How a builder binds itself to a solution without showing it: commit first, reveal when all have committed.

The commitment names its chain, round and builder, so one that is copied from the ledger opens for nobody but the
member who made it. The salt keeps others from trying solutions until one fits. Nothing here prevents builders from
showing each other solutions outside the ledger: what is asked for is a good solution, not a secret one.
"""

from __future__ import annotations

from contracts.bodies import CommitSolution, RevealSolution
from zk.codec import encode
from zk.hashing import domain, sha256


def solution_hash(salt: bytes, solution: bytes) -> bytes:
    """Hash by which records, which everybody reads, name a revealed solution. Salted as the commitment is: of a market
    of few the hash alone would show, by trying, what orders keep."""
    return sha256(salt + sha256(solution))


def commitment(chain_id: str, round_: int, builder: str, salt: bytes, solution: bytes) -> bytes:
    """H(tag, chain, round, builder, salt, H(solution)); the salt has 32 bytes, chosen afresh for each round."""
    return sha256(domain("wager-commitment", chain_id) + encode((round_, builder, salt, sha256(solution))))


def seal(
    chain_id: str, round_: int, builder: str, salt: bytes, solution: bytes
) -> tuple[CommitSolution, RevealSolution]:
    """Both bodies of a builder: the first while commits count, the second while reveals do."""
    sealed = commitment(chain_id, round_, builder, salt, solution)
    return CommitSolution(round_, sealed), RevealSolution(round_, salt, solution)
