"""Committed readings as a meter makes them, and as its owner reads them again.

Every blinding follows from meter and interval, the values and the entropy that the meter drew for them, and not from
the place in the meter's chain: a gateway may link what it signed anew. Values and entropy are in the note to the owner,
so whoever has the owner's note key and the ledger has every opening.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from contracts.bodies import CommittedReading, MonitorHead, Quality, Reserve
from contracts.private.shown import QUALITY_SHIFT
from zk import notes
from zk.pedersen import commit
from zk.statements import openings
from zk.statements.assertion import Where
from zk.statements.openings import Opening

KIND = "reading"
QUALITY_FIELDS = tuple(Quality.__struct_fields__)


class Owner(NamedTuple):
    """Who reads the notes of a meter."""

    member: str
    note_key: bytes


class Register(NamedTuple):
    """What a reading hides."""

    import_: Opening
    export: Opening
    reserve: Opening | None
    quality: tuple[Opening, ...]


def where(chain_id: str, meter: str, interval: int) -> Where:
    """The place that the blindings of a reading follow from."""
    return Where(chain_id, meter, interval)


def route(chain_id: str, meter: str, interval: int, owner: str) -> notes.Route:
    """How a meter's note goes to its owner."""
    return notes.Route(purpose="reading", chain_id=chain_id, epoch=interval, sender=meter, recipient=owner)


def seal(
    chain_id: str,
    meter: str,
    owner: Owner,
    *,
    sequence: int,
    interval: int,
    import_wh: int,
    export_wh: int,
    previous_hash: bytes,
    entropy: bytes,
    status: int = 0,
    reserve: Reserve | None = None,
    quality: Quality | None = None,
    monitor: MonitorHead | None = None,
) -> CommittedReading:
    """The reading of these registers, for the meter to sign. `entropy` has 32 bytes that nobody else knows."""
    values = _values(import_wh, export_wh, reserve, quality)
    hidden = _register(chain_id, meter, interval, values, entropy)
    note = notes.seal(
        owner.note_key,
        openings.kept(KIND, values, entropy),
        entropy=entropy,
        **route(chain_id, meter, interval, owner.member),
    )
    return CommittedReading(
        sequence,
        interval,
        _point(hidden.import_),
        _point(hidden.export),
        status,
        previous_hash,
        note,
        None if hidden.reserve is None else _point(hidden.reserve),
        tuple(map(_point, hidden.quality)),
        monitor,
    )


def read(secret: bytes, chain_id: str, meter: str, owner: str, body: CommittedReading) -> Register | None:
    """What a reading hides, by its note to the holder of `secret`; None where the note does not open it."""
    plaintext = notes.open_(secret, body.note, **route(chain_id, meter, body.interval, owner))
    said = None if plaintext is None else openings.read(plaintext)
    if not isinstance(said, openings.Kept) or said.kind != KIND or not 2 <= len(said.values) <= 10:
        return None
    found = _register(chain_id, meter, body.interval, said.values, said.entropy)
    committed = body.import_commitment, body.export_commitment, body.reserve, body.quality
    made = (
        _point(found.import_),
        _point(found.export),
        None if found.reserve is None else _point(found.reserve),
        tuple(map(_point, found.quality)),
    )
    return found if made == committed else None


def _values(import_wh: int, export_wh: int, reserve: Reserve | None, quality: Quality | None) -> list[int]:
    values = [import_wh, export_wh]
    if reserve is not None:
        values.append(reserve.charge_wh + reserve.fuel_wh)
    if quality is not None:
        values += [getattr(quality, name) + QUALITY_SHIFT for name in QUALITY_FIELDS]
    return values


def _register(chain_id: str, meter: str, interval: int, values: Sequence[int], entropy: bytes) -> Register:
    """Openings of all values: two registers, then a reserve where their number is odd, then a quality record."""
    made = openings.opened(KIND, where(chain_id, meter, interval), values, entropy)
    with_reserve = len(made) in (3, 3 + len(QUALITY_FIELDS))
    return Register(made[0], made[1], made[2] if with_reserve else None, tuple(made[3 if with_reserve else 2 :]))


def _point(opening: Opening) -> bytes:
    return commit(*opening).to_bytes()
