"""`gridpact carbon ...`: what was emitted, who carries it, with which factor, and who vouches for that."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from node.cli import options
from node.cli.answer import PLAIN, Data, Rows, draw_standing, kept_back, show
from node.cli.context import Connection, genesis_document, reader_key
from node.cli.form import Form, form, print_csv, rows
from node.cli.output import counted, emit, kilograms, line, progress, reporting, table
from node.cli.plots import carbon_ug, plot_carbon
from node.cli.proof import CHECKING, read_bundle, verify_own
from node.cli.waiting import working
from node.errors import NodeError

app = typer.Typer(help="Carbon: reports, factors, certificates, offsets.", no_args_is_help=True)

SITE_HEADINGS = ["Emitted (kg)", "Carried (kg)", "Exported (kg)", "Stored (kg)", "Mix (g/kWh)"]
MEMBER_HEADINGS = ["Consumed (Wh)", "Energy (kg)", "Site (kg)", "Travel (kg)", "Mix (g/kWh)"]
FACTOR_HEADINGS = ["Meter", "Energy (Wh)", "Factor (ug/Wh)", "Carbon (kg)", "Certified by", "Certificate", "Boundary"]
Which = Annotated[str, typer.Argument(help="Interval number, now, or last: the newest settled.")]


def per_kwh(factor_ug_per_wh: int | None) -> str:
    """A factor in grams per kWh, exact."""
    if factor_ug_per_wh is None:
        return "-"
    whole, fraction = divmod(factor_ug_per_wh, 1_000)
    return f"{whole:,}.{fraction:03d}"


@app.command()
@options.grouped
def report(
    member: Annotated[
        str | None, typer.Option("--member", help="Whose. Default: the whole site.", metavar="MEMBER")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="First interval: number, now, or a moment in UTC (2026-11-22T10:00)."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="The interval behind the last one, or the moment when it starts.")
    ] = None,
    cycle: Annotated[
        str | None, typer.Option("--cycle", help="Billing cycle instead: now, last (the one before), or its number.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say in sentences where the figures come from.")] = False,
    plotted: options.Plot = False,
    prove_to: Annotated[
        Path | None, typer.Option("--prove-to", help="Write the report with the proof of every figure to this file.")
    ] = None,
    *,
    asking: options.Asking,
) -> None:
    """What was emitted and who carries it, every figure with its factor and certificate; offsets stand apart."""
    with reporting(asking.as_json):
        shown = form(asking.as_json, asking.as_csv, asking.tz, asking.directory)
        proven = asking.prove or prove_to is not None
        reader = reader_key(asking.as_, asking.key, asking.directory)
        with Connection(asking.node, asking.directory) as connection:
            period = _period(connection, from_, until, cycle)
            connection.sign_as(reader)
            about = [] if member is None else [member]
            answer = connection.run(connection.client.query(*period, *about, prove=int(proven)))
        found = answer["data"]
        if found is None:
            raise NodeError("rpc.unknown-member", f"There is no member {member}.", "Check the spelling.")
        if proven:
            from node.carbon_report import verify_report

            file = {"kind": "carbon-report", "report": found, "proof": answer["proof"]}
            answer["proven"] = verify_own(file, verify_report, asking.directory, prove_to)
        if explain:
            found["explained"] = sentences(found, shown)
        if asking.as_csv:
            for text in kept_back(answer):
                progress(text)
            kept = {name: value for name, value in found.items() if name not in ("totals", "factors", "retired")}
            print_csv(rows(kept, shown, "lines", "line_"))
        else:
            emit(asking.as_json, answer, lambda: _draw(found, shown, answer, prove_to, plotted=plotted))


@app.command()
def verify(
    file: Annotated[str, typer.Argument(help="Report that `carbon report --prove-to` wrote, or - for stdin.")],
    genesis: options.Genesis = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
    tz: options.Zone = None,
) -> None:
    """Check every figure of a report, and that they add up, against the genesis document alone."""
    with reporting(as_json):
        from node.carbon_report import verify_report

        shown = form(as_json, False, tz, directory)
        raw = read_bundle(file)
        with working(CHECKING, aloud=False):
            proven = verify_report(raw, genesis_document(genesis, directory))

        def draw() -> None:
            _draw_factors(proven.data)
            _draw_totals(proven.data, shown)
            line(f"Valid. {proven.sentence}")

        emit(as_json, {"valid": True, "proven": proven.sentence, **proven.data}, draw)


@app.command()
@options.grouped
def interval(which: Which, asking: options.Asking) -> None:
    """The carbon of one settled interval, with what each meter brought in."""

    def draw(data: Data, shown: Form) -> None:
        figures = ["operating_ug", "embodied_ug", "unseen_ug", "site_ug", "travel_ug", "corrected_ug"]
        figures += ["exported_ug", "taken_ug", "released_ug", "attributed_ug"]
        listed = [[name.removesuffix("_ug"), kilograms(data[name])] for name in figures]
        table(f"Carbon of interval {data['interval']}", ["What", "kg"], listed, right=["kg"])
        headings = ["Meter", "Energy (Wh)", "Operating (ug/Wh)", "Embodied (ug/Wh)", "Basis", "Certificate"]
        sources = [
            [
                one["meter"],
                f"{one['energy_wh']:,}",
                f"{one['operating_ug_per_wh']:,}",
                f"{one['embodied_ug_per_wh']:,}",
                one["basis"],
                one["said"]["certificate"] if one["said"] else "-",
            ]
            for one in data["sources"]
        ]
        table("Brought in by", headings, sources, right=headings[1:4])
        line(f"Policy: {data['policy']}.")

    show("carbon", [which], draw, asking, Rows("sources", "source_"))


@app.command()
@options.grouped
def totals(asking: options.Asking) -> None:
    """Everything since genesis: emitted is carried, exported or held."""

    def draw(data: Data, _: Form) -> None:
        listed = [[f"carbon, {name[:-3]}", f"{kilograms(ug)} kg"] for name, ug in (data["carbon"] or {}).items()]
        listed += [[f"origin, {name[:-3]}", f"{wh:,} Wh"] for name, wh in (data["origin"] or {}).items()]
        table("Since genesis", ["What", "Amount"], listed, right=["Amount"])

    show("carbon", [], draw, asking, PLAIN)


@app.command()
@options.grouped
def factors(
    meter: Annotated[str, typer.Argument(help="Meter id.")],
    asking: options.Asking,
) -> None:
    """What is certified for a meter, by whom, for which intervals, and what applies without it."""

    def draw(data: Data, _: Form) -> None:
        registered = data["registered_ug_per_wh"]
        line(f"{data['meter']} ({data['member']}), a {data['kind']}, in interval {data['interval']}:")
        since = data["certified_since"]
        until = "" if since is None else f" It counts before interval {since} alone."
        line(f"- registered with {'no factor' if registered is None else f'{registered:,} ug per Wh'}.{until}")
        line(f"- without a valid factor: {data['worst_ug_per_wh']:,} ug per Wh, the worst on the ledger.")
        headings = ["No.", "Intervals", "Operating", "Embodied", "Certified by", "Certificate", "Boundary"]
        listed = [
            [
                str(one["number"]),
                f"{one['first']} to {one['until'] - 1}",
                f"{one['operating_ug_per_wh']:,}",
                f"{one['embodied_ug_per_wh']:,}",
                one["certifier"],
                one["certificate"],
                one["boundary"],
            ]
            for one in data["certificates"]
        ]
        table("Certificates (ug per Wh)", headings, listed, right=["Operating", "Embodied"])

    show("factors", [meter], draw, asking, Rows("certificates", "certificate_"))


@app.command()
@options.grouped
def certificates(
    member: Annotated[str, typer.Argument(help="Member id.")],
    asking: options.Asking,
) -> None:
    """Certificates of origin and offsets that a member holds, and what it used up in the running billing cycle."""

    def draw(data: Data, _: Form) -> None:
        lots = [[one["meter"], str(one["cycle"]), f"{one['energy_wh']:,}"] for one in data["lots"]]
        table(f"Certificates of origin of {data['member']}", ["Meter", "Cycle", "Energy (Wh)"], lots)
        if data["owed_wh"]:
            line(f"The next {data['owed_wh']:,} Wh are cancelled, for energy that was corrected away.")
        held = [
            [one["certifier"], one["serial"], kilograms(one["amount_ug"]), one["certificate"], one["boundary"]]
            for one in data["offsets"]
        ]
        table("Offsets", ["Certified by", "Serial", "Amount (kg)", "Certificate", "Boundary"], held)
        _draw_retired(data["retired"], f"Used up in cycle {data['cycle']}")

    show("certificates", [member], draw, asking, Rows("lots", "lot_"))


@app.command()
@options.grouped
def offset(
    certifier: Annotated[str, typer.Argument(help="Member who issued it.")],
    serial: Annotated[str, typer.Argument(help="Its serial.")],
    asking: options.Asking,
) -> None:
    """One offset: what it is, who holds it, and whether it is used up."""

    def draw(data: Data, _: Form) -> None:
        amount = kilograms(data["amount_ug"])
        line(f"Offset {data['certifier']} {data['serial']}: {amount} kg, {data['certificate']}, {data['boundary']}.")
        used = data["retired_in"]
        line(
            f"Held by {data['holder']}."
            if used is None
            else f"Used up by {data['holder']} in interval {used}: {data['purpose']}."
        )

    show("offset", [certifier, serial], draw, asking, PLAIN)


# Reports


def sentences(data: Data, shown: Form) -> list[str]:
    """Where the figures of a report come from, in words."""
    said = [f"{_title(data, shown)}, {data['status']}."]
    sums = data["totals"]
    if not sums:
        return [*said, "Nothing was booked in these intervals."]
    if data["member"] is None:
        said.append(
            f"{kilograms(sums['emitted_ug'])} kg entered: {kilograms(sums['operating_ug'])} from operation, "
            f"{kilograms(sums['embodied_ug'])} embodied, {kilograms(sums['unseen_ug'])} from storages that gave more "
            f"than was seen to go in, {kilograms(sums['site_ug'])} of the site, {kilograms(sums['travel_ug'])} of "
            f"travel, {kilograms(sums['corrected_ug'])} by later words."
        )
        said.append(
            f"{kilograms(sums['attributed_ug'])} kg are carried by members, {kilograms(sums['exported_ug'])} left with "
            f"export, {kilograms(sums['stored_ug'])} went into storages on balance: together what entered."
        )
    else:
        said.append(
            f"{data['member']} consumed {sums['consumed_wh']:,} Wh, and carries {kilograms(sums['carried_ug'])} kg: "
            f"{kilograms(sums['energy_ug'])} of the mix with its share of losses, {kilograms(sums['site_ug'])} of the "
            f"site, {kilograms(sums['travel_ug'])} of travel, {kilograms(sums['corrected_ug'])} by its own later words."
        )
    heaviest = sorted(data["factors"], key=lambda one: -carbon_ug(one))
    for one in heaviest[:3]:
        said.append(
            f"{one['meter']} brought {one['energy_wh']:,} Wh at {one['operating_ug_per_wh']:,} operating and "
            f"{one['embodied_ug_per_wh']:,} embodied ug per Wh: {kilograms(carbon_ug(one))} kg. Certificate: "
            f"{one['certificate']}; boundary: {one['boundary']}."
        )
    if data["unexplained_ug"] != "0":
        said.append(
            f"{kilograms(data['unexplained_ug'])} kg came through meters that their members keep to themselves."
        )
    said.append(
        f"Apart from all this, {kilograms(data['retired_offsets_ug'])} kg of offsets and certificates of origin for "
        f"{data['retired_origin_wh']:,} Wh were used up; nothing is subtracted."
    )
    return said


def _period(connection: Connection, first: str | None, until: str | None, cycle: str | None) -> tuple[str, ...]:
    """The query of a period. Raises NodeError `cli.period`."""
    if cycle is not None and (first is not None or until is not None):
        raise NodeError("cli.period", "A report has one period.", "Give --cycle, or --from and --until.")
    if (first is None) != (until is None):
        raise NodeError("cli.period", "A period has two ends.", "Give both --from and --until, or --cycle.")
    if first is None or until is None:
        return "carbon-cycle", cycle or "now"
    now = connection.run(connection.client.interval("now"))["data"]
    length = now["end_ms"] - now["start_ms"]
    return "carbon-report", _interval(first, now["interval"], length), _interval(until, now["interval"], length)


def _interval(text: str, now: int, length_ms: int) -> str:
    """An interval from its number, `now`, or the moment when it starts. Raises NodeError `cli.period`."""
    if text == "now":
        return str(now)
    if text.isascii() and text.isdecimal():
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NodeError(
            "cli.period",
            f"{text!r} is neither an interval nor a moment.",
            "Give an interval's number, now, or a moment in UTC like 2026-11-22 or 2026-11-22T10:00.",
        ) from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    ms = int(moment.timestamp() * 1_000)
    if ms < 0 or ms % length_ms:
        raise NodeError(
            "cli.period",
            f"No interval starts at {text}.",
            f"Intervals have {length_ms // 1_000} s, and are counted from 1970-01-01.",
        )
    return str(ms // length_ms)


def _title(data: Data, shown: Form) -> str:
    whose = "the site" if data["member"] is None else data["member"]
    return f"Carbon of {whose}, {shown.span(data['start_ms'], data['end_ms'])}"


def _draw(data: Data, shown: Form, answer: Data, prove_to: Path | None, *, plotted: bool) -> None:
    for text in data.get("explained", ()):
        line(text)
    if plotted:
        plot_carbon(data, shown)
    else:
        _draw_figures(data, shown)
    for text in kept_back(answer):
        line(text)
    draw_standing(answer, shown, data["as_of_ms"])
    if prove_to is not None:
        line(f"Anybody checks it with: gridpact carbon verify {prove_to} --genesis genesis.mp")


def _draw_figures(data: Data, shown: Form) -> None:
    site = data["member"] is None
    headings = SITE_HEADINGS if site else MEMBER_HEADINGS
    figures = (
        ("emitted_ug", "attributed_ug", "exported_ug", "stored_ug") if site else ("energy_ug", "site_ug", "travel_ug")
    )
    listed = [
        [
            str(one["interval"]),
            shown.brief(one["start_ms"]),
            *([] if site else [f"{one['consumed_wh']:,}"]),
            *(kilograms(one[name]) for name in figures),
            per_kwh(one["mix_ug_per_wh"]),
        ]
        for one in data["lines"]
    ]
    table("Intervals", ["Interval", f"Starts, {shown.clocks}", *headings], listed, right=headings)
    _draw_factors(data)
    _draw_totals(data, shown)


def _draw_factors(data: Data) -> None:
    listed = [
        [
            one["meter"],
            f"{one['energy_wh']:,}",
            f"{one['operating_ug_per_wh']:,} + {one['embodied_ug_per_wh']:,}",
            kilograms(carbon_ug(one)),
            one["certifier"] or "-",
            one["certificate"],
            one["boundary"],
        ]
        for one in data["factors"]
    ]
    fixed = int(data["totals"].get("site_ug", 0)) + int(data["totals"].get("travel_ug", 0))
    if fixed:
        said = data["fixed"]
        listed.append(["(none)", "-", "-", kilograms(fixed), "-", said["certificate"], said["boundary"]])
    table("Factors (operating + embodied)", FACTOR_HEADINGS, listed, right=FACTOR_HEADINGS[1:4])


def _draw_totals(data: Data, shown: Form) -> None:
    listed = [
        [
            name.removesuffix("_ug").removesuffix("_wh"),
            kilograms(value) + " kg" if name.endswith("_ug") else f"{value:,} Wh",
        ]
        for name, value in data["totals"].items()
    ]
    table(_title(data, shown), ["What", "Amount"], listed, right=["Amount"])
    if data["unexplained_ug"] != "0":
        line(f"{kilograms(data['unexplained_ug'])} kg came into the site through meters that are not shown.")
    if data["beyond_bounds"]:
        beyond = counted(data["beyond_bounds"], "interval")
        line(f"Without figures, which would have left the bounds of the ledger: {beyond}.")
    _draw_retired(data["retired"], "Used up, apart from all of the above: offsets and certificates of origin")
    closed, waiting = data["status"] == "closed", counted(data["waiting_intervals"], "interval")
    line("The period is closed." if closed else f"The period is open; to be settled: {waiting}.")


def _draw_retired(retired: list[Data], title: str) -> None:
    listed = [
        [
            str(one["interval"]),
            f"offset {one['certifier']} {one['serial']}"
            if one["serial"]
            else f"origin {one['meter']}, cycle {one['cycle']}",
            f"{kilograms(one['amount_ug'])} kg" if one["serial"] else f"{one['energy_wh']:,} Wh",
            one["purpose"],
        ]
        for one in retired
    ]
    if listed:
        table(title, ["Interval", "What", "Amount", "Purpose"], listed, right=["Amount"])
