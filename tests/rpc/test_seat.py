"""Seats as agents: they make a key by themselves, open what the ledger asks, and nothing that a node asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.ceremony import keys, openings
from contracts.ceremony.bodies import Complain, Deal, GiveShare, RegisterSeat
from contracts.ceremony.making import recipients
from contracts.ceremony.records import Ceremony, OpeningRecord, ThresholdKey
from contracts.context import BlockContext
from contracts.envelope import CODEC
from contracts.params import SealedParams
from contracts.state import State
from node.agents import seat as agent
from node.agents.proven import ProvenLedger, Unproven
from node.agents.seat import Duty, Seat
from node.agents.vault import Vault
from node.client import Account, Client, Result, RpcError, Wait
from node.disk import Disk, MemoryDisk, RealDisk
from node.errors import NodeError
from tests.rpc.builder_world import Lying, Mute, Node, founding, run
from tests.rpc.chain import PARAMS, Chain
from tests.support.pact import VALIDATORS, seed_of
from zk import ceremony as making
from zk import elgamal, notes
from zk.hashing import sha256

PACT = msgspec.structs.replace(PARAMS, sealed=SealedParams(on=True, window_blocks=12))
VAULT = Path("/vault")
Asking = Callable[[State, BlockContext], object]


def sealing() -> Chain:
    chain = Chain(params=PACT)
    chain.proposers = VALIDATORS
    return chain


def seat(
    chain: Chain,
    member: str,
    nodes: Sequence[Client] = (),
    disk: Disk | None = None,
    said: list[str] | None = None,
    kind: type[Seat] = Seat,
) -> Seat:
    ledger = ProvenLedger(nodes or [Node(chain)], founding(chain), now_ms=chain.now_ms)
    vault = Vault(VAULT / member, chain.ledger.chain_id, member, disk or MemoryDisk())
    account = Account(chain.ledger.chain_id, member, seed_of(member))
    return kind(account, ledger, vault, (said if said is not None else []).append)


def key_of(chain: Chain) -> ThresholdKey | None:
    return keys.key_in_force(State(chain.ledger))


async def blocks(chain: Chain, count: int = 2) -> None:
    for _ in range(count):
        await chain.produce()


async def play(chain: Chain, seats: Sequence[Callable[[], Seat]], most: int = 30) -> ThresholdKey:
    """Every seat acts, block after block, until there is a key; and once more."""
    for _ in range(most):
        await blocks(chain)
        for one in seats:
            await one().step()
        if (made := key_of(chain)) is not None:
            await blocks(chain)
            for one in seats:
                await one().step()
            return made
    raise AssertionError("no key was made")


def constant(chain: Chain, said: list[str]) -> list[Callable[[], Seat]]:
    """Seats that nobody kills."""
    return living([seat(chain, name, said=said) for name in VALIDATORS])


def living(seats: Sequence[Seat]) -> list[Callable[[], Seat]]:
    return [partial(_same, one) for one in seats]


def _same(one: Seat) -> Seat:
    return one


async def decide(chain: Chain, monkeypatch: pytest.MonkeyPatch, contract: Asking) -> None:
    """A block in which a contract does something by itself, and the one that proves it."""

    def deciding(state: State, context: BlockContext) -> tuple[()]:
        contract(state, context)
        return ()

    with monkeypatch.context() as patch:
        patch.setattr(openings, "advance", deciding)
        await chain.produce()
    await chain.produce()


async def asked(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, value: int, of: ThresholdKey | None = None
) -> OpeningRecord:
    """A contract asks for a value under a key, by default the one in force, to be opened."""
    made = of or key_of(chain)
    assert made is not None
    ciphertext = elgamal.encrypt(value, b"\7" * 32, elgamal.decode(made.point, made.point).E)
    e, r = ciphertext.E.to_bytes(), ciphertext.R.to_bytes()
    wanted = openings.Opening(made.key_id, "price", 5, 1, r, e)
    await decide(chain, monkeypatch, lambda state, context: openings.ask(state, context, wanted))
    return opening(chain, 0)


def opening(chain: Chain, number: int) -> OpeningRecord:
    found = openings.load(State(chain.ledger), number)
    assert found is not None
    return found


def is_open(chain: Chain, value: int) -> bool:
    record = opening(chain, 0)
    return record.outcome == "opened" and elgamal.is_value(elgamal.decode(record.point, record.point).E, value)


def test_four_seats_make_a_key_and_open_what_the_ledger_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        chain, said = sealing(), list[str]()
        seats = constant(chain, said)
        made = await play(chain, seats)
        assert len(made.dealers) == 4
        assert sum("holds share" in text for text in said) == 4
        await asked(chain, monkeypatch, 31_000)
        for one in seats:
            await one().step()
        assert is_open(chain, 31_000)

    run(go())


def test_seats_that_are_killed_after_every_step_go_on_where_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        chain = sealing()
        node = Node(chain)
        disks = {name: MemoryDisk() for name in VALIDATORS}

        def reborn(name: str) -> Callable[[], Seat]:
            def born() -> Seat:
                disks[name].crash()
                one = seat(chain, name, [node], disks[name])
                one.vault.release()
                return one

            return born

        seats = [reborn(name) for name in VALIDATORS]
        await play(chain, seats)
        await asked(chain, monkeypatch, 9)
        for one in seats:
            await one().step()
        assert is_open(chain, 9)
        # Nobody has dealt or registered twice: what was said again was the same, and refused.
        dealt = [body for body in node.heard if isinstance(body, Deal)]
        assert len({body.vector for body in dealt}) == len(VALIDATORS)
        assert len({body.key for body in node.heard if isinstance(body, RegisterSeat)}) == len(VALIDATORS)

    run(go())


class Cheat(Seat):
    """Deals the first seat another share than its polynomial has."""

    async def _attempt(self, now: Ceremony | None) -> list[Duty]:
        duties = await super()._attempt(now)
        return [duty._replace(make=partial(self._false, now, duty.make)) if now else duty for duty in duties]

    def _false(self, now: Ceremony, make: Callable[[], Any]) -> Any:
        body = make()
        if not isinstance(body, Deal):
            return body
        victim = now.seats[recipients(now.seats)[0] - 1]
        route = making.route(making.Attempt(self.ledger.chain_id, now.epoch, now.attempt), self.member, victim.member)
        false = notes.seal(victim.key, b"\1" * 32, entropy=b"\2" * 32, **route)
        return msgspec.structs.replace(body, shares=(false, *body.shares[1:]))


def test_the_victim_of_a_cheating_dealer_complains_and_the_others_make_the_key() -> None:
    async def go() -> None:
        chain, said = sealing(), list[str]()
        kinds = {VALIDATORS[-1]: Cheat}
        seats = [seat(chain, name, said=said, kind=kinds.get(name, Seat)) for name in VALIDATORS]
        made = await play(chain, living(seats))
        assert made.dealers == tuple(VALIDATORS[:-1])
        assert any("dealt what is no share" in text for text in said)
        # The cheat has shares of the others all the same.
        assert sum("holds share" in text for text in said) == 4

    run(go())


def test_a_seat_gives_no_share_of_what_only_a_node_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The node shows another sum than the ledger has asked about: it would open a single offer."""

    async def go() -> None:
        chain = sealing()
        made = await play(chain, constant(chain, []))
        other = elgamal.encrypt(3, b"\3" * 32, elgamal.decode(made.point, made.point).E)
        record = await asked(chain, monkeypatch, 31_000)

        def swap(answer: dict[str, Any]) -> None:
            for entry in answer["proof"]["entries"]:
                text = entry.get("value") or ""
                entry["value"] = text.replace(record.R.hex(), other.R.to_bytes().hex())

        liar = Lying(chain, "threshold", swap)
        fooled = seat(chain, VALIDATORS[0], [liar])
        with pytest.raises(Unproven):
            await fooled.step()
        assert not [body for body in liar.heard if isinstance(body, GiveShare)]

    run(go())


