"""`docs/dispatch.md` says what its commands print, and its examples are cases."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.program.check import check
from contracts.program.verdict import Verdict
from node.cli import app
from node.dispatch.documents import read_case, read_solution
from node.dispatch.figures import figures
from node.dispatch.picture import draw
from node.solver.build import build

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "dispatch.md"
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.json"))
COMMANDS = [
    block.group(1) for block in re.finditer(r"^```console\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
]
SKIPPED = "..."


def agrees(said: list[str], printed: list[str]) -> bool:
    """Whether lines are those that are printed; `...` stands for any number of them."""
    if not said:
        return not printed
    if said[0] == SKIPPED:
        return any(agrees(said[1:], printed[at:]) for at in range(len(printed) + 1))
    return bool(printed) and said[0] == printed[0].rstrip() and agrees(said[1:], printed[1:])


def test_lines_agree_only_if_they_are_the_same() -> None:
    assert agrees(["a", "...", "c"], ["a", "b", "b", "c"]) and agrees(["...", "c"], ["c"])
    assert not agrees(["a", "...", "c"], ["a", "b"]) and not agrees(["a"], ["a", "b"]) and not agrees(["a", "b"], ["a"])


@pytest.mark.parametrize("block", COMMANDS)
def test_commands_print_what_the_document_says(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "110")
    steps = re.split(r"^\$ gridpact ", block, flags=re.MULTILINE)[1:]
    assert len(steps) > 1
    for step in steps:
        command, *said = step.rstrip("\n").split("\n")
        done = CliRunner().invoke(app, command.split())
        assert done.exit_code == 0, done.output
        assert agrees(said, done.stdout.rstrip("\n").split("\n")), done.stdout


def test_the_picture_is_the_one_that_explain_draws() -> None:
    case = read_case(ROOT / "docs" / "examples" / "four-sources.json")
    solution = read_solution(ROOT / "docs" / "examples" / "four-sources.solution.json")
    verdict = check(case, solution)
    assert isinstance(verdict, Verdict)
    assert draw(figures(case, solution, verdict)) == (ROOT / "docs" / "pictures" / "dispatch.svg").read_text()


KNOWN_NANO = {
    "53-tenants": 40_000 * 31_000 + 80_000 * 30_000 + 120_000 * 15_100 + 160_000 * 14_900,
    "carbon-cap": 50_000 * 200_000 + 50_000 * 500_000,
    "four-sources": 87_482_275_390,
    "three-places": 80_006 * 100_000 + 19_994 * 200_000,
}


def test_every_example_is_a_case_with_a_known_cost() -> None:
    cases = {path.stem: path for path in EXAMPLES if ".solution" not in path.name}
    assert set(cases) == set(KNOWN_NANO)
    for name, path in cases.items():
        verdict = build(read_case(path), 20.0).verdict
        assert verdict.certified and verdict.cost_nano == KNOWN_NANO[name]
        assert f"(examples/{path.name})" in DOCUMENT.read_text()
