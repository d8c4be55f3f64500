"""The light client's verdict against the specification in fractions, against forgers, and against honest chains."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from consensus.light import (
    CODEC,
    CODES,
    MAX_LIGHT_BLOCK_BYTES,
    LightBlock,
    LightRefusal,
    Verdict,
    check_genesis,
    check_hash,
    judge,
    judge_timeless,
    verify,
)
from consensus.messages import MAX_VALIDATORS, NO_ROUND, CommitCertificate, VoteType, vote_sign_bytes
from consensus.skipping import MAX_LEAP, MAX_TRACE, Trust, bisect
from consensus.validators import Validator, ValidatorSet
from tests.consensus.light_chain import (
    CHAIN,
    SECOND,
    Powers,
    chain,
    drive,
    hash_of,
    header,
    light_block,
    seat,
    seats_of,
    sign,
)
from tests.support.pact import key_of
from zk.codec import Malformed, encode
from zk.hashing import ZERO_HASH

PERIOD_MS, DRIFT_MS = 1_000 * SECOND, 10 * SECOND
NOW_MS = 100 * SECOND
TRUST = Trust(PERIOD_MS, DRIFT_MS)
NAMES = ["ada", "bob", "cyd", "dan", "eve", "fay", "gus"]
EQUAL = dict.fromkeys(NAMES[:4], 10)

powers = st.dictionaries(
    st.sampled_from([*NAMES, "hal!", "ida!"]), st.sampled_from([1, 2, 3, 10, 2**53 - 1]), min_size=1, max_size=7
)
names = st.lists(st.sampled_from([*NAMES, "hal", "ida"]), unique=True)


def now(trusted: LightBlock, untrusted: LightBlock) -> Verdict:
    """The verdict when clocks are no matter."""
    return verify(trusted, untrusted, NOW_MS, PERIOD_MS, DRIFT_MS)


# The rules, computed another way.


def share(sets: Powers, signers: list[str]) -> Fraction:
    """Share of all power that these names hold on seats that are not flagged (flagged ones end with `!`)."""
    return Fraction(sum(power for name, power in sets.items() if name in signers), sum(sets.values()))


@given(powers, powers, powers, names, st.integers(2, 4))
def test_the_verdict_is_that_of_the_specification(
    trusted_next: Powers, own: Powers, own_next: Powers, signers: list[str], height: int
) -> None:
    trusted = light_block(1, SECOND, EQUAL, trusted_next)
    untrusted = light_block(height, 2 * SECOND, own, own_next, signers)
    if share(own, signers) <= Fraction(2, 3) or (height == 2 and seats_of(own) != seats_of(trusted_next)):
        expected = Verdict.INVALID
    elif height == 2 or share(trusted_next, [name for name in signers if {name, f"{name}!"} & own.keys()]) > Fraction(
        1, 3
    ):
        expected = Verdict.SUCCESS
    else:
        expected = Verdict.NOT_ENOUGH_TRUST
    assert now(trusted, untrusted) is expected


@given(
    st.integers(0, 50),
    st.integers(0, 50),
    st.integers(0, 80),
    st.integers(1, 60),
    st.integers(0, 10),
    st.integers(2, 3),
)
def test_clocks(before: int, after: int, now_s: int, period: int, drift: int, height: int) -> None:
    trusted = light_block(1, before * SECOND, EQUAL, EQUAL)
    untrusted = light_block(height, after * SECOND, EQUAL, EQUAL)
    judged = judge(trusted, untrusted, now_s * SECOND, period * SECOND, drift * SECOND)
    fine = before < after and now_s - period < before and after < now_s + drift
    assert (judged.verdict is Verdict.SUCCESS) is fine
    assert judged.code in ("", "light.time", "light.expired", "light.future")


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("light.chain", {"chain_id": "another"}),
        ("light.height", {"height": 1}),
        ("light.time", {"time_ms": SECOND}),
        ("light.future", {"time_ms": NOW_MS + DRIFT_MS}),
        ("light.set", {"set_hash": ZERO_HASH}),
        ("light.next-set", {"next_set_hash": ZERO_HASH}),
    ],
)
def test_every_rule_has_its_code(code: str, changes: dict[str, Any]) -> None:
    trusted = light_block(1, SECOND, EQUAL, EQUAL)
    made = {"height": 3, "time_ms": 2 * SECOND} | changes
    untrusted = light_block(made.pop("height"), made.pop("time_ms"), EQUAL, EQUAL, **made)
    judged = judge(trusted, untrusted, NOW_MS, PERIOD_MS, DRIFT_MS)
    assert (judged.verdict, judged.code) == (Verdict.INVALID, code)
    assert judged.reason.startswith(CODES[code])


def test_a_certificate_is_of_its_header() -> None:
    trusted, block = light_block(1, SECOND, EQUAL, EQUAL), light_block(3, 3 * SECOND, EQUAL, EQUAL)
    signed = vote_sign_bytes(CHAIN, VoteType.PRECOMMIT, 4, 0, block.id(), NO_ROUND)
    raws = tuple((at, key_of(one.id).sign(signed)) for at, one in enumerate(block.validators))
    for certificate in (
        light_block(4, 3 * SECOND, EQUAL, EQUAL).certificate,
        light_block(3, 4 * SECOND, EQUAL, EQUAL).certificate,
        CommitCertificate(4, 0, block.id(), raws),
    ):
        forged = msgspec.structs.replace(block, certificate=certificate)
        assert judge_timeless(trusted, forged).code == "light.certificate"


# Soundness: who holds no more than 1/3 in the set that is trusted.

FORGERS = ("eve", "fay")


def honest_majority(sets: Powers) -> bool:
    """Whether forgers hold at most 1/3, and the others more than 2/3 without their flagged seats."""
    bad = sum(power for name, power in sets.items() if name.rstrip("!") in FORGERS)
    good = sum(power for name, power in sets.items() if name.rstrip("!") not in FORGERS and not name.endswith("!"))
    return 3 * bad <= sum(sets.values()) < Fraction(3, 2) * good


def impostor(height: int, ids: list[str]) -> LightBlock:
    """Honest ids with the forgers' keys behind them, in turns; every seat has signed."""
    forgers = seats_of(dict.fromkeys(FORGERS, 1))
    seats = tuple(
        Validator(id_, id_, forgers[at % len(forgers)].public_key, b"", 2**40)
        for at, id_ in enumerate(sorted(set(ids)))
    )
    made = header(height, height * SECOND, seats, seats)
    by_forger = [raw for _, raw in sign(made, forgers, FORGERS).signatures]
    raws = tuple((index, by_forger[index % len(forgers)]) for index in range(len(seats)))
    return LightBlock(made, CommitCertificate(height, 0, made.id(), raws), seats, seats)


