"""A network on the ledger: what is wrong with one has its code, and what is registered stays true to the meters."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from governance_world import Pact, governed, new_meter, newcomer
from network_world import NETWORK, meters, one_place
from pypower.api import case300

from contracts.api import PROPOSE_UNITS, PROVEN_PER_UNIT, genesis_records, units
from contracts.genesis import CODEC
from contracts.governance.bodies import Propose
from contracts.governance.changes import RemoveMember, SetNetwork
from contracts.members import Asset
from contracts.network import registered, transfers
from contracts.network.lines import program_lines, program_transfers
from contracts.network.records import MAX_ADMITTANCE, NANO, Branch, Network, Place, Transfer
from contracts.network.registration import MeterPlace, problem
from contracts.program.case import SITE, Case
from contracts.program.documents import case_of, json_of
from contracts.schema import NETWORKS
from contracts.succession import successor
from contracts.units import MAX_ENERGY, WH_MS
from tests.support.networks import WIDE, ieee, wires
from zk.codec import encode

_replace = msgspec.structs.replace
AC = _replace(
    NETWORK,
    slack="north",
    lines=tuple(_replace(line, b_npu=-10 * NANO) for line in NETWORK.lines),
)


def wrong(network: Network, **changes: Any) -> tuple[str, str] | None:
    found = problem(_replace(network, **changes), WH_MS, meters())
    if found is None:
        return None
    assert found.message
    return found.code, found.where


def with_line(**changes: Any) -> tuple[Branch, ...]:
    return (_replace(NETWORK.lines[0], **changes), *NETWORK.lines[1:])


def test_a_network_may_have_loops_parallel_lines_and_an_ac_model() -> None:
    assert wrong(NETWORK) is None and wrong(AC) is None
    second = _replace(NETWORK.lines[0], id="z")
    assert wrong(NETWORK, lines=(*NETWORK.lines, second)) is None


@pytest.mark.parametrize(
    ("changes", "code", "where"),
    [
        ({"places": NETWORK.places[::-1]}, "network.order", 'places["north"]'),
        ({"lines": (NETWORK.lines[0], *NETWORK.lines)}, "network.order", f'lines["{NETWORK.lines[0].id}"]'),
        ({"transfers": NETWORK.transfers[:1] * 2}, "network.order", 'transfers["campus north"]'),
        ({"lines": with_line(to_place="nowhere")}, "network.place", f'lines["{NETWORK.lines[0].id}"]'),
        ({"lines": with_line(to_place="east")}, "network.ends", f'lines["{NETWORK.lines[0].id}"]'),
        ({"lines": with_line(reactance_npu=0)}, "network.reactance", f'lines["{NETWORK.lines[0].id}"]'),
        ({"lines": NETWORK.lines[:1]}, "network.disconnected", 'places["south"]'),
        ({"transfers": (Transfer("campus", "nowhere", 1, 0),)}, "network.place", 'transfers["campus nowhere"]'),
        ({"transfers": (Transfer("campus", "south", 1, 0),)}, "network.transfer", 'transfers["campus south"]'),
        ({"lines": with_line(limit_w=100)}, "network.unsafe", f'lines["{NETWORK.lines[0].id}"]'),
        ({"slack": "nowhere"}, "network.place", "slack"),
        ({"slack": "north"}, "network.admittance", f'lines["{NETWORK.lines[0].id}"]'),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], code: str, where: str) -> None:
    assert wrong(NETWORK, **changes) == (code, where)


def test_what_is_wrong_with_an_ac_model_is_named() -> None:
    first, *others = AC.places
    for one in (_replace(first, least_npu=2 * NANO), _replace(first, least_var=1)):
        assert wrong(AC, places=(one, *others)) == ("network.band", 'places["east"]')
    broken, *rest = AC.lines
    for one in (_replace(broken, b_npu=0), _replace(broken, tap_re=NANO // 2 - 1)):
        assert wrong(AC, lines=(one, *rest)) == ("network.admittance", f'lines["{broken.id}"]')
    assert wrong(AC, lines=(_replace(broken, tap_re=NANO // 2), *rest)) is None
    stiff = tuple(_replace(line, b_npu=MAX_ADMITTANCE // 4) for line in AC.lines)
    assert wrong(AC, lines=stiff) is None
    stiffer = (_replace(stiff[0], b_npu=MAX_ADMITTANCE // 4 + 10), *stiff[1:])
    assert wrong(AC, lines=stiffer) == ("network.admittance", 'places["east"]')


def test_every_meter_is_at_a_place_and_something_delivers() -> None:
    lost = [*meters(), MeterPlace("m-lost", "west", "load", "campus")]
    found = problem(NETWORK, WH_MS, lost)
    assert found is not None and (found.code, found.where) == ("network.place", 'meters["m-lost"]')
    loads = [meter for meter in meters() if meter.kind == "load"]
    found = problem(_replace(NETWORK, transfers=()), WH_MS, loads)
    assert found is not None and found.code == "network.no-source"


def test_who_is_refused_for_a_line_is_told_what_share_of_its_envelopes_would_be_safe() -> None:
    chain = wires({("a", "b"): 80}, {"a": (0, 100), "b": (200, 0)})
    where = [MeterPlace("m-a", "a", "source", "a"), MeterPlace("m-b", "b", "load", "b")]
    found = problem(chain, WH_MS, where)
    assert found is not None and found.code == "network.unsafe"
    assert "100 Wh" in found.message and "80 are" in found.message and "800000 ppm" in found.message
    assert problem(_replace(chain, transfers=(Transfer("a", "a", 0, 80), chain.transfers[1])), WH_MS, where) is None


def test_what_would_take_too_long_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    places = tuple(Place(f"p{number:03d}") for number in range(512))
    chain = tuple(
        Branch(f"l{number:04d}", f"p{number % 511:03d}", f"p{number % 511 + 1:03d}", WIDE) for number in range(1_024)
    )
    source = [MeterPlace("m", "p000", "source", "m")]

    def began(*_: object) -> None:
        raise AssertionError("it began")

    monkeypatch.setattr(transfers, "loops", began)
    found = problem(Network(places, chain), WH_MS, source)
    assert found is not None and found.code == "network.too-large"
    monkeypatch.undo()
    monkeypatch.setattr(transfers, "heaviest", began)
    # Few places and lines, but long loops.
    ring = tuple(
        Branch(f"l{number:04d}", f"p{number % 400:03d}", f"p{(number * 7 + 1) % 400:03d}", WIDE)
        for number in range(125)
        if number % 400 != (number * 7 + 1) % 400
    )
    many = (*(_replace(line, id=f"k{number:04d}") for number, line in enumerate(chain[:399])), *ring)
    assert transfers.size(Network(places[:400], many)) <= transfers.MAX_SIZE
    found = problem(Network(places[:400], many), WH_MS, source)
    assert found is not None and found.code == "network.too-large"


def test_the_largest_proposal_fits_a_block_and_pays_for_its_proof() -> None:
    pact = Pact()
    network, _ = ieee(case300())
    proposal = pact.say("bio", Propose(SetNetwork(network), "because", 1_000))
    assert 500 < units(proposal) <= pact.genesis.params.max_block_units
    assert pact.genesis.params.max_block_units >= PROPOSE_UNITS + transfers.MAX_SIZE // PROVEN_PER_UNIT


# On the ledger


def test_genesis_brings_a_network_and_governance_replaces_it() -> None:
    pact = Pact(one_place(governed()))
    assert registered.of(pact.state()) == one_place(governed()).network
    assert CODEC.decode(encode(pact.genesis)) == pact.genesis
    two = _replace(registered.of(pact.state()), places=(Place("annexe"), Place("zone")))
    assert pact.propose("bio", SetNetwork(two)) == "network.disconnected"
    joined = _replace(two, lines=(Branch("tie", "annexe", "zone", WIDE),))
    pact.agree(SetNetwork(joined), 0)
    assert registered.of(pact.state()) == joined
    pact.agree(SetNetwork(None), 1)
    assert registered.of(pact.state()) is None
    assert NETWORKS.prefix not in {key[: len(NETWORKS.prefix)] for key in genesis_records(governed())}


def test_a_new_meter_is_at_a_place_of_the_network() -> None:
    pact = Pact(one_place(governed()))
    elsewhere = _replace(new_meter("m-new", "newbie"), meter=_replace(new_meter("m-new", "newbie").meter, zone="west"))
    assert pact.propose("bio", newcomer(meters=(elsewhere,))) == "network.place"
    assert pact.propose("bio", newcomer(meters=(new_meter("m-new", "newbie"),))) == "ok"
    assert Pact().propose("bio", newcomer(meters=(elsewhere,))) == "ok"


def test_a_change_that_was_safe_when_proposed_is_asked_again_when_it_passes() -> None:
    pact = Pact(one_place(governed()))
    before = registered.of(pact.state())
    assert before is not None
    envelope = _replace(before, transfers=(Transfer("solar", "zone", 5, 5),))
    assert pact.propose("bio", SetNetwork(envelope)) == "ok"
    pact.agree(RemoveMember("solar"), 1)
    for name in ("bio", "campus", "storage", "tenant", "utility"):
        pact.approve(0, name)
    assert registered.of(pact.state()) == before
    assert pact.ballot(0).code == "network.transfer"


def test_a_successor_begins_with_the_network_without_those_who_left() -> None:
    genesis = one_place(governed())
    assert genesis.network is not None
    transfers = (Transfer("bio", "zone", 7, 7), Transfer("solar", "zone", 5, 5))
    pact = Pact(_replace(genesis, network=_replace(genesis.network, transfers=transfers)))
    pact.agree(RemoveMember("solar"), 0)
    network = successor(pact.state(), pact.genesis, "again", pact.now_ms).network
    assert network is not None and network.transfers == transfers[:1]
    assert successor(Pact().state(), Pact().genesis, "again", pact.now_ms).network is None


def test_the_program_has_the_lines_in_wh_of_its_intervals() -> None:
    lines = program_lines(_replace(NETWORK, lines=with_line(limit_w=1_003)), WH_MS // 4, 3)
    assert [line.id for line in lines] == [line.id for line in NETWORK.lines]
    assert lines[0].limit_wh == (250, 250, 250)
    assert (lines[0].from_place, lines[0].to_place) == (NETWORK.lines[0].from_place, NETWORK.lines[0].to_place)
    assert lines[0].reactance_npu == NETWORK.lines[0].reactance_npu


def test_what_no_line_joins_is_at_one_place_of_a_case() -> None:
    assert registered.place_of(NETWORK, "north") == "north"
    assert registered.place_of(_replace(NETWORK, places=NETWORK.places[:1], lines=()), "east") == SITE
    assert registered.place_of(None, "zone") == SITE


def test_a_meter_is_where_its_asset_is() -> None:
    pact = Pact(one_place(governed()))
    new = new_meter("m-new", "newbie")
    elsewhere = _replace(new, meter=_replace(new.meter, asset=Asset(place="west")))
    assert pact.propose("bio", newcomer(meters=(elsewhere,))) == "network.place"
    here = _replace(new, meter=_replace(new.meter, zone="west", asset=Asset(place="zone")))
    assert pact.propose("bio", newcomer(meters=(here,))) == "ok"


def test_no_limit_is_beyond_what_a_case_can_say_however_long_intervals_are() -> None:
    """The most that can be registered, over a day: 24 times as many Wh as an energy may be."""
    network = _replace(
        NETWORK, lines=with_line(limit_w=MAX_ENERGY), transfers=(Transfer("campus", "north", MAX_ENERGY, MAX_ENERGY),)
    )
    lines, transfers_ = program_lines(network, 24 * WH_MS, 1), program_transfers(network, 24 * WH_MS)
    case = Case("day", 1, 1, "00" * 32, lines=lines, transfers=transfers_)
    assert case_of(json_of(case)) == case
    assert lines[0].limit_wh == (MAX_ENERGY,) and transfers_[0].import_wh == MAX_ENERGY
