"""Signed envelopes: how a body becomes a transaction, and every check that needs no state.

Two kinds. A member's envelope is signed by one of its account keys and has a nonce and an expiry. A meter's
is signed by the meter alone and has neither: (meter, sequence) is its replay guard, anybody may submit it.

The signature is the last field, so the signed bytes are the encoding without its last 66 bytes (a two-byte
header and 64 bytes), behind a domain tag with the chain id. The transaction id hashes the whole encoding.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from contracts.bodies import AccountBody, MeterBody
from contracts.units import Count, Height, Id, Meta, PublicKey, Signature
from zk import ed25519
from zk.codec import Codec, encode
from zk.hashing import domain, sha256

MAX_ENVELOPE_BYTES = 256 * 1024
_SIGNATURE_TAIL = 2 + ed25519.SIGNATURE_BYTES
ChainId = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,49}\Z")]


class AccountEnvelope(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False, tag=1):
    """A member speaks. Valid in blocks up to and including `expiry_height`."""

    chain_id: ChainId
    sender: Id
    public_key: PublicKey
    nonce: Count
    expiry_height: Height
    body: AccountBody
    signature: Signature


class MeterEnvelope(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False, tag=2):
    """A meter speaks."""

    chain_id: ChainId
    meter: Id
    public_key: PublicKey
    body: MeterBody
    signature: Signature


Envelope = AccountEnvelope | MeterEnvelope

CODEC: Codec[Envelope] = Codec(Envelope, MAX_ENVELOPE_BYTES)


class Domains:
    """The two domain tags of one chain, built once."""

    __slots__ = ("chain_id", "sign", "transaction")

    def __init__(self, chain_id: str) -> None:
        self.chain_id = chain_id
        self.sign = domain("envelope", chain_id)
        self.transaction = domain("transaction", chain_id)

    def sign_bytes(self, raw: bytes) -> bytes:
        """What is signed, from the encoded envelope (the signature in it is ignored)."""
        return self.sign + raw[:-_SIGNATURE_TAIL]

    def transaction_id(self, raw: bytes) -> bytes:
        """Transaction hash, 32 bytes."""
        return sha256(self.transaction + raw)

    def seal(self, key: ed25519.SigningKey, envelope: Envelope) -> bytes:
        """Encoded envelope with its signature by `key`; whatever signature it had is replaced."""
        raw = encode(envelope)
        return raw[: -ed25519.SIGNATURE_BYTES] + key.sign(self.sign_bytes(raw))


NO_SIGNATURE = bytes(ed25519.SIGNATURE_BYTES)
