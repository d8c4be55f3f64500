"""From a builder's solution to money: a window with a battery is ordered, delivered and settled, all are paid once."""

from __future__ import annotations

import pytest
from flexible_world import storage
from ledger_world import Chain, codes
from test_window_rounds import BUILDERS, WINDOW, locked, pact, say
from wager_world import drawn, play, round_of, solution_of, wager_of

from contracts.records import SETTLED
from contracts.schema import STORE_ACCOUNTS
from contracts.state import State

WINDOWS = range(WINDOW, WINDOW + 4)


def ordered(**params: object) -> Chain:
    """The battery is used by the solution of three equal builders."""
    chain = pact(**params)
    say(chain, lambda: storage(chain, WINDOW, count=8))
    locked(chain)
    builders = drawn(chain, BUILDERS)
    play(chain, dict.fromkeys(builders, solution_of(chain, WINDOW)))
    return chain


def deliver(chain: Chain, interval: int, share: int = 100) -> None:
    """The battery takes and gives so much of its order in percent; the tie brings what is missing."""
    store = chain.order(interval, "storage").storages[0]
    charge_wh, given_wh = store.charge_wh * share // 100, store.discharge_wh * share // 100
    tie_wh = 30_000 + charge_wh - given_wh
    flows = {"m-storage": (charge_wh, given_wh), "m-campus": (30_000, 0), "m-tie": (0, tie_wh)}
    chain.at(interval)
    readings = []
    for meter in (one.id for one in chain.genesis.meters):
        head, (import_wh, export_wh) = chain.head(meter), flows.get(meter, (0, 0))
        readings.append(chain.reading(meter, interval, head.import_wh + import_wh, head.export_wh + export_wh))
    assert set(codes(chain.block(*readings))) == {"ok"}
    # Behind it rounds about the next window go through their phases.
    chain.at(interval + 1, chain.genesis.params.close_grace_ms)
    while chain.interval(interval).status != SETTLED:
        chain.block()


def lines(chain: Chain, interval: int, kind: str) -> dict[str, int]:
    """Amounts of one kind of line by member."""
    bills = [chain.bill(interval, member.id) for member in chain.genesis.members]
    return {one.member: line.amount_nano for one in bills if one for line in one.lines if line.kind == kind}


def test_builders_of_a_window_are_paid_by_its_first_interval_less_than_they_saved() -> None:
    chain = ordered()
    money = chain.money()
    owed = {name: wager_of(chain, name).reward_nano for name in BUILDERS}
    saved_nano = round_of(chain).fallback_nano - round_of(chain).cost_nano
    assert 0 < sum(owed.values()) <= saved_nano
    assert len(set(owed.values())) == 1, "equal solutions are paid alike"
    for interval in WINDOWS:
        deliver(chain, interval)
        assert lines(chain, interval, "builder") == (owed if interval == WINDOW else {})
    assert round_of(chain).paid_in == WINDOW
    assert chain.money() == money


def test_a_battery_that_gained_by_its_orders_is_owed_nothing_and_its_account_is_exact() -> None:
    chain = ordered()
    expected_nano = 0
    for interval in WINDOWS:
        deliver(chain, interval)
        store, price = chain.order(interval, "storage").storages[0], chain.interval(interval).price_nano_per_wh
        expected_nano += store.charge_wh * price
        assert lines(chain, interval, "make-whole") == {}
    account = State(chain.store).entry(STORE_ACCOUNTS, "m-storage")
    assert account is not None
    assert account.used_nano + account.stored_nano == expected_nano
    assert account.revenue_nano > account.used_nano + account.wear_nano
    supply = sum(lines(chain, at, "supply").get("storage", 0) for at in WINDOWS)
    assert account.revenue_nano == supply


@pytest.mark.parametrize("share", [0, 50, 97, 98, 100])
def test_a_battery_that_gives_less_than_ordered_loses_trust_and_its_account_counts_what_it_gave(share: int) -> None:
    chain = ordered()
    index = chain.trust("storage").index_ppm
    for interval in WINDOWS:
        deliver(chain, interval, share)
    account = State(chain.store).entry(STORE_ACCOUNTS, "m-storage")
    assert account is not None
    given_wh = sum(chain.order(at, "storage").storages[0].discharge_wh * share // 100 for at in WINDOWS)
    assert account.wear_nano == given_wh * 1_000
    assert (chain.trust("storage").index_ppm < index) == (share < 98)


def test_every_interval_of_a_window_sums_to_zero() -> None:
    chain = ordered()
    for interval in WINDOWS:
        deliver(chain, interval, 90)
        found = [chain.bill(interval, one.id) for one in chain.genesis.members]
        assert sum(one.total_nano for one in found if one) == 0
