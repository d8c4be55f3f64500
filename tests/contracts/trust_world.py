"""A pact with short epochs and evidence that ages soon, and a model of where each token should be."""

from __future__ import annotations

from typing import NamedTuple

from ledger_world import OPENING_TOKENS, ROLES, Chain, make_genesis

from contracts import trust
from contracts.bodies import Bond, TransferTokens, Unbond
from contracts.genesis import ConsensusParams, OpeningTrust
from contracts.members import Trust

NAMES = sorted(ROLES)
EPOCH = 2
AGE = ConsensusParams(epoch_blocks=EPOCH, evidence_age_blocks=3, evidence_age_ms=10_000)


def chain_of(*trusts: OpeningTrust) -> Chain:
    return Chain(make_genesis(consensus=AGE, trusts=trusts or None))


def forms(found: Trust) -> tuple[int, int, int, int]:
    """Free, bonded, unlocking, wagered."""
    return found.free_tokens, found.bonded_tokens, trust.unlocking_tokens(found), found.wagered_tokens


class Part(NamedTuple):
    """Of a bond, on its way out."""

    amount: int
    height: int
    power_height: int = 0
    """0: it has power still."""
    power_ms: int = 0


class Model:
    """What everybody should have, counted token by token kind."""

    def __init__(self) -> None:
        self.free = dict.fromkeys(NAMES, OPENING_TOKENS)
        self.bonded = dict.fromkeys(NAMES, 0)
        self.wagered = dict.fromkeys(NAMES, 0)
        self.leaving: dict[str, list[Part]] = {name: [] for name in NAMES}
        self.pool = 0
        self.dead: set[str] = set()

    def forms(self, name: str) -> tuple[int, int, int, int]:
        """As of a `Trust`."""
        leaving = sum(part.amount for part in self.leaving[name])
        return self.free[name], self.bonded[name], leaving, self.wagered[name]

    # Blocks

    def release(self, height: int, time_ms: int) -> None:
        """Before a block: what no evidence reaches any more is free."""
        for name, parts in self.leaving.items():
            out = [
                part
                for part in parts
                if part.power_height
                and height - part.power_height > AGE.evidence_age_blocks
                and time_ms - part.power_ms > AGE.evidence_age_ms
            ]
            self.free[name] += sum(part.amount for part in out)
            self.leaving[name] = [part for part in parts if part not in out]

    def end(self, height: int, time_ms: int) -> None:
        """After a block: where it ends an epoch, the power ends of what had left when the epoch before ended."""
        if height % EPOCH == 0:
            for parts in self.leaving.values():
                for at, part in enumerate(parts):
                    if not part.power_height and part.height <= height - EPOCH:
                        parts[at] = part._replace(power_height=height, power_ms=time_ms)

    # What members say

    def say(self, who: str, body: TransferTokens | Bond | Unbond, height: int) -> str:
        amount = body.amount_tokens
        match body:
            case TransferTokens(to=to):
                if to not in self.free:
                    return "trust.recipient"
                if amount > self.free[who]:
                    return "trust.insufficient"
                self.free[who] -= amount
                self.free[to] += amount
            case Bond():
                return self._lock(self.bonded, who, amount)
            case Unbond():
                if amount > self.bonded[who]:
                    return "trust.bond"
                self.bonded[who] -= amount
                self.leaving[who].append(Part(amount, height))
        return "ok"

    def _lock(self, into: dict[str, int], who: str, amount: int) -> str:
        if who in self.dead:
            return "trust.tombstoned"
        if amount > self.free[who]:
            return "trust.insufficient"
        self.free[who] -= amount
        into[who] += amount
        return "ok"

    # What contracts decide

    def wager(self, who: str, amount: int) -> str:
        return self._lock(self.wagered, who, amount)

    def give_back(self, who: str, amount: int) -> None:
        self.wagered[who] -= amount
        self.free[who] += amount

    def lose(self, who: str, amount: int) -> None:
        self.wagered[who] -= amount
        self.pool += amount

    def pay(self, who: str, amount: int) -> None:
        self.pool -= amount
        self.free[who] += amount

    def slash(self, who: str) -> None:
        if who not in self.dead:
            self.dead.add(who)
            self.pool += self.bonded[who] + sum(part.amount for part in self.leaving[who])
            self.bonded[who], self.leaving[who] = 0, []
