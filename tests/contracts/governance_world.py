"""A pact of six organisations with equal power, and what its members say about changing it."""

from __future__ import annotations

from typing import Any

import msgspec
from ledger_world import ROLES, Chain, key_of, make_genesis, node_keys

from contracts.genesis import ConsensusParams, Genesis, OpeningTrust
from contracts.governance.bodies import Approve, Propose, Withdraw
from contracts.governance.changes import AdmitMember, Change, NewMeter
from contracts.governance.records import Ballot
from contracts.members import AccountKey, Member, Meter, Private
from contracts.params import PactParams
from contracts.schema import BALLOTS, MEMBERS
from contracts.state import State

EPOCH = 4
NAMES = sorted(ROLES)
BOND = 10_000
EXPIRY = 1_000
CONSENSUS = ConsensusParams(epoch_blocks=EPOCH)
DEARER = PactParams(penalty_ppm=200_000)
"""Other parameters, to propose."""


def governed(bonds: dict[str, int] | None = None, **more: Any) -> Genesis:
    """Six members with the same bond, or with these, and epochs of four blocks."""
    bonds = dict.fromkeys(NAMES, BOND) if bonds is None else bonds
    trusts = tuple(OpeningTrust(name, 1_000, bonds[name]) for name in sorted(bonds))
    genesis = make_genesis(consensus=CONSENSUS, trusts=trusts, **more)
    return msgspec.structs.replace(genesis, validators=tuple(f"node-{name}" for name in NAMES))


class Pact(Chain):
    """A chain whose members govern."""

    def __init__(self, genesis: Genesis | None = None) -> None:
        super().__init__(genesis or governed())

    def propose(self, sender: str, change: Change, expiry: int = EXPIRY) -> str:
        """Code of a proposal in a block of its own."""
        return self.run(self.say(sender, Propose(change, "because", expiry)))

    def approve(self, number: int, *senders: str) -> list[str]:
        """Codes of approvals in one block."""
        return [receipt.code for receipt in self.block(*(self.say(name, Approve(number)) for name in senders))]

    def withdraw(self, number: int, sender: str) -> str:
        return self.run(self.say(sender, Withdraw(number)))

    def agree(self, change: Change, number: int, voices: int = 5) -> None:
        """Propose and approve by the first so many members that still are."""
        names = [name for name in NAMES if self.member(name).keys][:voices]
        assert self.propose(names[0], change) == "ok"
        for name in names:
            assert self.ballot(number).status == "open", "enough approved before"
            assert self.approve(number, name) == ["ok"]

    def ballot(self, number: int) -> Ballot:
        return BALLOTS.decode(self.store[BALLOTS.key(number)])

    def member(self, name: str) -> Member:
        return MEMBERS.decode(self.store[MEMBERS.key(name)])

    def state(self) -> State:
        return State(self.store)

    def until(self, height: int) -> None:
        """Empty blocks up to and including this one."""
        while self.height < height:
            self.block()


def newcomer(name: str = "newbie", meters: tuple[NewMeter, ...] = (), **changes: Any) -> AdmitMember:
    """An organisation with one account key, one node, and keys made from its name."""
    member = Member(
        id=name,
        name=name.title(),
        roles=("supplier",),
        site="site",
        keys=(AccountKey(key_of(name).public_key, "all"),),
        nodes=(node(f"node-{name}"),),
        encryption_key=b"",
    )
    return AdmitMember(msgspec.structs.replace(member, **changes), meters)


def node(name: str, seed: str | None = None) -> Any:
    """A node with keys made from `seed`, by default its name."""
    made = node_keys(seed or name, key_of(seed or name).public_key, b"certificate of " + (seed or name).encode(), "")
    return msgspec.structs.replace(made, node=name)


def new_meter(
    name: str, member: str, kind: str = "source", import_wh: int = 0, private: Private | None = None
) -> NewMeter:
    meter = Meter(name, member, key_of(name).public_key, kind, "zone", 100_000, None, None, private=private)
    return NewMeter(meter, import_wh, 0)
