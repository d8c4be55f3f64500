"""The builder between nodes that lie, lag, keep things to themselves or say anything: they make it late at most."""

from __future__ import annotations

import asyncio
from operator import attrgetter
from typing import Any

import pytest

from consensus.light import LightBlock
from contracts.schema import INTERVALS
from contracts.state import State
from contracts.wagers.records import JUDGED
from node.agents.proven import ProvenLedger, Unproven
from node.client import Client, RpcError
from node.disk import MemoryDisk
from node.errors import NodeError
from tests.rpc.builder_world import (
    TARGET,
    Lying,
    Mute,
    Node,
    Stale,
    builder,
    founding,
    next_phase,
    opened,
    play,
    round_of,
    run,
    wager_of,
)

HEIGHT = attrgetter("height")


def test_a_builder_reveals_although_nobody_proves_what_it_has_not_wagered_on() -> None:
    """Any member can close the records beside a gap while a solution waits to be revealed."""

    class Keeping(Node):
        async def get(self, path: str, *arguments: Any, **options: Any) -> dict[str, Any]:
            if path.startswith("/query/wagers/"):
                raise RpcError("access.proof", "beside a gap somebody's need is kept", status=403)
            return await super().get(path, *arguments, **options)

    async def go() -> None:
        chain = await opened()
        both = [builder(chain, name) for name in ("campus", "wind")]
        while round_of(chain).phase != "commit":
            await asyncio.gather(*(one.step() for one in both))
            await next_phase(chain)
        for one in both:
            one.ledger.nodes = [Keeping(chain)]
        while round_of(chain).phase != JUDGED:
            for one in both:
                with pytest.raises(Unproven, match=r"access\.proof"):
                    await one.step()
            await next_phase(chain)
        assert [wager.verdict for name in ("campus", "wind") if (wager := wager_of(chain, name))] == ["best", "best"]
        for one in both:
            with pytest.raises(Unproven):
                await one.step()
            assert one.book.page.open == () and one.judged == 1

    run(go())


def test_the_node_that_answered_last_is_asked_first() -> None:
    class Down(Node):
        asked = 0

        async def get(self, path: str, *arguments: Any, **options: Any) -> dict[str, Any]:
            self.asked += 1
            raise RpcError("rpc.unreachable", "no")

    async def go() -> None:
        chain = await opened()
        down = Down(chain)
        ledger = ProvenLedger([down, Node(chain)], founding(chain), chain.now_ms)
        for _ in range(3):
            await ledger.ask(HEIGHT, "wagers", "campus")
        assert down.asked == 1

    run(go())


def no_case(answer: dict[str, Any]) -> None:
    """Leave out what the round is about, in the data and in the proof."""
    answer["data"] = None
    for entry in answer["proof"]["entries"]:
        if entry["key"].startswith(b"case/".hex()):
            entry["value"] = None


def other_case(answer: dict[str, Any]) -> None:
    """Change one byte of what somebody needs."""
    entry = next(one for one in answer["proof"]["entries"] if one["key"].startswith(b"case/".hex()))
    entry["value"] = entry["value"].replace(b"[25000]".hex(), b"[26000]".hex())


def unproven_case(answer: dict[str, Any]) -> None:
    """Prove all but what the round is about."""
    entries = answer["proof"]["entries"]
    answer["proof"]["entries"] = [one for one in entries if not one["key"].startswith(b"case/".hex())]


def no_proof(answer: dict[str, Any]) -> None:
    del answer["proof"]


def own_header(answer: dict[str, Any]) -> None:
    """A header that nobody signed."""
    answer["proof"]["header"]["time_ms"] += 1


@pytest.mark.parametrize("lie", [no_case, other_case, unproven_case, no_proof, own_header])
def test_a_node_that_lies_about_the_case_gets_no_wager_and_costs_none(lie: Any) -> None:
    async def go() -> None:
        chain = await opened()
        liar = Lying(chain, "case", lie)
        alone = builder(chain, "campus", [liar])
        with pytest.raises(Unproven):
            await alone.step()
        assert liar.heard == [] and alone.book.page.open == ()

        honest = builder(chain, "wind", [liar, Node(chain)])
        await honest.step()
        assert wager_of(chain, "wind") is not None

    run(go())


def test_a_solution_is_shown_only_once_it_is_proven_that_nobody_can_commit_any_more() -> None:
    def too_early(answer: dict[str, Any]) -> None:
        """Say that reveals count already: in the data, and as far as a liar can in the proof."""
        for one in answer["data"]["rounds"]:
            one["phase"] = "reveal"
        for entry in answer["proof"]["entries"]:
            if entry["value"] is not None:
                entry["value"] = entry["value"].replace(b"\xa6commit".hex(), b"\xa6reveal".hex())

    async def go() -> None:
        chain, disk = await opened(), MemoryDisk()
        one, other = builder(chain, "campus", disk=disk), builder(chain, "wind")
        for _ in range(3):
            await asyncio.gather(one.step(), other.step())
            if round_of(chain).phase != "commit":
                await next_phase(chain)
        found = wager_of(chain, "campus")
        assert round_of(chain).phase == "commit" and found is not None and found.commitment
        one.book.release()
        liar = Lying(chain, "wagers", too_early)
        fooled = builder(chain, "campus", [liar], disk)
        with pytest.raises(Unproven):
            await fooled.step()
        assert liar.heard == []

    run(go())


