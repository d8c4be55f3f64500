"""What a light client starts from, and what it leaves behind: the root of trust, the stored head, the evidence file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from consensus.attack import compare
from consensus.evidence import EQUIVOCATION, duplicate_precommits
from consensus.light import (
    CODEC,
    LightBlock,
    LightRefusal,
    check_alone,
    check_fresh,
    check_genesis,
    check_hash,
    refusal,
)
from consensus.messages import MAX_VALIDATORS
from consensus.skipping import Trust
from consensus.validators import Validator, ValidatorSet
from node.clock import SystemClock
from node.disk import RealDisk
from node.errors import NodeError
from node.light.follower import Blocks, Diverged, block_of
from node.light.founding import Founding
from zk.codec import Malformed, encode

PERIOD_SHARE = (2, 3)
"""Of the age at which evidence expires: what is trusted can still be punished when a lie comes to light."""
DEFAULT_PERIOD_MS = 14 * 86_400_000
"""Without a genesis document: what the default evidence age gives."""
MAX_DRIFT_MS = 10_000
UNBOUNDED_MS = 2**53
"""Drift on a devnet: anybody may set its clock, so that a header from the future shows nothing."""


class Anchor(NamedTuple):
    """Where trust comes from: the genesis document, or height and hash of a block, or both (then the genesis gives
    clock, chain and trusting period)."""

    genesis: Founding | None
    height: int | None = None
    block_id: bytes | None = None


def trust_of(genesis: Founding | None, period_ms: int | None) -> Trust:
    """How long to trust, by default and at most 2/3 of the evidence age. Raises NodeError `light.period`."""
    part, whole = PERIOD_SHARE
    longest = DEFAULT_PERIOD_MS if genesis is None else genesis.evidence_age_ms * part // whole
    if period_ms is not None and genesis is not None and period_ms > longest:
        raise NodeError(
            "light.period",
            f"A trusting period of {period_ms // 1000} s is too long: evidence of this chain expires.",
            f"Give at most {longest // 1000} s, 2/3 of the evidence age.",
        )
    devnet = genesis is not None and genesis.clock is not None
    return Trust(longest if period_ms is None else period_ms, UNBOUNDED_MS if devnet else MAX_DRIFT_MS)


def clock_of(genesis: Founding | None) -> Callable[[], int]:
    """Ledger time, as the genesis document says how it runs; without one it is this machine's."""
    return SystemClock(None if genesis is None else genesis.clock).ledger_ms


def find_root(primary: Blocks, anchor: Anchor, store: Path | None, trust: Trust, now_ms: int) -> LightBlock:
    """The block to start from: the stored one, else the anchored one, which the primary is asked for.

    Raises `SourceError`, and NodeError `light.root | light.store | light.expired` or what is wrong with the block.
    """
    genesis, height, block_id = anchor
    stored = None if store is None else load(store)
    try:
        if stored is not None:
            root = stored
            if genesis is not None and root.header.chain_id != genesis.chain_id:
                raise NodeError(
                    "light.store",
                    f"{store} is of chain {root.header.chain_id}, the genesis document of {genesis.chain_id}.",
                    "Name another file with --store, or the genesis of that chain.",
                )
        elif height is not None and block_id is not None:
            root = block_of(primary, height)
            check_hash(root, height, block_id)
            if genesis is not None and root.header.chain_id != genesis.chain_id:
                raise refusal("light.chain", f"{root.header.chain_id}, genesis {genesis.chain_id}")
        elif genesis is not None:
            root = block_of(primary, 1)
            check_genesis(root, genesis.chain_id, genesis.genesis_hash, genesis.validators)
        else:
            raise NodeError(
                "light.root",
                "Nothing is named to trust.",
                "Give --genesis FILE, or --trust-height and --trust-hash that you were told by somebody you trust.",
            )
        check_fresh(root, now_ms, trust.period_ms)
    except LightRefusal as error:
        raise NodeError(
            error.code,
            f"{primary.url}: {error.reason}.",
            "Take height and hash of a recent block from somebody you trust: --trust-height and --trust-hash."
            if error.code == "light.expired"
            else "Check what you trust, or ask another node.",
        ) from None
    return root


