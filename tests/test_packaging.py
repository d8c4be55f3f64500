"""What `pip install .` brings along: every module, every file that the program reads beside them, and every package
that is imported. Asked of setuptools on a copy of the tree, without a network and without building."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
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

wheel = Distribution({"script_name": "setup.py"})
apply_configuration(wheel, "pyproject.toml")
wheel.set_defaults()
files = wheel.get_command_obj("build_py")
files.ensure_finalized()
print("\\n".join(files.get_outputs(include_bytecode=False)))
"""


def tree() -> set[str]:
    """Files of the floors, relative to the repository."""
    found = (path for floor in FLOORS for path in (ROOT / floor).rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts}


def asked(copy: Path) -> set[str]:
    """Files that the wheel of a tree would have."""
    said = subprocess.run([sys.executable, "-c", ASK], cwd=copy, capture_output=True, text=True, check=True).stdout
    return {str(Path(line).relative_to("build/lib")) for line in said.splitlines() if line.startswith("build/lib")}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree without anything that an earlier build left behind."""
    made = tmp_path_factory.mktemp("checkout")
    for name in [*tree(), "pyproject.toml", "README.md"]:
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, made / name)
    return made


def test_the_wheel_has_every_file_of_the_floors(copy: Path) -> None:
    packed = asked(copy)
    assert packed == tree()
    assert {"node/web/index.html", "node/web/lib/d3.LICENSE.txt", "devnet/scenarios/campus.toml"} <= packed
    assert {"devnet/data/profiles.json.sha256", "node/rulebook/days/wind.jsonl"} <= packed


def test_a_file_that_no_pattern_names_would_be_missed(copy: Path) -> None:
    lost = copy / "node" / "rulebook" / "days" / "note.txt"
    lost.write_text("")
    shutil.rmtree(copy / "gridpact.egg-info", ignore_errors=True)
    try:
        assert "node/rulebook/days/note.txt" not in asked(copy)
    finally:
        lost.unlink()


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
