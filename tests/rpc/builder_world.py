"""A pact that wagers on its dispatch, builders of its members, and nodes between them that do not do as they should."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec

from consensus.light import CODEC as LIGHT_BLOCK
from consensus.light import LightBlock
from contracts.bodies import Need, Offer, OfferBlock
from contracts.envelope import CODEC, AccountEnvelope
from contracts.params import WagerParams
from contracts.program.case import Case
from contracts.schema import ROUNDS, TRUSTS, WAGERS
from contracts.state import State
from contracts.trust import all_tokens
from contracts.wagers.records import JUDGED, Round, Wagered
from node.access.requests import ReaderKey
from node.agents.book import Book
from node.agents.builder import FRUGAL, Allowance, Builder
from node.agents.proven import ProvenLedger
from node.building import packed
from node.client import Account, Client, Result, RpcError, Wait
from node.disk import Disk, MemoryDisk, RealDisk
from node.light.founding import Founding
from node.rpc.errors import Refusal
from node.rpc.light import light_block
from node.seats import validators_of
from node.solver.build import build
from tests.rpc.chain import INTERVAL, METERS, PARAMS, Chain, Wireless
from tests.support.pact import VALIDATORS, seed_of
from zk.hashing import sha256

TARGET = INTERVAL + 4
TERMS = WagerParams(on=True)
PACT = msgspec.structs.replace(PARAMS, gate_lead_ms=1_800_000, wagering=TERMS)
LOCK_MS = TARGET * PACT.interval_ms - PACT.gate_lead_ms
BUILDERS = ("biodiesel", "campus", "wind")
STAKE = 10
BOOK = Path("/book")


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run one test to its end, which comes soon or never."""
    asyncio.run(asyncio.wait_for(work, 20))


class Node(Client):
    """An honest node, without the wire: what it says is what its RPC says."""

    def __init__(self, chain: Chain, name: str = "http://node") -> None:
        super().__init__(name)
        self.chain = chain
        self.heard: list[Any] = []
        """Bodies that were handed to this node."""
        self.answers = Wireless(chain)

    async def get(self, path: str, reader: ReaderKey | None = None, **options: str | int) -> dict[str, Any]:
        texts = {name: str(value) for name, value in options.items()}
        try:
            answer = await self.answers.get(path, texts)
        except Refusal as refusal:
            raise RpcError(refusal.code, str(refusal), status=refusal.status) from None
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(answer))
        return plain

    async def light_block(self, height: int) -> LightBlock:
        return LIGHT_BLOCK.decode(light_block(self.chain, height))

    async def submit(self, envelopes: Sequence[bytes], wait: Wait = "accepted", timeout_ms: int = 0) -> list[Result]:
        for raw in envelopes:
            envelope = CODEC.decode(raw)
            assert isinstance(envelope, AccountEnvelope)
            self.heard.append(envelope.body)
        answers = await self.chain.submit(list(envelopes))
        return [self._result(answer.hash, answer.code) for answer in answers]

    def _result(self, hash_: bytes, code: str) -> Result:
        place = self.chain.ledger.find_transaction(hash_)
        if place is None:
            return Result(hash_, "refused", code)
        return Result(hash_, "final", self.chain.ledger.receipts(place[0])[place[1] + 1].code, height=place[0])


class Mute(Node):
    """A node that keeps everything to itself: no answers, and what it takes it says is final."""

    async def get(self, path: str, reader: ReaderKey | None = None, **options: str | int) -> dict[str, Any]:
        raise RpcError("rpc.timeout", "no answer")

    async def submit(self, envelopes: Sequence[bytes], wait: Wait = "accepted", timeout_ms: int = 0) -> list[Result]:
        self.heard += [CODEC.decode(raw) for raw in envelopes]
        return [Result(sha256(raw), "final", "ok") for raw in envelopes]


