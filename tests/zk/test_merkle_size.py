"""A size proof shows the true size and no other, whatever is changed in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zk import merkle
from zk.merkle_size import prove_size, proven_size


def entries(count: int) -> list[bytes]:
    return [number.to_bytes(32, "big") for number in range(count)]


@given(st.integers(0, 700))
def test_the_size_of_every_list_is_proven(count: int) -> None:
    leaves = entries(count)
    assert proven_size(merkle.root(leaves), prove_size(leaves)) == count


@given(st.integers(1, 200), st.integers(1, 200))
def test_a_proof_of_another_list_proves_nothing(count: int, other: int) -> None:
    shown = proven_size(merkle.root(entries(count)), prove_size(entries(other)))
    assert shown == (count if count == other else None)


@given(st.integers(2, 200), st.data())
def test_a_proof_with_anything_removed_repeated_or_changed_never_shows_another_size(
    count: int, data: st.DataObject
) -> None:
    leaves = entries(count)
    proof = [list(part) for part in prove_size(leaves)]
    part = data.draw(st.sampled_from(proof))
    position = data.draw(st.integers(0, len(part) - 1))
    match data.draw(st.sampled_from(("drop", "repeat", "flip", "merge"))):
        case "drop":
            del part[position]
        case "repeat":
            part.insert(position, part[position])
        case "flip":
            part[position] = bytes([part[position][0] ^ 1]) + part[position][1:]
        case _:
            proof[0:2] = [proof[0] + proof[1]]
    shown = proven_size(merkle.root(leaves), tuple(tuple(one) for one in proof))
    assert shown in (None, count)


@given(st.integers(1, 200), st.integers(0, 199))
def test_no_perfect_subtree_passes_for_the_whole(count: int, at: int) -> None:
    """The attack that audit paths alone allow: an entry's own path, told as that of a smaller or larger list."""
    leaves = entries(count)
    index = at % count
    told = ((leaves[-1],), (leaves[index], *merkle.path(leaves, index)))
    assert proven_size(merkle.root(leaves), told) in (None, count)
    assert proven_size(merkle.root(leaves), ((leaves[index],),)) in (None, count)


def test_an_audit_path_alone_does_not_say_which_entry_it_is_for() -> None:
    """Why this module exists: the same path verifies at two places."""
    leaves = entries(6)
    path = merkle.path(leaves, 4)
    assert merkle.verify(merkle.root(leaves), leaves[4], 4, 6, path)
    assert merkle.verify(merkle.root(leaves), leaves[4], 2, 4, path)
