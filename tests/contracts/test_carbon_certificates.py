"""Factors, certificates of origin, offsets and the green share: who may say what, and that everything counts once."""

from __future__ import annotations

import pytest
from carbon_world import (
    MEMBERS,
    METERS,
    NEXT,
    SIMPLE,
    account,
    carried,
    certified,
    check_carbon,
    emitted,
    factor,
    green,
    offset,
)
from ledger_world import FIRST, Chain, bill, change, make_genesis, settle

from contracts import api
from contracts.bodies import Correct
from contracts.carbon import factors
from contracts.carbon.bodies import EndFactor, RetireOffset, RetireOrigin, TransferOffset, TransferOrigin
from contracts.carbon.factors import Applied
from contracts.carbon.records import (
    MAX_LOTS,
    Certificate,
    Lot,
    OffsetAccount,
    OffsetPlace,
    OriginAccount,
    OriginTotals,
    Retirement,
)
from contracts.cycles import cycle_of
from contracts.members import Asset, Meter
from contracts.params import PactParams
from contracts.rolls import bucket
from contracts.schema import (
    CERTIFICATES,
    LOCKED_ORIGINS,
    OFFERS,
    OFFSET_ACCOUNTS,
    OFFSETS,
    ORIGIN_TOTAL,
    ORIGIN_TOTALS,
    ORIGINS,
    RETIREMENTS,
    WORST_FACTOR,
    WORST_FACTORS,
)
from contracts.schema import (
    METERS as METER_TABLE,
)
from contracts.state import State
from contracts.succession import left_behind
from contracts.trust import slash
from contracts.units import MAX_MONEY
from zk.codec import encode

PARAMS = PactParams()
CYCLE = cycle_of(PARAMS, FIRST)


def applied(chain: Chain, meter: str, interval: int) -> Applied:
    state = State(chain.store)
    found = state.load(METER_TABLE, METER_TABLE.key(meter))
    assert found is not None
    rule = factors.imported if found.kind == "tie" else factors.applied
    return rule(state, chain.genesis.params, found, interval)


def totals(chain: Chain) -> OriginTotals:
    return State(chain.store).load(ORIGIN_TOTALS, ORIGIN_TOTAL) or OriginTotals()


# Factors


def test_a_certificate_counts_in_its_intervals_alone_and_registration_never_again() -> None:
    chain = Chain(certified())
    assert applied(chain, "m-bio", NEXT) == Applied(30_000, 0, "registration")
    assert chain.run(factor(chain, until=NEXT + 5)) == "ok"
    assert applied(chain, "m-bio", NEXT - 1) == Applied(30_000, 0, "registration")
    assert applied(chain, "m-bio", NEXT) == applied(chain, "m-bio", NEXT + 4) == Applied(20, 5, "certificate", 0)
    assert applied(chain, "m-bio", NEXT + 5) == Applied(1_000_000, 0, "worst")
    held = CERTIFICATES.decode(chain.store[CERTIFICATES.key("m-bio", 0)])
    assert held == Certificate("m-bio", 0, "auditor", "A-1", "cradle to grave, 25 years", 20, 5, NEXT, NEXT + 5, 1)


def test_renewing_replaces_from_its_first_interval_on_and_moves_nothing_before() -> None:
    chain = Chain(certified())
    assert chain.run(factor(chain)) == "ok"
    assert chain.run(factor(chain, operating_ug_per_wh=9, first=NEXT + 3, until=NEXT + 6)) == "ok"
    found = [applied(chain, "m-bio", NEXT + at).certificate for at in (0, 2, 3, 5, 6)]
    assert found == [0, 0, 1, 1, None]


@pytest.mark.parametrize("who", ["auditor", "bio"])
def test_its_certifier_and_the_meters_owner_end_a_certificate_and_the_worst_applies(who: str) -> None:
    chain = Chain(certified())
    assert chain.run(factor(chain)) == "ok"
    assert chain.run(chain.say(who, EndFactor("m-bio", NEXT + 2))) == "ok"
    assert applied(chain, "m-bio", NEXT + 1).basis == "certificate"
    assert applied(chain, "m-bio", NEXT + 2) == Applied(1_000_000, 0, "worst")
    assert chain.run(factor(chain, "bureau", first=NEXT + 2)) == "ok", "another certifier may follow"


