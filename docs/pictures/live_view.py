"""Makes `devnet.svg`: the live view of a real run of the campus scenario, after a few intervals.

python -P docs/pictures/live_view.py docs/pictures/devnet.svg
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from devnet import profiles, view
from devnet.launcher import Launcher
from devnet.scenario import Scenario, load

SETTLED = 4
"""Of the intervals that the view shows; the present one and the next are not."""
PATIENCE_S = 90


def main(target: Path) -> None:
    """Run until enough intervals are settled, draw once, take the devnet down."""
    scenario = load("campus")
    with tempfile.TemporaryDirectory(prefix="gridpact-") as directory:
        picture(Launcher(Path(directory) / "devnet", print), scenario, target)


def picture(launcher: Launcher, scenario: Scenario, target: Path) -> None:
    """As `main`, in the launcher's directory."""
    launcher.up(scenario)
    try:
        launcher.spawn_agents([])
        end = time.monotonic() + PATIENCE_S
        while True:
            snapshot = asyncio.run(view.look(launcher, scenario))
            if sum(1 for one in snapshot.intervals if one["status"] == "settled") >= SETTLED:
                break
            if time.monotonic() > end:
                raise SystemExit("the intervals did not settle")
            time.sleep(0.5)
        console = Console(record=True, width=160, file=io.StringIO())
        opening = {member.id: member.balance_nano for member in scenario.members}
        console.print(view.draw(snapshot, scenario, opening, profiles.load(scenario.season).source))
        console.save_svg(str(target), title="gridpact devnet up --scenario campus --live")
    finally:
        launcher.down()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
