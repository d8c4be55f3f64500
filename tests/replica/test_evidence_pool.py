"""The pool is bounded, keeps what holds until a block has it, and judges blocks by committed state alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from consensus.block import build_block
from consensus.evidence import DuplicateVote, Equivocation, Fork, decode, equivocation
from consensus.messages import MAX_EVIDENCE, Block, Vote, VoteType
from consensus.validators import Validator, ValidatorSet
from contracts.bodies import Transfer
from contracts.context import BlockContext
from contracts.genesis import ConsensusParams
from contracts.state import State
from contracts.trust import slash
from node import journal
from node.chain import height_context
from node.effects import Append, Effect, FrameReceived, Penalise, Reply, Reported, SendAll, Sync, Verify
from node.evidence import AHEAD, DISHONEST, MAX_PENDING, MAX_PER_ACCUSED, EvidencePool
from node.ledger.ledger import Ledger
from node.peer.wire import CODECS, Frame
from node.seats import validators_of
from node.work import Work
from tests.replica.test_network import network, quiet
from tests.support.memory import MemoryNetwork
from tests.support.pact import VALIDATORS, Speaker, beacon_key_of, genesis, key_of
from zk import ed25519
from zk.codec import encode
from zk.hashing import sha256

HEIGHTS = 8
AGE = ConsensusParams(evidence_age_blocks=3, evidence_age_ms=2_000)


def chain(consensus: ConsensusParams | None = None) -> tuple[MemoryNetwork, Speaker]:
    """A network at least `HEIGHTS` high, with about a second between blocks."""
    net = MemoryNetwork(genesis(consensus=consensus))
    net.start()
    speaker = Speaker(net.machines["solar"].ledger.chain_id)
    while net.machines["solar"].ledger.height < HEIGHTS:
        net.run_for(1_000)
        net.machines["solar"].submit(speaker.member("campus", Transfer("wind", 1, "")))
        quiet(net)
    return net, speaker


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """Of a chain that nobody changes any more."""
    return chain(AGE)[0].machines["solar"].ledger


def seat(name: str, key: str | None = None) -> Validator:
    return Validator(name, name, key_of(f"{key or name} node").public_key, b"", 1)


def two_votes(ledger: Ledger, name: str, height: int, *, key: str | None = None, word: str = "x") -> DuplicateVote:
    """Evidence against the seat `name`, signed with the key of `key`."""
    votes = []
    for block_id in (None, sha256(word.encode())):
        vote = Vote(VoteType.PREVOTE, height, 0, block_id, -1, name, b"")
        signature = key_of(f"{key or name} node").sign(vote.sign_bytes(ledger.chain_id))
        votes.append(replace(vote, signature=signature))
    evidence = equivocation(*votes)
    assert isinstance(evidence, DuplicateVote)
    return evidence


class Bench:
    """A pool alone, with somebody who checks signatures for it."""

    def __init__(self, ledger: Ledger, sets: Any = None) -> None:
        self.ledger = ledger
        self.work = Work()
        self.verdicts: list[tuple[bytes, bool]] = []
        self.arrivals = 0
        self.verified = 0
        constant = validators_of(ledger.genesis)
        self.pool = EvidencePool(ledger, sets or (lambda _: constant), self.work, self._verdict, self._arrival)

    def _verdict(self, block_id: bytes, ok: bool) -> None:
        self.verdicts.append((block_id, ok))

    def _arrival(self) -> None:
        self.arrivals += 1

    def effects(self) -> list[Effect]:
        """What came out, signatures checked."""
        done: list[Effect] = []
        while effects := self.work.take():
            for effect in effects:
                done.append(effect)
                if isinstance(effect, Verify):
                    self.verified += len(effect.triples)
                    self.work.verified(effect.job, [ed25519.verify(*one) for one in effect.triples])
        return done

    def code(self, evidence: Equivocation) -> str:
        """What a client hears that reports this."""
        self.pool.reported(7, encode(evidence))
        (reply,) = [effect for effect in self.effects() if isinstance(effect, Reply)]
        return reply.results[0].code

    def judged(self, *evidence: bytes) -> bool:
        """The verdict on a block of the open height with this evidence."""
        self.pool.judge(block_with(self.ledger, *evidence), True)
        self.effects()
        return self.verdicts.pop()[1]


def block_with(ledger: Ledger, *evidence: bytes) -> Block:
    context = height_context(ledger, lambda _: validators_of(ledger.genesis))
    sign = beacon_key_of(context.proposers.proposer(0).id).sign
    clock_ms = context.parent.time_ms + 1
    return build_block(context, 0, (), clock_ms, context.parent.certificate, evidence, contribute=sign)


# Taking in


def test_what_holds_is_kept_once_written_down_told_and_answered_in_this_order(ledger: Ledger) -> None:
    bench = Bench(ledger)
    evidence = two_votes(ledger, "wind", HEIGHTS)
    bench.pool.reported(7, encode(evidence))
    effects = bench.effects()
    raw = encode(evidence)
    assert [effect for effect in effects if not isinstance(effect, Verify)] == [
        Append(journal.EVIDENCE, ledger.height + 1, raw),
        SendAll(Frame.EVIDENCE, raw, own=False),
        Sync(),
        *[effect for effect in effects if isinstance(effect, Reply)],
    ]
    assert bench.arrivals == 1 and bench.pool.pending() == [raw]
    # One piece for each accused and height is enough, whatever else was signed there; peers are told once.
    for again in (evidence, two_votes(ledger, "wind", HEIGHTS, word="y")):
        assert bench.code(again) == "consensus.evidence-known"
    bench.pool.received("solar", evidence)
    assert bench.effects() == [] and bench.verified == 2


def test_refusals(ledger: Ledger) -> None:
    bench = Bench(ledger)
    good = two_votes(ledger, "wind", HEIGHTS)
    swapped = replace(good, first=good.second, second=good.first)
    cases = {
        "consensus.signature": two_votes(ledger, "wind", HEIGHTS, key="solar"),
        "consensus.stranger": two_votes(ledger, "stranger", HEIGHTS),
        "consensus.evidence-order": swapped,
        "consensus.evidence-same": replace(good, second=good.first),
        "consensus.future-height": two_votes(ledger, "wind", ledger.height + AHEAD + 1),
        "consensus.evidence-expired": two_votes(ledger, "wind", 1),
    }
    for code, evidence in cases.items():
        assert bench.code(evidence) == code
        bench.pool.received("solar", evidence)
        assert (Penalise("solar", code) in bench.effects()) == (code in DISHONEST)
    assert bench.code(two_votes(ledger, "wind", 0)) == "consensus.future-height"
    bench.pool.reported(7, b"\x93garbage")
    (reply,) = [effect for effect in bench.effects() if isinstance(effect, Reply)]
    assert reply.results[0].code == "consensus.evidence-malformed"
    assert len(bench.pool) == 0 and bench.arrivals == 0
    # Sets are known a little ahead, so evidence may be too.
    assert bench.code(two_votes(ledger, "wind", ledger.height + AHEAD)) == "ok"


def test_one_accused_can_not_fill_the_pool(ledger: Ledger) -> None:
    bench = Bench(ledger)
    near = range(ledger.height + AHEAD, 0, -1)
    codes = [bench.code(two_votes(ledger, "wind", height)) for height in near]
    assert codes[:MAX_PER_ACCUSED] == ["ok"] * MAX_PER_ACCUSED
    assert set(codes[MAX_PER_ACCUSED:]) <= {"consensus.evidence-full", "consensus.evidence-expired"}
    assert "consensus.evidence-full" in codes
    verified = bench.verified
    assert verified == 2 * MAX_PER_ACCUSED, "what is not kept costs no verification"
    assert bench.code(two_votes(ledger, "solar", HEIGHTS)) == "ok"


def crowd(count: int) -> ValidatorSet:
    return ValidatorSet(tuple(seat(f"n{number:04d}") for number in range(count)))


def test_the_pool_and_a_block_hold_no_more_than_they_may(ledger: Ledger) -> None:
    count = MAX_PENDING // MAX_PER_ACCUSED
    everybody = crowd(count + 1)
    bench = Bench(ledger, lambda _: everybody)
    heights = range(ledger.height - 1, ledger.height - 1 + MAX_PER_ACCUSED)
    for number in range(count):
        for height in heights:
            assert bench.code(two_votes(ledger, f"n{number:04d}", height)) == "ok"
    assert len(bench.pool) == MAX_PENDING
    assert bench.code(two_votes(ledger, f"n{count:04d}", ledger.height)) == "consensus.evidence-full"
    assert sum(map(len, bench.pool.pending())) <= 1024 * 1024
    selected = bench.pool.select(ledger.time_ms(ledger.height) + 1)
    assert len(selected) == MAX_EVIDENCE
    offences = [(decode(raw).first.height, decode(raw).accused) for raw in selected]
    assert offences == sorted(offences) and offences[0][0] == heights[0]
    assert bench.judged(*selected)


def test_pairs_of_certificates_are_checked_one_at_a_time(ledger: Ledger) -> None:
    bench = Bench(ledger)
    known = ledger.certificate(HEIGHTS)
    assert known is not None
    other = replace(known, block_id=sha256(b"other"), round=known.round + 1)
    for _ in range(50):
        bench.pool.received("solar", Fork(known, other))
    waiting = bench.work.take()
    (verify,) = [effect for effect in waiting if isinstance(effect, Verify)]
    assert not verify.urgent and len(waiting) == 1
    bench.work.verified(verify.job, [False] * len(verify.triples))
    assert bench.work.take() == [Penalise("solar", "consensus.signature")]
    bench.pool.received("solar", Fork(known, other))
    assert len(bench.work.take()) == 1


# Blocks


def test_a_block_is_judged_by_each_rule(ledger: Ledger) -> None:
    bench = Bench(ledger)
    good = two_votes(ledger, "wind", HEIGHTS)
    raw = encode(good)
    assert bench.judged(raw)
    assert bench.judged(encode(two_votes(ledger, "wind", ledger.height + 1))), "a height may end by its own evidence"
    wrong: dict[str, tuple[bytes, ...]] = {
        "consensus.evidence-malformed": (b"\x00",),
        "consensus.evidence-order": (encode(replace(good, first=good.second, second=good.first)),),
        "consensus.evidence-same": (encode(replace(good, second=good.first)),),
        "consensus.stranger": (encode(two_votes(ledger, "stranger", HEIGHTS)),),
        "consensus.evidence-height": (encode(two_votes(ledger, "wind", ledger.height + 2)),),
        "consensus.evidence-known": (raw, encode(two_votes(ledger, "wind", HEIGHTS, word="y"))),
        "consensus.evidence-expired": (encode(two_votes(ledger, "wind", 1)),),
    }
    for code, evidence in wrong.items():
        before = bench.work.counters[code]
        assert not bench.judged(*evidence)
        assert bench.work.counters[code] == before + 1
        assert not bench.judged(encode(two_votes(ledger, "solar", HEIGHTS)), *evidence)
    assert not bench.judged(encode(two_votes(ledger, "wind", 0)))
    assert not bench.judged(encode(two_votes(ledger, "wind", HEIGHTS, key="solar")))
    forged = replace(good, second=replace(good.second, signature=bytes(64)))
    assert not bench.judged(encode(forged)) and not bench.judged(raw[:-1])
    # What the pool knows plays no part: a block is valid for everybody or for nobody.
    assert bench.code(good) == "ok"
    assert bench.judged(raw) and not bench.judged(encode(forged))


def test_bad_transactions_spoil_a_block_with_good_evidence(ledger: Ledger) -> None:
    bench = Bench(ledger)
    block = block_with(ledger, encode(two_votes(ledger, "wind", HEIGHTS)))
    bench.pool.judge(block, False)
    assert bench.verdicts == [(block.header.id(), False)] and bench.work.take() == []


def test_the_verdict_on_a_block_of_a_past_height_is_dropped(ledger: Ledger) -> None:
    bench = Bench(ledger)
    block = block_with(ledger, encode(two_votes(ledger, "wind", HEIGHTS)))
    bench.pool.judge(replace(block, header=replace(block.header, height=ledger.height)), True)
    bench.effects()
    assert bench.verdicts == []


def test_evidence_is_judged_by_the_set_of_its_own_height(ledger: Ledger) -> None:
    """At HEIGHTS wind's seat had another key, and a seat was there that left; now it is the other way round."""
    then = ValidatorSet((seat("gone"), seat("solar"), seat("wind", "solar")))
    now = ValidatorSet((seat("new"), seat("solar"), seat("wind")))
    bench = Bench(ledger, lambda height: then if height <= HEIGHTS else now)
    holds = [
        two_votes(ledger, "gone", HEIGHTS),
        two_votes(ledger, "wind", HEIGHTS, key="solar"),
        two_votes(ledger, "new", HEIGHTS + 1),
    ]
    fails = [
        two_votes(ledger, "gone", HEIGHTS + 1),
        two_votes(ledger, "wind", HEIGHTS),
        two_votes(ledger, "new", HEIGHTS),
    ]
    for evidence in holds:
        assert bench.judged(encode(evidence)) and bench.code(evidence) == "ok"
    for evidence in fails:
        assert not bench.judged(encode(evidence)) and bench.code(evidence) != "ok"
    block = block_with(ledger, *map(encode, holds))
    charges = bench.pool.charges(replace(block, header=replace(block.header, proposer="new")))
    assert [(one.node, one.member, one.height) for one in charges] == [
        ("gone", "gone", HEIGHTS),
        ("wind", "wind", HEIGHTS),
        ("new", "new", HEIGHTS + 1),
    ]
    assert {one.reporter for one in charges} == {"new"}, "who proposed the block"


