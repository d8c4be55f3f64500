"""What members do while a network is tried: transfers, readings, needs, offers, bonds, sent to whichever node answers.

Like real clients it repeats until somebody says "ok", and goes to another node when one does not answer. From then on
the pact owes it a receipt.
"""

from __future__ import annotations

from collections import Counter, deque
from functools import partial
from random import Random
from typing import NamedTuple

from contracts.bodies import AccountBody, Bond, Need, Offer, OfferBlock, Transfer, TransferTokens, Unbond
from devnet.simulator.machine import Machine
from devnet.simulator.network import Network
from devnet.simulator.pact import Speaker
from devnet.simulator.plan import Plan
from devnet.simulator.stakes import SLACK_TOKENS

MAX_WAITING = 16
"""Envelopes of one sender that nobody has accepted yet; it says nothing new until one is."""


class Register(NamedTuple):
    """What a meter said last."""

    interval: int
    import_wh: int
    export_wh: int


class Traffic:
    """Envelopes in the order of each sender's nonces."""

    def __init__(self, plan: Plan, network: Network) -> None:
        self.accepted: dict[bytes, str] = {}
        """Hash of every envelope that an honest node took, and which node; the run takes out what is final."""
        self.speaking = True
        """Members still say new things."""
        self._plan = plan
        self._network = network
        self._honest = set(plan.honest)
        self._random: Random = network.stream("traffic")
        self._speaker = Speaker(network.genesis.chain_id())
        self._waiting: dict[tuple[str, bool], deque[bytes]] = {}
        """By member, readings apart: of each one only the oldest is offered, so that numbers come in order."""
        self._registers: dict[str, Register] = {}
        self._stirred: Counter[str] = Counter()
        """Tokens that members have moved in small amounts."""
        self._first = network.genesis.time_ms // network.genesis.params.interval_ms
        self._interval_ms = network.genesis.params.interval_ms

    def start(self) -> None:
        """Speak until `stop`."""
        self._next()
        for move in self._plan.stakes.moves:
            body = Bond(move.tokens) if move.tokens > 0 else Unbond(-move.tokens)
            self._network.at(move.at_ms, partial(self.say, move.member, body))

    def stop(self) -> None:
        """Say nothing more."""
        self.speaking = False

    def say(self, member: str, body: AccountBody) -> None:
        """Have a member say this, unless it waits with too much already."""
        waiting = self._waiting.setdefault((member, False), deque())
        if self.speaking and len(waiting) < MAX_WAITING:
            waiting.append(self._speaker.member(member, body))
            self._send(waiting)

    def _next(self) -> None:
        if not self.speaking:
            return
        member = self._random.choice(self._plan.nodes)
        metered = self._random.randrange(5) == 0
        waiting = self._waiting.setdefault((member, metered), deque())
        if len(waiting) < MAX_WAITING:
            waiting.extend(self._readings(member) if metered else [self._order(member)])
        self._send(waiting)
        self._network.at(self._network.now_ms + self._random.randint(1, 2 * self._plan.traffic_ms), self._next)

    def _readings(self, member: str) -> list[bytes]:
        """Of the interval that has just ended, once; registers only grow."""
        interval = self._network.ledger_ms() // self._interval_ms - 1
        known = self._registers.get(member)
        if interval < self._first or (known is not None and known.interval >= interval):
            return []
        before = known or Register(interval, 0, 0)
        now = Register(
            interval, before.import_wh + self._random.randrange(500), before.export_wh + self._random.randrange(500)
        )
        self._registers[member] = now
        return [self._speaker.reading(f"m-{member}", *now)]

    def _order(self, member: str) -> bytes:
        random, interval = self._random, self._network.ledger_ms() // self._interval_ms
        if random.randrange(3):
            other = random.choice([node for node in self._plan.nodes if node != member])
            return self._speaker.member(member, self._payment(member, other, 1 + random.randrange(1_000)))
        if member == "campus":
            return self._speaker.member(member, Need(interval + 2, 2, 1 + random.randrange(1_000), None, 1))
        blocks = (OfferBlock(random.randrange(400_000), 1 + random.randrange(1_000)),)
        return self._speaker.member(member, Offer(f"m-{member}", interval + 2, blocks))

    def _send(self, waiting: deque[bytes]) -> None:
        """Offer the oldest envelopes of one sender to some node."""
        machine = self._network.machines[self._random.choice(self._plan.nodes)]
        while waiting and self._taken(machine, waiting[0]):
            waiting.popleft()

    def _taken(self, machine: Machine, envelope: bytes) -> bool:
        """Whether this envelope needs no more care of ours: accepted, or refused for good."""
        if not machine.running or machine.paused_until_ms > self._network.now_ms:
            return False
        request = machine.submit(envelope)
        results = machine.replies.pop(request, None)
        if results is None:
            # It lost power before it answered.
            return False
        code = results[0].code
        if code == "ok":
            if machine.node not in self._honest:
                # It may have dropped what it took: others are offered it until it is final.
                return False
            self.accepted[results[0].hash] = machine.name
        assert machine.node not in self._honest or not code.startswith("codec."), "what members say can be read"
        # A number that is used: nobody else speaks for this member, so it was this envelope that used it.
        return code in {"ok", "tx.nonce"} or code.startswith("reading.")

    def _payment(self, member: str, other: str, amount: int) -> AccountBody:
        """Money, or every now and then trust tokens, as many as leave the plan's promise about powers true."""
        kind = self._random.randrange(8)
        if kind > 2 or self._stirred[member] + amount > SLACK_TOKENS:
            return Transfer(other, amount, "")
        self._stirred[member] += amount
        return (TransferTokens(other, amount, ""), Bond(amount), Unbond(amount))[kind]
