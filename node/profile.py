"""Where a node's processor time goes, by sampling its own stack (SIGPROF): the benchmark's `cpu_share`.

Off unless the admin socket turns it on. A sample belongs to the innermost frame whose file is in the table; time
in the event loop and the TLS library has no such frame and counts as network.
"""

from __future__ import annotations

import signal
from collections import Counter
from types import FrameType

PERIOD_S = 0.002
SHARES = ("signatures", "tree", "store", "execution", "network", "other")

_AREAS = (
    ("zk/ed25519", "signatures"),
    ("nacl/", "signatures"),
    ("node/ledger/tree", "tree"),
    ("node/ledger/page", "tree"),
    ("node/ledger/", "store"),
    ("node/journal", "store"),
    ("node/disk", "store"),
    ("node/execution", "execution"),
    ("contracts/", "execution"),
    ("node/peer/", "network"),
    ("node/rpc/", "network"),
    ("aiohttp/", "network"),
    ("uvloop/", "network"),
    ("asyncio/", "network"),
    ("node/admission", "other"),
    ("node/mempool", "other"),
    ("node/replica", "other"),
    ("consensus/", "other"),
)


class Profiler:
    """Samples the main thread every 2 ms of processor time between `start` and `stop`."""

    def __init__(self) -> None:
        self._samples: Counter[str] = Counter()
        self._known: dict[str, str | None] = {}

    def start(self) -> None:
        """Begin counting afresh."""
        self._samples.clear()
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, PERIOD_S, PERIOD_S)

    def stop(self) -> dict[str, int]:
        """Samples by area."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_IGN)
        return {area: self._samples[area] for area in SHARES}

    def _sample(self, _signal: int, frame: FrameType | None) -> None:
        while frame is not None:
            area = self._area(frame.f_code.co_filename)
            if area is not None:
                self._samples[area] += 1
                return
            frame = frame.f_back
        self._samples["network"] += 1

    def _area(self, filename: str) -> str | None:
        if filename not in self._known:
            path = filename.replace("\\", "/")
            self._known[filename] = next((area for part, area in _AREAS if part in path), None)
        return self._known[filename]
