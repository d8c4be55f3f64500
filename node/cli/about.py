"""`gridpact --version` and `gridpact completion`: what this program is, and help for the shell."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Annotated, Any

import typer

from node.cli import options
from node.cli.output import PROGRAM, emit, line, reporting
from node.errors import NodeError

VARIABLE = "_GRIDPACT_COMPLETE"
"""What a shell sets that asks for completions."""
SHELLS = ("bash", "zsh", "fish")
WHERE = {
    "bash": f"{PROGRAM} completion bash >> ~/.bashrc",
    "zsh": f"{PROGRAM} completion zsh >> ~/.zshrc",
    "fish": f"{PROGRAM} completion fish > ~/.config/fish/completions/{PROGRAM}.fish",
}


def register(app: typer.Typer) -> None:
    """Add both to the application."""
    if VARIABLE in os.environ:
        _shells().completion_init()
    app.callback()(about)
    app.command()(completion)


def about(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Print the version and the rule sets that it knows.")
    ] = False,
) -> None:
    """The ledger that competitors who share a microgrid run together."""
    if version:
        from importlib.metadata import version as installed

        from contracts.rulesets import RULE_SETS

        line(f"{PROGRAM} {installed(PROGRAM)}, rule set {', '.join(map(str, sorted(RULE_SETS)))}")
        raise typer.Exit


def completion(
    shell: Annotated[str, typer.Argument(help="bash, zsh or fish.", metavar="bash|zsh|fish")],
    as_json: options.Json = False,
) -> None:
    """Print the script that completes commands and options; where it goes is in its first line."""
    with reporting(as_json):
        if shell not in SHELLS:
            raise NodeError("cli.usage", f"There is no completion for {shell[:20]!r}.", f"Use {', '.join(SHELLS)}.")
        script = _shells().get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell)
        emit(as_json, {"shell": shell, "script": script}, lambda: print(f"# {WHERE[shell]}\n{script}"))


def _shells() -> Any:
    """Typer's completion, which it has no types for; loaded only where a shell is about to ask."""
    return import_module("typer.completion")
