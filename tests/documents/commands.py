"""The commands of the documents: every line of their `sh` blocks, and every line behind `$` of their `console` blocks.

Reads documents and runs nothing. Prose may name commands too; `tests/test_commands_named.py` parses those.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SUCCESS, REFUSED = 0, 1


class Command(NamedTuple):
    """A line to be typed, as it stands in a document."""

    document: str
    """Path in the repository."""
    line: int
    text: str
    """Without its comment, lines that go on joined."""
    says: str
    """Its comment."""

    @property
    def exit_code(self) -> int:
        """What the comment says of it; 0 where it says nothing."""
        said = re.search(r"exit code (\d)", self.says)
        return int(said[1]) if said else REFUSED if self.refusal else SUCCESS

    @property
    def refusal(self) -> str | None:
        """The code with which it is refused, by its comment."""
        said = re.search(r"refused with `([a-z.-]+)`", self.says)
        return said[1] if said else None


def documents() -> list[Path]:
    """README.md and everything written in `docs/`."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(path: Path) -> list[Command]:
    """In the order of the document."""
    return commands_of(str(path.relative_to(ROOT)), path.read_text())


def commands_of(document: str, text: str) -> list[Command]:
    """The same, of a text that has this name."""
    found = []
    for block in BLOCK.finditer(text):
        if block[1] not in ("sh", "console"):
            continue
        first, waiting = text[: block.start(2)].count("\n") + 1, ""
        for at, line in enumerate(block[2].splitlines(), first):
            if block[1] == "console" and not line.startswith("$ "):
                continue
            part = line.removeprefix("$ ").strip()
            if part.endswith("\\"):
                waiting += part[:-1].rstrip() + " "
                continue
            typed, says = _split(waiting + part)
            waiting = ""
            if typed:
                found.append(Command(document, at, typed, says))
    return found


def blocks(path: Path, language: str) -> list[str]:
    """Texts of a document's blocks in a language."""
    return [block[2] for block in BLOCK.finditer(path.read_text()) if block[1] == language]


def _split(line: str) -> tuple[str, str]:
    """A line and its comment; a `#` inside quotes or a word is none."""
    quoted = ""
    for at, character in enumerate(line):
        if quoted:
            quoted = "" if character == quoted else quoted
        elif character in "\"'":
            quoted = character
        elif character == "#" and (at == 0 or line[at - 1] == " "):
            return line[:at].strip(), line[at + 1 :].strip()
    return line.strip(), ""
