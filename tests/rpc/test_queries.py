"""GET: every endpoint, what it says about what is not there, and that proofs are of what was answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import epochs
from contracts.bodies import Need, Offer, OfferBlock, Transfer
from contracts.genesis import CODEC
from contracts.members import Seating
from contracts.state import State
from node.access.requests import BadRequest
from node.client import Client, RpcError
from node.proofs import decode_bundle, verify_bundle
from node.rpc import blocks, queries
from node.rpc.errors import Refusal
from node.rpc.table import ROUTES
from tests.rpc.chain import INTERVAL, PARAMS, Chain, Wireless, serving

NEXT = INTERVAL + 1


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


async def busy_chain() -> Chain:
    """A transfer, an offer, a need, readings; interval NEXT ordered and settled."""
    chain = Chain()
    speaker = chain.speaker
    await chain.submit([speaker.member("campus", Transfer("solar", 7, "")), speaker.reading("campus-1", INTERVAL, 10)])
    offer = Offer("solar-1", NEXT, (OfferBlock(100_000, 9_000),))
    need = Need(NEXT, 1, 5_000, None, 0)
    await chain.submit([speaker.member("solar", offer), speaker.member("campus", need)])
    await chain.produce(NEXT * PARAMS.interval_ms - PARAMS.gate_lead_ms)
    await chain.produce((NEXT + 1) * PARAMS.interval_ms + PARAMS.close_grace_ms)
    await chain.produce()
    return chain


def proven(answer: dict[str, Any], chain: Chain) -> dict[str, Any]:
    bundle = decode_bundle(json.dumps(answer["proof"]).encode())
    return verify_bundle(bundle, chain.ledger.genesis).data


async def refusal(work: Coroutine[Any, Any, Any]) -> RpcError:
    with pytest.raises(RpcError) as refused:
        await work
    assert refused.value.message
    return refused.value


def test_every_query_answers_and_proves_what_it_answered() -> None:
    async def go() -> None:
        chain = await busy_chain()
        async with serving(chain) as client:
            asked: list[tuple[str | int, ...]] = [
                ("member", "solar"),
                ("balance", "solar"),
                ("meter", "campus-1"),
                ("envelope", "solar-1"),
                ("envelope", "solar-1", NEXT),
                ("interval", NEXT),
                ("dispatch", NEXT),
                ("bill", NEXT, "campus"),
            ]
            for kind, *arguments in asked:
                plain = await client.query(str(kind), *arguments)
                assert plain["height"] == chain.ledger.height and "proof" not in plain
                answer = await client.query(str(kind), *arguments, prove=1)
                assert answer["height"] == chain.ledger.height - 1
                for lane in plain["data"].get("lanes", ()):
                    del lane["waiting"]
                assert answer["data"] == plain["data"]
                shown = proven(answer, chain)
                assert shown["state_height"] == answer["height"]
                assert all(arguments[-1] in (record["key"].rpartition("/")[2], NEXT) for record in shown["records"])

    run(go())


def test_a_dispatch_shows_every_order_before_and_after_settlement() -> None:
    async def go() -> None:
        chain = await busy_chain()
        async with serving(chain) as client:
            for height in (5, chain.ledger.height):
                answer = await client.query("dispatch", NEXT, height=height)
                assert answer["data"]["status"] == ("ordered" if height == 5 else "settled")
                orders = {order["member"]: order for order in answer["data"]["orders"]}
                assert orders["campus"]["served_wh"] == orders["solar"]["supplied_wh"] == 5_000
            error = await refusal(client.query("dispatch", NEXT + 1))
            assert (error.code, error.status) == ("rpc.not-ordered", 404)

    run(go())


def test_state_is_answered_as_of_any_kept_height() -> None:
    async def go() -> None:
        chain = await busy_chain()
        async with serving(chain) as client:
            before = await client.query("balance", "solar", height=0)
            after = await client.query("balance", "solar", height=1, prove=1)
            assert before["data"]["balance_nano"] == str(10**12)
            assert after["data"]["balance_nano"] == str(10**12 + 7)
            assert proven(after, chain)["state_height"] == 1
            ahead = await refusal(client.query("balance", "solar", height=chain.ledger.height + 1))
            assert (ahead.code, ahead.status) == ("rpc.unknown-block", 404)

    run(go())


def test_pruned_state_is_gone_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        chain = await busy_chain()
        monkeypatch.setattr(chain.ledger, "_retain", 2)
        async with serving(chain) as client:
            error = await refusal(client.query("balance", "solar", height=1))
            assert (error.code, error.status) == ("ledger.pruned", 410)

    run(go())


def test_a_proof_of_the_newest_state_waits_for_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        chain = Chain(automatic=False)
        async with serving(chain) as client:
            waiting = asyncio.create_task(client.query("balance", "solar", prove=1))
            while chain.waiters == 0:
                await asyncio.sleep(0)
            await chain.produce()
            assert proven(await waiting, chain)["state_height"] == 0
            monkeypatch.setattr(blocks, "PROOF_WAIT_S", 0.01)
            error = await refusal(client.query("balance", "solar", prove=1, height=1))
            assert (error.code, error.status) == ("proof.not-yet", 503)

    run(go())


def test_readings_are_found_by_sequence_and_proven_by_receipt() -> None:
    async def go() -> None:
        chain = await busy_chain()
        async with serving(chain) as client:
            newest = await client.reading("campus-1", prove=True)
            assert (newest["data"]["sequence"], newest["data"]["import_wh"]) == (1, 10)
            shown = proven(newest, chain)
            assert shown["receipt"]["code"] == "ok" and shown["hash"] == newest["data"]["hash"]
            assert (await client.reading("campus-1", 1))["data"] == newest["data"]
            missing = await refusal(client.reading("campus-1", 2))
            assert (missing.code, missing.status) == ("rpc.unknown-reading", 404)
            assert (await refusal(client.reading("no-meter"))).code == "rpc.unknown-meter"

    run(go())


def test_blocks_headers_transactions_and_receipts() -> None:
    async def go() -> None:
        chain = await busy_chain()
        async with serving(chain) as client:
            block = await client.block(1)
            assert (await client.block())["height"] == chain.ledger.height
            header = await client.header(1)
            assert header["id"] == block["id"] and header["certificate"] == block["certificate"]
            assert len(block["payload"]) == 2
            found = await client.transaction(bytes.fromhex(block["payload"][1]), prove=True)
            assert found["data"]["index"] == 1 and proven(found, chain)["hash"] == block["payload"][1]
            same = await client.get("/receipt/1/1", prove=1)
            assert same == found
            clock = await client.get(f"/receipt/{5}/clock")
            assert clock["data"]["events"][0]["type"] == "interval-ordered"
            assert CODEC.decode(msgspec.msgpack.encode(await client.genesis())) == chain.ledger.genesis

    run(go())


def test_interval_words_follow_the_nodes_clock() -> None:
    async def go() -> None:
        chain = Chain()
        async with serving(chain) as client:
            for now_ms, words in (
                (NEXT * PARAMS.interval_ms - PARAMS.gate_lead_ms - 1, {"now": INTERVAL, "next": NEXT}),
                (NEXT * PARAMS.interval_ms - PARAMS.gate_lead_ms, {"now": INTERVAL, "next": NEXT + 1}),
            ):
                chain.time_ms = now_ms
                for word, interval in words.items():
                    data = (await client.interval(word))["data"]
                    assert (data["interval"], data["status"]) == (interval, "empty")
                    assert data["locks_ms"] == interval * PARAMS.interval_ms - PARAMS.gate_lead_ms

    run(go())


def test_the_last_interval_is_the_newest_that_is_settled() -> None:
    """By the ledger's time: a clock that has run ahead of a node that is behind changes nothing."""

    async def go() -> None:
        chain = Chain()
        async with serving(chain) as client:
            assert (await refusal(client.interval("last"))).code == "rpc.none-settled"
        chain = await busy_chain()
        async with serving(chain) as client:
            whole = await client.interval("last", prove=True)
            assert (whole["data"]["interval"], whole["data"]["status"]) == (NEXT, "settled")
            assert {int(one["key"].rpartition("/")[2]) for one in proven(whole, chain)["records"]} == {NEXT}
            bill = await client.query("bill", "last", "campus")
            assert bill == await client.query("bill", str(NEXT), "campus") != {}
            chain.time_ms += 50 * PARAMS.interval_ms
            assert (await client.interval("last"))["data"]["interval"] == NEXT
            await chain.produce((NEXT + queries.MAX_LOOK_BACK) * PARAMS.interval_ms + PARAMS.close_grace_ms)
            assert (await client.interval("last"))["data"]["interval"] == NEXT
            await chain.produce((NEXT + queries.MAX_LOOK_BACK + 1) * PARAMS.interval_ms + PARAMS.close_grace_ms)
            assert (await refusal(client.interval("last"))).code == "rpc.none-settled"

    run(go())


