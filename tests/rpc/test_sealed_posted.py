"""What a sealed round was shown, taken from a node's answers by a stranger, and checked with headers alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from contracts.bodies import AccountBody
from contracts.members import Private
from contracts.params import SealedParams
from contracts.schema import CAPACITIES, SEALED_OFFERS, SEALED_ROUNDS
from contracts.sealed.bodies import OpenSealed, ReferenceBlock, SealAward, SealBid
from contracts.sealed.records import SealedRound
from contracts.state import State
from node.agents.seat import Seat
from node.client import Account
from node.disk import MemoryDisk
from node.errors import ProofError
from node.proofs import AnyBundle, decode_bundle
from node.sealed import words
from node.statements import file, posted
from node.wallet import account
from tests.rpc.builder_world import Node
from tests.rpc.chain import INTERVAL, PARAMS, Chain
from tests.rpc.test_seat import living, play, seat
from tests.support.pact import START_MS, VALIDATORS, key_of, meter, seed_of
from zk import notes
from zk.hashing import sha256

PACT = msgspec.structs.replace(PARAMS, sealed=SealedParams(on=True, window_blocks=12))
NEXT = INTERVAL + 2
DEADLINE_MS = START_MS + 60_000
SUPPLIERS = {"biodiesel": (9_000,), "solar": (8_000,), "wind": (30_000,)}
"""And what they bid at the only tick; weights of several are attacked where contracts are."""
METERS = (meter("m-campus", "campus"), meter("m-tie", "campus", "tie", 2_000_000))


def entropy(*parts: object) -> bytes:
    return sha256(repr(parts).encode())


class Site:
    """The chain, and everybody who says something to it."""

    def __init__(self) -> None:
        sources = (meter(f"m-{name}", name, "source") for name in SUPPLIERS)
        private = (msgspec.structs.replace(one, private=Private("campus")) for one in sources)
        self.chain = Chain(params=PACT, meters=(*private, *METERS), roles={"campus": ("campus", "utility")})
        self.chain.proposers = VALIDATORS
        self.chain_id = self.chain.ledger.chain_id
        self.node = Node(self.chain)
        self.disks = {name: MemoryDisk() for name in VALIDATORS}
        self.said: dict[tuple[str, str], bytes] = {}
        """Hashes of transactions, by sender and kind of body."""
        self._drawn = 0

    def seats(self) -> list[Seat]:
        """Seats that begin anew, so that they know of what else their members have said."""
        return [seat(self.chain, name, [self.node], self.disks[name]) for name in VALIDATORS]

    def owner(self, name: str) -> account.Owner:
        return account.Owner(name, notes.secret_of(seed_of(name)))

    def fresh(self) -> bytes:
        self._drawn += 1
        return entropy("drawn", self._drawn)

    def saying(self, name: str) -> Callable[[AccountBody], Awaitable[str]]:
        async def say(body: AccountBody) -> str:
            speaker = Account(self.chain_id, name, seed_of(name))
            await speaker.sync(self.node)
            (result,) = await self.node.submit([speaker.sign(body)])
            self.said[name, type(body).__name__] = result.hash
            return result.code

        return say

    def bid(self, name: str) -> SealBid:
        held = State(self.chain.ledger).load(CAPACITIES, CAPACITIES.key(f"m-{name}"))
        assert held is not None
        owner, round_ = self.owner(name), self.round()
        opening = words.capacity_of(self.chain_id, owner, held)
        return words.bid(self.chain_id, owner, round_, opening, SUPPLIERS[name], entropy=self.fresh())

    def award(self, name: str) -> SealAward:
        offer = State(self.chain.ledger).load(SEALED_OFFERS, SEALED_OFFERS.key(NEXT, name))
        assert offer is not None
        owner, round_ = self.owner(name), self.round()
        ticks = words.bid_of(self.chain_id, owner, round_, offer)
        return words.award(self.chain_id, owner, round_, ticks, entropy=self.fresh())

    def round(self) -> SealedRound:
        found = State(self.chain.ledger).load(SEALED_ROUNDS, SEALED_ROUNDS.key(NEXT))
        assert found is not None
        return found

    async def awarded(self) -> None:
        """Everything up to the awards."""
        seats = self.seats()
        await play(self.chain, living(seats))
        for one in seats:
            one.vault.release()
        for name in VALIDATORS:
            await self.saying(name)(account.registration(self.chain_id, self.owner(name), self.fresh()))
        for name in SUPPLIERS:
            body = words.capacity(
                self.chain_id,
                self.owner(name),
                f"m-{name}",
                250_000,
                40_000,
                (ReferenceBlock(90_000, 20_000),),
                key_of(f"m-{name}").sign,
                entropy=self.fresh(),
            )
            assert await self.saying(name)(body) == "ok"
        assert await self.saying("campus")(OpenSealed(NEXT, (100,), 30_000, DEADLINE_MS)) == "ok"
        for name in SUPPLIERS:
            assert await self.saying(name)(self.bid(name)) == "ok"
        await self.chain.produce(DEADLINE_MS)
        seats = self.seats()
        for _ in range(60):
            if self.round().phase == "awarding":
                break
            await self.chain.produce()
            for one in seats:
                await one.step()
        assert self.round().phase == "awarding"
        for name in SUPPLIERS:
            assert await self.saying(name)(self.award(name)) == "ok"
        await self.chain.produce()

    async def bundle(self, path: str) -> AnyBundle:
        answer = await self.node.get(path, prove=1)
        return decode_bundle(msgspec.json.encode(answer["proof"]))

    async def file(self, name: str, body: str) -> bytes:
        """As `gridpact proof posted` writes it."""
        fact = await self.bundle(f"/tx/{self.said[name, body].hex()}")
        word = posted.word_of(fact)
        party = await self.bundle(f"/query/sealed/{word.body.interval}/{word.sender}")
        return msgspec.json.encode(posted.file_of(fact, party))


def test_bids_and_awards_of_a_round_are_checked_by_a_stranger_with_headers_alone() -> None:
    async def go() -> None:
        site = Site()
        await site.awarded()
        genesis = site.chain.ledger.genesis
        for name, body in (("solar", "SealBid"), ("wind", "SealAward")):
            content = await site.file(name, body)
            proven = file.verify(file.decode(content), genesis, anchored=True)
            (one,) = proven.data["statements"]
            assert name in one["proven"]
            assert proven.data["unanchored"] == []
        # Another's record beside the award leads nowhere.
        mine, other = msgspec.json.decode(content), msgspec.json.decode(await site.file("solar", "SealBid"))
        mine["facts"][1] = other["facts"][1]
        with pytest.raises(ProofError) as error:
            file.verify(file.decode(msgspec.json.encode(mine)), genesis, anchored=True)
        assert error.value.code == "proof.unanchored"

    asyncio.run(go())
