"""The endpoint that light clients live on."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from consensus.light import CODEC, Verdict, check_genesis, judge_timeless
from consensus.validators import ValidatorSet
from node.seats import validators_of
from tests.rpc.chain import Chain, serving


async def raw(chain: Chain, *paths: str) -> list[tuple[int, str, bytes]]:
    """Status, content type and body of each path."""
    async with serving(chain) as client, aiohttp.ClientSession() as session:
        answers = []
        for path in paths:
            async with session.get(client.base_url + path) as response:
                answers.append((response.status, response.content_type, await response.read()))
        return answers


async def made(blocks: int) -> Chain:
    chain = Chain(automatic=False)
    for _ in range(blocks):
        await chain.produce()
    return chain


def test_served_blocks_lead_from_genesis_to_the_newest() -> None:
    async def go() -> None:
        chain = await made(3)
        answers = await raw(chain, "/light/1", "/light/3", "/light/latest")
        assert {(status, kind) for status, kind, _ in answers} == {(200, "application/msgpack")}
        first, third, latest = (CODEC.decode(body) for _, _, body in answers)
        ledger = chain.ledger
        check_genesis(first, ledger.chain_id, ledger.genesis_hash, validators_of(ledger.genesis))
        assert judge_timeless(first, third).verdict is Verdict.SUCCESS
        assert latest == third and latest.id() == ledger.block_id(3)

    asyncio.run(go())


def test_a_block_comes_with_the_sets_of_its_own_height() -> None:
    async def go() -> None:
        chain = await made(2)
        seats = validators_of(chain.ledger.genesis).seats
        chain.sets = lambda height: ValidatorSet(seats[: height + 1])
        (_, _, body), (_, _, later) = await raw(chain, "/light/1", "/light/2")
        first, second = CODEC.decode(body), CODEC.decode(later)
        assert (first.validators, first.next_validators) == (seats[:2], seats[:3])
        assert (second.validators, second.next_validators) == (seats[:3], seats[:4])

    asyncio.run(go())


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("0", 404, b"rpc.unknown-block"),
        ("3", 404, b"rpc.unknown-block"),
        ("999999999999999", 400, b"rpc.malformed"),
        ("281474976710655", 404, b"rpc.unknown-block"),
        ("-1", 400, b"rpc.malformed"),
        ("01", 400, b"rpc.malformed"),
        ("newest", 400, b"rpc.malformed"),
        ("%00", 400, b"rpc.malformed"),
    ],
)
def test_heights_that_are_not_there(path: str, status: int, code: bytes) -> None:
    async def go() -> None:
        ((found, _, body),) = await raw(await made(2), f"/light/{path}")
        assert found == status and code in body

    asyncio.run(go())


def test_a_chain_without_blocks_has_no_latest_one() -> None:
    async def go() -> None:
        ((status, _, body),) = await raw(await made(0), "/light/latest")
        assert status == 404 and b"rpc.unknown-block" in body

    asyncio.run(go())
