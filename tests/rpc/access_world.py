"""A chain on which campus keeps everything to itself, with figures of every kind that nobody else may learn."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import ClientSession

from contracts.bodies import AccountBody, Correct, Need, Offer, OfferBlock, Transfer
from contracts.envelope import CODEC
from contracts.governance.bodies import RECORD_KINDS, AllowAccess, Reader, RecordKind, RevokeAccess
from contracts.members import PowerLine
from contracts.rolls import Rolls, is_roll
from node.access.log import AccessLog
from node.access.requests import HEADER, ReaderKey
from node.access.subjects import Subjects
from node.ledger.records import STATE
from node.tables import table_of
from tests.rpc.chain import INTERVAL, PARAMS, Chain, serving
from tests.support.pact import key_of, meter

OWNER, PARTNER, STRANGER = "campus", "solar", "biodiesel"
METERS = (
    meter("campus-1", OWNER, "load", 3_999_988),
    meter("campus-2", OWNER, "source", 3_999_992),
    meter("solar-1", PARTNER, "source", 3_999_996),
    meter("solar-2", PARTNER, "load"),
    meter("wind-1", "wind", "load", 3_999_980),
    meter("wind-2", "wind", "source"),
)
LINE = PowerLine("line-1", "campus-2", "solar-2", "wind-1", 0, 0, 100)
FIRST = INTERVAL + 1
"""The interval with needs, offers, a dispute and a correction; in the next one campus-1 is silent."""
SMALLEST = 2**16
"""Figures from here on are no accident in the bytes of an answer."""
WALL_MS = 1_763_789_000_000


async def kept_chain() -> Chain:
    """Needs, offers, orders, readings, a dispute, a bill, a correction, an estimate; then campus closes all."""
    chain = Chain(meters=METERS, lines=(LINE,))
    speaker = chain.speaker

    def say(member: str, body: AccountBody) -> bytes:
        return speaker.member(member, body)

    await chain.submit(
        [say(OWNER, Transfer(PARTNER, 70_123_457, "rent for the roof")), say("wind", Transfer(OWNER, 80_234_567, ""))]
    )
    blocks = (OfferBlock(98_765, 171_717), OfferBlock(198_765, 272_727))
    await chain.submit(
        [
            say(OWNER, Offer("campus-2", FIRST, blocks)),
            say(PARTNER, Offer("solar-1", FIRST, (OfferBlock(100_001, 400_000),))),
            say(OWNER, Need(FIRST, 1, 254_321, None, 0)),
            say("wind", Need(FIRST, 2, 333_333, 900_009, 0)),
            say("wind", Need(FIRST, 2, 81_001, None, 0)),
        ]
    )
    await _close(chain, FIRST, {"campus-1": (723_457, 0), "campus-2": (0, 431_337), "solar-2": (220_011, 0)})
    head = 1
    await chain.submit([say(OWNER, Correct("campus-1", head, FIRST, 777_999, None))])
    await _close(chain, FIRST + 1, {"campus-2": (0, 431_337), "solar-2": (220_011, 0)})
    await chain.submit([say(OWNER, RevokeAccess(RECORD_KINDS, ()))])
    await chain.produce()
    return chain


async def _close(chain: Chain, interval: int, registers: dict[str, tuple[int, int]]) -> None:
    """Order the interval, let these meters speak, and settle it."""
    await chain.produce(interval * PARAMS.interval_ms - PARAMS.gate_lead_ms)
    await chain.produce(interval * PARAMS.interval_ms)
    times = interval - FIRST + 1
    others = {"solar-1": (0, 500_003 * times), "wind-1": (300_019 * times, 0), "wind-2": (0, 100_021 * times)}
    spoken = {**others, **registers}
    await chain.submit([chain.speaker.reading(name, interval, *both) for name, both in sorted(spoken.items())])
    await chain.produce((interval + 1) * PARAMS.interval_ms + PARAMS.close_grace_ms)
    await chain.produce()


def figures(value: Any) -> Iterator[int]:
    """Every large integer in a record."""
    match value:
        case bool():
            return
        case int() if abs(value) >= SMALLEST:
            yield abs(value)
        case msgspec.Struct():
            for field in value.__struct_fields__:
                yield from figures(getattr(value, field))
        case tuple() | list():
            for item in value:
                yield from figures(item)


def secrets(chain: Chain, owner: str, reader: str) -> dict[str, set[int]]:
    """Figures, by kind, that stand in nothing but what `owner` keeps and shares with others than `reader`."""
    subjects = Subjects(chain.ledger.get)
    kept: dict[str, set[int]] = {}
    open_: set[int] = set(figures(chain.ledger.genesis))

    def sort(whose: tuple[Any, ...], value: Any) -> None:
        hidden = [subject for subject in whose if owner in subject.owners and reader not in subject.owners]
        for figure in figures(value):
            if hidden:
                kept.setdefault(hidden[0].kind, set()).add(figure)
            else:
                open_.add(figure)

    for raw_key, raw in chain.ledger._store.scan(STATE, STATE + b"\xff"):
        key = raw_key[len(STATE) :]
        table = table_of(key)
        assert table is not None
        decoded = table.decode(raw)
        if isinstance(table, Rolls):
            assert is_roll(key)
            for entry in decoded:
                sort(subjects.of_record(key[:-3] + table.id(entry).encode(), None), entry)
        elif hasattr(decoded, "entries"):
            for entry in decoded.entries:
                whose = (subjects.of_entry(entry),) if table.prefix != b"returns/" else subjects.of_record(key, raw)
                sort(whose, entry)
        else:
            sort(subjects.of_record(key, raw), decoded)
    for height in range(1, chain.ledger.height + 1):
        for raw in chain.ledger.transactions(height):
            envelope = CODEC.decode(raw)
            sort(subjects.of_envelope(envelope), envelope.body)
        for receipt in chain.ledger.receipts(height):
            for event in receipt.events:
                sort(subjects.of_event(event), event)
    return {kind: left for kind, found in kept.items() if (left := found - open_)}


def found(body: bytes, figure: int) -> bool:
    """Whether a figure stands in an answer: in digits, or in MessagePack, itself in hex or not."""
    size = next(size for size in (4, 8) if figure < 1 << 8 * size)
    packed = figure.to_bytes(size, "big")
    # Five digits do occur in the hex of a signature.
    spelled = re.search(rb"(?<![0-9a-f])%d(?![0-9a-f])" % figure, body)
    return spelled is not None or packed in body or packed.hex().encode() in body


class Asker:
    """One reader of one node: signs as a member or meter, or (`name` None) not at all."""

    def __init__(self, chain: Chain, session: ClientSession, url: str, name: str | None, sort: str = "member") -> None:
        self._chain = chain
        self._session = session
        self._url = url
        self._signed = 0
        self.key = None if name is None else ReaderKey("meter" if sort == "meter" else "member", name, key_of(name))

    def header(self, target: str, time_ms: int = 0, method: str = "GET", node: str = "solar") -> dict[str, str]:
        """The signed header for a question; `time_ms` 0: now, a little later than the last."""
        if self.key is None:
            return {}
        self._signed += 1
        time_ms = time_ms or WALL_MS + self._signed
        return {HEADER: self.key.header(self._chain.ledger.chain_id, node, time_ms, method, target)}

    async def ask(self, target: str, accept: str = "application/json", **headers: str) -> tuple[int, bytes]:
        """Status and bytes of the answer."""
        signed = self.header(target) | {"Accept": accept} | headers
        async with self._session.get(self._url + target, headers=signed) as reply:
            return reply.status, await reply.read()

    async def document(self, target: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON of the answer."""
        status, body = await self.ask(target)
        answer: dict[str, Any] = msgspec.json.decode(body)
        return status, answer


