"""A member's ruled agent: before the offers of each interval lock, it looks, decides by the rulebook, and says so.

It acts on proven state alone, with the member's own key. What it is about to say is on disk before it leaves
(`node.rulebook.ledger`), so an agent that is killed anywhere says nothing twice and forgets no limit. A limit that is
hit, and a rule that fails, are said once. Never acts for an interval whose gate may have passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from contracts.envelope import CODEC, AccountEnvelope
from contracts.governance.rules import rules
from contracts.receipts import OK
from contracts.schedule import first_open
from contracts.state import State
from node.agents.builder import EXPIRY_BLOCKS, Builder, hand
from node.agents.eyes import Eyes
from node.agents.position import position
from node.agents.proven import ProvenLedger, keep_looking
from node.client import Account
from node.rulebook.decision import Decision, decide
from node.rulebook.document import Rulebook
from node.rulebook.ledger import RuleLedger
from node.rulebook.sight import Sight

POLL_S = 0.5

Say = Callable[[int | None, str], None]
"""Told what happens: the interval that it is about, if it is about one, and a sentence."""
Record = Callable[[Sight], None]


class RuledAgent:
    """One member's agent. `act` does what an interval needs; `run` does so for all of them until it is cancelled."""

    def __init__(
        self,
        account: Account,
        proven: ProvenLedger,
        eyes: Eyes,
        rulebook: Rulebook,
        ledger: RuleLedger,
        say: Say = lambda interval, text: None,
        record: Record = lambda sight: None,
        builder: Builder | None = None,
    ) -> None:
        """`account` signs and is used by nobody else meanwhile. `record` is given every sight; `builder` is let stake
        what rules grant.
        """
        self.member = account.member
        self._account = account
        self._proven = proven
        self._eyes = eyes
        self._rulebook = rulebook
        self._ledger = ledger
        self._say = say
        self._record = record
        self._builder = builder
        self._troubles: set[tuple[str, str]] = set()
        """Rules that failed, with the code, and were told about."""

    async def run(self, now_ms: Callable[[], int], intervals: int | None = None) -> None:
        """Act until `intervals` were acted on (None: until cancelled). Raises NodeError `account.key`, `disk.*`."""
        acted = 0

        async def look() -> None:
            nonlocal acted
            interval = await self._next(now_ms())
            acted += await self.act(interval) is not None

        await keep_looking(
            look,
            lambda: intervals is not None and acted >= intervals,
            lambda trouble: self._say(None, trouble),
            POLL_S,
        )

    async def _next(self, now_ms: int) -> int:
        """Of the first window whose gate is ahead the first interval that it has not acted on; else the last one."""
        params = await self._proven.ask(lambda seen: rules(State(seen)).params, "rules")
        first = first_open(params, now_ms)
        return min(max(first, self._ledger.page.acted + 1), first + params.window_intervals - 1)

    async def act(self, interval: int) -> Decision | None:
        """Say what the rulebook has to say about an interval; None where that was done before.

        Raises `Unproven`, NodeError `account.key`, `disk.*`.
        """
        nonce, height = await position(self._proven, self.member, self._account.public_key)
        waiting = self._waiting(nonce, height)
        await self._send(None, waiting)
        page = self._ledger.page
        if interval <= page.acted:
            return None
        sight = await self._eyes.look(interval, [one.interval for one in page.open])
        self._record(sight)
        decision = decide(self._rulebook, sight, self._ledger.look(sight))
        self._tell(interval, decision, page.stopped)
        if self._builder is not None:
            self._builder.allowance = self._builder.allowance._replace(
                stake_tokens=decision.stake_tokens, claim=decision.claim
            )
        if decision.stopped is not None:
            self._ledger.stop(interval, decision.stopped.code)
            return decision
        self._account.next_nonce = nonce + len(waiting)
        said = tuple(self._account.sign(body, height + EXPIRY_BLOCKS) for body in decision.bodies)
        self._ledger.act(interval, decision.spend_nano, decision.stake_tokens, said)
        await self._send(interval, said)
        return decision

    def _waiting(self, nonce: int, height: int) -> tuple[bytes, ...]:
        """What was signed before and is not final yet, in the order of its nonces. With one that has expired all later
        ones are lost, and their nonces are used for others.
        """
        waiting: list[bytes] = []
        for raw in self._ledger.page.pending:
            envelope = CODEC.decode(raw)
            assert isinstance(envelope, AccountEnvelope), "the agent signs with an account key"
            if envelope.nonce != nonce + len(waiting) or envelope.public_key != self._account.public_key:
                continue
            if envelope.expiry_height < height:
                break
            waiting.append(raw)
        self._ledger.done(tuple(raw for raw in self._ledger.page.pending if raw not in waiting))
        return tuple(waiting)

    async def _send(self, interval: int | None, envelopes: Sequence[bytes]) -> None:
        """Hand each to one node after the other until it is final; what is not then is sent again at the next look."""
        for raw in envelopes:
            for node in self._proven.nodes:
                result = await hand(node, raw)
                if result is None or result.status != "final":
                    continue
                self._ledger.done((raw,))
                if result.code != OK:
                    self._say(interval, f"{result.code}: {result.message}")
                break

    def _tell(self, interval: int, decision: Decision, stopped: str) -> None:
        if decision.stopped is not None and decision.stopped.code != stopped:
            self._say(interval, f"it stops acting: {decision.stopped.code}: {decision.stopped.message}")
        if decision.stopped is None and stopped:
            self._say(interval, "it acts again")
        for trouble in decision.troubles:
            if (trouble.rule, trouble.code) not in self._troubles:
                self._troubles.add((trouble.rule, trouble.code))
                self._say(interval, f"rule {trouble.rule!r} does not act: {trouble.code}: {trouble.message}")
        if decision.fired:
            kinds = ", ".join(type(body).__name__ for body in decision.bodies) or "nothing"
            self._say(interval, f"{'; '.join(decision.fired)}: says {kinds}")
