"""Two ends of a line that disagree: both are named, the smaller settles, the parent meter decides."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, METERS, ROLES, Chain, Site, bill, corrections, history, make_genesis, settle

from contracts.bodies import Correct
from contracts.disputes import MAX_VERDICTS_PER_CLOSE
from contracts.members import PowerLine
from contracts.metering_records import FINAL_DAYS, MAX_OPEN_DISPUTES, Dispute, OpenDispute, OpenDisputes, Verdict
from contracts.params import PactParams
from contracts.receipts import DisputeDecided, LineDisputed
from contracts.schema import BASES, DISPUTE_LIST, DISPUTES, OPEN_DISPUTES, VERDICTS
from contracts.units import MAX_MONEY
from zk.codec import encode

PARAMS = PactParams()
LONG, SHORT = 50_000, 330_000
"""What a Wh that nobody ordered brings and costs, nano."""
SITE = {**METERS, "m-feeder": Site("bio", "source", 400_000, 0)}
LINE = PowerLine("east", "m-solar", "m-campus", "m-feeder", fixed_wh=20, loss_ppm=10_000, accuracy_wh=5)
SLOTS = 96


def world(*lines: PowerLine) -> Chain:
    return Chain(make_genesis(meters=SITE, lines=lines or (LINE,)))


def flow(chain: Chain, interval: int, sent_wh: int, received_wh: int, parent_wh: int | None) -> None:
    """One interval of the line; None: the parent is silent."""
    flows = {"m-solar": (0, sent_wh), "m-campus": (received_wh, 0), "m-feeder": (0, parent_wh or 0)}
    settle(chain, interval, flows, silent=("m-feeder",) if parent_wh is None else ())


def dispute(chain: Chain, interval: int, line: str = "east") -> Dispute | None:
    raw = chain.store.get(DISPUTES.key(interval, line))
    return None if raw is None else DISPUTES.decode(raw)


def verdict(chain: Chain, interval: int, line: str = "east") -> Verdict | None:
    raw = chain.store.get(VERDICTS.key(interval, line))
    return None if raw is None else VERDICTS.decode(raw)


def waiting(chain: Chain) -> tuple[OpenDispute, ...]:
    raw = chain.store.get(DISPUTE_LIST)
    return () if raw is None else OPEN_DISPUTES.decode(raw).entries


@pytest.mark.parametrize(
    ("sent", "received", "disputed"),
    [(1_000, 1_005, False), (1_000, 1_006, True), (1_000, 970, False), (1_000, 969, True), (0, 5, False), (0, 6, True)],
)
def test_tolerance_is_the_meters_accuracy_and_the_lines_losses(sent: int, received: int, disputed: bool) -> None:
    chain = world()
    flow(chain, FIRST, sent, received, None)
    assert (dispute(chain, FIRST) is not None) is disputed
    assert chain.interval(FIRST).disputes == disputed


def test_a_sender_that_reads_too_much_by_hand() -> None:
    """1,000 Wh sent, 800 received: 800 settle at both ends, 200 are held; the parent saw 950 and 150 return."""
    chain = world()
    chain.at(FIRST)
    flow(chain, FIRST, 1_000, 800, 950)
    assert chain.clock is not None
    assert LineDisputed("east", FIRST, "m-solar", "m-campus", 200) in chain.clock.events
    assert dispute(chain, FIRST) == Dispute(
        FIRST, "east", "m-solar", "m-campus", "m-feeder", 1_000, 800, 800, 200, 200 * LONG
    )
    solar = {line.kind: line.amount_nano for line in bill(chain, FIRST, "solar").lines}
    assert solar["long"] == 800 * LONG
    record = chain.interval(FIRST)
    assert (record.injected_wh, record.withdrawn_wh) == (800 + 950, 800)
    closed = history(chain)
    flow(chain, FIRST + 1, 0, 10, 0)
    assert chain.clock is not None
    assert DisputeDecided("east", FIRST, "m-feeder", 950, False) in chain.clock.events
    assert verdict(chain, FIRST) == Verdict(FIRST, "east", "m-feeder", 950, 950, FIRST + 1, False)
    campus, sender = corrections(chain)
    assert (sender.meter, sender.cause, sender.amount_nano) == ("m-solar", "verdict", 150 * LONG)
    assert (campus.meter, campus.cause, campus.amount_nano) == ("m-campus", "verdict", -150 * SHORT)
    carried = {line.kind: line.amount_nano for line in bill(chain, FIRST + 1, "solar").lines}
    assert carried["correction"] == 150 * LONG
    assert waiting(chain) == (OpenDispute(FIRST + 1, "east"),), "10 Wh out of nothing are the next dispute"
    assert all(chain.store[key] == raw for key, raw in closed.items())


def test_a_receiver_that_reads_too_much_is_held_as_a_debt() -> None:
    chain = world()
    flow(chain, FIRST, 800, 1_000, None)
    found = dispute(chain, FIRST)
    assert found is not None
    assert (found.settled_wh, found.held_wh, found.held_nano) == (800, 200, -200 * SHORT)
    assert bill(chain, FIRST, "campus").withdrawn_wh == 800


@pytest.mark.parametrize(("parent", "settled"), [(0, 800), (800, 800), (801, 801), (1_000, 1_000), (5_000, 1_000)])
def test_the_verdict_stays_between_both_readings(parent: int, settled: int) -> None:
    chain = world()
    flow(chain, FIRST, 1_000, 800, parent)
    flow(chain, FIRST + 1, 0, 0, 0)
    found = verdict(chain, FIRST)
    assert found is not None
    assert (found.parent_wh, found.settled_wh) == (parent, settled)
    assert len(corrections(chain)) == (2 if settled > 800 else 0)


def test_a_silent_parent_decides_when_its_register_returns() -> None:
    """An estimate is no witness; the late reading of the very interval is."""
    chain = world()
    flow(chain, FIRST, 1_000, 800, None)
    flow(chain, FIRST + 1, 0, 0, None)
    assert verdict(chain, FIRST) is None
    chain.block(chain.reading("m-feeder", FIRST, 0, 900))
    flow(chain, FIRST + 2, 0, 0, None)
    flow(chain, FIRST + 3, 0, 0, None)
    found = verdict(chain, FIRST)
    assert found is not None
    assert (found.parent_wh, found.settled_wh, found.final) == (900, 900, False)
    assert waiting(chain) == ()


def test_a_returned_register_decides_also_where_its_own_correction_can_not_be_booked() -> None:
    """Its owner has all the money there may be, so that the parent stays billed for its estimate of 0 Wh."""
    chain = Chain(make_genesis(meters=SITE, lines=(LINE,), balances={"bio": MAX_MONEY}))
    flow(chain, FIRST, 1_000, 800, None)
    chain.block(chain.reading("m-feeder", FIRST, 0, 900))
    settle(chain, FIRST + 1, {"m-tenant": (10, 0)}, silent=("m-feeder",))
    (own,) = corrections(chain)
    assert (own.meter, own.old_export_wh, own.new_export_wh, own.final) == ("m-feeder", 0, 900, True)
    flow(chain, FIRST + 2, 0, 0, None)
    found = verdict(chain, FIRST)
    assert found is not None
    assert (found.parent_wh, found.settled_wh, found.final) == (900, 900, False)


def test_after_thirty_five_days_what_settled_stays() -> None:
    chain = world()
    flow(chain, FIRST, 1_000, 800, None)
    flow(chain, FIRST + FINAL_DAYS * SLOTS, 0, 0, 0)
    assert verdict(chain, FIRST) is None
    flow(chain, FIRST + FINAL_DAYS * SLOTS + 1, 0, 0, 0)
    found = verdict(chain, FIRST)
    assert found is not None
    assert (found.final, found.settled_wh) == (True, 800)
    assert not any(one.cause == "verdict" for one in corrections(chain))


def test_an_estimated_end_disputes_nothing() -> None:
    chain = world()
    settle(chain, FIRST, {"m-solar": (0, 1_000)}, silent=("m-campus",))
    assert dispute(chain, FIRST) is None


def test_a_tie_may_be_the_sending_end() -> None:
    chain = world(PowerLine("grid", "m-tie", "m-campus", "m-feeder", 0, 0, 0))
    settle(chain, FIRST, {"m-tie": (0, 500), "m-campus": (400, 0), "m-feeder": (0, 450)})
    record = chain.interval(FIRST)
    assert (record.tie_import_wh, record.disputes) == (400, 1)
    found = dispute(chain, FIRST, "grid")
    assert found is not None
    assert found.held_nano == 100 * PARAMS.import_nano_per_wh
    settle(chain, FIRST + 1, {"m-bio": (0, 10)})
    amounts = {one.meter: one.amount_nano for one in corrections(chain)}
    assert amounts == {"m-tie": 50 * PARAMS.import_nano_per_wh, "m-campus": -50 * SHORT}


def test_one_meter_may_be_the_end_of_two_lines() -> None:
    """A battery receives on one line and sends on the other; both are cut, neither loses the other's cut."""
    chain = world(
        PowerLine("in", "m-solar", "m-storage", "m-feeder", 0, 0, 0),
        PowerLine("out", "m-storage", "m-campus", "m-feeder", 0, 0, 0),
    )
    settle(chain, FIRST, {"m-solar": (0, 70), "m-storage": (100, 90), "m-campus": (60, 0), "m-feeder": (0, 80)})
    assert chain.interval(FIRST).disputes == 2
    basis = BASES.decode(chain.store[BASES.key(FIRST, "m-storage")])
    assert (basis.import_wh, basis.export_wh) == (70, 60)
    settle(chain, FIRST + 1, {"m-bio": (5, 0)})
    basis = BASES.decode(chain.store[BASES.key(FIRST, "m-storage")])
    assert (basis.import_wh, basis.export_wh) == (80, 80)


