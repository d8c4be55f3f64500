"""One machine: when it decides, what it signs and repeats, and what it says about itself."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from consensus import machine
from consensus.certificates import round_certificate
from consensus.effects import (
    BuildValue,
    CheckPayload,
    Input,
    MissingBlock,
    PayloadChecked,
    Received,
    Schedule,
    Sign,
    Signed,
    StartHeight,
    Step,
    Timeout,
    ValueBuilt,
    Wake,
)
from consensus.machine import is_redundant
from consensus.messages import Commit, Message, Proposal, RoundCertificate, Vote
from consensus.round import RoundState
from consensus.state import live_blocks
from consensus.status import explain, status
from consensus.tally import PAST_ROUNDS
from tests.consensus.height import (
    HEIGHT,
    NAMES,
    PRECOMMIT,
    PREVOTE,
    START_MS,
    commit_of,
    make_block,
    make_context,
    make_set,
    polka_of,
    propose,
    signed_proposal,
    signed_vote,
    vote,
)
from tests.consensus.one import CONTEXT, OTHERS, SET, V_ID, One, V, block_at, codes, decided, locked_on_v, own, sent
from tests.consensus.soup import Soup
from zk.hashing import sha256

# Decisions.


def test_a_commit_certificate_of_an_old_round_decides() -> None:
    node = One()
    node.see(propose(CONTEXT, 0, V))
    node.go_to(6)
    certificate = commit_of(OTHERS, SET, V_ID, 0)
    assert decided(node.hear(Commit(certificate, None))) == [V_ID]


def test_a_commit_certificate_of_a_later_round_decides() -> None:
    node = One()
    node.see(propose(CONTEXT, 0, V))
    assert decided(node.hear(Commit(commit_of(OTHERS, SET, V_ID, 9), None))) == [V_ID]


def test_an_unknown_block_is_fetched_and_its_payload_awaited() -> None:
    node = One()
    certificate = commit_of(OTHERS, SET, V_ID)
    assert MissingBlock(HEIGHT, V_ID) in node.hear(Commit(certificate, None))
    assert own(node.expire(Step.PROPOSE, 0)) == [], "nothing is left to vote on"
    assert MissingBlock(HEIGHT, V_ID) in node.expire(Step.REBROADCAST, 0)
    effects = node.hear(Commit(certificate, V))
    assert CheckPayload(V) in effects and not decided(effects)
    assert decided(node.feed(PayloadChecked(HEIGHT, V_ID, False))) == []
    assert CheckPayload(V) in node.expire(Step.REBROADCAST, 0)
    assert decided(node.feed(PayloadChecked(HEIGHT, V_ID, True))) == [V_ID]


def test_an_invalid_block_is_not_decided_whoever_signed_it() -> None:
    bad = replace(V, header=replace(V.header, params_hash=sha256(b"?")))
    node = One()
    certificate = commit_of(OTHERS, SET, bad.header.id())
    effects = node.hear(Commit(certificate, bad))
    assert "consensus.decided-invalid" in codes(effects)
    assert decided(node.feed(PayloadChecked(HEIGHT, bad.header.id(), True))) == []


def test_precommits_of_one_block_in_two_rounds_do_not_add_up() -> None:
    node = One("ann")
    node.see(propose(CONTEXT, 0, V))
    votes = [vote("bob", PRECOMMIT, 0, V_ID), vote("cyd", PRECOMMIT, 0, V_ID), vote("dan", PRECOMMIT, 1, V_ID)]
    assert decided(node.hear(*votes)) == []


def test_exactly_two_thirds_decide_nothing() -> None:
    context = make_context(make_set(("ann", "bob", "cyd")))
    node = One("bob", context)
    block = make_block(context, 1)
    block_id = block.header.id()
    node.hear(vote("ann", PREVOTE, 1, None), vote("cyd", PREVOTE, 1, None))
    node.hear(Commit(commit_of(("ann", "bob", "cyd"), context.validators, block_id, 0, height=HEIGHT + 1), None))
    node.hear(vote("ann", PRECOMMIT, 0, block_id), vote("cyd", PRECOMMIT, 0, block_id))
    assert node.state.commit is None


def test_late_precommits_extend_what_the_next_block_includes() -> None:
    node = One("ann")
    late = vote("dan", PRECOMMIT, 0, CONTEXT.parent.block_id, height=HEIGHT - 1)
    assert CONTEXT.parent.certificate is not None
    assert len(CONTEXT.parent.certificate.signatures) == 3
    node.hear(late)
    (build,) = [effect for effect in node.feed(Wake(HEIGHT)) if isinstance(effect, BuildValue)]
    assert build.last_certificate == commit_of(NAMES, SET, CONTEXT.parent.block_id, height=HEIGHT - 1)


def test_precommits_after_the_decision_reach_the_next_height() -> None:
    node = locked_on_v()
    node.hear(vote("ann", PRECOMMIT, 0, V_ID), vote("dan", PRECOMMIT, 0, V_ID))
    node.hear(vote("cyd", PRECOMMIT, 0, V_ID))
    parent = replace(CONTEXT.parent, block_id=V_ID, certificate=commit_of(("ann", "bob", "dan"), SET, V_ID))
    node.feed(StartHeight(replace(CONTEXT, height=HEIGHT + 1, parent=parent)))
    assert node.state.last_certificate == commit_of(NAMES, SET, V_ID)


def test_a_straggler_is_sent_the_decision_once_per_period() -> None:
    node = One()
    certificate = CONTEXT.parent.certificate
    assert certificate is not None
    again = vote("ann", PRECOMMIT, 0, CONTEXT.parent.block_id, height=HEIGHT - 1)
    assert sent(node.hear(again)) == [Commit(certificate, None)]
    assert sent(node.hear(again, vote("ann", PREVOTE, 3, None, height=HEIGHT - 1))) == []
    assert sent(node.expire(Step.REBROADCAST, 0)) == []
    assert sent(node.hear(again)) == [Commit(certificate, None)]
    timers = [effect for effect in node.feed(Wake(HEIGHT)) if isinstance(effect, Schedule)]
    assert [timer.step for timer in timers] == [Step.PROPOSE], "one REBROADCAST timer at a time"


# Signing.


def test_nothing_is_signed_twice() -> None:
    node = One("ann")
    asked: list[tuple[int, str]] = []
    inputs: list[Input] = [
        Wake(HEIGHT),
        ValueBuilt(HEIGHT, 0, V),
        ValueBuilt(HEIGHT, 0, block_at(0, "other")[0]),
        PayloadChecked(HEIGHT, V_ID, True),
        Timeout(Step.PROPOSE, HEIGHT, 0),
        Received(polka_of(("bob", "cyd", "dan"), SET, V_ID), START_MS),
        Timeout(Step.PREVOTE, HEIGHT, 0),
    ]
    for input_ in (*inputs, *inputs, *inputs):
        node.state, effects = machine.step(node.state, input_)
        for effect in effects:
            if isinstance(effect, Sign):
                message = effect.message
                asked.append((message.round, message.kind.name if isinstance(message, Vote) else "PROPOSAL"))
                node.state, _ = machine.step(node.state, Signed(sign_any(message), START_MS))
    assert asked == [(0, "PROPOSAL"), (0, "PREVOTE"), (0, "PRECOMMIT")]


def test_what_was_asked_is_remembered_apart_from_the_algorithm() -> None:
    """Even a round machine that starts over can't make the machine sign a second time."""
    node = locked_on_v()
    node.state = replace(node.state, core=RoundState())
    effects = node.feed(Timeout(Step.PROPOSE, HEIGHT, 0), Timeout(Step.PREVOTE, HEIGHT, 0))
    assert not any(isinstance(effect, Sign) for effect in effects)


