"""Whether a header may be believed by somebody who holds one older header and no state: the light client's verdict.

Follows the verification part of the Tendermint light client specification (LCV-FUNC-VALID): `judge` compares one
trusted light block with one untrusted one. The assumption behind every verdict: at the time of a block, more than 2/3
of the power that it names for the next height is correct, and stays so for the trusting period. Never fetches, never
reads a clock, never remembers: `consensus.skipping` decides which heights to look at.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, NamedTuple

import msgspec

from consensus.certificates import verify_commit
from consensus.messages import MAX_VALIDATORS, CommitCertificate, Header
from consensus.quorum import is_skip
from consensus.refusals import Refusal
from consensus.validators import Validator, ValidatorSet
from zk.codec import Codec

Seats = Annotated[tuple[Validator, ...], msgspec.Meta(min_length=1, max_length=MAX_VALIDATORS)]

MAX_LIGHT_BLOCK_BYTES = 128 * 1024
"""Two sets of `MAX_VALIDATORS` seats with the longest ids and keys, as many signatures, and a header."""

CODES: dict[str, str] = {
    "light.chain": "both headers must be of one chain",
    "light.height": "the untrusted header must be above the trusted one",
    "light.asked": "the answer must be of the height that was asked for",
    "light.time": "time must move forward from the trusted to the untrusted header",
    "light.expired": "the trusted header must be younger than the trusting period",
    "light.future": "the untrusted header's time must not be ahead of this clock by the allowed drift or more",
    "light.set": "the validators must be those that the header commits to with set_hash",
    "light.next-set": "the next validators must be those that the header commits to with next_set_hash",
    "light.adjacent-set": "the header after the trusted one must have the set that the trusted one names as next",
    "light.certificate": "the certificate must be of this header",
    "light.signers": "more than 2/3 of the header's own set must have signed it, each signature valid",
    "light.trust": "more than 1/3 of the power that the trusted header names as next must have signed",
    "light.genesis": "the first header must stand on the genesis document and name the set that it seats",
    "light.hash": "the header must have the height and hash that were given to trust",
}
"""Every reason why a light block is not believed, with what would have been right. Never reused."""


class LightBlock(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A decided header with everything that it takes to believe it, and to go on from it.

    `validators` is the set of its height, `next_validators` that of the one above, both in order of their ids.
    Nothing in it is to be trusted until `judge` or an anchor has accepted it.
    """

    header: Header
    certificate: CommitCertificate
    validators: Seats
    next_validators: Seats

    @property
    def height(self) -> int:
        """Height of the header."""
        return self.header.height

    def id(self) -> bytes:
        """Block id, 32 bytes."""
        return self.header.id()


CODEC: Codec[LightBlock] = Codec(LightBlock, MAX_LIGHT_BLOCK_BYTES)


class Verdict(StrEnum):
    """What the untrusted block is to somebody who trusts the other one."""

    SUCCESS = "success"
    """To be trusted as much."""
    NOT_ENOUGH_TRUST = "not-enough-trust"
    """Valid by itself, but too few of those who are trusted signed it: look at a height between."""
    INVALID = "invalid"
    """Not a block of the chain, or the trusted one is too old to tell."""


class Judgement(NamedTuple):
    """A verdict with its reason: `code` of `CODES`, empty for success, and a sentence."""

    verdict: Verdict
    code: str
    reason: str


