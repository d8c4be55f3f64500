"""`--watch`: one answer per change, driven by blocks, stale where no node answers, and ended without a failure."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from os import terminal_size
from typing import Any

import pytest
import typer
from typer.main import get_command

from contracts.bodies import Transfer
from devnet.cli import app
from node.cli import output, watch
from node.errors import NodeError, RpcError
from tests.cli.conftest import Devnet

AWAY = RpcError("rpc.unreachable", "There is no node at http://n: gone.")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MIN_GAP_S", 0.0)
    monkeypatch.setattr(watch, "LOOK_S", 0.0)


def watched(*answers: str | Exception, as_json: bool = False) -> None:
    """Watches a command that prints, or fails with, one of these each time, and then is ended with Ctrl-C."""
    left = iter(answers)

    def once() -> None:
        with output.reporting(as_json):
            answer = next(left, KeyboardInterrupt())
            if isinstance(answer, BaseException):
                raise answer
            print(answer)

    watch.watch(once, {"as_json": as_json})


def test_each_change_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    answers = [{"height": 1, "data": 1}, {"height": 2, "time_ms": 5, "data": 1}, {"height": 3, "data": 2}]
    watched(*map(json.dumps, answers), as_json=True)
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == [answers[0], answers[2]]


def test_the_block_alone_makes_no_other_answer(capsys: pytest.CaptureFixture[str]) -> None:
    watched("5 Wh\nAs of block 1, now.", "5 Wh\nAs of block 2, then.", "6 Wh\nAs of block 3, later.")
    assert capsys.readouterr().out == "5 Wh\nAs of block 1, now.\n\n6 Wh\nAs of block 3, later.\n"


def test_an_error_of_the_first_look_is_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    for error in (AWAY, NodeError("rpc.unknown-bill", "There is no bill.", "Look.")):
        with pytest.raises(typer.Exit) as ended:
            watched(error, "never")
        assert ended.value.exit_code == 1
        said = capsys.readouterr()
        assert said.out == "" and error.code in said.err


def test_what_goes_wrong_later_is_shown_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    watched('{"a": 1}', NodeError("ledger.pruned", "Gone.", "Newer."), '{"a": 2}', as_json=True)
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == [{"a": 1}, {"code": "ledger.pruned", "message": "Gone.", "hint": "Newer."}, {"a": 2}]


def test_while_no_node_answers_it_is_said_once_and_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    watched("one", AWAY, AWAY, AWAY, "one", AWAY, "two")
    said = capsys.readouterr()
    assert said.out == "one\n\ntwo\n"
    assert said.err.count("gone.") == 2


def test_a_command_that_ends_with_a_failure_is_watched_on(capsys: pytest.CaptureFixture[str]) -> None:
    watched("ill", typer.Exit(1), "well")
    assert "well" in capsys.readouterr().out


def test_csv_has_no_end() -> None:
    with pytest.raises(typer.Exit):
        watch.watch(lambda: None, {"as_json": False, "as_csv": True})


def test_blocks_of_a_node_make_it_look_again(
    devnet: Devnet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frames: list[dict[str, Any]] = []
    waited: list[bool] = []

    def show(_: object, frame: watch.Frame) -> None:
        frames.append(json.loads(frame.text))
        if len(frames) == 3:
            raise KeyboardInterrupt

    def wait(self: watch.Blocks, timeout_s: float) -> None:
        # Only now may there be news of it.
        assert self._news.wait(30), "a block, or that the node is there, is told"
        if len(waited) == 1:
            devnet.call(devnet.chain.submit([devnet.chain.speaker.member("campus", Transfer("wind", 5, ""))]))
        waited.append(True)

    monkeypatch.setattr(watch._Lines, "show", show)
    monkeypatch.setattr(watch.Blocks, "wait", wait)
    result = devnet.run("query", "balance", "campus", "--watch", "--json")
    assert result.exit_code == 0, result.output
    before, _, after = (int(one["data"]["balance_nano"]) for one in frames)
    assert before - after == 5


class Live:
    """What Rich would draw, as text."""

    def __init__(self) -> None:
        self.drawn: list[str] = []

    def update(self, group: Any, *, refresh: bool) -> None:
        assert refresh
        self.drawn.append("\n".join(one.plain for one in group.renderables))


def test_a_screen_keeps_the_last_answer_while_no_node_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: terminal_size((80, 7)))
    live = Live()
    screen = watch._Drawn(live)
    screen.show(watch.Frame("one\ntwo\n"))
    screen.stale(AWAY)
    screen.show(watch.Frame("\n".join(f"line {number}" for number in range(9))))
    fresh, stale, long = (drawn.splitlines() for drawn in live.drawn)
    assert "Ctrl-C" in fresh[0] and fresh[2:] == ["one", "two"]
    assert stale[0].startswith("STALE since ") and "gone." in stale[0] and stale[2:] == ["one", "two"]
    assert long[2:] == ["line 0", "line 1", "line 2", "... and 6 lines more; a higher window shows them."]


def commands(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    for name, command in getattr(tree, "commands", {}).items():
        yield from commands(command, (*path, name))
    if not hasattr(tree, "commands"):
        yield " ".join(path), {option for one in tree.params for option in one.opts}


def reads(name: str) -> bool:
    """Whether a command asks nodes how things stand, by its name."""
    noun, *rest = name.split()
    match noun:
        case "query" | "status" | "doctor":
            return True
        case "bill" | "carbon":
            return rest != ["verify"]
        case "trust" | "wallet":
            return rest == ["show"]
        case "govern":
            return not rest[0].startswith(("propose", "approve", "signal", "withdraw"))
    return name in ("access refusals", "devnet status", "devnet time show")


def test_whatever_reads_can_be_watched_and_nothing_else() -> None:
    found = dict(commands(get_command(app)))
    assert {name for name, options in found.items() if "--watch" in options} == set(filter(reads, found))


def test_output_of_a_watched_command_is_in_the_style_of_its_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    styled: list[bool] = []

    def once() -> None:
        styled.append(sys.stdout.isatty())

    for terminal in (True, False):
        monkeypatch.setattr(sys.stdout, "isatty", lambda terminal=terminal: terminal)
        watch._run(once)
    assert styled == [True, False]