def test_a_dead_parent_does_not_block_the_verdicts_of_others() -> None:
    chain = world(LINE, PowerLine("west", "m-bio", "m-tenant", "m-storage", 0, 0, 0))
    for step in range(MAX_VERDICTS_PER_CLOSE + 4):
        flow(chain, FIRST + step, 1_000, 800, None)
    last = FIRST + MAX_VERDICTS_PER_CLOSE + 4
    settle(chain, last, {"m-bio": (0, 50), "m-storage": (50, 0)}, silent=("m-feeder",))
    assert dispute(chain, last, "west") is not None
    for step in range(1, MAX_VERDICTS_PER_CLOSE + 8):
        settle(chain, last + step, {}, silent=("m-feeder",))
    assert verdict(chain, last, "west") is not None
    assert len(waiting(chain)) == MAX_VERDICTS_PER_CLOSE + 4


def test_open_disputes_are_bounded_and_the_oldest_becomes_final() -> None:
    chain = world()
    flow(chain, FIRST, 1_000, 800, None)
    oldest = waiting(chain)[0]
    filler = tuple(OpenDispute(FIRST, "east") for _ in range(MAX_OPEN_DISPUTES - 1))
    chain.store[DISPUTE_LIST] = encode(OpenDisputes((oldest, *filler)))
    flow(chain, FIRST + 1, 1_000, 800, None)
    found = verdict(chain, FIRST)
    assert found is not None
    assert found.final
    assert len(waiting(chain)) == MAX_OPEN_DISPUTES


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2_000),
        st.integers(0, 2_000),
        st.none() | st.integers(0, 2_000),
        st.sets(st.sampled_from(["m-solar", "m-campus", "m-tenant", "m-feeder"]), max_size=2),
        st.none() | st.tuples(st.sampled_from(["m-solar", "m-campus"]), st.integers(0, 2_500), st.integers(0, 2_500)),
    ),
    min_size=2,
    max_size=6,
)


