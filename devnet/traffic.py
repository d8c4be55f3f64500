"""Traffic for its own sake: signed readings and transfers at a given rate, each followed until it is final.

Uses the members' traffic keys, which have nonce lanes of their own, so a person and the agents are not
disturbed. Readings extend the meters' chains: only where no agents run, since a chain has one author. Never
sends more than `MAX_UNDER_WAY` at once: a chain that can't keep up is not flooded, and the result says how
much was sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import cycle
from typing import Self

import msgspec

from contracts.bodies import PlainReading, Transfer
from contracts.envelope import Domains
from contracts.metering import reading_hash
from contracts.units import WH_MS
from devnet import keyring
from devnet.courier import BATCH, Courier, Parcel
from devnet.directory import Layout
from devnet.observation import Submitted
from devnet.scenario import Scenario
from devnet.spec import MeterSpec
from node.client import Account, MeterKey
from node.clock import SystemClock

TICK_S = 0.1
MAX_UNDER_WAY = 8_192
AMOUNT_NANO = 1_000
EXPIRY_BLOCKS = 200_000
"""More than the longest traffic makes."""


class Result(msgspec.Struct, frozen=True):
    """What came of it."""

    sent: int
    final: int
    refused: dict[str, int]
    seconds: float


class _Meter:
    """A meter at a quarter of its peak, as its own chain."""

    def __init__(self, spec: MeterSpec, key: MeterKey, head: dict[str, object], domains: Domains) -> None:
        self._spec = spec
        self._key = key
        self._domains = domains
        self._sequence = int(str(head["sequence"]))
        self._previous = bytes.fromhex(str(head["reading_hash"]))
        self._import_wh = int(str(head["import_wh"]))
        self._export_wh = int(str(head["export_wh"]))
        self._since_ms: int | None = None

    def read(self, now_ms: int, interval_ms: int) -> Parcel:
        """The next reading at ledger time `now_ms`."""
        self._since_ms = now_ms if self._since_ms is None else self._since_ms
        peak_w = self._spec.rating_w if self._spec.peak_w is None else self._spec.peak_w
        moved_wh = peak_w * (now_ms - self._since_ms) // (4 * WH_MS)
        gives = self._spec.kind in ("source", "tie")
        self._sequence += 1
        body = PlainReading(
            sequence=self._sequence,
            interval=now_ms // interval_ms,
            import_wh=self._import_wh + (0 if gives else moved_wh),
            export_wh=self._export_wh + (moved_wh if gives else 0),
            quality=None,
            reserve=None,
            status=0,
            previous_hash=self._previous,
        )
        self._previous = reading_hash(self._key.chain_id, body)
        raw = self._key.sign(body)
        hash_ = self._domains.transaction_id(raw).hex()
        return Parcel(raw, Submitted(hash_, "reading", self._spec.id, self._sequence))


class Traffic:
    """A source of signed envelopes for one devnet."""

    def __init__(
        self,
        scenario: Scenario,
        courier: Courier,
        clock: SystemClock,
        accounts: Sequence[Account],
        meters: Sequence[_Meter],
        domains: Domains,
    ) -> None:
        self._interval_ms = scenario.params.interval_ms
        self._courier = courier
        self._clock = clock
        self._accounts = cycle(accounts)
        self._recipients = cycle([account.member for account in accounts[1:]] + [accounts[0].member])
        self._meters = cycle(meters) if meters else None
        self._domains = domains
        self._under_way = 0
        self._final = 0
        self._refused: dict[str, int] = {}

    @classmethod
    async def open(
        cls, layout: Layout, scenario: Scenario, courier: Courier, clock: SystemClock, *, readings: bool
    ) -> Self:
        """Read keys and where each lane and chain stands. Raises `NodeError`."""
        chain_id = layout.load().chain_id
        domains = Domains(chain_id)
        accounts = []
        for member in scenario.members:
            seed = keyring.seed(layout.traffic_keys / f"{member.id}.json", "account")
            account = Account(chain_id, member.id, seed)
            await courier.ask(account.sync)
            accounts.append(account)
        meters = []
        for spec in scenario.meters if readings else ():
            seed = keyring.seed(layout.meter_keys / f"{spec.id}.json", "meter")
            head = (await courier.get(f"/query/meter/{spec.id}"))["data"]["head"]
            meters.append(_Meter(spec, MeterKey(chain_id, spec.id, seed), head, domains))
        return cls(scenario, courier, clock, accounts, meters, domains)

    async def run(self, seconds: float, readings_per_s: int, transfers_per_s: int) -> Result:
        """Send at these rates for `seconds`, then wait until everything is final or refused."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        readings = transfers = 0
        async with asyncio.TaskGroup() as group:
            while (elapsed := min(loop.time() - start, seconds)) < seconds or readings + transfers == 0:
                parcels = []
                while self._meters is not None and readings < elapsed * readings_per_s:
                    parcels.append(next(self._meters).read(self._clock.ledger_ms(), self._interval_ms))
                    readings += 1
                while transfers < elapsed * transfers_per_s:
                    parcels.append(self._transfer())
                    transfers += 1
                for at in range(0, len(parcels), BATCH):
                    group.create_task(self._follow(parcels[at : at + BATCH]))
                await asyncio.sleep(TICK_S)
                while self._under_way >= MAX_UNDER_WAY:
                    await asyncio.sleep(TICK_S)
        return Result(readings + transfers, self._final, self._refused, round(loop.time() - start, 3))

    async def _follow(self, parcels: Sequence[Parcel]) -> None:
        self._under_way += len(parcels)
        outcomes = await self._courier.deliver(parcels)
        self._under_way -= len(parcels)
        for code in outcomes.values():
            if code == "ok":
                self._final += 1
            else:
                self._refused[code] = self._refused.get(code, 0) + 1

    def _transfer(self) -> Parcel:
        account, to = next(self._accounts), next(self._recipients)
        raw = account.sign(Transfer(to, AMOUNT_NANO, "traffic"), account.height + EXPIRY_BLOCKS)
        return Parcel(raw, Submitted(self._domains.transaction_id(raw).hex(), "transfer", account.member))
