"""Builders that lie, and a validator that signs two votes: with their own keys, through the public RPC alone.

They use what an honest member has and nothing else, so what stops them is the ledger. A devnet's scenario says who
tells which lie in which round; each is what its name says in `devnet.spec.Lie`, and honest in everything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from operator import sub
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from consensus.evidence import DuplicateVote, statement
from consensus.messages import Vote, VoteType
from contracts.bodies import CommitSolution, RevealSolution, Wager
from contracts.program.case import Case, Solution
from contracts.program.documents import unpack
from contracts.wagers import judging
from contracts.wagers.records import Round, Wagered
from devnet.errors import DevnetError
from devnet.spec import Lie
from node.agents.book import Book, Engagement
from node.agents.builder import Allowance, Builder, Say, Solver, round_in
from node.agents.proven import ProvenLedger
from node.building import make_solution, packed
from node.client import Account, Client
from node.keys import read_key
from zk.codec import encode
from zk.ed25519 import SigningKey
from zk.hashing import sha256

FAVOUR_WH = 2_000
"""What a liar takes from its own dear plant in each interval, in place of cheaper energy."""
LOOKS = 60
LOOK_S = 0.05
"""How often, and how long apart, a copyist looks for something to copy."""


class Liar(Builder):
    """A builder that tells the k-th of its lies in the k-th round from one on."""

    def __init__(
        self,
        account: Account,
        ledger: ProvenLedger,
        book: Book,
        allowance: Allowance,
        say: Say,
        lies: Sequence[Lie],
        solver: Solver = make_solution,
        lies_from: int = 0,
    ) -> None:
        super().__init__(account, ledger, book, allowance, say, solver)
        self._lies = lies
        self._lies_from = lies_from
        self._lie: Lie = "none"
        """Of the round that is attended to."""

    def lie(self, number: int) -> Lie:
        """What it does in a round."""
        at = number - self._lies_from
        return self._lies[at] if 0 <= at < len(self._lies) else "none"

    async def attend(self, round_: Round, own: Wagered | None) -> None:
        """As an honest builder, knowing which lie is due."""
        self._lie = self.lie(round_.number)
        await super().attend(round_, own)

    async def build(self, question: Case) -> bytes:
        """What is best for everybody, or for the liar."""
        honest = await super().build(question)
        solution = unpack(honest)
        assert isinstance(solution, Solution), "the solver's own answer was packed here"
        match self._lie:
            case "favour-own-plant":
                return packed(favour(question, solution, self.member))
            case "promise-more":
                return packed(promise_more(question, solution))
            case _:
                return honest

    def stands_by(self, case: judging.Case, solution: bytes) -> bool:
        """It wagers on whatever it has while it lies."""
        return self._lie != "none" or super().stands_by(case, solution)

    async def wager(self, round_: Round) -> None:
        """Once; or twice, for who has two wagers is drawn twice as often."""
        await super().wager(round_)
        mine = self.book.find(round_.number)
        if self._lie == "wager-twice" and mine is not None:
            await self.submit(round_, Wager(round_.number, mine.claim, mine.amount_tokens))

    async def commit(self, round_: Round) -> None:
        """To what it wagered on; or to whatever somebody else has committed to."""
        if self._lie != "copy":
            await super().commit(round_)
            return
        for _ in range(LOOKS):
            wagers = (await self._look(f"/query/round/{round_.number}"))["data"]["placed"]
            others = [one["commitment"] for one in wagers if one["member"] != self.member and one["commitment"]]
            if others:
                await self.submit(round_, CommitSolution(round_.number, bytes.fromhex(others[0])))
                return
            await asyncio.sleep(LOOK_S)

    async def reveal(self, round_: Round, own: Wagered) -> None:
        """What it committed to; or nothing, or what it can copy by now."""
        match self._lie:
            case "never-reveal" | "reveal-late":
                self.tell(round_.number, "keeps its solution to itself")
            case "copy":
                shown = await self._copied(round_)
                if shown is not None:
                    await self.submit(round_, shown)
            case _:
                await super().reveal(round_, own)

    async def account_for(self, engagement: Engagement) -> None:
        """What came of it; one that reveals late does so now, when it knows what the others had."""
        if self.lie(engagement.round) == "reveal-late":
            judged = await self.ledger.ask(
                lambda seen: round_in(seen, engagement.round), "wager", engagement.round, self.member
            )
            await self.submit(judged, self.seal(engagement)[1])
        await super().account_for(engagement)

    async def _copied(self, round_: Round) -> RevealSolution | None:
        """Somebody else's reveal, from a block."""
        for _ in range(LOOKS):
            newest = int((await self._look("/status"))["height"])
            for height in range(round_.since_height, newest + 1):
                for hash_ in (await self._look(f"/block/{height}"))["payload"]:
                    body = (await self._look(f"/tx/{hash_}"))["data"]["envelope"]["body"]
                    if body["type"] == "reveal-solution" and body["round"] == round_.number:
                        return RevealSolution(
                            round_.number, bytes.fromhex(body["salt"]), bytes.fromhex(body["solution"])
                        )
            await asyncio.sleep(LOOK_S)
        return None

    async def _look(self, path: str) -> dict[str, Any]:
        return await self.ledger.nodes[0].get(path)


