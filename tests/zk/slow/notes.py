"""Reading a note as the document says."""

from __future__ import annotations

from hashlib import sha256

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.zk.slow.curve import B, R, encoded, point, total
from tests.zk.slow.sponge import framed


def secret_of(seed: bytes) -> int:
    """A member's n."""
    return int.from_bytes(HKDF(SHA256(), 48, None, b"gridpact/1/note-key").derive(seed), "big") % (R - 1) + 1


def place(kind: str, chain: str, actor: str, at: int = 0, round_: int = 0, key_id: bytes = b"") -> bytes:
    """A place as bytes."""
    names = b"gridpact/zk", (1).to_bytes(2, "big"), kind.encode(), chain.encode(), actor.encode()
    return framed(*names, at.to_bytes(8, "big"), round_.to_bytes(8, "big"), key_id)


def tag(there: bytes, *commitments: bytes) -> bytes:
    """Tag of a statement."""
    return there + framed(sha256(framed(*commitments)).digest())


def open_note(n: int, note: bytes, purpose: str, chain: str, epoch: int, sender: str, recipient: str) -> bytes:
    """The plaintext for the recipient whose secret is n."""
    ephemeral, ciphertext = note[:48], note[128:]
    common, own = encoded(total([point(ephemeral)], [n])), encoded(total([B], [n]))
    bound = purpose.encode(), sender.encode(), recipient.encode(), own
    where = sha256(tag(place("note", chain, sender, epoch), *bound)).digest()
    key = HKDF(SHA256(), 32, None, b"gridpact/1/note-cipher" + ephemeral + where).derive(common)
    return ChaCha20Poly1305(key).decrypt(bytes(12), ciphertext, None)
