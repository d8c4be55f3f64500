"""Idempotency keys: one intent is never carried out twice under one key, whatever is sent, lost and signed anew."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from aiohttp import ClientSession
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.bodies import Transfer
from node.client import RpcError
from node.rpc import idempotency
from node.rpc.errors import Refusal
from node.rpc.limits import MAX_PROOFS
from tests.rpc.chain import Chain, serving


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


def test_an_intent_that_is_signed_anew_is_not_carried_out_twice() -> None:
    async def go() -> None:
        chain = Chain()
        async with serving(chain) as client:
            before = await client.balance_nano("solar")
            first, anew = (chain.speaker.member("campus", Transfer("solar", 7, "rent")) for _ in range(2))
            assert (await client.submit_under("rent-2026-11", [first], "final"))[0].done
            with pytest.raises(RpcError) as refused:
                await client.submit_under("rent-2026-11", [anew], "final")
            assert (refused.value.code, refused.value.status) == ("rpc.key-reused", 422) and refused.value.hint
            again = await client.submit_under("rent-2026-11", [first], "final")
            assert again[0].done, "the same envelopes are told what became of them"
            assert await client.balance_nano("solar") == before + 7
            assert (await client.submit_under("rent-2026-12", [anew], "final"))[0].done

    run(go())


def test_a_key_is_claimed_before_the_first_submission_is_answered() -> None:
    async def go() -> None:
        chain = Chain(automatic=False)
        async with serving(chain) as client:
            first, anew = (chain.speaker.member("campus", Transfer("solar", 7, "")) for _ in range(2))
            waiting = asyncio.create_task(client.submit_under("k", [first], "final"))
            while not chain.submissions:
                await asyncio.sleep(0)
            with pytest.raises(RpcError) as refused:
                await client.submit_under("k", [anew])
            assert refused.value.code == "rpc.key-reused" and chain.submissions == 1
            await chain.produce()
            assert (await waiting)[0].done

    run(go())


def test_a_key_of_what_nobody_took_may_stand_for_corrected_envelopes() -> None:
    async def go() -> None:
        chain = Chain()
        async with serving(chain) as client:
            assert (await client.submit_under("k", [b"garbage"]))[0].status == "refused"
            raw = chain.speaker.member("campus", Transfer("solar", 7, ""))
            assert (await client.submit_under("k", [raw], "final"))[0].done
            with pytest.raises(RpcError) as refused:
                await client.submit_under("k", [raw, b"garbage"])
            assert refused.value.code == "rpc.key-reused"

    run(go())


def test_a_key_of_a_submission_that_is_refused_as_a_whole_stands_for_nothing() -> None:
    async def go() -> None:
        chain = Chain()
        async with serving(chain) as client:
            many = [chain.speaker.member("campus", Transfer("solar", 7, "")) for _ in range(MAX_PROOFS + 1)]
            with pytest.raises(RpcError) as refused:
                await client.submit_under("k", many, "proof")
            assert refused.value.code == "rpc.too-many-proofs" and not chain.submissions
            assert all(one.done for one in await client.submit_under("k", many[:2], "proof"))

    run(go())


@pytest.mark.parametrize("key", ["", " ", "a b", "a" * 65, "ü", "a\tb"])
def test_what_is_no_key_is_refused_before_anything_is_taken(key: str) -> None:
    async def go() -> None:
        chain = Chain()
        async with serving(chain) as client, ClientSession() as session:
            body = {"envelopes": [chain.speaker.member("campus", Transfer("solar", 7, "")).hex()]}
            async with session.post(client.base_url + "/tx", json=body, headers={idempotency.KEY.name: key}) as reply:
                assert (reply.status, (await reply.json())["code"]) == (400, "rpc.malformed")
            assert not chain.submissions

    run(go())


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3), st.booleans()), max_size=40), st.integers(1, 3))
@settings(max_examples=60)
def test_keys_stand_for_one_thing_while_they_are_remembered(words: list[tuple[str, int, bool]], most: int) -> None:
    """Against a model: the newest `most` keys, each with what it was first claimed for."""
    kept, idempotency.MAX_KEYS = idempotency.MAX_KEYS, most
    try:
        keys, model = idempotency.Keys(), dict[str, int]()
        for key, number, release in words:
            envelopes = [b"x", bytes([number])]
            if release:
                keys.release(key, envelopes)
                if model.get(key) == number:
                    del model[key]
                continue
            try:
                keys.claim(key, envelopes)
                told = True
            except Refusal as refused:
                told = False
                assert refused.status == 422
            assert told is (model.get(key, number) == number)
            if told:
                model.pop(key, None)
                model[key] = number
                while len(model) > most:
                    del model[next(iter(model))]
            assert list(keys._held) == list(model), "the one that was named longest ago is forgotten first"
    finally:
        idempotency.MAX_KEYS = kept


def test_how_bytes_are_cut_into_envelopes_is_part_of_what_a_key_stands_for() -> None:
    keys = idempotency.Keys()
    keys.claim("k", [b"ab", b"c"])
    with pytest.raises(Refusal):
        keys.claim("k", [b"a", b"bc"])


def test_the_key_that_was_named_longest_ago_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MAX_KEYS", 2)
    keys = idempotency.Keys()
    for key in ("a", "b", "a", "c"):
        keys.claim(key, [key.encode()])
    assert list(keys._held) == ["a", "c"]
