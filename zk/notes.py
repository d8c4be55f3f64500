"""Notes: bytes on the ledger that one recipient reads, and about which two may quarrel before everybody.

A note is sealed to a point n*B whose owner knows n: an ephemeral point E = e*B, a proof that the sender knows e, and
the plaintext under ChaCha20-Poly1305 with a key that HKDF makes of the common point e*n*B. Every ephemeral is fresh,
so every key is used once.

Without the proof a complaint would be a decryption oracle: somebody could post another's E as its own, complain, and
have the common point shown. So the proof is bound to chain, purpose, epoch, sender, recipient, key and ciphertext, and
has to be checked (`check`) before a note is taken, and before any complaint about it is answered.

To prove that a note is wrong its recipient shows the common point with a proof that it is right (`reveal`). From it
anybody opens this note, and no other (`judge`); since the point is the only right one, there is one answer.

    ephemeral point 48 | proof of knowledge 80 | ciphertext of the plaintext's length + 16

Draws no randomness and keeps no secret.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypedDict, Unpack

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from zk.group import ORDER, POINT_BYTES, SCALAR_BYTES, native
from zk.hashing import sha256
from zk.randomness import Draw
from zk.sizes import KNOWN_BYTES, OVERHEAD_BYTES, REVEALED_BYTES
from zk.statements import logarithm
from zk.statements.assertion import Assertion, Where, tag_of

UNOPENABLE: Final = "unopenable"
"""Nobody sealed these bytes to this recipient; no plaintext, since those are bytes."""

_NONCE = bytes(12)
"""Of a key that is used once."""
_CIPHER_KEY_BYTES = 32
_SECRET_LABEL = b"gridpact/1/note-key"
_CIPHER_LABEL = b"gridpact/1/note-cipher"
_EPHEMERAL_LABEL = b"gridpact/1/note-ephemeral"


class Route(TypedDict):
    """From where to where a note goes, and what for: it is good for nothing else."""

    purpose: str
    chain_id: str
    epoch: int
    """Epoch, interval or sequence, as the purpose says."""
    sender: str
    recipient: str


class _Parts(NamedTuple):
    ephemeral: bytes
    proof: bytes
    ciphertext: bytes


def secret_of(seed: bytes) -> bytes:
    """The secret n of a member's note key, 32 bytes, from the seed of its account key. ValueError unless 32 bytes."""
    if len(seed) != SCALAR_BYTES:
        raise ValueError(f"a seed has {SCALAR_BYTES} bytes, not {len(seed)}")
    # 48 bytes, so that the reduction leaves no bias; 0 is as likely as a guessed seed.
    drawn = HKDF(SHA256(), 48, None, _SECRET_LABEL).derive(seed)
    return (int.from_bytes(drawn, "big") % (ORDER - 1) + 1).to_bytes(SCALAR_BYTES, "big")


def public(secret: bytes) -> bytes:
    """The point that notes for the holder of `secret` are sealed to. ValueError unless that is in [1, ORDER)."""
    return logarithm.public_point(secret)


def seal(to: bytes, plaintext: bytes, *, entropy: bytes, **route: Unpack[Route]) -> bytes:
    """A note to the point `to`. ValueError when that is no point.

    The ephemeral follows from everything that the note is about, so that repeated entropy repeats a note and never
    makes two under one key.
    """
    key = native.decode_point(to)
    place = _place(to, route)
    drawn = Draw(_EPHEMERAL_LABEL, witness=plaintext, tag=place, instance=to, entropy=entropy).scalar()
    secret = drawn.to_bytes(SCALAR_BYTES, "big")
    ephemeral = logarithm.public_point(secret)
    common = key.times_secret(native.scalar(drawn)).to_bytes()
    ciphertext = _cipher(common, ephemeral, to, route).encrypt(_NONCE, plaintext, None)
    proof = logarithm.prove_known("note", _where(route), secret, _bound(to, ciphertext, route), entropy=entropy)
    return ephemeral + proof + ciphertext


