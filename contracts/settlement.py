"""Money of one interval, from orders and metered energy: a sheet of lines that sums to zero to the nano.

A pure function of plain tuples; `contracts.clearing` reads the inputs from state and books the result.

Per member, amounts from the member's side (positive is received):

- *consumption*, *supply*: ordered energy at the price of the member's zone. *pay-as-bid*: what accepted blocks
  above the price receive on top. *within-limit*: what served bids are spared where the price is above their own
  limits. *reserve*: what was held back, paid as offered.
- *short*, *long*: net position metered minus net position ordered, suppliers and consumers alike (delivering
  less and taking more are both short). Short pays b + |b| x penalty with b = max(price, import price), so
  that a penalty stays one below zero too. Long receives min(price, offer, export price). In island b is the
  scarcity price and long receives nothing. Who was spared receives no more than the limit that it was billed at.
- *tie-import*, *tie-export*: the utility's tariff on the metered flow of its meter. It has no orders to
  deviate from.
- *correction*: what earlier intervals turned out to be worth, see `contracts.corrections`.
- what else is owed, each by a module of its own: *make-whole* (`contracts.make_whole`), *builder* and *proposer*
  (`contracts.rewards`), *demand-response* (`contracts.demand_response`), *base-load* (`contracts.base_load`).
- *residual*: whatever is left over or missing (tariff spread, rent, losses, penalties, pay-as-bid, what bids are
  spared, what else is owed), shared by metered consumption, largest remainder first, equal remainders in order of
  hash(interval, member).

Where zones have different prices, those who take pay more than those who deliver receive: flow x price difference of
every line between them. That rent is in nobody's lines, and so in the residual.

When nothing was consumed, the residual is shared by ordered consumption, else by metered injection, else
equally among those who have a line. An interval whose lines would leave the bounds of money books nothing
(`amount.range`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from contracts.members import Record
from contracts.records import Line
from contracts.units import MAX_MONEY, PPM
from zk.hashing import sha256


class Position(NamedTuple):
    """One member in one interval: what was ordered, and what its meters (ties excluded) saw."""

    member: str
    served_wh: int
    supplied_wh: int
    pay_as_bid_nano: int
    offer_nano_per_wh: int | None
    withdrawn_wh: int
    injected_wh: int
    estimated: bool = False
    """One of its meters at least said nothing."""
    price_nano_per_wh: int | None = None
    """Of its zone; None: that of the interval."""
    reserve_wh: int = 0
    reserve_nano: int = 0
    """What it asked for holding that back."""
    supply_nano: int | None = None
    """Its orders at the prices of their zones, where these are not that of its own; None: all at one price."""
    spared_nano: int = 0
    """What its served bids would cost more at the price than at their limits."""
    limit_nano_per_wh: int | None = None
    """The lowest limit of those bids."""


class Terms(NamedTuple):
    """Prices of the interval. `export` is already lowered to `import` where that is cheaper."""

    interval: int
    price_nano_per_wh: int
    grid: bool
    import_nano_per_wh: int
    export_nano_per_wh: int
    scarcity_nano_per_wh: int
    penalty_ppm: int


class Tie(NamedTuple):
    """Metered exchange with the utility, as the site sees it."""

    utility: str
    import_wh: int
    export_wh: int
    estimated: bool = False


class Owed(NamedTuple):
    """A line that does not follow from orders and meters; its other side is the residual, or further lines."""

    member: str
    line: Line


class Due(NamedTuple):
    """What one module says is owed, and what it wants remembered once that is booked, by key of state."""

    owed: tuple[Owed, ...] = ()
    writes: Mapping[bytes, Record | tuple[Record, ...]] = {}


class Sheet(NamedTuple):
    """Lines per member, ascending; members without a line are left out. `residual_nano` is the sum shared."""

    lines: dict[str, tuple[Line, ...]]
    totals: dict[str, int]
    residual_nano: int


def settle(
    terms: Terms,
    positions: Sequence[Position],
    tie: Tie | None,
    carried: Mapping[str, int] | None = None,
    owed: Sequence[Owed] = (),
) -> Sheet | None:
    """Lines of all members; None when an amount would leave the bounds of money.

    `carried` is what corrections of earlier intervals owe each member in this one, `owed` what else is; of one kind a
    member has one line.
    """
    lines: dict[str, list[Line]] = {}
    for position in positions:
        own = position_lines(terms, position)
        if own:
            lines[position.member] = own
    if tie is not None:
        own = tie_lines(terms, tie)
        if own:
            lines.setdefault(tie.utility, []).extend(own)
    for member, line in owed:
        lines.setdefault(member, []).append(line)
    for member, amount_nano in (carried or {}).items():
        lines.setdefault(member, []).append(Line("correction", 0, None, amount_nano))

    residual = -sum(line.amount_nano for own in lines.values() for line in own)
    for member, share in _share_residual(terms.interval, residual, positions, sorted(lines)).items():
        if share:
            lines.setdefault(member, []).append(Line("residual", 0, None, share))

    ordered = {member: tuple(lines[member]) for member in sorted(lines)}
    totals = {member: sum(line.amount_nano for line in own) for member, own in ordered.items()}
    assert sum(totals.values()) == 0, "every nano that one member receives is paid by another"
    amounts = [line.amount_nano for own in ordered.values() for line in own]
    if any(abs(amount) > MAX_MONEY for amount in (residual, *totals.values(), *amounts)):
        return None
    return Sheet(ordered, totals, residual)


def position_lines(terms: Terms, position: Position) -> list[Line]:
    """Ordered energy at the price, reserve as offered, then the deviation."""
    price, lines = price_of(terms, position), []
    if position.served_wh:
        lines.append(Line("consumption", position.served_wh, price, -position.served_wh * price))
    if position.spared_nano:
        lines.append(Line("within-limit", position.served_wh, None, position.spared_nano))
    if position.supplied_wh:
        one_price = position.supply_nano is None or position.supply_nano == position.supplied_wh * price
        supply_nano = position.supplied_wh * price if position.supply_nano is None else position.supply_nano
        lines.append(Line("supply", position.supplied_wh, price if one_price else None, supply_nano))
    if position.pay_as_bid_nano:
        lines.append(Line("pay-as-bid", position.supplied_wh, None, position.pay_as_bid_nano))
    if position.reserve_nano:
        lines.append(Line("reserve", position.reserve_wh, None, position.reserve_nano))
    deviation_wh = (position.injected_wh - position.withdrawn_wh) - (position.supplied_wh - position.served_wh)
    if deviation_wh < 0:
        rate = short_price(terms, price)
        lines.append(Line("short", deviation_wh, rate, deviation_wh * rate, position.estimated))
    elif deviation_wh > 0:
        rate = long_price(terms, price, position.offer_nano_per_wh)
        if position.limit_nano_per_wh is not None:
            # Else a bid that is billed below the price could be taken for what it sells for, and not for its energy.
            rate = min(rate, position.limit_nano_per_wh)
        lines.append(Line("long", deviation_wh, rate, deviation_wh * rate, position.estimated))
    return lines


def price_of(terms: Terms, position: Position) -> int:
    """Price in the zone of a member."""
    return terms.price_nano_per_wh if position.price_nano_per_wh is None else position.price_nano_per_wh


def short_price(terms: Terms, price_nano_per_wh: int) -> int:
    """What a missing Wh costs where energy has this price, penalty included, whole nano per Wh."""
    base = max(price_nano_per_wh, terms.import_nano_per_wh) if terms.grid else terms.scarcity_nano_per_wh
    return base + abs(base) * terms.penalty_ppm // PPM


def long_price(terms: Terms, price_nano_per_wh: int, offer_nano_per_wh: int | None) -> int:
    """What a Wh that nobody ordered is worth where energy has this price."""
    if not terms.grid:
        return 0
    worth = min(price_nano_per_wh, terms.export_nano_per_wh)
    return worth if offer_nano_per_wh is None else min(worth, offer_nano_per_wh)


def tie_lines(terms: Terms, tie: Tie) -> list[Line]:
    """The tariff on what flowed through the tie."""
    lines = []
    if tie.import_wh:
        price = terms.import_nano_per_wh
        lines.append(Line("tie-import", tie.import_wh, price, tie.import_wh * price, tie.estimated))
    if tie.export_wh:
        price = terms.export_nano_per_wh
        lines.append(Line("tie-export", -tie.export_wh, price, -tie.export_wh * price, tie.estimated))
    return lines


def _share_residual(interval: int, residual: int, positions: Sequence[Position], liable: list[str]) -> dict[str, int]:
    """The residual by weight; the first list of weights that is not all zero counts."""
    if residual == 0:
        return {}
    choices = (
        {position.member: position.withdrawn_wh for position in positions},
        {position.member: position.served_wh for position in positions},
        {position.member: position.injected_wh for position in positions},
        dict.fromkeys(liable, 1),
    )
    weights = next(choice for choice in choices if any(choice.values()))
    return largest_remainder(residual, weights, interval)


def largest_remainder(amount: int, weights: dict[str, int], interval: int) -> dict[str, int]:
    """Split `amount` (of either sign) by non-negative weights, not all zero; the shares sum to it exactly."""
    whole, size, sign = sum(weights.values()), abs(amount), 1 if amount > 0 else -1
    shares: dict[str, int] = {}
    remainders: list[tuple[int, bytes, str]] = []
    prefix = interval.to_bytes(8, "big")
    for member, weight in weights.items():
        if weight:
            shares[member], remainder = divmod(size * weight, whole)
            remainders.append((-remainder, sha256(prefix + member.encode()), member))
    remainders.sort()
    for _, _, member in remainders[: size - sum(shares.values())]:
        shares[member] += 1
    return {member: sign * share for member, share in shares.items()}
