"""What people see and do in the dashboard, on a devnet that is running."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Request, Route, expect

from tests.browser.conftest import BLOCKS, PATIENCE_S, SCRIPT, Net, Watched

Make = Callable[..., Watched]
PAGES = ("grid", "dispatch", "ledger", "trust", "carbon", "bill", "network")
SAYS = {
    "grid": r"Price[\s\S]*currency/kWh[\s\S]*Intervals",
    "dispatch": r"Why this price[\s\S]*(Certificate gap|No builders were asked)",
    "ledger": r"Blocks[\s\S]*Transactions",
    "trust": r"more than 2/3 of it decides[\s\S]*Convictions",
    "carbon": r"Emitted since the beginning[\s\S]*kg CO",
    "bill": r"stay in this browser's memory",
    "network": r"Nothing is stuck[\s\S]*Peers",
}
"""What each page is not itself without."""
IMPACTS = ("serious", "critical")


def visit(watched: Watched, url: str, page: str) -> Page:
    watched.page.goto(f"{url}/#/{page}")
    name = page.split("/", maxsplit=1)[0]
    expect(watched.page.locator("main")).to_contain_text(re.compile(SAYS[name]))
    return watched.page


def height(page: Page) -> int:
    """What the head of the page says."""
    return int(re.sub(r"\D", "", page.locator("#pulse").inner_text().split("·")[0]))


def grows(page: Page, before: int) -> None:
    """Waits until the head of the page says more than it did."""
    page.wait_for_function(
        "before => Number(document.querySelector('#pulse').textContent.split('·')[0].replace(/\\D/g, '')) > before",
        arg=before,
    )


def accessible(page: Page) -> list[str]:
    """What hinders people who do not see the page, or have no mouse."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['target']}" for one in found if one["impact"] in IMPACTS for node in one["nodes"]]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_says_what_it_is_for_and_is_accessible(page: str, scheme: str, net: Net, watched: Make) -> None:
    seen = watched(scheme=scheme)
    shown = visit(seen, net.url, page)
    expect(shown.locator("#pulse")).to_have_class(re.compile("live"))
    if scheme == "light":
        shown.evaluate("() => { for (const one of document.querySelectorAll('details')) one.open = true; }")
    assert accessible(shown) == []
    assert seen.errors == []


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_wider_than_a_phone(page: str, net: Net, watched: Make) -> None:
    shown = visit(watched(width=360), net.url, page)
    wide = shown.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    if page == "grid":
        drawn = shown.get_by_role("region", name="One-line diagram")
        assert drawn.evaluate("one => one.scrollWidth - one.clientWidth") <= 0, "the diagram stands upright"


def test_the_head_follows_the_chain_and_an_interval_appears_by_itself(net: Net, watched: Make) -> None:
    seen = watched()
    page = visit(seen, net.url, "grid")
    expect(page.locator("#pulse")).to_contain_text("block")
    chosen = page.locator(".picker strong")
    before, interval = height(page), chosen.inner_text()
    expect(chosen).not_to_have_text(interval)
    grows(page, before)
    assert seen.errors == []


def test_charts_have_figures_and_go_home_as_svg_and_csv(net: Net, watched: Make, tmp_path: Path) -> None:
    page = visit(watched(), net.url, "grid")
    expect(page.locator("figure svg rect").first).to_be_visible()
    for button, begins in (("SVG", "<?xml"), ("CSV", "time,")):
        with page.expect_download() as download:
            page.locator("figure").first.get_by_role("button", name=button).click()
        kept = tmp_path / download.value.suggested_filename
        download.value.save_as(kept)
        text = kept.read_text()
        assert text.startswith(begins) and "var(--" not in text and "kWh" in text
    figure = page.locator("figure").first
    figure.locator("summary").press("Enter")
    expect(figure.locator("tbody tr").first).to_be_visible()
    rows = len(text.strip().splitlines()) - 1
    assert figure.locator("tbody tr").count() >= rows, "what is drawn can be read as a table"