@st.composite
def forgeries(draw: st.DrawFn, real: list[LightBlock]) -> LightBlock:
    """What forgers can make out of their own keys and every block that was ever published."""
    block = draw(st.sampled_from(real))
    height = draw(st.sampled_from([block.height, block.height + 1, len(real) + 5]))
    match draw(st.integers(0, 5)):
        case 0:
            # Another history, signed by the forgers for honest seats that they can not sign for.
            seats = draw(st.sampled_from([block.validators, seats_of({"eve": 1, "fay": 1}), seats_of(EQUAL)]))
            made = header(height, height * SECOND, seats, seats, state_root=ZERO_HASH)
            return LightBlock(made, sign(made, seats, FORGERS), seats, seats)
        case 1:
            # A set that has honest names, and forgers' keys behind them.
            return impostor(height, draw(st.lists(st.sampled_from(NAMES), min_size=1)))
        case 2:
            # A real set under a forged header with the signatures of a real block.
            other = draw(st.sampled_from(real))
            made = msgspec.structs.replace(block.header, state_root=ZERO_HASH)
            raws = other.certificate.signatures
            return LightBlock(
                made, CommitCertificate(made.height, 0, made.id(), raws), block.validators, block.validators
            )
        case 3:
            # A real block without some of its signatures.
            kept = draw(st.lists(st.sampled_from(block.certificate.signatures), max_size=3, unique=True))
            certificate = msgspec.structs.replace(block.certificate, signatures=tuple(sorted(kept)))
            return msgspec.structs.replace(block, certificate=certificate)
        case 4:
            # A real header with sets that it does not name.
            forged = seats_of({"eve": 1, "fay": 2})
            return msgspec.structs.replace(block, **{draw(st.sampled_from(["validators", "next_validators"])): forged})
        case _:
            # A signature of every forger, and of one honest member for something else.
            seats = block.validators
            made = header(height, height * SECOND, seats, seats, receipts_root=ZERO_HASH)
            certificate = sign(made, seats, FORGERS)
            borrowed = [one for one in block.certificate.signatures if one[0] not in dict(certificate.signatures)]
            raws = tuple(sorted((*certificate.signatures, *borrowed)))
            return LightBlock(made, msgspec.structs.replace(certificate, signatures=raws), seats, seats)


