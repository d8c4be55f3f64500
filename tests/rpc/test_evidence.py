"""POST /evidence takes what holds and nothing else; offences are listed, paged and proven."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession
from hypothesis import given
from hypothesis import strategies as st

from consensus.evidence import Equivocation, equivocation, evidence_hash
from consensus.messages import MAX_EVIDENCE_BYTES, Vote, VoteType
from consensus.refusals import CODES
from contracts.api import Charge
from node.client import RpcError
from node.codes import describe
from node.evidence import DISHONEST
from node.proofs import decode_bundle, verify_bundle
from node.rpc.errors import Refusal
from node.rpc.evidence import report
from node.rpc.limits import MAX_LISTED
from tests.cli.conftest import Devnet
from tests.rpc.chain import Chain, serving
from zk.codec import encode
from zk.hashing import sha256


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


def two_votes(height: int = 1) -> Equivocation:
    votes = [Vote(VoteType.PREVOTE, height, 0, value, -1, "solar", bytes(64)) for value in (None, sha256(b"x"))]
    evidence = equivocation(*votes)
    assert evidence is not None
    return evidence


def charge(number: int) -> Charge:
    return Charge("solar", "solar", "duplicate-prevote", number + 1, 3, sha256(b"%d" % number), "wind")


def test_a_report_is_kept_or_known_or_refused_with_a_sentence() -> None:
    async def go() -> None:
        chain = Chain()
        raw = encode(two_votes())
        async with serving(chain) as client, ClientSession() as session:
            hash_ = evidence_hash(two_votes(), chain.ledger.chain_id).hex()
            assert await client.report(raw) == {"hash": hash_, "status": "kept"}
            chain.report_answer = "consensus.evidence-known"
            assert await client.report(raw) == {"hash": hash_, "status": "known"}
            assert chain.reports == [raw, raw]
            for code, status in (("consensus.signature", 400), ("consensus.evidence-full", 400), ("node.stopped", 503)):
                chain.report_answer = code
                with pytest.raises(RpcError) as refused:
                    await client.report(raw)
                assert (refused.value.code, refused.value.status) == (code, status)
                assert refused.value.message and refused.value.hint
            async with session.post(client.base_url + "/evidence", json={}) as reply:
                assert (reply.status, (await reply.json())["code"]) == (415, "rpc.content-type")

    run(go())


@given(st.binary(max_size=600) | st.builds(lambda at: encode(two_votes())[:at], st.integers(0, 200)))
def test_no_body_reaches_the_node_unless_it_is_evidence(body: bytes) -> None:
    async def go() -> None:
        chain = Chain()
        for raw in (body, body + bytes(MAX_EVIDENCE_BYTES)):
            try:
                await report(chain, raw)
            except Refusal as refused:
                assert refused.code == "consensus.evidence-malformed"
                assert raw not in chain.reports
            else:
                # Hypothesis does find two votes among random bytes.
                assert encode(msgspec.msgpack.decode(raw, type=Equivocation)) == raw

    run(go())


def test_every_refusal_of_evidence_is_described() -> None:
    for code in [*DISHONEST, *(code for code in CODES if code.startswith("consensus.evidence-"))]:
        assert describe(code).message.endswith(".") and describe(code).hint


def test_offences_are_paged_and_proven() -> None:
    async def go() -> None:
        chain = Chain()
        await chain.produce()
        async with serving(chain) as client:
            assert (await client.offences())["data"] == {"count": 0, "offences": []}
            total = MAX_LISTED + 5
            await chain.produce(charges=[charge(number) for number in range(total)])
            # A second piece about the same seat and height changes nothing.
            await chain.produce(charges=[charge(7)])
            await chain.produce()
            newest = (await client.offences(prove=True))["data"]
            assert newest["count"] == total
            assert [one["number"] for one in newest["offences"]] == list(range(total - 1, 4, -1))
            answer = await client.offences(before=5, prove=True)
            rest = answer["data"]["offences"]
            assert [one["number"] for one in rest] == [4, 3, 2, 1, 0]
            assert rest[0] == {
                "node": "solar",
                "member": "solar",
                "kind": "duplicate-prevote",
                "height": 5,
                "round": 3,
                "evidence_hash": sha256(b"4").hex(),
                "recorded_height": 2,
                "recorded_ms": chain.ledger.time_ms(2),
                "number": 4,
                "taken_tokens": "0",
                "whistleblower": None,
                "rewarded_tokens": "0",
            }
            assert {name: rest[4][name] for name in ("taken_tokens", "whistleblower", "rewarded_tokens")} == {
                "taken_tokens": "1000",
                "whistleblower": "wind",
                "rewarded_tokens": "50",
            }
            proven = verify_bundle(decode_bundle(json.dumps(answer["proof"]).encode()), chain.ledger.genesis).data
            shown = [one["value"] for one in proven["records"] if one["key"].startswith("offence/")]
            assert shown == rest
            assert (await client.offences(before=10**6))["data"] == newest

    run(go())


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Devnet]:
    made = Devnet(tmp_path / "devnet")
    yield made
    made.stop()


def test_the_command_shows_offences_in_every_form(served: Devnet) -> None:
    served.call(served.chain.produce(charges=[charge(0), charge(1)]))
    served.call(served.chain.produce())
    document = served.document("query", "offences", "--prove")
    assert document["data"]["count"] == 2 and document["proven"]
    text = served.run("query", "offences").stdout
    assert "Offence 0 cost solar 1,000 tokens; 50 of them went to wind." in text and "Offence 1 cost" not in text
    shown = served.run("trust", "show").stdout
    assert "solar is tombstoned for good: duplicate-prevote in block" in shown
    assert "950 tokens are in the pool of what members lost; changed last: whistleblower in block" in shown
    assert "Offences (2 in all)" in text and "prevotes" in text
    raw = served.run("query", "offences", "--before", "1", "--csv").stdout_bytes.decode()
    (row,) = csv.DictReader(io.StringIO(raw, newline=""))
    assert row["offence_recorded_utc"] == "2025-08-04T08:00:00Z"
    assert (row["offence_node"], row["offence_height"], row["count"]) == ("solar", "1", "2")