@given(STEPS, st.booleans())
@settings(max_examples=80)
def test_money_and_energy_are_conserved_through_any_disputes(
    steps: list[tuple[int, int, int | None, set[str], tuple[str, int, int] | None]], ordered: bool
) -> None:
    """Disputes among silences and owners' corrections: nothing closed moves, and what both ends of a decided
    line are billed for is what the verdict says, or what an owner said after it.
    """
    chain = world()
    before = chain.money()
    closed: dict[bytes, bytes] = {}
    restated: set[int] = set()
    for step, (sent_wh, received_wh, parent_wh, silent, word) in enumerate(steps):
        interval = FIRST + 3 + step
        if ordered:
            chain.block(chain.need("campus", interval, 700), chain.offer("solar", "m-solar", interval, (9_000, 900)))
        chain.at(interval)
        flows = {"m-solar": (0, sent_wh), "m-campus": (received_wh, 0), "m-feeder": (0, parent_wh or 0)}
        quiet = silent | ({"m-feeder"} if parent_wh is None else set())
        settle(chain, interval, flows, silent=tuple(sorted(quiet)))
        if word is not None:
            meter, import_wh, export_wh = word
            body = Correct(meter, chain.head(meter).sequence or 1, interval, import_wh, export_wh)
            (receipt,) = chain.block(chain.say(METERS[meter].member, body))
            assert receipt.code == "ok" or receipt.code.startswith("correction.")
            restated |= {interval} if receipt.code == "ok" else set()
        assert chain.money() == before
        assert all(chain.store[key] == raw for key, raw in closed.items())
        closed = history(chain)
    last = FIRST + 3 + len(steps)
    for interval in (last, last + 1, last + 2):
        settle(chain, interval, {"m-tenant": (7, 0)})
    assert chain.money() == before
    for at in range(FIRST + 3, last + 3):
        found = [chain.bill(at, name) for name in ROLES]
        assert sum(one.total_nano for one in found if one is not None) == 0
        ruled, opened = verdict(chain, at), dispute(chain, at)
        if ruled is None or opened is None or at in restated:
            continue
        assert opened.settled_wh <= ruled.settled_wh <= opened.settled_wh + opened.held_wh
        for meter, register in (("m-solar", "export_wh"), ("m-campus", "import_wh")):
            raw = chain.store.get(BASES.key(at, meter))
            if raw is not None:
                assert getattr(BASES.decode(raw), register) == ruled.settled_wh
    assert waiting(chain) == ()
