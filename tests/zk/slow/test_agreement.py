"""Both verifiers say the same of every proof: true, moved, changed or no proof at all."""

from __future__ import annotations

import json
import os
from hashlib import shake_128
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zk.slow import ceremony, curve, notes, ranges, sigma, sponge, statements
from tests.zk.statement_cases import ENTROPY, KEY, WHERE
from tests.zk.statement_vectors import FILE, ROUTE, SECRET, TRUE, vectors
from zk import ceremony as fast_ceremony
from zk import elgamal, range_proof
from zk import notes as fast_notes
from zk import sigma as fast_sigma
from zk.group import native
from zk.group.bases import bases
from zk.group.bases import vectors as generators
from zk.pedersen import commit
from zk.sigma.instance import Instance
from zk.statements import check, known_difference, logarithm, withdraw, within_loss
from zk.statements.assertion import Assertion, tag_of
from zk.statements.openings import Opening
from zk.transcript import Sponge, session_id

VECTORS = Path(__file__).parents[2] / "vectors"
FLIPS = 100 if os.environ.get("DEEP") else 1
"""Bits of every proof that are flipped, one at a time."""


def both(one: Assertion) -> bool:
    """What both verifiers say."""
    fast, slow = check.verify(one), statements.verify(*one)
    assert fast is slow, (one.kind, fast, slow)
    return slow


def test_the_second_verifier_imports_nothing_of_the_first() -> None:
    for path in Path(__file__).parent.glob("*.py"):
        if not path.name.startswith("test_"):
            assert "from zk" not in path.read_text()
            assert "import zk" not in path.read_text()


def test_every_kind_is_known_to_both() -> None:
    assert set(TRUE) == set(check.REDUCERS) == {*statements.SEALED, *statements.LOGARITHMS}


def test_bases_are_hashed_from_their_names() -> None:
    known = bases()
    for name, one in zip((b"V", b"H", b"U"), known[1:], strict=True):
        assert curve.encoded(curve.base(name)) == one.to_bytes()
    assert curve.encoded(curve.B) == known.B.to_bytes()
    for name, vector in zip((b"G", b"H"), generators(4), strict=True):
        assert [curve.encoded(one) for one in curve.vector(name, 4)] == [one.to_bytes() for one in vector]


def test_sponges_agree() -> None:
    noise = shake_128(b"sponges").digest(400)
    first, second = Sponge(session_id(noise[:9])), sponge.Sponge(sponge.session(noise[:9]))
    for at, size in pairwise(noise):
        if at & 1:
            first.absorb(noise[: size % 40])
            second.absorb(noise[: size % 40])
        else:
            assert first.squeeze(size) == second.squeeze(size)


@pytest.mark.parametrize("kind", sorted(TRUE))
def test_a_true_statement_is_true_for_both(kind: str) -> None:
    assert both(TRUE[kind])


def test_what_everybody_sees_is_left_out_of_proofs_by_both() -> None:
    """Withdrawn whole, different by a public number, within no loss at all, and within one to the last Wh of a gain."""
    known = Opening(40, (5).to_bytes(32, "big"))
    share = known.shifted(3)
    points = commit(*share).to_bytes(), commit(*known).to_bytes()
    nothing, some = (dict.fromkeys(("loss_ppm", "fixed_wh", "accuracy_wh"), wh) for wh in (0, 3))
    proof = within_loss.prove(WHERE, share, known, entropy=ENTROPY, **some)
    for seen in (
        withdraw.assertion(WHERE, commit(40, bytes(32)).to_bytes(), 40, b""),
        known_difference.assertion(WHERE, *points, 3, b""),
        within_loss.assertion(WHERE, points[1], points[1], b"", **nothing),
        within_loss.assertion(WHERE, *points, proof, **some),
    ):
        assert both(seen)
        assert not both(seen._replace(proof=seen.proof + b"\0"))


def with_field(one: Assertion, place: int, value: Any) -> Assertion:
    """A statement with another field of its instance."""
    fields = msgpack.unpackb(one.instance)
    return one._replace(instance=msgpack.packb([*fields[:place], value, *fields[place + 1 :]]))