def sign_any(message: Proposal | Vote) -> Proposal | Vote:
    return signed_vote(message) if isinstance(message, Vote) else signed_proposal(message)


def test_only_what_was_asked_for_is_published_and_only_once() -> None:
    node = One()
    node.hear(propose(CONTEXT, 0, V))
    node.state, effects = machine.step(node.state, PayloadChecked(HEIGHT, V_ID, True))
    (asked,) = [effect.message for effect in effects if isinstance(effect, Sign)]
    assert isinstance(asked, Vote)
    for wrong in (asked, signed_vote(replace(asked, block_id=None)), signed_vote(replace(asked, round=1))):
        effects = node.feed(Signed(wrong, START_MS))
        assert (codes(effects), sent(effects)) == (["consensus.unasked"], [])
    assert sent(node.feed(Signed(signed_vote(asked), START_MS))) == [signed_vote(asked)]
    assert node.feed(Signed(signed_vote(asked), START_MS)) == []


@pytest.mark.parametrize("name", [None, "eve"])
def test_a_node_without_a_seat_follows_and_decides(name: str | None) -> None:
    node = One(name)
    effects = node.feed(Wake(HEIGHT))
    effects += node.see(propose(CONTEXT, 0, V))
    effects += node.votes(PREVOTE, 0, V_ID)
    effects += node.votes(PRECOMMIT, 0, V_ID)
    assert decided(effects) == [V_ID]
    assert not any(isinstance(effect, Sign | BuildValue) for effect in effects)


# Repeating.


