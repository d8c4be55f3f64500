"""Inside its envelopes every dispatch has a fallback that keeps all lines, also where around loops none is found."""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.network.lines import program_lines, program_transfers
from contracts.network.records import Branch, Network, Place
from contracts.network.records import Transfer as Envelope
from contracts.network.transfers import heaviest
from contracts.network.within import within
from contracts.program.case import Bid, Block, Case, Connection, Demand, Load, Source, Storage, Transfer
from contracts.program.check import check, ready
from contracts.program.fallback import fallback
from contracts.program.verdict import Refusal, Verdict
from contracts.units import WH_MS

_replace = msgspec.structs.replace
ROUND = "cd" * 32


def verdict(case: Case) -> Verdict | Refusal:
    known = ready(case)
    assert not isinstance(known, Refusal), known
    solution = fallback(known.locked)
    return solution if isinstance(solution, Refusal) else check(known, solution)


def crowded(random: Random) -> tuple[Network, Case]:
    """A network with tight lines, and what its members want and offer, often far more than the lines carry."""
    count = random.randint(2, 7)
    places = [f"p{number}" for number in range(count)]
    ends = [(random.randrange(number), number) for number in range(1, count)]
    ends += [(one, other) for one, other in (random.sample(range(count), 2) for _ in range(random.randint(0, 4)))]
    limit_w = random.choice([800, 2_000, 8_000])
    lines = tuple(
        Branch(f"l{number}", places[one], places[other], random.randint(100, limit_w), random.randint(1, 60) * 10**6)
        for number, (one, other) in enumerate(ends)
    )

    def somewhere() -> str:
        return random.choice(places)

    def blocks(dearest: int) -> tuple[Block, ...]:
        return tuple(Block(price * 1_000, random.randint(1, 3_000)) for price in (random.randint(1, 40), dearest))

    sources = tuple(
        Source(f"s{number}", f"o{number % 3}", (blocks(50), blocks(60)), somewhere())
        for number in range(random.randint(1, 5))
    )
    demands = tuple(
        Demand(f"o{number % 4}", (random.randint(1, 2_500), random.randint(0, 99)), random.randrange(4), somewhere())
        for number in range(random.randint(1, 8))
    )
    bids = tuple(Bid(f"o{number}", random.randint(1, 80) * 1_000, (600, 5), somewhere()) for number in range(2))
    loads = (Load("car", "o1", 900, 500, 0, 2, 90_000, somewhere()),)
    ties = (Connection("grid", "u", (45_000,) * 2, (20_000,) * 2, (3_000,) * 2, (2_000,) * 2, (0, 0), somewhere()),)
    stores = (Storage("m-store", "o2", 5_000, 2_000, (700,) * 2, (700,) * 2, place=somewhere()),)
    case = Case(
        "crowded",
        2,
        2,
        ROUND,
        sources,
        stores,
        ties[: random.randint(0, 1)],
        demands,
        bids,
        loads,
        line_loss_ppm=random.choice([0, 30_000]),
        reference_nano_per_wh=(40_000,) * 2,
    )
    return Network(tuple(map(Place, places)), lines), case


