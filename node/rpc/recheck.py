"""What this node finds when it checks the orders of a window again: their costs, and how far from the optimum at most.

The ledger has the case, the wagers with their verdicts, and in transactions the solutions with their weights; how far
from the optimum an order is at most follows from these, and is no record of its own. So this node repeats what every
judge did, with the judge's own functions, and says what it finds beside what the ledger says. Whoever doubts it does
the same with `gridpact dispatch verify`. Writes nothing, decides nothing, and is never asked by consensus.

The work is that of the judge, so a node does one window at a time, in a thread, and remembers the newest ones. What a
window's answer rests on is read with the asker's rights every time.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any, NamedTuple

import msgspec

from contracts import api, relaxing
from contracts.bodies import RevealSolution
from contracts.context import BlockContext
from contracts.envelope import CODEC, AccountEnvelope
from contracts.network.power import examine
from contracts.network.records import Network
from contracts.program.case import Case
from contracts.program.check import Ready, check
from contracts.program.documents import unpack
from contracts.program.verdict import Refusal, Verdict
from contracts.records import LOCKED, OPEN
from contracts.schema import CASES, INTERVALS, ROUNDS
from contracts.state import State
from contracts.wagers.certified import network_of
from contracts.wagers.records import JUDGED, Round
from node.access.rights import Rights
from node.access.subjects import Subject
from node.ledger.ledger import Ledger
from node.rpc.errors import Refusal as Busy
from node.rpc.errors import unknown
from node.rpc.limits import CHECKED_WINDOWS, MAX_CHECKS, MAX_REVEALS_SCANNED
from node.rpc.turns import in_turns
from node.rpc.view import View

Document = dict[str, Any]
_document = msgspec.json.Decoder(Case)
TRANSACTIONS_AT_ONCE = 64
"""Looked at before other work of the node gets a turn."""


class _Revealed(NamedTuple):
    """A solution that somebody showed, and where."""

    member: str
    transaction: str
    height: int
    solution: bytes
    subjects: tuple[Subject, ...]
    """Whose it is: not everybody may read it."""


class _Found(NamedTuple):
    """One window, checked: of the fallback, and of each revealed solution."""

    ready: Ready
    relaxed: tuple[str, ...]
    fallback: Verdict
    solutions: tuple[tuple[_Revealed, Verdict | Refusal], ...]


class Recheck:
    """Checks windows of one ledger again."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: OrderedDict[int, _Found] = OrderedDict()
        """By first interval of the window; only of windows about which everything is decided."""
        self._busy = asyncio.Lock()
        self._waiting = 0

    async def of(self, interval: int, rights: Rights) -> Document:
        """The check of the window that an interval was ordered in. Raises `node.rpc.errors.Refusal`, `Denied`."""
        view = View(self._ledger, self._ledger.height, rights)
        record = view.load(INTERVALS, interval)
        if record is None or record.status in (OPEN, LOCKED):
            raise unknown("order", f"of interval {interval}", "It is checked once it is ordered.")
        first = interval if record.window is None else record.window
        kept = view.load(CASES, first)
        answer: Document = {"interval": interval, "window": first, "round": record.round, "count": 1}
        if kept is None:
            return answer | dict.fromkeys(("base_nano", "threshold_nano")) | {"relaxed": [], "solutions": []}
        round_ = None if record.round is None else view.load(ROUNDS, record.round)
        found = await self._check(view, first, kept.document, round_, rights)
        shown = [(one, verdict) for one, verdict in found.solutions if view.may(*one.subjects)]
        ordered = None if round_ is None else round_.builder
        return answer | {
            "count": kept.count,
            "base_nano": found.ready.base_nano,
            "threshold_nano": found.ready.threshold_nano,
            "relaxed": list(found.relaxed),
            "solutions": [
                _shown(None, found.fallback, ordered=ordered is None),
                *(_shown(one, verdict, ordered=one.member == ordered) for one, verdict in shown),
            ],
        }

    async def _check(self, view: View, first: int, document: bytes, round_: Round | None, rights: Rights) -> _Found:
        if first not in self._known and self._waiting >= MAX_CHECKS:
            raise Busy(
                503,
                "rpc.busy",
                f"{MAX_CHECKS} windows are being checked again.",
                "Ask again in a moment, or check it yourself with `gridpact dispatch verify`.",
            )
        self._waiting += 1
        try:
            async with self._busy:
                return await self._checked_once(view, first, document, round_, rights)
        finally:
            self._waiting -= 1

    async def _checked_once(
        self, view: View, first: int, document: bytes, round_: Round | None, rights: Rights
    ) -> _Found:
        known = self._known.get(first)
        if known is not None:
            self._known.move_to_end(first)
            return known
        revealed = [] if round_ is None else await self._revealed(round_, rights)
        context = self._context()
        network = network_of(view.reckoning(), context, _document.decode(document))
        known = await asyncio.to_thread(_checked, document, network, context.params.interval_ms, revealed)
        if round_ is None or round_.phase == JUDGED:
            self._known[first] = known
            if len(self._known) > CHECKED_WINDOWS:
                self._known.popitem(last=False)
        return known

    def _context(self) -> BlockContext:
        ledger = self._ledger
        params = api.rules(State(ledger, ledger.records)).params
        time_ms = ledger.time_ms(ledger.height)
        return BlockContext(ledger.chain_id, ledger.height, time_ms, params, ledger.genesis.consensus)

    async def _revealed(self, round_: Round, rights: Rights) -> list[_Revealed]:
        """What builders of a round revealed, out of the blocks between its opening and its judgement."""
        found: dict[str, _Revealed] = {}
        heights = range(round_.judged_height or self._ledger.height, round_.opened_height - 1, -1)
        looked = 0
        async for height in in_turns(heights, TRANSACTIONS_AT_ONCE):
            block = self._ledger.block(height)
            if block is None or not block.payload:
                continue
            receipts = self._ledger.receipts(height)
            async for index, raw in in_turns(enumerate(self._ledger.transactions(height)), TRANSACTIONS_AT_ONCE):
                looked += 1
                envelope = CODEC.decode(raw)
                if not isinstance(envelope, AccountEnvelope) or not isinstance(envelope.body, RevealSolution):
                    continue
                if envelope.body.round == round_.number and receipts[index + 1].code == "ok":
                    subjects, hash_ = rights.subjects.of_envelope(envelope), block.payload[index].hex()
                    found[envelope.sender] = _Revealed(envelope.sender, hash_, height, envelope.body.solution, subjects)
            if looked >= MAX_REVEALS_SCANNED or len(found) == len(round_.builders):
                break
        return [found[member] for member in round_.builders if member in found]


