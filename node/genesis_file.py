"""Genesis as people write it: TOML to `contracts.genesis.Genesis` and back, and as it is packed.

Opening balances stand inside [[members]], opening registers inside [[meters]]; keys are hex, TLS certificates
base64. Members, meters and validators may come in any order and are sorted. Errors are `genesis.*` with the
path of the field. What a document must be says `node.genesis_checks`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from contracts.confidential.records import HiddenFounding
from contracts.genesis import (
    CODEC,
    MAX_GENESIS_BYTES,
    Balance,
    ConsensusParams,
    DevnetClock,
    Genesis,
    OpeningRegister,
    OpeningTrust,
)
from contracts.governance.changes import MAX_NEW_METERS, AdmitMember, NewMeter
from contracts.members import (
    MAX_ENVELOPES,
    MAX_KEYS,
    MAX_LINES,
    MAX_MEMBERS,
    MAX_METERS,
    MAX_NODES,
    ROLES,
    STARTING_INDEX_PPM,
    AccountKey,
    Asset,
    AssetEnvelope,
    Member,
    Meter,
    NodeKeys,
    PowerLine,
    Private,
)
from contracts.network.records import Network
from contracts.network.registered import ascending
from contracts.params import PactParams
from contracts.units import Count, Energy, Factor, Id, Meta, Money, Name, Ppm, Price, PublicKey, Time, Tokens
from node.disk import Disk
from node.documents import Reader, emit, parse, plain
from node.errors import NodeError
from node.genesis_checks import check, check_order
from zk import bls
from zk.codec import Malformed, encode

AREA = "genesis"
E = TypeVar("E", bound="Entry")

_BASE64_FIELDS = ("tls_certificate",)
_READER = Reader(AREA, _BASE64_FIELDS)


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file. What has a default here may be left out there."""


class NodeEntry(Entry, frozen=True, kw_only=True):
    """[[members.nodes]]"""

    node: Id
    consensus_key: PublicKey
    bls_key: Annotated[bytes, Meta(max_length=bls.PUBLIC_KEY_BYTES)]
    bls_possession: Annotated[bytes, Meta(max_length=bls.SIGNATURE_BYTES)]
    tls_certificate: Annotated[bytes, Meta(max_length=2048)]
    address: Annotated[str, Meta(max_length=255)]


class TrustEntry(Entry, frozen=True, kw_only=True):
    """[members.trust]"""

    free_tokens: Tokens = 0
    bonded_tokens: Tokens = 0
    index_ppm: Ppm = STARTING_INDEX_PPM


class MemberEntry(Entry, frozen=True, kw_only=True):
    """[[members]]; without `balance_nano` and `trust` the member starts without an opening balance and tokens."""

    id: Id
    name: Name
    roles: Annotated[tuple[Id, ...], Meta(max_length=len(ROLES))]
    site: Id
    encryption_key: Annotated[bytes, Meta(max_length=48)] = b""
    balance_nano: Money | None = None
    trust: TrustEntry | None = None
    keys: Annotated[tuple[AccountKey, ...], Meta(max_length=MAX_KEYS)] = ()
    nodes: Annotated[tuple[NodeEntry, ...], Meta(max_length=MAX_NODES)] = ()


class MeterEntry(Entry, frozen=True, kw_only=True):
    """[[meters]]; without registers the meter starts at zero."""

    id: Id
    member: Id
    public_key: PublicKey
    kind: Id
    zone: Id
    rating_w: Energy
    factor_ug_per_wh: Factor | None = None
    reference_price_nano_per_wh: Price | None = None
    capacity_wh: Energy | None = None
    asset: Asset | None = None
    private: Private | None = None
    register_import_wh: Energy | None = None
    register_export_wh: Energy | None = None


class GenesisEntry(Entry, frozen=True, kw_only=True):
    """The file."""

    name: Id
    rule_set: Annotated[int, Meta(ge=1, le=255)] = 1
    version: Count = 1
    time_ms: Time
    validators: tuple[Id, ...]
    params: PactParams = PactParams()
    consensus: ConsensusParams = ConsensusParams()
    devnet_clock: DevnetClock | None = None
    members: Annotated[tuple[MemberEntry, ...], Meta(max_length=MAX_MEMBERS)]
    meters: Annotated[tuple[MeterEntry, ...], Meta(max_length=MAX_METERS)] = ()
    lines: Annotated[tuple[PowerLine, ...], Meta(max_length=MAX_LINES)] = ()
    envelopes: Annotated[tuple[AssetEnvelope, ...], Meta(max_length=MAX_ENVELOPES)] = ()
    network: Network | None = None
    hidden: HiddenFounding | None = None


