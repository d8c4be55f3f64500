"""Agents alone take a private billing cycle from its readings to its last payment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from contracts.bodies import AccountBody
from contracts.confidential.bodies import Deposit
from contracts.private.records import PrivateCycle
from contracts.schema import PRIVATE_CYCLES
from node.agents.proven import ProvenLedger
from node.billing.agents import CampusAgent, OwnerAgent
from node.billing.biller import Biller
from node.wallet import account
from tests.rpc.builder_world import Node, founding
from tests.rpc.test_private_bill import CYCLE, PARAMS, Site, entropy
from tests.support.pact import START_MS, VALIDATORS, seed_of
from zk import notes
from zk.hashing import sha256

FUNDS = 10_000


class Pact(Site):
    """Members with agents, each of which speaks and is heard at once."""

    def __init__(self) -> None:
        super().__init__(msgspec.structs.replace(PARAMS, private_blocks=100))
        self.told: list[str] = []
        self.drawn = 0

    def cycle(self) -> PrivateCycle:
        raw = self.chain.ledger.get(PRIVATE_CYCLES.key(CYCLE, "campus"))
        assert raw is not None
        return PRIVATE_CYCLES.decode(raw)

    def biller(self, name: str) -> Biller:
        ledger = ProvenLedger([Node(self.chain)], founding(self.chain), now_ms=self.chain.now_ms)
        owner = account.Owner(name, notes.secret_of(seed_of(name)))
        agent = (CampusAgent if name == "campus" else OwnerAgent)(owner, ledger, self._speaks(name), self._draw)
        return Biller(agent, "campus", lambda text: self.told.append(f"{name}: {text}"))

    def _speaks(self, name: str) -> Callable[[AccountBody], object]:
        async def say(body: AccountBody) -> str:
            (result,) = await self.chain.submit([self.chain.speaker.member(name, body)])
            receipts = await self.chain.produce()
            await self.chain.produce()
            return receipts[1].code if result.code == "ok" else result.code

        return say

    def _draw(self) -> bytes:
        self.drawn += 1
        return sha256(b"%d" % self.drawn)


def test_agents_bill_a_cycle_to_its_last_payment_and_say_nothing_twice() -> None:
    pact = Pact()

    async def go() -> None:
        owners = [account.Owner(name, notes.secret_of(seed_of(name))) for name in VALIDATORS]
        keys = [(one.member, account.registration(pact.chain_id, one, entropy("key", one.member))) for one in owners]
        await pact.say(*keys)
        await pact.say(*((name, Deposit(FUNDS)) for name in ("wind", "campus")))
        await pact.read()
        await pact.chain.produce(START_MS + PARAMS.interval_ms + PARAMS.close_grace_ms)
        await pact.chain.produce()
        billers = {name: pact.biller(name) for name in VALIDATORS}
        said = -1
        rounds = 0
        while pact.cycle().phase != "done":
            said = sum([await biller.look(CYCLE) for biller in billers.values()])
            await pact.chain.produce()
            rounds += 1
            assert rounds < 20, (pact.cycle().phase, pact.told)
        assert said >= 0
        assert pact.cycle().named == ()
        assert {share.outcome for share in pact.cycle().shares} <= {"equal", "within"}
        assert all(share.paid for share in pact.cycle().shares)
        assert not any("refused" in text or "waits" in text for text in pact.told), pact.told
        spoken = len(pact.told)
        assert sum([await biller.look(CYCLE) for biller in billers.values()]) == 0
        assert sum([await biller.look(CYCLE + 1) for biller in billers.values()]) == 0
        assert len(pact.told) == spoken, "nothing is left to say, and nobody asks of what never began"

    asyncio.run(asyncio.wait_for(go(), 60))


def test_a_payment_waits_for_money_and_is_told_once() -> None:
    pact = Pact()

    async def go() -> None:
        await pact.bill()
        await pact.chain.produce()
        wind = pact.biller("wind")
        assert await wind.look(CYCLE) == await wind.look(CYCLE) == 0
        assert len(pact.told) == 2, "one for each load"
        assert all("waits" in text for text in pact.told)
        await pact.say(("wind", Deposit(FUNDS)))
        await pact.chain.produce()
        assert await wind.look(CYCLE) == 2, "both loads"

    asyncio.run(asyncio.wait_for(go(), 60))
