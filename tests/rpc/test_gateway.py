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

from contracts.schema import HEADS
from node.agents.gateway import MeterGateway
from node.agents.outbox import COMPACT_BYTES, Head, Outbox, Signed
from node.client import Client, MeterKey, Result, RpcError
from node.disk import MemoryDisk, PowerLoss, RealDisk, Tear
from node.errors import NodeError
from tests.rpc.chain import INTERVAL, Chain, serving
from zk.hashing import sha256

PATH = Path("/outbox/campus-1")
METER = "campus-1"


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


def key(chain: Chain) -> MeterKey:
    return MeterKey(chain.ledger.chain_id, METER, sha256(b"test key of " + METER.encode()))


def head(chain: Chain) -> tuple[int, int]:
    """Sequence and import register of the ledger."""
    raw = chain.ledger.get(HEADS.key(METER))
    assert raw is not None
    record = HEADS.decode(raw)
    return record.sequence, record.import_wh


class Flaky(Client):
    """Submits directly to a chain; loses requests or answers as told."""

    def __init__(self, chain: Chain) -> None:
        super().__init__("http://nowhere")
        self._chain = chain
        self.lose_request = self.lose_answer = False

    async def submit(self, envelopes: Any, wait: Any = "accepted", timeout_ms: int = 30_000) -> list[Result]:
        from node.rpc.submit import BinarySubmission, submit

        if self.lose_request:
            raise RpcError("rpc.unreachable", "The network is away.")
        answer = await submit(self._chain, BinarySubmission(list(envelopes), wait, timeout_ms))
        if self.lose_answer:
            raise RpcError("rpc.timeout", "The answer is lost.")
        return [Result(**{k: v for k, v in one.items() if k not in ("receipt", "proof")}) for one in answer["results"]]

    async def meter(self, meter: str, *, prove: bool = False) -> dict[str, Any]:
        from node.rpc.queries import Queries

        return await Queries(self._chain).state("meter", [meter], {})


def test_readings_reach_the_ledger_over_a_real_server(tmp_path: Path) -> None:
    async def go() -> None:
        chain = Chain()
        gateway = MeterGateway(key(chain), tmp_path / "outbox", RealDisk())
        async with serving(chain) as client:
            for register in (10, 20, 30):
                gateway.record(INTERVAL, register, 0)
            assert (await gateway.flush(client)).final == 3
            assert head(chain) == (3, 30) and gateway.waiting == 0
            assert await gateway.flush(client) == (0, 0, ())
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
        client = Flaky(chain)
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
                    if action != "kill":
                        disk.crash(Tear(keep, last))
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
        client = Flaky(chain)
        gateway = MeterGateway(key(chain), PATH, disk)
        for register in (10, 5, 20, 30):
            gateway.record(INTERVAL, register, 0)
        flushed = await gateway.flush(client)
        assert flushed.final == 1 and flushed.waiting == 2
        assert [(one.sequence, one.code) for one in flushed.refused] == [(2, "reading.backwards")]
        gateway = MeterGateway(key(chain), PATH, disk)
        assert (await gateway.flush(client)).final == 2
        assert head(chain) == (3, 30)

    run(go())


def test_a_reading_before_its_time_waits() -> None:
    async def go() -> None:
        chain = Chain()
        client = Flaky(chain)
        gateway = MeterGateway(key(chain), PATH, MemoryDisk())
        gateway.record(INTERVAL + 5, 10, 0)
        assert await gateway.flush(client, "final", 1) == (0, 1, ())
        chain.time_ms += 5 * 900_000
        assert (await gateway.flush(client)).final == 1

    run(go())


def test_an_outbox_from_a_backup_goes_on_behind_the_ledger() -> None:
    """The backup repeats sequences with other content; the ledger refuses them as a fork, and they are linked anew."""

    async def go() -> None:
        chain = Chain()
        client = Flaky(chain)
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
        client = Flaky(chain)
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
        client = Flaky(chain)
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


def test_a_lost_outbox_adopts_the_ledgers_chain() -> None:
    async def go() -> None:
        chain = Chain()
        client = Flaky(chain)
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
    assert [one.envelope for one in Outbox(PATH, disk).waiting.values()] == signed


def test_the_file_does_not_grow_with_what_is_final() -> None:
    disk = MemoryDisk()
    outbox = Outbox(PATH, disk)
    for sequence in range(1, 4_001):
        outbox.add(Signed(sequence, sha256(b"%d" % sequence), bytes(1_000)))
        if sequence % 100 == 0:
            outbox.settle(sequence - 3)
    assert len(disk.read(PATH)) < COMPACT_BYTES + 200_000
    again = Outbox(PATH, disk)
    assert again.head == Head(4_000, sha256(b"4000"))
    assert list(again.waiting) == [3_998, 3_999, 4_000]
