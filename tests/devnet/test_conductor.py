"""The conductor under a clock that jumps: every interval happens once, in order, and is read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.bodies import PlainReading
from contracts.envelope import CODEC
from devnet import profiles, scenario
from devnet.agents import KillSafeDisk
from devnet.conductor import Conductor, Wallet
from devnet.courier import Courier
from devnet.trades import hire
from devnet.world import Order, Outcome, World
from node.agents.gateway import MeterGateway
from node.client import Account, Client, MeterKey, Result, Wait
from zk.hashing import sha256

CAMPUS = scenario.load("campus")
FIRST = CAMPUS.first_interval + 1
CHAIN = "test-0"


class Jumping:
    """A clock that is late by a given number of intervals each time it is waited for."""

    def __init__(self, jumps: Iterator[int]) -> None:
        self._jumps = jumps
        self._now_ms = CAMPUS.clock.origin_ms

    def now_ms(self) -> int:
        return self._now_ms

    async def reach(self, at_ms: int) -> None:
        self._now_ms = max(self._now_ms, at_ms) + next(self._jumps, 0) * CAMPUS.params.interval_ms

    async def insist(self) -> None:
        """Nobody to tell."""


class Willing(Client):
    """A node that takes everything and finds every interval settled, with half of the offers ordered."""

    def __init__(self) -> None:
        super().__init__("http://nowhere")
        self.readings: dict[str, list[PlainReading]] = {}
        self.markets = 0

    async def submit(self, envelopes: Sequence[bytes], wait: Wait = "final", timeout_ms: int = 0) -> list[Result]:
        for raw in envelopes:
            envelope = CODEC.decode(raw)
            if isinstance(envelope.body, PlainReading):
                self.readings.setdefault(envelope.meter, []).append(envelope.body)  # type: ignore[union-attr]
            else:
                self.markets += 1
        domain_hashes = [IDENTIFY(raw) for raw in envelopes]
        return [Result(hash_, "final", "ok") for hash_ in domain_hashes]

    async def get(self, path: str, **options: str | int) -> dict[str, Any]:
        match path.split("/"):
            case ["", "status"]:
                return {"height": 1}
            case ["", "query", "interval", _]:
                return {"data": {"status": "settled"}}
            case ["", "query", "dispatch", _]:
                geothermal = {"member": "geothermal", "served_wh": 0, "meters": [GEOTHERMAL]}
                battery = {"member": "storage", "served_wh": 1_000, "meters": []}
                return {"data": {"orders": [geothermal, battery]}}
        raise AssertionError(path)


GEOTHERMAL = {"meter": "geothermal-well", "energy_wh": 50_000}
IDENTIFY = MeterKey(CHAIN, "any", bytes(32)).transaction_id


class Watched(World):
    """Notes which intervals happened, and under which orders."""

    def __init__(self) -> None:
        super().__init__(CAMPUS, profiles.load(CAMPUS.season))
        self.happened: list[int] = []
        self.ordered: dict[int, dict[str, Order]] = {}

    def deliver(self, interval: int, orders: Mapping[str, Order]) -> Outcome:
        self.happened.append(interval)
        self.ordered[interval] = dict(orders)
        return super().deliver(interval, orders)


def play(directory: Path, jumps: list[int], count: int) -> tuple[Watched, Willing, Conductor]:
    world, node = Watched(), Willing()
    seeds = {name: sha256(name.encode()) for name in (*world.meters, *(one.id for one in CAMPUS.members))}
    gateways = {
        meter: MeterGateway(MeterKey(CHAIN, meter, seeds[meter]), directory / meter, KillSafeDisk())
        for meter in world.meters
    }
    wallets = {one.id: Wallet(Account(CHAIN, one.id, seeds[one.id])) for one in CAMPUS.members}
    conductor = Conductor(
        CAMPUS,
        world,
        hire(CAMPUS, world),
        wallets,
        gateways,
        Courier([node]),
        CHAIN,
        Jumping(iter(jumps)),
        lambda progress: None,
    )
    asyncio.run(conductor.run(FIRST, count))
    for gateway in gateways.values():
        gateway.close()
    return world, node, conductor


@settings(max_examples=12)
@given(jumps=st.lists(st.sampled_from([0, 0, 0, 1, 3]), max_size=12), count=st.integers(1, 4))
def test_every_interval_happens_once_and_is_read(
    jumps: list[int], count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    world, node, _ = play(tmp_path_factory.mktemp("outbox"), jumps, count)
    last = FIRST + count - 1
    assert world.happened == list(range(FIRST, last + 1))
    for meter, bodies in node.readings.items():
        assert [body.sequence for body in bodies] == list(range(1, len(bodies) + 1))
        assert [body.interval for body in bodies] == sorted({body.interval for body in bodies})
        assert (bodies[-1].import_wh, bodies[-1].export_wh) == world.registers[meter]
        assert bodies[-1].interval == last
    assert set(node.readings) == set(world.meters)


def test_orders_reach_the_equipment(tmp_path: Path) -> None:
    world, node, conductor = play(tmp_path, [], 2)
    for interval in (FIRST, FIRST + 1):
        assert world.ordered[interval] == {
            "geothermal-well": Order(supply_wh=50_000),
            "storage-battery": Order(charge_wh=1_000),
        }
        assert conductor.progress.outcomes[interval]["unserved_wh"] == 0
    assert node.markets >= 2 * 58
    assert conductor.progress.begun == 2
