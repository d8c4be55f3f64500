"""Groups of options: the command line sees each of them, and the command gets them as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from node.cli import options

SLOW = options.Signing(timeout=900)
seen: list[object] = []
app = typer.Typer()


@app.command()
@options.grouped
def ask(
    which: str,
    also: Annotated[int, typer.Option("--also")] = 3,
    *,
    asking: options.Asking,
) -> None:
    """Ask."""
    seen.append((which, also, asking))


@app.command()
@options.grouped
def sign(signing: options.Signing = SLOW) -> None:
    """Sign."""
    seen.append(signing)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["ask", "x"], ("x", 3, options.Asking())),
        (
            ["ask", "--prove", "x", "--csv", "--dir", "/d", "--also", "4", "--tz", "UTC", "--node", "http://n"],
            ("x", 4, options.Asking("http://n", Path("/d"), True, False, True, "UTC")),
        ),
        (["sign"], SLOW),
        (["sign", "--no-wait", "--as", "me", "--timeout", "1"], options.Signing(as_="me", wait=False, timeout=1)),
    ],
)
def test_a_group_is_spread_over_the_command_line_and_gathered_again(arguments: list[str], expected: object) -> None:
    seen.clear()
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert seen == [expected]


def test_bounds_and_environment_of_a_groups_options_count(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CliRunner().invoke(app, ["sign", "--timeout", "0"]).exit_code == 2
    seen.clear()
    monkeypatch.setenv("GRIDPACT_NODE", "http://from.environment")
    assert CliRunner().invoke(app, ["sign"]).exit_code == 0
    assert seen == [SLOW._replace(node="http://from.environment")]
