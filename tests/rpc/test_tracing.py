"""Traces: what a transaction did, by running it again; the same receipt, and nothing of the ledger changes."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from contracts.bodies import Transfer
from contracts.receipts import Receipt
from node.errors import NodeError
from node.tracing import trace
from tests.rpc.chain import Chain


def traced(*amounts: int) -> tuple[Chain, list[dict[str, Any]]]:
    """A chain with a block of transfers from one member, and the traces of all."""
    chain = Chain(automatic=False)
    raws = [chain.speaker.member("solar", Transfer("campus", amount, "")) for amount in amounts]
    results = asyncio.run(_play(chain, raws))
    before = chain.ledger.height, chain.ledger.state_root
    found = [trace(chain.ledger, hash_, lambda block: ()) for hash_ in results]
    assert (chain.ledger.height, chain.ledger.state_root) == before and sys.getprofile() is None
    return chain, found


async def _play(chain: Chain, raws: list[bytes]) -> list[bytes]:
    results = await chain.submit(raws)
    await chain.settle()
    return [one.hash for one in results]


def written(document: dict[str, Any], member: str) -> tuple[int, int]:
    """A member's balance before and after, from the rolls that were written."""
    (write,) = (
        write
        for write in document["writes"]
        if write["key"].startswith("balance/") and any(one["member"] == member for one in write["after"])
    )
    before, after = (
        next(int(one["balance_nano"]) for one in write[side] if one["member"] == member) for side in ("before", "after")
    )
    return before, after


def test_a_transfer_names_its_contract_its_keys_and_what_changed() -> None:
    _, (document,) = traced(7)
    assert document["receipt"]["code"] == "ok" and document["receipt"]["events"][0]["amount_nano"] == "7"
    calls = [step["what"] for step in document["steps"] if step["kind"] == "call"]
    assert calls[0] == "contracts.api.apply" and "contracts.money.transfer" in calls
    reads = [step["what"] for step in document["steps"] if step["kind"] == "read"]
    assert "member/solar" in reads and len(reads) == len(set(reads))
    before, after = written(document, "solar")
    assert before - after == 7
    deep = {step["what"]: step["depth"] for step in document["steps"]}
    assert deep["contracts.money.transfer"] > deep["contracts.api.apply"] == 0


def test_what_stands_in_front_of_it_in_the_block_has_happened() -> None:
    _, (first, second) = traced(7, 11)
    assert written(second, "solar") == (written(first, "solar")[1], written(first, "solar")[1] - 11)


def test_a_refused_transaction_is_traced_to_its_refusal() -> None:
    _, (document,) = traced(2**62)
    assert document["receipt"]["code"] == "money.insufficient"
    assert not any(write["key"].startswith("balance/") for write in document["writes"])


def test_what_is_not_there_and_what_differs_have_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    chain, _ = traced(7)
    with pytest.raises(NodeError) as unknown:
        trace(chain.ledger, bytes(32), lambda block: ())
    assert unknown.value.code == "trace.unknown"
    block = chain.ledger.block(1)
    assert block is not None
    (hash_,) = block.payload
    monkeypatch.setattr(chain.ledger, "receipts", lambda height: [Receipt("ok", 0, ())] * 2)
    with pytest.raises(NodeError) as differs:
        trace(chain.ledger, hash_, lambda block: ())
    assert differs.value.code == "trace.differs"
