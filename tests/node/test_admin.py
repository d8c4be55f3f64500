"""The admin socket from outside: whatever is at its other end, the caller gets an answer or a stable code."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from node import admin
from node.admin import AdminServer, call, socket_address
from node.errors import NodeError


def test_an_answer_that_is_too_long_is_refused_and_one_that_is_not_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "MAX_ANSWER", 4_096)

    async def handle(command: dict[str, Any]) -> dict[str, Any]:
        return {"answer": "x" * command["length"]}

    async def go() -> None:
        server = AdminServer(tmp_path, handle)
        await server.start()
        try:
            assert len((await call(tmp_path, {"length": 4_000}))["answer"]) == 4_000
            with pytest.raises(NodeError) as caught:
                await call(tmp_path, {"length": 10_000})
            assert caught.value.code == "admin.unreachable"
        finally:
            await server.stop()

    asyncio.run(asyncio.wait_for(go(), 20))


@pytest.mark.parametrize("said", [b"", b'{"ok": tr', b"garbage\n", b"[]\n"])
def test_a_node_that_dies_while_it_answers_is_out_of_reach(tmp_path: Path, said: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(said)
        writer.close()

    async def go() -> None:
        with socket_address(tmp_path) as address:
            server = await asyncio.start_unix_server(serve, address)
        with pytest.raises(NodeError) as caught:
            await call(tmp_path, {"cmd": "status"})
        assert caught.value.code == "admin.unreachable"
        server.close()

    asyncio.run(asyncio.wait_for(go(), 20))
