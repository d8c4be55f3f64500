"""A row of documents that one folder goes through, one test each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.documents.commands import ROOT, Command, commands
from tests.documents.place import RESTORE, RESTORED, UP, Place

Typed = Callable[[str], list[str]]


def scenario_of(command: Command) -> str | None:
    """What a command starts, if it starts a devnet."""
    up = UP.match(command.text)
    return (up[1] or "campus") if up else RESTORED if RESTORE.match(command.text) else None


def needs(document: str) -> str | None:
    """The scenario of the devnet that a document starts first."""
    return next((found for command in commands(ROOT / document) if (found := scenario_of(command))), None)


def typing(lane: tuple[str, ...], folder: Path) -> Iterator[Typed]:
    """Types whole documents of a lane, in its order. Each call returns what was wrong; nothing stays up at the end."""
    place = Place(folder)

    def typed(document: str) -> list[str]:
        place.open(ROOT / document)
        following = lane[lane.index(document) + 1 :]
        lines = commands(ROOT / document)
        wrong = []
        for at, command in enumerate(lines):
            coming = [scenario_of(one) for one in lines[at + 1 :]] + [needs(one) for one in following]
            if complaint := place.run(command, next((one for one in coming if one), None)):
                wrong.append(complaint)
        return wrong

    try:
        yield typed
    finally:
        place.down()


def report(wrong: list[str]) -> None:
    """Fail with everything that was wrong."""
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)
