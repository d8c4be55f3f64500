"""`gridpact tour`: one dispatch on a running devnet, from the wish for energy to a proven bill, in real commands.

Every step prints why, then the command, and then runs exactly that command; nothing is shown that somebody could not
type. Changes what its commands change: it asks for 5 kWh as the campus.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from devnet.directory import DEFAULT, Layout
from devnet.errors import DevnetError
from node.cli.options import Devnet as Directory
from node.cli.output import line, reporting
from node.cli.waiting import Amount, working

SETTLE_S = 180.0
"""Longest wait for an interval to be settled: five minutes of ledger time after its end."""
LOOK_S = 1.0
WIDTH = 100
INDENT = "   "
OPEN_MS = 1_200_000
"""Ledger time that is left for a command to start and to be heard; ten seconds of a devnet at 120 times life."""
MAX_AHEAD = 16
"""Intervals ahead that are looked at."""


class Step(NamedTuple):
    """What is explained, and what is typed; `{interval}` is filled in."""

    title: str
    why: str
    command: str
    settled: bool = False
    """It needs the interval to be settled."""
    chooses: bool = False
    """The interval is chosen just before it is typed, so that reading what came before makes no word late."""


STEPS = (
    Step(
        "Where we are",
        "Each organisation runs a node; four of them hold seats, and more than two thirds of their power must agree on "
        "every block. There is no operator to ask.",
        "devnet status",
    ),
    Step(
        "A wish for energy",
        "The campus needs 5 kWh in the next interval of 15 minutes. Its word is signed with its own key. Offers and "
        "needs lock before the interval, builders solve the dispatch and wager on it, and every node checks the "
        "solution in exact integers. The command waits for that.",
        "tx dispatch request --as campus --interval {interval} --wh 5000",
        chooses=True,
    ),
    Step(
        "Why it has this price",
        "The price is that of the last energy needed: cheaper offers are all taken, dearer ones are not. What follows "
        "is computed from public records that anybody can fetch with proofs.",
        "query interval {interval} --explain --as campus",
    ),
    Step(
        "Who found it",
        "Builders wager trust tokens that nothing cheaper exists. Who shows a solution that breaks a limit, or that "
        "somebody beats, loses the wager; who is best earns a part of what was saved.",
        "query rounds",
    ),
    Step(
        "What is owed",
        "Meters report when the interval is over, and five minutes later it settles: what was used at the price, what "
        "was used otherwise than ordered at the imbalance price, and a share of what is left over.",
        "query bill {interval} campus --explain",
        settled=True,
    ),
    Step(
        "Believe nobody",
        "The node hands out the bill with a proof, and this program checks it with the genesis document and block "
        "headers alone: hashes from the record to a header, and signatures of more than two thirds of the power.",
        "proof fetch bill {interval} campus | proof verify -",
        settled=True,
    ),
    Step(
        "Whom to trust how much",
        "Power follows from bonded tokens and an index that rises with words that turn out true. A validator that "
        "contradicts itself loses bond and name, on the ledger of everybody else.",
        "trust show",
    ),
)


Interval = Callable[[int | str], dict[str, Any]]
"""What a node knows of an interval, by its number or `now`."""


def tour(
    dir: Directory = DEFAULT,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not wait for Enter between the steps.")] = False,
) -> None:
    """Walk through one dispatch on a running devnet: five minutes from a wish to a proven bill."""
    from node.client import SyncClient

    with reporting(False):
        document = Layout(dir).load()
        with SyncClient(document.nodes[0].rpc) as sync:

            def interval(which: int | str) -> dict[str, Any]:
                data: dict[str, Any] = sync.run(sync.client.query("interval", which))["data"]
                return data

            def choose() -> int:
                return open_interval(interval, int(sync.run(sync.client.status())["time_ms"]))

            guide = Guide(dir, choose, interval, paused=not yes)
            line(f"A tour of {document.chain_id}: {len(STEPS)} steps, each a command that you can type yourself.")
            for number, step in enumerate(STEPS, start=1):
                guide.take(number, step)
        line("")
        line(f"Next: open {document.nodes[0].rpc} in a browser, and see the same move by itself.")
        line("Then: `gridpact devnet kill solar`, twice; docs/how-to has the rest. `gridpact devnet down` ends it.")


class Guide:
    """Takes people through the steps, about the interval that `choose` gives when there has to be one."""

    def __init__(self, directory: Path, choose: Callable[[], int], ask: Interval, *, paused: bool) -> None:
        self._directory = directory
        self._choose = choose
        self._interval = 0
        self._ask = ask
        self._paused = paused

    def take(self, number: int, step: Step) -> None:
        """Explain a step and run its command. Raises `DevnetError` `tour.failed` where that ends with an error."""
        line("")
        line(f"{number}. {step.title}")
        for part in textwrap.wrap(step.why, WIDTH):
            line(f"{INDENT}{part}")
        if step.settled:
            await_settled(self._interval, self._ask)
        if self._paused and sys.stdin.isatty():
            input(f"{INDENT}[Enter] ")
        if step.chooses:
            self._interval = self._choose()
        typed = step.command.format(interval=self._interval).split(" | ")
        line(f"{INDENT}$ {' | '.join(f'gridpact {part}' for part in typed)}")
        shown = b""
        for part in typed:
            shown = self._run(part.split(), shown)
        for one in shown.decode().rstrip("\n").splitlines():
            print(f"{INDENT}{one}")

    def _run(self, arguments: Sequence[str], stdin: bytes) -> bytes:
        """What a command prints, as wide as the terminal. Its progress goes to stderr as it does for people."""
        typed = [sys.executable, "-m", "devnet.cli", *arguments, "--dir", str(self._directory)]
        columns = str(shutil.get_terminal_size((WIDTH, 24)).columns - len(INDENT))
        environment = os.environ | {"COLUMNS": columns}
        done = subprocess.run(typed, input=stdin, stdout=subprocess.PIPE, env=environment, check=False)
        if done.returncode:
            raise DevnetError(
                "tour.failed",
                f"`gridpact {' '.join(arguments)}` ended with {done.returncode}.",
                "Its own message says why; `gridpact devnet status` shows whether blocks are made.",
            )
        return done.stdout


def open_interval(ask: Interval, now_ms: int) -> int:
    """The first interval whose offers stay open for a while, so that a word about it is not late."""
    first = int(ask("now")["interval"])
    ahead = range(first, first + MAX_AHEAD)
    return next((at for at in ahead if int(ask(at)["locks_ms"]) - now_ms > OPEN_MS), ahead.stop)


def await_settled(interval: int, ask: Interval, patience_s: float = SETTLE_S) -> None:
    """Return once an interval is settled. Raises `DevnetError` `tour.waiting`."""
    deadline = time.monotonic() + patience_s
    first = int(ask("now")["interval"])
    # It settles within the interval after its end.
    amount = Amount(interval + 2 - first, "intervals")
    with working(f"waiting for interval {interval} to settle", amount) as task:
        while ask(interval)["status"] != "settled":
            if time.monotonic() >= deadline:
                raise DevnetError(
                    "tour.waiting",
                    f"Interval {interval} was not settled in {patience_s:.0f} s.",
                    "See `gridpact devnet logs agents`; if time stands still: `gridpact devnet time run`.",
                )
            task.reach(int(ask("now")["interval"]) - first)
            time.sleep(LOOK_S)
