"""The conductor under a clock that jumps and a process that is killed anywhere: all happens once, in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.bodies import Correct, Need, Offer, PlainReading
from contracts.envelope import CODEC, AccountEnvelope
from contracts.modes import OPEN_BREAKER
from contracts.schedule import first_open, lock_ms
from devnet import profiles, scenario
from devnet.agents import KillSafeDisk
from devnet.conductor import POLL_S, Conductor, Wallet
from devnet.courier import Courier
from devnet.diary import Diary, Progress
from devnet.directory import Layout
from devnet.faults import Fault
from devnet.trades import hire
from devnet.world import Order, Outcome, World
from node.agents.gateway import MeterGateway
from node.client import Account, Client, MeterKey, Result, Wait
from zk.hashing import sha256

CAMPUS = scenario.load("campus")
FIRST = CAMPUS.first_interval + 1
CHAIN = "test-0"
OWNERS = ("tenant-23",)
"""Who restates what a meter misread."""


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


class Killed(BaseException):
    """SIGKILL: nothing handles it."""


class Doom:
    """Kills whoever takes the given step, and everything that would still happen after it."""

    def __init__(self, at: int | None) -> None:
        self._left = at

    def step(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Killed


class Doomed(Diary):
    """A diary whose owner may die before or after it has written."""

    def __init__(self, layout: Layout, doom: Doom) -> None:
        super().__init__(layout)
        self._doom = doom

    def tell(self, progress: Progress) -> None:
        self._doom.step()
        super().tell(progress)
        self._doom.step()


class Willing(Client):
    """A node that takes everything once and finds every interval settled, with half of the offers ordered."""

    def __init__(self) -> None:
        super().__init__("http://nowhere")
        self.readings: dict[str, list[PlainReading]] = {}
        self.markets: list[AccountEnvelope] = []
        self.doom = Doom(None)
        self._known: set[bytes] = set()

    async def submit(self, envelopes: Sequence[bytes], wait: Wait = "final", timeout_ms: int = 0) -> list[Result]:
        self.doom.step()
        for raw in envelopes:
            if raw in self._known:
                continue
            self._known.add(raw)
            envelope = CODEC.decode(raw)
            if isinstance(envelope, AccountEnvelope):
                self.markets.append(envelope)
            else:
                assert isinstance(envelope.body, PlainReading)
                self.readings.setdefault(envelope.meter, []).append(envelope.body)
        self.doom.step()
        domain_hashes = [IDENTIFY(raw) for raw in envelopes]
        return [Result(hash_, "final", "ok") for hash_ in domain_hashes]

    async def get(self, path: str, **options: str | int) -> dict[str, Any]:
        self.doom.step()
        match path.split("/"):
            case ["", "status"]:
                return {"height": 1}
            case ["", "query", "interval", _]:
                return {"data": {"status": "settled"}}
            case ["", "query", "dispatch", _]:
                geothermal = {"member": "geothermal", "served_wh": 0, "meters": [GEOTHERMAL], "storages": []}
                battery = {"member": "storage", "served_wh": 1_000, "meters": [], "storages": []}
                return {"data": {"orders": [geothermal, battery]}}
            case ["", "query", "energy", interval, meter]:
                (settled,) = (body for body in self.readings[meter] if body.interval == int(interval))
                return {"data": {"member": meter.removesuffix("-load"), "sequence": settled.sequence}}
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


def play(
    directory: Path,
    jumps: list[int],
    count: int,
    faults: Sequence[Fault] = (),
    node: Willing | None = None,
    doom: Doom | None = None,
    window: int = 1,
) -> tuple[Watched, Willing, Conductor]:
    """A run, or what is left of one that was killed: the directory and the node are all that remains of that."""
    world, node = Watched(), node or Willing()
    node.doom = doom or Doom(None)
    diary = Doomed(Layout(directory), node.doom)
    if (known := diary.progress().world) is not None:
        world.restore(known)
    seeds = {name: sha256(name.encode()) for name in (*world.meters, *(one.id for one in CAMPUS.members))}
    gateways = {
        meter: MeterGateway(MeterKey(CHAIN, meter, seeds[meter]), directory / meter, KillSafeDisk())
        for meter in world.meters
    }
    wallets = {one.id: Wallet(Account(CHAIN, one.id, seeds[one.id])) for one in CAMPUS.members}
    owners = {one: Wallet(Account(CHAIN, one, sha256(b"owner " + one.encode()))) for one in OWNERS}
    _, parcels = diary.market() or (0, ())
    for envelope in [*node.markets, *(CODEC.decode(parcel.raw) for parcel in parcels)]:
        assert isinstance(envelope, AccountEnvelope)
        for wallet in (wallets[envelope.sender], owners.get(envelope.sender)):
            if wallet is not None:
                wallet.skip(envelope.public_key, envelope.nonce)
    courier = Courier([node])
    params = msgspec.structs.replace(CAMPUS.params, window_intervals=window)
    try:
        for gateway in gateways.values():
            while gateway.waiting:
                asyncio.run(courier.ask(gateway.flush))
        conductor = Conductor(
            msgspec.structs.replace(CAMPUS, params=params),
            world,
            hire(CAMPUS, world),
            wallets,
            gateways,
            courier,
            CHAIN,
            Jumping(iter(jumps)),
            diary,
            faults,
            {meter: bodies[-1].interval for meter, bodies in node.readings.items()},
            owners,
        )
        asyncio.run(conductor.run(FIRST, count))
    finally:
        # Also when killed: with a process its locks go.
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
    assert len(node.markets) >= 2 * 58
    assert conductor.progress.begun == 2


class Reluctant(Willing):
    """Holds each meter's readings back a few times before it takes them."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[bytes, list[float]] = {}

    async def submit(self, envelopes: Sequence[bytes], wait: Wait = "final", timeout_ms: int = 0) -> list[Result]:
        if isinstance(CODEC.decode(envelopes[0]), AccountEnvelope):
            return await super().submit(envelopes, wait, timeout_ms)
        times = self.asked.setdefault(envelopes[0], [])
        times.append(asyncio.get_running_loop().time())
        if len(times) <= 3:
            return [Result(IDENTIFY(raw), "refused", "budget.exceeded") for raw in envelopes]
        return await super().submit(envelopes, wait, timeout_ms)


