"""Lies are what they are meant to be: feasible and dear, or infeasible, or a contradiction that convicts by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from consensus.evidence import DuplicateVote, decode
from contracts.dispatch import Demand, Grid, Market, Supply, check, clear
from contracts.wagers import merit_order
from devnet.errors import DevnetError
from devnet.liars import FAVOUR_WH, equivocate, favour, serve_less
from node.client import Client
from node.home import init_home
from zk.ed25519 import verify

SUN = Supply("solar", "pv", 50_000, 10, 6_000)
WIND = Supply("wind", "turbine", 60_000, 10, 5_000)
GRID = Grid("utility", 220_000, 40_000, 50_000, 0, 400_000)


def market(own_wh: int = 10_000, grid: Grid | None = GRID, demand_wh: int = 20_000) -> Market:
    """Sun, wind and the grid feed a campus; the liar's plant is dearer than all of them."""
    own = Supply("bio", "genset", 310_000, 20, own_wh)
    demands = [Demand("campus", demand_wh, None, 0), Demand("tenant", 1_000, None, 1)]
    return Market(bytes(32), [SUN, WIND, own], demands, grid, 4_000_000, 4_000_000, 5_000)


def shown(plan: bytes, of: Market) -> tuple[Any, int] | None:
    found = merit_order.PLAN.decode(plan)
    supplied = merit_order.spread(of, found.supplied_wh)
    assert supplied is not None
    return check(of, supplied, found.served_wh, found.import_wh, found.export_wh)


@pytest.mark.parametrize("grid", [GRID, None])
def test_a_liar_sells_its_own_dear_energy_in_a_dispatch_that_is_feasible(grid: Grid | None) -> None:
    of = market(grid=grid, demand_wh=20_000 if grid else 8_000)
    best, found = clear(of), shown(favour(of, "bio"), of)
    assert found is not None
    planned, cost = found
    assert planned.supplied_wh[2] == best.supplied_wh[2] + FAVOUR_WH
    assert sum(planned.served_wh) == sum(best.served_wh) and planned.shed_wh == 0
    # In place of import, or of sun where there is none.
    assert cost - merit_order.cost_nano(of, best) == FAVOUR_WH * (310_000 - (220_000 if grid else 50_000))


def test_who_has_nothing_dear_to_sell_builds_the_merit_order() -> None:
    of = market(own_wh=0)
    assert favour(of, "bio") == merit_order.solve(of) == favour(of, "nobody")


def test_to_serve_less_and_deliver_the_same_is_infeasible() -> None:
    of = market()
    assert shown(merit_order.solve(of), of) is not None
    assert shown(serve_less(of), of) is None


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
