"""Each buffer is filled by one peer that means harm: it stops at its maximum, and the other peers keep their room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from consensus.block import build_block
from consensus.messages import MAX_PAYLOAD, Block, Proposal, Vote, VoteType
from contracts.bodies import Transfer
from contracts.envelope import NO_SIGNATURE, AccountEnvelope, Domains
from node import catchup, inbox, transactions
from node.effects import Append, FrameReceived, Now, PeerConnected, Send, SendAll, TimerFired, Verified, Verify
from node.inbox import JOURNAL_SHARE_BYTES, MAX_SEEN, MAX_SEEN_BYTES, MAX_WAITING, MAX_WAITING_BYTES, Inbox
from node.journal import INPUT
from node.ledger.ledger import Ledger
from node.ledger.store import MemoryStore
from node.mempool import MempoolLimits
from node.peer.wire import BlockRequest, BlockResponse, Frame, FullBlock, TransactionRequest, Transactions
from node.replica import Replica
from node.shares import Shares
from node.sync import MAX_BLOCK_BYTES, MAX_HELD_BYTES, WINDOW, BlockSync
from tests.replica.bounds import check_bounds
from tests.replica.test_network import network, quiet
from tests.support.memory import MemoryNetwork
from tests.support.pact import Speaker, beacon_key_of, key_of
from zk.codec import encode
from zk.hashing import sha256

LIAR = "wind"
VOTE = Vote(VoteType.PREVOTE, 9, 0, None, -1, LIAR, bytes(64))


def test_seen_encodings_are_bounded_in_number_and_bytes() -> None:
    box = Inbox(4)
    for number in range(MAX_SEEN + 10):
        box.remember(number.to_bytes(4, "big"))
    assert not box.is_new((0).to_bytes(4, "big"))
    assert box.is_new(MAX_SEEN.to_bytes(4, "big"))
    box.forget()
    for number in range(20):
        box.remember(bytes([number]) * 2**20)
    assert [box.is_new(bytes([number]) * 2**20) for number in range(20)] == [
        number >= MAX_SEEN_BYTES // 2**20 for number in range(20)
    ]
    box.forget()
    assert box.is_new(bytes(2**20))


def test_what_waits_for_the_next_height_is_bounded_per_peer() -> None:
    box = Inbox(4)
    for number in range(MAX_WAITING + 50):
        box.wait(LIAR, number.to_bytes(4, "big"), VOTE)
    for number in range(10):
        box.wait("solar", bytes([number]) * 2**20, VOTE)
    box.wait("campus", b"one", VOTE)
    box.wait("campus", b"one", VOTE)
    waiting = list(box.next_height())
    count = {peer: sum(one == peer for one, _, _ in waiting) for peer in (LIAR, "solar", "campus")}
    assert count == {LIAR: MAX_WAITING, "solar": MAX_WAITING_BYTES // 2**20, "campus": 1}
    assert not list(box.next_height())


def test_one_peer_can_not_fill_the_journal_of_a_height() -> None:
    box, size = Inbox(4), 2**20
    tries = JOURNAL_SHARE_BYTES // size
    assert sum(size for _ in range(tries) if box.may_write(LIAR, size)) == JOURNAL_SHARE_BYTES // 4
    assert box.may_write("solar", size)
    assert not box.may_write(LIAR, 1)
    list(box.next_height())
    assert box.may_write(LIAR, size)


def test_a_share_comes_back_with_time_and_is_one_peers_own() -> None:
    shares = Shares(10, 30)
    assert shares.take(LIAR, 30, 0)
    assert not shares.take(LIAR, 1, 0)
    assert shares.take("solar", 30, 0)
    assert shares.take(LIAR, 10, 1_000)
    shares.spend(LIAR, 100, 1_000)
    assert not shares.has_any(LIAR, 10_000)
    assert shares.has_any(LIAR, 12_000)
    assert shares.take(LIAR, 30, 10**6)
    assert not shares.take(LIAR, 1, 10**6)


# A proposer without end


def turns(net: MemoryNetwork, victim: str) -> Iterator[int]:
    """Rounds of the open height that the liar may propose in."""
    driver = net.machines[victim].driver
    assert driver is not None
    context = driver.replica._context
    for round_ in range(400):
        if context.proposers.proposer(round_).id == LIAR:
            yield round_


def proposal(net: MemoryNetwork, victim: str, round_: int, number: int) -> Proposal:
    """One of any number of different proposals, rightly signed."""
    driver = net.machines[victim].driver
    assert driver is not None
    context = driver.replica._context
    payload = tuple(sha256(b"%d/%d/%d" % (round_, number, index)) for index in range(50))
    clock_ms = context.parent.time_ms + 1_000 + number
    block = build_block(context, round_, payload, clock_ms, None, contribute=beacon_key_of(LIAR).sign)
    block = Block(replace(block.header, proposer=LIAR), *[getattr(block, name) for name in block.__struct_fields__[1:]])
    unsigned = Proposal(context.height, round_, -1, block, LIAR, b"")
    return replace(unsigned, signature=key_of(f"{LIAR} node").sign(unsigned.sign_bytes(context.chain_id)))


def test_a_proposer_without_end_fills_neither_memory_nor_journal() -> None:
    net, _ = network()
    quiet(net)
    for name in (LIAR, "solar", "biodiesel"):
        net.machines[name].crash()
    machine = net.machines["campus"]
    assert machine.driver is not None
    replica, logged, verified = machine.driver.replica, [], []
    handle = replica.handle

    def watch(event, now):  # type: ignore[no-untyped-def]
        effects = handle(event, now)
        logged.extend(effect for effect in effects if isinstance(effect, Append) and effect.kind == INPUT)
        verified.extend(effect for effect in effects if isinstance(effect, Verify))
        return effects

    replica.handle = watch  # type: ignore[method-assign]
    rounds = list(turns(net, "campus"))[:3]
    for round_ in rounds:
        for number in range(60):
            machine.feed(FrameReceived(LIAR, Frame.CONSENSUS, encode(proposal(net, "campus", round_, number))))
            check_bounds(replica)
    assert machine.error is None
    assert len(replica.flow._blocks) <= 2 + 2
    assert len(logged) <= 4 * len(rounds)
    assert len(verified) <= 2 * len(rounds) + 2


# Transactions


def lone(limits: MempoolLimits | None = None) -> tuple[Replica, Speaker]:
    """A replica that nobody drives: its effects are looked at one by one."""
    net, speaker = network()
    ledger = Ledger.open(MemoryStore(), net.genesis)
    replica = Replica(ledger, "campus", limits)
    for peer in (LIAR, "solar"):
        replica.handle(PeerConnected(peer), Now(0, 0))
    return replica, speaker


def receive(replica: Replica, frame: Frame, body: object, peer: str = LIAR, now_ms: int = 0) -> list[object]:
    return list(replica.handle(FrameReceived(peer, frame, encode(body)), Now(replica.ledger.time_ms(0), now_ms)))


def triples(effects: list[object]) -> int:
    return sum(len(effect.triples) for effect in effects if isinstance(effect, Verify))


def test_one_transaction_sent_often_is_verified_once() -> None:
    replica, speaker = lone()
    raw = speaker.member("campus", Transfer("solar", 1, ""))
    assert triples(receive(replica, Frame.TRANSACTIONS, Transactions((raw,) * 1_000))) == 1
    for peer in (LIAR, "solar"):
        assert triples(receive(replica, Frame.TRANSACTIONS, Transactions((raw,) * 1_000), peer)) == 0


def test_garbage_behind_a_transaction_does_not_keep_it_out_for_good() -> None:
    """It counts as being verified, so it has to be: else nobody else's answer with it is ever looked at again."""
    replica, speaker = lone()
    raw = speaker.member("campus", Transfer("solar", 1, ""))
    effects = receive(replica, Frame.TRANSACTIONS, Transactions((raw, b"garbage")))
    [job] = [effect for effect in effects if isinstance(effect, Verify)]
    replica.handle(Verified(job.job, [True]), Now(replica.ledger.time_ms(0), 0))
    assert [entry.raw for entry in replica.flow.mempool] == [raw]


