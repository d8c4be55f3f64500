"""What a document's commands become here where they can not be typed as they stand, each with the reason.

A line that no document has any more is an error (`test_cover.py`), so that nothing stays here for good.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from contracts.program.documents import json_of
from tests.cli.test_dispatch_network import CASE, NETWORK
from tests.cli.test_govern import newcomer

VENV = Path(sys.prefix)
"""What these tests were started with has `gridpact`, too."""

HOURS = "takes minutes to hours; fewer are the same program"
ELSEWHERE = "is what CI runs beside this"
INSTALLED = "has been done before this test could start; would install into the environment that runs it"

SMALLER: dict[str, tuple[str, str]] = {
    "make test": ("make -n test", ELSEWHERE),
    "make setup": ("make -n setup", INSTALLED),
    "make setup && . .venv/bin/activate": ("make -n setup && . .venv/bin/activate", INSTALLED),
    "make devnet": ("gridpact devnet up --scenario campus --live", "is this once everything is installed"),
    "make soak MINUTES=240": ("gridpact simulate --minutes 0.05", HOURS),
    "make mutants": ("make -n mutants", "tests/simulator/test_mutants.py plants them"),
    "make crashes": ("make -n crashes", "tests/replica/test_crash_points.py does it for two nodes"),
    "make properties": ("make -n properties", ELSEWHERE),
    "make week": ("make -n week", "takes seven and a half minutes; its parts are tested in tests/devnet"),
    "gridpact simulate --replicas 4 --seeds 1000 --json": ("gridpact simulate --replicas 4 --seeds 4 --json", HOURS),
    "gridpact simulate --twins --seeds 400": ("gridpact simulate --twins --seeds 8", HOURS),
    "gridpact devnet run --scenario campus --json": (
        "gridpact devnet run --scenario campus --intervals 2 --json",
        "is a whole day, two minutes; eight quarter hours are run beside it",
    ),
    "gridpact devnet run --scenario four-sources --json": (
        "gridpact devnet run --scenario four-sources --intervals 8 --json",
        "is a whole day; eight quarter hours have all that breaks in it",
    ),
    "gridpact devnet run --scenario sealed-campus": (
        "gridpact devnet run --scenario sealed-campus --intervals 1",
        "is a whole day, minutes of proofs",
    ),
    "gridpact devnet run --scenario sealed-campus --intervals 3": (
        "gridpact devnet run --scenario sealed-campus --intervals 1",
        "is minutes of proofs; one interval is the same protocol",
    ),
    "gridpact devnet run --scenario campus --intervals 8": ("true", "docs/how-to/run-scenarios.md has it with --json"),
    "gridpact devnet run --scenario liars --json": ("true", "docs/how-to/break-it.md has it with --record"),
    "gridpact agent run --rulebook battery.toml --as storage --record day.jsonl": (
        "gridpact agent run --rulebook battery.toml --as storage --record day.jsonl --intervals 1",
        "acts until Ctrl-C, and has to have seen an interval for what follows",
    ),
}
"""Command, what is run in its place, and why."""

EXITS: dict[str, tuple[int, str]] = {
    "gridpact status --node https://grid.example:26657": (
        1,
        "there is no such machine; tests/rpc/test_exposure.py asks one over TLS with a token",
    ),
}
"""Command, exit code, and why it can not be the one of the document."""

UNTIL_STOPPED = {
    "make devnet",
    "gridpact start --home NEW",
    "gridpact agent build --as wind --stake 50 --limit 500",
}
"""Commands that go on until Ctrl-C: they get it once they have said something, and end with 0 or as shells have it."""
INTERRUPTED = 130

BEFORE: dict[str, tuple[str, ...]] = {
    "gridpact keys rpc --home DIR --name grid.example": ("gridpact init --home DIR --id grid --devnet",),
    "gridpact restore backup --home wind-home": (
        "gridpact devnet kill biodiesel",
        "cp -r .gridpact/devnet/nodes/biodiesel backup",
        "gridpact devnet restart biodiesel",
    ),
    "gridpact succession export --home DIR --name again --out again.toml": (
        "gridpact devnet kill biodiesel",
        "rm -rf DIR && ln -s .gridpact/devnet/nodes/biodiesel DIR",
    ),
    "gridpact succession verify again.succession --genesis again.toml": tuple(
        f"gridpact succession sign again.succession --genesis again.toml --as {member}"
        for member in ("solar", "geothermal")
    ),
    "gridpact genesis again.toml --home NEW --succession again.succession": (
        "mkdir -p NEW/keys && cp DIR/config.toml NEW && cp DIR/keys/*.json NEW/keys",
    ),
}
"""Command, and what its document says in prose that has been done before."""

BLOCKS: dict[str, tuple[str, ...]] = {
    "docs/governance.md": ("battery.toml",),
    "docs/networks.md": ("wires.toml",),
    "docs/rulebooks.md": ("battery.toml",),
}
"""Document, and the files that its `toml` blocks are, in their order."""


def _plates(_: Path) -> bytes:
    return b"[[envelopes]]\nmeter = 'storage-battery'\ngive_w = 400_000\ntake_w = 400_000\n"


def _meter_key(folder: Path) -> bytes:
    return (folder / ".gridpact/devnet/keys/meters/storage-battery.json").read_bytes()


def _genesis(folder: Path) -> bytes:
    return (folder / ".gridpact/devnet/nodes/wind/genesis.mp").read_bytes()


FILES: dict[str, tuple[str, Callable[[Path], bytes]]] = {
    "ac.toml": ("ac.toml", lambda _: NETWORK.encode()),
    "case.json": ("case.json", lambda _: json_of(CASE)),
    "genesis.mp": ("genesis.mp", _genesis),
    "newbie.toml": ("newbie.toml", lambda _: newcomer().encode()),
    "plates.toml": ("plates.toml", _plates),
    "keys": ("keys/storage-battery.json", _meter_key),
    "secret": ("secret", lambda _: b"correct horse battery\n"),
}
"""Word of a command, and the file that is there when it is first named."""