DIFFERENT = sorted(set(TRUE) - {"reading", "capacity", "quality"})
"""One kind for each way of checking: the others are a "range" by another name."""


@pytest.mark.parametrize("kind", DIFFERENT)
def test_a_false_statement_is_false_for_both(kind: str) -> None:
    true = TRUE[kind]
    assert not both(true._replace(proof=true.proof + b"\0"))
    if not true.proof:
        return
    for proof in (b"", true.proof[:-1]):
        assert not both(true._replace(proof=proof))
    noise = shake_128(kind.encode()).digest(3 * FLIPS)
    for at in range(0, len(noise), 3):
        flipped = bytearray(true.proof)
        flipped[int.from_bytes(noise[at : at + 2], "big") % len(flipped)] ^= 1 << noise[at + 2] % 8
        assert not both(true._replace(proof=bytes(flipped)))


@pytest.mark.parametrize("kind", sorted(set(statements.SEALED) & set(DIFFERENT)))
def test_an_instance_that_may_not_be_is_refused_by_both(kind: str) -> None:
    true = TRUE[kind]
    fields = msgpack.unpackb(true.instance)
    for place, field in enumerate(fields):
        refused: tuple[Any, ...]
        match field:
            case int():
                refused = (-(2**63), 2**64 - 1, True)
            case bytes():
                refused = (native.IDENTITY.to_bytes(), "")
            case _:
                refused = ([], field[:-1], [*field, field[0]], b"")
        for other in refused:
            assert not both(with_field(true, place, other)), (place, other)
    for instance in (b"", true.instance + b"\0", msgpack.packb(fields[:-1]), b"\xdc\0" + true.instance):
        assert not both(true._replace(instance=instance))


def test_published_vectors() -> None:
    """The adversarial ones, which have true ones of both flavors beside them."""
    for vector in json.loads((VECTORS / "sigma-proofs-invalid_Shake128_BLS12381.json").read_text()):
        tag, compact = vector["Tag"].encode(), vector["Flavor"] == "compact"
        instance, proof = bytes.fromhex(vector["Instance"]), bytes.fromhex(vector["NargString"])
        try:
            sigma.check(tag, sigma.read(instance), proof, compact=compact)
            slow = True
        except curve.Refused:
            slow = False
        expected = vector["Expected"] == "accept"
        assert slow is fast_sigma.verify(tag, instance, proof, compact=compact) is expected


def test_range_proofs_of_any_shape() -> None:
    bounds = [(3, 3), (0, 1), (10, 12), (5, 9)]
    values, blindings = [3, 1, 10, 9], [bytes(31) + bytes([at]) for at in (1, 2, 3, 4)]
    commitments, proof = range_proof.prove(values, blindings, bounds, tag=b"shape", entropy=ENTROPY, base=KEY)

    def agreed(points: list[bytes], limits: list[tuple[int, int]], sent: bytes = proof) -> bool:
        try:
            ranges.check(b"shape", [curve.point(one) for one in points], limits, sent, KEY)
            slow = True
        except curve.Refused:
            slow = False
        assert slow is range_proof.verify(points, limits, sent, tag=b"shape", base=KEY)
        return slow

    assert agreed(commitments, bounds)
    assert not agreed(commitments[::-1], bounds)
    assert not agreed(commitments, [(3, 3), (0, 1), (10, 12), (4, 8)])
    assert not agreed(commitments, [(3, 3), (0, 1), (10, 12), (5, 2**64)])
    assert not agreed(commitments[:3], bounds[:3])
    assert not agreed([], [], b"")
    # The last scalars of a proof are in its second equation only.
    assert not agreed(commitments, bounds, proof[:-1] + bytes([proof[-1] ^ 1]))


POOL = [native.GENERATOR.times_secret(native.scalar(factor % curve.R)).to_bytes() for factor in (1, 2, 3, -1, -2)]
"""Points whose sums are often the identity."""
factors = st.sampled_from([0, 1, 2, curve.R - 1, curve.R - 2])


