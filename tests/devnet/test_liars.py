"""Lies are what they are meant to be: feasible and dear, or infeasible, or a contradiction that convicts by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from consensus.evidence import DuplicateVote, decode
from contracts.program.case import Block, Case, Connection, Demand, Source
from contracts.program.check import check
from contracts.program.verdict import Refusal, Verdict
from devnet.errors import DevnetError
from devnet.liars import FAVOUR_WH, equivocate, favour, promise_more
from node.client import Client
from node.home import init_home
from node.solver.build import build
from zk.ed25519 import verify

TIMES = 2


def case(own_wh: int = 10_000, import_wh: int = 50_000, demand_wh: int = 20_000, ramp_wh: int | None = 10_000) -> Case:
    """Sun, wind and the grid feed a campus; the liar's plant is dearer than all of them."""

    def plant(id_: str, owner: str, price: int, energy_wh: int, ramp: int | None = None) -> Source:
        blocks = (Block(price, energy_wh),) if energy_wh else ()
        return Source(id_, owner, (blocks,) * TIMES, ramp_wh=ramp)

    sources = (
        plant("pv", "solar", 50_000, 6_000),
        plant("turbine", "wind", 60_000, 5_000),
        plant("genset", "bio", 310_000, own_wh, ramp_wh),
    )
    grid = Connection(
        "grid", "utility", (220_000,) * TIMES, (40_000,) * TIMES, (import_wh,) * TIMES, (0,) * TIMES, (1,) * TIMES
    )
    demands = (Demand("campus", (demand_wh,) * TIMES), Demand("tenant", (1_000,) * TIMES, 1))
    return Case("lies", TIMES, TIMES, "00" * 32, sources, connections=(grid,), demands=demands)


@pytest.mark.parametrize(("import_wh", "saved"), [(50_000, 220_000), (0, 60_000)])
def test_a_liar_sells_its_own_dear_energy_in_a_dispatch_that_is_feasible(import_wh: int, saved: int) -> None:
    of = case(import_wh=import_wh, demand_wh=20_000 if import_wh else 8_000)
    best = build(of, 60.0)
    found = check(of, favour(of, best.solution, "bio"))
    assert isinstance(found, Verdict)
    assert found.schedule.source_wh[2] == [wh + FAVOUR_WH for wh in best.verdict.schedule.source_wh[2]]
    assert found.schedule.served_wh == best.verdict.schedule.served_wh
    # In place of import, or of wind where there is none.
    assert found.cost_nano - best.verdict.cost_nano == TIMES * FAVOUR_WH * (310_000 - saved)
    assert best.verdict.certified and not found.certified


@pytest.mark.parametrize("of", [case(own_wh=0), case(ramp_wh=None)])
def test_who_has_nothing_dear_to_sell_builds_what_all_do(of: Case) -> None:
    honest = build(of, 60.0).solution
    assert favour(of, honest, "bio") == honest
    assert favour(case(), build(case(), 60.0).solution, "nobody").total_wh == ((0,) * TIMES,)


@pytest.mark.parametrize("of", [case(), case(ramp_wh=None), case(own_wh=0)])
def test_to_promise_more_than_there_is_is_infeasible(of: Case) -> None:
    honest = build(of, 60.0).solution
    assert isinstance(check(of, honest), Verdict)
    assert isinstance(check(of, promise_more(of, honest)), Refusal)


class Teller(Client):
    """A node that takes evidence, or knows it already."""

    def __init__(self, answer: str) -> None:
        super().__init__("http://node")
        self.told: list[bytes] = []
        self._answer = answer

    async def status(self) -> dict[str, Any]:
        return {"height": 7}

    async def report(self, evidence: bytes) -> dict[str, Any]:
        self.told.append(evidence)
        return {"status": self._answer}


def test_two_votes_that_the_validators_own_key_signed_convict_it(tmp_path: Path) -> None:
    identity = init_home(tmp_path / "node", "wind", None, devnet=True, address="127.0.0.1:1")
    deaf, kept = Teller("known"), Teller("kept")
    raw = asyncio.run(equivocate("wind", tmp_path / "node", "chain-1", [deaf, kept]))
    assert deaf.told == kept.told == [raw]
    evidence = decode(raw)
    assert isinstance(evidence, DuplicateVote)
    first, second = evidence.first, evidence.second
    assert (first.voter, first.height, first.round, first.kind) == ("wind", 7, 0, second.kind)
    assert first.block_id != second.block_id
    for vote in (first, second):
        assert verify(identity.node.consensus_key, vote.sign_bytes("chain-1"), vote.signature)
    with pytest.raises(DevnetError, match=r"devnet\.equivocate"):
        asyncio.run(equivocate("wind", tmp_path / "node", "chain-1", [deaf]))
