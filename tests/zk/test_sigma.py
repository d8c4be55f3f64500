"""Sigma proofs under attack: relations that say nothing, proofs moved elsewhere, bytes that are no proof."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from zk import sigma
from zk.group import ORDER, native
from zk.group.bases import bases
from zk.sigma.instance import MAX_INSTANCE_BYTES, Instance
from zk.transcript import Sponge, session_id

B, V, H, U = bases()
ENTROPY = bytes(32)
SECRET, BLINDING = 7, ORDER - 12_345
TAG, COMPACT_TAG = sigma.tag_for(b"here"), sigma.tag_for(b"here", compact=True)


def times(point: Any, factor: int) -> Any:
    """A multiple of a point."""
    return point.times_secret(native.scalar(factor % ORDER))


def opening(value: int = SECRET, blinding: int = BLINDING) -> sigma.Relation:
    """Knowledge of what opens a commitment."""
    relation = sigma.Relation({"V": V, "H": H, "C": times(V, value) + times(H, blinding)}, ["v", "s"])
    relation.equation("C", ("v", "V"), ("s", "H"))
    return relation


def proven(relation: sigma.Relation, *, compact: bool = False, tag: bytes = TAG, entropy: bytes = ENTROPY) -> bytes:
    """Proof of an opening."""
    witness = relation.witness({"v": SECRET, "s": BLINDING})
    return sigma.prove(tag, relation.instance.encoded, witness, compact=compact, entropy=entropy)


INSTANCE = opening().instance.encoded
PROOF, COMPACT_PROOF = proven(opening()), proven(opening(), compact=True, tag=COMPACT_TAG)


def u32(value: int) -> bytes:
    """As indices are written."""
    return value.to_bytes(4, "little")


def number(value: int) -> bytes:
    """As coefficients are written."""
    return value.to_bytes(32, "big")


ONE = number(1)


def raw(*equations: tuple[list[tuple[int, int]], list[tuple[int, int, int]]], tail: bytes = b"") -> bytes:
    """An instance as anybody could write it, valid or not."""
    parts = [u32(len(equations))]
    for image, terms in equations:
        parts += [u32(len(image)), *(u32(at) + number(weight) for at, weight in image)]
        parts += [u32(len(terms)), *(u32(scalar) + u32(at) + number(weight) for scalar, at, weight in terms)]
    return b"".join(parts) + tail


X = times(B, SECRET).to_bytes()
ANTI_X = (-times(B, SECRET)).to_bytes()
Y = times(V, SECRET).to_bytes()
IDENTITY = native.IDENTITY.to_bytes()
LOGARITHM = ([(1, 1)], [(0, 0, 1)])

INVALID = {
    "nothing": (b"", "end too early"),
    "no equation": (raw(), "a relation has an equation"),
    "no equation but an element": (raw(tail=X), "ends with the elements"),
    "no image": (raw(([], [(0, 0, 1)])), "an image and a term"),
    "no term": (raw(([(1, 1)], []), tail=X), "an image and a term"),
    "an element is missing": (raw(LOGARITHM), "ends with the elements"),
    "an element too many": (raw(LOGARITHM, tail=X + Y), "ends with the elements"),
    "a byte too many": (raw(LOGARITHM, tail=X + b"\0"), "ends with the elements"),
    "an element that no equation uses": (raw(([(2, 1)], [(0, 0, 1)]), tail=Y + X), "uses every element"),
    "a scalar that no equation uses": (raw(([(1, 1)], [(1, 0, 1)]), tail=X), "uses every scalar"),
    "an element is the identity": (raw(([(1, 1)], [(0, 0, 1), (1, 2, 1)]), tail=X + IDENTITY), "not the identity"),
    "an element outside the subgroup": (raw(LOGARITHM, tail=b"\x80" + bytes(46) + b"\x04"), "."),
    "an element off the curve": (raw(LOGARITHM, tail=b"\x80" + bytes(46) + b"\x01"), "."),
    "an element is its other encoding": (raw(LOGARITHM, tail=bytes([X[0] & 0x7F]) + X[1:]), "."),
    "an image of X and -X": (raw(([(1, 1), (2, 1)], [(0, 0, 1)]), tail=X + ANTI_X), "no image is the identity"),
    "an image times zero": (raw(([(1, 0)], [(0, 0, 1)]), tail=X), "no image is the identity"),
    "a scalar times zero": (raw(([(1, 1)], [(0, 0, 1), (1, 0, 0)]), tail=X), "scalar 1 acts on nothing"),
    "a scalar once with, once against": (
        raw(([(1, 1)], [(0, 0, 1), (1, 1, 1), (1, 1, ORDER - 1)]), tail=X),
        "scalar 1 acts on nothing",
    ),
    "a scalar times X and -X": (
        raw(([(1, 1)], [(0, 0, 1), (1, 1, 1), (1, 2, 1)]), tail=X + ANTI_X),
        "scalar 1 acts on nothing",
    ),
    "a coefficient of the order": (raw(([(1, ORDER)], [(0, 0, 1)]), tail=X), "below the order"),
    "a factor of the order": (raw(([(1, 1)], [(0, 0, 1), (0, 0, ORDER)]), tail=X), "below the order"),
    "a factor of all ones": (raw(([(1, 1)], [(0, 0, 2**256 - 1)]), tail=X), "below the order"),
    "an index of 4 billion elements": (raw(([(2**32 - 1, 1)], [(0, 0, 1)]), tail=X), "ends with the elements"),
    "a scalar index of 4 billion": (raw(([(1, 1)], [(2**32 - 1, 0, 1)]), tail=X), "uses every scalar"),
    "4 billion equations": (u32(2**32 - 1) + raw(LOGARITHM)[4:], "end too early"),
    "4 billion terms": (u32(1) + u32(1) + u32(1) + ONE + u32(2**32 - 1), "end too early"),
    "too many bytes": (raw(LOGARITHM, tail=bytes(MAX_INSTANCE_BYTES)), "at most"),
}


@pytest.mark.parametrize(("instance", "message"), INVALID.values(), ids=INVALID.keys())
def test_an_instance_that_says_nothing_is_refused(instance: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Instance.decode(instance)
    with pytest.raises(ValueError, match=message):
        sigma.prove(TAG, instance, number(SECRET), compact=False, entropy=ENTROPY)
    for proof in (PROOF, PROOF[:80], COMPACT_PROOF, COMPACT_PROOF[:64]):
        assert not sigma.verify(TAG, instance, proof, compact=False)
        assert not sigma.verify(COMPACT_TAG, instance, proof, compact=True)
        assert sigma.claim(TAG, instance, proof) is None


def test_the_builder_refuses_what_the_decoder_does() -> None:
    unused = sigma.Relation({"X": X, "V": V}, ["x"])
    unused.equation("X", ("x", "B"))
    idle = sigma.Relation({"X": X, "V": V}, ["x", "y"])
    idle.equation("X", ("x", "B"), ("y", "V"), ("y", "V", -1))
    none = sigma.Relation({"X": X, "Z": ANTI_X}, ["x"])
    none.equation({"X": 1, "Z": 1}, ("x", "B"))
    identity = sigma.Relation({"X": X, "Z": native.IDENTITY}, ["x", "y"])
    identity.equation("X", ("x", "B"), ("y", "Z"))
    for relation in (unused, idle, none, identity):
        with pytest.raises(ValueError, match=r"element|scalar|image"):
            _ = relation.instance
    for names in ({"B": X}, {"X": IDENTITY}, {"X": X[:-1]}):
        with pytest.raises(ValueError, match=r"generator|identity"):
            sigma.Relation(names, ["x"])
    with pytest.raises(ValueError, match="one thing"):
        sigma.Relation({"X": X}, ["x", "x"])


def test_names_compile_in_the_order_of_declaration() -> None:
    relation = sigma.Relation({"X": X, "V": V, "Y": Y}, ["x"])
    relation.equation("X", ("x", "B"))
    relation.equation({"Y": 1, "X": -3}, ("x", "V", 1), ("x", "B", -3))
    relation.equation({"Y": 1, "X": -1}, ("x", "V"), ("x", "B", -1))
    assert relation.instance.encoded == raw(
        LOGARITHM,
        ([(3, 1), (1, ORDER - 3)], [(0, 2, 1), (0, 0, ORDER - 3)]),
        ([(3, 1), (1, ORDER - 1)], [(0, 2, 1), (0, 0, ORDER - 1)]),
        tail=X + V.to_bytes() + Y,
    )
    assert Instance.decode(relation.instance.encoded) == relation.instance
    proof = sigma.prove(TAG, relation.instance.encoded, number(SECRET), compact=False, entropy=ENTROPY)
    assert sigma.verify(TAG, relation.instance.encoded, proof, compact=False)
    assert sigma.Relation({"X": X}, ["b", "a"]).witness({"a": 1, "b": -1}) == number(ORDER - 1) + ONE


def test_a_proof_is_good_for_its_tag_its_flavor_and_its_instance_only() -> None:
    assert sigma.verify(TAG, INSTANCE, PROOF, compact=False)
    assert sigma.verify(COMPACT_TAG, INSTANCE, COMPACT_PROOF, compact=True)
    for tag in (b"", TAG[:-1], TAG + b"\0", sigma.tag_for(b"there"), COMPACT_TAG):
        assert not sigma.verify(tag, INSTANCE, PROOF, compact=False)
    for tag in (b"", sigma.tag_for(b"there", compact=True), TAG):
        assert not sigma.verify(tag, INSTANCE, COMPACT_PROOF, compact=True)
    others = [
        opening(SECRET + 1).instance.encoded,
        opening(SECRET, BLINDING - 1).instance.encoded,
        # The same commitment, said in another way.
        raw(([(3, 2)], [(0, 1, 2), (1, 2, 2)]), tail=INSTANCE[-144:]),
        raw(([(3, 1)], [(1, 2, 1), (0, 1, 1)]), tail=INSTANCE[-144:]),
    ]
    for other in others:
        Instance.decode(other)
        assert not sigma.verify(TAG, other, PROOF, compact=False)
        assert not sigma.verify(COMPACT_TAG, other, COMPACT_PROOF, compact=True)


def test_a_challenge_that_does_not_bind_the_commitment_could_be_forged() -> None:
    """Frozen Heart: with a challenge known beforehand, anybody proves anything; here it is not known beforehand."""
    response, challenge = 1_234, 5_678
    commitment = times(B, response) - times(V, challenge)
    instance = raw(LOGARITHM, tail=V.to_bytes())
    forged = commitment.to_bytes() + number(response)
    sponge = Sponge(session_id(TAG))
    sponge.absorb(forged[:48])
    assert times(B, response) == commitment + times(V, challenge)
    assert not sigma.verify(TAG, instance, forged, compact=False)
    assert not sigma.verify(COMPACT_TAG, instance, number(challenge) + number(response), compact=True)
    # Nor when the challenge follows from the commitment and the response but from no statement: choose that last.
    challenge = sponge.challenge()
    statement = times(times(B, response) - commitment, pow(challenge, -1, ORDER))
    assert not sigma.verify(TAG, raw(LOGARITHM, tail=statement.to_bytes()), forged, compact=False)


def test_any_bit_flipped_any_length_changed() -> None:
    for tag, proof, compact in ((TAG, PROOF, False), (COMPACT_TAG, COMPACT_PROOF, True)):
        for bit in range(8 * len(proof)):
            flipped = bytearray(proof)
            flipped[bit // 8] ^= 1 << bit % 8
            assert not sigma.verify(tag, INSTANCE, bytes(flipped), compact=compact)
        for length in range(len(proof)):
            assert not sigma.verify(tag, INSTANCE, proof[:length], compact=compact)
        for tail in (b"\0", proof[-32:], proof):
            assert not sigma.verify(tag, INSTANCE, proof + tail, compact=compact)
        for at in range(0, len(proof), 16):
            later = int.from_bytes(proof[at : at + 32], "big") + ORDER
            if later < 2**256:
                other = proof[:at] + number(later) + proof[at + 32 :]
                assert not sigma.verify(tag, INSTANCE, other, compact=compact)


def test_ten_thousand_proofs_of_noise_are_no_proofs_and_raise_nothing() -> None:
    noise = hashlib.shake_128(b"noise").digest(5_000 * 8)
    for at in range(5_000):
        kind, length, place, *patch = noise[8 * at : 8 * at + 8]
        compact = bool(kind & 1)
        proof = bytearray(COMPACT_PROOF if compact else PROOF)
        start = place % len(proof)
        if kind & 2:
            proof = proof[: length % len(proof)]
        proof[start : start + 1 + kind % 4] = bytes(patch[: 1 + kind % 4])
        if kind & 4:
            proof += bytes(patch)
        changed = bytes(proof)
        if changed in (PROOF, COMPACT_PROOF):
            continue
        assert not sigma.verify(COMPACT_TAG if compact else TAG, INSTANCE, changed, compact=compact)
        mangled = bytearray(INSTANCE)
        mangled[place % len(mangled)] ^= 1 + patch[0] % 255
        assert not sigma.verify(TAG, bytes(mangled)[: len(mangled) - kind % 2], PROOF, compact=False)


def test_a_prover_gives_nothing_away_that_it_could_not_verify() -> None:
    right = opening().witness({"v": SECRET, "s": BLINDING})
    wrong = [
        (number(SECRET + 1) + right[32:], "does not satisfy"),
        (right[:32] + number(0), "does not satisfy"),
        (right[:32], "1 scalars where the relation has 2"),
        (right + ONE, "3 scalars"),
        (right[:-1], "32 bytes each"),
        (number(ORDER) + right[32:], "below the order"),
    ]
    for witness, message in wrong:
        for compact in (False, True):
            with pytest.raises(ValueError, match=message):
                sigma.prove(TAG, INSTANCE, witness, compact=compact, entropy=ENTROPY)
    for nonces in (ONE, ONE * 3, number(ORDER) * 2):
        with pytest.raises(ValueError, match=r"nonce|order"):
            sigma.prove(TAG, INSTANCE, right, compact=False, entropy=ENTROPY, nonces=nonces)
    # Nonces of zero commit to the identity, which no proof may carry.
    with pytest.raises(ValueError):
        sigma.prove(TAG, INSTANCE, right, compact=True, entropy=ENTROPY, nonces=bytes(64))


def test_repeated_entropy_repeats_no_nonce() -> None:
    assert proven(opening()) == PROOF
    others = [
        proven(opening(), tag=sigma.tag_for(b"there")),
        proven(opening(), entropy=b"\1" * 32),
        proven(opening(), compact=True, tag=TAG),
    ]
    assert len({PROOF[:48], *(other[:48] for other in others)}) == 4
    # Two proofs with one nonce would give the witness: (s - s') / (c - c').
    first, second = (int.from_bytes(proof[48:80], "big") for proof in (PROOF, others[0]))
    challenges = []
    for tag, proof in ((TAG, PROOF), (sigma.tag_for(b"there"), others[0])):
        sponge = Sponge(session_id(tag))
        sponge.absorb(INSTANCE)
        sponge.absorb(proof[:48])
        challenges.append(sponge.challenge())
    assert (first - second) * pow(challenges[0] - challenges[1], -1, ORDER) % ORDER != SECRET


def test_the_prover_multiplies_secrets_in_constant_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    public: list[int] = []
    multiexp = native.multiexp

    def watched(points: Any, scalars: Any) -> Any:
        public.extend(int(scalar) for scalar in scalars)
        return multiexp(points, scalars)

    monkeypatch.setattr(native, "multiexp", watched)
    nonces = [11, 13]
    for compact in (False, True):
        sigma.prove(
            TAG,
            INSTANCE,
            opening().witness({"v": SECRET, "s": BLINDING}),
            compact=compact,
            entropy=ENTROPY,
            nonces=b"".join(map(number, nonces)),
        )
    assert public
    assert not {*nonces, SECRET, BLINDING} & {value * sign % ORDER for value in public for sign in (1, -1)}
