"""A small, valid genesis document for tests of what reads it."""

from __future__ import annotations

from contracts.genesis import Balance, ConsensusParams, DevnetClock, Genesis, OpeningRegister, OpeningTrust
from contracts.members import AccountKey, Member, Meter
from contracts.params import PactParams
from node.keys import Key, certificate
from tests.support.pact import node_keys


def key(owner: int, purpose: int) -> Key:
    return Key("account", bytes([owner, purpose]) * 16, devnet=True)


def member(number: int) -> Member:
    tls = key(number, 3)
    node = f"node-{number}"
    return Member(
        id=f"member-{number}",
        name=f'Member "{number}" \\ Süd',
        roles=("supplier", "storage"),
        site="yard",
        keys=(AccountKey(key(number, 1).public_key, "all"), AccountKey(key(number, 2).public_key, "market")),
        nodes=(node_keys(node, key(number, 4).public_key, certificate(tls, node), f"127.0.0.1:{26_000 + number}"),),
        encryption_key=b"",
    )


def meter(number: int, owner: int) -> Meter:
    return Meter(
        id=f"meter-{number}",
        member=f"member-{owner}",
        public_key=key(100 + number, 1).public_key,
        kind="source" if number % 2 else "load",
        zone="zone-1",
        rating_w=50_000,
        factor_ug_per_wh=11_000 if number % 2 else None,
        reference_price_nano_per_wh=None,
    )


def genesis_document(devnet: bool = True, members: int = 4, meters: int = 3) -> Genesis:
    return Genesis(
        name="test",
        rule_set=1,
        time_ms=1_700_000_000_000,
        params=PactParams(),
        consensus=ConsensusParams(),
        members=tuple(member(number) for number in range(members)),
        meters=tuple(meter(number, number % members) for number in range(meters)),
        balances=(Balance("member-0", 2**62), Balance("member-1", 0), Balance("member-2", -5)),
        registers=(OpeningRegister("meter-1", 0, 77),),
        validators=tuple(f"node-{number}" for number in range(4)),
        devnet_clock=DevnetClock(0, 0, 1_000_000) if devnet else None,
        trusts=(
            OpeningTrust("member-0", 1_000, 100),
            OpeningTrust("member-1", 5, 10**12, 1),
            *(OpeningTrust(f"member-{number}", bonded_tokens=225) for number in range(2, members)),
        ),
    )
