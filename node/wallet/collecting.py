"""What a member committed to besides its money, read from its own notes: capacities, bids, awards, hidden registers.

Each word of sealed dispatch and each committed reading carries a note to its author's or owner's key, so all of it is
on the ledger. Nothing is taken that does not open the very point there; what does not is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from contracts.members import Meter
from contracts.private.meters import head_of
from contracts.private.records import HiddenRegister
from contracts.schema import (
    CAPACITIES,
    OPEN_SEALED,
    OPEN_SEALED_LIST,
    SEALED_OFFERS,
    SEALED_ROUNDS,
    SEALED_SUPPLIERS,
)
from contracts.sealed.records import Capacity, SealedOffer, SealedRound, SealedSupplier
from contracts.state import State
from node.agents.proven import Proven, ProvenLedger
from node.billing.registers import of_reading
from node.errors import NodeError
from node.sealed import words
from node.wallet.account import Owner
from node.wallet.openings import Openings
from zk.pedersen import commit
from zk.statements.openings import Opening

CAPACITY = "capacity"
BID = "bid"
AWARD = "award"
READING = "reading"


class _Party(NamedTuple):
    round: SealedRound | None
    offer: SealedOffer | None
    supplier: SealedSupplier | None


async def collect(ledger: ProvenLedger, owner: Owner, meters: Sequence[Meter], openings: Openings) -> list[str]:
    """Read into `openings` what the notes of these meters of the owner, and of sealed rounds that wait for something,
    open; what does not open, for people. Raises `Unproven`, NodeError `wallet.full`."""
    lost: list[str] = []
    for meter in meters:
        for read_from in (_capacity, _registers) if meter.private is not None else (_capacity,):
            try:
                await read_from(ledger, owner, meter.id, openings)
            except NodeError as error:
                lost.append(_named(error, meter.id))
    for interval in await ledger.ask(_waiting, "sealed"):

        def read(proven: Proven, interval: int = interval) -> _Party:
            state = State(proven)
            return _Party(
                state.load(SEALED_ROUNDS, SEALED_ROUNDS.key(interval)),
                state.load(SEALED_OFFERS, SEALED_OFFERS.key(interval, owner.member)),
                state.load(SEALED_SUPPLIERS, SEALED_SUPPLIERS.key(interval, owner.member)),
            )

        party = await ledger.ask(read, "sealed", interval, owner.member)
        try:
            _take(ledger.chain_id, owner, party, openings)
        except NodeError as error:
            lost.append(_named(error, f"interval {interval}"))
    return lost


def _named(error: NodeError, what: str) -> str:
    """What does not open; any other trouble is the caller's."""
    if error.code != "wallet.opening-lost":
        raise error
    return f"{what}: {error.message}"


async def _capacity(ledger: ProvenLedger, owner: Owner, meter: str, openings: Openings) -> None:
    def read(proven: Proven) -> Capacity | None:
        return State(proven).load(CAPACITIES, CAPACITIES.key(meter))

    held = await ledger.ask(read, "capacity", meter)
    if held is not None and held.member == owner.member:
        openings.keep(CAPACITY, meter, words.capacity_of(ledger.chain_id, owner, held))


async def _registers(ledger: ProvenLedger, owner: Owner, meter: str, openings: Openings) -> None:
    """Those that a private meter is billed by, of the cycles that are not settled, and of the one before."""

    def read(proven: Proven) -> tuple[HiddenRegister, ...]:
        head = head_of(State(proven), meter)
        return head.latest if head.settled is None else (head.settled, *head.latest)

    for register in await ledger.ask(read, "private-meter", meter):
        found = await of_reading(ledger, owner, meter, register.sequence)
        opening = next((one for one in (found.import_, found.export) if _is_of(one, register.point)), None)
        if opening is None:
            raise NodeError("wallet.opening-lost", f"The note of reading {register.sequence} opens something else.")
        openings.keep(READING, f"{meter} {register.sequence}", opening)


def _is_of(opening: Opening, point: bytes) -> bool:
    return commit(*opening).to_bytes() == point


def _waiting(proven: Proven) -> tuple[int, ...]:
    waiting = State(proven).load(OPEN_SEALED, OPEN_SEALED_LIST)
    return () if waiting is None else waiting.intervals


def _take(chain_id: str, owner: Owner, party: _Party, openings: Openings) -> None:
    if party.round is None:
        return
    interval = party.round.interval
    if party.offer is not None:
        ticks = words.bid_of(chain_id, owner, party.round, party.offer)
        for number, opening in enumerate(ticks):
            openings.keep(BID, f"{interval} tick {number}", opening, base=party.round.key)
    if party.supplier is not None and party.supplier.award:
        openings.keep(AWARD, str(interval), words.award_of(chain_id, owner, party.round, party.supplier))