def test_age_counts_in_blocks_and_in_time(ledger: Ledger) -> None:
    """Neither a stall nor a burst of blocks alone makes evidence expire."""
    bench = Bench(ledger)
    for blocks in (3, 4):
        height = ledger.height + 1 - blocks
        block = block_with(ledger, encode(two_votes(ledger, "wind", height)))
        for ms in (2_000, 2_001, 10**9):
            header = replace(block.header, time_ms=ledger.time_ms(height) + ms)
            bench.pool.judge(replace(block, header=header), True)
            bench.effects()
            assert bench.verdicts.pop()[1] == (blocks <= 3 or ms <= 2_000)


# A node's life


def evidence_frames(net: MemoryNetwork) -> Iterator[tuple[Any, ...]]:
    return (entry for entry in net.trace if entry[3:4] == (int(Frame.EVIDENCE),))


def report(net: MemoryNetwork, node: str, evidence: Equivocation) -> str:
    request = net.next_request()
    net.machines[node].feed(Reported(request, encode(evidence)))
    return net.machines[node].replies[request][0].code


def pools(net: MemoryNetwork) -> dict[str, int]:
    return {name: len(machine.driver.replica.evidence) for name, machine in net.machines.items() if machine.driver}


def test_peers_are_told_once_and_every_node_ends_with_an_empty_pool() -> None:
    net, _ = network()
    quiet(net)
    ledger = net.machines["solar"].ledger
    before = ledger.height
    assert report(net, "solar", two_votes(ledger, "wind", before)) == "ok"
    net.run_for(5_000)
    assert pools(net) == dict.fromkeys(VALIDATORS, 0)
    # Each of four told each of three others, at most once.
    assert 3 <= len(list(evidence_frames(net))) <= 12
    assert {machine.ledger.height for machine in net.machines.values()} == {before + 2}
    assert report(net, "campus", two_votes(ledger, "wind", before)) == "consensus.evidence-known"
    blocks = [net.machines["campus"].ledger.block(height) for height in range(1, before + 3)]
    assert [len(block.evidence) for block in blocks if block is not None] == [0] * before + [1, 0]
    # Nor may a proposer bring it again.
    assert not Bench(ledger).judged(encode(two_votes(ledger, "wind", before, word="y")))


