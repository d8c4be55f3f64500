"""A member's builder: wagers on rounds, commits to a solution, reveals it in time, with the member's own key.

It acts on proven state alone (`node.agents.proven`), so that a node can make it late and nothing else: what it solves
is the case that all nodes will judge by, and it shows a solution only once it is proven that nobody can commit any
more. It wagers only on what it has solved already, by a solver that it believes nothing, and what the round's own
judge, run here, certifies. Salt and solution are on disk before the wager leaves (`node.agents.book`), so a builder
that is killed anywhere goes on where it was. What it may lose in all has a limit. Never lies, and never wagers twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple

from contracts import api, windows
from contracts.bodies import AccountBody, Claim, CommitSolution, RevealSolution, Wager
from contracts.context import BlockContext
from contracts.governance.rules import rules
from contracts.network.records import Network
from contracts.program import arrays
from contracts.program.case import Case as Question
from contracts.receipts import OK
from contracts.schema import ROUNDS, WAGERS
from contracts.state import State
from contracts.wagers import certified, sealing
from contracts.wagers.judging import Case
from contracts.wagers.records import (
    COMMITTING,
    JUDGED,
    REVEALING,
    WAGERING,
    Round,
    Wagered,
    minimum_wager,
)
from contracts.wagers.rounds import open_rounds, rules_hash
from node.agents.book import Book, Engagement
from node.agents.position import position
from node.agents.proven import Proven, ProvenLedger, Unproven, keep_looking
from node.building import SALT_BYTES, make_solution
from node.client import Account, Client, Result, RpcError
from node.errors import NodeError
from node.solver.powerflow import with_voltages

Say = Callable[[int | None, str], None]
"""Told what happens: the round that it is about, if it is about one, and a sentence."""


class Asked(NamedTuple):
    """What a round asks, and how its judge weighs answers."""

    question: Question
    case: Case
    network: Network | None
    """Whose voltages an answer has to bring; None: it needs none."""
    interval_ms: int


Solver = Callable[[Question], Awaitable[bytes]]
"""Raises NodeError where it finds nothing."""

SPREAD = 2
"""Nodes that get each envelope: one that keeps it to itself costs nothing."""
WAIT_MS = 3_000
"""How long a node may take to make it final."""
EXPIRY_BLOCKS = 256
PROOF_LAG = 2
"""Blocks for which a node's word that something is final keeps it from being said again."""
POLL_S = 0.25
MAX_ATTEMPTS = 11
"""At one phase of one round: what every node refuses is not said for ever. Each comes twice as many looks after the one
before, the last one after more than four minutes: nodes whose pools somebody fills for a while take it later."""
HOPELESS = (
    "wager.full",
    "wager.minimum",
    "wager.trust",
    "wager.twice",
    "trust.insufficient",
    "trust.tombstoned",
)
"""Refusals of a wager that saying it again will not change."""


class Allowance(NamedTuple):
    """What a member lets its builder do."""

    stake_tokens: int = 0
    """Wager of each round; the smallest that the round takes, where that is more."""
    limit_tokens: int = 1_000
    """Most that it may lose in all: what is lost and what is still at stake never pass this together."""
    claim: Claim = "least-cost"


FRUGAL = Allowance()