def test_a_node_that_holds_readings_back_is_not_pressed(tmp_path: Path) -> None:
    world, node, conductor = play(tmp_path, [], 1, node=(reluctant := Reluctant()))
    assert {len(bodies) for bodies in node.readings.values()} == {1}
    assert set(node.readings) == set(world.meters) and not conductor.progress.refused
    pauses = [later - earlier for times in reluctant.asked.values() for earlier, later in pairwise(times)]
    assert len(pauses) == 3 * len(world.meters) and min(pauses) >= POLL_S * 0.9


COUNT = 4
TENANT = "tenant-07-load"
WELL = "geothermal-well"
HALF = "tenant-23-load"
EQUIPMENT = (
    Fault("silence", meters=(TENANT,), interval=0),
    Fault("speak", meters=(TENANT,), interval=2),
    Fault("lose", meters=(WELL,), interval=1),
    Fault("misread", meters=(HALF,), counts_ppm=500_000, interval=0),
    Fault("mend", meters=(HALF,), restate=True, interval=1),
)


def test_broken_equipment_is_silent_or_gives_nothing(tmp_path: Path) -> None:
    world, node, _ = play(tmp_path, [], COUNT, EQUIPMENT)
    late, last = node.readings[TENANT]
    assert (late.interval, last.interval, last.import_wh) == (FIRST + 2, FIRST + 3, world.registers[TENANT].import_wh)
    given_wh = [body.export_wh for body in node.readings[WELL]]
    # Ordered 50 kWh each time: delivered once, then never again.
    assert given_wh == [50_000] * COUNT
    offered = {
        envelope.body.interval
        for envelope in node.markets
        if isinstance(envelope.body, Offer) and envelope.body.meter == WELL
    }
    # Nobody knew of the loss when the second interval's market was made.
    assert offered == {FIRST, FIRST + 1}


def test_an_open_tie_says_so_and_the_site_balances_by_itself(tmp_path: Path) -> None:
    hour = (Fault("open", meters=("utility-tie",), interval=1), Fault("close", meters=("utility-tie",), interval=3))
    _, node, conductor = play(tmp_path, [], COUNT, hour)
    said = node.readings["utility-tie"]
    assert [body.status for body in said] == [0, OPEN_BREAKER, OPEN_BREAKER, 0]
    assert (said[2].import_wh, said[2].export_wh) == (said[0].import_wh, said[0].export_wh)
    assert said[3].export_wh > said[2].export_wh
    assert {body.status for meter, bodies in node.readings.items() if meter != "utility-tie" for body in bodies} == {0}
    for outcome in conductor.progress.outcomes.values():
        assert outcome["injected_wh"] == outcome["withdrawn_wh"] + outcome["losses_wh"]


