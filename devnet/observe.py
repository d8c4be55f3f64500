"""Records what a devnet shows through public RPC once a run is over: what expectations are checked on.

Waits, for a bounded time, until every node has every block that any of them had when the recording began; a
node that does not get there is recorded as it is. Judges nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from contracts.genesis import Genesis
from devnet import audit
from devnet.diary import Progress
from devnet.directory import Document
from devnet.errors import DevnetError
from devnet.founding import opening_trusts
from devnet.observation import (
    HIDDEN,
    BlockView,
    Corrected,
    Decided,
    Disputed,
    IndexWord,
    IntervalView,
    Moved,
    NodeView,
    Observation,
    Punished,
    Refused,
    RoundView,
    Submitted,
    TrustView,
    Wagering,
    WagerView,
)
from devnet.private_view import private_cycles
from devnet.profiles import Profiles
from devnet.scenario import Scenario
from devnet.sealed_view import sealed_rounds
from node.client import Client
from node.errors import NodeError

CATCH_UP_S = 20.0
"""How long nodes that are behind may take."""
EVENTS_S = 30.0
"""How long one node may take to tell its whole chain."""
POLL_S = 0.1
MAX_QUESTIONS = 32
"""Requests to one node at once."""

T = TypeVar("T")


class Chain(NamedTuple):
    """One node's blocks as its event stream tells them."""

    blocks: tuple[BlockView, ...]
    transfers: tuple[Moved, ...]
    settled: tuple[int, ...]
    spoken: dict[int, set[str]]
    """Meters with a reading on time, by interval."""
    corrected: tuple[int, ...]
    """Closed intervals about which something was said later."""
    refused: tuple[str, ...] = ()
    """Transactions about rounds that a contract refused."""
    words: tuple[IndexWord, ...] = ()


async def observe(
    scenario: Scenario,
    document: Document,
    profiles: Profiles,
    submitted: Sequence[Submitted],
    progress: Progress,
    genesis: Genesis | None = None,
) -> Observation:
    """Everything that `check` compares; statements where a `genesis` is given to prove them by.

    Raises `DevnetError` (`devnet.unobservable`) if no node answers.
    """
    async with contextlib.AsyncExitStack() as stack:
        clients = {
            node.name: await stack.enter_async_context(Client(node.rpc, connections=MAX_QUESTIONS))
            for node in document.nodes
        }
        target = await _catch_up(clients)
        meters = [meter.id for meter in scenario.meters]
        views, chains = [], {}
        for name, client in clients.items():
            chains[name], view = await _node(name, client, target, meters)
            views.append(view)
        best = max(views, key=lambda view: view.height)
        reader = _Reader(clients[best.name], best.height)
        members = [member.id for member in scenario.members]
        expected = sorted(progress.outcomes)
        wanted = sorted({*expected, *chains[best.name].settled})
        spoken = chains[best.name].spoken

        async def interval(number: int) -> IntervalView:
            silent = [meter for meter in meters if meter not in spoken.get(number, ())]
            view = await reader.interval(number, members, progress.outcomes.get(number, {}), silent)
            return msgspec.structs.replace(view, flowed=progress.flowed.get(number, {}))

        return Observation(
            scenario=scenario.name,
            chain_id=document.chain_id,
            profile_source=profiles.source,
            profile_sha256=profiles.sha256,
            target_height=target,
            nodes=tuple(views),
            submitted=tuple(submitted),
            transfers=chains[best.name].transfers,
            opening_nano={member.id: str(member.balance_nano) for member in scenario.members},
            balances_nano=dict(zip(members, await reader.all(map(reader.balance, members)), strict=True)),
            intervals=tuple([await interval(number) for number in wanted]),
            expected_intervals=tuple(expected),
            shown=dict(progress.shown),
            corrected=tuple([one for at in chains[best.name].corrected for one in await reader.corrections(at)]),
            wagering=await reader.wagering(scenario, chains[best.name]),
            statements=()
            if genesis is None
            else await audit.statements(clients[best.name], genesis, members, expected),
            private=await private_cycles(clients[best.name], scenario),
            sealed=await sealed_rounds(clients[best.name], progress.seconds),
        )


