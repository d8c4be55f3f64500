"""The tour's commands exist, and it says what it waits for. That it ends with a proven bill is in `tests/browser`."""

from __future__ import annotations

from pathlib import Path

import pytest

from devnet import tour
from devnet.cli import app
from devnet.errors import DevnetError
from devnet.tour import STEPS, Guide, await_settled
from node.cli.output import run


@pytest.mark.parametrize("command", [part for step in STEPS for part in step.command.split(" | ")])
def test_every_command_is_one(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With its own words and options, in a place where there is no devnet: not a mistake of usage."""
    words = command.format(interval=7, bill=7).split()
    assert run(app, [*words, "--dir", "nowhere"]) == 1
    assert "cli.usage" not in capsys.readouterr().err


def test_without_a_devnet_it_says_how_to_start_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["tour", "--yes", "--dir", str(tmp_path)]) == 1
    assert "devnet.none" in capsys.readouterr().err


def test_a_command_that_fails_ends_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import sys

    with pytest.raises(DevnetError) as failed:
        Guide(tmp_path, sys.executable, paused=False).take(1, STEPS[0])
    assert failed.value.code == "tour.failed"
    told = capfd.readouterr()
    assert "$ gridpact devnet status" in told.out and "devnet.none" in told.err


def test_it_waits_until_an_interval_is_settled_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tour, "LOOK_S", 0.0)
    states = iter(["ordered", "closed", "settled"])
    assert await_settled(7, lambda interval: next(states)) == 7
    with pytest.raises(DevnetError) as late:
        await_settled(7, lambda interval: "ordered", patience_s=0.01)
    assert late.value.code == "tour.waiting"