def test_a_successor_goes_on_with_the_factor_that_counts_and_no_lower_word() -> None:
    chain = Chain(certified())
    for meter, until in (("m-bio", NEXT + 9), ("m-storage", NEXT + 1)):
        figures = {"operating_ug_per_wh": 0, "embodied_ug_per_wh": 700, "first": NEXT}
        assert chain.run(factor(chain, meter=meter, until=until, **figures)) == "ok"
    state = State(chain.store)
    at = (NEXT + 3) * PARAMS.interval_ms
    going = {one.id: factors.carried(state, PARAMS, one, at) for one in chain.genesis.meters}
    assert going["m-bio"].factor_ug_per_wh == 700
    assert factors.registered(going["m-storage"]) is None, "its certificate has ended: the worst applies there, too"
    untouched = [one for one in chain.genesis.meters if one.id not in ("m-bio", "m-storage")]
    assert [going[one.id] for one in untouched] == untouched
    assert left_behind(state).certified == ("m-bio", "m-storage")


def test_the_past_is_never_certified() -> None:
    for first in (FIRST - 5, FIRST):
        chain = Chain(certified())
        assert chain.run(factor(chain, first=first)) == "factor.validity"


def test_the_worst_on_the_ledger_is_the_highest_ever_registered() -> None:
    chain = Chain(certified())
    assert applied(chain, "m-none", NEXT) == Applied(1_000_000, 0, "worst")
    assert chain.run(factor(chain, operating_ug_per_wh=1_500_000, until=NEXT + 1)) == "ok"
    assert applied(chain, "m-none", NEXT) == applied(chain, "m-none", NEXT + 9) == Applied(1_500_005, 0, "worst")
    dirty = METERS | {"m-bureau": METERS["m-bureau"]._replace(factor=2_000_000)}
    assert applied(Chain(certified(dirty)), "m-none", NEXT) == Applied(2_000_000, 0, "worst")
    records = api.genesis_records(certified(dirty))
    assert WORST_FACTORS.decode(records[WORST_FACTOR]).ug_per_wh == 2_000_000


def test_a_storage_has_what_is_embodied_in_it_alone() -> None:
    plain = Meter("s", "storage", bytes(32), "storage", "zone", 1, None, None)
    assert factors.registered(plain) is None
    assert factors.registered(change(plain, asset=Asset())) is None, "nothing made is free of carbon"
    assert factors.registered(change(plain, asset=Asset(embodied_ug_per_wh=9))) == 9
    assert factors.registered(change(plain, factor_ug_per_wh=0, asset=Asset(embodied_ug_per_wh=9))) == 0
    chain = Chain(certified())
    assert applied(chain, "m-storage", NEXT) == Applied(0, 10_000, "registration")
    assert applied(chain, "m-plain", NEXT) == Applied(0, 1_000_000, "worst")


def test_a_tariff_counts_as_far_as_it_is_not_in_the_utilitys_favour() -> None:
    chain = Chain(certified())
    assert applied(chain, "m-tie", NEXT) == Applied(400_000, 0, "pact")

    def say(figure: int) -> None:
        body = change(chain.tariff(NEXT, 5, 5).body, factor_ug_per_wh=figure)
        assert chain.run(chain.say("utility", body)) == "ok"

    say(100)
    assert applied(chain, "m-tie", NEXT) == Applied(400_000, 0, "pact")
    say(500_000)
    assert applied(chain, "m-tie", NEXT) == Applied(500_000, 0, "tariff")
    assert chain.run(factor(chain, meter="m-tie", operating_ug_per_wh=50, embodied_ug_per_wh=0)) == "ok"
    assert applied(chain, "m-tie", NEXT) == Applied(500_000, 0, "tariff")
    say(10)
    assert applied(chain, "m-tie", NEXT) == Applied(50, 0, "certificate", 0)


def test_a_tombstoned_certifier_certifies_nothing() -> None:
    chain = Chain(certified())
    chain.decide(lambda state, context: slash(state, context, "auditor", "duplicate-prevote"))
    assert chain.run(factor(chain)) == "carbon.role"
    assert chain.run(offset(chain)) == "carbon.role"
    assert chain.run(factor(chain, "bureau")) == "ok"