def safe(network: Network, case: Case) -> Network:
    """With envelopes for all that anybody could want, shrunk until they are safe."""
    wanted: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for source in case.sources:
        wanted[source.organisation, source.place][1] += sum(block.energy_wh for block in source.blocks[0])
    for demand in case.demands:
        wanted[demand.organisation, demand.place][0] += demand.energy_wh[0]
    for tie in case.connections:
        wanted[tie.organisation, tie.place] = [2_000, 3_000]
    share = 1_000
    while True:
        transfers = tuple(
            Envelope(*key, *(watts * share // 1_000 for watts in both)) for key, both in sorted(wanted.items())
        )
        found = _replace(network, transfers=transfers)
        if all(load.most_wh <= load.limit_wh for load in heaviest(found, WH_MS)):
            return found
        assert share, "what rounding adds around loops is more than a line carries"
        share = share * 3 // 4


@settings(max_examples=30)
@given(st.randoms(use_true_random=False))
def test_inside_safe_envelopes_there_is_always_a_fallback_that_keeps_every_line(random: Random) -> None:
    network, case = crowded(random)
    network = safe(network, case)
    lines, transfers = program_lines(network, WH_MS, 2), program_transfers(network, WH_MS)
    inner = within(_replace(case, lines=lines, transfers=transfers))
    found = verdict(inner)
    assert isinstance(found, Verdict), found
    # Not one line had to be put at its limit to get there: the solution that says nothing about lines is feasible.
    known = ready(inner)
    assert not isinstance(known, Refusal)
    left = fallback(known.locked)
    assert not isinstance(left, Refusal) and left.flows == ()


def test_where_the_fallback_finds_no_flows_around_loops_envelopes_do() -> None:
    """Of these networks some have none as long as everybody wants everything."""
    stuck = 0
    for seed in range(30):
        network, case = crowded(Random(seed))
        whole = _replace(case, lines=program_lines(network, WH_MS, 2))
        if isinstance(verdict(whole), Refusal):
            stuck += 1
            transfers = program_transfers(safe(network, case), WH_MS)
            assert isinstance(verdict(within(_replace(whole, transfers=transfers))), Verdict)
    assert stuck, "else nothing was asked"


# What goes first

LINE = program_lines(Network((Place("a"), Place("b")), (Branch("l", "a", "b", 1),)), WH_MS, 1)


def small(**fields: Any) -> Case:
    return Case("small", 1, 1, ROUND, lines=LINE, reference_nano_per_wh=(1,), **fields)


def test_offers_lose_their_dearest_end_over_all_sources_of_an_organisation_at_a_place() -> None:
    cut = within(
        small(
            sources=(
                Source("m-1", "sun", ((Block(1, 30), Block(9, 30)),), "a"),
                Source("m-2", "sun", ((Block(5, 30),),), "a"),
                Source("m-3", "sun", ((Block(2, 30),),), "b"),
            ),
            transfers=(Transfer("sun", "a", 0, 70), Transfer("sun", "b", 99, 0)),
        )
    )
    assert [source.blocks for source in cut.sources] == [((Block(1, 30), Block(9, 10)),), ((Block(5, 30),),), ((),)]


def test_demand_loses_its_least_critical_tier_and_losses_count() -> None:
    """150 Wh with 10% on top: of tier 0 all 100 (110 with losses), then 36 of 50 (40 with them)."""
    cut = within(
        small(
            demands=(
                Demand("campus", (50,), 2, "a"),
                Demand("campus", (100,), 0, "a"),
                Demand("lab", (1,), 0, "a"),
            ),
            bids=(Bid("campus", 5, (9,), "a"), Bid("lab", 5, (9,), "a")),
            line_loss_ppm=100_000,
            transfers=(Transfer("campus", "a", 150, 0), Transfer("lab", "a", 6, 0)),
        )
    )
    assert [demand.energy_wh for demand in cut.demands] == [(36,), (100,), (1,)]
    assert [bid.energy_wh for bid in cut.bids] == [(0,), (4,)]


def test_imports_follow_offers_exports_follow_what_is_taken_and_storages_rest() -> None:
    cut = within(
        small(
            sources=(Source("m-1", "u", ((Block(1, 30),),), "a"),),
            storages=(Storage("m-store", "u", 9, 5, (3,), (3,), place="a"),),
            connections=(Connection("grid", "u", (5,), (1,), (80,), (80,), (0,), "a"),),
            loads=(Load("car", "u", 40, 40, 0, 1, 9, "a"),),
            transfers=(Transfer("u", "a", 60, 50),),
        )
    )
    assert cut.connections[0].import_limit_wh == (20,) and cut.connections[0].export_limit_wh == (20,)
    assert (cut.storages[0].most_charge_wh, cut.storages[0].most_discharge_wh) == ((0,), (0,))
    assert cut.loads[0].most_wh == 40


def test_without_lines_nothing_is_cut_and_without_an_envelope_all_is() -> None:
    demand = (Demand("campus", (50,), 0, "a"),)
    assert within(small(demands=demand)).demands[0].energy_wh == (0,)
    alone = _replace(small(demands=demand), lines=())
    assert within(alone) is alone
