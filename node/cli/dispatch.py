"""`gridpact dispatch solve | verify | explain | compose | schema`: a dispatch case, its solution, what can be checked.

Works on files, without a node. What is solved here is checked as every node checks it before it is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli import options
from node.cli.output import FAILED, counted, emit, line, money, per_kwh, reporting, table, write_file
from node.cli.waiting import working
from node.errors import NodeError

if TYPE_CHECKING:
    from contracts.program.case import Case, Solution
    from contracts.program.verdict import Verdict
    from node.dispatch.figures import Figures, Moment

app = typer.Typer(no_args_is_help=True, help="Dispatch cases: solve them, verify solutions, see what they say.")

CaseFile = Annotated[Path, typer.Argument(help="Dispatch case, JSON; - for standard input.", metavar="CASE")]
SolutionFile = Annotated[Path, typer.Argument(help="Solution, JSON.", metavar="SOLUTION")]
NetworkFile = Annotated[
    Path | None, typer.Option("--network", help="TOML with a [network]: attach voltages, or check them.")
]
Minutes = Annotated[int, typer.Option("--minutes", min=1, max=1_440, help="Length of an interval, for --network.")]
QUARTER_HOUR = 15
MAX_SECONDS = 3_600.0
MAX_MEMORY_MIB = 65_536
SCHEMAS = ("case", "solution")


@app.callback()
def group() -> None:
    """Dispatch cases: solve them, verify solutions, see what they say."""


@app.command()
def solve(
    case: CaseFile,
    out: Annotated[Path | None, typer.Option("--out", help="File to write the solution to.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=MAX_SECONDS, help="Longest time for the solver.")] = 60.0,
    memory_mib: Annotated[
        int, typer.Option("--memory-mib", min=256, max=MAX_MEMORY_MIB, help="Most memory of its process.")
    ] = 3_072,
    network: NetworkFile = None,
    minutes: Minutes = QUARTER_HOUR,
    as_json: options.Json = False,
) -> None:
    """Solve a case with HiGHS in a process of its own, and check the solution as every node would."""
    import asyncio

    from node.dispatch import documents, physics
    from node.solver.process import Limits
    from node.solver.process import solve as run

    with reporting(as_json):
        wanted = documents.read_case(case)
        wires = None if network is None else physics.read(network, minutes, wanted)
        with working(f"Solving {wanted.name} (at most {seconds:.0f} s)"):
            solved = asyncio.run(run(wanted, Limits(seconds, memory_mib << 20)))
        solution, schedule = solved.solution, solved.verdict.schedule
        if wires is not None:
            solution = physics.attached(wires, wanted, solution, schedule)
        document = {
            **judged(wanted, solved.verdict),
            **({} if wires is None else physics.examined(wires, wanted, solution, schedule)),
            "solve_s": round(solved.solve_s, 3),
            "repair_s": round(solved.repair_s, 3),
        }
        _hand_over(as_json, document, case, solution, solved.verdict, out)


@app.command()
def verify(
    case: CaseFile,
    solution: SolutionFile,
    network: NetworkFile = None,
    minutes: Minutes = QUARTER_HOUR,
    as_json: options.Json = False,
) -> None:
    """Check a solution in exact integers; exit code 0 only if it is feasible and certified."""
    from node.dispatch import documents, physics

    with reporting(as_json):
        wanted = documents.read_case(case)
        found, verdict = _checked(wanted, solution)
        document = judged(wanted, verdict)
        if network is not None:
            wires = physics.read(network, minutes, wanted)
            document |= physics.examined(wires, wanted, found, verdict.schedule)

        def draw() -> None:
            line(said(verdict))
            if network is not None:
                line(f"Its voltages carry it; {sum(document['loss_wh']):,} Wh are lost on the way.")

        emit(as_json, document, draw)
        if not verdict.certified:
            raise typer.Exit(FAILED)


@app.command()
def explain(
    case: CaseFile,
    solution: SolutionFile,
    svg: Annotated[Path | None, typer.Option("--svg", help="Draw it to this file.")] = None,
    as_json: options.Json = False,
) -> None:
    """What a solution says: who supplies each interval, at what price, what is stored, emitted, and lost to the gap."""
    from node.dispatch import documents
    from node.dispatch.figures import figures

    with reporting(as_json):
        wanted = documents.read_case(case)
        found, verdict = _checked(wanted, solution)
        shown = figures(wanted, found, verdict)
        if svg is not None:
            from node.dispatch.picture import draw as picture

            write_file(svg, picture(shown))
        document = judged(wanted, verdict) | {
            "svg": None if svg is None else str(svg),
            "places": shown.places,
            "common_gap_nano": shown.common_gap_nano,
            "clamped_export_intervals": shown.swapped,
            "moments": [moment._asdict() for moment in shown.moments],
        }

        def draw() -> None:
            _explain(shown)
            if svg is not None:
                line(f"{svg}: open it in a browser.")

        emit(as_json, document, draw)


@app.command()
def compose(
    case: CaseFile,
    parts: Annotated[
        list[Path], typer.Argument(help="Solutions of parts, JSON: empty rows say nothing.", metavar="PART...")
    ],
    base: Annotated[
        Path | None, typer.Option("--base", help="Solution for what no part says. Default: the fallback by rule.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File to write the solution to.")] = None,
    as_json: options.Json = False,
) -> None:
    """Make one solution of parts (one storage, one zone, ...), and check it as every node would."""
    from contracts.program import compose as composing
    from contracts.program.check import check
    from contracts.program.verdict import Refusal
    from node.dispatch import documents

    with reporting(as_json):
        wanted = documents.read_case(case)
        known = [documents.read_solution(part) for part in parts]
        whole = composing.compose(wanted, known, None if base is None else documents.read_solution(base))
        if isinstance(whole, Refusal):
            raise documents.refused(whole)
        verdict = check(wanted, whole)
        if isinstance(verdict, Refusal):
            raise documents.refused(verdict)
        _hand_over(as_json, judged(wanted, verdict), case, whole, verdict, out)


@app.command()
def schema(
    which: Annotated[str, typer.Argument(help="case or solution.", metavar="case|solution")] = "case",
) -> None:
    """The JSON schema of a case or a solution."""
    from contracts.program.documents import schemas

    with reporting(False):
        if which not in SCHEMAS:
            raise NodeError("cli.usage", f"There is no schema of {which}.", f"Choose from {', '.join(SCHEMAS)}.")
        print(schemas()[f"dispatch-{which}.json"].decode(), end="")


def _hand_over(
    as_json: bool, document: dict[str, Any], case: Path, solution: Solution, verdict: Verdict, out: Path | None
) -> None:
    """Write a solution to its file, or put it into the document where it has none, and say what is known of it."""
    import msgspec

    from contracts.program.documents import json_of

    if out is not None:
        write_file(out, json_of(solution).decode())
        document["file"] = str(out)
    else:
        document["solution"] = msgspec.to_builtins(solution)

    def draw() -> None:
        line(said(verdict))
        if out is None:
            line("The solution is in --json, or in the file that --out names.")
        else:
            line(f"{out}: check it with `gridpact dispatch verify {case} {out}`.")

    emit(as_json, document, draw)


def _checked(case: Case, path: Path) -> tuple[Solution, Verdict]:
    """A solution with its verdict. Raises NodeError with the code of what it breaks."""
    from contracts.program.check import check
    from contracts.program.verdict import Refusal
    from node.dispatch import documents

    solution = documents.read_solution(path)
    verdict = check(case, solution)
    if isinstance(verdict, Refusal):
        raise documents.refused(verdict)
    return solution, verdict


def judged(case: Case, verdict: Verdict) -> dict[str, Any]:
    """A verdict as a document, without what each interval says."""
    return {
        "case": case.name,
        "round_id": case.round_id,
        "certified": verdict.certified,
        "cost_nano": verdict.cost_nano,
        "bound_nano": verdict.bound_nano,
        "base_nano": verdict.base_nano,
        "threshold_nano": verdict.threshold_nano,
        "gap_ppm": verdict.gap_ppm,
        "injected_wh": verdict.injected_wh,
        "demand_wh": verdict.demand_wh,
        "carbon_ug": verdict.carbon_ug,
        "carbon_cap_ug": case.carbon_cap_ug,
    }


def said(verdict: Verdict) -> str:
    """A verdict in one sentence."""
    from node.dispatch.picture import ppm

    away_nano = verdict.cost_nano - verdict.bound_nano
    start = "Feasible and certified" if verdict.certified else "Feasible, but not certified"
    return (
        f"{start}: cost {money(verdict.cost_nano)}, no dispatch costs less than {money(verdict.bound_nano)}; "
        f"{money(away_nano)} apart ({ppm(verdict, away_nano)} ppm of base), {money(verdict.threshold_nano)} allowed."
    )


COLUMNS = (
    "Interval",
    "Demand (kWh)",
    "Shed (kWh)",
    "Sources (kWh)",
    "Battery (kWh)",
    "Import (kWh)",
    "Export (kWh)",
    "Price (per kWh)",
    "Stored (kWh)",
    "CO2 (kg)",
    "Gap (ppm)",
    "Remarks",
)
"""Of the table."""


def _explain(shown: Figures) -> None:
    """A table of all intervals, the plot, and what is worth saying in sentences."""
    import shutil

    from rich.console import Console
    from rich.text import Text

    from node.dispatch.terminal import plot

    table(f"Dispatch of {shown.case.name}", COLUMNS, (_row(shown, one) for one in shown.moments), right=COLUMNS[:-1])
    console = Console(soft_wrap=True)
    for spans in plot(shown, shutil.get_terminal_size().columns):
        console.print(Text.assemble(*((span.text, span.colour or "") for span in spans)))
    console.print()
    for sentence in _sentences(shown):
        line(sentence)


def _row(shown: Figures, one: Moment) -> tuple[str, ...]:
    from node.dispatch.figures import BATTERY, IMPORT
    from node.dispatch.picture import ppm

    battery_wh, import_wh = one.layers_wh.get(BATTERY, 0), one.layers_wh.get(IMPORT, 0)
    prices = list(dict.fromkeys(one.price_nano_per_wh))
    remarks = [f"{name} at its limit" for name in one.at_limit]
    remarks += ["look-ahead"] if one.interval >= shown.case.binding else []
    return (
        str(one.interval),
        _kwh(one.demand_wh),
        _kwh(one.shed_wh),
        _kwh(sum(one.layers_wh.values()) - battery_wh - import_wh),
        _kwh(battery_wh - one.charge_wh),
        _kwh(import_wh),
        _kwh(one.export_wh),
        " ".join(map(per_kwh, prices)) if len(prices) < 4 else f"{per_kwh(min(prices))} to {per_kwh(max(prices))}",
        _kwh(sum(one.soc_wh)),
        f"{one.carbon_ug / 1e9:,.3f}",
        ppm(shown.verdict, one.gap_nano),
        ", ".join(remarks),
    )


def _kwh(energy_wh: int) -> str:
    """To the Wh; nothing for nothing."""
    return f"{energy_wh / 1_000:,.3f}" if energy_wh else "-"


def _sentences(shown: Figures) -> list[str]:
    """What a table and a plot do not say."""
    case, solution, verdict = shown.case, shown.solution, shown.verdict
    found = [said(verdict)]
    if case.carbon_cap_ug is not None:
        left_ug = case.carbon_cap_ug - verdict.carbon_ug
        weight = f"{solution.kappa_num / solution.kappa_den:.6g} nano per microgram"
        found.append(
            f"Emission {verdict.carbon_ug / 1e9:,.3f} kg of {case.carbon_cap_ug / 1e9:,.3f} kg, {left_ug:,} ug to "
            f"spare; carbon weighs {weight} ({solution.kappa_num}/{solution.kappa_den})."
        )
    if shown.swapped:
        found.append(
            f"In {counted(len(shown.swapped), 'interval')} import costs less than the export price, so export earned "
            "what import costs."
        )
    if case.binding < case.intervals:
        found.append(f"Only the first {case.binding} intervals are ordered; the others are a look-ahead.")
    return found
