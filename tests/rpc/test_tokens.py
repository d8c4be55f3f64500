"""A node that other machines reach: never without TLS and tokens, and no token that is wrong, old, taken back or of
another scope gets an answer, by any route, also not on a connection that is open."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
from collections.abc import Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.bodies import Transfer
from node.client import Client, RpcError
from node.clock import wall_ms
from node.disk import RealDisk
from node.errors import NodeError
from node.rpc import live, tokens
from node.rpc.certificates import make_certificate
from node.rpc.exposure import Exposure, protect
from node.rpc.server import RpcServer
from node.rpc.table import ROUTES
from tests.rpc.chain import Chain, Promised

NOW_MS = 1_763_789_000_000
SECRET = bytes(range(32))


class Wall:
    """The node's clock."""

    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        return self.ms


CERTIFICATE, KEY = make_certificate(["127.0.0.1", "localhost"], NOW_MS)


def home(root: Path) -> str:
    """A home with certificate and one token; the token."""
    (root / "c.pem").write_bytes(CERTIFICATE)
    (root / "k.pem").write_bytes(KEY)
    return make(root)


def make(root: Path, name: str = "laptop", scope: tokens.Scope = "read", days: int = 30, secret: bytes = SECRET) -> str:
    return tokens.add(root / tokens.FILE_NAME, RealDisk(), name, scope, days, NOW_MS, secret)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


class Reached:
    """A served chain as another machine reaches it."""

    def __init__(self, root: Path, wall: Wall) -> None:
        self.chain = Chain()
        self.root = root
        self._wall = wall

    async def __aenter__(self) -> Reached:
        exposure = protect("127.0.0.1", self.root, "c.pem", "k.pem", self._wall)
        # The certificate is of the test's own time; only its key matters here.
        self.server = Promised(self.chain, "127.0.0.1", 0, exposure=exposure, wall_ms=self._wall)
        self.url = await self.server.start()
        trust = ssl.create_default_context(cadata=CERTIFICATE.decode())
        trust.verify_flags |= ssl.VerifyFlags(0x200000)
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        await self.server.stop()

    async def ask(self, path: str, token: str | None, method: str = "GET", **headers: str) -> tuple[int, str]:
        """Status and code."""
        shown = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with self.session.request(method, self.url + path, headers=shown | headers) as reply:
            body = await reply.read()
            code = json.loads(body).get("code", "") if reply.content_type == "application/json" else ""
            return reply.status, code


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "grid.example", ""])
def test_without_tls_and_tokens_no_server_listens_for_other_machines(host: str, tmp_path: Path) -> None:
    async def go() -> None:
        for exposure in (Exposure(), Exposure(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), None)):
            with pytest.raises(NodeError) as refused:
                await RpcServer(Chain(), host, 0, exposure=exposure).start()
            assert refused.value.code == "rpc.exposed" and refused.value.hint
        with pytest.raises(NodeError) as refused:
            protect(host, tmp_path, "", "", Wall())
        assert refused.value.code == "rpc.exposed"

    run(go())


@pytest.mark.parametrize(
    ("certificate", "key", "code"),
    [
        ("c.pem", "", "rpc.tls"),
        ("", "k.pem", "rpc.tls"),
        ("k.pem", "c.pem", "rpc.tls"),
        ("none", "k.pem", "rpc.tls"),
        ("c.pem", "k.pem", "rpc.tokens"),
    ],
)
def test_half_a_protection_is_none(certificate: str, key: str, code: str, tmp_path: Path) -> None:
    home(tmp_path)
    (tmp_path / tokens.FILE_NAME).unlink()
    with pytest.raises(NodeError) as refused:
        protect("127.0.0.1", tmp_path, certificate, key, Wall())
    assert refused.value.code == code and refused.value.hint


def test_no_route_but_the_programs_own_pages_answers_without_a_token(tmp_path: Path) -> None:
    home(tmp_path)

    async def go() -> None:
        async with Reached(tmp_path, Wall()) as there:
            for route in ROUTES:
                path = route.path.replace("{", "").replace("}", "")
                status, code = await there.ask(path, None, route.method)
                assert (status, code) == (401, "rpc.token") if route.tag != "pages" else status in (200, 404), path

    run(go())


