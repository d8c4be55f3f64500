"""JSON forms: one form per value, integers that JavaScript would lose as strings, hostile documents refused."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.messages import CommitCertificate, Header
from consensus.validators import Validator
from contracts.bodies import Offer, OfferBlock, PlainReading, Transfer
from contracts.genesis import OpeningTrust
from contracts.members import Record
from contracts.receipts import Receipt, TokensBonded, TokensUnbonded, Transferred
from node.render import NotThisForm, parse, read, render

HASHES = st.binary(min_size=32, max_size=32)
IDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=32)
VALIDATORS = st.builds(Validator, IDS, IDS, HASHES, st.binary(max_size=96), st.integers(0, 2**53 - 1), st.booleans())
CERTIFICATES = st.builds(
    CommitCertificate,
    st.integers(0, 2**48 - 1),
    st.integers(0, 2**31 - 1),
    HASHES,
    st.lists(st.tuples(st.integers(0, 255), st.binary(min_size=64, max_size=64)), max_size=4).map(tuple),
)
HEADERS = st.builds(
    Header,
    st.integers(1, 255),
    IDS,
    st.integers(0, 2**48 - 1),
    HASHES,
    st.integers(0, 2**53 - 1),
    HASHES,
    IDS,
    st.integers(0, 2**31 - 1),
    *[HASHES] * 7,
    st.binary(max_size=48),
)
RECORDS = st.one_of(VALIDATORS, CERTIFICATES, HEADERS)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(RECORDS)
def test_parse_undoes_render_through_real_json(record: Any) -> None:
    assert parse(type(record), json.loads(json.dumps(render(record)))) == record


@given(RECORDS, st.data())
def test_one_value_has_one_form(record: Any, data: st.DataObject) -> None:
    """Whatever is accepted renders to exactly what was given: no second spelling."""
    document = render(record)
    name = data.draw(st.sampled_from(sorted(document)))
    document[name] = data.draw(JSON)
    try:
        parsed = parse(type(record), document)
    except NotThisForm:
        return
    assert json.dumps(render(parsed)) == json.dumps(document)


@given(RECORDS, st.data())
def test_missing_and_strange_fields_are_refused(record: Any, data: st.DataObject) -> None:
    document = render(record)
    name = data.draw(st.sampled_from(sorted(document)))
    with pytest.raises(NotThisForm):
        parse(type(record), {key: value for key, value in document.items() if key != name})
    with pytest.raises(NotThisForm):
        parse(type(record), document | {"more": 1})


@pytest.mark.parametrize("spelling", ["01", "+1", "1.0", " 1", "1 ", "", "-0", "0x1", "١", 1, 1.0, True, None])
def test_a_power_is_a_canonical_decimal_string(spelling: Any) -> None:
    document = render(Validator("a", "b", bytes(32), b"", 1))
    assert parse(Validator, document).power == 1
    with pytest.raises(NotThisForm):
        parse(Validator, document | {"power": spelling})


def test_money_tokens_and_nonces_are_strings_and_the_rest_is_numbers() -> None:
    assert render(Transfer("wind", 2**63 - 1, "")) == {
        "type": "transfer",
        "to": "wind",
        "amount_nano": "9223372036854775807",
        "memo": "",
    }
    assert render(OpeningTrust("wind", 5))["free_tokens"] == "5"
    assert render(7, "next_nonce") == "7"
    offer = render(Offer("solar-1", 9, (OfferBlock(-5, 10),)))
    assert offer["blocks"] == [{"price_nano_per_wh": -5, "energy_wh": 10}]
    reading = render(PlainReading(1, 2, 3, 4, None, None, 0, b"\xab" * 32))
    assert (reading["type"], reading["previous_hash"], reading["import_wh"]) == ("plain-reading", "ab" * 32, 3)
    receipt = render(Receipt("ok", 1, (Transferred("a", "b", -1),)))
    assert receipt["events"] == [{"type": "transferred", "sender": "a", "to": "b", "amount_nano": "-1"}]


def test_what_has_no_json_form_is_an_error_and_not_a_guess() -> None:
    with pytest.raises(TypeError):
        render(0.5)
    with pytest.raises(TypeError):
        render({1, 2})


class Inner(Record, frozen=True):
    """A record of state: an array, as on the ledger."""

    count: int
    name: str = "unnamed"


class Plain(msgspec.Struct, frozen=True, kw_only=True):
    """A record of an answer: an object, as in JSON."""

    text: str
    amount_nano: int
    hash: bytes
    inner: tuple[Inner, ...]
    event: TokensBonded | TokensUnbonded
    table: dict[str, int]
    maybe: Inner | None = None
    later: int = 5


INNER = st.builds(Inner, st.integers(-(2**40), 2**40), st.text(max_size=3))
PLAIN = st.builds(
    Plain,
    text=st.text(max_size=3),
    amount_nano=st.integers(-(10**18), 10**18),
    hash=st.binary(max_size=4),
    inner=st.lists(INNER, max_size=2).map(tuple),
    event=st.builds(TokensBonded, st.just("a"), st.integers(1, 9))
    | st.builds(TokensUnbonded, st.just("b"), st.just(1)),
    table=st.dictionaries(st.text("ab", max_size=2), st.integers(0, 9), max_size=2),
    maybe=st.none() | INNER,
    later=st.integers(0, 9),
)


@given(PLAIN)
def test_read_undoes_render_and_forgives_what_is_newer(record: Plain) -> None:
    document = json.loads(json.dumps(render(record)))
    assert read(Plain, document) == record
    assert (
        read(Plain, {**document, "newer": [1], "inner": [{**one, "newer": 2} for one in document["inner"]]}) == record
    )
    del document["later"], document["maybe"]
    left = read(Plain, {**document, "inner": [{"count": one["count"]} for one in document["inner"]]})
    assert left.later == 5 and left.maybe is None and all(one.name == "unnamed" for one in left.inner)


@given(PLAIN, st.sampled_from(["text", "amount_nano", "hash", "inner", "event", "table"]))
def test_read_takes_nothing_of_another_kind(record: Plain, name: str) -> None:
    document = json.loads(json.dumps(render(record)))
    for wrong in (0.5, None, [[]], {"type": "strange"}):
        if name == "table" and wrong == {"type": "strange"}:
            continue
        with pytest.raises(NotThisForm):
            read(Plain, {**document, name: wrong})
    with pytest.raises(NotThisForm):
        read(Plain, {**document, "inner": [{"name": "without a count"}]})
    del document[name]
    with pytest.raises(NotThisForm):
        read(Plain, document)
