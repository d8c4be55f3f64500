"""GET: blocks, transactions, receipts and state, each with a proof on request.

State is read as it was after one height. Without `prove` that is the newest; with it the newest whose root
a decided header carries, which is one less (the chain makes an empty block after every change, so it
catches up by itself). A proof covers exactly the records that the answer was made from. Never changes
anything.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from consensus.evidence import decode as decode_evidence
from contracts.bodies import Reading
from contracts.cycles import Cycle, cycle, cycle_of
from contracts.envelope import CODEC, MeterEnvelope
from contracts.modes import GRID, ISLAND
from contracts.records import LOCKED, OPEN, Bill, IntervalRecord, NeedEntry, OfferEntry, Schedule
from contracts.rolls import BUCKETS
from contracts.schedule import close_ms, lock_ms
from contracts.schema import (
    ACCOUNTS,
    BALANCES,
    BILLS,
    HEADS,
    INTERVALS,
    MEMBERS,
    METERS,
    MODES,
    NEEDS,
    OFFENCE_COUNTS,
    OFFENCE_PLACES,
    OFFENCES,
    OFFERS,
    ORDERS,
    REGISTERS,
    SCHEDULES,
    TARIFFS,
)
from node.proofs import MAX_ENTRIES, receipt_bundle, state_bundle
from node.render import render
from node.rpc.errors import Refusal, malformed, unknown
from node.rpc.explain import explain, explain_member
from node.rpc.history import History
from node.rpc.limits import PROOF_WAIT_S
from node.rpc.trust import trust_of_all, trust_of_member
from node.rpc.turns import in_turns
from node.rpc.view import View
from node.service import NodeService
from node.statement import begun, make_statement

Document = dict[str, Any]

_ID = re.compile(r"[a-z0-9-]{1,32}\Z")
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,14})\Z")
_HASH = re.compile(r"[0-9a-f]{64}\Z")
MAX_OFFENCES = 64
"""In one answer."""
PROOFS_AT_ONCE = 32
"""Proofs made before other work gets a turn."""


def number(text: str, what: str, below: int = 2**48) -> int:
    """A decimal number of a path or query. Raises `Refusal` (400)."""
    if not _NUMBER.match(text) or int(text) >= below:
        raise malformed(f"{text[:40]!r} is no {what}.", f"Give the {what} as a decimal number.")
    return int(text)


def identifier(text: str, what: str) -> str:
    """An id of a path. Raises `Refusal` (400)."""
    if not _ID.match(text):
        raise malformed(f"{text[:40]!r} is not a {what} id.", "Ids are 1 to 32 characters of a-z, 0-9 and -.")
    return text


class Queries:
    """Answers to GET requests about the ledger of `service`."""

    def __init__(self, service: NodeService) -> None:
        self._service = service
        self._ledger = service.ledger
        self._params = service.ledger.genesis.params
        self._history = History(service.ledger)

    # Blocks and transactions

    def block(self, which: str) -> Document:
        """A block with its certificate; `which` is a height or `latest`."""
        height = self._ledger.height if which == "latest" else number(which, "height")
        block = self._ledger.block(height)
        if block is None:
            raise self._no_block(height)
        return {
            "height": height,
            "id": block.header.id().hex(),
            "time_ms": block.header.time_ms,
            "header": render(block.header),
            "payload": render(block.payload),
            "evidence": [render(decode_evidence(raw)) for raw in block.evidence],
            "certificate": render(self._ledger.certificate(height)),
        }

    def header(self, which: str) -> Document:
        """A header with the certificate that decided it."""
        height = self._ledger.height if which == "latest" else number(which, "height")
        header = self._ledger.header(height)
        if header is None:
            raise self._no_block(height)
        return {
            "height": height,
            "id": header.id().hex(),
            "header": render(header),
            "certificate": render(self._ledger.certificate(height)),
        }

    async def transaction(self, hash_: str, options: Mapping[str, str]) -> Document:
        """A decided transaction with its receipt."""
        if not _HASH.match(hash_):
            raise malformed(f"{hash_[:70]!r} is not a transaction hash.", "Give 64 hexadecimal digits, lower case.")
        place = self._ledger.find_transaction(bytes.fromhex(hash_))
        if place is None:
            raise unknown("transaction", hash_, "It may still be waiting for a block, or have expired.")
        return await self._placed(place, _prove(options))

    async def receipt(self, height: str, index: str, options: Mapping[str, str]) -> Document:
        """The receipt of transaction `index` of a block, or of the clock (`clock`: what time alone did)."""
        at = number(height, "height")
        receipts = self._ledger.receipts(at) if 1 <= at <= self._ledger.height else []
        if not receipts:
            raise self._no_block(at)
        if index == "clock":
            return {"height": at, "time_ms": self._ledger.time_ms(at), "data": render(receipts[0])}
        position = number(index, "receipt index")
        if position + 1 >= len(receipts):
            raise unknown("receipt", f"{position} in block {at}", f"It has {len(receipts) - 1} transactions.")
        return await self._placed((at, position), _prove(options))

    async def _placed(self, place: tuple[int, int], prove: bool) -> Document:
        height, index = place
        raw = self._ledger.transactions(height)[index]
        block = self._ledger.block(height)
        if block is None:
            raise self._no_block(height)
        answer = {
            "height": height,
            "time_ms": block.header.time_ms,
            "data": {
                "hash": block.payload[index].hex(),
                "index": index,
                "envelope": render(CODEC.decode(raw)),
                "raw": raw.hex(),
                "receipt": render(self._ledger.receipts(height)[index + 1]),
            },
        }
        if prove:
            await self._next_header(height)
            answer["proof"] = receipt_bundle(self._ledger, height, index)
        return answer

    async def _next_header(self, height: int) -> None:
        """Wait a little for the header that commits to what `height` did. Raises `Refusal`."""
        try:
            async with asyncio.timeout(PROOF_WAIT_S):
                await self._service.wait_height(height + 1)
        except TimeoutError:
            raise Refusal(
                503,
                "proof.not-yet",
                f"Header {height + 1}, which commits to block {height}'s results, is not decided yet.",
                "Ask again in a moment; if the chain stands still, `gridpact status` says why.",
            ) from None

    def _no_block(self, height: int) -> Refusal:
        return unknown("block", str(height), f"This node has blocks 1 to {self._ledger.height}.")

    # State

    async def state(self, kind: str, arguments: list[str], options: Mapping[str, str]) -> Document:
        """`/query/<kind>/...`. Raises `Refusal`."""
        if (kind, len(arguments)) == ("reading", 1):
            return await self._reading(arguments[0], options)
        view, prove = await self._view(options)
        data = await self._data(view, kind, arguments)
        if data is None and not prove:
            raise unknown(kind, "/".join(arguments), "Check the spelling; with prove=1 its absence is proven.")
        answer = {"height": view.height, "time_ms": self._ledger.time_ms(view.height), "data": data}
        if prove:
            if len(view.keys) > MAX_ENTRIES:
                raise Refusal(
                    400,
                    "rpc.too-many-proofs",
                    f"The answer is made of {len(view.keys)} records, a bundle holds {MAX_ENTRIES}.",
                    "Ask for single bills or members.",
                )
            answer["proof"] = await self._bundle(list(view.keys), view.height)
        return answer

    async def _data(self, view: View, kind: str, arguments: list[str]) -> Document | None:
        """The answer of one query; None when there is no such record. Raises `Refusal`."""
        match kind, arguments:
            case "member", [member]:
                return self._member(view, identifier(member, "member"))
            case "balance", [member]:
                return self._balance(view, identifier(member, "member"))
            case "meter", [meter]:
                return self._meter(view, identifier(meter, "meter"))
            case "interval", [which]:
                return self._interval(view, self._which(which))
            case "dispatch", [which]:
                return await self._dispatch(view, self._which(which))
            case "bill", [which, member]:
                return self._bill(view, self._which(which), identifier(member, "member"))
            case "statement", [which, member]:
                return await self._statement(view, self._which_cycle(which), identifier(member, "member"))
            case "estimates", [which]:
                return await self._history.estimates(view, self._which(which))
            case "corrections", [which]:
                return await self._history.corrections(view, self._which(which))
            case "disputes", [which]:
                return await self._history.disputes(view, None if which == "open" else self._which(which))
            case "energy", [which, meter]:
                return self._history.energy(view, self._which(which), identifier(meter, "meter"))
            case "offences", []:
                return self._offences(view, None)
            case "offences", [before]:
                return self._offences(view, number(before, "offence number", 2**32))
            case "trust", []:
                return await trust_of_all(view, self._ledger.time_ms(view.height), self._ledger.genesis.consensus)
            case "explain", [which, *members] if len(members) <= 1:
                return await self._explain(view, self._which(which), [identifier(one, "member") for one in members])
        raise Refusal(404, "rpc.unknown-path", f"There is no query {kind} with {len(arguments)} arguments.")

    async def _bundle(self, keys: list[bytes], height: int) -> Document:
        """Proofs of these records, a part at a time."""
        bundle = state_bundle(self._ledger, keys[:PROOFS_AT_ONCE], height)
        for start in range(PROOFS_AT_ONCE, len(keys), PROOFS_AT_ONCE):
            await asyncio.sleep(0)
            part = state_bundle(self._ledger, keys[start : start + PROOFS_AT_ONCE], height)
            bundle["entries"] += part["entries"]
        return bundle

    async def _view(self, options: Mapping[str, str]) -> tuple[View, bool]:
        prove = _prove(options)
        newest = self._ledger.height
        provable = newest - 1 if prove and newest else newest
        height = number(options["height"], "height") if "height" in options else provable
        if height > newest:
            raise Refusal(
                404,
                "rpc.unknown-block",
                f"State after block {height} is not known yet; newest is {newest}.",
                "Ask again in a moment, or leave the height out.",
            )
        if height < self._ledger.oldest:
            raise Refusal(
                410,
                "ledger.pruned",
                f"State after height {height} is gone; the oldest kept is {self._ledger.oldest}.",
                "Ask for a newer height. Blocks, transactions and receipts are kept for good.",
            )
        if height == self._ledger.height and prove:
            await self._next_header(height)
        return View(self._ledger, height), prove

    def _which(self, text: str) -> int:
        """Interval number from `now`, `next` (the first whose offers are not locked) or digits."""
        length, now_ms = self._params.interval_ms, self._service.now_ms()
        match text:
            case "now":
                return now_ms // length
            case "next":
                return (now_ms + self._params.gate_lead_ms) // length + 1
        return number(text, "interval", 2**32)

    def _which_cycle(self, text: str) -> Cycle:
        """Billing cycle from `now`, `last` (the one before) or digits."""
        if text in ("now", "last"):
            present = cycle_of(self._params, self._service.now_ms() // self._params.interval_ms)
            return cycle(self._params, max(0, present - (text == "last")))
        return cycle(self._params, number(text, "billing cycle", 2**32))

    def _member(self, view: View, member: str) -> Document | None:
        record, account, holding = view.load(MEMBERS, member), view.load(ACCOUNTS, member), self._balance(view, member)
        trust = trust_of_member(view, member, self._ledger.time_ms(view.height), self._ledger.genesis.consensus)
        if record is None or account is None or holding is None or trust is None:
            return None
        held = {"balance_nano": holding["balance_nano"], "trust": trust}
        return {**render(record), **held, "lanes": render(account.lanes)}

    def _balance(self, view: View, member: str) -> Document | None:
        holding = view.entry(BALANCES, member)
        return None if holding is None else dict(render(holding))

    def _offences(self, view: View, before: int | None) -> Document:
        """The newest offences, or those just below number `before`."""
        counted = view.load(OFFENCE_COUNTS, "all")
        count = 0 if counted is None else counted.count
        end = count if before is None else min(before, count)
        offences = []
        for number_ in range(end - 1, max(end - MAX_OFFENCES, 0) - 1, -1):
            place = view.load(OFFENCE_PLACES, number_)
            if place is not None:
                offences.append(render(view.load(OFFENCES, place.node, place.height)))
        return {"count": count, "offences": offences}

    def _meter(self, view: View, meter: str) -> Document | None:
        record, head, settled = view.load(METERS, meter), view.load(HEADS, meter), view.entry(REGISTERS, meter)
        return None if record is None else {**render(record), "head": render(head), "settled": render(settled)}

    def _interval(self, view: View, interval: int) -> Document:
        """Every interval exists; one without needs, offers and energy has the status `empty`."""
        record, tariff = view.load(INTERVALS, interval), view.load(TARIFFS, interval)
        ordered = view.load(MODES, interval)
        return {
            "interval": interval,
            "status": "empty",
            **(render(record) if record is not None else {}),
            **self._times(interval),
            "mode": _mode(record),
            "island_orders": render(ordered.islands) if ordered is not None else [],
            "tariff": render(tariff),
        }

    def _times(self, interval: int) -> Document:
        """When an interval is, locks and closes."""
        return {
            **self._history.place(interval),
            "locks_ms": lock_ms(self._params, interval),
            "closes_ms": close_ms(self._params, interval),
        }

    async def _dispatch(self, view: View, interval: int) -> Document:
        """The interval with every member's order."""
        document = self._interval(view, interval)
        if document["status"] == LOCKED:
            raise Refusal(
                404,
                "rpc.not-ordered",
                f"Interval {interval} is not ordered yet: its offers are locked, and builders are at work.",
                f"Follow round {document['round']}; at the latest it is ordered when the interval starts.",
            )
        if document["status"] in ("empty", "open"):
            raise Refusal(
                404,
                "rpc.not-ordered",
                f"Interval {interval} is not ordered yet (status {document['status']}).",
                f"Offers lock at {document['locks_ms']} ms UTC; the first block after that orders it.",
            )
        orders = [render(order) async for order in in_turns(view.group(ORDERS, interval))]
        return {**document, "orders": orders}

    async def _explain(self, view: View, interval: int, members: list[str]) -> Document:
        """Why the interval has its price and suppliers, and what it means for a member."""
        record = view.load(INTERVALS, interval) or IntervalRecord(interval)
        tariff = view.load(TARIFFS, interval)
        needs: list[NeedEntry] = []
        offers: list[OfferEntry] = []
        for bucket in range(BUCKETS):
            if record.need_buckets >> bucket & 1 and (held := view.load(NEEDS, interval, bucket)):
                needs += held.entries
            if record.offer_buckets >> bucket & 1 and (standing := view.load(OFFERS, interval, bucket)):
                offers += standing.entries
        orders = []
        concerned = {need.member for need in needs}.union((offer.member for offer in offers), members)
        async for name in in_turns(sorted(concerned)):
            order = view.entry(ORDERS, name, interval)
            if order is not None:
                orders.append(order)
        document = {
            **self._times(interval),
            "status": "empty" if not (needs or offers) and record.status == OPEN else record.status,
        }
        document |= explain(self._params, record, tariff, needs, offers, orders)
        for name in members:
            order = next((one for one in orders if one.member == name), None)
            requested_wh = sum(need.energy_wh for need in needs if need.member == name)
            document["member"] = {"member": name} | explain_member(
                record, order, view.entry(BILLS, name, interval), requested_wh
            )
        return document

    def _bill(self, view: View, interval: int, member: str) -> Document | None:
        bill = view.entry(BILLS, member, interval)
        if bill is None:
            return None
        corrected = self._history.carried(view, interval, member) if bill.corrections else []
        return {**render(bill), "corrected": corrected}

    async def _statement(self, view: View, which: Cycle, member: str) -> Document | None:
        """All lines of a member's settled intervals of one billing cycle."""
        if view.load(MEMBERS, member) is None:
            return None
        view.leave_out(MEMBERS, member)
        header = self._ledger.header(view.height + 1)
        time_ms = self._ledger.time_ms(view.height) if header is None else header.time_ms
        intervals = begun(self._params, which, time_ms)
        if len(intervals) >= MAX_ENTRIES:
            raise Refusal(
                400,
                "rpc.too-many-proofs",
                f"Cycle {which.number} has {len(intervals)} intervals; a statement has at most {MAX_ENTRIES - 1}.",
                "Ask for the bills of single intervals.",
            )
        schedule = view.load(SCHEDULES, "working") or Schedule((), ())
        bills: dict[int, Bill] = {}
        async for interval in in_turns(intervals):
            bill = view.entry(BILLS, member, interval)
            if bill is not None:
                bills[interval] = bill
        return make_statement(self._params, which, member, time_ms, schedule, bills)

    async def _reading(self, text: str, options: Mapping[str, str]) -> Document:
        """An accepted reading: the newest of the meter, or the one with `sequence`."""
        meter = identifier(text, "meter")
        head = View(self._ledger, self._ledger.height).load(HEADS, meter)
        if head is None:
            raise unknown("meter", meter, "`gridpact query member NAME` lists nothing of it; check the spelling.")
        sequence = number(options["sequence"], "sequence", 2**32) if "sequence" in options else head.sequence
        place = self._ledger.find_reading(meter, sequence)
        if place is None:
            raise unknown("reading", f"{sequence} of meter {meter}", f"Its newest has sequence {head.sequence}.")
        answer = await self._placed(place, _prove(options))
        envelope = CODEC.decode(bytes.fromhex(answer["data"]["raw"]))
        if isinstance(envelope, MeterEnvelope):
            body: Reading = envelope.body
            answer["data"] = {"meter": meter, **render(body), **answer["data"]}
        return answer


def _mode(record: IntervalRecord | None) -> str | None:
    """`grid` or `island`; None before the interval is ordered."""
    if record is None or record.status == OPEN:
        return None
    return GRID if record.grid else ISLAND


def _prove(options: Mapping[str, str]) -> bool:
    """`prove=1` or `prove=0`. Raises `Refusal`."""
    value = options.get("prove", "0")
    if value not in ("0", "1"):
        raise malformed(f"prove={value[:20]!r} is neither 0 nor 1.", "Use prove=1 for a proof.")
    return value == "1"