TOKEN = f"laptop.{SECRET.hex()}"
PLACES = st.integers(0, len(TOKEN) - 1)


def other_character(at: int) -> str:
    return TOKEN[:at] + chr((ord(TOKEN[at]) - 32) % 95 + 33) + TOKEN[at + 1 :]


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> tokens.Tokens:
    root = tmp_path_factory.mktemp("gate")
    assert make(root) == TOKEN
    return tokens.Tokens(root / tokens.FILE_NAME, Wall())


def asked(token: str) -> Any:
    """A request with this header."""
    return SimpleNamespace(method="GET", headers={"Authorization": token})


@given(
    PLACES.map(other_character)
    | PLACES.map(lambda count: TOKEN[:count])
    | st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=tokens.MAX_TOKEN + 9)
    | st.sampled_from([TOKEN + "0", TOKEN.upper(), ".", "laptop", f"other.{SECRET.hex()}", TOKEN * 2])
)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_not_the_token_shows_nobody(gate: tokens.Tokens, changed: str) -> None:
    gate.check(asked(f"bearer {TOKEN}"))
    for header in (f"Bearer {changed}", changed, f"Basic {TOKEN}", TOKEN):
        with pytest.raises(tokens.BadRequest) as refused:
            gate.check(asked(header))
        assert refused.value.code == "rpc.token"


def test_an_expired_token_is_not_replayed_and_one_that_was_removed_is_refused_at_once(tmp_path: Path) -> None:
    token, wall = home(tmp_path), Wall()
    other = make(tmp_path, "other", days=300, secret=bytes(32))

    async def go() -> None:
        async with Reached(tmp_path, wall) as there:
            assert await there.ask("/status", token) == (200, "")
            wall.ms = NOW_MS + 30 * tokens.DAY_MS - 1
            assert await there.ask("/status", token) == (200, "")
            wall.ms += 1
            assert await there.ask("/status", token) == (401, "rpc.token-expired")
            assert await there.ask("/status", other) == (200, "")
            tokens.remove(tmp_path / tokens.FILE_NAME, RealDisk(), "other")
            wall.ms += tokens.LOOK_EVERY_MS
            assert await there.ask("/status", other) == (401, "rpc.token")

    run(go())


def test_a_file_that_is_damaged_or_open_to_others_lets_nobody_in(tmp_path: Path) -> None:
    token, wall = home(tmp_path), Wall()
    path = tmp_path / tokens.FILE_NAME

    async def go() -> None:
        async with Reached(tmp_path, wall) as there:
            kept = path.read_bytes()
            for damage in (
                lambda: path.write_bytes(kept[:-9]),
                lambda: path.write_bytes(b"[]"),
                lambda: path.chmod(0o644),
            ):
                damage()
                wall.ms += tokens.LOOK_EVERY_MS
                assert await there.ask("/status", token) == (401, "rpc.token")
                path.write_bytes(kept)
                path.chmod(0o600)
                wall.ms += tokens.LOOK_EVERY_MS
                assert await there.ask("/status", token) == (200, "")

    run(go())


def test_who_may_read_may_not_submit(tmp_path: Path) -> None:
    read = home(tmp_path)
    submit = make(tmp_path, "agent", "submit", secret=bytes(32))

    async def go() -> None:
        async with Reached(tmp_path, Wall()) as there:
            raw = there.chain.speaker.member("campus", Transfer("solar", 1, "")).hex()
            for token, status in ((read, 401), (submit, 200)):
                headers = {"Authorization": f"Bearer {token}"}
                async with there.session.post(there.url + "/tx", json={"envelopes": [raw]}, headers=headers) as reply:
                    assert reply.status == status
            assert there.chain.submissions == 1

    run(go())


