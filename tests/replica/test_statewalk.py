"""The first differing record of two states: found with few questions, and never where a liar wants it to be."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from node.ledger.ledger import Ledger
from node.ledger.store import MemoryStore
from node.peer.wire import CODECS, LIMITS, Frame, TreeRequest, TreeResponse
from node.statewalk import HEIGHTS_AT_ONCE, HEIGHTS_PER_S, Finding, Lie, TreeServer, Walk
from tests.ledger.heights import GENESIS, next_height
from tests.ledger.heights import records as first_records
from zk import ics23
from zk.codec import encode
from zk.ics23 import MAX_PROOF_BYTES

Records = dict[bytes, bytes]

RECORDS: st.SearchStrategy[Records] = st.dictionaries(
    st.integers(0, 400).map(lambda number: b"key/%d" % number), st.binary(min_size=1, max_size=3), max_size=60
)
CHANGES = st.dictionaries(
    st.integers(0, 400).map(lambda number: b"key/%d" % number),
    st.none() | st.binary(min_size=1, max_size=3),
    min_size=1,
    max_size=5,
)


def ledger_of(records: Records) -> Ledger:
    return Ledger.open(MemoryStore(), GENESIS, lambda _: {b"sentinel": b"here", **records})


def changed(records: Records, changes: dict[bytes, bytes | None]) -> Records:
    merged = {**records, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def first_difference(own: Records, certified: Records) -> tuple[bytes, bytes | None, bytes | None] | None:
    """By the definition: the smallest SHA-256 among the keys whose values differ."""
    keys = [key for key in own.keys() | certified.keys() if own.get(key) != certified.get(key)]
    if not keys:
        return None
    key = min(keys, key=lambda one: sha256(one).digest())
    return key, own.get(key), certified.get(key)


@settings(max_examples=150)
@given(RECORDS, CHANGES)
def test_the_first_difference_is_found(records: Records, changes: dict[bytes, bytes | None]) -> None:
    other = changed(records, changes)
    expected = first_difference(records, other)
    assume(expected is not None)
    own, certified = ledger_of(records), ledger_of(other)
    walk, server = Walk(own, certified.state_root), TreeServer(certified)
    for _ in range(8):
        answer = server.answer("asker", walk.request, 0)
        assert answer is not None
        assert len(encode(answer)) <= LIMITS[Frame.TREE_RESPONSE].body_bytes
        finding = walk.take(answer)
        if finding is not None:
            assert finding[:3] == expected
            assert ics23.decode(finding.proof) is not None
            return
    raise AssertionError("a tree of a few hundred records is not so deep")


HASHES = st.binary(min_size=32, max_size=32)


@st.composite
def lies(draw: Any, answer: TreeResponse, other: TreeResponse) -> TreeResponse:
    """`answer` with one part changed, or the same answer about another state."""
    kind = draw(st.sampled_from(["inner", "leaf", "drop", "move", "proof", "record", "other", "swap"]))
    inner, leaves = list(answer.inner), list(answer.leaves)
    if kind == "inner" and inner:
        place = draw(st.integers(0, len(inner) - 1))
        inner[place] = (inner[place][0], draw(HASHES))
    elif kind == "leaf" and leaves:
        place = draw(st.integers(0, len(leaves) - 1))
        leaves[place] = (draw(st.sampled_from([leaves[place][0], b"key/1", b""])), draw(HASHES))
    elif kind == "drop":
        (inner or leaves or [None]).pop()
    elif kind == "move" and inner:
        place = draw(st.integers(0, len(inner) - 1))
        inner[place] = (draw(st.integers(0, 15)), inner[place][1])
    elif kind == "swap" and leaves:
        # A lone record passed off as a subtree: its hash is right.
        key, value_hash = leaves.pop()
        hashed = sha256(key).digest()
        leaf = sha256(b"\x00" + hashed + value_hash).digest()
        inner.append((int(hashed.hex()[len(answer.path)], 16), leaf))
    elif kind == "proof" and answer.proof:
        place = draw(st.integers(0, len(answer.proof) - 1))
        flipped = bytes([answer.proof[place] ^ draw(st.integers(1, 255))])
        return replace(answer, proof=answer.proof[:place] + flipped + answer.proof[place + 1 :])
    elif kind == "record":
        return replace(answer, record=draw(st.binary(max_size=3)))
    elif kind == "other":
        return other
    return replace(answer, inner=tuple(inner), leaves=tuple(leaves))


@settings(max_examples=250)
@given(RECORDS, CHANGES, st.integers(0, 3), st.data())
def test_no_lie_leads_elsewhere(
    records: Records, changes: dict[bytes, bytes | None], lying_from: int, data: st.DataObject
) -> None:
    other = changed(records, changes)
    expected = first_difference(records, other)
    assume(expected is not None)
    own, certified = ledger_of(records), ledger_of(other)
    walk = Walk(own, certified.state_root)
    server, other_server = TreeServer(certified), TreeServer(own)
    for step in range(12):
        answer, from_own = (one.answer("asker", walk.request, 0) for one in (server, other_server))
        assert answer is not None
        assert from_own is not None
        if step >= lying_from:
            answer = data.draw(lies(answer, from_own))
        try:
            finding = walk.take(answer)
        except Lie:
            return
        if finding is not None:
            assert finding[:3] == expected
            return


@pytest.mark.parametrize("there", [True, False])
def test_the_last_word_is_proven_too(there: bool) -> None:
    """Whoever was honest down to the record still can't show another value, nor deny it, nor make it up."""
    own = ledger_of({b"key/1": b"own"})
    certified = ledger_of({b"key/1": b"certified"} if there else {})
    third = ledger_of({b"key/1": b"third"})
    neither = ledger_of({b"key/2": b"x"})
    walk = Walk(own, certified.state_root)
    while not walk.request.key:
        answer = TreeServer(certified).answer("asker", walk.request, 0)
        assert answer is not None
        assert walk.take(answer) is None
    for liar in (own, third, neither):
        lie = TreeServer(liar).answer("asker", walk.request, 0)
        assert lie is not None
        with pytest.raises(Lie):
            walk.take(lie)
        honest = TreeServer(certified).answer("asker", walk.request, 0)
        assert honest is not None
        if there:
            with pytest.raises(Lie):
                walk.take(replace(honest, record=lie.record))
    finding = walk.take(honest)
    assert finding is not None
    assert finding[:3] == (b"key/1", b"own", b"certified" if there else None)


