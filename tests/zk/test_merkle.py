"""RFC 6962 trees: the reference's known answers, the definition itself, and proofs that can't be bent."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zk.naive import list_root
from zk import merkle

LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
"""Input of the certificate transparency reference tests; entry n of ROOTS is over the first n."""
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
leaves_ = st.lists(st.binary(max_size=6), min_size=1, max_size=33)


@pytest.mark.parametrize("size", range(9))
def test_known_answers(size: int) -> None:
    assert merkle.root(LEAVES[:size]).hex() == ROOTS[size]


def test_known_audit_path() -> None:
    """PATH(4, D[7]) as RFC 6962, 2.1.3 draws it for its example: here over the reference leaves."""
    siblings = merkle.path(LEAVES[:7], 4)
    assert siblings == [
        merkle.leaf_hash(LEAVES[5]),
        merkle.leaf_hash(LEAVES[6]),
        merkle.root(LEAVES[:4]),
    ]


@pytest.mark.properties
@settings(max_examples=100)
@given(leaves_)
def test_root_is_that_of_the_definition(leaves: list[bytes]) -> None:
    assert merkle.root(leaves) == list_root(leaves)


@pytest.mark.properties
@settings(max_examples=60)
@given(leaves_)
def test_each_entry_is_proven_at_its_index_and_no_other(leaves: list[bytes]) -> None:
    root, size = merkle.root(leaves), len(leaves)
    for index, leaf in enumerate(leaves):
        siblings = merkle.path(leaves, index)
        assert merkle.verify(root, leaf, index, size, siblings)
        assert not merkle.verify(root, leaf + b"!", index, size, siblings)
        assert not merkle.verify(root, leaf, index, size, [*siblings, bytes(32)])
        assert not merkle.verify(root, leaf, size, size, siblings)
        assert not merkle.verify(root, leaf, -1, size, siblings)
        if siblings:
            assert not merkle.verify(root, leaf, index, size, siblings[:-1])
        for other in range(size):
            if leaves[other] != leaf:
                assert not merkle.verify(root, leaf, other, size, siblings)


def test_an_inner_node_is_no_entry() -> None:
    leaves = [b"a", b"b", b"c", b"d"]
    left = merkle.leaf_hash(b"a") + merkle.leaf_hash(b"b")
    assert not merkle.verify(merkle.root(leaves), left, 0, 2, [merkle.root(leaves[2:])])


@pytest.mark.parametrize("index", [-1, 3])
def test_no_path_outside_the_list(index: int) -> None:
    with pytest.raises(IndexError):
        merkle.path([b"a", b"b", b"c"], index)
