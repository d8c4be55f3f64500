"""`gridpact dispatch`: what people and programs get of a case, and that wrong files have a code and a place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner, Result

from contracts.program.case import WEIGHT_ONE, Block, Case, Demand, Line, Source
from contracts.program.check import check
from contracts.program.documents import json_of, pack
from contracts.program.points import point
from contracts.program.rows import program
from contracts.program.verdict import Verdict
from devnet.bench.dispatch_cases import CAMPUS, DAY_OF_FOUR, drawn_plan, make, served_plan
from node.cli import app
from node.dispatch import documents
from node.dispatch.figures import Figures, figures, gap_by_interval
from node.dispatch.picture import draw
from node.dispatch.terminal import plot
from node.errors import NodeError
from node.solver.build import build

FOUR = make(DAY_OF_FOUR)


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], input=stdin)


def told(*arguments: str | Path, exit_code: int = 0, stdin: bytes | None = None) -> dict[str, Any]:
    """The document that a command prints."""
    result = run(*arguments, "--json", stdin=stdin)
    assert result.exit_code == exit_code, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A case and its solution."""
    where = tmp_path_factory.mktemp("dispatch")
    case, solution = where / "case.json", where / "solution.json"
    case.write_bytes(json_of(FOUR))
    solution.write_bytes(json_of(build(FOUR, 20.0).solution))
    return case, solution


def shown(seed: int) -> Figures:
    case = make(served_plan(seed))
    built = build(case, 20.0)
    return figures(case, built.solution, built.verdict)


# Solving and verifying


def test_a_case_is_solved_verified_and_explained(files: tuple[Path, Path], tmp_path: Path) -> None:
    case, _ = files
    out = tmp_path / "out.json"
    solved = told("dispatch", "solve", case, "--out", out)
    assert solved["certified"] and solved["file"] == str(out) and "solution" not in solved
    verified = told("dispatch", "verify", case, out)
    assert verified == {name: solved[name] for name in verified}
    explained = told("dispatch", "explain", case, out, "--svg", tmp_path / "out.svg")
    assert {name: explained[name] for name in verified} == verified
    assert len(explained["moments"]) == 24 and (tmp_path / "out.svg").stat().st_size > 10_000
    for moment in explained["moments"]:
        taken = moment["demand_wh"] + moment["losses_wh"] - moment["shed_wh"] + moment["charge_wh"]
        taken += moment["export_wh"] + moment["bids_wh"] + moment["loads_wh"]
        assert sum(moment["layers_wh"].values()) == taken
    assert sum(one["carbon_ug"] for one in explained["moments"]) == explained["carbon_ug"]


def test_a_solution_without_a_file_is_in_the_document(files: tuple[Path, Path]) -> None:
    case, solution = files
    solved = told("dispatch", "solve", case)
    assert solved["solution"] == json.loads(solution.read_bytes())


def test_people_read_sentences_a_table_and_a_plot(files: tuple[Path, Path], tmp_path: Path) -> None:
    case, solution = files
    solved = run("dispatch", "solve", case, "--out", tmp_path / "s.json")
    assert solved.exit_code == 0 and solved.stdout.startswith("Feasible and certified: cost 87.48227539, ")
    assert f"gridpact dispatch verify {case} {tmp_path / 's.json'}" in solved.stdout
    explained = run("dispatch", "explain", case, solution)
    assert explained.exit_code == 0, explained.output
    lines = explained.stdout.splitlines()
    assert lines[0] == "Dispatch of four sources x 24"
    assert lines[1].split()[:3] == ["Demand", "Shed", "Sources"] and lines[2].split()[:2] == ["Interval", "(kWh)"]
    assert lines[4].split() == ["0", "33.393", "-", "26.709", "-", "6.684", "-", "0.092546", "31.514"]
    # On 80 columns the others go on below.
    assert ["0", "2.856", "0.000"] in [line.split() for line in lines]
    assert any(line.startswith("  interval 0 ") for line in lines)
    assert "battery-0, 0.00 kWh to 40.927 kWh" in lines
    assert lines[-1].startswith("Feasible and certified")


