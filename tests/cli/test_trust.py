"""`gridpact trust` and `gridpact tx trust`: what they say is what is on the ledger, proven, in every form."""

from __future__ import annotations

import csv
import io
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from node.cli.app import app
from node.cli.trust import scientific
from tests.cli.conftest import Devnet

TX = ("tx", "trust")


def members(devnet: Devnet, *options: str) -> dict[str, dict[str, Any]]:
    data = devnet.document("trust", "show", *options)["data"]
    return {one["member"]: one for one in data["members"]}


SEATED = ("power", "next_power", "coming_power", "power_change", "flagged")
"""What only the list of everybody has."""


def test_everybody_is_shown_with_the_reason_of_every_change(devnet: Devnet) -> None:
    devnet.document(*TX, "bond", "--as", "campus", "--tokens", "999")
    devnet.document(*TX, "transfer", "--as", "solar", "--to", "wind", "--tokens", "1000", "--memo", "for good")
    done = devnet.document(*TX, "unbond", "--as", "wind", "--tokens", "400")
    assert (done["status"], done["code"], done["member"], done["amount_tokens"]) == ("final", "ok", "wind", "400")
    shown = members(devnet)
    tokens = {
        name: [one[f"{form}_tokens"] for form in ("free", "bonded", "unlocking", "wagered")]
        for name, one in shown.items()
    }
    assert tokens == {
        "biodiesel": ["1000", "1000", "0", "0"],
        "campus": ["1", "1999", "0", "0"],
        "solar": ["0", "1000", "0", "0"],
        "wind": ["2000", "600", "400", "0"],
    }
    # isqrt(1999) = 44, isqrt(1000) = 31, isqrt(600) = 24, times half an index; the cap is 30% of what is left.
    assert {one["power"] for one in shown.values()} == {one["next_power"] for one in shown.values()} == {"15"}
    assert {name: (one["weight"], one["coming_power"]) for name, one in shown.items()} == {
        "biodiesel": (15, "15"),
        "campus": (22, "18"),
        "solar": (15, "15"),
        "wind": (12, "12"),
    }
    assert shown["campus"]["bonded_change"] == shown["campus"]["free_change"]
    assert shown["campus"]["bonded_change"]["kind"] == "bonded" and shown["campus"]["bonded_change"]["height"] > 0
    assert [shown[name]["free_change"]["kind"] for name in ("biodiesel", "solar", "wind")] == [
        "genesis",
        "sent",
        "received",
    ]
    assert shown["wind"]["bonded_change"]["kind"] == "unbonded"
    (part,) = shown["wind"]["unlocking"]
    assert (part["height"], part["power_height"], part["free_after_height"]) == (done["height"], 0, None)
    one = devnet.document("query", "member", "wind", "--prove")
    assert one["data"]["trust"] == {name: value for name, value in shown["wind"].items() if name not in SEATED}


def test_all_of_it_is_proven(devnet: Devnet) -> None:
    devnet.document(*TX, "bond", "--as", "campus", "--tokens", "1")
    answer = devnet.document("trust", "show", "--prove")
    assert answer["data"]["supply_tokens"] == "8000" and answer["data"]["organisations"] == 4
    for power in ("power", "next_power", "coming_power"):
        assert sum(int(one[power]) for one in answer["data"]["members"]) == int(answer["data"][f"total_{power}"])
    records = {entry["key"] for entry in answer["proof"]["entries"]}
    assert {bytes.fromhex(key).decode() for key in records} >= {f"trust/{name}" for name in members(devnet)}
    assert answer["proven"]


def test_people_and_spreadsheets_see_the_same(devnet: Devnet) -> None:
    devnet.document(*TX, "unbond", "--as", "campus", "--tokens", "360")
    text = devnet.run("trust", "show").stdout
    assert "Changed last by" in text and "unbonded in block 1" in text and "8,000 tokens in all" in text
    assert "campus: 360 tokens are in the power of an epoch that has not ended." in text
    raw = devnet.run("trust", "show", "--csv").stdout_bytes.decode()
    rows = {row["member"]: row for row in csv.DictReader(io.StringIO(raw, newline=""))}
    shown = members(devnet)
    for name, row in rows.items():
        for field in ("free_tokens", "bonded_tokens", "unlocking_tokens", "wagered_tokens", "power"):
            assert row[field] == shown[name][field]
        assert row["index_ppm"] == "500000" and row["unlocking_count"] == ("1" if name == "campus" else "0")
        assert row["bonded_change_kind"] == shown[name]["bonded_change"]["kind"]


def test_who_is_below_the_bar_weighs_nothing_and_is_told_so(devnet: Devnet) -> None:
    devnet.document(*TX, "unbond", "--as", "campus", "--tokens", "901")
    assert members(devnet)["campus"]["weight"] == 0
    assert devnet.document("trust", "show")["data"]["seat_bond_tokens"] == "100"
    text = devnet.run("trust", "show").stdout
    assert "campus has no weight: it has bonded 99 tokens, and a seat takes 100." in text
    devnet.document(*TX, "bond", "--as", "campus", "--tokens", "1")
    assert members(devnet)["campus"]["weight"] == 5
    assert "has no weight: it" not in devnet.run("trust", "show").stdout