def loads(text: str, production: bool = False) -> Genesis:
    """The document in `text`, sorted and checked. Raises NodeError `genesis.*`."""
    entry = _READER.struct(GenesisEntry, parse(text, AREA), "")
    members = sorted(entry.members, key=lambda member: member.id)
    meters = sorted(entry.meters, key=lambda meter: meter.id)
    genesis = Genesis(
        name=entry.name,
        rule_set=entry.rule_set,
        time_ms=entry.time_ms,
        params=entry.params,
        consensus=entry.consensus,
        members=tuple(_member(member) for member in members),
        meters=tuple(_meter(meter) for meter in meters),
        balances=tuple(
            Balance(member.id, member.balance_nano) for member in members if member.balance_nano is not None
        ),
        registers=tuple(
            OpeningRegister(meter.id, meter.register_import_wh or 0, meter.register_export_wh or 0)
            for meter in meters
            if (meter.register_import_wh, meter.register_export_wh) != (None, None)
        ),
        validators=tuple(sorted(entry.validators)),
        devnet_clock=entry.devnet_clock,
        version=entry.version,
        lines=tuple(sorted(entry.lines, key=lambda line: line.id)),
        trusts=tuple(
            OpeningTrust(member.id, *msgspec.structs.astuple(member.trust))
            for member in members
            if member.trust is not None
        ),
        envelopes=tuple(sorted(entry.envelopes, key=lambda envelope: envelope.meter)),
        network=None if entry.network is None else ascending(entry.network),
        hidden=entry.hidden,
    )
    check(genesis, production)
    return genesis


def dumps(genesis: Genesis) -> str:
    """The file of a document in canonical order: `loads` gives back an equal one, and so the same chain id.

    Raises NodeError `genesis.order`.
    """
    check_order(genesis)
    balances = {balance.member: balance.balance_nano for balance in genesis.balances}
    trusts = {trust.member: trust for trust in genesis.trusts}
    registers = {register.meter: register for register in genesis.registers}
    entry = GenesisEntry(
        name=genesis.name,
        rule_set=genesis.rule_set,
        version=genesis.version,
        time_ms=genesis.time_ms,
        validators=genesis.validators,
        params=genesis.params,
        consensus=genesis.consensus,
        devnet_clock=genesis.devnet_clock,
        members=tuple(
            _member_entry(member, balances.get(member.id), trusts.get(member.id)) for member in genesis.members
        ),
        meters=tuple(_meter_entry(meter, registers.get(meter.id)) for meter in genesis.meters),
        lines=genesis.lines,
        envelopes=genesis.envelopes,
        network=genesis.network,
        hidden=genesis.hidden,
    )
    return f"# Genesis of the chain {genesis.chain_id()}\n" + emit(plain(entry, _BASE64_FIELDS))


def load(path: Path, production: bool = False) -> Genesis:
    """Read and check a TOML file. Raises NodeError `genesis.*`."""
    try:
        return loads(_read(path).decode(), production)
    except UnicodeDecodeError as error:
        raise NodeError("genesis.syntax", f"{path} is not text: {error}.", "Save it as UTF-8.") from None


class AdmissionEntry(Entry, frozen=True, kw_only=True):
    """The file of an admission: one member as in genesis, and its meters."""

    members: Annotated[tuple[MemberEntry, ...], Meta(min_length=1, max_length=1)]
    meters: Annotated[tuple[MeterEntry, ...], Meta(max_length=MAX_NEW_METERS)] = ()


class NetworkEntry(Entry, frozen=True, kw_only=True):
    """The file of a network: its table as in genesis."""

    network: Network


def load_admission(path: Path) -> AdmitMember:
    """Read a member and its meters from TOML, sorted; the ledger checks them. Raises NodeError `genesis.*`."""
    hint = "Write one [[members]] entry with keys and nodes, and its [[meters]], as in a genesis document."
    entry = _part(path, AdmissionEntry, hint)
    member = _member(entry.members[0])
    nodes = tuple(sorted(member.nodes, key=lambda node: node.node))
    meters = sorted(entry.meters, key=lambda meter: meter.id)
    return AdmitMember(
        msgspec.structs.replace(member, nodes=nodes, roles=tuple(sorted(member.roles))),
        tuple(NewMeter(_meter(one), one.register_import_wh or 0, one.register_export_wh or 0) for one in meters),
    )