def test_an_answer_to_another_question_changes_nothing() -> None:
    own, certified = ledger_of({}), ledger_of({b"key/1": b"1"})
    walk, server = Walk(own, certified.state_root), TreeServer(certified)
    for question in (TreeRequest(1, b"", b""), TreeRequest(0, b"5", b""), TreeRequest(0, b"", b"key/1")):
        answer = server.answer("asker", question, 0)
        assert answer is not None
        before = walk.request
        assert walk.take(answer) is None
        assert walk.request == before


def test_a_record_that_is_too_large_is_named_without_its_value() -> None:
    own = ledger_of({b"key/1": b"1"})
    certified = ledger_of({b"key/1": bytes(MAX_PROOF_BYTES + 1)})
    walk, server = Walk(own, certified.state_root), TreeServer(certified)
    finding = None
    while finding is None:
        answer = server.answer("asker", walk.request, 0)
        assert answer is not None
        assert len(encode(answer)) <= LIMITS[Frame.TREE_RESPONSE].body_bytes
        finding = walk.take(answer)
    assert finding == Finding(b"key/1", b"1", None, b"")


def history(heights: int, salt: int = 0) -> Ledger:
    ledger = Ledger.open(MemoryStore(), GENESIS, first_records, retain=20)
    for seed in range(heights):
        ledger.commit(*next_height(ledger, seed + salt))
    return ledger


@pytest.mark.parametrize("height", [10, 17, 29])
def test_any_retained_height_is_served(height: int) -> None:
    ledger, own = history(30), history(height, salt=1_000)
    header = ledger.header(height + 1)
    assert header is not None
    walk, server, finding = Walk(own, header.state_root), TreeServer(ledger), None
    while finding is None:
        answer = server.answer("asker", walk.request, 0)
        assert answer is not None
        finding = walk.take(answer)
    assert finding.own == own.get(finding.key)
    assert finding.certified == ledger.get_at(finding.key, height)
    assert finding.own != finding.certified


@pytest.mark.parametrize("height", [0, 9, 31, 2**48 - 1])
def test_no_other_height_is_served(height: int) -> None:
    for path, key in ((b"", b""), (b"", b"key/2")):
        answer = TreeServer(history(30)).answer("asker", TreeRequest(height, path, key), 0)
        assert answer == TreeResponse(height, path, key, (), (), b"", b"")


@pytest.mark.parametrize("path", [b"zz", b"\x00", b"0G", b"F", b"0" * 63])
def test_paths_that_lead_nowhere_get_nothing(path: bytes) -> None:
    answer = TreeServer(history(2)).answer("asker", TreeRequest(1, path, b""), 0)
    assert answer == TreeResponse(1, path, b"", (), (), b"", b"")


def test_one_peer_gets_so_much_and_the_others_as_much() -> None:
    ledger = history(30)
    server = TreeServer(ledger)
    far = TreeRequest(12, b"", b"")

    def served(peer: str, now_ms: int) -> int:
        return sum(server.answer(peer, far, now_ms) is not None for _ in range(100))

    cost = 1 + 30 - 12
    assert served("greedy", 0) == HEIGHTS_AT_ONCE // cost
    assert served("greedy", 0) == 0
    assert served("modest", 0) == HEIGHTS_AT_ONCE // cost
    assert served("greedy", 1_000) == (HEIGHTS_AT_ONCE % cost + HEIGHTS_PER_S) // cost
    assert served("greedy", 10**6) == HEIGHTS_AT_ONCE // cost


def test_frames_of_the_largest_answer_fit_the_wire() -> None:
    key, hash_ = bytes(255), bytes(32)
    largest = TreeResponse(
        2**48 - 1,
        bytes(63),
        key,
        ((15, hash_),) * 16,
        ((key, hash_),) * 16,
        bytes(MAX_PROOF_BYTES),
        bytes(MAX_PROOF_BYTES),
    )
    assert CODECS[Frame.TREE_RESPONSE].decode(encode(largest)) == largest
    question = TreeRequest(2**48 - 1, bytes(63), key)
    assert CODECS[Frame.TREE_REQUEST].decode(encode(question)) == question
