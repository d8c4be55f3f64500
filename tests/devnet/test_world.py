"""The physical world: energy is conserved to the Wh, whatever is ordered, wanted and rated."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.units import PPM
from devnet import scenario
from devnet.profiles import load as load_profiles
from devnet.scenario import Scenario
from devnet.spec import LineSpec, MeterSpec, Store
from devnet.world import Flow, Order, World

BASE = scenario.load("smoke")
FLAT = SimpleNamespace(load={}, pv_ppm=(PPM,) * 672, wind_ppm=(PPM // 2,) * 672)

ratings = st.integers(1, 5_000_000)


@st.composite
def sites(draw: st.DrawFn) -> Scenario:
    """A site with any ratings, with or without a tie."""
    meters = []
    for kind, most in (("load", 6), ("source", 4), ("storage", 2), ("tie", 1)):
        for number in range(draw(st.integers(0, most))):
            rating_w = draw(ratings)
            store = None
            if kind == "storage":
                store = Store(
                    capacity_wh=draw(st.integers(1, 10**7)),
                    charge_ppm=draw(st.integers(0, PPM)),
                    charge_efficiency_ppm=draw(st.integers(1, PPM)),
                    discharge_efficiency_ppm=draw(st.integers(1, PPM)),
                )
            meters.append(
                MeterSpec(
                    id=f"{kind}-{number}",
                    member="solar",
                    kind=kind,  # type: ignore[arg-type]  # a literal by construction
                    rating_w=rating_w,
                    forecast_error_ppm=draw(st.integers(0, 200_000)),
                    store=store,
                )
            )
    return msgspec.structs.replace(BASE, meters=tuple(meters), line_loss_ppm=draw(st.integers(0, 300_000)))


orders = st.lists(st.builds(Order, st.integers(0, 2 * 10**6), st.integers(0, 2 * 10**6)), min_size=13, max_size=13)


@settings(max_examples=150)
@given(sites(), st.lists(orders, min_size=1, max_size=4), st.integers(0, 2**32), st.booleans())
def test_energy_is_conserved(site: Scenario, ordered: list[list[Order]], seed: int, opened: bool) -> None:
    world = World(site, FLAT, seed)
    for step, row in enumerate(ordered):
        world.open = frozenset(["tie-0"]) if opened and step % 2 == 0 else frozenset()
        stored = {meter.id: world.charge_wh(meter.id) for meter in site.meters if meter.store is not None}
        before = dict(world.registers)
        outcome = world.deliver(step, dict(zip(world.meters, row, strict=False)))
        assert outcome.injected_wh == outcome.withdrawn_wh + outcome.losses_wh
        assert outcome.injected_wh == sum(flow.export_wh for flow in outcome.flows.values())
        assert outcome.withdrawn_wh == sum(flow.import_wh for flow in outcome.flows.values())
        assert outcome.losses_wh >= 0
        assert outcome.unserved_wh >= 0
        for meter, flow in outcome.flows.items():
            assert 0 <= flow.import_wh <= world.limit_wh(meter)
            assert 0 <= flow.export_wh <= world.limit_wh(meter)
            assert flow.import_wh == 0 or flow.export_wh == 0
            old = before[meter]
            assert world.registers[meter] == Flow(old.import_wh + flow.import_wh, old.export_wh + flow.export_wh)
        for meter, held_wh in stored.items():
            store = world.meters[meter].store
            assert store is not None
            assert 0 <= world.charge_wh(meter) <= store.capacity_wh
            flow = outcome.flows[meter]
            # Never more out than was in, never more kept than came in.
            assert world.charge_wh(meter) <= held_wh + 1 + flow.import_wh - flow.export_wh


def test_the_tie_carries_what_is_missing_and_what_is_left_over() -> None:
    campus = scenario.load("campus")
    world = World(campus, load_profiles("summer"))
    interval = campus.first_interval
    idle = world.deliver(interval, {})
    assert idle.flows["utility-tie"].export_wh == idle.injected_wh > 0
    assert idle.unserved_wh == 0
    everything = {meter: Order(supply_wh=10**9) for meter in world.meters}
    noon = interval - interval % 96 + 44
    rich = world.deliver(noon, everything)
    assert rich.flows["utility-tie"].import_wh > 0


def test_a_source_without_an_order_stays_in_its_null_state() -> None:
    campus = scenario.load("campus")
    outcome = World(campus, load_profiles("summer")).deliver(campus.first_interval, {})
    assert outcome.flows["geothermal-well"] == Flow(0, 0)


def test_an_island_serves_its_critical_tiers_from_what_it_has_and_its_tie_carries_nothing() -> None:
    loads = [MeterSpec(f"load-{tier}", "solar", "load", 4_000, tier=tier) for tier in (2, 0, 1)]
    battery = MeterSpec("cells", "solar", "storage", 1_200, store=Store(10_000, PPM, PPM, PPM))
    given = (MeterSpec("sun", "solar", "source", 4_800), battery, MeterSpec("tie", "solar", "tie", 40_000))
    world = World(msgspec.structs.replace(BASE, meters=(*loads, *given), line_loss_ppm=0), FLAT)
    world.open = frozenset(["tie"])
    outcome = world.deliver(0, {"cells": Order(charge_wh=300)})
    assert outcome.flows == {
        "load-2": Flow(0, 0),
        "load-0": Flow(1_000, 0),
        "load-1": Flow(500, 0),
        "sun": Flow(0, 1_200),
        "cells": Flow(0, 300),
        "tie": Flow(0, 0),
    }
    assert (outcome.unserved_wh, outcome.losses_wh, world.charge_wh("cells")) == (1_500, 0, 9_700)
    world.meters["load-0"] = msgspec.structs.replace(world.meters["load-0"], rating_w=400)
    world.meters["load-1"] = msgspec.structs.replace(world.meters["load-1"], rating_w=400)
    world.meters["load-2"] = msgspec.structs.replace(world.meters["load-2"], rating_w=400)
    takes = [world.deliver(at, orders).flows["cells"] for at, orders in ((1, {}), (2, {"cells": Order(charge_wh=40)}))]
    assert takes == [Flow(0, 0), Flow(40, 0)], "what is over is curtailed unless somebody bought it"
    world.open = frozenset()
    assert world.deliver(3, {}).unserved_wh == 0


def test_what_is_not_fed_is_counted() -> None:
    lonely = msgspec.structs.replace(
        BASE,
        meters=(MeterSpec("load-0", "solar", "load", 4_000), MeterSpec("source-0", "solar", "source", 4_000)),
    )
    outcome = World(lonely, FLAT).deliver(0, {"source-0": Order(supply_wh=600)})
    assert outcome.flows == {"load-0": Flow(600, 0), "source-0": Flow(0, 600)}
    assert outcome.unserved_wh == 400


@pytest.mark.parametrize("season", ["summer", "winter"])
def test_forecasts_are_close_and_reproducible(season: str) -> None:
    campus = scenario.load("campus")
    shapes = load_profiles(season)
    one, same, other = World(campus, shapes, 1), World(campus, shapes, 1), World(campus, shapes, 2)
    differs = False
    for meter, spec in one.meters.items():
        for interval in range(campus.first_interval, campus.first_interval + 96):
            forecast, actual = one.forecast_wh(meter, interval), one.actual_wh(meter, interval)
            assert abs(actual - forecast) <= forecast * spec.forecast_error_ppm // PPM + 1
            assert actual == same.actual_wh(meter, interval)
            differs |= actual != other.actual_wh(meter, interval)
    assert differs


def test_a_week_starts_on_monday() -> None:
    shapes = SimpleNamespace(load={}, pv_ppm=(PPM, *(0,) * 671), wind_ppm=(0,) * 672)
    site = msgspec.structs.replace(BASE, meters=(MeterSpec("s", "solar", "source", 4_000, profile="pv"),))
    monday = 1_751_846_400 // 900  # 2025-07-07T00:00:00Z, a Monday
    world = World(site, shapes)
    assert [world.forecast_wh("s", monday + slot) for slot in (-1, 0, 1)] == [0, 1_000, 0]


def test_a_source_that_sags_gives_less_than_it_is_taken_to_be_able_to() -> None:
    meters = (MeterSpec("plant", "solar", "source", 4_000), MeterSpec("rack", "wind", "load", 4_000))
    world = World(msgspec.structs.replace(BASE, meters=meters, line_loss_ppm=0, lines=()), FLAT)
    able_wh = world.forecast_wh("plant", 0)
    world.gives_ppm = {"plant": 250_000}
    assert world.forecast_wh("plant", 0) == able_wh and world.limit_wh("plant") == able_wh
    assert world.deliver(0, {"plant": Order(able_wh)}).flows["plant"] == Flow(0, able_wh // 4)


@settings(max_examples=60)
@given(ratings, st.integers(0, 300_000), st.integers(0, PPM), st.integers(0, 10**6))
def test_a_line_carries_what_its_receiver_takes_and_meters_may_misread_it(
    wanted_w: int, loss_ppm: int, counts_ppm: int, supplied_wh: int
) -> None:
    """Both meters before the receiver pass on what reaches it and what is lost on the way; only registers lie."""
    meters = (
        MeterSpec("feed", "solar", "load", wanted_w, peak_w=0),
        MeterSpec("main", "solar", "load", wanted_w),
        MeterSpec("plant", "solar", "source", 10**7),
        MeterSpec("rack", "wind", "load", wanted_w),
    )
    site = msgspec.structs.replace(BASE, meters=meters, line_loss_ppm=loss_ppm)
    plain = World(site, FLAT).deliver(0, {"plant": Order(supplied_wh)})
    world = World(msgspec.structs.replace(site, lines=(LineSpec("main", "rack", "feed", id="a"),)), FLAT)
    world.counts_ppm = {"rack": counts_ppm}
    seen = world.deliver(0, {"plant": Order(supplied_wh)})
    assert seen._replace(flows=plain.flows) == plain, "a line changes what meters see, not what happens"
    received_wh = seen.flows["rack"].import_wh
    sent_wh = received_wh + received_wh * loss_ppm // PPM
    assert seen.flows["feed"] == Flow(sent_wh, sent_wh)
    assert seen.flows["main"] == Flow(plain.flows["main"].import_wh + sent_wh, sent_wh)
    assert world.registers == {**seen.flows, "rack": Flow(received_wh * counts_ppm // PPM, 0)}