class Full(Node):
    """A node that hears everything, and has no room for it."""

    async def submit(self, envelopes: Sequence[bytes], wait: Wait = "accepted", timeout_ms: int = 0) -> list[Result]:
        self.heard += [CODEC.decode(raw).body for raw in envelopes]
        return [Result(sha256(raw), "refused", "mempool.full") for raw in envelopes]


def test_a_share_that_is_refused_is_given_again_after_ever_more_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        chain = sealing()
        seats = [seat(chain, name) for name in VALIDATORS]
        await play(chain, living(seats))
        await asked(chain, monkeypatch, 31_000)
        full, one = Full(chain), seats[0]
        one.ledger.nodes = [full]
        tried = []
        for _ in range(12):
            before = len(full.heard)
            await one.step()
            tried.append(len(full.heard) - before)
        assert tried == [1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0]
        assert {type(body) for body in full.heard} == {GiveShare}

    run(go())


def test_no_node_talks_a_seat_into_a_false_complaint() -> None:
    """It shows other dealings than there are: by a complaint of them the seat would lose trust, and show its share."""

    async def go() -> None:
        chain, said = sealing(), list[str]()

        def garble(answer: dict[str, Any]) -> None:
            for entry in answer["proof"]["entries"]:
                if entry["value"]:
                    entry["value"] = entry["value"][:-2] + ("00" if entry["value"][-2:] != "00" else "01")

        liar = Lying(chain, "dealing", garble)
        fooled = seat(chain, VALIDATORS[0], [liar], said=said)
        others = [seat(chain, name) for name in VALIDATORS[1:]]
        troubles = 0
        while key_of(chain) is None:
            await blocks(chain)
            for one in (fooled, *others):
                try:
                    await one.step()
                except Unproven:
                    troubles += 1
        assert troubles and not [body for body in liar.heard if isinstance(body, Complain)]
        # With an honest node beside the liar it has its share.
        fooled.ledger.nodes = [liar, Node(chain)]
        await blocks(chain)
        await fooled.step()
        assert any("holds share" in text for text in said)

    run(go())


