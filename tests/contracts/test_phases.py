"""When phases end and who is drawn: neither a stall nor proposers with up to a third decide either."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import Chain
from wager_world import AMOUNT, PARAMS, SEATED, TARGET, drawn, next_phase, opened, round_of, wager, wager_of, wagering

from consensus.messages import MAX_VALIDATORS
from contracts import api
from contracts.context import BlockContext
from contracts.schema import ROUNDS
from contracts.state import State
from contracts.wagers import phases, rounds
from contracts.wagers.records import MAX_HEARD


class Ruled(Chain):
    """A chain whose proposers are chosen by the test."""

    turns: tuple[str, ...] = ()

    def context(self) -> api.BlockContext:
        context = super().context()
        return context._replace(proposer=self.turns[self.height % len(self.turns)]) if self.turns else context


SEATED_NODES = tuple(f"node-{name}" for name in SEATED)


def ruled(*turns: str, bonds: dict[str, int] | None = None) -> Ruled:
    genesis = wagering()
    trusts = tuple(
        msgspec.structs.replace(one, bonded_tokens=(bonds or {}).get(one.member, one.bonded_tokens))
        for one in genesis.trusts
    )
    chain = Ruled(msgspec.structs.replace(genesis, trusts=trusts))
    chain.turns = tuple(f"node-{name}" for name in turns)
    chain.block(chain.need("campus", TARGET, 30_000))
    chain.at(TARGET, -1_800_000).block()
    return chain


def blocks(chain: Chain, count: int, number: int = 0) -> list[str]:
    """Phases after each of so many blocks."""
    found = []
    for _ in range(count):
        chain.block()
        found.append(round_of(chain, number).phase)
    return found


def waits(chain: Chain) -> bool:
    """Whether the chain makes its next block even if it is empty."""
    return api.phase_open(State(chain.store))


def test_a_phase_takes_words_for_its_time_and_then_for_a_height_per_seat() -> None:
    chain = opened()
    chain.now_ms = round_of(chain).ends_ms - 1
    before = dict(chain.store)
    assert blocks(chain, 9) == ["wager"] * 9 and not waits(chain)
    assert chain.store == before, "nothing is written for a phase that only waits for its time"
    assert chain.deadline_ms() == round_of(chain).ends_ms
    chain.now_ms += 1
    assert blocks(chain, 1) == ["wager"] and waits(chain)
    assert wager(chain, "bio") == "ok", "who is late by less than a turn of an honest proposer is still heard"
    assert blocks(chain, 3) == ["wager", "wager", "draw"], "four seats, four blocks"


def test_an_idle_chain_makes_the_blocks_that_a_phase_needs_and_no_more() -> None:
    chain = opened()
    assert not waits(chain)
    chain.now_ms = round_of(chain).ends_ms
    made = 1
    chain.block()
    while waits(chain):
        chain.block()
        made += 1
    assert made == 4 + 1 + 2 and round_of(chain).phase == "judged", "a wager phase, and a draw from two proposers"


def test_every_phase_is_closed_alike() -> None:
    chain = opened()
    drawn(chain, SEATED)
    for phase, then in (("commit", "reveal"), ("reveal", "judged")):
        assert blocks(chain, 6) == [phase] * 6 and not waits(chain)
        chain.now_ms = round_of(chain).ends_ms
        assert blocks(chain, 5) == [phase] * 4 + [then]


@pytest.mark.parametrize("turns", [("solar",), ("node-nobody",)])
def test_proposers_with_a_third_can_not_end_a_phase(turns: tuple[str, ...]) -> None:
    """One of four with equal power proposes alone, for as long as it likes."""
    chain = ruled(*turns)
    chain.now_ms = round_of(chain).ends_ms
    assert set(blocks(chain, 40)) == {"wager"} and waits(chain)
    chain.turns = ("node-bio", "node-solar")
    assert "draw" in blocks(chain, 4)


def test_a_third_is_counted_in_power() -> None:
    """Bonds of 16 to 1 to 1 to 1 weigh 4 to 1 to 1 to 1, capped at 30%: less than 1/3, and two small ones are more."""
    for turns, ends in ((("bio",), False), (("campus",), False), (("campus", "solar"), True), (("bio", "solar"), True)):
        chain = ruled(*turns, bonds={"bio": 160_000})
        chain.now_ms = round_of(chain).ends_ms
        assert ("draw" in blocks(chain, 12)) == ends, turns


def test_proposers_are_counted_from_the_end_of_the_time_on() -> None:
    """Those before it may all have censored; whoever spoke in time is in the block of an honest one after it."""
    chain = ruled(*SEATED)
    blocks(chain, 8)
    assert round_of(chain).heard == () and round_of(chain).closing_height == 0
    chain.turns = ("node-bio",)
    chain.now_ms = round_of(chain).ends_ms
    assert set(blocks(chain, 12)) == {"wager"} and round_of(chain).heard == ("bio",)
    chain.turns = SEATED_NODES
    assert "draw" in blocks(chain, 3)


def test_heard_stops_growing_once_it_is_enough() -> None:
    chain = ruled(*SEATED)
    chain.now_ms = round_of(chain).ends_ms
    blocks(chain, 3)
    assert len(round_of(chain).heard) == 2 and round_of(chain).randomness == b""
    before = dict(chain.store)
    chain.block()
    assert chain.store == before


# Drawing


def eligible(chain: Chain) -> None:
    for member in ("bio", "campus", "solar", "storage", "tenant", "utility"):
        assert wager(chain, member) == "ok"


def test_the_draw_comes_from_mixes_that_nobody_knew_when_wagering() -> None:
    """Other mixes after the deadline draw others; other mixes before it change nothing."""

    class Mixed(Chain):
        early, late = b"\x01", b"\x01"

        def context(self) -> BlockContext:
            context = super().context()
            drawing = ROUNDS.key(0) in self.store and round_of(self).phase == "draw"
            return context._replace(mix=(self.late if drawing else self.early) * 32)

    def builders(early: bytes, late: bytes) -> tuple[str, ...]:
        chain = Mixed(wagering())
        chain.early, chain.late = early, late
        chain.block(chain.need("campus", TARGET, 30_000))
        chain.at(TARGET, -1_800_000).block()
        eligible(chain)
        next_phase(chain)
        next_phase(chain)
        return round_of(chain).builders

    assert builders(b"\x01", b"\x05") == builders(b"\x09", b"\x05")
    assert len({builders(b"\x01", bytes([late])) for late in range(12)}) > 3


def test_the_last_of_the_proposers_decides_the_draw_never_one_alone() -> None:
    """Whoever withholds its block leaves the draw to the next: it chooses between being heard and not, once."""
    chain = ruled("bio", "solar", "campus")
    eligible(chain)
    next_phase(chain)
    blocks(chain, 1)
    assert round_of(chain).phase == "draw" and len(round_of(chain).heard) == 1
    blocks(chain, 1)
    assert round_of(chain).phase == "commit"


def test_everybody_in_the_pool_is_drawn_alike_whatever_it_wagers() -> None:
    """Sampled by trust, not weighed by it: 1,000 draws of 2 out of 5, one with a hundredfold net trust."""
    chain = opened(wagering(builders=2))
    base = round_of(chain)
    trusts = {"a": 50, "b": 50, "c": 50, "d": 50, "e": 5_000}
    counts: Counter[str] = Counter()
    for number in range(1_000):
        drawn_, reason = phases.draw(msgspec.structs.replace(base, randomness=phases.seed("chain", number)), trusts, 0)
        assert reason == "" and len(set(drawn_)) == 2
        counts.update(drawn_)
    assert all(330 < counts[name] < 470 for name in trusts), counts


@given(
    st.dictionaries(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), st.integers(0, 10**6), max_size=26),
    st.integers(0, 10**7),
    st.integers(2, 16),
    st.binary(min_size=32, max_size=32),
)
@settings(max_examples=200)
def test_who_is_drawn_is_enough_trusted_or_nobody_is(
    some: dict[str, int], enough: int, builders: int, randomness: bytes
) -> None:
    trusts = dict(sorted(some.items()))
    terms = msgspec.structs.replace(PARAMS.wagering, builders=builders)
    base = msgspec.structs.replace(ROUND, terms=terms, randomness=randomness)
    found, reason = phases.draw(base, trusts, enough)
    assert (reason == "") == bool(found) and (reason == "few") == (len(trusts) < 2)
    if found:
        assert len(set(found)) == len(found) <= 16 and set(found) <= trusts.keys()
        assert sum(trusts[name] for name in found) >= enough and len(found) >= min(builders, len(trusts))
        fewer = found[:-1]
        assert len(fewer) < min(builders, len(trusts)) or sum(trusts[name] for name in fewer) < enough
    elif len(trusts) >= 2:
        assert sum(sorted(trusts.values())[:16]) < enough, "sixteen of them were tried"


ROUND = round_of(opened())


def test_no_set_of_proposers_fills_what_a_round_remembers() -> None:
    assert MAX_VALIDATORS <= MAX_HEARD, "each organisation of a set has a seat at least"
    full = msgspec.structs.replace(ROUND, closing_height=1, heard=tuple(f"m-{at}" for at in range(MAX_HEARD)))
    chain = opened()
    chain.block()
    assert phases.hear(State(chain.store), chain.context(), full) is full


def test_who_is_not_drawn_has_its_tokens_back_at_once() -> None:
    chain = opened()
    names = ("bio", "campus", "solar", "storage", "tenant", "utility")
    builders = drawn(chain, names)
    assert len(builders) == 3
    for name in names:
        held = chain.trust(name)
        assert (held.free_tokens, held.wagered_tokens) == ((900, AMOUNT) if name in builders else (1_000, 0))
        assert wager_of(chain, name).verdict == ("open" if name in builders else "undrawn")


def test_deadlines_are_those_of_phases_and_subjects() -> None:
    chain = opened()
    state = State(chain.store)
    assert rounds.earliest_deadline_ms(state) == round_of(chain).ends_ms
    next_phase(chain)
    assert rounds.earliest_deadline_ms(State(chain.store)) == TARGET * 900_000
    next_phase(chain)
    assert rounds.earliest_deadline_ms(State(chain.store)) is None, "nobody wagered, so it is judged"
