"""The physical world behind the meters: sun, wind, appetite, a battery, lossy lines, and a tie that balances.

Pure and reproducible: what happens in an interval follows from the scenario, the profiles, a seed and the
orders. Energy is conserved to the Wh in every interval: what sources, batteries and the tie inject is what
loads, batteries, the tie and the lines take. Never sees a key, a price or the ledger; agents carry orders in
and register values out.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple, Protocol

import msgspec

from contracts.envelopes import Limits
from contracts.units import PPM
from devnet.scenario import Scenario
from node.agents.island import Asset, balance, share

SLOT_MS = 900_000
"""Profiles have one value per quarter hour.."""
WEEK_SLOTS = 7 * 96
"""..of a week that starts on Monday, 00:00 UTC."""
_EPOCH_TO_MONDAY_SLOTS = 4 * 96
"""1970-01-01 was a Thursday."""
HOUR_MS = 3_600_000
FREE = ("pv", "wind")
"""Profiles of sources that burn nothing: what they don't give is curtailed, not saved."""


class Shapes(Protocol):
    """The part of `devnet.profiles.Profiles` that the world reads: ppm per quarter hour of a week."""

    @property
    def load(self) -> Mapping[str, tuple[int, ...]]: ...
    @property
    def pv_ppm(self) -> tuple[int, ...]: ...
    @property
    def wind_ppm(self) -> tuple[int, ...]: ...


class Order(NamedTuple):
    """What the dispatch told one meter's equipment to do."""

    supply_wh: int = 0
    """Inject: a source's or a battery's accepted offer."""
    charge_wh: int = 0
    """Take: a battery's served bid."""


class Flow(NamedTuple):
    """What crossed one meter: taken from the site, and put into it."""

    import_wh: int
    export_wh: int


class Outcome(NamedTuple):
    """What happened in an interval. `injected = withdrawn + losses`, always.

    What a meter only passes on to a line is in its flow, in and out again, and in neither sum.
    """

    flows: dict[str, Flow]
    injected_wh: int
    withdrawn_wh: int
    losses_wh: int
    unserved_wh: int
    """Appetite that no source and no tie could feed."""
    curtailed_wh: int
    """What sources that burn nothing could have given beside, and nobody took."""


class WorldState(msgspec.Struct, frozen=True):
    """Where the physical world stands; it goes on from here whatever happens to who simulates it."""

    registers: dict[str, Flow]
    charge_uwh: dict[str, int]
    """Millionths of a Wh in each battery."""


