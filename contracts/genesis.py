"""Genesis: the document that every node of one chain starts from.

Written as TOML by people (`node.genesis_file`), stored and hashed as canonical MessagePack. The chain id is
the name plus the first 16 hex digits of the hash of the encoding, so that two different documents are two
different chains.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from consensus.committee import EVERYBODY, MAX_SEATS
from contracts.confidential.records import HiddenFounding
from contracts.members import (
    MAX_ENVELOPES,
    MAX_LINES,
    MAX_MEMBERS,
    MAX_METERS,
    MAX_NODES,
    STARTING_INDEX_PPM,
    AssetEnvelope,
    Member,
    Meter,
    PowerLine,
)
from contracts.network.records import Network
from contracts.params import PactParams
from contracts.units import MAX_TOKENS, Count, Energy, Meta, Money, Ppm, Time, Tokens
from zk.codec import Codec, encode
from zk.hashing import domain, sha256

MAX_GENESIS_BYTES = 64 * 1024 * 1024


class ConsensusParams(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Timing of agreement, see `consensus.effects.Timing`, epochs, and how long evidence counts."""

    target_block_ms: Annotated[int, Meta(ge=10, le=60_000)] = 120
    precision_ms: Annotated[int, Meta(ge=1, le=86_400_000)] = 500
    message_delay_ms: Annotated[int, Meta(ge=1, le=86_400_000)] = 2_000
    epoch_blocks: Annotated[int, Meta(ge=2, le=2**32 - 1)] = 64
    """Constant for ever. Not 1: every block would change state, and so call for the next."""
    evidence_age_blocks: Annotated[int, Meta(ge=1, le=2**32 - 1)] = 100_000
    """Evidence expires once it is older than this many blocks and than `evidence_age_ms`: both."""
    evidence_age_ms: Annotated[int, Meta(ge=1, le=2**53 - 1)] = 21 * 86_400_000
    whistleblower_ppm: Ppm = 50_000
    """Share of a slashed bond that the organisation gets which proposed the block with the evidence."""
    committee_seats: Annotated[int, Meta(ge=EVERYBODY, le=MAX_SEATS)] = 200
    """Organisations that are drawn each day where more than `EVERYBODY` have weight."""
    seat_bond_tokens: Annotated[int, Meta(ge=1, le=MAX_TOKENS)] = 100
    """Least bond with which an organisation has weight. An absolute bar: names of dust cost so much each, and more
    bond never means less weight."""


class DevnetClock(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Ledger time = origin_ms + (speed_ppm * (wall - start_wall_ms)) // 10^6.

    Refused by production genesis.
    """

    origin_ms: Time
    start_wall_ms: Time
    speed_ppm: Annotated[int, Meta(ge=0, le=10**10)]


class Balance(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Opening money of one member."""

    member: str
    balance_nano: Money


class OpeningTrust(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Trust of one member at the start; whoever has none starts without tokens, at `STARTING_INDEX_PPM`."""

    member: str
    free_tokens: Tokens = 0
    bonded_tokens: Tokens = 0
    index_ppm: Ppm = STARTING_INDEX_PPM


class OpeningRegister(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Registers that a meter shows when it is admitted."""

    meter: str
    import_wh: Energy
    export_wh: Energy


class Genesis(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Members sorted by id, meters sorted by id. `validators` names the nodes that take seats."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
    rule_set: Annotated[int, Meta(ge=1, le=255)]
    time_ms: Time
    params: PactParams
    consensus: ConsensusParams
    members: Annotated[tuple[Member, ...], Meta(min_length=1, max_length=MAX_MEMBERS)]
    meters: Annotated[tuple[Meter, ...], Meta(max_length=MAX_METERS)]
    balances: tuple[Balance, ...]
    registers: tuple[OpeningRegister, ...]
    validators: Annotated[tuple[str, ...], Meta(min_length=4, max_length=MAX_MEMBERS * MAX_NODES)]
    devnet_clock: DevnetClock | None
    version: Count = 1
    lines: Annotated[tuple[PowerLine, ...], Meta(max_length=MAX_LINES)] = ()
    """Sorted by id; a meter is the sending end of one line at most, and the receiving end of one."""
    trusts: Annotated[tuple[OpeningTrust, ...], Meta(max_length=MAX_MEMBERS)] = ()
    """Sorted by member."""
    envelopes: Annotated[tuple[AssetEnvelope, ...], Meta(max_length=MAX_ENVELOPES)] = ()
    """Sorted by meter."""
    network: Network | None = None
    """Places and lines of the site; None: everything is at one place."""
    hidden: HiddenFounding | None = None
    """Hidden money of the chain that this one succeeds; None: there is none."""

    def chain_id(self) -> str:
        """Name and the first 16 hex digits of the hash of this document."""
        return f"{self.name}-{sha256(encode(self)).hex()[:16]}"

    def hash(self) -> bytes:
        """`parent_hash` of height 1, 32 bytes."""
        return sha256(domain("genesis", self.chain_id()) + encode(self))


CODEC: Codec[Genesis] = Codec(Genesis, MAX_GENESIS_BYTES)
