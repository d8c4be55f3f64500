"""`gridpact token` and `gridpact keys rpc`: what a node that other machines reach is started with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node import config
from node.clock import wall_ms
from node.rpc import tokens
from node.rpc.exposure import protect

Invoke = Callable[..., Any]


@pytest.fixture
def home(tmp_path: Path, invoke: Invoke) -> Path:
    made = tmp_path / "home"
    assert invoke("init", "--home", str(made), "--id", "solar", "--devnet").exit_code == 0
    return made


def document(invoke: Invoke, home: Path, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
    result = invoke(*arguments, "--home", str(home), "--json")
    assert result.exit_code == exit_code, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_a_home_is_made_fit_for_other_machines_by_two_commands(home: Path, invoke: Invoke) -> None:
    document(invoke, home, "keys", "rpc", "--name", "grid.example", "--name", "192.168.1.7")
    made = document(invoke, home, "token", "add", "laptop", "--days", "7", "--submit")
    served = config.load(home / "config.toml").rpc
    assert served.names == ("grid.example", "192.168.1.7")
    exposure = protect("0.0.0.0", home, served.tls_certificate, served.tls_key, wall_ms)
    assert exposure.tls is not None and exposure.tokens is not None
    assert all((home / name).stat().st_mode & 0o077 == 0 for name in ("rpc-key.pem", tokens.FILE_NAME))
    (listed,) = document(invoke, home, "token", "list")["tokens"]
    assert (listed["name"], listed["scope"]) == ("laptop", "submit")
    assert listed["expires_ms"] - listed["made_ms"] == 7 * tokens.DAY_MS
    secret = made["token"].partition(".")[2]
    assert secret not in json.dumps(listed) and secret not in invoke("token", "list", "--home", str(home)).output
    assert document(invoke, home, "token", "remove", "laptop") == {"removed": "laptop"}
    assert document(invoke, home, "token", "list")["tokens"] == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("token", "add", "Laptop"), "rpc.token-name"),
        (("token", "add", "laptop", "--days", "400"), "rpc.token-days"),
        (("token", "remove", "laptop"), "rpc.token-unknown"),
    ],
)
def test_what_is_asked_wrongly_gets_a_code(home: Path, invoke: Invoke, arguments: tuple[str, ...], code: str) -> None:
    answer = document(invoke, home, *arguments, exit_code=1)
    assert answer["code"] == code and answer["hint"]


def test_making_a_token_twice_under_one_name_is_refused(home: Path, invoke: Invoke) -> None:
    document(invoke, home, "token", "add", "laptop")
    assert document(invoke, home, "token", "add", "laptop", exit_code=1)["code"] == "rpc.token-exists"
