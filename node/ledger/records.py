"""What the ledger keeps in the store: one tag byte per kind of record, and how each is written.

    m                             Meta: what the store is, and where it stands
    n                             heights up to which is pruned, and compacted
    k | key                       state: the latest value
    u | height                    what the keys that this height changed held before it
    b c t r | height              block, its certificate, its transactions, its receipts
    z | height                    Turn: randomness after it, and what it shows of its proposers and voters
    x | transaction hash          height and index
    i | meter | 0x00 | sequence   height and index of the transaction that carried the reading
    e | set hash                  seats of a validator set that was computed here; those of genesis are in the document
    p v s                         the state tree, see `node.ledger.tree`

Heights are 8 bytes big-endian, indexes and sequences 4. What is written once per height stays together on disk.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from consensus.messages import Block, CommitCertificate, Header
from consensus.validators import Validator
from contracts.receipts import Receipt
from node.errors import UNREADABLE
from node.ledger.store import StoreError

META, PROGRESS = b"m", b"n"
STATE, UNDO = b"k", b"u"
BLOCK, CERTIFICATE, TRANSACTIONS, RECEIPTS = b"b", b"c", b"t", b"r"
TURN = b"z"
TRANSACTION_INDEX, READING_INDEX = b"x", b"i"
SET = b"e"
EVERYTHING = (b"", b"\xff" * 64)
"""Range that holds every record."""

FORMAT = 2


class Meta(msgspec.Struct, frozen=True, array_like=True):
    """First record of a store; `format` is read before anything else is believed."""

    format: int
    chain_id: str
    height: int
    receipts_root: bytes


class Opening(msgspec.Struct, frozen=True, array_like=True):
    """The front of an encoded block: decoding stops caring after the header."""

    header: Header


class Turn(msgspec.Struct, frozen=True, array_like=True):
    """What whose turn it is later is a function of. All of it follows from the blocks, from the first on."""

    mix: bytes
    """After the block."""
    proposer: str
    passed: tuple[str, ...]
    """Whose turns came before in this height."""
    signers: tuple[int, ...]
    """Seats in the certificate of the height below that the block includes."""


Undo = dict[bytes, bytes | None]
"""Previous values by key; None where there was none."""

decode_meta = msgspec.msgpack.Decoder(Meta).decode
decode_opening = msgspec.msgpack.Decoder(Opening).decode
decode_block = msgspec.msgpack.Decoder(Block).decode
decode_certificate = msgspec.msgpack.Decoder(CommitCertificate).decode
decode_blobs = msgspec.msgpack.Decoder(list[bytes]).decode
decode_receipt = msgspec.msgpack.Decoder(Receipt).decode
decode_progress = msgspec.msgpack.Decoder(tuple[int, int]).decode
decode_seats = msgspec.msgpack.Decoder(tuple[Validator, ...]).decode
decode_turn = msgspec.msgpack.Decoder(Turn).decode
decode_undo = msgspec.msgpack.Decoder(Undo).decode
decode_format = msgspec.msgpack.Decoder(Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]).decode


def height_bytes(height: int) -> bytes:
    """Eight bytes, so that heights sort."""
    return height.to_bytes(8, "big")


def place_bytes(height: int, index: int) -> bytes:
    """Where a transaction is."""
    return height.to_bytes(8, "big") + index.to_bytes(4, "big")


def read_place(raw: bytes) -> tuple[int, int]:
    """Height and index that `place_bytes` wrote."""
    return int.from_bytes(raw[:8], "big"), int.from_bytes(raw[8:], "big")


def reading_key(meter: str, sequence: int) -> bytes:
    """Key of a reading's place. Meter ids have no zero byte, so no id runs into a sequence."""
    return b"%s%s\x00%s" % (READING_INDEX, meter.encode(), sequence.to_bytes(4, "big"))


def read_progress(raw: bytes | None) -> tuple[int, int]:
    """Heights up to which the store is pruned and compacted."""
    return (0, 0) if raw is None else decode_progress(raw)


def read_meta(raw: bytes, chain_id: str) -> Meta:
    """The first record of a store for `chain_id`. Raises StoreError `store.format | store.chain`."""
    try:
        found: object = msgspec.msgpack.decode(decode_format(raw)[0])
        meta = decode_meta(raw) if found == FORMAT else None
    except UNREADABLE:
        found, meta = "unknown", None
    if meta is None:
        raise StoreError(
            "store.format",
            f"the store has format {found}, this version reads format {FORMAT}",
            "Start the version that wrote it, or move the store away and fetch the chain from peers.",
        )
    if meta.chain_id != chain_id:
        raise StoreError(
            "store.chain",
            f"the store is of chain {meta.chain_id}, the genesis of {chain_id}",
            "Use the genesis file of that chain, or another home directory for this one.",
        )
    return meta