def test_whoever_has_lost_its_bond_keeps_no_idle_chain_making_blocks() -> None:
    """A seat signs two votes at every height there is: one block takes its bond, and nothing comes of the others."""
    net, _ = network()
    quiet(net)
    ledger = net.machines["solar"].ledger
    before = ledger.height
    # Two pieces may meet in one block, but none comes after it.
    for height in (before, before + 1, before + 2):
        report(net, "solar", two_votes(ledger, "wind", height))
    net.run_for(3_000)
    ended = ledger.height
    for height in range(1, ended + 1 + AHEAD):
        code = report(net, "campus", two_votes(ledger, "wind", height, word="y"))
        assert code in {"consensus.evidence-known", "consensus.evidence-tombstoned"}
        assert not Bench(ledger).judged(encode(two_votes(ledger, "wind", height, word="y")))
        net.run_for(500)
    assert {machine.ledger.height for machine in net.machines.values()} == {ended} <= {before + 2, before + 3}
    assert pools(net) == dict.fromkeys(VALIDATORS, 0), "what waited about it has left the pools"
    assert report(net, "campus", two_votes(ledger, "solar", ended)) == "ok", "others still count"


def test_the_identity_is_punished_and_not_the_seat(ledger: Ledger) -> None:
    """Another node of the organisation, a key that was rotated, and evidence of a height at which another had it."""
    wind, second = seat("wind"), replace(seat("breeze"), organisation="wind")
    heir = replace(seat("wind", "solar"), organisation="campus")
    then, now = ValidatorSet((second, seat("solar"), wind)), ValidatorSet((seat("solar"), heir))
    bench = Bench(ledger, lambda height: then if height <= HEIGHTS else now)
    state = State(ledger, ledger.records)
    context = BlockContext(ledger.chain_id, 1, 1, ledger.genesis.params, ledger.genesis.consensus)
    slash(state, context, "wind", "duplicate-vote")
    state.commit()
    ledger.records.absorb(state)
    try:
        for name in ("wind", "breeze"):
            evidence = two_votes(ledger, name, HEIGHTS)
            assert bench.code(evidence) == "consensus.evidence-tombstoned" and not bench.judged(encode(evidence))
        heirs = two_votes(ledger, "wind", HEIGHTS + 1, key="solar")
        assert bench.code(heirs) == "ok" and bench.judged(encode(heirs))
    finally:
        ledger.records.forget([key for key, _ in state.written()])


