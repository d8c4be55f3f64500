"""One way to provoke each refusal about what can be moved in time; with all others, `CASES` has them all."""

from __future__ import annotations

from collections.abc import Callable

from flexible_world import EQUIPPED, NEXT, charge_report, equipped, load, require, reserve, storage
from governance_provocations import CASES, refused
from governance_world import new_meter, newcomer
from ledger_world import FIRST, Chain, change
from provocations import PARAMS, provokes_on

from contracts.bodies import WithdrawLoad
from contracts.envelope import AccountEnvelope, Envelope
from contracts.flexible.records import (
    MAX_LOADS_PER_MEMBER,
    MAX_REQUIRING,
    MAX_STORAGES,
    FlexibleOffers,
    RequirementEntry,
    Requirements,
    ReserveEntry,
    StorageEntry,
)
from contracts.members import Asset
from contracts.schema import FLEXIBLE, REQUIREMENTS
from zk.codec import encode

__all__ = ["CASES"]

Say = Callable[..., AccountEnvelope]
BEYOND = FIRST + PARAMS.horizon_intervals
CAP = PARAMS.offer_cap_nano_per_wh


def provokes(code: str, **params: object) -> Callable[[Callable[[Chain], Envelope]], None]:
    """Register the way to provoke `code` on a new chain with a battery."""
    return provokes_on(code, lambda: Chain(equipped(**params)))


def said(code: str, say: Say, **fields: object) -> None:
    """This word, changed so, is refused."""
    provokes(code)(lambda chain: say(chain, **fields))


def late(code: str, say: Say) -> None:
    """This word comes when the gate has passed."""

    def case(chain: Chain) -> Envelope:
        chain.at(NEXT, -PARAMS.gate_lead_ms)
        return say(chain)

    provokes(code)(case)


refused(
    "governance.asset",
    lambda: newcomer(meters=(change(new_meter("m-new", "newbie"), meter=_broken()),)),
)


def _broken() -> object:
    return change(new_meter("m-new", "newbie").meter, asset=Asset(efficiency_n=2, efficiency_d=1))


for contract, say in (("storage", storage), ("reserve", reserve), ("require", require), ("load", load)):
    late(f"{contract}.late", say)
for contract, say in (("storage", storage), ("reserve", reserve), ("require", require)):
    said(f"{contract}.horizon", say, interval=BEYOND, count=2)

said("storage.meter", storage, sender="bio")
said("storage.kind", storage, meter="m-plain")
said("storage.rating", storage, charge_wh=20_001)
said("storage.price", storage, end_value_nano_per_wh=CAP + 1)
said("reserve.meter", reserve, sender="solar")
said("reserve.kind", reserve, meter="m-storage", sender="storage")
said("reserve.rating", reserve, reserve_wh=100_001)
said("reserve.price", reserve, reserve_nano_per_wh=CAP + 1)
said("require.role", require, sender="bio")
said("load.horizon", load, interval=BEYOND, until=BEYOND + 2)
said("load.deadline", load, until=NEXT)
said("load.energy", load, energy_wh=12_001)
said("load.price", load, value_nano_per_wh=CAP + 1)


@provokes("offer.storage")
def _(chain: Chain) -> Envelope:
    assert chain.run(storage(chain)) == "ok"
    return chain.offer("storage", "m-storage", NEXT, (0, 1))


@provokes("storage.blocks")
def _(chain: Chain) -> Envelope:
    assert chain.run(chain.offer("storage", "m-storage", NEXT, (0, 1))) == "ok"
    return storage(chain)


def names(count: int) -> list[str]:
    """Meters that stand before those of the pact."""
    return [f"a-{number:03d}" for number in range(count)]


@provokes("storage.full")
def _(chain: Chain) -> Envelope:
    full = tuple(StorageEntry(name, "bio", 1, 1, None, 0, 0) for name in names(MAX_STORAGES))
    chain.store[FLEXIBLE.key(NEXT)] = encode(FlexibleOffers(full))
    return storage(chain)


@provokes("reserve.full")
def _(chain: Chain) -> Envelope:
    full = tuple(ReserveEntry(name, "bio", 1, 0) for name in names(MAX_STORAGES))
    chain.store[FLEXIBLE.key(NEXT)] = encode(FlexibleOffers((), full))
    return reserve(chain)


@provokes("require.full")
def _(chain: Chain) -> Envelope:
    full = tuple(RequirementEntry(name, 1, None) for name in names(MAX_REQUIRING))
    chain.store[REQUIREMENTS.key(NEXT)] = encode(Requirements(full))
    return require(chain)


@provokes("load.taken")
def _(chain: Chain) -> Envelope:
    assert chain.run(load(chain)) == "ok"
    return load(chain, energy_wh=1)


@provokes("load.full")
def _(chain: Chain) -> Envelope:
    for number in range(MAX_LOADS_PER_MEMBER):
        assert chain.run(load(chain, f"car-{number}")) == "ok"
    return load(chain)


@provokes("load.unknown")
def _(chain: Chain) -> Envelope:
    assert chain.run(load(chain)) == "ok"
    return chain.say("bio", WithdrawLoad("car"))


@provokes("load.closed")
def _(chain: Chain) -> Envelope:
    assert chain.run(load(chain)) == "ok"
    assert chain.run(chain.say("tenant", WithdrawLoad("car"))) == "ok"
    return chain.say("tenant", WithdrawLoad("car"))


@provokes("reading.charge")
def _(chain: Chain) -> Envelope:
    assert EQUIPPED["m-storage"].asset is not None
    return charge_report(chain, FIRST, 0, 0, 51_001)