def test_a_solution_of_a_transaction_is_read_as_well(files: tuple[Path, Path], tmp_path: Path) -> None:
    case, solution = files
    packed = pack(documents.read_solution(solution))
    assert isinstance(packed, bytes)
    (tmp_path / "packed").write_bytes(packed)
    assert told("dispatch", "verify", case, tmp_path / "packed") == told("dispatch", "verify", case, solution)


def test_parts_make_a_solution_that_is_checked(files: tuple[Path, Path], tmp_path: Path) -> None:
    """The battery by one, the ramps and weights by another: together they are what a single builder found."""
    case, solution = files
    whole = documents.read_solution(solution)
    stored = replace(whole, load_wh=[[] for _ in whole.load_wh], total_wh=[[] for _ in whole.total_wh], multipliers=())
    rest = replace(whole, charge_wh=[[] for _ in whole.charge_wh], discharge_wh=[[] for _ in whole.discharge_wh])
    for name, part in (("stored", stored), ("rest", rest)):
        (tmp_path / name).write_bytes(json_of(part))
    made = told("dispatch", "compose", case, tmp_path / "stored", tmp_path / "rest", "--out", tmp_path / "made.json")
    assert told("dispatch", "verify", case, tmp_path / "made.json") == told("dispatch", "verify", case, solution)
    assert told("dispatch", "compose", case, tmp_path / "rest")["cost_nano"] > made["cost_nano"], "fallback's battery"
    other = replace(whole, round_id="f" * 64)
    (tmp_path / "other").write_bytes(json_of(other))
    assert told("dispatch", "compose", case, tmp_path / "other", exit_code=1)["code"] == "dispatch.round"


def test_a_case_may_come_from_a_pipe(files: tuple[Path, Path]) -> None:
    case, solution = files
    assert told("dispatch", "verify", "-", solution, stdin=case.read_bytes())["certified"]


def test_what_is_feasible_but_far_from_the_optimum_fails(files: tuple[Path, Path], tmp_path: Path) -> None:
    case, solution = files
    (tmp_path / "bare.json").write_bytes(json_of(replace(documents.read_solution(solution), multipliers=())))
    assert told("dispatch", "verify", case, tmp_path / "bare.json", exit_code=1)["certified"] is False
    result = run("dispatch", "verify", case, tmp_path / "bare.json")
    assert result.exit_code == 1 and result.stdout.startswith("Feasible, but not certified")


def test_the_schemas_are_those_that_are_published() -> None:
    for which in ("case", "solution"):
        printed = run("dispatch", "schema", which)
        published = Path(__file__).parents[2] / "docs" / "schemas" / f"dispatch-{which}.json"
        assert printed.exit_code == 0 and printed.stdout == published.read_text()
    assert run("dispatch", "schema", "price").exit_code == 1


# Bad input


def wrong(**changes: object) -> bytes:
    return msgspec.json.encode(msgspec.to_builtins(FOUR) | changes)


