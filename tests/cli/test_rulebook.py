"""`gridpact rulebook`: what would fire on a recorded day, without a node, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from contracts.genesis import DevnetClock
from node.cli.app import app
from node.light.session import load
from tests.cli.conftest import Devnet
from tests.rulebook.sights import INTERVAL, seen
from tests.support.pact import START_MS

BOOK = """
format = 1
member = "me"
[limits]
spend_nano_per_day = 150
[[rules]]
name = "buy"
when = "price.last < 200000"
do = { action = "bid", wh = 10, limit_nano_per_wh = 7 }
[[rules]]
name = "sell"
when = "price.last > 200000"
do = { action = "offer", meter = "roof", blocks = [{ wh = "supply.give_wh + 1", nano_per_wh = 5 }] }
"""


@pytest.fixture
def paths(tmp_path: Path) -> tuple[str, str]:
    """A rulebook and a day of five intervals, in the last of which it would sell more than it has."""
    book, day = tmp_path / "book.toml", tmp_path / "day.jsonl"
    book.write_text(BOOK)
    sights = [seen(interval=INTERVAL + at, last_nano_per_wh=300_000 if at == 4 else 100_000) for at in range(5)]
    day.write_bytes(b"\n".join(msgspec.json.encode(sight) for sight in sights) + b"\n")
    return str(book), str(day)


def run(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == exit_code, result.output
    return result.output


def test_a_day_is_told_rule_by_rule(paths: tuple[str, str]) -> None:
    shown = " ".join(run("rulebook", "check", paths[0], "--day", paths[1]).split())
    assert f"{INTERVAL}-{INTERVAL + 1}" in shown and "rulebook.rating" in shown
    assert "Stopped by rulebook.spending-limit in 2 intervals" in shown and "2 words" in shown


def test_a_day_is_told_interval_by_interval(paths: tuple[str, str]) -> None:
    told = json.loads(run("rulebook", "check", paths[0], "--day", paths[1], "--json"))
    assert told["fired"] == {"buy": 2, "sell": 0}
    first, *_, fourth, last = told["intervals"]
    assert first["says"] == [
        {"type": "need", "interval": INTERVAL, "count": 1, "energy_wh": 10, "limit_nano_per_wh": 7, "tier": 0}
    ]
    assert (first["may_cost_nano"], fourth["spent_nano"]) == ("70", "140")
    assert fourth["stopped"]["code"] == "rulebook.spending-limit"
    assert [trouble["code"] for trouble in last["troubles"]] == ["rulebook.rating"]


def test_the_names_are_listed_and_mistakes_are_codes(paths: tuple[str, str], tmp_path: Path) -> None:
    assert json.loads(run("rulebook", "facts", "--json"))["facts"]["price.tariff"] == 0
    assert "battery.room_wh" in run("rulebook", "facts")
    nowhere = str(tmp_path / "nowhere")
    for arguments, code in (
        (("check", paths[1]), "rulebook.syntax"),
        (("check", paths[0], "--day", nowhere), "rulebook.day"),
        (("check", paths[0], "--dir", nowhere), "rulebook.day"),
        (("check", nowhere), "rulebook.unreadable"),
    ):
        assert json.loads(run("rulebook", *arguments, "--json", exit_code=1))["code"] == code


SELLS = """
format = 1
member = "solar"
[limits]
[[rules]]
name = "sell"
when = "supply.give_wh > 0"
do = { action = "offer", meter = "solar-1", blocks = [{ wh = 700, nano_per_wh = 90_000 }] }
"""


@pytest.fixture
def devnet(tmp_path: Path) -> Iterator[Devnet]:
    """A chain that stands at its first moment."""
    made = Devnet(tmp_path / "devnet", DevnetClock(START_MS, 0, 0))
    yield made
    made.stop()


def test_a_rulebook_acts_from_a_terminal_and_what_it_saw_can_be_played_again(devnet: Devnet, tmp_path: Path) -> None:
    book, day, own = (tmp_path / name for name in ("book.toml", "day.jsonl", "own.json"))
    book.write_text(SELLS)
    own.write_text('{"solar-1": {"charge_wh": 5}}')
    options = ("--as", "solar", "--record", str(day), "--own", str(own), "--intervals", "1")
    for _ in range(2):
        devnet.call(devnet.chain.produce())
    done = devnet.run("agent", "run", "--rulebook", str(book), *options, "--json")
    assert done.exit_code == 0, done.output
    (said,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert said["said"] == "sell: says Offer"
    standing = devnet.document("query", "interval", str(said["interval"]))["data"]
    assert standing["offers"] == 1
    head = load(devnet.root / "rulebooks" / "solar.head")
    assert head is not None and head.height >= 2, "it goes on from what it believed, however old the chain is then"
    played = devnet.document("rulebook", "check", str(book), "--day", str(day))
    assert played["intervals"][0]["says"][0]["meter"] == "solar-1" and played["fired"] == {"sell": 1}
    book.write_text(SELLS.replace("700", "'700'").replace("supply.give_wh", "nothing.at_all"))
    wrong = devnet.run("agent", "run", "--rulebook", str(book), *options, "--json")
    assert wrong.exit_code == 1 and json.loads(wrong.stdout)["code"] == "rulebook.unknown"
