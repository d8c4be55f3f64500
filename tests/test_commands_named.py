"""Every command that a document or a message names is one that `gridpact` has, with the options that are named."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from devnet.cli import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
SOURCES = [path for floor in ("contracts", "node", "devnet") for path in (ROOT / floor).rglob("*.py")]
MESSAGE = re.compile(r"\bgridpact ((?:[a-z-]+ )*[a-z-]+)(?![a-z])")
OWN_PARSER = "light"
"""Has one of its own, see `devnet.cli.main`."""
TREE: Any = get_command(app)


def problem(words: list[str]) -> str | None:
    """What is wrong with a command line that starts with these words; None: it could be called."""
    command, left = TREE, list(words)
    while hasattr(command, "commands") and left and re.fullmatch(r"[a-z][a-z-]*", left[0]):
        found = command.commands.get(left[0])
        if found is None:
            return f"there is no `{left[0]}` in `gridpact {' '.join(words)}`"
        if left.pop(0) == OWN_PARSER:
            return None
        command = found
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}
    unknown = [word for word in left if re.match(r"--[a-z]", word) and word.split("=")[0] not in known]
    return f"`gridpact {' '.join(words)}` takes no {', '.join(unknown)}" if unknown else None


def written(text: str) -> Iterator[list[str]]:
    """Command lines of a document: in its blocks, and inline where nothing is left open."""
    for part in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in re.split(r"\n|&&|;", part.replace("\\\n", " ")):
            shown = line.split("#")[0].split("|")[0].split()
            if shown[:1] == ["gridpact"]:
                yield shown[1:]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for inline in re.findall(r"`gridpact\s([^`|…]*)`", prose):
        yield inline.split()


def said(source: str) -> Iterator[list[str]]:
    """Commands in the texts of a module, as far as they are fixed."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for found in MESSAGE.findall(" ".join(node.value.split())):
                words = found.split()
                if words[0] in TREE.commands:
                    yield words


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_commands_that_exist(path: Path) -> None:
    assert [found for words in written(path.read_text()) if (found := problem(words))] == []


def test_a_message_names_commands_that_exist() -> None:
    named = [(path, words) for path in SOURCES for words in said(path.read_text())]
    assert len(named) > 100
    wrong = [f"{path.relative_to(ROOT)}: {found}" for path, words in named if (found := problem(words))]
    assert wrong == []


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("query interval now --explain --as campus", True),
        ("tx carbon green --as campus --wh 3000", True),
        ("query carbon 7", False),
        ("query interval now --explained", False),
        ("dispatch request --wh 5", False),
    ],
)
def test_what_does_not_exist_is_found(line: str, right: bool) -> None:
    assert (problem(line.split()) is None) is right
    assert list(written(f"Say `gridpact {line}`.\n```sh\ngridpact {line}   # now\n```\n")) == [line.split()] * 2
