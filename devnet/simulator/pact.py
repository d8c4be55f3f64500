"""The pact of a simulated network: members, meters and keys made from names, so that every run has the same chain.

These keys are public knowledge. Never used by a network that runs outside of this process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from contracts.bodies import AccountBody, PlainReading
from contracts.envelope import NO_SIGNATURE, AccountEnvelope, Domains, MeterEnvelope
from contracts.genesis import Balance, ConsensusParams, DevnetClock, Genesis, OpeningTrust
from contracts.members import AccountKey, Member, Meter, NodeKeys
from contracts.metering import reading_hash
from contracts.params import PactParams
from zk import bls
from zk.ed25519 import SigningKey
from zk.hashing import sha256

VALIDATORS = ("biodiesel", "campus", "solar", "wind")
START_MS = 1_754_294_400_000
"""A Monday in August, 08:00 UTC, at the start of an interval."""


def seed_of(name: str) -> bytes:
    """The seed of `key_of`."""
    return sha256(b"test key of " + name.encode())


def key_of(name: str) -> SigningKey:
    """The key that belongs to this name in every run."""
    return SigningKey(seed_of(name))


@lru_cache(maxsize=1024)
def beacon_key_of(node: str) -> bls.SigningKey:
    """The BLS key that belongs to the node of this name in every run."""
    return bls.SigningKey(sha256(b"test beacon key of " + node.encode()))


@lru_cache(maxsize=1024)
def node_keys(node: str, consensus_key: bytes, tls_certificate: bytes = b"", address: str = "127.0.0.1:1") -> NodeKeys:
    """What is registered of a node."""
    beacon = beacon_key_of(node)
    return NodeKeys(node, consensus_key, beacon.public_key, beacon.prove_possession(), tls_certificate, address)


def genesis(
    *,
    validators: tuple[str, ...] = VALIDATORS,
    meters: tuple[Meter, ...] = (),
    params: PactParams | None = None,
    consensus: ConsensusParams | None = None,
    clock: DevnetClock | None = None,
    balance_nano: int = 10**12,
    trusts: tuple[OpeningTrust, ...] | None = None,
) -> Genesis:
    """Members named after their roles; each has one account key, and validators one node. `trusts` None: all alike."""
    members = tuple(
        Member(
            id=name,
            name=name.title(),
            roles=("campus", "consumer") if name == "campus" else ("supplier",),
            site="site",
            keys=(AccountKey(key_of(name).public_key, "all"),),
            nodes=(node_keys(name, key_of(f"{name} node").public_key),),
            encryption_key=b"",
        )
        for name in sorted(validators)
    )
    return Genesis(
        name="test",
        rule_set=1,
        time_ms=START_MS,
        params=params or PactParams(),
        consensus=consensus or ConsensusParams(),
        members=members,
        meters=tuple(sorted(meters, key=lambda meter: meter.id)),
        balances=tuple(Balance(member.id, balance_nano) for member in members),
        registers=(),
        validators=tuple(sorted(validators)),
        devnet_clock=clock,
        trusts=trusts or tuple(OpeningTrust(member.id, 1_000, 1_000) for member in members),
    )


def meter(name: str, member: str, kind: str = "load", rating_w: int = 1_000_000) -> Meter:
    """A registered meter whose key is made from its name."""
    return Meter(name, member, key_of(name).public_key, kind, "site", rating_w, None, None)


@dataclass
class Speaker:
    """Signs envelopes for members and meters of one chain, counting nonces and sequences."""

    chain_id: str
    expiry_height: int = 1_000_000
    nonces: dict[str, int] = field(default_factory=dict)
    chains: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    @cached_property
    def _domains(self) -> Domains:
        return Domains(self.chain_id)

    def member(self, name: str, body: AccountBody, **changes: Any) -> bytes:
        """Next envelope of this member; `changes` overwrite fields before signing."""
        nonce = self.nonces.get(name, 0)
        self.nonces[name] = nonce + 1
        fields = {
            "chain_id": self.chain_id,
            "sender": name,
            "public_key": key_of(name).public_key,
            "nonce": nonce,
            "expiry_height": self.expiry_height,
            "body": body,
            "signature": NO_SIGNATURE,
        }
        envelope = AccountEnvelope(**{**fields, **changes})
        return self._domains.seal(key_of(name), envelope)

    def reading(self, meter: str, interval: int, import_wh: int, export_wh: int = 0) -> bytes:
        """Next reading of this meter."""
        sequence, previous = self.chains.get(meter, (0, bytes(32)))
        body = PlainReading(sequence + 1, interval, import_wh, export_wh, None, None, 0, previous)
        self.chains[meter] = (sequence + 1, reading_hash(self.chain_id, body))
        envelope = MeterEnvelope(self.chain_id, meter, key_of(meter).public_key, body, NO_SIGNATURE)
        return self._domains.seal(key_of(meter), envelope)
