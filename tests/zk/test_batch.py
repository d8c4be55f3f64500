"""Batches: proofs that are false only together, and who is found out."""

from __future__ import annotations

from typing import Any

import pytest

from zk import range_proof, sigma
from zk.batch import WEIGHT_BYTES, Batch, Claim, Equation
from zk.group import ORDER, native, reference
from zk.group.bases import bases
from zk.transcript import Sponge, session_id

B = bases().B
ENTROPY = bytes(32)


def times(point: Any, factor: int) -> Any:
    """A multiple of a point."""
    return point.times_secret(native.scalar(factor % ORDER))


def number(value: int) -> bytes:
    """A scalar as it is written."""
    return (value % ORDER).to_bytes(32, "big")


class Logarithm:
    """One who knows a logarithm, and may lie about it."""

    def __init__(self, secret: int) -> None:
        self.secret, self.tag = secret, sigma.tag_for(b"logarithm %d" % secret)
        relation = sigma.Relation({"X": times(B, secret)}, ["x"])
        relation.equation("X", ("x", "B"))
        self.instance = relation.instance.encoded

    def claim(self, proof: bytes) -> Claim:
        """What a proof comes down to."""
        made = sigma.claim(self.tag, self.instance, proof)
        assert made is not None
        return made

    def proof(self, nonce: int = 99, *, shift: int = 0, error: int = 0) -> bytes:
        """A proof whose commitment is off by `shift` times B and whose response is off by `error`."""
        commitment = times(B, nonce + shift).to_bytes()
        sponge = Sponge(session_id(self.tag))
        sponge.absorb(self.instance)
        sponge.absorb(commitment)
        return commitment + number(nonce + error + self.secret * sponge.challenge())


def batch(*claims: Claim | None) -> Batch:
    """Claims to be checked together."""
    made = Batch()
    for claim in claims:
        made.add(claim)
    return made


ALICE, BOB = Logarithm(5), Logarithm(8)


def test_two_false_proofs_that_cancel_each_other_are_both_found() -> None:
    first, second = ALICE.claim(ALICE.proof(shift=1)), BOB.claim(BOB.proof(shift=-1))
    together = [equation for claim in (first, second) for equation in claim.equations]
    # With equal weights they would pass: their errors are B and -B.
    assert (
        native.multiexp(
            [point for equation in together for point in equation.points],
            [scalar for equation in together for scalar in equation.scalars],
        )
        == native.IDENTITY
    )
    assert not batch(first, second).verify()
    assert batch(first, second).culprits() == [0, 1]
    assert batch(ALICE.claim(ALICE.proof()), first, second).culprits() == [1, 2]


def test_weights_that_do_not_cover_responses_could_be_cancelled() -> None:
    """The known break of batches: commitments first, weights from them, then responses whose errors cancel."""

    def forged(weights: tuple[int, int]) -> list[Claim]:
        return [ALICE.claim(ALICE.proof(error=weights[1])), BOB.claim(BOB.proof(error=-weights[0]))]

    # An implementation whose weights follow from everything but the responses:
    blind = [one.claim(one.proof()).transcript[:-32] for one in (ALICE, BOB)]
    sponge = Sponge(session_id(b"gridpact/1/batch-weights"))
    for transcript in blind:
        sponge.absorb(len(transcript).to_bytes(8, "little") + transcript)
    weights = tuple(int.from_bytes(sponge.squeeze(WEIGHT_BYTES), "little") for _ in range(2))
    claims = forged((weights[0], weights[1]))
    assert batch(*(one._replace(transcript=seen) for one, seen in zip(claims, blind, strict=True))).verify()
    # This one's follow from the responses too.
    assert not batch(*claims).verify()
    assert batch(*claims).culprits() == [0, 1]


def test_weights_follow_from_session_instance_and_proof() -> None:
    whole = ALICE.claim(ALICE.proof()).transcript
    assert session_id(ALICE.tag) in whole
    assert ALICE.instance in whole
    assert ALICE.proof() in whole


