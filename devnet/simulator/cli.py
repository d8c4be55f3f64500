"""`gridpact simulate`: try to break the real replica, thousands of times, and replay what broke."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from devnet.simulator.violations import ORACLES
from node.cli.options import Json
from node.cli.output import emit, progress, reporting
from node.cli.waiting import Amount, working
from node.errors import NodeError

if TYPE_CHECKING:
    from devnet.simulator.run import Outcome

MAX_SEED = 2**32
MAX_REPLICAS = 128
REPLICAS = 4
SEEDS = 100


def simulate(
    replicas: Annotated[int, typer.Option(min=4, max=MAX_REPLICAS, help="Nodes, each with a seat.")] = REPLICAS,
    seeds: Annotated[int | None, typer.Option(min=1, help="Runs. Default: 100, or as many as --minutes allow.")] = None,
    first_seed: Annotated[int | None, typer.Option(min=0, max=MAX_SEED, help="Default: drawn afresh.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Stop after so long.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, max=256, help="Processes. Default: one per core.")] = None,
    behaviour: Annotated[
        list[str] | None, typer.Option(help="What liars may do; can be repeated. Default: all.")
    ] = None,
    twins: Annotated[
        bool, typer.Option("--twins", help="Two machines with one key, under schedules of leaders and partitions.")
    ] = False,
    seed: Annotated[int | None, typer.Option(min=0, max=MAX_SEED, help="Run this seed again, by itself.")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="With --seed: draw the messages, of the shrunk plan.")] = False,
    lines: Annotated[int, typer.Option(min=1, max=2_000, help="Lines of the drawing, the newest.")] = 120,
    json: Json = False,
) -> None:
    """Whole networks on virtual time, with faults and liars, judged at every step. Exits 1 when a rule was broken."""
    from devnet.simulator.campaign import Campaign, campaign, known_behaviours
    from devnet.simulator.twins import campaign as play_twins

    with reporting(json):
        behaviours = _behaviours(behaviour, known_behaviours())
        if trace and seed is None:
            raise NodeError("simulate.trace", "--trace draws one run.", "Say which with --seed N.")
        if twins and (seed is not None or behaviour or minutes or replicas != REPLICAS):
            raise NodeError(
                "simulate.twins", "Twins play schedules of their own.", "Give --seeds and --first-seed only."
            )
        if seed is not None:
            document = _replay(seed, replicas, behaviours, lines)
            emit(json, document, lambda: _draw_replay(document, trace))
            failed = document["failure"] is not None
        else:
            first = secrets.randbelow(MAX_SEED) if first_seed is None else first_seed
            progress(f"first seed {first}")
            count = SEEDS if seeds is None and minutes is None else seeds
            with working("simulating", _amount(count, minutes), aloud=False) as task:
                if twins:
                    document = play_twins(first, seeds or SEEDS, task.advance)
                else:
                    wanted = Campaign(replicas, first, count, minutes, jobs or os.cpu_count() or 1, behaviours)
                    again = _again(replicas, behaviour or [])
                    document = campaign(wanted, lambda outcome: progress(_broken(outcome, again)), task.advance)
            emit(json, document, lambda: _draw(document))
            failed = bool(document["failures"])
    if failed:
        raise typer.Exit(1)


def _amount(seeds: int | None, minutes: float | None) -> Amount:
    """So many seeds, or as long as it is to take."""
    return Amount(60 * (minutes or 0), by_clock=True) if seeds is None else Amount(seeds, "seeds")


def _again(replicas: int, behaviours: list[str]) -> str:
    """Options without which a seed would draw another plan."""
    options = [] if replicas == REPLICAS else [f"--replicas {replicas}"]
    return " ".join([*options, *(f"--behaviour {name}" for name in behaviours), "--trace"])


def _broken(outcome: Outcome, again: str) -> str:
    assert outcome.failure is not None
    return f"seed {outcome.seed} breaks {outcome.failure.oracle}: gridpact simulate --seed {outcome.seed} {again}"


def _behaviours(wanted: list[str] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    for name in wanted or ():
        if name not in known:
            raise NodeError("simulate.behaviour", f"No behaviour is called {name}.", f"There are: {', '.join(known)}.")
    return tuple(sorted(set(wanted))) if wanted else known


def _replay(seed: int, replicas: int, behaviours: tuple[str, ...], lines: int) -> dict[str, Any]:
    from devnet.simulator.campaign import replay

    shown = replay(seed, replicas, behaviours, lines)
    plan: dict[str, Any] = msgspec.to_builtins(shown.plan)
    return {
        "seed": seed,
        "failure": msgspec.to_builtins(shown.outcome.failure),
        "heights": shown.outcome.heights,
        "virtual_ms": shown.outcome.virtual_ms,
        "faults_drawn": len(shown.drawn.faults),
        "faults_left": [
            f"{fault.at_ms:>6} ms, for {fault.for_ms} ms: {fault.describe()}" for fault in shown.plan.faults
        ],
        "plan": plan,
        "diagram": shown.diagram.splitlines(),
    }


def _draw(document: dict[str, Any]) -> None:
    typer.echo(f"{'first seed':>20}  {document['first_seed']}")
    for name in ("seeds", "heights", "heights_per_minute", "faults_injected", "byzantine_actions", "caught"):
        if name in document:
            typer.echo(f"{name.replace('_', ' '):>20}  {document[name]:,}")
    for failure in document["failures"]:
        typer.echo(f"{'failure':>20}  seed {failure['seed']}: {failure['oracle']}")
    if not document["failures"]:
        typer.echo(f"{'failures':>20}  none")


def _draw_replay(document: dict[str, Any], trace: bool) -> None:
    plan = document["plan"]
    if trace:
        typer.echo("\n".join(document["diagram"]) + "\n")
    for liar in plan["liars"]:
        typer.echo(f"liar {liar['node']}: {', '.join(liar['behaviours'])}")
    for fault in document["faults_left"]:
        typer.echo(f"fault at {fault}")
    failure = document["failure"]
    if failure is None:
        typer.echo(f"seed {document['seed']} passes: {document['heights']} heights, every oracle holds")
    else:
        typer.echo(f"seed {document['seed']} breaks {failure['oracle']}: {failure['message']}")
        typer.echo(f"the rule: {ORACLES[failure['oracle']]}")
        typer.echo(f"{len(document['faults_left'])} of {document['faults_drawn']} faults are needed for it")
