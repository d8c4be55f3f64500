"""A page that is told of many events: what it asks of its node, and what it shows in the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from devnet.bench import page as bench
from tests.browser.conftest import Net, Served, Watched, served

Make = Callable[..., Watched]
BLOCKS = 30
FLOOD = 200
ROWS = 25
PAUSE_MS = 250
"""Between two turns of a page, see `node/web/app/refresh.js`."""
ASKS = "**/blocks?*"


@pytest.fixture
def chain() -> Iterator[Served]:
    with served(BLOCKS) as there:
        yield there


def opened(chain: Served, page: Page) -> None:
    page.goto(f"{chain.url}/#/ledger")
    expect(page.locator("main")).to_contain_text("The newest blocks")
    expect(page.locator("#pulse")).to_have_class(re.compile("live"))


def clock_ms(page: Page) -> float:
    """What the page's own clock shows."""
    return float(page.evaluate("() => performance.now()"))


def heights(page: Page) -> list[int]:
    cells = page.locator("table").first.locator("tbody tr td:first-child").all_inner_texts()
    return [int(re.sub(r"\D", "", one)) for one in cells]


def test_a_flood_of_events_is_asked_about_a_few_times_a_second_and_the_newest_is_shown(
    chain: Served, watched: Make
) -> None:
    seen = watched()
    page, asked = seen.page, list[Request]()
    opened(chain, page)
    page.on("request", lambda request: asked.append(request) if "/blocks?" in request.url else None)
    before = clock_ms(page)
    for _ in range(FLOOD):
        chain.produce()
    newest = chain.chain.ledger.height
    expect(page.locator("tbody").first.locator("td").first).to_have_text(str(newest))
    assert 1 <= len(asked) <= (clock_ms(page) - before) / PAUSE_MS + 2
    assert heights(page) == list(range(newest, newest - ROWS, -1))
    assert seen.errors == []


def test_a_node_that_answers_slowly_is_asked_once_at_a_time(chain: Served, watched: Make) -> None:
    page, held, answering = watched().page, list[Route](), False
    opened(chain, page)

    def hold(route: Route) -> None:
        if answering:
            route.continue_()
        else:
            held.append(route)

    page.route(ASKS, hold)
    chain.produce()
    start = clock_ms(page)
    while clock_ms(page) < start + 6 * PAUSE_MS or not held:
        chain.produce()
    assert len(held) == 1, "what happened meanwhile is asked about when there is an answer"
    answering = True
    held[0].continue_()
    expect(page.locator("tbody").first.locator("td").first).to_have_text(str(chain.chain.ledger.height))


def test_what_happens_while_a_page_opens_is_shown_by_it(chain: Served, watched: Make) -> None:
    page, told, held = watched().page, list[str](), list[Route]()
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: told.append(str(frame))))

    def hold(route: Route) -> None:
        """The first answer is made before the block, and arrives after it."""
        if held:
            route.continue_()
            return
        held.append(route)
        answer = route.fetch()
        chain.produce()
        while not any('"kind":"events"' in one for one in told):
            clock_ms(page)
        route.fulfill(response=answer)

    page.route(ASKS, hold)
    opened(chain, page)
    expect(page.locator("tbody").first.locator("td").first).to_have_text(str(chain.chain.ledger.height))


def test_nothing_is_asked_about_what_nobody_sees(chain: Served, watched: Make) -> None:
    """A page in the background draws no frames, and waits until it does."""
    page, asked = watched().page, list[Request]()
    page.add_init_script(
        "{ const real = window.requestAnimationFrame.bind(window); window.seen = true; const due = [];"
        "  window.requestAnimationFrame = (go) => (window.seen ? real(go) : due.push(go));"
        "  window.look = () => { window.seen = true; due.splice(0).forEach((go) => real(go)); }; }"
    )
    opened(chain, page)
    page.on("request", lambda request: asked.append(request) if "/blocks?" in request.url else None)
    page.evaluate("() => { window.seen = false; }")
    chain.produce()
    start = clock_ms(page)
    while clock_ms(page) < start + 6 * PAUSE_MS:
        chain.produce()
    assert len(asked) <= 1, "at most one that was due before"
    page.evaluate("() => window.look()")
    expect(page.locator("tbody").first.locator("td").first).to_have_text(str(chain.chain.ledger.height))


def test_the_benchmark_sees_first_figures_and_a_page_that_follows_fifty_events_a_second(
    net: Net, browser: Browser
) -> None:
    found = bench.figures(browser, net.url, seconds=1.0)
    assert set(found) == set(bench.NEITHER)
    paint, rate, delay, longest = (found[name] for name in bench.NEITHER)
    assert paint is not None and rate is not None and delay is not None and longest is not None
    assert paint > 0 and delay > 0 and longest >= 0
    assert 0 < rate <= bench.EVENTS_PER_S
