"""A dispatch and its voltages: what is put in where, losses by the pact's rule and real ones, and who makes them up."""

from __future__ import annotations

from math import ceil, sqrt
from typing import Any

import msgspec
import pytest

from contracts.network.lines import program_lines
from contracts.network.power import Slack, examine, injection
from contracts.network.records import NANO, Branch, Network, Place
from contracts.program.case import Bid, Block, Case, Connection, Demand, Load, Reserve, Solution, Source, Storage
from contracts.program.documents import pack, unpack
from contracts.program.fill import fill
from contracts.program.stack import lock
from contracts.program.verdict import Refusal, Schedule
from contracts.units import WH_MS
from node.errors import NodeError
from node.solver.powerflow import attach, with_voltages
from tests.support.networks import WIDE

_replace = msgspec.structs.replace
R, X = 0.01, 0.05
"""Of the only line, per unit of 1 MVA."""
SQUARE = R**2 + X**2
NETWORK = Network(
    places=(Place("north", least_var=-WIDE, most_var=WIDE), Place("south", reactive_ppm=500_000)),
    lines=(Branch("tie", "north", "south", 200_000, 50_000_000, round(R / SQUARE * NANO), round(-X / SQUARE * NANO)),),
    slack="north",
    base_w=1_000_000,
)
ROUND = "ab" * 32


def case(interval_ms: int = WH_MS, **changes: Any) -> Case:
    """South wants 100 kWh, of which its own source has 30; the utility is in the north. Two intervals, one binds."""
    grid = Connection("grid", "utility", (100, 100), (0, 0), (200_000,) * 2, (0, 0), (0, 0), "north")
    source = Source("m-sun", "sun", (((Block(10, 30_000)),),) * 2, "south")
    made = Case(
        name="two places",
        intervals=2,
        binding=1,
        round_id=ROUND,
        sources=(source,),
        connections=(grid,),
        demands=(Demand("campus", (100_000, 100_000), place="south"),),
        lines=program_lines(NETWORK, interval_ms, 2),
    )
    return _replace(made, **changes)


def filled(given: Case, solution: Solution) -> Schedule:
    schedule = fill(lock(given), solution)
    assert not isinstance(schedule, Refusal), schedule
    return schedule


def physics(
    given: Case, network: Network | None = NETWORK, interval_ms: int = WH_MS, **changes: Any
) -> tuple[Slack, ...] | Refusal:
    """What the ledger says of the builder's voltages, found for NETWORK."""
    solution = Solution(ROUND)
    schedule = filled(given, solution)
    found = attach(NETWORK, given, solution, schedule, interval_ms)
    return examine(network, given, _replace(found, **changes), schedule, interval_ms)


def lost_wh(p: float, q: float) -> float:
    """Of a line that delivers p + jq per unit where the other end is at 1: the textbook's quadratic in |V|^2."""
    half = 0.5 - (R * p + X * q)
    square = half + sqrt(half**2 - SQUARE * (p**2 + q**2))
    return R * (p**2 + q**2) / square * 1_000_000


def test_real_losses_are_those_of_the_closed_form_and_the_slack_makes_them_up() -> None:
    """70 kWh and 50 kvar pass the line."""
    answer = physics(case())
    assert answer == (Slack(ceil(lost_wh(0.07, 0.05)), ceil(lost_wh(0.07, 0.05))),)


def test_losses_by_the_pacts_rule_are_demand_on_top_rounded_up_and_the_slack_settles_the_difference() -> None:
    """At 1.2345% of 100 kWh: 1,235 Wh, although the line loses less. The slack delivers so much less."""
    lossy = case(line_loss_ppm=12_345)
    schedule = filled(lossy, Solution(ROUND))
    assert schedule.import_wh[0][0] == 70_000 + 1_235
    assert schedule.flow_wh[0][0] == 70_000 + 1_235
    real = ceil(lost_wh(0.07, 0.05))
    assert physics(lossy) == (Slack(real - 1_235, real),)


