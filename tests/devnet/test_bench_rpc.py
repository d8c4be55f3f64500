"""The parts of `gridpact bench rpc` that can be wrong by themselves: what is asked, who listens, what is counted."""

from __future__ import annotations

import asyncio

import pytest

from devnet import chromium
from devnet.bench import page, rpc
from tests.rpc.chain import Chain, serving


def test_point_queries_are_timed_and_a_refusal_is_no_measurement() -> None:
    async def go() -> None:
        async with serving(Chain()) as client:
            paths = ("/query/balance/solar", "/status")
            taken = await asyncio.to_thread(rpc.point_latencies, client.base_url, paths, 0.1)
            assert len(taken) == 10 and all(0 < one < 5 for one in taken)
            with pytest.raises(AssertionError, match="404"):
                await asyncio.to_thread(rpc.point_latencies, client.base_url, ("/nowhere",), 0.1)

    asyncio.run(asyncio.wait_for(go(), 20))


def test_listeners_are_subscribers_that_are_told_of_every_block_and_gone_afterwards() -> None:
    async def go() -> None:
        chain = Chain()
        async with serving(chain) as client:
            async with rpc.listening(client.base_url, 5) as listeners:
                assert "gridpact_rpc_subscribers 5\n" in await client.metrics()
                while not chain.waiters:
                    await asyncio.sleep(0)
                before = [one.told_bytes for one in listeners]
                await chain.produce()
                while any(one.told_bytes == told for one, told in zip(listeners, before, strict=True)):
                    await asyncio.sleep(0)
                assert not any(one.lost for one in listeners)
            while "gridpact_rpc_subscribers 0\n" not in await client.metrics():
                await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(go(), 20))


@pytest.mark.parametrize("lacking", ["a browser", "playwright"])
def test_without_a_browser_there_is_no_first_paint_and_it_says_what_to_install(
    lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(chromium, "program", lambda: None if lacking == "a browser" else "/usr/bin/chromium")
    monkeypatch.setattr(page, "find_spec", lambda name: None if lacking == "playwright" else name)
    found = page.measure(said.append)
    assert found["first_paint_ms"] is None and set(found.values()) == {None}
    assert "gridpact[browser]" in said[0] and "apt-get install chromium" in said[0]