def _checked(document: bytes, network: Network | None, interval_ms: int, revealed: list[_Revealed]) -> _Found:
    """As the judge checks, without its memory of cases: an old one would drive out the one that is judged next."""
    known = relaxing.answer(_document.decode(document))
    assert known is not None, "what is kept has an answer"

    def verdict_on(packed: bytes) -> Verdict | Refusal:
        found = unpack(packed)
        verdict = found if isinstance(found, Refusal) else check(known.ready, found)
        if isinstance(found, Refusal) or isinstance(verdict, Refusal):
            return verdict
        flows = examine(network, known.case, found, verdict.schedule, interval_ms)
        return flows if isinstance(flows, Refusal) else verdict

    verdicts = {one.solution: verdict_on(one.solution) for one in revealed}
    solutions = tuple((one, verdicts[one.solution]) for one in revealed)
    return _Found(known.ready, known.relaxed, known.verdict, solutions)


def _shown(revealed: _Revealed | None, verdict: Verdict | Refusal, *, ordered: bool) -> Document:
    place: Document = {
        "member": None if revealed is None else revealed.member,
        "transaction": None if revealed is None else revealed.transaction,
        "height": None if revealed is None else revealed.height,
        "ordered": ordered,
    }
    if isinstance(verdict, Refusal):
        found = dict.fromkeys(("cost_nano", "bound_nano", "gap_ppm", "certified"))
        return place | found | {"refusal": verdict._asdict()}
    return place | {
        "cost_nano": verdict.cost_nano,
        "bound_nano": verdict.bound_nano,
        "gap_ppm": verdict.gap_ppm,
        "certified": verdict.certified,
        "refusal": None,
    }
