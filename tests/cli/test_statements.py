"""`gridpact proof make | verify | explain`: a stranger checks hidden figures with a file and a genesis document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.genesis import DevnetClock
from node.cli import options
from node.cli.purse import passphrase_of
from node.disk import RealDisk
from node.wallet import file
from tests.cli.conftest import Devnet
from tests.rpc.chain import START_MS
from zk.group import ORDER, native


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Devnet]:
    """A devnet on which solar hid 1,000 nano and paid campus 300 and 50 of them, which wait there."""
    monkeypatch.setattr(file, "ITERATIONS", file.LEAST_ITERATIONS)
    devnet = Devnet(tmp_path / "devnet", DevnetClock(START_MS, 1, 0))
    for name in ("solar", "campus"):
        assert devnet.document("wallet", "create", "--as", name)["code"] == "ok"
    assert devnet.document("tx", "deposit", "--as", "solar", "--amount-nano", "1000")["code"] == "ok"
    for amount in ("300", "50"):
        assert (
            devnet.document("tx", "spend", "--as", "solar", "--to", "campus", "--amount-nano", amount)["code"] == "ok"
        )
    devnet.document("wallet", "show", "--as", "campus")
    yield devnet
    devnet.stop()


def openings(devnet: Devnet, name: str) -> dict[str, dict[str, Any]]:
    """What a member's wallet has, by commitment in hex, as orders take it."""
    passphrase = passphrase_of(name, None, options.Purse(), devnet.root)
    wallet = file.load(devnet.root / "wallets" / f"{name}.json", lambda: passphrase, RealDisk())
    content = json.loads(wallet.openings.encode())
    return {point: {"value": int(value), "blinding": blinding} for point, _, _, value, blinding in content["openings"]}


