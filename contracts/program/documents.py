"""Cases and solutions as bytes: JSON for people and files, a compact form for transactions.

JSON is exactly the structs of `contracts.program.case`; `docs/schemas` describes it. The compact form of a solution has
one encoding per value: typed MessagePack, grids as one row of numbers each, multipliers as distances between rows and
their weights. Whatever the bytes are, the answer is a document or a refusal with the place of what is wrong.
"""

from __future__ import annotations

from inspect import cleandoc
from itertools import accumulate, chain, pairwise
from typing import Annotated, TypeVar

import msgspec

from contracts.bodies import MAX_SOLUTION_BYTES
from contracts.members import Record
from contracts.program.case import (
    MAX_INTERVALS,
    MAX_LINES,
    MAX_PLACES,
    MAX_ROWS,
    MAX_VARIABLES,
    MAX_WEIGHT,
    WEIGHT_ONE,
    Case,
    LineFlow,
    Multiplier,
    Signed,
    Solution,
    Voltage,
    Voltages,
)
from contracts.program.verdict import Grid, Refusal
from contracts.units import Energy, Hash, Meta
from zk.codec import Codec, Malformed, encode

MAX_CASE_BYTES = 2**26
"""Of JSON."""
MAX_SOLUTION_JSON_BYTES = 2**25

MAX_FLOWS = MAX_LINES * MAX_INTERVALS

T = TypeVar("T")

Flat = Annotated[tuple[Energy, ...], Meta(max_length=MAX_VARIABLES)]
"""A grid thing by thing."""


Volts = Annotated[tuple[Voltage, ...], Meta(max_length=MAX_PLACES)]


class Packed(Record, frozen=True):
    """A solution in compact form."""

    round_id: Hash
    intervals: Annotated[int, Meta(ge=1, le=MAX_INTERVALS)]
    charge_wh: Flat
    discharge_wh: Flat
    load_wh: Flat
    total_wh: Flat
    reserve_wh: Flat
    kappa_num: Annotated[int, Meta(ge=0, le=MAX_WEIGHT)]
    kappa_den: Annotated[int, Meta(ge=1, le=MAX_WEIGHT)]
    theta: Annotated[int, Meta(ge=0, le=WEIGHT_ONE)]
    flow_lines: Annotated[tuple[Annotated[int, Meta(ge=0, lt=MAX_LINES)], ...], Meta(max_length=MAX_FLOWS)]
    flow_intervals: Annotated[tuple[Annotated[int, Meta(ge=0, lt=MAX_INTERVALS)], ...], Meta(max_length=MAX_FLOWS)]
    flow_wh: Annotated[tuple[Signed, ...], Meta(max_length=MAX_FLOWS)]
    row_gaps: Annotated[tuple[Annotated[int, Meta(ge=0, lt=MAX_ROWS)], ...], Meta(max_length=MAX_ROWS)]
    """Rows that are left out before each one with a multiplier."""
    weights: Annotated[tuple[Annotated[int, Meta(ge=-(2**60), le=2**60)], ...], Meta(max_length=MAX_ROWS)]
    voltages: Annotated[tuple[tuple[Volts, Volts], ...], Meta(max_length=MAX_INTERVALS)]
    """Real and imaginary parts, by interval."""


PACKED: Codec[Packed] = Codec(Packed, MAX_SOLUTION_BYTES)

_CASE = msgspec.json.Decoder(Case)
_SOLUTION = msgspec.json.Decoder(Solution)


# JSON


def case_of(raw: bytes) -> Case | Refusal:
    """The case that a JSON document is. `contracts.program.validate` says whether it fits together."""
    return _decoded(_CASE, raw, MAX_CASE_BYTES)


def solution_of(raw: bytes) -> Solution | Refusal:
    """The solution that a JSON document is."""
    return _decoded(_SOLUTION, raw, MAX_SOLUTION_JSON_BYTES)


