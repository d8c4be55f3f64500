"""The courier delivers everything as signed, whatever nodes do; the pool hands answers out right."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from devnet import courier as module
from devnet.courier import Courier, Parcel, PooledClient
from devnet.observation import Submitted
from node.client import Client, Result, RpcError, Wait
from zk.hashing import sha256


class Shaky(Client):
    """A node that answers by script: an error code, a status for all envelopes, or `hang`; then `final`."""

    def __init__(self, script: Sequence[str]) -> None:
        super().__init__("http://nowhere")
        self.script = list(script)
        self.seen: list[list[bytes]] = []

    async def submit(self, envelopes: Sequence[bytes], wait: Wait = "final", timeout_ms: int = 0) -> list[Result]:
        self.seen.append(list(envelopes))
        step = self.script.pop(0) if self.script else "final ok"
        if step == "hang":
            await asyncio.sleep(3600)
        status, _, code = step.partition(" ")
        if status == "error":
            raise RpcError(code, "scripted")
        return [Result(sha256(raw), status, code) for raw in envelopes]  # type: ignore[arg-type]  # scripted


def parcels(count: int) -> list[Parcel]:
    raws = [number.to_bytes(4, "big") for number in range(count)]
    return [Parcel(raw, Submitted(sha256(raw).hex(), "need", "ann")) for raw in raws]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.0)
    monkeypatch.setattr(module, "ANSWER_S", 0.05)


@pytest.mark.parametrize(
    "trouble",
    [
        "error rpc.unreachable",
        "error rpc.timeout",
        "error rpc.garbled",
        "error node.stopped",
        "accepted ok",
        "refused mempool.full",
        "final reading.gap",
        "final tx.nonce",
        "refused budget.exceeded",
        "hang",
    ],
)
def test_trouble_that_passes_is_waited_out(trouble: str) -> None:
    nodes = [Shaky([trouble]), Shaky([trouble])]
    recorded: list[str] = []
    courier = Courier(nodes, lambda items: recorded.extend(item.hash for item in items))
    sent = parcels(3)
    outcomes = asyncio.run(courier.deliver(sent))
    assert outcomes == {parcel.about.hash: "ok" for parcel in sent}
    assert recorded == [parcel.about.hash for parcel in sent]
    assert all(request == [parcel.raw for parcel in sent] for node in nodes for request in node.seen)


@pytest.mark.parametrize("verdict", ["refused need.late", "final money.insufficient", "final ok"])
def test_a_verdict_is_taken_at_once(verdict: str) -> None:
    node = Shaky([verdict])
    outcomes = asyncio.run(Courier([node]).deliver(parcels(2)))
    assert set(outcomes.values()) == {verdict.partition(" ")[2]}
    assert len(node.seen) == 1


def test_a_wrong_question_is_raised() -> None:
    node = Shaky(["error rpc.malformed"])
    with pytest.raises(RpcError):
        asyncio.run(Courier([node]).deliver(parcels(1)))


def test_many_go_in_batches() -> None:
    node = Shaky([])
    sent = parcels(3 * module.BATCH + 1)
    outcomes = asyncio.run(Courier([node]).deliver(sent))
    assert len(outcomes) == len(sent)
    assert sorted(map(len, node.seen)) == [1, module.BATCH, module.BATCH, module.BATCH]


def test_a_pool_shares_requests_but_not_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[int] = []

    async def answer(self: Client, envelopes: Sequence[bytes], *_: Any) -> list[Result]:
        requests.append(len(envelopes))
        if b"poison" in envelopes:
            raise RpcError("rpc.malformed", "poison")
        return [Result(raw, "final", "ok") for raw in envelopes]

    monkeypatch.setattr(Client, "submit", answer)

    async def play() -> None:
        client = PooledClient("http://nowhere")
        groups = [[f"{group}/{item}".encode() for item in range(60)] for group in range(9)]
        found = await asyncio.gather(*(client.submit(group, "final", 1000) for group in groups))
        assert [[result.hash for result in results] for results in found] == groups
        assert requests == [240, 240, 60]
        lost, kept = await asyncio.gather(
            client.submit([b"poison"], "final", 1000), client.submit([b"x"], "accepted", 5), return_exceptions=True
        )
        assert isinstance(lost, RpcError)
        assert isinstance(kept, list)
        abandoned = asyncio.ensure_future(client.submit([b"y"], "final", 1000))
        await asyncio.sleep(0)
        abandoned.cancel()
        assert (await client.submit([b"z"], "final", 1000))[0].hash == b"z"

    asyncio.run(play())
