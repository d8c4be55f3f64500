"""A home is made once, repaired only when stopped, and restored without ever letting the key contradict itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from consensus.messages import Vote, VoteType
from contracts.genesis import DevnetClock
from node import config, home, main
from node.config import Config, NodeSection
from node.disk import RealDisk
from node.errors import NodeError
from node.home import Home, init_home, load_secrets, repair_home, restore_home
from node.journal import INPUT, Journal
from node.keys import Key, certificate
from node.signer import FileSigner
from tests.support.pact import START_MS, genesis
from zk import bls
from zk.codec import encode

CHAIN = "test-0011223344556677"
DISK = RealDisk()


def prevote(height: int) -> Vote:
    return Vote(VoteType.PREVOTE, height, 0, None, -1, "a", b"")


def never() -> str:
    raise AssertionError("devnet keys need no passphrase")


@pytest.fixture
def node(tmp_path: Path) -> Home:
    init_home(tmp_path / "a", "node-a", None, devnet=True)
    made = Home.at(tmp_path / "a")
    made.store.mkdir(parents=True)
    (made.store / "CURRENT").write_text("old")
    journal = Journal.open(made.journal, DISK, CHAIN)
    for height in range(3):
        journal.append(INPUT, height, b"height %d" % height)
        journal.sync()
    journal.close()
    return made


def signer(node: Home) -> FileSigner:
    return FileSigner(load_secrets(node, "node-a", never).consensus.signing, node.sign_state, DISK)


def test_a_new_home_holds_what_genesis_and_the_node_need(tmp_path: Path) -> None:
    root = tmp_path / "a"
    identity = init_home(root, "node-a", "correct horse", address="10.0.0.1:5")
    made = Home.at(root, config.load(root / "config.toml"))
    calls = []

    def passphrase() -> str:
        calls.append(1)
        return "correct horse"

    secrets = load_secrets(made, "node-a", passphrase)
    assert calls == [1]
    assert identity.node.consensus_key == secrets.consensus.public_key
    assert identity.node.tls_certificate == secrets.certificate == certificate(secrets.tls, "node-a")
    assert (identity.node.node, identity.node.address) == ("node-a", "10.0.0.1:5")
    assert not secrets.consensus.devnet
    document = msgspec.json.decode(made.identity.read_bytes())
    assert document["account_key"] == identity.account_key.hex()
    assert document["consensus_key"] == identity.node.consensus_key.hex()
    assert identity.node.bls_key == secrets.beacon.public_key
    assert bls.verify_possession(identity.node.bls_key, identity.node.bls_possession)
    assert document["bls_key"] == identity.node.bls_key.hex()
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in made.keys.iterdir())
    assert made.keys.stat().st_mode & 0o777 == 0o700
    assert len({identity.account_key, secrets.tls.public_key, secrets.consensus.public_key}) == 3


def test_a_home_is_never_made_twice(node: Home) -> None:
    before = {path: path.read_bytes() for path in node.keys.iterdir()}
    with pytest.raises(NodeError) as caught:
        init_home(node.root, "node-b", None, devnet=True)
    assert caught.value.code == "home.exists"
    assert {path: path.read_bytes() for path in node.keys.iterdir()} == before


def test_production_keys_need_a_passphrase_and_ids_are_checked_first(tmp_path: Path) -> None:
    for arguments, code in (
        (("node-a", None), "key.passphrase-missing"),
        (("Node A", "correct horse"), "home.value"),
    ):
        with pytest.raises(NodeError) as caught:
            init_home(tmp_path / code, *arguments)
        assert caught.value.code == code
        assert not (tmp_path / code / "config.toml").exists()


def test_the_data_may_lie_elsewhere(tmp_path: Path) -> None:
    elsewhere = Config(node=NodeSection(id="node-a", data_dir=str(tmp_path / "big")))
    init_home(tmp_path / "a", "node-a", None, devnet=True, config=elsewhere)
    found = Home.at(tmp_path / "a", config.load(tmp_path / "a" / "config.toml"))
    assert found.journal == tmp_path / "big" / "journal"
    assert found.sign_state.parent == tmp_path / "a" / "keys"


def test_repair_works_on_a_stopped_node_only(node: Home) -> None:
    segment = node.journal / "journal-0000000001.log"
    raw = bytearray(segment.read_bytes())
    raw[raw.index(b"height 1")] ^= 1
    segment.write_bytes(raw)
    with pytest.raises(NodeError) as caught:
        Journal.open(node.journal, DISK, CHAIN)
    assert f"gridpact repair --home {node.root}" in caught.value.hint
    running = signer(node)
    with pytest.raises(NodeError) as caught:
        repair_home(node)
    assert caught.value.code == "home.running"
    assert segment.read_bytes() == raw
    running.close()
    assert repair_home(node).kept_records == 1
    assert [record.body for record in Journal.open(node.journal, DISK, CHAIN).records()] == [b"height 0"]


def test_a_key_signs_nothing_more_at_the_height_whose_log_was_repaired(node: Home) -> None:
    """What was moved aside may hold its lock. Also when the log looks sound: its end may be what is missing."""
    assert repair_home(node).report[-1].endswith("Nothing was changed.")
    voted = signer(node)
    voted.sign(prevote(7), CHAIN)
    voted.close()
    assert repair_home(node).report[-1] == "The key signs nothing more at height 7."
    assert repair_home(node).report[-1].endswith("Nothing was changed.")
    repaired = signer(node)
    with pytest.raises(NodeError, match=r"signer\.double"):
        repaired.sign(Vote(VoteType.PRECOMMIT, 7, 5, None, -1, "a", b""), CHAIN)
    repaired.sign(prevote(8), CHAIN)
    repaired.close()
    node.sign_state.write_bytes(bytes(16_384))
    with pytest.raises(NodeError, match=r"signer\.corrupt"):
        repair_home(node)


def test_a_restored_node_has_the_old_data_and_does_not_sign(node: Home, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(node.root, backup)
    first = signer(node)
    first.sign(prevote(7), CHAIN)
    first.close()
    (node.store / "CURRENT").write_text("new")
    report = restore_home(node, backup)
    assert (node.store / "CURRENT").read_text() == "old"
    assert (node.root / "data.replaced" / "store" / "CURRENT").read_text() == "new"
    assert any("signing" in sentence for sentence in report)
    restored = signer(node)
    assert restored.high_water.height == 7
    with pytest.raises(NodeError, match=r"signer\.restored"):
        restored.sign(prevote(9), CHAIN)
    restored.clear_restored(8)
    with pytest.raises(NodeError, match=r"signer\.double"):
        restored.sign(prevote(8), CHAIN)
    restored.sign(prevote(9), CHAIN)
    restored.close()
    restore_home(node, backup / "data")
    assert (node.root / "data.replaced-2").is_dir()


@pytest.mark.parametrize("loss", ["home", "state", "damaged"])
def test_what_a_lost_signing_state_knew_is_not_guessed(node: Home, tmp_path: Path, loss: str) -> None:
    """The backup's own state is old: using it would sign again what was signed since."""
    backup = tmp_path / "backup"
    shutil.copytree(node.root, backup)
    match loss:
        case "home":
            shutil.rmtree(node.root)
        case "state":
            node.sign_state.unlink()
        case _:
            node.sign_state.write_bytes(b"\x00" * 16_384)
    restore_home(node, backup)
    assert (node.store / "CURRENT").read_text() == "old"
    assert config.load(node.config).node.id == "node-a"
    restored = signer(node)
    assert restored.restored
    with pytest.raises(NodeError, match=r"signer\.restored"):
        restored.sign(prevote(9), CHAIN)


