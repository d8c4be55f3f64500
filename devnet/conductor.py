"""Runs a scenario's agents: market before the gate, orders after it, readings at the end.

At the start of interval k the meters read k - 1 and the market for k + 1 is posted; k + 1 is ordered at its
gate, and k - 1 settles when its grace is over. Whether time waits for the agents or not is the tempo's
business. Survives dead nodes, refusals and halts: what is late is late, registers are cumulative, and the
next interval comes. Survives its own death too: every step is written down before it shows, and doing it again
changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, Literal

from contracts.bodies import AccountBody, Correct, Need, Offer, Reserve, Tariff, Transfer
from contracts.envelope import Domains
from contracts.modes import OPEN_BREAKER
from contracts.records import LOCKED
from contracts.schedule import close_ms, first_open, lock_ms, window_start
from devnet import rounds
from devnet.courier import WAIT_MS, Courier, Parcel
from devnet.diary import Diary
from devnet.faults import Fault, broken, misreading, sagging, to_restate
from devnet.observation import Submitted
from devnet.scenario import MAX_INTERVALS, Scenario
from devnet.tempo import Tempo
from devnet.trades import Agent
from devnet.world import Order, World
from node.agents.builder import Builder
from node.agents.gateway import MeterGateway
from node.client import Account
from node.errors import NodeError

POLL_S = 0.05
INSIST_EVERY = 20
"""Polls between two reminders of what time it is."""
EXPIRY_BLOCKS = 20_000
"""About an hour: longer than any halt that a person waits out."""

Kind = Literal["need", "offer", "tariff", "transfer", "correction", "word"]


class Wallet:
    """One account key of a member, used by this process alone."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._domains = Domains(account.chain_id)

    def seal(self, body: AccountBody, kind: Kind, height: int) -> Parcel:
        """Sign with the next nonce, valid for a while from `height` on."""
        raw = self._account.sign(body, height + EXPIRY_BLOCKS)
        return Parcel(raw, Submitted(self._domains.transaction_id(raw).hex(), kind, self._account.member))

    def hash_of(self, raw: bytes) -> str:
        """Under which the ledger knows an envelope, whoever signed it."""
        return self._domains.transaction_id(raw).hex()

    async def catch_up(self, courier: Courier) -> None:
        """Read the nonce lane and the height again."""
        await courier.ask(self._account.sync)

    def skip(self, key: bytes, nonce: int) -> None:
        """An earlier process has signed with this nonce, if `key` is this wallet's."""
        if key != self._account.public_key:
            return
        self._account.next_nonce = max(self._account.next_nonce, nonce + 1)