def test_a_window_has_its_gap_its_bound_and_who_may_doubt_it(net: Net, watched: Make) -> None:
    """Builders on a slow machine may all be late: then the fallback is ordered, and nothing bounds it."""
    with urlopen(f"{net.url}/check/{net.interval}") as answer:
        found = json.load(answer)["solutions"]
    (ordered,) = (one for one in found if one["ordered"])
    bounded = any(one["member"] is not None and one["bound_nano"] is not None for one in found)
    seen = watched()
    page = visit(seen, net.url, f"dispatch/{net.interval}")
    told = page.locator("main")
    expect(told).to_contain_text(re.compile(r"Certificate gap\s*" + (r"[\d.]+ ppm" if bounded else "not bounded")))
    expect(told).to_contain_text(f"Checked by node {net.node}")
    expect(told).to_contain_text("gridpact dispatch verify")
    assert ordered["member"] is None or page.locator(f'a[href="#/ledger/tx/{ordered["transaction"]}"]').count() == 1
    assert seen.errors == []


def test_the_stack_is_marked_where_the_ordered_offers_end(net: Net, watched: Make) -> None:
    page = visit(watched(), net.url, f"dispatch/{net.interval}")
    with urlopen(f"{net.url}/query/explain/{net.interval}") as answer:
        told = json.load(answer)["data"]
    ordered_wh = sum(one["ordered_wh"] for one in told["offered"]["stack"]) + told["grid"]["import_wh"]
    kwh = f"{ordered_wh / 1000:,.3f}".rstrip("0").rstrip(".")
    expect(page.locator("figure").first).to_contain_text(f"ordered {kwh} kWh")


# Proofs


def newest(net: Net) -> str:
    with urlopen(f"{net.url}/transactions?limit=1") as answer:
        return str(json.load(answer)["transactions"][0]["hash"])


def verdict(page: Page) -> str:
    page.locator("#verify").click()
    told = page.locator("[data-verdict]")
    told.wait_for()
    return str(told.get_attribute("data-verdict"))


def test_the_browser_itself_proves_a_transaction(net: Net, watched: Make) -> None:
    seen = watched()
    seen.page.goto(f"{net.url}/#/ledger/tx/{newest(net)}")
    assert verdict(seen.page) == "proven"
    told = seen.page.locator("[data-verdict]").inner_text()
    assert "more than two thirds of the power" in told and "gave the code ok" in told
    assert seen.errors == []


CHANGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "a receipt": lambda proof: proof.update(receipt=flipped(proof["receipt"])),
    "an envelope": lambda proof: proof.update(envelope=flipped(proof["envelope"])),
    "a header": lambda proof: proof["header"].update(time_ms=proof["header"]["time_ms"] + 1),
    "a signature": lambda proof: proof["certificate"]["signatures"][0].__setitem__(
        1, flipped(proof["certificate"]["signatures"][0][1])
    ),
    "power": lambda proof: proof["validators"][0].update(power="1000000"),
    "signers": lambda proof: proof["certificate"].update(signatures=proof["certificate"]["signatures"][:2]),
    "a place": lambda proof: proof.update(index=proof["index"] + 1),
    "the way": lambda proof: proof.update(path=proof["path"][1:], size=proof["size"][:1]),
}


def flipped(text: str) -> str:
    at = len(text) // 2
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]


@pytest.mark.parametrize("what", CHANGES)
def test_a_proof_with_anything_changed_is_none(what: str, net: Net, watched: Make) -> None:
    page = watched().page

    def change(route: Route) -> None:
        answer = route.fetch()
        document = answer.json()
        CHANGES[what](document["proof"])
        route.fulfill(response=answer, json=document)

    page.route("**/tx/*?prove=1", change)
    page.goto(f"{net.url}/#/ledger/tx/{newest(net)}")
    assert verdict(page) == "false"


# The line to the node