schedules = st.lists(powers.filter(honest_majority), min_size=2, max_size=5)


@given(st.data(), schedules)
@settings(max_examples=100)
def test_forgers_with_a_third_never_succeed(data: st.DataObject, sets: list[Powers]) -> None:
    real = chain(sets)
    genuine = {block.id() for block in real}
    trusted = data.draw(st.sampled_from(real))
    forged = data.draw(forgeries(real))
    assert now(trusted, forged) is not Verdict.SUCCESS or forged.id() in genuine


@given(st.data(), schedules)
@settings(max_examples=70)
def test_a_lying_source_never_leads_off_the_chain(data: st.DataObject, sets: list[Powers]) -> None:
    real = chain([*sets, *sets])
    genuine = [block.id() for block in real]

    def answer(height: int) -> LightBlock:
        forged = data.draw(forgeries(real))
        return forged if data.draw(st.booleans()) else real[height - 1]

    try:
        trace = drive(bisect(real[0], len(real), TRUST), answer, NOW_MS)
    except LightRefusal as refusal:
        assert refusal.code in CODES
        return
    assert all(block.id() in genuine for block in trace)


@given(st.data())
def test_no_changed_byte_verifies(data: st.DataObject) -> None:
    trusted = light_block(1, SECOND, EQUAL, EQUAL)
    raw = bytearray(encode(light_block(data.draw(st.sampled_from([2, 3])), 3 * SECOND, EQUAL, EQUAL)))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        changed = CODEC.decode(bytes(raw))
    except Malformed:
        return
    assert now(trusted, changed) is Verdict.INVALID


def test_one_key_on_many_seats_counts_once() -> None:
    trusted = light_block(1, SECOND, EQUAL, {"eve": 1, "ada": 1, "bob": 1})
    judged = judge_timeless(trusted, impostor(3, NAMES))
    assert judged.verdict is Verdict.NOT_ENOUGH_TRUST and "1 of 3" in judged.reason


# Completeness: honest chains.


@st.composite
def honest_chains(draw: st.DrawFn) -> tuple[list[LightBlock], int]:
    """Blocks whose set changes at some heights in any way, each signed by some quorum; and the number of changes."""
    sets: list[Powers] = []
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=6))
    for length in lengths:
        sets += [draw(powers.filter(lambda one: 3 * _counted(one) > 2 * sum(one.values())))] * length
    sets.append(sets[-1])
    missing = draw(names)

    def signers(height: int) -> list[str] | None:
        present = [name for name in sets[height - 1] if name not in missing and not name.endswith("!")]
        return present if share(sets[height - 1], present) > Fraction(2, 3) else None

    changes = sum(seats_of(low) != seats_of(high) for low, high in pairwise(sets))
    return chain(sets, signers), changes


def _counted(sets: Powers) -> int:
    return sum(power for name, power in sets.items() if not name.endswith("!"))


@given(honest_chains())
@settings(max_examples=70)
def test_honest_chains_verify_in_few_steps(made: tuple[list[LightBlock], int]) -> None:
    blocks, changes = made
    assume(len(blocks) > 1)
    trusted = blocks[0]
    while trusted.height < len(blocks):
        asked: list[int] = []
        trace = drive(bisect(trusted, len(blocks), TRUST), lambda height: blocks[height - 1], NOW_MS, asked)
        assert all(now(low, high) is Verdict.SUCCESS for low, high in pairwise(trace))
        assert trace[-1].height == len(blocks) or len(trace) == MAX_TRACE
        assert len(set(asked)) == len(asked) <= 1 + changes * (len(blocks) - 1).bit_length()
        trusted = trace[-1]
    assert trusted.id() == blocks[-1].id()


def test_a_chain_that_changes_completely_at_each_height_is_followed_in_parts() -> None:
    sets = [{f"n{height}": 1} for height in range(2 * MAX_TRACE + 2)]
    blocks = chain(sets)
    lengths, trusted = [], blocks[0]
    while trusted.height < len(blocks):
        trace = drive(bisect(trusted, len(blocks), TRUST), lambda height: blocks[height - 1], NOW_MS)
        lengths.append(len(trace))
        trusted = trace[-1]
    assert lengths == [MAX_TRACE, MAX_TRACE, 3]


