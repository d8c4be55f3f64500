"""A served chain in a thread, with the directory that a devnet would leave."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.testing
from typer.testing import CliRunner

from contracts.genesis import DevnetClock
from node.cli import app
from node.rpc.server import RpcServer
from tests.rpc.chain import METERS, Chain, Promised
from tests.support.pact import VALIDATORS, seed_of
from zk.codec import encode

# To build the tree of all commands takes longer than most of them, and it is the same tree every time.
vars(typer.testing)["_get_command"] = cache(vars(typer.testing)["_get_command"])


class Devnet:
    """One chain, one server, key files, and a runner of commands."""

    def __init__(self, root: Path, clock: DevnetClock | None = None) -> None:
        self.root = root
        self._clock = clock
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.chain, self.server, self.url = self.call(self._start())
        self._write()

    async def _start(self) -> tuple[Chain, RpcServer, str]:
        chain = Chain(clock=self._clock)
        server = Promised(chain, "127.0.0.1", 0)
        return chain, server, await server.start()

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine beside the server."""
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return future.result(10)

    def stop(self) -> None:
        self.call(self.server.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def _write(self) -> None:
        home = self.root / "nodes" / "solar"
        home.mkdir(parents=True)
        (home / "genesis.mp").write_bytes(encode(self.chain.ledger.genesis))
        (self.root / "keys" / "meters").mkdir(parents=True)
        for name in VALIDATORS:
            self._key(self.root / "keys" / f"{name}.json", "account", name, member=name)
        for meter in METERS:
            self._key(self.root / "keys" / "meters" / f"{meter.id}.json", "meter", meter.id, meter=meter.id)
        dead = {"name": "wind", "rpc": "http://127.0.0.1:9", "home": str(home), "pid": None, "p2p": "", "log": ""}
        node = {**dead, "name": "solar", "rpc": self.url}
        document = {"format": 1, "chain_id": self.chain.ledger.chain_id, "nodes": [dead, node], "members": []}
        (self.root / "devnet.json").write_text(json.dumps(document))

    def _key(self, path: Path, kind: str, name: str, **owner: str) -> None:
        seed = seed_of(name).hex()
        path.write_text(json.dumps({"kind": kind, "seed": seed, "public_key": "", "devnet": True, **owner}))

    def run(self, *arguments: str, stdin: bytes | None = None) -> Any:
        """A command's result, on this devnet."""
        return CliRunner().invoke(app, [*arguments, "--dir", str(self.root)], input=stdin)

    def document(self, *arguments: str, exit_code: int = 0, stdin: bytes | None = None) -> dict[str, Any]:
        """The one JSON document that a command prints."""
        result = self.run(*arguments, "--json", stdin=stdin)
        assert result.exit_code == exit_code, result.output
        lines = result.stdout.splitlines()
        assert len(lines) == 1, result.stdout
        answer: dict[str, Any] = json.loads(lines[0])
        return answer


@pytest.fixture
def devnet(tmp_path: Path) -> Iterator[Devnet]:
    made = Devnet(tmp_path / "devnet")
    yield made
    made.stop()


@pytest.fixture
def invoke() -> Callable[..., Any]:
    """Run a command without a devnet."""
    return lambda *arguments, **options: CliRunner().invoke(app, list(arguments), **options)
