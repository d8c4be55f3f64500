"""Attacks on light clients: what a divergence shows, whom it names, and that it never names an honest member."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from consensus.attack import CODEC, Kind, LightClientAttack, NotAnAttack, accused, compare
from consensus.evidence import check, duplicate_precommits
from consensus.light import CODEC as LIGHT
from consensus.light import LightBlock, LightRefusal, Verdict, judge_timeless
from consensus.skipping import MAX_TRACE, Divergence, Trace, Trust, bisect, examine
from consensus.validators import Validator, ValidatorSet
from tests.consensus.light_chain import CHAIN, SECOND, Powers, chain, drive, light_block
from zk.codec import Malformed, encode
from zk.ed25519 import verify
from zk.hashing import ZERO_HASH

TRUST = Trust(10_000 * SECOND, 10 * SECOND)
NOW_MS = 100 * SECOND
NAMES = ["ada", "bob", "cyd", "dan", "eve", "fay", "gus"]
SET = dict.fromkeys(NAMES, 1)
HEIGHT = 5
HISTORY: dict[str, Any] = {
    "version": 2,
    "parent_hash": b"p" * 32,
    "params_hash": ZERO_HASH,
    "state_root": ZERO_HASH,
    "receipts_root": ZERO_HASH,
}
SETS = [("powers", None), ("next_powers", None)]
"""Fields of history too, for a set of the forgers alone."""
CHOICES: dict[str, Any] = {
    "payload_root": ZERO_HASH,
    "time_ms": HEIGHT * SECOND + 1,
    "proposer": "bob",
    "proposer_round": 3,
    "last_certificate_hash": b"l" * 32,
    "evidence_root": ZERO_HASH,
    "beacon": b"b",
}


def own_chain(signers: list[str] | None = None) -> list[LightBlock]:
    return chain([SET] * 7, lambda height: signers if height == HEIGHT else None)


def forged(
    signers: list[str], powers: Powers = SET, next_powers: Powers = SET, round_: int = 0, **changes: Any
) -> LightBlock:
    """Another block of `HEIGHT` beside that of `own_chain`."""
    parent = own_chain()[HEIGHT - 2].id()
    made = {"time_ms": HEIGHT * SECOND, "parent_hash": parent} | changes
    return light_block(HEIGHT, made.pop("time_ms"), powers, next_powers, signers, round_, **made)


def ids(seats: tuple[Validator, ...]) -> set[str]:
    return {one.id for one in seats}


@given(st.data())
@settings(max_examples=150)
def test_no_honest_member_is_ever_accused(data: st.DataObject) -> None:
    """Forgers sign anything. The others sign one history, one block per round, and may change over in a later round."""
    forgers = data.draw(st.lists(st.sampled_from(NAMES), min_size=3, max_size=6, unique=True))
    honest = [name for name in NAMES if name not in forgers]
    changed, value = data.draw(st.sampled_from([*HISTORY.items(), *CHOICES.items(), *SETS]))
    another = {changed: dict.fromkeys(forgers, 1) if value is None else value}
    round_ = data.draw(st.integers(0, 1))
    mine = data.draw(st.lists(st.sampled_from(honest), unique=True))
    theirs = [name for name in honest if changed in CHOICES and (round_ or name not in mine)]
    own = own_chain(mine + forgers)
    conflicting = forged(theirs + forgers, round_=round_, **another)
    common = own[data.draw(st.integers(0, HEIGHT - 2))]
    assume(judge_timeless(common, own[HEIGHT - 1]).verdict is Verdict.SUCCESS)
    attack = LightClientAttack(common.height, conflicting)
    if judge_timeless(common, conflicting).verdict is not Verdict.SUCCESS:
        with pytest.raises(NotAnAttack, match="believe"):
            accused(attack, common, own[HEIGHT - 1])
        return
    kind, liars = accused(attack, common, own[HEIGHT - 1])
    finding = compare(common, own[HEIGHT - 1], conflicting)
    assert ids(finding.proven) <= set(forgers) and ids(liars) <= set(forgers)
    if changed in CHOICES:
        assert kind is (Kind.AMNESIA if round_ else Kind.EQUIVOCATION)
    else:
        assert kind is Kind.LUNATIC
    # More than 1/3 of the trusted power, and nobody of them escapes but by amnesia.
    assert (len(liars) * 3 > len(NAMES)) is (kind is not Kind.AMNESIA)
    assert ids(finding.right) == ids(liars) and ids(finding.proven) <= ids(finding.left) & ids(finding.right)


def test_a_header_that_history_forbids_convicts_all_who_signed_it() -> None:
    common, own = own_chain()[0], own_chain(["ada", "bob", "cyd", "dan", "eve"])[HEIGHT - 1]
    liars = {"dan": 1, "eve": 1, "fay": 1, "stranger": 1}
    finding = compare(common, forged(list(liars), liars), own)
    assert finding.kind is Kind.LUNATIC
    assert ids(finding.left) == {"dan", "eve", "fay"}, "strangers have nothing to lose"
    assert ids(finding.proven) == {"dan", "eve"}, "these lied whichever block is the chain's"
    assert ids(finding.right) == {"ada", "bob", "cyd", "dan", "eve"}


def test_equivocation_gives_evidence_that_stands_alone() -> None:
    common, own = own_chain()[0], own_chain(["ada", "bob", "cyd", "dan", "eve"])[HEIGHT - 1]
    conflicting = forged(["cyd", "dan", "eve", "fay", "gus"], payload_root=ZERO_HASH)
    finding = compare(common, own, conflicting)
    assert (finding.kind, ids(finding.proven)) == (Kind.EQUIVOCATION, {"cyd", "dan", "eve"})
    validators = ValidatorSet(own.validators)
    evidence = duplicate_precommits(own.certificate, conflicting.certificate, validators)
    assert [one.accused for one in evidence] == ["cyd", "dan", "eve"]
    assert all(verify(*part) for one in evidence for part in check(one, CHAIN, validators))


def test_evidence_is_compared_with_the_blocks_that_it_names() -> None:
    own = own_chain()
    attack = LightClientAttack(2, forged(NAMES, payload_root=ZERO_HASH))
    assert accused(attack, own[1], own[4])[0] is Kind.EQUIVOCATION
    for wrong, common, block in (
        (attack, own[2], own[4]),
        (attack, own[1], own[3]),
        (LightClientAttack(2, own[4]), own[1], own[4]),
    ):
        with pytest.raises(NotAnAttack):
            accused(wrong, common, block)


def test_evidence_has_one_bounded_form() -> None:
    attack = LightClientAttack(2, forged(NAMES))
    raw = encode(attack)
    assert CODEC.decode(raw) == attack
    for wrong in (raw[:-1], raw + b"\x00", encode((2,)), encode((-1, attack.conflicting)), bytes(CODEC.limit + 1)):
        with pytest.raises(Malformed):
            CODEC.decode(wrong)
    assert CODEC.limit > LIGHT.limit


# Divergence: a primary that leads one way, and a witness that shows another.


FORGERS = ("cyd", "dan", "eve")
"""Three of seven: enough to be believed by one who skips, too few to decide a height."""


def forgers_chain(real: list[LightBlock], since: int) -> list[LightBlock]:
    """A way that leaves the real one above height `since`, by a set of the forgers alone."""
    powers = dict.fromkeys(FORGERS, 1)
    return real[:since] + [
        light_block(height, height * SECOND, powers, powers, state_root=ZERO_HASH)
        for height in range(since + 1, len(real) + 1)
    ]


def source(blocks: list[LightBlock]) -> Callable[[int], LightBlock]:
    return lambda height: blocks[height - 1]


def follow(blocks: list[LightBlock], trusted: LightBlock) -> Trace:
    return drive(bisect(trusted, len(blocks), TRUST), source(blocks), NOW_MS)


def told(attacks: tuple[LightClientAttack, ...], real: list[LightBlock]) -> list[tuple[Kind, set[str]]]:
    """What a node with the real chain makes of the evidence."""
    found = []
    for attack in attacks:
        try:
            kind, seats = accused(attack, real[attack.common_height - 1], real[attack.conflicting.height - 1])
        except NotAnAttack:
            continue
        found.append((kind, ids(seats)))
    return found


@given(st.integers(3, 30), st.integers(1, 28), st.booleans())
@settings(max_examples=40)
def test_whoever_lies_first_is_named_whichever_side_he_is_on(length: int, since: int, primary_lies: bool) -> None:
    assume(since < length - 1)
    real = chain([SET] * (length + 1))
    lie = forgers_chain(real, since)
    mine, theirs = (lie, real) if primary_lies else (real, lie)
    trace = follow(mine, real[0])
    divergence = drive(examine(trace, theirs[-1], TRUST), source(theirs), NOW_MS)
    assert isinstance(divergence, Divergence)
    assert (divergence.left.id(), divergence.right.id()) == (mine[-1].id(), theirs[-1].id())
    finding = compare(divergence.common, divergence.left, divergence.right)
    assert finding.kind is Kind.LUNATIC
    assert ids(finding.left if primary_lies else finding.right) == set(FORGERS)
    assert told(divergence.attacks, real) == [(Kind.LUNATIC, set(FORGERS))]


def test_the_last_common_block_is_found_on_a_way_of_many_steps() -> None:
    early = [{f"n{height // 6}": 1} for height in range(12)]
    real = chain([*early, *[SET] * 8])
    lie = forgers_chain(real, 15)
    trace = follow(lie, real[0])
    assert len(trace) > 3
    divergence = drive(examine(trace, real[-1], TRUST), source(real), NOW_MS)
    at = [block.id() for block in trace].index(divergence.left.id())
    assert divergence.common is trace[at - 1] and divergence.common.height <= 15 < divergence.left.height
    assert divergence.right.id() == real[divergence.left.height - 1].id()
    assert (Kind.LUNATIC, set(FORGERS)) in told(divergence.attacks, real)
    assert len(divergence.attacks) <= 1 + MAX_TRACE


def test_a_witness_with_a_long_way_costs_a_bounded_number_of_kept_steps() -> None:
    """One forged step against a real way on which the whole set changes at each height."""
    real = chain([{f"n{height}": 1} for height in range(1, 4 * MAX_TRACE)])
    liar = {"n2": 1}
    lie = light_block(len(real), len(real) * SECOND, liar, liar, state_root=ZERO_HASH)
    divergence = drive(examine((real[0], lie), real[-1], TRUST), source(real), NOW_MS)
    assert divergence.right.id() == real[-1].id() and len(divergence.attacks) == 1 + MAX_TRACE
    assert told(divergence.attacks, real) == [(Kind.LUNATIC, {"n2"})]


def test_a_witness_that_can_not_support_its_block_is_wrong_alone() -> None:
    real = chain([SET] * 11)
    trace = follow(real, real[0])
    unsigned = light_block(10, 10 * SECOND, SET, SET, ["eve"], payload_root=ZERO_HASH)
    strangers = light_block(10, 10 * SECOND, {"zoe": 1}, {"zoe": 1})
    for theirs, code in ((unsigned, "light.signers"), (strangers, "light.adjacent-set")):
        with pytest.raises(LightRefusal, match=code):
            drive(
                examine(trace, theirs, TRUST),
                lambda height, theirs=theirs: (
                    theirs if height == 10 else light_block(height, height * SECOND, {"zoe": 1}, {"zoe": 1})
                ),
                NOW_MS,
            )


def test_a_witness_that_changes_its_mind_shows_nothing() -> None:
    real = chain([SET] * 11)
    other = msgspec.structs.replace(forged(NAMES), header=real[9].header)
    with pytest.raises(LightRefusal, match=r"light\.asked"):
        drive(examine(follow(real, real[0]), other, TRUST), source(real), NOW_MS)