def test_a_source_that_never_gives_enough_trust_is_asked_a_bounded_number_of_times() -> None:
    trusted = light_block(1, SECOND, EQUAL, EQUAL)
    strangers = {"gus": 1}
    asked: list[int] = []

    def answer(height: int) -> LightBlock:
        return light_block(height, 50 * SECOND, strangers, strangers)

    with pytest.raises(LightRefusal, match=r"light\.adjacent-set"):
        drive(bisect(trusted, 2**47, TRUST), answer, NOW_MS, asked)
    assert asked[0] == 1 + MAX_LEAP and len(asked) == 21


def test_an_answer_of_another_height_ends_the_search() -> None:
    blocks = chain([EQUAL] * 5)
    with pytest.raises(LightRefusal, match=r"light\.asked"):
        drive(bisect(blocks[0], 4, TRUST), lambda _: blocks[2], NOW_MS)


# Anchors and bounds.


def test_trust_starts_at_genesis_or_at_a_hash() -> None:
    genesis_hash, validators = b"g" * 32, ValidatorSet(seats_of(EQUAL))
    first = light_block(1, SECOND, EQUAL, EQUAL, parent_hash=genesis_hash)
    check_genesis(first, CHAIN, genesis_hash, validators)
    check_hash(first, 1, first.id())
    unsigned = msgspec.structs.replace(first, certificate=msgspec.structs.replace(first.certificate, signatures=()))
    second = light_block(2, SECOND, EQUAL, EQUAL, parent_hash=genesis_hash)
    others = light_block(1, SECOND, {"eve": 1}, EQUAL, parent_hash=genesis_hash)
    elsewhere = light_block(1, SECOND, EQUAL, EQUAL)
    for block, code in [
        (second, "light.genesis"),
        (others, "light.genesis"),
        (elsewhere, "light.genesis"),
        (unsigned, "light.signers"),
    ]:
        with pytest.raises(LightRefusal, match=code):
            check_genesis(block, CHAIN, genesis_hash, validators)
    with pytest.raises(LightRefusal, match=r"light\.chain"):
        check_genesis(first, "another", genesis_hash, validators)
    with pytest.raises(LightRefusal, match=r"light\.hash"):
        check_hash(second, 2, first.id())
    with pytest.raises(LightRefusal, match=r"light\.hash"):
        check_hash(first, 2, first.id())
    with pytest.raises(LightRefusal, match=r"light\.signers"):
        check_hash(unsigned, 1, first.id())


def test_the_largest_light_block_fits_and_no_larger_one_decodes() -> None:
    seats = tuple(
        Validator(f"{number:032}", "o" * 32, bytes(32), bytes(96), 2**53 - 1) for number in range(MAX_VALIDATORS)
    )
    made = header(2**48 - 1, 2**53 - 1, seats, seats, chain_id="c" * 49, beacon=bytes(48))
    raws = tuple((index, bytes(64)) for index in range(MAX_VALIDATORS))
    largest = LightBlock(made, CommitCertificate(2**48 - 1, 2**31 - 1, made.id(), raws), seats, seats)
    raw = encode(largest)
    assert MAX_LIGHT_BLOCK_BYTES - 8_192 < len(raw) <= MAX_LIGHT_BLOCK_BYTES
    assert CODEC.decode(raw) == largest
    for field in ("validators", "next_validators"):
        for wrong in ((), (*seats, Validator("~", "o", bytes(32), b"", 1))):
            with pytest.raises(Malformed):
                CODEC.decode(encode(msgspec.structs.replace(largest, **{field: wrong})))


@pytest.mark.parametrize(
    "seats", [(seat("bob", 1), seat("ada", 1)), (seat("ada", 1), seat("ada", 1)), (seat("ada", 0),)]
)
def test_seats_that_are_no_set_are_invalid(seats: tuple[Validator, ...]) -> None:
    trusted = light_block(1, SECOND, EQUAL, EQUAL)
    good = light_block(3, 3 * SECOND, EQUAL, EQUAL)
    with pytest.raises(ValueError, match=r"set|power"):
        hash_of(seats)
    for field, code in (("validators", "light.set"), ("next_validators", "light.next-set")):
        assert judge_timeless(trusted, msgspec.structs.replace(good, **{field: seats})).code == code