def test_offers_stand_with_the_factor_of_their_interval() -> None:
    chain = Chain(certified())
    assert chain.run(factor(chain, first=NEXT + 1)) == "ok"
    for interval in (NEXT, NEXT + 1):
        assert chain.run(chain.offer("bio", "m-bio", interval, (5, 10))) == "ok"
    found = [OFFERS.decode(chain.store[OFFERS.key(NEXT + at, bucket("m-bio"))]) for at in (0, 1)]
    assert [one.entries[0].factor_ug_per_wh for one in found] == [30_000, 25]


# Certificates of origin


def simple() -> Chain:
    return Chain(certified(SIMPLE))


def test_only_metered_generation_without_operating_emission_is_certified_once() -> None:
    chain = simple()
    settle(chain, FIRST, {"m-solar": (0, 500), "m-bio": (0, 500), "m-campus": (1_000, 0)})
    assert account(chain, "solar") == {("m-solar", CYCLE): 500}
    assert account(chain, "bio") == account(chain, "campus") == {}
    settle(chain, FIRST + 1, {"m-campus": (10, 0)}, silent=("m-solar",))
    assert emitted(chain, FIRST, "m-solar").origin_wh == 500
    assert account(chain, "solar") == {("m-solar", CYCLE): 500}, "an estimate issues none"
    settle(chain, FIRST + 2, {"m-solar": (0, 60), "m-campus": (60, 0)})
    settle(chain, FIRST + 3, {"m-campus": (1, 0)})
    assert totals(chain).issued_wh == 560, "the register that returned brings its own"
    check_carbon(chain)


def test_an_estimate_issues_none_and_the_register_all_of_it() -> None:
    chain = simple()
    first = FIRST + 96 * 3
    for day in range(2):
        settle(chain, first + 96 * day, {"m-solar": (0, 500), "m-campus": (500, 0)})
    settle(chain, first + 192, {"m-campus": (500, 0)}, silent=("m-solar",))
    assert emitted(chain, first + 192, "m-solar").energy_wh == 500 and totals(chain).issued_wh == 1_000
    settle(chain, first + 193, {"m-solar": (0, 1_100), "m-campus": (1_100, 0)})
    assert totals(chain).issued_wh == 1_000 + 1_100
    check_carbon(chain)


