"""Members, their keys, nodes and trust, and meters: who may speak, and for what.

Ids are given at admission, never derived from keys and never reused. All of this begins in genesis;
`contracts.governance` changes it.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from consensus.messages import MAX_VALIDATORS
from consensus.validators import Validator
from contracts.units import (
    MAX_PRICE,
    PPM,
    Count,
    Energy,
    Factor,
    Hash,
    Height,
    Id,
    Interval,
    Meta,
    Money,
    Name,
    Ppm,
    Price,
    PublicKey,
    Time,
    TokenAmount,
    Tokens,
)

MAX_MEMBERS = 10_000
MAX_METERS = 100_000
MAX_LINES = 1_024
MAX_KEYS = 16
MAX_NODES = 4
MAX_OPEN_REGISTERS = 64
"""Intervals that one meter may have reported and that are not settled yet."""
MAX_GAPS = 64
"""Runs of estimated intervals that one meter may have waiting for its registers; older ones are final."""
MAX_UNLOCKING = 64
"""Parts of a member's bond that may be on their way out at once."""
MAX_GRANTS = 128
"""Readers that one member's policy names, counted once for each kind of records."""
MAX_ENVELOPES = 4_096
"""Meters with an envelope of their own."""
MAX_SPANS = 8
"""Parts of a day in which orders may move one asset."""
MAX_TERMS = 4
"""Terms of one asset that intervals may still be dispatched by; one more replaces the last."""
STARTING_INDEX_PPM = PPM // 2
REVOKED_KEY = bytes(32)
"""In place of a meter's key that was revoked: nobody can sign with it."""

ROLES = ("supplier", "consumer", "storage", "campus", "utility", "certifier")
"""A certifier vouches for the emissions of others; see `contracts.carbon.factors`."""
SCOPES = ("all", "metering", "market", "money", "trust", "access", "governance", "wagering", "carbon", "sealed")


Efficiency = Annotated[int, Meta(ge=1, le=1_000)]
Wear = Annotated[int, Meta(ge=0, le=MAX_PRICE)]


class Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Common options of everything that is stored in state, said to the ledger or told by it."""


class AccountKey(Record, frozen=True):
    """One key of a member with its own nonce lane; `scope` is `all` or the one contract it may call."""

    public_key: PublicKey
    scope: Id


class NodeKeys(Record, frozen=True):
    """A node's identity: its seat's consensus and BLS keys, and the certificate that its TLS key signed."""

    node: Id
    consensus_key: PublicKey
    bls_key: Annotated[bytes, Meta(max_length=96)]
    bls_possession: Annotated[bytes, Meta(max_length=48)]
    tls_certificate: Annotated[bytes, Meta(max_length=2048)]
    address: Annotated[str, Meta(max_length=255)]
    """host:port where peers reach it."""
    validator: bool = True
    """Whether it takes a seat once its member has weight; at the start the genesis document lists those that do."""


class Member(Record, frozen=True):
    """A legal organisation admitted to the pact."""

    id: Id
    name: Name
    roles: Annotated[tuple[Id, ...], Meta(max_length=len(ROLES))]
    site: Id
    keys: Annotated[tuple[AccountKey, ...], Meta(max_length=MAX_KEYS)]
    nodes: Annotated[tuple[NodeKeys, ...], Meta(max_length=MAX_NODES)]
    encryption_key: Annotated[bytes, Meta(max_length=48)]


class Lane(Record, frozen=True):
    """Nonce and unit budget of one account key."""

    next_nonce: Count
    interval: Interval
    units_used: Count


class Account(Record, frozen=True):
    """The lanes of a member's keys, in the order of `Member.keys`. Its money is its `Holding`."""

    lanes: tuple[Lane, ...]


class Holding(Record, frozen=True):
    """A member's money; below zero where bills made it so."""

    member: Id
    balance_nano: Money


class Unlocking(Record, frozen=True):
    """Part of a bond that its member took out in block `height`; free once evidence of the last block in which it had
    power is too old to count."""

    amount_tokens: TokenAmount
    height: Height
    time_ms: Time
    power_height: Height = 0
    """That last block, which ends an epoch; 0: there is no last one yet."""
    power_ms: Time = 0


class Change(Record, frozen=True):
    """What changed a figure last, in which block; 0 is genesis."""

    kind: Id
    height: Height


class Trust(Record, frozen=True):
    """A member's tokens, each free, bonded, unlocking or wagered and never two of them, and what it has shown.

    Over all members and the `TrustPool` the tokens are those of genesis for ever. Written by `contracts.trust`.
    """

    member: Id
    free_tokens: Tokens
    bonded_tokens: Tokens
    wagered_tokens: Tokens
    index_ppm: Ppm
    free_change: Change
    bonded_change: Change
    """Of the bond; what is unlocking says when it left."""
    wagered_change: Change
    index_change: Change
    unlocking: Annotated[tuple[Unlocking, ...], Meta(max_length=MAX_UNLOCKING)] = ()
    """Oldest first."""
    tombstone: Change | None = None
    """For which kind of offence the member was tombstoned, and in which block."""
    raised_height: Height = 0
    """Block in which the index last rose; once per epoch at most."""


