"""Keys: nothing but the right passphrase and an undamaged, private file gives a key."""

from __future__ import annotations

import hmac
import ssl
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.genesis import DevnetClock
from node.disk import RealDisk
from node.errors import NodeError
from node.keys import (
    Kdf,
    Key,
    beacon_key,
    certificate,
    find_passphrase,
    is_encrypted,
    read_key,
    read_public_key,
    refuse_devnet_keys,
    write_key,
)
from node.peer.tls import Identity, TlsSession, contexts
from tests.node.documents import genesis_document
from zk import bls
from zk.ed25519 import SigningKey, verify

DISK = RealDisk()
FAST = Kdf(n=2, r=1, p=1)
PASSPHRASE = "correct horse battery"


def code(action: object, *arguments: object) -> str:
    with pytest.raises(NodeError) as caught:
        action(*arguments)  # type: ignore[operator]
    assert caught.value.hint
    return caught.value.code


def never() -> str:
    raise AssertionError("a plain key needs no passphrase")


@pytest.fixture
def encrypted(tmp_path: Path) -> Path:
    path = tmp_path / "consensus.json"
    write_key(path, Key("consensus", bytes(range(32)), False), PASSPHRASE, DISK, FAST)
    return path


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain.json"
    write_key(path, Key("account", bytes(range(32)), True), None, DISK)
    return path


def test_an_encrypted_key_comes_back_and_its_seed_is_not_in_the_file(encrypted: Path) -> None:
    key = read_key(encrypted, "consensus", lambda: PASSPHRASE)
    assert key.seed == bytes(range(32))
    assert not key.devnet
    assert key.public_key == read_public_key(encrypted) == SigningKey(bytes(range(32))).public_key
    assert is_encrypted(encrypted)
    raw = encrypted.read_bytes()
    assert key.seed not in raw and key.seed.hex().encode() not in raw
    assert encrypted.stat().st_mode & 0o777 == 0o600


