"""Who lied to a light client: two decided-looking headers of one height, what kind of attack that is, whom it proves.

    lunatic        they differ in what history alone decides (parent, sets, parameters, state): whoever signed the one
                   that is not the chain's lied, and whoever signed both lied whichever that is
    equivocation   history agrees and so does the round: whoever signed both voted twice, see
                   `consensus.evidence.duplicate_precommits`
    amnesia        history agrees, the rounds differ: somebody forgot a lock, and these two blocks do not show who

Follows the detection part of the Tendermint light client specification. Accuses only by signatures, and never a member
who keeps the rules: such a one has one parent, one state and one precommit per round. Never decides what is done then.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec

from consensus.light import MAX_LIGHT_BLOCK_BYTES, LightBlock, Verdict, judge_timeless, signers_of
from consensus.messages import Header, Height
from consensus.validators import Validator
from zk.codec import Codec

MAX_ATTACK_BYTES = MAX_LIGHT_BLOCK_BYTES + 16


class Kind(StrEnum):
    """Kinds of attack, see the module."""

    LUNATIC = "lunatic"
    EQUIVOCATION = "equivocation"
    AMNESIA = "amnesia"


class LightClientAttack(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A light block that a light client would believe and the chain does not have.

    `common_height` is that of a block of the chain from which `conflicting` verifies in one step.
    """

    common_height: Height
    conflicting: LightBlock


CODEC: Codec[LightClientAttack] = Codec(LightClientAttack, MAX_ATTACK_BYTES)


class NotAnAttack(Exception):
    """What was handed in as evidence shows nothing; the message says what is missing."""


class Finding(NamedTuple):
    """What two blocks of one height show: seats in the order of their set.

    `proven` lied whichever of the two is the chain's. `left` lied if `right` is the chain's, and the other way round;
    both hold everybody in `proven`.
    """

    kind: Kind
    proven: tuple[Validator, ...]
    left: tuple[Validator, ...]
    right: tuple[Validator, ...]


def compare(common: LightBlock, left: LightBlock, right: LightBlock) -> Finding:
    """What `left` and `right` show. Both must have been verified, whoever asks trusts `common` below them."""
    kind = kind_of(left, right)
    if kind is Kind.AMNESIA:
        return Finding(kind, (), (), ())
    both = _with_keys_of(signers_of(left), signers_of(right))
    if kind is Kind.EQUIVOCATION:
        return Finding(kind, both, both, both)
    return Finding(kind, both, _seated(common, left, right), _seated(common, right, left))


def accused(attack: LightClientAttack, common: LightBlock, own: LightBlock) -> tuple[Kind, tuple[Validator, ...]]:
    """Kind of the attack and who lied, as seen by a node whose chain has `common` and `own`.

    Raises `NotAnAttack` unless `attack` would have deceived somebody who trusts `common`.
    """
    conflicting = attack.conflicting
    if common.height != attack.common_height or own.height != conflicting.height:
        raise NotAnAttack(f"compare it with the blocks of heights {attack.common_height} and {conflicting.height}")
    if own.id() == conflicting.id():
        raise NotAnAttack(f"block {own.height} is the chain's")
    judgement = judge_timeless(common, conflicting)
    if judgement.verdict is not Verdict.SUCCESS:
        raise NotAnAttack(f"nobody would believe it: {judgement.reason}")
    finding = compare(common, conflicting, own)
    return finding.kind, finding.left


def kind_of(left: LightBlock, right: LightBlock) -> Kind:
    """The kind of attack that two different blocks of one height are."""
    if _history(left.header) != _history(right.header):
        return Kind.LUNATIC
    return Kind.EQUIVOCATION if left.certificate.round == right.certificate.round else Kind.AMNESIA


def _history(header: Header) -> tuple[bytes | int, ...]:
    """What a header says that no proposer may choose: equal in all headers that correct members sign at a height."""
    return (
        header.version,
        header.parent_hash,
        header.params_hash,
        header.set_hash,
        header.next_set_hash,
        header.state_root,
        header.receipts_root,
    )


def _seated(common: LightBlock, block: LightBlock, other: LightBlock) -> tuple[Validator, ...]:
    """Signers of `block` whose keys have a seat after `common`, or in the set that the other side names.

    Others are strangers of a forged set, which accuse nobody.
    """
    return _with_keys_of(signers_of(block), [*common.next_validators, *other.validators])


def _with_keys_of(seats: list[Validator], others: list[Validator]) -> tuple[Validator, ...]:
    keys = {seat.public_key for seat in others}
    return tuple(seat for seat in seats if seat.public_key in keys)