class TrustPool(Record, frozen=True):
    """Tokens that members lost, and that nobody was paid yet. With those of all members they are the supply."""

    pool_tokens: Tokens
    pool_change: Change


class Tombstones(Record, frozen=True):
    """Members whose word is worth nothing any more, for good. Written by `contracts.trust`."""

    members: Annotated[tuple[Id, ...], Meta(max_length=MAX_MEMBERS)]
    """Ascending."""


class Organisation(Record, frozen=True):
    """What a seated member has in one epoch."""

    id: Id
    weight: Count
    """As far as the churn budget let it follow bond and index."""
    power: Count
    change: Change
    """Why `power` is not what it was in the epoch before, and the block that computed it."""
    flagged: bool = False
    """Tombstoned: its power is in the total, and never counts for a quorum."""


class Seating(Record, frozen=True):
    """Who votes in epoch `number`. Written by `contracts.epochs`, two epochs ahead."""

    number: Count
    organisations: Annotated[tuple[Organisation, ...], Meta(max_length=MAX_MEMBERS)]
    """Ascending by id. Empty only where a genesis that nobody checked has too little weight for consensus."""
    seats: Annotated[tuple[Validator, ...], Meta(max_length=MAX_VALIDATORS)]
    """Ascending by node id."""
    drawn_day: Count | None = None
    """Days from 1970-01-01 to the draw, in ledger time, where `organisations` are a drawn committee."""


class EpochLength(Record, frozen=True):
    """Blocks of an epoch: a constant of genesis, so that the epoch of a height never depends on when one asks."""

    blocks: Annotated[int, Meta(ge=1, le=2**32 - 1)]


class Asset(Record, frozen=True):
    """What dispatch has to know of the equipment behind a meter beyond its rating; see `contracts.flexible.assets`.

    A storage's efficiency is `efficiency_n / efficiency_d` each way, so its charge is exact in 1/(n*d) Wh.
    """

    efficiency_n: Efficiency = 1
    efficiency_d: Efficiency = 1
    charge_w: Energy | None = None
    """Most that a storage takes; None: its rating."""
    discharge_w: Energy | None = None
    """Most that it gives; None: its rating."""
    ramp_w: Energy | None = None
    """Most by which a source's output may differ from one interval to the next; None: it is not ramp-limited."""
    wear_nano_per_wh: Wear = 0
    """Of a storage, per discharged Wh."""
    embodied_ug_per_wh: Factor = 0
    """Made with the storage, per discharged Wh over its life."""
    charge_wh: Energy = 0
    """What a storage holds when it is admitted, with its registers as they are then."""
    place: Id | None = None
    """Where in the network it is connected; None: at the place that its meter's `zone` names."""
    firm_w: Energy = 0
    """What it gives at any time of an island: from fuel or heat, not from sun or wind."""


class Private(Record, frozen=True):
    """How a meter settles whose registers are commitments; see `contracts.private`. Energies are per billing cycle."""

    campus: Id
    """The member that bills it: it pays what a source delivers, and is paid what a load takes."""
    tariff_nano_per_wh: Annotated[int, Meta(ge=1, le=MAX_PRICE)] = 1
    low_wh: Energy = 0
    high_wh: Energy | None = None
    """Between these both expect a cycle; None: anything up to the rating. Whatever lies outside shows that it does."""
    fixed_wh: Energy = 0
    """Losses of a source's line that are no reason for a dispute, beside"""
    loss_ppm: Ppm = 0
    """of what is delivered."""
    accuracy_wh: Energy = 0
    """By how much the bill may exceed what is delivered."""
    green_nano_per_wh: Annotated[int, Meta(ge=0, le=MAX_PRICE)] = 0
    """What a load pays on top for each Wh of a green share; 0: the campus sells it none."""


class Meter(Record, frozen=True):
    """Where energy crosses a boundary. `rating_w` bounds both registers' growth.

    `kind` is `source`, `load`, `storage` or `tie` (the utility's). Registration never changes in rule set 1.
    """

    id: Id
    member: Id
    public_key: PublicKey
    kind: Id
    zone: Id
    rating_w: Energy
    factor_ug_per_wh: Factor | None
    reference_price_nano_per_wh: Price | None
    capacity_wh: Energy | None = None
    """Most that a storage can hold."""
    asset: Asset | None = None
    """None: a source without ramp, or a storage that offers blocks and bids like anybody else."""
    private: Private | None = None
    """None: everybody sees its registers, and it settles interval by interval."""


class DaySpan(Record, frozen=True):
    """Part of a UTC day, in minutes from midnight: from the first one to before the second."""

    from_minute: Annotated[int, Meta(ge=0, le=1_439)]
    until_minute: Annotated[int, Meta(ge=1, le=1_440)]


