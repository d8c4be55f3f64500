"""The builder: whatever is killed, and whatever nodes say, it binds its member to nothing that it can't stand by."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Coroutine
from operator import attrgetter
from typing import Any

import msgspec
import pytest

from consensus.light import LightBlock
from contracts import ordering
from contracts.bodies import CommitSolution, Need, RevealSolution, Wager
from contracts.context import BlockContext
from contracts.dispatch import Market, clear
from contracts.schema import INTERVALS, ORDERS
from contracts.state import State
from contracts.wagers import merit_order
from contracts.wagers.records import JUDGED
from contracts.wagers.sealing import seal
from node.agents.book import Book, Engagement
from node.agents.builder import MAX_ATTEMPTS, POLL_S, Allowance, Builder
from node.agents.proven import ProvenLedger, Unproven
from node.client import Client, Result, RpcError, Wait
from node.disk import MemoryDisk, PowerLoss
from node.errors import NodeError
from tests.rpc.builder_world import (
    BOOK,
    BUILDERS,
    LOCK_MS,
    PACT,
    STAKE,
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
    tokens_of,
    wager_of,
)
from tests.rpc.chain import Chain

SALT = bytes(range(32))
HEIGHT = attrgetter("height")


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


def market_of(chain: Chain) -> Market:
    ledger = chain.ledger
    context = BlockContext(
        ledger.chain_id, ledger.height, chain.time_ms, ledger.genesis.params, ledger.genesis.consensus
    )
    return ordering.market(State(ledger), context, TARGET)


def test_redundant_builders_that_equal_the_merit_order_get_their_wagers_back() -> None:
    async def go() -> None:
        chain = await opened()
        before = {name: tokens_of(chain, name) for name in BUILDERS}
        best = clear(market_of(chain))
        said: list[str] = []
        all_three = [builder(chain, name, said=said) for name in BUILDERS]
        await play(chain, lambda: asyncio.gather(*(one.step() for one in all_three)))
        assert sorted(round_of(chain).builders) == sorted(BUILDERS)
        assert (round_of(chain).outcome, round_of(chain).builder) == ("builder", round_of(chain).builders[0])
        for one in all_three:
            found = wager_of(chain, one.member)
            assert found is not None and (found.verdict, found.lost_tokens) == ("best", 0)
            assert tokens_of(chain, one.member) == before[one.member]
            assert one.book.page.open == () and one.book.page.lost_tokens == 0 and one.judged == 1
        record = State(chain.ledger).load(INTERVALS, INTERVALS.key(TARGET))
        assert record is not None and (record.status, record.served_wh) == ("ordered", sum(best.served_wh))
        solar = State(chain.ledger).entry(ORDERS, "solar", TARGET)
        assert solar is not None and solar.supplied_wh == sum(best.supplied_wh)
        assert sum("revealed the solution" in text for text in said) == 3

    run(go())


async def two_open() -> Chain:
    """Rounds 0 and 1, about two intervals, take wagers at the same time."""
    chain = await opened()
    await chain.submit([chain.speaker.member("campus", Need(TARGET + 1, 1, 5_000, None, 0))])
    await chain.produce(LOCK_MS + PACT.interval_ms)
    await chain.produce()
    assert (round_of(chain).phase, round_of(chain, 1).phase) == ("wager", "wager")
    return chain


def test_a_round_that_can_not_be_built_for_holds_up_no_other_one() -> None:
    class Keeping(Node):
        async def get(self, path: str, *arguments: Any, **options: Any) -> dict[str, Any]:
            if path == f"/query/market/{TARGET}":
                raise RpcError("access.denied", "somebody's needs are for nobody else")
            return await super().get(path, *arguments, **options)

    async def go() -> None:
        chain = await two_open()
        with pytest.raises(Unproven, match=r"access\.denied"):
            await builder(chain, "campus", [Keeping(chain)]).step()
        assert wager_of(chain, "campus") is None and wager_of(chain, "campus", 1) is not None

    run(go())


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


def test_what_is_said_about_two_rounds_in_one_look_has_two_nonces() -> None:
    class Prompt(Node):
        async def submit(self, envelopes: Any, wait: Wait = "accepted", timeout_ms: int = 0) -> list[Result]:
            """A block for it, and none yet that would prove it."""
            self.chain.automatic = False
            answers = await self.chain.submit(list(envelopes))
            await self.chain.produce()
            return [self._result(answer.hash, answer.code) for answer in answers]

    async def go() -> None:
        chain = await two_open()
        await builder(chain, "campus", [Prompt(chain)]).step()
        assert wager_of(chain, "campus") is not None and wager_of(chain, "campus", 1) is not None

    run(go())


def test_under_other_rules_than_those_of_the_opening_nothing_is_built() -> None:
    async def go() -> None:
        chain, said = await opened(), list[str]()
        one = builder(chain, "campus", said=said)
        round_ = round_of(chain)
        assert await one.solve(round_) is not None
        changed = msgspec.structs.replace(round_, rules_hash=bytes(32))
        assert await one.solve(changed) is None
        assert "rules have changed" in said[0]

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


class Killed(BaseException):
    """SIGKILL: nothing handles it."""


class Doomed(Node):
    """A node whose asker dies before or after one of its requests."""

    def __init__(self, chain: Chain, at: int) -> None:
        super().__init__(chain)
        self.left = at

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed

    async def get(self, path: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        self.step()
        return await super().get(path, *arguments, **options)

    async def submit(self, envelopes: Any, wait: Wait = "accepted", timeout_ms: int = 0) -> list[Result]:
        self.step()
        answer = await super().submit(envelopes, wait, timeout_ms)
        self.step()
        return answer


async def survive(chain: Chain, at: int, disk: MemoryDisk) -> bool:
    """Play round 0 with a builder that dies at its `at`-th request, or disk operation where `at` is negative, and one
    that takes over with the same book at its next look. False where it never came to that.
    """
    doomed, other = Doomed(chain, max(at, 0)), builder(chain, "wind")
    one = builder(chain, "campus", [doomed], disk)
    if at < 0:
        disk.fail_at(-at)
    died = False

    async def act() -> None:
        nonlocal one, died
        await other.step()
        try:
            await one.step()
        except (Killed, PowerLoss):
            died = True
            disk.crash()
            disk.locked.clear()
            one = builder(chain, "campus", [Node(chain)], disk)
            await one.step()

    await play(chain, act)
    assert one.book.page.open == ()
    return died


@pytest.mark.parametrize("sign", [1, -1], ids=["kill", "power"])
def test_a_builder_that_dies_anywhere_loses_nothing(sign: int) -> None:
    async def go() -> None:
        for at in range(1, 100):
            chain = await opened(builders=2)
            before = tokens_of(chain, "campus")
            if not await survive(chain, sign * at, MemoryDisk()):
                assert at > (10 if sign > 0 else 3)
                return
            found = wager_of(chain, "campus")
            assert found is not None and (found.verdict, found.lost_tokens) == ("best", 0), at
            assert tokens_of(chain, "campus") == before
        raise AssertionError("it never gets through")

    run(go())


def test_salt_and_solution_are_on_disk_before_the_wager_leaves() -> None:
    async def go() -> None:
        chain, disk = await opened(), MemoryDisk()
        kept: list[Engagement | None] = []

        class Watching(Node):
            async def submit(self, envelopes: Any, wait: Wait = "accepted", timeout_ms: int = 0) -> list[Result]:
                after = MemoryDisk()
                after.replace(BOOK / "campus", disk.read(BOOK / "campus"))
                kept.append(Book(BOOK / "campus", chain.ledger.chain_id, "campus", after).find(0))
                return await super().submit(envelopes, wait, timeout_ms)

        node = Watching(chain)
        one, other = builder(chain, "campus", [node], disk), builder(chain, "wind")
        await play(chain, lambda: asyncio.gather(one.step(), other.step()))
        assert [type(body) for body in node.heard] == [Wager, CommitSolution, RevealSolution]
        shown = node.heard[2]
        assert all(one is not None and (one.salt, one.solution) == (shown.salt, shown.solution) for one in kept)

    run(go())


def empty_market(answer: dict[str, Any]) -> None:
    """Leave out what somebody needs, in the data and in the proof."""
    answer["data"]["needs"] = []
    for entry in answer["proof"]["entries"]:
        if entry["key"].startswith(b"needs/".hex()):
            entry["value"] = None


def other_need(answer: dict[str, Any]) -> None:
    """Change one byte of what somebody needs."""
    entry = next(one for one in answer["proof"]["entries"] if one["key"].startswith(b"needs/".hex()))
    entry["value"] = entry["value"][:-2] + "01"


def no_needs(answer: dict[str, Any]) -> None:
    """Prove all but what somebody needs."""
    entries = answer["proof"]["entries"]
    answer["proof"]["entries"] = [one for one in entries if not one["key"].startswith(b"needs/".hex())]


def no_proof(answer: dict[str, Any]) -> None:
    del answer["proof"]


def own_header(answer: dict[str, Any]) -> None:
    """A header that nobody signed."""
    answer["proof"]["header"]["time_ms"] += 1


@pytest.mark.parametrize("lie", [empty_market, other_need, no_needs, no_proof, own_header])
def test_a_node_that_lies_about_the_market_gets_no_wager_and_costs_none(lie: Any) -> None:
    async def go() -> None:
        chain = await opened()
        liar = Lying(chain, "market", lie)
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
        def build(self, market: Market) -> bytes:
            best = clear(market)
            return merit_order.plan_of(market, best._replace(import_wh=best.import_wh + 1))

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
