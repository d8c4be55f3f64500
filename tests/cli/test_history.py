"""Corrections, disputes and estimates by hand: what is signed, where it is billed, and how each query proves it.

One line leads from solar to the campus; wind owns the parent meter. In interval `FIRST` the campus reads half of what
was sent, in `FIRST + 1` it says nothing.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.bodies import Need
from contracts.genesis import Genesis
from contracts.members import PowerLine
from node.cli.output import money
from tests.cli.conftest import Devnet
from tests.rpc.chain import INTERVAL, PARAMS
from tests.support import pact

FIRST = INTERVAL
SENT_WH, READ_WH, PARENT_WH = 1_000, 500, 990
LINE = PowerLine("east", "solar-1", "campus-1", "wind-1", fixed_wh=0, loss_ppm=20_000, accuracy_wh=5)


def with_line(**options: Any) -> Genesis:
    document = pact.genesis(**options)
    meters = (*document.meters, pact.meter("wind-1", "wind"))
    return msgspec.structs.replace(document, meters=meters, lines=(LINE,))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Devnet]:
    monkeypatch.setattr("tests.rpc.chain.genesis", with_line)
    made = Devnet(tmp_path / "devnet")
    yield made
    made.stop()


def read(site: Devnet, interval: int, registers: dict[str, tuple[int, int]]) -> None:
    """These readings of `interval`, made at its end."""
    site.call(site.chain.produce((interval + 1) * PARAMS.interval_ms))
    speaker = site.chain.speaker
    raws = [speaker.reading(meter, interval, *values) for meter, values in registers.items()]
    results = site.call(site.chain.submit(raws))
    assert [result.code for result in results] == ["ok"] * len(raws)


def close(site: Devnet, interval: int) -> None:
    site.call(site.chain.produce((interval + 1) * PARAMS.interval_ms + PARAMS.close_grace_ms))
    site.call(site.chain.produce())


def disputed(site: Devnet) -> None:
    read(site, FIRST, {"campus-1": (READ_WH, 0), "solar-1": (0, SENT_WH), "wind-1": (PARENT_WH, PARENT_WH)})
    close(site, FIRST)


def decided(site: Devnet) -> None:
    """The next interval: the campus is silent, and the verdict is billed."""
    disputed(site)
    read(site, FIRST + 1, {"solar-1": (0, SENT_WH), "wind-1": (PARENT_WH, PARENT_WH)})
    close(site, FIRST + 1)


def rows(site: Devnet, *command: str) -> list[dict[str, str]]:
    result = site.run("query", *command, "--csv")
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout_bytes.decode(), newline="")))


def test_a_dispute_names_both_meters_and_waits_for_the_parent(site: Devnet) -> None:
    disputed(site)
    waiting = site.document("query", "disputes")["data"]
    (one,) = waiting["disputes"]
    ends = ("line", "sending_meter", "sending_member", "receiving_meter", "receiving_member", "parent_meter")
    assert [one[name] for name in ends] == ["east", "solar-1", "solar", "campus-1", "campus", "wind-1"]
    assert (one["sent_wh"], one["received_wh"], one["settled_wh"], one["held_wh"]) == (SENT_WH, READ_WH, READ_WH, 500)
    assert one["verdict"] is None and waiting["interval"] is None
    shown = site.run("query", "disputes").stdout
    assert "sent 1,000 Wh" in shown and "received 500 Wh" in shown and "waits for the registers of wind-1" in shown


def test_a_verdict_is_shown_with_its_interval_and_proven(site: Devnet) -> None:
    decided(site)
    answer = site.document("query", "disputes", str(FIRST), "--prove")
    (one,) = answer["data"]["disputes"]
    assert one["verdict"]["settled_wh"] == PARENT_WH and one["verdict"]["decided_in"] == FIRST + 1
    assert all(f"{table}/{FIRST:010d}/east" in answer["proven"] for table in ("dispute", "verdict"))
    assert site.document("query", "disputes")["data"]["disputes"] == []
    (row,) = rows(site, "disputes", str(FIRST))
    assert (row["dispute_line"], row["dispute_verdict_settled_wh"]) == ("east", str(PARENT_WH))
    assert "Disputes that wait for a verdict: none" in site.run("query", "disputes").stdout
    assert "wind-1 (wind) saw 990 Wh, so both ends settle at 990" in site.run("query", "disputes", str(FIRST)).stdout


def test_corrections_are_found_from_either_side_and_named_in_the_bill(site: Devnet) -> None:
    """The verdict corrects both ends of FIRST in the bills of FIRST + 1; each interval leads to the other."""
    decided(site)
    of = site.document("query", "corrections", str(FIRST), "--prove")
    found = of["data"]["corrections"]
    places = [(one["interval"], one["meter"], one["cause"], one["booked_in"]) for one in found]
    assert places == [(FIRST, "campus-1", "verdict", FIRST + 1), (FIRST, "solar-1", "verdict", FIRST + 1)]
    assert [(one["new_import_wh"], one["new_export_wh"]) for one in found] == [(PARENT_WH, 0), (0, PARENT_WH)]
    assert f"correction/{FIRST:010d}/campus-1/{0:010d}" in of["proven"]
    assert site.document("query", "corrections", str(FIRST + 1))["data"]["corrections"] == found
    bill = site.document("query", "bill", str(FIRST + 1), "campus", "--prove")
    (line,) = [one for one in bill["data"]["lines"] if one["kind"] == "correction"]
    assert bill["data"]["corrected"] == [
        {"interval": FIRST, "meter": "campus-1", "cause": "verdict", "amount_nano": line["amount_nano"]}
    ]
    assert f"correction/{FIRST:010d}/campus-1" in bill["proven"]
    assert f"for interval {FIRST}, campus-1 (verdict)" in site.run("query", "bill", str(FIRST + 1), "campus").stdout
    told = site.run("query", "corrections", str(FIRST)).stdout
    assert f"import 500 -> 990 Wh; {money(line['amount_nano'])} currency in the bill of interval {FIRST + 1}" in told
    assert [row["correction_meter"] for row in rows(site, "corrections", str(FIRST))] == ["campus-1", "solar-1"]
    assert site.document("query", "bill", str(FIRST), "campus")["data"]["corrected"] == []


def test_estimates_say_who_was_silent_and_what_they_were_taken_for(site: Devnet) -> None:
    decided(site)
    answer = site.document("query", "estimates", str(FIRST + 1), "--prove")
    (one,) = answer["data"]["estimates"]
    rating_wh = 1_000_000 * PARAMS.interval_ms // 3_600_000
    assert (one["meter"], one["member"], one["like"], one["import_wh"]) == ("campus-1", "campus", [], rating_wh)
    assert (one["billed_import_wh"], one["corrections"], answer["data"]["estimated"]) == (rating_wh, 0, 1)
    assert f"estimate/{FIRST + 1:010d}/campus-1" in answer["proven"]
    assert "so it is taken at its rating" in site.run("query", "estimates", str(FIRST + 1)).stdout
    assert "every meter spoke in time" in site.run("query", "estimates", str(FIRST)).stdout
    read(site, FIRST + 2, {"campus-1": (READ_WH + 70, 0)})
    close(site, FIRST + 2)
    (after,) = rows(site, "estimates", str(FIRST + 1))
    assert (after["estimate_import_wh"], after["estimate_billed_import_wh"]) == (str(rating_wh), "35")


def test_more_estimates_than_an_interval_names_are_all_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crowded(**options: Any) -> Genesis:
        document = pact.genesis(**options)
        crowd = tuple(pact.meter(f"crowd-{number:02d}", "wind", rating_w=1_000) for number in range(20))
        meters = tuple(sorted((*document.meters, *crowd), key=lambda meter: meter.id))
        return msgspec.structs.replace(document, meters=meters)

    monkeypatch.setattr("tests.rpc.chain.genesis", crowded)
    made = Devnet(tmp_path / "devnet")
    try:
        read(made, FIRST, {"campus-1": (10, 0), "solar-1": (0, 10)})
        close(made, FIRST)
        answer = made.document("query", "estimates", str(FIRST), "--prove")
        assert [one["meter"] for one in answer["data"]["estimates"]] == [f"crowd-{number:02d}" for number in range(20)]
        assert answer["data"]["estimated"] == 20
    finally:
        made.stop()


def test_corrections_are_found_in_the_bills_of_a_long_backlog(site: Devnet) -> None:
    """After a halt of two days four deadlines a block are worked off; the campus speaks about the last but one."""
    span, count = 96, 2
    last = FIRST + span * count - 1
    needs = [Need(FIRST + 1 + span * at, span, 10, None, 0) for at in range(count)]
    results = site.call(site.chain.submit([site.chain.speaker.member("campus", need) for need in needs]))
    assert [result.code for result in results] == ["ok"] * count
    due_ms = (last + 1) * PARAMS.interval_ms + PARAMS.close_grace_ms
    site.call(site.chain.submit([site.chain.speaker.reading("campus-1", FIRST, 10)]))
    site.call(site.chain.produce(due_ms))
    site.call(site.chain.submit([site.chain.speaker.reading("campus-1", last, 10 + span * count)]))
    start = site.chain.ledger.height
    while site.document("query", "interval", str(last))["data"]["status"] != "settled":
        for _ in range(16):
            site.call(site.chain.produce())
    assert site.chain.ledger.height - start > 64
    found = site.document("query", "corrections", str(last))["data"]["corrections"]
    assert [one["interval"] for one in found] == list(range(FIRST + 1, last))
    assert {(one["meter"], one["booked_in"], one["new_import_wh"]) for one in found} >= {("campus-1", last, 1)}


CORRECT = ("tx", "correct", "--as", "campus", "--meter", "campus-1")


def test_an_owner_restates_and_what_it_leaves_out_stays_as_billed(site: Devnet) -> None:
    decided(site)
    done = site.document(*CORRECT, "--interval", str(FIRST), "--import-wh", "1200")
    assert (done["code"], done["sequence"], done["billed_import_wh"], done["import_wh"]) == ("ok", 1, PARENT_WH, 1_200)
    assert done["export_wh"] == 0
    read(site, FIRST + 2, {"solar-1": (0, SENT_WH)})
    close(site, FIRST + 2)
    causes = [one["cause"] for one in site.document("query", "corrections", str(FIRST))["data"]["corrections"]]
    assert causes == ["verdict", "restated", "verdict"]
    carried = site.document("query", "bill", str(FIRST + 2), "campus")["data"]["corrected"]
    assert [(one["interval"], one["cause"]) for one in carried] == [(FIRST, "restated")], (
        "the verdict is another bill's"
    )
    energy = site.document("query", "energy", str(FIRST), "campus-1", "--prove")
    data = energy["data"]
    assert (data["metered_import_wh"], data["billed_import_wh"], data["sequence"]) == (READ_WH, 1_200, 1)
    assert [one["new_import_wh"] for one in data["corrections"]] == [PARENT_WH, 1_200]
    shown = site.run("query", "energy", str(FIRST), "campus-1").stdout
    assert "1,200" in shown and "Settled by its reading 1." in shown
    assert {row["billed_import_wh"] for row in rows(site, "energy", str(FIRST), "campus-1")} == {"1200"}


def test_that_nothing_was_corrected_is_proven_too(site: Devnet) -> None:
    disputed(site)
    energy = site.document("query", "energy", str(FIRST), "wind-1", "--prove")
    assert energy["data"]["corrections"] == []
    assert f"has no estimate/{FIRST:010d}/wind-1, basis/{FIRST:010d}/wind-1:" in energy["proven"]


def test_a_withdrawn_reading_is_replaced_by_an_estimate(site: Devnet) -> None:
    read(site, FIRST, {"campus-1": (READ_WH, 0), "solar-1": (0, READ_WH)})
    close(site, FIRST)
    shown = site.run(*CORRECT, "--interval", str(FIRST), "--withdraw", "--export-wh", "0")
    assert shown.exit_code == 0, shown.output
    assert "estimate" in shown.stdout and f"gridpact query corrections {FIRST}" in shown.stdout
    read(site, FIRST + 1, {"solar-1": (0, SENT_WH)})
    close(site, FIRST + 1)
    rating_wh = 1_000_000 * PARAMS.interval_ms // 3_600_000
    assert site.document("query", "energy", str(FIRST), "campus-1")["data"]["billed_import_wh"] == rating_wh


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--interval", str(FIRST)), "cli.energy"),
        (("--interval", str(FIRST), "--import-wh", "499"), "correction.favour"),
        (("--interval", str(FIRST), "--export-wh", "1"), "correction.favour"),
        (("--interval", str(FIRST), "--import-wh", "500"), "correction.same"),
        (("--interval", str(FIRST), "--import-wh", "900000000"), "correction.rating"),
        (("--interval", str(FIRST), "--import-wh", str(2**70)), "codec.malformed"),
        (("--interval", str(FIRST + 9), "--import-wh", "600"), "rpc.not-settled"),
        (("--interval", "yesterday", "--import-wh", "600"), "rpc.malformed"),
        (("--interval", str(FIRST), "--meter", "nothing", "--import-wh", "600"), "rpc.unknown-meter"),
        (("--interval", str(FIRST), "--meter", "solar-1", "--import-wh", "600"), "correction.owner"),
        (("--interval", str(FIRST), "--as", "nobody", "--import-wh", "600"), "cli.signer"),
    ],
)
def test_wrong_corrections_have_a_code_and_a_next_step(site: Devnet, options: tuple[str, ...], code: str) -> None:
    disputed(site)
    refused = site.document(*CORRECT, *options, exit_code=1)
    assert (refused["code"], bool(refused["message"])) == (code, True)
    assert refused["hint"]


def test_an_estimate_is_not_corrected_by_its_owners_word(site: Devnet) -> None:
    decided(site)
    refused = site.document(*CORRECT, "--interval", str(FIRST + 1), "--import-wh", "600", exit_code=1)
    assert refused["code"] == "correction.unknown" and "readings" in refused["hint"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("estimates", "soon"), "rpc.malformed"),
        (("corrections", "1e9"), "rpc.malformed"),
        (("disputes", "closed"), "rpc.malformed"),
        (("energy", str(FIRST), "Campus"), "rpc.malformed"),
        (("energy", str(FIRST), "nothing"), "rpc.unknown-meter"),
        (("energy", str(FIRST + 5), "campus-1"), "rpc.not-settled"),
        (("disputes", "--json", "--csv"), "cli.format"),
    ],
)
def test_wrong_questions_have_a_code(site: Devnet, command: tuple[str, ...], code: str) -> None:
    refused = site.document("query", *command, exit_code=1)
    assert refused["code"] == code and refused["hint"]


@pytest.mark.parametrize("kind", ["disputes", "corrections", "estimates"])
def test_answers_are_handed_on_as_proofs(site: Devnet, kind: str) -> None:
    decided(site)
    bundle = site.run("proof", "fetch", kind, str(FIRST + (kind == "estimates")))
    checked = site.document("proof", "verify", "-", stdin=bundle.stdout_bytes)
    assert checked["valid"] and len(checked["records"]) >= 2
    broken = json.loads(bundle.stdout)
    broken["entries"].append(broken["entries"][0] | {"value": None})
    refused = site.document("proof", "verify", "-", exit_code=1, stdin=json.dumps(broken).encode())
    assert refused["code"] == "proof.path"
