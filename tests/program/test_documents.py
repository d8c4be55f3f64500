"""Documents as bytes: what is written is what is read, one encoding per solution, and no bytes that are not refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.bodies import MAX_SOLUTION_BYTES
from contracts.program import documents
from contracts.program.case import (
    MAX_LINES,
    MAX_ROWS,
    MAX_WEIGHT,
    WEIGHT_ONE,
    Case,
    LineFlow,
    Multiplier,
    Solution,
    Voltages,
)
from contracts.program.verdict import Refusal
from contracts.units import MAX_ENERGY
from tests.program.cases import ROUND, cases, small
from zk.codec import encode

SCHEMAS = Path(__file__).parent.parent.parent / "docs" / "schemas"
ENERGY = st.integers(0, MAX_ENERGY)


@st.composite
def solutions(draw: st.DrawFn) -> Solution:
    intervals = draw(st.integers(1, 4))
    row = st.tuples(*[ENERGY] * intervals)
    grids = [tuple(draw(st.lists(row, max_size=3))) for _ in range(5)]
    flow = st.builds(LineFlow, st.integers(0, MAX_LINES - 1), st.integers(0, 191), st.integers(-MAX_ENERGY, MAX_ENERGY))
    parts = st.lists(st.integers(-(2**31 - 1), 2**31 - 1), max_size=3).map(tuple)
    weights = draw(st.dictionaries(st.integers(0, MAX_ROWS - 1), st.integers(-(2**60), 2**60), max_size=5))
    return Solution(
        draw(st.binary(min_size=32, max_size=32)).hex(),
        *grids,
        draw(st.integers(0, MAX_WEIGHT)),
        draw(st.integers(1, MAX_WEIGHT)),
        draw(st.integers(0, WEIGHT_ONE)),
        tuple(draw(st.lists(flow, max_size=3))),
        tuple(Multiplier(row, weights[row]) for row in sorted(weights)),
        tuple(draw(st.lists(st.builds(Voltages, parts, parts), max_size=2))),
    )


@settings(max_examples=60)
@given(solutions())
def test_a_solution_survives_both_forms(solution: Solution) -> None:
    raw = documents.pack(solution)
    assert isinstance(raw, bytes)
    assert documents.unpack(raw) == solution
    assert documents.solution_of(documents.json_of(solution)) == solution


def test_no_field_of_a_solution_is_forgotten() -> None:
    """Each one is drawn above, so each one has survived."""
    assert Solution.__struct_fields__[-2:] == ("multipliers", "voltages") and len(Solution.__struct_fields__) == 12


@settings(max_examples=40)
@given(cases())
def test_a_case_survives_json(case: Case) -> None:
    assert documents.case_of(documents.json_of(case)) == case


@settings(max_examples=150)
@given(st.binary(max_size=60) | solutions().map(documents.pack), st.data())
def test_any_bytes_are_one_solution_or_refused(raw: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, max(0, len(raw) - 1)))
    for changed in (raw, raw[:at] + data.draw(st.binary(max_size=2)) + raw[at + 1 :]):
        found = documents.unpack(changed)
        if isinstance(found, Solution):
            assert documents.pack(found) == changed
        else:
            assert found.code in ("dispatch.malformed", "dispatch.oversized")


PLAIN = Solution(ROUND, charge_wh=((1, 2),), multipliers=(Multiplier(3, 5),))


def packed(**changes: Any) -> bytes:
    return encode(replace(documents.PACKED.decode(documents.pack(PLAIN)), **changes))


UNFIT = {
    "half a row": {"charge_wh": (1, 2, 3)},
    "a length of nothing": {"charge_wh": (), "intervals": 2},
    "a flow without its line": {"flow_wh": (1,)},
    "a flow without its interval": {"flow_wh": (1,), "flow_lines": (1,)},
    "a weight too many": {"weights": (5, 6)},
    "a row too many": {"row_gaps": (3, 3)},
    "a row beyond all": {"row_gaps": (MAX_ROWS - 1, 0), "weights": (5, 6)},
    "a gap backwards": {"row_gaps": (-1,)},
    "no interval": {"intervals": 0},
    "too many intervals": {"intervals": 193},
    "energy below nothing": {"charge_wh": (1, -1)},
    "too much energy": {"charge_wh": (1, MAX_ENERGY + 1)},
    "weight beyond": {"weights": (2**60 + 1,)},
    "kappa without denominator": {"kappa_den": 0},
    "theta beyond one": {"theta": WEIGHT_ONE + 1},
    "short round": {"round_id": bytes(31)},
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_does_not_fit_is_refused(name: str) -> None:
    assert documents.unpack(packed()) == PLAIN
    found = documents.unpack(packed(**UNFIT[name]))
    assert isinstance(found, Refusal) and found.code == "dispatch.malformed" and found.message.endswith(".")


def test_what_has_no_compact_form_is_refused() -> None:
    for solution, code in (
        (replace(PLAIN, discharge_wh=((1,),)), "dispatch.shape"),
        (replace(PLAIN, charge_wh=((),)), "dispatch.shape"),
        (replace(PLAIN, multipliers=(Multiplier(3, 5), Multiplier(3, 5))), "dispatch.multiplier-order"),
        (replace(PLAIN, charge_wh=((MAX_ENERGY,) * 192,) * 200), "dispatch.oversized"),
    ):
        found = documents.pack(solution)
        assert isinstance(found, Refusal) and found.code == code


def test_a_day_of_a_thousand_with_fifty_batteries_fits_into_a_transaction() -> None:
    """Batteries that always do something and a weight on each of their rows, none small."""
    grid = tuple(tuple(20_000 + (s * t) % 9_000 for t in range(96)) for s in range(50))
    rows = 96 + 2 * 50 * 96 + 50
    weights = tuple(Multiplier(row, (250_000 << 32) + row) for row in range(rows))
    raw = documents.pack(Solution(ROUND, grid, grid, multipliers=weights))
    assert isinstance(raw, bytes) and len(raw) < MAX_SOLUTION_BYTES


def test_a_million_multipliers_are_refused_unread() -> None:
    raw = packed(row_gaps=(0,) * 10**6, weights=(1,) * 10**6)
    found = documents.unpack(raw)
    assert isinstance(found, Refusal) and found.code == "dispatch.oversized"
    many = b'{"round_id":"%s","multipliers":[%s]}' % (ROUND.encode(), b",".join([b'{"row":1,"weight":1}'] * 10**6))
    found = documents.solution_of(many)
    assert isinstance(found, Refusal) and (found.code, found.where) == ("dispatch.malformed", "multipliers")


JSON: dict[str, tuple[Any, str]] = {
    "not an object": ([], "document"),
    "unknown field": ({"colour": 1}, "document"),
    "energy in kilowatt hours": ({"reserve_wh": [1.5]}, "reserve_wh[0]"),
    "energy below nothing": ({"reserve_wh": [-1]}, "reserve_wh[0]"),
    "too much energy": ({"reserve_wh": [2**40]}, "reserve_wh[0]"),
    "price as text": ({"reference_nano_per_wh": ["7"]}, "reference_nano_per_wh[0]"),
    "price beyond": ({"reference_nano_per_wh": [2**28]}, "reference_nano_per_wh[0]"),
    "no limit": ({"connections": [{"id": "tie", "organisation": "u", "import_limit_wh": None}]}, "connections[0]"),
    "block without end": (
        {"sources": [{"id": "a", "organisation": "a", "blocks": [[{"price_nano_per_wh": 1, "energy_wh": None}]]}]},
        "sources[0].blocks[0][0].energy_wh",
    ),
    "block of nothing": (
        {"sources": [{"id": "a", "organisation": "a", "blocks": [[{"price_nano_per_wh": 1, "energy_wh": 0}]]}]},
        "sources[0].blocks[0][0].energy_wh",
    ),
    "no intervals": ({"intervals": 0}, "intervals"),
    "too many": ({"intervals": 193}, "intervals"),
    "name with a bell": ({"name": "\a"}, "name"),
}


@pytest.mark.parametrize("name", JSON)
def test_json_that_is_no_case_is_refused_with_its_place(name: str) -> None:
    plain = json.loads(documents.json_of(small()))
    changes, where = JSON[name]
    found = documents.case_of(json.dumps(plain | changes if isinstance(changes, dict) else changes).encode())
    assert isinstance(found, Refusal) and found.code == "dispatch.malformed"
    assert found.where.startswith(where) and found.message.endswith(".")


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000, b'{"name":' * 50_000, b"1e999", b"null"])
def test_bytes_that_are_no_json_are_refused(raw: bytes) -> None:
    for read in (documents.case_of, documents.solution_of):
        found = read(raw)
        assert isinstance(found, Refusal) and found.code == "dispatch.malformed"


def test_large_files_are_refused_unread() -> None:
    found = documents.case_of(bytes(documents.MAX_CASE_BYTES + 1))
    assert isinstance(found, Refusal) and found.code == "dispatch.oversized"


def test_published_schemas_are_those_of_the_structs() -> None:
    assert {path.name: path.read_bytes() for path in sorted(SCHEMAS.iterdir())} == documents.schemas()


def test_schemas_say_the_bounds() -> None:
    found = json.loads(documents.schemas()["dispatch-case.json"])["$defs"]
    assert found["Block"]["properties"]["energy_wh"]["maximum"] == MAX_ENERGY
    assert found["Case"]["properties"]["round_id"]["pattern"] == "^[0-9a-f]{64}$"
    assert found["Case"]["additionalProperties"] is False
    assert found["Case"]["required"] == ["name", "intervals", "binding", "round_id"]
