"""The builder's limit, its book and its key: it binds its member to nothing that it can't stand by."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest

from contracts.bodies import RevealSolution
from contracts.program.case import Case
from contracts.wagers.sealing import seal
from devnet.liars import promise_more
from node.agents.book import Book, Engagement
from node.agents.builder import MAX_ATTEMPTS, POLL_S, Allowance, Builder
from node.building import packed
from node.client import Result, Wait
from node.disk import MemoryDisk
from node.errors import NodeError
from node.solver.build import build
from tests.rpc.builder_world import (
    BOOK,
    STAKE,
    Node,
    builder,
    next_phase,
    opened,
    run,
    wager_of,
)

SALT = bytes(range(32))


def test_the_limit_counts_what_is_lost_and_what_is_at_stake() -> None:
    async def go() -> None:
        chain, disk, said = await opened(), MemoryDisk(), list[str]()
        book = Book(BOOK / "campus", chain.ledger.chain_id, "campus", disk)
        book.open(Engagement(7, "least-cost", 50, SALT, b""))
        book.close(7, lost_tokens=50)
        book.open(Engagement(8, "least-cost", 30, SALT, b""))
        book.release()
        tight = Allowance(limit_tokens=80 + STAKE)
        poor = builder(chain, "campus", disk=disk, allowance=tight._replace(limit_tokens=79 + STAKE), said=said)
        with pytest.raises(NodeError):
            # Round 8 is not on this chain, and is accounted for only after the open round was attended to.
            await poor.step()
        assert wager_of(chain, "campus") is None and "limit" in said[0]
        assert poor.book.staked_tokens == 30
        poor.book.release()
        rich = builder(chain, "campus", disk=disk, allowance=tight)
        with pytest.raises(NodeError):
            await rich.step()
        assert wager_of(chain, "campus") is not None and rich.book.staked_tokens == 30 + STAKE

    run(go())


def test_a_builder_wagers_on_nothing_that_the_judge_would_not_certify() -> None:
    class Careless(Builder):
        async def build(self, question: Case) -> bytes:
            return packed(promise_more(question, build(question, 60.0).solution))

    async def go() -> None:
        chain, said = await opened(), list[str]()
        one = builder(chain, "campus", kind=Careless, said=said)
        await one.step()
        assert wager_of(chain, "campus") is None and "not good enough" in said[0]
        assert one.book.page.open == ()

    run(go())


def test_what_another_process_committed_to_is_not_revealed() -> None:
    async def go() -> None:
        chain, said = await opened(), list[str]()
        one, other = builder(chain, "campus", said=said), builder(chain, "wind")
        await asyncio.gather(one.step(), other.step())
        await next_phase(chain)
        await next_phase(chain)
        sealed, _ = seal(chain.ledger.chain_id, 0, "campus", SALT, b"another solution")
        chain.speaker.nonces["campus"] = 2
        await chain.submit([chain.speaker.member("campus", sealed)])
        await one.step()
        await next_phase(chain)
        node = one.ledger.nodes[0]
        assert isinstance(node, Node)
        await one.step()
        assert not any(isinstance(body, RevealSolution) for body in node.heard)
        assert any("somebody else committed" in text for text in said)

    run(go())


def test_a_wager_that_comes_too_late_is_forgotten_and_a_refused_one_not_repeated() -> None:
    async def go() -> None:
        chain = await opened(minimum_trust_tokens=100_000)
        node = Node(chain)
        poor = builder(chain, "campus", [node])
        for _ in range(3):
            await poor.step()
        assert len(node.heard) == 1 and poor.book.staked_tokens == STAKE
        await next_phase(chain)
        await poor.step()
        assert poor.book.page.open == ()

    run(go())


def test_attempts_at_one_phase_are_ever_further_apart_and_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.agents.builder.MAX_ATTEMPTS", 5)

    class Full(Node):
        async def submit(self, envelopes: Any, wait: Wait = "accepted", timeout_ms: int = 0) -> list[Result]:
            self.heard += envelopes
            return [Result(b"", "refused", "mempool.full")]

    async def go() -> None:
        chain = await opened()
        node = Full(chain)
        one = builder(chain, "campus", [node])
        said_at: list[int] = []
        for look in range(40):
            before = len(node.heard)
            await one.step()
            said_at += [look] * (len(node.heard) - before)
        assert said_at == [0, 1, 3, 7, 15]

    run(go())


def test_pools_that_are_full_for_a_while_cost_no_wager() -> None:
    """Of a phase that takes minutes, somebody fills the first half a minute."""
    assert POLL_S * 2 ** (MAX_ATTEMPTS - 1) > 240

    class Full(Node):
        looks = 0

        async def submit(self, envelopes: Any, wait: Wait = "accepted", timeout_ms: int = 0) -> list[Result]:
            if self.looks < 30 / POLL_S:
                return [Result(b"", "refused", "mempool.full")]
            return await super().submit(envelopes, wait, timeout_ms)

    async def go() -> None:
        chain = await opened()
        node = Full(chain)
        one = builder(chain, "campus", [node])
        for _ in range(2 ** (MAX_ATTEMPTS - 3)):
            await one.step()
            node.looks += 1
        assert wager_of(chain, "campus") is not None

    run(go())


def test_a_key_that_the_member_does_not_list_signs_nothing() -> None:
    async def go() -> None:
        chain = await opened()
        node = Node(chain)
        one = builder(chain, "campus", [node])
        one._account = functools.partial(type(one._account), chain.ledger.chain_id, "campus")(bytes(32))
        with pytest.raises(NodeError, match="does not list the key"):
            await one.step()
        assert node.heard == []

    run(go())


def test_a_book_belongs_to_one_member_one_chain_and_one_process() -> None:
    disk = MemoryDisk()
    first = Book(BOOK, "chain-1", "campus", disk)
    with pytest.raises(NodeError, match=r"builder\.locked"):
        Book(BOOK, "chain-1", "campus", disk)
    first.open(Engagement(1, "least-cost", 10, SALT, b"plan"))
    first.release()
    for chain_id, member in (("chain-2", "campus"), ("chain-1", "wind")):
        with pytest.raises(NodeError, match=r"builder\.foreign"):
            Book(BOOK, chain_id, member, disk)
    disk.flip(BOOK, 3, 255)
    with pytest.raises(NodeError, match=r"builder\.corrupt"):
        Book(BOOK, "chain-1", "campus", disk)
    disk.flip(BOOK, 3, 255)
    assert Book(BOOK, "chain-1", "campus", disk).find(1) == Engagement(1, "least-cost", 10, SALT, b"plan")
