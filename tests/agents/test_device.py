"""The agent at a device against whoever signs, holds back, repeats or forges: it never leaves its envelope."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.governance.changes import RevokeKey, SetEnvelope
from contracts.members import AssetEnvelope, DaySpan, Meter
from contracts.records import MeterOrder, Order, StorageOrder
from node.agents.device import HORIZON, MAX_HELD, MAX_REFUSED, Device, DeviceRefusal, ordered
from node.agents.island import Move
from node.disk import MemoryDisk
from node.errors import NodeError
from tests.agents.device_world import LAST, NEXT, PLATE, World, at, corrupt
from tests.rpc.chain import INTERVAL
from tests.support.pact import key_of

SAFE = Move(100, 0)


def refused(device: Device, raw: bytes, now_ms: int) -> str:
    with pytest.raises(DeviceRefusal) as refusal:
        device.hear(raw, now_ms)
    assert refusal.value.message and refusal.value.hint
    return refusal.value.code


@pytest.fixture
def world() -> World:
    made = World(PLATE)
    made.order(NEXT, 9_000)
    return made


# What is ordered


def test_an_order_within_the_envelope_is_followed_in_its_interval_and_no_other(world: World) -> None:
    device = world.device()
    assert device.act(at(INTERVAL)).code == "device.no-order"
    held = device.hear(world.raw(NEXT), at(INTERVAL))
    assert (held.interval, held.give_wh, held.take_wh) == (NEXT, 9_000, 0)
    decided = device.act(at(NEXT))
    assert (decided.move, decided.code) == (Move(9_000, 0), "ok")
    assert device.act(at(NEXT + 1)).move == SAFE


@pytest.mark.parametrize("energy_wh", [9_001, 20_000])
def test_a_quorum_signs_an_order_that_the_envelope_forbids_and_the_device_refuses(
    energy_wh: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(PLATE)
    corrupt(monkeypatch)
    world.order(NEXT, energy_wh)
    device = world.device()
    assert refused(device, world.raw(NEXT), at(INTERVAL)) == "device.power"
    assert [(one.interval, one.code) for one in device.page.refused] == [(NEXT, "device.power")]
    decided = device.act(at(NEXT))
    assert (decided.move, decided.code) == (SAFE, "device.no-order")


def test_a_quorum_that_signs_a_wider_envelope_first_moves_nothing_beyond_the_plate(world: World) -> None:
    world.agree(SetEnvelope(AssetEnvelope("solar-1", 80_000, 0, safe_give_w=80_000)), 0)
    world.order(LAST, 9_001)
    device = world.device()
    assert refused(device, world.raw(LAST), at(NEXT)) == "device.power"
    # Its safe state is no way out either.
    assert device.act(at(LAST)).move == SAFE


def test_a_device_follows_a_narrower_envelope_at_once(world: World) -> None:
    device = world.device()
    device.hear(world.raw(NEXT), at(INTERVAL))
    world.agree(SetEnvelope(AssetEnvelope("solar-1", 8_000, 0, safe_give_w=40)), 0)
    # The order itself is as it was, and still signed; the interval's terms on the ledger, too.
    assert refused(device, world.raw(NEXT), at(INTERVAL)) == "device.power"
    decided = device.act(at(NEXT))
    assert (decided.move, decided.code) == (Move(10, 0), "device.power")


def test_a_revoked_key_takes_the_device_to_its_safe_state_at_once(world: World) -> None:
    device = world.device()
    device.hear(world.raw(NEXT), at(INTERVAL))
    world.agree(RevokeKey("solar", key_of("solar-1").public_key), 0)
    assert refused(device, world.raw(NEXT), at(INTERVAL)) == "device.revoked"
    decided = device.act(at(NEXT))
    assert (decided.move, decided.code) == (SAFE, "device.revoked")
    assert device.act(at(LAST)).code == "device.revoked"


def test_times_and_ramps_of_the_plate_hold_whatever_the_ledger_says(world: World) -> None:
    closed = msgspec.structs.replace(PLATE, spans=(DaySpan(0, 1),))
    device = world.device(closed)
    assert refused(device, world.raw(NEXT), at(INTERVAL)) == "device.time"
    assert device.act(at(NEXT)).move == SAFE
    slow = world.device(msgspec.structs.replace(PLATE, ramp_w=35_996))
    slow.act(at(INTERVAL))
    slow.hear(world.raw(NEXT), at(INTERVAL))
    # From 100 Wh to 9,000 Wh are 8,900 Wh; from standstill they would be 9,000.
    assert slow.act(at(NEXT)).code == "ok"
    still = world.device(msgspec.structs.replace(PLATE, ramp_w=35_996, safe_give_w=0))
    still.act(at(INTERVAL))
    still.hear(world.raw(NEXT), at(INTERVAL))
    assert still.act(at(NEXT)).code == "device.ramp"


def test_ramps_count_from_the_interval_before_and_from_standstill_after_a_gap(world: World) -> None:
    device = world.device()
    device.acted(NEXT, Move(50, 0))
    assert (device.last(NEXT + 1), device.last(NEXT + 2)) == (Move(50, 0), Move())


def test_critical_load_is_no_orders_to_take() -> None:
    plate = AssetEnvelope("campus-1", 0, 40_000, floor_w=8_000, safe_take_w=8_000)
    dark = World(plate)
    dark.agree(SetEnvelope(AssetEnvelope("campus-1", 0, 40_000)), 0)
    dark.order(NEXT, 9_000)
    spared = dark.device(plate)
    spared.hear(dark.raw(NEXT, meter="campus-1", member="campus"), at(INTERVAL))
    assert spared.act(at(INTERVAL)) == (INTERVAL, Move(0, 2_000), "device.no-order"), "nor a vote's"
    for on_ledger in (plate, msgspec.structs.replace(plate, floor_w=0)):
        world = World(on_ledger)
        world.order(NEXT, 1_999)
        device = world.device(plate)
        raw = world.raw(NEXT, meter="campus-1", member="campus")
        assert refused(device, raw, at(INTERVAL)) == "device.floor"
    assert device.act(at(NEXT)).move == Move(0, 2_000)
    other = World(plate)
    other.order(NEXT, 2_000)
    content = other.device(plate)
    content.hear(other.raw(NEXT, meter="campus-1", member="campus"), at(INTERVAL))
    assert content.act(at(NEXT)) == (NEXT, Move(0, 2_000), "ok")


# What is not believed


def test_an_order_that_was_followed_is_not_followed_again(world: World) -> None:
    disk = MemoryDisk()
    device = world.device(disk=disk)
    raw = world.raw(NEXT)
    device.hear(raw, at(INTERVAL))
    device.hear(raw, at(INTERVAL))
    device.act(at(NEXT))
    assert refused(device, raw, at(NEXT)) == "device.replayed"
    disk.crash()
    again = world.device(disk=disk)
    assert refused(again, raw, at(INTERVAL)) == "device.replayed", "a restart forgets nothing, a clock set back neither"


def test_an_interval_that_was_ordered_otherwise_before_is_refused(world: World) -> None:
    device = world.device()
    device.hear(world.raw(NEXT), at(INTERVAL))
    rival = World(PLATE)
    rival.order(NEXT, 5_000)
    assert rival.chain.ledger.chain_id == world.chain.ledger.chain_id
    assert refused(device, rival.raw(NEXT), at(INTERVAL)) == "device.replayed"
    assert device.act(at(NEXT)).move == Move(9_000, 0)


def test_what_is_late_early_or_older_than_what_was_seen_is_refused(world: World) -> None:
    device, raw = world.device(), world.raw(NEXT)
    assert refused(device, raw, at(NEXT + 1)) == "device.late"
    assert refused(device, raw, at(NEXT - 193)) == "device.early"
    old = world.raw(NEXT, height=world.chain.ledger.height - 1)
    world.until(0)
    device.hear(world.raw(NEXT), at(INTERVAL))
    assert refused(device, old, at(INTERVAL)) == "device.stale"


def test_orders_of_another_device_or_member_are_refused(world: World) -> None:
    device = world.device()
    assert refused(device, world.raw(NEXT, meter="campus-1", member="campus"), at(INTERVAL)) == "device.other"
    assert refused(device, world.raw(NEXT, member="campus"), at(INTERVAL)) == "device.no-order"
    assert refused(device, world.raw(LAST), at(INTERVAL)) == "device.no-order"
    without = world.proof(NEXT)
    without["entries"] = [one for one in without["entries"] if b"envelope" not in bytes.fromhex(one["key"])]
    assert refused(device, json.dumps(without).encode(), at(INTERVAL)) == "device.other", "terms can't be left out"
    assert device.page.held == ()


def test_what_no_quorum_signed_is_refused(world: World) -> None:
    device = world.device()
    proof = world.proof(NEXT)
    altered: list[Any] = [b"", b"{}", b"\xff", json.dumps({**proof, "kind": "transaction"}).encode()]
    fewer = {**proof["certificate"], "signatures": proof["certificate"]["signatures"][:2]}
    altered.append(json.dumps({**proof, "certificate": fewer}).encode())
    altered.append(json.dumps({**proof, "header": {**proof["header"], "state_root": "00" * 32}}).encode())
    entries = [dict(one) for one in proof["entries"]]
    order = next(one for one in entries if b"order" in bytes.fromhex(one["key"]))
    order["value"] = order["value"].replace("cd2328", "cd2329")
    assert entries != proof["entries"], "one Wh more"
    altered.append(json.dumps({**proof, "entries": entries}).encode())
    altered.append(json.dumps({**proof, "entries": [{**entries[0], "proof": "zz"}]}).encode())
    altered.append(json.dumps({**proof, "entries": [one for one in entries if one is not entries[2]]}).encode())
    for raw in altered:
        assert refused(device, raw, at(INTERVAL)) == "device.unproven"
    stranger = Device(PLATE, World().chain.ledger.genesis, Path("d"), MemoryDisk())
    assert refused(stranger, world.raw(NEXT), at(INTERVAL)) == "device.unproven"
    assert device.page.registered is None and device.act(at(NEXT)).move == SAFE


@given(
    st.binary(max_size=60)
    | st.integers(0, 2_000).map(lambda length: b'{"kind": "state", "chain_id": "' + b"[" * length)
)
def test_nothing_that_comes_in_raises_anything_else(raw: bytes) -> None:
    device = World(PLATE).device() if not _DEVICES else _DEVICES[0]
    _DEVICES[:] = [device]
    assert refused(device, raw, at(INTERVAL)) == "device.unproven"


_DEVICES: list[Device] = []
"""Of the property: founding a chain takes longer than it."""


# What it remembers


def test_what_it_keeps_is_bounded_and_its_own(world: World) -> None:
    disk = MemoryDisk()
    device = world.device(disk=disk)
    for _ in range(MAX_REFUSED + 3):
        assert refused(device, world.raw(NEXT), at(NEXT + 9)) == "device.late"
    assert len(device.page.refused) == MAX_REFUSED
    with pytest.raises(NodeError) as foreign:
        world.device(msgspec.structs.replace(PLATE, meter="solar-2"), disk)
    assert foreign.value.code == "device.foreign"
    disk.replace(Path("device"), b"\x00")
    with pytest.raises(NodeError) as corrupted:
        world.device(disk=disk)
    assert corrupted.value.code == "device.corrupt"


def test_no_order_that_is_still_ahead_makes_room_for_a_later_one(world: World) -> None:
    device = world.device()
    device.hear(world.raw(NEXT), at(INTERVAL))
    first = device.page.held[0]
    for interval in range(NEXT, INTERVAL + HORIZON + 1):
        device._accept(msgspec.structs.replace(first, interval=interval), at(INTERVAL))
    assert device.act(at(NEXT)) == (NEXT, Move(9_000, 0), "ok")
    for interval in range(INTERVAL + HORIZON + 1, INTERVAL + HORIZON + 9):
        device._accept(msgspec.structs.replace(first, interval=interval), at(INTERVAL + 9))
    assert len(device.page.held) == MAX_HELD and device.page.held[-1].interval == INTERVAL + HORIZON + 8


def test_an_order_says_what_equipment_of_each_kind_does() -> None:
    def meter(kind: str) -> Meter:
        return Meter("m", "me", bytes(32), kind, "zone", 1, None, None)

    order = Order("me", 1, 30, 20, 10, (MeterOrder("m", 7), MeterOrder("n", 9)), 16, 0, None)
    assert ordered(order, meter("source")) == Move(7, 0)
    assert ordered(order, meter("load")) == Move(0, 20)
    assert ordered(order, meter("storage")) == Move(7, 20)
    stored = msgspec.structs.replace(order, storages=(StorageOrder("m", 3, 5, 0),))
    assert ordered(stored, meter("storage")) == Move(5, 3)
