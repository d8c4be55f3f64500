"""How refusals are provoked: a chain, and the envelope that it refuses with that code.

Here are who speaks, money and access; each other contract has a file of its own. Each of those takes `CASES` from the
one before it, so that the last, `hidden_provocations`, has them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
from ledger_world import FIRST, OPENING_NANO, ROLES, Chain, change, key_of, make_genesis

from contracts.envelope import Envelope
from contracts.genesis import Genesis
from contracts.governance.bodies import RECORD_KINDS, AllowAccess, Reader, RevokeAccess
from contracts.members import MAX_GRANTS
from contracts.params import PactParams
from contracts.units import MAX_MONEY

C = TypeVar("C", bound=Chain)
NEXT = FIRST + 2
PARAMS = PactParams()
CASES: dict[str, Callable[[], tuple[Chain, Envelope]]] = {}
"""By code."""


def with_params(**fields: int) -> Genesis:
    return make_genesis(params=change(PARAMS, **fields))


def provokes_on(code: str, begin: Callable[[], C]) -> Callable[[Callable[[C], Envelope]], None]:
    """Register the way to provoke `code` on a chain that has begun so."""

    def register(case: Callable[[C], Envelope]) -> None:
        def provoke() -> tuple[Chain, Envelope]:
            chain = begin()
            return chain, case(chain)

        assert code not in CASES
        CASES[code] = provoke

    return register


def provokes(code: str, genesis: Genesis | None = None) -> Callable[[Callable[[Chain], Envelope]], None]:
    """The same on a new chain."""
    return provokes_on(code, lambda: Chain(genesis))


# Who speaks


@provokes("member.unknown")
def _(chain: Chain) -> Envelope:
    return msgspec.structs.replace(chain.pay("bio", "solar", 1), sender="nobody")


@provokes("key.unknown")
def _(chain: Chain) -> Envelope:
    return msgspec.structs.replace(chain.pay("bio", "solar", 1), public_key=key_of("solar").public_key)


@provokes("key.scope")
def _(chain: Chain) -> Envelope:
    return chain.pay("bio", "solar", 1, scope="market")


@provokes("tx.nonce")
def _(chain: Chain) -> Envelope:
    return msgspec.structs.replace(chain.pay("bio", "solar", 1), nonce=1)


@provokes("tx.expired")
def _(chain: Chain) -> Envelope:
    chain.block()
    return msgspec.structs.replace(chain.pay("bio", "solar", 1), expiry_height=1)


@provokes("budget.exceeded", with_params(units_per_key=1))
def _(chain: Chain) -> Envelope:
    assert chain.run(chain.pay("bio", "solar", 1)) == "ok"
    return chain.pay("bio", "solar", 1)


@provokes("amount.range", make_genesis(balances={"solar": MAX_MONEY}))
def _(chain: Chain) -> Envelope:
    return chain.pay("bio", "solar", 1)


# Money


@provokes("money.recipient")
def _(chain: Chain) -> Envelope:
    return chain.pay("bio", "nobody", 1)


@provokes("money.insufficient")
def _(chain: Chain) -> Envelope:
    return chain.pay("bio", "solar", OPENING_NANO + 1)


# Access policies


@provokes("access.reader")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", AllowAccess(("bills",), (Reader("member", "solar"), Reader("role", "solar")), None))


@provokes("access.until")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", AllowAccess(("bills",), (Reader("member", "solar"),), chain.now_ms))


MANY = tuple(f"tenant-{number:02d}" for number in range(MAX_GRANTS // len(RECORD_KINDS) + 1))


@provokes("access.full", make_genesis(roles={**ROLES, **dict.fromkeys(MANY, ("consumer",))}))
def _(chain: Chain) -> Envelope:
    readers = tuple(Reader("member", name) for name in MANY)
    assert chain.run(chain.say("bio", AllowAccess(RECORD_KINDS, readers[:-1], None))) == "ok"
    return chain.say("bio", AllowAccess(RECORD_KINDS, readers[-1:], None))


@provokes("access.not-granted")
def _(chain: Chain) -> Envelope:
    assert chain.run(chain.say("bio", AllowAccess(("bills",), (Reader("member", "solar"),), None))) == "ok"
    return chain.say("bio", RevokeAccess(("balance", "orders"), (Reader("member", "solar"),)))


FREE = {
    "member.unknown",
    "key.unknown",
    "key.scope",
    "tx.nonce",
    "tx.expired",
    "budget.exceeded",
    "meter.stopped",
    "meter.unknown",
    "meter.key",
    "reading.committed",
    "reading.cycles-full",
    "reading.gap",
    "reading.replay",
    "reading.duplicate",
    "reading.future",
    "reading.open",
    "reading.open-full",
}
"""Refusals that write nothing at all."""
