"""What a person watches: blocks, dispatch, money and peers of a devnet, in UTC and site time, and what it waits for.

Reads public RPC and the agents' progress, and nothing else. On a terminal a Rich screen that is drawn anew;
elsewhere a plain line now and then. Never changes anything.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from devnet.diary import Diary, Progress
from devnet.launcher import Launcher
from devnet.scenario import Scenario
from node.cli.form import Form
from node.cli.output import money, per_kwh, utc
from node.client import Client
from node.errors import NodeError

REFRESH_S = 0.5
PLAIN_EVERY_S = 5.0
"""Between two lines where nobody can draw."""
SHOWN_INTERVALS = 6
SHOWN_BLOCKS = 6
SHOWN_MEMBERS = 8
MAX_PAID = 64
"""Settled intervals whose payments are remembered: bills never change, so nobody is asked for them twice."""
ANSWER_S = 1.0
"""A node that takes longer is asked again at the next refresh."""


class Snapshot(NamedTuple):
    """One look at the devnet."""

    nodes: list[dict[str, Any]]
    blocks: list[dict[str, Any]]
    intervals: list[dict[str, Any]]
    balances_nano: dict[str, int]
    time_ms: int
    progress: Progress
    paid_nano: dict[int, int]
    """What members together paid, by settled interval."""


async def look(launcher: Launcher, scenario: Scenario, paid_nano: dict[int, int] | None = None) -> Snapshot:
    """Ask every node how it is, and one of them about the rest. `paid_nano` is what earlier looks found."""
    nodes = await asyncio.to_thread(launcher.status)
    progress = Diary(launcher.layout).progress()
    paid_nano = {} if paid_nano is None else paid_nano
    alive = [node for node in nodes if node["height"] is not None]
    if not alive:
        return Snapshot(nodes, [], [], {}, 0, progress, {})
    best = max(alive, key=lambda node: int(node["height"]))
    try:
        async with asyncio.timeout(ANSWER_S), Client(best["rpc"]) as client:
            return await _ask(client, scenario, nodes, int(best["height"]), progress, paid_nano)
    except (NodeError, TimeoutError):
        return Snapshot(nodes, [], [], {}, 0, progress, {})


async def _ask(
    client: Client,
    scenario: Scenario,
    nodes: list[dict[str, Any]],
    height: int,
    progress: Progress,
    paid_nano: dict[int, int],
) -> Snapshot:
    heights = range(max(1, height - SHOWN_BLOCKS + 1), height + 1)
    blocks = await asyncio.gather(*(client.block(at) for at in heights))
    time_ms = int((await client.status())["time_ms"])
    newest = time_ms // scenario.params.interval_ms + 1
    numbers = range(newest - SHOWN_INTERVALS + 1, newest + 1)
    answers = await asyncio.gather(*(client.interval(number) for number in numbers))
    members = [member.id for member in scenario.members[:SHOWN_MEMBERS]]
    balances = await asyncio.gather(*map(client.balance_nano, members))
    intervals = [answer["data"] for answer in answers]
    for one in intervals:
        if one["status"] == "settled" and one["interval"] not in paid_nano:
            paid_nano[one["interval"]] = await _paid(client, scenario, one["interval"])
    while len(paid_nano) > MAX_PAID:
        del paid_nano[min(paid_nano)]
    known = dict(zip(members, balances, strict=True))
    return Snapshot(nodes, list(blocks), intervals, known, time_ms, progress, dict(paid_nano))


async def _paid(client: Client, scenario: Scenario, interval: int) -> int:
    """What the members whose bill of a settled interval is a debt owe together, nano."""

    async def owed(member: str) -> int:
        try:
            return max(0, -int((await client.bill(interval, member))["data"]["total_nano"]))
        except NodeError as error:
            if error.code.startswith("rpc.unknown"):
                return 0
            raise

    return sum(await asyncio.gather(*(owed(member.id) for member in scenario.members)))


async def watch(launcher: Launcher, scenario: Scenario, source: str) -> None:
    """Show the devnet until cancelled."""
    console = Console()
    if not console.is_terminal:
        await _watch_plainly(launcher, scenario)
        return
    opening = {member.id: member.balance_nano for member in scenario.members}
    paid_nano: dict[int, int] = {}
    with Live(console=console, auto_refresh=False, screen=False) as live:
        while True:
            snapshot = await look(launcher, scenario, paid_nano)
            live.update(draw(snapshot, scenario, opening, source, console.width), refresh=True)
            await asyncio.sleep(REFRESH_S)


async def _watch_plainly(launcher: Launcher, scenario: Scenario) -> None:
    last = ""
    paid_nano: dict[int, int] = {}
    while True:
        snapshot = await look(launcher, scenario, paid_nano)
        line = plain(snapshot, _form(scenario))
        if line != last:
            print(line, flush=True)
            last = line
        await asyncio.sleep(PLAIN_EVERY_S)


def _form(scenario: Scenario) -> Form:
    """Times of this site."""
    return Form(as_json=False, as_csv=False, zone=scenario.clock.site)


def plain(snapshot: Snapshot, shown: Form) -> str:
    """One line: time, heights, the newest settled interval, and what is waited for."""
    heights = " ".join(
        f"{node['name']}={node['height'] if node['height'] is not None else node['state']}" for node in snapshot.nodes
    )
    settled = [one for one in snapshot.intervals if one["status"] == "settled"]
    energy = ""
    if settled:
        one = settled[-1]
        energy = (
            f" | interval {one['interval']}: needed {kwh(one['demand_wh'])} kWh, "
            f"ordered {kwh(one['served_wh'])} kWh, delivered {kwh(one['withdrawn_wh'])} kWh "
            f"at {per_kwh(one['price_nano_per_wh'])} currency/kWh, "
            f"paid {money(snapshot.paid_nano.get(one['interval'], 0))} currency"
        )
    when = shown.time(snapshot.time_ms) if snapshot.time_ms else "no node answers"
    return f"{when} | {heights}{energy} | {waiting(snapshot)}"


def waiting(snapshot: Snapshot) -> str:
    """What the devnet is waiting for: a stuck chain's own sentence before anything else."""
    for node in snapshot.nodes:
        if node["stuck"]:
            return f"stuck: {node['name']}: {node['stuck']}"
    if snapshot.progress.error:
        return f"the agents stopped: {snapshot.progress.error}"
    return f"waiting for {snapshot.progress.waiting_for}"


