"""The tour's commands exist, and it says what it waits for. That it ends with a proven bill is in `tests/browser`."""

from __future__ import annotations

from pathlib import Path

import pytest

from devnet import tour
from devnet.cli import app
from devnet.errors import DevnetError
from devnet.tour import STEPS, Guide, await_settled, open_interval
from node.cli.output import run


@pytest.mark.parametrize("command", [part for step in STEPS for part in step.command.split(" | ")])
def test_every_command_is_one(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With its own words and options, in a place where there is no devnet: not a mistake of usage."""
    words = command.format(interval=7).split()
    assert run(app, [*words, "--dir", "nowhere"]) == 1
    assert "cli.usage" not in capsys.readouterr().err


def test_without_a_devnet_it_says_how_to_start_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["tour", "--yes", "--dir", str(tmp_path)]) == 1
    assert "devnet.none" in capsys.readouterr().err


def test_a_command_that_fails_ends_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DevnetError) as failed:
        Guide(tmp_path, lambda: 7, lambda which: {}, paused=False).take(1, STEPS[0])
    assert failed.value.code == "tour.failed"
    told = capfd.readouterr()
    assert "$ gridpact devnet status" in told.out and "devnet.none" in told.err


def test_it_waits_until_an_interval_is_settled_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tour, "LOOK_S", 0.0)
    states = iter(["ordered", "closed", "settled"])
    await_settled(7, lambda which: {"interval": 6} if which == "now" else {"status": next(states)})
    assert next(states, None) is None
    with pytest.raises(DevnetError) as late:
        await_settled(7, lambda which: {"status": "ordered", "interval": 6}, patience_s=0.01)
    assert late.value.code == "tour.waiting"


def test_no_reader_is_too_slow_for_the_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is chosen when everything was read, not before."""
    done = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: done.append("read"))
    guide = Guide(tmp_path, lambda: len(done) + 6, lambda which: {}, paused=True)
    monkeypatch.setattr(guide, "_run", lambda words, _: done.append(" ".join(words)) or b"")
    guide.take(1, STEPS[0])
    guide.take(2, STEPS[1])
    assert done == ["read", "devnet status", "read", "tx dispatch request --as campus --interval 9 --wh 5000"]
    assert sum(step.chooses for step in STEPS) == 1
    assert not any("{interval}" in step.command for step in STEPS[: STEPS.index(next(s for s in STEPS if s.chooses))])


@pytest.mark.parametrize(
    ("now_ms", "found"), [(0, 12), (899_999, 12), (900_000, 13), (2_000_000, 14), (10**9, 10 + tour.MAX_AHEAD)]
)
def test_it_is_about_an_interval_that_stays_open_for_a_while(now_ms: int, found: int) -> None:
    """Windows lock ten minutes before intervals of a quarter of an hour, the tenth of which begins at 0."""
    assert open_interval(lambda which: told(10 if which == "now" else int(which)), now_ms) == found


def told(interval: int) -> dict[str, int]:
    return {"interval": interval, "locks_ms": (interval - 10) * 900_000 + 300_000 * (interval > 10)}
