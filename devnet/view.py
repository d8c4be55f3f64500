"""What a person watches: blocks, dispatch, money and peers of a devnet, in UTC, and what it waits for.

Reads public RPC and the agents' progress, and nothing else. On a terminal a Rich screen that is drawn anew;
elsewhere a plain line now and then. Never changes anything.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any, NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from devnet.diary import Diary, Progress
from devnet.directory import Document, Layout
from devnet.launcher import Launcher
from devnet.scenario import Scenario
from node.cli.output import money, per_kwh, utc
from node.client import Client
from node.errors import NodeError

REFRESH_S = 0.5
PLAIN_EVERY_S = 5.0
"""Between two lines where nobody can draw."""
SHOWN_INTERVALS = 6
SHOWN_BLOCKS = 6
SHOWN_MEMBERS = 8
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


async def look(launcher: Launcher, scenario: Scenario) -> Snapshot:
    """Ask every node how it is, and one of them about the rest."""
    nodes = await asyncio.to_thread(launcher.status)
    progress = Diary(launcher.layout).progress()
    alive = [node for node in nodes if node["height"] is not None]
    if not alive:
        return Snapshot(nodes, [], [], {}, 0, progress)
    best = max(alive, key=lambda node: int(node["height"]))
    try:
        async with asyncio.timeout(ANSWER_S), Client(best["rpc"]) as client:
            return await _ask(client, scenario, nodes, int(best["height"]), progress)
    except (NodeError, TimeoutError):
        return Snapshot(nodes, [], [], {}, 0, progress)


async def _ask(
    client: Client, scenario: Scenario, nodes: list[dict[str, Any]], height: int, progress: Progress
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
    return Snapshot(nodes, list(blocks), intervals, dict(zip(members, balances, strict=True)), time_ms, progress)


async def watch(launcher: Launcher, scenario: Scenario, source: str) -> None:
    """Show the devnet until cancelled."""
    console = Console()
    if not console.is_terminal:
        await _watch_plainly(launcher, scenario)
        return
    opening = {member.id: member.balance_nano for member in scenario.members}
    with Live(console=console, auto_refresh=False, screen=False) as live:
        while True:
            live.update(draw(await look(launcher, scenario), scenario, opening, source), refresh=True)
            await asyncio.sleep(REFRESH_S)


async def _watch_plainly(launcher: Launcher, scenario: Scenario) -> None:
    last = ""
    while True:
        snapshot = await look(launcher, scenario)
        line = plain(snapshot)
        if line != last:
            print(line, flush=True)
            last = line
        await asyncio.sleep(PLAIN_EVERY_S)


def plain(snapshot: Snapshot) -> str:
    """One line: time, heights, the newest settled interval, and what is waited for."""
    heights = " ".join(
        f"{node['name']}={node['height'] if node['height'] is not None else node['state']}" for node in snapshot.nodes
    )
    settled = [one for one in snapshot.intervals if one["status"] == "settled"]
    energy = ""
    if settled:
        one = settled[-1]
        energy = (
            f" | interval {one['interval']}: {one['withdrawn_wh']} Wh delivered at "
            f"{per_kwh(one['price_nano_per_wh'])} per kWh"
        )
    when = utc(snapshot.time_ms) if snapshot.time_ms else "no node answers"
    return f"{when} | {heights}{energy} | {waiting(snapshot)}"


def waiting(snapshot: Snapshot) -> str:
    """What the devnet is waiting for: a stuck chain's own sentence before anything else."""
    for node in snapshot.nodes:
        if node["stuck"]:
            return f"stuck: {node['name']}: {node['stuck']}"
    if snapshot.progress.error:
        return f"the agents stopped: {snapshot.progress.error}"
    return f"waiting for {snapshot.progress.waiting_for}"


def draw(snapshot: Snapshot, scenario: Scenario, opening: dict[str, int], source: str) -> Group:
    """The screen."""
    when = utc(snapshot.time_ms) if snapshot.time_ms else "no node answers"
    head = Text.assemble((f"gridpact devnet · {scenario.name}", "bold"), f"   {when}   {scenario.clock.speed}x life")
    foot = Text(f"{waiting(snapshot)}\ndata: {source} Prices are synthetic.", style="dim")
    return Group(
        head,
        _nodes(snapshot),
        _blocks(snapshot),
        _dispatch(snapshot),
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


def _blocks(snapshot: Snapshot) -> Table:
    table = Table(title="blocks", title_justify="left", expand=True)
    for name in ("height", "time", "proposer", "round", "transactions", "block", "state before"):
        table.add_column(name, justify="right" if name in ("height", "round", "transactions") else "left")
    for block in snapshot.blocks:
        header = block["header"]
        table.add_row(
            str(block["height"]),
            utc(block["time_ms"]),
            header["proposer"],
            str(header["proposer_round"]),
            str(len(block["payload"])),
            block["id"][:12],
            header["state_root"][:12],
        )
    return table


def _dispatch(snapshot: Snapshot) -> Table:
    table = Table(title="dispatch (kWh; price per kWh)", title_justify="left", expand=True)
    for name in ("interval", "from", "status", "needed", "ordered", "delivered", "price", "import", "losses"):
        table.add_column(name, justify="left" if name in ("from", "status") else "right")
    for one in snapshot.intervals:
        if one["status"] == "empty":
            table.add_row(str(one["interval"]), utc(one["start_ms"])[11:16], "empty", *["-"] * 6)
            continue
        ordered, settled = one["status"] != "open", one["status"] == "settled"
        table.add_row(
            str(one["interval"]),
            utc(one["start_ms"])[11:16],
            one["status"],
            _kwh(one["demand_wh"]),
            _kwh(one["served_wh"]) if ordered else "-",
            _kwh(one["withdrawn_wh"]) if settled else "-",
            per_kwh(one["price_nano_per_wh"]) if ordered else "-",
            _kwh(one["tie_import_wh"] if settled else one["import_wh"]) if ordered else "-",
            _kwh(one["losses_wh"]) if settled else "-",
        )
    return table


def _money(snapshot: Snapshot, opening: dict[str, int]) -> Table:
    table = Table(title="money", title_justify="left", expand=True)
    for name in ("member", "balance", "since start"):
        table.add_column(name, justify="left" if name == "member" else "right")
    for member, nano in snapshot.balances_nano.items():
        change = nano - opening[member]
        style = "green" if change > 0 else "red" if change < 0 else ""
        table.add_row(member, money(nano), Text(money(change), style=style))
    return table


def _kwh(energy_wh: int) -> str:
    return f"{energy_wh // 1000:,}.{energy_wh % 1000:03d}"


def describe(document: Document, layout: Layout) -> str:
    """What `devnet up` prints: members, keys, balances and URLs."""
    console = Console(file=sys.stdout)
    with console.capture() as capture:
        nodes = Table(title=f"nodes of {document.chain_id}", title_justify="left")
        for name in ("node", "rpc", "p2p", "pid"):
            nodes.add_column(name)
        for node in document.nodes:
            nodes.add_row(node.name, node.rpc, node.p2p, str(node.pid))
        members = Table(title=f"members (keys are in {layout.keys})", title_justify="left")
        for name in ("member", "name", "roles", "balance", "key"):
            members.add_column(name, justify="right" if name == "balance" else "left")
        for member in document.members:
            members.add_row(member.id, member.name, ", ".join(member.roles), money(member.balance_nano), member.key)
        console.print(nodes)
        console.print(members)
    return capture.get()


def elapsed(start: float) -> str:
    """Seconds since `start` of the monotonic clock, for people."""
    return f"{time.monotonic() - start:.1f} s"
