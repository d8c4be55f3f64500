"""Attacks on signed questions: altered, misdirected, stale, replayed, by keys that are gone; and what refusals tell."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, WSServerHandshakeError

from contracts.bodies import Transfer
from contracts.governance.bodies import Reader, RevokeAccess
from contracts.schema import HEADS, MEMBERS
from node.access import requests, rights
from node.access.log import AccessLog
from node.access.requests import HEADER, MAX_STREAMS, WINDOW_MS, Gate, ReaderKey
from node.client import MeterKey
from node.rpc import access
from tests.rpc.access_world import FIRST, OWNER, PARTNER, STRANGER, WALL_MS, kept_chain, world
from tests.rpc.chain import Chain, serving
from tests.support.pact import key_of, seed_of

BILL = f"/query/bill/{FIRST}/{OWNER}"


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 30))


# Signatures


def test_one_changed_character_of_a_header_shows_nobody() -> None:
    async def go() -> None:
        async with world() as here:
            good = here.asker(OWNER).header(BILL)[HEADER]
            assert (await here.raw(BILL, good))[0] == 200
            for place in [*range(0, len(good) - 128), len(good) - 128, len(good) - 1]:
                changed = good[:place] + ("1" if good[place] == "0" else "0") + good[place + 1 :]
                status, code = await here.raw(BILL, changed)
                assert (status, code.partition(".")[0]) == (401, "access"), (place, code)
            for garbage in ("", "member", good + "0", good.upper(), good * 9, "x" * 4_000):
                assert await here.raw(BILL, garbage) == (401, "access.malformed")

    run(go())


def test_a_signature_is_for_one_question_at_one_node_of_one_chain() -> None:
    async def go() -> None:
        async with world() as here:
            owner = here.asker(OWNER)
            good = owner.header(BILL)[HEADER]
            for other in (f"{BILL}?prove=1", f"/query/bill/{FIRST + 1}/{OWNER}", f"/query/balance/{OWNER}", BILL + "/"):
                assert await here.raw(other, good) == (401, "access.signature")
            assert await here.raw("/tx", good, "POST") == (401, "access.method")
            assert await here.raw(BILL, owner.header(BILL, node="wind")[HEADER]) == (401, "access.node")
            assert owner.key is not None
            foreign = owner.key.header("test-0000000000000000", "solar", WALL_MS, "GET", BILL)
            assert await here.raw(BILL, foreign) == (401, "access.signature")
            relabelled = owner.header(BILL, node="wind")[HEADER].replace(" wind ", " solar ")
            assert await here.raw(BILL, relabelled) == (401, "access.signature")

    run(go())


def test_a_signature_lives_for_its_window_and_reads_no_more_than_it_did() -> None:
    async def go() -> None:
        async with world() as here:
            owner = here.asker(OWNER)
            for time_ms, status in (
                (WALL_MS - WINDOW_MS, 200),
                (WALL_MS + WINDOW_MS, 200),
                (WALL_MS - WINDOW_MS - 1, 401),
                (WALL_MS + WINDOW_MS + 1, 401),
            ):
                header = owner.header(BILL, time_ms)[HEADER]
                first, again = await here.raw(BILL, header), await here.raw(BILL, header)
                assert first == again == (status, "access.window" if status == 401 else "")

    run(go())


def test_a_stream_takes_each_signature_once() -> None:
    async def go() -> None:
        async with world() as here:
            header = here.asker(OWNER).header("/events")
            async with here.session.ws_connect(f"{here.url}/events", headers=header):
                pass
            try:
                await here.session.ws_connect(f"{here.url}/events", headers=header)
                raise AssertionError("a stream was opened twice")
            except WSServerHandshakeError as error:
                assert error.status == 401
            assert here.log.recent[-1].code == "access.replayed"

    run(go())


def test_used_signatures_are_bounded_and_forgotten() -> None:
    gate = Gate("c", "solar", lambda key: None)
    for number in range(MAX_STREAMS):
        gate.open_stream(str(number), 0)
    for now_ms, refused in ((0, True), (2 * WINDOW_MS, True), (2 * WINDOW_MS + 1, False)):
        try:
            gate.open_stream("one more", now_ms)
            assert not refused
        except requests.BadRequest as error:
            assert refused and error.code == "access.streams"
    assert len(gate._streams) == 1


def test_a_key_that_is_no_longer_registered_opens_nothing() -> None:
    async def go() -> None:
        async with world() as here:
            owner = here.asker(OWNER)
            target = "/events?topics=block"
            async with here.session.ws_connect(here.url + target, headers=owner.header(target)) as socket:
                await here.chain.produce()
                assert (await socket.receive()).type is WSMsgType.TEXT
                _replace_key(here.chain, OWNER)
                await here.chain.produce()
                closed = await socket.receive()
                assert (closed.type, closed.extra) == (WSMsgType.CLOSE, "access.key")
            assert await here.raw(BILL, owner.header(BILL)[HEADER]) == (401, "access.key")
            stranger = ReaderKey("member", OWNER, key_of(STRANGER))
            header = stranger.header(here.chain.ledger.chain_id, "solar", WALL_MS, "GET", BILL)
            assert await here.raw(BILL, header) == (401, "access.key")

    run(go())


def _replace_key(chain: Chain, member: str) -> None:
    """What governance does one day: another key in place of the member's."""
    key, read = MEMBERS.key(member), chain.ledger.get
    held = MEMBERS.decode(read(key) or b"")
    new = msgspec.structs.replace(held.keys[0], public_key=bytes(32))
    raw = msgspec.msgpack.encode(msgspec.structs.replace(held, keys=(new,)))
    chain.ledger._store.write([(b"k" + key, raw)], sync=True)
    assert read(key) == raw


