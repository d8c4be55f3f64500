"""One value, one encoding: the msgpack package reads and writes the same bytes, and any other form is refused."""

from __future__ import annotations

from typing import Annotated, Any

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zk.codec import Codec, Malformed, encode


class Inner(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=7):
    """One arm of a union."""

    number: int


class Other(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=8):
    """The other arm."""

    text: str


class Sample(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Every kind of field that is hashed anywhere."""

    count: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
    signed: int
    text: Annotated[str, msgspec.Meta(max_length=80)]
    raw: Annotated[bytes, msgspec.Meta(max_length=400)]
    many: tuple[Inner | Other, ...]
    maybe: bool | None


CODEC: Codec[Sample] = Codec(Sample, 4096)

texts = st.text(max_size=40)
samples = st.builds(
    Sample,
    st.integers(0, 2**53 - 1),
    st.integers(-(2**63), 2**64 - 1),
    texts,
    st.binary(max_size=300),
    st.lists(st.builds(Inner, st.integers(-(2**63), 2**64 - 1)) | st.builds(Other, texts), max_size=20).map(tuple),
    st.none() | st.booleans(),
)


def _plain(value: Any) -> Any:
    """The value as the lists and scalars that its encoding consists of."""
    if isinstance(value, msgspec.Struct):
        tag = [value.__struct_config__.tag] if value.__struct_config__.tag is not None else []
        return tag + [_plain(getattr(value, field)) for field in value.__struct_fields__]
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


@pytest.mark.properties
@settings(max_examples=150)
@given(samples)
def test_an_independent_encoder_writes_the_same_bytes(sample: Sample) -> None:
    raw = encode(sample)
    assert raw == msgpack.packb(_plain(sample), use_bin_type=True)
    assert msgpack.unpackb(raw, raw=False, strict_map_key=True) == _plain(sample)
    assert CODEC.decode(raw) == sample


@pytest.mark.properties
@settings(max_examples=400)
@given(samples, st.data())
def test_changed_bytes_are_refused_or_another_value(sample: Sample, data: st.DataObject) -> None:
    raw = encode(sample)
    at = data.draw(st.integers(0, len(raw) - 1))
    changed = raw[:at] + data.draw(st.binary(max_size=9)) + raw[at + data.draw(st.integers(0, 2)) :]
    try:
        value = CODEC.decode(changed)
    except Malformed:
        return
    assert encode(value) == changed
    assert (value == sample) == (changed == raw)


BASE = Sample(5, -1, "a", b"b", (), None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\x05", b"\xcc\x05"),
        (b"\x05", b"\xcd\x00\x05"),
        (b"\x05", b"\xd3\x00\x00\x00\x00\x00\x00\x00\x05"),
        (b"\xff", b"\xd0\xff"),
        (b"\xa1a", b"\xd9\x01a"),
        (b"\xc4\x01b", b"\xc5\x00\x01b"),
        (b"\x90", b"\xdc\x00\x00"),
    ],
)
def test_longer_forms_of_the_same_value_are_refused(old: bytes, new: bytes) -> None:
    raw = encode(BASE)
    changed = raw[:1] + raw[1:].replace(old, new, 1)
    assert msgpack.unpackb(changed, raw=False) == _plain(BASE)
    with pytest.raises(Malformed) as refusal:
        CODEC.decode(changed)
    assert refusal.value.code == "codec.non-canonical"


@pytest.mark.parametrize(
    "plain",
    [
        [5, -1, "a", b"b", [], None, 1],
        [5, -1, "a", b"b", []],
        [-1, -1, "a", b"b", [], None],
        [2**53, -1, "a", b"b", [], None],
        [5, -1.0, "a", b"b", [], None],
        [5, -1, "a" * 81, b"b", [], None],
        [5, -1, "a", b"b", [[9, 1]], None],
        [5, -1, "a", b"b", {}, None],
        {"count": 5},
    ],
)
def test_what_the_type_does_not_allow_is_malformed(plain: Any) -> None:
    with pytest.raises(Malformed) as refusal:
        CODEC.decode(msgpack.packb(plain, use_bin_type=True))
    assert refusal.value.code == "codec.malformed"


def test_deep_nesting_is_malformed_not_a_crash() -> None:
    with pytest.raises(Malformed) as refusal:
        CODEC.decode(b"\x91" * 4000 + b"\xc0")
    assert refusal.value.code == "codec.malformed"


def test_bytes_over_the_limit_are_not_decoded() -> None:
    with pytest.raises(Malformed) as refusal:
        CODEC.decode(bytes(4097))
    assert refusal.value.code == "codec.oversized"