def test_a_node_that_dies_is_missed_and_found_again_and_nothing_is_told_twice(net: Net, watched: Make) -> None:
    seen = watched()
    page = visit(seen, net.url, "ledger")
    expect(page.locator("#pulse")).to_have_class(re.compile("live"))
    page.evaluate("() => { window.marked = true; }")
    net.launcher.kill(net.node)
    expect(page.locator("#pulse")).to_contain_text("no word from the node")
    expect(page.get_by_role("status").first).to_contain_text("What is shown is of block")
    assert page.locator("table").count() > 0, "what was known stays"
    page.evaluate("() => { location.hash = '#/ledger/block/1'; }")
    expect(page.get_by_role("alert")).to_contain_text("can not be reached")
    net.launcher.restart(net.node)
    expect(page.locator("h2").first).to_have_text("Block 1")
    page.evaluate("() => { location.hash = '#/ledger'; }")
    expect(page.locator("main")).to_contain_text("The newest blocks")
    expect(page.locator("#pulse")).to_have_class(re.compile("live"))
    expect(page.get_by_role("status").first).to_have_text("The node is back.")
    grows(page, height(page))
    cells = page.locator("table").first.locator("tbody tr td:first-child").all_inner_texts()
    heights = [int(re.sub(r"\D", "", one)) for one in cells]
    assert len(set(heights)) == len(heights) and heights == sorted(heights, reverse=True)
    assert page.evaluate("() => window.marked") is True, "the page was never loaded anew"


def test_without_its_node_a_page_says_so_and_offers_to_try_again(net: Net, watched: Make) -> None:
    page = watched().page
    page.route("**/blocks?*", lambda route: route.abort())
    page.goto(f"{net.url}/#/ledger")
    expect(page.get_by_role("alert")).to_contain_text("can not be reached")
    page.unroute("**/blocks?*")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("main")).to_contain_text("The newest blocks")


def test_refusals_have_their_code_and_what_would_help(net: Net, watched: Make) -> None:
    page = watched().page
    page.goto(f"{net.url}/#/ledger/block/99999999")
    expect(page.get_by_role("alert")).to_contain_text("rpc.")
    expect(page.get_by_role("link", name="Dispatch").last).to_have_attribute("href", "#/dispatch/99999999")
    page.locator("#search").fill("1")
    page.keyboard.press("Enter")
    expect(page.locator("h2").first).to_have_text("Block 1")
    page.goto(f"{net.url}/#/ledger/tx/nonsense")
    expect(page.locator("main")).to_contain_text("64 hexadecimal digits")


# Keyboard


def test_everything_is_reached_by_keyboard(net: Net, watched: Make) -> None:
    page = visit(watched(), net.url, "grid")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"
    for _ in range(2):
        page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Dispatch"
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Dispatch")
    assert page.evaluate("() => document.activeElement.id") == "main", "reading goes on where the new page begins"
    page.locator("#interval").focus()
    page.keyboard.type(str(net.interval))
    page.keyboard.press("Enter")
    expect(page.locator(".picker strong")).to_have_text(f"Interval {net.interval}")
    page.goto(f"{net.url}/#/ledger")
    page.locator("#search").wait_for()
    page.locator("#search").focus()
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    expect(page.locator("h2").first).to_have_text("Block 1")


def test_colours_are_chosen_and_stay(net: Net, watched: Make) -> None:
    page = visit(watched(scheme="light"), net.url, "network")
    page.locator("#theme").click()
    page.locator("#theme").click()
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"
    page.reload()
    expect(page.locator("#theme")).to_have_text("Colours: dark")
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"


# What is private, and what is hostile


def test_a_key_file_reads_a_bill_and_never_leaves_the_browser(net: Net, watched: Make) -> None:
    seen = watched()
    page, sent = seen.page, []

    def keep(request: Request) -> None:
        sent.append(request.url + json.dumps(request.headers) + (request.post_data or ""))

    page.on("request", keep)
    page.goto(f"{net.url}/#/bill")
    key = net.keys / "tenant-07.json"
    page.locator("#key").set_input_files(key)
    expect(page.locator("main")).to_contain_text("Statement of tenant-07")
    expect(page.locator("main")).to_contain_text("consumption")
    seed = json.loads(key.read_text())["seed"]
    assert any("gridpact-reader" in one for one in sent), "it asks as that member"
    assert not any(seed in one for one in sent)
    kept = page.evaluate("() => JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])")
    assert seed not in kept and seen.errors == []


