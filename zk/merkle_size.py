"""How many entries an RFC 6962 tree has, proven from its root alone.

An audit path shows that an entry is in the list; where it is depends on the size, and a root does not
commit to that: in a list of six, entry 4 has the path that entry 2 would have in a list of four. Whoever is
told "entry 4 was executed with the receipt beside it" needs the true size. Never assumes anything about a
root but that it was computed over some list by the RFC's rules.

The rightmost entry's path has only left siblings, and each of them is a perfect subtree whose depth any of
its entries shows. size = 1 + sum of 2^depth.
"""

from __future__ import annotations

from collections.abc import Sequence

from zk.merkle import EMPTY_ROOT, inner_hash, leaf_hash, path

SizeProof = tuple[tuple[bytes, ...], ...]
"""First item: the last entry alone. Then per perfect subtree, from the right: its first entry and that
one's siblings inside the subtree, leaf upwards. Empty for the empty list."""

MAX_DEPTH = 32


def prove_size(leaves: Sequence[bytes]) -> SizeProof:
    """Proof of `len(leaves)`; O(log^2) hashes."""
    if not leaves:
        return ()
    proof: list[tuple[bytes, ...]] = [(leaves[-1],)]
    subtrees: list[tuple[bytes, ...]] = []
    first, size = 0, len(leaves)
    while size > 1:
        half = 1 << ((size - 1).bit_length() - 1)
        subtree = leaves[first : first + half]
        subtrees.append((subtree[0], *path(subtree, 0)))
        first, size = first + half, size - half
    proof.extend(reversed(subtrees))
    return tuple(proof)


def proven_size(root_hash: bytes, proof: SizeProof) -> int | None:
    """Number of entries under `root_hash`, or None when the proof does not show it."""
    if not proof:
        return 0 if root_hash == EMPTY_ROOT else None
    if len(proof[0]) != 1 or len(proof) > MAX_DEPTH:
        return None
    node, size = leaf_hash(proof[0][0]), 1
    for subtree in proof[1:]:
        if not 1 <= len(subtree) <= MAX_DEPTH:
            return None
        perfect = leaf_hash(subtree[0])
        for sibling in subtree[1:]:
            perfect = inner_hash(perfect, sibling)
        node, size = inner_hash(perfect, node), size + (1 << (len(subtree) - 1))
    return size if node == root_hash else None