def test_rebroadcast_repeats_votes_proposal_and_justification() -> None:
    node = locked_on_v()
    effects = node.expire(Step.REBROADCAST, 0)
    assert Schedule(Step.REBROADCAST, HEIGHT, 0, 500) in effects
    assert propose(CONTEXT, 0, V) in sent(effects)
    assert polka_of(("ann", "bob", "cyd"), SET, V_ID) in sent(effects)
    assert own(effects) == [(0, "PREVOTE", V_ID, -1), (0, "PRECOMMIT", V_ID, -1)]


def test_rebroadcast_brings_the_round_before_when_this_one_is_lonely() -> None:
    node = One()
    node.feed(Wake(HEIGHT))
    node.expire(Step.PROPOSE, 0)
    node.votes(PREVOTE, 0, None)
    node.votes(PRECOMMIT, 0, None)
    node.expire(Step.PRECOMMIT, 0)
    bundles = [m for m in sent(node.expire(Step.REBROADCAST, 1)) if isinstance(m, RoundCertificate)]
    assert [(bundle.round, len(bundle.votes)) for bundle in bundles] == [(0, 4)]
    assert all(each.kind == PRECOMMIT for each in bundles[0].votes)


def test_a_decided_height_repeats_nothing() -> None:
    node = locked_on_v()
    node.hear(vote("ann", PRECOMMIT, 0, V_ID), vote("dan", PRECOMMIT, 0, V_ID))
    assert node.state.decided
    for step in Step:
        assert node.expire(step, 0) == []


# What needs no verification, what is pinned, and why it is stuck.


def test_redundant_messages_change_nothing() -> None:
    node = locked_on_v()
    certificate = round_certificate([vote(name, PREVOTE, 0, V_ID) for name in OTHERS], SET)
    known: list[Message] = [
        propose(CONTEXT, 0, V),
        vote("ann", PREVOTE, 0, V_ID),
        polka_of(NAMES, SET, V_ID),
        certificate,
    ]
    for message in known:
        assert is_redundant(node.state, message)
        before = node.state
        node.hear(message)
        assert replace(node.state, round_certificate=None) == replace(before, round_certificate=None)
    news: list[Message] = [
        vote("ann", PREVOTE, 0, None),
        vote("ann", PRECOMMIT, 0, V_ID),
        polka_of(NAMES, SET, V_ID, 1),
        Commit(commit_of(NAMES, SET, V_ID), None),
        propose(CONTEXT, 2, V, 0),
        round_certificate([vote(name, PRECOMMIT, 0, V_ID) for name in OTHERS], SET),
    ]
    for message in news:
        assert not is_redundant(node.state, message)


def test_live_blocks_are_those_of_proposals_and_locks() -> None:
    node = locked_on_v()
    assert live_blocks(node.state) == {V.header.id(): V}
    node.go_to(PAST_ROUNDS + 5)
    assert live_blocks(node.state) == {V.header.id(): V}, "locked"


def test_status_says_who_and_what_is_missing() -> None:
    assert status(machine.initial("bob")) is None
    node = One()
    assert explain(node.state) == f"height {HEIGHT} is idle: nothing to put into a block"
    node.feed(Wake(HEIGHT))
    assert explain(node.state) == f"height {HEIGHT} round 0: no proposal from ann"
    node.hear(propose(CONTEXT, 0, V))
    now = status(node.state)
    assert now is not None and now.missing_payloads == (V_ID,)
    assert "transactions of the proposal from ann are missing" in explain(node.state)
    node.feed(PayloadChecked(HEIGHT, V_ID, True))
    node.hear(vote("ann", PREVOTE, 0, V_ID))
    now = status(node.state)
    assert now is not None
    (votes,) = now.rounds
    assert (votes.prevoted, votes.awaited_prevotes) == (("ann", "bob"), ("cyd", "dan"))
    assert (votes.proposal, now.phase, now.missing_payloads) == ("ready", "prevote", ())
    assert explain(node.state).endswith("prevotes of 2 of 4 power, no quorum; waiting for cyd, dan")
    node.votes(PREVOTE, 0, V_ID)
    assert explain(node.state).endswith("precommits of 1 of 4 power, no quorum; waiting for ann, cyd, dan")
    node.hear(Commit(commit_of(OTHERS, SET, sha256(b"?")), None))
    now = status(node.state)
    assert now is not None and now.missing_block == sha256(b"?")
    assert "its block" in explain(node.state)


# Several heights.


@pytest.mark.parametrize("dead", [None, *NAMES])
def test_a_height_ends_quickly_with_one_dead(dead: str | None) -> None:
    """Target 100 ms: 20 ms of latency when the proposer lives, well below a second when it is dead."""
    soup = Soup(CONTEXT, tuple(name for name in NAMES if name != dead))
    soup.run_fairly()
    assert soup.now_ms - START_MS <= (500 if dead == "ann" else 25)