def test_an_interrupted_restore_leaves_a_node_that_does_not_sign(
    node: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(node.root, backup)

    def stop(path: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(home, "_free_name", stop)
    with pytest.raises(KeyboardInterrupt):
        restore_home(node, backup)
    monkeypatch.undo()
    assert (node.store / "CURRENT").read_text() == "old"
    assert signer(node).restored


def test_what_is_no_backup_changes_nothing(node: Home, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for backup in (tmp_path / "empty", tmp_path / "none"):
        with pytest.raises(NodeError) as caught:
            restore_home(node, backup)
        assert caught.value.code == "home.backup"
    running = signer(node)
    assert not running.restored
    shutil.copytree(node.root, tmp_path / "backup")
    with pytest.raises(NodeError) as caught:
        restore_home(node, tmp_path / "backup")
    assert caught.value.code == "home.running"
    assert (node.store / "CURRENT").read_text() == "old"


def test_seeded_homes_are_reproducible(tmp_path: Path) -> None:
    counter = iter(range(6))

    def entropy(count: int) -> bytes:
        return bytes([next(counter) % 3]) * count

    identities = [init_home(tmp_path / name, "node-a", None, devnet=True, entropy=entropy) for name in ("one", "two")]
    assert identities[0] == identities[1]
    assert identities[0].account_key == Key("account", b"\x02" * 32, True).public_key


def test_the_report_of_a_node_that_stopped_is_kept(tmp_path: Path) -> None:
    plain = NodeError("journal.full", "It is full.")
    home.keep_report(tmp_path, plain)
    assert not list(tmp_path.iterdir())
    for report in (b'{"a": 1}', b'{"a": 2}'):
        home.keep_report(tmp_path, NodeError("consensus.fork", "Two decisions.", "", report))
        assert (tmp_path / "consensus.fork.json").read_bytes() == report
    home.keep_report(tmp_path / "nowhere", NodeError("consensus.fork", "Two decisions.", "", b"{}"))


def test_a_process_that_halts_leaves_its_report_and_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    init_home(tmp_path / "a", "node-a", None, devnet=True)
    document = genesis(clock=DevnetClock(START_MS, 0, 1_000_000))
    Home.at(tmp_path / "a").genesis.write_bytes(encode(document))

    async def halt(_: main.Process) -> None:
        raise NodeError("consensus.fork", "Two quorums decided height 3.", "Show them.", b'{"pair": 1}\n')

    monkeypatch.setattr(main.Process, "run", halt)
    assert main.run(tmp_path / "a", never) == 1
    assert msgspec.json.decode(capsys.readouterr().err)["code"] == "consensus.fork"
    assert (tmp_path / "a" / "consensus.fork.json").read_bytes() == b'{"pair": 1}\n'