class Builder:
    """One member's builder. `step` does what is due now; `run` does so until it is cancelled."""

    def __init__(
        self,
        account: Account,
        ledger: ProvenLedger,
        book: Book,
        allowance: Allowance = FRUGAL,
        say: Say = lambda round_, text: None,
        solver: Solver = make_solution,
    ) -> None:
        """`account` signs and is used by nobody else meanwhile. `say` is told in words what happens. `solver` packs
        what it finds; nothing of that is believed."""
        self.member = account.member
        self.book = book
        self.ledger = ledger
        self.allowance = allowance
        self._account = account
        self._say = say
        self._solve = solver
        self._told: dict[int, str] = {}
        """What was said last about each open round."""
        self._attempts: dict[tuple[int, str], tuple[int, int]] = {}
        """At the phases of open rounds: how many, and how many looks the next one has to wait."""
        self._answers: dict[tuple[int, str], int] = {}
        """Height at which a node says that what was said in a phase is final; the proof comes with the next block."""
        self._spoken = 0, 0
        """The next nonce, and at which height a node says it was that."""
        self._turn = 0
        self._listed = False
        """The member lists the key."""
        self.judged = 0
        """Wagers that were judged since the start."""

    async def run(self, rounds: int | None = None) -> None:
        """Act until `rounds` wagers were judged (None: until cancelled); whatever nodes do, it looks again.

        Raises NodeError `account.key` and `disk.*`: nothing that another look could change.
        """
        arrays.load()
        await keep_looking(
            self.step,
            lambda: rounds is not None and self.judged >= rounds,
            lambda trouble: self._say(None, trouble),
            POLL_S,
        )

    async def step(self, least_height: int = 0) -> None:
        """Do what is due in every open round as of block `least_height` or later, and account for judged ones.

        Raises `Unproven` when no node proves how things stand, NodeError `disk.*` and `account.key`.
        """
        if not self._listed:
            await self._position(0)
            self._listed = True
        try:
            height, found = await self.ledger.ask(self._open, "wagers", self.member, least_height=least_height)
        except Unproven:
            await self._attend_engaged(least_height)
            raise
        waiting = [round_.number for round_, _ in found]
        self._told = {number: text for number, text in self._told.items() if number in waiting}
        self._attempts = {key: count for key, count in self._attempts.items() if key[0] in waiting}
        self._answers = {key: height for key, height in self._answers.items() if key[0] in waiting}
        trouble: Unproven | None = None
        for round_, own in found:
            if self._is_answered(round_, height):
                continue
            try:
                await self.attend(round_, own)
            except Unproven as error:
                # Of this round alone: another one may have a deadline.
                trouble = error
        for engagement in self.book.page.open:
            if engagement.round not in waiting:
                await self.account_for(engagement)
        if trouble is not None:
            raise trouble

    async def _attend_engaged(self, least_height: int) -> None:
        """Do what is due where the member has wagered, round by round.

        That it has not wagered in another round yet, only a gap proves, and the proof is refused where somebody keeps a
        record beside it. What the member has at stake can be proven alone, so nobody makes it late by that.
        """
        for engagement in self.book.page.open:
            number = engagement.round
            with contextlib.suppress(Unproven):
                height, round_, own = await self._one(number, least_height)
                if round_.phase == JUDGED:
                    await self.account_for(engagement)
                elif not self._is_answered(round_, height):
                    await self.attend(round_, own)

    async def _one(self, number: int, least_height: int = 0) -> tuple[int, Round, Wagered | None]:
        """A round with the member's wager on it, and as of which height. Raises `Unproven`."""

        def read(seen: Proven) -> tuple[int, Round, Wagered | None]:
            return seen.height, round_in(seen, number), wager_of(seen, number, self.member)

        return await self.ledger.ask(read, "wager", number, self.member, least_height=least_height)

    def _is_answered(self, round_: Round, height: int) -> bool:
        """Whether what is due was said, and as of this height the proof of it can not have come yet."""
        return height < self._answers.get((round_.number, round_.phase), 0) <= height + PROOF_LAG

    def _open(self, seen: Proven) -> tuple[int, list[tuple[Round, Wagered | None]]]:
        """Every open round with the member's wager on it, and as of which height."""
        numbers = open_rounds(State(seen))
        return seen.height, [(round_in(seen, number), wager_of(seen, number, self.member)) for number in numbers]

    async def attend(self, round_: Round, own: Wagered | None) -> None:
        """Do what is due in an open round; `own` is the member's wager on it."""
        number = round_.number
        if round_.phase == WAGERING:
            if own is None:
                await self.wager(round_)
        elif own is None or own.verdict == "undrawn":
            # Nothing is at stake, and in this round nothing will be.
            if self.book.find(number) is not None:
                self.tell(number, "not drawn: the wager is back" if own else "the wager came too late")
                self.book.close(number)
        elif round_.phase == COMMITTING and not own.commitment:
            await self.commit(round_)
        elif round_.phase == REVEALING and own.commitment and not own.solution_hash:
            await self.reveal(round_, own)

    # What it says

    async def wager(self, round_: Round) -> None:
        """Wager on a round, once its solution is at hand."""
        engagement = self.book.find(round_.number)
        if engagement is None:
            amount_tokens = max(self.allowance.stake_tokens, minimum_wager(round_))
            if not self._may_stake(round_.number, amount_tokens):
                return
            solution = await self.solve(round_)
            if solution is None:
                return
            salt = secrets.token_bytes(SALT_BYTES)
            engagement = Engagement(round_.number, self.allowance.claim, amount_tokens, salt, solution)
            self.book.open(engagement)
        result = await self.submit(round_, Wager(round_.number, engagement.claim, engagement.amount_tokens))
        if result is None:
            return
        if result.done:
            self.tell(round_.number, f"wagered {engagement.amount_tokens} tokens on {engagement.claim}")
        elif result.code in HOPELESS:
            self._attempts[round_.number, round_.phase] = MAX_ATTEMPTS, 0

    async def commit(self, round_: Round) -> None:
        """Bind the member to the solution that it wagered on."""
        engagement = self._engagement(round_)
        if engagement is None:
            return
        sealed, _ = self.seal(engagement)
        result = await self.submit(round_, sealed)
        if result is not None and result.done:
            self.tell(round_.number, "drawn, and committed to a solution")

    async def reveal(self, round_: Round, own: Wagered) -> None:
        """Show the solution: nobody can commit any more, as `round_` is proven to be in its next phase."""
        engagement = self._engagement(round_)
        if engagement is None:
            return
        sealed, shown = self.seal(engagement)
        if own.commitment != sealed.commitment:
            self.tell(round_.number, "somebody else committed for this member: there is nothing to reveal here")
            return
        result = await self.submit(round_, shown)
        if result is not None and result.done:
            self.tell(round_.number, "revealed the solution")

    # What it knows

    async def solve(self, round_: Round) -> bytes | None:
        """A solution that the round's judge finds certified; None, and said why, where there is none."""
        known = await self.ledger.ask(
            partial(self._question, round_),
            "case",
            round_.subject,
            least_height=round_.opened_height,
            reader=self._account.reader(),
        )
        if known is None:
            return None
        try:
            solution = await self.build(known.question)
            solution = with_voltages(known.network, known.question, solution, known.interval_ms)
        except NodeError as error:
            self.tell(round_.number, f"nothing was built: {error}")
            return None
        if self.stands_by(known.case, solution):
            return solution
        self.tell(round_.number, "what was built is not good enough to wager on")
        return None

    def _question(self, round_: Round, seen: Proven) -> Asked | None:
        """What a round asks, and how its judge weighs answers; None, and said why, where that can not be built for."""
        state, judge = State(seen), api.JUDGES.get(round_.judge)
        in_force = rules(state)
        context = BlockContext(self.ledger.chain_id, seen.height + 1, seen.time_ms, in_force.params, in_force.consensus)
        if judge is not certified.JUDGE:
            self.tell(round_.number, f"nobody here knows how to build for the judge {round_.judge}")
            return None
        if rules_hash(context) != round_.rules_hash:
            self.tell(round_.number, "the rules have changed since it was opened: the fallback will decide")
            return None
        question = windows.kept_case(state, round_.subject)
        if question is None:
            raise Unproven("agent.unproven", f"No case of round {round_.number} is proven.", "Ask another node.")
        case = judge.case(state, context, round_.subject)
        return Asked(question, case, certified.network_of(state, context, question), context.params.interval_ms)

    async def build(self, question: Question) -> bytes:
        """What the solver finds. Raises NodeError `solver.*`, `dispatch.*`."""
        return await self._solve(question)

    def stands_by(self, case: Case, solution: bytes) -> bool:
        """Whether the judge will certify it."""
        weighed = case.weigh(solution)
        return weighed is not None and weighed.certified

    def _may_stake(self, number: int, amount_tokens: int) -> bool:
        """Whether the member's limit allows another wager."""
        book, limit_tokens = self.book, self.allowance.limit_tokens
        if book.page.lost_tokens + book.staked_tokens + amount_tokens <= limit_tokens:
            return True
        self.tell(
            number,
            f"no wager: {book.page.lost_tokens} tokens are lost and {book.staked_tokens} at stake, and "
            f"{amount_tokens} more would pass the limit of {limit_tokens}",
        )
        return False

    def _engagement(self, round_: Round) -> Engagement | None:
        """What was wagered on here. Without it another process of this member has to go on, or nobody can."""
        found = self.book.find(round_.number)
        if found is None:
            self.tell(round_.number, "this builder's book has no solution for the member's wager")
        return found

    def seal(self, engagement: Engagement) -> tuple[CommitSolution, RevealSolution]:
        """What commits to it, and what reveals it."""
        return sealing.seal(self.ledger.chain_id, engagement.round, self.member, engagement.salt, engagement.solution)

    async def account_for(self, engagement: Engagement) -> None:
        """A round is judged: note what became of the wager."""
        number = engagement.round
        _, round_, own = await self._one(number)
        if round_.phase != JUDGED:
            return
        if own is None:
            self.book.close(number)
            return
        self.book.close(number, own.lost_tokens, own.reward_tokens)
        self.judged += 1
        self._say(
            number,
            f"{own.verdict}; {own.lost_tokens} of {own.amount_tokens} tokens lost, {own.reward_tokens} earned",
        )

    # Sending

    async def submit(self, round_: Round, body: AccountBody) -> Result | None:
        """Sign and send one body about a round; what the ledger or most likely will say, None if nobody answers or it
        is not time to say it again.

        What it says is not believed further than for the next look, which asks for proof.
        """
        key = round_.number, round_.phase
        attempts, waits = self._attempts.get(key, (0, 0))
        if attempts >= MAX_ATTEMPTS:
            return None
        if waits:
            self._attempts[key] = attempts, waits - 1
            return None
        self._attempts[key] = attempts + 1, 2**attempts - 1
        account = self._account
        # From proof, each time: a nonce that a node invents would be signed for nothing.
        account.next_nonce, height = await self._position(round_.since_height)
        raw = account.sign(body, height + EXPIRY_BLOCKS)
        result = await self._spread(raw)
        if result is not None and result.height is not None:
            self._answers[key] = result.height
            self._spoken = account.next_nonce, result.height
        if result is not None and result.code != OK:
            self.tell(round_.number, f"{result.code}: {result.message}")
        return result

    async def _position(self, least_height: int) -> tuple[int, int]:
        """The next nonce of the builder's key, and as of which height. Raises `Unproven`, NodeError `account.key`."""
        nonce, height = await position(self.ledger, self.member, self._account.public_key, least_height)
        after, answered = self._spoken
        return max(nonce, after) if height < answered <= height + PROOF_LAG else nonce, height

    async def _spread(self, raw: bytes) -> Result | None:
        """Hand an envelope to some nodes, others each time."""
        self._turn += 1
        return await spread(self.ledger.nodes, self._turn - 1, raw)

    def tell(self, number: int, text: str) -> None:
        """Say something about a round, once."""
        if self._told.get(number) != text:
            self._told[number] = text
            self._say(number, text)


