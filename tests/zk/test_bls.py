"""BLS: published keys and signatures, agreement with py-ecc, hostile bytes, and keys made of other people's keys."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_arkworks_bls12381 import G1Point, G2Point
from py_ecc.bls import G2ProofOfPossession

from zk import bls
from zk.group import KEY_BYTES, POINT_BYTES, native, reference

seeds = st.binary(min_size=32, max_size=32)

# EIP-2333, test cases 1 to 3: its master key is KeyGen of the signature draft.
MASTER_KEYS = {
    "3141592653589793238462643383279502884197169399375105820974944592": (
        29757020647961307431480504535336562678282505419141012933316116377660817309383
    ),
    "0099ff991111002299dd7744ee3355bbdd8844115566cc55663355668888cc00": (
        27580842291869792442942448775674722299803720648445448686099262467207037398656
    ),
    "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3": (
        19022158461524446591288038168518313374041767046816487870552872741050760015818
    ),
}

# The public randomness beacon drand, chain 52db9ba7... ("quicknet", scheme bls-unchained-g1-rfc9380): signatures over
# SHA-256 of the round as eight bytes big-endian, as its members published them.
BASIC_DST = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
DRAND_KEY = bytes.fromhex(
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c"
    "8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb"
    "5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
)
DRAND_ROUNDS = {
    1000: "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39",
    1001: "b33bf3667cbd5a82de3a24b4e0e9fe5513cc1a0e840368c6e31f5fcfa79bea03f73896b25883abf2853d10337fb8fa41",
    1002: "ab066f9c12dd6de1336fca0f925192fb0c72a771c3e4c82ede1fd362c1a770f9eb05843c6308ce2530b53a99c0281a6e",
    1003: "b104c82771698f45fd8dcfead083d482694c31ab519bcef077f126f3736fe98c8392fd5d45d88aeb76b56ccfcb0296d7",
}
# Tests of the Sui blockchain's bls12381_min_sig_verify.
SUI_KEY = bytes.fromhex(
    "8df101606f91f3cad7f54b8aff0f0f64c41c482d9b9f9fe81d2b607bc5f611bdfa8017cf04b47b44b222c356ef555fbd"
    "11058c52c077f5a7ec6a15ccfd639fdc9bd47d005a111dd6cdb8c02fe49608df55a3c9822986ad0b86bdea3abfdfe464"
)
SUI_SIGNATURE = bytes.fromhex(
    "908e345f2e2803cd941ae88c218c96194233c9053fa1bca52124787d3cca141c36429d7652435a820c72992d5eee6317"
)

ALICE = bls.SigningKey(b"alice" + bytes(27))
MESSAGE = b"height 7"
SIGNATURE = ALICE.sign(MESSAGE)
IDENTITY = bytes([0xC0]) + bytes(POINT_BYTES - 1)
KEY_IDENTITY = bytes([0xC0]) + bytes(KEY_BYTES - 1)


def drand_message(round_: int) -> bytes:
    return hashlib.sha256(round_.to_bytes(8, "big")).digest()


@pytest.mark.parametrize(("seed", "secret"), MASTER_KEYS.items())
def test_known_keys(seed: str, secret: int) -> None:
    assert bls.secret_key(bytes.fromhex(seed)) == secret


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_seed_has_32_bytes(length: int) -> None:
    with pytest.raises(ValueError):
        bls.secret_key(bytes(length))


def test_known_signatures() -> None:
    for round_, signature in DRAND_ROUNDS.items():
        assert bls.core_verify(DRAND_KEY, drand_message(round_), bytes.fromhex(signature), BASIC_DST)
        assert not bls.core_verify(DRAND_KEY, drand_message(round_ + 1), bytes.fromhex(signature), BASIC_DST)
        assert not bls.verify(DRAND_KEY, drand_message(round_), bytes.fromhex(signature))
    assert bls.core_verify(SUI_KEY, bytes.fromhex("0101010101"), SUI_SIGNATURE, BASIC_DST)
    assert not bls.core_verify(SUI_KEY, bytes.fromhex("0201010101"), SUI_SIGNATURE, BASIC_DST)


def test_the_reference_verifies_a_known_signature() -> None:
    signature = bytes.fromhex(DRAND_ROUNDS[1000])
    assert bls.core_verify(DRAND_KEY, drand_message(1000), signature, BASIC_DST, reference)
    assert not bls.core_verify(DRAND_KEY, drand_message(1001), signature, BASIC_DST, reference)


@pytest.mark.properties
@settings(max_examples=50)
@given(seeds)
def test_a_second_implementation_makes_the_same_secrets(seed: bytes) -> None:
    assert bls.secret_key(seed) == G2ProofOfPossession.KeyGen(seed)


@pytest.mark.properties
@settings(max_examples=8)
@given(seeds, st.binary(max_size=200))
def test_a_second_implementation_signs_alike(seed: bytes, message: bytes) -> None:
    ours, theirs = bls.SigningKey(seed), bls.SigningKey(seed, reference)
    assert ours.public_key == theirs.public_key
    assert ours.sign(message) == theirs.sign(message)
    assert ours.prove_possession() == theirs.prove_possession()
    assert bls.verify(ours.public_key, message, theirs.sign(message))
    assert bls.verify_possession(ours.public_key, theirs.prove_possession())


def test_a_second_implementation_verifies_alike() -> None:
    assert bls.verify(ALICE.public_key, MESSAGE, SIGNATURE, reference)
    assert bls.verify_possession(ALICE.public_key, ALICE.prove_possession(), reference)
    assert not bls.verify(ALICE.public_key, MESSAGE + b"!", SIGNATURE, reference)


@pytest.mark.properties
@settings(max_examples=100)
@given(st.data())
def test_nothing_changed_verifies(data: st.DataObject) -> None:
    parts = [bytearray(ALICE.public_key), bytearray(MESSAGE), bytearray(SIGNATURE)]
    part = data.draw(st.sampled_from(parts))
    position = data.draw(st.integers(0, 8 * len(part) - 1))
    part[position // 8] ^= 1 << (position % 8)
    key, message, signature = (bytes(part) for part in parts)
    assert not bls.verify(key, message, signature)


@pytest.mark.properties
@settings(max_examples=100)
@given(st.binary(max_size=120), st.binary(max_size=20), st.binary(max_size=60))
def test_hostile_bytes_are_false_and_never_raise(key: bytes, message: bytes, signature: bytes) -> None:
    assert not bls.verify(key, message, signature)
    assert not bls.verify(ALICE.public_key, message, signature)
    assert not bls.verify(key, message, SIGNATURE)
    assert not bls.verify_possession(key, signature)


@pytest.mark.parametrize(
    ("key", "signature"),
    [
        (KEY_IDENTITY, IDENTITY),  # e(0, g) = e(H, 0): holds for every message
        (ALICE.public_key, IDENTITY),
        (KEY_IDENTITY, SIGNATURE),
        (ALICE.public_key, (-native.decode_point(SIGNATURE)).to_bytes()),
        (ALICE.public_key, G1Point.from_compressed_bytes(SIGNATURE).to_xy_bytes_be()),
        (ALICE.public_key, SIGNATURE[:-1]),
        (ALICE.public_key + b"\0", SIGNATURE),
        (b"", b""),
    ],
)
def test_the_identity_and_second_forms_are_false(key: bytes, signature: bytes) -> None:
    assert bls.verify(ALICE.public_key, MESSAGE, SIGNATURE)
    assert not bls.verify(key, MESSAGE, signature)


def test_a_signature_over_a_key_is_no_proof_of_possession() -> None:
    """Otherwise whoever gets a signature over chosen bytes gets a proof."""
    assert bls.verify_possession(ALICE.public_key, ALICE.prove_possession())
    assert not bls.verify_possession(ALICE.public_key, ALICE.sign(ALICE.public_key))
    assert not bls.verify(ALICE.public_key, ALICE.public_key, ALICE.prove_possession())


def test_a_key_made_of_another_key_has_no_proof() -> None:
    """The rogue key of Mallory is hers minus Alice's: the sum of both keys is then Mallory's alone."""
    mallory = bls.SigningKey(b"mallory" + bytes(25))
    difference = G2Point.from_compressed_bytes(mallory.public_key) - G2Point.from_compressed_bytes(ALICE.public_key)
    rogue = difference.to_compressed_bytes()
    native.decode_key(rogue)
    theirs = native.decode_point(mallory.sign(rogue)), native.decode_point(ALICE.prove_possession())
    for proof in (mallory.prove_possession(), mallory.sign(rogue), (theirs[0] - theirs[1]).to_bytes()):
        assert not bls.verify_possession(rogue, proof)
    zero_sum = (-G2Point.from_compressed_bytes(ALICE.public_key)).to_compressed_bytes()
    assert not bls.verify_possession(zero_sum, ALICE.prove_possession())
    negated = (-native.decode_point(ALICE.prove_possession())).to_bytes()
    assert not bls.verify_possession(zero_sum, negated)
