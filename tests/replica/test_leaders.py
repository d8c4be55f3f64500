"""Whose turn it is, on whole networks: the same for everybody, what a dead member costs, and what a cartel can do."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.messages import Proposal
from consensus.proposers import FAILED, FLOOR_PERCENT, Record, draw, leader_weights, window_heights
from consensus.validators import ValidatorSet
from contracts import api
from contracts.bodies import Transfer
from contracts.genesis import ConsensusParams
from contracts.records import EpochMix
from contracts.schema import MIX, MIXES
from contracts.state import State
from devnet.simulator.machine import Machine
from devnet.simulator.plan import node_names
from node.chain import height_context
from node.leaders import Leaders
from node.ledger.ledger import Ledger
from node.peer.wire import CODECS, Frame
from node.seats import Sets, validators_of
from tests.support.memory import MemoryNetwork
from tests.support.pact import VALIDATORS, Speaker, genesis

LIMIT_MS = 60_000
EPOCH = 4


class Traffic:
    """A network in which somebody always wants something, so that heights pass."""

    def __init__(
        self, nodes: tuple[str, ...] = VALIDATORS, seed: int = 0, sets: Sets | None = None, **more: Any
    ) -> None:
        pact = genesis(validators=nodes, consensus=ConsensusParams(target_block_ms=10, epoch_blocks=EPOCH))
        self.net = MemoryNetwork(pact, seed=seed, delay_ms=(1, 2), sets=sets, **more)
        self.speaker = Speaker(self.net.genesis.chain_id())
        self.net.start()

    @property
    def up(self) -> list[Machine]:
        return self.net.alive()

    def heights(self, count: int) -> None:
        """So many more heights of everybody who is up."""
        goal = max(machine.ledger.height for machine in self.up) + count
        while min(machine.ledger.height for machine in self.up) < goal:
            sender, target = self.up[0].node, self.up[1].node
            self.up[0].submit(self.speaker.member(sender, Transfer(target, 1, "")))
            below = min(machine.ledger.height for machine in self.up)
            assert self.net.reached(partial(self._are_above, below), LIMIT_MS), self.net.describe()

    def _are_above(self, height: int) -> bool:
        return min(machine.ledger.height for machine in self.up) > height

    def wasted(self, first: int, last: int) -> list[int]:
        """Rounds that each height took before its block."""
        headers = [self.up[0].ledger.header(height) for height in range(first, last + 1)]
        return [header.proposer_round for header in headers if header is not None]


def order_of(leaders: Leaders, seats: int) -> list[str]:
    proposers = leaders.proposers()
    return [proposers.proposer(round_).id for round_ in range(seats)]


# The same for everybody


def sets_that_change(height: int) -> ValidatorSet:
    """Seven seats in every other epoch, else four: the window grows and shrinks."""
    every = validators_of(genesis(validators=node_names(7))).seats
    return ValidatorSet(every if (height - 1) // EPOCH % 2 else every[:4])


@settings(max_examples=3)
@given(st.integers(0, 2**16), st.sampled_from(node_names(7)[:4]), st.integers(1, 9), st.integers(1, 9))
def test_turns_are_the_same_after_a_restart_a_sync_and_a_look_at_the_ledger(
    seed: int, victim: str, before: int, away: int
) -> None:
    run = Traffic(node_names(7), seed, sets_that_change)
    run.heights(before)
    machine = run.net.machines[victim]
    machine.crash()
    run.heights(away)
    machine.start()
    run.heights(3)
    heights = {one.ledger.height for one in run.up}
    known = [one.driver.replica for one in run.up if one.driver is not None and one.ledger.height == max(heights)]
    fresh = height_context(known[0].ledger, sets_that_change)
    for replica in known:
        context = replica._context
        assert (context.height, context.mix) == (fresh.height, fresh.mix)
        assert [context.proposers.proposer(number) for number in range(9)] == [
            fresh.proposers.proposer(number) for number in range(9)
        ]
    ledger = known[0].ledger
    reopened = Ledger.open(ledger._store, ledger.genesis)
    assert reopened.mix == ledger.mix == ledger.mix_at(ledger.height)


def test_a_window_that_grows_takes_back_what_had_left_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Followed all along, or read at once: with windows of 3 and 5 heights that take turns."""
    monkeypatch.setattr("node.leaders.window_heights", lambda seats: 3 if seats == 4 else 5)
    run = Traffic(node_names(7), 3, sets_that_change)
    run.net.machines[node_names(7)[0]].crash()
    for _ in range(16):
        run.heights(1)
        for machine in run.up:
            assert machine.driver is not None
            followed = machine.driver.replica._leaders
            read = Leaders(machine.ledger, sets_that_change)
            seats = len(sets_that_change(machine.ledger.height + 1))
            assert order_of(followed, seats) == order_of(read, seats)
            assert list(followed._window) == list(read._window)


