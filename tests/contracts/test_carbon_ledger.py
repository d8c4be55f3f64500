"""Carbon on the ledger: every interval balances, whatever meters, members and later words say; closed ones stay."""

from __future__ import annotations

from carbon_world import (
    SIMPLE,
    account,
    carbon_corrections,
    carbon_of,
    carried,
    certified,
    check_carbon,
    emitted,
    factor,
    green,
    stored,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, INTERVAL_MS, Chain, change, corrections, settle

from contracts.bodies import Correct
from contracts.carbon.account import Store
from contracts.carbon.bodies import RegisterFactor, RetireOrigin, TransferOrigin
from contracts.carbon.events import CarbonSettled, PolicyBroken
from contracts.carbon.later import follow
from contracts.carbon.records import CarbonCorrection, IntervalCarbon, StoredCarbon
from contracts.cycles import cycle_of
from contracts.genesis import Genesis
from contracts.members import PowerLine
from contracts.metering_records import Correction
from contracts.params import PactParams
from contracts.schema import CARBON_CORRECTIONS, CARBONS, CARRIED, CORRECTIONS, EMITTED
from contracts.state import State
from contracts.units import MAX_ENERGY, MAX_MONEY

NEXT = FIRST + 1
CYCLE = cycle_of(PactParams(), FIRST)
HISTORY = (CARBONS.prefix, EMITTED.prefix, CARRIED.prefix, CARBON_CORRECTIONS.prefix)


def simple(**carbon: int | bool) -> Genesis:
    return certified(SIMPLE, **carbon)


def closed(chain: Chain) -> dict[bytes, bytes]:
    """What no later word may change."""
    return {key: raw for key, raw in chain.store.items() if key.startswith(HISTORY)}


# Known answers


def test_an_interval_by_hand() -> None:
    """1,000 Wh at 300, 500 at 0, 200 imported at 400,000: 1,700 Wh with 80.3 million ug. 100 go into the battery, 50
    back to the utility, and consumption carries the rest with the site's own."""
    chain = Chain(simple(site_ug=1_000, travel_ug=10))
    flows = {
        "m-bio": (0, 1_000),
        "m-solar": (0, 500),
        "m-tie": (50, 200),
        "m-storage": (100, 0),
        "m-campus": (1_200, 0),
        "m-tenant": (300, 0),
    }
    settle(chain, FIRST, flows)
    pool = 1_000 * 300 + 200 * 400_000
    one = carbon_of(chain, FIRST)
    assert (one.operating_ug, one.embodied_ug, one.pool_ug, one.energy_wh) == (pool, 0, pool, 1_700)
    assert (one.exported_wh, one.exported_ug, one.taken_ug) == (50, pool * 50 // 1_700, pool * 100 // 1_700)
    rest = pool - one.exported_ug - one.taken_ug
    shares = [carried(chain, FIRST, name) for name in ("campus", "tenant")]
    assert [share.consumed_wh for share in shares] == [1_200, 300]
    assert shares[0].energy_ug == rest * 4 // 5 + 1 and shares[1].energy_ug == rest // 5
    assert [(share.site_ug, share.travel_ug) for share in shares] == [(800, 8), (200, 2)]
    assert stored(chain).carbon_ug == one.taken_ug and stored(chain).charge == 81 * 100
    assert emitted(chain, FIRST, "m-tie").basis == "pact"
    assert emitted(chain, FIRST, "m-bio").basis == "registration"
    totals = check_carbon(chain)
    event = CarbonSettled(FIRST, pool + 1_010, totals.attributed_ug, one.exported_ug, totals.held_ug, "ok")
    assert chain.clock is not None and event in chain.clock.events


def test_a_battery_gives_back_what_it_took_and_its_own() -> None:
    """At 81% there and back all 81 Wh of 100 charged ones take all of the carbon, and 7 ug each on top."""
    chain = Chain(simple())
    settle(chain, FIRST, {"m-bio": (0, 100), "m-storage": (100, 0)})
    assert stored(chain).carbon_ug == 30_000
    settle(chain, NEXT, {"m-storage": (0, 27), "m-tenant": (27, 0)})
    assert stored(chain).carbon_ug == 20_000
    assert carried(chain, NEXT, "tenant").energy_ug == 10_000 + 27 * 7
    settle(chain, NEXT + 1, {"m-storage": (0, 54), "m-tenant": (50, 0)})
    assert stored(chain) == change(stored(chain), charge=0, carbon_ug=0)
    assert carried(chain, NEXT + 1, "tenant").energy_ug == 20_000 + 54 * 7
    assert emitted(chain, NEXT + 1, "m-storage").unseen_wh == 0
    settle(chain, NEXT + 2, {"m-storage": (0, 10), "m-tenant": (10, 0)})
    one = emitted(chain, NEXT + 2, "m-storage")
    assert (one.unseen_wh, one.unseen_ug) == (10, 10_000_000), "nobody saw it go in: the worst on the ledger"
    check_carbon(chain)


def test_what_a_load_passes_on_enters_once_and_is_carried_by_who_takes_it() -> None:
    """The campus takes 500 Wh and passes 80 on to its tenant; later it turns out to have taken 600."""
    chain = Chain(simple())
    settle(chain, FIRST, {"m-bio": (0, 500), "m-campus": (500, 80), "m-tenant": (80, 0)})
    one = carbon_of(chain, FIRST)
    assert (one.pool_ug, one.energy_wh, one.attributed_ug) == (500 * 300, 500, 500 * 300)
    assert [carried(chain, FIRST, name).consumed_wh for name in ("campus", "tenant")] == [420, 80]
    sequence = chain.head("m-campus").sequence
    assert chain.run(chain.say("campus", Correct("m-campus", sequence, FIRST, 600, 70))) == "ok"
    settle(chain, NEXT, {"m-tenant": (1, 0)})
    (said,) = carbon_corrections(chain)
    assert (said.emitted_ug, said.member_ug) == (0, (530 - 420) * 300)
    check_carbon(chain)


def test_the_site_is_carried_even_where_nothing_flows() -> None:
    chain = Chain(simple(site_ug=7))
    assert chain.run(chain.need("campus", FIRST + 2, 5)) == "ok"
    chain.close(FIRST + 2)
    assert carbon_of(chain, FIRST + 2).attributed_ug == 7
    check_carbon(chain)


# Later words


def test_a_restated_meter_carries_its_own_at_the_mix_of_then_and_no_closed_figure_changes() -> None:
    chain = Chain(simple())
    settle(chain, FIRST, {"m-bio": (0, 1_000), "m-campus": (600, 0), "m-tenant": (400, 0)})
    before = closed(chain)
    head = chain.head("m-tenant")
    assert chain.run(chain.say("tenant", Correct("m-tenant", head.sequence, FIRST, 500, 0))) == "ok"
    settle(chain, NEXT, {"m-bio": (0, 10), "m-campus": (5, 0), "m-tenant": (5, 0)})
    assert before.items() <= closed(chain).items()
    (said,) = carbon_corrections(chain)
    assert (said.interval, said.booked_in, said.member_ug, said.emitted_ug) == (FIRST, NEXT, 30_000, 0)
    assert carried(chain, NEXT, "tenant").corrected_ug == 30_000
    assert carried(chain, NEXT, "tenant").energy_ug == (3_000 - 30_000) // 2
    check_carbon(chain)


def test_a_silent_source_enters_with_its_carbon_once_its_register_returns() -> None:
    chain = Chain(simple())
    settle(chain, FIRST, {"m-tenant": (100, 0)}, silent=("m-bio",))
    assert carbon_of(chain, FIRST).operating_ug == 0
    settle(chain, NEXT, {"m-bio": (0, 200), "m-tenant": (100, 0)})
    settle(chain, NEXT + 1, {"m-bio": (0, 0), "m-tenant": (100, 0)})
    assert sum(one.emitted_ug for one in carbon_corrections(chain)) == 100 * 300
    total = sum(carbon_of(chain, at).operating_ug + carbon_of(chain, at).corrected_ug for at in range(FIRST, NEXT + 2))
    assert total == 200 * 300
    check_carbon(chain)


def estimated(charged_wh: int) -> tuple[Chain, int]:
    """A battery that took and gave on a Monday and a Tuesday, and is silent on Wednesday: 40 Wh by estimate."""
    chain = Chain(simple())
    for day in (FIRST + 96 * 3, FIRST + 96 * 4):
        settle(chain, day, {"m-bio": (0, 1_000), "m-storage": (charged_wh, 0)})
        settle(chain, day + 1, {"m-storage": (0, 40), "m-tenant": (40, 0)})
    silent = FIRST + 96 * 5 + 1
    settle(chain, silent, {"m-tenant": (40, 0)}, silent=("m-storage",))
    assert emitted(chain, silent, "m-storage").energy_wh == 40
    return chain, silent


def returned(chain: Chain, silent: int, given_wh: int) -> CarbonCorrection:
    """What the register does to carbon once it says how much was given, evenly over two intervals."""
    settle(chain, silent + 1, {"m-storage": (0, 2 * given_wh), "m-tenant": (1, 0)})
    settle(chain, silent + 2, {"m-tenant": (1, 0)})
    check_carbon(chain)
    (said,) = [one for one in carbon_corrections(chain) if one.meter == "m-storage"]
    return said


def test_a_battery_that_gave_less_than_was_estimated_gets_it_back() -> None:
    chain, silent = estimated(900)
    guess, before = emitted(chain, silent, "m-storage"), stored(chain)
    assert guess.released_ug > 0 and guess.unseen_wh == 0
    said = returned(chain, silent, 0)
    assert (said.emitted_ug, said.stored_ug, said.member_ug) == (-40 * 7, guess.released_ug, 0)
    assert stored(chain) == change(before, carbon_ug=before.carbon_ug + guess.released_ug, charge=before.charge + 4_000)


def test_what_an_estimate_took_out_of_nothing_is_taken_back_with_the_worst_factor() -> None:
    chain, silent = estimated(0)
    assert emitted(chain, silent, "m-storage").unseen_wh == 40
    assert returned(chain, silent, 0).emitted_ug == -40 * (7 + 1_000_000)
    assert stored(chain).carbon_ug == 0


def test_a_battery_that_gave_more_than_was_estimated_gives_of_what_it_holds_now() -> None:
    """100 Wh in each of two intervals: those of the second are drawn at its close, before the correction is."""
    chain, silent = estimated(900)
    said = returned(chain, silent, 100)
    assert said.emitted_ug == 60 * 7
    held = stored(chain)
    assert said.stored_ug == -((held.carbon_ug - said.stored_ug) * 6_000 // (held.charge + 6_000))


def test_two_words_about_a_battery_come_to_the_same_as_the_last_alone() -> None:
    def spoken(*words: int) -> Chain:
        chain = Chain(simple())
        settle(chain, FIRST, {"m-bio": (0, 1_000), "m-storage": (90, 0)})
        settle(chain, NEXT, {"m-storage": (0, 80), "m-tenant": (80, 0)})
        sequence = chain.head("m-storage").sequence
        for at, given_wh in enumerate(words, start=1):
            assert chain.run(chain.say("storage", Correct("m-storage", sequence, NEXT, 0, given_wh))) == "ok"
            settle(chain, NEXT + at, {"m-tenant": (1, 0)})
            check_carbon(chain)
        return chain

    once, twice = spoken(20), spoken(75, 20)
    assert emitted(once, NEXT, "m-storage").unseen_wh > 0, "more was given than was seen to go in"
    assert stored(once) == stored(twice)
    sums = [sum(one.emitted_ug for one in carbon_corrections(chain)) for chain in (once, twice)]
    assert sums[0] == sums[1]


def test_a_consumer_that_took_less_than_was_estimated_gets_its_own_back_at_the_mix_of_then() -> None:
    """Silent without a like day: 100 kWh by rating, of which 40 turn out to be true."""
    chain = Chain(simple())
    settle(chain, FIRST, {"m-bio": (0, 100_000)}, silent=("m-tenant",))
    mix = carbon_of(chain, FIRST)
    settle(chain, NEXT, {"m-tenant": (80, 0), "m-bio": (0, 40)})
    (said,) = carbon_corrections(chain)
    assert said.member_ug == -((100_000 - 40) * mix.pool_ug // mix.energy_wh)
    assert carried(chain, NEXT, "tenant").corrected_ug == said.member_ug < 0
    check_carbon(chain)


def test_a_battery_that_was_silent_while_nothing_happened_holds_what_it_held() -> None:
    """Taken to have charged, and to have given part of that; both words are taken back in one close."""
    chain, silent = estimated(900)
    settle(chain, silent + 1, {"m-tenant": (1, 0)})
    before, day = stored(chain), silent + 95
    settle(chain, day, {"m-bio": (0, 1_000)}, silent=("m-storage",))
    settle(chain, day + 1, {"m-tenant": (40, 0)}, silent=("m-storage",))
    assert emitted(chain, day, "m-storage").taken_ug > 0 and emitted(chain, day + 1, "m-storage").released_ug > 0
    settle(chain, day + 2, {"m-tenant": (1, 0)})
    assert stored(chain) == before
    check_carbon(chain)


def test_a_battery_never_gives_back_more_carbon_than_it_holds() -> None:
    chain = Chain(simple())
    settle(chain, FIRST, {"m-bio": (0, 1_000), "m-storage": (100, 0)})
    stores = {"m-storage": Store("m-storage", 90, 5_000, 7, 0, 0, 7, 9, 10)}
    (record,) = words(chain, stores, charged(100, 50))
    assert (stores["m-storage"].charge, stores["m-storage"].carbon_ug, record.stored_ug) == (0, 0, -7)
    (record,) = words(chain, stores, charged(50, 250))
    assert (stores["m-storage"].charge, record.stored_ug) == (5_000, 200 * 300), "no more charge than fits"


def charged(old_wh: int, new_wh: int) -> Correction:
    """Another word about what the battery took in the first interval."""
    return Correction(FIRST, "m-storage", "storage", NEXT, "returned", old_wh, 0, new_wh, 0, (), 0, False)


def words(chain: Chain, stores: dict[str, Store], *said: Correction) -> list[CarbonCorrection]:
    """What these corrections, booked at once, do to storages."""
    keyed = {CORRECTIONS.key(one.interval, one.meter, number): one for number, one in enumerate(said)}
    found = follow(State(chain.store), chain.genesis.params, frozenset(), keyed, stores)
    assert found.shared_ug == sum(one.emitted_ug - one.stored_ug for one in found.records.values())
    return list(found.records.values())


def test_where_two_meters_disagree_the_smaller_counts_until_the_parent_has_spoken() -> None:
    line = PowerLine("l-1", "m-bio", "m-tenant", "m-campus", 0, 0, 5)
    chain = Chain(change(simple(), lines=(line,)))
    settle(chain, FIRST, {"m-bio": (0, 500), "m-tenant": (400, 0)}, silent=("m-campus",))
    assert emitted(chain, FIRST, "m-bio").energy_wh == 400
    settle(chain, NEXT, {"m-campus": (900, 0), "m-solar": (0, 900)})
    settle(chain, NEXT + 1, {"m-tenant": (1, 0)})
    said = [one for one in carbon_corrections(chain) if one.meter == "m-bio"]
    assert sum(one.emitted_ug for one in said) == 50 * 300, "450 Wh by the parent"
    check_carbon(chain)


def test_what_is_too_late_to_be_billed_moves_no_carbon() -> None:
    chain = Chain(simple())
    settle(chain, FIRST, {"m-tenant": (1, 0)}, silent=("m-bio", "m-solar"))
    late = FIRST + 96 * 36
    settle(chain, late, {"m-bio": (0, 100), "m-solar": (0, 60), "m-tenant": (160, 0)})
    settle(chain, late + 1, {"m-tenant": (1, 0)})
    assert all(one.final for one in corrections(chain)) and len(corrections(chain)) == 2
    assert carbon_corrections(chain) == [] and account(chain, "solar") == {
        ("m-solar", cycle_of(PactParams(), late)): 30
    }
    check_carbon(chain)


def test_what_was_added_to_a_battery_by_a_later_word_goes_again_by_the_next() -> None:
    """More than its interval saw, by a verdict; then less, by its owner: the charge is what it was."""
    chain = Chain(simple())
    settle(chain, FIRST, {"m-bio": (0, 1_000), "m-storage": (100, 0)})
    settle(chain, NEXT, {"m-storage": (0, 10), "m-tenant": (10, 0)})
    held = stored(chain)
    before = Store("m-storage", held.charge, None, held.carbon_ug, 0, 0, 7, 9, 10)
    stores = {"m-storage": before}

    def say(old: int, new: int) -> None:
        words(
            chain, stores, Correction(NEXT, "m-storage", "storage", NEXT + 2, "verdict", 0, old, 0, new, (), 0, False)
        )

    say(10, 30)
    assert stores["m-storage"].charge == before.charge - 2_000
    say(30, 10)
    assert stores["m-storage"].charge == before.charge


# Any traffic

METERS = sorted(SIMPLE)
OWNERS = {meter: site.member for meter, site in SIMPLE.items()}
WH = st.integers(0, 60_000)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.sampled_from(METERS), st.tuples(WH, WH)),
        st.tuples(st.just("wait"), st.just(""), st.integers(INTERVAL_MS // 2, 2 * INTERVAL_MS)),
        st.tuples(st.just("correct"), st.sampled_from(METERS), st.tuples(st.integers(0, 3), WH, WH)),
        st.tuples(st.just("certify"), st.sampled_from(METERS), st.tuples(st.integers(0, 900_000), st.integers(1, 6))),
        st.tuples(st.just("tariff"), st.just(""), st.integers(0, 900_000)),
        st.tuples(st.just("green"), st.sampled_from(["campus", "tenant"]), st.integers(1, 50_000)),
        st.tuples(st.just("trade"), st.sampled_from(["solar", "campus"]), st.integers(1, 50_000)),
    ),
    min_size=10,
    max_size=40,
)  # fmt: skip
LINES = (
    PowerLine("l-1", "m-solar", "m-tenant", "m-campus", 0, 0, 5),
    PowerLine("l-2", "m-bio", "m-storage", "m-tie", 0, 0, 0),
)


def play(chain: Chain, actions: list[tuple[str, str, object]]) -> None:
    """One block per action; the sums and what is closed are checked after each."""
    before: dict[bytes, bytes] = {}
    for kind, who, what in actions:
        now = chain.now_ms // INTERVAL_MS
        match kind, what:
            case "read", (import_wh, export_wh):
                head = chain.head(who)
                chain.block(chain.reading(who, now, head.import_wh + import_wh, head.export_wh + export_wh))
            case "wait", length:
                assert isinstance(length, int)
                chain.now_ms += length
                chain.block()
            case "correct", (back, import_wh, export_wh):
                sequence = max(1, chain.head(who).sequence - back)
                chain.block(chain.say(OWNERS[who], Correct(who, sequence, now - 1 - back, import_wh, export_wh)))
            case "certify", (operating, length):
                own = 0 if who == "m-storage" else operating % 3 * operating
                body = RegisterFactor(who, "A", "all", own, operating, now + 1, now + 1 + length)
                chain.block(chain.say("auditor", body))
            case "tariff", figure:
                body = change(chain.tariff(now + 2, 5, 5).body, factor_ug_per_wh=figure)
                chain.block(chain.say("utility", body), chain.offer("solar", "m-solar", now + 2, (5, 30_000)))
            case "green", energy_wh:
                chain.block(green(chain, who, interval=now + 2, count=2, energy_wh=energy_wh))
            case "trade", energy_wh:
                assert isinstance(energy_wh, int)
                half = max(1, energy_wh // 2)
                chain.block(
                    chain.say(who, TransferOrigin("tenant", "m-solar", CYCLE, energy_wh)),
                    chain.say("tenant", RetireOrigin("m-solar", CYCLE, half, "lunch")),
                )
        check_carbon(chain)
        after = closed(chain)
        assert before.items() <= after.items(), "what is booked stays"
        before = after


@given(ACTIONS, st.booleans())
@settings(max_examples=60)
def test_carbon_and_certificates_are_conserved_by_any_traffic(
    actions: list[tuple[str, str, object]], disputed: bool
) -> None:
    genesis = simple(site_ug=999, travel_ug=77, zero_ghg=True, embodied_baseline_ug=10**6, surge_budget_ug=10**7)
    chain = Chain(change(genesis, lines=LINES if disputed else ()))
    play(chain, [("read", meter, (500, 500)) for meter in METERS] + actions)
    money = chain.money()
    chain.at(FIRST + 100)
    chain.catch_up()
    check_carbon(chain)
    assert chain.money() == money


@given(st.lists(st.tuples(st.sampled_from(METERS), st.integers(0, 2**31), st.integers(0, 2**31)), max_size=6))
@settings(max_examples=40)
def test_what_leaves_the_bounds_of_emissions_is_not_booked_and_stops_nothing(
    readings: list[tuple[str, int, int]],
) -> None:
    giants = {meter: site._replace(rating_w=MAX_ENERGY, factor=2**22 - 1) for meter, site in SIMPLE.items()}
    chain = Chain(certified(giants, site_ug=2**62, travel_ug=2**61))
    for round_, (meter, import_wh, export_wh) in enumerate(readings):
        settle(chain, FIRST + round_, {meter: (import_wh, export_wh)})
        check_carbon(chain)
    codes = {carbon_of(chain, FIRST + at).code for at in range(len(readings))}
    assert codes <= {"ok", "amount.range"} and (len(readings) < 3 or "amount.range" in codes)


def test_a_chain_whose_emissions_left_the_bounds_goes_on_with_later_ones() -> None:
    """Beside the site's own there is room for a gram: not for the first interval, and for the second."""
    giants = {meter: site._replace(rating_w=MAX_ENERGY) for meter, site in SIMPLE.items()}
    chain = Chain(certified(giants, site_ug=MAX_MONEY - 10**6))
    settle(chain, FIRST, {"m-bio": (0, MAX_ENERGY // 4), "m-storage": (4, 0), "m-tenant": (1, 0)})
    assert carbon_of(chain, FIRST) == IntervalCarbon(FIRST, "amount.range")
    assert stored(chain) == StoredCarbon("m-storage", 4 * 81, 0), "its charge moves alone"
    check_carbon(chain)
    settle(chain, NEXT, {"m-bio": (0, 10), "m-tenant": (10, 0)})
    assert carbon_of(chain, NEXT).code == "ok"
    assert check_carbon(chain).attributed_ug == MAX_MONEY - 10**6 + 10 * 300


# The policy, as metered


def test_what_breaks_the_policy_is_on_record() -> None:
    chain = Chain(
        certified(
            SIMPLE,
            zero_ghg=True,
            embodied_baseline_ug=700,
            embodied_surge_ug=700,
            surge_intervals=1,
            surge_budget_ug=10_000,
        )
    )
    settle(chain, FIRST, {"m-solar": (0, 900), "m-storage": (900, 0)})
    broken: list[PolicyBroken] = []
    for at, given_wh in enumerate((100, 200, 150, 201, 0), start=1):
        settle(chain, FIRST + at, {"m-storage": (0, given_wh), "m-tenant": (given_wh, 0)})
        assert chain.clock is not None
        broken += [event for event in chain.clock.events if isinstance(event, PolicyBroken)]
    for at, flow in ((6, {"m-bio": (0, 1)}), (7, {"m-storage": (0, 80)})):
        settle(chain, FIRST + at, flow | {"m-tenant": (1, 0)})
        assert chain.clock is not None
        broken += [event for event in chain.clock.events if isinstance(event, PolicyBroken)]
    said = [carbon_of(chain, FIRST + at).policy for at in range(5)]
    assert said == ["kept", "kept", "kept", "broken", "broken"]
    assert broken == [
        PolicyBroken(FIRST + 3, 0, 350),
        PolicyBroken(FIRST + 4, 0, 707),
        PolicyBroken(FIRST + 6, 300, 0),
        PolicyBroken(FIRST + 7, 2_000_000, 0),
    ], "what nobody saw go in counts as operating"


def test_a_certified_factor_takes_the_place_of_the_registered_one_where_it_counts() -> None:
    chain = Chain(simple())
    assert chain.run(factor(chain, first=NEXT, until=NEXT + 1)) == "ok"
    for at in range(3):
        settle(chain, FIRST + at, {"m-bio": (0, 10), "m-tenant": (10, 0)})
    found = [emitted(chain, FIRST + at, "m-bio") for at in range(3)]
    figures = [(one.operating_ug_per_wh, one.embodied_ug_per_wh, one.basis, one.certificate) for one in found]
    assert figures == [
        (300, 0, "registration", None),
        (20, 5, "certificate", 0),
        (1_000_000, 0, "worst", None),
    ], "who was certified does not fall back to a lower word"
    assert account(chain, "bio") == {}
    check_carbon(chain)