# Policies as they change


def test_grants_begin_end_and_follow_roles() -> None:
    async def go() -> None:
        async with world() as here:
            stranger = here.asker(STRANGER)

            async def status() -> int:
                return (await stranger.ask(BILL))[0]

            assert await status() == 403
            end_ms = here.chain.time_ms + 10_000
            await here.allow("bills", Reader("member", STRANGER), until_ms=end_ms)
            assert await status() == 200
            here.chain.time_ms = end_ms - 1
            assert await status() == 200
            here.chain.time_ms = end_ms
            assert await status() == 403, "it ends by this node's clock, block or not"
            await here.allow("bills", Reader("role", "supplier"))
            assert await status() == 200
            assert (await here.asker(None).ask(BILL))[0] == 403
            await here.say(OWNER, RevokeAccess(("bills",), ()))
            assert await status() == 403
            await here.allow("bills", Reader("all", "all"))
            assert (await here.asker(None).ask(BILL))[0] == 200

    run(go())


def test_a_stream_follows_the_policy_from_block_to_block() -> None:
    async def go() -> None:
        async with world() as here:
            target = "/events?topics=receipt"
            pay = Transfer(STRANGER, 91_234_567, "")
            async with here.session.ws_connect(here.url + target) as socket:
                for readers, told in (((), False), ((Reader("all", "all"),), True)):
                    if readers:
                        await here.allow("transfers", *readers)
                        await socket.receive()
                    await here.say(OWNER, pay)
                    frame = (await socket.receive()).data
                    assert ("91234567" in frame) is told
                    (event,) = msgspec.json.decode(frame)["receipt"]["events"]
                    assert event["type"] == "transferred" and ("withheld" in event) is not told

    run(go())


def test_no_stream_gets_what_was_rendered_for_another() -> None:
    async def go() -> None:
        async with world() as here:
            pay = Transfer(PARTNER, 91_234_567, "")
            target = f"/events?topics=receipt&cursor={here.chain.ledger.height}.0"
            await here.say(OWNER, pay)
            for number, (name, told) in enumerate([(OWNER, True), (STRANGER, False), (OWNER, True), (None, False)]):
                header = here.asker(name).header(target, WALL_MS + number)
                async with here.session.ws_connect(here.url + target, headers=header) as socket:
                    assert ("91234567" in (await socket.receive()).data) is told

    run(go())


