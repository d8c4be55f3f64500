"""What each member's agent says to the ledger about its own equipment, and nothing else.

One class per trade, one object per member, looking only at its own meters: consumers ask, suppliers and
batteries offer, the utility writes tariffs. They speak before the gate; what then flows is the world's
business (`devnet.world`). Never signs or sends anything: that is the conductor's, with the member's own
wallet.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import groupby

from contracts.bodies import MAX_SPAN, AccountBody, Need, Offer, OfferBlock, StorageOffer, Tariff
from contracts.units import PPM
from devnet.scenario import Scenario
from devnet.spec import MeterSpec, TariffHours, Utility
from devnet.world import HOUR_MS, World

TARIFF_AHEAD = 32
"""The utility keeps its prices written at least so many intervals ahead, and writes as many again."""


class Agent(ABC):
    """A member's agent. `market` is asked once per interval, before offers for it lock."""

    def __init__(self, member: str, meters: Sequence[MeterSpec], world: World) -> None:
        self.member = member
        self._meters = meters
        self._world = world

    @abstractmethod
    async def look(self, intervals: Sequence[int]) -> None:
        """Learn what has to be asked for, before `market` is asked about each of `intervals`."""

    @abstractmethod
    def market(self, interval: int) -> list[AccountBody]:
        """What to say about `interval`."""


class Trade(Agent):
    """Knows from its equipment all that it needs."""

    async def look(self, intervals: Sequence[int]) -> None:
        """Nothing has to be asked for."""


class Consumer(Trade):
    """Campus and tenants: ask for what they expect to need, whatever it costs."""

    def market(self, interval: int) -> list[AccountBody]:
        """One need per load."""
        wanted = (self._world.forecast_wh(meter.id, interval) for meter in self._meters)
        return [Need(interval, 1, energy_wh, None, 0) for energy_wh in wanted if energy_wh > 0]


class Supplier(Trade):
    """Offers its forecast in blocks: shares of what it expects, each at its price."""

    def market(self, interval: int) -> list[AccountBody]:
        """One offer per source; an empty one would say what silence says."""
        bodies: list[AccountBody] = []
        for meter in self._meters:
            expected_wh = self._world.forecast_wh(meter.id, interval)
            shares = ((part.price_nano_per_wh, expected_wh * part.share_ppm // PPM) for part in meter.blocks)
            blocks = tuple(OfferBlock(price, energy_wh) for price, energy_wh in shares if energy_wh > 0)
            if blocks:
                bodies.append(Offer(meter.id, interval, blocks))
        return bodies


class StorageKeeper(Trade):
    """Buys when energy is cheap, sells when it is dear, never promises what the battery could not do; or lets the
    dispatch decide."""

    def market(self, interval: int) -> list[AccountBody]:
        """A bid for the room it has and an offer of the charge it holds; its prices keep them apart."""
        bodies: list[AccountBody] = []
        for meter in self._meters:
            store = meter.store
            assert store is not None, "a storage meter has a store"
            if store.offers_itself:
                limit_wh, end_value = self._world.limit_wh(meter.id), store.end_value_nano_per_wh
                bodies.append(StorageOffer(meter.id, interval, 1, limit_wh, limit_wh, end_value, 0, 0))
                continue
            if (room_wh := self._world.chargeable_wh(meter.id)) > 0:
                bodies.append(Need(interval, 1, room_wh, store.buy_below_nano_per_wh, 0))
            if (held_wh := self._world.dischargeable_wh(meter.id)) > 0:
                bodies.append(Offer(meter.id, interval, (OfferBlock(store.sell_above_nano_per_wh, held_wh),)))
        return bodies


class UtilityDesk(Trade):
    """Writes time-of-use tariffs ahead. The prices are the scenario's and synthetic."""

    def __init__(
        self, member: str, meters: Sequence[MeterSpec], world: World, utility: Utility, interval_ms: int
    ) -> None:
        super().__init__(member, meters, world)
        self._utility = utility
        self._interval_ms = interval_ms
        self._written_until = 0

    def market(self, interval: int) -> list[AccountBody]:
        """Tariffs for the next stretch, once the last one is running out."""
        first = max(self._written_until, interval)
        if first >= interval + TARIFF_AHEAD:
            return []
        last = interval + 2 * TARIFF_AHEAD
        self._written_until = last
        bodies: list[AccountBody] = []
        for row, group in groupby(range(first, last), key=self._row):
            run = list(group)
            for start in range(0, len(run), MAX_SPAN):
                part = run[start : start + MAX_SPAN]
                bodies.append(
                    Tariff(
                        interval=part[0],
                        count=len(part),
                        import_nano_per_wh=row.import_nano_per_wh,
                        export_nano_per_wh=row.export_nano_per_wh,
                        import_limit_wh=self._utility.import_limit_wh,
                        export_limit_wh=self._utility.export_limit_wh,
                        factor_ug_per_wh=self._utility.factor_ug_per_wh,
                    )
                )
        return bodies

    def _row(self, interval: int) -> TariffHours:
        """The row of the hour in which `interval` starts; yesterday's last one before the first."""
        hour = interval * self._interval_ms // HOUR_MS % 24
        rows = sorted(self._utility.tariff, key=lambda row: row.from_hour)
        return next((row for row in reversed(rows) if row.from_hour <= hour), rows[-1])


def hire(scenario: Scenario, world: World, ruled: Sequence[Agent] = ()) -> list[Agent]:
    """One agent per member and trade, in the order of the scenario; `ruled` act for members with a rulebook."""
    agents: list[Agent] = list(ruled)
    taken = {agent.member for agent in ruled}
    for member in scenario.members:
        own = [meter for meter in scenario.meters if meter.member == member.id]
        for kind, trade in (("load", Consumer), ("source", Supplier), ("storage", StorageKeeper)):
            meters = [meter for meter in own if meter.kind == kind]
            if meters and member.id not in taken:
                agents.append(trade(member.id, meters, world))
        if scenario.utility is not None and "utility" in member.roles:
            agents.append(UtilityDesk(member.id, own, world, scenario.utility, scenario.params.interval_ms))
    return agents
