"""Epochs: who has which seat with what power, computed from committed state two epochs before it counts.

Epoch k is the heights k * L + 1 to (k + 1) * L. Executing its last block computes the seating of epoch k + 2, so that
every header names a next set that its parent's state has settled; genesis computes the first two. What a bond weighs,
how much may change at once and what the cap is says `consensus.power`, who is drawn where they are too many
`consensus.committee`; here is where the figures come from and which nodes share them. Never takes a token, never says
whose turn it is, and never looks at who is alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from consensus import committee, power
from consensus.messages import MAX_VALIDATORS
from consensus.quorum import is_skip
from consensus.validators import Validator
from contracts import trust
from contracts.context import BlockContext
from contracts.genesis import ConsensusParams, Genesis
from contracts.members import Change, EpochLength, Member, NodeKeys, Organisation, Seating
from contracts.params import DAY_MS
from contracts.schema import EPOCH_LENGTH, EPOCH_LENGTHS, MEMBERS, SEATINGS, TRUSTS
from contracts.state import State
from zk.codec import encode
from zk.hashing import ZERO_HASH, domain

Nodes = Callable[[str], tuple[Validator, ...]]
"""The nodes with which an organisation takes its seats, each with a power of 1."""


class Terms(NamedTuple):
    """What the end of an epoch adds to bonds and indexes to seat another."""

    day: int
    """Of ledger time; a committee is drawn once in each."""
    randomness: bytes
    """A committee is drawn with."""
    turns: bytes
    """Seed of the order of changes, see `consensus.power.in_turn`."""
    committee_seats: int
    seat_bond_tokens: int
    """Who has bonded less has no weight."""


def terms(name: str, mix: bytes, ended: int, time_ms: int, consensus: ConsensusParams) -> Terms:
    """The terms at the end of epoch `ended`, of the chain's id and its mix there: everybody can compute them again."""
    draws = [domain(purpose, name) + encode((mix, ended)) for purpose in ("committee", "churn")]
    return Terms(time_ms // DAY_MS, draws[0], draws[1], consensus.committee_seats, consensus.seat_bond_tokens)


def epoch_of(height: int, consensus: ConsensusParams) -> int:
    """Epoch of a height, from 0; genesis is in the first."""
    return _epoch(height, consensus.epoch_blocks)


def ends_epoch(height: int, consensus: ConsensusParams) -> bool:
    """Whether this block is the last of its epoch. Genesis ends none that anybody computes from."""
    return height % consensus.epoch_blocks == 0


def seating(state: State, height: int) -> Seating:
    """The seating of a height that is at most two above the newest executed one, or in the epoch before that.

    Raises LookupError for any other: the node's store has the older ones, by their hash.
    """
    length = state.load(EPOCH_LENGTHS, EPOCH_LENGTH)
    number = 0 if length is None else _epoch(height, length.blocks)
    found = state.load(SEATINGS, SEATINGS.key(number))
    if found is None:
        raise LookupError(f"state has no seating of epoch {number}, height {height}")
    return found


def seats(state: State, height: int) -> tuple[Validator, ...]:
    """Seats of a height, ascending by node id. Raises as `seating`."""
    return seating(state, height).seats


def powers(state: State, height: int) -> dict[str, int]:
    """Power of each organisation at a height, by id; without flagged ones, whose votes do not count. Raises as
    `seating`."""
    return {one.id: one.power for one in seating(state, height).organisations if not one.flagged}


def organisation(state: State, height: int, node: str) -> str | None:
    """Organisation whose seat `node` is at a height; None: it has none. Raises as `seating`."""
    return next((seat.organisation for seat in seats(state, height) if seat.id == node), None)


def are_heard(state: State, height: int, names: Iterable[str]) -> bool:
    """Whether these organisations, each named once, have more than 1/3 of the power: one of them is honest. Raises as
    `seating`."""
    held = powers(state, height)
    return is_skip(sum(held.get(name, 0) for name in names), sum(held.values()))


def founding(genesis: Genesis) -> tuple[Seating, Seating]:
    """Epochs 0 and 1, from the document alone. Empty where fewer than four members have weight: nobody may start from
    such a document."""
    opened = {opening.member: opening for opening in genesis.trusts}
    nodes = {member.id: _nodes(member) for member in registered(genesis)}
    weights: dict[str, int] = {}
    for id_ in sorted(nodes):
        given = opened.get(id_)
        bar = genesis.consensus.seat_bond_tokens
        weight = 0 if given is None else seat_weight(given.bonded_tokens, given.index_ppm, bar)
        if weight and nodes[id_]:
            weights[id_] = weight
    # Not the chain id: a light client has no more of the document than this needs.
    opening = terms(genesis.name, ZERO_HASH, 0, genesis.time_ms, genesis.consensus)
    first = _first(0, weights, nodes.__getitem__, Change("genesis", 0), opening)
    return first, msgspec.structs.replace(first, number=1)


def registered(genesis: Genesis) -> tuple[Member, ...]:
    """Members as state has them: of their nodes, those that the document lists take seats."""
    listed = frozenset(genesis.validators)

    def marked(node: NodeKeys) -> NodeKeys:
        return msgspec.structs.replace(node, validator=node.node in listed)

    return tuple(msgspec.structs.replace(one, nodes=tuple(map(marked, one.nodes))) for one in genesis.members)


def records(genesis: Genesis) -> dict[bytes, bytes]:
    """What state holds of epochs at the start, encoded."""
    opened = {SEATINGS.key(one.number): encode(one) for one in founding(genesis)}
    return {EPOCH_LENGTH: encode(EpochLength(genesis.consensus.epoch_blocks)), **opened}


def close(state: State, context: BlockContext) -> Seating | None:
    """End the epoch whose last block this is: the seating that is two ahead. None inside an epoch."""
    if not ends_epoch(context.height, context.consensus):
        return None
    ended = epoch_of(context.height, context.consensus)
    before = state.load(SEATINGS, SEATINGS.key(ended + 1))
    assert before is not None, "each epoch was computed when the one two before it ended"
    at = terms(context.chain_id, context.mix, ended, context.time_ms, context.consensus)
    after = following(state, before, context.height, at)
    state.save(SEATINGS.key(after.number), after)
    weights = {one.id: one.weight for one in after.organisations}
    for one in before.organisations:
        weights[one.id] = max(one.weight, weights.get(one.id, 0))
    trust.retire(state, context, weights)
    if ended:
        state.remove(SEATINGS.key(ended - 1))
    state.commit()
    return after


def seat_weight(bonded_tokens: int, index_ppm: int, seat_bond_tokens: int) -> int:
    """Weight of an organisation in a pact with this bar; 0 below it."""
    return power.weight(bonded_tokens, index_ppm) if bonded_tokens >= seat_bond_tokens else 0


def following(state: State, before: Seating, height: int, at: Terms) -> Seating:
    """The seating after `before`, from the state of a block of this height."""
    wanted, nodes = wanted_weights(state, at.seat_bond_tokens), _nodes_now(state, before)
    if not before.organisations:
        return _first(before.number + 1, wanted, nodes, Change("seated", height), at)
    gone = frozenset(trust.tombstoned(state))
    applied = {one.id: one.weight for one in before.organisations}
    if before.drawn_day is None:
        weights = applied if applied == wanted else power.advance(applied, wanted, at.turns, gone)
    elif len(wanted) < power.MIN_ORGANISATIONS:
        weights = applied
    elif before.drawn_day == at.day:
        # Who can not be drawn any more leaves, as fast as any change goes; nobody comes before the next draw.
        staying = {id_: 1 for id_ in applied if id_ in wanted}
        left = power.advance(dict.fromkeys(applied, 1), staying, at.turns, gone)
        weights = {id_: applied[id_] for id_ in left}
    else:
        weights = wanted
    return _flagged(_seated(before, weights, nodes, height, at), gone)


def _flagged(seating: Seating, gone: frozenset[str]) -> Seating:
    """The same with the tombstoned flagged, who stay because fewer than four would remain, or until the churn budget
    has let all of their power go: their votes count no more."""
    if not gone:
        return seating
    replace = msgspec.structs.replace
    organisations = tuple(replace(one, flagged=one.id in gone) for one in seating.organisations)
    seats = tuple(replace(seat, flagged=seat.organisation in gone) for seat in seating.seats)
    return replace(seating, organisations=organisations, seats=seats)


def _epoch(height: int, blocks: int) -> int:
    return max(0, height - 1) // blocks


def wanted_weights(state: State, seat_bond_tokens: int) -> dict[str, int]:
    """Weights that bonds and indexes ask for under this bar, of members with a node to vote with, ascending by id; the
    tombstoned have none."""
    weights: dict[str, int] = {}
    gone = frozenset(trust.tombstoned(state))
    for one in state.group(TRUSTS):
        weight = seat_weight(one.bonded_tokens, one.index_ppm, seat_bond_tokens)
        if weight and one.member not in gone and _has_node(state, one.member):
            weights[one.member] = weight
    return {id_: weights[id_] for id_ in sorted(weights)}


def _has_node(state: State, id_: str) -> bool:
    # Asked for everybody: to format a key takes longer than to look it up.
    member = state.load(MEMBERS, MEMBERS.prefix + id_.encode())
    return member is not None and any(node.validator for node in member.nodes)


def _nodes_of(state: State, id_: str) -> tuple[Validator, ...]:
    member = state.load(MEMBERS, MEMBERS.key(id_))
    return () if member is None else _nodes(member)


def _nodes(member: Member) -> tuple[Validator, ...]:
    return tuple(
        Validator(node.node, member.id, node.consensus_key, node.bls_key, 1) for node in member.nodes if node.validator
    )


def _nodes_now(state: State, before: Seating) -> Nodes:
    """Today's nodes of an organisation; of one that must stay although it has none any more, those that it had."""

    def nodes(id_: str) -> tuple[Validator, ...]:
        return _nodes_of(state, id_) or tuple(seat for seat in before.seats if seat.organisation == id_)

    return nodes


def _first(number: int, weights: Mapping[str, int], nodes: Nodes, change: Change, at: Terms) -> Seating:
    """A seating that follows none: nothing bounds its change. Empty while fewer than four have weight."""
    if len(weights) < power.MIN_ORGANISATIONS:
        return Seating(number, (), ())
    shares, day = _shares(weights, None, at)
    organisations = tuple(Organisation(id_, weights[id_], share, change) for id_, share in shares.items())
    return Seating(number, organisations, _dealt(organisations, nodes), day)


def _seated(before: Seating, weights: Mapping[str, int], nodes: Nodes, height: int, at: Terms) -> Seating:
    """The seating after `before` with these weights, ascending by id."""
    known = {one.id: one for one in before.organisations}
    shares, day = _shares(weights, before.drawn_day, at)

    def entry(id_: str, share: int) -> Organisation:
        old, weight = known.get(id_), weights[id_]
        if old is None:
            return Organisation(id_, weight, share, Change("seated", height))
        if old.power == share:
            return Organisation(id_, weight, share, old.change)
        return Organisation(id_, weight, share, Change("cap" if old.weight == weight else "weight", height))

    organisations = tuple(entry(id_, share) for id_, share in shares.items())
    return Seating(before.number + 1, organisations, _dealt(organisations, nodes), day)


def _shares(weights: Mapping[str, int], drawn_day: int | None, at: Terms) -> tuple[dict[str, int], int | None]:
    """Powers of at least four weights, ascending by id, and the day of the draw where a committee has them.

    `weights` are those of a committee already where that was drawn on the same day.
    """
    if drawn_day == at.day:
        return dict.fromkeys(weights, 1), drawn_day
    if len(weights) <= committee.EVERYBODY:
        return power.powers(weights), None
    return dict.fromkeys(committee.draw(at.randomness, tuple(weights), at.committee_seats), 1), at.day


def _dealt(organisations: Sequence[Organisation], nodes: Nodes) -> tuple[Validator, ...]:
    """Powers dealt out to nodes. Where everybody's nodes are more than there may be seats, each organisation keeps
    the first of its own in id order, as many as an equal part of the seats."""
    most = MAX_VALIDATORS // len(organisations)
    dealt: dict[str, Validator] = {}
    for one in organisations:
        own = {node.id: node for node in nodes(one.id) if node.id not in dealt}
        if not own:
            continue
        for id_, part in power.split(one.power, sorted(own)[:most]).items():
            dealt[id_] = msgspec.structs.replace(own[id_], power=part)
    return tuple(dealt[id_] for id_ in sorted(dealt))
