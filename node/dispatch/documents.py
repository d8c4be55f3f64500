"""Cases and solutions in files: bounded before they are decoded, refused with a code and the place of what is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

from contracts.program.case import Case, Solution
from contracts.program.documents import (
    MAX_CASE_BYTES,
    MAX_SOLUTION_JSON_BYTES,
    case_of,
    solution_of,
    unpack,
)
from contracts.program.verdict import Refusal
from node.codes import describe
from node.errors import NodeError

STANDARD_INPUT = Path("-")
JSON_STARTS = b"{ \t\r\n"


def read_case(path: Path) -> Case:
    """The case in a JSON file, `-` for standard input.

    Raises NodeError `dispatch.unreadable`, `dispatch.oversized`, `dispatch.malformed`.
    """
    found = case_of(_bytes(path, "case", MAX_CASE_BYTES))
    if isinstance(found, Refusal):
        raise refused(found, path)
    return found


def read_solution(path: Path) -> Solution:
    """The solution in a file, `-` for standard input: JSON, or the form in which a transaction carries it.

    Raises NodeError `dispatch.unreadable`, `dispatch.oversized`, `dispatch.malformed`.
    """
    raw = _bytes(path, "solution", MAX_SOLUTION_JSON_BYTES)
    found = solution_of(raw) if raw[:1] in JSON_STARTS else unpack(raw)
    if isinstance(found, Refusal):
        raise refused(found, path)
    return found


def refused(refusal: Refusal, path: Path | None = None) -> NodeError:
    """A refusal by the rules of the program, for people; `path` is the file it is about."""
    place = refusal.where if path is None else f"{path}, {refusal.where}"
    return NodeError(refusal.code, f"{place}: {refusal.message}", describe(refusal.code).hint)


def _bytes(path: Path, what: str, most: int) -> bytes:
    """The file, or one byte more than is decoded: a pipe has no size to look at."""
    try:
        if path == STANDARD_INPUT:
            return sys.stdin.buffer.read(most + 1)
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise NodeError(
            "dispatch.unreadable", f"{path}: {error.strerror}.", f"Name a file with a {what}, or - for standard input."
        ) from None
