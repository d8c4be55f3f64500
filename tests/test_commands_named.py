"""Every command that a document or a message names is one that `gridpact` has, with the options that are named; and
what stands in a block to be typed is complete, with values that the command takes."""

from __future__ import annotations

import ast
import re
import shlex
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
MAKEFILE = (ROOT / "Makefile").read_text()


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


def typed(text: str) -> Iterator[list[str]]:
    """Every simple command of the blocks of a document that are there to be typed, as a shell would split it."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
            words.whitespace_split = True
            command: list[str] = []
            for word in [*words, ";"]:
                if word in {"|", "&&", ";", "||"}:
                    if command:
                        yield command
                    command = []
                else:
                    command.append(word)


def refusal(command: list[str]) -> str | None:
    """Why a shell or `gridpact` would refuse a command before it does anything; None: it would not."""
    redirected = next((at for at, word in enumerate(command) if word in {">", ">>", "<"}), len(command))
    match command[:redirected]:
        case ["gridpact", word, *_] if word == OWN_PARSER:
            return None
        case ["gridpact", *words]:
            return _unparsed(words)
        case ["make", target, *_]:
            return None if f"\n{target}:" in MAKEFILE else f"there is no target {target}"
        case ["mkdir", *_] | ["python", "-c", _]:
            return None
        case ["python", program, *_]:
            return None if (ROOT / program).is_file() else f"there is no {program}"
        case [".", ".venv/bin/activate"] | ["export" | "sed", *_]:
            return None
    return f"nobody here knows `{' '.join(command)}`"


def _unparsed(words: list[str]) -> str | None:
    """Parses a command line without calling anything: names, values, what is required and what is too much."""
    command, left = TREE, list(words)
    while hasattr(command, "commands") and left and left[0] in command.commands:
        command = command.commands[left.pop(0)]
    if hasattr(command, "commands") or left == ["--help"]:
        return problem(words)
    try:
        command.make_context(" ".join(words), left)
    except Exception as error:
        return f"`gridpact {' '.join(words)}`: {getattr(error, 'message', error)}"
    return None


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


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_says_to_type_could_be_typed(path: Path) -> None:
    assert [found for command in typed(path.read_text()) if (found := refusal(command))] == []


def test_the_documents_have_commands_to_type() -> None:
    assert sum(1 for path in DOCUMENTS for _ in typed(path.read_text())) > 200
    assert {"up", "down"} <= {
        command[2] for command in typed((ROOT / "docs" / "tutorial.md").read_text()) if command[2:]
    }


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("gridpact tx carbon green --as campus --wh 3000 --premium 2   # pay", True),
        ("gridpact proof fetch bill 7 campus | gridpact proof verify - > out.json", True),
        ("gridpact light --help && make test JOBS=4", True),
        ("gridpact start --help", True),
        ("gridpact tx carbon green --as campus --wh much --premium 2", False),
        ("gridpact tx carbon green --as campus", False),
        ("gridpact query bill 7 campus wind", False),
        ("gridpact devnet up --nodes three", False),
        ("gridpact devnet status; gridpact devnet fly", False),
        ("make everything", False),
        ("python docs/examples/nothing.py", False),
        ("curl localhost", False),
    ],
)
def test_what_could_not_be_typed_is_found(line: str, right: bool) -> None:
    commands = list(typed(f"```sh\n{line}\n```\n"))
    assert commands
    assert all(refusal(command) is None for command in commands) is right


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
