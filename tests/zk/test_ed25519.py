"""Ed25519: RFC 8032's known answers, agreement with a second implementation, hostile keys and signatures."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from zk import ed25519

ORDER = 2**252 + 27742317777372353535851937790883648493

KNOWN = [
    # RFC 8032, 7.1: TEST 1 and TEST 2
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f"
        "0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2ea"
        "eb4302aeeb00d291612bb0c00",
    ),
]
SMALL_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), KNOWN)
def test_known_answers(seed: str, public: str, message: str, signature: str) -> None:
    assert ed25519.public_key(bytes.fromhex(seed)).hex() == public
    assert ed25519.sign(bytes.fromhex(seed), bytes.fromhex(message)).hex() == signature
    assert ed25519.verify(bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature))


@pytest.mark.properties
@settings(max_examples=50)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_a_second_implementation_signs_alike(seed: bytes, message: bytes) -> None:
    other = Ed25519PrivateKey.from_private_bytes(seed)
    key = ed25519.SigningKey(seed)
    assert key.sign(message) == ed25519.sign(seed, message) == other.sign(message)
    assert key.public_key == other.public_key().public_bytes_raw()
    assert ed25519.verify(key.public_key, message, key.sign(message))
    assert ed25519.is_registrable(key.public_key)


@pytest.mark.properties
@settings(max_examples=100)
@given(st.binary(max_size=64), st.data())
def test_nothing_changed_verifies(message: bytes, data: st.DataObject) -> None:
    key = ed25519.SigningKey(bytes(range(32)))
    signature = bytearray(key.sign(message))
    signature[data.draw(st.integers(0, 63))] ^= 1 << data.draw(st.integers(0, 7))
    assert not ed25519.verify(key.public_key, message, bytes(signature))
    assert not ed25519.verify(key.public_key, message + b"!", key.sign(message))
    assert not ed25519.verify(key.public_key, message, key.sign(message)[:63])
    assert not ed25519.verify(key.public_key[:31], message, key.sign(message))


def test_a_signature_has_one_form() -> None:
    """S and S + L satisfy the equation alike; only the reduced one may pass, or ids would be malleable."""
    key = ed25519.SigningKey(bytes(32))
    signature = key.sign(b"message")
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    assert not ed25519.verify(key.public_key, b"message", signature[:32] + scalar.to_bytes(32, "little"))


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_small_order_keys_are_not_registrable(point: str) -> None:
    assert not ed25519.is_registrable(bytes.fromhex(point))


def test_keys_of_a_wrong_length_are_not_registrable() -> None:
    assert not ed25519.is_registrable(b"")
    assert not ed25519.is_registrable(ed25519.public_key(bytes(32)) + b"\0")