@pytest.mark.parametrize("window", [1, 4])
def test_an_owner_restates_what_a_mended_meter_misread_once(tmp_path: Path, window: int) -> None:
    """Half of what flowed in the first interval is counted; the owner names the whole of it, with its own key, whether
    or not it is time to speak about a market."""
    world, node, conductor = play(tmp_path, [], COUNT, EQUIPMENT, window=window)
    (said,) = [one for one in node.markets if isinstance(one.body, Correct)]
    true_wh = world.actual_wh(HALF, FIRST)
    first, *others = node.readings[HALF]
    assert (first.import_wh, said.body) == (true_wh // 2, Correct(HALF, 1, FIRST, true_wh, 0))
    assert (said.sender, said.nonce) == ("tenant-23", 0)
    assert said.public_key not in {one.public_key for one in node.markets if not isinstance(one.body, Correct)}
    grown = [later.import_wh - before.import_wh for before, later in pairwise([first, *others])]
    assert grown == [world.actual_wh(HALF, FIRST + step) for step in range(1, COUNT)]
    assert conductor.progress.flowed[FIRST][HALF] == (true_wh, 0)


def test_what_a_battery_holds_is_reported(tmp_path: Path) -> None:
    _, node, _ = play(tmp_path, [], 2)
    held = [body.reserve.charge_wh for body in node.readings["storage-battery"] if body.reserve is not None]
    start_wh = 2_000_000 * 400_000 // 1_000_000
    assert held == [start_wh + 960, start_wh + 2 * 960]
    assert all(body.reserve is None for body in node.readings[WELL])


@settings(max_examples=16)
@given(deaths=st.lists(st.integers(0, 560), min_size=1, max_size=3))
def test_killed_anywhere_it_goes_on_as_if_nothing_had_been(
    deaths: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole, told, _ = play(tmp_path_factory.mktemp("whole"), [], COUNT, EQUIPMENT)
    directory, node = tmp_path_factory.mktemp("killed"), Willing()
    for death in deaths:
        with contextlib.suppress(Killed):
            play(directory, [], COUNT, EQUIPMENT, node, Doom(death))
    world, _, conductor = play(directory, [], COUNT, EQUIPMENT, node)
    assert node.readings == told.readings
    assert world.registers == whole.registers
    assert conductor.progress.shown == {meter: tuple(flow) for meter, flow in whole.registers.items()}
    assert sorted(conductor.progress.outcomes) == list(range(FIRST, FIRST + COUNT))
    assert said(node) == said(told)
    for key in {envelope.public_key for envelope in node.markets}:
        nonces = [envelope.nonce for envelope in node.markets if envelope.public_key == key]
        assert nonces == list(range(len(nonces)))


def said(node: Willing) -> list[str]:
    """What the node has but tariffs, which may be written again; whoever signed it how often."""
    return sorted(
        f"{envelope.sender} {envelope.body}"
        for envelope in node.markets
        if isinstance(envelope.body, Need | Offer | Correct)
    )


@given(st.integers(1, 12), st.integers(0, 20), st.integers(0, 899_999), st.integers(0, 40))
def test_every_interval_is_spoken_about_once_and_before_its_window_locks(
    window: int, ahead: int, lead_ms: int, count: int
) -> None:
    params = msgspec.structs.replace(
        CAMPUS.params, window_intervals=window, look_ahead_intervals=ahead, gate_lead_ms=lead_ms
    )
    conductor = object.__new__(Conductor)
    conductor._params = params
    first = first_open(params, FIRST * params.interval_ms)
    last = first + count
    spoken = list(range(first, conductor._posted_until(first - 1, last)))
    locked = list(range(first, conductor._locked_until(first - 1)))
    for interval in range(first, last + 1):
        assert interval in locked, "it is ordered when it starts"
        said = range(conductor._posted_until(interval - 1, last), conductor._posted_until(interval, last))
        assert all(lock_ms(params, one) > interval * params.interval_ms for one in said)
        spoken += said
        due = range(conductor._locked_until(interval - 1), conductor._locked_until(interval))
        assert all(lock_ms(params, one) <= (interval + 1) * params.interval_ms for one in due)
        assert set(due) <= {one for one in spoken if one <= last} | set(range(last + 1, last + 99))
        locked += due
    assert spoken == list(range(first, last + 1))
    assert locked == list(range(first, locked[-1] + 1))
