"""Hand-written heights: idle and waking, the paper's scenarios, one machine against chosen messages."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from consensus import machine
from consensus.certificates import round_certificate
from consensus.effects import (
    Broadcast,
    BuildValue,
    CheckPayload,
    Decide,
    Effect,
    HeightContext,
    Input,
    MissingBlock,
    PayloadChecked,
    Received,
    Refused,
    ReportConflict,
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
from consensus.messages import Block, Commit, Message, Proposal, RoundCertificate, Vote, VoteType
from consensus.state import MAX_POLKAS, State, live_blocks
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
from tests.consensus.soup import Soup
from zk.hashing import sha256

CONTEXT = make_context()
SET = CONTEXT.validators
OTHERS = ("ann", "cyd", "dan")


class One:
    """One machine under test, `bob` unless said otherwise (proposer of rounds 1, 5, 9). Signs at once."""

    def __init__(self, name: str | None = "bob", context: HeightContext = CONTEXT) -> None:
        self.name = name
        self.context = context
        self.state: State = machine.initial(name)
        self.feed(StartHeight(context))

    def feed(self, *inputs: Input) -> list[Effect]:
        """Effects of the inputs and of the signatures they ask for."""
        effects: list[Effect] = []
        for input_ in inputs:
            self.state, produced = machine.step(self.state, input_)
            effects += produced
            for effect in produced:
                match effect:
                    case Sign(Proposal() as proposal):
                        effects += self.feed(Signed(signed_proposal(proposal), START_MS))
                    case Sign(Vote() as unsigned):
                        effects += self.feed(Signed(signed_vote(unsigned), START_MS))
        return effects

    def hear(self, *messages: Message) -> list[Effect]:
        return self.feed(*(Received(message, START_MS) for message in messages))

    def see(self, proposal: Proposal) -> list[Effect]:
        """A proposal with its payload."""
        block_id = proposal.block.header.id()
        return [*self.hear(proposal), *self.feed(PayloadChecked(HEIGHT, block_id, True))]

    def expire(self, step: Step, round_: int) -> list[Effect]:
        return self.feed(Timeout(step, HEIGHT, round_))

    def votes(self, kind: VoteType, round_: int, block_id: bytes | None, valid_round: int = -1) -> list[Effect]:
        """That vote from everybody else."""
        return self.hear(*(vote(name, kind, round_, block_id, valid_round) for name in OTHERS))

    def go_to(self, round_: int) -> list[Effect]:
        """Skip to a round."""
        return self.hear(*(vote(name, PRECOMMIT, round_, None) for name in ("ann", "cyd")))


def own(effects: list[Effect]) -> list[tuple[int, str, bytes | None, int]]:
    """Own votes that were published: (round, kind, block id, valid_round)."""
    return [
        (message.round, message.kind.name, message.block_id, message.valid_round)
        for message in sent(effects)
        if isinstance(message, Vote)
    ]


def sent(effects: list[Effect]) -> list[Message]:
    return [effect.message for effect in effects if isinstance(effect, Broadcast)]


def codes(effects: list[Effect]) -> list[str]:
    return [effect.code for effect in effects if isinstance(effect, Refused)]


def decided(effects: list[Effect]) -> list[bytes]:
    return [effect.block.header.id() for effect in effects if isinstance(effect, Decide)]


def block_at(round_: int, label: str = "value") -> tuple[Block, bytes]:
    block = make_block(CONTEXT, round_, label)
    return block, block.header.id()


V, V_ID = block_at(0)


def locked_on_v() -> One:
    """Bob has locked the value of round 0."""
    node = One()
    node.see(propose(CONTEXT, 0, V))
    assert (0, "PRECOMMIT", V_ID, -1) in own(node.votes(PREVOTE, 0, V_ID))
    return node


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
        if SET.proposer(HEIGHT, round_).id != "bob":
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
    known = [propose(CONTEXT, 0, V), vote("ann", PREVOTE, 0, V_ID), polka_of(NAMES, SET, V_ID), certificate]
    for message in known:
        assert is_redundant(node.state, message)
        before = node.state
        node.hear(message)
        assert replace(node.state, round_certificate=None) == replace(before, round_certificate=None)
    for message in (
        vote("ann", PREVOTE, 0, None),
        vote("ann", PRECOMMIT, 0, V_ID),
        polka_of(NAMES, SET, V_ID, 1),
        Commit(commit_of(NAMES, SET, V_ID), None),
        propose(CONTEXT, 2, V, 0),
        round_certificate([vote(name, PRECOMMIT, 0, V_ID) for name in OTHERS], SET),
    ):
        assert not is_redundant(node.state, message)


def test_live_blocks_are_those_of_proposals_and_locks() -> None:
    node = locked_on_v()
    assert live_blocks(node.state) == (V,)
    node.go_to(PAST_ROUNDS + 5)
    assert live_blocks(node.state) == (V,), "locked"


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
