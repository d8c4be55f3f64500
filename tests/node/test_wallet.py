"""The wallet file: what the document promises to browsers, and every way in which a file can be wrong."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.disk import RealDisk
from node.errors import NodeError
from node.wallet import file
from node.wallet.openings import Openings
from zk.statements.openings import Opening

PASSPHRASE = "correct horse bättery"
OPENING = Opening(2**63 - 1, bytes(31) + b"\x07")


@pytest.fixture(autouse=True)
def fewer_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "ITERATIONS", file.LEAST_ITERATIONS)


def made(directory: Path) -> Path:
    path = directory / "wallets" / "solar.json"
    wallet = file.create(path, "test-0123", "solar", PASSPHRASE, RealDisk())
    wallet.openings.keep("balance", "solar", OPENING)
    wallet.openings.height = 7
    wallet.save()
    return path


def code_of(path: Path, passphrase: str = PASSPHRASE) -> str:
    with pytest.raises(NodeError) as refused:
        file.load(path, lambda: passphrase, RealDisk())
    assert refused.value.hint
    return refused.value.code


def test_a_wallet_is_read_with_what_the_document_says_and_nothing_of_ours(tmp_path: Path) -> None:
    path = made(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    wallet: dict[str, Any] = json.loads(path.read_bytes())
    fields = ["format", "chain_id", "member", "kdf", "iterations", "salt", "cipher", "iv", "ciphertext"]
    assert list(wallet) == [*fields, "checksum"]
    assert (wallet["format"], wallet["kdf"], wallet["cipher"]) == ("gridpact-wallet-1", "PBKDF2-SHA-256", "AES-256-GCM")
    assert hashlib.sha256("\n".join(str(wallet[name]) for name in fields).encode()).hexdigest() == wallet["checksum"]
    key = hashlib.pbkdf2_hmac("sha256", PASSPHRASE.encode(), bytes.fromhex(wallet["salt"]), wallet["iterations"], 32)
    assert (len(wallet["salt"]), len(wallet["iv"])) == (32, 24)
    bound = b"gridpact-wallet-1/test-0123/solar"
    plain = AESGCM(key).decrypt(bytes.fromhex(wallet["iv"]), bytes.fromhex(wallet["ciphertext"]), bound)
    ((commitment, kind, about, value, blinding),) = json.loads(plain)["openings"]
    assert (kind, about, value, int(blinding, 16)) == ("balance", "solar", str(2**63 - 1), 7)
    assert file.load(path, lambda: PASSPHRASE, RealDisk()).openings.find(bytes.fromhex(commitment)) == OPENING


def test_nothing_of_an_opening_stands_in_the_file_and_no_writing_repeats_a_nonce(tmp_path: Path) -> None:
    path = made(tmp_path)
    seen = set()
    wallet = file.load(path, lambda: PASSPHRASE, RealDisk())
    for _ in range(5):
        wallet.save()
        said = json.loads(path.read_bytes())
        seen.add(said["iv"])
        assert str(OPENING.value) not in path.read_text() and OPENING.blinding.hex() not in path.read_text()
    assert len(seen) == 5


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = made(tmp_path_factory.mktemp("kept"))
    return path, path.read_bytes()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_any_flipped_bit_is_damage_and_never_another_wallet(kept: tuple[Path, bytes], place: int, bit: int) -> None:
    path, whole = kept
    at = place % len(whole)
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
    try:
        opened = file.load(path, lambda: PASSPHRASE, RealDisk())
    except NodeError as refused:
        assert refused.code in ("wallet.corrupt", "wallet.malformed")
        assert "wallet restore" in refused.hint and "wallet recover" in refused.hint
    else:
        # White space between two fields is no part of the document.
        assert json.loads(path.read_bytes()) == json.loads(whole) and len(opened.openings) == 1
    finally:
        path.write_bytes(whole)


def test_a_wrong_passphrase_is_told_from_damage_even_by_who_repairs_the_checksum(tmp_path: Path) -> None:
    path = made(tmp_path)
    assert code_of(path, "another passphrase") == "wallet.wrong-passphrase"
    wallet = json.loads(path.read_bytes())
    for name, value in (("member", "bio"), ("chain_id", "test-9999"), ("iv", "00" * 12), ("iterations", 100_001)):
        changed = wallet | {name: value}
        parts = "\n".join(str(one) for field, one in changed.items() if field != "checksum")
        path.write_text(json.dumps(changed | {"checksum": hashlib.sha256(parts.encode()).hexdigest()}))
        assert code_of(path) == "wallet.wrong-passphrase", "it is bound to all of it"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iterations", 99_999),
        ("iterations", 10_000_001),
        ("cipher", "AES-128-CBC"),
        ("kdf", "none"),
        ("salt", "0g"),
        ("format", "gridpact-wallet-2"),
    ],
)
def test_a_file_can_not_ask_for_less_protection_or_endless_work(tmp_path: Path, name: str, value: object) -> None:
    path = made(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {name: value}))
    assert code_of(path) == "wallet.malformed"


def test_files_that_are_none_or_open_to_others_are_refused(tmp_path: Path) -> None:
    path = made(tmp_path)
    assert code_of(tmp_path / "nothing") == "wallet.missing"
    for content in (b"", b"{}", b"\xff\xfe", b"[" * 10_000):
        path.write_bytes(content)
        assert code_of(path) == "wallet.malformed"
    path.chmod(0o640)
    assert code_of(path) == "wallet.permissions"


def test_wallets_are_never_overwritten_and_weak_passphrases_refused(tmp_path: Path) -> None:
    path, disk = made(tmp_path), RealDisk()
    for act in (
        lambda: file.create(path, "test-0123", "solar", PASSPHRASE, disk),
        lambda: file.copy(path, path, disk),
    ):
        with pytest.raises(NodeError) as refused:
            act()
        assert refused.value.code == "wallet.exists"
    with pytest.raises(NodeError) as weak:
        file.create(tmp_path / "new.json", "test-0123", "solar", "short", disk)
    assert weak.value.code == "key.passphrase-weak"
    assert file.copy(path, tmp_path / "copy.json", disk) == ("test-0123", "solar")
    assert file.load(tmp_path / "copy.json", lambda: PASSPHRASE, disk).openings.height == 7


def test_a_wallet_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.wallet.openings.MAX_OPENINGS", 2)
    openings = Openings()
    for value in (1, 2, 2):
        openings.keep("item", str(value), Opening(value, bytes(32)))
    with pytest.raises(NodeError) as full:
        openings.keep("item", "3", Opening(3, bytes(32)))
    assert full.value.code == "wallet.full"
