"""Owners restate readings against themselves: billed once, on the next interval, with old and new on record."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, METERS, ROLES, Chain, Site, bill, corrections, history, make_genesis, settle

from contracts.bodies import Correct
from contracts.corrections import MAX_CORRECTIONS_PER_CLOSE
from contracts.params import PactParams
from contracts.receipts import ReadingCorrected
from contracts.schema import INTERVALS

PARAMS = PactParams()
SHORT = 330_000
"""What a Wh costs that nobody ordered, nano: import price and penalty."""


def restate(
    chain: Chain, meter: str, sequence: int, interval: int, import_wh: int | None, export_wh: int | None
) -> str:
    owner = next(entry.member for entry in chain.genesis.meters if entry.id == meter)
    return chain.run(chain.say(owner, Correct(meter, sequence, interval, import_wh, export_wh)))


def test_a_restated_reading_by_hand() -> None:
    chain = Chain()
    settle(chain, FIRST, {"m-tenant": (1_000, 0), "m-campus": (10, 0)})
    closed = history(chain)
    (receipt,) = chain.block(chain.say("tenant", Correct("m-tenant", 1, FIRST, 1_200, 0)))
    assert receipt.events == (ReadingCorrected("m-tenant", 1, FIRST, 1_200, 0),)
    balance = chain.balance("tenant")
    chain.block()
    assert chain.balance("tenant") == balance, "nothing moves before an interval carries it"
    settle(chain, FIRST + 1, {"m-campus": (10, 0)})
    (correction,) = corrections(chain)
    assert (correction.old_import_wh, correction.new_import_wh, correction.cause) == (1_000, 1_200, "restated")
    assert correction.amount_nano == -200 * SHORT
    assert chain.balance("tenant") == balance - 200 * SHORT
    campus = {line.kind: line.amount_nano for line in bill(chain, FIRST + 1, "campus").lines}
    assert campus["residual"] == 200 * SHORT + 10 * SHORT, "its other side is the residual"
    assert all(chain.store[key] == raw for key, raw in closed.items())


def test_the_last_reading_of_the_interval_is_the_one_to_name() -> None:
    chain = Chain()
    chain.block(chain.reading("m-tenant", FIRST, 400, 0))
    settle(chain, FIRST, {"m-tenant": (600, 0)})
    assert restate(chain, "m-tenant", 1, FIRST, 1_200, 0) == "correction.unknown"
    assert restate(chain, "m-tenant", 2, FIRST, 1_200, 0) == "ok"


def test_the_same_word_twice_counts_once() -> None:
    chain = Chain()
    settle(chain, FIRST, {"m-tenant": (1_000, 0)})
    assert restate(chain, "m-tenant", 1, FIRST, 1_200, 0) == "ok"
    assert restate(chain, "m-tenant", 1, FIRST, 1_200, 0) == "ok", "the first is not billed yet"
    settle(chain, FIRST + 1, {"m-campus": (10, 0)})
    assert [one.amount_nano for one in corrections(chain)] == [-200 * SHORT]
    assert restate(chain, "m-tenant", 1, FIRST, 1_200, 0) == "correction.same"
    assert restate(chain, "m-tenant", 1, FIRST, 1_199, 0) == "correction.favour", "what is billed is the measure"


def test_a_supplier_may_give_less_and_not_more() -> None:
    chain = Chain()
    settle(chain, FIRST, {"m-solar": (0, 5_000), "m-campus": (10, 0)})
    assert restate(chain, "m-solar", 1, FIRST, 0, 5_001) == "correction.favour"
    assert restate(chain, "m-solar", 1, FIRST, 0, 4_000) == "ok"
    settle(chain, FIRST + 1, {"m-campus": (10, 0)})
    (correction,) = corrections(chain)
    assert correction.amount_nano == -1_000 * PARAMS.export_nano_per_wh


def test_a_withdrawn_register_is_estimated() -> None:
    chain = Chain()
    settle(chain, FIRST, {"m-tenant": (1_000, 0)})
    assert restate(chain, "m-tenant", 1, FIRST, None, None) == "ok"
    settle(chain, FIRST + 1, {"m-campus": (10, 0)})
    (correction,) = corrections(chain)
    assert (correction.new_import_wh, correction.new_export_wh) == (15_000, 0), "no like day: the rating"


def test_an_estimate_is_not_the_owners_to_restate() -> None:
    chain = Chain()
    settle(chain, FIRST, {}, silent=("m-tenant",))
    assert restate(chain, "m-tenant", 1, FIRST, 15_500, 0) == "correction.unknown"


def test_meters_take_turns_where_one_interval_can_not_carry_all() -> None:
    """A meter that floods the ledger with its own corrections delays another one by one close at most."""
    chain = Chain(make_genesis(meters={**METERS, "m-a": Site("tenant", "load", 60_000)}))
    settle(chain, FIRST, {"m-a": (10, 0), "m-tenant": (10, 0)})
    flood = 2 * MAX_CORRECTIONS_PER_CLOSE + 20
    for number in range(flood):
        assert restate(chain, "m-a", 1, FIRST, 11 + number, 0) == "ok"
    assert restate(chain, "m-tenant", 1, FIRST, 11, 0) == "ok"
    for step in range(1, 4):
        settle(chain, FIRST + step, {"m-campus": (10, 0)})
        carried = [one for one in corrections(chain) if one.booked_in == FIRST + step]
        assert len(carried) <= MAX_CORRECTIONS_PER_CLOSE
    assert len(corrections(chain)) == flood + 1
    assert [one.booked_in <= FIRST + 2 for one in corrections(chain) if one.meter == "m-tenant"] == [True]
    assert chain.head("m-a").returns == chain.head("m-tenant").returns == 0


STEPS = st.lists(
    st.tuples(
        st.sets(st.sampled_from(sorted(METERS)), max_size=3),
        st.lists(st.integers(0, 9_000), min_size=len(METERS), max_size=len(METERS)),
        st.lists(
            st.tuples(
                st.sampled_from(sorted(METERS)),
                st.integers(0, 3),
                st.none() | st.integers(0, 20_000),
                st.none() | st.integers(0, 4_000),
            ),
            max_size=3,
        ),
    ),
    min_size=2,
    max_size=6,
)


@given(STEPS)
@settings(max_examples=80)
def test_money_and_energy_are_conserved_through_any_corrections(
    steps: list[tuple[set[str], list[int], list[tuple[str, int, int | None, int | None]]]],
) -> None:
    """What is billed in the end is what registers and accepted corrections say, and every bill that ever
    stood still stands.
    """
    chain = Chain()
    before = chain.money()
    stated: dict[tuple[str, int], tuple[int, int]] = {}
    closed: dict[bytes, bytes] = {}
    for step, (silent, energies, words) in enumerate(steps):
        interval = FIRST + step
        flows = dict(zip(sorted(METERS), ((wh, wh // 3) for wh in energies), strict=True))
        settle(chain, interval, flows, silent=tuple(sorted(silent)))
        for meter, back, import_wh, export_wh in words:
            target = interval - back
            metered = chain.metered(target, meter)
            sequence = metered.sequence if metered is not None else 1
            body = Correct(meter, sequence, target, import_wh, export_wh)
            (receipt,) = chain.block(chain.say(METERS[meter].member, body))
            assert receipt.code == "ok" or receipt.code.startswith("correction.")
            if receipt.code == "ok":
                (event,) = receipt.events
                assert isinstance(event, ReadingCorrected)
                stated[meter, target] = event.import_wh, event.export_wh
        assert chain.money() == before
        assert all(chain.store[key] == raw for key, raw in closed.items())
        closed = history(chain)
    last = FIRST + len(steps)
    settle(chain, last, {})
    settle(chain, last + 1, {})
    assert chain.money() == before
    for at in range(FIRST, last + 2):
        assert INTERVALS.key(at) in chain.store
        found = [chain.bill(at, name) for name in ROLES]
        assert sum(one.total_nano for one in found if one is not None) == 0
    latest = {(one.meter, one.interval): one for one in corrections(chain)}
    for place, energy in stated.items():
        if place in latest:
            assert (latest[place].new_import_wh, latest[place].new_export_wh) == energy
    for one in corrections(chain):
        assert not one.final
        assert one.amount_nano == sum(line.amount_nano for line in one.lines)
    bills = [chain.bill(at, name) for at in range(FIRST, last + 2) for name in ROLES]
    lines = [line for one in bills if one is not None for line in one.lines]
    booked = sum(line.amount_nano for line in lines if line.kind == "correction")
    assert booked == sum(one.amount_nano for one in corrections(chain))
