"""Domain tags: what is hashed or signed for one purpose and chain is never what is for another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zk.hashing import HASH_BYTES, ZERO_HASH, domain, sha256

names = st.from_regex(r"\A[a-z0-9-]{1,12}\Z")


def test_known_answer() -> None:
    assert sha256(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert bytes(HASH_BYTES) == ZERO_HASH


@pytest.mark.properties
@given(names, names, names, names, st.binary(max_size=4), st.binary(max_size=4))
def test_no_tagged_message_is_another_tagged_message(
    purpose: str, chain: str, other_purpose: str, other_chain: str, tail: bytes, other_tail: bytes
) -> None:
    if (purpose, chain) != (other_purpose, other_chain):
        assert domain(purpose, chain) + tail != domain(other_purpose, other_chain) + other_tail