BAD = [
    ("/query/member/UPPER", 400, "rpc.malformed"),
    ("/query/member/" + "a" * 33, 400, "rpc.malformed"),
    ("/query/member/nobody", 404, "rpc.unknown-member"),
    ("/query/balance/nobody", 404, "rpc.unknown-balance"),
    ("/query/meter/nothing", 404, "rpc.unknown-meter"),
    ("/query/bill/1/solar", 404, "rpc.unknown-bill"),
    ("/query/interval/01", 400, "rpc.malformed"),
    ("/query/interval/-1", 400, "rpc.malformed"),
    ("/query/interval/4294967296", 400, "rpc.malformed"),
    ("/query/interval/%D9%A1", 400, "rpc.malformed"),
    ("/query/interval/later", 400, "rpc.malformed"),
    ("/query/dispatch/1", 404, "rpc.not-ordered"),
    ("/query/balance/solar?prove=2", 400, "rpc.malformed"),
    ("/query/balance/solar?height=x", 400, "rpc.malformed"),
    ("/query/balance/solar?height=99", 404, "rpc.unknown-block"),
    ("/query/reading/campus-1?sequence=1e3", 400, "rpc.malformed"),
    ("/query/energy/1/solar-1", 404, "rpc.not-settled"),
    ("/query/energy/1/nothing", 404, "rpc.unknown-meter"),
    ("/query/disputes/closed", 400, "rpc.malformed"),
    ("/query/disputes", 404, "rpc.unknown-path"),
    ("/query/corrections/1/solar", 404, "rpc.unknown-path"),
    ("/query/estimates/1/2/3", 404, "rpc.unknown-path"),
    ("/query/wealth/solar", 404, "rpc.unknown-path"),
    ("/query/explain/1/solar/wind", 404, "rpc.unknown-path"),
    ("/query/offences/1/2", 404, "rpc.unknown-path"),
    ("/query/trust/solar", 404, "rpc.unknown-path"),
    ("/query/statement/now", 404, "rpc.unknown-path"),
    ("/query/balance", 404, "rpc.unknown-path"),
    ("/query/balance/solar/more", 404, "rpc.unknown-path"),
    ("/query", 404, "rpc.unknown-path"),
    ("/block/0", 404, "rpc.unknown-block"),
    ("/block/99999999999999999999", 400, "rpc.malformed"),
    ("/header/7", 404, "rpc.unknown-block"),
    ("/receipt/0/0", 404, "rpc.unknown-block"),
    ("/receipt/1/0", 404, "rpc.unknown-receipt"),
    ("/tx/" + "0" * 64, 404, "rpc.unknown-transaction"),
    ("/tx/" + "A" * 64, 400, "rpc.malformed"),
    ("/tx/00", 400, "rpc.malformed"),
    ("/web/nothing.js", 404, "rpc.unknown-page"),
    ("/web/..%2f..%2fcodes.py", 404, "rpc.unknown-path"),
    ("/web/%2e%2e/site.py", 404, "rpc.unknown-path"),
    ("/web/.hidden", 400, "rpc.malformed"),
    ("/tx", 405, "rpc.method"),
    ("/query/balance/solar?proof=1", 400, "rpc.option"),
    ("/query/balance/solar?prove=0&prove=1", 400, "rpc.option"),
    ("/status?x=1", 400, "rpc.option"),
    ("/query/trust?limit=0", 400, "rpc.page"),
    ("/query/trust?limit=1001", 400, "rpc.page"),
    ("/query/trust?limit=-1", 400, "rpc.malformed"),
    ("/query/trust?offset=4294967296", 400, "rpc.malformed"),
    ("/query/trust?member=Solar", 400, "rpc.malformed"),
    ("/blocks?before=x", 400, "rpc.malformed"),
    ("/blocks?limit=99999999", 400, "rpc.page"),
    ("/transactions?before=1", 400, "rpc.malformed"),
    ("/transactions?sender=" + "a" * 33, 400, "rpc.malformed"),
    ("/transactions?code=%3Cscript%3E", 400, "rpc.malformed"),
    ("/admin", 404, "rpc.unknown-path"),
    ("/events", 426, "events.websocket"),
    ("/events?topics=money", 400, "rpc.malformed"),
    ("/events?cursor=1", 400, "rpc.malformed"),
    ("/events?cursor=99.0", 400, "events.cursor-ahead"),
]


