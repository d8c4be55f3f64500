"""The agents at the devices of one site, in one process that has no network: orders come in as files, moves go out.

Each interval it is told what the equipment senses, decides one move per device, and signs what the meters showed into
their outboxes. On the grid a move follows the order that its device accepted; in an island the devices share what there
is (`node.agents.island`), each within the last envelope that was proven to it. What was done is settled once, when
somebody with a network sends the outboxes on (`node.agents.gateway`). Waits for nobody.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from contracts.units import Energy, Id, Interval, Meta, Time
from node.agents.device import Decided, Device, DeviceRefusal, barred
from node.agents.gateway import MeterGateway
from node.agents.island import Asset, Move, balance

MAX_ORDER_BYTES = 16 * 1024 * 1024
MAX_ORDERS = 1_024
"""Files with orders that are looked at in one step."""
ORDER_SUFFIX = ".json"


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of what goes in or out."""


class Shown(Message, frozen=True):
    """What a meter's registers showed at the end of an interval."""

    interval: Interval
    import_wh: Energy
    export_wh: Energy


class AssetSensed(Message, frozen=True):
    """What equipment could do in the interval that begins, in Wh."""

    wants_wh: Energy = 0
    tier: Annotated[int, Meta(ge=0, le=7)] = 0
    can_wh: Energy = 0
    room_wh: Energy = 0
    shown: Shown | None = None


class Sensed(Message, frozen=True):
    """What the site's equipment senses as an interval begins."""

    at_ms: Time
    """Ledger time, by the site's own clock."""
    island: bool = False
    """The breaker to the public grid is open."""
    assets: dict[Id, AssetSensed] = {}


class AssetMove(Message, frozen=True):
    """What one device does, and why it is in its safe state where it is."""

    give_wh: Energy
    take_wh: Energy
    code: str


class Acted(Message, frozen=True):
    """What the site does in one interval."""

    interval: Interval
    island: bool
    moves: dict[Id, AssetMove]
    refused: dict[str, str]
    """Orders that came since the step before and were not accepted, by file: code and sentence."""
    signed: int
    """Readings."""


class Site:
    """All devices of one site, and the gateways of their meters."""

    def __init__(
        self,
        devices: Sequence[Device],
        orders: Path,
        interval_ms: int,
        loss_ppm: int = 0,
        gateways: Mapping[str, MeterGateway] | None = None,
    ) -> None:
        """`orders` is the directory into which whoever has a network puts proofs of orders, named METER.*.json."""
        self._devices = {one.plate.meter: one for one in devices}
        self._orders = orders
        self._interval_ms = interval_ms
        self._loss_ppm = loss_ppm
        self._gateways = dict(gateways or {})

    def step(self, sensed: Sensed) -> Acted:
        """One interval. Raises NodeError `gateway.full`, `disk.*`."""
        interval = sensed.at_ms // self._interval_ms
        signed = self._sign(sensed)
        refused = self._hear(sensed.at_ms)
        decided = self._island(interval, sensed) if sensed.island else self._ordered(sensed.at_ms)
        moves = {meter: AssetMove(*one.move, one.code) for meter, one in sorted(decided.items())}
        return Acted(interval, sensed.island, moves, refused, signed)

    def _sign(self, sensed: Sensed) -> int:
        signed = 0
        for meter, one in sensed.assets.items():
            if one.shown is not None and meter in self._gateways:
                shown = one.shown
                self._gateways[meter].record(shown.interval, shown.import_wh, shown.export_wh)
                signed += 1
        return signed

    def _hear(self, now_ms: int) -> dict[str, str]:
        """Give every file to the device that it is named after, once."""
        refused: dict[str, str] = {}
        for file in sorted(self._orders.glob(f"*{ORDER_SUFFIX}"))[:MAX_ORDERS]:
            device = self._devices.get(file.name.partition(".")[0])
            try:
                if device is None:
                    raise DeviceRefusal("device.other", "No device here has that name.", "Name files METER.*.json.")
                if not file.is_file() or file.stat().st_size > MAX_ORDER_BYTES:
                    raise DeviceRefusal(
                        "device.unproven", "It is no file, or larger than any proof.", "Fetch the order."
                    )
                device.hear(file.read_bytes(), now_ms)
            except DeviceRefusal as refusal:
                refused[file.name] = f"{refusal.code}: {refusal.message}"
            except OSError as error:
                # Whoever may write here must not be able to stop the agent.
                refused[file.name] = f"device.unproven: It can't be read: {error.strerror}."
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
        return refused

    def _ordered(self, now_ms: int) -> dict[str, Decided]:
        return {meter: device.act(now_ms) for meter, device in self._devices.items()}

    def _island(self, interval: int, sensed: Sensed) -> dict[str, Decided]:
        assets = []
        for meter, device in self._devices.items():
            seen, registered = sensed.assets.get(meter, AssetSensed()), device.page.registered
            kind = "" if registered is None else registered.kind
            limits, last, held = device.limits(interval), device.last(interval), device.held(interval)
            ordered_wh = 0 if held is None else held.give_wh
            assets.append(
                Asset(meter, kind, limits, seen.wants_wh, seen.tier, seen.can_wh, seen.room_wh, last, ordered_wh)
            )
        moves = balance(assets, self._loss_ppm)
        decided: dict[str, Decided] = {}
        for one in assets:
            move = moves.get(one.meter, Move())
            self._devices[one.meter].acted(interval, move)
            decided[one.meter] = Decided(interval, move, barred(one.limits) or "ok")
        return decided
