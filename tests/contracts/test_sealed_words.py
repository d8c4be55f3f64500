"""Words of sealed dispatch as members' agents make them: the ledger takes them, and notes alone open them again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

import pytest
from hidden_world import entropy_of, found, note_secret, seen, take
from ledger_world import FIRST, change, key_of
from sealed_world import NEXT, REFERENCE, SUPPLIERS, TENANT_WH, World, world

from contracts.envelope import Envelope
from contracts.schema import CAPACITIES, CREDITS, HIDDEN_HEADS, SEALED_OFFERS
from node.agents.proven import Proven, ProvenLedger
from node.errors import NodeError
from node.sealed import words
from node.wallet import account
from node.wallet.account import Owner
from node.wallet.collecting import collect
from node.wallet.openings import Openings
from zk import notes
from zk.codec import encode
from zk.group.bases import bases
from zk.statements.openings import Opening, Told, read

T = TypeVar("T")
OFFERS = {"bio": [3_000, 7_000], "geo": [5_000, 5_000], "solar": [20_000, 0]}


def owner(member: str) -> Owner:
    return Owner(member, note_secret(member))


def capacity(one: World, member: str) -> Opening:
    held = CAPACITIES.decode(one.store[CAPACITIES.key(SUPPLIERS[member])])
    return words.capacity_of(one.chain_id, owner(member), held)


def ticks(one: World, member: str) -> list[Opening]:
    held = SEALED_OFFERS.decode(one.store[SEALED_OFFERS.key(NEXT, member)])
    return words.bid_of(one.chain_id, owner(member), one.round(), held)


class Shown(dict[bytes, bytes | None]):
    """All of a chain's state, as if every record of it were proven."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: bytes) -> None:
        return None


class Ledger:
    """A chain as nodes prove it."""

    def __init__(self, one: World, readings: Mapping[tuple[str, int], Envelope] | None = None) -> None:
        self.nodes = (self,)
        self._readings = readings or {}
        self.chain_id = one.chain_id
        self._shown = Proven(one.height, one.now_ms, Shown(one.store))

    async def ask(self, read: Callable[[Proven], T], *_: object) -> T:
        return read(self._shown)

    async def reading(self, meter: str, sequence: int) -> dict[str, dict[str, str]]:
        if (meter, sequence) not in self._readings:
            raise NodeError("rpc.unknown", "nothing")
        return {"data": {"raw": encode(self._readings[meter, sequence]).hex()}}


def collected(one: World, member: str) -> dict[str, int]:
    """What the notes on the ledger open for a member, by kind."""
    openings, own = Openings(), [meter for meter in one.genesis.meters if meter.member == member]
    lost = asyncio.run(collect(cast(ProvenLedger, Ledger(one)), owner(member), own, openings))
    assert lost == []
    return openings.kinds()


def test_a_round_of_words_whose_makers_keep_nothing() -> None:
    one = world(honest=True)
    for member in OFFERS:
        sign = key_of(SUPPLIERS[member]).sign
        entropy = entropy_of("capacity", member)
        made = words.capacity(
            one.chain_id, owner(member), SUPPLIERS[member], 100_000, 40_000, REFERENCE, sign, entropy=entropy
        )
        one.all_run(one.say(member, made))
        assert capacity(one, member).value == 40_000
    one.bidding(None, ticks=(100, 200))
    for tenant in ("t1", "t2", "t3"):
        said = words.demand(
            one.chain_id, owner(tenant), one.round(), 9_000, TENANT_WH, entropy=entropy_of("demand", tenant)
        )
        one.all_run(one.say(tenant, said))
    for member, quantities in OFFERS.items():
        held, entropy = capacity(one, member), entropy_of("bid", member)
        bid = words.bid(one.chain_id, owner(member), one.round(), held, quantities, entropy=entropy)
        one.all_run(one.say(member, bid))
    one.freeze().open_sums()
    assert [opening.value for opening in ticks(one, "geo")] == OFFERS["geo"]
    with pytest.raises(NodeError, match="price"):
        words.clearing(change(one.round(), clearing=None))
    for member in OFFERS:
        entropy = entropy_of("award", member)
        award = words.award(one.chain_id, owner(member), one.round(), ticks(one, member), entropy=entropy)
        one.all_run(one.say(member, award))
    assert collected(one, "geo") == {"award": 1, "bid": 2, "capacity": 1}
    one.open_sums()
    one.pass_interval(dict.fromkeys(OFFERS, 8_000))
    for member in OFFERS:
        awarded = words.award_of(one.chain_id, owner(member), one.round(), one.supplier(member))
        grown, entropy = one.grown(SUPPLIERS[member], NEXT), entropy_of("delivery", member)
        shown = words.delivery(one.chain_id, owner(member), one.round(), awarded, grown, entropy=entropy)
        assert shown.shortfall_wh == max(0, awarded.value - 8_000)
        one.all_run(one.say(member, shown))
    assert (one.round().phase, one.round().outcome, one.locked()) == ("done", "balanced", 0)
    credit = CREDITS.decode(one.store[CREDITS.key("solar", "award", NEXT)])
    route = notes.Route(purpose="award", chain_id=one.chain_id, epoch=NEXT, sender="solar", recipient="solar")
    plain = notes.open_(note_secret("solar"), credit.note, **route)
    told = None if plain is None else read(plain)
    assert isinstance(told, Told) and told.opening(0).value == 100 * 8_000
    # What was earned in secret is spent like any other money, by whoever has the key.
    for member in OFFERS:
        take(one, owner(member))
    solar, balance = owner("solar"), found(one, owner("solar")).balance
    assert balance is not None and balance.value == 100 * 8_000
    earned = account.withdraw(seen(one, solar), solar, balance, balance.value, entropy_of("withdrawal"))
    before = one.balance_of("solar")
    one.all_run(one.say("solar", earned.body))
    assert one.balance_of("solar") == before + 100 * 8_000


