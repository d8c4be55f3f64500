"""A private bill as each member may see it, and agents that bill privately by what nodes prove."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from node.agents.proven import ProvenLedger
from node.billing import views
from node.billing.agents import CampusAgent, OwnerAgent, divide
from node.errors import NodeError
from node.wallet import account
from tests.rpc.builder_world import Node, founding
from tests.rpc.test_private_bill import CYCLE, OWNER, SOLD, USED, Site
from tests.support.pact import seed_of
from zk import notes


async def silent(body: object) -> str:
    raise AssertionError("who looks says nothing")


class Liar(Node):
    """A node that says this in place of every reading."""

    said: Any = None

    async def reading(self, meter: str, sequence: int | None = None, *, prove: bool = False) -> Any:
        return self.said


def owner_of(name: str) -> account.Owner:
    return account.Owner(name, notes.secret_of(seed_of(name)))


def entropy() -> bytes:
    return bytes(32)


def ledger_of(site: Site) -> ProvenLedger:
    return ProvenLedger([Node(site.chain)], founding(site.chain), now_ms=site.chain.now_ms)


def test_each_member_sees_its_own_and_the_campus_all() -> None:
    site = Site()

    async def go() -> None:
        await site.bill()
        ledger = ledger_of(site)
        seen = await views.of_owner(OwnerAgent(owner_of("wind"), ledger, silent, entropy), "campus", CYCLE)
        assert {one.meter: (one.energy_wh, one.amount_nano, one.state) for one in seen.lines} == {
            meter: (wh, wh, "due") for meter, wh in USED.items()
        }
        assert seen.total_wh is None
        seen = await views.of_owner(OwnerAgent(owner_of("solar"), ledger, silent, entropy), "campus", CYCLE)
        assert [(one.kind, one.energy_wh, one.state) for one in seen.lines] == [
            ("delivery", 2_900, "open"),
            ("share", 2_900, "open"),
        ]
        seen = await views.of_campus(CampusAgent(owner_of("campus"), ledger, silent, entropy), CYCLE)
        assert seen.total_wh == sum(USED.values())
        assert {(one.meter, one.kind): one.energy_wh for one in seen.lines} == {
            **{(meter, "use"): wh for meter, wh in USED.items()},
            **{(meter, kind): wh for meter, wh in SOLD.items() for kind in ("delivery", "share")},
        }
        assert {one.member for one in seen.lines} == set(OWNER.values())

    asyncio.run(go())


def test_a_stranger_to_a_bill_sees_nothing_of_it_and_another_key_opens_nothing() -> None:
    site = Site()

    async def go() -> None:
        await site.bill()
        ledger = ledger_of(site)
        seen = await views.of_owner(OwnerAgent(owner_of("campus"), ledger, silent, entropy), "campus", CYCLE)
        assert seen.lines == ()
        thief = account.Owner("solar", notes.secret_of(seed_of("wind")))
        with pytest.raises(NodeError) as refusal:
            await views.of_owner(OwnerAgent(thief, ledger, silent, entropy), "campus", CYCLE)
        assert refusal.value.code == "wallet.opening-lost"
        thief = account.Owner("campus", notes.secret_of(seed_of("wind")))
        seen = await views.of_campus(CampusAgent(thief, ledger, silent, entropy), CYCLE)
        assert all(one.energy_wh is None and one.amount_nano is None for one in seen.lines)
        with pytest.raises(NodeError) as refusal:
            await views.of_owner(OwnerAgent(owner_of("wind"), ledger, silent, entropy), "campus", CYCLE + 1)
        assert refusal.value.code == "billing.cycle"

    asyncio.run(go())


@pytest.mark.parametrize("raw", ["00", "no hex", None])
def test_a_node_that_shows_no_reading_but_nonsense_is_passed_over(raw: str | None) -> None:
    site = Site()

    async def go() -> None:
        await site.bill()
        liar = Liar(site.chain)
        ledger = ProvenLedger([liar, Node(site.chain)], founding(site.chain), now_ms=site.chain.now_ms)
        agent = OwnerAgent(owner_of("wind"), ledger, silent, entropy)
        for liar.said in ({"data": {"raw": raw}}, {"data": {}}, {}):
            seen = await views.of_owner(agent, "campus", CYCLE)
            assert {one.meter: one.energy_wh for one in seen.lines} == USED

    asyncio.run(go())


@pytest.mark.parametrize("whole_wh", [0, 1, 7, 91_000])
@pytest.mark.parametrize("weights", [(1,), (0, 0), (31, 30, 15, 15), (0, 5)])
def test_a_total_is_divided_without_a_rest(whole_wh: int, weights: tuple[int, ...]) -> None:
    parts = divide(whole_wh, weights)
    assert sum(parts) == whole_wh
    assert min(parts) >= 0
