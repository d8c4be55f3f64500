"""Certificates of origin: one per Wh of metered generation without operating emission, used up once.

They are issued when an interval settles, to whose meter it is, for what the meter said and the pact or a certifier
vouches for; an estimate issues none, and the register that returns issues them then. They go where the energy goes:
what was sold as a green share to its buyers, of the rest the exported part to the utility and the charged part, locked,
into storages. Discharging unlocks in the proportion in which it takes carbon, net of the storage's losses. So a Wh is
claimed where it was used, at most once; what nobody retires is residual mix, and so is what is older than a year.

    issued = cancelled + lost + retired + expired + held + locked

Energy that is corrected away cancels its certificates; where they are gone the next ones of the member are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from contracts.carbon.bodies import RetireOrigin, TransferOrigin
from contracts.carbon.events import OriginRetired, OriginTransferred
from contracts.carbon.factors import Applied
from contracts.carbon.green import Sale
from contracts.carbon.offsets import retire
from contracts.carbon.records import (
    CERTIFICATE,
    MAX_LOTS,
    REGISTRATION,
    LockedLot,
    LockedOrigins,
    Lot,
    OriginAccount,
    OriginTotals,
    Retirement,
)
from contracts.context import BlockContext, current_interval
from contracts.cycles import cycle_of
from contracts.governance.membership import is_member
from contracts.members import Meter
from contracts.params import DAY_MS, PactParams
from contracts.schema import LOCKED_ORIGINS, ORIGIN_TOTAL, ORIGIN_TOTALS, ORIGINS
from contracts.state import State
from contracts.units import MAX_MONEY

_replace = msgspec.structs.replace
VALID_DAYS = 365
GENERATING = "source"


class Moved(NamedTuple):
    """What a storage did in an interval, in Wh but for its charge."""

    meter: str
    charged_wh: int
    drawn: int
    """Of `charge`, what it held at the start."""
    charge: int
    efficiency_n: int
    efficiency_d: int


def is_green(meter: Meter, factor: Applied) -> bool:
    """Whether generation of this meter gets certificates of origin, and premiums."""
    return meter.kind == GENERATING and factor.operating_ug_per_wh == 0 and factor.basis in (CERTIFICATE, REGISTRATION)


class Book:
    """Certificates of origin while one interval settles; `save` writes what changed."""

    def __init__(self, state: State, params: PactParams, interval: int) -> None:
        self._state = state
        self._params = params
        self._cycle = cycle_of(params, interval)
        self._accounts: dict[str, OriginAccount] = {}
        self._locked: dict[str, LockedOrigins] = {}
        before = state.load(ORIGIN_TOTALS, ORIGIN_TOTAL)
        self._before = before or OriginTotals()
        self._totals = dict(zip(OriginTotals.__struct_fields__, msgspec.structs.astuple(self._before), strict=True))

    def issue(self, member: str, meter: str, interval: int, energy_wh: int) -> tuple[int, int]:
        """New certificates for generation in `interval`: how many there are, inside the bounds of the totals, and how
        many are left once what is owed is cancelled."""
        account = self.account(member)
        energy_wh = min(energy_wh, MAX_MONEY - self._totals["issued_wh"])
        paid_wh = min(energy_wh, account.owed_wh)
        self._totals["issued_wh"] += energy_wh
        self._totals["cancelled_wh"] += paid_wh
        self._accounts[member] = _replace(account, owed_wh=account.owed_wh - paid_wh)
        self.add(member, meter, cycle_of(self._params, interval), energy_wh - paid_wh)
        return energy_wh, energy_wh - paid_wh

    def cancel(self, member: str, meter: str, interval: int, energy_wh: int) -> None:
        """Take certificates back for energy that was none: of that meter and cycle first, then the newest."""
        account = self.account(member)
        cycle = cycle_of(self._params, interval)
        left = energy_wh
        for lot in sorted(account.lots, key=lambda lot: (lot.meter != meter or lot.cycle != cycle, -lot.cycle)):
            part = min(left, lot.energy_wh)
            self.take(member, lot.meter, lot.cycle, part)
            left -= part
        self._totals["cancelled_wh"] += energy_wh - left
        account = self.account(member)
        self._accounts[member] = _replace(account, owed_wh=account.owed_wh + left)

    def follow(
        self,
        issued: Sequence[tuple[str, Lot]],
        sales: Sequence[Sale],
        exported_wh: int,
        energy_wh: int,
        utility: str | None,
        storages: Sequence[Moved],
    ) -> dict[str, int]:
        """Let certificates go where the energy of the interval went; what each buyer got of its green share.

        `issued` are those that `issue` added in this interval, with their members. Unlocked ones go the same way.
        """
        moving = [*issued, *(one for storage in storages for one in self._unlock(storage))]
        bought: dict[str, int] = {}
        sold: dict[str, list[Sale]] = {}
        for sale in sales:
            sold.setdefault(sale.meter, []).append(sale)
        for member, lot in moving:
            rest = lot.energy_wh
            for sale in sold.pop(lot.meter, []):
                part = self.move(member, sale.buyer, lot, min(rest, sale.energy_wh))
                bought[sale.buyer] = bought.get(sale.buyer, 0) + part
                rest -= part
            if utility is not None and exported_wh:
                self.move(member, utility, lot, rest * exported_wh // energy_wh)
            for storage in storages:
                self._lock(storage.meter, member, lot, rest * storage.charged_wh // energy_wh)
        return bought

    def account(self, member: str) -> OriginAccount:
        """What a member holds by now."""
        if member not in self._accounts:
            held = self._state.load(ORIGINS, ORIGINS.key(member)) or OriginAccount(member)
            self._accounts[member] = held
        return self._accounts[member]

    def add(self, member: str, meter: str, cycle: int, energy_wh: int) -> None:
        """Put certificates into an account; the oldest beyond `MAX_LOTS`, and those of last year, expire."""
        if not energy_wh:
            return
        account = self.account(member)
        lots = {(lot.cycle, lot.meter): lot for lot in account.lots}
        before = lots.get((cycle, meter))
        lots[cycle, meter] = Lot(meter, cycle, energy_wh + (before.energy_wh if before else 0))
        kept = [lots[key] for key in sorted(lots)]
        oldest = self._cycle - max(1, VALID_DAYS * DAY_MS // self._params.cycle_ms)
        gone = max(len(kept) - MAX_LOTS, sum(lot.cycle < oldest for lot in kept))
        self._totals["expired_wh"] += sum(lot.energy_wh for lot in kept[:gone])
        self._accounts[member] = _replace(account, lots=tuple(kept[gone:]))

    def take(self, member: str, meter: str, cycle: int, energy_wh: int) -> bool:
        """Take certificates out of an account; False, and nothing is taken, where there are fewer."""
        account = self.account(member)
        held = next((lot for lot in account.lots if (lot.meter, lot.cycle) == (meter, cycle)), None)
        if held is None or held.energy_wh < energy_wh:
            return False
        left = tuple(_replace(lot, energy_wh=lot.energy_wh - energy_wh) if lot is held else lot for lot in account.lots)
        self._accounts[member] = _replace(account, lots=tuple(lot for lot in left if lot.energy_wh))
        return True

    def move(self, member: str, to: str, lot: Lot, energy_wh: int) -> int:
        """Pass certificates on; how many went, all or none."""
        if not self.take(member, lot.meter, lot.cycle, energy_wh):
            return 0
        self.add(to, lot.meter, lot.cycle, energy_wh)
        return energy_wh

    def count(self, name: str, energy_wh: int) -> None:
        """Add to one of the totals."""
        self._totals[name] += energy_wh

    def save(self) -> None:
        """Write everything that changed."""
        for member, account in self._accounts.items():
            self._state.save(ORIGINS.key(member), account)
        for meter, locked in self._locked.items():
            self._state.save(LOCKED_ORIGINS.key(meter), locked)
        totals = OriginTotals(**self._totals)
        if totals != self._before:
            self._state.save(ORIGIN_TOTAL, totals)

    def locked(self, storage: str) -> LockedOrigins:
        """What a storage locks by now."""
        if storage in self._locked:
            return self._locked[storage]
        return self._state.load(LOCKED_ORIGINS, LOCKED_ORIGINS.key(storage)) or LockedOrigins(storage, ())

    def _lock(self, storage: str, member: str, lot: Lot, energy_wh: int) -> None:
        if not energy_wh or not self.take(member, lot.meter, lot.cycle, energy_wh):
            return
        lots = {(one.cycle, one.meter, one.member): one.energy_wh for one in self.locked(storage).lots}
        key = lot.cycle, lot.meter, member
        lots[key] = lots.get(key, 0) + energy_wh
        self._keep(storage, lots)

    def _unlock(self, storage: Moved) -> list[tuple[str, Lot]]:
        """Certificates that discharging frees, in their members' accounts again."""
        if not storage.drawn:
            return []
        n, d = storage.efficiency_n, storage.efficiency_d
        freed: list[tuple[str, Lot]] = []
        lots: dict[tuple[int, str, str], int] = {}
        for one in self.locked(storage.meter).lots:
            part = one.energy_wh * storage.drawn // storage.charge
            net = part * n * n // (d * d)
            self._totals["lost_wh"] += part - net
            self.add(one.member, one.meter, one.cycle, net)
            if net:
                freed.append((one.member, Lot(one.meter, one.cycle, net)))
            if one.energy_wh > part:
                lots[one.cycle, one.meter, one.member] = one.energy_wh - part
        self._keep(storage.meter, lots)
        return freed

    def _keep(self, storage: str, lots: Mapping[tuple[int, str, str], int]) -> None:
        kept = [LockedLot(member, meter, cycle, lots[cycle, meter, member]) for cycle, meter, member in sorted(lots)]
        self._totals["expired_wh"] += sum(lot.energy_wh for lot in kept[:-MAX_LOTS])
        self._locked[storage] = LockedOrigins(storage, tuple(kept[-MAX_LOTS:]))