def test_both_sides_of_what_is_shared_read_it_and_third_parties_need_both() -> None:
    async def go() -> None:
        async with world() as here:
            disputes, corrected = f"/query/disputes/{FIRST}", f"/query/corrections/{FIRST}"
            for name, sees in ((OWNER, 1), (PARTNER, 1), ("wind", 1), (STRANGER, 0)):
                _, answer = await here.asker(name).document(disputes)
                assert len(answer["data"]["disputes"]) == sees, name
            _, answer = await here.asker(PARTNER).document(corrected)
            causes = {(one["meter"], one["cause"]) for one in answer["data"]["corrections"]}
            assert ("campus-2", "verdict") in causes and ("campus-1", "restated") not in causes
            await here.allow("disputes", Reader("member", STRANGER))
            _, answer = await here.asker(STRANGER).document(disputes)
            assert len(answer["data"]["disputes"]) == 1
            await here.say(PARTNER, RevokeAccess(("disputes",), ()))
            _, answer = await here.asker(STRANGER).document(disputes)
            assert answer["data"]["disputes"] == [] and answer["withheld"] == {"disputes": 1}

    run(go())


def test_what_is_not_there_is_refused_like_what_is() -> None:
    async def go() -> None:
        async with world() as here:
            stranger = here.asker(STRANGER)
            pairs = [
                (f"/query/bill/{FIRST}/{OWNER}", f"/query/bill/{FIRST + 50}/{OWNER}"),
                ("/query/reading/campus-1?sequence=1", "/query/reading/campus-1?sequence=99"),
                (f"/query/statement/now/{OWNER}", f"/query/statement/1/{OWNER}"),
                (f"/query/bill/{FIRST}/{OWNER}?prove=1", f"/query/bill/{FIRST + 50}/{OWNER}?prove=1"),
            ]
            for there, nowhere in pairs:
                assert await stranger.ask(there) == await stranger.ask(nowhere)
                status, answer = await stranger.document(there)
                assert (status, answer["code"]) == (403, "access.denied")
                assert OWNER in answer["message"] and f"--to {STRANGER}" in answer["hint"]

    run(go())


def test_a_kept_transaction_shows_its_hash_and_sorts_alone() -> None:
    async def go() -> None:
        async with world() as here:
            block = here.chain.ledger.block(1)
            assert block is not None
            hash_ = block.payload[0].hex()
            status, answer = await here.asker(STRANGER).document(f"/tx/{hash_}")
            assert status == 200 and answer["data"] == {
                "hash": hash_,
                "index": 0,
                "envelope": {"type": "account-envelope", "body": {"type": "transfer"}},
                "raw": None,
                "receipt": {"code": "ok", "units": None, "events": [{"type": "transferred", "withheld": "transfers"}]},
            }
            assert (await here.asker(STRANGER).ask(f"/tx/{hash_}?prove=1"))[0] == 403
            status, answer = await here.asker(PARTNER).document(f"/tx/{hash_}?prove=1")
            (event,) = answer["data"]["receipt"]["events"]
            assert (status, event["amount_nano"]) == (200, "70123457"), "it was paid to this one"

    run(go())


def test_a_gateway_reads_the_head_of_its_own_meter_alone() -> None:
    async def go() -> None:
        async with world() as here:
            meter = here.asker("campus-1", "meter")
            _, answer = await meter.document("/query/meter/campus-1")
            head = HEADS.decode(here.chain.ledger.get(HEADS.key("campus-1")) or b"")
            assert answer["data"]["head"]["reading_hash"] == head.reading_hash.hex()
            _, other = await meter.document("/query/meter/campus-2")
            assert other["data"]["head"] is None and other["data"]["kind"] == "source"
            assert (await meter.ask(BILL))[0] == 403
            _, guessed = await meter.document(f"/query/estimates/{FIRST + 1}")
            assert guessed["data"]["estimates"] == [] and guessed["withheld"] == {"estimates": 1}
            async with serving(here.chain) as client:
                own = MeterKey(here.chain.ledger.chain_id, "campus-1", seed_of("campus-1"))
                assert (await client.meter("campus-1"))["data"]["head"] is None
                assert (await client.meter("campus-1", reader=own.reader()))["data"]["head"][
                    "sequence"
                ] == head.sequence
                client.reader = ReaderKey("member", OWNER, key_of(OWNER))
                assert (await client.bill(FIRST, OWNER, prove=True))["data"]["member"] == OWNER
                events = client.events(("receipt",), "0.0")
                async for event in events:
                    assert event["receipt"]["events"][0]["amount_nano"] == "70123457"
                    break
                await events.aclose()

    run(go())


