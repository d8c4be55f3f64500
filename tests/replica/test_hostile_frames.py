"""An authenticated validator sends whatever it likes to everybody: nobody stops, swells or slows down."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.block import build_block
from consensus.evidence import Contradiction, Equivocation
from consensus.messages import Message, Proposal, Vote
from contracts.bodies import Transfer
from node.effects import FrameReceived
from node.peer.wire import (
    CODECS,
    BlockRequest,
    BlockResponse,
    Frame,
    Status,
    TransactionRequest,
    Transactions,
    TreeRequest,
    TreeResponse,
)
from tests.contracts.typed_values import values
from tests.replica.bounds import check_bounds
from tests.replica.test_network import network
from tests.support.memory import MemoryNetwork
from tests.support.pact import beacon_key_of, key_of
from zk.codec import encode

replace = msgspec.structs.replace

FRAMES: dict[Frame, Any] = {
    Frame.CONSENSUS: Message,
    Frame.STATUS: Status,
    Frame.BLOCK_REQUEST: BlockRequest,
    Frame.BLOCK_RESPONSE: BlockResponse,
    Frame.TRANSACTION_REQUEST: TransactionRequest,
    Frame.TRANSACTION_RESPONSE: Transactions,
    Frame.TRANSACTIONS: Transactions,
    Frame.EVIDENCE: Equivocation | Contradiction,
    Frame.TREE_REQUEST: TreeRequest,
    Frame.TREE_RESPONSE: TreeResponse,
}
"""What reaches a replica: hellos and pings end at the link."""

LIAR = "wind"
RUN_MS = 2_400
EVERY_MS = 100

NEAR = st.integers(0, 12)
PLAUSIBLE: dict[type, st.SearchStrategy[Any]] = {
    Status: st.builds(Status, NEAR, NEAR, NEAR),
    BlockRequest: st.builds(BlockRequest, NEAR, NEAR),
    TreeRequest: st.builds(
        TreeRequest,
        st.integers(0, 2),
        st.binary(max_size=2) | st.text("0123456789abcdef", max_size=3).map(str.encode),
        st.just(b"") | st.binary(max_size=8),
    ),
}
"""Near enough to what there is that it is looked at closely."""

Wish = tuple[Frame, str, Any]
GARBAGE = st.tuples(st.sampled_from(list(FRAMES)), st.just("bytes"), st.binary(max_size=60))
ALTERED = st.tuples(
    st.sampled_from(list(FRAMES)),
    st.just("altered"),
    st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.binary(max_size=4), st.integers(0, 3)),
)
WRONG = st.sampled_from(list(FRAMES)).flatmap(
    lambda frame: st.tuples(st.just(frame), st.just("wrong"), values(FRAMES[frame]) | values(FRAMES[frame], PLAUSIBLE))
)
LIES: st.SearchStrategy[list[Wish]] = st.lists(st.one_of(GARBAGE, ALTERED, WRONG, WRONG), min_size=30, max_size=60)


def test_no_frame_type_is_left_out() -> None:
    assert set(CODECS) - set(FRAMES) == {Frame.HELLO, Frame.PING, Frame.PONG}


def recorded() -> dict[Frame, list[bytes]]:
    """Frames that honest nodes sent in a run with traffic, a crash and a catch-up."""
    net, speaker = network()
    kept: dict[Frame, dict[bytes, None]] = {frame: {} for frame in FRAMES}

    def tamper(_sender: str, _target: str, frame: Frame, body: bytes) -> bytes:
        kept[frame][body] = None
        return body

    net.tamper = tamper
    for turn in range(8):
        if turn == 2:
            net.machines["solar"].crash()
        if turn == 6:
            net.machines["solar"].start()
        net.machines["campus"].submit(speaker.member("campus", Transfer(LIAR, 1, "")))
        net.run_for(300)
    return {frame: list(bodies) for frame, bodies in kept.items()}


RECORDED = recorded()


def body_of(net: MemoryNetwork, frame: Frame, kind: str, content: Any) -> bytes:
    """The bytes that the liar sends."""
    if kind == "bytes":
        return bytes(content)
    if kind == "altered":
        which, place, insert, drop = content
        known = RECORDED[frame] or [b""]
        body = known[which % len(known)]
        at = place % (len(body) + 1)
        return body[:at] + insert + body[at + drop :]
    return encode(signed(net, content))


def signed(net: MemoryNetwork, content: Any) -> Any:
    """A vote or proposal of the open height with the liar's good signature, so that it gets past the first check."""
    if not isinstance(content, Vote | Proposal):
        return content
    ledger = net.machines["campus"].ledger
    height = ledger.height + 1 if content.height % 4 else content.height
    round_ = content.round % 40
    if isinstance(content, Vote):
        valid_round = -1 if content.round % 3 else content.valid_round % 40
        content = replace(content, height=height, round=round_, voter=LIAR, valid_round=valid_round)
    else:
        driver = net.machines["campus"].driver
        assert driver is not None
        context = driver.replica._context
        turns = [turn for turn in range(40) if context.proposers.proposer(turn).id == LIAR]
        round_ = turns[round_ % len(turns)]
        parts = {"payload": content.block.payload[:2], "clock_ms": context.parent.time_ms + 1 + content.round % 10**6}
        block = build_block(context, round_=round_, last_certificate=None, contribute=beacon_key_of(LIAR).sign, **parts)
        block = replace(block, header=replace(block.header, proposer=LIAR), evidence=content.block.evidence[:2])
        content = replace(content, height=height, round=round_, valid_round=-1, proposer=LIAR, block=block)
    return replace(content, signature=key_of(f"{LIAR} node").sign(content.sign_bytes(ledger.chain_id)))


def progress(lies: list[Wish]) -> tuple[MemoryNetwork, int]:
    """Heights that the three others decide in a while with traffic, while the fourth only lies."""
    net, speaker = network()
    net.machines[LIAR].crash()
    honest = [machine for machine in net.machines.values() if machine.name != LIAR]
    before = honest[0].ledger.height
    turns = RUN_MS // EVERY_MS
    for turn in range(turns):
        honest[turn % 3].submit(speaker.member("campus", Transfer("solar", 1, "")))
        for lie in lies[turn::turns]:
            for machine in honest:
                machine.feed(FrameReceived(LIAR, lie[0], body_of(net, *lie)))
                assert machine.error is None
        for machine in honest:
            assert machine.driver is not None
            check_bounds(machine.driver.replica)
        net.run_for(EVERY_MS)
    for machine in honest:
        assert machine.error is None
        assert machine.ledger.block_id(machine.ledger.height - 1) == honest[0].ledger.block_id(
            machine.ledger.height - 1
        )
    return net, min(machine.ledger.height for machine in honest) - before


PACE = progress([])[1]


@settings(max_examples=12)
@given(LIES)
def test_nobody_stops_swells_or_slows_down(lies: list[Wish]) -> None:
    net, heights = progress(lies)
    assert heights >= PACE - 1
    assert not any(machine.error for machine in net.machines.values())


def test_the_pace_is_one() -> None:
    """What the comparison stands on: three of four go on, though each turn of the silent one costs a timeout."""
    assert PACE >= 5
