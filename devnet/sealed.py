"""A sealed round for every interval, beside open dispatch: campus, tenants and suppliers, each with its own secrets.

Before the gate of an interval the campus opens its round, tenants seal what they will take, and suppliers bid; seats
run by themselves, open sums and find what they say. Then time is stepped over the interval, meters say what they show,
and suppliers show what they delivered. Members with open meters need and offer in the same intervals as ever.

Time stands while a round goes on, so what a round takes is what blocks and agents take.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any

from contracts.bodies import AccountBody, Need, Offer, OfferBlock
from contracts.schedule import close_ms, lock_ms
from contracts.sealed.bodies import ReferenceBlock
from contracts.sealed.records import AWARDING, DELIVERING, DONE, ORDERED, RUNNING, SUSPENDED
from contracts.units import PPM
from devnet import keyring
from devnet.errors import DevnetError
from devnet.leaks import Secret, keep
from devnet.observation import Submitted
from devnet.secretive import PAUSE_S, Secretive, Stage
from devnet.spec import MeterSpec
from devnet.world import Flow, World
from node.billing.readings import Owner
from node.errors import NodeError
from node.sealed import words
from node.sealed.agents import Buyer, Supplier, Tenant
from node.wallet import account
from node.wallet.party import Party
from zk import notes
from zk.ed25519 import SigningKey

PATIENCE = 1_200
CAPACITY_PPM = 900_000
"""Of what its rating delivers, a source registers so much."""


class SealedPlay(Secretive):
    """All private meters of a scenario, everybody who has to do with them, and open members beside them."""

    def __init__(self, stage: Stage, world: World) -> None:
        super().__init__(stage)
        scenario = stage.scenario
        assert scenario.sealed is not None, "the scenario says so"
        self._plan, self._params, self._world = scenario.sealed, scenario.params, world
        self._chain_id = stage.founding.chain_id
        hidden = [meter for meter in scenario.meters if meter.private is not None]
        self._sources = {meter.member: meter for meter in hidden if meter.kind == "source"}
        self._loads = {meter.member: meter for meter in hidden if meter.kind == "load"}
        self._open = [meter for meter in scenario.meters if meter.private is None]
        self._owners: dict[str, account.Owner] = {}
        self._parties: dict[str, Party] = {}
        for at, name in enumerate(sorted({*self._sources, *self._loads, self._plan.campus})):
            owner = self._owners[name] = self._owner(name)
            kind = Supplier if name in self._sources else Tenant if name in self._loads else Buyer
            self._parties[name] = kind(owner, self._ledger(at), partial(self._say, name), partial(self._draw, name))

    async def run(self, intervals: int) -> None:
        """Play so many intervals, each from the opening of its round to the last delivery."""
        self._tell("note keys and capacities")
        await self._each(partial(self._say, name, self._registration(name)) for name in self._owners)
        await self._each(partial(self._register, name) for name in self._sources)
        self._tell("the threshold key")
        await self._until_key()
        # The first whose gate is far enough ahead to open a round before it.
        length = self._params.interval_ms
        first = (self._tempo.now_ms() + self._params.gate_lead_ms + 2 * length // 3) // length + 1
        for interval in range(first, first + intervals):
            at = interval - first
            self._progress.begun = at + 1
            # Long enough before the gate for rounds where time does not stand.
            await self._tempo.reach(lock_ms(self._params, interval) - 2 * length // 3)
            await self._market(interval)
            await self._round(interval, at)
            await self._tempo.reach(lock_ms(self._params, interval))
            await self._until_status(interval, ("ordered",))
            if at:
                await self._settle(interval - 1, at - 1)
        await self._settle(first + intervals - 1, intervals - 1)
        self._progress.done = True
        self._tell("nothing")

    # One interval

    async def _settle(self, interval: int, at: int) -> None:
        """An interval is over: readings, bills, deliveries."""
        await self._tempo.reach((interval + 1) * self._params.interval_ms)
        phase = await self._phase(interval, RUNNING, ORDERED, DONE)
        await self._flow(interval, at, phase == ORDERED)
        await self._tempo.reach(close_ms(self._params, interval))
        await self._until_status(interval, ("settled",))
        if await self._phase(interval, DELIVERING, SUSPENDED, DONE) != DONE:
            self._tell(f"interval {interval}: deliveries")
            silent = self._lapsed(at, "no-delivery")
            await self._each(
                partial(self._once, partial(self._supplier(name).deliver, interval))
                for name in await self._unsettled(interval)
                if name not in silent
            )
            await self._phase(interval, DONE)

    async def _market(self, interval: int) -> None:
        """Members with open meters say what they need and offer, as if there were no round."""
        said: list[tuple[str, AccountBody]] = []
        if self._plan.own_wh:
            said.append((self._plan.campus, Need(interval, 1, self._plan.own_wh, None, 0)))
        for meter in self._open:
            if meter.kind == "source":
                able_wh = self._world.forecast_wh(meter.id, interval)
                shares = ((block.price_nano_per_wh, able_wh * block.share_ppm // PPM) for block in meter.blocks)
                blocks = tuple(OfferBlock(price, wh) for price, wh in shares if wh)
                said.append((meter.member, Offer(meter.id, interval, blocks)))
        self._tell(f"interval {interval}: open needs and offers")
        await self._each(partial(self._say, name, body) for name, body in said)

    async def _round(self, interval: int, at: int) -> None:
        """From the opening of a round to the buyer's payment, or its failure."""
        self._tell(f"interval {interval}: bids")
        began = time.monotonic()
        deadline_ms = lock_ms(self._params, interval) - self._params.interval_ms // 3
        buyer = self._parties[self._plan.campus]
        assert isinstance(buyer, Buyer)
        await buyer.open(interval, self._plan.ticks_nano_per_wh, None, deadline_ms)
        bidders = [name for name in self._sources if name not in self._lapsed(at, "no-bid")]
        acts = [partial(self._demand, name, interval) for name in self._loads]
        acts += [partial(self._bid, name, interval) for name in bidders]
        await self._each(partial(self._once, act) for act in acts)
        await self._tempo.reach(deadline_ms)
        self._tell(f"interval {interval}: a price")
        phase = await self._phase(interval, AWARDING, ORDERED)
        if phase == AWARDING:
            self._tell(f"interval {interval}: awards")
            silent = self._lapsed(at, "no-award")
            awarding = [name for name in bidders if name not in silent]
            await self._each(partial(self._once, partial(self._supplier(name).award, interval)) for name in awarding)
            await self._phase(interval, RUNNING, DONE)
        self._progress.seconds[interval] = round(time.monotonic() - began, 2)

    async def _demand(self, tenant: str, interval: int) -> str | None:
        meter, party = self._loads[tenant], self._parties[tenant]
        assert isinstance(party, Tenant)
        return await party.demand(interval, self._world.forecast_wh(meter.id, interval))

    async def _bid(self, name: str, interval: int) -> str | None:
        """What the source expects to give more from each tick on, as its blocks have it."""
        meter, ticks = self._sources[name], self._plan.ticks_nano_per_wh
        able_wh = self._world.forecast_wh(meter.id, interval)
        quantities, before = [], 0
        for tick in ticks:
            part_ppm = sum(block.share_ppm for block in meter.blocks if before < block.price_nano_per_wh <= tick)
            quantities.append(able_wh * part_ppm // PPM)
            before = tick
        return await self._supplier(name).bid(interval, quantities)

    async def _flow(self, interval: int, at: int, is_failed: bool) -> None:
        """Energy flows as it was awarded and ordered, and every meter says what it shows."""
        self._tell(f"interval {interval}: readings")
        flows: dict[str, Flow] = {}
        ordered = (await self._courier.get(f"/query/dispatch/{interval}"))["data"]["orders"]
        supplied = {part["meter"]: int(part["energy_wh"]) for order in ordered for part in order["meters"]}
        for name, meter in self._sources.items():
            owed_wh = supplied.get(meter.id, 0) if is_failed else await self._supplier(name).awarded_wh(interval)
            short = name in self._lapsed(at, "short")
            flows[meter.id] = Flow(0, owed_wh // 2 if short else owed_wh)
        for meter in self._loads.values():
            flows[meter.id] = Flow(self._world.actual_wh(meter.id, interval), 0)
        inside_wh = sum(flow.import_wh - flow.export_wh for flow in flows.values()) + self._plan.own_wh
        for meter in self._open:
            if meter.kind == "source":
                flows[meter.id] = Flow(0, supplied.get(meter.id, 0))
        drawn_wh = inside_wh - sum(flows[meter.id].export_wh for meter in self._open if meter.kind == "source")
        for meter in self._open:
            match meter.kind:
                case "load":
                    flows[meter.id] = Flow(max(0, inside_wh), max(0, -inside_wh))
                case "tie":
                    flows[meter.id] = Flow(max(0, -drawn_wh), max(0, drawn_wh))
        if not is_failed:
            await self._note_amounts(interval, flows)
        said = [self._read(meter, interval, flows[meter.id]) for meter in self._scenario.meters]
        await self._metered(said)
        await self._catch_up()

    def _read(self, meter: MeterSpec, interval: int, flow: Flow) -> Submitted:
        gateway, before = self._gateways[meter.id], self._world.registers[meter.id]
        now = Flow(before.import_wh + flow.import_wh, before.export_wh + flow.export_wh)
        self._world.registers[meter.id] = now
        if meter.private is None:
            raw = gateway.record(interval, now.import_wh, now.export_wh)
        else:
            owner = Owner(meter.member, notes.public(self._owners[meter.member].note_secret))
            raw = gateway.seal(interval, now.import_wh, now.export_wh, owner=owner, entropy=self._draw(meter.member))
        return Submitted(self._wallets[meter.member].hash_of(raw), "reading", meter.id, gateway.sequence)

    # Words

    def _registration(self, name: str) -> AccountBody:
        return account.registration(self._chain_id, self._owners[name], self._draw(name))

    async def _register(self, name: str) -> str:
        """A capacity, co-signed by the meter."""
        meter = self._sources[name]
        limit_wh = self._world.limit_wh(meter.id)
        key = SigningKey(keyring.seed(self._layout.meter_keys / f"{meter.id}.json", "meter"))
        reference = ReferenceBlock(meter.blocks[-1].price_nano_per_wh, max(1, limit_wh // 4))
        said = words.capacity(
            self._chain_id,
            self._owners[name],
            meter.id,
            limit_wh,
            limit_wh * CAPACITY_PPM // PPM,
            [reference],
            key.sign,
            entropy=self._draw(name),
        )
        return await self._say(name, said)

    def _supplier(self, name: str) -> Supplier:
        party = self._parties[name]
        assert isinstance(party, Supplier)
        return party

    def _lapsed(self, at: int, does: str) -> set[str]:
        return {name for one in self._plan.lapses if one.at == at and one.does == does for name in one.members}

    async def _note_amounts(self, interval: int, flows: dict[str, Flow]) -> None:
        """What nobody but a member may know of an interval, as far as it is no public figure of its round as well: what
        its energy costs, since a figure of five digits may stand anywhere by chance."""
        shown = (await self._courier.get(f"/query/sealed/{interval}"))["data"]
        if shown["outcome"] != "balanced" or any(one["award_wh"] is not None for one in shown["suppliers"]):
            return
        price, public_wh = int(shown["clearing"]["price_nano_per_wh"]), int(shown["awarded_wh"])
        known: list[Secret] = []
        for name, meter in (*self._sources.items(), *self._loads.items()):
            amount_wh = flows[meter.id].import_wh + flows[meter.id].export_wh
            # Round figures stand in plans that everybody may have, and a single seller's are those of the round.
            if amount_wh % 1_000 and abs(public_wh - amount_wh) > len(self._sources):
                known.append(
                    Secret.of_value(name, f"worth of the energy of {meter.id} in {interval}", amount_wh * price)
                )
        keep(self._layout.secrets, known)

    async def _say(self, member: str, body: AccountBody) -> str:
        """Sign and send a word of a member; the code of its receipt."""
        _, code = await self._delivered(member, body)
        return code

    async def _catch_up(self) -> None:
        """Let every agent believe only what has all that was said so far."""
        self._height = max(self._height, int((await self._courier.get("/status"))["height"]))
        for party in self._parties.values():
            party.since(self._height - 1)

    async def _each(self, acts: Iterable[Callable[[], Awaitable[Any]]]) -> None:
        await asyncio.gather(*(act() for act in acts))

    async def _once(self, act: Callable[[], Awaitable[str | None]]) -> None:
        """Again and again until it has something to say."""
        for _ in range(PATIENCE):
            if await act() is not None:
                return
            await asyncio.sleep(PAUSE_S)
        raise DevnetError("devnet.timeout", f"{self._progress.waiting_for} never came.", "See the log of the agents.")

    # Waiting

    async def _until_key(self) -> None:
        for _ in range(PATIENCE):
            if (await self._courier.get("/query/threshold"))["data"]["in_force"]:
                return
            await asyncio.sleep(PAUSE_S)
        raise DevnetError("devnet.timeout", "No threshold key was made.", "See `gridpact query threshold`.")

    async def _phase(self, interval: int, *phases: str) -> str:
        """Wait until the round is in one of these phases."""
        for _ in range(PATIENCE):
            with contextlib.suppress(KeyError, TypeError, NodeError):
                phase = str((await self._courier.get(f"/query/sealed/{interval}"))["data"]["phase"])
                if phase in phases:
                    await self._catch_up()
                    return phase
            await asyncio.sleep(PAUSE_S)
        raise DevnetError(
            "devnet.timeout",
            f"The sealed round of interval {interval} never came to {' or '.join(phases)}.",
            f"See what it waits for: gridpact query sealed {interval}",
        )

    async def _unsettled(self, interval: int) -> list[str]:
        shown = (await self._courier.get(f"/query/sealed/{interval}"))["data"]["suppliers"]
        return [str(one["member"]) for one in shown if one["state"] in ("awarded", "opened")]

    async def _until_status(self, interval: int, wanted: Sequence[str]) -> None:
        for _ in range(PATIENCE):
            if (await self._courier.get(f"/query/interval/{interval}"))["data"]["status"] in wanted:
                return
            await asyncio.sleep(PAUSE_S)
        raise DevnetError("devnet.timeout", f"Interval {interval} is never {wanted[0]}.", "See its record.")
