"""What documents name exists: tests, modules, links, constants, faults. A test that goes takes its line with it."""

from __future__ import annotations

import ast
import importlib
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.mutants.record import load

ROOT = Path(__file__).parent.parent
INVARIANTS = ROOT / "INVARIANTS.md"
DOCUMENTS = [INVARIANTS, ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FLOORS = ("zk", "consensus", "contracts", "node", "devnet")

CODE = re.compile(r"`([^`\n]+)`")
TEST = re.compile(r"(?P<file>[\w/]+\.py)?(?:::(?P<name>\w+))?")
MODULE = re.compile(rf"(?:{'|'.join(FLOORS)})(?:\.\w+)+(?<!\.json)")
CONSTANT = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def prose(document: Path) -> str:
    """A document without its blocks of commands."""
    return FENCE.sub("", document.read_text())


def rows(document: Path) -> list[list[str]]:
    """Cells of all lines of tables, headings and rules included."""
    lines = prose(document).splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


@cache
def files() -> dict[str, list[Path]]:
    """Python files under tests/ by name."""
    found: dict[str, list[Path]] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        found.setdefault(path.name, []).append(path)
    return found


@cache
def functions(path: Path) -> frozenset[str]:
    """Names of all functions and classes in a file."""
    tree = ast.parse(path.read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef))


def places(name: str) -> list[Path]:
    """The file that a path from the root means, or the files that a bare name may mean."""
    path = ROOT / name
    return [path] if path.is_file() else files().get(name, []) if "/" not in name else []


def missing_tests(text: str) -> list[str]:
    """Tests that a text names and that are not there. `::test_x` belongs to the file named before it."""
    missing: list[str] = []
    here: list[Path] = []
    for code in CODE.findall(text):
        match = TEST.fullmatch(code)
        if code.startswith("tests/") and not code.endswith(".py") and "::" not in code:
            missing += [] if (ROOT / code).is_dir() else [code]
        elif match is not None and (match["file"] or match["name"]):
            if match["file"]:
                here = places(match["file"])
            if not any(match["name"] is None or match["name"] in functions(path) for path in here):
                missing.append(code)
    return missing


def missing_modules(text: str) -> list[str]:
    """Modules, names in them, and codes of errors, that a text names and that are not there."""
    named = [code for code in CODE.findall(text) if MODULE.fullmatch(code)]
    return [code for code in named if not exists(code) and f'"{code}"' not in program()]


def missing_constants(text: str) -> list[str]:
    """Names in capitals that a text gives and that no module assigns; of those with an underscore nobody doubts that
    they are constants."""
    named = [code for code in CODE.findall(text) if CONSTANT.fullmatch(code)]
    return [code for code in named if not re.search(rf"^ *{code}\b[^=\n]*=", program(), re.MULTILINE)]


@cache
def program() -> str:
    """All source, for constants, and for codes of errors and counters, which look like modules."""
    return "".join(path.read_text() for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py")))


def exists(dotted: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            place: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for name in parts[length:]:
            if not hasattr(place, name):
                return False
            place = getattr(place, name)
        return True
    return False


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_everything_that_a_document_names_exists(document: Path) -> None:
    text = prose(document)
    assert missing_tests(text) == []
    assert missing_modules(text) == []
    assert missing_constants(text) == []
    links = [link for link in LINK.findall(text) if not link.startswith(("http:", "https:"))]
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_invariant_has_its_number_its_keeper_and_its_attacker() -> None:
    invariants = [row for row in rows(INVARIANTS) if re.fullmatch(r"[A-Z]+\d+", row[0])]
    assert len(invariants) > 50
    numbers = Counter(row[0] for row in invariants)
    assert [number for number, times in numbers.items() if times > 1] == []
    for number, invariant, *cells in invariants:
        if invariant.startswith("see "):
            assert invariant.removeprefix("see ") in numbers, number
            assert cells == ["", ""], number
            continue
        keeper, attacker = cells
        assert keeper and missing_modules(keeper) == [], number
        assert "test" in attacker and CODE.search(attacker), number


def test_constants_are_those_of_the_code() -> None:
    """Rows of the form | `NAME` | `module` | value | meaning |."""
    checked = 0
    for document in DOCUMENTS:
        for row in rows(document):
            cells = [cell.strip("`") for cell in row]
            if len(cells) == 4 and re.fullmatch(r"[A-Z][A-Z0-9_]+", cells[0]) and MODULE.fullmatch(cells[1]):
                value = getattr(importlib.import_module(cells[1]), cells[0])
                assert cells[2].replace(",", "") == str(value), f"{cells[0]} in {document.name}"
                checked += 1
    assert checked > 10


def test_faults_are_those_that_are_planted() -> None:
    """Rows of the form | rule | what happens | `mutant` | `oracle` | tests |."""
    killed = {f"`{name}`": f"`{one.oracle}`" for name, one in load().killed.items()}
    told = {row[2]: row[3] for row in rows(ROOT / "docs" / "consensus.md") if len(row) == 5 and row[2].startswith("`")}
    assert len(told) > 20
    assert {name: killed.get(name) for name in told} == told


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("`test_tally.py`, `::test_against_a_naive_count`", []),
        ("`tests/consensus/test_tally.py::test_against_a_naive_count`", []),
        ("`tests/consensus` and `make test`", []),
        ("`test_tally.py::test_that_is_gone`", ["test_tally.py::test_that_is_gone"]),
        ("`test_tally.py`, `::test_that_is_gone`", ["::test_that_is_gone"]),
        ("`test_that_is_gone.py`", ["test_that_is_gone.py"]),
        ("`tests/nowhere`", ["tests/nowhere"]),
        ("`::test_of_no_file`", ["::test_of_no_file"]),
    ],
)
def test_a_missing_test_is_found(text: str, missing: list[str]) -> None:
    assert missing_tests(text) == missing


def test_a_missing_module_is_found() -> None:
    assert missing_modules("`consensus.tally.add`, `consensus.tally`, `node.signer.FileSigner.sign`") == []
    gone = ["consensus.nowhere", "consensus.tally.nowhere", "node.signer.FileSigner.nowhere"]
    assert missing_modules(", ".join(f"`{name}`" for name in gone)) == gone
    assert missing_modules("`consensus.conflict`, `consensus.signature`") == []