def test_an_answer_sent_often_is_verified_once() -> None:
    replica, speaker = lone()
    raw = speaker.member("campus", Transfer("solar", 1, ""))
    want(replica, [raw])
    assert triples(receive(replica, Frame.TRANSACTION_RESPONSE, Transactions((raw,) * 1_000))) == 1
    assert triples(receive(replica, Frame.TRANSACTION_RESPONSE, Transactions((raw,) * 1_000))) == 0


def test_signatures_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "MAX_UNVERIFIED", 20)
    replica, speaker = lone()
    raws = tuple(speaker.member("campus", Transfer("solar", 1, "")) for _ in range(50))
    assert triples(receive(replica, Frame.TRANSACTIONS, Transactions(raws))) == 20
    assert triples(receive(replica, Frame.TRANSACTIONS, Transactions(raws), "solar")) == 0
    assert replica.work.counters["mempool.busy"] == 60


def want(replica: Replica, raws: list[bytes]) -> bytes:
    """Have a live block name these transactions; its id."""
    context = replica._context
    payload = tuple(replica.flow.admission.hash(raw) for raw in raws)
    block = build_block(
        context,
        round_=0,
        payload=payload,
        clock_ms=context.parent.time_ms + 1,
        last_certificate=None,
        contribute=beacon_key_of("solar").sign,
    )
    block_id = block.header.id()
    replica.flow.hold({block_id: block})
    replica.flow.check_payload(block)
    replica.work.take()
    return block_id


