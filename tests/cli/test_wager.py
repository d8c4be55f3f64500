"""Wagering by hand: from the wager to the verdict, and each way in which the commands refuse."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.bodies import Need
from contracts.params import WagerParams
from contracts.program.case import Solution
from contracts.program.check import check
from contracts.program.documents import unpack
from contracts.program.verdict import Verdict
from node import building
from node.client import Client, RpcError
from node.errors import NodeError
from tests.cli.conftest import Devnet
from tests.rpc.chain import INTERVAL, PARAMS
from tests.support.pact import VALIDATORS

TARGET = INTERVAL + 2
TERMS = WagerParams(on=True, wager_ms=60_000, commit_ms=60_000, reveal_ms=60_000, minimum_trust_tokens=1)
WAGERING = msgspec.structs.replace(PARAMS, wagering=TERMS)
BUILDERS = ("biodiesel", "campus", "wind")


@pytest.fixture
def devnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Devnet]:
    """Round 0 takes wagers on the dispatch of `TARGET`."""
    monkeypatch.setattr("tests.rpc.chain.PARAMS", WAGERING)
    made = Devnet(tmp_path / "devnet")
    made.chain.proposers = VALIDATORS
    made.document("tx", "offer", "--as", "solar", "--meter", "solar-1", "--interval", str(TARGET), "--block", "50:900")
    speaker = made.chain.speaker
    made.call(made.chain.submit([speaker.member("campus", Need(TARGET, 1, 1_000, None, 1))]))
    produce(made, TARGET * PARAMS.interval_ms - PARAMS.gate_lead_ms)
    yield made
    made.stop()


def produce(devnet: Devnet, time_ms: int) -> None:
    """Blocks at and after a moment, as many as any phase needs."""
    devnet.call(devnet.chain.produce(time_ms))
    for _ in range(6):
        devnet.call(devnet.chain.produce())


def round_(devnet: Devnet, *options: str) -> dict[str, Any]:
    data: dict[str, Any] = devnet.document("query", "round", "0", *options)["data"]
    return data


def drawn(devnet: Devnet) -> None:
    for member in BUILDERS:
        done = devnet.document("tx", "wager", "0", "--as", member, "--tokens", "20")
        assert (done["code"], done["round"], done["claim"], done["amount_tokens"]) == ("ok", 0, "least-cost", "20")
    produce(devnet, round_(devnet)["ends_ms"])
    assert sorted(round_(devnet)["builders"]) == list(BUILDERS)


def test_a_round_by_hand_from_the_wager_to_the_verdict(devnet: Devnet, tmp_path: Path) -> None:
    shown = round_(devnet)
    assert (shown["phase"], shown["judge"], shown["subject"]) == ("wager", "dispatch", TARGET)
    assert (shown["minimum_wager_tokens"], shown["minimum_trust_tokens"]) == ("10", "1")
    refused = devnet.document("query", "dispatch", str(TARGET), exit_code=1)
    assert refused["code"] == "rpc.not-ordered" and "round 0" in refused["hint"]
    drawn(devnet)
    liar, *honest = round_(devnet)["builders"]
    lie = tmp_path / "lie"
    lie.write_bytes(b"nonsense")
    files = {name: str(tmp_path / f"{name}.json") for name in BUILDERS}
    devnet.document("tx", "commit-solution", "0", "--as", liar, "--keep", files[liar], "--solution", str(lie))
    for name in honest:
        done = devnet.document("tx", "commit-solution", "0", "--as", name, "--keep", files[name])
        assert done["code"] == "ok" and len(done["commitment"]) == 64
    produce(devnet, round_(devnet)["ends_ms"])
    for name in (liar, *honest):
        assert devnet.document("tx", "reveal", "--as", name, "--sealed", files[name])["code"] == "ok"
    produce(devnet, round_(devnet)["ends_ms"])
    judged = round_(devnet, "--prove")
    assert (judged["phase"], judged["outcome"], judged["builder"]) == ("judged", "builder", honest[0])
    verdicts = {one["member"]: (one["verdict"], one["lost_tokens"]) for one in judged["placed"]}
    assert verdicts == {liar: ("infeasible", "20"), **dict.fromkeys(honest, ("best", "0"))}
    ordered = devnet.document("query", "dispatch", str(TARGET), "--prove")["data"]
    assert (ordered["status"], ordered["builder"], ordered["round"]) == ("ordered", honest[0], 0)
    assert (ordered["served_wh"], ordered["shed_wh"]) == (900, 100), "an island without a utility"
    said = devnet.run("query", "round", "0").output
    assert "infeasible" in said and "judged" in said
    listed = devnet.document("query", "rounds", "--prove")["data"]
    assert (listed["count"], listed["undecided"], listed["rounds"][0]["number"]) == (1, [], 0)
    assert "dispatch" in devnet.run("query", "rounds").output
    assert devnet.document("query", "rounds", "--before", "0")["data"]["rounds"] == []
    columns, *rows = devnet.run("query", "round", "0", "--csv").stdout.splitlines()
    assert "wager_verdict" in columns and len(rows) == 3


def test_the_case_is_what_the_ledger_orders_by(devnet: Devnet) -> None:
    answer = devnet.call(_case(devnet, TARGET))
    case = building.read_case(answer)
    raw = asyncio.run(building.make_solution(case))
    solution = unpack(raw)
    assert isinstance(solution, Solution)
    verdict = check(case, solution)
    assert isinstance(verdict, Verdict)
    assert verdict.certified and verdict.schedule.served_wh == [[900]]
    produce(devnet, TARGET * PARAMS.interval_ms)
    ordered = devnet.document("query", "dispatch", str(TARGET))["data"]
    assert (ordered["price_nano_per_wh"], ordered["shed_wh"]) == (verdict.price_nano_per_wh[0][0], 100)
    for broken in ({}, {"data": None}, {"data": {"case": {**answer["data"]["case"], "intervals": 0}}}):
        with pytest.raises(NodeError, match=r"builder\.case"):
            building.read_case(broken)


async def _case(devnet: Devnet, interval: int) -> dict[str, Any]:
    async with Client(devnet.url) as client:
        try:
            return await client.query("case", str(interval))
        except RpcError as error:
            return {"code": error.code}


def test_an_interval_that_is_not_locked_has_no_case_yet(devnet: Devnet) -> None:
    assert devnet.call(_case(devnet, TARGET + 3)) == {"code": "rpc.unknown-case"}


def test_what_the_commands_refuse(devnet: Devnet, tmp_path: Path) -> None:
    def code(*arguments: str) -> str:
        answer = devnet.document(*arguments, exit_code=1)
        assert answer["message"] and answer["hint"]
        return str(answer["code"])

    keep = str(tmp_path / "new.json")
    assert code("tx", "wager", "0", "--as", "wind", "--tokens", "20", "--claim", "cheap") == "cli.claim"
    assert code("tx", "wager", "1", "--as", "wind", "--tokens", "20") == "wager.round"
    assert code("tx", "wager", "0", "--as", "wind", "--tokens", "1") == "wager.minimum"
    assert code("tx", "commit-solution", "0", "--as", "wind", "--keep", keep) == "wager.phase"
    assert code("tx", "commit-solution", "0", "--as", "wind", "--keep", keep) == "builder.kept", "it holds a salt"
    assert code("tx", "commit-solution", "0", "--as", "wind", "--keep", str(tmp_path)) == "builder.kept"
    nowhere = str(tmp_path / "none" / "x")
    assert code("tx", "commit-solution", "0", "--as", "wind", "--keep", nowhere) == "cli.write"
    missing = ("--keep", str(tmp_path / "other.json"), "--solution", nowhere)
    assert code("tx", "commit-solution", "0", "--as", "wind", *missing) == "cli.solution"
    assert code("tx", "commit-solution", "7", "--as", "wind", "--keep", nowhere) == "rpc.unknown-round"
    assert code("tx", "reveal", "--as", "wind", "--sealed", nowhere) == "builder.sealed"
    broken = tmp_path / "broken.json"
    for text in ("", "{}", json.dumps({**json.loads(Path(keep).read_text()), "salt": "00"})):
        broken.write_text(text)
        assert code("tx", "reveal", "--as", "wind", "--sealed", str(broken)) == "builder.sealed"
    assert code("query", "round", "1") == "rpc.unknown-round"


def test_a_salt_is_never_used_twice(tmp_path: Path) -> None:
    first, second = (building.sealed("chain", 0, "wind", b"same") for _ in range(2))
    assert first.bodies()[0] != second.bodies()[0]
    building.keep(tmp_path / "file", first)
    assert building.kept(tmp_path / "file") == first


def test_salt_and_solution_are_on_disk_for_nobody_else_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    synced: list[Path] = []
    fsync = os.fsync

    def seen(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").resolve())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", seen)
    building.keep(path, building.sealed("chain", 0, "wind", b"solution"))
    assert synced == [path, tmp_path] and path.stat().st_mode & 0o777 == 0o600