def test_an_open_stream_ends_with_its_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STATUS_EVERY_S", 0.01)
    token, wall = home(tmp_path), Wall()

    async def go() -> None:
        async with Reached(tmp_path, wall) as there:
            offered = ("gridpact.v1", f"bearer.{token}")
            for path in ("/ws?topics=block", "/events"):
                wall.ms = NOW_MS
                async with there.session.ws_connect(there.url + path, protocols=offered) as socket:
                    assert socket.protocol == "gridpact.v1", "the token is not said back"
                    if path.startswith("/ws"):
                        await socket.receive()
                    while not there.chain.waiters:
                        await asyncio.sleep(0)
                    await there.chain.produce()
                    assert (await socket.receive()).type is aiohttp.WSMsgType.TEXT
                    wall.ms += 31 * tokens.DAY_MS
                    await there.chain.produce()
                    closed = await socket.receive()
                    assert (closed.type, closed.extra) == (aiohttp.WSMsgType.CLOSE, "rpc.token-expired")
            wall.ms = NOW_MS
            # Nothing happens on the ledger, and yet no more is told: neither what is told anyhow nor what is asked.
            for topics, said in (("?topics=status", None), ("", "block")):
                wall.ms = NOW_MS
                async with there.session.ws_connect(there.url + "/ws" + topics, protocols=offered) as socket:
                    if said is None:
                        assert [json.loads(await socket.receive_str())["kind"] for _ in "ab"] == [
                            "subscribed",
                            "status",
                        ]
                    wall.ms += 31 * tokens.DAY_MS
                    if said is not None:
                        await socket.send_json({"do": "subscribe", "topics": [said]})
                    closed = await socket.receive()
                    assert (closed.type, closed.extra) == (aiohttp.WSMsgType.CLOSE, "rpc.token-expired")
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await there.session.ws_connect(there.url + "/ws", protocols=("gridpact.v1", "bearer.laptop.00"))

    run(go())


def test_tokens_are_bounded_in_number_days_and_names(tmp_path: Path) -> None:
    def refusal(**given: Any) -> str:
        with pytest.raises(NodeError) as refused:
            make(tmp_path, **given)
        assert refused.value.hint
        return refused.value.code

    assert [refusal(days=days) for days in (0, 367, -1)] == ["rpc.token-days"] * 3
    assert [refusal(name=name) for name in ("", "A", "a.b", "a" * 33, "a\n")] == ["rpc.token-name"] * 5
    for number in range(tokens.MAX_TOKENS):
        make(tmp_path, f"t{number}", secret=os.urandom(32))
    assert refusal() == "rpc.tokens-full" and refusal(name="t1") == "rpc.token-exists"
    path = tmp_path / tokens.FILE_NAME
    assert path.stat().st_size < tokens.MAX_FILE_BYTES and path.stat().st_mode & 0o077 == 0
    with pytest.raises(NodeError) as unknown:
        tokens.remove(path, RealDisk(), "nothing")
    assert unknown.value.code == "rpc.token-unknown"


def test_secrets_are_in_no_file(tmp_path: Path) -> None:
    token = home(tmp_path)
    everything = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    secret = token.partition(".")[2]
    assert secret.encode() not in everything and bytes.fromhex(secret) not in everything
    assert base64.b64encode(bytes.fromhex(secret)) not in everything


def test_a_client_uses_token_and_certificate_from_the_environment_over_https_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_certificate(["127.0.0.1"], wall_ms())
    (tmp_path / "c.pem").write_bytes(certificate)
    (tmp_path / "k.pem").write_bytes(key)
    token = tokens.add(tmp_path / tokens.FILE_NAME, RealDisk(), "cli", "read", 1, wall_ms(), SECRET)

    async def go() -> None:
        exposure = protect("127.0.0.1", tmp_path, "c.pem", "k.pem", wall_ms)
        server = Promised(Chain(), "127.0.0.1", 0, exposure=exposure)
        url = await server.start()
        async with Client(url) as stranger:
            with pytest.raises(RpcError) as refused:
                await stranger.status()
            assert refused.value.code == "rpc.unreachable", "an unknown certificate is not trusted"
        monkeypatch.setenv("GRIDPACT_TOKEN", token)
        monkeypatch.setenv("GRIDPACT_CA", str(tmp_path / "c.pem"))
        async with Client(url) as known:
            assert (await known.status())["height"] == 0
        await server.stop()
        heard = asyncio.get_running_loop().create_future()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.set_result(await reader.readuntil(b"\r\n\r\n"))
            writer.close()

        plain = await asyncio.start_server(listen, "127.0.0.1", 0)
        async with Client(f"http://127.0.0.1:{plain.sockets[0].getsockname()[1]}") as client:
            with pytest.raises(RpcError):
                await client.status()
        assert token.encode() not in await heard
        plain.close()

    run(go())
