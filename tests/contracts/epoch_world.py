"""Committed state between the ends of epochs, which tests of seatings change by hand."""

from __future__ import annotations

import msgspec
from ledger_world import START_MS, key_of, make_genesis

from contracts import api, trust
from contracts.context import BlockContext
from contracts.genesis import ConsensusParams, Genesis, OpeningTrust
from contracts.members import NodeKeys, Seating
from contracts.schema import MEMBERS, SEATINGS, TRUSTS
from contracts.state import State
from contracts.units import PPM

BLOCKS = 3
"""Of an epoch."""
BAR = ConsensusParams().seat_bond_tokens


def nodes_of(member: str, count: int) -> tuple[NodeKeys, ...]:
    names = [f"node-{member}-{number}" for number in range(count)]
    return tuple(NodeKeys(name, key_of(name).public_key, b"", b"", b"", "") for name in names)


def pact_of(bonds: dict[str, int], nodes: int = 1) -> Genesis:
    """Members of full index with these bonds, each with so many nodes that take seats."""
    pact = make_genesis(
        roles={name: ("supplier",) for name in bonds},
        meters={},
        consensus=ConsensusParams(epoch_blocks=BLOCKS),
        trusts=tuple(OpeningTrust(name, 0, bond, PPM) for name, bond in sorted(bonds.items())),
    )
    members = tuple(msgspec.structs.replace(one, nodes=nodes_of(one.id, nodes)) for one in pact.members)
    listed = tuple(sorted(node.node for one in members for node in one.nodes))
    return msgspec.structs.replace(pact, members=members, validators=listed)


def letters(*bonds: int) -> dict[str, int]:
    return {chr(ord("a") + at): bond for at, bond in enumerate(bonds)}


class Epochs:
    """Committed state that a test changes by hand between the ends of epochs."""

    def __init__(self, pact: Genesis) -> None:
        self.pact = pact
        self.store = api.genesis_records(pact)
        self.height = 0
        self.time_ms = START_MS
        self.mix = bytes(32)

    def state(self) -> State:
        return State(self.store)

    def commit(self, state: State) -> None:
        state.commit()
        for key, value in state.changes().items():
            if value is None:
                del self.store[key]
            else:
                self.store[key] = value

    def set(self, member: str, bond: int, index_ppm: int = PPM) -> None:
        state = self.state()
        held = state.entry(TRUSTS, member)
        assert held is not None
        state.put(TRUSTS, msgspec.structs.replace(held, bonded_tokens=bond, index_ppm=index_ppm))
        self.commit(state)

    def register(self, member: str, nodes: tuple[NodeKeys, ...]) -> None:
        state = self.state()
        found = state.load(MEMBERS, MEMBERS.key(member))
        assert found is not None
        state.save(MEMBERS.key(member), msgspec.structs.replace(found, nodes=nodes))
        self.commit(state)

    def tombstone(self, *members: str) -> None:
        state = self.state()
        for member in members:
            trust.slash(state, self.context(), member, "duplicate-vote")
        self.commit(state)

    def context(self) -> BlockContext:
        return BlockContext("chain", self.height, self.time_ms, self.pact.params, self.pact.consensus, mix=self.mix)

    def block(self) -> Seating | None:
        self.height += 1
        state = self.state()
        made = api.close_block(state, self.context())
        self.commit(state)
        return made

    def end(self) -> Seating:
        """Run to the end of the epoch; what it seats two epochs ahead."""
        while (made := self.block()) is None:
            pass
        return made

    def numbers(self) -> list[int]:
        return sorted(int(key.rpartition(b"/")[2]) for key in self.store if key.startswith(SEATINGS.prefix))


def powers_of(seating: Seating) -> dict[str, int]:
    return {one.id: one.power for one in seating.organisations}