async def spread(nodes: Sequence[Client], first: int, raw: bytes) -> Result | None:
    """Hand an envelope to `SPREAD` nodes at once, from place `first` on; the first final answer, else a refusal, else
    None."""
    chosen = [nodes[(first + at) % len(nodes)] for at in range(min(SPREAD, len(nodes)))]
    handed = [asyncio.ensure_future(hand(node, raw)) for node in chosen]
    best: Result | None = None
    try:
        for answered in asyncio.as_completed(handed):
            result = await answered
            if result is not None and result.status == "final":
                return result
            best = result or best
    finally:
        for one in handed:
            one.cancel()
    return best


async def hand(node: Client, raw: bytes) -> Result | None:
    """What a node says of an envelope once it is final, or refuses; None where it does not answer in time."""
    try:
        async with asyncio.timeout(2 * WAIT_MS / 1000):
            return await node.submit_one(raw, "final", WAIT_MS)
    except (RpcError, OSError):
        return None


def round_in(seen: Proven, number: int) -> Round:
    """A round that is there. Raises `Unproven` where that was not proven."""
    found = State(seen).load(ROUNDS, ROUNDS.key(number))
    if found is None:
        raise Unproven("agent.unproven", f"There is no round {number}.", "Ask another node.")
    return found


def wager_of(seen: Proven, number: int, member: str) -> Wagered | None:
    """The member's wager on a round. Raises `Unproven` where neither it nor its absence was proven."""
    raw = seen.get(WAGERS.key(number, member))
    return None if raw is None else WAGERS.decode_entry(raw)
