"""How many must agree to change the pact, when a change is in force, and what never changes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from governance_world import BOND, CONSENSUS, DEARER, EPOCH, EXPIRY, NAMES, Pact, governed, new_meter, newcomer, node
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, codes, corrections, key_of, settle
from typed_values import values

from consensus.power import MIN_ORGANISATIONS
from contracts import api, epochs
from contracts.bodies import Bond, Unbond
from contracts.codes import CODES
from contracts.governance import proposals
from contracts.governance.bodies import Approve, Propose, Withdraw
from contracts.governance.changes import (
    MAX_NEW_METERS,
    AdmitMember,
    Change,
    ReKey,
    RemoveMember,
    SetConsensusParams,
    SetParams,
    SetRoles,
    SetRuleSet,
)
from contracts.governance.events import ProposalDecided, ProposalPostponed
from contracts.governance.proposals import open_proposals
from contracts.governance.records import MAX_OPEN_PER_MEMBER, MAX_PROPOSAL_BLOCKS
from contracts.governance.rules import rules
from contracts.members import MAX_KEYS, MAX_NODES, AccountKey
from contracts.params import MIN_UNITS, PactParams
from contracts.schema import MEMBERS
from contracts.trust import all_tokens, is_tombstoned, pool_tokens, slash
from contracts.units import MAX_COUNT

_replace = msgspec.structs.replace
FASTER = _replace(CONSENSUS, target_block_ms=60)


# Agreement


def test_two_thirds_of_the_power_are_not_enough_and_more_are() -> None:
    pact = Pact()
    assert pact.propose("bio", SetParams(DEARER)) == "ok"
    assert pact.approve(0, "bio", "campus", "solar", "storage") == ["ok"] * 4
    assert (pact.ballot(0).approving_power * 3, pact.ballot(0).status) == (pact.ballot(0).total_power * 2, "open")
    assert rules(pact.state()).params == PactParams()
    assert pact.approve(0, "tenant") == ["ok"]
    assert (pact.ballot(0).status, pact.ballot(0).status_height) == ("enacted", pact.height)
    assert rules(pact.state()).params == DEARER
    assert rules(pact.state()).height == pact.height + 1


def test_a_change_is_in_force_from_the_next_block_on_and_not_before() -> None:
    pact = Pact()
    assert pact.propose("bio", SetParams(PactParams(horizon_intervals=1))) == "ok"
    last = [pact.say(name, Approve(0)) for name in NAMES[:5]]
    assert codes(pact.block(*last, pact.need("utility", FIRST + 9, 1))) == ["ok"] * 6
    assert pact.run(pact.need("utility", FIRST + 9, 1)) == "need.horizon"


@pytest.mark.parametrize("field", ["units_per_key", "max_block_units"])
def test_parameters_always_leave_room_for_the_proposal_that_changes_them(field: str) -> None:
    pact = Pact()
    assert pact.propose("bio", SetParams(_replace(PactParams(), **{field: MIN_UNITS - 1}))) == "governance.params"
    pact.agree(SetParams(_replace(PactParams(), **{field: MIN_UNITS})), 0)
    # The largest there is, and as many approvals as it takes.
    member = newcomer().member
    keys = tuple(AccountKey(key_of(f"k{number}").public_key, "all") for number in range(MAX_KEYS))
    nodes = tuple(node(f"n{number}") for number in range(MAX_NODES))
    meters = tuple(new_meter(f"x-{number:02d}", "newbie") for number in range(MAX_NEW_METERS))
    largest = AdmitMember(_replace(member, keys=keys, nodes=nodes), meters)
    assert api.units(pact.say("utility", Propose(largest, "r", EXPIRY))) <= MIN_UNITS // 4
    assert pact.propose("utility", largest) == "ok"
    assert pact.approve(1, *NAMES[1:]) == ["ok"] * 5
    assert pact.ballot(1).status == "enacted"


def test_power_counts_and_not_heads() -> None:
    bonds = {**dict.fromkeys(NAMES, 100), "bio": 10**6, "campus": 10**6, "solar": 10**6}
    pact = Pact(governed(bonds))
    powers = epochs.powers(pact.state(), 1)
    assert pact.propose("utility", SetParams(DEARER)) == "ok"
    pact.approve(0, "utility", "bio", "campus", "tenant")
    got = sum(powers[name] for name in ("utility", "bio", "campus", "tenant"))
    assert (pact.ballot(0).approving_power, pact.ballot(0).status) == (got, "open")
    assert 3 * got == 2 * sum(powers.values())
    pact.approve(0, "storage")
    assert pact.ballot(0).status == "enacted"


def test_power_is_that_of_the_moment_of_passing() -> None:
    pact = Pact()
    assert pact.propose("bio", SetParams(DEARER)) == "ok"
    assert pact.approve(0, "bio", "campus", "solar", "storage") == ["ok"] * 4
    assert pact.ballot(0).status == "open"
    # One that did not agree loses its weight: at the end of the epoch the four are enough.
    pact.decide(lambda state, context: slash(state, context, "tenant", "double-vote"))
    pact.until(3 * EPOCH - 1)
    assert pact.ballot(0).status == "open"
    pact.until(3 * EPOCH)
    assert pact.ballot(0).status == "enacted"
    assert ProposalDecided(0, "enacted", "ok") in (pact.clock.events if pact.clock else ())


def test_who_loses_its_power_has_approved_for_nothing() -> None:
    pact = Pact()
    assert pact.propose("bio", SetParams(DEARER)) == "ok"
    assert pact.approve(0, "solar", "bio", "campus", "storage") == ["ok"] * 4
    pact.agree(RemoveMember("solar"), 1)
    # Its power is in the total until the epoch after next, and agrees to nothing from now on.
    assert pact.approve(0, "tenant") == ["ok"]
    assert pact.ballot(0).approving_power * 6 == pact.ballot(0).total_power * 4
    assert pact.ballot(0).status == "open"
    pact.until(5 * EPOCH)
    assert pact.ballot(0).approving_power * 5 == pact.ballot(0).total_power * 4
    assert pact.ballot(0).status == "enacted"


def test_a_tombstoned_organisation_agrees_to_nothing() -> None:
    pact = Pact()
    assert pact.propose("bio", SetParams(DEARER)) == "ok"
    assert pact.approve(0, "solar") == ["ok"]
    pact.decide(lambda state, context: slash(state, context, "solar", "double-vote"))
    assert is_tombstoned(pact.state(), "solar")
    assert pact.propose("solar", SetParams(DEARER)) == "governance.no-power"
    pact.approve(0, "bio", "campus", "storage")
    powers = epochs.powers(pact.state(), pact.height)
    assert "solar" in powers
    assert pact.ballot(0).approving_power == sum(powers[name] for name in ("bio", "campus", "storage"))


def test_an_approval_counts_once_and_can_be_taken_back() -> None:
    pact = Pact()
    assert pact.propose("bio", SetParams(DEARER)) == "ok"
    assert pact.approve(0, "bio", "campus", "solar", "storage") == ["ok"] * 4
    assert pact.approve(0, "storage") == ["governance.approved"]
    assert pact.withdraw(0, "storage") == "ok"
    assert [one.member for one in pact.ballot(0).approvals] == ["bio", "campus", "solar"]
    pact.until(EPOCH)
    assert pact.approve(0, "tenant") == ["ok"]
    assert pact.ballot(0).status == "open"
    assert pact.withdraw(0, "bio") == "ok"
    assert pact.ballot(0).status == "withdrawn"
    assert pact.approve(0, "utility") == ["governance.closed"]


def test_what_expires_lapses_and_makes_room() -> None:
    pact = Pact()
    for _ in range(MAX_OPEN_PER_MEMBER):
        assert pact.propose("bio", SetParams(DEARER), expiry=5) == "ok"
    assert pact.propose("bio", SetParams(DEARER), expiry=5) == "governance.expiry"
    assert pact.propose("bio", SetParams(DEARER)) == "ok"
    assert [pact.ballot(number).status for number in range(5)] == ["lapsed"] * 4 + ["open"]
    assert pact.approve(3, "bio") == ["governance.closed"]
    assert [one.number for one in open_proposals(pact.state())] == [4]


def test_a_few_members_that_fill_the_agenda_keep_nobody_from_governing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "MAX_OPEN", 2 * MAX_OPEN_PER_MEMBER)
    pact = Pact()
    for name in ("bio", "campus"):
        assert [pact.propose(name, SetParams(DEARER)) for _ in range(MAX_OPEN_PER_MEMBER)] == ["ok"] * 4
    assert pact.propose("bio", SetParams(DEARER)) == "governance.own-full"
    assert [pact.propose("solar", SetParams(DEARER)) for _ in range(3)] == ["ok", "ok", "governance.full"]
    assert [one.number for one in open_proposals(pact.state())] == [0, 1, 2, 4, 5, 6, 8, 9]
    assert {(pact.ballot(number).status, pact.ballot(number).code) for number in (3, 7)} == {
        ("lapsed", "governance.full")
    }
    assert pact.propose("campus", SetParams(DEARER)) == "governance.full"
    assert pact.approve(8, *NAMES[:5]) == ["ok"] * 5 and pact.ballot(8).status == "enacted"


def test_of_two_conflicting_proposals_the_first_to_pass_counts() -> None:
    pact = Pact()
    assert pact.propose("bio", newcomer()) == "ok"
    assert pact.propose("solar", newcomer(name="newbie")) == "ok"
    pact.approve(1, *NAMES[:5])
    pact.approve(0, *NAMES[:4])
    assert pact.approve(0, NAMES[4]) == ["ok"]
    assert (pact.ballot(1).status, pact.ballot(0).status) == ("enacted", "failed")
    assert pact.ballot(0).code == "governance.id-taken"


def test_an_interval_is_corrected_by_the_terms_that_it_was_ordered_under() -> None:
    def corrected(pact: Pact, change: bool) -> int:
        settle(pact, FIRST, {"m-campus": (500, 0), "m-bio": (0, 500)}, silent=("m-tenant",))
        if change:
            pact.agree(SetParams(DEARER), 0)
        pact.at(FIRST + 1)
        assert pact.run(pact.reading("m-tenant", FIRST, 0, 0)) == "ok"
        settle(pact, FIRST + 1, {})
        (correction,) = corrections(pact)
        assert not correction.final
        return correction.amount_nano

    assert corrected(Pact(), False) == corrected(Pact(), True) != 0


# Scheduled changes


def test_a_scheduled_change_waits_for_its_epoch_and_more_than_five_sixths() -> None:
    pact = Pact()
    assert pact.propose("bio", SetConsensusParams(FASTER, 2)) == "ok"
    assert pact.approve(0, *NAMES[:5]) == ["ok"] * 5
    pact.until(2 * EPOCH)
    # Five of six are exactly 5/6.
    assert (pact.ballot(0).status, pact.ballot(0).postponed) == ("open", 1)
    assert pact.clock is not None and ProposalPostponed(0, 3) in pact.clock.events
    assert pact.approve(0, NAMES[5]) == ["ok"]
    pact.until(3 * EPOCH - 1)
    assert rules(pact.state()).consensus == CONSENSUS
    pact.until(3 * EPOCH)
    assert pact.ballot(0).status == "enacted"
    assert (rules(pact.state()).consensus, rules(pact.state()).height) == (FASTER, 3 * EPOCH + 1)


def test_a_bar_that_fewer_than_four_reach_is_refused_and_one_that_they_reach_seats_them_alone() -> None:
    pact = Pact(governed({**dict.fromkeys(NAMES, BOND), "tenant": BOND - 1, "solar": BOND - 1}))
    high, fair = (SetConsensusParams(_replace(CONSENSUS, seat_bond_tokens=bar), 2) for bar in (BOND + 1, BOND))
    assert pact.propose("bio", high) == "governance.too-few"
    assert pact.propose("bio", fair) == "ok"
    assert pact.approve(0, *NAMES) == ["ok"] * len(NAMES)
    pact.until(2 * EPOCH)
    assert pact.ballot(0).status == "enacted"
    # In force from the next epoch's first block on, so that the end of that epoch is the first which looks.
    pact.until(3 * EPOCH)
    assert sorted(epochs.powers(pact.state(), 5 * EPOCH)) == sorted(set(NAMES) - {"tenant", "solar"})
    assert sorted(epochs.powers(pact.state(), 4 * EPOCH)) == NAMES
    lower = SetConsensusParams(_replace(CONSENSUS, seat_bond_tokens=1), 5)
    assert pact.propose("bio", lower) == "ok", "lower is never too few"


def test_a_bar_is_looked_at_again_when_it_is_carried_out() -> None:
    four = NAMES[:4]
    pact = Pact(governed({name: BOND if name in four else BOND - 1 for name in NAMES}))
    assert pact.propose("bio", SetConsensusParams(_replace(CONSENSUS, seat_bond_tokens=BOND), 2)) == "ok"
    assert pact.approve(0, *NAMES) == ["ok"] * len(NAMES)
    assert pact.run(pact.say(four[1], Unbond(1))) == "ok"
    pact.until(2 * EPOCH)
    assert (pact.ballot(0).status, pact.ballot(0).code) == ("open", "governance.too-few")
    assert rules(pact.state()).consensus == CONSENSUS


def test_support_that_is_taken_back_in_time_does_not_count() -> None:
    pact = Pact()
    assert pact.propose("bio", SetRuleSet(2, 2)) == "ok"
    pact.approve(0, *NAMES)
    pact.until(2 * EPOCH - 2)
    assert pact.withdraw(0, "solar") == "ok"
    pact.until(2 * EPOCH)
    assert (pact.ballot(0).status, rules(pact.state()).rule_set) == ("open", 1)


def test_without_support_it_lapses() -> None:
    pact = Pact()
    assert pact.propose("bio", SetRuleSet(2, 2), expiry=4 * EPOCH) == "ok"
    pact.approve(0, *NAMES[:4])
    pact.until(5 * EPOCH)
    assert (pact.ballot(0).status, pact.ballot(0).postponed) == ("lapsed", 3)
    assert not open_proposals(pact.state())


def test_of_two_scheduled_rule_sets_the_later_version_stays() -> None:
    pact = Pact()
    assert pact.propose("bio", SetRuleSet(3, 2)) == "ok"
    assert pact.propose("bio", SetRuleSet(2, 2)) == "ok"
    pact.approve(0, *NAMES)
    pact.approve(1, *NAMES)
    pact.until(2 * EPOCH)
    assert rules(pact.state()).rule_set == 3
    assert (pact.ballot(0).status, pact.ballot(1).status) == ("enacted", "failed")


# Anything


def changes() -> st.SearchStrategy[Change]:
    names = st.sampled_from([*NAMES, "newbie", "other"])
    made = st.sampled_from(["newbie", "other"])
    keys = st.lists(names.map(lambda name: AccountKey(key_of(f"{name} 2").public_key, "all")), max_size=2)
    return st.one_of(
        made.map(newcomer),
        made.map(lambda name: newcomer(name, (new_meter(f"m-{name}", name),))),
        st.builds(RemoveMember, names),
        st.builds(ReKey, names, keys.map(tuple), st.sampled_from([(), (node("n-1"),)]), st.just(b"")),
        st.builds(SetRoles, names, st.sampled_from([(), ("campus", "supplier"), ("utility",)])),
        st.builds(SetParams, values(PactParams)),
        st.builds(SetConsensusParams, st.sampled_from([FASTER, CONSENSUS]), st.integers(0, 6)),
        st.builds(SetRuleSet, st.integers(1, 3), st.integers(0, 6)),
    )


def bodies() -> st.SearchStrategy[Any]:
    numbers = st.integers(0, 4) | st.just(MAX_COUNT)
    expiries = st.sampled_from([EXPIRY, 9, 0, MAX_PROPOSAL_BLOCKS + 3])
    return st.one_of(
        st.builds(Propose, changes(), st.just("r"), expiries),
        st.builds(Approve, numbers),
        st.builds(Approve, numbers),
        st.builds(Withdraw, numbers),
        st.builds(Bond, st.integers(1, 500)),
    )


@given(st.lists(st.tuples(st.sampled_from([*NAMES, "newbie", "everybody"]), bodies()), max_size=24))
@settings(max_examples=60)
def test_any_sequence_leaves_a_pact_that_can_go_on(acts: list[tuple[str, Any]]) -> None:
    pact = Pact()
    before = pact.tokens(), pact.money()
    for sender, body in acts:
        # A proposal and five approvals in a row, so that many pass.
        for name in NAMES if sender == "everybody" else [sender]:
            if MEMBERS.key(name) in pact.store and pact.member(name).keys:
                nonce = pact.account(name).lanes[0].next_nonce
                envelope = _replace(pact.say("bio", body, nonce), sender=name)
                receipt = pact.block(_replace(envelope, public_key=pact.member(name).keys[0].public_key))[0]
                assert receipt.code in CODES
        now = rules(pact.state())
        assert (now.params.interval_ms, now.consensus.epoch_blocks) == (900_000, EPOCH)
        assert len(epochs.powers(pact.state(), pact.height + 2)) >= MIN_ORGANISATIONS
        agenda = open_proposals(pact.state())
        assert all(pact.ballot(one.number).status == "open" for one in agenda)
        for one in agenda:
            approvals = [approval.member for approval in pact.ballot(one.number).approvals]
            assert approvals == sorted(set(approvals))
        assert 1 <= now.height <= pact.height + 1
    members = [MEMBERS.decode(raw) for key, raw in pact.store.items() if key.startswith(MEMBERS.prefix)]
    held = [key.public_key for member in members for key in member.keys]
    held += [key for member in members for one in member.nodes for key in (one.consensus_key, one.bls_key)]
    assert len(held) == len(set(held))
    assert all(len(pact.account(member.id).lanes) == len(member.keys) for member in members)
    assert sum(all_tokens(pact.trust(one.id)) for one in members) + pool_tokens(pact.state()) == before[0]
    assert (pact.tokens(), pact.money()) == before
    assert api.earliest_deadline_ms(pact.state(), rules(pact.state()).params) is None