@pytest.mark.parametrize(
    ("raw", "code", "said"),
    [
        (b"", "dispatch.malformed", "document"),
        (b"\x00\xff", "dispatch.malformed", "document"),
        (b"[" * 100_000, "dispatch.malformed", "document"),
        (b"{}", "dispatch.malformed", "name"),
        (wrong(intervals=0), "dispatch.malformed", "intervals"),
        (wrong(intervals=25), "dispatch.length", "sources[0].blocks"),
        (wrong(surprise=1), "dispatch.malformed", "surprise"),
        (wrong(loss_ppm=2.5), "dispatch.malformed", "loss_ppm"),
        (wrong(carbon_cap_ug=2**63), "dispatch.malformed", "carbon_cap_ug"),
        (wrong(round_id="xyz"), "dispatch.malformed", "round_id"),
        (wrong(reserve_wh=[10**6] * 24), "dispatch.infeasible", "reserve in interval 0"),
    ],
)
def test_a_wrong_case_is_a_code_with_a_place(
    raw: bytes, code: str, said: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    case = tmp_path / "case.json"
    case.write_bytes(raw)
    refused = told("dispatch", "verify", case, files[1], exit_code=1)
    assert refused["code"] == code and said in refused["message"] and refused["hint"]


@pytest.mark.parametrize("raw", [b"", b"\x00\xff", b"{}", b"[]", b'{"round_id": 5}', b"\x91" * 100_000])
def test_a_wrong_solution_is_a_code(raw: bytes, files: tuple[Path, Path], tmp_path: Path) -> None:
    solution = tmp_path / "solution"
    solution.write_bytes(raw)
    refused = told("dispatch", "verify", files[0], solution, exit_code=1)
    assert refused["code"] == "dispatch.malformed" and str(solution) in refused["message"]


def test_a_solution_that_breaks_a_limit_has_its_code(files: tuple[Path, Path], tmp_path: Path) -> None:
    case, solution = files
    honest = documents.read_solution(solution)
    (tmp_path / "s.json").write_bytes(json_of(replace(honest, charge_wh=((2**39,) * 24,))))
    refused = told("dispatch", "explain", case, tmp_path / "s.json", exit_code=1)
    assert refused["code"].startswith("dispatch.") and refused["hint"]
    (tmp_path / "s.json").write_bytes(json_of(replace(honest, round_id="00" * 32)))
    assert told("dispatch", "verify", case, tmp_path / "s.json", exit_code=1)["code"] == "dispatch.round"


def test_no_file_and_one_without_end_are_codes(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = told("dispatch", "solve", tmp_path / "nowhere.json", exit_code=1)
    assert missing["code"] == "dispatch.unreadable"
    assert told("dispatch", "verify", files[0], tmp_path, exit_code=1)["code"] == "dispatch.unreadable"
    monkeypatch.setattr(documents, "MAX_CASE_BYTES", 1_000)
    assert told("dispatch", "solve", "/dev/zero", exit_code=1)["code"] == "dispatch.malformed"


def test_a_solution_that_can_not_be_written_is_a_code(files: tuple[Path, Path], tmp_path: Path) -> None:
    assert told("dispatch", "solve", files[0], "--out", tmp_path, exit_code=1)["code"] == "cli.write"


def test_an_infeasible_case_names_what_has_to_give_way(tmp_path: Path) -> None:
    """A ramp that forbids what the cap asks for: each row is reachable by itself, so only a solver sees it."""
    source = Source("source", "org", ((Block(10, 50),),) * 2, ramp_wh=5, last_wh=50, factor_ug_per_wh=1_000)
    case = Case("dirty", 2, 2, "11" * 32, (source,), demands=(Demand("org", (90, 90)),), carbon_cap_ug=80_000)
    path = tmp_path / "case.json"
    path.write_bytes(json_of(replace(case, reference_nano_per_wh=(1_000,) * 2)))
    refused = told("dispatch", "solve", path, exit_code=1)
    assert refused["code"] == "solver.infeasible"
    assert "ramp of source source" in refused["message"] or "carbon cap" in refused["message"]


# What is shown


@pytest.mark.parametrize("seed", range(16))
def test_the_gap_is_the_sum_of_its_parts_and_none_is_negative(seed: int) -> None:
    case = make(drawn_plan(seed))
    try:
        built = build(case, 20.0)
    except NodeError:
        return
    made = program(case)
    parts = gap_by_interval(made, point(made, built.verdict.schedule), built.solution)
    assert len(parts) == case.intervals + 1 and min(parts) >= 0
    away = WEIGHT_ONE * (built.verdict.cost_nano - built.verdict.bound_nano)
    assert away <= sum(parts) < away + WEIGHT_ONE
    seen = figures(case, built.solution, built.verdict)
    assert sum(one.gap_nano for one in seen.moments) + seen.common_gap_nano == away // WEIGHT_ONE


def test_charging_at_the_wrong_time_is_a_gap_where_it_is_done_and_where_it_is_not() -> None:
    honest = build(FOUR, 20.0)
    dear, cheap, moved_wh = 18, 22, 500
    charge = list(honest.solution.charge_wh[0])
    charge[dear], charge[cheap] = charge[dear] + moved_wh, charge[cheap] - moved_wh
    late = replace(honest.solution, charge_wh=(tuple(charge),))
    verdict = check(FOUR, late)
    assert isinstance(verdict, Verdict)
    before, after = (figures(FOUR, *one) for one in ((honest.solution, honest.verdict), (late, verdict)))
    grown = [b.gap_nano - a.gap_nano for a, b in zip(before.moments, after.moments, strict=True)]
    assert [t for t, nano in enumerate(grown) if nano] == [dear, cheap] and min(grown) == 0
    # Each interval is rounded down to a nano.
    assert abs(sum(grown) - (verdict.cost_nano - honest.verdict.cost_nano)) <= 2


@pytest.mark.parametrize("seed", [1, 3, 5, 14, 30])
def test_pictures_hold_every_figure_and_are_xml(seed: int) -> None:
    seen = shown(seed)
    root = ElementTree.fromstring(draw(seen))
    drawn: dict[tuple[int, str], int] = {}
    for node in root.iter():
        if "data-wh" in node.attrib:
            at = int(node.attrib["data-interval"]), node.attrib["data-source"]
            drawn[at] = int(node.attrib["data-wh"])
    assert drawn == {(one.interval, name): wh for one in seen.moments for name, wh in one.layers_wh.items() if wh}
    inside = [float(node.attrib["height"]) for node in root.iter() if "height" in node.attrib and "x" in node.attrib]
    assert min(inside) >= 0


def test_names_of_strangers_do_not_get_out_of_their_place() -> None:
    case = replace(FOUR, name="<script>alert(1)</script>\u202e")
    built = build(case, 20.0)
    text = draw(figures(case, built.solution, built.verdict))
    assert "<script" not in text and ElementTree.fromstring(text) is not None


@pytest.fixture(scope="module")
def sites() -> list[Figures]:
    """One interval per column, and several where a terminal is narrow."""
    cases = (FOUR, make(CAMPUS))
    return [figures(case, *build(case, 20.0)[:2]) for case in cases]


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_a_plot_fits_its_terminal(columns: int, sites: list[Figures]) -> None:
    for seen in sites:
        lines = ["".join(span.text for span in line) for line in plot(seen, columns)]
        bars = [line for line in lines if line[10:11] == "│"]
        assert len(bars) == 12 and len(dict.fromkeys(map(len, bars))) == 1
        assert len(bars[0]) <= max(columns, 35)
        assert bars[0][11:].strip(), "the tallest column reaches the top"
        for at in range(11, len(bars[0])):
            column = "".join(bar[at] for bar in bars).lstrip()
            assert " " not in column, "supply has no holes"


def test_places_with_prices_of_their_own_are_told_apart() -> None:
    near, far = (
        Source(name, name, ((Block(price, 100_000),),), place)
        for name, price, place in (("near", 10, "site"), ("far", 40, "island"))
    )
    case = Case(
        "two places", 1, 1, "22" * 32, (near, far),
        demands=(Demand("org", (20_000,)), Demand("org", (50_000,), 0, "island")),
        lines=(Line("cable", "site", "island", (30_000,)),), reference_nano_per_wh=(40,),
    )  # fmt: skip
    built = build(case, 20.0)
    seen = figures(case, built.solution, built.verdict)
    (moment,) = seen.moments
    assert moment.at_limit == ("cable",) and moment.price_nano_per_wh == (10, 40)
    text = draw(seen)
    assert "Price by zone" in text and ">site<" in text and ">island<" in text and "at their limits: cable" in text
