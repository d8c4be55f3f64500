"""What a command that takes long is doing, how far it is, and how long it will still take: one line on stderr.

Only on a terminal, where the line is written anew and is gone at the end, and only from the second second on.
Elsewhere what is being done is said once, in a line of its own. Never writes to stdout.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import NamedTuple

DELAY_S = 1.0
"""What takes less is over before anybody asks."""
REFRESH_S = 0.2
BAR = 20
"""Characters of the bar."""
WIPE = "\r\x1b[K"


class Amount(NamedTuple):
    """How much there is to do: `total` of `unit`. By the clock: `total` is the seconds that it takes."""

    total: float
    unit: str = ""
    by_clock: bool = False


class Task:
    """Something that goes on. May be told from any thread how far it is."""

    def __init__(self, text: str, amount: Amount | None) -> None:
        self._text = text
        self._amount = amount
        self._done = 0.0
        self._began = monotonic()

    def reach(self, done: float) -> None:
        """So much of the amount is done by now."""
        self._done = done

    def advance(self) -> None:
        """One more is done."""
        self._done += 1

    def step(self, text: str) -> None:
        """The step before is done, and this one begins."""
        if self._text:
            self.advance()
        self._text = text
        if not _drawn():
            above(f"{text} ...")

    def line(self, width: int) -> str:
        """How it stands now, in at most `width` characters."""
        elapsed_s = monotonic() - self._began
        amount, done = self._amount, self._done
        if amount is not None and amount.by_clock:
            done = min(elapsed_s, amount.total)
        full = drawn(self._text, done, amount, elapsed_s)
        return full if len(full) <= width else drawn(self._text, done, amount, elapsed_s, bar=0)[:width]


def drawn(text: str, done: float, amount: Amount | None, elapsed_s: float, bar: int = BAR) -> str:
    """What is being done, how much of it is, and what is left if it goes on like that; with a bar of so many places."""
    if amount is None or amount.total <= 0:
        return f"{text}: {elapsed_s:.0f} s"
    share = min(1.0, done / amount.total)
    shown = f" [{'#' * int(share * bar):.<{bar}}]" if bar else ":"
    counted = "" if amount.by_clock else f" {done:,.0f} of {amount.total:,.0f} {amount.unit}".rstrip()
    left = ""
    if 0 < share < 1:
        left = f", about {elapsed_s * (1 - share) / share:.0f} s left"
    return f"{text}{shown}{counted}, {elapsed_s:.0f} s{left}".replace(":,", ":")


@contextmanager
def working(text: str = "", amount: Amount | None = None, *, aloud: bool = True) -> Iterator[Task]:
    """Show that something goes on until the block ends. Without a text nothing is said before the first `step`.

    What is not `aloud`, because it is over at once as a rule, is said on terminals alone.
    """
    task = Task(text, amount)
    if not _drawn():
        if text and aloud:
            above(f"{text} ...")
        yield task
        return
    ended = threading.Event()
    ticker = threading.Thread(target=_tick, args=(task, ended), name="progress", daemon=True)
    ticker.start()
    try:
        yield task
    finally:
        ended.set()
        ticker.join()


def above(text: str) -> None:
    """A line on stderr that stays, above the one that is written anew."""
    with _LINE:
        print(f"{WIPE if _drawn() else ''}{text}", file=sys.stderr, flush=True)


_LINE = threading.Lock()
"""Who writes to stderr."""


def _tick(task: Task, ended: threading.Event) -> None:
    pause_s = DELAY_S
    while not ended.wait(pause_s):
        pause_s = REFRESH_S
        with _LINE:
            print(f"{WIPE}{task.line(shutil.get_terminal_size().columns - 1)}", end="", file=sys.stderr, flush=True)
    if pause_s == REFRESH_S:
        with _LINE:
            print(WIPE, end="", file=sys.stderr, flush=True)


def _drawn() -> bool:
    """Whether stderr is a terminal that can write a line anew."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