def stranger(speaker: Speaker, number: int) -> bytes:
    """A transaction of nobody, rightly signed: anybody can make any number of them."""
    key = key_of(f"stranger {number}")
    envelope = AccountEnvelope(
        chain_id=speaker.chain_id,
        sender=f"stranger-{number}",
        public_key=key.public_key,
        nonce=0,
        expiry_height=10**6,
        body=Transfer("solar", 1, ""),
        signature=NO_SIGNATURE,
    )
    return Domains(speaker.chain_id).seal(key, envelope)


def test_a_block_makes_nobody_gather_more_than_a_block_may_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    replica, speaker = lone()
    raws = [stranger(speaker, number) for number in range(200)]
    monkeypatch.setattr(transactions, "MAX_BLOCK_BYTES", 20 * len(raws[0]))
    block_id = want(replica, raws)
    for start in range(0, 200, 5):
        for effect in receive(replica, Frame.TRANSACTION_RESPONSE, Transactions(tuple(raws[start : start + 5]))):
            if isinstance(effect, Verify):
                replica.work.verified(effect.job, [True] * len(effect.triples))
    assert block_id not in replica.flow._missing
    assert len(replica.flow.mempool) <= 25
    # Nobody would have kept them but for the block; when its height is over they go.
    replica.flow.height_done((), frozenset())
    assert len(replica.flow.mempool) == 0


def test_a_request_gets_one_block_at_most_and_each_hash_once(monkeypatch: pytest.MonkeyPatch) -> None:
    replica, speaker = lone()
    raw = speaker.member("campus", Transfer("solar", 1, "x" * 60))
    for effect in receive(replica, Frame.TRANSACTIONS, Transactions((raw,))):
        if isinstance(effect, Verify):
            replica.work.verified(effect.job, [True])
    hash_ = replica.flow.admission.hash(raw)
    replica.work.take()
    (answer,) = receive(replica, Frame.TRANSACTION_REQUEST, TransactionRequest((hash_,) * MAX_PAYLOAD))
    assert isinstance(answer, Send)
    assert answer.body == encode(Transactions((raw,)))
    monkeypatch.setattr(transactions, "MAX_BLOCK_BYTES", len(raw) - 1)
    assert not receive(replica, Frame.TRANSACTION_REQUEST, TransactionRequest((hash_,)))


def test_who_asks_too_often_gets_nothing_and_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "SERVED_AT_ONCE", 1_000)
    monkeypatch.setattr(transactions, "SERVED_PER_S", 1_000)
    replica, speaker = lone()
    raw = speaker.member("campus", Transfer("solar", 1, ""))
    for effect in receive(replica, Frame.TRANSACTIONS, Transactions((raw,))):
        if isinstance(effect, Verify):
            replica.work.verified(effect.job, [True])
    replica.work.take()
    request = TransactionRequest((replica.flow.admission.hash(raw),))
    served = sum(len(receive(replica, Frame.TRANSACTION_REQUEST, request)) for _ in range(100))
    assert served == -(-1_000 // len(raw))
    assert receive(replica, Frame.TRANSACTION_REQUEST, request, "solar")
    assert receive(replica, Frame.TRANSACTION_REQUEST, request, now_ms=2_000)


def test_connecting_costs_a_queue_of_transactions_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    replica, speaker = lone()
    raws = tuple(speaker.member("campus", Transfer("solar", 1, "")) for _ in range(100))
    for effect in receive(replica, Frame.TRANSACTIONS, Transactions(raws)):
        if isinstance(effect, Verify):
            replica.work.verified(effect.job, [True] * len(effect.triples))
    replica.work.take()
    monkeypatch.setattr(transactions, "RESEND_BYTES", 10 * len(raws[0]))
    sent = replica.handle(PeerConnected("biodiesel"), Now(0, 0))
    bodies = [effect.body for effect in sent if isinstance(effect, Send) and effect.frame is Frame.TRANSACTIONS]
    assert 0 < sum(map(len, bodies)) <= 11 * len(raws[0])
    replica.flow._own = dict.fromkeys(entry.hash for entry in replica.flow.mempool)
    replica.flow.resend()
    bodies = [effect.body for effect in replica.work.take() if isinstance(effect, SendAll)]
    assert 0 < sum(map(len, bodies)) <= 11 * len(raws[0])


def test_the_journal_share_holds_in_a_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "JOURNAL_SHARE_BYTES", 4 * 4_000)
    net, _ = network()
    quiet(net)
    machine = net.machines["campus"]
    assert machine.driver is not None
    replica, height = machine.driver.replica, machine.ledger.height
    replica._inbox = Inbox(4)
    before = machine.driver.journal.size
    for round_ in range(400):
        vote = Vote(VoteType.PREVOTE, height + 1, round_, None, -1, LIAR, b"")
        vote = replace(vote, signature=key_of(f"{LIAR} node").sign(vote.sign_bytes(machine.ledger.chain_id)))
        machine.feed(FrameReceived(LIAR, Frame.CONSENSUS, encode(vote)))
    assert replica.work.counters["consensus.share"] > 300
    assert machine.driver.journal.size - before < 20_000
    net.machines["solar"].submit(Speaker(machine.ledger.chain_id).member("solar", Transfer("campus", 1, "")))
    net.run_until(lambda: machine.ledger.height > height)
    machine.feed(TimerFired(("housekeeping",)))
    assert machine.error is None


