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

import msgspec
import typer

from devnet.directory import DEFAULT, Layout
from devnet.errors import DevnetError
from node.cli.output import line, progress, reporting

SETTLE_S = 180.0
"""Longest wait for an interval to be settled: five minutes of ledger time after its end."""
LOOK_S = 1.0
WIDTH = 100
INDENT = "   "
OPEN_MS = 900_000
"""Ledger time that is left to read, think and type."""
MAX_WINDOW = 16
"""Intervals ahead that are looked at."""

Directory = Annotated[Path, typer.Option("--dir", help="Directory of the devnet; several can run.")]


class Step(NamedTuple):
    """What is explained, and what is typed; `{interval}` and `{bill}` are filled in."""

    title: str
    why: str
    command: str


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
        "query bill {bill} campus",
    ),
    Step(
        "Believe nobody",
        "The node hands out the bill with a proof, and this program checks it with the genesis document and block "
        "headers alone: hashes from the record to a header, and signatures of more than two thirds of the power.",
        "proof fetch bill {bill} campus | proof verify -",
    ),
    Step(
        "Whom to trust how much",
        "Power follows from bonded tokens and an index that rises with words that turn out true. A validator that "
        "contradicts itself loses bond and name, on the ledger of everybody else.",
        "trust show",
    ),
)


def tour(
    dir: Directory = DEFAULT,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not wait for Enter between the steps.")] = False,
) -> None:
    """Walk through one dispatch on a running devnet: five minutes from a wish to a proven bill."""
    with reporting(False):
        layout = Layout(dir)
        document = layout.load()
        guide = Guide(dir, sys.executable, paused=not yes)
        guide.interval = guide.open_interval()
        line(f"A tour of {document.chain_id}: {len(STEPS)} steps, each a command that you can type yourself.")
        for number, step in enumerate(STEPS, start=1):
            guide.take(number, step)
        line("")
        line(f"Next: open {document.nodes[0].rpc} in a browser, and see the same move by itself.")
        line("Then: `gridpact devnet kill solar`, twice; README.md has the rest. `gridpact devnet down` ends it.")


class Guide:
    """Takes people through the steps."""

    def __init__(self, directory: Path, python: str, *, paused: bool) -> None:
        self.directory = directory
        self.interval = 0
        self._python = python
        self._paused = paused
        self._bill: int | None = None

    def take(self, number: int, step: Step) -> None:
        """Explain a step and run its command. Raises `DevnetError` `tour.failed` where that ends with an error."""
        line("")
        line(f"{number}. {step.title}")
        for part in textwrap.wrap(step.why, WIDTH):
            line(f"{INDENT}{part}")
        if "{bill}" in step.command and self._bill is None:
            self._bill = self._await_bill()
        typed = step.command.format(interval=self.interval, bill=self._bill).split(" | ")
        line(f"{INDENT}$ {' | '.join(f'gridpact {part}' for part in typed)}")
        if self._paused and sys.stdin.isatty():
            input(f"{INDENT}[Enter] ")
        shown: bytes | None = None
        for part in typed:
            shown = self.run(part.split(), stdin=shown)
        for one in (shown or b"").decode().rstrip("\n").splitlines():
            print(f"{INDENT}{one}")

    def run(self, arguments: Sequence[str], *, stdin: bytes | None = None) -> bytes:
        """What a command prints, as wide as the terminal. Its progress goes to stderr as it does for people."""
        typed = [self._python, "-m", "devnet.cli", *arguments, "--dir", str(self.directory)]
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

    def open_interval(self) -> int:
        """The first interval whose offers stay open for a while, so that a word about it is not late."""
        now = self._asked(["query", "interval", "now"])
        interval, at_ms = int(now["interval"]), self._now_ms()
        for at in range(interval, interval + MAX_WINDOW):
            if int(self._asked(["query", "interval", str(at)])["locks_ms"]) - at_ms > OPEN_MS:
                return at
        return interval + MAX_WINDOW

    def _now_ms(self) -> int:
        """Ledger time, as the first node has it."""
        from devnet.launcher import Launcher
        from devnet.timing import how

        return how(Launcher(self.directory)).at_ms

    def _asked(self, arguments: Sequence[str]) -> dict[str, Any]:
        answer: dict[str, Any] = msgspec.json.decode(self.run([*arguments, "--json"]))
        data: dict[str, Any] = answer.get("data", answer)
        return data

    def _await_bill(self) -> int:
        """The newest settled interval that is not after the tour's own; waits for its own where none is."""
        return await_settled(self.interval, lambda at: str(self._asked(["query", "interval", str(at)])["status"]))


def await_settled(interval: int, status: Callable[[int], str], patience_s: float = SETTLE_S) -> int:
    """A settled interval: `interval` itself, as soon as it is. Raises `DevnetError` `tour.waiting`."""
    deadline = time.monotonic() + patience_s
    progress(f"waiting for interval {interval} to settle")
    while time.monotonic() < deadline:
        if status(interval) == "settled":
            return interval
        time.sleep(LOOK_S)
    raise DevnetError(
        "tour.waiting",
        f"Interval {interval} was not settled in {patience_s:.0f} s.",
        "Are the agents running? `gridpact devnet logs agents` says; time may stand: `gridpact devnet time run`.",
    )
