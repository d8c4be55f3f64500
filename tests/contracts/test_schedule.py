"""The clock: what locks and closes when, in which order, and that a jump of days forgets nothing."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, INTERVAL_MS, Chain, change, make_genesis

from contracts.params import PactParams
from contracts.receipts import AnyEvent, IntervalOrdered, IntervalSettled

PARAMS = PactParams()
NEXT = FIRST + 2


def happened(chain: Chain) -> list[tuple[str, int]]:
    """What the clock did in the last block."""
    assert chain.clock is not None
    return named(chain.clock.events)


def named(events: Iterable[AnyEvent]) -> list[tuple[str, int]]:
    names = {IntervalOrdered: "lock", IntervalSettled: "close"}
    return [(names[type(event)], event.interval) for event in events if type(event) in names]


def test_nothing_waits_in_an_idle_chain() -> None:
    chain = Chain()
    chain.at(FIRST + 1_000).block()
    assert happened(chain) == []
    assert chain.deadline_ms() is None


def test_tariffs_and_transfers_have_no_deadline() -> None:
    chain = Chain()
    chain.block(chain.tariff(NEXT, 5, 4), chain.pay("bio", "solar", 1))
    assert chain.deadline_ms() is None


def test_lock_and_close_happen_at_their_time_and_not_before() -> None:
    chain = Chain()
    chain.block(chain.need("campus", NEXT, 1_000))
    lock_ms = NEXT * INTERVAL_MS - PARAMS.gate_lead_ms
    assert chain.deadline_ms() == lock_ms
    chain.at(0, lock_ms - 1).block()
    assert happened(chain) == []
    chain.at(0, lock_ms).block()
    assert happened(chain) == [("lock", NEXT)]
    close_ms = (NEXT + 1) * INTERVAL_MS + PARAMS.close_grace_ms
    assert chain.deadline_ms() == close_ms
    chain.at(0, close_ms - 1).block()
    assert happened(chain) == []
    chain.at(0, close_ms).block()
    assert happened(chain) == [("close", NEXT)]
    assert chain.deadline_ms() is None


def test_needs_are_welcome_until_the_gate() -> None:
    chain = Chain()
    gate_ms = NEXT * INTERVAL_MS - PARAMS.gate_lead_ms
    assert chain.at(0, gate_ms - 1).run(chain.need("campus", NEXT, 10)) == "ok"
    assert chain.at(0, gate_ms).run(chain.need("campus", NEXT, 10)) == "need.late"
    assert happened(chain) == [("lock", NEXT)]
    assert chain.order(NEXT, "campus").requested_wh == 10


def test_interval_known_from_readings_alone_is_ordered_and_settled_at_its_close() -> None:
    chain = Chain()
    chain.block(chain.reading("m-campus", FIRST, 500, 0))
    assert chain.deadline_ms() == (FIRST + 1) * INTERVAL_MS + PARAMS.close_grace_ms
    chain.close(FIRST)
    record = chain.interval(FIRST)
    assert (record.status, record.demand_wh, record.withdrawn_wh) == ("settled", 0, 500)
    assert record.price_nano_per_wh == PARAMS.export_nano_per_wh


def test_jump_of_days_is_worked_off_in_order_a_few_per_block() -> None:
    chain = Chain()
    for interval in range(NEXT, NEXT + 6):
        chain.block(chain.need("campus", interval, 10))
    chain.at(NEXT + 500)
    steps = []
    while (deadline := chain.deadline_ms()) is not None and len(steps) < 12:
        assert deadline <= chain.now_ms, "a deadline stays until what it waits for has happened"
        chain.block()
        assert 0 < len(happened(chain)) <= PARAMS.max_closes_per_block
        steps += happened(chain)
    assert deadline is None
    times = [
        interval * INTERVAL_MS + (-PARAMS.gate_lead_ms if kind == "lock" else INTERVAL_MS + PARAMS.close_grace_ms)
        for kind, interval in steps
    ]
    assert times == sorted(times)
    assert len(steps) == 12
    assert chain.order(NEXT + 5, "campus").served_wh == 10


@given(
    limit=st.integers(1, 5),
    actions=st.lists(
        st.tuples(st.sampled_from(["need", "offer", "reading", "wait"]), st.integers(0, 6), st.integers(0, 4_000_000)),
        max_size=25,
    ),
)
@settings(max_examples=60)
def test_every_interval_with_content_locks_and_closes_exactly_once(
    limit: int, actions: list[tuple[str, int, int]]
) -> None:
    chain = Chain(make_genesis(params=change(PARAMS, max_closes_per_block=limit)))
    wanted: set[int] = set()
    steps: list[tuple[str, int]] = []
    for kind, ahead, delay_ms in actions:
        now = chain.now_ms // INTERVAL_MS
        if kind == "wait":
            chain.at(0, chain.now_ms + delay_ms).block()
            steps += happened(chain)
            continue
        if kind == "reading":
            interval, envelope = now, chain.reading("m-campus", now, chain.head("m-campus").import_wh + 1, 0)
        elif kind == "need":
            interval, envelope = now + ahead, chain.need("campus", now + ahead, 10)
        else:
            interval, envelope = now + ahead, chain.offer("bio", "m-bio", now + ahead, (5, 10))
        (receipt,) = chain.block(envelope)
        steps += happened(chain)
        if receipt.code == "ok":
            wanted.add(interval)
    chain.at(chain.now_ms // INTERVAL_MS + 100)
    steps += named(chain.catch_up())
    assert sorted(interval for kind, interval in steps if kind == "lock") == sorted(wanted)
    assert sorted(interval for kind, interval in steps if kind == "close") == sorted(wanted)
    for interval in wanted:
        assert steps.index(("lock", interval)) < steps.index(("close", interval))
