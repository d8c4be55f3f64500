"""The beacon: what is signed and mixed against an independent encoder, and what a proposer can't choose."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from math import prod

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.beacon import beacon_sign_bytes, genesis_mix, next_mix, seed_height, verify_beacon
from tests.consensus.height import NAMES, START_MS, build, contribution, make_context, payload_named
from zk import bls

CHAIN = "campus-1"
KEY = bls.SigningKey(b"proposer" + bytes(24))
OTHER = bls.SigningKey(b"rival" + bytes(27))
MIX = genesis_mix(CHAIN, b"genesis".ljust(32, b"\0"))
BEACON = KEY.sign(beacon_sign_bytes(CHAIN, 7, MIX))


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def test_signed_and_mixed_bytes_are_those_of_the_rule() -> None:
    genesis_hash = bytes(range(32))
    first = sha256(b"gridpact/1/beacon-genesis/campus-1/", genesis_hash)
    assert genesis_mix(CHAIN, genesis_hash) == first
    assert beacon_sign_bytes(CHAIN, 7, first) == b"gridpact/1/beacon/campus-1/" + msgpack.packb((7, first))
    assert next_mix(CHAIN, first, BEACON) == sha256(b"gridpact/1/beacon-mix/campus-1/", msgpack.packb((first, BEACON)))


def test_a_chain_of_beacons_verifies_and_is_the_same_for_everybody() -> None:
    mixes = [MIX]
    for height in range(1, 9):
        proposer = KEY if height % 3 else OTHER
        beacon = proposer.sign(beacon_sign_bytes(CHAIN, height, mixes[-1]))
        assert verify_beacon(proposer.public_key, CHAIN, height, mixes[-1], beacon)
        mixes.append(next_mix(CHAIN, mixes[-1], beacon))
    assert len(set(mixes)) == len(mixes)


@pytest.mark.parametrize(
    ("key", "chain_id", "height", "mix", "beacon"),
    [
        (OTHER.public_key, CHAIN, 7, MIX, BEACON),
        (KEY.public_key, "campus-2", 7, MIX, BEACON),
        (KEY.public_key, CHAIN, 6, MIX, BEACON),
        (KEY.public_key, CHAIN, 8, MIX, BEACON),
        (KEY.public_key, CHAIN, 7, MIX[:-1] + b"\0", BEACON),
        (KEY.public_key, CHAIN, 7, b"", BEACON),
        (KEY.public_key, CHAIN, 7, MIX, KEY.sign(beacon_sign_bytes(CHAIN, 8, MIX))),
        (KEY.public_key, CHAIN, 7, MIX, KEY.prove_possession()),
        (KEY.public_key, CHAIN, 7, MIX, OTHER.sign(beacon_sign_bytes(CHAIN, 7, MIX))),
        (KEY.public_key, CHAIN, 7, MIX, b""),
        (b"", CHAIN, 7, MIX, BEACON),  # a seat of rule set 1 has no BLS key
    ],
)
def test_a_beacon_of_anything_else_is_refused(
    key: bytes, chain_id: str, height: int, mix: bytes, beacon: bytes
) -> None:
    assert verify_beacon(KEY.public_key, CHAIN, 7, MIX, BEACON)
    assert not verify_beacon(key, chain_id, height, mix, beacon)


@pytest.mark.properties
@settings(max_examples=100)
@given(st.binary(min_size=48, max_size=48) | st.binary(max_size=100), st.data())
def test_a_proposer_has_one_beacon_to_give(hostile: bytes, data: st.DataObject) -> None:
    changed = bytearray(BEACON)
    position = data.draw(st.integers(0, 8 * len(BEACON) - 1))
    changed[position // 8] ^= 1 << (position % 8)
    for other in (bytes(changed), hostile):
        assert not verify_beacon(KEY.public_key, CHAIN, 7, MIX, other)
        assert next_mix(CHAIN, MIX, other) != next_mix(CHAIN, MIX, BEACON)


@pytest.mark.properties
@settings(max_examples=200)
@given(st.integers(1, 2**32), st.integers(1, 200))
def test_a_seed_is_fixed_a_whole_epoch_before_it_is_used(height: int, epoch_blocks: int) -> None:
    seeded = seed_height(height, epoch_blocks)
    epoch = (height - 1) // epoch_blocks
    if epoch < 2:
        assert seeded == 0
        return
    # The last height of the epoch before the last: the one after it is of the next epoch.
    assert (seeded - 1) // epoch_blocks == epoch - 2
    assert seeded // epoch_blocks == epoch - 1
    assert height - seeded > epoch_blocks


def test_seeds_of_the_first_epochs() -> None:
    assert [seed_height(height, 3) for height in range(1, 14)] == [0, 0, 0, 0, 0, 0, 3, 3, 3, 6, 6, 6, 9]


# What a proposer can do about the seed


@lru_cache(maxsize=4096)
def beacon_of(name: str, height: int, mix: bytes) -> bytes:
    return contribution(name, beacon_sign_bytes(CHAIN, height, mix))


def reachable(turns: tuple[int, ...], height: int = 1, mix: bytes = MIX) -> set[bytes]:
    """Mixes that a cartel can choose from after these heights. In each it has so many of the first turns, and may let
    any number of them pass: the next member of it proposes, or at last somebody honest."""
    if not turns:
        return {mix}
    proposers = [*NAMES[: turns[0]], "honest"]
    return {
        seed
        for name in proposers
        for seed in reachable(turns[1:], height + 1, next_mix(CHAIN, mix, beacon_of(name, height, mix)))
    }


@pytest.mark.parametrize(
    ("turns", "choices"),
    [((), 1), ((0, 0, 0), 1), ((1,), 2), ((1, 0, 1), 4), ((1,) * 5, 32), ((2,), 3), ((2, 1), 6), ((3, 2), 12)],
)
def test_who_has_the_last_j_turns_chooses_among_two_to_the_j_seeds_at_most(
    turns: tuple[int, ...], choices: int
) -> None:
    """Exactly as many where each turn is of another height; several first turns of one height add up only."""
    assert len(reachable(turns)) == choices == prod(own + 1 for own in turns) <= 2 ** sum(turns)


@pytest.mark.properties
@settings(max_examples=30)
@given(st.integers(0, 11), st.binary(min_size=1, max_size=8), st.integers(0, 10**6), st.booleans())
def test_nothing_that_a_proposer_chooses_changes_the_mix(round_: int, label: bytes, later_ms: int, bare: bool) -> None:
    """Payload, time, round, certificate and evidence are its own; what it adds to the randomness is not."""
    context = make_context()
    parent = context.parent.certificate
    evidence = () if bare else (label,)
    block = build(context, round_, payload_named(label.hex()), START_MS + later_ms, parent, evidence)
    plain = build(context, round_ % 4, payload_named("plain"), START_MS, parent)
    mixes = [next_mix(context.chain_id, context.mix, made.header.beacon) for made in (block, plain)]
    assert mixes[0] == mixes[1]
    other = build(context, round_ + 1, payload_named("plain"), START_MS, parent)
    assert next_mix(context.chain_id, context.mix, other.header.beacon) != mixes[0]
