"""What a node answers as typed records: `client.typed.bill(1950850, "campus")` is a `State[BillShown]`.

The types are those that the node's own document is made from (`node.answers`); what a newer node says beyond them is
left out. Asks nothing that `node.client.Client` does not ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from contracts.governance.records import Rules
from contracts.network.records import Network
from node.answers import chain, market, pact
from node.render import NotThisForm, read

if TYPE_CHECKING:
    from node.client import Client

T = TypeVar("T", bound=msgspec.Struct)
Which = int | str
"""Number of an interval or a billing cycle, or a word such as `now`."""


class State(msgspec.Struct, Generic[T], frozen=True):
    """An answer as of the state after `height`."""

    height: int
    time_ms: int
    data: T
    withheld: dict[str, int]
    """Records that it leaves out, by kind, because members keep them."""
    proof: dict[str, Any] | None
    """For `node.proofs.verify_bundle`, where it was asked for."""


class Typed:
    """The questions of one client, with typed answers. All raise `RpcError`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def get(self, type_: type[T], path: str, **options: str | int) -> T:
        """The answer of any route whose document is of this type."""
        return self._read(type_, path, await self._client.get(path, None, **options))

    async def state(self, type_: type[T], kind: str, *arguments: Which, prove: bool = False) -> State[T]:
        """The answer of any query; `type_` is what the document of the node calls its data."""
        answer = await self._client.query(kind, *arguments, prove=int(prove))
        data = self._read(type_, kind, answer["data"])
        return State(answer["height"], answer["time_ms"], data, answer.get("withheld", {}), answer.get("proof"))

    def _read(self, type_: type[T], path: str, document: Any) -> T:
        from node.client import RpcError

        try:
            return read(type_, document)
        except NotThisForm as error:
            message = f"{self._client.base_url} answers {path} in a strange form: {error}."
            raise RpcError("rpc.garbled", message) from None

    async def status(self) -> chain.Status:
        """Where the node stands."""
        return await self.get(chain.Status, "/status")

    async def blocks(self, before: int | None = None, limit: int = 100) -> chain.Blocks:
        """Blocks, newest first."""
        return await self.get(chain.Blocks, "/blocks", limit=limit, **({} if before is None else {"before": before}))

    async def transactions(self, before: str | None = None, limit: int = 100, **filters: str) -> chain.Transactions:
        """Transactions, newest first; filters are `sender`, `body`, `code`."""
        place = {} if before is None else {"before": before}
        return await self.get(chain.Transactions, "/transactions", limit=limit, **place, **filters)

    async def transaction(self, hash_: bytes) -> chain.Transaction:
        """A decided transaction with its receipt."""
        return await self.get(chain.Transaction, f"/tx/{hash_.hex()}")

    async def member(self, member: str, *, prove: bool = False) -> State[market.MemberShown]:
        """A member with money, trust and lanes."""
        return await self.state(market.MemberShown, "member", member, prove=prove)

    async def meter(self, meter: str, *, prove: bool = False) -> State[market.MeterShown]:
        """A meter with the head of its chain."""
        return await self.state(market.MeterShown, "meter", meter, prove=prove)

    async def interval(self, which: Which, *, prove: bool = False) -> State[market.IntervalShown]:
        """An interval."""
        return await self.state(market.IntervalShown, "interval", which, prove=prove)

    async def dispatch(self, which: Which, *, prove: bool = False) -> State[market.Dispatch]:
        """An ordered interval with every order."""
        return await self.state(market.Dispatch, "dispatch", which, prove=prove)

    async def bill(self, which: Which, member: str, *, prove: bool = False) -> State[market.BillShown]:
        """What a member owes or gets for a settled interval."""
        return await self.state(market.BillShown, "bill", which, member, prove=prove)

    async def statement(self, cycle: Which, member: str, *, prove: bool = False) -> State[market.Statement]:
        """All lines of a member in one billing cycle."""
        return await self.state(market.Statement, "statement", cycle, member, prove=prove)

    async def explanation(self, which: Which, *members: str) -> State[market.Explanation]:
        """Why an interval has its price, and what it means for a member."""
        return await self.state(market.Explanation, "explain", which, *members)

    async def trust(self, *, prove: bool = False) -> State[pact.Trust]:
        """Everybody's tokens, index, weight and power."""
        return await self.state(pact.Trust, "trust", prove=prove)

    async def offences(self) -> State[pact.Offences]:
        """The newest offences."""
        return await self.state(pact.Offences, "offences")

    async def rounds(self) -> State[pact.Rounds]:
        """The newest rounds of wagering."""
        return await self.state(pact.Rounds, "rounds")

    async def round(self, number: int) -> State[pact.RoundShown]:
        """A round with every wager on it."""
        return await self.state(pact.RoundShown, "round", number)

    async def proposals(self) -> State[pact.Proposals]:
        """The newest proposals."""
        return await self.state(pact.Proposals, "proposals")

    async def carbon(self, which: Which) -> State[pact.CarbonShown]:
        """The carbon of one interval."""
        return await self.state(pact.CarbonShown, "carbon", which)

    async def rules(self, *, prove: bool = False) -> State[Rules]:
        """Parameters and rule set in force."""
        return await self.state(Rules, "rules", prove=prove)

    async def network(self) -> State[Network]:
        """Places and lines."""
        return await self.state(Network, "network")
