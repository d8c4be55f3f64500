"""Catching up: whoever lies about blocks costs itself only."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from consensus.evidence import equivocation
from consensus.messages import Vote, VoteType
from contracts.bodies import Transfer
from node.peer.wire import CODECS, BlockResponse, Frame, FullBlock
from node.sync import RANGE, WINDOW, BlockSync, Request
from tests.replica.test_network import agreed, balance, network, quiet
from zk.codec import encode

replace = msgspec.structs.replace


def other_time(full: FullBlock) -> FullBlock:
    """A header that nobody certified."""
    header = replace(full.block.header, time_ms=full.block.header.time_ms + 1)
    return replace(full, block=replace(full.block, header=header))


def bad_signature(full: FullBlock) -> FullBlock:
    """A certificate with one signature that does not verify."""
    (seat, signature), *rest = full.certificate.signatures
    broken = bytes([signature[0] ^ 1]) + signature[1:]
    return replace(full, certificate=replace(full.certificate, signatures=((seat, broken), *rest)))


def one_signer_less(full: FullBlock) -> FullBlock:
    """A certificate below quorum."""
    return replace(full, certificate=replace(full.certificate, signatures=full.certificate.signatures[:2]))


def no_transactions(full: FullBlock) -> FullBlock:
    """The right block without what it names."""
    return replace(full, transactions=())


def one_transaction_twice(full: FullBlock) -> FullBlock:
    """More transactions than the block names."""
    return replace(full, transactions=full.transactions * 2)


def another_height(full: FullBlock) -> FullBlock:
    """A block of a height that was not asked for at this place."""
    return replace(full, block=replace(full.block, header=replace(full.block.header, height=1)))


def invented_evidence(full: FullBlock) -> FullBlock:
    """An accusation that the header does not commit to."""
    votes = [Vote(VoteType.PREVOTE, 1, 0, value, -1, "wind", bytes(64)) for value in (None, bytes(32))]
    return replace(full, block=replace(full.block, evidence=(encode(equivocation(*votes)),)))


def another_parent_certificate(full: FullBlock) -> FullBlock:
    """A quorum for the parent, and not the one that the header commits to: it would change who took part."""
    parent = full.block.last_certificate
    assert parent is not None
    (seat, signature), *rest = parent.signatures
    changed = replace(parent, signatures=((seat, signature[:-1] + bytes([signature[-1] ^ 1])), *rest))
    return replace(full, block=replace(full.block, last_certificate=changed))


LIES = [
    other_time,
    bad_signature,
    one_signer_less,
    no_transactions,
    one_transaction_twice,
    another_height,
    invented_evidence,
    another_parent_certificate,
]


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_peer_is_set_aside_and_the_others_deliver(lie: Callable[[FullBlock], FullBlock]) -> None:
    net, speaker = network()
    net.machines["solar"].crash()
    for _ in range(12):
        net.machines["wind"].submit(speaker.member("campus", Transfer("wind", 1, "")))
        net.run_for(400)
    told: list[str] = []
    # Whoever is asked first lies, again and again.

    def tamper(sender: str, target: str, frame: Frame, body: bytes) -> bytes:
        if frame is not Frame.BLOCK_RESPONSE or target != "solar" or sender != (told or [sender])[0]:
            return body
        response = CODECS[frame].decode(body)
        assert isinstance(response, BlockResponse)
        told.append(sender)
        return encode(
            replace(response, blocks=tuple(lie(full) if full.transactions else full for full in response.blocks))
        )

    net.tamper = tamper
    net.machines["solar"].start()
    net.run_until(lambda: net.machines["solar"].ledger.height > 10)
    quiet(net)
    agreed(net)
    assert balance(net, "solar", "wind") == 10**12 + 12
    assert told
    assert ("solar", told[0]) in {(node, peer) for node, peer, _ in net.penalties}


def test_requests_cover_the_gap_once_and_go_to_different_peers() -> None:
    sync = BlockSync({"a": 1000, "b": 1000, "c": 20})
    assert sync.behind(10, 0)
    planned = sync.plan(10, 0)
    assert {request.peer for request in planned} == {"a", "b", "c"} or len(planned) == 2
    asked = [height for request in planned for height in range(request.first, request.last + 1)]
    assert len(asked) == len(set(asked))
    assert min(asked) == 11
    assert all(request.last - request.first < RANGE for request in planned)
    assert max(asked) <= 10 + WINDOW
    assert sync.plan(10, 1) == []


def test_a_claim_that_nobody_can_keep_does_not_look_like_being_behind_for_long() -> None:
    sync = BlockSync({"liar": 10**12})
    assert sync.behind(5, 0)
    (request,) = sync.plan(5, 0)
    assert request.last - request.first < RANGE
    sync.plan(5, 10_000)
    assert not sync.behind(5, 10_001)


def test_one_height_behind_is_left_to_consensus_for_a_while() -> None:
    sync = BlockSync({"a": 6})
    assert not sync.behind(5, 0)
    assert not sync.behind(5, 399)
    assert sync.behind(5, 400)
    assert not sync.behind(6, 500)


def test_a_late_answer_to_an_earlier_question_blames_nobody() -> None:
    """Asked for 1 to 3, set aside for its silence, and asked again for later heights: then the first answer comes."""
    net, speaker = network()
    for _ in range(3):
        net.machines["wind"].submit(speaker.member("campus", Transfer("wind", 1, "")))
        quiet(net)
    ledger = net.machines["wind"].ledger
    blocks = []
    for height in (1, 2, 3):
        block, certificate = ledger.block(height), ledger.certificate(height)
        assert block is not None and certificate is not None
        blocks.append(FullBlock(block, certificate, tuple(ledger.transactions(height))))
    plan = BlockSync(heights={"wind": 40})
    plan.requests["wind"] = Request("wind", 17, 32, 0)
    assert plan.hold("wind", 1, tuple(blocks), 0)
    assert plan.requests["wind"].first == 17
    plan.requests["wind"] = Request("wind", 1, 2, 0)
    assert plan.hold("wind", 1, tuple(blocks), 0)
    assert [plan.take(height) is not None for height in (1, 2, 3)] == [True, True, False]
    plan.requests["wind"] = Request("wind", 1, 3, 0)
    assert not plan.hold("wind", 1, tuple(reversed(blocks)), 0)
