"""`gridpact succession`: a stopped home is exported, signed by members, and installed only with enough of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node.disk import RealDisk
from node.genesis_file import load, save
from node.home import Home, init_home
from node.ledger.ledger import Ledger
from node.ledger.store import LevelStore
from tests.node.documents import genesis_document, key


@pytest.fixture
def old(tmp_path: Path) -> Home:
    """A stopped node that holds a chain at its genesis, and everybody's keys."""
    home = Home.at(tmp_path / "old")
    init_home(home.root, "node-0", None, devnet=True)
    document = genesis_document()
    save(document, home.genesis_toml, home.genesis, RealDisk())
    home.store.mkdir(parents=True)
    store = LevelStore(home.store)
    Ledger.open(store, document)
    store.close()
    for number in range(4):
        made = key(number, 1)
        seed = {"kind": "account", "seed": made.seed.hex(), "public_key": "", "devnet": True}
        (tmp_path / f"{number}.json").write_text(json.dumps({**seed, "member": f"member-{number}"}))
    return home


def contents(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_a_home_is_exported_signed_and_installed(old: Home, tmp_path: Path, invoke: Callable[..., Any]) -> None:
    out, beside = tmp_path / "new.toml", tmp_path / "new.succession"
    before = contents(old.root)
    made = invoke("succession", "export", "--home", str(old.root), "--name", "again", "--out", str(out), "--json")
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    document = genesis_document()
    assert (told["from_chain_id"], told["from_height"]) == (document.chain_id(), 0)
    assert told["left_behind"] == {
        name: []
        for name in ("tombstoned", "policies", "rounds", "proposals", "certified", "promised", "sealed", "private")
    }
    assert contents(old.root) == before, "nothing of the home changes"
    new = load(out)
    assert new.chain_id() == told["chain_id"] != document.chain_id()
    assert {one.member: one.balance_nano for one in new.balances} == {
        **{f"member-{number}": 0 for number in range(4)},
        **{one.member: one.balance_nano for one in document.balances},
    }

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        result = invoke(*arguments, "--json")
        return result.exit_code, json.loads(result.stdout)

    target = tmp_path / "new-home"
    target.mkdir()
    (target / "keys").mkdir()
    shutil.copy2(old.key("consensus"), target / "keys" / "consensus.json")
    (target / "config.toml").write_bytes(old.config.read_bytes())
    install = ("genesis", str(out), "--home", str(target), "--succession", str(beside))
    signing = ("succession", "sign", str(beside), "--genesis", str(out))
    for number in range(4):
        code, answer = run("succession", "verify", str(beside), "--genesis", str(out))
        if not code:
            break
        assert answer["code"] == "succession.unsigned"
        code, answer = run(*install)
        assert (code, answer["code"]) == (1, "succession.unsigned") and not (target / "genesis.mp").exists()
        code, answer = run(*signing, "--as", f"member-{number}", "--key", str(tmp_path / f"{number}.json"))
        assert code == 0 and f"member-{number}" in answer["members"]
    assert 3 * int(answer["power"]) > 2 * int(answer["total_power"])
    code, answer = run(*install)
    assert code == 0, answer
    assert (target / "keys" / "consensus.state").exists()
    wrong = run(*signing, "--as", "member-0", "--key", str(tmp_path / "1.json"))
    assert wrong[0] == 1 and wrong[1]["code"] == "succession.signer"


def test_signatures_are_for_one_document(old: Home, tmp_path: Path, invoke: Callable[..., Any]) -> None:
    for name in ("one", "other"):
        invoke("succession", "export", "--home", str(old.root), "--name", name, "--out", str(tmp_path / f"{name}.toml"))
    mixed = ("succession", "verify", str(tmp_path / "one.succession"), "--genesis", str(tmp_path / "other.toml"))
    result = invoke(*mixed, "--json")
    assert (result.exit_code, json.loads(result.stdout)["code"]) == (1, "succession.document")


def test_only_a_height_that_the_node_still_has_is_exported(
    old: Home, tmp_path: Path, invoke: Callable[..., Any]
) -> None:
    out = tmp_path / "new.toml"
    result = invoke(
        "succession", "export", "--home", str(old.root), "--name", "n", "--out", str(out), "--height", "9", "--json"
    )
    assert (result.exit_code, json.loads(result.stdout)["code"]) == (1, "succession.height")
    assert not out.exists()


def test_an_export_writes_over_nothing_that_was_signed_unless_asked(
    old: Home, tmp_path: Path, invoke: Callable[..., Any]
) -> None:
    out, beside = tmp_path / "new.toml", tmp_path / "new.succession"

    def export(name: str, path: Path, *options: str) -> str | None:
        made = invoke(
            "succession", "export", "--home", str(old.root), "--name", name, "--out", str(path), *options, "--json"
        )
        answer = json.loads(made.stdout)
        assert (made.exit_code, answer.get("code") is None) in ((0, True), (1, False))
        return answer.get("code")

    assert export("one", out) is None
    key_file = str(tmp_path / "0.json")
    signing = ("--genesis", str(out), "--as", "member-0", "--key", key_file)
    assert invoke("succession", "sign", str(beside), *signing).exit_code == 0
    signed = contents(tmp_path)
    assert export("other", out) == "succession.exists"
    out.rename(tmp_path / "moved.toml")
    assert export("other", out) == "succession.exists", "the signatures alone are worth keeping"
    (tmp_path / "moved.toml").rename(out)
    for name in ("new.succession", "new.mp", "new"):
        assert export("other", tmp_path / name) == "succession.out", (
            "it would be the signatures, or not be read as it is"
        )
    assert contents(tmp_path) == signed
    assert export("other", out, "--replace") is None
    assert load(out).chain_id() != "one" and beside.read_bytes() != signed[str(beside)]
