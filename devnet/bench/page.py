"""What a browser on the same machine makes of a dashboard: when it shows its first figures, and whether events slow it.

Played on the campus with its agents, in the Chromium that the browser tests drive. First paint is the time from the
navigation to the frame that has figures of an interval in it, in a browser that has seen nothing of the node before.
Lag is measured while more events come than a site has: told to the page as if by the node, because no chain on two
cores makes so many blocks beside a browser; what the page then asks, it asks the node.

Where there is no browser every figure is None, and what to install is said.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from devnet import chromium, scenario
from devnet.errors import DevnetError
from devnet.launcher import Launcher
from node.client import SyncClient

PAGES = ("grid", "ledger")
"""Where events change most."""
PAINTS = 5
EVENTS_PER_S = 50
LAG_S = 6.0
"""Of events, for each of the pages."""
ORDERED_S = 120.0
"""Longest wait until the campus has orders to show."""
PATIENCE_MS = 60_000
LOOK_S = 0.2
NEITHER: dict[str, float | None] = dict.fromkeys(
    ("first_paint_ms", "page_events_per_s", "event_to_page_p99_ms", "page_longest_task_ms")
)

PAINTED = """
new MutationObserver((_, seen) => {
  if (!document.querySelector("#main dl.cards")) return;
  seen.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.painted = performance.now(); }));
}).observe(document, { childList: true, subtree: true });
"""
"""Notes the time after the frame in which there are first figures."""

FLOODED = """
let socket = null, cursor = null;
window.WebSocket = class extends WebSocket {
  constructor(...where) {
    super(...where);
    socket = this;
    this.addEventListener("message", ({ data }) => { cursor = JSON.parse(data).cursor ?? cursor; });
  }
};
window.flood = (perSecond, seconds) => new Promise((done) => {
  const lag = { told: 0, delays: [], longest: 0, seconds: 0 }, waiting = [], begun = performance.now();
  new PerformanceObserver((tasks) => {
    for (const task of tasks.getEntries()) lag.longest = Math.max(lag.longest, task.duration);
  }).observe({ type: "longtask" });
  new MutationObserver(() => {
    const now = performance.now();
    for (const at of waiting.splice(0)) lag.delays.push(now - at);
  }).observe(document.getElementById("main"), { childList: true, subtree: true, characterData: true });
  const tell = () => {
    const now = performance.now(), passed = (now - begun) / 1000;
    while (lag.told < Math.min(seconds, passed) * perSecond) {
      const [height, index] = cursor.split(".").map(Number);
      const topic = lag.told % 2 ? "block" : "interval", next = `${height}.${index + 1}`;
      lag.told += 1;
      waiting.push(now);
      const said = { kind: "events", cursor: next, events: [{ cursor: next, topic, height }] };
      socket.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(said) }));
    }
    if (!lag.seconds && passed >= seconds) lag.seconds = passed;
    if (!lag.seconds || waiting.length) setTimeout(tell, 1000 / perSecond); else done(lag);
  };
  tell();
});
"""
"""Lets `flood` tell a page of events, each with a cursor between two of the node's, and take how long each waits until
something on the page changes. The longest task is 0 where none took 50 ms: browsers tell of no shorter ones."""


def measure(say: Callable[[str], None]) -> dict[str, float | None]:
    """All figures; milliseconds. Raises DevnetError where the campus does not come up."""
    program = chromium.program()
    if program is None or find_spec("playwright") is None:
        say("no first paint: it needs playwright (pip install 'gridpact[browser]') and apt-get install chromium")
        return NEITHER
    with TemporaryDirectory(prefix="gridpact-bench-") as directory:
        launcher = Launcher(Path(directory) / "net", say)
        try:
            url = launcher.up(scenario.load("campus")).nodes[0].rpc
            launcher.spawn_agents([])
            say("waiting for the orders of an interval")
            ordered(url)
            say(f"first paint, and pages that are told of {EVENTS_PER_S} events a second")
            return looked_at(program, url, LAG_S)
        finally:
            launcher.down()


def ordered(url: str) -> None:
    """Return once the interval that goes on has orders. Raises DevnetError `bench.timeout`."""
    deadline = time.monotonic() + ORDERED_S
    with SyncClient(url) as sync:
        while sync.run(sync.client.query("interval", "now"))["data"]["status"] != "ordered":
            if time.monotonic() > deadline:
                raise DevnetError("bench.timeout", f"No orders in {ORDERED_S:.0f} s.", "Is the machine very busy?")
            time.sleep(LOOK_S)


def looked_at(program: str, url: str, seconds: float) -> dict[str, float | None]:
    """The figures of a node that runs. No event loop may run in this thread."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=chromium.FLAGS)
        try:
            return figures(browser, url, seconds)
        finally:
            browser.close()


def figures(browser: Any, url: str, seconds: float) -> dict[str, float | None]:
    """The same in a browser of playwright that is open."""
    paints = [_opened(browser, url, page=PAGES[0])[0] for _ in range(PAINTS)]
    lags = [_opened(browser, url, page=page, seconds=seconds)[1] for page in PAGES]
    delays = [delay for lag in lags for delay in lag["delays"]]
    return {
        "first_paint_ms": round(statistics.median(paints), 1),
        "page_events_per_s": round(sum(lag["told"] for lag in lags) / sum(lag["seconds"] for lag in lags), 1),
        "event_to_page_p99_ms": round(statistics.quantiles(delays, n=100)[98], 1),
        "page_longest_task_ms": round(max(lag["longest"] for lag in lags), 1),
    }


def _opened(browser: Any, url: str, *, page: str, seconds: float = 0.0) -> tuple[float, dict[str, Any]]:
    """When a page that is opened anew has painted, and what a flood of so long made of it."""
    context = browser.new_context()
    try:
        context.set_default_timeout(PATIENCE_MS)
        shown = context.new_page()
        shown.add_init_script(PAINTED if not seconds else FLOODED)
        shown.goto(f"{url}/#/{page}")
        if not seconds:
            return float(shown.wait_for_function("() => window.painted").json_value()), {}
        shown.wait_for_function("() => document.body.dataset.line === 'live'")
        return 0.0, dict(shown.evaluate("([rate, seconds]) => window.flood(rate, seconds)", [EVENTS_PER_S, seconds]))
    finally:
        context.close()
