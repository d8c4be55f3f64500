"""POST /tx: what is accepted, waited for and refused; no byte of a body can hurt the node."""

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

from contracts.bodies import Transfer
from contracts.envelope import MAX_ENVELOPE_BYTES
from node.client import RpcError
from node.proofs import decode_bundle, verify_bundle
from node.rpc.errors import Refusal
from node.rpc.limits import MAX_BODY_BYTES, MAX_ENVELOPES, MAX_PROOFS, MAX_WAIT_MS
from node.rpc.submit import read_submission, submit
from tests.rpc.chain import INTERVAL, Chain, serving

PAY = Transfer("solar", 7, "")


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


async def post(url: str, body: bytes, content_type: str = "application/json") -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": content_type}
    async with ClientSession() as session, session.post(url + "/tx", data=body, headers=headers) as answer:
        return answer.status, json.loads(await answer.read())


def test_both_forms_give_the_same_answer() -> None:
    async def go() -> None:
        chain = Chain()
        async with serving(chain) as client:
            raw = chain.speaker.member("campus", PAY)
            status, answer = await post(
                client.base_url, json.dumps({"envelopes": [raw.hex()], "wait": "final"}).encode()
            )
            assert status == 200
            (as_json,) = answer["results"]
            assert (as_json["status"], as_json["code"], as_json["height"], as_json["index"]) == ("final", "ok", 1, 0)
            assert as_json["receipt"]["events"][0]["amount_nano"] == "7"
            # Sent again: it is final already, and said so instead of refused.
            again = await client.submit_one(raw, "accepted")
            assert (again.status, again.hash.hex(), again.height) == ("final", as_json["hash"], 1)
            assert again.receipt == as_json["receipt"]

    run(go())


def test_accepted_does_not_wait_and_final_does() -> None:
    async def go() -> None:
        chain = Chain(automatic=False)
        async with serving(chain) as client:
            first, second = (chain.speaker.member("campus", PAY) for _ in range(2))
            assert [one.status for one in await client.submit([first])] == ["accepted"]
            waiting = asyncio.create_task(client.submit([second], "final"))
            while chain.submissions < 2:
                await asyncio.sleep(0)
            assert not waiting.done()
            await chain.produce()
            (result,) = await waiting
            assert result.done and result.height == 1 and result.index == 1

    run(go())


def test_a_wait_ends_in_time_and_says_that_nothing_is_lost() -> None:
    async def go() -> None:
        chain = Chain(automatic=False)
        async with serving(chain) as client:
            result = await client.submit_one(chain.speaker.member("campus", PAY), "final", timeout_ms=1)
            assert (result.status, result.code) == ("accepted", "wait.timeout")
            assert "on disk" in result.message and result.hint and not result.done

    run(go())


def test_proof_waits_for_the_next_header_and_verifies() -> None:
    async def go() -> None:
        chain = Chain(automatic=False)
        async with serving(chain) as client:
            waiting = asyncio.create_task(client.submit_one(chain.speaker.member("campus", PAY), "proof"))
            while not chain.submissions:
                await asyncio.sleep(0)
            await chain.produce()
            assert not waiting.done()
            await chain.produce()
            result = await waiting
            assert result.proof is not None
            proven = verify_bundle(decode_bundle(json.dumps(result.proof).encode()), chain.ledger.genesis)
            assert proven.data["hash"] == result.hash.hex() and proven.data["receipt"]["code"] == "ok"

    run(go())


def test_a_proof_that_is_late_leaves_the_final_result() -> None:
    async def go() -> None:
        chain = Chain(automatic=False)
        async with serving(chain) as client:
            raw = chain.speaker.member("campus", PAY)
            await client.submit_one(raw, "accepted")
            await chain.produce()
            result = await client.submit_one(raw, "proof", timeout_ms=1)
            assert result.done and result.proof is None

    run(go())


def test_every_envelope_gets_its_own_answer_in_order() -> None:
    async def go() -> None:
        chain = Chain()
        async with serving(chain) as client:
            good = chain.speaker.member("campus", PAY)
            forged = good[:-1] + bytes([good[-1] ^ 1])
            poor = chain.speaker.member("campus", Transfer("solar", 2**62, ""))
            huge = bytes(MAX_ENVELOPE_BYTES + 1)
            results = await client.submit([good, forged, b"\xc1", huge, poor, good], "final")
            assert [one.status for one in results] == ["final", "refused", "refused", "refused", "final", "final"]
            codes = [one.code for one in results]
            assert codes == ["ok", "tx.signature", "codec.malformed", "codec.oversized", "money.insufficient", "ok"]
            assert all(one.message and one.hint for one in results if not one.done)
            assert results[0].hash == results[5].hash and results[0].index == results[5].index

    run(go())


def test_an_expired_envelope_is_refused_instead_of_waited_for() -> None:
    async def go() -> None:
        chain = Chain(automatic=False)
        raw = chain.speaker.member("campus", PAY, expiry_height=1)
        async with serving(chain) as client:
            waiting = asyncio.create_task(client.submit_one(raw, "final"))
            while not chain.submissions:
                await asyncio.sleep(0)
            chain._pending.clear()
            await chain.produce()
            result = await waiting
            assert (result.status, result.code) == ("refused", "tx.expired")

    run(go())


