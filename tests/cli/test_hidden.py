"""Hidden money by hand: wallets, payments that nobody else can read, and what gets them back when files are lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.genesis import DevnetClock
from contracts.params import ConfidentialParams
from node.wallet import file
from tests.cli.conftest import Devnet
from tests.rpc.chain import PARAMS, START_MS, Chain


@pytest.fixture(autouse=True)
def fewer_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deriving keys is meant to be slow, and not what these tests are about."""
    monkeypatch.setattr(file, "ITERATIONS", file.LEAST_ITERATIONS)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Devnet]:
    """A devnet on which solar and campus have wallets, and solar hid 1,000 nano."""
    devnet = Devnet(tmp_path / "devnet", DevnetClock(START_MS, 1, 0))
    for name in ("solar", "campus"):
        assert devnet.document("wallet", "create", "--as", name)["code"] == "ok"
    assert devnet.document("tx", "deposit", "--as", "solar", "--amount-nano", "1000")["hidden_nano"] == "1000"
    yield devnet
    devnet.stop()


def wallet(devnet: Devnet, name: str) -> Path:
    return devnet.root / "wallets" / f"{name}.json"


def shown(devnet: Devnet, name: str) -> dict[str, Any]:
    return devnet.document("wallet", "show", "--as", name)


def test_money_is_hidden_paid_accepted_and_shown_again(pair: Devnet) -> None:
    paid = pair.document("tx", "spend", "--as", "solar", "--to", "campus", "--amount-nano", "300")
    assert (paid["code"], paid["hidden_nano"]) == ("ok", "700")
    waiting = shown(pair, "campus")["items"]
    assert [(one["from"], one["amount_nano"]) for one in waiting] == [("solar", "300")]
    public = pair.document("query", "hidden", "campus", "--prove")["data"]
    assert [one["commitment"] for one in public["items"]] == [paid["commitment"]]
    taken = pair.document("tx", "accept", "--as", "campus")
    assert (taken["amount_nano"], taken["hidden_nano"], taken["left"]) == ("300", "300", [])
    before = int(pair.document("query", "balance", "campus")["data"]["balance_nano"])
    assert pair.document("tx", "withdraw", "--as", "campus", "--amount-nano", "120")["hidden_nano"] == "180"
    assert int(pair.document("query", "balance", "campus")["data"]["balance_nano"]) == before + 120
    assert shown(pair, "campus")["balance_nano"] == "180"
    assert pair.document("tx", "spend", "--as", "solar", "--to", "campus", "--amount-nano", "700")["code"] == "ok"
    assert shown(pair, "solar")["balance_nano"] == "0"
    text = pair.run("wallet", "show", "--as", "campus").stdout
    assert "0.00000018" in text and "0.0000007" in text
    assert "gridpact wallet show --as campus" in pair.run("query", "hidden", "campus").stdout
    sums = pair.document("query", "hidden", "--prove")["data"]
    assert (sums["net_nano"], sums["debited_nano"], sums["credited"]) == ("880", "0", None)
    assert "0.00000088" in pair.run("query", "hidden").stdout
    assert pair.document("query", "note-key", "solar")["data"]["keys"][0]["point"]
    assert pair.document("proof", "fetch", "hidden", "campus")["kind"] == "state"


def test_amounts_and_openings_stand_in_no_query_and_no_block(pair: Devnet) -> None:
    amount = 123_456_789
    assert pair.document("tx", "deposit", "--as", "solar", "--amount-nano", "987654321")["code"] == "ok"
    paid = pair.document("tx", "spend", "--as", "solar", "--to", "campus", "--amount-nano", str(amount))
    said = json.dumps(
        [
            pair.document("query", "hidden", "campus", "--prove"),
            pair.document("query", "hidden", "solar", "--prove"),
            pair.document("proof", "fetch", "tx", paid["hash"]),
        ]
    )
    opened = json.loads(file.load(wallet(pair, "solar"), lambda: opened_by(pair, "solar"), _disk()).openings.encode())
    for secret in (str(amount), amount.to_bytes(5, "big").hex(), amount.to_bytes(8, "little").hex()):
        assert secret not in said
    for _, _, _, value, blinding in opened["openings"]:
        assert value not in said and (blinding not in said or not int(blinding, 16))


def opened_by(devnet: Devnet, name: str) -> str:
    from node.cli import options
    from node.cli.purse import passphrase_of

    return passphrase_of(name, None, options.Purse(), devnet.root)


def _disk() -> Any:
    from node.disk import RealDisk

    return RealDisk()


def test_a_lost_wallet_is_read_again_from_the_ledger_with_the_key_alone(pair: Devnet) -> None:
    for amount in ("100", "50"):
        assert pair.document("tx", "spend", "--as", "solar", "--to", "campus", "--amount-nano", amount)["code"] == "ok"
    assert pair.document("tx", "accept", "--as", "campus", "--item", "0")["hidden_nano"] == "100"
    assert pair.document("tx", "withdraw", "--as", "solar", "--amount-nano", "7")["code"] == "ok"
    assert pair.document("tx", "deposit", "--as", "solar", "--amount-nano", "3")["code"] == "ok"
    for name, balance, items in (("solar", "846", 0), ("campus", "100", 1)):
        wallet(pair, name).unlink()
        missing = pair.document("tx", "withdraw", "--as", name, "--amount-nano", "1", exit_code=1)
        assert missing["code"] == "wallet.missing" and "wallet create" in missing["hint"]
        found = pair.document("wallet", "recover", "--as", name)
        assert (found["balance_nano"], found["items"], found["lost"]) == (balance, items, [])
        assert pair.document("tx", "withdraw", "--as", name, "--amount-nano", "1")["code"] == "ok"


