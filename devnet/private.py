"""Private billing cycles on a devnet: meters' gateways, owners, the campus and suppliers, each with its own secrets.

Time is stepped to the end of each cycle, the meters say what they show, and then everybody says what the cycle waits
for until it is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from contracts.bodies import AccountBody
from contracts.cycles import Cycle, cycle, cycle_of
from contracts.private.agenda import due_ms
from contracts.private.records import DONE
from devnet.errors import DevnetError
from devnet.leaks import Secret, keep
from devnet.observation import Submitted
from devnet.secretive import PAUSE_S, Secretive, Stage
from devnet.spec import MeterSpec
from node.agents.proven import Unproven
from node.billing.agents import CampusAgent, Member, OwnerAgent
from node.billing.readings import Owner
from zk import notes

PATIENCE = 400
"""Looks at one phase before the run gives up."""
AT_ONCE = 8
"""Agents that make proofs before the loop turns to others."""


class PrivateRun(Secretive):
    """All private meters of a scenario and everybody who has to do with them."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        scenario = stage.scenario
        self.meters = [meter for meter in scenario.meters if meter.private is not None]
        campuses = {meter.private.campus for meter in self.meters if meter.private is not None}
        members = sorted({meter.member for meter in self.meters} | campuses)
        self._owners: dict[str, OwnerAgent] = {}
        self._campuses: dict[str, CampusAgent] = {}
        self._keys: dict[str, bytes] = {}
        self._alone: dict[str, asyncio.Lock] = {}
        """An agent asks one question at a time."""
        for at, name in enumerate(members):
            owner, say = self._owner(name), partial(self._say, name)
            self._keys[name] = notes.public(owner.note_secret)
            ledger, entropy = self._ledger(at), partial(self._draw, name)
            self._alone[name] = asyncio.Lock()
            if name in campuses:
                self._campuses[name] = CampusAgent(owner, ledger, say, entropy)
            else:
                self._owners[name] = OwnerAgent(owner, ledger, say, entropy)

    async def run(self, cycles: int) -> None:
        """Take so many billing cycles from their readings to their last payment."""
        everybody: list[Member] = [*self._owners.values(), *self._campuses.values()]
        self._tell("note keys")
        await self._each([(agent.member, agent.register_key) for agent in everybody])
        first = cycle_of(self._scenario.params, self._scenario.first_interval)
        self._tell("hidden money")
        await self._each([(agent.member, partial(self._fund, agent, cycles)) for agent in everybody])
        for number in range(first, first + cycles):
            await self._cycle(cycle(self._scenario.params, number), number - first + 1)
        self._progress.done = True
        self._tell("nothing")

    async def _fund(self, agent: Member, cycles: int) -> str:
        """Hide twice the money that the bills of all cycles can come to: what is hidden says nothing of them."""
        owed = 0
        for meter in self.meters:
            terms = meter.private
            assert terms is not None, "only of private meters"
            payer = terms.campus if meter.kind == "source" else meter.member
            most_wh = meter.cycle_wh if terms.high_wh is None else terms.high_wh
            owed += 2 * terms.tariff_nano_per_wh * most_wh * cycles if payer == agent.member else 0
        return await agent.hide(owed) if owed else "ok"

    async def _cycle(self, which: Cycle, count: int) -> None:
        params = self._scenario.params
        await self._tempo.reach(which.last * params.interval_ms)
        self._tell(f"readings of billing cycle {which.number}")
        await self._read(which, count)
        await self._tempo.reach(due_ms(params, which.number))
        self._tell(f"uses of billing cycle {which.number}")
        await self._until(which.number, "proving")
        owned = [(self._owners[meter.member], meter.id) for meter in self.meters]
        await self._each([(owner.member, partial(owner.prove, meter, which.number)) for owner, meter in owned])
        self._note_uses(which.number)
        for campus in self._campuses.values():
            self._tell(f"the split of billing cycle {which.number}")
            await self._until(which.number, "opening")
            await self._once(partial(campus.work, which.number))
        await self._until(which.number, "answering", "paying")
        self._tell(f"answers to the split of billing cycle {which.number}")
        sources = [meter for meter in self.meters if meter.kind == "source"]
        suppliers = [(self._owners[one.member], one.id) for one in sources]
        await self._each([(one.member, partial(one.answer, meter, which.number)) for one, meter in suppliers])
        self._tell(f"payments of billing cycle {which.number}")
        await self._each([(owner.member, partial(owner.settle, meter, which.number)) for owner, meter in owned])
        await self._until(which.number, "paying")
        for campus in self._campuses.values():
            while await _patiently(partial(campus.settle, which.number)) is not None:
                pass
        await self._until(which.number, DONE)

    async def _read(self, which: Cycle, count: int) -> None:
        """Each meter signs what it shows and gets it onto the ledger."""
        said = []
        for meter in self.meters:
            gateway, register_wh = self._gateways[meter.id], meter.cycle_wh * count
            import_wh, export_wh = (0, register_wh) if meter.kind == "source" else (register_wh, 0)
            owner, entropy = Owner(meter.member, self._keys[meter.member]), self._draw(meter.member)
            raw = gateway.seal(which.last, import_wh, export_wh, owner=owner, entropy=entropy)
            hash_ = self._wallets[meter.member].hash_of(raw)
            said.append(Submitted(hash_, "reading", meter.id, gateway.sequence))
        await self._metered(said)

    def _note_uses(self, number: int) -> None:
        """What nobody but an owner and its campus may know of the cycle."""
        known: list[Secret] = []
        for meter in self.meters:
            terms = meter.private
            assert terms is not None, "only of private meters"
            known.append(Secret.of_value(meter.member, f"use of {meter.id} in cycle {number}", meter.cycle_wh))
            paid = meter.cycle_wh * terms.tariff_nano_per_wh
            known.append(Secret.of_value(meter.member, f"payment for {meter.id} in cycle {number}", paid))
        for campus in self._campuses:
            loads = [meter for meter in self.meters if _bills(meter, campus) and meter.kind == "load"]
            known.append(Secret.of_value(campus, f"total of cycle {number}", sum(one.cycle_wh for one in loads)))
        keep(self._layout.secrets, known)

    # What agents say

    async def _say(self, member: str, body: AccountBody) -> str:
        """Sign and send a word of a member; the code of its receipt."""
        hash_, code = await self._delivered(member, body)
        self._since(int((await self._courier.get(f"/tx/{hash_}"))["height"]))
        return code

    def _since(self, height: int) -> None:
        """Let every agent believe only what has all up to a block that changed something: another one follows it."""
        self._height = max(self._height, height)
        for agent in (*self._owners.values(), *self._campuses.values()):
            agent.since(self._height)

    async def _each(self, acts: Sequence[tuple[str, Callable[[], Awaitable[str | None]]]]) -> None:
        """What each of some members does, a few at a time."""
        room = asyncio.Semaphore(AT_ONCE)

        async def one(name: str, act: Callable[[], Awaitable[str | None]]) -> None:
            async with room, self._alone[name]:
                await _patiently(act)

        await asyncio.gather(*(one(name, act) for name, act in acts))

    async def _once(self, act: Callable[[], Awaitable[str | None]]) -> None:
        """Again and again until it has something to say."""
        for _ in range(PATIENCE):
            if await _patiently(act) is not None:
                return
            await asyncio.sleep(PAUSE_S)

    async def _until(self, number: int, *phases: str) -> None:
        """Wait until the cycle is in one of these phases everywhere that is asked. Raises `DevnetError`."""
        for campus in self._campuses:
            for _ in range(PATIENCE):
                answer = await self._courier.get(f"/query/cycle/{number}/{campus}")
                phase = answer["data"]["phase"]
                if phase in phases and phase != DONE:
                    self._since(int(answer["height"]))
                if phase in (*phases, DONE):
                    break
                await asyncio.sleep(PAUSE_S)
            else:
                raise DevnetError(
                    "devnet.timeout",
                    f"Billing cycle {number} of {campus} never came to {' or '.join(phases)}.",
                    f"See what it waits for: gridpact query cycle {number} {campus}",
                )


async def _patiently(act: Callable[[], Awaitable[str | None]]) -> str | None:
    """What an agent says, once a node proves to it all that it has to know."""
    for _ in range(PATIENCE):
        try:
            return await act()
        except Unproven:
            await asyncio.sleep(PAUSE_S)
    return await act()


def _bills(meter: MeterSpec, campus: str) -> bool:
    return meter.private is not None and meter.private.campus == campus
