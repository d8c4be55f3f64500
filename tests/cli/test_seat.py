"""`gridpact agent seat` and `gridpact query threshold`: a seat from a terminal, against a served chain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.ceremony.making import running
from contracts.genesis import DevnetClock
from contracts.params import SealedParams
from contracts.state import State
from node.agents import seat as agent
from tests.cli.conftest import Devnet
from tests.rpc.chain import Chain
from tests.rpc.test_seat import PACT, blocks, key_of, seat
from tests.support.pact import START_MS, VALIDATORS

OWN, *OTHERS = VALIDATORS
PATIENT = msgspec.structs.replace(PACT, sealed=SealedParams(on=True, window_blocks=100))
"""However slow the machine is, the seat of the terminal is not left out."""


@pytest.fixture
def devnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Devnet]:
    """A chain that wants a key."""
    monkeypatch.setattr("tests.cli.conftest.Chain", lambda clock: Chain(clock=clock, params=PATIENT))
    made = Devnet(tmp_path / "devnet", DevnetClock(START_MS, 0, 0))
    made.chain.proposers = VALIDATORS
    made.call(blocks(made.chain))
    yield made
    made.stop()


async def sit_with(chain: Chain) -> None:
    """The other seats, which go on in each phase once the first has spoken, and blocks until there is a key."""
    others = [seat(chain, name) for name in OTHERS]
    while key_of(chain) is None:
        now = running(State(chain.ledger))
        assert now is not None
        own = next(one for one in now.seats if one.member == OWN)
        has_spoken = {"register": own.key, "commit": own.commitment, "deal": own.dealt}.get(now.phase, True)
        if has_spoken:
            for one in others:
                await one.step()
        await chain.produce()
        await asyncio.sleep(0 if has_spoken else 0.1)
    await blocks(chain)


def test_a_seat_from_a_terminal_makes_the_key_with_the_others(devnet: Devnet, monkeypatch: pytest.MonkeyPatch) -> None:
    async def until_held(look: Any, is_over: object, say: object, poll_s: float) -> None:
        async with asyncio.timeout(60):
            while not look.__self__._shares:
                await look()

    monkeypatch.setattr(agent, "keep_looking", until_held)
    monkeypatch.setattr(agent, "LOOK_S", 0.02)
    playing = asyncio.run_coroutine_threadsafe(sit_with(devnet.chain), devnet.loop)
    said = devnet.run("agent", "seat", "--as", OWN, "--json")
    playing.result(60)
    assert said.exit_code == 0, said.output
    told = [json.loads(one)["said"] for one in said.stdout.splitlines()]
    assert any("holds share" in one for one in told)
    vault = devnet.root / "seats" / OWN
    assert vault.stat().st_mode & 0o077 == 0 and (devnet.root / "seats" / f"{OWN}.head").exists()

    shown = devnet.document("query", "threshold", "--prove")
    assert shown["data"]["running"]["phase"] == "done"
    (key,) = shown["data"]["keys"]
    assert key["key_id"] == shown["data"]["in_force"]
    assert [one["member"] for one in key["seats"]] == sorted(VALIDATORS)
    assert "threshold-key/" in shown["proven"]
    read = devnet.run("query", "threshold").output
    assert "in force: 3 of 4 seats open" in read
    assert "key_threshold" in devnet.run("query", "threshold", "--csv").output


def test_a_ledger_that_seals_nothing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Devnet(tmp_path / "devnet")
    try:
        plain.call(blocks(plain.chain))
        assert "sealed dispatch is off" in plain.run("query", "threshold").output
    finally:
        plain.stop()


def test_before_the_key_every_seat_stands_where_it_is(devnet: Devnet) -> None:
    devnet.call(seat(devnet.chain, OWN).step())
    devnet.call(blocks(devnet.chain))
    read = devnet.run("query", "threshold").output
    assert "seats register" in read and "registered" in read


def test_who_has_no_seat_key_is_told_so(devnet: Devnet) -> None:
    foreign = devnet.root / "keys" / "meters" / "solar-1.json"
    wrong = devnet.root / "keys" / "wrong.json"
    document = json.loads((devnet.root / "keys" / f"{OWN}.json").read_text())
    wrong.write_text(json.dumps(document | {"seed": json.loads(foreign.read_text())["seed"]}))
    answer = devnet.document("agent", "seat", "--as", OWN, "--key", str(wrong), exit_code=1)
    assert answer["code"] == "account.key"