def test_an_opening_that_is_lost_says_so_and_how_to_get_it_back(pair: Devnet, tmp_path: Path) -> None:
    copy = tmp_path / "copy.json"
    assert pair.document("wallet", "backup", "--as", "solar", "--to", str(copy))["member"] == "solar"
    assert pair.document("tx", "spend", "--as", "solar", "--to", "campus", "--amount-nano", "10")["code"] == "ok"
    wallet(pair, "solar").unlink()
    assert pair.document("wallet", "restore", "--as", "solar", "--from", str(copy))["member"] == "solar"
    old = pair.document("tx", "withdraw", "--as", "solar", "--amount-nano", "1", exit_code=1)
    assert old["code"] == "wallet.opening-lost" and "wallet recover" in old["hint"]
    told = shown(pair, "solar")
    assert (told["balance_nano"], told["in_wallet"]) == ("990", False)
    assert "wallet recover" in pair.run("wallet", "show", "--as", "solar").stdout
    assert pair.document("wallet", "recover", "--as", "solar")["balance_nano"] == "990"
    assert pair.document("tx", "withdraw", "--as", "solar", "--amount-nano", "990")["hidden_nano"] == "0"


def test_any_flipped_bit_of_a_wallet_is_found_and_the_ledger_has_what_was_in_it(pair: Devnet) -> None:
    path = wallet(pair, "solar")
    whole = path.read_bytes()
    for place in range(7, len(whole), 61):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        refused = pair.document("wallet", "show", "--as", "solar", exit_code=1)
        assert refused["code"] in ("wallet.corrupt", "wallet.malformed"), whole[place : place + 1]
        assert "wallet restore" in refused["hint"] and "wallet recover" in refused["hint"]
    assert pair.document("wallet", "recover", "--as", "solar")["balance_nano"] == "1000"
    assert shown(pair, "solar")["in_wallet"] is True
    assert len(list(path.parent.glob("solar.json.damaged-*"))) == 1, "nothing is ever deleted"


def test_what_does_not_open_is_shown_left_and_never_accepted(pair: Devnet, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as lying:
        lying.setattr("node.wallet.account.told", lambda kind, *openings: b"something else")
        assert pair.document("tx", "spend", "--as", "solar", "--to", "campus", "--amount-nano", "10")["code"] == "ok"
    assert pair.document("wallet", "show", "--as", "solar")["balance_nano"] == "990"
    assert pair.document("tx", "spend", "--as", "solar", "--to", "campus", "--amount-nano", "20")["code"] == "ok"
    refused = pair.document("tx", "accept", "--as", "campus", "--item", "0", exit_code=1)
    assert refused["code"] == "wallet.unopenable" and "goes back" in refused["hint"]
    taken = pair.document("tx", "accept", "--as", "campus")
    assert (taken["items"], taken["amount_nano"], taken["left"]) == ([1], "20", ["item 0 from solar"])
    assert shown(pair, "campus")["items"][0]["amount_nano"] is None


def test_mistakes_say_what_would_be_right(pair: Devnet) -> None:
    def code(*words: str) -> str:
        return str(pair.document(*words, exit_code=1)["code"])

    assert code("tx", "spend", "--as", "solar", "--to", "wind", "--amount-nano", "1") == "confidential.recipient"
    assert code("tx", "spend", "--as", "solar", "--to", "campus", "--amount-nano", "1001") == "wallet.insufficient"
    assert code("tx", "withdraw", "--as", "campus", "--amount-nano", "1") == "confidential.empty"
    assert code("tx", "accept", "--as", "campus") == "confidential.nothing"
    assert code("tx", "accept", "--as", "campus", "--item", "5") == "confidential.item"
    assert code("wallet", "create", "--as", "solar") == "wallet.exists"
    assert code("wallet", "show", "--as", "solar", "--wallet", str(wallet(pair, "campus"))) == "wallet.wrong-passphrase"
    assert code("wallet", "show") == "cli.signer"
    (pair.root / "devnet.json").rename(pair.root / "gone.json")
    key = str(pair.root / "keys" / "solar.json")
    assert code("wallet", "show", "--as", "solar", "--key", key, "--node", pair.url) == "cli.wallet"
    (pair.root / "gone.json").rename(pair.root / "devnet.json")
    wallet(pair, "campus").chmod(0o644)
    assert code("wallet", "show", "--as", "campus") == "wallet.permissions"


def test_what_came_back_is_accepted_and_found_again_without_a_wallet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = msgspec.structs.replace(PARAMS, confidential=ConfidentialParams(1, 4))
    monkeypatch.setattr("tests.cli.conftest.Chain", lambda clock: Chain(clock=clock, params=hasty))
    devnet = Devnet(tmp_path / "devnet", DevnetClock(START_MS, 1, 0))
    try:
        for name in ("solar", "campus"):
            assert devnet.document("wallet", "create", "--as", name)["code"] == "ok"
        assert devnet.document("tx", "deposit", "--as", "solar", "--amount-nano", "1000")["code"] == "ok"
        for amount in ("10", "20"):
            words = ("tx", "spend", "--as", "solar", "--to", "campus", "--amount-nano", amount)
            assert devnet.document(*words)["code"] == "ok"
        for _ in range(5):
            devnet.call(devnet.chain.produce())
        assert devnet.document("wallet", "show", "--as", "campus")["items"] == []
        wallet(devnet, "solar").unlink()
        assert devnet.document("wallet", "recover", "--as", "solar")["balance_nano"] == "970"
        assert devnet.document("wallet", "show", "--as", "solar")["credits_nano"] == "30"
        taken = devnet.document("tx", "accept", "--as", "solar")
        assert (taken["credits"], taken["amount_nano"], taken["hidden_nano"]) == (True, "30", "1000")
    finally:
        devnet.stop()