class Lying(Node):
    """A node that changes its answers of one kind."""

    def __init__(self, chain: Chain, kind: str, change: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(chain, "http://liar")
        self._kind = kind
        self._change = change

    async def get(self, path: str, reader: ReaderKey | None = None, **options: str | int) -> dict[str, Any]:
        answer = await super().get(path, reader, **options)
        if path.split("/")[2] == self._kind:
            answer = copy.deepcopy(answer)
            self._change(answer)
        return answer


class Stale(Node):
    """A node that shows state as it was some blocks ago."""

    behind = 0

    async def get(self, path: str, reader: ReaderKey | None = None, **options: str | int) -> dict[str, Any]:
        height = max(1, self.chain.ledger.height - 1 - self.behind)
        return await super().get(path, reader, **options, height=height)


def founding(chain: Chain) -> Founding:
    """What a builder trusts."""
    genesis = chain.ledger.genesis
    return Founding(
        genesis.chain_id(),
        chain.ledger.block_id(0),
        validators_of(genesis),
        genesis.consensus.evidence_age_ms,
        genesis.devnet_clock,
    )


def builder(
    chain: Chain,
    member: str,
    nodes: Sequence[Client] = (),
    disk: Disk | None = None,
    allowance: Allowance = FRUGAL,
    kind: type[Builder] = Builder,
    said: list[str] | None = None,
    path: Path | None = None,
) -> Builder:
    """A builder with its member's key; what it says goes to `said`. With a `path` its book is a real file."""
    ledger = ProvenLedger(nodes or [Node(chain)], founding(chain), now_ms=chain.now_ms)
    where, disk = (BOOK / member, disk or MemoryDisk()) if path is None else (path, RealDisk())
    book = Book(where, chain.ledger.chain_id, member, disk)
    account = Account(chain.ledger.chain_id, member, seed_of(member))

    def say(round_: int | None, text: str) -> None:
        (said if said is not None else []).append(text)

    return kind(account, ledger, book, allowance, say, quick)


async def quick(case: Case) -> bytes:
    """The solver, without a process of its own."""
    return packed(build(case, 60.0).solution)


async def opened(chain: Chain | None = None, **terms: int) -> Chain:
    """Round 0 takes wagers on the dispatch of `TARGET`, under changed `terms`: sun for the campus, and as far as
    it is cheap for the wind park."""
    params = msgspec.structs.replace(PACT, wagering=msgspec.structs.replace(TERMS, **terms))
    chain = chain or Chain(meters=METERS, params=params)
    chain.proposers = VALIDATORS
    blocks = (OfferBlock(50_000, 20_000), OfferBlock(90_000, 10_000))
    said = (
        ("solar", Offer("solar-1", TARGET, blocks)),
        ("campus", Need(TARGET, 1, 25_000, None, 0)),
        ("wind", Need(TARGET, 1, 3_000, 60_000, 0)),
    )
    await chain.submit([chain.speaker.member(name, body) for name, body in said])
    await chain.produce(LOCK_MS)
    await chain.produce()
    return chain


def round_of(chain: Chain, number: int = 0) -> Round:
    found = State(chain.ledger).load(ROUNDS, ROUNDS.key(number))
    assert found is not None
    return found


def wager_of(chain: Chain, member: str, number: int = 0) -> Wagered | None:
    return State(chain.ledger).entry(WAGERS, member, number)


def tokens_of(chain: Chain, member: str) -> int:
    held = State(chain.ledger).entry(TRUSTS, member)
    assert held is not None
    return all_tokens(held)


async def next_phase(chain: Chain, number: int = 0) -> str:
    """Let the time of the present phase pass, and as many blocks as it takes, and one that proves it."""
    before = round_of(chain, number)
    assert before.phase != JUDGED
    for _ in range(32):
        await chain.produce(before.ends_ms if before.phase != "draw" else None)
        if (after := round_of(chain, number)).phase != before.phase:
            await chain.produce()
            return after.phase
    raise AssertionError(f"phase {before.phase} never ends")


async def play(chain: Chain, act: Callable[[], Any]) -> None:
    """Call `act` once in each phase of round 0, and once when it is judged."""
    await act()
    while round_of(chain).phase != JUDGED:
        await next_phase(chain)
        await act()
