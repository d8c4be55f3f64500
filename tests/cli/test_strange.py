"""A node of another version, or one that lies: what it says in a strange form ends in a code, never in a traceback."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from node.accounts import Account
from node.cli import strange
from node.cli.output import LAST_MS, moment_of, utc
from node.client import Client, RpcError
from tests.cli.conftest import Devnet
from tests.support.pact import seed_of

Document = dict[str, Any]
COMMANDS = (
    ("status",),
    ("query", "member", "solar"),
    ("query", "meter", "solar-1"),
    ("query", "interval", "now"),
    ("query", "offences"),
    ("query", "corrections", "now"),
    ("trust", "show"),
    ("govern", "list"),
)
GONE = object()
STRANGE = (GONE, 7, "x", [5], {"y": None})


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something else could stand, down to the second floor and the first entry of a list."""
    if path:
        yield path
    inside = (
        document if isinstance(document, dict) else range(min(1, len(document))) if isinstance(document, list) else ()
    )
    for key in inside if len(path) < 2 else ():
        yield from places(document[key], (*path, key))


def changed(document: Document, path: tuple[Any, ...], value: Any) -> Document:
    made = copy.deepcopy(document)
    at: Any = made
    for key in path[:-1]:
        at = at[key]
    if value is GONE:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return made


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_strange_answer_is_shown_or_refused_with_a_code(
    command: tuple[str, ...], devnet: Devnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Document] = []
    read: Callable[..., Document] = Client._document

    def listen(self: Client, path: str, raw: bytes | str) -> Document:
        heard.append(read(self, path, raw))
        return heard[-1]

    monkeypatch.setattr(Client, "_document", listen)
    assert devnet.run(*command).exit_code == 0
    document = heard[-1]
    codes = set()
    for number, path in enumerate(places(document)):
        # Every place with some of the values, every value at many places.
        for value in (GONE, STRANGE[1 + number % 4]):
            answers = iter([changed(document, path, value)])

            def lie(self: Client, where: str, raw: bytes | str, answers: Iterator[Document] = answers) -> Document:
                known = where == "/status" and command != ("status",)
                return read(self, where, raw) if known else next(answers, None) or read(self, where, raw)

            monkeypatch.setattr(Client, "_document", lie)
            result = devnet.run(*command, "--json") if number % 5 == 0 else devnet.run(*command)
            assert result.exception is None or isinstance(result.exception, SystemExit), (path, value, result.exception)
            if result.exit_code:
                codes.add(json.loads(result.stdout)["code"] if number % 5 == 0 else "")
    assert codes, "something was refused"


def test_a_defect_of_the_program_is_blamed_on_no_node() -> None:
    strange.forget()
    strange.hear("http://node", "/health", {"ok": True, "message": "Fine."})
    strange.hear("http://node", "/nowhere", {})
    assert strange.strange() is None
    strange.hear("http://node", "/health", {"ok": True, "message": "Fine.", "more": 1})
    assert strange.strange() is None, "a newer node may say more"
    strange.hear("http://node", "/query/balance/solar", {"height": 1, "time_ms": 1})
    told = strange.strange()
    assert told is not None and told.code == "rpc.garbled" and "/query/balance/solar" in told.message and told.hint
    strange.forget()
    assert strange.strange() is None


@pytest.mark.parametrize("time_ms", [-(2**70), -1, 2**60, 2**90, LAST_MS, LAST_MS + 1])
def test_a_time_that_no_calendar_has_is_shown_all_the_same(time_ms: int) -> None:
    assert utc(time_ms).endswith(" UTC") and 1970 <= moment_of(time_ms).year <= 9999


@pytest.mark.parametrize(
    "data", [{}, None, {"keys": 5}, {"keys": [{}]}, {"keys": [{"public_key": "00"}], "lanes": [{"next_nonce": "x"}]}]
)
def test_an_account_that_is_told_strange_things_says_so(data: Any, devnet: Devnet) -> None:
    async def go() -> None:
        client = Client("http://127.0.0.1:9")

        async def member(name: str) -> Document:
            return {"height": 1, "time_ms": 1, "data": data}

        vars(client)["member"] = member
        with pytest.raises(RpcError) as refused:
            await Account("chain", "solar", seed_of("solar")).sync(client)
        assert refused.value.code == "rpc.garbled"

    devnet.call(go())
