"""Where statements on the ledger stand, as docs/zero-knowledge.md has it ("Places"): no two can be exchanged.

The places are rebuilt by the second verifier, which knows the document and nothing else.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from contracts.ceremony import openings
from contracts.confidential import accounts, keys
from contracts.private import bills, green, shares, shown, uses
from contracts.private.bodies import SEALED
from contracts.sealed import assertions
from tests.zk.slow.notes import place, tag
from zk import ceremony
from zk.group.bases import bases
from zk.hashing import sha256
from zk.statements import ranges
from zk.statements.assertion import Assertion, Where

CHAIN, MEMBER, METER, CAMPUS = "campus-1", "solar", "m-solar", "campus"
KEY_ID = sha256(b"key")
P, Q, R, S = (one.to_bytes() for one in (bases().V, bases().H, bases().U, bases().B))
ANY: Any = SimpleNamespace(
    chain_id=CHAIN,
    member=MEMBER,
    sequence=11,
    interval=7,
    key_id=KEY_ID,
    key=P,
    to="geo",
    note=b"note",
    commitment=Q,
    proof=b"",
    amount_nano=5,
    point=R,
    meter=METER,
    capacity=S,
    sealed=(Q,),
    ephemeral=(R,),
    slack=S,
    award=Q,
    remainder=b"",
    whole=1,
    epoch=3,
    round=7,
)
"""A context, an account, a round, a bid and whatever else has these fields."""
SINGLE: Any = SimpleNamespace(**vars(ANY) | {"sealed": Q, "ephemeral": R})
ROUND = (CHAIN, MEMBER, 7, 0, KEY_ID)
ATTEMPT = ceremony.Attempt(CHAIN, 3, 2)

PLACES: dict[str, tuple[Assertion, tuple[Any, ...], tuple[bytes, ...]]] = {
    "RegisterNoteKey": (keys.possession(CHAIN, MEMBER, ANY), (CHAIN, MEMBER), (R, b"note-key")),
    "Spend": (
        accounts.spend_assertion(CHAIN, ANY, P, ANY),
        (CHAIN, MEMBER, 11),
        (P, Q, b"geo", sha256(b"note")),
    ),
    "Withdraw": (
        accounts.withdraw_assertion(CHAIN, ANY, P, ANY),
        (CHAIN, MEMBER, 11),
        (P, (5).to_bytes(8, "big")),
    ),
    "RegisterCapacity": (assertions.capacity(ANY, ANY, 100), (CHAIN, METER), (S,)),
    "SealDemand": (assertions.demanded(ANY, ANY, MEMBER, SINGLE, 100), ROUND, (P, Q, R)),
    "SealBid": (assertions.offered(ANY, ANY, ANY, ANY), ROUND, (P, S, Q, R, S)),
    "SealAward": (assertions.awarded(ANY, ANY, ANY, MEMBER, S, SINGLE), ROUND, (P, S, Q, b"", Q, R)),
    "ProveDelivery": (assertions.delivered(ANY, ANY, MEMBER, Q, R, 1, 2, b""), ROUND, (Q, R)),
    "RegisterSeat": (ceremony.seat_possession(ATTEMPT, MEMBER, R, b""), (CHAIN, MEMBER, 3, 2), (R, b"seat-key")),
    "Deal": (ceremony.dealer_possession(ATTEMPT, MEMBER, (R, S), b""), (CHAIN, MEMBER, 3, 2), (R, b"dealer")),
}


@pytest.mark.parametrize("body", PLACES)
def test_a_statement_stands_where_the_document_says(body: str) -> None:
    said, where, bound = PLACES[body]
    expected = tag(place(said.kind, *where), *bound)
    assert said.tag in {expected, expected + b"-DSFS-with-sigma-proofs_Shake128_BLS12381"}


def test_statements_of_a_private_cycle_stand_at_meter_or_campus_and_cycle() -> None:
    assert uses.where(CHAIN, METER, 4, 9) == Where(CHAIN, METER, 4, 9)
    assert shares.split_where(CHAIN, CAMPUS, 4) == Where(CHAIN, CAMPUS, 4)
    assert shares.answer_where(CHAIN, METER, 4) == bills.where(CHAIN, METER, 4) == Where(CHAIN, METER, 4)
    assert uses.green_where(CHAIN, METER, 4) == Where(CHAIN, METER, 4)
    assert green.where(CHAIN, CAMPUS, 4) == Where(CHAIN, CAMPUS, 4, 1)
    reserved: Any = SimpleNamespace(meter=METER, at=4, field=SEALED[0])
    field: Any = SimpleNamespace(meter=METER, at=9, field=SEALED[2])
    assert shown.where(CHAIN, reserved) == Where(CHAIN, METER, 4)
    assert shown.where(CHAIN, field) == Where(CHAIN, METER, 9, 2)
    assert uses.KIND == "reading"
    assert shares.KIND == bills.KIND == "range"


def test_shares_stand_at_the_key_and_the_interval() -> None:
    assert openings.where_of(CHAIN, ANY, ANY, MEMBER) == Where(CHAIN, MEMBER, 3, 7, KEY_ID)


def test_no_two_kinds_of_transaction_have_a_tag_in_common() -> None:
    """Not even about the same points: kind, place and what is bound tell them apart."""
    tags = [said.tag for said, _, _ in PLACES.values()]
    assert len(set(tags)) == len(tags)
    empty = ranges.assertion(bills.KIND, bills.where(CHAIN, METER, 4), [Q], [(0, 0)], b"")
    beyond = ranges.assertion(shares.KIND, shares.answer_where(CHAIN, METER, 4), [Q], [(0, 2**62 - 1)], b"")
    # One place, one kind, one point: the ranges, which the range proof absorbs, are what differs.
    assert empty.tag == beyond.tag
    assert empty.instance != beyond.instance
