"""Commands against a served ledger: what they print, when they exit 0, and that what they print can be pasted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.bodies import Offer, OfferBlock
from tests.cli.conftest import Devnet
from tests.rpc.chain import INTERVAL, PARAMS

NEXT = INTERVAL + 1
LOCK_MS = NEXT * PARAMS.interval_ms - PARAMS.gate_lead_ms


def test_a_transfer_is_final_exact_and_provable(devnet: Devnet, tmp_path: Path) -> None:
    proof = tmp_path / "transfer.json"
    done = devnet.document(
        "tx",
        "transfer",
        "--as",
        "campus",
        "--to",
        "wind",
        "--amount-nano",
        "1234567890123",
        "--prove-to",
        str(proof),
        exit_code=1,
    )
    assert done["code"] == "money.insufficient" and done["hint"] and done["status"] == "final"
    done = devnet.document(
        "tx", "transfer", "--as", "campus", "--to", "wind", "--amount-nano", "123456789", "--prove-to", str(proof)
    )
    assert (done["status"], done["code"], done["amount_nano"]) == ("final", "ok", "123456789")
    assert devnet.document("query", "balance", "wind")["data"]["balance_nano"] == str(10**12 + 123456789)
    checked = devnet.document("proof", "verify", str(proof))
    assert checked["valid"] and checked["hash"] == done["hash"] and checked["receipt"]["code"] == "ok"


def test_people_see_units_currency_and_the_next_command(devnet: Devnet) -> None:
    result = devnet.run("tx", "transfer", "--as", "campus", "--to", "wind", "--amount-nano", "1500000001")
    assert result.exit_code == 0, result.output
    assert "Amount (currency)" in result.stdout and "1.500000001" in result.stdout
    command = next(line for line in result.stdout.splitlines() if "gridpact proof fetch tx" in line)
    fetch, verify = (part.split()[1:] for part in command.split("|"))
    bundle = devnet.run(*fetch)
    assert bundle.exit_code == 0, bundle.output
    checked = devnet.run(*verify, stdin=bundle.stdout_bytes)
    assert checked.exit_code == 0 and checked.stdout.startswith("Valid. Transaction ")


def test_a_request_waits_for_its_dispatch_and_prints_everything_to_act_on(devnet: Devnet, tmp_path: Path) -> None:
    offer = devnet.document(
        "tx",
        "offer",
        "--as",
        "solar",
        "--meter",
        "solar-1",
        "--interval",
        "next",
        "--block",
        "100000:3000",
        "--block",
        "120000:4000",
    )
    assert (offer["interval"], offer["code"]) == (NEXT, "ok")
    devnet.chain.leap_to_ms = LOCK_MS
    proof = tmp_path / "dispatch.json"
    done = devnet.document(
        "tx", "dispatch", "request", "--as", "campus", "--interval", "next", "--wh", "5000", "--prove-to", str(proof)
    )
    assert (done["interval"], done["start_ms"], done["served_wh"], done["shed_wh"]) == (
        NEXT,
        NEXT * PARAMS.interval_ms,
        5000,
        0,
    )
    (award,) = done["awards"]
    assert (award["member"], award["supplied_wh"]) == ("solar", 5000)
    assert done["price_nano_per_wh"] == 120000 and award["payment_nano"] == str(5000 * 120000)
    assert done["payment_nano"] == award["payment_nano"] and done["block"] == 4
    checked = devnet.document("proof", "verify", str(proof))
    keys = {record["key"]: record["value"] for record in checked["records"]}
    assert keys[f"interval/{NEXT:010d}"]["price_nano_per_wh"] == 120000
    assert keys[f"order/{NEXT:010d}/solar"]["supplied_wh"] == 5000


def test_the_printed_dispatch_proof_command_works_as_it_stands(devnet: Devnet) -> None:
    devnet.document("tx", "offer", "--as", "solar", "--meter", "solar-1", "--block", "100000:9000")
    devnet.chain.leap_to_ms = LOCK_MS
    result = devnet.run("tx", "dispatch", "request", "--as", "campus", "--wh", "5000")
    assert result.exit_code == 0, result.output
    assert "Price 0.10 currency/kWh" in result.stdout and "UTC" in result.stdout
    command = next(line for line in result.stdout.splitlines() if "proof fetch" in line)
    where = f" --dir {devnet.root}"
    assert command.count(where) == 2
    fetch, verify = (part.split()[1:] for part in command.replace(where, "").split("|"))
    bundle = devnet.run(*fetch)
    assert devnet.run(*verify, stdin=bundle.stdout_bytes).exit_code == 0


def test_a_request_says_what_its_member_asked_for_besides_and_where_both_are_seen(devnet: Devnet) -> None:
    devnet.document("tx", "offer", "--as", "solar", "--meter", "solar-1", "--block", "100000:9000")
    devnet.document("tx", "dispatch", "request", "--as", "campus", "--wh", "300", "--no-wait")
    devnet.chain.leap_to_ms = LOCK_MS
    result = devnet.run("tx", "dispatch", "request", "--as", "campus", "--wh", "5000")
    said = result.stdout
    asked = "asked for 5,000 Wh here and 300 Wh in its other needs, such as its agent's; in this interval it is served"
    assert f"{asked} 5,300 Wh." in said
    seen = next(line.strip() for line in said.splitlines() if "/#/dispatch/" in line)
    proven = next(line.strip() for line in said.splitlines() if "/#/ledger/tx/" in line)
    assert seen.startswith("http://") and seen.endswith(f"/#/dispatch/{NEXT}")
    bundle = devnet.run("proof", "fetch", "tx", proven.rpartition("/")[2]).stdout_bytes
    checked = devnet.run("proof", "verify", "-", stdin=bundle)
    assert checked.exit_code == 0 and "energy_wh 5000" in checked.stdout
    assert f"the genesis document {devnet.root / 'nodes' / 'solar' / 'genesis.mp'} leads to" in checked.stdout


def test_a_request_that_is_shed_is_not_a_success(devnet: Devnet) -> None:
    devnet.chain.leap_to_ms = LOCK_MS
    done = devnet.document("tx", "dispatch", "request", "--as", "campus", "--wh", "5000", exit_code=1)
    assert (done["served_wh"], done["shed_wh"]) == (0, 5000)


def test_a_closed_gate_is_explained(devnet: Devnet) -> None:
    done = devnet.document(
        "tx", "dispatch", "request", "--as", "campus", "--interval", str(INTERVAL), "--wh", "1", exit_code=1
    )
    assert done["code"] == "need.late" and done["message"] and done["hint"]


def test_readings_link_to_the_meters_chain_and_are_found_again(devnet: Devnet) -> None:
    for register in (10, 25):
        done = devnet.document("tx", "reading", "--meter", "campus-1", "--import-wh", str(register), "--export-wh", "0")
        assert done["code"] == "ok"
    found = devnet.document("query", "reading", "campus-1", "--prove")
    assert (found["data"]["sequence"], found["data"]["import_wh"]) == (2, 25)
    assert "executed in block" in found["proven"]
    devnet.document("tx", "reading", "--meter", "solar-1", "--import-wh", "0", "--export-wh", "5", "--status", "1")
    assert devnet.document("query", "reading", "solar-1")["data"]["status"] == 1
    first = devnet.document("query", "reading", "campus-1", "--sequence", "1")
    assert first["data"]["import_wh"] == 10
    assert devnet.document("query", "meter", "campus-1")["data"]["head"]["sequence"] == 2


def test_no_wait_is_accepted_and_says_so(devnet: Devnet) -> None:
    devnet.chain.automatic = False
    done = devnet.document("tx", "transfer", "--as", "campus", "--to", "wind", "--amount-nano", "1", "--no-wait")
    assert done["status"] == "accepted"
    late = devnet.document(
        "tx", "transfer", "--as", "wind", "--to", "campus", "--amount-nano", "1", "--timeout", "1", exit_code=1
    )
    assert late["code"] == "wait.timeout" and "status" in late["hint"]


def test_a_second_transaction_queues_behind_one_that_waits(devnet: Devnet) -> None:
    devnet.chain.automatic = False
    command = ("tx", "transfer", "--as", "campus", "--to", "wind", "--amount-nano", "1", "--no-wait")
    hashes = {devnet.document(*command, "--memo", memo)["hash"] for memo in ("a", "b", "c")}
    (lane,) = devnet.document("query", "member", "campus")["data"]["lanes"]
    assert (lane["next_nonce"], lane["waiting"]) == ("0", 3)
    assert "Waiting     3" in devnet.run("query", "member", "campus").stdout
    *receipts, _ = devnet.call(devnet.chain.produce())
    assert [one.code for one in receipts] == ["ok"] * 3 and len(hashes) == 3
    (lane,) = devnet.document("query", "member", "campus")["data"]["lanes"]
    assert (lane["next_nonce"], lane["waiting"]) == ("3", 0)


@pytest.mark.parametrize(
    "command",
    [
        ("query", "member", "solar"),
        ("query", "balance", "solar"),
        ("query", "meter", "solar-1"),
        ("query", "envelope", "solar-1"),
        ("query", "interval", "now"),
        ("query", "block"),
        ("query", "block", "1"),
        ("status",),
    ],
)
def test_every_query_has_a_form_for_people_and_one_for_programs(devnet: Devnet, command: tuple[str, ...]) -> None:
    devnet.document("tx", "transfer", "--as", "campus", "--to", "wind", "--amount-nano", "1")
    assert devnet.document(*command)["height"] >= 1
    shown = devnet.run(*command)
    assert shown.exit_code == 0 and shown.stdout.strip(), shown.output


def test_settled_intervals_show_dispatch_and_bills(devnet: Devnet) -> None:
    devnet.document("tx", "offer", "--as", "solar", "--meter", "solar-1", "--block", "100000:9000")
    devnet.chain.leap_to_ms = LOCK_MS
    devnet.document("tx", "dispatch", "request", "--as", "campus", "--wh", "5000")
    devnet.call(devnet.chain.produce((NEXT + 1) * PARAMS.interval_ms + PARAMS.close_grace_ms))
    devnet.call(devnet.chain.produce())
    dispatch = devnet.document("query", "dispatch", str(NEXT), "--prove")
    assert {order["member"] for order in dispatch["data"]["orders"]} == {"campus", "solar"}
    assert dispatch["data"]["status"] == "settled"
    for member in ("campus", "solar"):
        assert devnet.document("query", "bill", str(NEXT), member, "--prove")["data"]["member"] == member
    assert "Amount (currency)" in devnet.run("query", "bill", str(NEXT), "solar").stdout
    told = devnet.run("query", "bill", str(NEXT), "solar", "--explain").stdout
    assert f"gridpact query dispatch {NEXT}" in told
    for one in devnet.document("query", "bill", str(NEXT), "solar")["data"]["lines"]:
        assert f"{one['kind']}: {'gets' if int(one['amount_nano']) >= 0 else 'pays'}" in told
    assert f"in interval {NEXT}: energy ordered from it" in told
    assert "energy ordered" not in devnet.run("query", "bill", str(NEXT), "solar", "--explain", "--csv").stdout
    assert "Delivers" in devnet.run("query", "dispatch", str(NEXT)).stdout


def test_absence_is_proven(devnet: Devnet) -> None:
    devnet.document("tx", "transfer", "--as", "campus", "--to", "wind", "--amount-nano", "1")
    missing = devnet.document("query", "member", "nobody", exit_code=1)
    assert missing["code"] == "rpc.unknown-member"
    proven = devnet.document("query", "member", "nobody", "--prove")
    assert proven["data"] is None and "has no member/nobody" in proven["proven"]
    assert "There is no member nobody." in devnet.run("query", "member", "nobody", "--prove").stdout
    nothing = devnet.run("query", "member", "nobody", "--prove", "--csv")
    assert nothing.stdout == "" and "There is no member nobody." in nothing.stderr


def test_hostile_text_never_reaches_the_terminal(devnet: Devnet) -> None:
    """Memos are free text; a terminal must not obey them."""
    done = devnet.document(
        "tx", "transfer", "--as", "campus", "--to", "wind", "--amount-nano", "1", "--memo", "\x1b[2J[red]x"
    )
    bundle = devnet.run("proof", "fetch", "tx", done["hash"])
    shown = devnet.run("proof", "verify", "-", stdin=bundle.stdout_bytes)
    assert shown.exit_code == 0 and "\x1b" not in shown.stdout and "[red]x" in shown.stdout


def change(proof: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps(proof | fields).encode()


def test_a_changed_proof_is_refused_with_exit_code_one(devnet: Devnet) -> None:
    done = devnet.document("tx", "transfer", "--as", "campus", "--to", "wind", "--amount-nano", "1")
    proof = json.loads(devnet.run("proof", "fetch", "tx", done["hash"]).stdout)
    for body in (change(proof, index=1), change(proof, receipt="93a26f6b0190"), b"", b"{}", b"\xff"):
        refused = devnet.document("proof", "verify", "-", exit_code=1, stdin=body)
        assert refused["code"].startswith("proof.") and refused["hint"]


def test_an_offer_with_two_sources_of_truth_is_the_same_body(devnet: Devnet) -> None:
    """What the command signs is what its options say."""
    done = devnet.document("tx", "offer", "--as", "solar", "--meter", "solar-1", "--block", "-5:10")
    raw = devnet.document("proof", "fetch", "tx", done["hash"])
    body = devnet.document("proof", "verify", "-", stdin=json.dumps(raw).encode())["envelope"]["body"]
    assert body == {
        "type": "offer",
        "meter": "solar-1",
        "interval": NEXT,
        "blocks": [{"price_nano_per_wh": -5, "energy_wh": 10}],
    }
    assert Offer("solar-1", NEXT, (OfferBlock(-5, 10),)).interval == body["interval"]
