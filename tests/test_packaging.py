"""What `pip install .` brings along: every module, every file that the program reads beside them, and every package
that is imported. Asked of setuptools on a copy of the tree, without a network and without building."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FLOORS = ("zk", "consensus", "contracts", "node", "devnet")
BESIDE = {"devnet/bench/page.py", "devnet/data/build.py", "zk/group/reference.py"}
"""What no node runs, and says so: drives a browser (extra `browser`), makes the shipped series anew (extra `data`),
checks the group by other means."""
SINCE_313 = {"plyvel_next": "plyvel-next"}
"""Module and distribution of what only newer interpreters have."""
ASK = """
from setuptools import Distribution
from setuptools.config.pyprojecttoml import apply_configuration

made = Distribution({"script_name": "setup.py"})
apply_configuration(made, "pyproject.toml")
made.set_defaults()
"""
WHEEL = """
files = made.get_command_obj("build_py")
files.ensure_finalized()
print("\\n".join(files.get_outputs(include_bytecode=False)))
"""
SOURCE = """
made.run_command("egg_info")
print("\\n".join(made.get_command_obj("egg_info").filelist.files))
"""
WHOLE = (*FLOORS, "tests", "docs", ".ci")
"""What a checkout consists of besides the files at its top."""
TOP = (".md", ".toml", ".yml", ".in")


def tree(within: Sequence[str] = FLOORS) -> set[str]:
    """Files of the floors, or of other directories, relative to the repository."""
    found = (path for name in within for path in (ROOT / name).rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts}


def asked(copy: Path, what: str) -> list[str]:
    """Files that setuptools would pack of a tree."""
    code = [sys.executable, "-c", ASK + what]
    return subprocess.run(code, cwd=copy, capture_output=True, text=True, check=True).stdout.splitlines()


def wheel_of(copy: Path) -> set[str]:
    """Files that the wheel of a tree would have."""
    return {str(Path(line).relative_to("build/lib")) for line in asked(copy, WHEEL) if line.startswith("build/lib")}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree without anything that an earlier build left behind."""
    made = tmp_path_factory.mktemp("checkout")
    for name in [*tree(), "pyproject.toml", "README.md"]:
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, made / name)
    return made


def test_the_wheel_has_every_file_of_the_floors(copy: Path) -> None:
    packed = wheel_of(copy)
    assert packed == tree()
    assert {"node/web/index.html", "node/web/lib/d3.LICENSE.txt", "devnet/scenarios/campus.toml"} <= packed
    assert {"devnet/data/profiles.json.sha256", "node/rulebook/days/wind.jsonl"} <= packed


def test_a_file_that_no_pattern_names_would_be_missed(copy: Path) -> None:
    lost = copy / "node" / "rulebook" / "days" / "note.txt"
    lost.write_text("")
    shutil.rmtree(copy / "gridpact.egg-info", ignore_errors=True)
    try:
        assert "node/rulebook/days/note.txt" not in wheel_of(copy)
    finally:
        lost.unlink()


def test_a_source_distribution_has_the_whole_checkout(tmp_path: Path) -> None:
    """Tests with all that they need, documentation, the rules of make and CI: who unpacks it works as in a clone."""
    top = [path.name for path in ROOT.iterdir() if path.suffix in TOP or path.name in ("Makefile", ".gitignore")]
    for name in (*WHOLE, *top):
        (tmp_path / name).symlink_to(ROOT / name)
    packed = {name for name in asked(tmp_path, SOURCE) if "egg-info" not in name}
    assert packed == tree(WHOLE) | set(top)


def test_every_package_that_is_imported_is_a_dependency() -> None:
    named = {_normal(re.split(r"[<>=;\[ ]", one)[0]) for one in PROJECT["dependencies"]}
    provided = packages_distributions()
    missing = set()
    for name in tree() - BESIDE:
        if not name.endswith(".py"):
            continue
        for module in _imported(ast.parse((ROOT / name).read_text())):
            if module in sys.stdlib_module_names or module in FLOORS:
                continue
            by = {_normal(one) for one in provided.get(module, [SINCE_313.get(module, module)])}
            if not by & named:
                missing.add((name, module))
    assert missing == set()


def test_the_command_and_the_extras_are_what_the_readme_says() -> None:
    module, _, function = PROJECT["scripts"]["gridpact"].partition(":")
    assert callable(getattr(import_module(module), function))
    readme = (ROOT / "README.md").read_text()
    install = readme[readme.index("`pip install .`") :].partition("\n\n")[0]
    extras = PROJECT["optional-dependencies"]
    assert [name for name in extras if f"`{name}`" not in install] == []
    assert set(extras) == {"test", "browser", "data", "docs"}


def _imported(parsed: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            found |= {one.name.partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
