"""The `gridpact` command: what `node.cli` can do, plus devnets.

Mounts the commands of the node and adds `devnet`, `plot`, `bench`, `simulate` and `trust simulate`. Imports what a
command needs when it runs, so that help and `gridpact tx` start fast. Results go to stdout, progress to stderr, errors
with a code and a next step.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from devnet import lab
from devnet.bench.cli import app as bench
from devnet.directory import DEFAULT, Layout
from devnet.plot.cli import app as plot
from devnet.simulator.cli import simulate
from devnet.tour import tour
from devnet.trustlab.cli import simulate as simulate_trust
from node.cli import app
from node.cli.light import main as light
from node.cli.options import Devnet as Directory
from node.cli.options import Json, watchable
from node.cli.output import emit, progress, reporting, run, table
from node.cli.trust import app as trust
from node.cli.waiting import Amount, working

if TYPE_CHECKING:
    from devnet.launcher import Launcher
    from devnet.run import Report
    from devnet.scenario import Scenario

devnet = typer.Typer(no_args_is_help=True, help="Many real nodes on this machine, with agents, faults and a verdict.")
devnet.add_typer(lab.time, name="time")
for _command in (lab.trace, lab.save, lab.restore):
    devnet.command()(_command)
app.add_typer(devnet, name="devnet")
app.add_typer(bench, name="bench")
app.add_typer(plot, name="plot")
app.command()(simulate)
app.command()(tour)
trust.command(name="simulate")(simulate_trust)

ScenarioName = Annotated[str, typer.Option("--scenario", help="Name of a shipped scenario, or path to a TOML file.")]
Nodes = Annotated[int | None, typer.Option("--nodes", help="Validators, 4 to 7. Default: the scenario's.")]
NodeName = Annotated[str, typer.Argument(help="Node, as `status` names it.")]
STEPS_OF_UP = 3
"""Of the launcher: founding, processes, the first block."""
READINGS_OF_FIVE = 4
"""Of five envelopes of `load`, so many are readings where meters may speak."""


def main() -> NoReturn:
    """Entry point of the `gridpact` command."""
    # Not by way of Typer, which would take a quarter of the memory that a light client may use.
    if sys.argv[1:2] == ["light"]:
        sys.exit(light(sys.argv[2:]))
    sys.exit(run(app))


@devnet.command()
def up(
    scenario: ScenarioName = "campus",
    nodes: Nodes = None,
    dir: Directory = DEFAULT,
    live: Annotated[bool, typer.Option("--live", help="Watch until Ctrl-C, then take it down.")] = False,
    agents: Annotated[bool, typer.Option("--agents/--no-agents", help="Let the scenario's agents play.")] = True,
    json: Json = False,
) -> None:
    """Start a devnet; returns when the first block is final everywhere."""
    with reporting(json):
        wanted = _scenario(scenario, nodes)
        signal.signal(signal.SIGTERM, _interrupt)
        with working(amount=Amount(STEPS_OF_UP, "steps")) as task:
            launcher = _launcher(dir, task.step)
            document = launcher.up(wanted)
        try:
            if agents and wanted.load is None:
                with working("starting the agents"):
                    document = launcher.spawn_agents([])
            lab.present(json, document, launcher.layout)
            if live:
                _watch(launcher, wanted)
        finally:
            if live:
                progress("taking the devnet down")
                launcher.down()


@devnet.command()
@watchable
def status(directory: Directory = DEFAULT, as_json: Json = False) -> None:
    """Nodes with height and state, and why the chain stands still if it does."""
    with reporting(as_json):
        nodes = _launcher(directory).status()
        stuck = next((f"{node['name']}: {node['stuck']}" for node in nodes if node["stuck"]), None)
        rows = [[str(node[name] if node[name] is not None else "-") for name in _COLUMNS] for node in nodes]

        def draw() -> None:
            table("nodes", _COLUMNS, rows, right=("pid", "height"))
            if stuck is not None:
                print(f"stuck: {stuck}")

        emit(as_json, {"nodes": nodes, "stuck": stuck}, draw)


_COLUMNS = ("name", "state", "height", "pid", "rpc")
"""Of the table, which fits 80 columns; `--json` has the rest."""


@devnet.command()
def logs(
    name: Annotated[str, typer.Argument(help="Node, or `agents`.")],
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=10_000, help="Last lines to show.")] = 40,
    dir: Directory = DEFAULT,
) -> None:
    """The end of a log."""
    with reporting(False):
        print(_launcher(dir).log_tail(name, lines))


@devnet.command()
def kill(name: NodeName, dir: Directory = DEFAULT, json: Json = False) -> None:
    """SIGKILL a node."""
    with reporting(json):
        _launcher(dir).kill(name)
        _done(json, "killed", name)


@devnet.command()
def pause(name: NodeName, dir: Directory = DEFAULT, json: Json = False) -> None:
    """SIGSTOP a node: it freezes with its sockets open."""
    with reporting(json):
        _launcher(dir).pause(name)
        _done(json, "paused", name)


@devnet.command()
def resume(name: NodeName, dir: Directory = DEFAULT, json: Json = False) -> None:
    """SIGCONT a paused node."""
    with reporting(json):
        _launcher(dir).resume(name)
        _done(json, "resumed", name)


@devnet.command()
def restart(name: NodeName, dir: Directory = DEFAULT, json: Json = False) -> None:
    """Start a node again, running or not, and wait until it serves."""
    with reporting(json):
        _launcher(dir).restart(name)
        _done(json, "restarted", name)


@devnet.command()
def partition(
    groups: Annotated[str, typer.Argument(help="Sides that can't hear each other: A,B/C,D.")],
    dir: Directory = DEFAULT,
    json: Json = False,
) -> None:
    """Cut the network; nodes that are not named are on a side of their own."""
    with reporting(json):
        _launcher(dir).partition(side.split(",") for side in groups.split("/"))
        _done(json, "partitioned", groups)


@devnet.command()
def heal(dir: Directory = DEFAULT, json: Json = False) -> None:
    """End the partition."""
    with reporting(json):
        _launcher(dir).heal()
        _done(json, "healed", "all")


@devnet.command()
def down(
    dir: Directory = DEFAULT,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the files, stop the processes.")] = False,
    json: Json = False,
) -> None:
    """Stop everything and remove the directory; fine if there is nothing."""
    with reporting(json):
        _launcher(dir).down(keep=keep)
        _done(json, "down", str(dir))


@devnet.command()
def load(
    rate: Annotated[int, typer.Option("--rate", min=1, max=50_000, help="Envelopes a second.")] = 100,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, max=3_600, help="For how long.")] = 10.0,
    dir: Directory = DEFAULT,
    json: Json = False,
) -> None:
    """Send signed traffic until all is final; transfers alone where agents speak for the meters."""
    with reporting(json):
        result = _load(Layout(dir), rate, seconds)
        emit(json, result, lambda: print(f"{result['final']} of {result['sent']} final in {result['seconds']} s"))
        if result["final"] != result["sent"]:
            raise typer.Exit(1)


@devnet.command("run")
def run_scenario(
    scenario: ScenarioName = "smoke",
    intervals: Annotated[int | None, typer.Option("--intervals", min=1, max=512, help="Settlement intervals.")] = None,
    nodes: Nodes = None,
    dir: Annotated[Path | None, typer.Option("--dir", help="Directory; default: a temporary one.")] = None,
    record: Annotated[Path | None, typer.Option("--record", help="Write what was observed, for `check`.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the directory with its logs.")] = False,
    json: Json = False,
) -> None:
    """Run a scenario without a person and judge it: exit code 0 only if every expectation holds."""
    import shutil
    import tempfile

    from devnet.run import run as play

    with reporting(json):
        signal.signal(signal.SIGTERM, _interrupt)
        wanted = _scenario(scenario, nodes)
        where = dir or Path(tempfile.mkdtemp(prefix="gridpact-")) / "devnet"
        if keep:
            progress(f"files stay in {where}")
        try:
            amount = Amount(intervals or wanted.intervals, "intervals")
            with working(f"running {wanted.name}", amount, aloud=False) as task:
                report = play(
                    wanted, where, intervals=intervals, recording=record, keep=keep, say=progress, reached=task.reach
                )
        finally:
            if dir is None and not keep:
                shutil.rmtree(where.parent)
        _verdict(json, report)


@devnet.command()
def check(
    recording: Annotated[Path, typer.Argument(help="File that `run --record` wrote.")], json: Json = False
) -> None:
    """Judge a recorded run again: exit code 0 only if every expectation holds."""
    from devnet.run import recheck

    with reporting(json):
        _verdict(json, recheck(recording))


REPORTED = (
    "Interval",
    "UTC · site",
    "Needed (kWh)",
    "Ordered (kWh)",
    "Delivered (kWh)",
    "Price (per kWh)",
    "Paid (currency)",
    "Losses (kWh)",
    "Curtailed (kWh)",
    "Remarks",
)
"""Columns of a report."""


def _verdict(json: bool, report: Report) -> None:
    import msgspec

    document = msgspec.to_builtins(report)
    emit(json, document, lambda: _draw_report(report))
    if not report.ok:
        raise typer.Exit(1)


def _draw_report(report: Report) -> None:
    from devnet.spec import known_zone
    from devnet.view import clock, kwh
    from node.cli.form import Form
    from node.cli.output import money, per_kwh

    shown = Form(as_json=False, as_csv=False, zone=known_zone(report.zone) if report.zone else None)
    rows = [
        (
            str(one["interval"]),
            clock(one["start_ms"], shown),
            kwh(one["demand_wh"]),
            kwh(one["served_wh"]),
            kwh(one["withdrawn_wh"]),
            per_kwh(one["price_nano_per_wh"]),
            money(one["paid_nano"]),
            kwh(one["losses_wh"]),
            kwh(one["curtailed_wh"]),
            ", ".join(
                [
                    *(f"{meter} silent" for meter in one["silent"]),
                    *(f"{line} disputed" for line in one["disputed"]),
                    *(f"{member} corrected" for member in one["corrections_nano"]),
                    *_unless("settled", one["status"]),
                ]
            ),
        )
        for one in report.intervals
    ]
    print(f"scenario {report.scenario}")
    if rows:
        table("intervals", REPORTED, rows, right=REPORTED[:-1])
    for fault in report.faults:
        when = f"in interval {fault['interval']}" if fault["after_ms"] is None else f"after {fault['after_ms']} ms"
        print(f"fault {when}: {fault['action']} {', '.join(fault['targets'])}")
    for lie in report.lies:
        print(f"lie: {lie}")
    for one in report.private:
        named = "; ".join(f"{member} ({reason})" for member, _, reason in one["named"]) or "nobody"
        paid_for = ", ".join(f"{meter} {outcome or 'nothing'}" for meter, outcome in one["outcomes"].items())
        print(f"billing cycle {one['cycle']} of {one['campus']}: {one['phase']}, {one['uses']} uses proven and paid")
        print(f"  paid for: {paid_for}; named: {named}; secrets found at suppliers' nodes: {len(report.leaks)}")
    print(f"{report.height} blocks, {report.transactions} transactions, {report.readings} readings")
    print(f"data: {report.data['source']} (sha256 {report.data['sha256'][:16]}); prices are synthetic")
    print("seconds: " + ", ".join(f"{name} {seconds}" for name, seconds in report.seconds.items()))
    for failure in report.failures:
        print(f"FAILED {failure['expectation']}: {failure['message']}")
    print("every expectation holds" if report.ok else f"{len(report.failures)} expectations do not hold")


def _unless(usual: str, status: str) -> list[str]:
    return [] if status == usual else [status]


def _load(layout: Layout, rate: int, seconds: float) -> dict[str, Any]:
    import asyncio
    import contextlib

    import msgspec

    from devnet import processes
    from devnet.agents import load_scenario
    from devnet.courier import Courier
    from devnet.tempo import read_clock
    from devnet.traffic import Traffic
    from node.client import Client
    from node.clock import SystemClock

    document, scenario = layout.load(), load_scenario(layout)
    speaking = processes.state(document.agents, str(layout.root)) != "dead"
    if speaking:
        progress("agents speak for the meters: sending transfers alone")
    readings = 0 if speaking or not scenario.meters else rate * READINGS_OF_FIVE // 5
    progress(f"sending {readings} readings and {rate - readings} transfers a second for {seconds} s")

    async def send() -> dict[str, Any]:
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(Client(node.rpc)) for node in document.nodes]
            courier = Courier(clients)
            clock = SystemClock((await courier.ask(lambda node: node.genesis())).devnet_clock)
            if (setting := read_clock(layout.clock)) is not None:
                clock.follow(setting)
            traffic = await Traffic.open(layout, scenario, courier, clock, readings=readings > 0)
            answer: dict[str, Any] = msgspec.to_builtins(await traffic.run(seconds, readings, rate - readings))
            return answer

    with working("sending", Amount(seconds, by_clock=True), aloud=False):
        return asyncio.run(send())


def _watch(launcher: Launcher, scenario: Scenario) -> None:
    import asyncio
    import contextlib

    from devnet import profiles, view

    source = profiles.load(scenario.season).source
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(view.watch(launcher, scenario, source))


def _launcher(directory: Path, say: Callable[[str], None] = progress) -> Launcher:
    from devnet.launcher import Launcher

    return Launcher(directory, say)


def _scenario(name: str, nodes: int | None) -> Scenario:
    from devnet.scenario import load as read
    from devnet.scenario import with_validators

    return read(name) if nodes is None else with_validators(read(name), nodes)


def _done(json: bool, what: str, name: str) -> None:
    emit(json, {"done": what, "name": name}, lambda: print(f"{name}: {what}"))


def _interrupt(number: int, frame: object) -> None:
    """SIGTERM ends a command the way Ctrl-C does, so that nothing is left running."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
