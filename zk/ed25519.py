"""Ed25519, the only signature of members, meters and validators (PyNaCl, libsodium).

One implementation everywhere: libraries differ on malformed points, and nodes that disagree on one
signature fork. Keys are arguments; nothing here stores or makes up a secret.
"""

from __future__ import annotations

from nacl import bindings
from nacl.exceptions import BadSignatureError

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64

_open = bindings.crypto_sign_open
_sign = bindings.crypto_sign
_keypair = bindings.crypto_sign_seed_keypair
_valid_point = bindings.crypto_core_ed25519_is_valid_point


def public_key(seed: bytes) -> bytes:
    """Public key (32 bytes) of a 32-byte seed."""
    return bytes(_keypair(seed)[0])


def sign(seed: bytes, message: bytes) -> bytes:
    """Deterministic 64-byte signature over `message`."""
    return bytes(_sign(message, _keypair(seed)[1])[:SIGNATURE_BYTES])


class SigningKey:
    """A seed with its expanded key, for whoever signs often."""

    __slots__ = ("_secret", "public_key")

    def __init__(self, seed: bytes) -> None:
        public, self._secret = _keypair(seed)
        self.public_key = bytes(public)

    def sign(self, message: bytes) -> bytes:
        """64-byte signature over `message`."""
        return bytes(_sign(message, self._secret)[:SIGNATURE_BYTES])


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """True when `signature` by `key` covers `message`; False on anything else, hostile bytes included."""
    if len(key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        _open(signature + message, key)
    except (BadSignatureError, ValueError, TypeError):
        return False
    return True


def is_registrable(key: bytes) -> bool:
    """True for a canonical point of the prime-order subgroup; small-order and mixed keys are refused."""
    return len(key) == PUBLIC_KEY_BYTES and bool(_valid_point(key))