def test_a_node_that_keeps_everything_to_itself_stops_no_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        chain = sealing()
        seats = [seat(chain, name, [Mute(chain, "http://mute"), Node(chain)]) for name in VALIDATORS]
        await play(chain, living(seats))
        await asked(chain, monkeypatch, 4)
        for _ in range(3):
            for one in seats:
                await one.step()
            await blocks(chain, 3)
        assert is_open(chain, 4)

    run(go())


def test_a_seat_erases_its_secret_once_the_ledger_has_retired_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before: a round that has pinned the key may still need its share."""

    async def go() -> None:
        chain = sealing()
        seats = constant(chain, [])
        made = await play(chain, seats)
        await decide(chain, monkeypatch, lambda state, context: keys.pin(state, made.key_id))
        await decide(chain, monkeypatch, keys.supersede)
        await asked(chain, monkeypatch, 12, made)
        for one in seats:
            await one().step()
        assert is_open(chain, 12)
        assert all(one().vault.find(made.epoch, made.attempt) for one in seats)
        await decide(chain, monkeypatch, lambda state, context: keys.unpin(state, context, made.key_id))
        for one in seats:
            await one().step()
            assert one().vault.page.kept == ()
            assert one()._shares == {} and one()._parts == {}

    run(go())


def test_a_seat_without_its_vault_says_so_and_spoils_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        chain, said = sealing(), list[str]()
        await play(chain, constant(chain, []))
        await asked(chain, monkeypatch, 5)
        fresh = seat(chain, VALIDATORS[0], said=said)
        await fresh.step()
        assert any("another vault" in text for text in said)
        assert opening(chain, 0).shares == ()

    run(go())


def test_a_seat_is_ready_to_find_sums_before_any_round_can_use_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table takes a second: the first round of a pact would wait for it, and may fail for that."""

    async def go() -> None:
        chain, ready = sealing(), list[int]()

        async def noted() -> None:
            ready.append(chain.ledger.height)

        monkeypatch.setattr(agent, "prepare", noted)
        made = await play(chain, constant(chain, []))
        assert len(ready) == len(VALIDATORS) and min(ready) >= made.made_height

    run(go())


class Telling(Node):
    """A node that tells of new blocks, or of none that there are."""

    async def events(
        self, topics: Sequence[str] = ("block",), cursor: str | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        while True:
            await asyncio.sleep(0.005)
            yield {"type": "block"}


class Untold(Node):
    """A node that has no events."""

    async def events(
        self, topics: Sequence[str] = ("block",), cursor: str | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        raise RpcError("rpc.unreachable", "There is no node.")
        yield {}


@pytest.mark.parametrize(("kind", "look_s"), [(Telling, 5.0), (Untold, 0.005)])
def test_running_seats_look_with_every_block_and_also_when_nobody_tells_of_any(
    kind: type[Node], look_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> None:
        monkeypatch.setattr(agent, "LOOK_S", look_s)
        chain = sealing()
        sitting = [asyncio.ensure_future(seat(chain, name, [kind(chain)]).run()) for name in VALIDATORS]
        while key_of(chain) is None:
            await blocks(chain)
            await asyncio.sleep(0.005)
        for one in sitting:
            one.cancel()
        ended = await asyncio.gather(*sitting, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended)

    run(go())


# The vault


def test_a_vault_is_private_and_of_one_process_member_and_chain(tmp_path: Path) -> None:
    path = tmp_path / "seat"
    vault = Vault(path, "chain-1", "wind", RealDisk())
    drawn = vault.draw(3, 1)
    assert vault.draw(3, 1) == drawn != vault.draw(3, 2)
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(NodeError) as locked:
        Vault(path, "chain-1", "wind", RealDisk())
    assert locked.value.code == "seat.locked"
    vault.release()
    again = Vault(path, "chain-1", "wind", RealDisk())
    assert again.find(3, 1) == drawn
    again.erase_others({(3, 2)})
    assert again.find(3, 1) is None and drawn not in path.read_bytes()
    again.release()
    for chain_id, member in (("chain-2", "wind"), ("chain-1", "solar")):
        with pytest.raises(NodeError) as foreign:
            Vault(path, chain_id, member, RealDisk())
        assert foreign.value.code == "seat.foreign"


def test_a_damaged_vault_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seat"
    vault = Vault(path, "chain-1", "wind", RealDisk())
    vault.draw(3, 1)
    vault.release()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(NodeError) as damaged:
        Vault(path, "chain-1", "wind", RealDisk())
    assert damaged.value.code == "seat.corrupt"