async def _catch_up(clients: Mapping[str, Client]) -> int:
    """Highest height of any node now, once every node has it or time is up."""
    target, loop = 0, asyncio.get_running_loop()
    deadline = loop.time() + CATCH_UP_S
    while True:
        heights = [height for height in await asyncio.gather(*map(_height, clients.values())) if height >= 0]
        target = target or max(heights, default=0)
        if len(heights) == len(clients) and min(heights) >= target:
            return target
        if loop.time() > deadline:
            if target == 0:
                raise DevnetError(
                    "devnet.unobservable", "No node answers.", "See their logs: `gridpact devnet logs NAME`."
                )
            return target
        await asyncio.sleep(POLL_S)


async def _height(client: Client) -> int:
    """Final height of a node; -1 if it does not answer."""
    try:
        async with asyncio.timeout(1.0):
            return int((await client.status())["height"])
    except (NodeError, TimeoutError):
        return -1


async def _node(name: str, client: Client, target: int, meters: Sequence[str]) -> tuple[Chain, NodeView]:
    """One node's view of the chain up to `target`; an empty one if it does not answer."""
    height = min(await _height(client), target)
    if height < 1:
        return Chain((), (), (), {}, ()), NodeView(name, 0, "", (), {}, {})
    async with asyncio.timeout(EVENTS_S):
        chain = await _chain(client, height)
    reader = _Reader(client, height)
    heads = dict(zip(meters, await reader.all(map(reader.head, meters)), strict=True))
    sequences = {meter: int(head["sequence"]) for meter, head in heads.items()}
    registers = {meter: (int(head["import_wh"]), int(head["export_wh"])) for meter, head in heads.items()}
    root = (await client.header(height))["header"]["state_root"]
    return chain, NodeView(name, height, str(root), chain.blocks, sequences, registers)


async def _chain(client: Client, height: int) -> Chain:
    """Blocks 1 to `height` with their receipts, from the event stream."""
    ids: dict[int, str] = {}
    counts: dict[int, int] = {}
    transactions: dict[int, list[tuple[str, str]]] = {}
    transfers: list[Moved] = []
    settled: set[int] = set()
    spoken: dict[int, set[str]] = {}
    corrected: set[int] = set()
    refused: list[str] = []
    words: dict[int, list[IndexWord]] = {}
    stream = client.events(cursor="0.0")
    async with contextlib.aclosing(stream):
        async for event in stream:
            at = int(event["height"])
            if at > height:
                break
            match event["topic"]:
                case "block":
                    ids[at], counts[at] = str(event["id"]), int(event["transactions"])
                    transactions[at] = []
                case "interval":
                    settled |= _settled(event)
                    corrected |= _corrected(event)
                    words[at] = _words(at, event)
                case "receipt":
                    receipt = event["receipt"]
                    transactions[at].append((str(event["hash"]), str(receipt["code"])))
                    if receipt["code"].startswith("wager."):
                        refused.append(str(event["hash"]))
                    transfers += [moved for one in receipt["events"] for moved in _moved(one)]
                    for one in receipt["events"]:
                        if one["type"] == "reading-accepted" and not one["late"]:
                            spoken.setdefault(int(one["interval"]), set()).add(str(one["meter"]))
            if at == height and counts.get(at) == len(transactions[at]):
                break
    # The last block may have been left before its clock spoke: an idle chain says nothing more to wait for.
    last = (await client.get(f"/receipt/{height}/clock"))["data"]
    settled |= _settled(last)
    corrected |= _corrected(last)
    words[height] = _words(height, last)
    blocks = tuple(BlockView(at, ids[at], tuple(transactions[at])) for at in sorted(ids))
    said = tuple(word for at in sorted(words) for word in words[at])
    closed = tuple(sorted(settled))
    return Chain(blocks, tuple(transfers), closed, spoken, tuple(sorted(corrected)), tuple(refused), said)


def _moved(event: Mapping[str, Any]) -> list[Moved]:
    """The public money that an event moved."""
    match event["type"]:
        case "transferred":
            return [Moved(str(event["sender"]), str(event["to"]), str(event["amount_nano"]))]
        case "deposited":
            return [Moved(str(event["member"]), HIDDEN, str(event["amount_nano"]))]
        case "withdrawn":
            return [Moved(HIDDEN, str(event["member"]), str(event["amount_nano"]))]
        case "sealed-balanced":
            return [Moved(str(event["buyer"]), HIDDEN, str(event["paid_nano"]))]
        case "delivery-shown":
            supplier, buyer = str(event["member"]), str(event["buyer"])
            refunded = Moved(HIDDEN, buyer, str(event["refunded_nano"]))
            return [refunded, Moved(supplier, buyer, str(event["charged_nano"]))]
        case "wager-lost":
            return [Moved(str(event["member"]), HIDDEN, str(event["wager_nano"]))]
        case _:
            return []


