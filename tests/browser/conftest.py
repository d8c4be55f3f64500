"""A devnet with a few settled intervals, a chain of ten thousand blocks, and a browser that reports every error."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from contracts.bodies import Transfer
from devnet import chromium, scenario
from devnet.launcher import Launcher
from node.rpc.exposure import protect
from tests.rpc.chain import Chain, serving
from tests.rpc.test_tokens import Wall, home

SETTLED = 3
"""Intervals that are settled before a page is looked at."""
PATIENCE_S = 600.0
"""Longest wait for anything; on a quiet machine a minute is enough for all of it."""
PATIENCE_MS = 90_000
"""Longest wait for what a page shows."""
BLOCKS = 10_000
SCRIPT = "<img src=x onerror=window.broken=1>"
"""What somebody writes who wants a script to run in other people's pages."""

expect.set_options(timeout=PATIENCE_MS)


class Net(NamedTuple):
    """A running devnet."""

    launcher: Launcher
    url: str
    node: str
    interval: int
    """A settled one."""
    keys: Path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for an interval of its own comes first: those that pages look at settle meanwhile."""
    items.sort(key=lambda item: "net" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def campus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """The campus, played by its agents."""
    launcher = Launcher(tmp_path_factory.mktemp("browser") / "net")
    launcher.up(scenario.load("campus"))
    try:
        launcher.spawn_agents([])
        yield launcher
    finally:
        launcher.down()


@pytest.fixture(scope="session")
def net(campus: Launcher) -> Net:
    """The campus, with some intervals settled."""
    node = campus.layout.load().nodes[0]
    return Net(campus, node.rpc, node.name, _settled(node.rpc), campus.layout.keys)


def _settled(url: str) -> int:
    """The newest settled interval, once there are enough of them."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with urlopen(f"{url}/query/interval/now") as answer:
            now = int(json.load(answer)["data"]["interval"])
        found = [at for at in range(now, now - 8, -1) if _status(url, at) == "settled"]
        if len(found) >= SETTLED:
            return found[0]
        time.sleep(0.5)
    raise AssertionError(f"{SETTLED} intervals were not settled in {PATIENCE_S:.0f} s")


def _status(url: str, interval: int) -> str:
    with urlopen(f"{url}/query/interval/{interval}") as answer:
        return str(json.load(answer)["data"]["status"])


class Served(NamedTuple):
    """A chain that this process serves."""

    url: str
    chain: Chain
    loop: asyncio.AbstractEventLoop

    def produce(self) -> None:
        """One more block."""
        asyncio.run_coroutine_threadsafe(self.chain.produce(), self.loop).result(PATIENCE_S)


@contextmanager
def served(blocks: int, **options: Any) -> Iterator[Served]:
    """A node with so many blocks, in the first of which somebody tries to run a script."""
    ready, told = threading.Event(), list[Served]()
    done = asyncio.Event()

    async def serve() -> None:
        chain = Chain(automatic=False)
        await chain.submit([chain.speaker.member("solar", Transfer("campus", 1, SCRIPT))])
        while chain.ledger.height < blocks:
            await chain.produce()
        async with serving(chain, **options) as client:
            told.append(Served(client.base_url, chain, asyncio.get_running_loop()))
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE_S), "the chain was not made in time"
    yield told[0]
    told[0].loop.call_soon_threadsafe(done.set)
    thread.join(PATIENCE_S)


@pytest.fixture(scope="session")
def long_chain() -> Iterator[str]:
    """URL of a node with ten thousand blocks."""
    with served(BLOCKS) as there:
        yield there.url


class Guarded(NamedTuple):
    """A node as other machines reach it."""

    served: Served
    token: str
    wall: Wall


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A node behind TLS that answers nobody without its token."""
    root, wall = tmp_path_factory.mktemp("guarded"), Wall()
    token = home(root)
    with served(2, exposure=protect("127.0.0.1", root, "c.pem", "k.pem", wall), wall_ms=wall) as there:
        yield Guarded(there, token, wall)


@pytest.fixture(scope="session")
def browser(net: Net) -> Iterator[Browser]:
    """One for all tests; started after the devnet, which can not be started inside its loop."""
    program = chromium.program()
    assert program is not None, "there is no Chromium; tests/browser/chromium.sh says how to get one"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=chromium.FLAGS)
        yield started
        started.close()


class Watched(NamedTuple):
    """A page, and what its console and its scripts complained about."""

    page: Page
    errors: list[str]


@pytest.fixture
def watched(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Makes pages. Whatever a script throws, and whatever the content policy refuses, is kept."""
    contexts = []

    def make(width: int = 1280, scheme: Literal["light", "dark"] = "light") -> Watched:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, ignore_https_errors=True
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page, errors = context.new_page(), []

        def console(message: ConsoleMessage) -> None:
            # What the node does not have, or not any more, pages expect, and browsers complain about.
            expected = ("404", "410", "ERR_CONNECTION")
            if message.type == "error" and not any(one in message.text for one in expected):
                errors.append(message.text)

        page.on("console", console)
        page.on("pageerror", lambda error: errors.append(str(error)))
        return Watched(page, errors)

    yield make
    for context in contexts:
        context.close()
