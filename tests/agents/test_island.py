"""An island without a network: energy balances, critical load first, and all that was done is settled once."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from contracts.envelopes import Limits
from contracts.members import AssetEnvelope
from contracts.schema import INTERVALS, REGISTERS
from contracts.state import State
from contracts.units import PPM
from node.agents.device import Device, Held
from node.agents.gateway import MeterGateway
from node.agents.island import Asset, Move, balance, share
from node.agents.site import Acted, AssetSensed, Sensed, Shown, Site
from node.client import MeterKey
from node.disk import MemoryDisk
from tests.agents.device_world import LAST, NEXT, World, at
from tests.rpc.chain import serving
from tests.support.pact import meter as metered
from tests.support.pact import seed_of
from zk.codec import encode

WIDE = Limits(10_000, 10_000, None, 0)


def load(name: str, wants_wh: int, tier: int = 1, floor_wh: int = 0, take_wh: int = 10_000) -> Asset:
    return Asset(name, "load", Limits(0, take_wh, None, floor_wh), wants_wh, tier)


def source(name: str, can_wh: int, give_wh: int = 10_000, ramp_wh: int | None = None, last_wh: int = 0) -> Asset:
    return Asset(name, "source", Limits(give_wh, 0, ramp_wh, 0), can_wh=can_wh, last=Move(last_wh, 0))


def store(name: str, charge_wh: int, room_wh: int) -> Asset:
    return Asset(name, "storage", Limits(3_000, 3_000, None, 0), can_wh=charge_wh, room_wh=room_wh)


# Who gives and takes


def test_critical_load_is_served_first_then_the_more_critical_tier() -> None:
    loads = [load("a", 400, tier=0, floor_wh=100), load("b", 600, tier=5, floor_wh=300), load("c", 300, tier=0)]
    assert [move.take_wh for move in balance([*loads, source("s", 400)], 0).values()] == [100, 300, 0, 0]
    assert [move.take_wh for move in balance([*loads, source("s", 700)], 0).values()] == [250, 300, 150, 0]
    assert [move.take_wh for move in balance([*loads, source("s", 1_100)], 0).values()] == [400, 400, 300, 0]


def test_sources_give_before_storages_and_what_is_over_is_stored() -> None:
    both = [load("l", 500), source("s", 400), store("b", 1_000, 50)]
    assert balance(both, 0) == {"l": Move(0, 500), "s": Move(400, 0), "b": Move(100, 0)}
    sunny = [load("l", 500), source("s", 900), store("b", 1_000, 50)]
    assert balance(sunny, 0) == {"l": Move(0, 500), "s": Move(550, 0), "b": Move(0, 50)}


def test_sources_give_what_was_ordered_before_anything_else() -> None:
    two = [source("a", 900)._replace(ordered_wh=200), source("b", 900)._replace(ordered_wh=400)]
    for wanted_wh, shares in ((300, (100, 200)), (600, (200, 400)), (720, (270, 450)), (1_800, (900, 900))):
        moves = balance([load("l", wanted_wh), *two], 0)
        assert (moves["a"].give_wh, moves["b"].give_wh) == shares


def test_an_order_that_came_before_the_breaker_opened_says_who_gives_first(tmp_path: Path) -> None:
    genesis = World().chain.ledger.genesis

    def device(name: str, kind: str, ordered_wh: int) -> Device:
        plate = AssetEnvelope(name, 36_000, 36_000)
        one = Device(plate, genesis, Path(name), MemoryDisk())
        held = (Held(NEXT, ordered_wh, 0, 1),) if ordered_wh else ()
        one.page = msgspec.structs.replace(one.page, registered=metered(name, "me", kind), held=held)
        return one

    site = Site(
        [device("a", "source", 200), device("b", "source", 400), device("l", "load", 0)],
        tmp_path,
        genesis.params.interval_ms,
    )
    senses = {name: AssetSensed(can_wh=900) for name in ("a", "b")} | {"l": AssetSensed(wants_wh=600)}
    moves = site.step(Sensed(at(NEXT), True, senses)).moves
    assert [moves[name].give_wh for name in ("a", "b")] == [200, 400] and moves["l"].take_wh == 600


def test_a_source_comes_up_no_faster_than_its_ramp() -> None:
    assert balance([load("l", 500), source("s", 900, ramp_wh=50, last_wh=100)], 0)["s"] == Move(150, 0)


amounts = st.integers(0, 5_000)
loads = st.builds(load, st.just("l"), amounts, st.integers(0, 7), amounts, amounts)
sources = st.builds(source, st.just("s"), amounts, amounts, st.none() | amounts, amounts)
assets = st.lists(loads | sources | st.builds(store, st.just("b"), amounts, amounts), max_size=9).map(
    lambda found: [one._replace(meter=f"{one.meter}{number}") for number, one in enumerate(found)]
)


@given(assets, st.integers(0, 100_000))
def test_an_island_balances_and_nobody_leaves_its_limits(found: Sequence[Asset], loss_ppm: int) -> None:
    moves = balance(found, loss_ppm)
    given_wh = sum(move.give_wh for move in moves.values())
    taken_wh = sum(move.take_wh for move in moves.values())
    assert given_wh == taken_wh + taken_wh * loss_ppm // PPM
    for one in found:
        move = moves[one.meter]
        assert 0 <= move.give_wh <= min(one.limits.give_wh, one.can_wh)
        assert 0 <= move.take_wh <= one.limits.take_wh
        assert not (move.give_wh and move.take_wh)
        if one.kind == "load":
            assert move.take_wh <= one.wants_wh
        if one.limits.ramp_wh is not None:
            assert move.give_wh <= one.last.give_wh + one.limits.ramp_wh
    cut = {one.meter: min(one.wants_wh, one.limits.take_wh) for one in found if one.kind == "load"}
    shed = [one for one in found if one.meter in cut and moves[one.meter].take_wh < cut[one.meter]]
    for one in shed:
        critical_wh = min(one.wants_wh, one.limits.take_wh, one.limits.floor_wh)
        for other in found:
            if other.kind == "load" and other.tier > one.tier:
                # Nobody less critical has more than its own critical load.
                assert moves[other.meter].take_wh <= other.limits.floor_wh
            if other.kind == "load" and moves[one.meter].take_wh < critical_wh:
                assert moves[other.meter].take_wh <= other.limits.floor_wh


@given(st.lists(amounts, max_size=6), st.integers(0, 20_000))
def test_what_is_shared_adds_up(parts: list[int], limit_wh: int) -> None:
    named = {str(number): part for number, part in enumerate(parts)}
    cut = share(named, limit_wh)
    assert sum(cut.values()) == min(sum(parts), limit_wh)
    assert all(0 <= cut[name] <= part for name, part in named.items())


# Without a network


FORBIDDEN = """
from node.agents.isolation import forbid_network, open_sockets
from node.errors import NodeError
import asyncio, socket, urllib.request
forbid_network()
tried = (
    lambda: socket.socket(),
    lambda: socket.create_connection(("127.0.0.1", 9)),
    lambda: socket.getaddrinfo("localhost", 1),
    lambda: urllib.request.urlopen("http://127.0.0.1:9"),
    lambda: assert_none(),
    lambda: asyncio.new_event_loop(),
    lambda: socket.socketpair(),
)
def assert_none():
    assert open_sockets() == []
    socket.socket()
