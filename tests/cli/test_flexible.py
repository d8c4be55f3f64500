"""What can be moved in time, by hand: what is said is what stands, and each mistake has its code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.bodies import Need
from contracts.members import Asset
from tests.cli.conftest import Devnet
from tests.rpc import chain as served
from tests.rpc.chain import INTERVAL, PARAMS
from tests.support.pact import meter

NEXT = INTERVAL + 2
STORE = "store-1"
HELD = Asset(efficiency_n=9, efficiency_d=10, charge_wh=4_000)


@pytest.fixture
def devnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Devnet]:
    """A chain with a battery."""
    battery = msgspec.structs.replace(meter(STORE, "wind", "storage"), capacity_wh=10_000, asset=HELD)
    meters = tuple(sorted((*served.METERS, battery), key=lambda one: one.id))
    original = served.Chain.__init__

    def with_battery(self: Any, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **({"meters": meters} | options))

    monkeypatch.setattr(served.Chain, "__init__", with_battery)
    made = Devnet(tmp_path / "devnet")
    yield made
    made.stop()


def test_what_is_said_is_what_stands(devnet: Devnet) -> None:
    at = ("--from", str(NEXT))
    said = devnet.document(
        "tx", "storage", "--as", "wind", "--meter", STORE, "--charge", "500", "--discharge", "400", "--end-value",
        "-5", "--reserve", "100", "--price", "7", *at, "--count", "2",
    )  # fmt: skip
    assert (said["code"], said["meter"], said["interval"], said["count"]) == ("ok", STORE, NEXT, 2)
    done = devnet.document("tx", "reserve", "--as", "solar", "--meter", "solar-1", "--wh", "9", "--price", "3", *at)
    assert done["code"] == "ok"
    devnet.document("tx", "require", "--as", "campus", "--reserve", "50", "--carbon", "77", *at)
    shown = devnet.document("query", "flexible", str(NEXT), "--prove")["data"]
    (store,), (source,), (required,) = shown["storages"], shown["reserves"], shown["requirements"]
    assert (store["charge_wh"], store["discharge_wh"], store["end_value_nano_per_wh"]) == (500, 400, -5)
    assert (store["reserve_wh"], store["reserve_nano_per_wh"]) == (100, 7)
    assert (source["meter"], source["reserve_wh"], source["reserve_nano_per_wh"]) == ("solar-1", 9, 3)
    assert (required["member"], required["reserve_wh"], required["carbon_cap_ug"]) == ("campus", 50, "77")
    assert "campus requires 50 Wh" in devnet.run("query", "flexible", str(NEXT)).output
    held = devnet.document("query", "storage", STORE, "--prove")["data"]
    assert (held["charge_wh"], held["soc"], held["reported_wh"]) == (4_000, 4_000 * 90, None)
    assert "holds 4,000 Wh" in devnet.run("query", "storage", STORE).output


def test_a_load_from_wanting_to_the_case_that_it_is_in(devnet: Devnet) -> None:
    want = ("tx", "load", "car", "--as", "campus", "--wh", "900", "--most", "400", "--value", "200000", "--within", "3")
    said = devnet.document(*want, "--from", str(NEXT))
    assert (said["id"], said["interval"], said["until"], said["energy_wh"]) == ("car", NEXT, NEXT + 3, 900)
    assert [one["id"] for one in devnet.document("query", "loads", "--prove")["data"]["loads"]] == ["car"]
    assert "car" in devnet.run("query", "loads").output
    devnet.call(devnet.chain.produce(NEXT * PARAMS.interval_ms - PARAMS.gate_lead_ms))
    devnet.call(devnet.chain.produce())
    found = devnet.document("query", "case", str(NEXT), "--prove")["data"]
    assert (found["interval"], found["count"], found["case"]["loads"][0]["id"]) == (NEXT, 1, "car")
    assert "1 to order" in devnet.run("query", "case", str(NEXT)).output
    assert devnet.document("tx", "withdraw-load", "car", "--as", "campus")["code"] == "ok"
    assert devnet.document("query", "load", "car", "--prove")["data"]["withdrawn"]
    assert "Withdrawn" in devnet.run("query", "load", "car").output
    assert devnet.document("query", "loads")["data"]["loads"] == []


def test_what_the_commands_refuse(devnet: Devnet) -> None:
    def code(*arguments: str) -> str:
        answer = devnet.document(*arguments, exit_code=1)
        assert answer["message"] and answer["hint"]
        return str(answer["code"])

    at, car = ("--from", str(NEXT)), ("--wh", "900", "--most", "400", "--within", "3", "--value", "5")
    storage = ("tx", "storage", "--meter", STORE, "--charge", "1", "--discharge", "1", *at)
    assert code(*storage, "--as", "solar") == "storage.meter"
    assert code(*storage, "--as", "wind", "--reserve", "2") == "storage.rating"
    assert code(*storage, "--as", "wind", "--end-value", str(2**28)) == "cli.value"
    assert code("tx", "load", "Car", "--as", "campus", *car, *at) == "cli.name"
    assert code("tx", "load", "car", "--as", "campus", *car[:-1], str(2**27), *at) == "load.price"
    assert code("tx", "load", "car", "--as", "campus", *car, "--from", str(INTERVAL)) == "load.late"
    assert code("tx", "withdraw-load", "bus", "--as", "campus") == "load.unknown"
    assert code("tx", "reserve", "--as", "wind", "--meter", STORE, "--wh", "1", *at) == "reserve.kind"
    assert code("tx", "require", "--as", "solar", "--reserve", "1", *at) == "require.role"
    assert code("query", "storage", "solar-1") == "rpc.unknown-storage"
    assert code("query", "load", "bus") == "rpc.unknown-load"
    assert code("query", "case", str(NEXT)) == "rpc.unknown-case"


def test_what_a_storage_is_ordered_to_do_is_proven_and_explained(devnet: Devnet) -> None:
    at = ("--from", str(NEXT))
    devnet.document("tx", "storage", "--as", "wind", "--meter", STORE, "--charge", "500", "--discharge", "900",
                    "--end-value", "0", *at)  # fmt: skip
    speaker = devnet.chain.speaker
    devnet.call(devnet.chain.submit([speaker.member("campus", Need(NEXT, 1, 700, None, 1))]))
    devnet.call(devnet.chain.produce(NEXT * PARAMS.interval_ms - PARAMS.gate_lead_ms))
    devnet.call(devnet.chain.produce())
    ordered = devnet.document("query", "dispatch", str(NEXT), "--prove")["data"]
    orders = {one["member"]: one for one in ordered["orders"]}
    (store,) = orders["wind"]["storages"]
    assert (store["meter"], store["charge_wh"], store["discharge_wh"]) == (STORE, 0, 700)
    assert store["soc"] == 4_000 * 90 - 100 * 700
    assert (orders["campus"]["served_wh"], ordered["served_wh"], ordered["supplied_wh"]) == (700, 700, 700)
    lines = devnet.document("query", "interval", str(NEXT), "--explain", "--as", "campus")["data"]["lines"]
    assert lines[0].endswith("all of it is served.")
    assert lines[1].endswith("Moved in time: storages give 700 Wh.")
