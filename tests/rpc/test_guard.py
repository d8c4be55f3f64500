"""Attacks by way of a visitor's browser: other sites' pages, names pointed at the node, markup in what others wrote."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import make_mocked_request

from contracts.bodies import Transfer
from node.rpc import site
from node.rpc.errors import Refusal
from node.rpc.guard import is_loopback
from tests.rpc.chain import Chain, serving

OWN = "http://127.0.0.1:1"


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


async def asked(session: ClientSession, url: str, **headers: str) -> tuple[int, str]:
    """Status and code of the answer."""
    async with session.get(url, headers=headers) as reply:
        body = await reply.read()
        assert "Access-Control-Allow-Origin" not in reply.headers
        return reply.status, json.loads(body).get("code", "") if reply.content_type == "application/json" else ""


@pytest.mark.parametrize(
    "host",
    (
        "evil.example",
        "evil.example:80",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "",
        ":80",
        "[::1",
        "0x7f.1",
        "localhost,evil.example",
    ),
)
def test_a_name_that_was_pointed_at_the_node_gets_no_answer(host: str) -> None:
    """DNS rebinding: the browser believes that the node is its own site's server."""

    async def go() -> None:
        async with serving(Chain()) as client, ClientSession() as session:
            for path in ("/status", "/query/balance/solar", "/", "/openapi.json", "/events", "/nowhere"):
                assert await asked(session, client.base_url + path, Host=host) == (421, "rpc.host")

    run(go())


@pytest.mark.parametrize("host", ["127.0.0.1:8", "localhost", "LOCALHOST:99", "[::1]:5", "192.168.1.7", "grid.example"])
def test_addresses_and_its_own_names_are_answered(host: str) -> None:
    async def go() -> None:
        async with serving(Chain(), names=["Grid.Example"]) as client, ClientSession() as session:
            assert await asked(session, client.base_url + "/status", Host=host) == (200, "")

    run(go())


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:2", "Host": "127.0.0.1:1"},
        {"Origin": "http://localhost:1", "Host": "127.0.0.1:1"},
        {"Origin": "file://127.0.0.1:1", "Host": "127.0.0.1:1"},
        {"Origin": "http://[", "Host": "127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "websocket"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Origin": "http://evil.example"},
    ],
)
def test_another_sites_page_may_neither_ask_nor_listen(headers: dict[str, str]) -> None:
    async def go() -> None:
        async with serving(Chain()) as client, ClientSession() as session:
            for path in ("/status", "/events", "/web/docs.js"):
                assert await asked(session, client.base_url + path, **headers) == (403, "rpc.origin")

    run(go())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": OWN, "Host": "127.0.0.1:1", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_own_pages_programs_and_followed_links_are_answered(headers: dict[str, str]) -> None:
    async def go() -> None:
        async with serving(Chain()) as client, ClientSession() as session:
            assert await asked(session, client.base_url + "/status", **headers) == (200, "")

    run(go())


def test_a_web_page_cannot_submit_through_a_visitors_browser() -> None:
    """Neither across origins, nor by a form or script that hides where it comes from."""

    async def go() -> None:
        chain = Chain()
        async with serving(chain) as client, ClientSession() as session:
            for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
                for origin, status in (({"Origin": "http://evil.example"}, 403), ({}, 415)):
                    headers = {"Content-Type": kind, **origin}
                    async with session.post(
                        client.base_url + "/tx", data=b'{"envelopes":["00"]}', headers=headers
                    ) as reply:
                        assert reply.status == status and "Access-Control-Allow-Origin" not in reply.headers
            assert not chain.submissions

    run(go())


def test_pages_run_nothing_but_their_own_scripts_and_are_in_no_frame() -> None:
    async def go() -> None:
        async with serving(Chain()) as client, ClientSession() as session:
            for path in ("/", "/docs"):
                async with session.get(client.base_url + path) as reply:
                    policy = dict(part.split(" ", 1) for part in reply.headers["Content-Security-Policy"].split("; "))
                    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
                    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
                    text = await reply.text()
                    assert reply.content_type == "text/html" and "<script>" not in text and "://" not in text
                    etag = reply.headers["ETag"]
                async with session.get(client.base_url + path, headers={"If-None-Match": etag}) as again:
                    assert again.status == 304 and not await again.read()

    run(go())


def test_markup_in_what_a_member_wrote_is_never_served_as_markup() -> None:
    """A note is data: no answer that carries it is of a type that a browser runs."""

    async def go() -> None:
        chain = Chain()
        note = "<script>alert(1)</script><img src=x onerror=alert(1)>"
        async with serving(chain) as client, ClientSession() as session:
            result = await client.submit_one(chain.speaker.member("campus", Transfer("solar", 1, note)))
            for path in (f"/tx/{result.hash.hex()}", f"/{note}", f"/query/balance/{note}", f"/query/trust?{note}=1"):
                async with session.get(client.base_url + path) as reply:
                    assert reply.content_type == "application/json"
                    assert reply.headers["X-Content-Type-Options"] == "nosniff"
                    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")

    run(go())


@pytest.mark.parametrize("name", ["../codes.py", "..", "docs.html/..", "/etc/passwd", "docs.html\0", "", "DOCS.html"])
def test_no_name_leads_to_another_file(name: str) -> None:
    with pytest.raises(Refusal) as refused:
        site.page(make_mocked_request("GET", "/"), name)
    assert refused.value.code == "rpc.unknown-page"


def test_pages_are_of_known_types_and_small_enough() -> None:
    found = site.pages()
    assert {"index.html", "docs.html", "docs.js", "docs.css"} <= found.keys()
    assert sum(len(page.body) for page in found.values()) <= site.MAX_SITE_BYTES
    unserved = [path.name for path in site.ROOT.rglob("*") if path.is_file() and path.suffix not in site.TYPES]
    assert not unserved, "whoever adds a file of another type decides how it is served"


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *((host, True) for host in ("127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost")),
        *((host, False) for host in ("0.0.0.0", "::", "192.168.0.1", "localhost.evil.example", "")),
    ],
)
def test_what_is_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local
