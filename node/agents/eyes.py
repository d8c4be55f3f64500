"""What a ruled agent sees: public and own figures, each proven, and what the member itself knows of its equipment.

Everything from the ledger comes with its proof (`node.agents.proven`), so a node can hide a figure and make the agent
wait, and can't make it act on a wrong one. What does not change any more is asked for once. The member's own data, such
as what a battery holds or a better forecast than the ledger's history gives, comes from itself and goes to nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeVar, cast

import msgspec

from contracts.envelopes import at, in_force
from contracts.flexible.assets import unit
from contracts.governance.records import Rules
from contracts.governance.rules import rules
from contracts.members import Holding, Trust
from contracts.metering_records import Metered
from contracts.params import PactParams
from contracts.records import OPEN, SETTLED, Bill, IntervalRecord, TariffRecord
from contracts.schema import (
    BALANCES,
    BILLS,
    CHARGES,
    ENVELOPES,
    INTERVALS,
    METERED,
    METERS,
    MODES,
    TARIFFS,
    TRUSTS,
)
from contracts.state import State
from node.access.requests import ReaderKey
from node.agents.proven import Proven, ProvenLedger, Unproven
from node.errors import NodeError
from node.rulebook.forecasts import LIKE_DAYS, expect, like_days
from node.rulebook.sight import MAX_METERS, NOTHING, Forecast, MeterSight, Sight

AHEAD = 16
"""Intervals whose tariffs are asked for."""
BACK = 4
"""Windows before the interval ahead in which the last ordered one is looked for."""
MAX_KNOWN = 65_536
"""Figures of closed intervals that are remembered."""
T = TypeVar("T")
_KINDS = ("source", "load", "storage")


class Own(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a member knows of one of its meters by itself."""

    charge_wh: int = 0
    expect: Forecast | None = None
    """Better than what the ledger's history gives; None: that."""


OwnData = Callable[[int], Mapping[str, Own]]
"""By meter, of an interval ahead."""


def nothing_of_its_own(interval: int) -> Mapping[str, Own]:
    """A member that has nothing but the ledger."""
    return {}


