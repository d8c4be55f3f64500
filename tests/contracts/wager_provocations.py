"""One way to provoke each refusal about tokens and wagers; with those of `provocations`, `CASES` has them all."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from ledger_world import OPENING_TOKENS, Chain
from provocations import CASES, provokes, provokes_on
from wager_world import AMOUNT, commit, drawn, next_phase, opened, reveal, round_of, sealed, wager, wagering

from contracts.bodies import Bond, CommitSolution, RevealSolution, TransferTokens, Unbond, Wager
from contracts.envelope import Envelope
from contracts.genesis import Genesis
from contracts.members import MAX_UNLOCKING
from contracts.schema import ROUNDS
from contracts.trust import slash
from contracts.wagers.records import MAX_WAGERS
from zk.codec import encode

__all__ = ["CASES"]


# Trust


@provokes("trust.recipient")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", TransferTokens("nobody", 1, ""))


@provokes("trust.insufficient")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", Bond(OPENING_TOKENS + 1))


@provokes("trust.tombstoned")
def _(chain: Chain) -> Envelope:
    chain.decide(lambda state, context: slash(state, context, "bio", "duplicate-vote"))
    return chain.say("bio", Bond(1))


@provokes("trust.bond")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", Unbond(1))


@provokes("trust.unlocking-full")
def _(chain: Chain) -> Envelope:
    chain.block(
        chain.say("bio", Bond(OPENING_TOKENS)),
        *[chain.say("bio", Unbond(1), 1 + number) for number in range(MAX_UNLOCKING)],
    )
    return chain.say("bio", Unbond(1))


# Wagering


@provokes("wager.round")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", Wager(0, "least-cost", AMOUNT))


def provokes_wager(code: str, genesis: Genesis | None = None) -> Callable[[Callable[[Chain], Envelope]], None]:
    """The same on a chain whose round 0 takes wagers, and has heard all proposers that it waits for."""

    def register(case: Callable[[Chain], Envelope]) -> None:
        def heard(chain: Chain) -> Envelope:
            envelope = case(chain)
            for _ in chain.genesis.validators:
                chain.block()
            return envelope

        provokes_on(code, lambda: opened(genesis))(heard)

    return register


@provokes_wager("wager.phase")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", CommitSolution(0, bytes(32)))


@provokes_wager("wager.twice")
def _(chain: Chain) -> Envelope:
    assert wager(chain, "bio") == "ok"
    return chain.say("bio", Wager(0, "zero-carbon", AMOUNT))


@provokes_wager("wager.minimum")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", Wager(0, "least-cost", 9))


@provokes_wager("wager.trust", wagering(minimum_trust_tokens=500))
def _(chain: Chain) -> Envelope:
    return chain.say("bio", Wager(0, "least-cost", AMOUNT))


@provokes_wager("wager.full")
def _(chain: Chain) -> Envelope:
    full = msgspec.structs.replace(round_of(chain), wagers=MAX_WAGERS)
    chain.store[ROUNDS.key(0)] = encode(full)
    return chain.say("bio", Wager(0, "least-cost", AMOUNT))


@provokes_wager("wager.drawn")
def _(chain: Chain) -> Envelope:
    drawn(chain, ("bio", "solar"))
    return chain.say("campus", CommitSolution(0, bytes(32)))


@provokes_wager("wager.committed")
def _(chain: Chain) -> Envelope:
    drawn(chain, ("bio", "solar"))
    assert commit(chain, "bio", b"") == "ok"
    return chain.say("bio", CommitSolution(0, bytes(32)))


@provokes_wager("wager.commitment")
def _(chain: Chain) -> Envelope:
    drawn(chain, ("bio", "solar"))
    assert commit(chain, "bio", b"") == "ok"
    next_phase(chain)
    return chain.say("bio", RevealSolution(0, bytes(32), b"other"))


@provokes_wager("wager.revealed")
def _(chain: Chain) -> Envelope:
    drawn(chain, ("bio", "solar"))
    assert commit(chain, "bio", b"") == "ok"
    next_phase(chain)
    assert reveal(chain, "bio", b"") == "ok"
    return chain.say("bio", sealed(chain, "bio", b"")[1])