def test_rule_losses_are_of_each_place_and_round_up_there() -> None:
    both = case(
        line_loss_ppm=1,
        demands=(Demand("campus", (3, 3), place="south"), Demand("lab", (5, 5), place="north")),
        sources=(),
    )
    assert filled(both, Solution(ROUND)).import_wh[0][0] == 3 + 1 + 5 + 1


def test_shorter_intervals_are_more_power() -> None:
    quarter = case(
        interval_ms=WH_MS // 4,
        demands=(Demand("campus", (25_000, 0), place="south"),),
        sources=(Source("m-sun", "sun", ((Block(10, 7_500),),) * 2, "south"),),
    )
    lost = ceil(lost_wh(0.07, 0.05) / 4)
    assert physics(quarter, interval_ms=WH_MS // 4) == (Slack(lost, lost),)


def test_everything_that_moves_energy_counts_at_its_place() -> None:
    """Each kind by a figure of its own; reactive power follows what is drawn alone."""
    whole = Case(
        name="all kinds",
        intervals=1,
        binding=1,
        round_id=ROUND,
        sources=(Source("m-sun", "sun", ((Block(1, 1_000_000),),), "south"),),
        storages=(
            Storage("m-store", "store", 10**9, 10**9, (200,), (3_000,), place="south", reserve=Reserve(0, (0,))),
        ),
        connections=(Connection("grid", "utility", (9,), (2,), (10**6,), (70_000,), (0,), "north"),),
        demands=(Demand("campus", (10,), place="south"), Demand("lab", (4,), place="north")),
        bids=(Bid("flex", 8, (100_000,), "south"),),
        loads=(Load("car", "car", 7, 7, 0, 1, 50, "south"),),
        lines=program_lines(NETWORK, WH_MS, 1),
    )
    solution = Solution(ROUND, ((200,),), ((3_000,),), ((7,),), (), ((0,),))
    schedule = filled(whole, solution)
    assert (schedule.bid_wh[0][0], schedule.export_wh[0][0]) == (100_000, 70_000)
    lagging = _replace(NETWORK, places=(_replace(NETWORK.places[0], reactive_ppm=500_000), NETWORK.places[1]))
    put = injection(lagging, whole, schedule, 0, WH_MS)
    drawn = 200 + 10 + 100_000 + 7
    south = schedule.source_wh[0][0] + 3_000 - drawn
    assert [w // put.unit for w in put.w] == [-70_000 - 4, south]
    assert sum(put.w) == 0
    # Reactive power is drawn by loads: by the laboratory in the north, and not by what the utility takes there.
    assert [2 * var // put.unit for var in put.var] == [-4, -drawn]
    assert all(type(w) is int for w in (*put.w, *put.var)), "no number that could overflow"


def test_the_slack_place_must_be_able_to_make_losses_up() -> None:
    """The tie has 70,000 Wh and no Wh more; then it has exactly what is lost on top."""
    tie = case().connections[0]
    short = case(connections=(_replace(tie, import_limit_wh=(70_000, 70_000)),))
    answer = physics(short)
    assert isinstance(answer, Refusal) and answer.code == "network.slack" and "0 more" in answer.message
    lost = ceil(lost_wh(0.07, 0.05))
    enough = case(connections=(_replace(tie, import_limit_wh=(70_000 + lost,) * 2),))
    assert physics(enough) == (Slack(lost, lost),)
    assert isinstance(physics(case(connections=(_replace(tie, import_limit_wh=(69_999 + lost,) * 2),))), Refusal)
    # A source in the north may do it, too.
    spare = Source("m-north", "spare", ((Block(500, lost),),) * 2, "north")
    assert physics(_replace(short, sources=(*short.sources, spare))) == (Slack(lost, lost),)


def test_what_the_rule_counts_too_much_must_be_possible_to_leave_out() -> None:
    """All of the north's energy is 30 Wh, and 1,000 Wh of losses were counted: it can not deliver below zero."""
    own = (Source("m-sun", "sun", ((Block(10, 100_970),),) * 2, "south"),)
    lossy = case(line_loss_ppm=10_000, sources=own)
    answer = physics(lossy)
    assert isinstance(answer, Refusal) and answer.code == "network.slack" and "-30 to" in answer.message
    selling = _replace(lossy.connections[0], export_limit_wh=(5_000, 5_000), export_nano_per_wh=(-500, -500))
    assert not isinstance(physics(_replace(lossy, connections=(selling,))), Refusal)


def test_voltages_are_of_every_binding_interval_and_of_no_other() -> None:
    found = attach(NETWORK, case(), Solution(ROUND), filled(case(), Solution(ROUND)), WH_MS)
    for voltages in ((), found.voltages * 2):
        answer = physics(case(), voltages=voltages)
        assert isinstance(answer, Refusal) and answer.code == "network.voltages"
    assert isinstance(physics(case(binding=2)), tuple)
    without = _replace(NETWORK, slack=None)
    assert physics(case(), without, voltages=()) == ()
    answer = physics(case(), without)
    assert isinstance(answer, Refusal) and answer.code == "network.voltages"
    # Replaced since the offers locked: whatever was attached in good faith costs nobody anything.
    assert physics(case(), None) == physics(case(), None, voltages=()) == ()
    assert attach(None, case(), Solution(ROUND), filled(case(), Solution(ROUND)), WH_MS) == Solution(ROUND)


def test_a_builder_attaches_voltages_to_what_it_packed() -> None:
    given = case()
    packed = pack(Solution(ROUND))
    assert isinstance(packed, bytes)
    again = unpack(with_voltages(NETWORK, given, packed, WH_MS))
    assert not isinstance(again, Refusal)
    assert again == attach(NETWORK, given, Solution(ROUND), filled(given, Solution(ROUND)), WH_MS)
    assert not isinstance(examine(NETWORK, given, again, filled(given, again), WH_MS), Refusal)
    for network in (None, _replace(NETWORK, slack=None)):
        assert with_voltages(network, given, packed, WH_MS) == packed
    for wrong, wanted in ((b"\x93", "dispatch.malformed"), (pack(Solution("00" * 32)), "dispatch.round")):
        assert isinstance(wrong, bytes)
        with pytest.raises(NodeError) as caught:
            with_voltages(NETWORK, given, wrong, WH_MS)
        assert caught.value.code == wanted


def test_voltages_of_another_dispatch_are_refused() -> None:
    """One Wh more in the south is 1e-6 per unit; two are more than is tolerated."""
    given = case()
    solution = attach(NETWORK, given, Solution(ROUND), filled(given, Solution(ROUND)), WH_MS)
    other = case(demands=(Demand("campus", (100_002, 100_000), place="south"),))
    answer = examine(NETWORK, other, solution, filled(other, Solution(ROUND)), WH_MS)
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.where) == ("network.active", 'place "south" in interval 0')


@pytest.mark.parametrize(("limit_va", "wanted"), [(86_300, "network.line"), (87_000, "ok")])
def test_a_line_is_limited_by_apparent_power(limit_va: int, wanted: str) -> None:
    """70 kW pass an 86.3 kVA line in the program, but with 50 kvar it is 86.02 kVA at one end and more at the other."""
    network = _replace(NETWORK, lines=(_replace(NETWORK.lines[0], limit_w=limit_va),))
    answer = physics(case(), network)
    assert (answer.code if isinstance(answer, Refusal) else "ok") == wanted


def test_a_network_without_lines_is_one_place_of_any_name() -> None:
    alone = Network((Place("zone", least_var=-WIDE, most_var=WIDE),), (), slack="zone")
    given = Case("one place", 1, 1, ROUND, demands=(Demand("campus", (5,)),), sources=(_source(),))
    solution = attach(alone, given, Solution(ROUND), filled(given, Solution(ROUND)), WH_MS)
    assert examine(alone, given, solution, filled(given, Solution(ROUND)), WH_MS) == (Slack(0, 0),)


def _source() -> Source:
    return Source("m-sun", "sun", ((Block(10, 30),),))
