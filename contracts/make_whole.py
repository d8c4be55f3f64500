"""No storage loses by being dispatched: what a day of orders cost it beyond what it was paid, out of the residual.

Under rolling windows no uniform price covers everybody: a battery that was told to charge for an evening that came out
cheaper has bought dear and sold cheap. So per storage and UTC day it is owed

    max(0, paid charging - what of that is still stored + wear - revenue)

on delivered Wh: as much as its own registers show of what was ordered. Sources need none: each accepted Wh of theirs is
paid the price or, where its offer is above that, its offer.

What is still stored is worth what was paid for it, whatever its owner asks for a Wh at the end: a day that ends full
would else be paid twice, once for charging and again by the evening it was charged for, and by any end value that one
likes to name. Discharging takes the mean of what is inside. Energy of unknown cost (what a storage was admitted with,
what it made behind its meter) cost nothing; what leaves without an order takes its cost along; what its registers say
is not there any more has no cost to claim.

Booked with the last interval of the day, or with the first that settles after it. Silence is not made whole: intervals
in which its meter was estimated count neither way, also when its register returns. Corrections move money of their
interval, never a day that is over.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from contracts.corrections import billed_energy
from contracts.flexible.assets import asset_of
from contracts.flexible.records import MadeWhole, StoreAccount
from contracts.members import Record
from contracts.params import PactParams
from contracts.records import IntervalRecord, Line, Order, StorageOrder
from contracts.schema import CHARGES, ESTIMATES, MADE_WHOLE, METERS, ORDERS, STORE_ACCOUNTS
from contracts.settlement import Due, Owed
from contracts.state import State
from contracts.units import MAX_MONEY

_replace = msgspec.structs.replace


class Flow(NamedTuple):
    """What one storage was ordered and did in one interval."""

    charge_wh: int
    """As ordered, as far as it was taken."""
    discharge_wh: int
    """As ordered, as far as it was given."""
    given_wh: int
    """All that was given."""
    price_nano_per_wh: int
    """Of its zone."""


class Equipment(NamedTuple):
    """What decides how much of a Wh is left."""

    efficiency_n: int
    efficiency_d: int
    wear_nano_per_wh: int


def moved(account: StoreAccount, flow: Flow, equipment: Equipment, soc: int) -> StoreAccount:
    """The account after an interval; `soc` is what the storage's registers say is in it now, in 1/(n*d) Wh."""
    stored, stored_nano = account.stored, account.stored_nano
    stored += equipment.efficiency_n**2 * flow.charge_wh
    stored_nano += flow.charge_wh * flow.price_nano_per_wh
    drawn = min(stored, equipment.efficiency_d**2 * flow.given_wh)
    drawn_nano = _part(stored_nano, drawn, stored)
    used_nano = _part(drawn_nano, flow.discharge_wh, flow.given_wh)
    stored, stored_nano = stored - drawn, stored_nano - drawn_nano
    kept = min(stored, soc)
    return _replace(
        account,
        stored=kept,
        stored_nano=_money(_part(stored_nano, kept, stored)),
        used_nano=_money(account.used_nano + used_nano),
        wear_nano=_money(account.wear_nano + flow.discharge_wh * equipment.wear_nano_per_wh),
        revenue_nano=_money(account.revenue_nano + flow.discharge_wh * flow.price_nano_per_wh),
    )


def owed_nano(account: StoreAccount) -> int:
    """What the day that the account is about cost beyond what it brought."""
    return _money(max(0, account.used_nano + account.wear_nano - account.revenue_nano))


def _money(amount_nano: int) -> int:
    """A sum as a record may hold it."""
    return max(-MAX_MONEY, min(MAX_MONEY, amount_nano))


def _part(amount_nano: int, part: int, whole: int) -> int:
    """`amount * part / whole`, all of it where the part is the whole, rounded towards zero."""
    if not whole:
        return 0
    share = abs(amount_nano) * part // whole
    return share if amount_nano >= 0 else -share


def due(state: State, params: PactParams, record: IntervalRecord) -> Due:
    """What storages are owed for days that end with this interval, or ended before it, and their accounts after it."""
    interval, today = record.interval, params.day_of(record.interval)
    held = {one.meter: one for one in state.group(STORE_ACCOUNTS)}
    booked: list[MadeWhole] = []
    after = {meter: _over(account, today, interval, booked) for meter, account in held.items()}
    before_today = {one.meter for one in booked}
    for order in state.group(ORDERS, interval):
        for store in order.storages:
            account = after.get(store.meter) or StoreAccount(store.meter, order.member, today)
            after[store.meter] = _counted(state, record, order, store, account)
    if params.day_of(interval + 1) > today:
        # A storage that is paid for an earlier day just now has to wait for the next interval: one line, one record.
        after = {
            meter: account if meter in before_today else _over(account, today + 1, interval, booked)
            for meter, account in after.items()
        }
    writes: dict[bytes, tuple[Record, ...]] = {}
    if after != held:
        writes |= STORE_ACCOUNTS.spread(sorted(after.values(), key=STORE_ACCOUNTS.id))
    together: dict[str, int] = {}
    for one in booked:
        together[one.member] = together.get(one.member, 0) + one.amount_nano
    if booked:
        writes |= MADE_WHOLE.spread(sorted(booked, key=MADE_WHOLE.id), interval)
    return Due(tuple(Owed(name, Line("make-whole", 0, None, nano)) for name, nano in sorted(together.items())), writes)


def _over(account: StoreAccount, day: int, interval: int, booked: list[MadeWhole]) -> StoreAccount:
    """The account at the beginning of `day`; what earlier days are owed goes to `booked`."""
    if account.day >= day:
        return account
    amount_nano = owed_nano(account)
    if amount_nano:
        sums = account.used_nano, account.wear_nano, account.revenue_nano
        booked.append(MadeWhole(account.meter, account.member, account.day, interval, *sums, amount_nano))
    return _replace(account, day=day, used_nano=0, wear_nano=0, revenue_nano=0)


def _counted(
    state: State, record: IntervalRecord, order: Order, store: StorageOrder, account: StoreAccount
) -> StoreAccount:
    """The account after what its meter showed of an order; the same where that is not known."""
    interval, meter = record.interval, store.meter
    billed, equipment = billed_energy(state, meter, interval), state.load(METERS, METERS.key(meter))
    held = state.entry(CHARGES, meter)
    if billed is None or equipment is None or held is None or state.entry(ESTIMATES, meter, interval) is not None:
        return account
    asset = asset_of(equipment)
    zoned = (part.price_nano_per_wh for part in order.meters if part.meter == meter)
    prices = (*zoned, order.price_nano_per_wh, record.price_nano_per_wh)
    price = next(price for price in prices if price is not None)
    flow = Flow(
        min(billed.import_wh, store.charge_wh), min(billed.export_wh, store.discharge_wh), billed.export_wh, price
    )
    return moved(account, flow, Equipment(asset.efficiency_n, asset.efficiency_d, asset.wear_nano_per_wh), held.soc)
