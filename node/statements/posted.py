"""What a transaction of a sealed round proved, as a file in which anybody checks it again.

The ledger keeps what proofs were about, and the block keeps the proofs: of a bid, a demand or an award both together
are a statement. A sealed bid's weighted sum is said by the ciphertexts that it is made of, which are on the ledger.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from contracts.envelope import CODEC, AccountEnvelope
from contracts.schema import SEALED_DEMANDS, SEALED_OFFERS, SEALED_ROUNDS
from contracts.sealed import assertions
from contracts.sealed.bodies import SealAward, SealBid, SealDemand
from contracts.sealed.points import weighted
from contracts.sealed.records import SealedDemand, SealedOffer, SealedRound
from node.errors import ProofError
from node.proofs import AnyBundle, StateBundle
from node.render import render
from node.statements.file import Statement, StatementsFile, Terms, render_place
from node.statements.kinds import KINDS, Nothing
from node.statements.untrusted import read_as_it_is, records
from zk.codec import Malformed
from zk.statements import award, bid, demand
from zk.statements.assertion import Assertion, Where

SealedBody = SealBid | SealAward | SealDemand


class Word(NamedTuple):
    """What somebody said to a sealed round."""

    chain_id: str
    sender: str
    body: SealedBody


class _Party(NamedTuple):
    """A round, and what it has of one member."""

    round: SealedRound
    offer: SealedOffer | None
    demand: SealedDemand | None


def word_of(fact: AnyBundle) -> Word:
    """The word in the bundle of a transaction (`gridpact proof fetch tx`). Raises `ProofError` `proof.posted` for one
    that proved nothing to a sealed round."""
    try:
        envelope = None if isinstance(fact, StateBundle) else CODEC.decode(bytes.fromhex(fact.envelope))
    except Malformed:
        envelope = None
    if isinstance(envelope, AccountEnvelope) and isinstance(envelope.body, SealedBody):
        return Word(envelope.chain_id, envelope.sender, envelope.body)
    raise ProofError(
        "proof.posted",
        "This transaction proved nothing that the ledger still has everything about.",
        "Give the hash of a sealed bid, demand or award; of a private bill there is `gridpact proof cycle`.",
    )


def file_of(fact: AnyBundle, party: AnyBundle) -> StatementsFile:
    """A file with what the transaction of `fact` proved, rebuilt from the records of `party` (`gridpact proof fetch
    sealed` of its interval and sender). It carries both.

    Raises `ProofError` `proof.posted`, `proof.malformed`. Trusts nothing in them: whatever is false is found by whoever
    checks the file.
    """
    with read_as_it_is():
        return _file_of(fact, party)


def _file_of(fact: AnyBundle, party: AnyBundle) -> StatementsFile:
    word, known = word_of(fact), _read(party)
    place = assertions.where(word.chain_id, known.round, word.sender)
    statement = _statement(place, word, known)
    if statement is None:
        raise ProofError(
            "proof.posted",
            f"The round has nothing of {word.sender} that this transaction fits.",
            "It was refused, or is of another round; see its receipt.",
        )
    return StatementsFile((statement,), (fact, party))


def _statement(place: Where, word: Word, known: _Party) -> Statement | None:
    match word.body, known:
        case SealBid() as body, _Party(round=round_):
            pinned = [one.capacity for one in round_.participants if one.member == word.sender]
            if not pinned:
                return None
            posted = (body.sealed, body.ephemeral, body.slack, body.proof)
            return _of(place, bid.assertion(place, round_.key, pinned[0], *posted))
        case SealDemand() as body, _Party(round=round_, demand=SealedDemand() as held):
            made = demand.assertion(place, round_.key, body.sealed, body.ephemeral, held.rating_wh, body.proof)
            return _of(place, made)
        case SealAward() as body, _Party(round=round_, offer=SealedOffer() as offer) if round_.clearing is not None:
            clearing = round_.clearing
            factors = award.factors(clearing.tick, clearing.part, clearing.whole)
            terms = list(zip(offer.sealed, factors, strict=False))
            point = weighted(*terms).to_bytes()
            given = award.Awarded(body.award, body.remainder, body.sealed, body.ephemeral, body.proof)
            made_of = {point.hex(): tuple((factor, one.hex()) for one, factor in terms)}
            return _of(place, award.assertion(place, round_.key, point, clearing.whole, given), made_of)
    return None


def _of(place: Where, one: Assertion, made_of: dict[str, Terms] | None = None) -> Statement:
    about = msgspec.msgpack.decode(one.instance, type=KINDS[one.kind].about)
    return Statement(one.kind, render_place(place), render(about), render(Nothing()), one.proof.hex(), made_of or {})


def _read(party: AnyBundle) -> _Party:
    round_ = next(records(party, SEALED_ROUNDS), None)
    if round_ is None:
        raise ProofError(
            "proof.posted", "There is no sealed round in it.", "Give what `gridpact proof fetch sealed` wrote."
        )
    return _Party(round_, next(records(party, SEALED_OFFERS), None), next(records(party, SEALED_DEMANDS), None))
