"""Pages: nothing is missed or told twice, whatever their size, and no page, filter or scan is without a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.bodies import Transfer
from node.ledger.ledger import Ledger
from node.rpc import listing, queries
from tests.rpc.access_world import OWNER, STRANGER, world
from tests.rpc.chain import Chain, Wireless, serving


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 30))


async def long_chain() -> Chain:
    """Blocks with none, one and several transactions, some of which fail."""
    chain = Chain()
    for number in range(6):
        sent = [chain.speaker.member("campus", Transfer("solar", 1 + one, "")) for one in range(number % 4)]
        sent += [chain.speaker.member("wind", Transfer("nobody", 1, ""))] if number % 3 == 0 else []
        if sent:
            await chain.submit(sent)
        await chain.produce()
    return chain


CHAIN = asyncio.run(long_chain())


@given(st.integers(1, 9), st.sampled_from([{}, {"sender": "campus"}, {"sender": "wind"}, {"body": "transfer"}]))
@settings(max_examples=40)
def test_pages_of_transactions_are_all_of_them_newest_first(limit: int, wanted: dict[str, str]) -> None:
    async def go() -> None:
        node, found, options = Wireless(CHAIN), list[tuple[int, int]](), {"limit": str(limit), **wanted}
        while True:
            page = await node.get("/transactions", options)
            assert len(page["transactions"]) <= limit
            assert all(one[name] == value for one in page["transactions"] for name, value in wanted.items())
            found += [(one["height"], one["index"]) for one in page["transactions"]]
            if page["next"] is None:
                break
            options["before"] = page["next"]
        everything = (await node.get("/transactions", dict(wanted)))["transactions"]
        assert found == [(one["height"], one["index"]) for one in everything] == sorted(found, reverse=True)
        ledger = CHAIN.ledger
        held = sum(len(ledger.transactions(height)) for height in range(1, ledger.height + 1))
        assert (len(found) == held) if wanted in ({}, {"body": "transfer"}) else 0 < len(found) < held

    run(go())


@given(st.integers(1, 7))
@settings(max_examples=7)
def test_pages_of_blocks_are_all_of_them(limit: int) -> None:
    async def go() -> None:
        node, found, options = Wireless(CHAIN), list[int](), {"limit": str(limit)}
        while True:
            page = await node.get("/blocks", options)
            found += [one["height"] for one in page["blocks"]]
            if page["next"] is None:
                break
            options["before"] = str(page["next"])
        assert found == list(range(CHAIN.ledger.height, 0, -1))

    run(go())


def test_a_page_looks_at_so_many_transactions_and_says_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        monkeypatch.setattr(listing, "MAX_SCANNED", 3)
        node, pages, options = Wireless(CHAIN), 0, {"code": "no.such-code"}
        while True:
            page = await node.get("/transactions", options)
            assert page["transactions"] == []
            pages += 1
            if page["next"] is None:
                break
            options["before"] = page["next"]
        assert pages > CHAIN.ledger.height // 3

    run(go())


@pytest.mark.parametrize("before", ["99999999999999.0", "0.0", "0.7", "1.0"])
def test_a_page_before_anything_or_after_everything_is_a_page(before: str) -> None:
    async def go() -> None:
        page = await Wireless(CHAIN).get("/transactions", {"before": before})
        assert (page["next"], bool(page["transactions"])) == (None, before.startswith("9"))

    run(go())


@given(st.integers(1, 12), st.integers(0, 12))
@settings(max_examples=30)
def test_pages_of_one_height_are_the_whole_list(limit: int, start: int) -> None:
    async def go() -> None:
        node = Wireless(CHAIN)
        whole = (await node.get("/query/trust"))["data"]["members"]
        height = str(CHAIN.ledger.height)
        page = await node.get("/query/trust", {"limit": str(limit), "offset": str(start), "height": height})
        assert page["data"]["members"] == whole[start : start + limit]
        if limit >= len(whole) and not start:
            assert "page" not in page
        else:
            following = start + limit if start + limit < len(whole) else None
            assert page["page"] == {"of": "members", "total": len(whole), "offset": start, "next": following}

    run(go())


def test_a_filter_by_member_counts_only_its_entries_and_a_proof_is_still_of_everything() -> None:
    async def go() -> None:
        node = Wireless(CHAIN)
        page = await node.get("/query/trust", {"member": "wind", "prove": "1"})
        assert [one["member"] for one in page["data"]["members"]] == ["wind"] and page["page"]["total"] == 1
        whole = await node.get("/query/trust", {"prove": "1"})
        assert len(page["proof"]["entries"]) == len(whole["proof"]["entries"])

    run(go())


def test_a_client_turns_the_pages_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        async with serving(await long_chain()) as client:
            whole = (await client.query("trust"))["data"]["members"]
            cut = queries.turn_page
            monkeypatch.setattr(queries, "turn_page", lambda of, data, given: cut(of, data, {**given, "limit": 2}))
            answer = await client.query("trust")
            assert answer["data"]["members"] == whole and "page" not in answer
            assert len((await client.query("trust", limit=2, offset=1))["data"]["members"]) == 2

    run(go())


def test_a_client_has_a_list_in_pages_proven_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        async with serving(await long_chain()) as client:
            whole = await client.query("trust", prove=1)
            proven, prove, cut = list[bytes](), queries.state_entry, queries.turn_page

            def counted(ledger: Ledger, key: bytes, height: int) -> dict[str, Any]:
                proven.append(key)
                return prove(ledger, key, height)

            monkeypatch.setattr(queries, "state_entry", counted)
            monkeypatch.setattr(queries, "turn_page", lambda of, data, given: cut(of, data, {**given, "limit": 2}))
            answer = await client.query("trust", prove=1)
            assert answer["data"] == whole["data"] and len(answer["data"]["members"]) > 2
            assert [entry["key"] for entry in answer["proof"]["entries"]] == [key.hex() for key in proven]

    run(go())


def test_no_list_tells_who_signed_what_is_kept_and_no_filter_finds_it() -> None:
    async def go() -> None:
        async with world() as here:
            for asker, told in ((STRANGER, False), (OWNER, True)):
                _, page = await here.asker(asker).document("/transactions")
                kept = [one for one in page["transactions"] if one["body"] in ("need", "offer", "plain-reading")]
                assert any(one["sender"] in (OWNER, "campus-1", "campus-2") for one in kept) is told
                _, page = await here.asker(asker).document(f"/transactions?sender={OWNER}&body=offer")
                assert bool(page["transactions"]) is told

    run(go())


@pytest.mark.parametrize("path", ["/blocks", "/transactions"])
def test_a_page_names_the_height_that_it_is_of_although_blocks_come_meanwhile(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever believes it to be of a later height would take what is missing for what is not there."""
    monkeypatch.setattr(listing, "BLOCKS_AT_ONCE", 1)
    monkeypatch.setattr(listing, "SHOWN_AT_ONCE", 1)

    async def go() -> None:
        chain = await long_chain()
        before = chain.ledger.height
        asking = asyncio.create_task(Wireless(chain).get(path))
        # Begins, and gives way to others.
        await asyncio.sleep(0)
        assert not asking.done()
        await chain.submit([chain.speaker.member("campus", Transfer("solar", 1, ""))])
        page = await asking
        assert chain.ledger.height > before == page["height"]
        assert max(one["height"] for one in page[path[1:]]) <= before

    run(go())