def draw(snapshot: Snapshot, scenario: Scenario, opening: dict[str, int], source: str, width: int = 150) -> Group:
    """The screen, for lines of `width` characters."""
    shown = _form(scenario)
    when = shown.time(snapshot.time_ms) if snapshot.time_ms else "no node answers"
    head = Text.assemble((f"gridpact devnet · {scenario.name}", "bold"), f"   {when}   {scenario.clock.speed}x life")
    foot = Text(f"{waiting(snapshot)}\ndata: {source} Prices are synthetic.", style="dim")
    return Group(
        head,
        _nodes(snapshot),
        _blocks(snapshot, shown),
        _dispatch(snapshot, shown, width),
        _money(snapshot, opening),
        Panel(foot, title="waiting", title_align="left"),
    )


def _nodes(snapshot: Snapshot) -> Table:
    table = Table(title="peers", title_justify="left", expand=True)
    for name in ("node", "state", "height", "peers", "rpc", "pid"):
        table.add_column(name, justify="right" if name in ("height", "peers", "pid") else "left")
    for node in snapshot.nodes:
        style = {"running": "green", "starting": "yellow", "paused": "yellow"}.get(node["state"], "red")
        state = "stuck" if node["stuck"] else node["state"]
        peers = "-" if node["peers"] is None else str(node["peers"])
        height = "-" if node["height"] is None else str(node["height"])
        table.add_row(node["name"], Text(state, style=style), height, peers, node["rpc"], str(node["pid"] or "-"))
    return table


