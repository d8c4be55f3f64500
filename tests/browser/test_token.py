"""The dashboard of a node on another machine: nothing without a token, which leaves no trace where others look."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from playwright.sync_api import Page, Request, expect

from node.rpc.tokens import DAY_MS
from tests.browser.conftest import Guarded, Watched
from tests.browser.test_dashboard import accessible

Make = Callable[..., Watched]


def give(page: Page, token: str) -> None:
    page.locator("#token").fill(token)
    page.get_by_role("button", name="Open").click()


def test_a_token_opens_the_pages_until_it_ends_and_leaves_no_trace(guarded: Guarded, watched: Make) -> None:
    page, addresses = watched().page, list[str]()

    def keep(request: Request) -> None:
        addresses.append(request.url)

    page.on("request", keep)
    page.on("websocket", lambda socket: addresses.append(socket.url))
    page.goto(f"{guarded.served.url}/#/ledger")
    expect(page.locator("h1")).to_have_text("This node asks for a token")
    assert page.evaluate("() => document.activeElement.id") == "token"
    assert accessible(page) == []
    give(page, "nonsense")
    expect(page.locator("#token-says")).to_contain_text("64 hexadecimal digits")
    give(page, f"laptop.{'0' * 64}")
    expect(page.locator("#token-says")).to_contain_text("does not know that token")

    give(page, guarded.token)
    expect(page.locator("main")).to_contain_text("The newest blocks")
    expect(page.locator("#pulse")).to_have_class(re.compile("live"))
    guarded.served.produce()
    expect(page.locator("tbody").first).to_contain_text(
        str(guarded.served.chain.ledger.height)
    )  # The live line goes through the token, too.
    page.reload()
    expect(page.locator("main")).to_contain_text("The newest blocks")

    secret = guarded.token.partition(".")[2]
    assert any(one.startswith("wss:") for one in addresses)
    assert not any(secret in one for one in addresses)
    kept = page.evaluate("() => JSON.stringify([localStorage, document.cookie, location.href, history.state])")
    assert secret not in kept
    assert secret in page.evaluate("() => JSON.stringify(sessionStorage)")

    guarded.wall.ms += 31 * DAY_MS
    guarded.served.produce()
    expect(page.locator("#token-says")).to_contain_text("no longer counts")
    assert page.locator("table").count() == 0, "what it opened is gone"
    assert secret not in page.evaluate("() => JSON.stringify(sessionStorage)")

    guarded.wall.ms -= 31 * DAY_MS
    give(page, guarded.token)
    expect(page.locator("main")).to_contain_text("The newest blocks")
    page.get_by_role("button", name="Forget the token").click()
    expect(page.locator("h1")).to_have_text("This node asks for a token")
    assert json.loads(page.evaluate("() => JSON.stringify(sessionStorage)")) == {}