def test_every_bad_request_has_a_status_a_code_and_a_sentence() -> None:
    async def go() -> None:
        chain = Chain()
        await chain.produce()
        async with serving(chain) as client, ClientSession() as session:
            for path, status, code in BAD:
                async with session.get(client.base_url + path) as reply:
                    answer = await reply.json()
                    assert (path, reply.status, answer["code"]) == (path, status, code)
                    assert set(answer) == {"code", "message", "hint"} and answer["message"]
            for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
                async with session.request(method, client.base_url + "/status") as reply:
                    assert (reply.status, (await reply.json())["code"]) == (405, "rpc.method")

    run(go())


@given(
    st.lists(st.text(max_size=12) | st.sampled_from(["now", "open", "solar-1"]), max_size=4),
    st.dictionaries(st.sampled_from(["prove", "height", "sequence"]), st.text(max_size=8)),
)
@settings(max_examples=200)
def test_any_path_is_answered_or_refused(parts: list[str], options: dict[str, str]) -> None:
    async def go() -> None:
        chain = Chain()
        node = Wireless(chain)
        unproven = {**options, "prove": "0"} if options.get("prove") == "1" else options
        for route in ROUTES:
            if not route.personal:
                continue
            given = iter(parts)
            path = [next(given, "x") if part.startswith("{") else part for part in route.parts]
            try:
                await node.get("/" + "/".join(path), unproven)
            except (Refusal, BadRequest) as refused:
                assert isinstance(refused, BadRequest) or 400 <= refused.status < 500
            try:
                await node.get("/".join(["/query", route.parts[-1], *parts]), unproven)
            except Refusal as refused:
                assert 400 <= refused.status < 500

    run(go())