class World:
    """A served chain with its askers, and what its node logs."""

    def __init__(self, chain: Chain, session: ClientSession, url: str, log: AccessLog) -> None:
        self.chain = chain
        self.session = session
        self.url = url
        self.log = log

    def asker(self, name: str | None, sort: str = "member") -> Asker:
        """One reader; `name` None: nobody in particular."""
        return Asker(self.chain, self.session, self.url, name, sort)

    async def raw(self, target: str, header: str, method: str = "GET") -> tuple[int, str]:
        """Status and code of the answer to a question with this header."""
        async with self.session.request(method, self.url + target, headers={HEADER: header}) as reply:
            return reply.status, (await reply.json()).get("code", "")

    async def say(self, member: str, body: AccountBody) -> None:
        """Have a member say something in a block."""
        await self.chain.submit([self.chain.speaker.member(member, body)])

    async def allow(self, kind: RecordKind, *readers: Reader, until_ms: int | None = None) -> None:
        """Let these readers read one kind of the owner's records."""
        await self.say(OWNER, AllowAccess((kind,), readers, until_ms))


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """A chain on which the owner keeps everything, served."""
    chain, log = await kept_chain(), AccessLog()
    async with serving(chain, log=log, wall_ms=lambda: WALL_MS) as client, ClientSession() as session:
        yield World(chain, session, client.base_url, log)