def _words(height: int, receipt: Mapping[str, Any]) -> list[IndexWord]:
    found = []
    for one in receipt["events"]:
        member = str(one.get("member", ""))
        if one["type"] == "wager-judged":
            word = IndexWord(height, member, int(one["round"]), str(one["verdict"]), str(one["saved_nano"]))
            found.append(word)
        elif one["type"] == "under-delivered":
            found.append(IndexWord(height, member, lost_ppm=int(one["lost_ppm"])))
    return found


def _settled(receipt: Mapping[str, Any]) -> set[int]:
    return {int(one["interval"]) for one in receipt["events"] if one["type"] == "interval-settled"}


def _corrected(receipt: Mapping[str, Any]) -> set[int]:
    return {int(one["interval"]) for one in receipt["events"] if one["type"] == "energy-corrected"}


def _decided(verdict: Mapping[str, Any]) -> Decided:
    return Decided(
        parent_wh=int(verdict["parent_wh"]),
        settled_wh=int(verdict["settled_wh"]),
        decided_in=int(verdict["decided_in"]),
        final=bool(verdict["final"]),
    )


def _trust(one: Mapping[str, Any]) -> TrustView:
    forms = ("free", "bonded", "unlocking", "wagered")
    return TrustView(
        member=str(one["member"]),
        tokens=sum(int(one[f"{form}_tokens"]) for form in forms),
        bonded_tokens=int(one["bonded_tokens"]),
        index_ppm=int(one["index_ppm"]),
        tombstoned=one["tombstone"] is not None,
        power=int(one["power"] or 0),
    )


def _punished(one: Mapping[str, Any]) -> Punished:
    return Punished(
        member=str(one["member"]),
        kind=str(one["kind"]),
        height=int(one["recorded_height"]),
        taken_tokens=int(one["taken_tokens"]),
        whistleblower=one["whistleblower"],
        rewarded_tokens=int(one["rewarded_tokens"]),
    )


