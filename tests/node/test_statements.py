"""Files of statements: each kind is made, checked and said in words; wrong files get codes, and no secret leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.errors import NodeError, ProofError
from node.proofs import Document, Proven
from node.statements import examples, file, making
from node.statements.anchors import point_fields, standing
from node.statements.kinds import KINDS
from tests.node.documents import genesis_document
from zk.group import ORDER
from zk.pedersen import commit
from zk.statements import check
from zk.statements.assertion import Where
from zk.statements.openings import Opening, opened, total

ENTROPY = b"e" * 32
GENESIS = genesis_document()
CHAIN_ID = GENESIS.chain_id()


def order(kind: str) -> Document:
    """The example, once more as a document of its own."""
    document: Document = json.loads(json.dumps(examples.example(kind, CHAIN_ID)))
    return document


def raw(document: Document) -> bytes:
    return json.dumps(document).encode()


@cache
def made(kind: str) -> bytes:
    """The file of an example."""
    return msgspec.json.encode(making.make(raw(order(kind)), (), ENTROPY)[0])


def document(kind: str) -> Document:
    found: Document = json.loads(made(kind))
    return found


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(NodeError) as error:
        call()
    assert error.value.message and error.value.hint
    return error.value.code


def test_every_statement_that_can_be_checked_can_be_made_shown_and_said() -> None:
    assert set(KINDS) == set(check.REDUCERS) == set(making.MAKERS) == set(examples.INPUTS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_statement_is_made_checked_and_explained(kind: str) -> None:
    proven = file.verify(file.decode(made(kind)), GENESIS)
    (one,) = proven.data["statements"]
    assert one["statement"] == kind
    assert "solar" in proven.sentence
    (explained,) = file.explain(file.decode(made(kind)))
    assert explained["explained"].startswith("It is proven that ")
    assert "; not revealed: " in explained["explained"]
    assert explained["explained"].count(".") == 1, "one sentence"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "opening"])
def test_no_opening_is_in_the_file(kind: str) -> None:
    """A blinding is in a file in no form of it; an opening is given away by the statement that is one."""
    text = made(kind).decode()
    secrets = [(11).to_bytes(32, "big"), (12).to_bytes(32, "big")]
    made_openings = making.make(raw(order(kind)), (), ENTROPY)[1]
    secrets += [bytes.fromhex(one["blinding"]) for one in made_openings]
    for secret in secrets:
        assert secret.hex() not in text
        assert secret[::-1].hex() not in text
        assert str(int.from_bytes(secret, "big")) not in text or int.from_bytes(secret, "big") < 100


@pytest.mark.parametrize("kind", KINDS)
def test_a_statement_is_good_for_its_own_place(kind: str) -> None:
    """Under another name; what is only computed is true everywhere."""
    moved = file.decode(where(kind, actor="wind"))
    if kind in ("sum", "opening", "chain"):
        assert file.verify(moved, GENESIS)
    else:
        assert refused(lambda: file.explain(moved)) == "proof.false"


def with_statement(kind: str, **fields: Any) -> bytes:
    whole = document(kind)
    return raw(whole | {"statements": [whole["statements"][0] | fields]})


def about(kind: str, **fields: Any) -> bytes:
    return with_statement(kind, about=document(kind)["statements"][0]["about"] | fields)


def where(kind: str, **fields: Any) -> bytes:
    return with_statement(kind, where=document(kind)["statements"][0]["where"] | fields)


POINT = document("award")["statements"][0]["about"]["award"]

WRONG: dict[str, tuple[bytes, str]] = {
    "nothing in it": (b"{}", "proof.malformed"),
    "no JSON": (b"\xff", "proof.malformed"),
    "deep": (b"[" * 100_000, "proof.malformed"),
    "no statement": (raw({"kind": "statements", "statements": []}), "proof.malformed"),
    "an unknown field": (raw(document("range") | {"more": 1}), "proof.malformed"),
    "an order": (raw(order("award")), "proof.order"),
    "a bundle": (raw({"kind": "state", "chain_id": CHAIN_ID}), "proof.bundle"),
    "another kind": (with_statement("range", statement="demand"), "proof.malformed"),
    "no kind": (with_statement("range", statement="hope"), "proof.kind"),
    "another kind of the same form": (with_statement("range", statement="capacity"), "proof.false"),
    "another chain": (where("range", chain_id="elsewhere"), "proof.chain"),
    "a negative interval": (where("range", at=-1), "proof.malformed"),
    "an interval that no integer holds": (where("range", at=10**30), "proof.malformed"),
    "a figure that no integer holds": (about("opening", value=2**64), "proof.malformed"),
    "a difference that no integer holds": (about("known-difference", difference=2**70), "proof.malformed"),
    "a place without a key": (with_statement("range", where={"chain_id": CHAIN_ID}), "proof.malformed"),
    "a wider range": (about("range", ranges=[[0, 2**40]]), "proof.false"),
    "a negative range": (about("range", ranges=[[-1, 2**40]]), "proof.malformed"),
    "a huge range": (about("range", ranges=[[0, 2**64]]), "proof.malformed"),
    "two ranges": (about("range", ranges=[[0, 1], [0, 1]]), "proof.false"),
    "another commitment": (about("range", commitments=[POINT]), "proof.false"),
    "no commitment": (about("range", commitments=["00"]), "proof.malformed"),
    "capitals": (about("range", commitments=[POINT.upper()]), "proof.malformed"),
    "no proof": (with_statement("range", proof=""), "proof.false"),
    "a proof of half a byte": (with_statement("range", proof="0"), "proof.malformed"),
    "another divisor": (about("award", divisor=18), "proof.false"),
    "divided by nothing": (about("award", divisor=0), "proof.malformed"),
    "another difference": (about("known-difference", difference=-29), "proof.false"),
    "another shortfall": (about("delivery", shortfall_wh=1), "proof.false"),
    "a negative shortfall": (about("delivery", shortfall_wh=-1), "proof.malformed"),
    "another recipient": (with_statement("spend", bound={"recipient": "tide", "note_hash": "00" * 32}), "proof.false"),
    "nothing bound": (with_statement("spend", bound={}), "proof.malformed"),
    "another total": (about("sum", total=POINT), "proof.false"),
    "a record changed": (about("chain", records=["ff"]), "proof.false"),
    "made of itself twice": (with_statement("award", made_of={POINT: [[2, POINT]]}), "proof.parts"),
    "made of no point": (with_statement("award", made_of={POINT: [[1, "00"]]}), "proof.parts"),
    "made of nothing": (with_statement("award", made_of={POINT: []}), "proof.malformed"),
    "nothing made of something": (with_statement("award", made_of={"00": [[1, POINT]]}), "proof.parts"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_file_gets_its_code_and_a_next_step(what: str) -> None:
    content, code = WRONG[what]
    assert refused(lambda: file.verify(file.decode(content), GENESIS)) == code


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.text(max_size=8),
    st.sampled_from([POINT, "00" * 48, "00" * 32, [], {}, [[]], "spend", 0.5]),
)


@settings(max_examples=50)
@given(st.sampled_from(["sum", "known-difference", "chain", "opening", "share"]), st.data())
def test_whatever_is_put_into_a_file_it_is_proven_or_refused_with_a_code(kind: str, data: st.DataObject) -> None:
    whole = document(kind)
    at: Any = whole
    for _ in range(data.draw(st.integers(1, 5))):
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if not isinstance(at[key], dict | list) or data.draw(st.booleans()):
            at[key] = data.draw(leaves)
            break
        at = at[key]
    try:
        file.verify(file.decode(raw(whole)), GENESIS)
    except ProofError as error:
        assert error.code in ("proof.malformed", "proof.kind", "proof.chain", "proof.false", "proof.parts")


def test_too_large_a_file_is_refused_before_it_is_read() -> None:
    assert refused(lambda: file.decode(b" " * (16 * 1024 * 1024 + 1))) == "proof.malformed"


def test_more_than_a_file_may_have_is_refused() -> None:
    one = document("opening")["statements"][0]
    many = [one] * (file.MAX_STATEMENTS + 1)
    entry = {"key": "", "value": None, "proof": ""}
    fact = {"kind": "state", "chain_id": CHAIN_ID, "header": {}, "certificate": {}, "validators": [], "trail": []}
    facts = [fact | {"entries": [entry]}] * (file.MAX_FACTS + 1)
    terms = one | {"made_of": {POINT: [[1, POINT]] * (file.MAX_TERMS + 1)}}
    for wrong in ({"statements": many}, {"statements": [one], "facts": facts}, {"statements": [terms]}):
        content = raw({"kind": "statements", **wrong})
        with pytest.raises(ProofError) as error:
            file.decode(content)
        assert error.value.code == "proof.malformed"
    assert file.decode(raw({"kind": "statements", "statements": many[1:], "facts": facts[1:]}))


def test_the_first_statement_that_is_false_is_named() -> None:
    true, false = document("range")["statements"][0], document("award")["statements"][0]
    false = false | {"proof": "00" * (len(false["proof"]) // 2)}
    both = file.decode(raw({"kind": "statements", "statements": [true, false, true]}))
    with pytest.raises(ProofError, match=r"Statement 2 \(award\)"):
        file.verify(both, GENESIS)


def test_what_nothing_shows_on_the_ledger_is_said_and_can_be_refused() -> None:
    read = file.decode(made("award"))
    proven = file.verify(read, GENESIS)
    (one,) = proven.data["statements"]
    assert set(one["points"].values()) == {None}
    assert proven.data["unanchored"] == list(one["points"])
    assert refused(lambda: file.verify(read, GENESIS, anchored=True)) == "proof.unanchored"


def test_only_what_is_a_point_on_the_ledger_anchors_a_statement() -> None:
    """What an author is free to write, in a note or a reason, could spell any point."""
    point, other = "aa" * 48, "bb" * 48
    record = {
        "key": "pending/0000000001",
        "value": {"note": point, "own_note": point, "commitment": other, "to": point},
    }
    assert dict(standing(Proven("", {"records": [record, {"key": "pending/2", "value": None}]}))) == {
        other: "pending/0000000001: commitment"
    }
    body = {"type": "spend", "to": "solar", "note": point, "commitment": other}
    envelope = {"type": "account-envelope", "sender": "geo", "body": body}
    included = {"hash": "ff", "envelope": envelope}
    done = included | {"receipt": {"code": "ok"}}
    assert dict(standing(Proven("", done))) == {other: "transaction ff: body.commitment"}
    # Not what was refused, nor what was merely included.
    assert not list(standing(Proven("", included | {"receipt": {"code": "confidential.proof"}})))
    assert not list(standing(Proven("", included)))


def test_no_free_text_has_the_name_of_a_point() -> None:
    assert {"balance", "commitment", "point", "bill", "sealed", "import_commitment", "key"} <= point_fields()
    assert not {"note", "own_note", "reason", "proof", "signature", "to", "member"} & point_fields()


@pytest.mark.parametrize(
    ("kind", "inputs", "code"),
    [
        ("reading", {"ranges": [[1_501, 3_000]]}, "proof.not-so"),
        ("reading", {"openings": [{"value": 1_500, "blinding": "00" * 31}]}, "proof.not-so"),
        ("reading", {"openings": [{"value": 1_500, "blinding": ORDER.to_bytes(32, "big").hex()}]}, "proof.not-so"),
        ("reading", {"ranges": [[1_000, 3_000]] * 2}, "proof.not-so"),
        ("reading", {"openings": []}, "proof.not-so"),
        ("reading", {"key": "zz"}, "proof.inputs"),
        ("reading", {"more": 1}, "proof.inputs"),
        ("spend", {"amount": 5_001}, "proof.not-so"),
        ("withdraw", {"amount": 5_001}, "proof.not-so"),
        ("withdraw", {"amount": -1}, "proof.not-so"),
        ("withdraw", {"amount": "many"}, "proof.inputs"),
        ("within-loss", {"loss_ppm": 900}, "proof.not-so"),
        ("reserve", {"most": 5_999}, "proof.not-so"),
        ("delivery", {"others_wh": 11}, "proof.not-so"),
        ("demand", {"quantity": 1_001}, "proof.not-so"),
        ("demand", {"key": "00" * 48}, "proof.not-so"),
        ("bid", {"quantities": [60, 41]}, "proof.not-so"),
        ("bid", {"quantities": []}, "proof.not-so"),
        ("award", {"ticks": []}, "proof.not-so"),
        ("award", {"b": 0}, "proof.not-so"),
        ("green-share", {"ppm": 1_000_001}, "proof.not-so"),
        ("sum", {"public": 1}, "proof.not-so"),
        ("chain", {"count": 3}, "proof.not-so"),
        ("share", {"secret": "00" * 32}, "proof.not-so"),
        ("share", {"other": "00" * 48}, "proof.not-so"),
    ],
)
def test_what_is_not_so_is_not_made(kind: str, inputs: Document, code: str) -> None:
    wrong = order(kind)
    wrong["statements"][0]["inputs"] |= inputs
    assert refused(lambda: making.make(raw(wrong), (), ENTROPY)) == code


def test_an_order_of_no_kind_and_a_file_that_is_no_order_are_told_apart() -> None:
    unknown = order("range")
    unknown["statements"][0]["statement"] = "hope"
    assert refused(lambda: making.make(raw(unknown), (), ENTROPY)) == "proof.kind"
    assert refused(lambda: making.make(made("range"), (), ENTROPY)) == "proof.malformed"
    assert refused(lambda: making.make(b"{", (), ENTROPY)) == "proof.malformed"


def test_what_opens_new_commitments_is_given_back_beside_the_file() -> None:
    openings = making.make(raw(order("bid")), (), ENTROPY)[1]
    assert [(one["of"], one["value"]) for one in openings] == [("tick 1", 20), ("tick 2", 30), ("slack", 50)]
    # These are what an award of the same bid takes.
    posted = document("bid")["statements"][0]["about"]
    again = order("award")
    again["statements"][0]["inputs"]["ticks"] = [
        {"value": one["value"], "blinding": one["blinding"]} for one in openings[:2]
    ]
    award = json.loads(msgspec.json.encode(making.make(raw(again), (), ENTROPY)[0]))["statements"][0]
    assert award["made_of"] == {award["about"]["weighted"]: [[17, posted["e"][0]], [11, posted["e"][1]]]}


def opens(value: int, name: str) -> Opening:
    """A commitment of the month, by a blinding of its own."""
    return opened("tests", Where(CHAIN_ID, name), [value], ENTROPY)[0]


def form(opening: Opening) -> Document:
    return {"value": opening.value, "blinding": opening.blinding.hex()}


def hex_of(opening: Opening) -> str:
    return commit(*opening).to_bytes().hex()


def ordered(kind: str, actor: str, inputs: Document) -> Document:
    where = {"chain_id": CHAIN_ID, "actor": actor, "at": 11, "round": 0, "key_id": ""}
    return {"statement": kind, "where": where, "inputs": inputs}


def ranges_of(openings: list[Opening], span: tuple[int, int]) -> Document:
    return {"openings": [form(one) for one in openings], "ranges": [span] * len(openings), "key": ""}


def sum_of(parts: list[Opening], whole: Opening) -> Document:
    return {"parts": [hex_of(one) for one in parts], "public": 0, "total": hex_of(whole)}


def test_a_stranger_checks_the_bill_of_the_paper() -> None:
    """31, 30, 15.1 and 14.9 kWh of four suppliers, used by 53 tenants in [1000, 3000] Wh, which four of them show.
    Solar shows its own figure; of all others the stranger learns that they add up, and are in their ranges."""
    used = [opens(1_000 + 28 * number, f"tenant-{number:02}") for number in range(53)]
    used[-1] = used[-1].shifted(91_000 - sum(one.value for one in used))
    assert all(1_000 <= one.value <= 3_000 for one in used)
    whole = total(used)
    shares = {name: opens(wh, name) for name, wh in (("solar", 31_000), ("wind", 30_000), ("geothermal", 15_100))}
    # The campus chooses the last blinding so that the shares are the whole, as points.
    shares["biodiesel"] = whole.minus(total(list(shares.values())))
    assert shares["biodiesel"].value == 14_900
    orders = [
        ordered("reading", "campus", ranges_of(used[:4], (1_000, 3_000))),
        ordered("sum", "campus", sum_of(used, whole)),
        ordered("range", "campus", ranges_of(list(shares.values()), (0, 2**40 - 1))),
        ordered("sum", "campus", sum_of(list(shares.values()), whole)),
        ordered("opening", "solar", {"opening": form(shares["solar"])}),
    ]
    bill, _ = making.make(raw({"kind": "statements-to-make", "statements": orders}), (), ENTROPY)
    content = msgspec.json.encode(bill)
    proven = file.verify(file.decode(content), GENESIS)
    said = [one["proven"] for one in proven.data["statements"]]
    assert said[0] == "4 readings of campus are in [1000, 3000]"
    assert said[4] == "a commitment of solar hides 31000"
    points = [set(one["points"]) for one in proven.data["statements"]]
    assert points[3] - points[2] == {hex_of(whole)} < points[1]
    assert points[0] < points[1] and len(points[1]) == 54
    assert points[4] < points[2]
    for one in (*used, *shares.values()):
        if one is not shares["solar"]:
            assert one.blinding.hex() not in content.decode()
    # A share of a Wh less, made up in another, is another bill.
    shares["wind"] = shares["wind"].shifted(-1)
    other = ordered("sum", "campus", sum_of(list(shares.values()), whole))
    wrong = raw({"kind": "statements-to-make", "statements": [other]})
    assert refused(lambda: making.make(wrong, (), ENTROPY)) == "proof.not-so"
