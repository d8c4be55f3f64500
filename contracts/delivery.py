"""What was delivered in an interval that closes: registers where meters spoke, estimates where they did not.

Never holds an interval up: a silent meter costs its owner the adverse extreme, and one record that says from
which days. What its registers say when they return is queued for `contracts.corrections`.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from contracts.corrections import enqueue
from contracts.estimates import estimate
from contracts.flexible.assets import settled_charge
from contracts.flexible.records import StorageCharge
from contracts.members import Registers
from contracts.metering import Measured, settle_registers
from contracts.metering_records import Estimate, Metered, Return
from contracts.modes import TieSeen
from contracts.params import PactParams
from contracts.records import Site, SiteMeter
from contracts.schema import CHARGES, ESTIMATES, HEADS, LINE_LIST, LINES, METERED, METERS, REGISTERS, SITE, SITES
from contracts.state import State

_replace = msgspec.structs.replace
NO_MEMBER = ""
"""Stands for the utility where its tie is estimated: that flow is in no member's position."""


class Delivery(NamedTuple):
    """What meters saw: per member (withdrawn, injected) without ties, and the utility's exchange."""

    members: dict[str, tuple[int, int]]
    tie_import_wh: int
    tie_export_wh: int
    estimated: dict[str, list[str]]
    """Silent meters by member; those of ties are under `NO_MEMBER`."""
    behind: list[SiteMeter]
    """Meters with corrections that wait to be billed."""
    ties: list[TieSeen]
    """What the utility's meters said."""
    witnesses: dict[str, tuple[SiteMeter, Measured]]
    """Measured meters that stand at an end of a line."""
    returned: dict[str, tuple[SiteMeter, list[Return]]]
    """What earlier gaps of a meter turned out to be."""
    flows: dict[str, tuple[int, int]]
    """Import and export by meter, of those with any."""
    available_w: dict[str, int]
    """What sources said they could give."""

    def silent(self) -> list[str]:
        """All estimated meters, ascending."""
        return sorted(meter for meters in self.estimated.values() for meter in meters)


def deliver(state: State, params: PactParams, interval: int) -> Delivery:
    """Settle the registers of every meter of the site, and record what was measured."""
    site = state.load(SITES, SITE) or Site(())
    members: dict[str, tuple[int, int]] = {}
    estimated: dict[str, list[str]] = {}
    behind: list[SiteMeter] = []
    ties: list[TieSeen] = []
    witnesses: dict[str, tuple[SiteMeter, Measured]] = {}
    flows: dict[str, tuple[int, int]] = {}
    returned: dict[str, tuple[SiteMeter, list[Return]]] = {}
    available_w: dict[str, int] = {}
    lines = state.load(LINES, LINE_LIST)
    ends = {end for line in lines.lines for end in (line.sending_meter, line.receiving_meter)} if lines else ()
    tie_import_wh = tie_export_wh = 0
    settled = {held.meter: held for held in state.group(REGISTERS)}
    held = {one.meter: one for one in state.group(CHARGES)}
    charged: list[StorageCharge] = []
    after: list[Registers] = []
    metered: list[Metered] = []
    guesses: list[Estimate] = []
    for meter in site.meters:
        head_key = HEADS.prefix + meter.meter.encode()
        head = state.load(HEADS, head_key)
        assert head is not None, "every meter of the site has a head"
        if 0 < interval <= meter.since:
            after.append(settled[meter.meter])
            if meter.meter in held:
                charged.append(held[meter.meter])
            continue
        registers, measured, returns = settle_registers(head, settled[meter.meter], interval)
        if meter.stopped and measured is None:
            # Silent for good: no gap, since nothing will ever fill it.
            registers = _replace(registers, gaps=())
        after.append(registers)
        if meter.meter in held:
            charged.append(_charge(state, held[meter.meter], settled[meter.meter], registers, measured))
        if returns:
            returned[meter.meter] = meter, returns
            head = enqueue(state, meter.meter, head, returns)
            state.save(head_key, head)
        if head.returns:
            behind.append(meter)
        if measured is not None:
            import_wh, export_wh, sequence = measured[:3]
            metered.append(Metered(meter.meter, import_wh, export_wh, sequence))
            if measured.generation_w is not None:
                available_w[meter.meter] = measured.generation_w
            if meter.meter in ends:
                witnesses[meter.meter] = meter, measured
        elif meter.stopped:
            import_wh = export_wh = 0
        else:
            equipment = state.load(METERS, METERS.key(meter.meter))
            assert equipment is not None, "every meter of the site is registered"
            guess = estimate(state, params, equipment, interval)
            guesses.append(guess)
            import_wh, export_wh = guess.import_wh, guess.export_wh
            estimated.setdefault(NO_MEMBER if meter.tie else meter.member, []).append(meter.meter)
        if import_wh or export_wh:
            flows[meter.meter] = import_wh, export_wh
        if meter.tie:
            ties.append(TieSeen(meter.meter, head.sequence > 0, None if measured is None else measured.status))
            tie_import_wh += export_wh
            tie_export_wh += import_wh
        else:
            withdrawn_wh, injected_wh = members.get(meter.member, (0, 0))
            members[meter.member] = withdrawn_wh + import_wh, injected_wh + export_wh
    state.fill(REGISTERS, after)
    state.fill(METERED, metered, interval)
    state.fill(CHARGES, charged)
    state.fill(ESTIMATES, guesses, interval)
    seen = estimated, behind, ties, witnesses, returned, flows, available_w
    return Delivery(members, tie_import_wh, tie_export_wh, *seen)


def _charge(
    state: State, held: StorageCharge, before: Registers, after: Registers, measured: Measured | None
) -> StorageCharge:
    """What a storage holds once its registers are settled up to the interval."""
    meter = state.load(METERS, METERS.key(held.meter))
    assert meter is not None, "every storage is registered"
    return settled_charge(meter, held, before, after, None if measured is None else measured.charge_wh)