class LightRefusal(Exception):
    """A light block is not acceptable: `code` of `CODES`, `reason` what would have been right and what was seen."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"{code}: {reason}")


def refusal(code: str, seen: str) -> LightRefusal:
    """To be raised: the sentence of `code` with what was seen."""
    return LightRefusal(code, f"{CODES[code]} ({seen})")


def verify(
    trusted: LightBlock, untrusted: LightBlock, now_ms: int, trusting_period_ms: int, max_clock_drift_ms: int
) -> Verdict:
    """The verdict on `untrusted` at `now_ms`, all times in ledger milliseconds; `judge` also says why."""
    return judge(trusted, untrusted, now_ms, trusting_period_ms, max_clock_drift_ms).verdict


def judge(
    trusted: LightBlock, untrusted: LightBlock, now_ms: int, trusting_period_ms: int, max_clock_drift_ms: int
) -> Judgement:
    """`verify` with its reason. Total: no light block raises, whoever made it."""
    try:
        check_fresh(trusted, now_ms, trusting_period_ms)
        if untrusted.header.time_ms >= now_ms + max_clock_drift_ms:
            raise refusal("light.future", f"{untrusted.header.time_ms}, here {now_ms}")
    except LightRefusal as error:
        return Judgement(Verdict.INVALID, error.code, error.reason)
    return judge_timeless(trusted, untrusted)


def judge_timeless(trusted: LightBlock, untrusted: LightBlock) -> Judgement:
    """`judge` without clocks: what those who look back at two blocks, as evidence, have to know."""
    try:
        _check_succession(trusted, untrusted)
        check_alone(untrusted)
    except LightRefusal as error:
        return Judgement(Verdict.INVALID, error.code, error.reason)
    if untrusted.height == trusted.height + 1:
        # Its whole set is the one that the trusted header named, and 2/3 of that signed.
        return Judgement(Verdict.SUCCESS, "", "The next header, signed by the set that was named for it.")
    got, total = trusted_power(trusted, untrusted), sum(seat.power for seat in trusted.next_validators)
    if is_skip(got, total):
        return Judgement(Verdict.SUCCESS, "", f"Signed by {got} of {total} trusted power.")
    return Judgement(Verdict.NOT_ENOUGH_TRUST, "light.trust", f"{CODES['light.trust']} ({got} of {total})")


def check_fresh(trusted: LightBlock, now_ms: int, trusting_period_ms: int) -> None:
    """Raise `LightRefusal` `light.expired` when the signers of `trusted` may have left with their bonds."""
    if trusted.header.time_ms + trusting_period_ms <= now_ms:
        raise refusal("light.expired", f"{trusted.header.time_ms}, here {now_ms}, period {trusting_period_ms}")


def check_alone(block: LightBlock) -> None:
    """Raise `LightRefusal` unless the block is what it claims: its own sets, its own quorum.

    Says nothing about whether these sets ever were the chain's.
    """
    header, certificate = block.header, block.certificate
    validators = _committed_set(block.validators, header.set_hash, "light.set")
    _committed_set(block.next_validators, header.next_set_hash, "light.next-set")
    if (certificate.height, certificate.block_id) != (header.height, header.id()):
        raise refusal("light.certificate", f"height {certificate.height}, {certificate.block_id.hex()}")
    try:
        verify_commit(certificate, header.chain_id, validators)
    except Refusal as error:
        raise refusal("light.signers", str(error)) from None


def trusted_power(trusted: LightBlock, untrusted: LightBlock) -> int:
    """Power that `trusted` names for the next height and whose signature `untrusted` carries.

    Seats are matched by key, the only thing that a signature proves: an id of a forged set may belong to anybody. A
    flagged seat adds nothing. The signatures themselves are the business of `check_alone`.
    """
    signers = {seat.public_key for seat in signers_of(untrusted)}
    return sum(seat.counted_power for seat in trusted.next_validators if seat.public_key in signers)


def signers_of(block: LightBlock) -> list[Validator]:
    """The seats whose signatures a checked block carries, in order."""
    return [block.validators[index] for index, _ in block.certificate.signatures]


# Anchors: where trust comes from, when there is no trusted block yet.


def check_genesis(block: LightBlock, chain_id: str, genesis_hash: bytes, validators: ValidatorSet) -> None:
    """Raise `LightRefusal` unless `block` is the first one on a genesis document: `genesis_hash` is its id as a
    parent, `validators` the set that it seats."""
    header = block.header
    if header.chain_id != chain_id:
        raise refusal("light.chain", f"{header.chain_id}, genesis {chain_id}")
    if (header.height, header.parent_hash, header.set_hash) != (1, genesis_hash, validators.hash):
        raise refusal("light.genesis", f"height {header.height}, parent {header.parent_hash.hex()}")
    check_alone(block)


def check_hash(block: LightBlock, height: int, block_id: bytes) -> None:
    """Raise `LightRefusal` unless `block` is the one that somebody said to trust."""
    if (block.height, block.id()) != (height, block_id):
        raise refusal("light.hash", f"height {block.height}, {block.id().hex()}")
    check_alone(block)


def _check_succession(trusted: LightBlock, untrusted: LightBlock) -> None:
    before, after = trusted.header, untrusted.header
    if after.chain_id != before.chain_id:
        raise refusal("light.chain", f"{after.chain_id}, trusted {before.chain_id}")
    if after.height <= before.height:
        raise refusal("light.height", f"{after.height}, trusted {before.height}")
    if after.time_ms <= before.time_ms:
        raise refusal("light.time", f"{after.time_ms}, trusted {before.time_ms}")
    if after.height == before.height + 1 and after.set_hash != before.next_set_hash:
        raise refusal("light.adjacent-set", f"{after.set_hash.hex()}, named {before.next_set_hash.hex()}")


def _committed_set(seats: tuple[Validator, ...], set_hash: bytes, code: str) -> ValidatorSet:
    """The set of these seats. Raises `LightRefusal` with `code` unless it is one, and hashes to `set_hash`."""
    try:
        validators = ValidatorSet(seats)
    except ValueError as error:
        raise refusal(code, str(error)) from None
    if validators.hash != set_hash:
        raise refusal(code, f"{validators.hash.hex()}, committed {set_hash.hex()}")
    return validators
