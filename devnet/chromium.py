"""The Chromium that pages of a node are looked at with, by tests and benchmarks: which one, and started how.

Never installs or starts one: `tests/browser/chromium.sh` installs, playwright starts.
"""

from __future__ import annotations

import os
import shutil

FLAGS = (
    # Root has no sandbox, and the pages are those of a node that was started a moment ago.
    "--no-sandbox",
    # It looks for nothing outside: no updates, no accounts, no greetings.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    # Shared memory is small where machines are containers.
    "--disable-dev-shm-usage",
)


def program() -> str | None:
    """Path of the one that the environment names with CHROMIUM, or of the one on the path; None: there is none."""
    return shutil.which(os.environ.get("CHROMIUM") or "chromium")