def promise_more(case: Case, solution: Solution) -> Solution:
    """A dispatch that counts on energy which nobody has: a source, else a storage, gives more than it can."""
    ramped = [source for source in case.sources if source.ramp_wh is not None]
    if ramped:
        beyond_wh = [sum(block.energy_wh for block in blocks) + 1 for blocks in ramped[0].blocks]
        return replace(solution, total_wh=(tuple(beyond_wh), *solution.total_wh[1:]))
    beyond = tuple(most_wh + 1 for store in case.storages[:1] for most_wh in store.most_discharge_wh)
    return replace(solution, discharge_wh=(beyond or (1,) * case.intervals, *solution.discharge_wh[1:]))


def favour(case: Case, solution: Solution, member: str) -> Solution:
    """A dispatch that takes energy from the member's own plant which nobody needs at that price, and less of others.

    It is feasible: a builder chooses what a ramp-limited source delivers, and this one stays inside its ramp and offer.
    The solution as it is where the member has no such plant with energy to spare.
    """
    ramped = [source for source in case.sources if source.ramp_wh is not None]
    totals = list(solution.total_wh)
    for at, (source, total_wh) in enumerate(zip(ramped, totals, strict=True)):
        offered_wh = [sum(block.energy_wh for block in blocks) for blocks in source.blocks]
        spare_wh = min(FAVOUR_WH, *map(sub, offered_wh, total_wh))
        if source.organisation == member and spare_wh > 0:
            totals[at] = tuple(energy_wh + spare_wh for energy_wh in total_wh)
    return replace(solution, total_wh=tuple(totals))


async def equivocate(node: str, home: Path, chain_id: str, tellers: Sequence[Client]) -> bytes:
    """Sign two prevotes of the newest height with the key in a validator's home, and let others tell the ledger.

    Returns the evidence. Raises `DevnetError` (`devnet.equivocate`) when no node takes it.
    """
    key = read_key(home / "keys" / "consensus.json", "consensus", lambda: "")
    height = int((await tellers[0].status())["height"])
    votes = sorted((_vote(key.seed, chain_id, node, height, name) for name in ("one", "two")), key=statement)
    evidence = encode(DuplicateVote(*votes))
    for teller in tellers:
        answer = await teller.report(evidence)
        if answer["status"] == "kept":
            return evidence
    raise DevnetError("devnet.equivocate", f"No node keeps the evidence against {node}.", "See their logs.")


def _vote(seed: bytes, chain_id: str, node: str, height: int, name: str) -> Vote:
    """A prevote for a block that nobody proposed."""
    unsigned = Vote(VoteType.PREVOTE, height, 0, sha256(name.encode()), -1, node, b"")
    return msgspec.structs.replace(unsigned, signature=SigningKey(seed).sign(unsigned.sign_bytes(chain_id)))
