"""Which meters can be private, and how many of them a campus bills."""

from __future__ import annotations

import pytest
from governance_world import Pact, governed, new_meter, newcomer
from hidden_world import register
from ledger_world import FIRST, Chain, change, make_genesis
from private_world import CYCLE, PARAMS, Campus, genesis

from contracts.members import Asset, Meter, Private
from contracts.private import agenda, meters
from contracts.private.bodies import MAX_HIDDEN_SOURCES
from contracts.private.records import MAX_CAMPUSES, MAX_HIDDEN_METERS, MAX_OPEN_CYCLES, HiddenMeter, HiddenSite
from contracts.schema import CAMPUSES, HIDDEN_SITES
from contracts.state import State
from contracts.succession import left_behind, successor
from node import genesis_checks
from node.errors import NodeError

METER = genesis(1).meters[-1]
CAMPUS = next(one for one in genesis(1).members if one.id == "campus")


@pytest.mark.parametrize(
    "wrong",
    [
        change(METER, kind="storage"),
        change(METER, kind="tie"),
        change(METER, member="campus"),
        change(METER, asset=Asset(firm_w=1)),
        change(METER, private=Private("campus", low_wh=2, high_wh=1)),
    ],
)
def test_what_can_not_be_private_is_said(wrong: Meter) -> None:
    assert meters.problem(METER, CAMPUS) is None
    assert meters.problem(wrong, CAMPUS) is not None


def test_only_a_campus_bills_private_meters() -> None:
    assert meters.problem(METER, None) is not None
    assert meters.problem(METER, change(CAMPUS, roles=("supplier",))) is not None


def test_a_genesis_document_with_a_meter_that_can_not_be_private_is_refused() -> None:
    document = genesis(1)
    wrong = change(document, meters=(*document.meters[:-1], change(document.meters[-1], private=Private("solar"))))
    with pytest.raises(NodeError) as refusal:
        genesis_checks.check(wrong)
    assert refusal.value.code == "genesis.private"


def test_a_campus_bills_as_many_meters_as_one_block_looks_at() -> None:
    def site(count: int, sources: int) -> HiddenSite:
        return HiddenSite("campus", tuple(HiddenMeter("m", "t", at < sources) for at in range(count)))

    assert meters.too_many([site(MAX_HIDDEN_METERS, MAX_HIDDEN_SOURCES)]) is None
    assert meters.too_many([site(MAX_HIDDEN_METERS + 1, 0)]) is not None
    assert meters.too_many([site(MAX_HIDDEN_METERS, MAX_HIDDEN_SOURCES + 1)]) is not None
    assert meters.too_many([site(1, 1)] * MAX_CAMPUSES) is None
    assert meters.too_many([site(1, 1)] * (MAX_CAMPUSES + 1)) is not None


def test_so_many_cycles_wait_and_no_more() -> None:
    state = State(Campus(genesis(1, sources=1)).chain.store)
    assert all(agenda.begin(state, "campus", CYCLE + number) for number in range(MAX_OPEN_CYCLES))
    assert not agenda.begin(state, "campus", CYCLE + MAX_OPEN_CYCLES)
    assert agenda.begin(state, "campus", CYCLE), "what waits already does"


def test_a_member_that_joins_brings_private_meters_and_takes_them_along() -> None:
    pact = Pact(governed(roles={**make_roles(), "campus": ("campus",)}))
    terms = Private("campus", 1, 0, 10_000)
    pact.agree(newcomer(meters=(new_meter("m-new", "newbie", kind="load", private=terms),)), 0)
    site = HIDDEN_SITES.decode(pact.store[HIDDEN_SITES.key("campus")])
    assert [(one.meter, one.member, one.source, one.stopped) for one in site.meters] == [
        ("m-new", "newbie", False, False)
    ]
    assert CAMPUSES.decode(pact.store[CAMPUSES.key("all")]).members == ("campus",)
    pact.decide(lambda state, context: meters.stop(state, "newbie"))
    assert HIDDEN_SITES.decode(pact.store[HIDDEN_SITES.key("campus")]).meters[0].stopped


def make_roles() -> dict[str, tuple[str, ...]]:
    return {member.id: member.roles for member in make_genesis().members}


def test_two_campuses_settle_apart() -> None:
    document = genesis(2, sources=1)
    roles = {member.id: member.roles for member in document.members}
    assert roles["campus"] == ("campus",)
    members = tuple(change(one, roles=("campus",)) if one.id == "utility" else one for one in document.members)
    terms = Private("utility", 1, 1_000, 3_000)
    apart = tuple(change(one, private=terms) if one.id == "m-t02" else one for one in document.meters)
    campus = Campus(change(document, members=members, meters=apart))
    assert campus.chain.run(campus.chain.say("utility", register(campus.chain, "utility"))) == "ok"
    campus.read(FIRST + 1, {"m-t01": 1_000, "m-bio": 1_000, "m-t02": 2_000})
    campus.end()
    assert [one.campus for one in agenda.places(campus.state)] == ["campus", "utility"]
    for meter in ("m-t01", "m-bio"):
        assert campus.chain.run(campus.say(meter, campus.prove(meter))) == "ok"
    campus.chain.block()
    assert campus.cycle().phase == "opening", "the other one waits for its own meters"
    other = agenda.load(campus.state, "utility", CYCLE)
    assert other is not None and other.phase == "proving"


def test_private_meters_are_not_taken_over_by_a_chain_that_succeeds_and_that_is_said() -> None:
    campus = Campus(genesis(2, sources=1))
    assert left_behind(campus.state).private == ("m-bio", "m-t01", "m-t02")
    document = successor(campus.state, campus.chain.genesis, "again", 0)
    assert [one.id for one in document.meters] == ["m-campus"]


def test_a_chain_without_private_meters_has_no_record_of_any() -> None:
    chain = Chain()
    prefixes = (b"hidden-site/", b"hidden-head/", b"campuses/", b"private-", b"estimate-book/")
    assert not any(key.startswith(prefixes) for key in chain.store)
    assert PARAMS.private_blocks == 1
