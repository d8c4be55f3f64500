"""Every message that one node sends another, with size limit, rate limit and priority. The only such list.

A frame is u32be length, u8 type, body; the length is checked against the type's limit before a byte of the
body is read. Bodies are canonical typed MessagePack. Consensus goes before sync, sync before transactions.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, NamedTuple

import msgspec

from consensus.evidence import MAX_CONTRADICTION_BYTES, Contradiction, Equivocation
from consensus.messages import (
    MAX_PAYLOAD,
    Block,
    CommitCertificate,
    Hash,
    Height,
    Id,
    Message,
    Round,
    Signature,
)
from contracts.envelope import MAX_ENVELOPE_BYTES
from zk.codec import Codec, encode
from zk.hashing import domain
from zk.ics23 import MAX_PROOF_BYTES

PROTOCOL_VERSION = 1
HEADER_BYTES = 5


class Priority(IntEnum):
    """Order in which queued frames leave."""

    CONSENSUS = 0
    SYNC = 1
    TRANSACTIONS = 2


class Frame(IntEnum):
    """Type byte of a frame."""

    HELLO = 1
    CONSENSUS = 2
    STATUS = 3
    BLOCK_REQUEST = 4
    BLOCK_RESPONSE = 5
    TRANSACTION_REQUEST = 6
    TRANSACTION_RESPONSE = 7
    TRANSACTIONS = 8
    PING = 9
    PONG = 10
    EVIDENCE = 11
    TREE_REQUEST = 12
    TREE_RESPONSE = 13


class Limit(NamedTuple):
    """`body_bytes` per frame; `per_s` frames and `bytes_per_s` on average, four seconds' worth at once."""

    body_bytes: int
    per_s: int
    bytes_per_s: int
    priority: Priority


BATCH_BYTES = 512 * 1024
"""A batch of transactions is cut before it exceeds this (one large envelope still fits)."""

LIMITS: dict[Frame, Limit] = {
    Frame.HELLO: Limit(1024, 1, 1024, Priority.CONSENSUS),
    Frame.CONSENSUS: Limit(2 * 1024 * 1024, 500, 16 * 1024 * 1024, Priority.CONSENSUS),
    Frame.STATUS: Limit(512, 50, 16 * 1024, Priority.SYNC),
    Frame.BLOCK_REQUEST: Limit(64, 50, 4 * 1024, Priority.SYNC),
    Frame.BLOCK_RESPONSE: Limit(16 * 1024 * 1024, 50, 64 * 1024 * 1024, Priority.SYNC),
    Frame.TRANSACTION_REQUEST: Limit(34 * MAX_PAYLOAD + 64, 50, 4 * 1024 * 1024, Priority.SYNC),
    Frame.TRANSACTION_RESPONSE: Limit(BATCH_BYTES + MAX_ENVELOPE_BYTES, 100, 64 * 1024 * 1024, Priority.SYNC),
    Frame.TRANSACTIONS: Limit(BATCH_BYTES + MAX_ENVELOPE_BYTES, 1000, 32 * 1024 * 1024, Priority.TRANSACTIONS),
    Frame.PING: Limit(16, 10, 1024, Priority.CONSENSUS),
    Frame.PONG: Limit(16, 10, 1024, Priority.CONSENSUS),
    Frame.EVIDENCE: Limit(MAX_CONTRADICTION_BYTES, 50, 256 * 1024, Priority.SYNC),
    Frame.TREE_REQUEST: Limit(512, 4, 2048, Priority.SYNC),
    Frame.TREE_RESPONSE: Limit(2 * MAX_PROOF_BYTES + 8 * 1024, 20, 8 * 1024 * 1024, Priority.SYNC),
}

Raw = Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_ENVELOPE_BYTES)]