def test_documents_come_as_messagepack_when_asked() -> None:
    async def go() -> None:
        chain = Chain()
        async with serving(chain) as client, ClientSession() as session:
            headers = {"Accept": "application/msgpack"}
            async with session.get(client.base_url + "/query/balance/solar", headers=headers) as reply:
                assert reply.content_type == "application/msgpack"
                assert msgspec.msgpack.decode(await reply.read()) == await client.query("balance", "solar")
            assert 'gridpact_events_total{code="a"} 2\n' in await client.metrics()
            async with session.get(client.base_url + "/health") as reply:
                assert reply.status == 200
            chain.automatic = False
            async with session.get(client.base_url + "/health") as reply:
                assert reply.status == 503 and not (await reply.json())["ok"]

    run(go())


def test_an_absent_node_is_reported_with_a_next_step() -> None:
    async def go() -> None:
        async with Client("http://127.0.0.1:9") as client:
            error = await refusal(client.status())
            assert error.code == "rpc.unreachable" and error.hint

    run(go())


def test_power_to_come_is_reckoned_once_for_each_height_and_for_no_past_one(monkeypatch: pytest.MonkeyPatch) -> None:
    reckoned: list[int] = []
    following = epochs.following

    def counted(state: State, before: Seating, height: int, at: epochs.Terms) -> Seating:
        reckoned.append(height)
        return following(state, before, height, at)

    async def go() -> None:
        chain = await busy_chain()
        monkeypatch.setattr(epochs, "following", counted)
        async with serving(chain) as client:
            newest = chain.ledger.height
            for height in (newest, newest - 1, newest):
                data = (await client.query("trust", height=height))["data"]
                assert data["total_coming_power"] == data["total_power"]
            assert reckoned == [newest, newest - 1]
            data = (await client.query("trust", height=newest - 2))["data"]
            assert data["total_coming_power"] is None and data["total_power"]
            assert {one["coming_power"] for one in data["members"]} == {None} and len(reckoned) == 2
            await chain.produce()
            assert (await client.query("trust"))["data"]["total_coming_power"] and reckoned[2:] == [newest + 1]

    run(go())


def test_what_waits_is_told_of_the_newest_state_alone() -> None:
    """A proof shows what the ledger holds, and an older height has nothing that waits for a block."""

    async def body() -> None:
        chain = Chain(automatic=False)
        await chain.produce()
        async with serving(chain) as client:
            for amount in (1, 2):
                await chain.submit([chain.speaker.member("campus", Transfer("solar", amount, ""))])
            newest = await client.member("campus")
            older = await client.query("member", "campus", height=0)
            proven_ = await client.member("campus", prove=True)
            typed = await client.typed.member("campus")
        assert newest["data"]["lanes"][0]["waiting"] == 2 == typed.data.lanes[0].waiting
        assert "waiting" not in older["data"]["lanes"][0]
        assert "waiting" not in proven_["data"]["lanes"][0]
        ((account,),) = [[one["value"] for one in proven(proven_, chain)["records"] if "lanes" in one["value"]]]
        assert proven_["data"]["lanes"] == account["lanes"]

    run(body())
