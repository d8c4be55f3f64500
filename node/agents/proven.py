"""State as an agent may act on it: proven under headers that more than 2/3 of the power signed, from genesis on.

Nodes lie, lag and withhold. So every record comes with its proof, every proof is held against a header that was
verified step by step from the genesis document, and what one node does not show another one is asked for. A node can
make an agent wait, and nothing else. Never goes back behind a header that it has believed, and never signs anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from consensus.light import LightBlock, LightRefusal, check_genesis, refusal
from consensus.messages import Header
from consensus.skipping import Seen, Trace, Trust, bisect
from node.access.requests import ReaderKey
from node.client import Client
from node.errors import NodeError
from node.light.founding import Founding
from node.light.session import UNBOUNDED_MS, clock_of, trust_of
from node.proofs import StateBundle, proven_records
from node.render import NotThisForm, parse

T = TypeVar("T")

PATIENCE_S = (0.5, 5.0)
"""How long one node may take before the next one is asked: at first, and once none was that fast. A process that stands
still takes connections and says nothing."""
PAUSE_S = 1.0
"""Between two looks while nothing can be proven."""


class Unproven(NodeError):
    """No node showed what was asked for with a proof that holds: `agent.unproven`."""


async def keep_looking(
    look: Callable[[], Awaitable[None]], is_over: Callable[[], bool], say: Callable[[str], None], poll_s: float
) -> None:
    """Look every `poll_s` seconds until it is over. What nobody proves is said once, and looked for again."""
    trouble = ""
    while not is_over():
        try:
            await look()
        except Unproven as error:
            if str(error) != trouble:
                trouble = str(error)
                say(trouble)
            await asyncio.sleep(PAUSE_S)
        else:
            trouble = ""
            await asyncio.sleep(poll_s)


class Proven(NamedTuple):
    """Records after one height, as `contracts.state.Reader` has them. What was not proven is not absent: it raises."""

    height: int
    time_ms: int
    """Of the header that commits to them."""
    records: Mapping[bytes, bytes | None]

    def get(self, key: bytes) -> bytes | None:
        """The encoded record, None where its absence is proven. Raises `Unproven` for what nobody has shown."""
        if key not in self.records:
            raise Unproven("agent.unproven", f"The proof leaves out {key.decode()}.", "Ask another node.")
        return self.records[key]


class ProvenLedger:
    """What several nodes show of one chain. One question at a time."""

    def __init__(
        self,
        nodes: Sequence[Client],
        founding: Founding,
        now_ms: Callable[[], int] | None = None,
        head: LightBlock | None = None,
    ) -> None:
        """`founding` is what is trusted, or a `head` that was believed before and is not too old: a chain's first block
        is, once evidence of its time has expired. `now_ms` is ledger time, by default as the document says how it runs.

        Raises NodeError `light.store` for the head of another chain.
        """
        if head is not None and head.header.chain_id != founding.chain_id:
            raise NodeError(
                "light.store",
                f"The head is of chain {head.header.chain_id}, the genesis document of {founding.chain_id}.",
                "Name another file with --head, or the genesis of that chain.",
            )
        self.nodes = nodes
        self.chain_id = founding.chain_id
        self._founding = founding
        self._now_ms = clock_of(founding) if now_ms is None else now_ms
        # Nothing is at stake on a devnet, and days pass there in minutes.
        devnet = founding.clock is not None
        self._trust = Trust(UNBOUNDED_MS, UNBOUNDED_MS) if devnet else trust_of(founding, None)
        self.head = head
        """Newest header that is believed, None before the first one."""
        self._at = 0

    async def ask(
        self,
        read: Callable[[Proven], T],
        kind: str,
        *arguments: str | int,
        least_height: int = 0,
        reader: ReaderKey | None = None,
    ) -> T:
        """What `read` finds in a query's records as of `least_height` or later, from the first node that proves all
        that it reads. `reader` asks, where some records may be for it alone. Raises `Unproven` with what is the matter
        with each node.
        """
        troubles: list[str] = []
        first, count = self._at, len(self.nodes)
        for turn, patience_s in ((at, patience_s) for patience_s in PATIENCE_S for at in range(count)):
            node = self.nodes[(first + turn) % count]
            try:
                async with asyncio.timeout(patience_s):
                    found = await self._ask(node, kind, arguments, reader)
                if found.height < least_height:
                    raise Unproven("agent.behind", f"it is at height {found.height} of {least_height}")
                told = read(found)
            except (NodeError, NotThisForm, msgspec.ValidationError, LookupError, OSError) as trouble:
                troubles.append(f"{node.base_url}: {trouble or 'no answer in time'}")
            else:
                self._at = (first + turn) % count
                return told
        raise Unproven(
            "agent.unproven", "; ".join(dict.fromkeys(troubles)), "Name more nodes; see why with `gridpact status`."
        )

    async def _ask(self, node: Client, kind: str, arguments: Sequence[str | int], reader: ReaderKey | None) -> Proven:
        answer = await node.query(kind, *arguments, reader=reader, prove=1)
        bundle = msgspec.convert(answer["proof"], StateBundle)
        header = parse(Header, bundle.header)
        await self._believe(node, header)
        return Proven(header.height - 1, header.time_ms, proven_records(bundle, header))

    async def _believe(self, node: Client, header: Header) -> None:
        """Move the head to `header`. Raises NodeError `light.*` unless it follows from what is believed."""
        try:
            head = self.head or await self._root(node)
            while head.height < header.height:
                head = self.head = (await self._path(node, head, header.height))[-1]
            if head.id() != header.id():
                raise refusal("light.hash", f"height {header.height}, {header.id().hex()}")
        except LightRefusal as error:
            raise NodeError(error.code, error.reason) from None
        self.head = head

    async def _root(self, node: Client) -> LightBlock:
        root = await node.light_block(1)
        check_genesis(root, self.chain_id, self._founding.genesis_hash, self._founding.validators)
        return root

    async def _path(self, node: Client, trusted: LightBlock, height: int) -> Trace:
        """The verified path towards `height` as `node` shows it; `consensus.skipping.drive`, awaiting each answer."""
        steps = bisect(trusted, height, self._trust)
        try:
            wanted = next(steps)
            while True:
                wanted = steps.send(Seen(await node.light_block(wanted), self._now_ms()))
        except StopIteration as done:
            trace: Trace = done.value
            return trace
