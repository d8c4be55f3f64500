"""`gridpact doctor`: a node by its address, by its home, or all of a devnet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node.home import init_home
from tests.cli.conftest import Devnet
from tests.support import pact
from zk.codec import encode


def test_a_node_that_answers_and_is_well(devnet: Devnet) -> None:
    document = devnet.document("doctor", "--node", devnet.url)
    assert document["healthy"] is True
    (node,) = document["nodes"]
    assert node["height"] == devnet.chain.ledger.height
    assert node["findings"] == []
    assert "nothing is wrong" in devnet.run("doctor", "--node", devnet.url).stdout


def test_a_node_that_does_not_answer(devnet: Devnet) -> None:
    document = devnet.document("doctor", "--node", "http://127.0.0.1:9", exit_code=1)
    ((finding,),) = [node["findings"] for node in document["nodes"]]
    assert finding["code"] == "node.unreachable"
    assert "--home" in finding["fix"]


def test_without_a_wish_every_home_of_the_devnet(devnet: Devnet) -> None:
    document = devnet.document("doctor", exit_code=1)
    assert [node["node"] for node in document["nodes"]] == ["wind", "solar"]
    assert {node["findings"][0]["code"] for node in document["nodes"]} == {"config.missing-file"}


def test_a_home_in_sentences_with_what_helps(tmp_path: Path, invoke: Callable[..., Any]) -> None:
    init_home(tmp_path / "a", "campus", None, devnet=True)
    (tmp_path / "a" / "genesis.mp").write_bytes(encode(pact.genesis()))
    result = invoke("doctor", "--home", str(tmp_path / "a"))
    assert result.exit_code == 1
    assert f"The node of {tmp_path / 'a'} is not running. (node.stopped)" in result.stdout
    assert f"-> gridpact start --home {tmp_path / 'a'}" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--home", "x", "--node", "http://127.0.0.1:9"), "cli.usage"),
        (("--node", "nonsense"), "cli.node"),
        (("--dir", "/nonexistent"), "cli.no-node"),
    ],
)
def test_wrong_input_says_what_is_right(invoke: Callable[..., Any], arguments: tuple[str, ...], code: str) -> None:
    result = invoke("doctor", *arguments, "--json")
    assert result.exit_code == 1
    assert f'"code": "{code}"' in result.stdout


def test_a_home_that_is_none_is_a_finding(invoke: Callable[..., Any]) -> None:
    result = invoke("doctor", "--home", "/nonexistent", "--json")
    assert result.exit_code == 1
    assert '"code": "config.missing-file"' in result.stdout