class _Reader:
    """State of one node as it was after one height."""

    def __init__(self, client: Client, height: int) -> None:
        self._client = client
        self._height = height
        self._gate = asyncio.Semaphore(MAX_QUESTIONS)

    async def all(self, questions: Iterable[Awaitable[T]]) -> list[T]:
        """Answers in order."""
        return list(await asyncio.gather(*questions))

    async def balance(self, member: str) -> str:
        """Decimal nano."""
        return str((await self._data("balance", member))["balance_nano"])

    async def head(self, meter: str) -> dict[str, Any]:
        """Where the meter's chain stands."""
        head: dict[str, Any] = (await self._data("meter", meter))["head"]
        return head

    async def bill(self, interval: int, member: str) -> tuple[str, int]:
        """Its total in decimal nano and its correction in nano; ("0", 0) for a member without a line."""
        try:
            bill = await self._data("bill", interval, member)
        except NodeError as error:
            if error.code.startswith("rpc.unknown"):
                return "0", 0
            raise
        corrections = (int(line["amount_nano"]) for line in bill["lines"] if line["kind"] == "correction")
        return str(bill["total_nano"]), sum(corrections)

    async def corrections(self, interval: int) -> list[Corrected]:
        """What was said later about an interval."""
        return [
            Corrected(
                meter=str(one["meter"]),
                interval=interval,
                booked_in=int(one["booked_in"]),
                cause=str(one["cause"]),
                member=str(one["member"]),
                import_wh=int(one["new_import_wh"]),
                export_wh=int(one["new_export_wh"]),
                amount_nano=str(one["amount_nano"]),
                final=bool(one["final"]),
            )
            for one in (await self._data("corrections", interval))["corrections"]
            if int(one["interval"]) == interval
        ]

    async def disputes(self, interval: int) -> list[Disputed]:
        """Lines whose ends disagreed, and what became of it."""
        return [
            Disputed(
                line=str(one["line"]),
                sending_meter=str(one["sending_meter"]),
                receiving_meter=str(one["receiving_meter"]),
                parent_meter=str(one["parent_meter"]),
                settled_wh=int(one["settled_wh"]),
                held_wh=int(one["held_wh"]),
                verdict=None if (said := one["verdict"]) is None else _decided(said),
            )
            for one in (await self._data("disputes", interval))["disputes"]
        ]

    async def wagering(self, scenario: Scenario, chain: Chain) -> Wagering:
        """Rounds, offences, and what both left of everybody's trust."""
        trust, offences = await self._data("trust"), await self._data("offences")
        count = int((await self._data("rounds"))["count"])
        return Wagering(
            terms=scenario.params.wagering,
            epoch_blocks=scenario.consensus.epoch_blocks,
            opening={
                one.member: (one.free_tokens + one.bonded_tokens, one.index_ppm) for one in opening_trusts(scenario)
            },
            pool_tokens=int(trust["pool_tokens"]),
            trusts=tuple(_trust(one) for one in trust["members"]),
            rounds=tuple(await self.all(self.round(number) for number in range(count))),
            refused=tuple(await self.all(map(self.refused, chain.refused))),
            punished=tuple(_punished(one) for one in reversed(offences["offences"])),
            words=chain.words,
            window_intervals=scenario.params.window_intervals,
        )

    async def round(self, number: int) -> RoundView:
        """A round and its wagers."""
        data = await self._data("round", number)
        return RoundView(
            number=number,
            interval=int(data["subject"]),
            phase=str(data["phase"]),
            reason=str(data["reason"]),
            builder=data["builder"],
            fallback_nano=str(data["fallback_nano"]),
            cost_nano=str(data["cost_nano"]),
            builders=tuple(data["builders"]),
            significance_ppm=int(data["significance_ppm"]),
            wagers=tuple(
                WagerView(
                    member=str(one["member"]),
                    claim=str(one["claim"]),
                    amount_tokens=int(one["amount_tokens"]),
                    verdict=str(one["verdict"]),
                    lost_tokens=int(one["lost_tokens"]),
                    reward_tokens=int(one["reward_tokens"]),
                    reward_nano=one["reward_nano"],
                    cost_nano=one["cost_nano"],
                )
                for one in data["placed"]
            ),
        )

    async def refused(self, hash_: str) -> Refused:
        """Who said a refused word about which round."""
        async with self._gate:
            data = (await self._client.get(f"/tx/{hash_}"))["data"]
        envelope = data["envelope"]
        return Refused(str(envelope["sender"]), int(envelope["body"]["round"]), str(data["receipt"]["code"]))

    async def interval(
        self, interval: int, members: Sequence[str], outcome: Mapping[str, int], silent: Sequence[str]
    ) -> IntervalView:
        """The interval with its orders and the bills of all members."""
        data = await self._data("interval", interval)
        bills: list[tuple[str, int]] = []
        disputes = await self.disputes(interval) if data.get("disputes") else []
        supplied: dict[str, int] = {}
        if data["status"] in ("ordered", "settled"):
            orders = (await self._data("dispatch", interval))["orders"]
            parts = [part for order in orders for part in order["meters"]]
            supplied = {str(part["meter"]): int(part["energy_wh"]) for part in parts if int(part["energy_wh"])}
        if data["status"] == "settled":
            bills = await self.all(self.bill(interval, member) for member in members)
        return IntervalView(
            interval=interval,
            status=str(data["status"]),
            demand_wh=int(data.get("demand_wh", 0)),
            served_wh=int(data.get("served_wh", 0)),
            shed_wh=int(data.get("shed_wh", 0)),
            unserved_wh=outcome.get("unserved_wh", 0),
            curtailed_wh=outcome.get("curtailed_wh", 0),
            start_ms=int(data["start_ms"]),
            silent=tuple(silent),
            estimated=tuple(map(str, data.get("estimated_meters", ()))),
            supplied_wh=supplied,
            price_nano_per_wh=int(data.get("price_nano_per_wh", 0)),
            injected_wh=int(data.get("injected_wh", 0)),
            withdrawn_wh=int(data.get("withdrawn_wh", 0)),
            losses_wh=int(data.get("losses_wh", 0)),
            bills_nano={member: nano for member, (nano, _) in zip(members, bills, strict=False) if nano != "0"},
            disputes=tuple(disputes),
            corrections_nano={member: str(nano) for member, (_, nano) in zip(members, bills, strict=False) if nano},
        )

    async def _data(self, kind: str, *arguments: str | int) -> dict[str, Any]:
        async with self._gate:
            data: dict[str, Any] = (await self._client.query(kind, *arguments, height=self._height))["data"]
            return data
