"""Reductions, base load, conduct and what makes storages whole, asked for and shown by commands."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import contracts
from contracts.bodies import Need, Offer, OfferBlock
from contracts.genesis import Genesis
from contracts.members import Asset
from node.cli.bill import KINDS, explanations
from tests.cli.conftest import Devnet
from tests.cli.test_mode import with_utility
from tests.rpc.chain import INTERVAL, PARAMS

NEXT = INTERVAL + 1


def firm_pact(**options: object) -> Genesis:
    """The usual pact with a utility, in which the sources are firm."""
    document = with_utility(**options)
    solar = next(one for one in document.meters if one.kind == "source")
    firm = [
        msgspec.structs.replace(solar, id=name, asset=Asset(firm_w=solar.rating_w)) for name in ("solar-1", "solar-2")
    ]
    others = (one for one in document.meters if one.id != "solar-1")
    return msgspec.structs.replace(document, meters=tuple(sorted((*others, *firm), key=lambda one: one.id)))


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Devnet]:
    monkeypatch.setattr("tests.rpc.chain.genesis", firm_pact)
    made = Devnet(tmp_path / "devnet")
    yield made
    made.stop()


def test_a_reduction_is_called_for_offered_and_shown_with_what_it_was_worth(grid: Devnet) -> None:
    called = grid.document(
        *("tx", "call-reduction", "--as", "wind", "--wh", "4000", "--payment", "300000", "--reason", "peak")
    )
    assert (called["code"], called["interval"], called["payment_nano_per_wh"]) == ("ok", NEXT, 300_000)
    offered = grid.document("tx", "offer-reduction", "--as", "campus", "--wh", "1000", "--value", "200000")
    assert (offered["code"], offered["energy_wh"]) == ("ok", 1_000)
    settle(grid)
    data = grid.document("query", "reductions", str(NEXT), "--prove")["data"]
    assert data["call"]["member"] == "wind" and data["call"]["energy_wh"] == 4_000
    (one,) = data["reductions"]
    assert (one["member"], one["ordered_wh"], one["paid_wh"], one["like"]) == ("campus", 1_000, 0, [])
    text = grid.run("query", "reductions", str(NEXT)).stdout
    assert "wind called for 4,000 Wh at 0.30 currency/kWh: peak" in text and "campus" in text
    interval = grid.document("query", "interval", str(NEXT))["data"]
    assert (interval["mode"], interval["reduced_wh"], interval["call"]["payment_nano_per_wh"]) == (
        *("demand_response", 1_000),
        300_000,
    )
    explained = grid.run("query", "interval", str(NEXT), "--explain").stdout
    assert "1,000 Wh are done without for pay" in explained and "not served" not in explained
    assert "Nobody called" in grid.run("query", "reductions", str(NEXT + 1)).stdout


def settle(grid: Devnet, given_wh: int = 4_000) -> None:
    """The campus needs 5,000 Wh, solar offers them and gives `given_wh`; then the interval is settled."""
    chain, speaker = grid.chain, grid.chain.speaker

    # Commands have used some of its nonces.
    lanes = grid.document("query", "member", "campus")["data"]["lanes"]
    speaker.nonces["campus"] = int(lanes[0]["next_nonce"])

    async def go() -> None:
        chain.automatic = False
        await chain.submit([speaker.member("campus", Need(NEXT, 1, 5_000, None, 0))])
        await chain.submit([speaker.member("solar", Offer("solar-1", NEXT, (OfferBlock(100_000, 9_000),)))])
        await chain.produce()
        await chain.produce(NEXT * PARAMS.interval_ms)
        await chain.submit([speaker.reading("campus-1", NEXT, 4_000), speaker.reading("solar-1", NEXT, 0, given_wh)])
        await chain.produce()
        await chain.produce((NEXT + 1) * PARAMS.interval_ms + PARAMS.close_grace_ms)
        chain.automatic = True
        await chain.settle()

    grid.call(go())


def test_conduct_names_who_gave_less_than_ordered(grid: Devnet) -> None:
    settle(grid, given_wh=2_000)
    data = grid.document("query", "conduct", str(NEXT), "--prove")["data"]
    (one,) = data["shortfalls"]
    assert (one["meter"], one["ordered_wh"], one["delivered_wh"]) == ("solar-1", 5_000, 2_000)
    assert "solar-1 (solar) gave 2,000 of 5,000 Wh" in grid.run("query", "conduct", str(NEXT)).stdout
    change = next(
        one["index_change"] for one in grid.document("trust", "show")["data"]["members"] if one["member"] == "solar"
    )
    assert change["kind"] == "under-delivery"
    assert "under-delivery in block" in grid.run("trust", "show").stdout
    assert "everybody gave what was ordered" in grid.run("query", "conduct", str(NEXT + 1)).stdout


def test_base_load_is_registered_and_what_is_left_is_told(grid: Devnet) -> None:
    before = grid.document("query", "base-loads")["data"]
    done = grid.document("tx", "base-load", "--as", "campus", "--meter", "campus-1", "--power", "1000")
    assert done["code"] == "ok"
    after = grid.document("query", "base-loads", "--prove")["data"]
    assert after["left_w"] == before["left_w"] - 1_000 and after["firm_w"] == before["firm_w"] > 0
    (one,) = grid.document("query", "base-loads", str(NEXT + 1))["data"]["entries"]
    assert (one["meter"], one["power_w"], one["promised"]) == ("campus-1", 1_000, True)
    assert "1,000" in grid.run("query", "base-loads").stdout
    refused = grid.document(
        *("tx", "base-load", "--as", "campus", "--meter", "solar-1", "--power", "1000"), exit_code=1
    )
    assert refused["code"] == "base.meter" and refused["hint"]


def test_injection_is_ordered_and_says_why_it_is_not(grid: Devnet) -> None:
    order = ("tx", "mode", "injection", "--as", "campus", "--from", str(NEXT), "--reason", "sunny")
    assert grid.document(*order)["code"] == "ok"
    before = grid.document("query", "interval", str(NEXT))["data"]
    assert before["injection_orders"] == [{"member": "campus", "reason": "sunny", "first": NEXT, "count": 1}]
    assert "ordered by campus: sunny" in grid.run("query", "interval", str(NEXT)).stdout
    settle(grid)
    shown = grid.document("query", "interval", str(NEXT))["data"]
    assert shown["mode"] == "grid"
    assert shown["mode_reason"] == "no injection, a surplus is not usual; ordered by campus: sunny"
    assert grid.document("query", "make-whole", str(NEXT), "--prove")["data"]["storages"] == []


def test_a_statement_explains_each_kind_of_its_lines(grid: Devnet, tmp_path: Path) -> None:
    settle(grid, given_wh=2_000)
    proof = tmp_path / "statement.json"
    shown = grid.run("bill", "show", "solar", "--explain", "--prove-to", str(proof))
    assert shown.exit_code == 0, shown.output
    assert "supply: gets" in shown.stdout and "short: pays" in shown.stdout
    checked = grid.document("bill", "verify", str(proof), "--explain")
    assert checked["valid"] and checked["explained"] == explanations(checked)
    assert "explained" not in grid.document("bill", "verify", str(proof))


def test_every_kind_of_line_has_its_sentence() -> None:
    kinds = set()
    for path in Path(contracts.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Line" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    kinds.add(first.value)
    assert kinds == KINDS.keys()
    assert all(not text.endswith(".") for text in KINDS.values())
