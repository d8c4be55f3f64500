"""Notes: who can read one, who can not, and what a quarrel about one shows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zk import notes
from zk.group import POINT_BYTES, native
from zk.group.native import IDENTITY
from zk.sizes import KNOWN_BYTES, OVERHEAD_BYTES, REVEALED_BYTES
from zk.statements import check, logarithm
from zk.statements.assertion import Where

ENTROPY = b"e" * 32
ROUTE: dict[str, Any] = {
    "purpose": "opening",
    "chain_id": "campus-1",
    "epoch": 7,
    "sender": "tenant-01",
    "recipient": "campus",
}
SECRET = notes.secret_of(b"c" * 32)
TO = notes.public(SECRET)
NOTE = notes.seal(TO, b"31000 Wh", entropy=ENTROPY, **ROUTE)
OTHER_PLACES: list[dict[str, Any]] = [
    ROUTE | {"purpose": "bid"},
    ROUTE | {"chain_id": "campus-2"},
    ROUTE | {"epoch": 8},
    ROUTE | {"sender": "tenant-02"},
    ROUTE | {"recipient": "solar"},
]


def is_proven(note: bytes, to: bytes = TO, route: dict[str, Any] = ROUTE) -> bool:
    assertion = notes.check(note, to, **route)
    return assertion is not None and check.verify(assertion)


def is_shown(note: bytes, shown: bytes, to: bytes = TO, route: dict[str, Any] = ROUTE) -> bool:
    assertion = notes.revealed(note, shown, to, **route)
    return assertion is not None and check.verify(assertion)


def test_the_recipient_reads_a_note_and_everybody_checks_its_proof() -> None:
    assert notes.open_(SECRET, NOTE, **ROUTE) == b"31000 Wh"
    assert is_proven(NOTE)
    assert len(NOTE) == len(b"31000 Wh") + OVERHEAD_BYTES


def test_nobody_else_reads_a_note() -> None:
    assert notes.open_(notes.secret_of(b"d" * 32), NOTE, **ROUTE) is None


@pytest.mark.parametrize("route", OTHER_PLACES)
def test_a_note_is_good_for_its_own_place_only(route: dict[str, Any]) -> None:
    assert not is_proven(NOTE, route=route)
    assert notes.open_(SECRET, NOTE, **route) is None


def test_a_note_to_another_key_is_no_note_to_this_one() -> None:
    assert not is_proven(NOTE, notes.public(notes.secret_of(b"d" * 32)))


@given(st.integers(0, len(NOTE) * 8 - 1))
def test_no_bit_of_a_note_can_be_flipped(bit: int) -> None:
    flipped = bytearray(NOTE)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not is_proven(bytes(flipped))


@given(st.binary(max_size=2 * OVERHEAD_BYTES))
def test_garbage_is_no_note_and_raises_nothing(raw: bytes) -> None:
    assert not is_proven(raw)
    assert notes.open_(SECRET, raw, **ROUTE) is None


def test_a_note_with_the_identity_or_a_point_off_the_curve_is_none() -> None:
    for bad in (IDENTITY.to_bytes(), b"\x8f" + b"\xff" * (POINT_BYTES - 1)):
        assert not is_proven(bad + NOTE[POINT_BYTES:])
        assert notes.open_(SECRET, bad + NOTE[POINT_BYTES:], **ROUTE) is None


def test_a_copied_ephemeral_point_can_not_be_posted_as_ones_own() -> None:
    """Else a complaint about it would have the victim's common point shown."""
    thief = ROUTE | {"sender": "solar"}
    assert not is_proven(NOTE, route=thief)
    # Nor with a ciphertext of its own, nor with the proof of another note of its own.
    own = notes.seal(TO, b"31000 Wh", entropy=ENTROPY, **thief)
    assert not is_proven(NOTE[:POINT_BYTES] + own[POINT_BYTES:], route=thief)
    assert not is_proven(own[: POINT_BYTES + KNOWN_BYTES] + NOTE[-24:], route=thief)


def test_the_same_entropy_never_makes_two_notes_under_one_key() -> None:
    others = [notes.seal(TO, b"31001 Wh", entropy=ENTROPY, **ROUTE)]
    others += [notes.seal(TO, b"31000 Wh", entropy=ENTROPY, **route) for route in OTHER_PLACES]
    assert len({note[:POINT_BYTES] for note in (NOTE, *others)}) == 1 + len(others)
    assert notes.seal(TO, b"31000 Wh", entropy=ENTROPY, **ROUTE) == NOTE


def test_a_quarrel_shows_the_one_plaintext() -> None:
    shown = notes.reveal(SECRET, NOTE, entropy=ENTROPY, **ROUTE)
    assert len(shown) == REVEALED_BYTES
    assert is_shown(NOTE, shown)
    assert notes.judge(NOTE, shown, TO, **ROUTE) == b"31000 Wh"


def test_a_note_that_nobody_sealed_is_unopenable() -> None:
    """The sender proves an ephemeral and puts garbage behind it: the proof holds, the note does not open."""
    garbage = b"g" * 24
    known = b"\x05" * 32
    ephemeral = logarithm.public_point(known)
    bound = (b"opening", b"tenant-01", b"campus", TO, notes.sha256(garbage))
    proof = logarithm.prove_known("note", Where("campus-1", "tenant-01", 7), known, bound, entropy=ENTROPY)
    note = ephemeral + proof + garbage
    assert is_proven(note)
    assert notes.open_(SECRET, note, **ROUTE) is None
    shown = notes.reveal(SECRET, note, entropy=ENTROPY, **ROUTE)
    assert is_shown(note, shown)
    assert notes.judge(note, shown, TO, **ROUTE) == notes.UNOPENABLE


def test_a_complainer_can_not_show_another_point() -> None:
    """A false common point would make any good note unopenable."""
    shown = notes.reveal(SECRET, NOTE, entropy=ENTROPY, **ROUTE)
    other = notes.reveal(notes.secret_of(b"d" * 32), NOTE, entropy=ENTROPY, **ROUTE)
    doubled = native.decode_point(shown[:POINT_BYTES]).times_secret(native.scalar(2)).to_bytes()
    for false in (other, doubled + shown[POINT_BYTES:], NOTE[:POINT_BYTES] + shown[POINT_BYTES:], shown[:-1], b""):
        assert not is_shown(NOTE, false)


def test_a_shown_point_counts_for_its_note_only() -> None:
    shown = notes.reveal(SECRET, NOTE, entropy=ENTROPY, **ROUTE)
    other = notes.seal(TO, b"31001 Wh", entropy=ENTROPY, **ROUTE)
    assert not is_shown(other, shown)
    assert not any(is_shown(NOTE, shown, route=route) for route in OTHER_PLACES)


def test_a_note_secret_is_a_scalar_that_only_its_seed_tells() -> None:
    assert notes.secret_of(b"c" * 32) == SECRET != notes.secret_of(b"d" * 32)
    with pytest.raises(ValueError):
        notes.secret_of(b"c" * 31)
    with pytest.raises(ValueError):
        notes.public(bytes(32))