def test_weights_follow_from_all_of_a_range_proof() -> None:
    """The vectors at its end, too: nothing squeezes a challenge after them, so a claim has to absorb them for this."""
    ranges = [(0, 100)]
    commitments, proof = range_proof.prove([7], [number(11)], ranges, tag=b"tag", entropy=ENTROPY)
    known = range_proof.claim(commitments, ranges, proof, tag=b"tag")
    assert known is not None
    seen = {known.transcript}
    scalars = [*range(192, 288, 32), *range(len(proof) - 256, len(proof), 32)]
    for at in scalars:
        other = bytearray(proof)
        other[at + 31] ^= 1
        changed = range_proof.claim(commitments, ranges, bytes(other), tag=b"tag")
        assert changed is not None
        seen.add(changed.transcript)
    for place in (b"", b"gat"):
        moved = range_proof.claim(commitments, ranges, proof, tag=place)
        assert moved is not None
        seen.add(moved.transcript)
    assert len(seen) == 1 + len(scalars) + 2


def test_equations_of_one_proof_do_not_cancel_either() -> None:
    secret, nonce, shift = 5, 99, 3
    relation = sigma.Relation({"X": times(B, secret), "Y": times(B, 2 * secret)}, ["x"])
    relation.equation("X", ("x", "B"))
    relation.equation("Y", ("x", "B", 2))
    tag, instance = sigma.tag_for(b"two"), relation.instance.encoded
    commitments = times(B, nonce + shift).to_bytes() + times(B, 2 * nonce - shift).to_bytes()
    sponge = Sponge(session_id(tag))
    sponge.absorb(instance)
    sponge.absorb(commitments)
    proof = commitments + number(nonce + secret * sponge.challenge())
    assert not sigma.verify(tag, instance, proof, compact=False)


@pytest.mark.parametrize("size", [1, 2, 3, 16])
def test_culprits_are_those_and_only_those(size: int) -> None:
    people = [Logarithm(2 + at) for at in range(size)]
    claims: list[Claim | None] = [one.claim(one.proof()) for one in people]
    assert batch(*claims).verify()
    assert batch(*claims).culprits() == []
    for liar in {0, size // 2, size - 1}:
        lied = list(claims)
        lied[liar] = people[liar].claim(people[liar].proof(error=1))
        assert not batch(*lied).verify()
        assert batch(*lied).culprits() == [liar]
    unread = [None, *claims, None]
    assert not batch(*unread).verify()
    assert batch(*unread).culprits() == [0, size + 1]


def test_one_liar_costs_a_bounded_number_of_multiplications(monkeypatch: pytest.MonkeyPatch) -> None:
    people = [Logarithm(2 + at) for at in range(32)]
    made = batch(*(one.claim(one.proof(error=int(one is people[19]))) for one in people))
    counted: list[int] = []
    multiexp = native.multiexp

    def watched(points: Any, scalars: Any) -> Any:
        counted.append(len(points))
        return multiexp(points, scalars)

    monkeypatch.setattr(native, "multiexp", watched)
    assert made.culprits() == [19]
    assert len(counted) == 1 + 2 * 5
    # And what all proofs share is multiplied once: an image each, B, and here the commitment too.
    assert counted[0] == 32 + 2


def elsewhere(claim: Claim) -> Claim:
    """A claim with its points and scalars by the other implementation of the group."""
    return claim._replace(
        equations=[
            Equation(
                [reference.decode_point(point.to_bytes()) for point in points],
                [reference.decode_scalar(scalar.to_be_bytes()) for scalar in scalars],
            )
            for points, scalars in claim.equations
        ]
    )


def test_the_other_implementation_of_the_group_says_the_same() -> None:
    true, false = ALICE.claim(ALICE.proof()), BOB.claim(BOB.proof(error=1))
    assert [one.to_bytes() for one in bases(reference)] == [one.to_bytes() for one in bases()]
    for claims, culprits in (((true,), []), ((false,), [0]), ((true, false), [1])):
        slow = Batch(reference)
        for claim in claims:
            slow.add(elsewhere(claim))
        assert slow.verify() is (not culprits)
        assert slow.culprits() == batch(*claims).culprits() == culprits


def test_nothing_is_true_together_with_what_could_not_be_read() -> None:
    assert batch().verify()
    assert len(batch()) == 0
    assert not batch(None).verify()
    assert batch(None, None).culprits() == [0, 1]