def test_what_failed_for_now_and_is_sent_again_waits_for_its_new_outcome() -> None:
    """A reading behind a gap is executed with a refusal; the same bytes are accepted once the gap is filled."""

    async def go() -> None:
        chain = Chain()
        first, second = (chain.speaker.reading("campus-1", INTERVAL, 10) for _ in range(2))
        async with serving(chain) as client:
            early = await client.submit_one(second, "final")
            assert (early.status, early.code) == ("final", "reading.gap")
            assert (await client.submit_one(first, "final")).done
            chain.automatic, before = False, chain.submissions
            waiting = asyncio.create_task(client.submit_one(second, "final"))
            while chain.submissions == before:
                await asyncio.sleep(0)
            await chain.produce()
            late = await waiting
            assert late.done and late.height == chain.ledger.height != early.height

    run(go())


@pytest.mark.parametrize(
    ("count", "wait", "code"),
    [(MAX_ENVELOPES + 1, "accepted", "rpc.malformed"), (MAX_PROOFS + 1, "proof", "rpc.too-many-proofs")],
)
def test_batches_are_bounded(count: int, wait: Any, code: str) -> None:
    async def go() -> None:
        chain = Chain()
        async with serving(chain) as client:
            with pytest.raises(RpcError) as refused:
                await client.submit([b"x"] * count, wait)
            assert (refused.value.code, refused.value.status) == (code, 400)
            assert refused.value.hint and not chain.submissions
            assert len(await client.submit([b"x"] * MAX_ENVELOPES)) == MAX_ENVELOPES

    run(go())


def test_a_body_is_bounded_typed_and_has_a_length() -> None:
    async def go() -> None:
        chain = Chain()
        async with serving(chain) as client:
            status, answer = await post(client.base_url, bytes(MAX_BODY_BYTES + 1))
            assert (status, answer["code"]) == (413, "rpc.too-large")
            status, answer = await post(client.base_url, b"{}", "text/plain")
            assert (status, answer["code"]) == (415, "rpc.content-type")

            async def pieces() -> Any:
                yield b"{}"

            async with ClientSession() as session:
                headers = {"Content-Type": "application/json"}
                async with session.post(client.base_url + "/tx", data=pieces(), headers=headers) as reply:
                    assert (reply.status, (await reply.json())["code"]) == (411, "rpc.length")
            assert not chain.submissions
            assert (await client.status())["height"] == 0

    run(go())


BODIES = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=20) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
        max_leaves=10,
    ).map(msgspec.msgpack.encode),
    st.tuples(
        st.lists(st.binary(max_size=40) | st.integers(0, 5), max_size=5),
        st.sampled_from(["accepted", "final", "proof", "never", ""]),
        st.integers(-2, MAX_WAIT_MS + 1),
    ).map(msgspec.msgpack.encode),
    st.fixed_dictionaries(
        {"envelopes": st.lists(st.text("0123456789abcdefg", max_size=9), max_size=5)},
        optional={"wait": st.sampled_from(["accepted", "final", 1]), "timeout_ms": st.integers(-1, 3), "x": st.none()},
    ).map(msgspec.json.encode),
)


@given(BODIES, st.booleans())
@settings(max_examples=400)
def test_any_body_is_read_strictly_or_refused_with_a_code(body: bytes, binary: bool) -> None:
    try:
        request = read_submission(body, binary=binary)
    except Refusal as refusal:
        assert refusal.status == 400 and refusal.code == "rpc.malformed" and refusal.hint
        return
    assert 1 <= len(request.envelopes) <= MAX_ENVELOPES
    assert all(type(raw) is bytes for raw in request.envelopes)
    assert request.wait in ("accepted", "final", "proof") and 0 <= request.timeout_ms <= MAX_WAIT_MS


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6))
@settings(max_examples=60)
def test_any_envelopes_are_answered_one_by_one(envelopes: list[bytes]) -> None:
    async def go() -> None:
        request = read_submission(msgspec.msgpack.encode((envelopes, "final", 1)), binary=True)
        answer = await submit(Chain(), request)
        assert [one["status"] for one in answer["results"]] == ["refused"] * len(envelopes)

    run(go())


@given(st.lists(BODIES, min_size=1, max_size=30))
@settings(max_examples=5)
def test_the_server_outlives_any_bodies(bodies: list[bytes]) -> None:
    async def go() -> None:
        chain = Chain()
        async with serving(chain) as client:
            for position, body in enumerate(bodies):
                kind = "application/msgpack" if position % 2 else "application/json"
                async with (
                    ClientSession() as session,
                    session.post(client.base_url + "/tx", data=body, headers={"Content-Type": kind}) as reply,
                ):
                    text = await reply.read()
                    assert reply.status in (200, 400)
                    assert b"Traceback" not in text and b"/node/" not in text
            assert (await client.submit_one(chain.speaker.member("campus", PAY))).done

    run(go())