def test_when_what_left_a_bond_is_free_is_said_once_its_power_has_ended(devnet: Devnet) -> None:
    devnet.document(*TX, "unbond", "--as", "campus", "--tokens", "360")
    consensus = devnet.chain.ledger.genesis.consensus
    end = 2 * consensus.epoch_blocks
    while devnet.chain.ledger.height < end:
        devnet.call(devnet.chain.produce())
    (part,) = members(devnet)["campus"]["unlocking"]
    assert part["free_after_height"] == end + consensus.evidence_age_blocks
    assert part["free_after_ms"] == devnet.chain.ledger.time_ms(end) + consensus.evidence_age_ms
    assert f"campus: 360 tokens are free after block {end + 100_000} and 20" in devnet.run("trust", "show").stdout


def test_power_follows_a_bond_two_epochs_later_and_says_why(devnet: Devnet) -> None:
    ledger = devnet.chain.ledger
    blocks = ledger.genesis.consensus.epoch_blocks
    devnet.document(*TX, "bond", "--as", "campus", "--tokens", "999")
    for end, expected in ((blocks, ("15", "19", "19")), (2 * blocks, ("19", "19", "19"))):
        while ledger.height < end:
            devnet.call(devnet.chain.produce())
        campus = members(devnet)["campus"]
        assert (campus["power"], campus["next_power"], campus["coming_power"]) == expected
        assert campus["power_change"] == {"kind": "weight", "height": blocks} and not campus["flagged"]
        assert members(devnet)["wind"]["power_change"] == {"kind": "genesis", "height": 0}
    assert f"weight in block {blocks}" in devnet.run("trust", "show").stdout


def test_without_four_bonds_everybody_stays_and_it_says_what_would_help(devnet: Devnet) -> None:
    devnet.document(*TX, "unbond", "--as", "campus", "--tokens", "1000")
    data = devnet.document("trust", "show")["data"]
    assert data["organisations"] == 3
    assert {one[power] for one in data["members"] for power in ("power", "next_power", "coming_power")} == {"15"}
    text = devnet.run("trust", "show").stdout
    assert (
        "3 members have weight; the rule needs 4, so who has a seat keeps it." in text
        and "gridpact tx trust bond" in text
    )


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("transfer", "--as", "campus", "--to", "nobody", "--tokens", "1"), "trust.recipient"),
        (("transfer", "--as", "campus", "--to", "wind", "--tokens", "1001"), "trust.insufficient"),
        (("transfer", "--as", "campus", "--to", "wind", "--tokens", "1", "--memo", "x" * 81), "cli.memo"),
        (("bond", "--as", "campus", "--tokens", "1001"), "trust.insufficient"),
        (("unbond", "--as", "campus", "--tokens", "1001"), "trust.bond"),
    ],
)
def test_mistakes_have_a_code_and_a_next_step(devnet: Devnet, command: tuple[str, ...], code: str) -> None:
    refused = devnet.document(*TX, *command, exit_code=1)
    assert refused["code"] == code and refused["message"] and refused["hint"]


def test_the_risk_of_a_committee_is_that_of_the_design() -> None:
    for seats, draw, year in ((200, "2.74e-07", "9.99e-05"), (250, "2.00e-09", "7.31e-07")):
        asked = ["trust", "risk", "--members", "1000", "--bad", "200000", "--seats", str(seats)]
        text = CliRunner().invoke(app, asked).stdout
        assert f"per draw: {draw}" in text and f"365 draws: {year}" in text


def test_a_committee_is_not_larger_than_its_pool(devnet: Devnet) -> None:
    asked = ["trust", "risk", "--members", "10", "--bad", "1", "--seats", "11", "--json"]
    refused = CliRunner().invoke(app, asked)
    assert refused.exit_code == 1 and '"cli.seats"' in refused.stdout
    for wrong in (("0", "0", "1"), ("10001", "0", "1"), ("4", "1000001", "1"), ("4", "-1", "1"), ("4", "0", "0")):
        members_, bad, seats = wrong
        refused = CliRunner().invoke(app, ["trust", "risk", "--members", members_, "--bad", bad, "--seats", seats])
        assert refused.exit_code == 2


def test_a_part_of_a_bad_member_is_a_bad_member() -> None:
    asked = ["trust", "risk", "--members", "4", "--bad", "1", "--seats", "4", "--json"]
    assert '"bad_members": 1' in CliRunner().invoke(app, asked).stdout


@given(st.fractions(min_value=0, max_value=10**6) | st.integers(1, 10**9).map(lambda one: Fraction(1, one)))
def test_probabilities_are_rounded_to_the_nearest(value: Fraction) -> None:
    text = scientific(value)
    if not value:
        assert text == "0"
        return
    digits, exponent = text.split("e")
    assert len(digits) == 4 and "1.00" <= digits <= "9.99"
    assert abs(Fraction(digits) * Fraction(10) ** int(exponent) - value) <= Fraction(10) ** (int(exponent) - 2) / 2


def test_a_probability_may_be_too_small_for_a_float() -> None:
    assert scientific(Fraction(1, 3 * 10**5_000)) == "3.33e-5001"
    assert scientific(Fraction(9_996, 10**7)) == "1.00e-03"
