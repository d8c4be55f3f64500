"""`gridpact rulebook check | facts`: what a rulebook would do on a recorded day, and the names that it may use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli import options
from node.cli.output import counted, emit, line, reporting, table

if TYPE_CHECKING:
    from node.rulebook.replay import Step

MAX_SHOWN = 12
"""Of the intervals in which one rule fires."""

app = typer.Typer(help="Try a rulebook, and see what it may say.", no_args_is_help=True)


@app.callback()
def rulebook() -> None:
    """Try a rulebook, and see what it may say."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The rulebook, TOML.")],
    day: Annotated[
        Path | None,
        typer.Option("--day", help="Recorded day, as `agent run --record` writes it. Default: the member's in --dir."),
    ] = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
) -> None:
    """Say what would fire, what it would ask and offer, and which limit would stop it."""
    with reporting(as_json):
        from node.rulebook.document import load
        from node.rulebook.replay import DAYS, load_day, replay, shipped

        book = load(file)
        recorded = directory / "rulebooks" / f"{book.member}.jsonl"
        if day is None and not recorded.exists() and book.member in shipped():
            recorded = DAYS / f"{book.member}.jsonl"
        where = recorded if day is None else day
        steps = replay(book, load_day(where))
        names = [rule.name for rule in book.rules]
        emit(as_json, _document(book.member, where, names, steps), lambda: _draw(book.member, where, names, steps))


@app.command()
def facts(as_json: options.Json = False) -> None:
    """List the names that conditions and amounts may use, with the values of a made-up interval."""
    with reporting(as_json):
        from node.rulebook.document import made_up
        from node.rulebook.sight import facts as names_of

        found = names_of(made_up("somebody"))
        flat: dict[str, Any] = {}
        for name, value in found.items():
            flat |= {f"{name}.{part}": one for part, one in value.items()} if isinstance(value, dict) else {name: value}
        emit(
            as_json,
            {"facts": flat},
            lambda: table("Facts", ["Name", "Kind"], [[name, type(value).__name__] for name, value in flat.items()]),
        )


def _document(member: str, day: Path, names: list[str], steps: list[Step]) -> dict[str, Any]:
    from node.render import render

    return {
        "member": member,
        "day": str(day),
        "intervals": [
            {
                "interval": one.sight.interval,
                "fired": list(one.decision.fired),
                "says": [render(body) for body in one.decision.bodies],
                "stake_tokens": str(one.decision.stake_tokens),
                "may_cost_nano": str(one.decision.spend_nano),
                "spent_nano": str(one.spent.spend_nano),
                "stopped": None if one.decision.stopped is None else one.decision.stopped._asdict(),
                "troubles": [trouble._asdict() for trouble in one.decision.troubles],
            }
            for one in steps
        ],
        "fired": {name: sum(name in one.decision.fired for one in steps) for name in names},
    }


def _draw(member: str, day: Path, names: list[str], steps: list[Step]) -> None:
    rows = []
    for name in names:
        fired = [one.sight.interval for one in steps if name in one.decision.fired]
        failed = sorted({trouble.code for one in steps for trouble in one.decision.troubles if trouble.rule == name})
        rows.append([name, str(len(fired)), _spans(fired), ", ".join(failed) or "-"])
    table(f"{member} on {len(steps)} intervals of {day.name}", ["Rule", "Fires", "In intervals", "Fails with"], rows)
    stopped: dict[str, list[int]] = {}
    for one in steps:
        if one.decision.stopped is not None:
            stopped.setdefault(one.decision.stopped.code, []).append(one.sight.interval)
    for code, intervals in stopped.items():
        first = next(one.decision.stopped for one in steps if one.sight.interval == intervals[0])
        where = f"{counted(len(intervals), 'interval')} ({_spans(intervals)})"
        line(f"Stopped by {code} in {where}: {first.message if first else ''}")
    said = sum(len(one.decision.bodies) for one in steps)
    line(f"{said} words to the ledger in all; nothing was sent. --json has every one of them.")


def _spans(intervals: list[int]) -> str:
    """Runs of intervals, at most `MAX_SHOWN` of them."""
    runs: list[list[int]] = []
    for interval in intervals:
        if runs and runs[-1][1] == interval - 1:
            runs[-1][1] = interval
        else:
            runs.append([interval, interval])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in runs[:MAX_SHOWN]]
    return ", ".join(shown) + (", ..." if len(runs) > MAX_SHOWN else "") or "-"