def test_registers_are_read_from_the_readings_of_ones_own_meters_and_from_nothing_else() -> None:
    one = world(honest=True)
    said = {member: one.hidden_reading(member, 700, FIRST) for member in ("t1", "t2")}
    one.at(FIRST, 1)
    one.all_run(*said.values())
    meters = {"t1": "m-t1", "t2": "m-t2"}
    readings = {(meters[member], 1): envelope for member, envelope in said.items()}
    for member in said:
        openings, own = Openings(), [meter for meter in one.genesis.meters if meter.member == member]
        shown = cast(ProvenLedger, Ledger(one, readings))
        assert asyncio.run(collect(shown, owner(member), own, openings)) == []
        ((_, known),) = openings.all("reading")
        assert (known.about, known.opening.value) == (f"{meters[member]} 1", 700)
        # Another meter's reading in its place, none at all, and somebody else's key.
        swapped = {(meters[member], 1): said["t1" if member == "t2" else "t2"]}
        for told, who in ((swapped, member), ({}, member), (readings, "geo")):
            lost = asyncio.run(collect(cast(ProvenLedger, Ledger(one, told)), owner(who), own, Openings()))
            assert [text.partition(":")[0] for text in lost] == [meters[member]]
    # A reading that opens, and is not what is proven to stand on the ledger.
    key = HIDDEN_HEADS.key("m-t1")
    head = HIDDEN_HEADS.decode(one.store[key])
    one.store[key] = encode(change(head, latest=(change(head.latest[0], point=bases().V.to_bytes()),)))
    own = [meter for meter in one.genesis.meters if meter.member == "t1"]
    lost = asyncio.run(collect(cast(ProvenLedger, Ledger(one, readings)), owner("t1"), own, Openings()))
    assert len(lost) == 1 and "something else" in lost[0]


def test_a_note_of_somebody_else_or_about_something_else_opens_nothing() -> None:
    one = world(honest=True).bidding(20_000, ticks=(100, 200))
    capacities = {"bio": Opening(40_000, one.capacities["bio"].blinding)}
    said = words.bid(
        one.chain_id, owner("bio"), one.round(), capacities["bio"], OFFERS["bio"], entropy=entropy_of("bid")
    )
    one.all_run(one.say("bio", said))
    held = SEALED_OFFERS.decode(one.store[SEALED_OFFERS.key(NEXT, "bio")])
    with pytest.raises(NodeError, match="does not open"):
        words.bid_of(one.chain_id, owner("geo"), one.round(), held)
    with pytest.raises(NodeError, match="does not open"):
        words.bid_of(one.chain_id, owner("bio"), one.round(), change(held, note=held.note[:-1] + b"\0"))
    with pytest.raises(NodeError, match="does not open"):
        words.bid_of(one.chain_id, owner("bio"), one.round(), change(held, sealed=held.sealed[::-1]))
