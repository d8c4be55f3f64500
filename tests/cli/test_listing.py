"""`gridpact query blocks | transactions`: pages in every form, and the typed client that they ask with."""

from __future__ import annotations

import csv
import io

import pytest

from contracts.bodies import Transfer
from node.client import SyncClient
from tests.cli.conftest import Devnet


@pytest.fixture
def busy(devnet: Devnet) -> Devnet:
    speaker = devnet.chain.speaker
    for count in (1, 2):
        sent = [speaker.member("campus", Transfer("solar", 1, "")) for _ in range(count)]
        devnet.call(devnet.chain.submit([*sent, speaker.member("wind", Transfer("nobody", 1, ""))]))
    return devnet


def test_pages_go_back_to_the_first_block(busy: Devnet) -> None:
    seen, before = [], []
    while True:
        page = busy.document("query", "blocks", "--limit", "3", *before)
        seen += [one["height"] for one in page["blocks"]]
        if page["next"] is None:
            break
        before = ["--before", str(page["next"])]
    assert seen == list(range(busy.chain.ledger.height, 0, -1))
    result = busy.run("query", "blocks", "--limit", "2")
    assert result.exit_code == 0 and "Further back: --before" in result.output


def test_transactions_are_found_by_who_sent_them_what_they_are_and_what_became_of_them(busy: Devnet) -> None:
    def found(*options: str) -> list[str]:
        return [one["sender"] for one in busy.document("query", "transactions", *options)["transactions"]]

    assert found() == ["wind", "campus", "campus", "wind", "campus"]
    assert found("--sender", "wind") == ["wind"] * 2 and found("--code", "ok") == ["campus"] * 3
    assert found("--body", "transfer", "--sender", "campus", "--limit", "2") == ["campus"] * 2
    assert found("--body", "offer") == []
    rows = list(csv.DictReader(io.StringIO(busy.run("query", "transactions", "--csv").stdout)))
    assert len(rows) == 5 and rows[0].keys() >= {"height", "index", "hash", "sender", "body", "code"}


@pytest.mark.parametrize("options", [("--sender", "A"), ("--before", "x"), ("--code", "<script>")])
def test_what_is_asked_wrongly_gets_a_code(busy: Devnet, options: tuple[str, str]) -> None:
    answer = busy.document("query", "transactions", *options, exit_code=1)
    assert answer["code"] == "rpc.malformed" and answer["hint"]


def test_the_typed_client_reads_what_the_node_says(busy: Devnet) -> None:
    with SyncClient(busy.url) as sync:
        typed = sync.client.typed
        member = sync.run(typed.member("campus", prove=True))
        plain = sync.run(sync.client.member("campus"))
        assert str(member.data.balance_nano) == plain["data"]["balance_nano"]
        assert member.data.keys[0].public_key.hex() == plain["data"]["keys"][0]["public_key"]
        assert member.proof is not None and member.height == busy.chain.ledger.height - 1
        assert sync.run(typed.status()).chain_id == busy.chain.ledger.chain_id
        trust = sync.run(typed.trust())
        assert trust.data.supply_tokens >= sum(one.bonded_tokens for one in trust.data.members) > 0
        (newest, *_) = sync.run(typed.transactions(limit=1)).transactions
        held = sync.run(typed.transaction(bytes.fromhex(newest.hash)))
        assert held.data.receipt.code == newest.code
        assert sync.run(typed.interval("now")).data.status == "empty"
        assert sync.run(typed.rules()).data.rule_set == 1