def load(store: Path) -> LightBlock | None:
    """The head that `save` left; None when there is none. Raises NodeError `light.store`."""
    try:
        with store.open("rb") as opened:
            raw = opened.read(CODEC.limit + 1)
        block = CODEC.decode(raw)
        check_alone(block)
    except FileNotFoundError:
        return None
    except (OSError, Malformed, LightRefusal) as error:
        raise NodeError(
            "light.store", f"{store} holds no light block: {error}.", "Remove it to start from the root of trust again."
        ) from None
    return block


def save(store: Path, head: LightBlock) -> None:
    """Keep `head` for the next start. Raises NodeError `disk.*`."""
    RealDisk().replace(store, encode(head))


class Report(NamedTuple):
    """A divergence for people and programs, and what to hand to the members."""

    sentences: list[str]
    document: dict[str, Any]
    evidence: dict[str, Any]


def report(diverged: Diverged) -> Report:
    """Who lied, as far as the two blocks show it."""
    common, left, right, attacks = diverged.divergence
    finding = compare(common, left, right)
    proven, primary, witness = (_ids(seats) for seats in (finding.proven, finding.left, finding.right))
    sentences = [
        f"Both agree up to height {common.height} (block {common.id().hex()}). This is {finding.kind}.",
        f"Proven to have lied, whichever block is the chain's: {_names(proven)}.",
        f"Lied if the chain has the block of {diverged.witness}: {_names(primary)}.",
        f"Lied if the chain has the block of {diverged.primary}: {_names(witness)}.",
    ]
    document = {
        **diverged.document(),
        "kind": str(finding.kind),
        "height": left.height,
        "common_height": common.height,
        "proven": proven,
        "primary": {"node": diverged.primary, "block_id": left.id().hex(), "liars": primary},
        "witness": {"node": diverged.witness, "block_id": right.id().hex(), "liars": witness},
    }
    doubled = []
    if left.header.set_hash == right.header.set_hash and left.certificate.round == right.certificate.round:
        doubled = duplicate_precommits(left.certificate, right.certificate, ValidatorSet(left.validators))
    evidence = {
        "chain_id": left.header.chain_id,
        "kind": str(finding.kind),
        "proven": proven,
        "attacks": [encode(attack).hex() for attack in attacks],
        "duplicate_precommits": [encode(vote).hex() for vote in doubled],
    }
    return Report(sentences, document, evidence)


MAX_EVIDENCE_FILE_BYTES = 8 * 1024 * 1024
"""Every step that `examine` keeps, in hex, and the votes of the largest set."""


class _Evidence(msgspec.Struct):
    """The part of an evidence file that a node takes: votes that convict by themselves, in hex."""

    duplicate_precommits: Annotated[list[str], msgspec.Meta(max_length=MAX_VALIDATORS)]


def read_evidence(file: Path) -> list[bytes]:
    """The double votes that `write_evidence` wrote, encoded. Raises NodeError `light.evidence`."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_EVIDENCE_FILE_BYTES + 1)
        if len(raw) > MAX_EVIDENCE_FILE_BYTES:
            raise ValueError(f"more than {MAX_EVIDENCE_FILE_BYTES} bytes")
        votes = [bytes.fromhex(text) for text in msgspec.json.decode(raw, type=_Evidence).duplicate_precommits]
        for vote in votes:
            EQUIVOCATION.decode(vote)
    except (OSError, ValueError) as error:
        raise NodeError(
            "light.evidence", f"{file} holds no evidence: {error}.", "Give the file that `gridpact light follow` wrote."
        ) from None
    return votes


def write_evidence(file: Path, evidence: dict[str, Any]) -> None:
    """Put it where the members can be given it. Raises NodeError `disk.*`."""
    RealDisk().replace(file, json.dumps(evidence, indent=1).encode())


def _ids(seats: tuple[Validator, ...]) -> list[str]:
    return [seat.id for seat in seats]


def _names(ids: list[str]) -> str:
    return ", ".join(ids) or "nobody"
