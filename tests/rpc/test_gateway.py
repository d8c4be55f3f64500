"""The meter gateway: whatever breaks, and whenever, each reading is counted exactly once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.agents import outbox as outbox_module
from node.agents.gateway import MeterGateway
from node.agents.outbox import COMPACT_BYTES, Head, Outbox, Signed
from node.client import MAX_BATCH, Result, RpcError
from node.disk import MemoryDisk, PowerLoss, RealDisk, Tear
from node.errors import NodeError
from tests.rpc.chain import INTERVAL, PARAMS, Chain, serving
from tests.rpc.gateway_world import PATH, WRITTEN, Accepted, Wire, head, key
from tests.support.pact import meter
from zk.hashing import sha256


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


def test_readings_reach_the_ledger_over_a_real_server(tmp_path: Path) -> None:
    async def go() -> None:
        chain = Chain()
        gateway = MeterGateway(key(chain), tmp_path / "outbox", RealDisk())
        async with serving(chain) as client:
            for register in (10, 20, 30):
                gateway.record(INTERVAL, register, 0)
            assert (await gateway.flush(client)).final == 3
            assert head(chain) == (3, 30) and gateway.waiting == 0
            assert await gateway.flush(client) == (0, 0, (), "")
        gateway.close()
        again = MeterGateway(key(chain), tmp_path / "outbox", RealDisk())
        assert (again.sequence, again.waiting) == (3, 0)
        again.close()

    run(go())


ACTIONS = st.sampled_from(["record", "flush", "lost request", "lost answer", "kill", "crash", "tear"])


@given(st.lists(ACTIONS, max_size=25), st.integers(0, 40), st.booleans())
@settings(max_examples=120)
def test_nothing_is_lost_and_nothing_counted_twice(actions: list[str], keep: int, last: bool) -> None:
    """Records, network failures and crashes in any order; at the end the ledger shows the last register, once each."""

    async def go() -> None:
        chain, disk = Chain(), MemoryDisk()
        client = Wire(chain)
        gateway = MeterGateway(key(chain), PATH, disk)
        register, recorded = 0, 0
        for action in actions:
            client.lose_request = action == "lost request"
            client.lose_answer = action == "lost answer"
            match action:
                case "record":
                    register += 7
                    gateway.record(INTERVAL, register, 0)
                    recorded += 1
                case "flush" | "lost request" | "lost answer":
                    with contextlib.suppress(RpcError):
                        await gateway.flush(client)
                case _:
                    if action == "tear":
                        disk.fail_at(1)
                        with pytest.raises(PowerLoss):
                            gateway.record(INTERVAL, register + 1, 0)
                    disk.crash(WRITTEN if action == "kill" else Tear(keep, last))
                    gateway = MeterGateway(key(chain), PATH, disk)
        client.lose_request = client.lose_answer = False
        torn = gateway.sequence - recorded
        while gateway.waiting:
            assert not (await gateway.flush(client)).refused
        sequence, shown = head(chain)
        assert sequence == recorded + torn
        assert shown == register if torn == 0 else shown in (register, register + 1)
        events = [
            event
            for height in range(1, chain.ledger.height + 1)
            for receipt in chain.ledger.receipts(height)
            for event in receipt.events
        ]
        assert [event.sequence for event in events] == list(range(1, sequence + 1))

    run(go())


def test_an_impossible_reading_is_reported_and_those_behind_it_go_on() -> None:
    async def go() -> None:
        chain, disk = Chain(), MemoryDisk()
        client = Wire(chain)
        gateway = MeterGateway(key(chain), PATH, disk)
        for register in (10, 5, 20, 30):
            gateway.record(INTERVAL, register, 0)
        flushed = await gateway.flush(client)
        assert flushed.final == 1 and flushed.waiting == 2
        assert [(one.sequence, one.code) for one in flushed.refused] == [(2, "reading.backwards")]
        disk.crash(WRITTEN)
        gateway = MeterGateway(key(chain), PATH, disk)
        assert (await gateway.flush(client)).final == 2
        assert head(chain) == (3, 30)

    run(go())


def test_two_flushes_at_once_do_not_judge_each_others_links() -> None:
    async def go() -> None:
        chain = Chain()
        client = Wire(chain)
        gateway = MeterGateway(key(chain), PATH, MemoryDisk())
        for register in (10, 5, 20, 30):
            gateway.record(INTERVAL, register, 0)
        await asyncio.gather(*(gateway.flush(client) for _ in range(3)))
        assert gateway.waiting == 0 and head(chain) == (3, 30)
        assert [register for _, register in Accepted(chain).shown()] == [10, 20, 30]

    run(go())


def test_a_reading_before_its_time_waits() -> None:
    async def go() -> None:
        chain = Chain()
        client = Wire(chain)
        gateway = MeterGateway(key(chain), PATH, MemoryDisk())
        gateway.record(INTERVAL + 5, 10, 0)
        assert await gateway.flush(client, "final", 1) == (0, 1, (), "reading.future")
        chain.time_ms += 5 * 900_000
        assert (await gateway.flush(client)).final == 1

    run(go())


def test_an_outbox_from_a_backup_goes_on_behind_the_ledger() -> None:
    """The backup repeats sequences with other content; the ledger refuses them as a fork, and they are linked anew."""

    async def go() -> None:
        chain = Chain()
        client = Wire(chain)
        gateway = MeterGateway(key(chain), PATH, MemoryDisk())
        gateway.record(INTERVAL, 10, 0)
        await gateway.flush(client)
        restored = MeterGateway(key(chain), PATH, MemoryDisk())
        restored.record(INTERVAL, 15, 0)
        assert [one.code for one in (await restored.flush(client)).refused] == ["reading.fork"]
        assert (await restored.flush(client)).final == 1
        assert head(chain) == (2, 15)

    run(go())


def test_a_backup_older_than_several_readings_loses_none() -> None:
    async def go() -> None:
        chain = Chain()
        client = Wire(chain)
        gateway = MeterGateway(key(chain), PATH, MemoryDisk())
        for register in (10, 11, 12):
            gateway.record(INTERVAL, register, 0)
        await gateway.flush(client)
        restored = MeterGateway(key(chain), PATH, MemoryDisk())
        restored.record(INTERVAL, 15, 0)
        assert [one.code for one in (await restored.flush(client)).refused] == ["reading.replay"]
        assert (await restored.flush(client)).final == 1
        assert head(chain) == (4, 15)

    run(go())


def test_a_reading_that_a_proposer_repeated_is_done() -> None:
    """A block may repeat what is executed; the second execution says so, and the gateway does not go back to it."""

    async def go() -> None:
        chain = Chain()
        client = Wire(chain)
        gateway = MeterGateway(key(chain), PATH, MemoryDisk())
        raw = gateway.record(INTERVAL, 10, 0)
        client.lose_answer = True
        with pytest.raises(RpcError):
            await gateway.flush(client)
        await chain.repeat(raw)
        client.lose_answer = False
        assert (await gateway.flush(client)).final == 1 and gateway.waiting == 0
        assert head(chain) == (1, 10)

    run(go())


def test_a_reading_taken_while_the_fork_is_looked_up_is_not_lost() -> None:
    async def go() -> None:
        chain = Chain()
        client = Wire(chain)
        gateway = MeterGateway(key(chain), PATH, MemoryDisk())
        gateway.record(INTERVAL, 10, 0)
        await gateway.flush(client)
        restored = MeterGateway(key(chain), PATH, MemoryDisk())
        restored.record(INTERVAL, 15, 0)
        # The first interruption is during the submission, the second while the ledger's head is fetched.
        client.meanwhile = lambda: setattr(client, "meanwhile", lambda: restored.record(INTERVAL, 20, 0))
        assert (await restored.flush(client)).waiting == 2
        assert (await restored.flush(client)).final == 2
        assert head(chain) == (3, 20)

    run(go())


def test_the_gateway_whose_reading_comes_second_stops() -> None:
    """Until then both of two gateways with one meter work, since neither can know of the other."""

    async def go() -> None:
        chain = Chain()
        client = Wire(chain)
        first, second = (MeterGateway(key(chain), PATH, MemoryDisk()) for _ in range(2))
        first.record(INTERVAL, 10, 0)
        await first.flush(client)
        await second.adopt(client)
        second.record(INTERVAL, 20, 0)
        assert (await second.flush(client)).final == 1
        first.record(INTERVAL, 25, 0)
        first.record(INTERVAL, 30, 0)
        for _ in range(2):
            with pytest.raises(NodeError) as stopped:
                await first.flush(client)
            assert stopped.value.code == "gateway.rival" and stopped.value.hint
        assert first.waiting == 2, "what it holds is kept"
        requests = client.requests
        with pytest.raises(NodeError):
            await first.flush(client)
        assert client.requests == requests, "and it is silent"
        second.record(INTERVAL, 40, 0)
        assert (await second.flush(client)).final == 1
        assert head(chain) == (3, 40)

    run(go())


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["record", "flush", "deaf"])), max_size=40))
@settings(max_examples=150)
def test_of_two_gateways_with_one_meter_one_goes_on(actions: list[tuple[int, str]]) -> None:
    async def go() -> None:
        chain = Chain()
        client = Wire(chain)
        gateways = [MeterGateway(key(chain), PATH, MemoryDisk()) for _ in range(2)]
        stopped = [False, False]

        async def flush(who: int) -> None:
            try:
                await gateways[who].flush(client)
            except RpcError:
                pass
            except NodeError as error:
                assert error.code == "gateway.rival"
                stopped[who] = True

        rest = [(who, step) for step in ("record", "flush") * 5 for who in (0, 1)]
        for register, (who, action) in enumerate([*actions, *rest], 1):
            client.lose_answer = action == "deaf"
            if action == "record":
                gateways[who].record(INTERVAL, register, 0)
            else:
                await flush(who)
        assert sum(stopped) == 1
        survivor = gateways[stopped.index(False)]
        while survivor.waiting:
            await flush(stopped.index(False))
        assert sum(stopped) == 1
        accepted = Accepted(chain)
        shown = accepted.shown()
        assert shown == sorted(set(shown)), "no reading counts twice"

    run(go())


def test_an_outbox_has_one_process(tmp_path: Path) -> None:
    chain = Chain()
    gateway = MeterGateway(key(chain), tmp_path / "outbox")
    gateway.record(INTERVAL, 10, 0)
    with pytest.raises(NodeError) as refused:
        MeterGateway(key(chain), tmp_path / "outbox")
    assert refused.value.code == "gateway.locked" and refused.value.hint
    gateway.close()
    MeterGateway(key(chain), tmp_path / "outbox").close()


def test_an_outbox_of_another_meter_is_not_used() -> None:
    chain, disk = Chain(), MemoryDisk()
    gateway = MeterGateway(key(chain), PATH, disk)
    gateway.record(INTERVAL, 10, 0)
    gateway.close()
    for _ in range(2):
        with pytest.raises(NodeError) as refused:
            MeterGateway(key(chain, "solar-1"), PATH, disk)
        assert refused.value.code == "gateway.foreign" and refused.value.hint


def test_a_full_outbox_says_so_and_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        monkeypatch.setattr(outbox_module, "MAX_WAITING", 3)
        chain = Chain()
        gateway = MeterGateway(key(chain), PATH, MemoryDisk())
        for register in (10, 20, 30):
            gateway.record(INTERVAL, register, 0)
        with pytest.raises(NodeError) as refused:
            gateway.record(INTERVAL, 40, 0)
        assert refused.value.code == "gateway.full" and refused.value.hint
        assert (await gateway.flush(Wire(chain))).final == 3
        gateway.record(INTERVAL, 50, 0)

    run(go())


def test_an_answer_about_other_readings_settles_nothing() -> None:
    class Confused(Wire):
        async def submit(self, envelopes: Any, wait: Any = "accepted", timeout_ms: int = 30_000) -> list[Result]:
            return (await super().submit(envelopes, wait, timeout_ms))[:-1]

    async def go() -> None:
        chain = Chain()
        gateway = MeterGateway(key(chain), PATH, MemoryDisk())
        gateway.record(INTERVAL, 10, 0)
        gateway.record(INTERVAL, 20, 0)
        with pytest.raises(RpcError) as refused:
            await gateway.flush(Confused(chain))
        assert refused.value.code == "rpc.garbled" and gateway.waiting == 2
        assert (await gateway.flush(Wire(chain))).final == 2

    run(go())


WEEK = 672


@pytest.mark.parametrize("killed", [False, True])
def test_a_week_alone_is_delivered_once_in_order(killed: bool) -> None:
    """672 quarter-hours of three meters while no node answers; then everything, in bounded requests, although the
    ledger takes only 64 readings of a meter per interval. `killed`: each gateway dies in the middle of that."""

    async def go() -> None:
        meters = [meter(f"load-{number}", "campus") for number in range(3)]
        chain = Chain(meters=meters)
        client, disk = Wire(chain), MemoryDisk()
        names = [one.id for one in meters]
        paths = {name: PATH.with_name(name) for name in names}
        gateways = {name: MeterGateway(key(chain, name), paths[name], disk) for name in names}
        client.lose_request = True
        for number in range(WEEK):
            for name in names:
                gateways[name].record(INTERVAL + number, 7 * (number + 1), 0)
            if number % 96 == 0:
                with pytest.raises(RpcError):
                    await gateways["load-0"].flush(client)
        for path in paths.values():
            assert len(disk.read(path)) < WEEK * 512
        client.lose_request = False
        client.requests = 0
        await chain.produce((INTERVAL + WEEK) * PARAMS.interval_ms)
        while any(one.waiting for one in gateways.values()):
            for name in names:
                while gateways[name].waiting and not (await gateways[name].flush(client)).held:
                    pass
                if killed and gateways[name].waiting < WEEK // 2:
                    disk.crash(WRITTEN)
                    gateways = {one: MeterGateway(key(chain, one), paths[one], disk) for one in names}
                    killed_now.append(name)
            await chain.produce(chain.time_ms + PARAMS.interval_ms)
        for name in names:
            accepted = Accepted(chain, name)
            assert accepted.shown() == [(INTERVAL + number, 7 * (number + 1)) for number in range(WEEK)]
            assert accepted.sequences == list(range(1, WEEK + 1))
        assert client.largest <= MAX_BATCH
        assert client.requests <= 3 * WEEK // 4
        assert len(client.carried) <= 3 * 3 * WEEK, "what a node holds back is tried with few envelopes"
        assert bool(killed_now) == killed

    killed_now: list[str] = []
    run(go())


def test_a_lost_outbox_adopts_the_ledgers_chain() -> None:
    async def go() -> None:
        chain = Chain()
        client = Wire(chain)
        gateway = MeterGateway(key(chain), PATH, MemoryDisk())
        gateway.record(INTERVAL, 10, 0)
        await gateway.flush(client)
        lost = MeterGateway(key(chain), PATH, MemoryDisk())
        await lost.adopt(client)
        lost.record(INTERVAL, 12, 0)
        assert (await lost.flush(client)).final == 1 and head(chain) == (2, 12)

    run(go())


def test_damage_in_the_middle_stops_the_gateway() -> None:
    """Going on would sign a sequence twice."""
    chain, disk = Chain(), MemoryDisk()
    gateway = MeterGateway(key(chain), PATH, disk)
    for register in (1, 2, 3):
        gateway.record(INTERVAL, register, 0)
    gateway.close()
    disk.flip(PATH, 20, 1)
    with pytest.raises(NodeError) as refused:
        MeterGateway(key(chain), PATH, disk)
    assert refused.value.code == "outbox.corrupt" and refused.value.hint


def test_a_full_disk_refuses_the_reading_and_keeps_the_rest() -> None:
    chain, disk = Chain(), MemoryDisk(capacity=600)
    gateway = MeterGateway(key(chain), PATH, disk)
    signed = [gateway.record(INTERVAL, register, 0) for register in (1, 2)]
    with pytest.raises(NodeError) as refused:
        gateway.record(INTERVAL, 3, 0)
    assert refused.value.code == "disk.full" and gateway.sequence == 2
    gateway.close()
    assert [one.envelope for one in Outbox(PATH, disk).waiting.values()] == signed


def test_the_file_does_not_grow_with_what_is_final() -> None:
    disk = MemoryDisk()
    outbox = Outbox(PATH, disk)
    for sequence in range(1, 4_001):
        outbox.add(Signed(sequence, sha256(b"%d" % sequence), bytes(1_000)))
        if sequence % 100 == 0:
            outbox.settle(sequence - 3)
    assert len(disk.read(PATH)) < COMPACT_BYTES + 200_000
    outbox.close()
    again = Outbox(PATH, disk)
    assert again.head == Head(4_000, sha256(b"4000"))
    assert list(again.waiting) == [3_998, 3_999, 4_000]