def json_of(document: Case | Solution) -> bytes:
    """A document as JSON, indented."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _decoded(decoder: msgspec.json.Decoder[T], raw: bytes, most: int) -> T | Refusal:
    if len(raw) > most:
        return _oversized(len(raw), most)
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        text, _, path = str(error).partition(" - at `$")
        return Refusal("dispatch.malformed", path.removesuffix("`").lstrip(".") or "document", f"{text}.")


def _oversized(size: int, most: int) -> Refusal:
    return Refusal("dispatch.oversized", "document", f"It has {size} bytes; at most {most} are read.")


# Compact


def pack(solution: Solution) -> bytes | Refusal:
    """A solution in the form of a transaction. Grids that have not one number of intervals can not be packed."""
    grids = (solution.charge_wh, solution.discharge_wh, solution.load_wh, solution.total_wh, solution.reserve_wh)
    lengths = {len(row): None for grid in grids for row in grid} or {1: None}
    if len(lengths) > 1 or 0 in lengths:
        text = f"Its rows have {' and '.join(map(str, lengths))} values; one for each interval is right."
        return Refusal("dispatch.shape", "solution", text)
    rows = [multiplier.row for multiplier in solution.multipliers]
    gaps = tuple(row - before - 1 for before, row in pairwise((-1, *rows)))
    if any(gap < 0 for gap in gaps):
        text = "Sort multipliers by row and name each row once."
        return Refusal("dispatch.multiplier-order", "multipliers", text)
    flows = solution.flows
    packed = Packed(
        bytes.fromhex(solution.round_id),
        next(iter(lengths)),
        _flat(solution.charge_wh),
        _flat(solution.discharge_wh),
        _flat(solution.load_wh),
        _flat(solution.total_wh),
        _flat(solution.reserve_wh),
        solution.kappa_num,
        solution.kappa_den,
        solution.theta,
        tuple(flow.line for flow in flows),
        tuple(flow.interval for flow in flows),
        tuple(flow.flow_wh for flow in flows),
        gaps,
        tuple(multiplier.weight for multiplier in solution.multipliers),
        tuple((voltages.re_npu, voltages.im_npu) for voltages in solution.voltages),
    )
    raw = encode(packed)
    return raw if len(raw) <= MAX_SOLUTION_BYTES else _oversized(len(raw), MAX_SOLUTION_BYTES)


def unpack(raw: bytes) -> Solution | Refusal:
    """The solution of a transaction. No two forms give the same one."""
    try:
        packed = PACKED.decode(raw)
    except Malformed as error:
        code = "dispatch.oversized" if error.code == "codec.oversized" else "dispatch.malformed"
        return Refusal(code, "solution", f"{error.message}.")
    rows = list(accumulate((gap + 1 for gap in packed.row_gaps), initial=-1))[1:]
    grids = (packed.charge_wh, packed.discharge_wh, packed.load_wh, packed.total_wh, packed.reserve_wh)
    fitting = (
        not any(len(grid) % packed.intervals for grid in grids),
        any(grids) or packed.intervals == 1,
        len(packed.flow_lines) == len(packed.flow_intervals) == len(packed.flow_wh),
        len(rows) == len(packed.weights) and (not rows or rows[-1] < MAX_ROWS),
    )
    if not all(fitting):
        text = "Lengths do not fit together, or rows are beyond what a program has; pack the solution again."
        return Refusal("dispatch.malformed", "solution", text)
    flows = zip(packed.flow_lines, packed.flow_intervals, packed.flow_wh, strict=True)
    charge_wh, discharge_wh, load_wh, total_wh, reserve_wh = (_grid(grid, packed.intervals) for grid in grids)
    return Solution(
        packed.round_id.hex(),
        charge_wh,
        discharge_wh,
        load_wh,
        total_wh,
        reserve_wh,
        packed.kappa_num,
        packed.kappa_den,
        packed.theta,
        tuple(LineFlow(*flow) for flow in flows),
        tuple(Multiplier(row, weight) for row, weight in zip(rows, packed.weights, strict=True)),
        tuple(Voltages(*parts) for parts in packed.voltages),
    )


def _flat(grid: Grid) -> tuple[int, ...]:
    return tuple(chain.from_iterable(grid))


def _grid(flat: tuple[int, ...], intervals: int) -> tuple[tuple[int, ...], ...]:
    return tuple(flat[at : at + intervals] for at in range(0, len(flat), intervals))


# Schemas


def schemas() -> dict[str, bytes]:
    """JSON schemas of both documents, by the names of their files in `docs/schemas`."""
    found = {}
    for name, type_ in (("case", Case), ("solution", Solution)):
        dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"Gridpact dispatch {name}"}
        schema = msgspec.json.schema(type_)
        for record in schema["$defs"].values():
            # From 3.13 on, Python takes the indentation out of what a class says about itself.
            record["description"] = cleandoc(record["description"])
        raw = msgspec.json.encode(dialect | schema)
        # Its regular expressions are those of ECMAScript, which ends with a dollar alone.
        found[f"dispatch-{name}.json"] = msgspec.json.format(raw.replace(rb"\\Z", b"$"), indent=2) + b"\n"
    return found