class Wire(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Common options of every frame body."""


class Hello(Wire, frozen=True):
    """First frame both ways. The signature covers both TLS certificates' hashes, so it can't be relayed."""

    chain_id: str
    version: int
    node: Id
    signature: Signature


def hello_sign_bytes(chain_id: str, node: str, own_certificate: bytes, peer_certificate: bytes) -> bytes:
    """What a hello signs, with SHA-256 hashes of the DER certificates as the signer sees them."""
    return domain("hello", chain_id) + encode((PROTOCOL_VERSION, node, own_certificate, peer_certificate))


class Status(Wire, frozen=True):
    """Where the sender stands: last executed height, and the height and round it is voting in."""

    height: Height
    voting_height: Height
    round: Round


class BlockRequest(Wire, frozen=True):
    """Blocks `first` .. `last`, both included; the answer may hold fewer."""

    first: Height
    last: Height


class FullBlock(Wire, frozen=True):
    """A decided block with its proof and its transactions."""

    block: Block
    certificate: CommitCertificate
    transactions: Annotated[tuple[Raw, ...], msgspec.Meta(max_length=MAX_PAYLOAD)]


class BlockResponse(Wire, frozen=True):
    """Consecutive blocks, oldest first; empty when the asked node does not hold `first`."""

    first: Height
    blocks: Annotated[tuple[FullBlock, ...], msgspec.Meta(max_length=64)]


class TransactionRequest(Wire, frozen=True):
    """Transactions wanted by hash."""

    hashes: Annotated[tuple[Hash, ...], msgspec.Meta(max_length=MAX_PAYLOAD)]


class Transactions(Wire, frozen=True):
    """Encoded envelopes: gossip, or the answer to a request."""

    envelopes: Annotated[tuple[Raw, ...], msgspec.Meta(max_length=MAX_PAYLOAD)]


class Ping(Wire, frozen=True):
    """Asks for a pong with the same token: is the link alive, and how far is the peer?"""

    token: Annotated[int, msgspec.Meta(ge=0, lt=2**32)]


Key = Annotated[bytes, msgspec.Meta(max_length=255)]
Digits = Annotated[bytes, msgspec.Meta(max_length=63)]
"""Hex digits of the way from the root of the state tree, as ASCII; each is four levels."""


class TreeRequest(Wire, frozen=True):
    """Four levels of the state tree below `path`, or (`key` not empty) one record with its proof, after `height`."""

    height: Height
    path: Digits
    key: Key


class TreeResponse(Wire, frozen=True):
    """What was asked for, in the state after `height`; all empty: not here, or no longer.

    The hashes fold to that of the subtree at `path`: `inner` are (digit, hash) of subtrees at the bottom of the four
    levels, `leaves` (key, hash of the value) of lone records. `proof` is ICS-23 and `record` what is stored under
    `key`, both empty when they are larger than `MAX_PROOF_BYTES`.
    """

    height: Height
    path: Digits
    key: Key
    inner: Annotated[tuple[tuple[Annotated[int, msgspec.Meta(ge=0, le=15)], Hash], ...], msgspec.Meta(max_length=16)]
    leaves: Annotated[tuple[tuple[Key, Hash], ...], msgspec.Meta(max_length=16)]
    proof: Annotated[bytes, msgspec.Meta(max_length=MAX_PROOF_BYTES)]
    record: Annotated[bytes, msgspec.Meta(max_length=MAX_PROOF_BYTES)]


CODECS: dict[Frame, Codec[object]] = {
    frame: Codec(type_, LIMITS[frame].body_bytes)
    for frame, type_ in (
        (Frame.HELLO, Hello),
        (Frame.CONSENSUS, Message),
        (Frame.STATUS, Status),
        (Frame.BLOCK_REQUEST, BlockRequest),
        (Frame.BLOCK_RESPONSE, BlockResponse),
        (Frame.TRANSACTION_REQUEST, TransactionRequest),
        (Frame.TRANSACTION_RESPONSE, Transactions),
        (Frame.TRANSACTIONS, Transactions),
        (Frame.PING, Ping),
        (Frame.PONG, Ping),
        (Frame.EVIDENCE, Equivocation | Contradiction),
        (Frame.TREE_REQUEST, TreeRequest),
        (Frame.TREE_RESPONSE, TreeResponse),
    )
}
