"""What members say about hidden energy, made from the openings that they alone have. Entropy comes from the caller.

Each function makes one body; that the ledger takes it is the contract's affair (`contracts.private`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from contracts.members import Private
from contracts.private import bills, green, quarrels, shares, shown, uses
from contracts.private.bodies import (
    BlameNote,
    GreenLot,
    GreenShare,
    ProveUse,
    Reconcile,
    RetireGreen,
    Sealed,
    ShareOfBill,
    ShowReading,
    SplitCycle,
)
from contracts.private.records import HiddenUse, PrivateCycle, Share
from contracts.units import MAX_ENERGY, PPM
from zk import notes
from zk.hashing import sha256
from zk.pedersen import commit
from zk.statements import green_share, known_difference, openings, ranges, reserve, within_loss
from zk.statements.openings import Opening
from zk.statements.parts import BELOW_2_62

SHARE = "share-of-bill"


class Recipient(NamedTuple):
    """Who a note is sealed to."""

    member: str
    note_key: bytes


class Split(NamedTuple):
    """A split, and what the campus has to keep of it."""

    body: SplitCycle
    openings: dict[str, Opening]
    """Of each share, by meter."""


def prove_use(
    chain_id: str,
    meter: str,
    owner: str,
    campus: Recipient,
    found: uses.Difference,
    opening: Opening,
    within: tuple[int, int],
    wider: tuple[int, int] | None,
    *,
    cycle: int,
    entropy: bytes,
    green_ppm: int | None = None,
) -> ProveUse:
    """A use, `within` the bounds where it is, else inside what is `wider`; so many millionths of it bought green.
    ValueError outside of both."""
    wide = wider is not None and not within[0] <= opening.value <= within[1]
    place = uses.where(chain_id, meter, cycle, found.register.sequence)
    chosen = wider if wide and wider is not None else within
    proof = ranges.prove(uses.KIND, place, [opening], [chosen], entropy=entropy).proof
    told, share = [opening], None
    if green_ppm is not None:
        posted, volume = green_share.prove(
            uses.green_where(chain_id, meter, cycle), opening, green_ppm, entropy=entropy
        )
        told.append(volume)
        share = GreenShare(green_ppm, posted.volume, posted.remainder, posted.proof)
    note = notes.seal(
        campus.note_key,
        openings.told(uses.KIND, *told),
        entropy=entropy,
        **uses.route(chain_id, meter, cycle, owner, campus.member),
    )
    return ProveUse(meter, cycle, wide, proof, note, share)


def read_use(secret: bytes, chain_id: str, campus: str, use: HiddenUse) -> Opening | None:
    """What a meter used, by its owner's note to the campus; None where the note does not open all that it should."""
    found = _use_note(secret, chain_id, campus, use)
    return found[0] if found else None


def read_green(secret: bytes, chain_id: str, campus: str, use: HiddenUse) -> Opening | None:
    """What a meter's owner bought green of it, by the same note; None where it bought nothing."""
    found = _use_note(secret, chain_id, campus, use)
    return found[1] if len(found) > 1 else None


def _use_note(secret: bytes, chain_id: str, campus: str, use: HiddenUse) -> list[Opening]:
    """The openings of a use and of what is green of it, as far as both are right; else none."""
    route = uses.route(chain_id, use.meter, use.cycle, use.member, campus)
    points = [use.point] if use.green is None else [use.point, use.green.point]
    return _opened(notes.open_(secret, use.note, **route), *points)


def read_share(secret: bytes, chain_id: str, campus: str, cycle: int, share: Share) -> Opening | None:
    """A source's share, by the campus's note to its owner; None where the note does not open it."""
    if share.bill is None:
        return None
    route = shares.route(chain_id, share.meter, cycle, campus, share.member)
    found = _opened(notes.open_(secret, share.note, **route), share.bill)
    return found[0] if found else None


def blame_use(secret: bytes, chain_id: str, campus: str, use: HiddenUse, *, entropy: bytes) -> BlameNote:
    """The campus's complaint about an owner's note."""
    route = uses.route(chain_id, use.meter, use.cycle, use.member, campus)
    return BlameNote(use.meter, use.cycle, False, notes.reveal(secret, use.note, entropy=entropy, **route))


