"""Blocks for ledger tests: what they mean does not matter here, only that they are stored and proven."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import msgspec

from consensus.messages import Block, CommitCertificate, Header
from contracts.genesis import Genesis
from contracts.receipts import OK, ReadingAccepted, Receipt
from node.ledger.ledger import Ledger
from tests.support import pact
from tests.zk import naive
from zk import merkle
from zk.codec import encode
from zk.hashing import ZERO_HASH, sha256

GENESIS = pact.genesis()
ROLLS = [b"roll/:%02d" % number for number in range(8)]
RECORDS = {
    b"sentinel": b"here",
    **{b"key/%d" % number: b"genesis" for number in range(0, 60, 2)},
    **dict.fromkeys(ROLLS[::2], encode([b"genesis", b""])),
}
KEYS = [*ROLLS, *(b"key/%d" % number for number in range(52))]


def records(_: Genesis) -> dict[bytes, bytes]:
    """A first state that needs no contracts."""
    return dict(RECORDS)


class Height(NamedTuple):
    """Arguments of `Ledger.commit`."""

    block: Block
    certificate: CommitCertificate
    raws: list[bytes]
    receipts: list[Receipt]
    changes: dict[bytes, bytes | None]
    readings: list[tuple[str, int, int]]


def next_height(ledger: Ledger, seed: int, transactions: int = 5, changed: int = 12) -> Height:
    """What could follow in `ledger`, all drawn from `seed`."""
    choice = Random(seed)
    height = ledger.height + 1
    raws = [choice.randbytes(180) for _ in range(transactions)]
    payload = tuple(sha256(raw) for raw in raws)
    header = Header(
        version=1,
        chain_id=ledger.chain_id,
        height=height,
        parent_hash=ledger.block_id(height - 1),
        time_ms=ledger.time_ms(height - 1) + 1 + choice.randrange(1000),
        params_hash=ZERO_HASH,
        proposer="solar",
        proposer_round=0,
        set_hash=ZERO_HASH,
        next_set_hash=ZERO_HASH,
        last_certificate_hash=ZERO_HASH,
        payload_root=merkle.root(payload),
        state_root=ledger.state_root,
        receipts_root=ledger.receipts_root,
        evidence_root=merkle.EMPTY_ROOT,
        beacon=b"",
    )
    certificate = CommitCertificate(height, 0, header.id(), ((0, choice.randbytes(64)),))
    readings = [(f"meter-{index}", height, index) for index in range(0, transactions, 2)]
    accepted = [ReadingAccepted(f"meter-{index}", height, 0, False) for index in range(transactions)]
    keys = choice.sample(KEYS, min(changed, len(KEYS)))
    return Height(
        Block(header, payload, None, ()),
        certificate,
        raws,
        [Receipt(OK, 0, ())] + [Receipt(OK, 1, (event,)) for event in accepted],
        {key: None if choice.random() < 0.3 else _value(choice, key) for key in keys},
        readings,
    )


def _value(choice: Random, key: bytes) -> bytes:
    """Any record, or a roll of any entries."""
    if key in ROLLS:
        return encode([choice.randbytes(choice.randrange(20)) for _ in range(1 + choice.randrange(5))])
    return choice.randbytes(1 + choice.randrange(40))


def root(state: dict[bytes, bytes]) -> bytes:
    """Root of the sparse tree that holds size and RFC 6962 root in place of each roll."""
    return naive.root({key: held(key, value) for key, value in state.items()})


def held(key: bytes, value: bytes) -> bytes:
    """What the tree has under a key."""
    if key not in ROLLS:
        return value
    entries: list[bytes] = [encode(entry) for entry in msgspec.msgpack.decode(value)]
    return encode((len(entries), naive.list_root(entries)))


def after(state: dict[bytes, bytes], changes: dict[bytes, bytes | None]) -> dict[bytes, bytes]:
    """The state that `changes` turn `state` into."""
    return {key: value for key, value in {**state, **changes}.items() if value is not None}