class AssetEnvelope(Record, frozen=True):
    """What no order, however many signed it, may make of the asset behind a meter; see `contracts.envelopes`.

    Powers are averages over an interval. Its safe state is what it does whenever nothing else is allowed.
    """

    meter: Id
    give_w: Energy
    """Most that it may put into the site."""
    take_w: Energy
    """Most that it may take."""
    ramp_w: Energy | None = None
    """Most by which its power may change from one interval to the next; None: by any."""
    spans: Annotated[tuple[DaySpan, ...], Meta(max_length=MAX_SPANS)] = ()
    """When orders may move it, ascending, apart from each other; none: always. Otherwise it is in its safe state."""
    floor_w: Energy = 0
    """Critical load: no order takes from it what it needs up to this."""
    safe_give_w: Energy = 0
    safe_take_w: Energy = 0


class Terms(Record, frozen=True):
    """What the ledger lets an asset do from an interval on."""

    since: Interval
    """The first whose offers had not locked: what is locked keeps its terms. The agent at the device waits for
    nothing."""
    envelope: AssetEnvelope | None
    """None: what its meter is rated for."""
    revoked: bool
    """A key of its device or its owner was compromised: it is in its safe state until it has a new envelope."""
    height: Height
    """Block that said so; 0 is genesis."""


class Enveloped(Record, frozen=True):
    """A controllable asset, by its meter. Written at genesis and by `contracts.governance.envelopes`."""

    meter: Id
    terms: Annotated[tuple[Terms, ...], Meta(min_length=1, max_length=MAX_TERMS)]
    """Ascending; those before the one that is in force are gone."""


class EnvelopedList(Record, frozen=True):
    """Meters that have an `Enveloped`, ascending."""

    meters: Annotated[tuple[Id, ...], Meta(max_length=MAX_ENVELOPES)]


class PowerLine(Record, frozen=True):
    """A line whose two ends witness what it carries, and the meter that decides where they disagree.

    What the sending meter exports less what the receiving meter imports is expected from `-accuracy_wh` to
    `fixed_wh` plus `loss_ppm` of what was sent, per interval.
    """

    id: Id
    sending_meter: Id
    receiving_meter: Id
    parent_meter: Id
    fixed_wh: Energy
    loss_ppm: Ppm
    accuracy_wh: Energy


class OpenRegister(Record, frozen=True):
    """Registers at the last reading of an interval that is not settled, or was estimated."""

    interval: Interval
    import_wh: Energy
    export_wh: Energy
    sequence: Count = 0
    status: Count = 0
    """Device status of that reading."""
    charge_wh: Energy | None = None
    """What the storage holds by that reading; None: it said nothing of it."""
    generation_w: Energy | None = None
    """What a source could give by that reading; None: it said nothing of it."""


class Gap(Record, frozen=True):
    """A run of intervals in which the meter was estimated and not trued up."""

    interval: Interval
    count: Count


class MeterHead(Record, frozen=True):
    """Where a meter's hash chain stands, and what its open intervals say; what is settled is in its `Registers`."""

    sequence: Count
    """Of the last accepted reading; 0 before the first."""
    reading_hash: Hash
    interval: Interval
    import_wh: Energy
    export_wh: Energy
    open: Annotated[tuple[OpenRegister, ...], Meta(max_length=MAX_OPEN_REGISTERS)]
    """Ascending. Those up to the sequence of its `Registers` are settled, and go with the next reading."""
    budget_interval: Interval
    units_used: Count
    returns: Count = 0
    """Entries of the meter's `Returns`."""


class Registers(Record, frozen=True):
    """Up to where a meter is settled. Written when intervals close."""

    meter: Id
    interval: Interval
    """The last whose energy is settled; its registers follow."""
    import_wh: Energy
    export_wh: Energy
    sequence: Count = 0
    """Of the last reading whose registers were taken."""
    gaps: Annotated[tuple[Gap, ...], Meta(max_length=MAX_GAPS)] = ()
    """Ascending, apart from each other."""


class Grant(Record, frozen=True):
    """Who may read one kind of a member's records; see `contracts.governance.bodies.Reader`."""

    kind: Id
    sort: Id
    reader: Id
    until_ms: Time | None
    """From this moment on the grant counts for nothing; None: it has no end."""


class AccessPolicy(Record, frozen=True):
    """Who may read a member's records. Written by `contracts.policies`."""

    member: Id
    kinds: Annotated[tuple[Id, ...], Meta(max_length=64)]
    """Protected: read by the member and by whom `grants` names, and by nobody else. Ascending."""
    grants: Annotated[tuple[Grant, ...], Meta(max_length=MAX_GRANTS)]
    """Ascending by kind, sort and reader."""
    number: Count
    """Policies are counted from 0, in the order of their first word."""
    height: Height
    """Block of the last change."""


class AccessPlace(Record, frozen=True):
    """Whose the policy with a number is."""

    member: Id


class AccessCount(Record, frozen=True):
    """Policies so far, and how often any of them changed: whoever remembers policies looks again when that moves."""

    policies: Count
    changes: Height