def blame_share(secret: bytes, chain_id: str, campus: str, cycle: int, share: Share, *, entropy: bytes) -> BlameNote:
    """A supplier's complaint about the campus's note."""
    route = shares.route(chain_id, share.meter, cycle, campus, share.member)
    return BlameNote(share.meter, cycle, True, notes.reveal(secret, share.note, entropy=entropy, **route))


def split(
    chain_id: str,
    campus: Recipient,
    cycle: int,
    total: Opening,
    amounts: Sequence[tuple[str, Recipient, int]],
    *,
    held_wh: int = 0,
    deliveries: Mapping[str, Opening] | None = None,
    entropy: bytes,
) -> Split:
    """Shares of these amounts, each a meter with its owner, ascending; the last blinding is what the others leave.

    Where `deliveries` has the opening of what a source proved and the amount is the same, its share is that very
    point, so nothing is left to answer; not so for the last. ValueError where the amounts are not the total.
    """
    wanted = [(meter, amount_wh) for meter, _, amount_wh in amounts]
    made = _shares(chain_id, campus.member, cycle, total.shifted(-held_wh), wanted, deliveries or {}, entropy)
    if [(meter, opening.value) for meter, opening in made.items()] != wanted:
        raise ValueError("the shares are not the total")
    listed = list(made.values())
    place = shares.split_where(chain_id, campus.member, cycle)
    points, proof = ranges.prove(shares.KIND, place, listed, [(0, MAX_ENERGY)] * len(listed), entropy=entropy)
    said = tuple(
        ShareOfBill(meter, point, _share_note(chain_id, campus.member, cycle, meter, to, made[meter], entropy))
        for (meter, to, _), point in zip(amounts, points, strict=True)
    )
    kept = openings.kept(SHARE, [amount_wh for _, amount_wh in wanted], entropy)
    own = notes.seal(campus.note_key, kept, entropy=entropy, **_own_route(chain_id, campus.member, cycle))
    return Split(SplitCycle(cycle, held_wh, said, proof, own), made)


def read_split(
    secret: bytes, chain_id: str, record: PrivateCycle, total: Opening, deliveries: Mapping[str, Opening]
) -> dict[str, Opening] | None:
    """The openings of the shares that a campus made, by its note to itself; None where that does not open them."""
    plaintext = notes.open_(secret, record.own_note, **_own_route(chain_id, record.campus, record.cycle))
    said = None if plaintext is None else openings.read(plaintext)
    if not isinstance(said, openings.Kept) or len(said.values) != len(record.shares):
        return None
    wanted = [(one.meter, wh) for one, wh in zip(record.shares, said.values, strict=True)]
    # A share is the delivery's very point where its maker chose that; the ledger shows which.
    same = {one.meter: deliveries[one.meter] for one in record.shares if one.meter in deliveries and one.is_delivery}
    left = total.shifted(-record.held_wh)
    made = _shares(chain_id, record.campus, record.cycle, left, wanted, same, said.entropy)
    is_made = all(commit(*made[one.meter]).to_bytes() == one.bill for one in record.shares)
    return made if is_made else None


def _shares(
    chain_id: str,
    campus: str,
    cycle: int,
    left: Opening,
    wanted: Sequence[tuple[str, int]],
    deliveries: Mapping[str, Opening],
    entropy: bytes,
) -> dict[str, Opening]:
    """Openings of shares of these amounts; the last is what is left, whatever was wanted."""
    made: dict[str, Opening] = {}
    for at, (meter, amount_wh) in enumerate(wanted):
        known = deliveries.get(meter)
        if at == len(wanted) - 1:
            made[meter] = left
        elif known is not None and known.value == amount_wh:
            made[meter] = known
        else:
            place = shares.split_where(chain_id, campus, cycle)
            made[meter] = openings.opened(SHARE, place, (amount_wh,), sha256(entropy + meter.encode()))[0]
        left = left.minus(made[meter])
    return made


