"""One machine: idle and waking, the usual round, the paper's scenarios of locks and rounds."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from consensus import machine
from consensus.certificates import round_certificate
from consensus.effects import (
    BuildValue,
    CheckPayload,
    Decide,
    PayloadChecked,
    Received,
    ReportConflict,
    Schedule,
    StartHeight,
    Step,
    ValueBuilt,
    Wake,
)
from consensus.messages import Commit, Message, Vote
from consensus.state import MAX_POLKAS, live_blocks
from consensus.tally import PAST_ROUNDS
from tests.consensus.height import (
    HEIGHT,
    NAMES,
    PRECOMMIT,
    PREVOTE,
    START_MS,
    commit_of,
    polka_of,
    propose,
    signed_vote,
    vote,
)
from tests.consensus.one import CONTEXT, OTHERS, SET, V_ID, One, V, block_at, codes, decided, locked_on_v, own, sent
from zk.hashing import sha256

# Heights.


def test_nothing_happens_before_a_height_starts() -> None:
    state, effects = machine.step(machine.initial("bob"), Wake(HEIGHT))
    assert codes(effects) == ["consensus.not-started"]
    assert state == machine.initial("bob")


def test_a_height_is_idle_until_there_is_a_reason() -> None:
    node = One()
    assert node.state.core is None
    assert node.expire(Step.PROPOSE, 0) == []
    assert node.feed(Wake(HEIGHT - 1), Wake(HEIGHT + 1)) == []
    effects = node.feed(Wake(HEIGHT))
    assert Schedule(Step.PROPOSE, HEIGHT, 0, 300) in effects
    assert Schedule(Step.REBROADCAST, HEIGHT, 0, 500) in effects
    assert node.feed(Wake(HEIGHT)) == []


@pytest.mark.parametrize(
    "message",
    [
        vote("ann", PREVOTE, 0, None),
        propose(CONTEXT, 0, V),
        polka_of(OTHERS, SET, V_ID),
        round_certificate([vote(name, PREVOTE, 0, None) for name in OTHERS], SET),
        Commit(commit_of(OTHERS, SET, V_ID), None),
    ],
)
def test_any_message_of_the_height_wakes(message: Message) -> None:
    node = One()
    assert any(isinstance(effect, Schedule) for effect in node.hear(message))
    assert node.state.core is not None


def test_bad_messages_and_late_votes_do_not_wake() -> None:
    node = One()
    assert codes(node.hear(vote("eve", PREVOTE, 0, None))) == ["consensus.stranger"]
    assert codes(node.hear(vote("ann", PREVOTE, 0, None, height=HEIGHT + 1))) == ["consensus.future-height"]
    assert codes(node.hear(vote("ann", PREVOTE, 0, None, height=HEIGHT - 2))) == ["consensus.stale-height"]
    node.hear(vote("dan", PRECOMMIT, 0, CONTEXT.parent.block_id, height=HEIGHT - 1))
    assert node.state.core is None


def test_heights_only_go_up() -> None:
    node = One()
    for height in (HEIGHT, HEIGHT - 1):
        assert codes(node.feed(StartHeight(replace(CONTEXT, height=height)))) == ["consensus.height-order"]
    node.feed(StartHeight(replace(CONTEXT, height=HEIGHT + 5)))
    assert node.state.context is not None and node.state.context.height == HEIGHT + 5


# The usual round.


def test_a_round_from_proposal_to_decision() -> None:
    node = One()
    effects = node.hear(propose(CONTEXT, 0, V))
    assert [effect for effect in effects if isinstance(effect, CheckPayload)] == [CheckPayload(V)]
    assert own(effects) == [], "no vote before the payload is on disk"
    assert own(node.feed(PayloadChecked(HEIGHT, V_ID, True))) == [(0, "PREVOTE", V_ID, -1)]
    effects = node.votes(PREVOTE, 0, V_ID)
    assert own(effects) == [(0, "PRECOMMIT", V_ID, -1)]
    polka = polka_of(("ann", "bob", "cyd"), SET, V_ID)
    assert polka in sent(effects), "who missed a prevote can still lock"
    effects = node.hear(vote("ann", PRECOMMIT, 0, V_ID), vote("dan", PRECOMMIT, 0, V_ID))
    assert [effect for effect in effects if isinstance(effect, Decide)] == [
        Decide(V, commit_of(("ann", "bob", "dan"), SET, V_ID))
    ]
    assert node.state.decided
    assert decided(node.hear(Commit(commit_of(NAMES, SET, V_ID, 3), V), vote("cyd", PRECOMMIT, 0, V_ID))) == []


def test_the_proposer_builds_signs_and_votes() -> None:
    node = One("ann")
    effects = node.feed(Wake(HEIGHT))
    assert [effect for effect in effects if isinstance(effect, BuildValue)] == [
        BuildValue(HEIGHT, 0, CONTEXT.parent.certificate)
    ]
    effects = node.feed(ValueBuilt(HEIGHT, 0, V))
    assert propose(CONTEXT, 0, V) in sent(effects)
    assert CheckPayload(V) in effects
    assert own(node.feed(PayloadChecked(HEIGHT, V_ID, True))) == [(0, "PREVOTE", V_ID, -1)]


def test_an_invalid_own_block_is_never_proposed() -> None:
    node = One("ann")
    node.feed(Wake(HEIGHT))
    bad = replace(V, header=replace(V.header, state_root=sha256(b"?")))
    assert codes(node.feed(ValueBuilt(HEIGHT, 0, bad))) == ["consensus.block-state"]
    other, _ = block_at(1)
    assert codes(node.feed(ValueBuilt(HEIGHT, 0, other))) == ["consensus.proposer-round"]
    assert sent(node.feed(ValueBuilt(HEIGHT, 0, V))) == [propose(CONTEXT, 0, V)]


def test_a_block_that_is_built_too_late_is_not_proposed() -> None:
    node = One("ann")
    node.feed(Wake(HEIGHT))
    node.expire(Step.PROPOSE, 0)
    assert sent(node.feed(ValueBuilt(HEIGHT, 0, V))) == []


@pytest.mark.parametrize("ok", [True, False])
def test_a_payload_decides_the_prevote(ok: bool) -> None:
    node = One()
    node.hear(propose(CONTEXT, 0, V))
    expected = V_ID if ok else None
    assert own(node.feed(PayloadChecked(HEIGHT, V_ID, ok))) == [(0, "PREVOTE", expected, -1)]


def test_a_payload_that_comes_after_the_timeout_still_counts_for_the_polka() -> None:
    node = One()
    node.hear(propose(CONTEXT, 0, V))
    assert own(node.expire(Step.PROPOSE, 0)) == [(0, "PREVOTE", None, -1)]
    assert own(node.votes(PREVOTE, 0, V_ID)) == []
    assert own(node.feed(PayloadChecked(HEIGHT, V_ID, True))) == [(0, "PRECOMMIT", V_ID, -1)]


def test_an_invalid_or_untimely_proposal_gets_nil_at_once() -> None:
    bad = replace(V, header=replace(V.header, params_hash=sha256(b"?")))
    effects = One().hear(propose(CONTEXT, 0, bad))
    assert codes(effects) == ["consensus.block-params"]
    assert own(effects) == [(0, "PREVOTE", None, -1)]
    assert not any(isinstance(effect, CheckPayload) for effect in effects)
    effects = One().feed(Received(propose(CONTEXT, 0, V), START_MS + 60_000))
    assert codes(effects) == ["consensus.untimely"]
    assert own(effects) == [(0, "PREVOTE", None, -1)]


def test_a_body_that_was_changed_on_the_way_does_not_spoil_the_block() -> None:
    node = One()
    mangled = replace(propose(CONTEXT, 0, V), block=replace(V, payload=()))
    effects = node.hear(mangled)
    assert codes(effects) == ["consensus.body"]
    assert own(effects) == []
    assert own(node.see(propose(CONTEXT, 0, V))) == [(0, "PREVOTE", V_ID, -1)]


# Locks.


def test_a_lock_refuses_fresh_values_and_yields_to_a_newer_polka() -> None:
    node = locked_on_v()
    node.go_to(2)
    fresh, _ = block_at(2, "fresh")
    assert own(node.see(propose(CONTEXT, 2, fresh))) == [(2, "PREVOTE", None, -1)]
    node.go_to(3)
    again, again_id = block_at(1, "again")
    assert own(node.see(propose(CONTEXT, 3, again, 1))) == [], "its polka is unknown"
    effects = node.hear(polka_of(OTHERS, SET, again_id, 1))
    assert own(effects) == [(3, "PREVOTE", again_id, 1)]


def test_a_stale_polka_does_not_release_a_lock() -> None:
    node = One()
    node.go_to(2)
    mine, mine_id = block_at(2, "mine")
    node.see(propose(CONTEXT, 2, mine))
    assert (2, "PRECOMMIT", mine_id, -1) in own(node.votes(PREVOTE, 2, mine_id))
    node.go_to(3)
    node.hear(polka_of(OTHERS, SET, V_ID, 0))
    assert own(node.see(propose(CONTEXT, 3, V, 0))) == [(3, "PREVOTE", None, -1)]


def test_a_locked_value_is_prevoted_again_when_somebody_else_proposes_it() -> None:
    node = locked_on_v()
    node.go_to(2)
    assert own(node.see(propose(CONTEXT, 2, V, 0))) == [(2, "PREVOTE", V_ID, 0)]


def test_the_proposer_repeats_its_valid_value_with_the_polka() -> None:
    node = locked_on_v()
    effects = node.go_to(5)
    polka = polka_of(("ann", "bob", "cyd"), SET, V_ID)
    assert sent(effects) == [polka, propose(CONTEXT, 5, V, 0), signed_vote(prevote_of("bob", 5, V_ID, 0))]
    assert not any(isinstance(effect, BuildValue) for effect in effects)


def prevote_of(voter: str, round_: int, block_id: bytes, valid_round: int) -> Vote:
    return Vote(PREVOTE, HEIGHT, round_, block_id, valid_round, voter, b"")


def test_a_locked_value_is_recovered_through_its_polka_certificate() -> None:
    """Bob saw the proposal and no prevote; a certificate makes him precommit with those who locked."""
    node = One()
    node.see(propose(CONTEXT, 0, V))
    effects = node.hear(polka_of(OTHERS, SET, V_ID))
    assert own(effects) == [(0, "PRECOMMIT", V_ID, -1)]


def test_a_polka_certificate_of_an_earlier_round_is_worth_proposing_and_no_lock() -> None:
    node = One()
    node.see(propose(CONTEXT, 0, V))
    node.go_to(4)
    node.hear(polka_of(OTHERS, SET, V_ID))
    assert node.state.core is not None
    assert node.state.core.locked is None
    assert node.state.core.valid is not None and node.state.core.valid.round == 0
    assert propose(CONTEXT, 5, V, 0) in sent(node.go_to(5))


def test_a_polka_for_the_second_of_two_contradicting_proposals() -> None:
    node = One()
    other, other_id = block_at(0, "other")
    node.see(propose(CONTEXT, 0, V))
    effects = node.see(propose(CONTEXT, 0, other))
    assert [effect for effect in effects if isinstance(effect, ReportConflict)] == [
        ReportConflict(propose(CONTEXT, 0, V), propose(CONTEXT, 0, other))
    ]
    assert own(node.votes(PREVOTE, 0, other_id)) == [(0, "PRECOMMIT", other_id, -1)]
    third, _ = block_at(0, "third")
    assert "consensus.conflict" in codes(node.hear(propose(CONTEXT, 0, third)))


def test_prevotes_with_another_valid_round_are_no_polka_for_the_proposal() -> None:
    node = locked_on_v()
    node.go_to(3)
    node.see(propose(CONTEXT, 3, V, 0))
    effects = node.votes(PREVOTE, 3, V_ID, 2)
    assert own(effects) == []
    assert any(isinstance(effect, Schedule) and effect.step == Step.PREVOTE for effect in effects), "L34 waits"


# Rounds.


def test_nil_all_the_way_to_the_next_round() -> None:
    node = One()
    node.feed(Wake(HEIGHT))
    assert own(node.expire(Step.PROPOSE, 0)) == [(0, "PREVOTE", None, -1)]
    assert own(node.votes(PREVOTE, 0, None)) == [(0, "PRECOMMIT", None, -1)]
    effects = node.votes(PRECOMMIT, 0, None)
    assert [effect for effect in effects if isinstance(effect, Schedule)] == [Schedule(Step.PRECOMMIT, HEIGHT, 0, 100)]
    assert BuildValue(HEIGHT, 1, CONTEXT.parent.certificate) in node.expire(Step.PRECOMMIT, 0)


def test_split_prevotes_time_out() -> None:
    node = One()
    node.feed(Wake(HEIGHT))
    node.expire(Step.PROPOSE, 0)
    effects = node.hear(vote("ann", PREVOTE, 0, V_ID), vote("dan", PREVOTE, 0, None))
    assert [effect for effect in effects if isinstance(effect, Schedule)] == [Schedule(Step.PREVOTE, HEIGHT, 0, 100)]
    assert own(node.expire(Step.PREVOTE, 0)) == [(0, "PRECOMMIT", None, -1)]


def test_round_skip_needs_more_than_a_third() -> None:
    node = One()
    node.feed(Wake(HEIGHT))
    node.hear(vote("ann", PREVOTE, 7, None), vote("ann", PRECOMMIT, 7, None))
    assert node.state.round == 0
    node.hear(vote("dan", PREVOTE, 7, None))
    assert node.state.round == 7


def test_round_skip_by_certificate_even_when_its_voters_are_known_to_lie() -> None:
    node = One()
    node.hear(vote("ann", PREVOTE, 7, None))
    votes = [vote("ann", PREVOTE, 7, V_ID), vote("dan", PREVOTE, 7, None)]
    effects = node.hear(round_certificate(votes, SET))
    assert ReportConflict(vote("ann", PREVOTE, 7, None), votes[0]) in effects
    assert node.state.round == 7


def test_a_polka_holds_although_one_of_its_voters_voted_twice() -> None:
    node = One()
    node.see(propose(CONTEXT, 0, V))
    node.hear(vote("dan", PREVOTE, 0, None))
    effects = node.hear(polka_of(OTHERS, SET, V_ID))
    assert own(effects) == [(0, "PRECOMMIT", V_ID, -1)]


def test_a_proposal_that_came_early_is_used_in_its_round() -> None:
    node = One()
    later, later_id = block_at(2, "later")
    assert own(node.hear(propose(CONTEXT, 2, later))) == []
    assert CheckPayload(later) in node.go_to(2)
    assert own(node.feed(PayloadChecked(HEIGHT, later_id, True))) == [(2, "PREVOTE", later_id, -1)]


def test_a_proposer_can_not_fill_the_memory_with_future_blocks() -> None:
    node = One()
    node.feed(Wake(HEIGHT))
    for round_ in range(4, 400, 4):
        assert node.hear(propose(CONTEXT, round_, block_at(round_, f"{round_}")[0])) == []
    assert list(node.state.proposals) == [396]
    assert len(live_blocks(node.state)) == 1
    effects = node.hear(propose(CONTEXT, 8, block_at(8)[0]))
    assert codes(effects) == ["consensus.future-round"]


def test_a_long_height_stays_small() -> None:
    """Rounds without end, a fresh proposal and full votes in each."""
    node = One()
    node.feed(Wake(HEIGHT))
    for round_ in range(3 * PAST_ROUNDS):
        if CONTEXT.proposers.proposer(round_).id != "bob":
            node.see(propose(CONTEXT, round_, block_at(round_)[0]))
        node.votes(PREVOTE, round_, None)
        node.expire(Step.PROPOSE, round_)
        node.votes(PRECOMMIT, round_, None)
        node.expire(Step.PRECOMMIT, round_)
    assert node.state.round == 3 * PAST_ROUNDS
    for kept in (node.state.tally.rounds, node.state.proposals, node.state.candidates):
        assert len(kept) <= PAST_ROUNDS + 1
    assert len(node.state.asked) <= 3 * (PAST_ROUNDS + 1)


def test_polkas_are_bounded_and_a_lock_keeps_its_own() -> None:
    node = locked_on_v()
    for round_ in range(1, 2 * MAX_POLKAS):
        node.hear(polka_of(OTHERS, SET, sha256(b"%d" % round_), round_))
    assert len(node.state.polkas) == MAX_POLKAS
    assert 0 in node.state.polkas
