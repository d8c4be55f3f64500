"""CSV, site time and explanations: exact figures, units everywhere, nothing that a spreadsheet would execute."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from node.cli.form import Form, csv_text, flat, form
from node.errors import NodeError
from tests.cli.conftest import Devnet
from tests.rpc.chain import INTERVAL, PARAMS

NEXT = INTERVAL + 1
LOCK_MS = NEXT * PARAMS.interval_ms - PARAMS.gate_lead_ms
BERLIN = Form(False, True, ZoneInfo("Europe/Berlin"))
PLAIN = Form(False, True, None)


def traded(devnet: Devnet, wanted_wh: int = 5_000) -> None:
    """Solar offers 3,000 Wh at 0.10 and 4,000 Wh at 0.12, campus asks; the interval is ordered."""
    offer = ("--as", "solar", "--meter", "solar-1", "--block", "100000:3000", "--block", "120000:4000")
    devnet.document("tx", "offer", *offer)
    devnet.chain.leap_to_ms = LOCK_MS
    devnet.run("tx", "dispatch", "request", "--as", "campus", "--wh", str(wanted_wh))


def settled(devnet: Devnet) -> None:
    traded(devnet)
    devnet.call(devnet.chain.produce((NEXT + 1) * PARAMS.interval_ms + PARAMS.close_grace_ms))
    devnet.call(devnet.chain.produce())


def table(devnet: Devnet, *command: str) -> list[dict[str, str]]:
    result = devnet.run(*command, "--csv")
    assert result.exit_code == 0, result.output
    raw = result.stdout_bytes.decode()
    assert raw.endswith("\r\n") and raw.count("\n") == raw.count("\r\n"), "RFC 4180 ends lines with CRLF"
    return list(csv.DictReader(io.StringIO(raw, newline="")))


@pytest.mark.parametrize(
    ("command", "columns"),
    [
        (("member", "solar"), {"balance_nano", "trust_free_tokens", "key_public_key", "key_next_nonce"}),
        (("balance", "solar"), {"member", "balance_nano", "as_of_height", "as_of_time_ms", "as_of_time_utc"}),
        (("meter", "campus-1"), {"rating_w", "head_import_wh", "head_sequence"}),
        (("envelope", "solar-1"), {"rating_w", "interval"}),
        (("reading", "campus-1"), {"sequence", "import_wh", "export_wh", "receipt_code"}),
        (("interval", str(NEXT)), {"price_nano_per_wh", "demand_wh", "start_ms", "start_utc", "losses_wh"}),
        (("dispatch", str(NEXT)), {"price_nano_per_wh", "order_member", "order_supplied_wh", "order_pay_as_bid_nano"}),
        (("bill", str(NEXT), "campus"), {"line_kind", "line_energy_wh", "line_price_nano_per_wh", "line_amount_nano"}),
        (("block", "1"), {"height", "time_ms", "time_utc", "transaction"}),
    ],
)
def test_every_query_has_csv_with_units(devnet: Devnet, command: tuple[str, ...], columns: set[str]) -> None:
    devnet.document("tx", "reading", "--meter", "campus-1", "--import-wh", "10", "--export-wh", "0")
    settled(devnet)
    for row in table(devnet, "query", *command):
        assert columns <= row.keys()
        assert all(row[name] for name in columns - {"line_price_nano_per_wh"})


def test_csv_figures_are_the_json_figures(devnet: Devnet) -> None:
    settled(devnet)
    document = devnet.document("query", "bill", str(NEXT), "campus")["data"]
    lines = table(devnet, "query", "bill", str(NEXT), "campus")
    assert [one["line_amount_nano"] for one in lines] == [one["amount_nano"] for one in document["lines"]]
    assert sum(int(one["line_amount_nano"]) for one in lines) == int(document["total_nano"])
    assert {one["total_nano"] for one in lines} == {document["total_nano"]}
    orders = table(devnet, "query", "dispatch", str(NEXT), "--prove")
    assert [one["order_member"] for one in orders] == ["campus", "solar"]


def test_one_answer_has_one_form(devnet: Devnet) -> None:
    assert devnet.document("query", "balance", "solar", "--csv", exit_code=1)["code"] == "cli.format"


def test_cells_survive_quotes_and_are_no_formulas() -> None:
    row: dict[str, Any] = {"name": 'a "b", c\r\nd', "formula": "=cmd()", "at": "@x", "sum_nano": "-5", "id": "-x"}
    text = csv_text([flat(row, PLAIN)])
    (read,) = csv.DictReader(io.StringIO(text, newline=""))
    assert read["name"] == row["name"]
    assert (read["formula"], read["at"], read["sum_nano"]) == ("'=cmd()", "'@x", "-5")


def test_nested_fields_join_and_lists_of_records_are_counted() -> None:
    document = {"a": {"b_wh": 1, "c": [1, 2]}, "many": [{"x": 1}, {"x": 2}], "meters": [], "none": None, "yes": True}
    assert flat(document, PLAIN) == {
        "a_b_wh": "1",
        "a_c": "1;2",
        "many_count": "2",
        "meters_count": "0",
        "none": "",
        "yes": "true",
    }


def test_site_time_stands_beside_utc() -> None:
    morning = 1_754_294_400_000
    assert BERLIN.time(morning) == "2025-08-04 08:00:00 UTC (10:00:00 CEST)"
    assert BERLIN.time(morning + 15 * 3_600_000) == "2025-08-04 23:00:00 UTC (2025-08-05 01:00:00 CEST)"
    assert PLAIN.time(morning) == "2025-08-04 08:00:00 UTC"
    assert PLAIN.span(morning, morning + 900_000) == "2025-08-04 08:00:00 to 08:15:00 UTC"
    quarter = BERLIN.span(morning, morning + 900_000)
    assert quarter == "2025-08-04 08:00:00 to 08:15:00 UTC (10:00:00 to 10:15:00 CEST)"
    assert BERLIN.moments("start_ms", morning) == {
        "start_utc": "2025-08-04T08:00:00Z",
        "start_site": "2025-08-04T10:00:00+02:00",
    }


def test_the_hour_that_comes_twice_has_two_names() -> None:
    """2025-10-26 01:00 UTC is the moment at which Berlin goes from CEST back to CET."""
    turn = 1_761_440_400_000
    shown = BERLIN.span(turn - 900_000, turn)
    assert shown == "2025-10-26 00:45:00 to 01:00:00 UTC (02:45:00 CEST to 02:00:00 CET)"
    assert BERLIN.moments("start_ms", turn - 900_000)["start_site"].endswith("+02:00")
    assert BERLIN.moments("start_ms", turn)["start_site"].endswith("+01:00")


def test_the_zone_comes_from_option_environment_or_devnet(devnet: Devnet, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "CEST" not in devnet.run("query", "interval", str(NEXT)).stdout
    assert "CEST" in devnet.run("query", "interval", str(NEXT), "--tz", "Europe/Berlin").stdout
    document = devnet.root / "devnet.json"
    document.write_text(document.read_text().replace('"format": 1', '"zone": "Europe/Berlin", "format": 1'))
    assert "CEST" in devnet.run("query", "interval", str(NEXT)).stdout
    assert "CEST" not in devnet.run("query", "interval", str(NEXT), "--tz", "UTC").stdout
    monkeypatch.setenv("GRIDPACT_TZ", "America/New_York")
    assert "EDT" in devnet.run("query", "interval", str(NEXT)).stdout
    assert "EDT" in devnet.run("status").stdout
    offered = devnet.run("tx", "offer", "--as", "solar", "--meter", "solar-1", "--block", "100000:3000")
    assert "EDT" in offered.stdout
    monkeypatch.delenv("GRIDPACT_TZ")
    devnet.chain.leap_to_ms = LOCK_MS
    asked = devnet.run("tx", "dispatch", "request", "--as", "campus", "--wh", "10")
    assert asked.stdout.count("CEST") == 2 and f"offers for interval {NEXT} lock at" in asked.output


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "../../etc/passwd", "/etc/passwd", "x" * 5_000])
def test_a_strange_zone_is_refused(zone: str, tmp_path: Path) -> None:
    with pytest.raises(NodeError) as refused:
        form(False, False, zone, tmp_path)
    assert refused.value.code == "cli.tz"


# Explanations


def explained(devnet: Devnet, *options: str) -> list[str]:
    result = devnet.run("query", "interval", str(NEXT), "--explain", *options)
    assert result.exit_code == 0, result.output
    first, *five, last = result.stdout.splitlines()
    assert first.startswith(f"Interval {NEXT}: ") and last.startswith("As of block ")
    assert len(five) == 5
    return five


def test_five_lines_say_why(devnet: Devnet) -> None:
    traded(devnet)
    needed, offered, price, grid, member = explained(devnet, "--as", "campus")
    assert needed == "Needed: 5,000 Wh, asked for by campus 5,000 Wh; all of it is served."
    assert offered == (
        "Offered: 7,000 Wh by 1 supplier; cheaper than the price: solar 3,000 of 3,000 Wh from 0.10; "
        "at the price: solar 2,000 of 4,000 Wh from 0.12."
    )
    assert price.startswith("Price: 0.12 currency/kWh, set by solar's offer from solar-1, 2,000 of 4,000 Wh taken; ")
    assert "read 0.5% of supply (25 Wh) below the top" in price
    assert grid.startswith("Island (the site has no utility): no import and no export")
    assert member.startswith("For campus: asked for 5,000 Wh, is served 5,000 Wh; pays 0.60 currency if everybody")
    assert "delivers 5,000 Wh; gets 0.60 currency" in explained(devnet, "--as", "solar")[4]
    assert "neither asked" in explained(devnet, "--as", "wind")[4]
    assert explained(devnet)[4].startswith("For everybody: who is served pays 0.12")


def test_before_the_lock_there_is_no_price(devnet: Devnet) -> None:
    assert explained(devnet)[0] == "Needed: nobody asked for energy in this interval."
    devnet.document("tx", "offer", "--as", "solar", "--meter", "solar-1", "--block", "100000:3000")
    devnet.document("tx", "dispatch", "request", "--as", "campus", "--wh", "500", "--no-wait")
    needed, offered, price, grid, _ = explained(devnet)
    assert needed.endswith("needs are still taken.")
    assert offered == "Offered: 3,000 Wh by 1 supplier so far: solar 3,000 Wh from 0.10."
    assert price.startswith("Price: none yet; offers lock at ") and "UTC" in price
    assert "when the interval is ordered" in grid


def test_shedding_and_settlement_are_told(devnet: Devnet) -> None:
    traded(devnet, wanted_wh=9_000)
    assert "7,000 Wh are served, 2,000 Wh are shed" in explained(devnet)[0]
    assert "set by shedding, which counts at the offer cap: 2,000 of 9,000 Wh" in explained(devnet)[2]
    devnet.call(devnet.chain.produce((NEXT + 1) * PARAMS.interval_ms + PARAMS.close_grace_ms))
    devnet.call(devnet.chain.produce())
    assert "; settled: got 2.80 currency." in explained(devnet, "--as", "campus")[4]


def test_explanations_have_a_json_form_and_a_proof(devnet: Devnet) -> None:
    traded(devnet)
    document = devnet.document("query", "interval", str(NEXT), "--explain", "--as", "campus", "--prove")
    data = document["data"]
    assert len(data["lines"]) == 5 and data["member"]["expected_nano"] == str(-5_000 * 120_000)
    assert data["price"]["set_by"] == [
        {"kind": "offer", "member": "solar", "meter": "solar-1", "offered_wh": 4_000, "ordered_wh": 2_000}
    ]
    assert all(f"{table}/{NEXT:010d}" in document["proven"] for table in ("interval", "needs", "offers", "order"))
    (row,) = table(devnet, "query", "interval", str(NEXT), "--explain")
    assert row["offered_cheaper_ordered_wh"] == "3000"