def test_an_epoch_ends_with_its_mix_on_the_ledger() -> None:
    run = Traffic()
    ledger = run.up[0].ledger
    assert State(ledger).load(MIXES, MIX) is None
    while ledger.height < 3 * EPOCH + 1:
        run.heights(1)
        ended = ledger.height // EPOCH * EPOCH
        record = State(ledger).load(MIXES, MIX)
        assert record == (EpochMix(ended, ledger.mix_at(ended)) if ended else None)
    assert len({ledger.mix_at(height) for height in range(ledger.height + 1)}) == ledger.height + 1


# What it costs


@pytest.mark.parametrize("seats", [4, 7])
def test_a_dead_member_costs_one_round_of_a_height_at_first_and_almost_none_after_its_window(seats: int) -> None:
    nodes = node_names(seats)
    run = Traffic(nodes)
    run.heights(10)
    run.net.machines[nodes[-1]].crash()
    died = run.up[0].ledger.height + 1
    window = window_heights(seats)
    run.heights(2 * window)
    first, later = run.wasted(died, died + window - 1), run.wasted(died + window, died + 2 * window - 1)
    assert max(first + later) == 1
    # Until two heights after its second failure it has its full share; then the floor, 5% of it.
    assert 1 <= sum(first) <= 4
    assert sum(later) <= 2


def test_a_cartel_that_votes_nil_on_a_rival_leaves_it_its_floor() -> None:
    """Two of four prevote nil on what solar proposes, as if they had not heard it. None of its blocks is decided, and
    it keeps 5% of its turns."""
    run = Traffic()
    rival, cartel = "solar", ("biodiesel", "campus")

    def drop(_sender: str, target: str, frame: Frame, body: bytes) -> bool:
        if frame is not Frame.CONSENSUS or target not in cartel:
            return False
        message: Any = CODECS[frame].decode(body)
        return isinstance(message, Proposal) and message.block.header.proposer == rival

    run.net.drop = drop
    run.heights(40)
    driver, ledger = run.net.machines["wind"].driver, run.net.machines["wind"].ledger
    assert driver is not None
    replica = driver.replica
    record: Record = replica._leaders._record
    validators = replica._context.validators
    weights = leader_weights(validators, record)
    share = Fraction(weights[validators.index[rival]], sum(weights))
    assert record._failed[rival] and record.reputation(rival) == FAILED
    headers = [ledger.header(height) for height in range(2, ledger.height + 1)]
    assert all(header is not None and header.proposer != rival for header in headers)
    assert Fraction(FLOOR_PERCENT, 100) / 4 <= share < Fraction(1, 50)
    # And it does come first now and then.
    led = [draw(validators, ledger.mix, ledger.chain_id, height, weights).proposer(0).id for height in range(2_000)]
    assert 8 <= led.count(rival) <= 60


def test_who_contradicts_itself_has_no_turn_from_the_next_height_on() -> None:
    """Two machines with wind's key: their votes differ as soon as only one of them hears a proposal."""
    seats = validators_of(genesis())
    run = Traffic(sets=lambda _height: seats, twins=("wind",))
    run.net.drop = lambda _sender, target, frame, body: (
        target == "wind~2" and frame is Frame.CONSENSUS and isinstance(CODECS[frame].decode(body), Proposal)
    )
    ledger = run.net.machines["solar"].ledger
    named = None
    for _ in range(60):
        run.heights(1)
        if api.is_tombstoned(State(ledger), "wind"):
            named = ledger.height
            break
    assert named is not None
    run.heights(6)
    for height in range(named + 1, ledger.height + 1):
        turn, header = ledger.turn(height), ledger.header(height)
        assert header is not None and header.proposer != "wind" and "wind" not in turn.passed
    order = order_of(Leaders(ledger, lambda _height: seats), 8)
    assert "wind" not in order and len(set(order)) == 3