def test_a_node_that_was_away_gets_evidence_with_the_blocks_and_the_rest_from_its_peers() -> None:
    net, _ = network()
    quiet(net)
    ledger = net.machines["solar"].ledger
    net.machines["campus"].crash()
    assert report(net, "solar", two_votes(ledger, "wind", ledger.height)) == "ok"
    net.run_for(3_000)
    net.partition({"solar"}, {"biodiesel", "campus"}, {"wind"})
    assert report(net, "solar", two_votes(ledger, "biodiesel", 1)) == "ok"
    net.heal()
    net.machines["campus"].start()
    quiet(net)
    net.run_for(5_000)
    quiet(net)
    assert pools(net) == dict.fromkeys(VALIDATORS, 0)
    roots = {machine.ledger.state_root for machine in net.machines.values()}
    assert len(roots) == 1


def test_accepted_evidence_survives_crashes_and_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    net, speaker = network()
    quiet(net)
    ledger = net.machines["solar"].ledger
    # Nobody may propose it, so that it has to wait.
    monkeypatch.setattr(EvidencePool, "select", lambda *_: ())
    monkeypatch.setattr("node.driver.CHECKPOINT_BYTES", 0)
    net.drop = lambda _sender, _target, frame, _body: frame is Frame.EVIDENCE
    assert report(net, "solar", two_votes(ledger, "wind", 1)) == "ok"
    for _ in range(3):
        net.machines["campus"].submit(speaker.member("campus", Transfer("wind", 1, "")))
        quiet(net)
        net.machines["solar"].crash()
        net.machines["solar"].start()
        assert pools(net) == {**dict.fromkeys(VALIDATORS, 0), "solar": 1}
    monkeypatch.undo()
    net.run_until(lambda: set(pools(net).values()) == {0})
    # What a block has is not taken back from the journal.
    net.machines["solar"].crash()
    net.machines["solar"].start()
    assert pools(net)["solar"] == 0


def test_expired_evidence_leaves_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    net, speaker = chain(AGE)
    monkeypatch.setattr(EvidencePool, "select", lambda *_: ())
    assert report(net, "solar", two_votes(net.machines["solar"].ledger, "wind", HEIGHTS)) == "ok"
    quiet(net)
    for _ in range(3):
        net.run_for(1_500)
        net.machines["solar"].submit(speaker.member("campus", Transfer("wind", 1, "")))
        quiet(net)
    assert pools(net) == dict.fromkeys(VALIDATORS, 0)


def test_frames_of_evidence_are_bounded_and_strict() -> None:
    net, _ = network()
    quiet(net)
    codec = CODECS[Frame.EVIDENCE]
    for body in (b"", bytes(codec.limit + 1), b"\x93\x05\x00\x00", encode((1, 2, 3))):
        before = len(net.penalties)
        net.machines["solar"].feed(FrameReceived("wind", Frame.EVIDENCE, body))
        assert [name for name, peer, _ in net.penalties[before:]] == ["solar"]
    assert pools(net) == dict.fromkeys(VALIDATORS, 0)