for one in tried:
    try:
        one()
    except NodeError as error:
        assert error.code == "device.network", error
    else:
        raise SystemExit("a socket was opened")
print("none")
"""


def python(code: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command, quiet = [sys.executable, "-c", code], subprocess.DEVNULL
    return subprocess.run(command, stdin=quiet, capture_output=True, check=False, timeout=60, **options)


def test_no_way_of_the_interpreter_leads_to_a_socket() -> None:
    ran = python(FORBIDDEN)
    assert ran.stdout == b"none\n", ran.stderr.decode()


def test_a_socket_that_a_parent_left_open_is_found() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ran = python("from node.agents.isolation import forbid_network\nforbid_network()", pass_fds=(theirs.fileno(),))
        assert ran.returncode and f"descriptor {theirs.fileno()} is one".encode() in ran.stderr


PLATES = (
    AssetEnvelope("campus-1", 0, 40_000, floor_w=4_000, safe_take_w=4_000),
    AssetEnvelope("solar-1", 36_000, 0, safe_give_w=400),
)
COMMAND = """
import atexit, sys
used = []
sys.addaudithook(lambda event, arguments: used.append(event) if event.startswith("socket.") else None)
@atexit.register
def tell():
    import socket
    before = list(used)
    try:
        socket.socket()
    except Exception as error:
        print("used", before, error.code, file=sys.stderr)
