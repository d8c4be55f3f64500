"""`gridpact tour` on the devnet that the browser looks at."""

from __future__ import annotations

import subprocess
import sys

from devnet.launcher import Launcher


def test_the_tour_ends_with_a_proven_bill(campus: Launcher) -> None:
    where = ["--dir", str(campus.layout.root)]
    done = subprocess.run(
        [sys.executable, "-m", "devnet.cli", "tour", *where], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for told in ("Orders for the whole site", "Price:", "consumption", "Valid. The state of", "Next: open http://"):
        assert told in done.stdout
