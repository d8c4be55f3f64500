"""What comes of rules: bodies within the member's own ratings and limits, the same each time."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.bodies import FlexibleLoad, Need, Offer, OfferBlock, ReserveOffer, SetMode, StorageOffer
from contracts.units import MAX_COUNT
from node.rulebook.decision import decide
from node.rulebook.sight import NOTHING_SPENT, Spent, facts
from tests.rulebook.sights import INTERVAL, SIGHT, rulebook, seen

ALWAYS = "true -> "
CAP = SIGHT.cap_nano_per_wh


def said(*rules: str, **options: str) -> tuple[object, ...]:
    decision = decide(rulebook(*rules, **options), SIGHT)
    assert decision.stopped is None and decision.troubles == ()
    return decision.bodies


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("action = 'need', wh = 'need.mean', tier = 2", Need(INTERVAL, 1, 4_000, None, 2)),
        (
            "action = 'bid', wh = 'battery.take_wh', limit_nano_per_wh = 'price.p10'",
            Need(INTERVAL, 1, 2_000, 90_000, 0),
        ),
        (
            "action = 'offer', meter = 'roof', blocks = [{wh = 7, nano_per_wh = 9}, {wh = 5, nano_per_wh = 3}, "
            "{wh = 1, nano_per_wh = 9}, {wh = 0, nano_per_wh = 4}]",
            Offer("roof", INTERVAL, (OfferBlock(3, 5), OfferBlock(9, 8))),
        ),
        ("action = 'withdraw', meter = 'cells'", Offer("cells", INTERVAL, ())),
        (
            "action = 'store', meter = 'cells', charge_wh = 2000, discharge_wh = 3000, end_value_nano_per_wh = 5, "
            "reserve_wh = 100, reserve_nano_per_wh = 2",
            StorageOffer("cells", INTERVAL, 1, 2_000, 3_000, 5, 100, 2),
        ),
        ("action = 'reserve', meter = 'roof', wh = 10, nano_per_wh = 2", ReserveOffer("roof", INTERVAL, 1, 10, 2)),
        (
            "action = 'schedule', name = 'car', wh = 22000, most_wh = 2750, intervals = '12 * time.per_hour', "
            "value_nano_per_wh = 5",
            FlexibleLoad("car-e911547c847d9dd2396811fe57fe", INTERVAL, INTERVAL + 48, 22_000, 2_750, 5),
        ),
        ("action = 'island', reason = 'storm'", SetMode(INTERVAL, 1, "island", "storm")),
        ("action = 'grid', reason = 'calm'", SetMode(INTERVAL, 1, "grid", "calm")),
    ],
)
def test_every_action_becomes_its_body(action: str, body: object) -> None:
    assert said(ALWAYS + action) == (body,)


def test_a_scheduled_load_has_an_id_of_its_own_for_each_name_member_and_interval() -> None:
    def load_id(name: str, member: str = "me", interval: int = INTERVAL) -> str:
        work = f"action = 'schedule', name = '{name}', wh = 1, most_wh = 1, intervals = 1, value_nano_per_wh = 1"
        (load,) = decide(rulebook(ALWAYS + work, member=member), seen(member=member, interval=interval)).bodies
        assert isinstance(load, FlexibleLoad)
        return msgspec.convert(msgspec.to_builtins(load), FlexibleLoad).id

    ids = [
        load_id(name, member, interval)
        for name in ("car", "c", "c" * 24)
        for member in ("me", "other")
        for interval in (INTERVAL, INTERVAL + 1, MAX_COUNT - 96)
    ]
    assert len(set(ids)) == len(ids)
    assert load_id("car") == ids[0], "said again it is the same load"


def test_a_rule_fires_where_its_condition_holds_and_equal_needs_add_up() -> None:
    need = "action = 'need', wh = 100"
    rules = (f"price.last > price.mean -> {need}", f"price.last < price.mean -> {need}", ALWAYS + need)
    decision = decide(rulebook(*rules), SIGHT)
    assert decision.fired == ("rule 0", "rule 2")
    assert decision.bodies == (Need(INTERVAL, 1, 200, None, 1),)


def test_shedding_and_reselling_take_from_the_least_critical_tier_whatever_the_order() -> None:
    rules = (
        ALWAYS + "action = 'shed', wh = 250",
        ALWAYS + "action = 'resell', wh = 200, limit_nano_per_wh = 7",
        ALWAYS + "action = 'need', wh = 300, tier = 0",
        ALWAYS + "action = 'need', wh = 300, tier = 5",
    )
    assert said(*rules) == (Need(INTERVAL, 1, 150, None, 0), Need(INTERVAL, 1, 200, 7, 0))
    # Nobody sells what it does not need.
    assert said(ALWAYS + "action = 'resell', wh = 200, limit_nano_per_wh = 7") == ()
    assert said(ALWAYS + "action = 'shed', wh = 200") == ()


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("action = 'need', wh = -1", "rulebook.amount"),
        ("action = 'need', wh = 'trust.free * 1000000000000'", "rulebook.amount"),
        ("action = 'need', wh = 11991", "rulebook.rating"),
        ("action = 'bid', wh = 1, limit_nano_per_wh = 4000001", "rulebook.amount"),
        ("action = 'bid', wh = 1, limit_nano_per_wh = -500001", "rulebook.amount"),
        ("action = 'offer', meter = 'roof', blocks = [{wh = 6001, nano_per_wh = 1}]", "rulebook.rating"),
        ("action = 'offer', meter = 'racks', blocks = [{wh = 1, nano_per_wh = 1}]", "rulebook.meter"),
        ("action = 'offer', meter = 'rival', blocks = [{wh = 1, nano_per_wh = 1}]", "rulebook.meter"),
        ("action = 'withdraw', meter = 'rival'", "rulebook.meter"),
        ("action = 'store', meter = 'cells', charge_wh = 2001, discharge_wh = 0", "rulebook.rating"),
        ("action = 'store', meter = 'cells', charge_wh = 0, discharge_wh = 3001", "rulebook.rating"),
        ("action = 'store', meter = 'cells', charge_wh = 0, discharge_wh = 9, reserve_wh = 10", "rulebook.amount"),
        ("action = 'store', meter = 'roof', charge_wh = 0, discharge_wh = 0", "rulebook.meter"),
        ("action = 'reserve', meter = 'roof', wh = 6001, nano_per_wh = 1", "rulebook.rating"),
        (
            "action = 'schedule', name = 'car', wh = 9, most_wh = 4, intervals = 2, value_nano_per_wh = 1",
            "rulebook.amount",
        ),
        (
            "action = 'schedule', name = 'car', wh = 9, most_wh = 9, intervals = 97, value_nano_per_wh = 1",
            "rulebook.amount",
        ),
        (
            "action = 'schedule', name = 'car', wh = 9, most_wh = 12001, intervals = 1, value_nano_per_wh = 1",
            "rulebook.rating",
        ),
        ("action = 'wager', tokens = 1001", "rulebook.amount"),
        ("action = 'need', wh = '1 / (price.last - 150000)'", "rulebook.division"),
    ],
)
def test_what_does_not_fit_costs_its_rule_and_no_other(action: str, code: str) -> None:
    good = ALWAYS + "action = 'need', wh = 10"
    decision = decide(rulebook(good, ALWAYS + action), SIGHT)
    assert [trouble.code for trouble in decision.troubles] == [code]
    assert decision.bodies == (Need(INTERVAL, 1, 10, None, 1),) and decision.fired == ("rule 0",)


# Limits

NEED = ALWAYS + "action = 'need', wh = 10"
BID = ALWAYS + "action = 'bid', wh = 10, limit_nano_per_wh = 7"


def test_the_worst_that_words_may_cost_counts_and_what_passes_the_limit_is_not_said() -> None:
    assert decide(rulebook(NEED), SIGHT).spend_nano == 10 * CAP
    assert decide(rulebook(BID), SIGHT).spend_nano == 70
    limited = rulebook(BID, limits="spend_nano_per_day = 100")
    assert decide(limited, SIGHT, Spent(30)).bodies
    stopped = decide(limited, SIGHT, Spent(31))
    assert stopped.stopped is not None and stopped.stopped.code == "rulebook.spending-limit"
    assert (stopped.bodies, stopped.stake_tokens, stopped.spend_nano, stopped.fired) == ((), 0, 0, ())
    store = ALWAYS + "action = 'store', meter = 'cells', charge_wh = 10, discharge_wh = 0"
    assert decide(rulebook(store), SIGHT).spend_nano == 10 * CAP
    assert decide(rulebook(store + ", end_value_nano_per_wh = 6"), SIGHT).spend_nano == 60
    car = ALWAYS + "action = 'schedule', name = 'c', wh = 10, most_wh = 10, intervals = 1, value_nano_per_wh = 4"
    assert decide(rulebook(car), SIGHT).spend_nano == 40


@pytest.mark.parametrize(
    ("limit", "changes"),
    [
        ("least_index_ppm = 400000", {"index_ppm": 399_999}),
        ("least_free_tokens = 900", {"free_tokens": 899}),
        ("least_balance_nano = 1000", {"balance_nano": 999}),
    ],
)
def test_a_figure_below_its_least_stops_everything_until_it_is_back(limit: str, changes: dict[str, int]) -> None:
    ruled = rulebook(NEED, limits=limit)
    assert decide(ruled, SIGHT).bodies
    stopped = decide(ruled, seen(**changes))
    assert stopped.bodies == () and stopped.stopped is not None
    assert stopped.stopped.code == ("rulebook.spending-limit" if "balance" in limit else "rulebook.trust-limit")
    assert decide(ruled, seen(**{name: value + 1 for name, value in changes.items()})).bodies


def test_stakes_stay_below_their_limit_which_is_none_unless_it_is_written() -> None:
    wager = ALWAYS + "action = 'wager', tokens = 40"
    limited = rulebook(wager, limits="wager_tokens_per_day = 100")
    assert decide(limited, SIGHT, Spent(0, 60)).stake_tokens == 40
    stopped = decide(limited, SIGHT, Spent(0, 61)).stopped
    assert stopped is not None and stopped.code == "rulebook.wager-limit"
    unwritten = decide(rulebook(wager), SIGHT).stopped
    assert unwritten is not None and unwritten.code == "rulebook.wager-limit"


def test_a_rulebook_of_somebody_else_does_nothing() -> None:
    stopped = decide(rulebook(NEED, member="rival"), SIGHT).stopped
    assert stopped is not None and stopped.code == "rulebook.member"


@given(
    st.integers(-(10**6), 10**6),
    st.integers(0, 20_000),
    st.sampled_from(["need", "bid", "shed", "resell"]),
    st.integers(-(2**28), 2**28),
)
def test_whatever_amounts_come_out_the_words_stay_within_rating_and_prices(
    price: int, energy_wh: int, action: str, limit: int
) -> None:
    more = f", limit_nano_per_wh = {limit}" if action in ("bid", "resell") else ""
    ruled = rulebook(NEED, f"price.last >= {price} -> action = '{action}', wh = 'min({energy_wh}, 30000)'{more}")
    decision = decide(ruled, SIGHT)
    needs = [body for body in decision.bodies if isinstance(body, Need)]
    assert sum(body.energy_wh for body in needs) <= 12_000
    limits = [body.limit_nano_per_wh for body in needs if body.limit_nano_per_wh is not None]
    assert all(SIGHT.floor_nano_per_wh <= one <= CAP for one in limits)
    worst = sum(
        body.energy_wh * (CAP if body.limit_nano_per_wh is None else max(0, body.limit_nano_per_wh)) for body in needs
    )
    assert decision.spend_nano == worst
    assert decision == decide(ruled, SIGHT)


def test_facts_are_numbers_words_and_conditions_and_time_is_utc() -> None:
    known = facts(SIGHT, NOTHING_SPENT)
    assert known["time"] == {"hour": 10, "minute": 0, "weekday": (20_000 + 3) % 7, "per_hour": 4}
    assert known["battery"] == {
        "charge_wh": 5_000,
        "capacity_wh": 8_000,
        "room_wh": 3_000,
        "give_wh": 3_000,
        "take_wh": 2_000,
    }
    assert (known["need"]["p90"], known["need"]["floor_wh"], known["supply"]["give_wh"]) == (5_000, 500, 6_000)
    nearly = msgspec.structs.replace(SIGHT.meters[2], charge_wh=7_500)
    full = facts(seen(meters=(nearly,)))
    assert (full["battery"]["take_wh"], full["need"]["samples"]) == (500, 0)
