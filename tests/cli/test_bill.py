"""Statements: every line of a cycle, none left out, and no altered file that passes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.bodies import Need, Offer, OfferBlock
from contracts.cycles import cycle_of
from node.client import Client
from node.proofs import decode_bundle, verify_bundle
from tests.cli.conftest import Devnet
from tests.rpc.chain import INTERVAL, PARAMS

FIRST = INTERVAL + 1
LAST = INTERVAL + 3
CYCLE = cycle_of(PARAMS, INTERVAL)


def trade(devnet: Devnet, count: int = 3) -> None:
    """Three intervals of sun for the campus, read, closed and settled."""
    chain, speaker = devnet.chain, devnet.chain.speaker

    async def go() -> None:
        chain.automatic = False
        await chain.submit([speaker.member("campus", Need(FIRST, count, 5_000, None, 0))])
        offers = [Offer("solar-1", FIRST + at, (OfferBlock(100_000 + at, 9_000),)) for at in range(count)]
        await chain.submit([speaker.member("solar", offer) for offer in offers])
        await chain.produce()
        for at in range(count):
            interval = FIRST + at
            await chain.produce(interval * PARAMS.interval_ms)
            await chain.submit(
                [
                    speaker.reading("campus-1", interval, 5_001 * (at + 1)),
                    speaker.reading("solar-1", interval, 0, 4_999 * (at + 1)),
                ]
            )
            await chain.produce()
        await chain.produce((FIRST + count) * PARAMS.interval_ms + PARAMS.close_grace_ms)
        chain.automatic = True
        await chain.settle()

    devnet.call(go())


def test_a_statement_adds_up_to_what_the_balance_moved(devnet: Devnet) -> None:
    trade(devnet)
    shown = devnet.document("bill", "show", "campus")["data"]
    assert (shown["cycle"], shown["billed_intervals"], shown["status"]) == (CYCLE, 3, "open")
    assert {one["interval"] for one in shown["lines"]} == {FIRST, FIRST + 1, LAST}
    assert sum(int(one["amount_nano"]) for one in shown["lines"]) == int(shown["total_nano"])
    assert sum(int(one["amount_nano"]) for one in shown["totals"]) == int(shown["total_nano"])
    balance = int(devnet.document("query", "balance", "campus")["data"]["balance_nano"])
    assert balance == 10**12 + int(shown["total_nano"])
    totals = [int(devnet.document("bill", "show", name)["data"]["total_nano"]) for name in ("campus", "solar", "wind")]
    assert sum(totals) == 0 and totals[0] < 0


def test_people_read_lines_totals_and_the_next_command(devnet: Devnet, tmp_path: Path) -> None:
    trade(devnet)
    proof, text = tmp_path / "statement.json", tmp_path / "statement.md"
    shown = devnet.run(
        "bill", "show", "campus", "--prove-to", str(proof), "--document", str(text), "--tz", "Asia/Tokyo"
    )
    assert shown.exit_code == 0, shown.output
    assert "Amount (currency)" in shown.stdout and "campus pays " in shown.stdout and "UTC" in shown.stdout
    written = text.read_text()
    assert written.startswith(f"# Statement of campus, cycle {CYCLE}: 2025-08-04 00:00:00 to ")
    assert "JST" in written and "consumption" in written and "\nProven: Cycle " in written
    tables = [one for one in written.split("\n\n") if one.startswith("|")]
    for one in tables:
        assert len({len(row) for row in one.splitlines()}) == 1, "columns are aligned"
    command = next(row for row in shown.stdout.splitlines() if "gridpact bill verify" in row)
    assert str(proof) in command
    genesis = devnet.root / "nodes" / "solar" / "genesis.mp"
    checked = devnet.document("bill", "verify", str(proof), "--genesis", str(genesis))
    assert checked["valid"] and checked["member"] == "campus"
    assert checked["total_nano"] == devnet.document("bill", "show", "campus")["data"]["total_nano"]


def test_csv_has_a_row_per_line(devnet: Devnet) -> None:
    trade(devnet)
    result = devnet.run("bill", "show", "solar", "--csv")
    lines = list(csv.DictReader(io.StringIO(result.stdout_bytes.decode(), newline="")))
    document = devnet.document("bill", "show", "solar")["data"]
    assert [one["line_amount_nano"] for one in lines] == [one["amount_nano"] for one in document["lines"]]
    assert {"line_interval", "line_start_utc", "line_kind", "line_energy_wh", "total_nano"} <= lines[0].keys()
    assert "as_of_utc" in lines[0]


def test_a_cycle_is_closed_when_nothing_of_it_waits(devnet: Devnet) -> None:
    trade(devnet)
    end = (CYCLE + 1) * PARAMS.cycle_ms
    devnet.call(devnet.chain.produce(end + PARAMS.close_grace_ms - 1))
    devnet.call(devnet.chain.produce())
    assert devnet.document("bill", "show", "campus", "--cycle", "last", "--prove")["data"]["status"] == "closed"
    assert devnet.document("bill", "show", "campus", "--cycle", "now")["data"]["cycle"] == CYCLE + 1
    closed = devnet.document("bill", "show", "campus", "--cycle", str(CYCLE))["data"]
    assert (closed["status"], closed["billed_intervals"]) == ("closed", 3)


def test_a_cycle_that_still_waits_is_open_however_late_it_is(devnet: Devnet) -> None:
    """The last interval has content, and the block that settles it is not made yet."""
    chain, speaker = devnet.chain, devnet.chain.speaker
    last = (CYCLE + 1) * PARAMS.cycle_ms // PARAMS.interval_ms - 1

    async def go() -> None:
        chain.automatic = False
        await chain.submit([speaker.member("campus", Need(last, 1, 5_000, None, 0))])
        await chain.produce()
        chain.time_ms = (CYCLE + 2) * PARAMS.cycle_ms

    devnet.call(go())
    shown = devnet.document("bill", "show", "campus", "--cycle", str(CYCLE))["data"]
    assert (shown["status"], shown["waiting_intervals"]) == ("open", 1)


@pytest.mark.parametrize("arguments", [("nobody",), ("campus", "--cycle", "next"), ("campus", "--cycle", "-1")])
def test_bad_questions_are_answered_with_a_code(devnet: Devnet, arguments: tuple[str, ...]) -> None:
    answer = devnet.document("bill", "show", *arguments, exit_code=1)
    assert answer["code"].startswith("rpc.") and answer["message"] and answer["hint"]


def test_that_nobody_has_this_name_is_proven(devnet: Devnet) -> None:
    trade(devnet)
    answer = devnet.call(_statement_of(devnet, "nobody"))
    assert answer["data"] is None
    proven = verify_bundle(decode_bundle(json.dumps(answer["proof"]).encode()), devnet.chain.ledger.genesis)
    assert proven.data["records"] == [{"key": "member/nobody", "value": None}]


async def _statement_of(devnet: Devnet, member: str) -> dict[str, Any]:
    async with Client(devnet.url) as client:
        return await client.statement("now", member, prove=True)


def test_cycles_before_the_chain_and_after_today_have_no_lines(devnet: Devnet) -> None:
    trade(devnet)
    for number in ("0", str(CYCLE - 1), str(CYCLE + 1), str(2**32 - 1)):
        shown = devnet.document("bill", "show", "campus", "--cycle", number)["data"]
        assert (shown["lines"], shown["total_nano"]) == ([], "0")


# Attacks on a statement file


def left_out(file: dict[str, Any]) -> None:
    """Hide the first bill: its entry and its lines."""
    entries = file["proof"]["entries"]
    entries.remove(next(one for one in entries[1:] if one["value"] is not None))
    drop_interval(file)


def drop_interval(file: dict[str, Any]) -> None:
    statement = file["statement"]
    statement["lines"] = [one for one in statement["lines"] if one["interval"] != FIRST]
    statement["total_nano"] = str(sum(int(one["amount_nano"]) for one in statement["lines"]))
    statement["billed_intervals"] -= 1


def denied(file: dict[str, Any]) -> None:
    """Claim that there is no bill where there is one."""
    next(one for one in file["proof"]["entries"][1:] if one["value"] is not None)["value"] = None
    drop_interval(file)


def cheaper(file: dict[str, Any]) -> None:
    file["statement"]["total_nano"] = "1"


def other_line(file: dict[str, Any]) -> None:
    file["statement"]["lines"][0]["amount_nano"] = "0"


def other_member(file: dict[str, Any]) -> None:
    file["statement"]["member"] = "wind"


def other_cycle(file: dict[str, Any]) -> None:
    file["statement"]["cycle"] += 1


def twice(file: dict[str, Any]) -> None:
    file["proof"]["entries"].append(file["proof"]["entries"][-1])


def turned(file: dict[str, Any]) -> None:
    file["proof"]["entries"].reverse()


def closed(file: dict[str, Any]) -> None:
    file["statement"]["status"] = "closed"


def without_schedule(file: dict[str, Any]) -> None:
    del file["proof"]["entries"][0]


def changed_bill(file: dict[str, Any]) -> None:
    entry = next(one for one in file["proof"]["entries"][1:] if one["value"] is not None)
    entry["value"] = entry["value"][:-2] + f"{int(entry['value'][-2:], 16) ^ 1:02x}"


def extra(file: dict[str, Any]) -> None:
    file["statement"]["note"] = "paid"


def no_number(file: dict[str, Any]) -> None:
    file["statement"]["cycle"] = "now"


def huge_number(file: dict[str, Any]) -> None:
    file["statement"]["cycle"] = 10**30


def another_kind(file: dict[str, Any]) -> None:
    file["kind"] = "state"


@pytest.mark.parametrize(
    "attack",
    [
        left_out,
        denied,
        cheaper,
        other_line,
        other_member,
        other_cycle,
        twice,
        turned,
        closed,
        without_schedule,
        changed_bill,
        extra,
        no_number,
        huge_number,
        another_kind,
    ],
)
def test_an_altered_statement_is_refused(
    devnet: Devnet, tmp_path: Path, attack: Callable[[dict[str, Any]], None]
) -> None:
    trade(devnet)
    path = tmp_path / "statement.json"
    devnet.document("bill", "show", "campus", "--prove-to", str(path))
    assert devnet.document("bill", "verify", str(path))["valid"]
    file = json.loads(path.read_text())
    attack(file)
    refused = devnet.document("bill", "verify", "-", exit_code=1, stdin=json.dumps(file).encode())
    assert refused["code"].startswith("proof.") and refused["message"]


def test_what_is_no_statement_is_refused(devnet: Devnet) -> None:
    for body in (b"", b"{}", b"[]", b"\xff", b'{"kind": "statement"}'):
        assert devnet.document("bill", "verify", "-", exit_code=1, stdin=body)["code"].startswith("proof.")