# Refusals


def test_every_refusal_is_told_to_the_owner_and_counted() -> None:
    async def go() -> None:
        async with world() as here:
            stranger, owner = here.asker(STRANGER), here.asker(OWNER)
            await stranger.ask(BILL)
            await here.asker(None).ask(f"/query/dispatch/{FIRST}")
            await here.raw(BILL, "member nonsense")
            await here.allow("bills", Reader("member", STRANGER))
            await stranger.ask(BILL)
            await owner.ask(BILL)
            status, answer = await owner.document("/refusals")
            told = [(one["asker"], one["code"], one["kinds"], one["target"]) for one in answer["entries"]]
            assert status == 200
            assert sorted(told) == sorted(
                [
                    (STRANGER, "access.denied", ["bills"], f"GET {BILL}"),
                    ("", "access.withheld", ["orders"], f"GET /query/dispatch/{FIRST}"),
                    (STRANGER, "ok", ["bills"], f"GET {BILL}"),
                ]
            )
            assert (await stranger.document("/refusals"))[1]["entries"] == []
            assert (await here.asker(None).ask("/refusals"))[0] == 401
            _, status_document = await stranger.document("/status")
            assert status_document["access"] == {"refused": 4, "granted": 1, "log_lines_lost": 0}
            metrics = (await stranger.ask("/metrics"))[1].decode()
            assert "gridpact_access_refused_total 4\n" in metrics

    run(go())


def test_without_any_policy_nothing_is_looked_up_or_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        chain, log = Chain(), AccessLog()
        async with serving(chain, log=log) as client:
            asked: list[bytes] = []
            get = chain.ledger.get
            monkeypatch.setattr(chain.ledger, "get", lambda key: (asked.append(key), get(key))[1])
            for _ in range(20):
                await client.query("balance", "solar")
            looked = [key for key in asked if key.startswith(b"access")]
            assert len(looked) <= 1, "whether there are policies is read once a block"
            assert not log.recent

    run(go())


def test_asking_about_everybody_that_there_could_be_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """While no block comes, nothing else makes a node forget."""

    async def go() -> None:
        monkeypatch.setattr(rights, "MAX_MEMBERS", 8)
        policies = rights.Policies((await kept_chain()).ledger)
        assert policies.any()
        for number in range(100):
            assert policies.of(f"nobody-{number}") is None
            kept = policies.of(OWNER)
            assert kept is not None and kept.member == OWNER
        assert len(policies._held) <= 8

    run(go())


def test_an_answer_has_so_many_policies_and_refusals_and_the_next_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        monkeypatch.setattr(access, "MAX_LISTED", 2)
        monkeypatch.setattr(access, "MAX_REFUSALS", 1)
        async with world() as here:
            members = (OWNER, PARTNER, STRANGER)
            for name in members[1:]:
                await here.say(name, RevokeAccess(("bills",), ()))
            asker, told = here.asker(STRANGER), []
            for path in ("/query/access", "/query/access/after/1", "/query/access/after/2"):
                data = (await asker.document(path))[1]["data"]
                assert data["count"] == len(members)
                told.append([one["member"] for one in data["policies"]])
            assert [len(page) for page in told] == [2, 1, 0]
            assert sorted(told[0] + told[1]) == sorted(members)
            for number in range(3):
                await asker.ask(f"/query/bill/{FIRST + number}/{OWNER}")
            assert len(here.log.about(OWNER, 9)) == 2, "the first one, and the others together"
            assert len((await here.asker(OWNER).document("/refusals"))[1]["entries"]) == 1

    run(go())


def test_nobody_keeps_others_from_opening_streams() -> None:
    gate = Gate("chain", "node", lambda key: None)
    for number in range(requests.MAX_STREAMS_EACH):
        gate.open_stream(f"member campus node {number}", 0)
    with pytest.raises(requests.BadRequest) as refused:
        gate.open_stream("member campus node again", 0)
    assert refused.value.code == "access.streams" and refused.value.hint
    for other in ("member campus-2 node 0", "meter campus node 0"):
        gate.open_stream(other, 0)
    gate.open_stream("member campus node again", 2 * WINDOW_MS + 1)