def test_a_node_that_swallows_what_it_gets_costs_nothing_where_another_one_works() -> None:
    async def go() -> None:
        chain = await opened()
        others = builder(chain, "wind")
        one = builder(chain, "campus", [Mute(chain), Node(chain)])
        await play(chain, lambda: asyncio.gather(one.step(), others.step()))
        found = wager_of(chain, "campus")
        assert found is not None and (found.verdict, found.lost_tokens) == ("best", 0)

    run(go())


@pytest.mark.parametrize("said", [b"null", b"[]", b'{"proof":' * 5_000])
def test_a_node_that_answers_with_anything_stops_no_builder(said: bytes) -> None:
    class Garbling(Node):
        """Real decoding of what comes over its wire."""

        get, submit = Client.get, Client.submit

        async def _request(self, *arguments: Any, **options: Any) -> bytes:
            return b"\x81\xa7results\x90" if arguments[:2] == ("POST", "/tx") else said

    async def go() -> None:
        chain = await opened()
        garbling = Garbling(chain, "http://garbling")
        with pytest.raises(Unproven, match="no JSON document"):
            await builder(chain, "campus", [garbling]).step()
        for nodes in ([garbling, Node(chain)], [Node(chain), garbling]):
            one = builder(chain, "campus", nodes)
            await one.step()
            one.book.release()
        assert wager_of(chain, "campus") is not None

    run(go())


def test_a_builder_never_goes_back_behind_what_it_has_seen() -> None:
    async def go() -> None:
        chain = await opened()
        stale = Stale(chain)
        ledger = ProvenLedger([stale], founding(chain), now_ms=chain.now_ms)
        assert await ledger.ask(HEIGHT, "wagers", "campus") == chain.ledger.height - 1
        stale.behind = 1
        with pytest.raises(Unproven, match=r"light\.hash|behind"):
            await ledger.ask(HEIGHT, "wagers", "campus")
        stale.behind = 0
        with pytest.raises(Unproven, match=r"agent\.behind"):
            await ledger.ask(HEIGHT, "wagers", "campus", least_height=chain.ledger.height)
        await chain.produce()
        assert await ledger.ask(HEIGHT, "wagers", "campus", least_height=chain.ledger.height - 1)

    run(go())


def test_a_node_that_takes_questions_and_says_nothing_holds_nobody_up_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.agents.proven.PATIENCE_S", (0.02, 5.0))

    class Standing(Node):
        asked = 0

        async def get(self, path: str, *arguments: Any, **options: Any) -> dict[str, Any]:
            self.asked += 1
            return await asyncio.Future[dict[str, Any]]()

    class Slow(Node):
        asked = 0

        async def get(self, path: str, *arguments: Any, **options: Any) -> dict[str, Any]:
            self.asked += 1
            if self.asked == 1:
                return await asyncio.Future[dict[str, Any]]()
            return await super().get(path, *arguments, **options)

    async def go() -> None:
        chain = await opened()
        standing, slow = Standing(chain), Slow(chain)
        ledger = ProvenLedger([standing, Node(chain)], founding(chain), chain.now_ms)
        for _ in range(3):
            assert await ledger.ask(HEIGHT, "wagers", "campus") == chain.ledger.height - 1
        assert standing.asked == 1
        # Where none is fast, each gets more time.
        alone = ProvenLedger([slow], founding(chain), chain.now_ms)
        assert await alone.ask(HEIGHT, "wagers", "campus") == chain.ledger.height - 1

    run(go())


def test_a_head_that_was_believed_before_is_gone_on_from_and_one_of_another_chain_is_not() -> None:
    async def go() -> None:
        chain = await opened()
        before = ProvenLedger([Node(chain)], founding(chain), chain.now_ms)
        await before.ask(HEIGHT, "wagers", "campus")

        class NoRoot(Node):
            async def light_block(self, height: int) -> LightBlock:
                assert height > 1, "the first block is too old to be asked for"
                return await super().light_block(height)

        await chain.produce()
        after = ProvenLedger([NoRoot(chain)], founding(chain), chain.now_ms, before.head)
        assert await after.ask(HEIGHT, "wagers", "campus") == chain.ledger.height - 1
        another = founding(chain)._replace(chain_id="another")
        with pytest.raises(NodeError, match=r"light\.store"):
            ProvenLedger([Node(chain)], another, chain.now_ms, before.head)

    run(go())


def test_a_record_that_nobody_proved_is_not_taken_for_absent() -> None:
    async def go() -> None:
        chain = await opened()
        ledger = ProvenLedger([Node(chain)], founding(chain), now_ms=chain.now_ms)
        key = INTERVALS.key(TARGET)
        with pytest.raises(Unproven, match="leaves out interval"):
            await ledger.ask(lambda seen: State(seen).load(INTERVALS, key), "balance", "campus")

    run(go())