def check(note: bytes, to: bytes, **route: Unpack[Route]) -> Assertion | None:
    """What has to be proven before a note counts; None when these bytes are too short to be one."""
    if len(note) < OVERHEAD_BYTES:
        return None
    ephemeral, proof, ciphertext = _split(note)
    return logarithm.known("note", _where(route), ephemeral, proof, _bound(to, ciphertext, route))


def open_(secret: bytes, note: bytes, **route: Unpack[Route]) -> bytes | None:
    """The plaintext of a note to the holder of `secret`; None where it is none. Does not check its proof."""
    if len(note) < OVERHEAD_BYTES:
        return None
    ephemeral, _, ciphertext = _split(note)
    try:
        point = native.decode_point(ephemeral)
    except ValueError:
        return None
    common = point.times_secret(native.decode_scalar(secret)).to_bytes()
    return _decrypt(common, ephemeral, public(secret), ciphertext, route)


def reveal(secret: bytes, note: bytes, *, entropy: bytes, **route: Unpack[Route]) -> bytes:
    """The common point of a note, with the proof that it is that: `REVEALED_BYTES`. ValueError when the note has no
    ephemeral point. Give it away only for a note whose proof was checked, and whose plaintext may be seen by all."""
    if len(note) < OVERHEAD_BYTES:
        raise ValueError(f"a note has at least {OVERHEAD_BYTES} bytes")
    ephemeral, _, ciphertext = _split(note)
    to = public(secret)
    common, proof = logarithm.prove_equal(
        "reveal", _shower(route), secret, ephemeral, _bound(to, ciphertext, route), entropy=entropy
    )
    return common + proof


def revealed(note: bytes, shown: bytes, to: bytes, **route: Unpack[Route]) -> Assertion | None:
    """What has to be proven before `judge` is asked: that `shown` is the common point. None for wrong lengths."""
    if len(note) < OVERHEAD_BYTES or len(shown) != REVEALED_BYTES:
        return None
    ephemeral, _, ciphertext = _split(note)
    common, proof = shown[:POINT_BYTES], shown[POINT_BYTES:]
    return logarithm.equal("reveal", _shower(route), to, ephemeral, common, proof, _bound(to, ciphertext, route))


def judge(note: bytes, shown: bytes, to: bytes, **route: Unpack[Route]) -> bytes | str:
    """The plaintext of a note by its common point, which `revealed` has proven; `UNOPENABLE` where there is none."""
    ephemeral, _, ciphertext = _split(note)
    plaintext = _decrypt(shown[:POINT_BYTES], ephemeral, to, ciphertext, route)
    return UNOPENABLE if plaintext is None else plaintext


def _split(note: bytes) -> _Parts:
    head = POINT_BYTES + KNOWN_BYTES
    return _Parts(note[:POINT_BYTES], note[POINT_BYTES:head], note[head:])


def _where(route: Route) -> Where:
    return Where(route["chain_id"], route["sender"], route["epoch"])


def _shower(route: Route) -> Where:
    return Where(route["chain_id"], route["recipient"], route["epoch"])


def _bound(to: bytes, ciphertext: bytes, route: Route) -> tuple[bytes, ...]:
    return *_ends(to, route), sha256(ciphertext)


def _ends(to: bytes, route: Route) -> tuple[bytes, ...]:
    return route["purpose"].encode(), route["sender"].encode(), route["recipient"].encode(), to


def _place(to: bytes, route: Route) -> bytes:
    return tag_of("note", _where(route), _ends(to, route))


def _cipher(common: bytes, ephemeral: bytes, to: bytes, route: Route) -> ChaCha20Poly1305:
    info = _CIPHER_LABEL + ephemeral + sha256(_place(to, route))
    return ChaCha20Poly1305(HKDF(SHA256(), _CIPHER_KEY_BYTES, None, info).derive(common))


def _decrypt(common: bytes, ephemeral: bytes, to: bytes, ciphertext: bytes, route: Route) -> bytes | None:
    try:
        return _cipher(common, ephemeral, to, route).decrypt(_NONCE, ciphertext, None)
    except InvalidTag:
        return None
