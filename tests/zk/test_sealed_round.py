"""A sealed round from bids to payments, with the mathematics alone: what is opened, and that it adds up."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zk.statement_cases import ENTROPY, WHERE, point
from zk import elgamal
from zk.elgamal import Ciphertext
from zk.group import ORDER, native
from zk.statements import award, bid, check, delivery
from zk.statements.assertion import Assertion
from zk.statements.openings import Opening, opened

SECRET, SLOPE = 0x1357_9BDF_2468_ACE0, 0x0F1E_2D3C_4B5A_6978
SHARES = {j: ((SECRET + SLOPE * j) % ORDER).to_bytes(32, "big") for j in (1, 2, 3)}
"""Of a key that any two of three seats open with."""
KEY = native.GENERATOR.times_secret(native.scalar(SECRET)).to_bytes()

SUPPLIERS = ("biodiesel", "solar", "wind")
BIDS = {"biodiesel": (0, 20, 40), "solar": (31, 0, 0), "wind": (10, 15, 5)}
PLACES = {name: WHERE._replace(actor=name) for name in SUPPLIERS}


def open_sum(sealed: Ciphertext) -> int:
    """What two seats open."""
    shares = {j: elgamal.share(SHARES[j], sealed.R) for j in (1, 3)}
    found = elgamal.recover(elgamal.opened(sealed, elgamal.combine(shares, 2)), 2**20)
    assert found is not None
    return found


def price(sums: list[int], demand: int) -> tuple[int, int, int]:
    """Tick of the price, a and b, of cumulative sums by tick."""
    if sums[-1] < demand:
        return len(sums), 1, 1
    k = next(k for k, amount in enumerate(sums, start=1) if amount >= demand)
    before = sums[k - 2] if k > 1 else 0
    return k, demand - before, sums[k - 1] - before


@pytest.mark.parametrize(("demand", "tick"), [(60, 2), (500, 3)])
def test_a_round_adds_up(demand: int, tick: int) -> None:
    assertions: list[Assertion] = []
    ticks: dict[str, list[Ciphertext]] = {}
    known: dict[str, list[Opening]] = {}
    for name in SUPPLIERS:
        (capacity,) = opened("capacity", PLACES[name], [100], ENTROPY)
        posted, openings = _bid(name, capacity)
        known[name] = openings[:-1]
        ticks[name] = [elgamal.decode(e, r) for e, r in zip(posted.e, posted.r, strict=True)]
        assertions.append(bid.assertion(PLACES[name], KEY, point(capacity), *posted))

    by_tick = [elgamal.total([ticks[name][k] for name in SUPPLIERS]) for k in range(3)]
    sums = [open_sum(elgamal.total(by_tick[: k + 1])) for k in range(3)]
    assert sums == list(accumulate(map(sum, zip(*BIDS.values(), strict=True))))
    k, a, b = price(sums, demand)
    assert k == tick

    summands = []
    sold: dict[str, Opening] = {}
    for name in SUPPLIERS:
        offered = (tick.E for tick in ticks[name][:k])
        weighted = native.linear(*zip(offered, award.factors(k, a, b), strict=True)).to_bytes()
        given_, sold[name] = award.prove(PLACES[name], KEY, award.weigh(known[name][:k], a, b), b, entropy=ENTROPY)
        assertions.append(award.assertion(PLACES[name], KEY, weighted, b, given_))
        summands.append(elgamal.decode(given_.summand, given_.summand_r))
        # Delivered but for one Wh, beside 7 that were owed otherwise.
        short = min(1, sold[name].value)
        if sold[name].value:
            (metered,) = opened("tests", PLACES[name], [sold[name].value - short + 7], ENTROPY)
            numbers = {"shortfall_wh": short, "others_wh": 7}
            proof = delivery.prove(PLACES[name], sold[name], metered, entropy=ENTROPY, **numbers)
            assertions.append(delivery.assertion(PLACES[name], given_.award, point(metered), proof, **numbers))
    assert all(check.verify_all(assertions))

    opened_sum = open_sum(elgamal.total(summands))
    assert opened_sum == sum(one.value for one in sold.values())
    rest = min(demand, sums[-1]) - opened_sum
    assert 0 <= rest < len(SUPPLIERS)
    assert all(one.value <= sum(BIDS[name][:k]) for name, one in sold.items())


_MADE: dict[str, tuple[bid.Sealed, list[Opening]]] = {}


def _bid(name: str, capacity: Opening) -> tuple[bid.Sealed, list[Opening]]:
    """Made once for all demands."""
    if name not in _MADE:
        _MADE[name] = bid.prove(PLACES[name], KEY, capacity, BIDS[name], entropy=ENTROPY)
    return _MADE[name]


offers = st.lists(st.tuples(*[st.integers(0, 2**31 - 1)] * 4), min_size=3, max_size=6)


@settings(max_examples=60)
@given(offers, st.integers(1, 2**32 - 1))
def test_awards_fall_short_of_the_need_by_less_than_there_are_suppliers(
    bids: list[tuple[int, ...]], demand: int
) -> None:
    """Of integers: what floors leave is bought elsewhere, and it is less than one Wh for each."""
    sums = list(accumulate(map(sum, zip(*bids, strict=True))))
    k, a, b = price(sums, demand)
    weighted = [award.weigh([Opening(value, bytes(32)) for value in one[:k]], a, b).value for one in bids]
    assert sum(weighted) == (b * demand if sums[-1] >= demand else sums[-1])
    awards = [value // b for value in weighted]
    assert 0 <= min(demand, sums[-1]) - sum(awards) < len(bids)
    assert all(value < 2**64 for value in weighted)
