"""`gridpact govern`: what is proposed, approved and in force, shown as it is on the ledger, and proven."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts import api
from contracts.governance.changes import AdmitMember
from contracts.state import State
from node.genesis_file import load_admission
from tests.cli.conftest import Devnet
from tests.support.pact import VALIDATORS, key_of, node_keys


def newcomer() -> str:
    """A member with a node and a meter, written as in genesis."""
    keys = node_keys("newbie", key_of("newbie node").public_key)
    return f"""
[[members]]
id = "newbie"
name = "Newbie"
roles = ["supplier", "consumer"]
site = "site"
[[members.keys]]
public_key = "{key_of("newbie").public_key.hex()}"
scope = "all"
[[members.nodes]]
node = "newbie"
consensus_key = "{keys.consensus_key.hex()}"
bls_key = "{keys.bls_key.hex()}"
bls_possession = "{keys.bls_possession.hex()}"
tls_certificate = "AAAA"
address = "127.0.0.1:7"
[[meters]]
id = "newbie-1"
member = "newbie"
public_key = "{key_of("newbie-1").public_key.hex()}"
kind = "load"
zone = "site"
rating_w = 1000
register_import_wh = 70
"""


PENALTY = ("govern", "propose-params", "penalty_ppm=200000", "--reason", "dearer", "--as", "campus")


def in_force(devnet: Devnet) -> Any:
    return api.rules(State(devnet.chain.ledger))


def test_a_proposal_is_made_approved_shown_and_in_force(devnet: Devnet) -> None:
    made = devnet.document(*PENALTY)
    assert (made["code"], made["member"], made["reason"]) == ("ok", "campus", "dearer")
    for name in VALIDATORS[:3]:
        assert in_force(devnet).params.penalty_ppm == 100_000
        assert devnet.document("govern", "approve", "0", "--as", name)["code"] == "ok"
    assert in_force(devnet).params.penalty_ppm == 200_000
    shown = devnet.document("govern", "show", "0", "--prove")
    data = shown["data"]
    assert (data["kind"], data["status"], data["proposer"]) == ("set-params", "enacted", "campus")
    assert [one["member"] for one in data["approvals"]] == list(VALIDATORS[:3])
    assert int(data["approving_power"]) * 4 == int(data["total_power"]) * 3
    assert {type(data[name]) for name in ("approving_power", "total_power")} == {str}, "power may pass 2^53"
    assert all(f"{table}/0000000000" in shown["proven"] for table in ("proposal", "ballot"))
    (listed,) = devnet.document("govern", "list")["data"]["proposals"]
    assert (listed["number"], listed["status"]) == (0, "enacted")
    rules = devnet.document("govern", "rules", "--prove")["data"]
    assert rules["params"]["penalty_ppm"] == 200_000 and rules["height"] == data["status_height"] + 1
    told = devnet.run("govern", "show", "0").stdout
    assert "campus" in told and "75.0%" in told and "enacted in block" in told
    assert "set-params" in devnet.run("govern", "list").stdout
    assert "penalty_ppm" in devnet.run("govern", "rules").stdout


def test_only_the_named_values_change(devnet: Devnet) -> None:
    devnet.document(
        "govern", "propose-consensus", "target_block_ms=300", "--epoch", "5", "--reason", "r", "--as", "wind"
    )
    change = devnet.document("govern", "show", "0")["data"]["change"]
    before = in_force(devnet).consensus
    assert change["epoch"] == 5 and change["consensus"]["target_block_ms"] == 300
    assert change["consensus"]["epoch_blocks"] == before.epoch_blocks
    assert int(change["consensus"]["evidence_age_ms"]) == before.evidence_age_ms


def test_who_does_not_know_a_rule_set_can_not_signal_for_it(devnet: Devnet) -> None:
    devnet.document("govern", "propose-rules", "2", "--epoch", "5", "--reason", "r", "--as", "wind")
    refused = devnet.document("govern", "signal", "0", "--as", "wind", exit_code=1)
    assert refused["code"] == "cli.rule-set" and "not 2" in refused["message"]
    assert devnet.document("govern", "show", "0")["data"]["approvals"] == []


def test_removal_roles_and_withdrawal(devnet: Devnet) -> None:
    refused = devnet.document("govern", "propose-removal", "wind", "--reason", "r", "--as", "campus", exit_code=1)
    assert refused["code"] == "governance.too-few"
    roles = ("propose-roles", "wind", "--role", "storage", "--role", "campus", "--as", "campus")
    devnet.document("govern", *roles, "--reason", "stores")
    assert devnet.document("govern", "show", "0")["data"]["change"]["roles"] == ["campus", "storage"]
    assert devnet.document("govern", "withdraw", "0", "--as", "campus")["code"] == "ok"
    assert devnet.document("govern", "show", "0")["data"]["status"] == "withdrawn"
    assert devnet.document("govern", "approve", "0", "--as", "wind", exit_code=1)["code"] == "governance.closed"


def test_an_envelope_is_set_shown_and_falls_to_its_safe_state_with_a_key(devnet: Devnet, tmp_path: Path) -> None:
    file = tmp_path / "envelope.toml"
    file.write_text("[[envelopes]]\nmeter = 'solar-1'\ngive_w = 8_000\ntake_w = 0\nsafe_give_w = 400\nramp_w = 40\n")
    assert "bound by its rating" in devnet.run("query", "envelope", "solar-1").stdout
    devnet.document("govern", "propose-envelope", str(file), "--reason", "worn", "--as", "campus")
    for name in VALIDATORS[:3]:
        devnet.document("govern", "approve", "0", "--as", name)
    shown = devnet.document("query", "envelope", "solar-1", "next", "--prove")
    assert shown["data"]["limits"] == {"give_wh": 2_000, "take_wh": 0, "ramp_wh": 10, "floor_wh": 0, "code": ""}
    assert "envelope/solar-1" in shown["proven"]
    refused = devnet.document(
        "tx", "offer", "--as", "solar", "--meter", "solar-1", "--block", "100000:2001", exit_code=1
    )
    assert refused["code"] == "envelope.power"
    key = devnet.document("query", "meter", "solar-1")["data"]["public_key"]
    devnet.document("govern", "propose-revocation", "solar", key, "--reason", "stolen", "--as", "campus")
    for name in VALIDATORS[:3]:
        devnet.document("govern", "approve", "1", "--as", name)
    assert devnet.document("query", "envelope", "solar-1", "next")["data"]["limits"]["give_wh"] == 100
    assert "a key of it was revoked" in devnet.run("query", "envelope", "solar-1", "next").stdout
    assert devnet.document("query", "meter", "solar-1")["data"]["public_key"] == "00" * 32
    for wrong in (key[1:], "zz" * 32):
        command = ("govern", "propose-revocation", "solar", wrong, "--reason", "r", "--as", "campus")
        assert devnet.document(*command, exit_code=1)["code"] == "cli.value"
    gone = str(tmp_path / "none.toml")
    command = ("govern", "propose-envelope", gone, "--reason", "r", "--as", "campus")
    assert devnet.document(*command, exit_code=1)["code"] == "genesis.missing-file"


def test_a_member_is_admitted_from_a_file_as_in_genesis(devnet: Devnet, tmp_path: Path) -> None:
    file = tmp_path / "newbie.toml"
    file.write_text(newcomer())
    devnet.document("govern", "propose-member", str(file), "--reason", "joins", "--as", "campus")
    for name in VALIDATORS[:3]:
        devnet.document("govern", "approve", "0", "--as", name)
    assert devnet.document("query", "member", "newbie")["data"]["roles"] == ["consumer", "supplier"]
    assert devnet.document("query", "meter", "newbie-1")["data"] is not None
    loaded = load_admission(file)
    assert isinstance(loaded, AdmitMember) and loaded.meters[0].import_wh == 70


NETWORK = """
[network]
[[network.places]]
id = "site"
[[network.places]]
id = "annexe"
[[network.lines]]
id = "tie"
from_place = "annexe"
to_place = "site"
limit_w = 5000
"""


def test_a_network_is_registered_from_a_file_and_shown(devnet: Devnet, tmp_path: Path) -> None:
    assert devnet.document("query", "network", exit_code=1)["code"] == "rpc.unknown-network"
    file = tmp_path / "network.toml"
    file.write_text(NETWORK)
    devnet.document("govern", "propose-network", str(file), "--reason", "wires", "--as", "campus")
    assert devnet.document("govern", "show", "0")["data"]["kind"] == "set-network"
    for name in VALIDATORS[:3]:
        devnet.document("govern", "approve", "0", "--as", name)
    shown = devnet.document("query", "network", "--prove")
    assert [one["id"] for one in shown["data"]["places"]] == ["annexe", "site"]
    assert "network/site" in shown["proven"]
    told = devnet.run("query", "network").stdout
    assert "2 places" in told and "tie" in told and "5,000" in told and "No AC model" in told
    assert "line_limit_w" in devnet.run("query", "network", "--csv").stdout


def test_who_proposes_a_network_is_told_what_is_wrong_with_it(devnet: Devnet, tmp_path: Path) -> None:
    file = tmp_path / "network.toml"
    second = NETWORK.partition("[[network.lines]]")[2].replace("tie", "tie-2").replace("5000", "0")
    file.write_text(f"{NETWORK}[[network.lines]]{second}")
    propose = ("govern", "propose-network", str(file), "--reason", "wires", "--as", "campus")
    refused = devnet.document(*propose, exit_code=1)
    assert refused["code"] == "network.unsafe" and 'lines["tie-2"]' in refused["message"] and refused["hint"]
    file.write_text(NETWORK.replace("limit_w", "limit"))
    assert devnet.document(*propose, exit_code=1)["code"] == "genesis.unknown-key"
    file.unlink()
    assert devnet.document(*propose, exit_code=1)["code"] == "genesis.missing-file"


@pytest.mark.parametrize("value", ["penalty_ppm", "penalty=1", "penalty_ppm=much", "penalty_ppm=-1"])
def test_values_that_are_none_are_refused_with_what_would_be_right(devnet: Devnet, value: str) -> None:
    answer = devnet.document("govern", "propose-params", value, "--reason", "r", "--as", "wind", exit_code=1)
    assert answer["code"] == "cli.value" and answer["hint"] and value in answer["message"]


@pytest.mark.parametrize("reason", ["", "x" * 81, "a\x1bb"])
def test_a_reason_that_nobody_could_read_is_refused_before_it_is_signed(devnet: Devnet, reason: str) -> None:
    given = ("propose-removal", "wind", "--as", "campus", "--reason", reason)
    assert devnet.document("govern", *given, exit_code=1)["code"] == "cli.reason"


def test_an_admission_without_its_file_says_what_belongs_there(devnet: Devnet, tmp_path: Path) -> None:
    file = str(tmp_path / "none.toml")
    answer = devnet.document("govern", "propose-member", file, "--reason", "r", "--as", "wind", exit_code=1)
    assert answer["code"] == "genesis.missing-file" and file in answer["message"] and "[[members]]" in answer["hint"]
