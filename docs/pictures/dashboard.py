"""Makes the pictures of the dashboard out of a real run of the campus: a Chromium looks at one of its nodes.

python -P docs/pictures/dashboard.py docs/pictures

Needs the extra `browser` and a Chromium (`make test-browser` has both). Several minutes of ledger time pass in each
second, so no two runs look alike; what they show is always a run.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.request import urlopen

from devnet import chromium
from devnet.launcher import Launcher
from devnet.scenario import load

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SETTLED = 10
"""Intervals behind the one that is shown."""
PATIENCE_S = 300
MAX_BYTES = 150_000
WIDE, TALL, PHONE = 1200, 820, 390


class Net(NamedTuple):
    """The devnet that is looked at, and one of its intervals that is settled."""

    url: str
    keys: Path
    interval: int


class Picture(NamedTuple):
    """One picture: which page, what is done there before, and what the page says once it is ready."""

    page: Callable[[Net], str]
    ready: str
    act: Callable[[Page, Net], None] = lambda page, net: None
    top: str = "body"
    """What stands at the upper edge."""
    wide: int = WIDE
    tall: int = TALL
    dark: bool = False


def _prove(page: Page, net: Net) -> None:
    page.get_by_role("button", name="Verify in this browser").click()


def _open_key(page: Page, net: Net) -> None:
    page.locator("#key").set_input_files(net.keys / "tenant-07.json")


def _transaction(net: Net) -> str:
    return f"ledger/tx/{_asked(net.url, '/transactions?limit=1&body=offer')['transactions'][0]['hash']}"


PICTURES = {
    "dashboard-grid.png": Picture(lambda net: f"grid/{net.interval}", "Ordered and metered"),
    "dashboard-dispatch.png": Picture(lambda net: f"dispatch/{net.interval}", "Checked by node", tall=720),
    "dashboard-certificate.png": Picture(
        lambda net: f"dispatch/{net.interval}", "Checked by node", top="h2:has-text('Certificate')", tall=470
    ),
    "dashboard-proof.png": Picture(_transaction, "Proven, by this browser", _prove, tall=700),
    "dashboard-bill.png": Picture(lambda net: "bill", "Paid and received by interval", _open_key, tall=900),
    "dashboard-phone.png": Picture(lambda net: "grid", "The last", wide=PHONE, tall=1300, dark=True),
}


def main(target: Path) -> None:
    """Run until enough intervals are settled, look at each page once, take the devnet down."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(prefix="gridpact-") as directory:
        launcher = Launcher(Path(directory) / "devnet", print)
        launcher.up(load("campus"))
        try:
            launcher.spawn_agents([])
            url = launcher.layout.load().nodes[0].rpc
            net = Net(url, launcher.layout.keys, _settled(url))
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium.program(), args=list(chromium.FLAGS))
                for name, picture in PICTURES.items():
                    _take(browser, net, picture, target / name)
                browser.close()
        finally:
            launcher.down()


def _take(browser: Browser, net: Net, picture: Picture, file: Path) -> None:
    size = {"width": picture.wide, "height": picture.tall}
    context = browser.new_context(viewport=size, color_scheme="dark" if picture.dark else "light")
    page = context.new_page()
    page.goto(f"{net.url}/#/{picture.page(net)}")
    if picture.top == "body":
        page.locator("main h1").wait_for()
    picture.act(page, net)
    page.locator("main").get_by_text(picture.ready).first.wait_for()
    page.locator("#pulse.live").wait_for()
    page.evaluate("() => document.fonts.ready")
    page.locator(picture.top).first.evaluate("one => scrollTo(0, one.getBoundingClientRect().top + scrollY - 8)")
    page.screenshot(path=file)
    context.close()
    if file.stat().st_size > MAX_BYTES:
        raise SystemExit(f"{file} has {file.stat().st_size} bytes; {MAX_BYTES} are right: make it smaller")


def _settled(url: str) -> int:
    """The newest settled interval, once there are enough of them."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        now = int(_asked(url, "/query/interval/now")["data"]["interval"])
        found = [at for at in range(now, now - SETTLED - 4, -1) if _status(url, at) == "settled"]
        if len(found) >= SETTLED:
            return found[0]
        time.sleep(0.5)
    raise SystemExit("the intervals did not settle")


def _status(url: str, interval: int) -> str:
    return str(_asked(url, f"/query/interval/{interval}")["data"]["status"])


def _asked(url: str, path: str) -> dict:
    with urlopen(url + path) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