def _own_route(chain_id: str, campus: str, cycle: int) -> notes.Route:
    return notes.Route(purpose="split", chain_id=chain_id, epoch=cycle, sender=campus, recipient=campus)


def _share_note(
    chain_id: str, campus: str, cycle: int, meter: str, to: Recipient, opening: Opening, entropy: bytes
) -> bytes:
    route = shares.route(chain_id, meter, cycle, campus, to.member)
    return notes.seal(to.note_key, openings.told(SHARE, opening), entropy=entropy, **route)


def answer(
    chain_id: str, meter: str, cycle: int, terms: Private, bill: Opening, delivery: Opening, *, entropy: bytes
) -> Reconcile:
    """A supplier's answer: hidden where the difference is within the line's loss, else for all to see."""
    place = shares.answer_where(chain_id, meter, cycle)
    difference_wh = bill.value - delivery.value
    loss = terms.fixed_wh * PPM + terms.loss_ppm * delivery.value
    if difference_wh <= terms.accuracy_wh and -difference_wh * PPM <= loss:
        proof = within_loss.prove(
            place,
            bill,
            delivery,
            loss_ppm=terms.loss_ppm,
            fixed_wh=terms.fixed_wh,
            accuracy_wh=terms.accuracy_wh,
            entropy=entropy,
        )
        return Reconcile(meter, cycle, None, proof, b"")
    said = known_difference.prove(place, bill, delivery, entropy=entropy)
    beyond = b""
    if difference_wh < 0 and terms.loss_ppm:
        hidden = delivery.times(-terms.loss_ppm).shifted(PPM * (-difference_wh - terms.fixed_wh) - 1)
        beyond = ranges.prove(shares.KIND, place, [hidden], [BELOW_2_62], entropy=entropy).proof
    return Reconcile(meter, cycle, difference_wh, said.proof, beyond)


def nothing_owed(chain_id: str, meter: str, cycle: int, bill: Opening, *, entropy: bytes) -> bytes:
    """The proof that a bill is of nothing. ValueError where it is not."""
    return ranges.prove(bills.KIND, bills.where(chain_id, meter, cycle), [bill], [(0, 0)], entropy=entropy).proof


def show_field(
    chain_id: str, meter: str, sequence: int, field: Sealed, bounds: tuple[int, int], value: Opening, *, entropy: bytes
) -> ShowReading:
    """That a field of a reading's quality record lies between bounds. ValueError where it does not."""
    body = ShowReading(meter, field, sequence, *bounds, b"")
    limits = [(bounds[0] + shown.QUALITY_SHIFT, bounds[1] + shown.QUALITY_SHIFT)]
    made = ranges.prove("quality", shown.where(chain_id, body), [value], limits, entropy=entropy)
    return msgspec.structs.replace(body, proof=made.proof)


def show_reserve(
    chain_id: str, meter: str, cycle: int, most_wh: int, held: Opening, delivery: Opening, *, entropy: bytes
) -> ShowReading:
    """That a reserve is at most this, and covers what was delivered in a cycle. ValueError where it does not."""
    body = ShowReading(meter, shown.RESERVE, cycle, 0, most_wh, b"")
    made = reserve.prove(shown.where(chain_id, body), held, delivery, most_wh, entropy=entropy)
    return msgspec.structs.replace(body, proof=made.proof)


def retire_green(
    chain_id: str, campus: str, cycle: int, bought: Opening, lots: Sequence[GreenLot], *, entropy: bytes
) -> RetireGreen:
    """The sum of all green volumes opened, and the certificates that are used up for it."""
    place, limits = green.where(chain_id, campus, cycle), (bought.value, bought.value)
    made = ranges.prove(green.KIND, place, [bought], [limits], entropy=entropy)
    return RetireGreen(cycle, bought.value, made.proof, tuple(lots))


def _opened(plaintext: bytes | None, *points: bytes) -> list[Opening]:
    """The openings that a note has, if it opens these points; else none."""
    if plaintext is None or not quarrels.opens(plaintext, *points):
        return []
    said = openings.read(plaintext)
    assert isinstance(said, openings.Told), "it opens the points"
    return [said.opening(at) for at in range(len(points))]
