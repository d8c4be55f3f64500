"""Orders on a ledger with wires: what is ordered keeps every line, and both sides of a full one have a price each."""

from __future__ import annotations

import msgspec
import pytest
from governance_world import Pact, governed
from ledger_world import FIRST, Chain, bill, make_genesis, settle

from contracts.genesis import Genesis
from contracts.governance.changes import SetNetwork
from contracts.network.records import Branch, Network, Place, Transfer
from contracts.records import ORDERED

_replace = msgspec.structs.replace
NEXT = FIRST + 4
ZONES = {"m-solar": "south", "m-tenant": "south"}
"""All other meters are in the north, the tie to the public grid among them."""
TIE = Network(
    places=(Place("north"), Place("south")),
    lines=(Branch("feeder", "north", "south", 10_000),),
    transfers=(Transfer("solar", "south", 0, 8_000), Transfer("tenant", "south", 2_000, 0)),
)
"""10 kW: 2,500 Wh in a quarter of an hour."""


def wired(network: Network | None, zones: dict[str, str], genesis: Genesis | None = None) -> Genesis:
    genesis = genesis or make_genesis()
    genesis = _replace(genesis, params=_replace(genesis.params, export_limit_wh=0))
    meters = tuple(_replace(meter, zone=zones.get(meter.id, "north")) for meter in genesis.meters)
    return _replace(genesis, meters=meters, network=network)


def ordered(chain: Chain) -> None:
    """Offers and needs of `NEXT` stand; it locks."""
    chain.at(NEXT, -chain.context().params.gate_lead_ms).block()
    assert chain.interval(NEXT).status == ORDERED


def delivers(chain: Chain, meter: str) -> int:
    order = chain.order(NEXT, meter.removeprefix("m-"))
    return sum(one.energy_wh for one in order.meters if one.meter == meter)


def crowded(genesis: Genesis) -> Chain:
    """Sun in the south for a tenth of what biodiesel costs in the north, where most of it is wanted."""
    chain = Chain(genesis)
    for envelope in (
        chain.offer("solar", "m-solar", NEXT, (9_000, 20_000)),
        chain.offer("bio", "m-bio", NEXT, (90_000, 20_000)),
        chain.need("campus", NEXT, 6_000),
        chain.need("tenant", NEXT, 700),
    ):
        assert chain.run(envelope) == "ok"
    ordered(chain)
    return chain


def test_a_full_line_lets_each_side_pay_its_own_price_and_the_rent_is_shared() -> None:
    chain = crowded(wired(TIE, ZONES))
    assert (delivers(chain, "m-solar"), delivers(chain, "m-bio")) == (2_500 + 700, 3_500)
    record = chain.interval(NEXT)
    assert (record.zones, record.shed_wh, record.relaxed) == (2, 0, ())
    prices = {name: chain.order(NEXT, name).price_nano_per_wh for name in ("solar", "tenant", "bio", "campus")}
    assert prices == {"solar": 9_000, "tenant": 9_000, "bio": 90_000, "campus": 90_000}
    before = chain.money()
    settle(chain, NEXT, {"m-solar": (0, 3_200), "m-bio": (0, 3_500), "m-campus": (6_000, 0), "m-tenant": (700, 0)})
    assert chain.money() == before
    bills = {name: bill(chain, NEXT, name) for name in prices}
    assert sum(one.total_nano for one in bills.values()) == 0
    paid = {name: {line.kind: line.amount_nano for line in one.lines} for name, one in bills.items()}
    rent_nano = 2_500 * (90_000 - 9_000)
    assert paid["campus"]["residual"] + paid["tenant"]["residual"] == rent_nano


def test_without_wires_there_is_one_price_and_no_limit() -> None:
    chain = crowded(wired(None, ZONES))
    assert (delivers(chain, "m-solar"), delivers(chain, "m-bio")) == (6_700, 0)
    assert chain.interval(NEXT).zones == 1


@pytest.mark.parametrize("limit_w", [13_000, 16_000, 24_000])
def test_around_a_loop_no_line_carries_more_than_it_may(limit_w: int) -> None:
    """Three places with equal lines: of what flows from south to north two thirds take the short way."""
    loop = Network(
        places=(Place("east"), Place("north"), Place("south")),
        lines=(
            Branch("east-north", "east", "north", 40_000),
            Branch("north-south", "north", "south", limit_w),
            Branch("south-east", "south", "east", 40_000),
        ),
    )
    chain = crowded(wired(loop, ZONES | {"m-storage": "east"}))
    sent_wh = delivers(chain, "m-solar") - 700
    assert sent_wh + delivers(chain, "m-bio") == 6_000
    limit_wh = limit_w // 4
    # Two thirds of it, and what rounding around a loop of three equal lines may add: 2 Wh.
    assert min(6_000, limit_wh * 3 // 2) - 6 <= sent_wh <= min(6_000, (limit_wh + 2) * 3 // 2)
    assert (chain.interval(NEXT).zones == 1) == (limit_wh >= 4_000)


def test_a_line_that_is_cut_makes_two_islands_of_supply() -> None:
    cut = _replace(TIE, lines=(_replace(TIE.lines[0], limit_w=0),), transfers=())
    chain = crowded(wired(cut, ZONES))
    assert (delivers(chain, "m-solar"), delivers(chain, "m-bio")) == (700, 6_000)


def test_what_locked_keeps_its_wires_and_what_is_open_gets_the_new_ones() -> None:
    pact = Pact(wired(TIE, ZONES, governed()))
    for interval in (NEXT, NEXT + 9):
        for envelope in (
            pact.offer("solar", "m-solar", interval, (9_000, 20_000)),
            pact.offer("bio", "m-bio", interval, (90_000, 20_000)),
            pact.need("campus", interval, 6_000),
        ):
            assert pact.run(envelope) == "ok"
    ordered(pact)
    assert delivers(pact, "m-solar") == 2_500
    stronger = _replace(TIE, lines=(_replace(TIE.lines[0], limit_w=20_000),))
    pact.agree(SetNetwork(stronger), 0)
    pact.at(NEXT + 9, -pact.context().params.gate_lead_ms).block()
    order = pact.order(NEXT + 9, "solar")
    assert order.supplied_wh == 5_000 and delivers(pact, "m-solar") == 2_500
