"""What goes wrong at the command line: a code, a sentence and a next step, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from node.cli import app, run
from node.cli.form import Form
from node.cli.options import Signing
from node.cli.output import counted, money, per_kwh, utc
from node.cli.tx import report
from node.client import Result
from tests.cli.conftest import Devnet

Invoke = Callable[..., Any]
TRANSFER = ("tx", "transfer", "--as", "campus", "--to", "wind", "--amount-nano", "1")


def problem(result: Any) -> dict[str, str]:
    assert result.exit_code == 1, result.output
    document: dict[str, str] = json.loads(result.stdout)
    assert document["code"] and document["message"]
    assert not result.exception or isinstance(result.exception, SystemExit)
    return document


@pytest.mark.parametrize(
    "command", [("status",), ("query", "balance", "solar"), TRANSFER, ("proof", "fetch", "balance", "solar")]
)
def test_without_a_devnet_the_next_step_is_to_start_one(
    invoke: Invoke, tmp_path: Path, command: tuple[str, ...]
) -> None:
    found = problem(invoke(*command, "--json", "--dir", str(tmp_path)))
    assert found["code"] == "cli.no-node" and "gridpact devnet up" in found["hint"]
    shown = invoke(*command, "--dir", str(tmp_path))
    assert shown.exit_code == 1 and shown.stdout == "" and "Next: Start a devnet" in shown.stderr


def test_a_dead_node_is_named(invoke: Invoke, tmp_path: Path) -> None:
    found = problem(invoke("status", "--json", "--node", "http://127.0.0.1:9"))
    assert found["code"] == "rpc.unreachable" and "127.0.0.1:9" in found["message"] and found["hint"]
    assert problem(invoke("status", "--json", "--node", "localhost:9"))["code"] == "cli.node"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"chain_id": 5, "nodes": []}'])
def test_a_damaged_devnet_file_is_named(invoke: Invoke, tmp_path: Path, content: str) -> None:
    (tmp_path / "devnet.json").write_text(content)
    found = problem(invoke("status", "--json", "--dir", str(tmp_path)))
    assert found["code"] == "devnet.damaged" and str(tmp_path) in found["message"]


def test_a_refusal_brings_no_control_character_of_a_node_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    refused = Result(bytes(32), "refused", "nonce.gap", "\x1b[2JAll is well", "\x1b[31mGo on")
    with pytest.raises(typer.Exit) as done:
        report(refused, Signing(), {}, lambda: None)
    shown = capsys.readouterr()
    assert done.value.exit_code == 1 and shown.out == ""
    assert "\x1b" not in shown.err and "All is well" in shown.err and "Go on" in shown.err


def test_signers_are_looked_up_and_listed(devnet: Devnet, tmp_path: Path) -> None:
    for name in ("nobody", "../campus", "meters/campus-1", ""):
        found = devnet.document(*TRANSFER[:3], name, *TRANSFER[4:], exit_code=1)
        assert found["code"] == "cli.signer"
    assert "biodiesel, campus, solar, wind" in found["hint"] or "There are keys" in found["hint"]
    assert devnet.document(*TRANSFER[:2], *TRANSFER[4:], exit_code=1)["code"] == "cli.signer"
    key = str(devnet.root / "keys" / "campus.json")
    assert devnet.document(*TRANSFER[:3], "wind", *TRANSFER[4:], "--key", key, exit_code=1)["code"] == "account.key"
    meter = str(devnet.root / "keys" / "meters" / "campus-1.json")
    assert devnet.document(*TRANSFER, "--key", meter, exit_code=1)["code"] == "key.kind"
    assert devnet.document(*TRANSFER, "--key", str(tmp_path / "none"), exit_code=1)["code"] == "key.missing"
    assert devnet.document(*TRANSFER, "--key", key)["code"] == "ok"


@pytest.mark.parametrize("block", ["5", "a:b", "1.5:2", "5:", ":5", "1:2:3"])
def test_offer_blocks_are_read_strictly(devnet: Devnet, block: str) -> None:
    found = devnet.document("tx", "offer", "--as", "solar", "--meter", "solar-1", "--block", block, exit_code=1)
    assert found["code"] == "cli.block" and "100000:5000" in found["hint"]


def test_values_out_of_bounds_are_refused_before_or_by_the_node(devnet: Devnet) -> None:
    found = devnet.document("tx", "offer", "--as", "solar", "--meter", "solar-1", "--block", "1:0", exit_code=1)
    assert found["code"] == "codec.malformed" and found["hint"]
    assert devnet.document(*TRANSFER, "--memo", "x" * 81, exit_code=1)["code"] == "cli.memo"
    assert devnet.document("query", "interval", "soon", exit_code=1)["code"] == "rpc.malformed"
    assert devnet.document("query", "block", "1x", exit_code=1)["code"] == "cli.height"
    assert devnet.document("proof", "fetch", "wealth", "x", exit_code=1)["code"] == "cli.kind"


def test_a_proof_without_a_root_of_trust_is_not_called_valid(invoke: Invoke, tmp_path: Path, devnet: Devnet) -> None:
    bundle = devnet.document("proof", "fetch", "reading", "campus-1", exit_code=1)
    assert bundle["code"] == "rpc.unknown-reading"
    devnet.document(*TRANSFER)
    file = tmp_path / "proof.json"
    devnet.document("proof", "fetch", "balance", "solar", "--to", str(file))
    found = problem(invoke("proof", "verify", str(file), "--json", "--dir", str(tmp_path)))
    assert found["code"] == "proof.untrusted" and "--genesis" in found["hint"]
    (tmp_path / "other.mp").write_bytes(b"\x93")
    found = problem(invoke("proof", "verify", str(file), "--json", "--genesis", str(tmp_path / "other.mp")))
    assert found["code"] == "genesis.unreadable"
    assert problem(invoke("proof", "verify", str(tmp_path / "none"), "--json"))["code"] == "proof.unreadable"


def test_usage_errors_follow_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["query", "block", "1", "--nod", "x", "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["code"] == "cli.usage" and "--nod" in found["message"] and "--help" in found["hint"]
    assert run(app, ["tx", "transfer", "--to", "wind", "--amount-nano", "0"]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and "Next:" in shown.err
    assert run(app, ["--help"]) == 0


SLOW = ("aiohttp", "plyvel", "uvloop", "asyncio", "nacl", "cryptography", "contracts", "consensus")


def test_help_imports_nothing_slow() -> None:
    code = "import sys; from node.cli import app, run; run(app, ['--help']); print([n for n in %r if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code % (SLOW,)], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@given(st.integers(-(2**63), 2**63))
def test_money_is_shown_exactly(nano: int) -> None:
    shown = money(nano)
    digits = shown.replace(",", "").replace("-", "")
    whole, fraction = digits.split(".")
    assert (-1 if shown.startswith("-") else 1) * (int(whole) * 10**9 + int(fraction.ljust(9, "0"))) == nano
    assert 2 <= len(fraction) <= 9


def test_units_for_people() -> None:
    assert money(1_500_000_000) == "1.50" and money("-1") == "-0.000000001" and money(10**15) == "1,000,000.00"
    assert per_kwh(100_000) == "0.10" and per_kwh(-1) == "-0.000001" and per_kwh(None) == "-"
    assert utc(1_754_294_400_000) == "2025-08-04 08:00:00 UTC"
    assert Form(False, False, None).span(1_754_294_400_000, 1_754_295_300_000) == "2025-08-04 08:00:00 to 08:15:00 UTC"
    assert (
        Form(False, False, None).span(1_754_351_100_000, 1_754_352_000_000)
        == "2025-08-04 23:45:00 to 2025-08-05 00:00:00 UTC"
    )


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ([], "gridpact"),
        (["query"], "gridpact query"),
        (["query", "nonsense"], "gridpact query"),
        (["query", "bill", "7"], "gridpact query bill"),
        (["query", "member", "--as"], "gridpact query member"),
        (["tx", "trust", "bond", "--as"], "gridpact tx trust bond"),
        (["--nonsense"], "gridpact"),
    ],
)
def test_wrong_use_names_the_command_that_was_begun(
    typed: list[str], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(app, typed) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == f"Next: `{command} --help` shows what it takes."
    assert said[-2].removeprefix("Error (cli.usage): ")


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("query", "sealed", "12"), "Interval 12 has no sealed round."),
        (("query", "network"), "This site has no network of lines."),
        (("query", "bill", "1", "campus"), "There is no bill of campus for interval 1."),
        (("query", "note-key", "campus"), "campus has no note key."),
        (("query", "round", "99"), "There is no round 99 of wagering."),
        (("query", "member", "nobody"), "There is no member nobody."),
    ],
)
def test_what_is_not_there_is_said_in_its_own_words(devnet: Devnet, command: tuple[str, ...], sentence: str) -> None:
    error = devnet.document(*command, exit_code=1)
    assert error["code"] == f"rpc.unknown-{command[1]}"
    assert error["message"] == sentence and error["hint"]


def test_one_thing_is_counted_as_one() -> None:
    assert [counted(number, "opening") for number in (0, 1, 2, 1_000)] == [
        "0 openings",
        "1 opening",
        "2 openings",
        "1,000 openings",
    ]
