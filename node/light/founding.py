"""What a light client needs of a genesis document, without taking the rest of it apart.

A document of a large site lists tens of thousands of meters, which would not fit into a light client's memory as
records. Their encoding stays one piece; the chain id covers it all the same, so that nothing can be changed in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from consensus.validators import ValidatorSet
from contracts.genesis import MAX_GENESIS_BYTES, ConsensusParams, DevnetClock, Genesis, OpeningTrust
from contracts.members import MAX_MEMBERS, MAX_NODES, Member
from contracts.params import PactParams
from node.errors import NodeError
from node.seats import validators_of
from zk.hashing import domain, sha256


class Founding(NamedTuple):
    """The beginning of a chain: what its first header stands on, and how its time runs."""

    chain_id: str
    genesis_hash: bytes
    """`parent_hash` of height 1."""
    validators: ValidatorSet
    evidence_age_ms: int
    clock: DevnetClock | None


class _Front(msgspec.Struct, frozen=True, array_like=True):
    """`contracts.genesis.Genesis` as far as it is read; what is `Raw` is skipped."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
    rule_set: int
    time_ms: int
    params: msgspec.Raw
    consensus: ConsensusParams
    members: Annotated[tuple[Member, ...], msgspec.Meta(min_length=1, max_length=MAX_MEMBERS)]
    meters: msgspec.Raw
    balances: msgspec.Raw
    registers: msgspec.Raw
    validators: Annotated[tuple[str, ...], msgspec.Meta(min_length=4, max_length=MAX_MEMBERS * MAX_NODES)]
    devnet_clock: DevnetClock | None
    version: int
    lines: msgspec.Raw
    trusts: Annotated[tuple[OpeningTrust, ...], msgspec.Meta(max_length=MAX_MEMBERS)]


def read_founding(file: Path) -> Founding:
    """What the packed genesis document in `file` founds. Raises NodeError `genesis.unreadable`."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_GENESIS_BYTES + 1)
        if len(raw) > MAX_GENESIS_BYTES:
            raise ValueError(f"more than {MAX_GENESIS_BYTES} bytes")
        front = msgspec.msgpack.decode(raw, type=_Front)
        # The seats depend on members, their nodes and their bonds alone.
        seated = Genesis(
            name=front.name,
            rule_set=front.rule_set,
            time_ms=front.time_ms,
            params=PactParams(),
            consensus=front.consensus,
            members=front.members,
            meters=(),
            balances=(),
            registers=(),
            validators=front.validators,
            devnet_clock=front.devnet_clock,
            trusts=front.trusts,
        )
        validators = validators_of(seated)
    except (OSError, ValueError) as error:
        raise NodeError(
            "genesis.unreadable", f"{file} is no genesis document: {error}.", "Name a genesis.mp with --genesis."
        ) from None
    chain_id = f"{front.name}-{sha256(raw).hex()[:16]}"
    genesis_hash = sha256(domain("genesis", chain_id) + raw)
    return Founding(chain_id, genesis_hash, validators, front.consensus.evidence_age_ms, front.devnet_clock)
