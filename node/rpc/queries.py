"""GET: state, with a proof on request.

State is read as it was after one height. Without `prove` that is the newest; with it the newest whose root
a decided header carries, which is one less (the chain makes an empty block after every change, so it
catches up by itself). A proof covers exactly the records that the answer was made from. Never changes
anything.
"""

from __future__ import annotations

from inspect import isawaitable
from typing import Any

from contracts import api
from contracts.cycles import Cycle, cycle, cycle_of
from contracts.envelopes import at as limits_at
from contracts.envelopes import in_force
from contracts.governance.records import Rules
from contracts.members import AccountKey, Lane
from contracts.mode_rules import GRID, ISLAND
from contracts.records import LOCKED, OPEN, SETTLED, Bill, IntervalRecord, Schedule
from contracts.schedule import close_ms, first_open, lock_ms
from contracts.schema import (
    ACCOUNTS,
    BALANCES,
    BILLS,
    ENVELOPES,
    FLEXIBLE,
    HEADS,
    INTERVALS,
    MEMBERS,
    METERS,
    MODES,
    OFFENCE_COUNTS,
    OFFENCE_PLACES,
    OFFENCES,
    ORDERS,
    REGISTERS,
    RULES,
    SCHEDULES,
    TARIFFS,
)
from contracts.state import State
from node.access.rights import Rights
from node.access.shown import check_entry
from node.access.subjects import Subject
from node.proofs import MAX_ENTRIES, state_bundle, state_entry
from node.render import render
from node.rpc import carbon, missing
from node.rpc.arguments import newest, number
from node.rpc.blocks import Blocks
from node.rpc.errors import Refusal, unknown
from node.rpc.explain import explain as explanation
from node.rpc.explain import explain_member
from node.rpc.history import History
from node.rpc.paging import turn_page
from node.rpc.routes import Found
from node.rpc.trust import Forecast, trust_of_all, trust_of_member
from node.rpc.turns import in_turns
from node.rpc.view import View, standing
from node.service import NodeService
from node.statement import begun, make_statement

Document = dict[str, Any]

_ABOUT = {"carbon-cycle": "member", "carbon-report": "member", "certificates": "member", "factors": "meter"}
"""Queries whose last argument is whom or what they are about."""
MAX_LOOK_BACK = 96
"""Intervals among which `last` looks for one that is settled."""
PROOFS_AT_ONCE = 32
"""Proofs made before other work of the node gets a turn."""