class World:
    """One site. `deliver` is called once per interval, in order."""

    def __init__(self, scenario: Scenario, shapes: Shapes, seed: int = 0) -> None:
        self._interval_ms = scenario.params.interval_ms
        self._loss_ppm = scenario.line_loss_ppm
        self._lines = scenario.lines
        self._shapes = shapes
        self._seed = seed
        self.meters = {meter.id: meter for meter in scenario.meters}
        self._tie = next((meter for meter in scenario.meters if meter.kind == "tie"), None)
        self._charge_uwh = {
            meter.id: meter.store.capacity_wh * meter.store.charge_ppm
            for meter in scenario.meters
            if meter.store is not None
        }
        self.registers = {meter.id: Flow(0, 0) for meter in scenario.meters}
        """Cumulative, since the meters were admitted."""
        self.lost: frozenset[str] = frozenset()
        """Sources that are out of order."""
        self.open: frozenset[str] = frozenset()
        """Ties with an open breaker: where the site's is one of them, it is an island."""
        self.counts_ppm: Mapping[str, int] = {}
        """What the registers of meters that misread count of what flows."""
        self.gives_ppm: Mapping[str, int] = {}
        """What sources that sag give of what they could, and are taken to be able to."""

    @property
    def state(self) -> WorldState:
        """All that `deliver` changes."""
        return WorldState(dict(self.registers), dict(self._charge_uwh))

    def restore(self, state: WorldState) -> None:
        """Go on from `state`."""
        self.registers = dict(state.registers)
        self._charge_uwh = dict(state.charge_uwh)

    def forecast_wh(self, meter: str, interval: int) -> int:
        """What equipment behind `meter` is expected to want or to be able to give in `interval`."""
        spec = self.meters[meter]
        if meter in self.lost:
            return 0
        peak_w = spec.rating_w if spec.peak_w is None else spec.peak_w
        slot = (interval * self._interval_ms // SLOT_MS - _EPOCH_TO_MONDAY_SLOTS) % WEEK_SLOTS
        match spec.profile:
            case "flat":
                ppm = PPM
            case "pv":
                ppm = self._shapes.pv_ppm[slot]
            case "wind":
                ppm = self._shapes.wind_ppm[slot]
            case name:
                ppm = self._shapes.load[name][slot]
        return min(peak_w * ppm * self._interval_ms // (PPM * HOUR_MS), self.limit_wh(meter))

    def actual_wh(self, meter: str, interval: int) -> int:
        """What it then wants or gives: the forecast, off by at most its error, within the rating."""
        error_ppm = self.meters[meter].forecast_error_ppm
        digest = sha256(f"{self._seed}/{meter}/{interval}".encode()).digest()
        off_ppm = int.from_bytes(digest[:8], "big") % (2 * error_ppm + 1) - error_ppm
        able_wh = self.forecast_wh(meter, interval) * (PPM + off_ppm) // PPM
        return min(able_wh, self.limit_wh(meter)) * self.gives_ppm.get(meter, PPM) // PPM

    def limit_wh(self, meter: str) -> int:
        """Most that the equipment can move in one interval."""
        return self.meters[meter].rating_w * self._interval_ms // HOUR_MS

    def dischargeable_wh(self, meter: str) -> int:
        """What a battery could put into the site in one interval."""
        store = self.meters[meter].store
        assert store is not None, "batteries have a store"
        return min(self.limit_wh(meter), self._charge_uwh[meter] * store.discharge_efficiency_ppm // PPM**2)

    def chargeable_wh(self, meter: str) -> int:
        """What a battery could take from the site in one interval."""
        store = self.meters[meter].store
        assert store is not None, "batteries have a store"
        room_uwh = store.capacity_wh * PPM - self._charge_uwh[meter]
        return min(self.limit_wh(meter), room_uwh // store.charge_efficiency_ppm)

    def charge_wh(self, meter: str) -> int:
        """What a battery holds."""
        return self._charge_uwh[meter] // PPM

    def deliver(self, interval: int, orders: Mapping[str, Order]) -> Outcome:
        """Let `interval` happen and advance the registers.

        Sources follow their orders as far as nature allows, batteries as far as their charge allows, loads
        take what they want whatever was ordered, and the tie carries the difference up to its rating. Beyond
        that, injections are curtailed or loads cut, in proportion: on a wire nothing is left over. In an island
        the agents at the devices share what there is (`node.agents.island`): what was ordered of sources comes first,
        and a battery takes no more than it was ordered to.
        """
        if self._tie is not None and self._tie.id in self.open:
            return self._balance(interval, orders)
        takes: dict[str, int] = {}
        gives: dict[str, int] = {}
        for meter, spec in self.meters.items():
            order = orders.get(meter, Order())
            match spec.kind:
                case "load":
                    takes[meter] = self.actual_wh(meter, interval)
                case "source":
                    gives[meter] = min(order.supply_wh, self.actual_wh(meter, interval))
                case "storage":
                    # Both ways in one interval would only burn energy: the net order is followed.
                    net_wh = order.supply_wh - order.charge_wh
                    gives[meter] = min(max(net_wh, 0), self.dischargeable_wh(meter))
                    takes[meter] = min(max(-net_wh, 0), self.chargeable_wh(meter))
                case _:
                    pass
        tie_wh = 0 if self._tie is None else self.limit_wh(self._tie.id)
        wanted_wh = sum(takes.values())
        # Most withdrawal W with W + losses(W) <= what can be injected at all.
        feedable_wh = (sum(gives.values()) + tie_wh) * PPM // (PPM + self._loss_ppm)
        takes = share(takes, feedable_wh)
        withdrawn_wh = sum(takes.values())
        losses_wh = withdrawn_wh * self._loss_ppm // PPM
        gives = share(gives, withdrawn_wh + losses_wh + tie_wh)
        gap_wh = withdrawn_wh + losses_wh - sum(gives.values())
        assert self._tie is not None or gap_wh == 0, "an island balances by itself"
        flows = {meter: Flow(takes.get(meter, 0), gives.get(meter, 0)) for meter in self.meters}
        injected_wh, taken_wh = sum(gives.values()), withdrawn_wh
        if self._tie is not None:
            flows[self._tie.id] = Flow(max(-gap_wh, 0), max(gap_wh, 0))
            injected_wh += max(gap_wh, 0)
            taken_wh += max(-gap_wh, 0)
        return self._happened(interval, flows, injected_wh, taken_wh, wanted_wh - withdrawn_wh)

    def _balance(self, interval: int, orders: Mapping[str, Order]) -> Outcome:
        """An interval without the public grid. A battery takes no more of what is over than it was ordered to: what it
        takes beyond orders is billed at the price of scarcity.
        """
        assets = []
        for meter, spec in self.meters.items():
            most_wh, stores = self.limit_wh(meter), spec.store is not None
            able_wh = self.actual_wh(meter, interval) if spec.kind in ("load", "source") else 0
            assets.append(
                Asset(
                    meter,
                    spec.kind,
                    Limits(most_wh, most_wh, None, 0),
                    able_wh if spec.kind == "load" else 0,
                    spec.tier,
                    self.dischargeable_wh(meter) if stores else able_wh,
                    min(self.chargeable_wh(meter), orders.get(meter, Order()).charge_wh) if stores else 0,
                    ordered_wh=orders.get(meter, Order()).supply_wh,
                )
            )
        moves = balance(assets, self._loss_ppm)
        flows = {meter: Flow(move.take_wh, move.give_wh) for meter, move in moves.items()}
        injected_wh, taken_wh = (sum(part) for part in zip(*moves.values(), strict=True))
        cut_wh = sum(one.wants_wh - moves[one.meter].take_wh for one in assets if one.kind == "load")
        return self._happened(interval, flows, injected_wh, taken_wh, cut_wh)

    def _happened(
        self, interval: int, flows: dict[str, Flow], injected_wh: int, taken_wh: int, unserved_wh: int
    ) -> Outcome:
        """Let lines pass on what they carry, and advance the registers."""
        for line in self._lines:
            sent_wh = self._sent_wh(flows[line.receiving_meter].import_wh)
            for meter in (line.parent_meter, line.sending_meter):
                flows[meter] = Flow(flows[meter].import_wh + sent_wh, flows[meter].export_wh + sent_wh)
        self._advance(flows)
        curtailed_wh = sum(
            self.actual_wh(meter, interval) - flows[meter].export_wh
            for meter, spec in self.meters.items()
            if spec.kind == "source" and spec.profile in FREE
        )
        return Outcome(flows, injected_wh, taken_wh, injected_wh - taken_wh, unserved_wh, curtailed_wh)

    def _sent_wh(self, received_wh: int) -> int:
        """What has to enter a line so that so much leaves it; the difference is part of the site's losses."""
        return received_wh + received_wh * self._loss_ppm // PPM

    def _advance(self, flows: Mapping[str, Flow]) -> None:
        for meter, flow in flows.items():
            before = self.registers[meter]
            import_wh, export_wh = (energy_wh * self.counts_ppm.get(meter, PPM) // PPM for energy_wh in flow)
            self.registers[meter] = Flow(before.import_wh + import_wh, before.export_wh + export_wh)
            store = self.meters[meter].store
            if store is not None:
                drawn_uwh = -(-flow.export_wh * PPM**2 // store.discharge_efficiency_ppm)
                self._charge_uwh[meter] += flow.import_wh * store.charge_efficiency_ppm - drawn_uwh