def gridpact(net: Net, *words: str) -> None:
    """One command about the devnet."""
    where = ["--dir", str(net.launcher.layout.root), "--timeout", str(int(PATIENCE_S))]
    subprocess.run([sys.executable, "-m", "devnet.cli", *words, *where], check=True, capture_output=True)


def test_a_wallet_file_opens_hidden_money_and_never_leaves_the_browser(net: Net, watched: Make) -> None:
    gridpact(net, "wallet", "create", "--as", "wind")
    gridpact(net, "tx", "deposit", "--as", "wind", "--amount-nano", "7000000000")
    seen, sent = watched(), list[str]()
    page = seen.page
    page.on("request", lambda request: sent.append(request.url + (request.post_data or "")))
    page.goto(f"{net.url}/#/bill")
    page.locator("#key").set_input_files(net.keys / "wind.json")
    expect(page.locator("main")).to_contain_text("reads as wind")
    wallet = net.launcher.layout.root / "wallets" / "wind.json"
    page.locator("#wallet").set_input_files(wallet)
    expect(page.locator("main")).to_contain_text(re.compile(r"Hidden balance\s*7\.0000\s*currency"))
    expect(page.locator("main")).to_contain_text("is the balance")
    secret = json.loads(wallet.read_text())["ciphertext"]
    assert not any(secret[:64] in one for one in sent)
    kept = page.evaluate("() => JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])")
    assert secret[:64] not in kept and seen.errors == []


def test_what_is_no_key_and_no_wallet_is_said(net: Net, watched: Make, tmp_path: Path) -> None:
    page = watched().page
    page.goto(f"{net.url}/#/bill")
    wrong = tmp_path / "wrong.json"
    for content, field, says in (
        ("nonsense", "#key", "not JSON"),
        ('{"kind": "meter"}', "#key", "no open account key"),
        ("{}", "#wallet", "no wallet"),
    ):
        wrong.write_text(content)
        page.locator(field).set_input_files([])
        page.locator(field).set_input_files(wrong)
        expect(page.locator("main")).to_contain_text(says)


def test_ten_thousand_blocks_and_words_that_would_be_scripts(long_chain: str, watched: Make) -> None:
    seen = watched()
    page = visit(seen, long_chain, "ledger")
    expect(page.locator("table").first).to_contain_text(f"{BLOCKS:,}".replace(",", " "))
    assert page.locator("tbody").first.locator("tr").count() == 25
    page.get_by_role("button", name="Older").first.click()
    expect(page.locator("caption").first).to_contain_text("Blocks below")
    with urlopen(f"{long_chain}/block/1") as answer:
        (hash_,) = json.load(answer)["payload"]
    page.goto(f"{long_chain}/#/ledger/tx/{hash_}")
    expect(page.locator("main")).to_contain_text(SCRIPT)
    assert page.locator("main img").count() == 0 and page.evaluate("() => window.broken") is None
    assert seen.errors == []


EMPTY = {
    "grid": "Nobody",
    "dispatch": "Nobody has needed or offered anything",
    "ledger": "The newest blocks",
    "trust": "Nobody has been convicted",
    "carbon": "carbon is booked when one closes",
    "bill": "Name a member",
    "network": "Nothing is stuck",
}


def test_where_nothing_has_happened_each_page_says_so_and_none_breaks(long_chain: str, watched: Make) -> None:
    seen = watched()
    for name, says in EMPTY.items():
        seen.page.goto(f"{long_chain}/#/{name}")
        expect(seen.page.locator("main")).to_contain_text(says)
        assert seen.page.get_by_role("alert").count() == 0, name
    assert seen.errors == []


def test_nothing_is_loaded_from_anywhere_else(net: Net, watched: Make) -> None:
    page, hosts = watched().page, set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    for name in PAGES:
        page.goto(f"{net.url}/#/{name}")
        page.wait_for_load_state("networkidle")
    assert hosts == {net.url.split("/")[2]}
