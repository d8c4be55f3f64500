"""A one-process chain: real ledger, real contracts, four real keys that sign every block, no consensus."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec

from consensus.messages import NO_ROUND, Block, CommitCertificate, Header, VoteType, vote_sign_bytes
from contracts import api
from contracts.envelope import CODEC, Domains, Envelope
from contracts.genesis import DevnetClock
from contracts.members import AssetEnvelope, Meter, PowerLine
from contracts.params import PactParams
from contracts.receipts import Receipt
from contracts.state import State
from node.access.rights import NOBODY, Policies, Rights
from node.client import Client
from node.execution import execute
from node.ledger.ledger import Ledger
from node.ledger.store import MemoryStore
from node.mempool import Lane, lane_of
from node.render import read, render
from node.rpc.openapi import make_document
from node.rpc.server import RpcServer
from node.rpc.table import ROUTES, Call
from node.seats import LedgerSets, validators_of
from node.service import Submission
from tests.support.pact import START_MS, Speaker, genesis, key_of, meter
from zk import ed25519, merkle
from zk.codec import Malformed, encode
from zk.hashing import ZERO_HASH

METERS = (meter("solar-1", "solar", "source"), meter("campus-1", "campus"))
PARAMS = PactParams(interval_ms=900_000, gate_lead_ms=300_000)
INTERVAL = START_MS // PARAMS.interval_ms
"""The interval that starts with the chain."""


class Chain:
    """Implements `NodeService`. Blocks are made when told, or right after each submission with `automatic`."""

    def __init__(
        self,
        *,
        automatic: bool = True,
        meters: Sequence[Meter] = METERS,
        clock: DevnetClock | None = None,
        lines: Sequence[PowerLine] = (),
        params: PactParams | None = None,
        roles: dict[str, tuple[str, ...]] | None = None,
        envelopes: Sequence[AssetEnvelope] = (),
    ) -> None:
        document = genesis(meters=tuple(meters), params=params or PARAMS, clock=clock)
        if roles:
            members = (msgspec.structs.replace(one, roles=roles.get(one.id, one.roles)) for one in document.members)
            document = msgspec.structs.replace(document, members=tuple(members))
        if lines or envelopes:
            document = msgspec.structs.replace(document, lines=tuple(lines), envelopes=tuple(envelopes))
        self.ledger = Ledger.open(MemoryStore(), document)
        self.sets = LedgerSets(self.ledger)
        self.node_id = "solar"
        self.speaker = Speaker(self.ledger.chain_id)
        self.automatic = automatic
        self.time_ms = START_MS
        self.submissions = 0
        self.proposers: tuple[str, ...] = ("solar",)
        """They propose in turn."""
        self.waiters = 0
        """How often somebody has waited for a height."""
        self.leap_to_ms: int | None = None
        """With `automatic`: after the next submission, ledger time jumps there."""
        self.reports: list[bytes] = []
        self.report_answer = "ok"
        self._domains = Domains(self.ledger.chain_id)
        self._pending: dict[bytes, tuple[bytes, Envelope]] = {}
        self._grown = asyncio.Condition()

    async def submit(self, envelopes: list[bytes]) -> list[Submission]:
        self.submissions += 1
        results = [self._admit(raw) for raw in envelopes]
        if self.automatic:
            await self.settle()
        return results

    def _admit(self, raw: bytes) -> Submission:
        hash_ = self._domains.transaction_id(raw)
        try:
            envelope = CODEC.decode(raw)
        except Malformed as error:
            return Submission(hash_, error.code)
        if not ed25519.verify(envelope.public_key, self._domains.sign_bytes(raw), envelope.signature):
            return Submission(hash_, "tx.signature")
        genesis = self.ledger.genesis
        context = api.BlockContext(
            self.ledger.chain_id, self.ledger.height + 1, self.time_ms, genesis.params, genesis.consensus
        )
        code = api.admit(State(self.ledger), envelope, context)
        if code == "ok" and lane_of(envelope) in self._lanes() and hash_ not in self._pending:
            code = "mempool.conflict"
        if code == "ok":
            self._pending[hash_] = (raw, envelope)
        return Submission(hash_, code)

    def waiting(self, member: str, public_key: bytes, nonce: int) -> int:
        lanes = self._lanes()
        return next(count for count in itertools.count() if ((member, public_key), nonce + count) not in lanes)

    def _lanes(self) -> set[tuple[Lane, int]]:
        return {lane_of(envelope) for _, envelope in self._pending.values()}

    async def report(self, evidence: bytes) -> str:
        self.reports.append(evidence)
        return self.report_answer

    async def wait_height(self, height: int) -> None:
        async with self._grown:
            self.waiters += 1
            await self._grown.wait_for(lambda: self.ledger.height >= height)

    def now_ms(self) -> int:
        return self.time_ms

    def status(self) -> dict[str, Any]:
        return {
            "chain_id": self.ledger.chain_id,
            "node": "solar",
            "height": self.ledger.height,
            "time_ms": self.time_ms,
            "known_rule_sets": sorted(self.ledger.rule_sets),
        }

    def health(self) -> tuple[bool, str]:
        return self.automatic, "Fine." if self.automatic else "No blocks are made."

    def metrics(self) -> dict[str, float]:
        return {"gridpact_height": self.ledger.height, 'gridpact_events_total{code="a"}': 2.0}

    async def settle(self) -> None:
        """A block with everything that waits, and the empty one that makes it provable."""
        await self.produce()
        if self.leap_to_ms is not None:
            leap, self.leap_to_ms = self.leap_to_ms, None
            await self.produce(leap)
        await self.produce()

    async def produce(self, time_ms: int | None = None, charges: Sequence[api.Charge] = ()) -> list[Receipt]:
        """The next block with everything that waits, and with evidence for these charges."""
        self.time_ms = max(self.time_ms + 1, time_ms or 0)
        waiting, self._pending = self._pending, {}
        block = self._block(list(waiting))
        receipts = execute(self.ledger, block, self.certify(block.header), list(waiting.values()), charges)
        async with self._grown:
            self._grown.notify_all()
        return receipts

    async def repeat(self, raw: bytes) -> None:
        """A block with an envelope that was executed before: what a faulty proposer may do."""
        self._pending[self._domains.transaction_id(raw)] = (raw, CODEC.decode(raw))
        await self.produce()

    def _block(self, payload: list[bytes]) -> Block:
        ledger, height = self.ledger, self.ledger.height + 1
        set_hash = validators_of(ledger.genesis).hash
        parent = ledger.certificate(height - 1)
        header = Header(
            version=1,
            chain_id=ledger.chain_id,
            height=height,
            parent_hash=ledger.block_id(height - 1),
            time_ms=self.time_ms,
            params_hash=ledger.genesis.params.hash(ledger.chain_id, encode(ledger.genesis.consensus)),
            proposer=self.proposers[height % len(self.proposers)],
            proposer_round=0,
            set_hash=set_hash,
            next_set_hash=set_hash,
            last_certificate_hash=ZERO_HASH if parent is None else parent.hash(ledger.chain_id),
            payload_root=merkle.root(payload),
            state_root=ledger.state_root,
            receipts_root=ledger.receipts_root,
            evidence_root=merkle.EMPTY_ROOT,
            beacon=b"",
        )
        return Block(header, tuple(payload), parent, ())

    def certify(self, header: Header, seats: tuple[int, ...] = (0, 1, 3)) -> CommitCertificate:
        """Precommits of these seats for `header`."""
        validators = validators_of(self.ledger.genesis)
        signed = vote_sign_bytes(self.ledger.chain_id, VoteType.PRECOMMIT, header.height, 0, header.id(), NO_ROUND)
        signatures = tuple((seat, key_of(f"{validators.seats[seat].id} node").sign(signed)) for seat in seats)
        return CommitCertificate(header.height, 0, header.id(), signatures)


def everybody(chain: Chain) -> Rights:
    """What somebody who has not signed may read."""
    return Rights(Policies(chain.ledger), NOBODY, chain.now_ms)


class Promised(RpcServer):
    """A server of which every answer in every test has to be what its document promises."""

    async def _call(self, call: Call) -> Any:
        answer = await super()._call(call)
        if isinstance(answer, dict):
            route, document = call.found.route, render(answer)
            promised(route.method, route.path).validate(document)
            if route.state and document["data"] is not None:
                read(route.answers, document["data"])
        return answer


@cache
def promised(method: str, path: str) -> jsonschema_rs.Draft202012Validator:
    """What the document promises of the answer of a route."""
    document = _document()
    schema = document["paths"][path][method.lower()]["responses"]["200"]["content"]["application/json"]["schema"]
    return jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})


@cache
def _document() -> dict[str, Any]:
    return make_document(ROUTES)


class Wireless:
    """What the server of a node of `chain` answers to everybody, without the wire."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._server = Promised(chain, "127.0.0.1", 0)

    async def get(self, path: str, options: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The document of a path. Raises `Refusal`."""
        found = self._server._router.find("GET", path)
        answer: dict[str, Any] = await self._server._call(
            Call(found, found.options(options or {}), everybody(self._chain), None)
        )
        return answer


@asynccontextmanager
async def serving(chain: Chain, **options: Any) -> AsyncIterator[Client]:
    """A client of a server for `chain` on a free port."""
    server = Promised(chain, "127.0.0.1", 0, **options)
    url = await server.start()
    try:
        async with Client(url) as client:
            yield client
    finally:
        await server.stop()