def transfer(
    state: State, context: BlockContext, sender: str, body: TransferOrigin
) -> tuple[OriginTransferred, ...] | str:
    """Pass certificates on. Refuses `origin.recipient`, `origin.insufficient`."""
    if not is_member(state, body.to):
        return "origin.recipient"
    book = Book(state, context.params, current_interval(context))
    if not book.take(sender, body.meter, body.cycle, body.energy_wh):
        return "origin.insufficient"
    book.add(body.to, body.meter, body.cycle, body.energy_wh)
    book.save()
    return (OriginTransferred(sender, body.to, body.meter, body.cycle, body.energy_wh),)


def use(state: State, context: BlockContext, sender: str, body: RetireOrigin) -> tuple[OriginRetired, ...] | str:
    """Use certificates up. Refuses `origin.insufficient`, `retire.full`."""
    book = Book(state, context.params, current_interval(context))
    if not book.take(sender, body.meter, body.cycle, body.energy_wh):
        return "origin.insufficient"
    now = current_interval(context)
    said = Retirement(now, body.purpose, meter=body.meter, cycle=body.cycle, energy_wh=body.energy_wh)
    if not retire(state, context.params, sender, said):
        return "retire.full"
    book.count("retired_wh", body.energy_wh)
    book.save()
    return (OriginRetired(sender, body.meter, body.cycle, body.energy_wh, body.purpose),)
