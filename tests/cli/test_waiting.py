"""What takes long says how far it is: on a terminal in a line that is gone at the end, elsewhere in one that stays."""

from __future__ import annotations

import io
import os
import threading
from typing import Any

import pytest

from node.cli import waiting
from node.cli.output import progress
from node.cli.waiting import WIPE, Amount, drawn, working


class Screen(io.StringIO):
    """A terminal, or not, that tells once so many lines have been written anew."""

    def __init__(self, *, terminal: bool, lines: int = 2) -> None:
        super().__init__()
        self._terminal = terminal
        self._left = lines
        self.drawn = threading.Event()

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        self._left -= text.startswith(WIPE) and text != WIPE
        if self._left <= 0:
            self.drawn.set()
        return super().write(text)

    def shown(self) -> list[str]:
        """What a person sees at the end."""
        return [line.rpartition(WIPE)[2] for line in self.getvalue().split("\n")]


def screen(monkeypatch: pytest.MonkeyPatch, **how: Any) -> Screen:
    made = Screen(**how)
    monkeypatch.setattr("sys.stderr", made)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(waiting, "DELAY_S", 0.0)
    monkeypatch.setattr(waiting, "REFRESH_S", 0.001)
    return made


def test_a_terminal_is_drawn_while_it_lasts_and_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = screen(monkeypatch, terminal=True)
    with working("Waiting for blocks", Amount(4, "blocks")) as task:
        task.advance()
        assert seen.drawn.wait(30)
        progress("Something happened.")
    assert "Waiting for blocks [#####...............] 1 of 4 blocks, " in seen.getvalue()
    assert seen.shown() == ["Something happened.", ""]


def test_nothing_is_said_of_what_is_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = screen(monkeypatch, terminal=True)
    monkeypatch.setattr(waiting, "DELAY_S", 30.0)
    with working("Waiting"):
        pass
    assert seen.getvalue() == ""


def test_the_line_is_gone_after_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = screen(monkeypatch, terminal=True)
    with pytest.raises(KeyboardInterrupt), working("Waiting"):
        assert seen.drawn.wait(30)
        raise KeyboardInterrupt
    assert seen.shown() == [""]
    assert not any(thread.name == "progress" for thread in threading.enumerate())


def test_elsewhere_each_step_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = screen(monkeypatch, terminal=False)
    with working(amount=Amount(2, "steps")) as task:
        task.step("founding")
        task.step("starting")
    with working("Checking", aloud=False):
        pass
    with working("Waiting until it is final"):
        pass
    assert seen.getvalue() == "founding ...\nstarting ...\nWaiting until it is final ...\n"


def test_a_terminal_that_can_write_nothing_anew_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = screen(monkeypatch, terminal=True)
    monkeypatch.setenv("TERM", "dumb")
    with working("Waiting"):
        pass
    assert seen.getvalue() == "Waiting ...\n"


@pytest.mark.parametrize(
    ("done", "amount", "elapsed_s", "line"),
    [
        (0, None, 61.0, "Doing: 61 s"),
        (0, Amount(8, "seeds"), 3.0, "Doing [....................] 0 of 8 seeds, 3 s"),
        (2, Amount(8, "seeds"), 3.0, "Doing [#####...............] 2 of 8 seeds, 3 s, about 9 s left"),
        (8, Amount(8, "seeds"), 12.0, "Doing [####################] 8 of 8 seeds, 12 s"),
        (9, Amount(8, "seeds"), 12.0, "Doing [####################] 9 of 8 seeds, 12 s"),
        (5, Amount(20, by_clock=True), 5.0, "Doing [#####...............], 5 s, about 15 s left"),
        (0, Amount(0, "seeds"), 5.0, "Doing: 5 s"),
    ],
)
def test_what_is_left_follows_from_what_is_done(
    done: float, amount: Amount | None, elapsed_s: float, line: str
) -> None:
    assert drawn("Doing", done, amount, elapsed_s) == line


def test_a_step_ends_the_one_before() -> None:
    with open(os.devnull, "w") as nobody, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", nobody)
        task = waiting.Task("", Amount(2, "steps"))
        task.step("founding")
        assert task.line(200).startswith("founding [....................] 0 of 2 steps")
        task.step("starting")
    assert task.line(200).startswith("starting [##########..........] 1 of 2 steps")
    assert task.line(35).startswith("starting: 1 of 2 steps, ") and len(task.line(10)) == 10


def test_where_the_bar_has_no_room_the_estimate_stays() -> None:
    assert drawn("Doing", 5, Amount(20, by_clock=True), 5.0, bar=0) == "Doing: 5 s, about 15 s left"
