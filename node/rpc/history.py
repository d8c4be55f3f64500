"""What became of closed intervals: who was estimated and how, which lines are disputed, what was corrected.

Answers are made of the records that contracts leave for good, each of which is provable; where a record says how many
there are (`estimated`, `disputes`), the same number is found. Which intervals a bill's line `correction` answers for
is no record of its own: the events of the block that closed the interval name them, and the records confirm it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from contracts import api
from contracts.members import Meter
from contracts.metering_records import Basis, Correction
from contracts.params import PactParams
from contracts.receipts import EnergyCorrected, IntervalSettled
from contracts.records import SETTLED, SiteMeter
from contracts.schedule import close_ms
from contracts.schema import (
    BASES,
    CORRECTIONS,
    DISPUTES,
    ESTIMATES,
    INTERVALS,
    METERED,
    METERS,
    OPEN_DISPUTES,
    SITE,
    SITES,
    VERDICTS,
)
from contracts.state import State
from node.access.subjects import Subject
from node.render import render
from node.rpc.errors import Refusal, unknown
from node.rpc.turns import in_turns

if TYPE_CHECKING:
    from node.ledger.ledger import Ledger
    from node.rpc.view import View

Document = dict[str, Any]
MAX_CLOSING_BLOCKS = 1_024
"""Blocks after an interval's close that are searched for it. It is in the first of them, but after a halt of weeks the
backlog of closes takes many.
"""


class History:
    """Answers about closed intervals of one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def _params(self) -> PactParams:
        """In force in the next block."""
        return api.rules(State(self._ledger, self._ledger.records)).params

    def _site(self) -> tuple[SiteMeter, ...]:
        """Every meter there is or was."""
        site = State(self._ledger, self._ledger.records).load(SITES, SITE)
        return site.meters if site else ()

    def _meter(self, meter: str) -> Meter:
        """A registered meter; what is registered never changes."""
        found = State(self._ledger, self._ledger.records).load(METERS, METERS.key(meter))
        assert found is not None, "a closed interval names registered meters"
        return found

    async def estimates(self, view: View, interval: int) -> Document:
        """Every meter that was silent when the interval closed, its estimate, and what it is billed for by now."""
        record = view.load(INTERVALS, interval)
        estimated = record.estimated if record else 0
        found = []
        async for guess in in_turns(view.group(ESTIMATES, interval) if estimated else ()):
            meter = self._meter(guess.meter)
            told = view.may(Subject("energy", (meter.member,), meter.id))
            basis = view.load(BASES, interval, guess.meter) if told else None
            billed = basis or guess if told else None
            found.append(
                {
                    **render(guess),
                    "member": meter.member,
                    "kind": meter.kind,
                    "billed_import_wh": billed.import_wh if billed else None,
                    "billed_export_wh": billed.export_wh if billed else None,
                    "corrections": basis.corrections if basis else 0,
                }
            )
        return {**self.place(interval), "estimated": estimated, "estimates": found}

    async def corrections(self, view: View, interval: int) -> Document:
        """Corrections of the interval, and those that its bills carry; by corrected interval, meter and number."""
        record = view.load(INTERVALS, interval)
        found: dict[tuple[int, str, int], Correction] = {}
        async for meter in in_turns([one.meter for one in self._site()]):
            for number, one in self._corrected(view, interval, meter):
                found[interval, meter, number] = one
        for number, one in self._carried(view, interval) if record and record.status == SETTLED else ():
            found[one.interval, one.meter, number] = one
        length_ms = self._params().interval_ms
        return {
            **self.place(interval),
            "corrections": [
                {**render(one), "number": number, "start_ms": one.interval * length_ms}
                for (_, _, number), one in sorted(found.items())
            ],
        }

    def carried(self, view: View, interval: int, member: str) -> list[Document]:
        """What the line `correction` of a member's bill of `interval` answers for."""
        return [
            {"interval": one.interval, "meter": one.meter, "cause": one.cause, "amount_nano": str(one.amount_nano)}
            for _, one in self._carried(view, interval)
            if one.member == member and not one.final
        ]

    async def disputes(self, view: View, interval: int | None) -> Document:
        """Disputed lines of an interval with their verdicts; None: all that wait for their parent meter."""
        if interval is None:
            places = [(one.interval, one.line) for one in view.entries(OPEN_DISPUTES, "open")]
        else:
            record = view.load(INTERVALS, interval)
            disputed = record.disputes if record else 0
            places = [(interval, line.id) for line in self._ledger.genesis.lines] if disputed else []
        found, length_ms = [], self._params().interval_ms
        async for at, line in in_turns(places):
            dispute = view.readable(DISPUTES, at, line)
            if dispute is None:
                view.leave_out(DISPUTES, at, line)
            else:
                ends = ("sending", dispute.sending_meter), ("receiving", dispute.receiving_meter)
                found.append(
                    {
                        **render(dispute),
                        "start_ms": at * length_ms,
                        **{f"{end}_member": self._meter(meter).member for end, meter in ends},
                        "parent_member": self._meter(dispute.parent_meter).member,
                        "verdict": render(view.load(VERDICTS, at, line)),
                    }
                )
        place = {"interval": None} if interval is None else self.place(interval)
        return {**place, "disputes": found}

    def energy(self, view: View, interval: int, meter: str) -> Document:
        """What a meter metered in a closed interval, and what it is billed for by now. Raises `Refusal`."""
        registered, record = view.load(METERS, meter), view.load(INTERVALS, interval)
        if registered is None:
            raise unknown("meter", meter, "`gridpact query meter NAME --prove` proves its absence.")
        if record is None or record.status != SETTLED:
            raise Refusal(
                404,
                "rpc.not-settled",
                f"Interval {interval} is not settled (status {record.status if record else 'empty'}).",
                f"It settles after {close_ms(self._params(), interval)} ms UTC.",
            )
        metered, guess = view.entry(METERED, meter, interval), view.entry(ESTIMATES, meter, interval)
        # Loaded, and so proven, even when it is absent: then the meter is billed as it was settled.
        basis = view.load(BASES, interval, meter)
        corrections = _numbered(view, interval, meter, basis) if basis else ()
        billed = basis or guess or metered
        return {
            **self.place(interval),
            "meter": meter,
            "member": registered.member,
            "sequence": metered.sequence if metered else None,
            "metered_import_wh": metered.import_wh if metered else None,
            "metered_export_wh": metered.export_wh if metered else None,
            "estimated": guess is not None,
            "billed_import_wh": billed.import_wh if billed else None,
            "billed_export_wh": billed.export_wh if billed else None,
            "corrections": [{**render(one), "number": number} for number, one in corrections],
        }

    def _corrected(self, view: View, interval: int, meter: str) -> Iterator[tuple[int, Correction]]:
        """Corrections of one meter in one interval, with their numbers. That there are none is not proven."""
        basis = view.peek(BASES, interval, meter)
        if basis is None:
            return
        yield from _numbered(view, interval, meter, basis)

    def _carried(self, view: View, interval: int) -> list[tuple[int, Correction]]:
        """Corrections that the bills of `interval` carry, with their numbers."""
        places = {
            (event.interval, event.meter): None
            for event in self._closing_events(view, interval)
            if isinstance(event, EnergyCorrected) and event.booked_in == interval
        }
        return [
            (number, one)
            for corrected, meter in places
            for number, one in self._corrected(view, corrected, meter)
            if one.booked_in == interval
        ]

    def _closing_events(self, view: View, interval: int) -> tuple[object, ...]:
        """What the clock of the block that settled the interval did; nothing if no block has."""
        due_ms = close_ms(self._params(), interval)
        heights = range(1, view.height + 1)
        first = bisect_left(heights, due_ms, key=self._ledger.time_ms)
        for height in heights[first : first + MAX_CLOSING_BLOCKS]:
            events = self._ledger.receipts(height)[0].events
            if any(isinstance(event, IntervalSettled) and event.interval == interval for event in events):
                return events
        return ()

    def place(self, interval: int) -> Document:
        """Number and time of an interval."""
        length_ms = self._params().interval_ms
        return {"interval": interval, "start_ms": interval * length_ms, "end_ms": (interval + 1) * length_ms}


def _numbered(view: View, interval: int, meter: str, basis: Basis) -> Iterator[tuple[int, Correction]]:
    """The corrections that `basis` counts, with their numbers."""
    for number in range(basis.corrections):
        one = view.readable(CORRECTIONS, interval, meter, number)
        if one is not None:
            yield number, one
