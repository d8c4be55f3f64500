"""A ruled agent on a chain: it sees what is proven, says what its rules say, once, and stops where a limit is hit."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.bodies import Need, Offer, OfferBlock, SetMode, Tariff
from contracts.envelope import CODEC, AccountEnvelope
from contracts.members import Asset, AssetEnvelope
from contracts.schedule import window_start
from node.agents import ruled
from node.agents.builder import EXPIRY_BLOCKS
from node.agents.eyes import AHEAD, Eyes, Own
from node.agents.proven import ProvenLedger, Unproven
from node.agents.ruled import RuledAgent
from node.client import Account, Result, Wait
from node.disk import MemoryDisk
from node.rulebook.document import Rulebook
from node.rulebook.ledger import RuleLedger
from node.rulebook.sight import Forecast, Sight
from tests.rpc.builder_world import Lying, Mute, Node, founding
from tests.rpc.chain import INTERVAL, METERS, PARAMS, Chain
from tests.rulebook.sights import rulebook
from tests.support.pact import START_MS, meter, seed_of

NEXT = INTERVAL + 1
DAY = 96
OFFER = "true -> action = 'offer', meter = 'solar-1', blocks = [{wh = 'supply.mean', nano_per_wh = 'price.tariff / 2'}]"


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 30))


async def lived(days: int = 3) -> Chain:
    """A chain with a tariff, and on each of some days 1,000 Wh and more sold at the same time."""
    roles = {"campus": ("campus",), "wind": ("utility",)}
    chain = Chain(automatic=False, roles=roles, envelopes=(AssetEnvelope("solar-1", 40_000, 0),))
    for day in range(days):
        interval = NEXT + DAY * day
        energy_wh = 1_000 * (day + 1)
        for member, body in (
            ("solar", Offer("solar-1", interval, (OfferBlock(20_000, energy_wh),))),
            ("campus", Need(interval, 1, energy_wh, None, 0)),
        ):
            await chain.submit([chain.speaker.member(member, body)])
        await chain.produce()
        start_ms = interval * PARAMS.interval_ms
        await chain.produce(start_ms - PARAMS.gate_lead_ms)
        await chain.produce(start_ms)
        total = sum(1_000 * (before + 1) for before in range(day + 1))
        await chain.submit([chain.speaker.reading("solar-1", interval, 0, total)])
        await chain.submit([chain.speaker.reading("campus-1", interval, total)])
        await chain.produce()
        await chain.produce(start_ms + PARAMS.interval_ms + PARAMS.close_grace_ms)
    await chain.produce(chain.time_ms + 1)
    return chain


def agent(
    chain: Chain,
    rules: Rulebook,
    *,
    nodes: Sequence[Node] | None = None,
    disk: MemoryDisk | None = None,
    own: Mapping[str, Own] | None = None,
    said: list[str] | None = None,
    seen: list[Sight] | None = None,
    meters: Sequence[str] = ("solar-1",),
) -> RuledAgent:
    account = Account(chain.ledger.chain_id, "solar", seed_of("solar"))
    proven = ProvenLedger([Node(chain)] if nodes is None else nodes, founding(chain), lambda: chain.time_ms)
    eyes = Eyes(proven, "solar", account.reader(), meters, ["solar-1"], lambda interval: own or {}, START_MS)
    ledger = RuleLedger(Path("kept"), chain.ledger.chain_id, "solar", disk or MemoryDisk())
    told = [] if said is None else said
    keep = [] if seen is None else seen
    return RuledAgent(account, proven, eyes, rules, ledger, lambda interval, text: told.append(text), keep.append)


def test_it_sees_prices_history_and_its_own_and_offers_what_it_expects() -> None:
    async def go() -> None:
        chain = await lived()
        target = NEXT + 3 * DAY
        chain.automatic = True
        tariff = Tariff(target, 2, 150_000, 40_000, 1_000_000, 1_000_000, 0)
        seen: list[Sight] = []
        await chain.submit([chain.speaker.member("wind", tariff)])
        one = agent(chain, rulebook(OFFER, member="solar"), seen=seen)
        decision = await one.act(target)
        assert decision is not None and decision.stopped is None and decision.troubles == ()
        (sight,) = seen
        known = [interval for interval in (NEXT, NEXT + DAY, NEXT + 2 * DAY)]
        (roof,) = sight.meters
        assert (roof.kind, roof.give_wh, roof.take_wh) == ("source", 10_000, 0)
        assert (roof.expect.samples, roof.expect.mean, roof.expect.p10) == (len(known), 2_000, 1_000)
        assert roof.expect == sight.weather and sight.price.samples == 3
        assert sight.import_nano_per_wh == sight.ahead[0] and len(sight.ahead) <= AHEAD
        assert sight.mode == "grid" and sight.index_ppm > 0
        expected = Offer("solar-1", target, (OfferBlock(sight.import_nano_per_wh // 2, 2_000),))
        assert decision.bodies == (expected,)

    run(go())


def test_nobody_is_asked_for_what_was_before_the_chain() -> None:
    async def go() -> None:
        chain = await lived(1)
        asked: list[str] = []

        class Counting(Node):
            async def get(self, path: str, reader: Any = None, **options: str | int) -> dict[str, Any]:
                asked.append(path)
                return await super().get(path, reader, **options)

        one = agent(chain, rulebook(FIXED, member="solar"), nodes=[Counting(chain)])
        await one.act(NEXT + DAY)
        first = len(asked)
        assert f"/query/energy/{NEXT}/solar-1" in asked and first < 40, asked
        await one.act(NEXT + DAY + 1)
        # Of its time the day before there is nothing, and of the days before that nobody asks.
        assert not any("/query/energy/" in path for path in asked[first:])
        assert f"/query/interval/{NEXT + 1}" in asked and f"/query/interval/{NEXT - DAY}" not in asked

    run(go())


def test_what_a_storage_holds_is_the_ledgers_unless_its_owner_knows_better() -> None:
    async def go() -> None:
        cells = msgspec.structs.replace(
            meter("cells", "solar", "storage"),
            capacity_wh=9_000,
            asset=Asset(efficiency_n=24, efficiency_d=25, charge_wh=5_000),
        )
        chain = Chain(automatic=False, meters=(cells, *METERS))
        for _ in range(2):
            await chain.produce()
        for own, charge_wh in (({}, 5_000), ({"cells": Own(6_000)}, 6_000)):
            seen: list[Sight] = []
            one = agent(chain, rulebook(FIXED, member="solar"), own=own, seen=seen, meters=("cells",))
            await one.act(NEXT)
            (sight,) = seen[0].meters
            assert (sight.kind, sight.charge_wh, sight.capacity_wh) == ("storage", charge_wh, 9_000)

    run(go())


def test_what_it_knows_by_itself_comes_before_the_history() -> None:
    async def go() -> None:
        chain = await lived(1)
        seen: list[Sight] = []
        own = {"solar-1": Own(7, Forecast(5_000, 10, 1, 2, 3, 4))}
        await agent(chain, rulebook(OFFER, member="solar"), own=own, seen=seen).act(NEXT + DAY)
        assert (seen[0].meters[0].expect, seen[0].meters[0].charge_wh) == (own["solar-1"].expect, 7)
        assert seen[0].weather.mean == 1_000, "what is public is public"

    run(go())


def test_an_ordered_island_is_seen() -> None:
    async def go() -> None:
        chain = await lived(0)
        chain.automatic = True
        seen: list[Sight] = []
        await chain.submit([chain.speaker.member("campus", SetMode(NEXT, 1, "island", "storm"))])
        one = agent(chain, rulebook(OFFER, member="solar"), seen=seen)
        for interval in (NEXT, NEXT + 1):
            await one.act(interval)
        assert [sight.mode for sight in seen] == ["island", "grid"]

    run(go())


def test_it_acts_on_every_interval_of_a_window_before_the_window_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ruled, "POLL_S", 0.0)

    async def go() -> None:
        params = msgspec.structs.replace(PARAMS, window_intervals=4)
        chain = Chain(automatic=False, params=params, envelopes=(AssetEnvelope("solar-1", 40_000, 0),))
        first = window_start(params, INTERVAL) + 8
        # By its own start the interval after this one could still be offered for: its window is locked.
        await chain.produce((first - 3) * params.interval_ms)
        await chain.produce(chain.time_ms + 1)
        chain.automatic = True
        said: list[str] = []
        node = Node(chain)
        one = agent(chain, rulebook(FIXED, member="solar"), nodes=[node], said=said)
        await one.run(lambda: chain.time_ms, 4)
        assert node.heard == [Offer("solar-1", first + at, (OfferBlock(9, 700),)) for at in range(4)]
        assert not any("offer.late" in text for text in said)

    run(go())


FIXED = "true -> action = 'offer', meter = 'solar-1', blocks = [{wh = 700, nano_per_wh = 9}]"


class Forgetful(Node):
    """Takes an envelope, and says nothing of it."""

    async def submit(self, envelopes: Sequence[bytes], wait: Wait = "accepted", timeout_ms: int = 0) -> list[Result]:
        await super().submit(envelopes, wait, timeout_ms)
        raise OSError("gone")


def test_killed_after_it_spoke_it_says_nothing_twice_and_what_was_lost_is_said_again() -> None:
    async def go() -> None:
        chain = await lived(0)
        chain.automatic = True
        disk, rules = MemoryDisk(), rulebook(FIXED, member="solar")
        lost = agent(chain, rules, nodes=[Mute(chain), Node(chain)], disk=disk)
        # Nobody proves anything to it but the second node, and the first one swallows what it says.
        await lost.act(NEXT)
        lost._ledger.release()
        disk.crash()
        again = Node(chain)
        assert await agent(chain, rules, nodes=[again], disk=disk).act(NEXT) is None
        assert again.heard == [], "the first node said that it was final: nothing of it is left to say"

        other = MemoryDisk()
        quiet = Forgetful(chain)
        first = agent(chain, rules, nodes=[quiet], disk=other)
        decision = await first.act(NEXT + 1)
        assert decision is not None and len(first._ledger.page.pending) == 1
        first._ledger.release()
        other.crash()
        third = Node(chain)
        restarted = agent(chain, rules, nodes=[third], disk=other)
        assert await restarted.act(NEXT + 1) is None
        # It was taken: the nonce is used, and nothing is sent.
        assert third.heard == [] and restarted._ledger.page.pending == ()

    run(go())


class Deaf(Node):
    """Takes nothing."""

    async def submit(self, envelopes: Sequence[bytes], wait: Wait = "accepted", timeout_ms: int = 0) -> list[Result]:
        raise OSError("gone")


def test_what_has_expired_is_given_up_and_blocks_nothing_after_it() -> None:
    async def go() -> None:
        chain = await lived(0)
        disk, rules = MemoryDisk(), rulebook(FIXED, member="solar")
        first = agent(chain, rules, nodes=[Deaf(chain)], disk=disk)
        await first.act(NEXT)
        await first.act(NEXT + 1)
        signed = [CODEC.decode(raw) for raw in first._ledger.page.pending]
        assert [one.nonce for one in signed if isinstance(one, AccountEnvelope)] == [0, 1]
        first._ledger.release()
        for _ in range(EXPIRY_BLOCKS + 2):
            await chain.produce()
        chain.automatic = True
        node = Node(chain)
        again = agent(chain, rules, nodes=[node], disk=disk)
        await again.act(NEXT + 2)
        assert node.heard == [Offer("solar-1", NEXT + 2, (OfferBlock(9, 700),))]
        assert again._ledger.page.pending == ()

    run(go())


def test_what_no_node_took_is_sent_again_as_it_was_signed() -> None:
    async def go() -> None:
        chain = await lived(0)
        chain.automatic = True

        disk, rules = MemoryDisk(), rulebook(FIXED, member="solar")
        first = agent(chain, rules, nodes=[Deaf(chain)], disk=disk)
        await first.act(NEXT)
        (waiting,) = first._ledger.page.pending
        first._ledger.release()
        node = Node(chain)
        again = agent(chain, rules, nodes=[node], disk=disk)
        assert await again.act(NEXT) is None
        assert node.heard == [Offer("solar-1", NEXT, (OfferBlock(9, 700),))]
        assert again._ledger.page.pending == () and waiting
        # The next interval's words come behind it.
        assert (await again.act(NEXT + 1)) is not None
        assert node.heard[-1] == Offer("solar-1", NEXT + 1, (OfferBlock(9, 700),))

    run(go())


def test_a_limit_stops_it_says_so_once_and_is_not_lifted_by_a_restart() -> None:
    async def go() -> None:
        chain = await lived(0)
        chain.automatic = True
        said: list[str] = []
        disk, rules = MemoryDisk(), rulebook(FIXED, limits="least_free_tokens = 1000000000000", member="solar")
        one = agent(chain, rules, disk=disk, said=said)
        for interval in (NEXT, NEXT + 1):
            decision = await one.act(interval)
            assert decision is not None and decision.bodies == ()
        assert [text for text in said if "stops acting: rulebook.trust-limit" in text] == said and len(said) == 1
        one._ledger.release()
        node = Node(chain)
        again = agent(chain, rules, nodes=[node], disk=disk, said=said)
        await again.act(NEXT + 2)
        assert len(said) == 1 and node.heard == []
        again._ledger.release()
        freed = agent(chain, rulebook(FIXED, member="solar"), nodes=[node], disk=disk, said=said)
        await freed.act(NEXT + 3)
        assert said[1] == "it acts again" and len(node.heard) == 1

    run(go())


def test_figures_that_a_node_changes_are_believed_by_nobody() -> None:
    async def go() -> None:
        chain = await lived(1)

        def dearer(answer: dict[str, Any]) -> None:
            for entry in answer["proof"]["entries"]:
                entry["proof"] = entry["proof"][:-2] + ("00" if entry["proof"][-2:] != "00" else "01")

        for kind in ("rules", "member", "envelope", "interval"):
            with pytest.raises(Unproven):
                await agent(chain, rulebook(FIXED, member="solar"), nodes=[Lying(chain, kind, dearer)]).act(NEXT + DAY)
        seen: list[Sight] = []
        liar = Lying(chain, "energy", dearer)
        # What is not shown truly is as if it was not there.
        await agent(chain, rulebook(FIXED, member="solar"), nodes=[liar], seen=seen).act(NEXT + DAY)
        assert seen[0].weather.samples == 0
        both: list[Sight] = []
        await agent(chain, rulebook(FIXED, member="solar"), nodes=[liar, Node(chain)], seen=both).act(NEXT + DAY)
        assert both[0].weather.mean == 1_000
        assert msgspec.json.decode(msgspec.json.encode(both[0]), type=Sight) == both[0]

    run(go())