def order(devnet: Devnet, actor: str, kind: str, inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    place = {"chain_id": devnet.chain.ledger.chain_id, "actor": actor, "at": 0, "round": 0, "key_id": ""}
    return {"statement": kind, "where": place, "inputs": inputs, **more}


def write(path: Path, *orders: dict[str, Any]) -> str:
    path.write_text(json.dumps({"kind": "statements-to-make", "statements": orders}))
    return str(path)


def test_a_member_shows_a_stranger_that_its_hidden_balance_is_enough(pair: Devnet, tmp_path: Path, invoke: Any) -> None:
    fact, made = str(tmp_path / "fact.json"), str(tmp_path / "made.json")
    assert pair.run("proof", "fetch", "hidden", "solar", "--to", fact).exit_code == 0
    balance = pair.document("query", "hidden", "solar")["data"]["account"]["balance"]
    opening = openings(pair, "solar")[balance]
    assert opening["value"] == 650
    inputs = {"openings": [opening], "ranges": [[500, 2**63 - 1]], "key": ""}
    orders = write(tmp_path / "orders.json", order(pair, "solar", "range", inputs))
    assert pair.document("proof", "make", orders, "--to", made, "--fact", fact) == {"file": made}
    checked = pair.document("proof", "verify", made, "--anchored")
    assert checked["valid"] and checked["unanchored"] == []
    (one,) = checked["statements"]
    assert one["points"] == {balance: "hidden/solar: balance"}
    assert opening["blinding"] not in Path(made).read_text()
    text = pair.run("proof", "verify", made).stdout
    assert "a figure of solar is in [500, 9223372036854775807]; not revealed: where in it." in text
    assert "hidden/solar: balance" in text
    said = invoke("proof", "explain", made).stdout
    assert said.startswith("It is proven that a figure of solar is in [500, ")
    # Fallen below what was proven, the file still proves what it did, of a header that it names.
    assert pair.document("tx", "withdraw", "--as", "solar", "--amount-nano", "600")["code"] == "ok"
    assert pair.document("proof", "verify", made, "--anchored")["facts"] == checked["facts"]


def test_a_sum_of_hidden_payments_is_shown_and_none_of_them(pair: Devnet, tmp_path: Path) -> None:
    fact, made = str(tmp_path / "fact.json"), str(tmp_path / "made.json")
    assert pair.run("proof", "fetch", "hidden", "campus", "--to", fact).exit_code == 0
    items = [one["commitment"] for one in pair.document("query", "hidden", "campus")["data"]["items"]]
    # What solar had is 1,000 without a blinding, and what it has now is in its wallet.
    stays = openings(pair, "solar")[pair.document("query", "hidden", "solar")["data"]["account"]["balance"]]
    both = {"value": 1_000 - stays["value"], "blinding": f"{-int(stays['blinding'], 16) % ORDER:064x}"}
    total = (native.decode_point(bytes.fromhex(items[0])) + native.decode_point(bytes.fromhex(items[1]))).to_bytes()
    orders = write(
        tmp_path / "orders.json",
        order(pair, "campus", "opening", {"opening": both}, made_of={total.hex(): [[1, item] for item in items]}),
        order(pair, "campus", "sum", {"parts": items, "public": 0, "total": total.hex()}),
    )
    pair.document("proof", "make", orders, "--to", made, "--fact", fact)
    checked = pair.document("proof", "verify", made)
    opened, added = checked["statements"]
    assert opened["proven"] == "a commitment of campus hides 350"
    assert opened["points"][total.hex()].startswith("sum of ")
    assert [added["points"][item] is not None for item in items] == [True, True]
    assert stays["blinding"] not in Path(made).read_text()


def test_a_fact_that_was_changed_is_refused(devnet: Devnet, tmp_path: Path) -> None:
    fact, made = tmp_path / "fact.json", tmp_path / "made.json"
    devnet.run("tx", "transfer", "--as", "campus", "--to", "wind", "--amount-nano", "1", "--prove-to", str(fact))
    example = devnet.run("proof", "make", "--example", "range").stdout
    made.write_text(devnet.run("proof", "make", "-", "--fact", str(fact), stdin=example.encode()).stdout)
    assert devnet.document("proof", "verify", str(made))["valid"]
    assert devnet.document("proof", "verify", str(made), "--anchored", exit_code=1)["code"] == "proof.unanchored"
    whole = json.loads(made.read_text())
    whole["facts"][0]["receipt"] = "93a26f6b0190"
    refused = devnet.document("proof", "verify", "-", stdin=json.dumps(whole).encode(), exit_code=1)
    assert refused["code"] == "proof.path" and refused["hint"]


def test_a_cycle_that_nobody_hid_anything_in_has_nothing_to_add_up(devnet: Devnet) -> None:
    assert devnet.document("tx", "transfer", "--as", "campus", "--to", "wind", "--amount-nano", "1")["code"] == "ok"
    assert devnet.document("proof", "cycle", "now", "campus", exit_code=1)["code"] == "proof.cycle"


def test_a_transaction_that_proved_nothing_has_nothing_to_check_again(devnet: Devnet) -> None:
    done = devnet.document("tx", "transfer", "--as", "campus", "--to", "wind", "--amount-nano", "1")
    refused = devnet.document("proof", "posted", done["hash"], exit_code=1)
    assert refused["code"] == "proof.posted" and refused["hint"]


def test_openings_of_what_is_new_are_kept_for_the_owner_alone(devnet: Devnet, tmp_path: Path) -> None:
    made, kept = tmp_path / "made.json", tmp_path / "kept.json"
    example = devnet.run("proof", "make", "--example", "bid").stdout.encode()
    done = devnet.run("proof", "make", "-", "--to", str(made), "--openings", str(kept), stdin=example)
    assert done.exit_code == 0 and "proof verify" in done.stdout
    secrets = json.loads(kept.read_text())["openings"]
    assert [one["of"] for one in secrets] == ["tick 1", "tick 2", "slack"]
    assert all(one["blinding"] not in made.read_text() for one in secrets)
    assert kept.stat().st_mode & 0o077 == 0
    again = devnet.run("proof", "make", "-", "--to", str(made), "--openings", str(kept), "--json", stdin=example)
    assert again.exit_code == 1 and json.loads(again.stdout)["code"] == "proof.exists"
    assert json.loads(kept.read_text())["openings"] == secrets
    without = devnet.run("proof", "make", "-", "--to", str(made), stdin=example)
    assert "--openings" in without.stderr


def test_a_mistake_at_the_command_line_has_a_next_step(invoke: Any, tmp_path: Path) -> None:
    def code(*arguments: str) -> str:
        result = invoke("proof", *arguments, "--json")
        assert result.exit_code == 1
        found: dict[str, str] = json.loads(result.stdout)
        assert found["hint"]
        return found["code"]

    orders = tmp_path / "orders.json"
    orders.write_text(invoke("proof", "make", "--example", "award", "--dir", str(tmp_path)).stdout)
    assert code("make") == "cli.orders"
    assert code("make", "--example", "hope") == "proof.kind"
    assert code("make", str(tmp_path / "none.json")) == "proof.unreadable"
    assert code("explain", str(orders)) == "proof.order"
    assert code("verify", str(orders), "--dir", str(tmp_path)) == "proof.order"