class Eyes:
    """One member's view."""

    def __init__(
        self,
        ledger: ProvenLedger,
        member: str,
        reader: ReaderKey,
        meters: Sequence[str],
        weather: Sequence[str] = (),
        own: OwnData = nothing_of_its_own,
        since_ms: int = 0,
    ) -> None:
        """`meters` are the member's own; `weather` those whose output tells of sun and wind, whoever has them.
        Before `since_ms`, the time of genesis, there is no history to ask for.
        """
        self._ledger = ledger
        self._member = member
        self._reader = reader
        self._meters = sorted(meters)[:MAX_METERS]
        self._weather = sorted(weather)
        self._own = own
        self._since_ms = since_ms
        self._known: dict[tuple[str, int], int] = {}
        """Energy of a meter, or (no meter) price, of an interval that is settled."""
        self._tariffs: dict[int, TariffRecord | None] = {}

    async def look(self, interval: int, open_: Sequence[int] = ()) -> Sight:
        """The interval as it looks now; `open_` are those that one waits for the bills of. Raises `Unproven`."""
        now = await self._ask(lambda seen: rules(State(seen)), "rules")
        params = now.params
        holding, trust = await self._ask(self._standing, "member", self._member)
        terms = await self._tariff(interval, params)
        last = await self._last(interval, params)
        own = self._own(interval)
        return Sight(
            interval=interval,
            interval_ms=params.interval_ms,
            member=self._member,
            mode=await self._mode(interval, last),
            import_nano_per_wh=terms.import_nano_per_wh,
            export_nano_per_wh=terms.export_nano_per_wh,
            last_nano_per_wh=0 if last is None else last.price_nano_per_wh,
            cap_nano_per_wh=params.offer_cap_nano_per_wh,
            floor_nano_per_wh=params.price_floor_nano_per_wh,
            price=await self._expected("", interval, params),
            weather=_together([await self._expected(meter, interval, params) for meter in self._weather]),
            ahead=await self._ahead(interval, params),
            meters=tuple([await self._meter(meter, interval, now, own.get(meter)) for meter in self._meters]),
            balance_nano=0 if holding is None else holding.balance_nano,
            free_tokens=trust.free_tokens,
            bonded_tokens=trust.bonded_tokens,
            index_ppm=trust.index_ppm,
            settled=tuple([(one, paid) for one in open_ if (paid := await self._paid(one)) is not None]),
        )

    async def _ask(self, read: Callable[[Proven], T], kind: str, *arguments: str | int) -> T:
        return await self._ledger.ask(read, kind, *arguments, reader=self._reader)

    def _standing(self, seen: Proven) -> tuple[Holding | None, Trust]:
        held, trusted = seen.get(BALANCES.key(self._member)), seen.get(TRUSTS.key(self._member))
        if trusted is None:
            raise NodeError("account.key", f"There is no member {self._member}.", "Name one with --as.")
        return None if held is None else BALANCES.decode_entry(held), TRUSTS.decode_entry(trusted)

    async def _meter(self, meter: str, interval: int, now: Rules, own: Own | None) -> MeterSight:
        def read(seen: Proven) -> MeterSight:
            state = State(seen)
            registered = state.load(METERS, METERS.key(meter))
            if registered is None or registered.kind not in _KINDS or registered.member != self._member:
                raise NodeError("rulebook.meter", f"{meter} is no equipment of {self._member}.", "See --meter.")
            asset = state.load(ENVELOPES, ENVELOPES.key(meter))
            terms = None if asset is None else in_force(asset, interval)
            allowed = at(now.params.interval_ms, registered, terms, interval)
            kind = cast(Literal["source", "load", "storage"], registered.kind)
            return MeterSight(
                id=meter,
                kind=kind,
                give_wh=allowed.give_wh,
                take_wh=allowed.take_wh,
                floor_wh=allowed.floor_wh,
                charge_wh=0 if own is None else own.charge_wh,
                capacity_wh=registered.capacity_wh or 0,
                reference_nano_per_wh=registered.reference_price_nano_per_wh or 0,
            )

        seen = await self._ask(read, "envelope", meter)
        told = None if own is None else own.expect
        expected = told if told is not None else await self._expected(meter, interval, now.params)
        charge_wh = await self._charge(meter) if own is None and seen.kind == "storage" else seen.charge_wh
        return msgspec.structs.replace(seen, expect=expected, charge_wh=charge_wh)

    async def _charge(self, meter: str) -> int:
        """What the ledger says that a storage holds."""

        def read(seen: Proven) -> int:
            registered, held = State(seen).load(METERS, METERS.key(meter)), seen.get(CHARGES.key(meter))
            return 0 if registered is None or held is None else CHARGES.decode_entry(held).soc // unit(registered)

        return await self._ask(read, "storage", meter)

    # Prices

    async def _tariff(self, interval: int, params: PactParams) -> TariffRecord:
        """As it is written by now; nobody writes it any more once it is locked."""
        found = await self._ask(lambda seen: State(seen).load(TARIFFS, TARIFFS.key(interval)), "interval", interval)
        self._tariffs[interval] = found
        return found or TariffRecord(
            params.import_nano_per_wh,
            params.export_nano_per_wh,
            params.import_limit_wh,
            params.export_limit_wh,
            params.import_factor_ug_per_wh,
        )

    async def _ahead(self, interval: int, params: PactParams) -> tuple[int, ...]:
        self._tariffs = {one: known for one, known in self._tariffs.items() if one >= interval}
        prices = []
        for one in range(interval, interval + AHEAD):
            known = self._tariffs.get(one)
            if known is None:
                written = await self._tariff(one, params)
                known = self._tariffs[one]
                if known is None and one > interval:
                    break
                known = written
            prices.append(known.import_nano_per_wh)
        return tuple(prices)

    async def _last(self, interval: int, params: PactParams) -> IntervalRecord | None:
        """The newest interval before this one that is ordered."""
        for one in range(interval - 1, max(-1, interval - 1 - BACK * params.window_intervals), -1):
            record = await self._record(one)
            if record is not None and record.status not in (OPEN, "locked"):
                return record
        return None

    async def _record(self, interval: int) -> IntervalRecord | None:
        return await self._ask(lambda seen: State(seen).load(INTERVALS, INTERVALS.key(interval)), "interval", interval)

    async def _mode(self, interval: int, last: IntervalRecord | None) -> Literal["grid", "island"]:
        """Ordered for the interval, or what the last ordered one was and so this one is likely to be."""
        ordered = await self._ask(lambda seen: State(seen).load(MODES, MODES.key(interval)), "interval", interval)
        if (ordered is not None and ordered.islands) or (last is not None and not last.grid):
            return "island"
        return "grid"

    # History

    async def _expected(self, meter: str, interval: int, params: PactParams) -> Forecast:
        """From the newest like days, as many as its own error takes."""
        history: dict[int, int] = {}
        for one in like_days(params, interval)[: 2 * LIKE_DAYS]:
            if (one + 1) * params.interval_ms <= self._since_ms or await self._figure("", one) is None:
                # Before the first block, or never settled: no meter has anything to tell of it.
                continue
            figure = await self._figure(meter, one)
            if figure is not None:
                history[one] = figure
        return expect(params, history, interval)

    async def _figure(self, meter: str, interval: int) -> int | None:
        """What a meter moved, or (no meter) what a Wh cost, in an interval; None where nobody has shown it, and a later
        look may find more.
        """
        place = meter, interval
        if place in self._known:
            return self._known[place]
        try:
            if meter:
                found = await self._ask(lambda seen: _moved(seen, meter, interval), "energy", interval, meter)
            else:
                record = await self._record(interval)
                found = record.price_nano_per_wh if record is not None and record.status == SETTLED else None
        except Unproven:
            return None
        if found is not None:
            if len(self._known) >= MAX_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[place] = found
        return found

    async def _paid(self, interval: int) -> int | None:
        """What the member paid in an interval; None: it is not settled."""
        record = await self._record(interval)
        if record is None or record.status != SETTLED:
            return None

        def read(seen: Proven) -> Bill | None:
            raw = seen.get(BILLS.key(interval, self._member))
            return None if raw is None else BILLS.decode_entry(raw)

        bill = await self._ask(read, "bill", interval, self._member)
        return 0 if bill is None else -bill.total_nano


def _moved(seen: Proven, meter: str, interval: int) -> int | None:
    raw = seen.get(METERED.key(interval, meter))
    measured: Metered | None = None if raw is None else METERED.decode_entry(raw)
    return None if measured is None else max(measured.import_wh, measured.export_wh)


def _together(parts: Sequence[Forecast]) -> Forecast:
    """Several as one; that their errors add up, too, is the careful side."""
    known = [one for one in parts if one.samples]
    if not known:
        return NOTHING
    summed = {name: sum(getattr(one, name) for one in known) for name in ("mean", "spread", "p10", "p50", "p90")}
    return Forecast(**summed, samples=min(one.samples for one in known))