@st.composite
def relations(draw: st.DrawFn) -> tuple[bytes, int]:
    """Instance bytes that may be valid, and how many scalars they speak of."""
    elements = draw(st.lists(st.sampled_from(POOL), max_size=3))
    places, scalars = st.integers(0, len(elements)), draw(st.integers(1, 3))
    out = b""
    count = draw(st.integers(1, 2))
    for _ in range(count):
        image = draw(st.lists(st.tuples(places, factors), min_size=1, max_size=3))
        terms = draw(st.lists(st.tuples(st.integers(0, scalars - 1), places, factors), min_size=1, max_size=4))
        out += len(image).to_bytes(4, "little")
        out += b"".join(at.to_bytes(4, "little") + factor.to_bytes(32, "big") for at, factor in image)
        out += len(terms).to_bytes(4, "little")
        for which, at, factor in terms:
            out += which.to_bytes(4, "little") + at.to_bytes(4, "little") + factor.to_bytes(32, "big")
    return count.to_bytes(4, "little") + out + b"".join(elements), scalars


@settings(max_examples=60)
@given(relations())
def test_both_take_the_same_relations(made: tuple[bytes, int]) -> None:
    instance, _ = made
    try:
        slow: int | None = sigma.read(instance).scalars
    except curve.Refused:
        slow = None
    try:
        fast: int | None = Instance.decode(instance).scalars
    except ValueError:
        fast = None
    assert slow == fast


@settings(max_examples=6)
@given(relations(), st.booleans(), st.data())
def test_both_take_the_same_proofs_of_any_relation(made: tuple[bytes, int], compact: bool, data: st.DataObject) -> None:
    """Made for a witness that is known: the image is replaced by what the right side comes to."""
    instance, _ = made
    try:
        relation = sigma.read(instance)
    except curve.Refused:
        return
    witness = [data.draw(st.integers(0, curve.R - 1)) for _ in range(relation.scalars)]
    sums = [sigma.right(relation, terms, witness) for _, terms in relation.equations]
    names = {f"X{at}": curve.encoded(one) for at, one in enumerate(relation.elements[1:])}
    if any(map(curve.identity, sums)):
        return
    images = {f"Y{at}": curve.encoded(one) for at, one in enumerate(sums)}
    built = fast_sigma.Relation(names | images, [f"s{at}" for at in range(relation.scalars)])
    elements = ["B", *names]
    for at, (_, terms) in enumerate(relation.equations):
        built.equation(f"Y{at}", *((f"s{which}", elements[place], factor) for which, place, factor in terms))
    try:
        encoded = built.instance.encoded
    except ValueError:
        # Its image alone had used an element.
        return
    numbers = b"".join(one.to_bytes(32, "big") for one in witness)
    tag = fast_sigma.tag_for(b"any", compact=compact)
    proof = fast_sigma.prove(tag, encoded, numbers, compact=compact, entropy=ENTROPY)
    sigma.check(tag, sigma.read(encoded), proof, compact=compact)
    with pytest.raises(curve.Refused):
        sigma.check(tag, sigma.read(encoded), proof[:-1] + bytes([proof[-1] ^ 1]), compact=compact)


def test_statements_have_the_bytes_that_were_written_down() -> None:
    """Whoever wrote a verifier by them can rely on them. Proofs may be made otherwise, and the old ones still hold."""
    written, made = json.loads(FILE.read_text()), vectors()
    assert [(one["kind"], one["tag"], one["instance"]) for one in written] == [
        (one["kind"], one["tag"], one["instance"]) for one in made
    ]
    kept = [
        Assertion(one["kind"], *(bytes.fromhex(one[name]) for name in ("tag", "instance", "proof"))) for one in written
    ]
    assert all(check.verify_all(kept))


def test_notes_are_read_as_the_document_says() -> None:
    seed = bytes(range(32))
    secret = fast_notes.secret_of(seed)
    assert int.from_bytes(secret, "big") == notes.secret_of(seed)
    note = fast_notes.seal(fast_notes.public(secret), b"41 Wh", entropy=ENTROPY, **ROUTE)
    read = notes.open_note(notes.secret_of(seed), note, "bill", "campus-1", 3, "solar", "campus")
    assert read == fast_notes.open_(secret, note, **ROUTE) == b"41 Wh"


