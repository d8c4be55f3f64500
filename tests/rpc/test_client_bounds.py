"""What the client refuses: numbers before it sends anything, and answers of nodes that answer with anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from contracts.bodies import Transfer
from node import client as module
from node.access.requests import ReaderKey
from node.client import MSGPACK, Account, Client, RpcError
from node.errors import NodeError
from zk.ed25519 import SigningKey


def test_a_number_that_no_encoding_holds_is_refused_with_a_code() -> None:
    account = Account("test-0000000000000000", "campus", bytes(32))
    with pytest.raises(NodeError) as refused:
        account.sign(Transfer("wind", 10**20, ""))
    assert refused.value.code == "codec.malformed"
    assert refused.value.hint


@asynccontextmanager
async def answering(body: bytes, status: str = "200 OK", content: str = MSGPACK) -> AsyncIterator[Client]:
    """A client of a node that answers everything with `body`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\nContent-Type: {content}\r\nContent-Length: {len(body)}\r\nConnection: close"
        writer.write(head.encode() + b"\r\n\r\n" + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
        yield client


# Deeper than Python lets a decoder go; not so deep that a test process whose limit a library has raised dies of it.
DEEP = b"[" * 5_000
NO_RESULTS, DEEP_RESULTS = b"\x81\xa7results\x90", b"\x81\xa7results" + b"\x91" * 5_000


@pytest.mark.parametrize("body", [b"[]", b"null", b"3", b'"\xff"', b"{", DEEP, b'{"a":' * 5_000])
def test_an_answer_that_is_no_document_is_refused_with_a_code(body: bytes) -> None:
    async def go() -> None:
        async with answering(body) as client:
            for asked in (client.query("trust"), client.report(b"")):
                with pytest.raises(RpcError) as refused:
                    await asked
                assert refused.value.code == "rpc.garbled"

    asyncio.run(go())


@pytest.mark.parametrize("body", [b"", NO_RESULTS, DEEP_RESULTS, b"\x81\xa7results\x91\xa1\xff"])
def test_an_envelope_without_a_result_is_refused_with_a_code(body: bytes) -> None:
    async def go() -> None:
        async with answering(body) as client:
            with pytest.raises(RpcError) as refused:
                await client.submit_one(b"envelope")
            assert refused.value.code == "rpc.garbled"

    asyncio.run(go())


@pytest.mark.parametrize("content", [MSGPACK, "application/json"])
@pytest.mark.parametrize("body", [b"\xff", DEEP, b"\x91" * 5_000])
def test_an_error_that_can_not_be_read_is_refused_with_a_code(body: bytes, content: str) -> None:
    async def go() -> None:
        async with answering(body, "500 Error", content) as client:
            with pytest.raises(RpcError) as refused:
                await client.status()
            assert (refused.value.code, refused.value.status) == ("rpc.garbled", 500)

    asyncio.run(go())


def test_an_answer_is_read_only_up_to_the_longest_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 1_000)
        async with answering(b"{" + b" " * 998 + b"}") as client:
            assert await client.status() == {}
        async with answering(b"{" + b" " * 999 + b"}") as client:
            with pytest.raises(RpcError, match="more than 1000 bytes") as refused:
                await client.status()
            assert refused.value.code == "rpc.garbled"

    asyncio.run(go())


def test_nothing_is_signed_for_a_node_that_does_not_say_who_it_is() -> None:
    async def go() -> None:
        async with answering(b'{"node":"campus"}') as client:
            with pytest.raises(RpcError) as refused:
                await client.get("/refusals", ReaderKey("member", "campus", SigningKey(bytes(32))))
            assert refused.value.code == "rpc.garbled"

    asyncio.run(go())
