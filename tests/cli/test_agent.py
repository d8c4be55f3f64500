"""`gridpact agent build`: a builder from a terminal, against a served chain, from its wager to the verdict."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.genesis import DevnetClock
from contracts.wagers.records import JUDGED
from node.light.session import load
from tests.cli.conftest import Devnet
from tests.rpc.builder_world import PACT, builder, next_phase, opened, round_of, wager_of
from tests.rpc.chain import Chain
from tests.support.pact import START_MS
from zk.codec import encode


@pytest.fixture
def devnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Devnet]:
    """Round 0 takes wagers."""
    monkeypatch.setattr("tests.cli.conftest.Chain", lambda clock: Chain(clock=clock, params=PACT))
    made = Devnet(tmp_path / "devnet", DevnetClock(START_MS, 0, 0))
    made.call(opened(made.chain))
    yield made
    made.stop()


async def play_with(chain: Chain, member: str) -> None:
    """Another builder in round 0, which waits in each phase for what `member` has to say in it."""
    other = builder(chain, "solar")
    while (phase := round_of(chain).phase) != JUDGED:
        await other.step()
        own = wager_of(chain, member)
        said = {"wager": own is not None, "commit": own and own.commitment, "reveal": own and own.solution_hash}
        if said.get(phase, True):
            await next_phase(chain)
        else:
            await chain.wait_height(chain.ledger.height + 1)


def another_chain(tmp_path: Path) -> Path:
    """The genesis document of a chain whose clock runs otherwise."""
    path = tmp_path / "other.mp"
    path.write_bytes(encode(Chain(clock=DevnetClock(START_MS, 1, 0)).ledger.genesis))
    return path


def test_a_builder_from_a_terminal_gets_its_wager_back_and_says_so(devnet: Devnet, tmp_path: Path) -> None:
    playing = asyncio.run_coroutine_threadsafe(play_with(devnet.chain, "wind"), devnet.loop)
    done = devnet.run("agent", "build", "--as", "wind", "--stake", "25", "--rounds", "1", "--json")
    playing.result(10)
    assert done.exit_code == 0, done.output
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert {one["round"] for one in said} == {0}
    assert [one["said"] for one in said] == [
        "wagered 25 tokens on least-cost",
        "drawn, and committed to a solution",
        "revealed the solution",
        "best; 0 of 25 tokens lost, 0 earned",
    ]
    assert "0 of at most 1000 tokens lost" in done.stderr
    assert (devnet.root / "builders" / "wind").exists()
    head = load(devnet.root / "builders" / "wind.head")
    assert head is not None and head.height == devnet.chain.ledger.height
    again = devnet.run("agent", "build", "--as", "wind", "--genesis", str(another_chain(tmp_path)), "--json")
    assert again.exit_code == 1 and json.loads(again.stdout)["code"] in ("builder.foreign", "light.store")


def test_what_the_command_refuses(devnet: Devnet, tmp_path: Path) -> None:
    def code(*options: str) -> str:
        answer = devnet.document("agent", "build", *options, exit_code=1)
        assert answer["message"] and answer["hint"]
        return str(answer["code"])

    assert code() == "cli.signer"
    assert code("--as", "nobody") == "cli.signer"
    assert code("--as", "wind", "--node", "localhost") == "cli.node"
    assert code("--as", "wind", "--claim", "cheap") == "cli.claim"
    other = builder(devnet.chain, "wind", path=tmp_path / "book")
    assert code("--as", "wind", "--book", str(tmp_path / "book")) == "builder.locked"
    other.book.release()
    assert code("--as", "campus", "--key", str(devnet.root / "keys" / "wind.json")) == "account.key"