class Conductor:
    """Everything that the agents of one scenario do, in the order in which it happens."""

    def __init__(
        self,
        scenario: Scenario,
        world: World,
        agents: Sequence[Agent],
        wallets: Mapping[str, Wallet],
        gateways: Mapping[str, MeterGateway],
        courier: Courier,
        chain_id: str,
        tempo: Tempo,
        diary: Diary,
        faults: Sequence[Fault] = (),
        signed: Mapping[str, int] | None = None,
        owners: Mapping[str, Wallet] | None = None,
        builders: Sequence[Builder] = (),
    ) -> None:
        """`faults` are those on equipment; `signed` is the last interval that each gateway has spoken about.

        `owners` sign for members who restate what a meter of theirs misread; `builders` wager on the dispatch.
        """
        self._params = scenario.params
        self._world = world
        self._agents = agents
        self._wallets = wallets
        self._gateways = gateways
        self._courier = courier
        self._domains = Domains(chain_id)
        self._tempo = tempo
        self._diary = diary
        self._faults = faults
        self._signed = dict(signed or {})
        self._owners = dict(owners or {})
        self._builders = builders
        # What really flows there is what verdicts and restatements are held against.
        self._watched = {meter for line in scenario.lines for meter in line.meters}
        self._watched |= {meter for fault in faults if fault.action == "misread" for meter in fault.meters}
        self._orders: dict[int, dict[str, Order]] = {}
        self.progress = diary.progress()

    async def run(self, first: int, count: int | None) -> None:
        """Take `count` intervals from `first` on (None: until cancelled) from market to settlement.

        `first` must not be locked yet: its market is posted now. A run that the diary knows goes on where it was.
        """
        progress = self.progress
        progress.error = None
        first = progress.first = first if progress.first is None else progress.first
        last = None if count is None else first + count - 1

        def wanted(interval: int) -> bool:
            return last is None or interval <= last

        interval = first if progress.happened is None else progress.happened + 1
        if interval == first:
            await self._market(first, range(first, self._posted_until(first - 1, last)))
        for which in filter(wanted, range(interval, self._locked_until(interval - 1))):
            await self._order(which)
        while wanted(interval - 1):
            await self._reach(interval * self._params.interval_ms, f"the start of interval {interval}")
            if wanted(interval):
                progress.interval = interval
                progress.begun = interval - first + 1
            said: list[Awaitable[None]] = []
            dues: list[tuple[int, Callable[[int], Awaitable[None]], int]] = []
            if interval > first:
                # Before anybody speaks about what comes next.
                self._let_happen(interval - 1)
                said.append(self._deliver(interval - 1))
                dues.append((close_ms(self._params, interval - 1), self._settle, interval - 1))
            unsaid = range(self._posted_until(interval - 1, last), self._posted_until(interval, last))
            said.append(self._market(interval + 1, unsaid))
            locking = range(self._locked_until(interval - 1), self._locked_until(interval))
            dues += [(lock_ms(self._params, which), self._order, which) for which in filter(wanted, locking)]
            await asyncio.gather(*said)
            dues.sort(key=lambda due: due[0])
            for _, together in groupby(dues, key=lambda due: due[0]):
                await asyncio.gather(*(act(which) for _, act, which in together))
            interval += 1
            # After a halt some intervals have passed by: the world went on, without a market.
            while self._has_passed(interval) and wanted(interval):
                self._let_happen(interval - 1)
                interval += 1

    def _has_passed(self, interval: int) -> bool:
        return interval < self._tempo.now_ms() // self._params.interval_ms

    def _locked_until(self, interval: int) -> int:
        """The first interval whose window does not lock by the end of this one."""
        return first_open(self._params, (interval + 1) * self._params.interval_ms)

    def _posted_until(self, interval: int, last: int | None) -> int:
        """The first interval that nobody has spoken about by the end of this one: windows that lock, and their
        look-ahead."""
        until = self._locked_until(interval) + self._params.look_ahead_intervals
        return until if last is None else min(until, last + 1)

    async def _market(self, before: int, intervals: range) -> None:
        """Everybody says before one interval begins what it has to say about some, knowing what is out of order."""
        restated = await self._restated(before)
        if not intervals and not restated:
            return
        height = int((await self._courier.get("/status"))["height"])
        self._world.lost = self._held("lose", before - 1)
        if intervals:
            await asyncio.gather(*(agent.look(intervals) for agent in self._agents))

        def sealed() -> list[Parcel]:
            said = [
                self._wallets[agent.member].seal(body, _kind(body), height)
                for agent in self._agents
                for which in intervals
                for body in agent.market(which)
            ]
            return said + [self._owners[member].seal(body, _kind(body), height) for member, body in restated]

        parcels = self._diary.posting(before, sealed)
        await self._send(parcels, f"{len(parcels)} needs, offers and tariffs before interval {before} to be final")

    async def _restated(self, interval: int) -> list[tuple[str, Correct]]:
        """What owners of mended meters have to say before `interval`: what really flowed."""
        first = self.progress.first or 0
        said = []
        for meter, at in to_restate(self._faults, interval - first):
            which = first + at
            await self._until_status(which, ("settled",), "its settlement, to correct it")
            known = await self._ask_settled(f"/query/energy/{which}/{meter}")
            if known["sequence"] is not None:
                true = self.progress.flowed[which][meter]
                said.append((str(known["member"]), Correct(meter, int(known["sequence"]), which, *true)))
        return said

    async def _ask_settled(self, path: str) -> dict[str, Any]:
        """A query about a settled interval; another node may answer than the one that has settled it already."""
        while True:
            try:
                data: dict[str, Any] = (await self._courier.get(path))["data"]
            except NodeError as error:
                if error.code != "rpc.not-settled":
                    raise
                await asyncio.sleep(POLL_S)
            else:
                return data

    async def _order(self, interval: int) -> None:
        """Read the orders per meter, once the gate has passed and every node has computed them."""
        await self._reach(lock_ms(self._params, interval), f"the gate of interval {interval}")
        status = await self._until_status(interval, (LOCKED, "ordered", "settled"), "its dispatch")
        if status == LOCKED and interval == window_start(self._params, interval):
            await self._wager_on(interval)
        elif status == LOCKED:
            await self._until_status(interval, ("ordered", "settled"), "the round of its window")
        if status == "empty":
            return
        document = (await self._courier.get(f"/query/dispatch/{interval}"))["data"]
        found = self._orders.setdefault(interval, {})
        for order in document["orders"]:
            for part in order["meters"]:
                found[part["meter"]] = Order(supply_wh=int(part["energy_wh"]))
            for meter in self._world.meters.values():
                # What a battery may take was its only bid; what loads may take does not move them.
                if meter.member == order["member"] and meter.kind == "storage":
                    supply_wh = found.get(meter.id, Order()).supply_wh
                    found[meter.id] = Order(supply_wh, int(order["served_wh"]))
            for one in order["storages"]:
                found[one["meter"]] = Order(int(one["discharge_wh"]), int(one["charge_wh"]))

    async def _wager_on(self, interval: int) -> None:
        """Let builders speak in each phase of the interval's round before time goes on to the phase's end.

        Where time does not stand there are none here: they run by themselves.
        """
        number = (await self._courier.get(f"/query/interval/{interval}"))["data"]["round"]

        def tell(phase: str) -> None:
            self._tell(f"interval {interval}: its builders to {phase}")

        await rounds.play(number, self._builders, self._courier, self._tempo, POLL_S, tell)

    def _let_happen(self, interval: int) -> None:
        """Energy flows as ordered, as far as nature allows; once, whoever is killed."""
        progress = self.progress
        if progress.happened is not None and interval <= progress.happened:
            return
        self._world.lost = self._held("lose", interval)
        self._world.open = self._held("open", interval)
        self._world.counts_ppm = misreading(self._faults, interval - (progress.first or 0))
        self._world.gives_ppm = sagging(self._faults, interval - (progress.first or 0))
        outcome = self._world.deliver(interval, self._orders.pop(interval, {}))
        if len(progress.outcomes) >= MAX_INTERVALS:
            del progress.outcomes[next(iter(progress.outcomes))]
            del progress.flowed[next(iter(progress.flowed))]
        progress.flowed[interval] = {meter: outcome.flows[meter] for meter in sorted(self._watched)}
        progress.outcomes[interval] = {
            "injected_wh": outcome.injected_wh,
            "withdrawn_wh": outcome.withdrawn_wh,
            "losses_wh": outcome.losses_wh,
            "unserved_wh": outcome.unserved_wh,
            "curtailed_wh": outcome.curtailed_wh,
        }
        progress.happened, progress.world = interval, self._world.state
        self._diary.tell(progress)

    def _held(self, action: str, interval: int) -> frozenset[str]:
        """Equipment that a fault holds in `interval`."""
        return broken(self._faults, action, interval - (self.progress.first or 0))

    async def _deliver(self, interval: int) -> None:
        """Every meter that can says what its registers show at the end of an interval."""
        readings = []
        silent, opened = self._held("silence", interval), self._held("open", interval)
        for meter, gateway in self._gateways.items():
            if meter in silent:
                continue
            shown = self._world.registers[meter]
            self.progress.shown[meter] = (shown.import_wh, shown.export_wh)
            if self._signed.get(meter, -1) >= interval:
                continue
            status = OPEN_BREAKER if meter in opened else 0
            reserve = self._reserve(meter)
            raw = gateway.record(interval, shown.import_wh, shown.export_wh, reserve=reserve, status=status)
            self._signed[meter] = interval
            hash_ = self._domains.transaction_id(raw).hex()
            readings.append(Submitted(hash_, "reading", meter, gateway.sequence))
        self._courier.record(readings)
        self._tell(f"{len(readings)} readings of interval {interval} to be final")
        await asyncio.gather(*map(self._flush, self._gateways.values()))

    def _reserve(self, meter: str) -> Reserve | None:
        """What a battery still holds; nothing else here keeps energy."""
        return Reserve(self._world.charge_wh(meter), 0, 0) if self._world.meters[meter].store is not None else None

    async def _flush(self, gateway: MeterGateway) -> None:
        """Send until the ledger has everything that this gateway signed."""
        while gateway.waiting:
            flushed = await self._courier.ask(lambda node: gateway.flush(node, "final", WAIT_MS))
            for refused in flushed.refused:
                self._count(refused.code)
            if flushed.held:
                # Nothing but time changes that answer: asking at once would only keep the node busy.
                await asyncio.sleep(POLL_S)

    async def _settle(self, interval: int) -> None:
        """Wait for the bills."""
        await self._reach(close_ms(self._params, interval), f"the close of interval {interval}")
        await self._until_status(interval, ("settled",), "its settlement")

    async def _until_status(self, interval: int, wanted: Sequence[str], what: str) -> str:
        """Poll until the interval has one of these states, or nothing can happen to it any more (`empty`)."""
        self._tell(f"interval {interval}: {what}")
        polls = 0
        while True:
            status = str((await self._courier.get(f"/query/interval/{interval}"))["data"]["status"])
            # A node that is catching up may know nothing yet of an interval that others have ordered.
            if status in wanted or (status == "empty" and polls >= INSIST_EVERY):
                return status
            polls += 1
            if polls % INSIST_EVERY == 0:
                await self._tempo.insist()
            await asyncio.sleep(POLL_S)

    async def _send(self, parcels: Sequence[Parcel], what: str) -> None:
        if not parcels:
            return
        self._tell(what)
        outcomes = await self._courier.deliver(parcels)
        for code in outcomes.values():
            if code != "ok":
                self._count(code)

    def _count(self, code: str) -> None:
        self.progress.refused[code] = self.progress.refused.get(code, 0) + 1

    async def _reach(self, at_ms: int, what: str) -> None:
        self._tell(what)
        await self._tempo.reach(at_ms)

    def _tell(self, waiting_for: str) -> None:
        self.progress.waiting_for = waiting_for
        self._diary.tell(self.progress)


def _kind(body: AccountBody) -> Kind:
    match body:
        case Need():
            return "need"
        case Offer():
            return "offer"
        case Tariff():
            return "tariff"
        case Correct():
            return "correction"
        case Transfer():
            return "transfer"
        case _:
            return "word"