# Sync


def heavy(size: int) -> FullBlock:
    """Some block that was decided, with so many bytes of transactions."""
    net, _ = network()
    block, certificate = net.machines["campus"].ledger.block(1), net.machines["campus"].ledger.certificate(1)
    assert block is not None
    assert certificate is not None
    return FullBlock(block, certificate, (bytes(size),) if size else ())


def at(full: FullBlock, height: int) -> FullBlock:
    """The same at another height."""
    return replace(full, block=replace(full.block, header=replace(full.block.header, height=height)))


def test_held_blocks_stay_within_the_window() -> None:
    full = heavy(0)
    sync = BlockSync({f"peer-{number}": 10_000 for number in range(50)})
    for turn in range(10):
        for request in sync.plan(5, turn):
            sync.hold(
                request.peer,
                request.first,
                tuple(at(full, height) for height in range(request.first, request.last + 1)),
                5,
            )
    assert len(sync._held) == WINDOW
    assert set(sync._held) == set(range(6, 6 + WINDOW))
    assert not sync.plan(5, 100)


def test_held_blocks_are_bounded_in_bytes_and_the_next_one_is_always_taken() -> None:
    full = heavy(MAX_BLOCK_BYTES)
    many = MAX_HELD_BYTES // MAX_BLOCK_BYTES
    sync = BlockSync({f"peer-{number}": 10_000 for number in range(50)})
    for turn in range(10):
        for request in sync.plan(5, turn):
            numbers = [number for number in range(request.first, request.last + 1) if number != 6]
            if request.first == 6:
                sync.requests.pop(request.peer)
                continue
            assert sync.hold(request.peer, request.first, tuple(at(full, number) for number in numbers), 5)
    assert len(sync._held) == many
    (request,) = sync.plan(5, 100)
    assert (request.first, request.last) == (6, 6)
    assert sync.hold(request.peer, 6, (at(full, 6),), 5)
    assert sync.take(6) is not None
    assert len(sync._held) == many


def test_a_block_that_nobody_could_have_decided_is_a_lie() -> None:
    sync = BlockSync({LIAR: 10_000})
    (request,) = sync.plan(5, 0)
    assert not sync.hold(LIAR, request.first, (at(heavy(MAX_BLOCK_BYTES + 1), 6),), 5)
    assert not sync._held


def test_who_asks_for_blocks_without_end_gets_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catchup, "SERVED_PER_S", 1_000)
    monkeypatch.setattr(catchup, "SERVED_AT_ONCE", 10_000)
    net, _ = network()
    ledger = net.machines["campus"].ledger
    replica = Replica(ledger, "campus")

    def served(peer: str, now_ms: int) -> int:
        answers = [receive(replica, Frame.BLOCK_REQUEST, BlockRequest(1, 64), peer, now_ms) for _ in range(100)]
        return sum(len(one.body) for some in answers for one in some if isinstance(one, Send))

    one = len(encode(BlockResponse(1, (full_block(ledger, 1),))))
    assert 10_000 <= served(LIAR, 0) < 10_000 + one
    assert served(LIAR, 0) == 0
    assert served("solar", 0) >= 10_000
    assert one <= served(LIAR, 10_000) < 10_000 + one


def full_block(ledger: Ledger, height: int) -> FullBlock:
    block, certificate = ledger.block(height), ledger.certificate(height)
    assert block is not None
    assert certificate is not None
    return FullBlock(block, certificate, tuple(ledger.transactions(height)))


def test_remembered_signatures_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MAX_VERIFIED", 10)
    net, _ = network()
    quiet(net)
    machine = net.machines["campus"]
    assert machine.driver is not None
    replica, height = machine.driver.replica, machine.ledger.height
    for round_ in range(60):
        vote = Vote(VoteType.PREVOTE, height + 1, round_, None, -1, LIAR, b"")
        vote = replace(vote, signature=key_of(f"{LIAR} node").sign(vote.sign_bytes(machine.ledger.chain_id)))
        machine.feed(FrameReceived(LIAR, Frame.CONSENSUS, encode(vote)))
    assert len(replica._inbox._verified) == 10
    assert machine.error is None
