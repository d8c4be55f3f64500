"""Idempotency keys: one intent is never carried out twice under one key, whatever is sent, lost and signed anew."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.bodies import Transfer
from node.client import RpcError
from node.disk import RealDisk
from node.rpc import idempotency
from node.rpc.errors import Refusal
from node.rpc.exposure import Exposure
from node.rpc.limits import MAX_PROOFS
from node.rpc.tokens import Tokens, add
from node.service import Submission
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


WORDS = st.tuples(
    st.sampled_from("xy"), st.sampled_from("abc"), st.integers(0, 2), st.sampled_from([None, True, False])
)


@given(st.lists(WORDS, max_size=40), st.integers(1, 4))
@example([("x", "a", 0, taken) for taken in (None, True, None, False)], 1)
@settings(max_examples=80)
def test_keys_stand_for_one_thing_while_they_are_remembered(
    words: list[tuple[str, str, int, bool | None]], most: int
) -> None:
    """Against a model: what each key was first claimed for, how many submissions under it wait, and whether
    one of them was taken. Of more than `most` keys, whoever has most loses the oldest."""
    kept, idempotency.MAX_KEYS = idempotency.MAX_KEYS, most
    try:
        keys, model = idempotency.Keys(), dict[str, dict[str, tuple[int, int, bool]]]()
        for caller, key, number, taken in words:
            envelopes, of_caller = [b"x", bytes([number])], model.get(caller, {})
            known, waiting, any_taken = of_caller.get(key, (number, 0, False))
            if taken is not None:
                if key not in of_caller or known != number or not waiting:
                    continue
                keys.settle(caller, key, envelopes, taken=taken)
                of_caller[key] = known, waiting - 1, any_taken or taken
                if of_caller[key][1:] == (0, False):
                    del of_caller[key]
            elif known != number:
                with pytest.raises(Refusal) as refused:
                    keys.claim(caller, key, envelopes)
                assert refused.value.status == 422
            else:
                keys.claim(caller, key, envelopes)
                of_caller.pop(key, None)
                model.setdefault(caller, of_caller)[key] = known, waiting + 1, any_taken
                if sum(map(len, model.values())) > most:
                    greedy = max(model.values(), key=len)
                    del greedy[next(iter(greedy))]
            model = {one: held for one, held in model.items() if held}
            assert {one: list(held) for one, held in keys._held.items()} == {one: list(model[one]) for one in model}
    finally:
        idempotency.MAX_KEYS = kept


def test_how_bytes_are_cut_into_envelopes_is_part_of_what_a_key_stands_for() -> None:
    keys = idempotency.Keys()
    keys.claim("", "k", [b"ab", b"c"])
    with pytest.raises(Refusal):
        keys.claim("", "k", [b"a", b"bc"])


def test_one_caller_neither_uses_up_nor_finds_out_the_keys_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MAX_KEYS", 4)
    keys = idempotency.Keys()
    keys.claim("agent", "rent", [b"mine"])
    for number in range(20):
        keys.claim("greedy", f"k{number}", [b"x"])
    keys.claim("greedy", "rent", [b"other"])
    with pytest.raises(Refusal):
        keys.claim("agent", "rent", [b"other"])


def test_a_submission_that_comes_twice_at_once_frees_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the two is refused, by a node that is busy with the other one's signature."""

    async def go() -> None:
        chain = Chain()
        going, answer = asyncio.Event(), chain.submit
        first, anew = (chain.speaker.member("campus", Transfer("solar", 7, "rent")) for _ in range(2))

        async def submit(envelopes: list[bytes]) -> list[Submission]:
            if chain.submissions:
                return [Submission(b"h" * 32, "mempool.busy")]
            chain.submissions += 1
            await going.wait()
            return await answer(envelopes)

        monkeypatch.setattr(chain, "submit", submit)
        async with serving(chain) as client:
            waiting = asyncio.create_task(client.submit_under("k", [first]))
            while not chain.submissions:
                await asyncio.sleep(0)
            assert (await client.submit_under("k", [first]))[0].code == "mempool.busy"
            with pytest.raises(RpcError) as refused:
                await client.submit_under("k", [anew])
            assert refused.value.code == "rpc.key-reused"
            going.set()
            assert (await waiting)[0].status == "accepted"

    run(go())


def test_tokens_are_callers(tmp_path: Path) -> None:
    tokens = [add(tmp_path / "t.json", RealDisk(), name, "submit", 3, 1, os.urandom(32)) for name in ("a", "b")]

    async def go() -> None:
        chain = Chain()
        exposure = Exposure(None, Tokens(tmp_path / "t.json", lambda: 2))
        async with serving(chain, exposure=exposure) as client, ClientSession() as session:
            for token, status in ((tokens[0], 200), (tokens[1], 200), (tokens[0], 422), (tokens[1], 422)):
                body = {"envelopes": [chain.speaker.member("campus", Transfer("solar", 7, "")).hex()]}
                headers = {"Authorization": f"Bearer {token}", idempotency.KEY.name: "k"}
                async with session.post(client.base_url + "/tx", json=body, headers=headers) as reply:
                    assert reply.status == status

    run(go())
