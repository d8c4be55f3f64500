"""Carbon of one interval: what enters the site, and who carries it. A sheet that balances to the microgram.

A pure function of plain tuples. Emission counts once, where energy enters: at sources and ties by their factors, at a
storage what is embodied in it per discharged Wh, and, for energy that nobody saw go in, the worst factor. What is
emitted, with what discharging takes out of storages, is the interval's pool; divided by the energy that entered it is
the interval's mix. Charging and export take their energy at the mix, rounded down. All the rest is consumption's: so
losses carry theirs to consumption, and no rounding is lost. Site and travel carbon is shared by consumption, too.

    emitted + site + travel = attributed + exported + (held after - held before)

A storage discharges from what it held when the interval began, and charges afterwards. Never negative but for
corrections, which are `contracts.carbon.later`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from contracts.settlement import largest_remainder
from contracts.units import MAX_MONEY


class Injection(NamedTuple):
    """Energy that entered through one meter, and what a Wh of it emits."""

    energy_wh: int
    operating_ug_per_wh: int
    embodied_ug_per_wh: int


class Store(NamedTuple):
    """A storage at the start of the interval, and what its meter saw. Efficiency each way is n/d."""

    meter: str
    charge: int
    """In it, in 1/(n*d) Wh, as the next."""
    capacity: int | None
    """Most that fits; None: nobody registered it."""
    carbon_ug: int
    charged_wh: int
    discharged_wh: int
    embodied_ug_per_wh: int
    efficiency_n: int = 1
    efficiency_d: int = 1


class StoreAfter(NamedTuple):
    """What became of a storage."""

    meter: str
    charge: int
    carbon_ug: int
    released_ug: int
    """Taken out of what it held."""
    taken_ug: int
    """Came in with what it charged."""
    embodied_ug: int
    unseen_wh: int
    """Discharged although nobody saw it go in."""
    unseen_ug: int
    drawn: int
    """Of its charge at the start, in 1/(n*d) Wh."""


class Share(NamedTuple):
    """What one member carries."""

    energy_ug: int
    site_ug: int
    travel_ug: int


class Sheet(NamedTuple):
    """One interval."""

    operating_ug: int
    embodied_ug: int
    """That of storages included."""
    unseen_ug: int
    pool_ug: int
    """Emitted, and released by storages: over `energy_wh` it is the mix."""
    energy_wh: int
    """Entered, or (where meters saw more leave than enter) left."""
    exported_ug: int
    stores: list[StoreAfter]
    shares: dict[str, Share]
    """By member."""
    site_ug: int
    travel_ug: int

    @property
    def emitted_ug(self) -> int:
        """Everything that entered in this interval."""
        return self.operating_ug + self.embodied_ug + self.unseen_ug + self.site_ug + self.travel_ug

    @property
    def attributed_ug(self) -> int:
        """Everything that members carry."""
        return sum(sum(share) for share in self.shares.values())


class Fixed(NamedTuple):
    """Carbon of the site that no energy brings, per interval."""

    site_ug: int
    travel_ug: int


NOTHING_FIXED = Fixed(0, 0)


def passed(generates: bool, import_wh: int, export_wh: int) -> tuple[int, int]:
    """What was consumed behind a meter, and what entered through it. A source brings in all that it exports; any other
    meter passes on what it took, and only the rest of either is consumed or enters: a feeder is no power plant."""
    if generates:
        return import_wh, export_wh
    return max(0, import_wh - export_wh), max(0, export_wh - import_wh)


def draw(store: Store) -> tuple[int, int]:
    """Part of the charge at the start that is discharged, in 1/(n*d) Wh, and the carbon that goes with it: all at the
    end of the charge."""
    wanted = store.efficiency_d**2 * store.discharged_wh
    drawn = min(wanted, store.charge)
    if not wanted:
        return 0, 0
    return drawn, store.carbon_ug if drawn == store.charge else store.carbon_ug * drawn // store.charge


def settle(
    interval: int,
    injections: Sequence[Injection],
    stores: Sequence[Store],
    exported_wh: int,
    consumed_wh: Mapping[str, int],
    fixed: Fixed = NOTHING_FIXED,
    worst_ug_per_wh: int = 0,
    carried_ug: int = 0,
    fallback: Sequence[Mapping[str, int]] = (),
) -> Sheet:
    """The carbon of `interval`.

    `consumed_wh` is metered consumption by member, charging left out. Where nothing was consumed, the first of the
    `fallback` weights that is not all zero shares; where none is, fixed carbon is not counted, and nothing else is
    left to share. `carried_ug`, of either sign, is what corrections of earlier intervals leave to consumption.
    """
    operating_ug = sum(one.energy_wh * one.operating_ug_per_wh for one in injections)
    embodied_ug = sum(one.energy_wh * one.embodied_ug_per_wh for one in injections)
    opened = [_discharge(store, worst_ug_per_wh) for store in stores]
    embodied_ug += sum(one.embodied_ug for one in opened)
    unseen_ug = sum(one.unseen_ug for one in opened)
    pool_ug = operating_ug + embodied_ug + unseen_ug + sum(one.released_ug for one in opened)

    entered_wh = sum(one.energy_wh for one in injections) + sum(store.discharged_wh for store in stores)
    left_wh = sum(consumed_wh.values()) + exported_wh + sum(store.charged_wh for store in stores)
    energy_wh = max(entered_wh, left_wh)
    exported_ug = at_mix(pool_ug, energy_wh, exported_wh)
    after = [_charge(store, one, pool_ug, energy_wh) for store, one in zip(stores, opened, strict=True)]
    rest_ug = pool_ug - exported_ug - sum(one.taken_ug for one in after) + carried_ug

    weights = next((choice for choice in (consumed_wh, *fallback) if any(choice.values())), None)
    shares: dict[str, Share] = {}
    if weights is None:
        assert rest_ug == 0, "where nothing is consumed, injected or registered nothing is carried"
        fixed = NOTHING_FIXED
    else:
        parts = [largest_remainder(amount, dict(weights), interval) if amount else {} for amount in (rest_ug, *fixed)]
        shares = {
            member: Share(*(part.get(member, 0) for part in parts)) for member in sorted(weights) if weights[member]
        }
    sheet = Sheet(
        operating_ug, embodied_ug, unseen_ug, pool_ug, energy_wh, exported_ug, after, shares, *fixed
    )  # fmt: skip
    held_ug = sum(one.carbon_ug for one in after) - sum(store.carbon_ug for store in stores)
    assert sheet.emitted_ug + carried_ug == sheet.attributed_ug + exported_ug + held_ug, "carbon is conserved"
    return sheet


def at_mix(pool_ug: int, energy_wh: int, part_wh: int) -> int:
    """Carbon of `part_wh` at the mix, rounded down: what is cut off stays with consumption."""
    return pool_ug * part_wh // energy_wh if part_wh else 0


def in_bounds(sheet: Sheet) -> bool:
    """Whether every figure is an emission that the ledger can hold."""
    figures = [sheet.emitted_ug, sheet.pool_ug, sheet.attributed_ug, sheet.energy_wh]
    figures += [figure for store in sheet.stores for figure in (store.carbon_ug, store.taken_ug)]
    figures += [figure for share in sheet.shares.values() for figure in share]
    return all(abs(figure) <= MAX_MONEY for figure in figures)


def _discharge(store: Store, worst_ug_per_wh: int) -> StoreAfter:
    """The storage after discharging. What was charged in the same interval may be discharged, too: it was seen."""
    n, d = store.efficiency_n, store.efficiency_d
    drawn, released_ug = draw(store)
    missing = max(0, d * d * store.discharged_wh - store.charge - n * n * store.charged_wh)
    unseen_wh = -(-missing // (d * d))
    return StoreAfter(
        store.meter,
        store.charge - drawn,
        store.carbon_ug - released_ug,
        released_ug,
        0,
        store.discharged_wh * store.embodied_ug_per_wh,
        unseen_wh,
        unseen_wh * worst_ug_per_wh,
        drawn,
    )


def _charge(store: Store, opened: StoreAfter, pool_ug: int, energy_wh: int) -> StoreAfter:
    """The same storage after charging, too."""
    n, d = store.efficiency_n, store.efficiency_d
    taken_ug = at_mix(pool_ug, energy_wh, store.charged_wh)
    charge = max(0, store.charge + n * n * store.charged_wh - d * d * store.discharged_wh)
    if store.capacity is not None:
        charge = min(charge, store.capacity)
    return opened._replace(charge=charge, carbon_ug=opened.carbon_ug + taken_ug, taken_ug=taken_ug)
