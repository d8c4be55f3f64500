"""What a node finds of a window afterwards is what its judge found, with the gap that the ledger does not keep."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from contracts.bodies import Wager
from contracts.governance.bodies import RevokeAccess
from contracts.params import WagerParams
from contracts.program.documents import unpack
from contracts.program.verdict import Refusal as BadSolution
from contracts.schema import CASES
from contracts.state import State
from contracts.wagers.sealing import seal
from contracts.windows import kept_case
from node.access.rights import Denied
from node.building import packed
from node.rpc import recheck
from node.rpc.errors import Refusal
from node.rpc.limits import MAX_CHECKS
from node.solver.build import build
from tests.rpc.builder_world import PACT, STAKE, TARGET, builder, next_phase, opened, play, round_of, run, wager_of
from tests.rpc.chain import METERS, Chain, Wireless, everybody


async def asked(chain: Chain, interval: int = TARGET) -> dict[str, Any]:
    return await Wireless(chain).get(f"/check/{interval}")


def test_the_gap_of_every_candidate_is_found_again_from_the_ledger_alone() -> None:
    async def go() -> None:
        chain = await opened()
        both = [builder(chain, name) for name in ("biodiesel", "campus")]
        await play(chain, lambda: asyncio.gather(*(one.step() for one in both)))
        found, judged = await asked(chain), round_of(chain)
        fallback, *solutions = found["solutions"]
        assert (found["window"], found["count"], found["round"]) == (TARGET, 1, 0)
        assert fallback["member"] is None and fallback["cost_nano"] == judged.fallback_nano
        assert [one["member"] for one in solutions] == list(judged.builders)
        assert [one["member"] for one in found["solutions"] if one["ordered"]] == [judged.builder]
        for one in solutions:
            wagered = wager_of(chain, one["member"])
            assert wagered is not None and one["cost_nano"] == wagered.cost_nano
            assert one["certified"] and one["cost_nano"] - one["bound_nano"] <= found["threshold_nano"]
            assert one["gap_ppm"] == (one["cost_nano"] - one["bound_nano"]) * 1_000_000 // found["base_nano"]
            place = await Wireless(chain).get(f"/tx/{one['transaction']}")
            assert place["data"]["envelope"]["body"]["type"] == "reveal-solution"
            assert place["data"]["envelope"]["sender"] == one["member"]

    run(go())


def test_what_was_refused_is_told_with_the_rule_that_it_breaks_and_where() -> None:
    """One builder orders what nobody offered, one shows what is no solution, and one is certified."""

    async def go() -> None:
        chain = await opened()
        case = kept_case(State(chain.ledger), TARGET)
        assert case is not None
        good = packed(build(case, 60.0).solution)
        right = unpack(good)
        assert not isinstance(right, BadSolution)
        wrong = packed(msgspec.structs.replace(right, round_id="0" * 64))
        shown = {"biodiesel": good, "campus": wrong, "wind": b"nonsense"}

        async def say(bodies: dict[str, Any]) -> None:
            await chain.submit([chain.speaker.member(name, body) for name, body in bodies.items()])
            await chain.produce()

        await say({name: Wager(0, "least-cost", STAKE) for name in shown})
        await next_phase(chain)
        await next_phase(chain)
        sealed = {name: seal(chain.ledger.chain_id, 0, name, bytes(32), raw) for name, raw in shown.items()}
        await say({name: commit for name, (commit, _) in sealed.items()})
        await next_phase(chain)
        await say({name: reveal for name, (_, reveal) in sealed.items()})
        await next_phase(chain)
        found = {one["member"]: one for one in (await asked(chain))["solutions"]}
        told = {name: (found[name]["refusal"] or {}).get("code") for name in shown}
        assert told == {"biodiesel": None, "campus": "dispatch.round", "wind": "dispatch.malformed"}
        for name, code in told.items():
            judged = wager_of(chain, name)
            assert judged is not None and (judged.verdict == "infeasible") == (code is not None)
            assert (found[name]["cost_nano"] is None) == (code is not None)

    run(go())


def test_a_window_is_checked_once_and_with_the_rights_of_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        chain, checks = await opened(), list[int]()
        one = builder(chain, "campus")
        await play(chain, one.step)
        check = recheck._checked

        def counted(*given: Any) -> Any:
            checks.append(1)
            return check(*given)

        monkeypatch.setattr(recheck, "_checked", counted)
        again = recheck.Recheck(chain.ledger)
        for _ in range(3):
            await again.of(TARGET, everybody(chain))
        assert checks == [1]
        await chain.submit([chain.speaker.member("solar", RevokeAccess(("orders", "offers", "needs"), ()))])
        await chain.produce()
        with pytest.raises(Denied):
            await again.of(TARGET, everybody(chain))

    run(go())


def test_so_many_wait_for_checks_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for old windows all the time neither fills the server with waiting nor hinders what is known."""

    async def go() -> None:
        chain = await opened()
        again, gate = recheck.Recheck(chain.ledger), asyncio.Event()

        async def held(*_: Any) -> list[Any]:
            await gate.wait()
            return []

        monkeypatch.setattr(again, "_revealed", held)
        await play(chain, builder(chain, "campus").step)
        asked = [asyncio.create_task(again.of(TARGET, everybody(chain))) for _ in range(MAX_CHECKS + 3)]
        while sum(one.done() for one in asked) < 3:
            await asyncio.sleep(0)
        gate.set()
        ended = await asyncio.gather(*asked, return_exceptions=True)
        refused = [one for one in ended if isinstance(one, Refusal)]
        assert [one.code for one in refused] == ["rpc.busy"] * 3
        assert (await again.of(TARGET, everybody(chain)))["window"] == TARGET

    run(go())


def test_where_needs_and_offers_say_it_all_there_is_nothing_to_bound_and_before_the_order_nothing_at_all() -> None:
    async def go() -> None:
        chain = Chain(meters=METERS, params=msgspec.structs.replace(PACT, wagering=WagerParams()))
        await opened(chain)
        assert State(chain.ledger).load(CASES, CASES.key(TARGET)) is None
        found = await asked(chain)
        assert (found["round"], found["base_nano"], found["solutions"]) == (None, None, [])
        with pytest.raises(Refusal) as refused:
            await asked(chain, TARGET + 1)
        assert refused.value.code == "rpc.unknown-order" and refused.value.hint

    run(go())
