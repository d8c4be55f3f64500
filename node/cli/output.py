"""What commands print: tables with units for people, one JSON document for programs, errors with a next step.

Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, NoReturn

import typer

from node.cli.columns import paired, tabulated, wrapped
from node.cli.strange import PUZZLED, forget, strange
from node.cli.waiting import above
from node.errors import NodeError

PROGRAM = "gridpact"
NANO = 1_000_000_000
FAILED = 1
USAGE = 2
INTERRUPTED = 130
FIRST_MS, LAST_MS = 0, 253_370_764_799_000
"""1970, and the end of 9998: a year that every time zone still has."""
Row = Sequence[str]

# The base of every usage error, of whichever click this typer brings along.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def money(amount_nano: int | str) -> str:
    """Nano-currency in currency units, exact: at least two decimals, at most nine."""
    return _billionths(amount_nano, decimals=2)


def kilograms(amount_ug: int | str) -> str:
    """Micrograms in kilograms, exact: at least three decimals, at most nine."""
    return _billionths(amount_ug, decimals=3)


def _billionths(amount: int | str, decimals: int) -> str:
    """What counts in billionths in ones, exact, with so many decimals or as many more as it has."""
    nano = int(amount)
    whole, fraction = divmod(abs(nano), NANO)
    digits = f"{fraction:09d}".rstrip("0").ljust(decimals, "0")
    return f"{'-' if nano < 0 else ''}{whole:,}.{digits}"


def per_kwh(price_nano_per_wh: int | None) -> str:
    """A price in currency units per kWh, exact."""
    return "-" if price_nano_per_wh is None else money(price_nano_per_wh * 1_000)


def counted(number: int, noun: str) -> str:
    """A number and what it counts: "1 interval", "2,000 intervals"."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def moment_of(time_ms: int, zone: tzinfo | None = UTC) -> datetime:
    """A point in time; what no calendar has, because a node says anything, is the last or first that it has."""
    return datetime.fromtimestamp(max(FIRST_MS, min(time_ms, LAST_MS)) // 1000, zone)


def utc(time_ms: int) -> str:
    """A time for people."""
    moment = moment_of(time_ms)
    milliseconds = f".{time_ms % 1000:03d}" if time_ms % 1000 else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{milliseconds} UTC"


def progress(text: str) -> None:
    """Say what is being waited for, or what went wrong: one line on stderr."""
    above(_printable(text))


def emit(as_json: bool, document: dict[str, Any], draw: Callable[[], None]) -> None:
    """Print a command's result: the document, or what `draw` makes of it."""
    if as_json:
        print(json.dumps(document))
    else:
        draw()


def table(title: str, headings: Row, rows: Iterable[Row], *, right: Iterable[str] = ()) -> None:
    """A table on stdout that fits the screen; columns named in `right` are aligned right. Without rows it is a
    sentence."""
    listed = [[_printable(cell) for cell in row] for row in rows]
    if not listed:
        line(f"{title}: none.")
    else:
        _titled(title, tabulated(headings, listed, right, _screen()))


def facts(title: str, pairs: Iterable[Row]) -> None:
    """Names and their values on stdout, one below the other."""
    _titled(title, paired([(_printable(name), _printable(value)) for name, value in pairs], _screen()))


def plot(title: str, lines: Callable[[int], list[str]]) -> None:
    """Lines that are drawn for the width of the screen, on stdout."""
    _titled(title, lines(_screen()))


def _titled(title: str, lines: Iterable[str]) -> None:
    strong, plain = ("\x1b[1m", "\x1b[0m") if _styled() else ("", "")
    for part in wrapped(_printable(title), _screen()):
        print(f"{strong}{part}{plain}")
    print("\n".join(lines), end="\n\n")


def _screen() -> int:
    """Characters in a line of the screen; 80 where nobody knows."""
    return shutil.get_terminal_size().columns


def _styled() -> bool:
    """Whether stdout shows bold letters."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def line(text: str) -> None:
    """One line on stdout, never wrapped: it may be a command to copy."""
    print(_printable(text))


def write_file(path: Path, text: str) -> None:
    """Write what a command was asked to keep. Raises NodeError `cli.write`."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NodeError("cli.write", f"{path}: {error.strerror}.", "Give another file.") from None


def _printable(text: str) -> str:
    """Names and memos come from strangers: no control character may reach the terminal."""
    return "".join(one if one.isprintable() else "�" for one in text)


_PASSING_ON = ContextVar("passing errors on", default=False)


@contextmanager
def passing_errors_on() -> Iterator[None]:
    """Within, `reporting` leaves errors to the caller, who runs a command as a part of something."""
    before = _PASSING_ON.set(True)
    try:
        yield
    finally:
        _PASSING_ON.reset(before)


@contextmanager
def reporting(as_json: bool) -> Iterator[None]:
    """Turn errors into `{code, message, hint}` and exit code 1."""
    forget()
    try:
        yield
    except NodeError as error:
        if _PASSING_ON.get():
            raise
        fail(as_json, error)
    except PUZZLED as error:
        told = strange()
        if told is None:
            raise
        if _PASSING_ON.get():
            raise told from error
        fail(as_json, told)
    except KeyboardInterrupt:
        if _PASSING_ON.get():
            raise
        progress("Interrupted.")
        raise typer.Exit(INTERRUPTED) from None


def fail(as_json: bool, error: NodeError) -> NoReturn:
    """Report an error and exit with code 1."""
    if as_json:
        print(json.dumps(error.document()))
    else:
        progress(f"Error ({error.code}): {error.message}")
        if error.hint:
            progress(f"Next: {error.hint}")
    raise typer.Exit(FAILED)


def _command(app: typer.Typer, given: Sequence[str]) -> str:
    """The command that these arguments begin with."""
    command: Any = typer.main.get_command(app)
    words = [PROGRAM]
    for word in given:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        words.append(word)
    return " ".join(words)


def run(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a Typer application; returns the exit code. Usage errors follow `--json` too."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(args=given, standalone_mode=False, prog_name=PROGRAM)
    except UsageError as error:
        # Of a noun alone the help is printed, and there is no message.
        message = getattr(error, "format_message", error.__str__)() or "A command is missing."
        problem = NodeError("cli.usage", message, f"`{_command(app, given)} --help` shows what it takes.")
        try:
            fail("--json" in given, problem)
        except typer.Exit:
            return USAGE
    except typer.Exit as done:
        return int(done.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        progress("Interrupted.")
        return INTERRUPTED
    return code if isinstance(code, int) else 0
