"""Commands of a node's operator: a home is made once, shown, repaired and restored, and says what comes next."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node import genesis_file
from node.disk import RealDisk
from node.home import Home
from node.journal import INPUT, Journal, segment_name
from tests.rpc.chain import PARAMS
from tests.support.pact import genesis
from zk.codec import encode

Invoke = Callable[..., Any]


def done(result: Any, exit_code: int = 0) -> dict[str, Any]:
    assert result.exit_code == exit_code, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


@pytest.fixture
def home(invoke: Invoke, tmp_path: Path) -> Path:
    made = tmp_path / "home"
    done(invoke("init", "--home", str(made), "--id", "solar", "--devnet", "--json"))
    return made


def test_init_makes_a_home_once_and_shows_its_identity(invoke: Invoke, home: Path) -> None:
    again = done(invoke("init", "--home", str(home), "--id", "solar", "--devnet", "--json"), 1)
    assert again["code"] == "home.exists" and again["hint"]
    shown = done(invoke("keys", "show", "--home", str(home), "--json"))
    assert shown["node"] == "solar" and len(shown["consensus_key"]) == 64
    assert "consensus_key" in invoke("keys", "show", "--home", str(home)).stdout
    assert all(path.stat().st_mode & 0o077 == 0 for path in (home / "keys").iterdir())


def test_a_production_home_needs_a_passphrase(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRIDPACT_PASSPHRASE", raising=False)
    arguments = ("init", "--home", str(tmp_path / "h"), "--id", "solar", "--json")
    assert done(invoke(*arguments), 1)["code"] == "key.passphrase-missing"
    file = tmp_path / "passphrase"
    file.write_text("correct horse battery\n")
    os.chmod(file, 0o600)
    made = done(invoke(*arguments, "--passphrase-file", str(file)))
    assert made["node"] == "solar" and "seed" not in json.dumps(made)


def test_keys_are_made_for_accounts_and_meters(invoke: Invoke, tmp_path: Path) -> None:
    for kind in ("account", "meter"):
        made = done(invoke("keys", "new", str(tmp_path / f"{kind}.json"), "--kind", kind, "--devnet", "--json"))
        assert made["kind"] == kind and len(made["public_key"]) == 64
    assert done(invoke("keys", "new", str(tmp_path / "meter.json"), "--devnet", "--json"), 1)["code"] == "key.exists"


def test_genesis_is_checked_and_named(invoke: Invoke, home: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("name = 5\n")
    assert done(invoke("genesis", str(broken), "--json"), 1)["code"].startswith("genesis.")
    assert done(invoke("genesis", str(tmp_path / "none.toml"), "--json"), 1)["code"].startswith("genesis.")
    document = genesis(params=PARAMS)
    packed = tmp_path / "genesis.mp"
    packed.write_bytes(encode(document))
    shown = done(invoke("genesis", str(packed), "--json"))
    assert shown["chain_id"] == document.chain_id() and shown["validators"] == list(document.validators)


def test_start_says_what_is_missing(invoke: Invoke, home: Path, tmp_path: Path) -> None:
    result = invoke("start", "--home", str(home))
    assert result.exit_code == 1 and "genesis.missing" in result.stderr
    result = invoke("start", "--home", str(tmp_path / "nowhere"))
    assert result.exit_code == 1 and "config.missing-file" in result.stderr


def test_repair_keeps_what_is_sound_and_moves_the_rest(invoke: Invoke, home: Path) -> None:
    place = Home.at(home)
    journal = Journal.open(place.journal, RealDisk(), "test-chain")
    for height in (1, 2, 3):
        journal.append(INPUT, height, b"x" * 50)
        journal.sync()
    journal.close()
    segment = place.journal / segment_name(1)
    raw = bytearray(segment.read_bytes())
    raw[len(raw) // 2] ^= 1
    segment.write_bytes(raw)
    report = done(invoke("repair", "--home", str(home), "--json"))
    assert report["kept_records"] < 3 and report["moved"] and report["report"]
    assert Path(report["moved"][0]).exists()
    assert done(invoke("repair", "--home", str(home), "--json"))["moved"] == []


def test_restore_brings_data_back_and_forbids_signing(invoke: Invoke, home: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    assert done(invoke("restore", str(backup), "--home", str(home), "--json"), 1)["code"] == "home.backup"
    (backup / "data" / "store").mkdir(parents=True)
    (backup / "data" / "store" / "file").write_bytes(b"copy")
    report = done(invoke("restore", str(backup), "--home", str(home), "--json"))["report"]
    assert any("Forbade signing" in sentence for sentence in report)
    assert (home / "data" / "store" / "file").read_bytes() == b"copy"


def test_a_home_with_a_chain_takes_no_other_genesis(invoke: Invoke, home: Path, tmp_path: Path) -> None:
    packed = tmp_path / "genesis.mp"
    packed.write_bytes(encode(genesis(params=PARAMS)))
    Home.at(home).store.mkdir(parents=True)
    refused = done(invoke("genesis", str(packed), "--home", str(home), "--json"), 1)
    assert refused["code"] == "home.exists" and not Home.at(home).genesis.exists()
    assert genesis_file.load_packed(packed).name == "test"