class Queries:
    """Answers to GET requests about the ledger of `service`."""

    def __init__(self, service: NodeService, blocks: Blocks) -> None:
        self._blocks = blocks
        self._service = service
        self._ledger = service.ledger
        self.history = History(service.ledger)
        self._forecast = Forecast()

    def rules(self) -> Rules:
        """In force in the next block."""
        return api.rules(State(self._ledger, self._ledger.records))

    # State

    async def state(self, found: Found, options: Document, rights: Rights) -> Document:
        """The answer of one query of the catalogue. Raises `Refusal`, `Denied`, `WithheldProof`.

        `withheld` counts, by kind, the records that the answer leaves out because of their owners' policies.
        """
        route, prove = found.route, options["prove"]
        kind = route.parts[1]
        view = await self._view(options["height"], rights, prove=prove)
        data = route.handle(self, view, *found.arguments(self))
        if isawaitable(data):
            data = await data
        if data is None and not prove:
            if kind in _ABOUT:
                raise unknown(_ABOUT[kind], found.texts[-1], missing.UNLISTED)
            raise Refusal(404, f"rpc.unknown-{kind}", missing.sentence(kind, found.texts), missing.hint(kind))
        answer: Document = {"height": view.height, "time_ms": self._ledger.time_ms(view.height), "data": data}
        if route.lists and data is not None:
            answer |= turn_page(route.lists, data, options)
        if view.withheld:
            answer["withheld"] = dict(sorted(view.withheld.items()))
        if prove:
            if len(view.keys) > MAX_ENTRIES:
                raise Refusal(
                    400,
                    "rpc.too-many-proofs",
                    f"The answer is made of {len(view.keys)} records, a bundle holds {MAX_ENTRIES}.",
                    "Ask for single bills or members.",
                )
            answer["proof"] = await self._bundle(list(view.keys), view.height, rights)
        return answer

    async def _bundle(self, keys: list[bytes], height: int, rights: Rights) -> Document:
        """Proofs of these records, a part at a time. Raises `WithheldProof`."""
        bundle = state_bundle(self._ledger, [], height)
        async for key in in_turns(keys, PROOFS_AT_ONCE):
            entry = state_entry(self._ledger, key, height)
            check_entry(entry, rights)
            bundle["entries"].append(entry)
        return bundle

    async def _view(self, asked: int | None, rights: Rights, *, prove: bool) -> View:
        newest = self._ledger.height
        provable = newest - 1 if prove and newest else newest
        height = provable if asked is None else asked
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
            await self._blocks.next_header(height)
        return View(self._ledger, height, rights)

    def interval(self, text: str) -> int:
        """Interval number from `now`, `next` (the first whose offers are not locked), `last` (the newest that is
        settled) or digits."""
        length, now_ms = self.rules().params.interval_ms, self._service.now_ms()
        match text:
            case "now":
                return now_ms // length
            case "next":
                return first_open(self.rules().params, now_ms)
            case "last":
                return self._last_settled()
        return number(text, "interval", 2**32)

    def _last_settled(self) -> int:
        """By the ledger's own time, so that a node that is behind names what it can show. Raises `Refusal`."""
        params, now_ms = self.rules().params, self._ledger.time_ms(self._ledger.height)
        newest_closed = (now_ms - params.close_grace_ms) // params.interval_ms - 1
        state = State(self._ledger, self._ledger.records)
        for interval in range(newest_closed, newest_closed - MAX_LOOK_BACK, -1):
            record = state.load(INTERVALS, INTERVALS.key(interval)) if interval >= 0 else None
            if record is not None and record.status == SETTLED:
                return interval
        raise Refusal(
            404,
            "rpc.none-settled",
            f"None of the last {MAX_LOOK_BACK} intervals that are over is settled.",
            "An interval settles a while after its end, if anybody needed, offered or metered in it; `now` is running.",
        )

    def cycle(self, text: str) -> Cycle:
        """Billing cycle from `now`, `last` (the one before) or digits."""
        if text in ("now", "last"):
            present = cycle_of(self.rules().params, self._service.now_ms() // self.rules().params.interval_ms)
            return cycle(self.rules().params, max(0, present - (text == "last")))
        return cycle(self.rules().params, number(text, "billing cycle", 2**32))

    def member(self, view: View, member: str) -> Document | None:
        record, account = view.load(MEMBERS, member), view.load(ACCOUNTS, member)
        holding = view.readable_entry(BALANCES, member)
        trust = trust_of_member(view, member, self._ledger.time_ms(view.height), self.rules().consensus)
        if record is None or account is None or trust is None:
            return None
        held = {"balance_nano": None if holding is None else str(holding.balance_nano), "trust": trust}
        lanes = zip(record.keys, account.lanes, strict=True)
        return {**render(record), **held, "lanes": [self._lane(view, member, key, lane) for key, lane in lanes]}

    def _lane(self, view: View, member: str, key: AccountKey, lane: Lane) -> Document:
        """A lane of nonces; of the newest state also how many of its transactions wait here. Nonces say the same a
        moment later, and are open to everybody. It is this node's word: no proof covers it."""
        if view.height != self._ledger.height:
            return dict(render(lane))
        waiting = self._service.waiting(member, key.public_key, lane.next_nonce)
        return {**render(lane), "waiting": waiting}

    def balance(self, view: View, member: str) -> Document | None:
        holding = view.entry(BALANCES, member)
        return None if holding is None else dict(render(holding))

    def offences(self, view: View, before: int | None) -> Document:
        """The newest offences, or those just below number `before`."""
        counted = view.load(OFFENCE_COUNTS, "all")
        count = 0 if counted is None else counted.count
        offences = []
        for number_ in newest(count, before):
            place = view.load(OFFENCE_PLACES, number_)
            if place is not None:
                offences.append(render(view.load(OFFENCES, place.node, place.height)))
        return {"count": count, "offences": offences}

    def meter(self, view: View, meter: str) -> Document | None:
        record, head = view.load(METERS, meter), view.readable(HEADS, meter)
        settled = view.readable_entry(REGISTERS, meter)
        return None if record is None else {**render(record), "head": render(head), "settled": render(settled)}

    def envelope(self, view: View, meter: str, interval: int) -> Document | None:
        """What orders may make of the asset behind a meter: all terms that still count, and what follows from them in
        one interval; without terms it is bound by its rating. The agent at the device keeps to the last ones, whichever
        interval it is."""
        record, asset = view.load(METERS, meter), view.load(ENVELOPES, meter)
        if record is None:
            return None
        document = {**render(record), "interval": interval, "limits": None, "terms": []}
        if asset is None:
            return document
        rules = self._terms(view)
        allowed = limits_at(rules.params.interval_ms, record, in_force(asset, interval), interval)
        shown = {name: render(value, name) for name, value in allowed._asdict().items()}
        return document | {"limits": shown, "terms": render(asset.terms)}

    def order(self, view: View, interval: int, meter: str) -> Document | None:
        """The order of a meter's member, with all that the agent at the device needs to judge it."""
        record = view.load(METERS, meter)
        if record is None:
            return None
        order, asset, rules = (
            view.entry(ORDERS, record.member, interval),
            view.load(ENVELOPES, meter),
            self._terms(view),
        )
        return {
            "meter": meter,
            "member": record.member,
            "interval": interval,
            "interval_ms": rules.params.interval_ms,
            "order": render(order),
            "terms": [] if asset is None else render(asset.terms),
        }

    def _terms(self, view: View) -> Rules:
        """The rules in force, as part of the answer."""
        rules = view.load(RULES, "in-force")
        assert rules is not None, "genesis writes the rules"
        return rules

    def interval_of(self, view: View, interval: int) -> Document:
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
            "injection_orders": render(ordered.injections) if ordered is not None else [],
            "call": render(ordered.call) if ordered is not None else None,
            "tariff": render(tariff),
        }

    def _times(self, interval: int) -> Document:
        """When an interval is, locks and closes."""
        return {
            **self.history.place(interval),
            "locks_ms": lock_ms(self.rules().params, interval),
            "closes_ms": close_ms(self.rules().params, interval),
        }

    async def dispatch(self, view: View, interval: int) -> Document:
        """The interval with every member's order."""
        document = self.interval_of(view, interval)
        if document["status"] == LOCKED:
            raise Refusal(
                404,
                "rpc.not-ordered",
                f"Interval {interval} is not ordered yet: its offers are locked, and builders are at work.",
                f"`gridpact query round {document['round']}` shows them; at the latest it is ordered when it starts.",
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

    async def explain(self, view: View, interval: int, members: list[str]) -> Document:
        """Why the interval has its price and suppliers, and what it means for a member."""
        record = view.load(INTERVALS, interval) or IntervalRecord(interval)
        tariff = view.load(TARIFFS, interval)
        needs, offers = standing(view, record)
        orders = []
        concerned = {need.member for need in needs}.union((offer.member for offer in offers), members)
        concerned |= {one.member for one in view.entries(FLEXIBLE, interval)}
        # Of one whose orders are kept, needs and offers would be told wrongly.
        shown = {name for name in concerned if view.may(Subject("orders", (name,)))}
        needs = [need for need in needs if need.member in shown]
        offers = [offer for offer in offers if offer.member in shown]
        async for name in in_turns(sorted(concerned)):
            order = view.readable_entry(ORDERS, name, interval)
            if order is not None:
                orders.append(order)
        document = {
            **self._times(interval),
            "status": "empty" if not (needs or offers) and record.status == OPEN else record.status,
        }
        document |= explanation(self.rules().params, record, tariff, needs, offers, orders)
        for name in members:
            for kind in ("needs", "orders", "bills"):
                view.demand(Subject(kind, (name,)))
            order = next((one for one in orders if one.member == name), None)
            requested_wh = sum(need.energy_wh for need in needs if need.member == name)
            document["member"] = {"member": name} | explain_member(
                record, order, view.entry(BILLS, name, interval), requested_wh
            )
        return document

    def bill(self, view: View, interval: int, member: str) -> Document | None:
        bill = view.entry(BILLS, member, interval)
        if bill is None:
            return None
        corrected = self.history.carried(view, interval, member) if bill.corrections else []
        return {**render(bill), "corrected": corrected}

    async def carbon(self, view: View, first: int, until: int, member: str | None) -> Document | None:
        """A report on carbon, of a member or of the site."""
        return await carbon.report(view, self.rules().params, first, until, member, self._proven_ms(view))

    async def trust(self, view: View) -> Document:
        """Everybody's trust."""
        time_ms, consensus = self._ledger.time_ms(view.height), self.rules().consensus
        return await trust_of_all(view, self._ledger.height, self._forecast, time_ms, consensus)

    def _proven_ms(self, view: View) -> int:
        """Ledger time of the header that proves a view, else of its own block."""
        header = self._ledger.header(view.height + 1)
        return self._ledger.time_ms(view.height) if header is None else header.time_ms

    async def statement(self, view: View, which: Cycle, member: str) -> Document | None:
        """All lines of a member's settled intervals of one billing cycle."""
        if view.load(MEMBERS, member) is None:
            return None
        view.leave_out(MEMBERS, member)
        time_ms = self._proven_ms(view)
        intervals = begun(self.rules().params, which, time_ms)
        if len(intervals) >= MAX_ENTRIES - 1:
            raise Refusal(
                400,
                "rpc.too-many-proofs",
                f"Cycle {which.number} has {len(intervals)} intervals; a statement has at most {MAX_ENTRIES - 2}.",
                "Ask for the bills of single intervals.",
            )
        schedule = view.load(SCHEDULES, "working") or Schedule((), ())
        rules = self._terms(view)
        bills: dict[int, Bill] = {}
        async for interval in in_turns(intervals):
            bill = view.entry(BILLS, member, interval)
            if bill is not None:
                bills[interval] = bill
        return make_statement(rules.params, which, member, time_ms, schedule, bills)


def _mode(record: IntervalRecord | None) -> str | None:
    """What the interval is ordered by, or `island` where that turned out; None before the lock, which decides it."""
    if record is None or record.status == OPEN:
        return None
    return (record.mode or GRID) if record.grid else ISLAND
