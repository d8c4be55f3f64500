"""What the program says of itself, and what it completes in a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from contracts.rulesets import RULE_SETS
from node.cli import app, run


def completed(words: str) -> list[str]:
    """What a shell is offered for the last word."""
    environment = os.environ | {
        "_GRIDPACT_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    code = "import sys; sys.argv = ['gridpact']; from devnet.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_version_names_the_rule_sets(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["--version"]) == 0
    assert capsys.readouterr().out == f"gridpact {version('gridpact')}, rule set {max(RULE_SETS)}\n"


def test_commands_and_options_are_completed() -> None:
    assert completed("gridpact qu") == ["query"]
    assert set(completed("gridpact devnet time ")) == {"show", "freeze", "run", "advance"}
    assert completed("gridpact status --js") == ["--json"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_say_where_they_go(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["completion", shell]) == 0
    first, rest = capsys.readouterr().out.split("\n", 1)
    assert first.startswith(f"# gridpact completion {shell} >") and "_GRIDPACT_COMPLETE" in rest


def test_another_shell_is_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["completion", "tcsh"]) == 1
    assert "cli.usage" in capsys.readouterr().err