def _blocks(snapshot: Snapshot, shown: Form) -> Table:
    table = Table(title="blocks", title_justify="left", expand=True)
    for name in ("height", "time", "proposer", "round", "transactions", "block", "state before"):
        table.add_column(name, justify="right" if name in ("height", "round", "transactions") else "left")
    for block in snapshot.blocks:
        header = block["header"]
        table.add_row(
            str(block["height"]),
            shown.time(block["time_ms"]),
            header["proposer"],
            str(header["proposer_round"]),
            str(len(block["payload"])),
            block["id"][:12],
            header["state_root"][:12],
        )
    return table


DISPATCH = (
    ("interval", ""),
    ("from", "UTC · site"),
    ("status", ""),
    ("needed", "kWh"),
    ("ordered", "kWh"),
    ("delivered", "kWh"),
    ("price", "currency/kWh"),
    ("paid", "currency"),
    ("import", "kWh"),
    ("export", "kWh"),
    ("losses", "kWh"),
    ("curtailed", "kWh"),
    ("estimated", "meters"),
    ("built", "by"),
)
"""Columns of the dispatch and their units."""
NARROW = ((165, ("built",)), (150, ("import", "export", "estimated")), (120, ("interval", "status")))
"""Columns that are left out on screens with fewer characters a line."""


def _dispatch(snapshot: Snapshot, shown: Form, width: int) -> Table:
    table = Table(title="dispatch", title_justify="left", expand=True)
    left_out = {name for least, names in NARROW if width < least for name in names}
    for name, unit in DISPATCH:
        if name in left_out:
            continue
        table.add_column(f"{name}\n{unit}", justify="left" if name in ("from", "status") else "right")
    for one in snapshot.intervals:
        cells = zip(DISPATCH, _cells(snapshot, one, shown), strict=True)
        table.add_row(*(cell for (name, _), cell in cells if name not in left_out))
    return table


def _cells(snapshot: Snapshot, one: dict[str, Any], shown: Form) -> list[str]:
    """One interval; what is not known yet is a dash."""
    cells = [str(one["interval"]), clock(one["start_ms"], shown), str(one["status"])]
    if one["status"] != "empty":
        cells.append(kwh(one["demand_wh"]))
    if one["status"] in ("ordered", "settled"):
        cells.append(kwh(one["served_wh"]))
    price = per_kwh(one["price_nano_per_wh"]) if one["status"] in ("ordered", "settled") else "-"
    if one["status"] == "ordered":
        cells += ["-", price, "-", kwh(one["import_wh"]), kwh(one["export_wh"])]
    if one["status"] == "settled":
        curtailed_wh = snapshot.progress.outcomes.get(one["interval"], {}).get("curtailed_wh")
        paid_nano = snapshot.paid_nano.get(one["interval"])
        cells += [
            kwh(one["withdrawn_wh"]),
            price,
            "-" if paid_nano is None else money(paid_nano),
            kwh(one["tie_import_wh"]),
            kwh(one["tie_export_wh"]),
            kwh(one["losses_wh"]),
            "-" if curtailed_wh is None else kwh(curtailed_wh),
            str(one["estimated"]),
        ]
    cells += ["-"] * (len(DISPATCH) - 1 - len(cells))
    decided = one["status"] in ("ordered", "settled")
    return [*cells, one.get("builder") or "fallback" if decided else "-"]


def _money(snapshot: Snapshot, opening: dict[str, int]) -> Table:
    table = Table(title="money (currency)", title_justify="left", expand=True)
    for name in ("member", "balance", "since start"):
        table.add_column(name, justify="left" if name == "member" else "right")
    for member, nano in snapshot.balances_nano.items():
        change = nano - opening[member]
        style = "green" if change > 0 else "red" if change < 0 else ""
        table.add_row(member, money(nano), Text(money(change), style=style))
    return table


def kwh(energy_wh: int) -> str:
    """Exact, with the sign in front."""
    return f"{'-' if energy_wh < 0 else ''}{abs(energy_wh) // 1000:,}.{abs(energy_wh) % 1000:03d}"


def clock(time_ms: int, shown: Form) -> str:
    """Hours and minutes in UTC, and behind them on the site's clock where its zone is known."""
    text = utc(time_ms)[11:16]
    if shown.zone is None:
        return text
    return f"{text} · {datetime.fromtimestamp(time_ms // 1000, shown.zone):%H:%M}"
