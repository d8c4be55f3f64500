"""The agent at a device: enforces the asset's envelope again, locally, whatever is signed.

It believes nothing but proofs that lead from the genesis document, and not even those beyond its plate: the envelope
that was set by hand at the device. So a quorum that signs an order which the envelope forbids, and one that signs a
wider envelope first, moves nothing further than the plate allows. An order is refused with a `device.*` code when it is
unproven, of another device, stale, replayed, late, or beyond power, ramp or critical load; the device is then in its
safe state, and says so. Whatever proof comes by, the newest terms in it count from then on: a revoked key takes the
device to its safe state at once. Opens no socket; orders come in as files, moves go out to the equipment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

import msgspec

from consensus.messages import Header
from contracts.envelopes import NOTHING, Limits, at
from contracts.genesis import Genesis
from contracts.members import AssetEnvelope, Meter, Record, Terms
from contracts.records import Order
from contracts.schema import ENVELOPES, METERS, ORDERS, RULES, RULES_IN_FORCE
from contracts.state import Table
from contracts.units import WH_MS, Energy, Height, Id, Interval, Meta
from node.agents.island import Move
from node.agents.page import Owned, Wording, read_page
from node.disk import Disk
from node.errors import NodeError
from node.proofs import StateBundle, decided_header, decode_bundle, proven_records
from node.render import NotThisForm
from zk.codec import Codec, encode

R = TypeVar("R", bound=msgspec.Struct)

HORIZON = 192
"""Intervals ahead of which an order is believed."""
MAX_HELD = HORIZON + 1
"""Orders that are kept: of all intervals that one is believed of, however long the windows are in which they come."""
MAX_REFUSED = 16
"""Refusals that are remembered, the newest."""


class DeviceRefusal(NodeError):
    """An order that the device does not follow: `device.*`."""


class Held(Record, frozen=True):
    """An order that was accepted."""

    interval: Interval
    give_wh: Energy
    take_wh: Energy
    height: Height
    """Of the state that it was proven in."""


class Said(Record, frozen=True):
    """An order that was refused, and why."""

    interval: Interval
    code: str


class DevicePage(Record, frozen=True):
    """All that the device remembers."""

    chain_id: str
    meter: Id
    height: Height = 0
    """Newest state that it was shown."""
    registered: Meter | None = None
    terms: Terms | None = None
    """The newest of the ledger; None: its meter is bound by its rating and the plate alone."""
    held: Annotated[tuple[Held, ...], Meta(max_length=MAX_HELD)] = ()
    """Ascending by interval."""
    interval: Interval = 0
    """The last that it acted in; nothing is accepted for it or before any more."""
    give_wh: Energy = 0
    take_wh: Energy = 0
    """In that interval."""
    refused: Annotated[tuple[Said, ...], Meta(max_length=MAX_REFUSED)] = ()


CODEC: Codec[DevicePage] = Codec(DevicePage, 64 * 1_024)
WORDING = Wording(
    "device.corrupt",
    "an order that was followed before could then be followed again",
    "device.foreign",
    "Give each device a file of its own.",
)


class Decided(NamedTuple):
    """What the device does in an interval."""

    interval: int
    move: Move
    code: str
    """`ok`, or why it is in its safe state."""


class Device:
    """One device and what it remembers."""

    def __init__(self, plate: AssetEnvelope, genesis: Genesis, path: Path, disk: Disk) -> None:
        """Open or create what it remembers. Raises NodeError `device.corrupt`, `device.foreign`, `disk.*`."""
        self.plate = plate
        self._genesis = genesis
        self._interval_ms = genesis.params.interval_ms
        self._path = path
        self._disk = disk
        self.page = read_page(path, disk, CODEC, DevicePage(genesis.chain_id(), plate.meter), _owned, WORDING)

    # Orders

    def hear(self, raw: bytes, now_ms: int) -> Held:
        """Take a proof bundle with an order (`gridpact proof fetch order`) at ledger time `now_ms`.

        Raises `DeviceRefusal`: `device.unproven`, `device.stale`, `device.other`, `device.no-order`, `device.late`,
        `device.early`, `device.replayed`, `device.revoked`, `device.time`, `device.power`, `device.floor`. A ramp
        counts from what the device does then, so `device.ramp` comes from `act`.
        """
        header, records = self._proven(raw)
        height = header.height - 1
        meter = _record(METERS, records.get(METERS.key(self.plate.meter)))
        if meter is None or ENVELOPES.key(self.plate.meter) not in records:
            raise DeviceRefusal("device.other", f"The proof is not about {self.plate.meter}.", "Fetch the right order.")
        if height < self.page.height:
            raise DeviceRefusal(
                "device.stale",
                f"It is of block {height}, and the device has seen {self.page.height}.",
                "Fetch the order from a node that is up to date.",
            )
        asset = _record(ENVELOPES, records[ENVELOPES.key(meter.id)])
        terms = None if asset is None else asset.terms[-1]
        # Whatever becomes of the order: this is how things stand.
        self._write(msgspec.structs.replace(self.page, height=height, registered=meter, terms=terms))
        orders = [
            ORDERS.decode_entry(value)
            for key, value in records.items()
            if value is not None and key.startswith(ORDERS.prefix)
        ]
        order = next((one for one in orders if one.member == meter.member), None)
        if order is None:
            raise DeviceRefusal("device.no-order", f"The proof has no order of {meter.member}.", "Fetch one.")
        try:
            return self._accept(Held(order.interval, *ordered(order, meter), height), now_ms)
        except DeviceRefusal as refusal:
            said = (*self.page.refused, Said(order.interval, refusal.code))[-MAX_REFUSED:]
            self._write(msgspec.structs.replace(self.page, refused=said))
            raise

    def _proven(self, raw: bytes) -> tuple[Header, dict[bytes, bytes | None]]:
        try:
            bundle = decode_bundle(raw)
            if not isinstance(bundle, StateBundle):
                raise DeviceRefusal("device.unproven", "It is no proof of state.", "Fetch an order.")
            header = decided_header(bundle, self._genesis)
            records = proven_records(bundle, header)
        except DeviceRefusal:
            raise
        except (NodeError, NotThisForm, ValueError) as error:
            # A string of hex digits that is none raises the last one.
            raise DeviceRefusal("device.unproven", f"It proves nothing: {error}", "Fetch the order anew.") from None
        found = _record(RULES, records.get(RULES_IN_FORCE))
        if found is None or found.params.interval_ms != self._interval_ms:
            raise DeviceRefusal("device.unproven", "The rules in force are not in it.", "Fetch an order.")
        return header, records

    def _accept(self, held: Held, now_ms: int) -> Held:
        now, page = now_ms // self._interval_ms, self.page
        known = {one.interval: one for one in page.held}
        if held.interval <= page.interval:
            raise DeviceRefusal(
                "device.replayed", f"The device has acted in interval {page.interval}.", "Send orders ahead, once."
            )
        if held.interval < now:
            raise DeviceRefusal("device.late", f"Interval {held.interval} is over.", "Send orders ahead.")
        if held.interval > now + HORIZON:
            raise DeviceRefusal("device.early", f"Interval {held.interval} is too far ahead.", "Check the clock.")
        before = known.get(held.interval)
        if before is not None and (before.give_wh, before.take_wh) != (held.give_wh, held.take_wh):
            raise DeviceRefusal(
                "device.replayed", f"Interval {held.interval} was ordered otherwise before.", "An order never changes."
            )
        limits = self.limits(held.interval)
        if (held.give_wh > limits.give_wh or held.take_wh > limits.take_wh) and limits.code:
            raise DeviceRefusal(
                barred(limits), f"It is in its safe state ({limits.code}).", "See `gridpact query envelope`."
            )
        if held.give_wh > limits.give_wh or held.take_wh > limits.take_wh:
            raise DeviceRefusal(
                "device.power",
                f"{held.give_wh} Wh out and {held.take_wh} Wh in are ordered, {limits.give_wh} and {limits.take_wh} "
                "are allowed.",
                "No order exceeds the envelope, however many signed it.",
            )
        if held.take_wh < limits.floor_wh:
            raise DeviceRefusal(
                "device.floor",
                f"{held.take_wh} Wh are less than the critical load of {limits.floor_wh} Wh.",
                "Shed what is not critical.",
            )
        kept = tuple(sorted({**known, held.interval: held}.values(), key=lambda one: one.interval))
        self._write(msgspec.structs.replace(page, held=kept[-MAX_HELD:]))
        return held

    # Acting

    def act(self, now_ms: int) -> Decided:
        """What the device does in the interval of `now_ms`: its order as far as the envelope still allows it, or its
        safe state.
        """
        interval = now_ms // self._interval_ms
        limits = self.limits(interval)
        held = self.held(interval)
        if held is None:
            code, move = barred(limits) or "device.no-order", self.safe()
        else:
            move = Move(held.give_wh, held.take_wh)
            code = self._beyond(move, limits, interval)
            if code:
                move = self.safe()
        self.acted(interval, move)
        return Decided(interval, move, code or "ok")

    def held(self, interval: int) -> Held | None:
        """The order that it accepted for an interval and has not acted on."""
        return next((one for one in self.page.held if one.interval == interval), None)

    def _beyond(self, move: Move, limits: Limits, interval: int) -> str:
        """Why a move that was accepted is none any more: terms may have changed since, and ramps count from now."""
        if move.give_wh > limits.give_wh or move.take_wh > limits.take_wh:
            return barred(limits) or "device.power"
        last_wh = self.last(interval).give_wh - self.last(interval).take_wh
        if limits.ramp_wh is not None and abs(move.give_wh - move.take_wh - last_wh) > limits.ramp_wh:
            return "device.ramp"
        return ""

    def acted(self, interval: int, move: Move) -> None:
        """Remember what was done in an interval, also in an island."""
        if interval >= self.page.interval:
            left = tuple(one for one in self.page.held if one.interval > interval)
            page = msgspec.structs.replace(
                self.page, interval=interval, give_wh=move.give_wh, take_wh=move.take_wh, held=left
            )
            self._write(page)

    def last(self, interval: int) -> Move:
        """What it did in the interval before; nothing where it did not act then."""
        page = self.page
        return Move(page.give_wh, page.take_wh) if page.interval == interval - 1 else Move()

    def limits(self, interval: int) -> Limits:
        """What the newest terms and the plate both allow in an interval; nothing before any terms were shown."""
        meter = self.page.registered
        if meter is None:
            return NOTHING
        ledger = at(self._interval_ms, meter, self.page.terms, interval)
        plate = at(self._interval_ms, meter, Terms(0, self.plate, revoked=False, height=0), interval)
        ramps = [one for one in (ledger.ramp_wh, plate.ramp_wh) if one is not None]
        return Limits(
            min(ledger.give_wh, plate.give_wh),
            min(ledger.take_wh, plate.take_wh),
            min(ramps, default=None),
            max(ledger.floor_wh, plate.floor_wh),
            ledger.code or plate.code,
        )

    def safe(self) -> Move:
        """The safe state: what ledger and plate both allow, and never less than the plate's critical load."""
        plate, terms = self.plate, self.page.terms
        envelope = plate if terms is None else terms.envelope or AssetEnvelope(plate.meter, 0, 0)
        give_w = min(envelope.safe_give_w, plate.safe_give_w)
        take_w = max(min(envelope.safe_take_w, plate.safe_take_w), plate.floor_w)
        return Move(give_w * self._interval_ms // WH_MS, take_w * self._interval_ms // WH_MS)

    def _write(self, page: DevicePage) -> None:
        if page != self.page:
            self._disk.replace(self._path, encode(page))
            self.page = page


def barred(limits: Limits) -> str:
    """Why a device is in its safe state whatever is ordered, as a code of its own; empty: it is not."""
    return limits.code.replace("envelope.", "device.")


def ordered(order: Order, meter: Meter) -> Move:
    """What an order tells the equipment behind one meter of its member to do."""
    give_wh = next((one.energy_wh for one in order.meters if one.meter == meter.id), 0)
    if meter.kind == "load":
        return Move(0, order.served_wh)
    stored = next((one for one in order.storages if one.meter == meter.id), None)
    if meter.kind == "storage":
        return Move(give_wh, order.served_wh) if stored is None else Move(stored.discharge_wh, stored.charge_wh)
    return Move(give_wh, 0)


def _record(table: Table[R], value: bytes | None) -> R | None:
    return None if value is None else table.decode(value)


def _owned(page: DevicePage) -> Owned:
    return Owned(page.meter, page.chain_id)
