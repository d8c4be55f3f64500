"""BLS signatures with short signatures: 48 bytes in G1, public keys of 96 bytes in G2.

The proof-of-possession scheme of draft-irtf-cfrg-bls-signature, ciphersuite
`BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_`. One key has exactly one signature over one message, which is what a
beacon needs. A key counts for nothing before `verify_possession`: without that proof somebody may register a key
made of other people's keys.

Keys are arguments; nothing here stores or makes up a secret. `is_key`, `verify` and `verify_possession` never raise.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from zk.group import KEY_BYTES, ORDER, POINT_BYTES, AnyGroup, native
from zk.hashing import sha256

SEED_BYTES = 32
PUBLIC_KEY_BYTES = KEY_BYTES
SIGNATURE_BYTES = POINT_BYTES

SIGNATURE_DST = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_"
POSSESSION_DST = b"BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_"

_KEYGEN_SALT = b"BLS-SIG-KEYGEN-SALT-"
_KEYGEN_BYTES = 48
"""L of the draft: enough that the reduction mod the order leaves no bias."""


def secret_key(seed: bytes) -> int:
    """KeyGen of the draft with empty key_info: a secret in [1, ORDER). Raises ValueError unless 32 bytes."""
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
    salt = _KEYGEN_SALT
    secret = 0
    while secret == 0:
        salt = sha256(salt)
        info = _KEYGEN_BYTES.to_bytes(2, "big")
        secret = int.from_bytes(HKDF(SHA256(), _KEYGEN_BYTES, salt, info).derive(seed + b"\0"), "big") % ORDER
    return secret


class SigningKey:
    """The key of a 32-byte seed."""

    __slots__ = ("_group", "_secret", "public_key")

    def __init__(self, seed: bytes, group: AnyGroup = native) -> None:
        self._group = group
        self._secret = group.scalar(secret_key(seed))
        self.public_key: bytes = group.KEY_GENERATOR.times_secret(self._secret).to_bytes()

    def sign(self, message: bytes) -> bytes:
        """The one 48-byte signature over `message`."""
        return self._core_sign(message, SIGNATURE_DST)

    def prove_possession(self) -> bytes:
        """48 bytes that show that whoever registers the public key has its secret."""
        return self._core_sign(self.public_key, POSSESSION_DST)

    def _core_sign(self, message: bytes, dst: bytes) -> bytes:
        signature: bytes = self._group.hash_to_point(message, dst).times_secret(self._secret).to_bytes()
        return signature


def is_key(key: bytes, group: AnyGroup = native) -> bool:
    """True when these are the bytes of a public key: a point of the right group, and not its neutral element."""
    try:
        group.decode_key(key)
    except ValueError:
        return False
    return True


def verify(key: bytes, message: bytes, signature: bytes, group: AnyGroup = native) -> bool:
    """True when `signature` by `key` covers `message`; False on anything else, hostile bytes included."""
    return core_verify(key, message, signature, SIGNATURE_DST, group)


def verify_possession(key: bytes, proof: bytes, group: AnyGroup = native) -> bool:
    """True when `proof` shows that somebody has the secret of `key`; False on anything else."""
    return core_verify(key, key, proof, POSSESSION_DST, group)


def core_verify(key: bytes, message: bytes, signature: bytes, dst: bytes, group: AnyGroup = native) -> bool:
    """CoreVerify of the draft under any tag: e(signature, generator) = e(H(message), key). Never raises on `key`
    and `signature`."""
    try:
        point, of_signer = group.decode_point(signature), group.decode_key(key)
    except ValueError:
        return False
    return group.pairing_check([(point, group.KEY_GENERATOR), (-group.hash_to_point(message, dst), of_signer)])
