"""Founds a chain from a scenario: keys for everybody, one genesis document, and a home for every node.

Each member gets three account keys, so that nobody's nonce lane is disturbed by another: one for people
(`keys/MEMBER.json`), one for its agent, which may only trade (`keys/agents/`), and one for traffic, which may
only move money (`keys/traffic/`). A member that builds has a fourth, which may only wager (`keys/builders/`), and
where dispatch may be sealed each organisation with a node has one for its seat of the threshold key
(`keys/seats/`). Never reuses a key, and never runs against a directory that has some.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import msgspec

from contracts.genesis import Balance, ConsensusParams, DevnetClock, Genesis, OpeningTrust
from contracts.members import AccountKey, Asset, Member, Meter, NodeKeys, PowerLine, Private
from contracts.program.case import MAX_EFFICIENCY
from contracts.units import PPM
from devnet import keyring
from devnet.directory import Layout, MemberEntry, NodeEntry, write_whole
from devnet.scenario import Scenario
from devnet.spec import MemberSpec, MeterSpec
from node import genesis_file
from node.config import Config, NodeSection, P2pSection, RpcSection
from node.disk import RealDisk
from node.home import Home, init_home

PORTS_PER_NODE = 2
RULE_SET = 1
STARTING_TOKENS = 1_000_000
"""Free tokens of each member."""
STARTING_BOND = 1_000_000
"""Of each member with a node."""
SEAT_BOND = STARTING_BOND // 10
"""Least bond of a seat: of what a member has, too much to leave about under many names."""
HOST = "127.0.0.1"
SITE = "site"


class Founding(NamedTuple):
    """A chain that nobody has started yet."""

    chain_id: str
    nodes: tuple[NodeEntry, ...]
    members: tuple[MemberEntry, ...]


def genesis(scenario: Scenario, members: Sequence[Member], meters: Sequence[Meter], *, stepped: bool) -> Genesis:
    """The document that all nodes share. A stepped clock stands at the origin, a running one starts there."""
    return Genesis(
        name=scenario.name,
        rule_set=RULE_SET,
        time_ms=scenario.clock.origin_ms,
        params=scenario.params,
        consensus=_consensus(scenario.consensus),
        members=tuple(sorted(members, key=lambda member: member.id)),
        meters=tuple(sorted(meters, key=lambda meter: meter.id)),
        balances=tuple(
            Balance(member.id, member.balance_nano) for member in sorted(scenario.members, key=lambda member: member.id)
        ),
        registers=(),
        validators=tuple(sorted(scenario.nodes)),
        devnet_clock=DevnetClock(
            origin_ms=scenario.clock.origin_ms,
            start_wall_ms=time.time_ns() // 1_000_000,
            speed_ppm=0 if stepped else scenario.clock.speed * PPM,
        ),
        lines=tuple(
            PowerLine(line.id, *line.meters, line.fixed_wh, line.loss_ppm, line.accuracy_wh)
            for line in sorted(scenario.lines, key=lambda line: line.id)
        ),
        trusts=opening_trusts(scenario),
    )


def opening_trusts(scenario: Scenario) -> tuple[OpeningTrust, ...]:
    """What each member has at the start, ascending by id."""
    return tuple(
        OpeningTrust(name, STARTING_TOKENS, STARTING_BOND if name in scenario.nodes else 0)
        for name in sorted(member.id for member in scenario.members)
    )


def _consensus(asked: ConsensusParams) -> ConsensusParams:
    """What the scenario asks for, with a bar for seats that means something beside the bonds given out here."""
    return msgspec.structs.replace(asked, seat_bond_tokens=max(asked.seat_bond_tokens, SEAT_BOND))


def found(scenario: Scenario, layout: Layout, ports: Sequence[int], *, stepped: bool) -> Founding:
    """Write keys, homes and genesis into an empty layout. `ports` are two per node: p2p and RPC.

    Raises `NodeError` (`home.*`, `disk.*`, `genesis.*`).
    """
    seats = {
        name: (ports[PORTS_PER_NODE * at], ports[PORTS_PER_NODE * at + 1]) for at, name in enumerate(scenario.nodes)
    }
    identities = {name: _home(layout, name, *pair) for name, pair in seats.items()}
    builders = {one.member for one in scenario.builders}
    seated = identities if scenario.params.sealed.on else {}
    members = [
        _member(layout, spec, identities.get(spec.id), builds=spec.id in builders, sits=spec.id in seated)
        for spec in scenario.members
    ]
    meters = [_meter(layout, spec) for spec in scenario.meters]
    document, disk = genesis(scenario, members, meters, stepped=stepped), RealDisk()
    for name in seats:
        home = Home.at(layout.nodes / name)
        genesis_file.save(document, home.genesis_toml, home.genesis, disk)
    write_whole(layout.scenario, msgspec.json.encode(scenario))
    return Founding(
        chain_id=document.chain_id(),
        nodes=tuple(
            NodeEntry(
                name=name,
                pid=None,
                rpc=f"http://{HOST}:{rpc_port}",
                p2p=f"{HOST}:{p2p_port}",
                home=str(layout.nodes / name),
                log=str(Home.at(layout.nodes / name).log),
            )
            for name, (p2p_port, rpc_port) in seats.items()
        ),
        members=tuple(
            MemberEntry(
                id=spec.id,
                name=spec.name,
                roles=spec.roles,
                balance_nano=str(spec.balance_nano),
                key=str(layout.keys / f"{spec.id}.json"),
            )
            for spec in scenario.members
        ),
    )


def _home(layout: Layout, name: str, p2p_port: int, rpc_port: int) -> NodeKeys:
    config = Config(
        node=NodeSection(id=name),
        p2p=P2pSection(host=HOST, port=p2p_port),
        rpc=RpcSection(host=HOST, port=rpc_port),
    )
    address = f"{HOST}:{p2p_port}"
    return init_home(layout.nodes / name, name, None, devnet=True, address=address, config=config).node


def _member(layout: Layout, spec: MemberSpec, node: NodeKeys | None, *, builds: bool, sits: bool) -> Member:
    uses = [(layout.keys, "all"), (layout.agent_keys, "market"), (layout.traffic_keys, "money")]
    if builds:
        uses.append((layout.builder_keys, "wagering"))
    if sits:
        uses.append((layout.seat_keys, "sealed"))
    keys = tuple(
        AccountKey(keyring.make(directory / f"{spec.id}.json", "account", spec.id), scope) for directory, scope in uses
    )
    return Member(
        id=spec.id,
        name=spec.name,
        roles=spec.roles,
        site=SITE,
        keys=keys,
        nodes=() if node is None else (node,),
        encryption_key=b"",
    )


def _meter(layout: Layout, spec: MeterSpec) -> Meter:
    prices = [block.price_nano_per_wh for block in spec.blocks]
    return Meter(
        id=spec.id,
        member=spec.member,
        public_key=keyring.make(layout.meter_keys / f"{spec.id}.json", "meter", spec.id),
        kind=spec.kind,
        zone=spec.zone,
        rating_w=spec.rating_w,
        factor_ug_per_wh=spec.factor_ug_per_wh,
        reference_price_nano_per_wh=prices[0] if prices else None,
        capacity_wh=None if spec.store is None else spec.store.capacity_wh,
        asset=_asset(spec),
        private=None if spec.private is None else Private(**msgspec.structs.asdict(spec.private)),
    )


def _asset(spec: MeterSpec) -> Asset | None:
    """What dispatch has to know of the equipment; None: it follows any order."""
    store = spec.store
    if store is None:
        plain = spec.ramp_w is None and not spec.firm_w
        return None if plain else Asset(ramp_w=spec.ramp_w, firm_w=spec.firm_w)
    # The worse way counts for both: the ledger never believes a battery to hold more than it does.
    worse_ppm = min(store.charge_efficiency_ppm, store.discharge_efficiency_ppm)
    each_way = Fraction(worse_ppm * MAX_EFFICIENCY // PPM, MAX_EFFICIENCY)
    return Asset(
        efficiency_n=each_way.numerator,
        efficiency_d=each_way.denominator,
        wear_nano_per_wh=store.wear_nano_per_wh,
        charge_wh=store.capacity_wh * store.charge_ppm // PPM,
    )
