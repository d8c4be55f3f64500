"""Openings of hidden registers, as the owner of a meter reads them on the ledger: in the notes of its readings, and
before the first of these in what it was admitted with."""

from __future__ import annotations

from contracts.bodies import CommittedReading
from contracts.envelope import CODEC, MeterEnvelope
from contracts.schema import HEADS
from contracts.state import State
from node.agents.proven import Proven, ProvenLedger
from node.billing import readings
from node.billing.readings import Register
from node.errors import NodeError
from node.wallet.account import Owner
from zk.statements.openings import Opening


async def of_reading(ledger: ProvenLedger, owner: Owner, meter: str, sequence: int) -> Register:
    """Of the reading with this sequence, from the first node that shows one which opens. Needs no proof: what does not
    open what is on the ledger is of no use. Raises NodeError `wallet.opening-lost`."""
    for node in ledger.nodes:
        try:
            answer = await node.reading(meter, sequence)
            envelope = CODEC.decode(bytes.fromhex(answer["data"]["raw"]))
        except (NodeError, LookupError, TypeError, ValueError, OSError):
            # Whatever a node says in place of a reading, another one may have it.
            continue
        if isinstance(envelope, MeterEnvelope) and isinstance(envelope.body, CommittedReading):
            found = readings.read(owner.note_secret, ledger.chain_id, meter, owner.member, envelope.body)
            if found is not None:
                return found
    raise NodeError(
        "wallet.opening-lost",
        f"No node shows a reading {sequence} of {meter} that opens.",
        "Ask other nodes; its note is sealed to the key that the owner had then.",
    )


async def of_admission(ledger: ProvenLedger, meter: str) -> Register:
    """What everybody knows of a private meter's registers before its first reading. Raises `Unproven`."""

    def read(proven: Proven) -> Register:
        head = State(proven).load(HEADS, HEADS.key(meter))
        assert head is not None, "every meter has a head"
        nothing = bytes(32)
        return Register(Opening(head.import_wh, nothing), Opening(head.export_wh, nothing), None, ())

    return await ledger.ask(read, "private-meter", meter)
