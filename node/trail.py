"""The way from genesis to whoever signs now: light blocks from block 1 on, each believed for the one before.

A proof bundle carries it where another set than that of genesis signed its header. Nothing in it is trusted: whoever
checks it has the genesis document alone. Never looks at a clock: a proof is as good as it was when it was made.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol
from weakref import WeakKeyDictionary

from consensus.light import CODEC as LIGHT_BLOCK
from consensus.light import LightBlock, LightRefusal, Verdict, check_genesis, judge_timeless
from consensus.messages import Header
from consensus.skipping import Trust, bisect, drive
from consensus.validators import ValidatorSet
from contracts.genesis import Genesis
from node.errors import ProofError
from node.seats import Decided, Sets, light_block, validators_of
from zk.codec import Malformed, encode

MAX_TRAIL = 64
"""Light blocks in one bundle. A third of the power has to change for a second step."""
_EVER = Trust(2**62, 2**62)
"""A proof is looked at whenever somebody wants to: nothing in it is too old."""

_TRAILS: WeakKeyDictionary[Chain, list[LightBlock]] = WeakKeyDictionary()
"""The way to the newest header that a proof was made of, by chain: it is long, and everybody may ask for proofs."""


class Chain(Decided, Protocol):
    """The part of the ledger that the way is found in."""

    @property
    def sets(self) -> Sets: ...


def make_trail(chain: Chain, height: int) -> list[str]:
    """Light blocks that lead from the set of genesis to that of `height`; none where that is the same.

    Raises `ProofError` `proof.trail` where they are too many.
    """
    if chain.sets(height).hash == chain.sets(1).hash:
        return []

    def block(at: int) -> LightBlock:
        found = light_block(chain, chain.sets, at)
        assert found is not None, "all of it is below an executed header"
        return found

    known = _TRAILS.get(chain) or [block(1)]
    trail = [one for one in known if one.height <= height]
    if 1 < len(trail) <= MAX_TRAIL and trail[-1].height < height:
        # As long as enough of the same power signs, the last step is gone anew, and the way gets no longer.
        leap = drive(bisect(trail[-2], height, _EVER), block, lambda: 0)
        if [one.height for one in leap[1:]] == [height]:
            trail[-1] = leap[1]
    while trail[-1].height < height and len(trail) <= MAX_TRAIL:
        trail += drive(bisect(trail[-1], height, _EVER), block, lambda: 0)[1:]
    if trail[-1].height > known[-1].height:
        _TRAILS[chain] = list(trail)
    if len(trail) > MAX_TRAIL:
        raise ProofError(
            "proof.trail",
            f"The validators changed so often up to header {height} that more than {MAX_TRAIL} steps lead there.",
            "Follow the chain with gridpact light, and compare the header with this node's block.",
        )
    return [encode(one).hex() for one in trail]


def led_to(trail: tuple[str, ...], header: Header, genesis: Genesis) -> ValidatorSet:
    """The set of `header`, to which the light blocks lead from that of genesis. Raises `ProofError` `proof.trail`."""
    try:
        blocks = [LIGHT_BLOCK.decode(bytes.fromhex(one)) for one in trail]
        check_genesis(blocks[0], genesis.chain_id(), genesis.hash(), validators_of(genesis))
        for before, after in pairwise(blocks):
            judgement = judge_timeless(before, after)
            if judgement.verdict is not Verdict.SUCCESS:
                raise LightRefusal(judgement.code, judgement.reason)
    except (Malformed, LightRefusal) as error:
        raise ProofError("proof.trail", f"The way from genesis to the header does not hold: {error}.") from None
    if blocks[-1].header != header:
        raise ProofError("proof.trail", "The way from genesis leads to another header.")
    return ValidatorSet(blocks[-1].validators)
