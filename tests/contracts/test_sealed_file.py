"""What a sealed round was shown, checked once more by a stranger: bids, demands and awards out of block and ledger."""

from __future__ import annotations

import msgspec
import pytest
from ledger_world import change
from sealed_world import NEXT, SUPPLIERS, World, world

from contracts.envelope import AccountEnvelope, Envelope
from contracts.schema import SEALED_DEMANDS, SEALED_OFFERS, SEALED_ROUNDS
from contracts.sealed.bodies import SealAward, SealBid
from node.errors import ProofError
from node.proofs import Entry, ReceiptBundle, StateBundle
from node.statements import file, posted
from zk.codec import encode

OFFERS = {"bio": (0, 9_000, 0, 0), "geo": (8_000, 0, 0, 0), "solar": (0, 0, 30_000, 0)}


def fact(chain: World, said: Envelope) -> ReceiptBundle:
    """What a node gives for a transaction, without headers: what they prove is tested where bundles are."""
    return ReceiptBundle(chain.chain_id, {}, {}, (), (), {}, encode(said).hex(), 0, (), (), "", ())


def party(chain: World, member: str) -> StateBundle:
    keys = [SEALED_ROUNDS.key(NEXT), SEALED_OFFERS.key(NEXT, member), SEALED_DEMANDS.key(NEXT, member)]
    found = [(key, chain.store.get(key)) for key in keys]
    entries = tuple(Entry(key.hex(), None if value is None else value.hex(), "") for key, value in found)
    return StateBundle(chain.chain_id, {}, {}, (), (), entries)


def honestly(chain: World, said: str, *arguments: object) -> AccountEnvelope:
    """A word with a real proof, in a world in which the others stand for themselves."""
    chain.honest = True
    made: AccountEnvelope = getattr(chain, said)(*arguments)
    chain.honest = False
    return made


def checked(chain: World, said: AccountEnvelope, member: str) -> dict[str, object]:
    """The one statement of the file, checked without its facts."""
    built = posted.file_of(fact(chain, said), party(chain, member))
    assert [type(one) for one in built.facts] == [ReceiptBundle, StateBundle]
    alone = file.decode(msgspec.json.encode(file.StatementsFile(built.statements)))
    (one,) = file.verify(alone, chain.genesis).data["statements"]
    found: dict[str, object] = one
    return found


def test_bids_and_awards_are_checked_again_out_of_block_and_ledger() -> None:
    chain = world().bidding()
    bids = {member: honestly(chain, "bid", member, quantities) for member, quantities in OFFERS.items()}
    chain.all_run(*bids.values())
    chain.freeze()
    chain.open_sums()
    assert chain.round().clearing is not None
    shown = checked(chain, bids["solar"], "solar")
    assert "solar sealed a bid with a quantity at each of 4 ticks" in str(shown["proven"])
    award = honestly(chain, "award", "solar")
    assert chain.run(award) == "ok"
    shown = checked(chain, award, "solar")
    assert "the award of solar" in str(shown["proven"])
    # What its bid is weighted with is what the price says, of ciphertexts that the bid put on the ledger.
    (statement,) = posted.file_of(fact(chain, award), party(chain, "solar")).statements
    ((_, terms),) = statement.made_of.items()
    clearing = chain.round().clearing
    assert clearing is not None
    assert [factor for factor, _ in terms] == [clearing.whole] * (clearing.tick - 1) + [clearing.part]
    said = bids["solar"].body
    assert isinstance(said, SealBid)
    assert [one for _, one in terms] == [one.hex() for one in said.sealed[: clearing.tick]]
    # The same award under another's name, and one of another amount, are found out.
    body = award.body
    assert isinstance(body, SealAward)
    for forged in (change(award, sender="geo"), change(award, body=change(body, award=body.ephemeral))):
        with pytest.raises(ProofError) as error:
            checked(chain, forged, forged.sender)
        assert error.value.code == "proof.false"


def test_a_sealed_demand_is_checked_again() -> None:
    chain = world().bidding(demand_wh=None)
    said = honestly(chain, "demand", "t1", 7_000)
    assert chain.run(said) == "ok"
    assert "t1 sealed a demand of at most" in str(checked(chain, said, "t1")["proven"])


def test_what_proves_nothing_to_a_round_and_what_no_round_has_are_told_apart() -> None:
    chain = world().bidding()
    bid = honestly(chain, "bid", "solar", OFFERS["solar"])
    for one in (fact(chain, chain.opening_of()), change(fact(chain, bid), envelope="00"), party(chain, "solar")):
        with pytest.raises(ProofError) as error:
            posted.word_of(one)
        assert error.value.code == "proof.posted"
    empty = StateBundle(chain.chain_id, {}, {}, (), (), (Entry("00", None, ""),))
    stranger = change(bid, sender="t1")
    early = honestly(chain, "demand", "t1", 7_000)
    for said, known in (
        (bid, empty),
        (bid, fact(chain, bid)),
        (stranger, party(chain, "t1")),
        (early, party(chain, "t1")),
    ):
        with pytest.raises(ProofError) as error:
            posted.file_of(fact(chain, said), known)
        assert error.value.code == "proof.posted"
    assert set(SUPPLIERS) > set(OFFERS)