from node.cli.app import app
app()
"""
"""The command as it is, told on by a second hook, and tried once more when it ends."""


def test_a_site_plays_an_island_without_a_network_and_is_settled_once_on_return(tmp_path: Path) -> None:
    world = World(*PLATES)
    world.order(NEXT, 8_000)
    orders, state, keys = (tmp_path / name for name in ("orders", "state", "keys"))
    for directory in (orders, keys):
        directory.mkdir()
    genesis, plates = tmp_path / "genesis.mp", tmp_path / "plates.toml"
    genesis.write_bytes(encode(world.chain.ledger.genesis))
    plates.write_text(
        "[[envelopes]]\nmeter = 'campus-1'\ngive_w = 0\ntake_w = 40000\nfloor_w = 4000\nsafe_take_w = 4000\n"
        "[[envelopes]]\nmeter = 'solar-1'\ngive_w = 36000\ntake_w = 0\nsafe_give_w = 400\n"
    )
    for meter, member in (("solar-1", "solar"), ("campus-1", "campus")):
        (orders / f"{meter}.{NEXT}.json").write_bytes(world.raw(NEXT, meter=meter, member=member))
        key = {"kind": "meter", "seed": seed_of(meter).hex(), "public_key": "", "devnet": True, "meter": meter}
        (keys / f"{meter}.json").write_text(json.dumps(key))
    (orders / "rival.json").write_bytes(b"{}")
    os.mkfifo(orders / "solar-1.pipe.json")
    (orders / "solar-1.gone.json").symlink_to(tmp_path / "nowhere")

    def shown(interval: int, solar_wh: int, campus_wh: int) -> dict[str, AssetSensed]:
        return {
            "solar-1": AssetSensed(can_wh=2_500, shown=Shown(interval, 0, solar_wh)),
            "campus-1": AssetSensed(wants_wh=6_000, shown=Shown(interval, campus_wh, 0)),
        }

    lines = [
        Sensed(at(NEXT)),
        Sensed(at(LAST), True, shown(NEXT, 8_000, 8_000)),
        Sensed(at(LAST + 1), True, shown(LAST, 10_500, 10_500)),
        Sensed(at(LAST + 2), False, shown(LAST + 1, 13_000, 13_000)),
    ]
    options = ("--orders", str(orders), "--state", str(state), "--keys", str(keys), "--genesis", str(genesis))
    ran = subprocess.run(
        [sys.executable, "-c", COMMAND, "agent", "device", str(plates), *options],
        input=b"".join(msgspec.json.encode(one) + b"\n" for one in lines),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout.decode() + ran.stderr.decode()
    assert ran.stderr.decode().splitlines()[-1] == "used [] device.network"
    acted = [msgspec.json.decode(line, type=Acted) for line in ran.stdout.splitlines()]
    assert [(one.interval, one.island, one.signed) for one in acted] == [
        (NEXT, False, 0),
        (LAST, True, 2),
        (LAST + 1, True, 2),
        (LAST + 2, False, 2),
    ]
    done = [{meter: (one.give_wh, one.take_wh, one.code) for meter, one in step.moves.items()} for step in acted]
    assert done[0] == {"solar-1": (8_000, 0, "ok"), "campus-1": (0, 8_000, "ok")}
    assert done[1] == done[2] == {"solar-1": (2_500, 0, "ok"), "campus-1": (0, 2_500, "ok")}
    # Back on the grid there is no order for this interval: everybody is in its safe state, and says so.
    assert done[3] == {"solar-1": (100, 0, "device.no-order"), "campus-1": (0, 1_000, "device.no-order")}
    told = {name: said.partition(":")[0] for name, said in acted[0].refused.items()}
    unproven = dict.fromkeys(("solar-1.gone.json", "solar-1.pipe.json"), "device.unproven")
    assert told == {"rival.json": "device.other"} | unproven
    assert list(orders.iterdir()) == [], "each order is looked at once"

    asyncio.run(deliver(world, state))


async def deliver(world: World, state: Path) -> None:
    """Somebody with a network sends what was signed, twice, from two copies of the outboxes."""
    chain = world.chain
    chain.automatic = True
    # Two of the three intervals have closed without a word of the site.
    await chain.produce(at(LAST + 2, 1_000))
    closed = chain.ledger.get(INTERVALS.key(NEXT))
    assert closed is not None and INTERVALS.decode(closed).estimated == 2
    async with serving(chain) as client:
        for meter in ("solar-1", "campus-1"):
            outbox = state / f"{meter}.outbox"
            kept = outbox.read_bytes()
            for final in (3, 0):
                gateway = MeterGateway(MeterKey(chain.ledger.chain_id, meter, seed_of(meter)), outbox)
                flushed = await gateway.flush(client)
                # A reading that is there already is no second one.
                assert (flushed.waiting, flushed.refused) == (0, ())
                assert flushed.final == 3
                gateway.close()
                if final:
                    outbox.write_bytes(kept)
        await chain.produce(at(LAST + 3))
    state_ = State(chain.ledger)
    settled = {meter: state_.entry(REGISTERS, meter) for meter in ("solar-1", "campus-1")}
    assert [one and (one.import_wh, one.export_wh, one.sequence) for one in settled.values()] == [
        (0, 13_000, 3),
        (13_000, 0, 3),
    ]
    assert all(one and one.gaps == () for one in settled.values()), "what was estimated meanwhile is trued up"
