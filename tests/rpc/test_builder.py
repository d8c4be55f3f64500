"""The builder where all goes well, and where one of its rounds can not be built for."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from contracts.bodies import Need, RevealSolution
from contracts.governance.bodies import Approve, Propose
from contracts.governance.changes import SetNetwork
from contracts.network import registered
from contracts.network.records import NANO, Branch, Network, Place
from contracts.program.documents import unpack
from contracts.program.verdict import Refusal
from contracts.schema import INTERVALS, ORDERS
from contracts.state import State
from node.agents.proven import Unproven
from node.client import Result, RpcError, Wait
from tests.rpc.builder_world import (
    BUILDERS,
    LOCK_MS,
    PACT,
    TARGET,
    TERMS,
    Node,
    builder,
    opened,
    play,
    round_of,
    run,
    tokens_of,
    wager_of,
)
from tests.rpc.chain import METERS, Chain
from tests.support.pact import VALIDATORS


def test_redundant_builders_that_equal_the_fallback_get_their_wagers_back() -> None:
    async def go() -> None:
        chain = await opened()
        before = {name: tokens_of(chain, name) for name in BUILDERS}
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
        assert record is not None and (record.status, record.served_wh) == ("ordered", 25_000)
        solar = State(chain.ledger).entry(ORDERS, "solar", TARGET)
        assert solar is not None and solar.supplied_wh == 25_000
        assert sum("revealed the solution" in text for text in said) == 3

    run(go())


def test_where_the_ledger_has_an_ac_model_builders_bring_voltages() -> None:
    """Of two places with the whole site at one of them: without voltages no judge would take a solution."""

    async def go() -> None:
        params = msgspec.structs.replace(PACT, wagering=TERMS)
        chain = Chain(meters=METERS, params=params)
        place = Place("site", least_var=-(10**9), most_var=10**9)
        wires = (Branch("tie", "annexe", "site", 10**6, g_npu=5 * NANO, b_npu=-20 * NANO),)
        network = Network((Place("annexe"), place), wires, slack="site")
        await chain.submit([chain.speaker.member("campus", Propose(SetNetwork(network), "wires", 1_000))])
        await chain.produce()
        await chain.submit([chain.speaker.member(name, Approve(0)) for name in VALIDATORS[:3]])
        await chain.produce()
        assert registered.of(State(chain.ledger)) == network
        await opened(chain)
        node = Node(chain)
        all_three = [builder(chain, name, [node]) for name in BUILDERS]
        await play(chain, lambda: asyncio.gather(*(one.step() for one in all_three)))
        for name in BUILDERS:
            found = wager_of(chain, name)
            assert found is not None and (found.verdict, found.lost_tokens) == ("best", 0)
        for revealed in (body for body in node.heard if isinstance(body, RevealSolution)):
            solution = unpack(revealed.solution)
            assert not isinstance(solution, Refusal)
            assert [len(one.re_npu) for one in solution.voltages] == [2]

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
            if path == f"/query/case/{TARGET}":
                raise RpcError("access.denied", "somebody's needs are for nobody else")
            return await super().get(path, *arguments, **options)

    async def go() -> None:
        chain = await two_open()
        with pytest.raises(Unproven, match=r"access\.denied"):
            await builder(chain, "campus", [Keeping(chain)]).step()
        assert wager_of(chain, "campus") is None and wager_of(chain, "campus", 1) is not None

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