def test_tags_are_made_as_the_document_says() -> None:
    place = notes.place("bid", WHERE.chain_id, WHERE.actor, WHERE.at, WHERE.round, WHERE.key_id)
    assert tag_of("bid", WHERE, [b"a", b"bc"]) == notes.tag(place, b"a", b"bc")
    spent = msgpack.unpackb(TRUE["spend"].instance)
    place = notes.place("spend", WHERE.chain_id, WHERE.actor, WHERE.at, WHERE.round, WHERE.key_id)
    assert TRUE["spend"].tag == notes.tag(place, *spent, b"wind", b"n" * 32)


def test_ciphertexts_are_values_over_the_key() -> None:
    sealed = elgamal.encrypt(9, SECRET, native.decode_point(KEY))
    v, p = curve.base(b"V"), curve.point(KEY)
    assert curve.encoded(curve.total([v, p], [9, 5])) == sealed.E.to_bytes()
    assert curve.encoded(curve.total([curve.B], [5])) == sealed.R.to_bytes()


def test_a_key_is_made_and_opens_as_the_document_says() -> None:
    """Two dealers, three seats, two of which open."""
    attempt, members = fast_ceremony.Attempt("campus-1", 4, 2), {1: "geo", 2: "solar", 3: "wind"}
    secrets = {index: bytes([index]).rjust(32, b"\0") for index in members}
    seats = {index: (member, logarithm.public_point(secrets[index])) for index, member in members.items()}
    dealings = {
        dealer: fast_ceremony.deal(attempt, dealer, 2, seats, entropy=bytes([at]) * 32)
        for at, dealer in enumerate(("geo", "wind"))
    }
    held = dict.fromkeys(members, 0)
    for dealer, dealing in dealings.items():
        assert fast_ceremony.digest(attempt, dealer, dealing.vector) == ceremony.commitment(
            "campus-1", 4, 2, dealer, dealing.vector
        )
        first = notes.place("possession", "campus-1", dealer, 4, 2)
        said = fast_ceremony.dealer_possession(attempt, dealer, dealing.vector, dealing.possession)
        assert said.tag == notes.tag(first, dealing.vector[0], b"dealer") + sigma.BATCHABLE
        assert both(said)
        for (index, member), note in zip(members.items(), dealing.shares, strict=True):
            share_ = notes.open_note(index, note, "key-share-2", "campus-1", 4, dealer, member)
            ceremony.check_share(share_, index, dealing.vector)
            with pytest.raises(curve.Refused):
                ceremony.check_share(share_, index % 3 + 1, dealing.vector)
            held[index] += int.from_bytes(share_, "big")
    vectors_ = [fast_ceremony.decode_vector(one.vector, 2) for one in dealings.values()]
    joint = fast_ceremony.joint(vectors_)
    summed = [
        curve.encoded(curve.total([curve.point(a), curve.point(b)], [1, 1]))
        for a, b in zip(*(one.vector for one in dealings.values()), strict=True)
    ]
    assert [one.to_bytes() for one in joint] == summed
    assert fast_ceremony.key_id(attempt, summed[0]) == ceremony.key_id("campus-1", 4, 2, summed[0])
    for index in members:
        public = curve.encoded(ceremony.at(summed, index))
        assert fast_ceremony.public_share(joint, index).to_bytes() == public
        assert curve.encoded(curve.total([curve.B], [held[index]])) == public
    sealed = elgamal.encrypt(9, SECRET, joint[0])
    r = curve.point(sealed.R.to_bytes())
    shares = {index: curve.encoded(curve.total([r], [held[index]])) for index in (1, 3)}
    opened_ = curve.minus(curve.point(sealed.E.to_bytes()), ceremony.combined(shares))
    assert curve.same(opened_, curve.total([curve.base(b"V")], [9]))
    fast = elgamal.combine({index: native.decode_point(one) for index, one in shares.items()}, 2)
    assert elgamal.recover(elgamal.opened(sealed, fast), 10) == 9
