"""Randomness of the chain: one BLS signature per block, mixed into what came before.

The proposer of a block signs (tag, chain id, height, previous mix). It has one signature to give and nobody else can
know it before, so all a proposer can do is to withhold its block, which counts as a failed proposal.
Whoever holds the last j turns before a seed is fixed has up to 2^j seeds to choose from.

The message names no round: a value that is proposed again keeps its beacon, and a second round gives its proposer
no second draw. Keys count only with a proof of possession (`zk.bls`), which is checked where they are registered.
Nothing here reads a block; what was verified is remembered, and changes no answer.
"""

from __future__ import annotations

from functools import lru_cache

from zk import bls
from zk.codec import encode
from zk.hashing import domain, sha256

MAX_VERIFIED = 1_024
"""Beacons whose verification is remembered: a block is judged when it is made, heard of and decided."""


def genesis_mix(chain_id: str, genesis_hash: bytes) -> bytes:
    """The mix before height 1, 32 bytes. Whoever writes the genesis chooses it, and with it the first two epochs."""
    return sha256(domain("beacon-genesis", chain_id) + genesis_hash)


def beacon_sign_bytes(chain_id: str, height: int, previous_mix: bytes) -> bytes:
    """What the proposer of `height` signs; `previous_mix` is the mix of the block below, 32 bytes."""
    return domain("beacon", chain_id) + encode((height, previous_mix))


@lru_cache(maxsize=MAX_VERIFIED)
def verify_beacon(key: bytes, chain_id: str, height: int, previous_mix: bytes, beacon: bytes) -> bool:
    """True when `beacon` is the one contribution of the proposer with the 96-byte BLS key `key`. Never raises."""
    return bls.verify(key, beacon_sign_bytes(chain_id, height, previous_mix), beacon)


def next_mix(chain_id: str, previous_mix: bytes, beacon: bytes) -> bytes:
    """The mix of a block with a verified `beacon`, 32 bytes."""
    return sha256(domain("beacon-mix", chain_id) + encode((previous_mix, beacon)))


def seed_height(height: int, epoch_blocks: int) -> int:
    """The height whose mix is the seed of everything drawn at `height`: the last one of the epoch before the last.

    0 stands for the genesis, in the first two epochs. Epochs are `epoch_blocks` heights, the first from height 1.
    """
    epoch = (height - 1) // epoch_blocks
    return max(0, epoch - 1) * epoch_blocks
