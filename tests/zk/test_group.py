"""BLS12-381: RFC 9380's known answers, two unrelated backends against each other, and every trap of the bindings."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_arkworks_bls12381 import G2Point
from py_arkworks_bls12381 import Scalar as ArkScalar

from zk.group import BASES_DST, KEY_BYTES, MAX_DST_BYTES, ORDER, POINT_BYTES, AnyGroup, Group, native, reference

NATIVE: Group[native.Point, native.Key, ArkScalar] = native
REFERENCE: Group[reference.Point, reference.Key, reference.Scalar] = reference
BACKENDS = [pytest.param(NATIVE, id="native"), pytest.param(REFERENCE, id="reference")]

MODULUS = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
COMPRESSED, INFINITY, LARGER_Y = 0x80, 0x40, 0x20

# RFC 9380, J.9.1: message, x and y of the point, under the tag below.
RFC_DST = b"QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_"
RFC_POINTS = [
    (
        b"",
        0x052926ADD2207B76CA4FA57A8734416C8DC95E24501772C814278700EED6D1E4E8CF62D9C09DB0FAC349612B759E79A1,
        0x08BA738453BFED09CB546DBB0783DBB3A5F1F566ED67BB6BE0E8C67E2E81A4CC68EE29813BB7994998F3EAE0C9C6A265,
    ),
    (
        b"abc",
        0x03567BC5EF9C690C2AB2ECDF6A96EF1C139CC0B2F284DCA0A9A7943388A49A3AEE664BA5379A7655D3C68900BE2F6903,
        0x0B9C15F3FE6E5CF4211F346271D7B01C8F3B28BE689C8429C85B67AF215533311F0B8DFAAA154FA6B88176C229F2885D,
    ),
    (
        b"abcdef0123456789",
        0x11E0B079DEA29A68F0383EE94FED1B940995272407E3BB916BBF268C263DDD57A6A27200A784CBC248E84F357CE82D98,
        0x03A87AE2CAF14E8EE52E51FA2ED8EEFE80F02457004BA4D486D6AA1F517C0889501DC7413753F9599B099EBCBBD2D709,
    ),
    (
        b"q128_" + b"q" * 128,
        0x15F68EAA693B95CCB85215DC65FA81038D69629F70AEEE0D0F677CF22285E7BF58D7CB86EEFE8F2E9BC3F8CB84FAC488,
        0x1807A1D50C29F430B8CAFC4F8638DFEEADF51211E1602A5F184443076715F91BB90A48BA1E370EDCE6AE1062F5E6DD38,
    ),
    (
        b"a512_" + b"a" * 512,
        0x082AABAE8B7DEDB0E78AEB619AD3BFD9277A2F77BA7FAD20EF6AABDC6C31D19BA5A6D12283553294C1825C4B3CA2DCFE,
        0x05B84AE5A942248EEA39E1D91030458C40153F3B654AB7872D779AD1E942856A20C438E8D99BC8ABFBF74729CE1F7AC8,
    ),
]

scalars = st.integers(0, ORDER - 1) | st.sampled_from([0, 1, 2, ORDER - 2, ORDER - 1])


def encoding(x: int, flags: int = COMPRESSED, size: int = POINT_BYTES) -> bytes:
    """`x` big-endian with flags in the first byte."""
    data = bytearray(x.to_bytes(size, "big"))
    data[0] |= flags
    return bytes(data)


def same_point_unreduced() -> bytes:
    """x + p of a point whose x is so small that the sum still fits into 381 bits."""
    for tries in count():
        data = NATIVE.hash_to_point(tries.to_bytes(4, "big"), RFC_DST).to_bytes()
        x = int.from_bytes(data, "big") % 2**381
        if x + MODULUS < 2**381:
            return encoding(x + MODULUS, data[0] & (COMPRESSED | LARGER_Y))
    raise AssertionError


def key_outside_the_subgroup() -> bytes:
    """A point of the curve of G2 that is not in G2: small x, as most of them are not."""
    for x in count(1):
        try:
            point = G2Point.from_compressed_bytes_unchecked(encoding(x, size=KEY_BYTES))
        except ValueError:
            continue
        assert not point.is_in_subgroup()
        return encoding(x, size=KEY_BYTES)
    raise AssertionError


GENERATOR = native.GENERATOR.to_bytes()
KEY_GENERATOR = native.KEY_GENERATOR.to_bytes()

HOSTILE_POINTS = {
    "identity": encoding(0, COMPRESSED | INFINITY),
    "identity with a sign": encoding(0, COMPRESSED | INFINITY | LARGER_Y),
    "identity without compression": encoding(0, INFINITY),
    "identity with something after it": encoding(1, COMPRESSED | INFINITY),
    "identity full of bits": bytes([0xC1]) + b"\xff" * 47,
    "infinity flag on a point": bytes([GENERATOR[0] | INFINITY]) + GENERATOR[1:],
    "no compression flag": bytes([GENERATOR[0] & ~COMPRESSED]) + GENERATOR[1:],
    "x is p": encoding(MODULUS),
    "x is all ones": encoding(2**381 - 1),
    "x of a point plus p": same_point_unreduced(),
    "not on the curve": encoding(1),
    "order 3": encoding(0),
    "outside the subgroup": encoding(4),
    "empty": b"",
    "one byte short": GENERATOR[:-1],
    "one byte long": GENERATOR + b"\0",
    "a key": KEY_GENERATOR,
    "zeros": bytes(POINT_BYTES),
}
HOSTILE_KEYS = {
    "identity": encoding(0, COMPRESSED | INFINITY, KEY_BYTES),
    "identity with a sign": encoding(0, COMPRESSED | INFINITY | LARGER_Y, KEY_BYTES),
    "identity with something after it": encoding(1, COMPRESSED | INFINITY, KEY_BYTES),
    "identity with something in the middle": encoding(2**383, COMPRESSED | INFINITY, KEY_BYTES),
    "infinity flag on a key": bytes([KEY_GENERATOR[0] | INFINITY]) + KEY_GENERATOR[1:],
    "no compression flag": bytes([KEY_GENERATOR[0] & ~COMPRESSED]) + KEY_GENERATOR[1:],
    "flags on the second half": KEY_GENERATOR[:48] + bytes([KEY_GENERATOR[48] | COMPRESSED]) + KEY_GENERATOR[49:],
    "first half is p": encoding(MODULUS) + KEY_GENERATOR[48:],
    "second half is p": KEY_GENERATOR[:48] + MODULUS.to_bytes(48, "big"),
    "outside the subgroup": key_outside_the_subgroup(),
    "empty": b"",
    "one byte short": KEY_GENERATOR[:-1],
    "one byte long": KEY_GENERATOR + b"\0",
    "a point": GENERATOR,
    "zeros": bytes(KEY_BYTES),
}


@pytest.mark.parametrize("group", BACKENDS)
def test_known_answers_of_hashing(group: AnyGroup) -> None:
    for message, x, y in RFC_POINTS:
        flags = COMPRESSED | (LARGER_Y if 2 * y > MODULUS else 0)
        assert group.hash_to_point(message, RFC_DST).to_bytes() == encoding(x, flags)


@pytest.mark.parametrize("group", BACKENDS)
@pytest.mark.parametrize("data", HOSTILE_POINTS.values(), ids=HOSTILE_POINTS.keys())
def test_hostile_points_are_refused(group: AnyGroup, data: bytes) -> None:
    with pytest.raises(ValueError):
        group.decode_point(data)


@pytest.mark.parametrize("group", BACKENDS)
@pytest.mark.parametrize("data", HOSTILE_KEYS.values(), ids=HOSTILE_KEYS.keys())
def test_hostile_keys_are_refused(group: AnyGroup, data: bytes) -> None:
    with pytest.raises(ValueError):
        group.decode_key(data)


@pytest.mark.parametrize("group", BACKENDS)
def test_a_scalar_is_below_the_order_and_never_wraps(group: AnyGroup) -> None:
    for value in (0, 1, ORDER - 1):
        encoded = value.to_bytes(32, "big")
        assert int(group.scalar(value)) == int(group.decode_scalar(encoded)) == value
        assert group.scalar(value).to_be_bytes() == encoded
    for value in (-1, ORDER, ORDER + 1, 2**256, 2**256 + 1):
        with pytest.raises(ValueError):
            group.scalar(value)
    hostile = [value.to_bytes(32, "big") for value in (ORDER, ORDER + 1, 2**256 - 1)]
    for data in [*hostile, b"", bytes(31), bytes(33), bytes(48)]:
        with pytest.raises(ValueError):
            group.decode_scalar(data)


@pytest.mark.parametrize("group", BACKENDS)
def test_a_sum_has_one_scalar_per_point(group: AnyGroup) -> None:
    point, two = group.GENERATOR, group.scalar(2)
    assert group.multiexp([], []) == group.IDENTITY
    assert group.multiexp([point, point], [two, two]) == point + point + point + point
    for points, factors in (([point, point], [two]), ([point], [two, two]), ([], [two]), ([point], [])):
        with pytest.raises(ValueError):
            group.multiexp(points, factors)


@pytest.mark.parametrize("group", BACKENDS)
def test_a_tag_is_neither_empty_nor_hashed(group: AnyGroup) -> None:
    for dst in (b"", b"x" * (MAX_DST_BYTES + 1)):
        with pytest.raises(ValueError):
            group.hash_to_point(b"message", dst)


def test_the_longest_tag_is_taken_alike() -> None:
    dst = b"x" * MAX_DST_BYTES
    assert NATIVE.hash_to_point(b"message", dst).to_bytes() == REFERENCE.hash_to_point(b"message", dst).to_bytes()


@pytest.mark.properties
@settings(max_examples=10)
@given(st.binary(max_size=100))
def test_both_backends_hash_alike(message: bytes) -> None:
    ours = NATIVE.hash_to_point(message, BASES_DST)
    assert ours.to_bytes() == REFERENCE.hash_to_point(message, BASES_DST).to_bytes()
    assert NATIVE.decode_point(ours.to_bytes()) == ours


@pytest.mark.properties
@settings(max_examples=50)
@given(scalars, scalars)
def test_both_backends_agree_on_scalars(a: int, b: int) -> None:
    for group in (native, reference):
        of: AnyGroup = group
        x, y = of.scalar(a), of.scalar(b)
        assert [int(z) for z in (x + y, x - y, x * y, -x)] == [z % ORDER for z in (a + b, a - b, a * b, -a)]


@pytest.mark.properties
@settings(max_examples=12)
@given(scalars, scalars)
def test_both_backends_agree_on_points(a: int, b: int) -> None:
    encodings = []
    for group in (native, reference):
        of: AnyGroup = group
        x, y = of.scalar(a), of.scalar(b)
        p = of.GENERATOR.times_secret(x)
        q = of.hash_to_point(b"q", BASES_DST)
        results = [p, p + q, p - q, -p, q.times_secret(y), (p + q).times_secret(y), of.multiexp([p, q], [y, x])]
        encodings.append([z.to_bytes() for z in (*results, of.KEY_GENERATOR.times_secret(x))])
        assert of.multiexp([p, q], [y, x]) == p.times_secret(y) + q.times_secret(x)
        assert p - p == of.IDENTITY
        assert hash(p + q) == hash(q + p)
    assert encodings[0] == encodings[1]


edges = st.sampled_from([0, 1, 2, ORDER // 2, ORDER // 2 + 1, ORDER - 2, ORDER - 1, ORDER, ORDER + 1, -(2**256)])


@given(edges, edges)
def test_it_is_all_the_same_which_library_made_a_point(a: int, b: int) -> None:
    def forms(number: int) -> list[native.Point]:
        factor = native.scalar(number % ORDER)
        encoded = (made := native.GENERATOR.times_secret(factor)).to_bytes()
        both = native.Point(blst=made.blst)
        assert both.ark == native.Point(encoded=encoded, blst=made.blst).ark
        return [made, native.multiexp([native.GENERATOR], [factor]), both]

    whole = forms(a + b)[0]
    for left in forms(a):
        for right in forms(b):
            total = left + right
            assert total.to_bytes() == whole.to_bytes()
            assert all(total == same for same in forms(a + b))
            assert (left == right) == (left.to_bytes() == right.to_bytes())


@pytest.mark.properties
@settings(max_examples=60)
@given(st.data())
def test_no_changed_encoding_is_the_same_point_and_both_backends_judge_alike(data: st.DataObject) -> None:
    original = data.draw(st.sampled_from([GENERATOR, encoding(0, COMPRESSED | INFINITY)]))
    changed = bytearray(original)
    for position in data.draw(st.lists(st.integers(0, 8 * POINT_BYTES - 1), min_size=1, max_size=3, unique=True)):
        changed[position // 8] ^= 1 << (position % 8)
    verdicts = []
    for group in (native, reference):
        of: AnyGroup = group
        try:
            verdicts.append(of.decode_point(bytes(changed)).to_bytes())
        except ValueError:
            verdicts.append(None)
    assert verdicts[0] == verdicts[1]
    assert verdicts[0] in (None, bytes(changed))


@pytest.mark.properties
@settings(max_examples=20)
@given(scalars, scalars)
def test_pairings_are_bilinear(a: int, b: int) -> None:
    _check_bilinear(native, a, b)


def test_pairings_are_bilinear_in_the_reference() -> None:
    _check_bilinear(reference, 7, ORDER - 3)


def _check_bilinear(group: AnyGroup, a: int, b: int) -> None:
    point, key = group.GENERATOR.times_secret(group.scalar(a)), group.KEY_GENERATOR.times_secret(group.scalar(b))
    product = group.GENERATOR.times_secret(group.scalar(a * b % ORDER))
    assert group.pairing_check([(point, key), (-product, group.KEY_GENERATOR)])
    assert not group.pairing_check([(point, key), (group.GENERATOR - product, group.KEY_GENERATOR)])


@pytest.mark.parametrize("group", BACKENDS)
def test_a_pairing_with_the_identity_is_one(group: AnyGroup) -> None:
    assert group.pairing_check([])
    assert group.pairing_check([(group.IDENTITY, group.KEY_GENERATOR)])
    assert not group.pairing_check([(group.GENERATOR, group.KEY_GENERATOR)])


def test_secret_scalars_go_to_the_constant_time_library_only() -> None:
    class Spy:
        """Stands for the point of blst."""

        def __init__(self) -> None:
            self.asked: list[int] = []

        def scalar_mul(self, scalar: int) -> Spy:
            self.asked.append(scalar)
            return self

    spy = Spy()
    native.Point(blst=spy).times_secret(native.scalar(5))
    native.Key(spy).times_secret(native.scalar(6))
    assert spy.asked == [5, 6]
    assert not hasattr(native.Point, "__mul__")
    assert not hasattr(native.Key, "__mul__")


@given(st.lists(st.tuples(st.integers(0, 3), edges | st.integers(-(2**64), 2**64)), max_size=4))
def test_a_sum_of_public_multiples_is_that_of_their_scalars(terms: list[tuple[int, int]]) -> None:
    points = [native.GENERATOR.times_secret(native.scalar(factor)) for factor in (0, 1, 5, ORDER - 5)]
    whole = sum(factor * (0, 1, 5, -5)[at] for at, factor in terms) % ORDER
    made = native.linear(*((points[at], factor) for at, factor in terms))
    assert made == native.GENERATOR.times_secret(native.scalar(whole))
    assert native.linear((points[2], 1)) is points[2]


def test_points_that_are_remembered_are_bounded_and_change_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "MAX_KNOWN", 3)
    native.forget()
    raws = [native.GENERATOR.times_secret(native.scalar(number)).to_bytes() for number in range(5, 10)]
    first = [native.decode_point(raw) for raw in raws]
    assert len(native._KNOWN) == 3
    assert native.decode_point(raws[-1]) is first[-1]
    assert native.decode_point(raws[0]) is not first[0]
    assert [native.decode_point(raw) for raw in raws] == first
    for bad in (raws[0][:-1], raws[0] + b"\0", b"", native.IDENTITY.to_bytes()):
        for _ in range(2):
            with pytest.raises(ValueError):
                native.decode_point(bad)


def test_a_computed_point_that_is_kept_is_read_as_itself_and_the_identity_is_not_kept() -> None:
    native.forget()
    total = native.GENERATOR + native.GENERATOR
    assert native.decode_point(native.keep(total)) is total
    assert native.keep(total) == native.GENERATOR.times_secret(native.scalar(2)).to_bytes()
    with pytest.raises(ValueError, match="identity"):
        native.keep(native.GENERATOR - native.GENERATOR)