def test_default_work_factors_are_those_of_the_design(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    write_key(path, Key.generate("account"), PASSPHRASE, DISK)
    assert msgspec.json.decode(path.read_bytes())["kdf"] == {"n": 2**15, "r": 8, "p": 1}
    read_key(path, "account", lambda: PASSPHRASE)


def test_a_plain_key_is_marked_and_needs_no_passphrase(plain: Path) -> None:
    key = read_key(plain, "account", never)
    assert key.devnet
    assert msgspec.json.decode(plain.read_bytes())["devnet"] is True
    assert not is_encrypted(plain)
    assert "00010203" not in repr(key)


def test_only_devnet_keys_may_be_plain(tmp_path: Path, plain: Path) -> None:
    path = tmp_path / "key.json"
    assert code(write_key, path, Key.generate("account"), None, DISK) == "key.passphrase-missing"
    assert code(write_key, path, Key.generate("account"), "short", DISK) == "key.passphrase-weak"
    assert not path.exists()


def test_a_key_is_never_overwritten(plain: Path) -> None:
    before = plain.read_bytes()
    assert code(write_key, plain, Key.generate("account", devnet=True), None, DISK) == "key.exists"
    assert plain.read_bytes() == before


def test_a_wrong_passphrase_says_so(encrypted: Path) -> None:
    assert code(read_key, encrypted, "consensus", lambda: "wrong") == "key.wrong-passphrase"


def test_a_key_of_another_kind_is_refused(encrypted: Path) -> None:
    assert code(read_key, encrypted, "account", lambda: PASSPHRASE) == "key.kind"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_file_that_others_can_reach_is_refused(encrypted: Path, mode: int) -> None:
    encrypted.chmod(mode)
    with pytest.raises(NodeError) as caught:
        read_key(encrypted, "consensus", lambda: PASSPHRASE)
    assert caught.value.code == "key.permissions"
    assert f"chmod 600 {encrypted}" in caught.value.hint


def test_a_missing_file_names_the_next_step(tmp_path: Path) -> None:
    assert code(read_key, tmp_path / "none.json", "account", never) == "key.missing"


@pytest.mark.properties
@settings(max_examples=200)
@given(data=st.data())
def test_no_flipped_bit_and_no_cut_gives_a_key(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    directory = tmp_path_factory.getbasetemp() / "damage"
    directory.mkdir(exist_ok=True)
    for name, key, passphrase in (
        ("sealed", Key("tls", bytes(range(32)), False), PASSPHRASE),
        ("plain", Key("tls", bytes(range(32)), True), None),
    ):
        path = directory / name
        if not path.exists():
            write_key(path, key, passphrase, DISK, FAST)
        whole = path.read_bytes()
        damaged = bytearray(whole)
        if data.draw(st.booleans()):
            damaged[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        else:
            del damaged[data.draw(st.integers(0, len(whole) - 2)) :]
        try:
            path.write_bytes(damaged)
            found = read_key(path, "tls", lambda: PASSPHRASE)
        except NodeError as error:
            assert error.code in ("key.malformed", "key.corrupt")
        else:
            # Whitespace and the case of hex digits carry nothing.
            assert (found.seed, found.devnet) == (key.seed, key.devnet)
        finally:
            path.write_bytes(whole)


def test_the_public_key_is_bound_to_the_ciphertext(encrypted: Path) -> None:
    """Somebody who can write the file, checksum and all, still cannot swap the identity."""
    from node.keys import _KeyFile

    file = msgspec.json.decode(encrypted.read_bytes(), type=_KeyFile)
    forged = msgspec.structs.replace(file, public_key=SigningKey(bytes(32)).public_key.hex())
    forged = msgspec.structs.replace(forged, checksum=forged.sum())
    encrypted.write_bytes(msgspec.json.encode(forged))
    assert code(read_key, encrypted, "consensus", lambda: PASSPHRASE) == "key.wrong-passphrase"


def test_work_factors_of_a_file_are_bounded(encrypted: Path) -> None:
    document = msgspec.json.decode(encrypted.read_bytes())
    document["kdf"]["n"] = 2**30
    encrypted.write_bytes(msgspec.json.encode(document))
    assert code(read_key, encrypted, "consensus", never) == "key.malformed"


def test_a_passphrase_comes_from_the_nearest_source(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("from file\nsecond line\n")
    file.chmod(0o600)
    environment = {"GRIDPACT_PASSPHRASE": "from environment"}
    assert find_passphrase("from argument", file, environment, lambda: "from prompt") == "from argument"
    assert find_passphrase(None, file, environment, lambda: "from prompt") == "from file"
    assert find_passphrase(None, None, environment, lambda: "from prompt") == "from environment"
    assert find_passphrase(None, None, {}, lambda: "from prompt") == "from prompt"
    assert code(find_passphrase, None, None, {}, None) == "key.passphrase-missing"
    file.chmod(0o644)
    assert code(find_passphrase, None, file, {}, None) == "key.permissions"
    assert code(find_passphrase, None, tmp_path / "none", {}, None) == "key.missing"


def test_devnet_keys_are_refused_by_a_production_genesis() -> None:
    production = genesis_document(devnet=False)
    good, devnet = Key.generate("consensus"), Key.generate("tls", devnet=True)
    refuse_devnet_keys([good], production)
    assert code(refuse_devnet_keys, [good, devnet], production) == "key.devnet"
    assert isinstance(genesis_document().devnet_clock, DevnetClock)
    refuse_devnet_keys([good, devnet], genesis_document())


def test_certificates_are_deterministic_and_name_the_node() -> None:
    key = Key("tls", bytes(range(32)), True)
    der = certificate(key, "solar-1")
    assert der == certificate(key, "solar-1") != certificate(key, "solar-2")
    parsed = x509.load_der_x509_certificate(der)
    assert parsed.subject.rfc4514_string() == parsed.issuer.rfc4514_string() == "CN=solar-1"
    assert parsed.public_key().public_bytes_raw() == key.public_key  # type: ignore[union-attr]
    assert verify(key.public_key, parsed.tbs_certificate_bytes, parsed.signature)
    assert parsed.not_valid_after_utc.year - parsed.not_valid_before_utc.year == 100
    assert len(certificate(key, "a" * 32)) < 2048


def test_certificates_carry_mutual_tls_between_registered_nodes_only() -> None:
    def side(seed: int, node: str) -> Identity:
        key = Key("tls", bytes([seed]) * 32, True)
        return Identity(node, certificate(key, node), key.seed, lambda message: b"")

    def meet(client: Identity, server: Identity, registered: list[bytes]) -> None:
        a = TlsSession(contexts(client, registered).client, server_side=False)
        b = TlsSession(contexts(server, registered).server, server_side=True)
        done = False
        for _ in range(4):
            done = a.handshake()
            b.feed(memoryview(a.take()))
            done = b.handshake() and done
            a.feed(memoryview(b.take()))
        assert done and b.peer_certificate() == client.certificate

    one, two, stranger = side(1, "one"), side(2, "two"), side(3, "one")
    meet(one, two, [one.certificate, two.certificate])
    with pytest.raises(ssl.SSLError):
        meet(stranger, two, [one.certificate, two.certificate])


def test_generated_keys_differ_and_take_their_entropy_from_the_caller() -> None:
    assert Key.generate("account").seed != Key.generate("account").seed
    assert Key.generate("account", entropy=lambda n: b"\x07" * n).seed == b"\x07" * 32


def test_a_beacon_key_follows_from_the_consensus_key_and_shows_nothing_of_it() -> None:
    """The derivation is for good: whoever changes it changes the registered key of every node."""
    seeds = [bytes([number]) * 32 for number in range(3)]
    keys = [Key("consensus", seed, devnet=True) for seed in seeds]
    derived = [beacon_key(key).public_key for key in keys]
    assert len(set(derived)) == 3
    first = hmac.digest(hmac.digest(bytes(32), seeds[0], "sha256"), b"gridpact/1/beacon-key\x01", "sha256")
    assert derived[0] == bls.SigningKey(first).public_key != bls.SigningKey(seeds[0]).public_key