def test_certificates_go_where_the_energy_goes() -> None:
    """Of 1,000 Wh 300 are exported and 100 charged. Of those 60 come out as 60 x 81 / 81 certificates less losses."""
    chain = simple()
    settle(chain, FIRST, {"m-solar": (0, 1_000), "m-tie": (300, 0), "m-storage": (100, 0), "m-campus": (600, 0)})
    assert account(chain, "utility") == {("m-solar", CYCLE): 300}
    assert account(chain, "solar") == {("m-solar", CYCLE): 600}
    (lot,) = LOCKED_ORIGINS.decode(chain.store[LOCKED_ORIGINS.key("m-storage")]).lots
    assert (lot.member, lot.energy_wh) == ("solar", 100)
    settle(chain, FIRST + 1, {"m-storage": (0, 54), "m-campus": (54, 0)})
    (lot,) = LOCKED_ORIGINS.decode(chain.store[LOCKED_ORIGINS.key("m-storage")]).lots
    drawn = 100 * 54 * 100 // 8_100
    assert lot.energy_wh == 100 - drawn
    assert account(chain, "solar") == {("m-solar", CYCLE): 600 + drawn * 81 // 100}
    assert totals(chain) == OriginTotals(1_000, 0, drawn - drawn * 81 // 100)
    check_carbon(chain)


def test_locked_certificates_can_not_be_used() -> None:
    chain = simple()
    settle(chain, FIRST, {"m-solar": (0, 100), "m-storage": (100, 0)})
    assert account(chain, "solar") == {}
    assert chain.run(chain.say("solar", RetireOrigin("m-solar", CYCLE, 1, "x"))) == "origin.insufficient"


def test_a_certificate_is_used_up_once_whoever_holds_it() -> None:
    chain = simple()
    settle(chain, FIRST, {"m-solar": (0, 100), "m-campus": (100, 0)})
    assert chain.run(chain.say("solar", TransferOrigin("campus", "m-solar", CYCLE, 60))) == "ok"
    assert chain.run(chain.say("solar", RetireOrigin("m-solar", CYCLE, 41, "x"))) == "origin.insufficient"
    assert chain.run(chain.say("campus", RetireOrigin("m-solar", CYCLE, 60, "cooling"))) == "ok"
    for sender in ("campus", "solar"):
        assert chain.run(chain.say(sender, RetireOrigin("m-solar", CYCLE, 60, "x"))) == "origin.insufficient"
    assert totals(chain).retired_wh == 60
    held = RETIREMENTS.decode(chain.store[RETIREMENTS.key("campus", CYCLE)])
    assert held.retired == (Retirement(FIRST + 1, "cooling", meter="m-solar", cycle=CYCLE, energy_wh=60),)
    check_carbon(chain)


def test_energy_that_was_none_takes_its_certificates_with_it_and_then_later_ones() -> None:
    chain = simple()
    settle(chain, FIRST, {"m-solar": (0, 100), "m-campus": (100, 0)})
    assert chain.run(chain.say("solar", TransferOrigin("campus", "m-solar", CYCLE, 90))) == "ok"
    sequence = chain.head("m-solar").sequence
    assert chain.run(chain.say("solar", Correct("m-solar", sequence, FIRST, 0, 50))) == "ok"
    settle(chain, FIRST + 1, {"m-campus": (1, 0)})
    assert (account(chain, "solar"), totals(chain).cancelled_wh) == ({}, 10)
    assert ORIGINS.decode(chain.store[ORIGINS.key("solar")]).owed_wh == 40
    settle(chain, FIRST + 2, {"m-solar": (0, 70), "m-campus": (70, 0)})
    assert (account(chain, "solar"), totals(chain).cancelled_wh) == ({("m-solar", CYCLE): 30}, 50)
    check_carbon(chain)


def test_what_is_older_than_a_year_is_residual_mix() -> None:
    chain = simple()
    lots = (Lot("m-solar", CYCLE - 366, 7), Lot("m-solar", CYCLE - 365, 8))
    chain.store[ORIGINS.key("solar")] = encode(OriginAccount("solar", lots))
    chain.store[ORIGIN_TOTAL] = encode(OriginTotals(15))
    settle(chain, FIRST, {"m-solar": (0, 100), "m-campus": (100, 0)})
    assert account(chain, "solar") == {("m-solar", CYCLE - 365): 8, ("m-solar", CYCLE): 100}
    assert totals(chain).expired_wh == 7
    check_carbon(chain)


def test_more_lots_than_the_maximum_expire_oldest_first() -> None:
    chain = simple()
    lots = tuple(Lot(f"a-{at:04d}", CYCLE - 1, 1) for at in range(MAX_LOTS))
    chain.store[ORIGINS.key("solar")] = encode(OriginAccount("solar", lots))
    chain.store[ORIGIN_TOTAL] = encode(OriginTotals(MAX_LOTS))
    settle(chain, FIRST, {"m-solar": (0, 100), "m-campus": (100, 0)})
    held = account(chain, "solar")
    assert len(held) == MAX_LOTS and ("a-0000", CYCLE - 1) not in held
    check_carbon(chain)


# Offsets


def test_an_offset_changes_hands_whole_and_is_used_up_once() -> None:
    chain = Chain(certified())
    assert chain.run(offset(chain)) == "ok"
    assert chain.run(chain.say("campus", TransferOffset("auditor", "o-1", "auditor"))) == "carbon.own"
    assert chain.run(chain.say("campus", TransferOffset("auditor", "o-1", "tenant"))) == "ok"
    assert chain.run(chain.say("campus", RetireOffset("auditor", "o-1", "x"))) == "offset.holder"
    assert chain.run(chain.say("tenant", RetireOffset("auditor", "o-1", "flights"))) == "ok"
    for sender in ("campus", "tenant"):
        assert chain.run(chain.say(sender, TransferOffset("auditor", "o-1", "bio"))) == "offset.retired"
    held = OFFSETS.decode(chain.store[OFFSETS.key("auditor", "o-1")])
    assert (held.holder, held.retired_in, held.purpose) == ("tenant", FIRST, "flights")
    assert OFFSET_ACCOUNTS.decode(chain.store[OFFSET_ACCOUNTS.key("tenant")]).offsets == ()
    (said,) = RETIREMENTS.decode(chain.store[RETIREMENTS.key("tenant", CYCLE)]).retired
    assert (said.serial, said.amount_ug) == ("o-1", 5_000)


def test_an_offset_passed_to_its_holder_stays_one() -> None:
    chain = Chain(certified())
    assert chain.run(offset(chain)) == "ok"
    assert chain.run(chain.say("campus", TransferOffset("auditor", "o-1", "campus"))) == "ok"
    held = OFFSET_ACCOUNTS.decode(chain.store[OFFSET_ACCOUNTS.key("campus")])
    assert held == OffsetAccount("campus", (OffsetPlace("auditor", "o-1"),))


def test_offsets_are_never_netted() -> None:
    plain, offsetting = simple(), simple()
    assert offsetting.run(offset(offsetting, amount_ug=2**62)) == "ok"
    assert offsetting.run(offsetting.say("campus", RetireOffset("auditor", "o-1", "all of it"))) == "ok"
    for chain in (plain, offsetting):
        settle(chain, FIRST, {"m-bio": (0, 100), "m-campus": (100, 0)})
    assert carried(plain, FIRST, "campus") == carried(offsetting, FIRST, "campus")


# Green share


def dispatched(*bids: tuple[str, int, int], solar_wh: int = 20_000) -> Chain:
    """Two buyers bid for a green share of an interval in which the sun delivers."""
    chain = simple()
    assert chain.run(chain.need("campus", NEXT, 40_000)) == "ok"
    assert chain.run(chain.need("tenant", NEXT, 1_000)) == "ok"
    assert chain.run(chain.offer("solar", "m-solar", NEXT, (80_000, 20_000))) == "ok"
    assert chain.run(chain.offer("bio", "m-bio", NEXT, (90_000, 60_000))) == "ok"
    for sender, energy_wh, premium in bids:
        assert chain.run(green(chain, sender, energy_wh=energy_wh, premium_nano_per_wh=premium)) == "ok"
    chain.at(NEXT)
    chain.block()
    settle(chain, NEXT, {"m-solar": (0, solar_wh), "m-bio": (0, 20_000), "m-campus": (20_000 + solar_wh, 0)})
    return chain


def lines(chain: Chain, member: str) -> dict[str, int]:
    return {line.kind: line.amount_nano for line in bill(chain, NEXT, member).lines}


def test_buyers_pay_the_source_for_green_energy_and_get_its_certificates() -> None:
    chain = dispatched(("campus", 3_000, 10_000), ("tenant", 1_000, 20_000))
    assert lines(chain, "campus")["green"] == -3_000 * 10_000
    assert lines(chain, "tenant")["green"] == -1_000 * 20_000
    assert lines(chain, "solar")["green"] == 3_000 * 10_000 + 1_000 * 20_000
    assert account(chain, "campus") == {("m-solar", CYCLE): 3_000}
    assert account(chain, "tenant") == {("m-solar", CYCLE): 1_000}
    assert account(chain, "solar") == {("m-solar", CYCLE): 16_000}
    assert carried(chain, NEXT, "campus").green_wh == 3_000
    check_carbon(chain)


def test_only_delivered_energy_is_paid_for_and_the_highest_premium_first() -> None:
    chain = dispatched(("campus", 3_000, 10_000), ("tenant", 1_000, 20_000), solar_wh=1_500)
    assert lines(chain, "tenant")["green"] == -1_000 * 20_000
    assert lines(chain, "campus")["green"] == -500 * 10_000
    check_carbon(chain)


def test_what_is_sold_is_what_was_accepted_and_metered_and_not_owed() -> None:
    """10 kWh are needed. The source gives 20, and 15 are bid for; then it gives 2, of which 1.5 are owed."""
    chain = simple()
    assert chain.run(chain.need("campus", NEXT, 10_000)) == "ok"
    assert chain.run(chain.offer("solar", "m-solar", NEXT, (80_000, 20_000))) == "ok"
    assert chain.run(green(chain, energy_wh=15_000)) == "ok"
    settle(chain, NEXT, {"m-solar": (0, 20_000), "m-campus": (20_000, 0)})
    assert account(chain, "campus") == {("m-solar", CYCLE): 10_000}
    chain = simple()
    chain.store[ORIGINS.key("solar")] = encode(OriginAccount("solar", (), 1_500))
    assert chain.run(chain.need("campus", NEXT, 10_000)) == "ok"
    assert chain.run(chain.offer("solar", "m-solar", NEXT, (80_000, 20_000))) == "ok"
    assert chain.run(green(chain, energy_wh=15_000)) == "ok"
    settle(chain, NEXT, {"m-solar": (0, 2_000), "m-campus": (2_000, 0)})
    assert account(chain, "campus") == {("m-solar", CYCLE): 500}
    assert lines(chain, "campus")["green"] == -500 * 50_000
    check_carbon(chain)


def test_sold_certificates_go_first_and_the_rest_where_its_energy_goes() -> None:
    chain = simple()
    assert chain.run(chain.need("campus", NEXT, 700)) == "ok"
    assert chain.run(chain.offer("solar", "m-solar", NEXT, (5, 1_000))) == "ok"
    assert chain.run(green(chain, energy_wh=200)) == "ok"
    settle(chain, NEXT, {"m-solar": (0, 1_000), "m-tie": (300, 0), "m-campus": (700, 0)})
    held = [account(chain, name).get(("m-solar", CYCLE)) for name in ("campus", "utility", "solar")]
    assert held == [200, 800 * 300 // 1_000, 560]
    check_carbon(chain)


def test_an_estimate_sells_no_green_share() -> None:
    chain = simple()
    first = FIRST + 96 * 3
    for day in range(2):
        settle(chain, first + 96 * day, {"m-solar": (0, 500), "m-campus": (500, 0)})
    last = first + 192
    chain.at(last - 2)
    assert chain.run(chain.need("campus", last, 500)) == "ok"
    assert chain.run(chain.offer("solar", "m-solar", last, (80_000, 500))) == "ok"
    assert chain.run(green(chain, interval=last)) == "ok"
    settle(chain, last, {"m-campus": (500, 0)}, silent=("m-solar",))
    assert emitted(chain, last, "m-solar").energy_wh == 500 and account(chain, "campus") == {}
    assert "green" not in {line.kind for line in bill(chain, last, "campus").lines}


def test_premiums_that_nobody_can_pay_are_not_paid_and_sell_nothing() -> None:
    """On an island with a price of zero the buyer's balance is at its bound."""
    roles = MEMBERS | {"utility": ("consumer",)}
    chain = Chain(make_genesis(meters=SIMPLE, roles=roles, balances={"campus": -MAX_MONEY}))
    assert chain.run(chain.need("campus", NEXT, 1_000)) == "ok"
    assert chain.run(chain.offer("solar", "m-solar", NEXT, (-100_000, 400))) == "ok"
    assert chain.run(chain.offer("bio", "m-bio", NEXT, (0, 10_000))) == "ok"
    assert chain.run(green(chain, energy_wh=300)) == "ok"
    settle(chain, NEXT, {"m-solar": (0, 400), "m-bio": (0, 600), "m-campus": (1_000, 0)})
    assert chain.interval(NEXT).code == "ok" and chain.balance("campus") == -MAX_MONEY
    assert account(chain, "campus") == {} and account(chain, "solar") == {("m-solar", CYCLE): 400}
    check_carbon(chain)


def test_certificates_end_where_their_count_leaves_its_bounds() -> None:
    chain = simple()
    chain.store[ORIGIN_TOTAL] = encode(OriginTotals(MAX_MONEY - 10, retired_wh=MAX_MONEY - 10))
    for at in range(2):
        settle(chain, FIRST + at, {"m-solar": (0, 100), "m-campus": (100, 0)})
        assert account(chain, "solar") == {("m-solar", CYCLE): 10}
        check_carbon(chain)


def test_a_bid_that_is_replaced_or_withdrawn_costs_nothing() -> None:
    chain = dispatched(("campus", 3_000, 10_000), ("campus", 1_000, 5_000), ("tenant", 7, 7), ("tenant", 0, 7))
    assert lines(chain, "campus")["green"] == -1_000 * 5_000
    assert chain.bill(NEXT, "tenant") is None or "green" not in lines(chain, "tenant")


def test_nobody_is_paid_for_a_source_that_is_not_green() -> None:
    """The one with a registered factor above zero, and the one that nobody vouches for."""
    for changed in (SIMPLE["m-solar"]._replace(factor=1), SIMPLE["m-solar"]._replace(factor=None)):
        chain = Chain(make_genesis(meters=SIMPLE | {"m-solar": changed}))
        assert chain.run(chain.need("campus", NEXT, 1_000)) == "ok"
        assert chain.run(chain.offer("solar", "m-solar", NEXT, (80_000, 20_000))) == "ok"
        assert chain.run(green(chain)) == "ok"
        chain.at(NEXT)
        settle(chain, NEXT, {"m-solar": (0, 1_000), "m-campus": (1_000, 0)})
        assert "green" not in lines(chain, "campus")
        check_carbon(chain)