class EnvelopesEntry(Entry, frozen=True, kw_only=True):
    """The file of envelopes."""

    envelopes: Annotated[tuple[AssetEnvelope, ...], Meta(min_length=1, max_length=MAX_ENVELOPES)]


def load_envelopes(path: Path) -> tuple[AssetEnvelope, ...]:
    """Read envelopes from TOML; whoever uses them checks them. Raises NodeError `genesis.*`."""
    hint = "Write an [[envelopes]] entry with `meter`, `give_w`, `take_w`, as in a genesis document."
    return _part(path, EnvelopesEntry, hint).envelopes


def load_network(path: Path) -> Network:
    """Read the [network] of a TOML file, sorted; the ledger checks it. Raises NodeError `genesis.*`."""
    hint = "Write [network] with its places, lines and transfers, as in a genesis document."
    return ascending(_part(path, NetworkEntry, hint).network)


def _part(path: Path, type_: type[E], hint: str) -> E:
    """A file that has a part of what a genesis document has."""
    if not path.exists():
        raise NodeError("genesis.missing-file", f"There is no file {path}.", hint)
    try:
        return _READER.struct(type_, parse(_read(path).decode(), AREA), "")
    except UnicodeDecodeError as error:
        raise NodeError("genesis.syntax", f"{path} is not text: {error}.", "Save it as UTF-8.") from None


def load_packed(path: Path) -> Genesis:
    """Read canonical MessagePack, which was checked when it was packed. Raises NodeError `genesis.*`."""
    try:
        return CODEC.decode(_read(path))
    except Malformed as error:
        raise NodeError(
            "genesis.malformed",
            f"{path} is not a packed genesis ({error.code}).",
            "Pack genesis.toml again with `gridpact init`.",
        ) from None


def save(genesis: Genesis, toml: Path, packed: Path, disk: Disk) -> None:
    """Check the document and write both forms. Raises NodeError `genesis.*`, `disk.*`."""
    check(genesis)
    disk.replace(toml, dumps(genesis).encode())
    disk.replace(packed, encode(genesis))


def _member(entry: MemberEntry) -> Member:
    nodes = tuple(
        NodeKeys(
            node=node.node,
            consensus_key=node.consensus_key,
            bls_key=node.bls_key,
            bls_possession=node.bls_possession,
            tls_certificate=node.tls_certificate,
            address=node.address,
        )
        for node in entry.nodes
    )
    return Member(
        id=entry.id,
        name=entry.name,
        roles=entry.roles,
        site=entry.site,
        keys=entry.keys,
        nodes=nodes,
        encryption_key=entry.encryption_key,
    )


def _member_entry(member: Member, balance_nano: int | None, trust: OpeningTrust | None) -> MemberEntry:
    nodes = tuple(
        NodeEntry(**{name: getattr(node, name) for name in NodeEntry.__struct_fields__}) for node in member.nodes
    )
    opening = (
        None
        if trust is None
        else TrustEntry(free_tokens=trust.free_tokens, bonded_tokens=trust.bonded_tokens, index_ppm=trust.index_ppm)
    )
    return MemberEntry(
        **{**msgspec.structs.asdict(member), "nodes": nodes, "balance_nano": balance_nano, "trust": opening}
    )


def _meter(entry: MeterEntry) -> Meter:
    return Meter(
        id=entry.id,
        member=entry.member,
        public_key=entry.public_key,
        kind=entry.kind,
        zone=entry.zone,
        rating_w=entry.rating_w,
        factor_ug_per_wh=entry.factor_ug_per_wh,
        reference_price_nano_per_wh=entry.reference_price_nano_per_wh,
        capacity_wh=entry.capacity_wh,
        asset=entry.asset,
        private=entry.private,
    )


def _meter_entry(meter: Meter, register: OpeningRegister | None) -> MeterEntry:
    return MeterEntry(
        **msgspec.structs.asdict(meter),
        register_import_wh=None if register is None else register.import_wh,
        register_export_wh=None if register is None else register.export_wh,
    )


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size <= 2 * MAX_GENESIS_BYTES:
            return path.read_bytes()
    except FileNotFoundError:
        raise NodeError(
            "genesis.missing-file", f"There is no genesis document {path}.", "Get it from the other members."
        ) from None
    raise NodeError("genesis.oversized", f"{path} has {size} bytes.", "Check the path.")
