"""Hostile peers on real sockets: each pays for itself, and an honest peer is served all the while."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import pytest
from peer_mesh import QUICK, WAIT_S, Member, Node, Puppet, launch, lone, node, run, tls_exchange, until

from node.peer.limits import QueueBound, Settings
from node.peer.reasons import Reason
from node.peer.tls import TlsSession, contexts
from node.peer.wire import LIMITS, Frame, Limit, Priority

HASTY = QUICK._replace(handshake_ms=250, frame_ms=150)


def limits(frame: Frame, per_s: int) -> Settings:
    """Quick settings where one type may come at `per_s` only."""
    own = LIMITS[frame]
    return QUICK._replace(limits=LIMITS | {frame: Limit(own.body_bytes, per_s, own.bytes_per_s, own.priority)})


async def still_serves(member: Member) -> None:
    """An honest peer gets in and its frame arrives."""
    puppet = await Puppet.connect(node("h"), node("m"), member.port)
    puppet.send(Frame.STATUS, b"honest")
    await member.recorder.until(lambda: ("h", Frame.STATUS, b"honest") in member.recorder.frames)
    puppet.hang_up()


def attack(settings: Settings, scene: Callable[[Member], Awaitable[None]], **known: Node) -> None:
    """Run `scene` against a node that knows `a`, `h` and `known`; afterwards it must serve `h`. On both loops."""

    async def main() -> None:
        async with lone(settings, **{"a": node("a"), "h": node("h"), **known}) as member:
            await scene(member)
            await still_serves(member)

    run(main)


# Who may connect


def never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test when the node decrypts application data."""

    def read_into(self: TlsSession, space: memoryview) -> int:
        raise AssertionError("a byte of payload was read")

    monkeypatch.setattr(TlsSession, "read_into", read_into)


@pytest.mark.parametrize("server_side", [True, False])
def test_unknown_key_is_refused_before_a_byte_of_payload(monkeypatch: pytest.MonkeyPatch, server_side: bool) -> None:
    async def main() -> None:
        payload = b"x" * 1000
        if server_side:
            member = await launch(node("m"), {"a": node("a").record()})
            eve = contexts(node("eve").identity(), [node("m").certificate]).client
            with pytest.raises(ssl.SSLError, match="ALERT_UNKNOWN_CA"):
                await tls_exchange(eve, member.port, payload)
        else:
            # Eve listens where z should be: the node that dials her must refuse her as well.
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(payload)

            eve = contexts(node("eve").identity(), [node("m").certificate]).server
            server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=eve)
            port = server.sockets[0].getsockname()[1]
            member = await launch(node("m"), {"z": node("z").record(port)})
            await until(lambda: member.transport.peers()[0]["refusals"] != {})
            server.close()
        await until(lambda: member.transport.refusals[Reason.UNKNOWN_KEY] > 0)
        assert member.recorder.events == []
        await member.transport.stop()

    never_read(monkeypatch)
    run(main)


@pytest.mark.parametrize("stranger", ["child", "none", "tls12"])
def test_strangers_get_an_alert_and_nothing_else(monkeypatch: pytest.MonkeyPatch, stranger: str) -> None:
    async def main() -> None:
        # The registered certificate may sign others: that must not let those others in.
        member = await launch(node("m"), {"a": node("a", authority=True).record()})
        target = [node("m").certificate]
        match stranger:
            case "child":
                context = contexts(node("eve", issuer="a").identity(), target).client
            case "none":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            case _:
                context = contexts(node("a", authority=True).identity(), target).client
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                context.maximum_version = ssl.TLSVersion.TLSv1_2
        if stranger == "child":
            assert await tls_exchange(context, member.port, b"payload") == b""
        else:
            with pytest.raises(ssl.SSLError, match="ALERT"):
                await tls_exchange(context, member.port, b"payload")
        expected = Reason.TLS if stranger == "tls12" else Reason.UNKNOWN_KEY
        await until(lambda: member.transport.refusals[expected] == 1)
        assert member.recorder.events == []
        await member.transport.stop()

    never_read(monkeypatch)
    run(main)


def test_a_refused_dialler_learns_that_it_is_not_registered() -> None:
    async def main() -> None:
        async with lone(a=node("a")) as member:
            eve = await launch(node("eve"), {"m": node("m").record(member.port)})
            await until(lambda: eve.transport.refusals[Reason.REFUSED_US] > 0)
            assert eve.transport.peers()[0]["last_reason"] == "peer.refused-us"
            await eve.transport.stop()

    run(main)


def test_a_registered_node_at_anothers_address_is_not_taken_for_it() -> None:
    async def main() -> None:
        z = await launch(node("z"), {"m": node("m").record()})
        member = await launch(node("m"), {"y": node("y").record(z.port), "z": node("z").record(z.port)})
        await member.recorder.connected_to({"z"})
        await until(lambda: member.transport.refusals[Reason.WRONG_NODE] > 0)
        assert member.recorder.up == {"z"}
        await member.transport.stop()
        await z.transport.stop()

    run(main)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"chain_id": "other-0011223344556677"}, Reason.CHAIN),
        ({"version": 2}, Reason.VERSION),
        ({"node": "h"}, Reason.WRONG_NODE),
        ({"signature": bytes(64)}, Reason.SIGNATURE),
        ({"meant_for": node("h")}, Reason.SIGNATURE),
    ],
)
def test_a_false_hello_ends_the_link(changes: dict[str, object], reason: Reason) -> None:
    async def scene(member: Member) -> None:
        puppet = await Puppet.dial(node("a"), node("m"), member.port)
        puppet.writer.write(puppet.hello(**changes))
        puppet.send(Frame.STATUS, b"too early")
        await puppet.ended()
        await until(lambda: member.transport.refusals[reason] == 1)
        assert member.recorder.events == []

    attack(QUICK, scene)


@pytest.mark.parametrize(
    ("frame", "body", "reason"),
    [
        (Frame.STATUS, b"", Reason.FRAME_TYPE),
        (Frame.HELLO, b"garbage", Reason.HELLO),
        (Frame.HELLO, bytes(1025), Reason.OVERSIZED),
    ],
)
def test_only_a_hello_may_come_first(frame: Frame, body: bytes, reason: Reason) -> None:
    async def scene(member: Member) -> None:
        puppet = await Puppet.dial(node("a"), node("m"), member.port)
        puppet.send(frame, body)
        await puppet.ended()
        await until(lambda: member.transport.refusals[reason] == 1)
        assert member.recorder.events == []

    attack(QUICK, scene)


def test_the_larger_id_does_not_dial() -> None:
    async def scene(member: Member) -> None:
        puppet = await Puppet.dial(node("z"), node("m"), member.port)
        await puppet.ended()
        await until(lambda: member.transport.refusals[Reason.DIRECTION] == 1)

    attack(QUICK, scene, z=node("z"))


def test_a_newer_link_replaces_the_older() -> None:
    async def scene(member: Member) -> None:
        first = await Puppet.connect(node("a"), node("m"), member.port)
        await member.recorder.connected_to({"a"})
        second = await Puppet.connect(node("a"), node("m"), member.port)
        await first.ended()
        assert member.recorder.events == [("up", "a"), ("peer.replaced", "a"), ("up", "a")]
        member.transport.send("a", Frame.STATUS, b"to the second")
        assert await second.frame() == (Frame.STATUS, b"to the second")

    attack(QUICK, scene)


def test_coming_back_all_the_time_is_refused() -> None:
    async def scene(member: Member) -> None:
        refused = 0
        for _ in range(20):
            puppet = await Puppet.dial(node("a"), node("m"), member.port)
            puppet.writer.write(puppet.hello())
            try:
                await puppet.frame()
            except (asyncio.IncompleteReadError, OSError):
                refused += 1
        # Ten at once and one per second: all twenty would take ten seconds.
        assert refused >= 5
        assert member.transport.refusals[Reason.PENALTY] == refused

    attack(QUICK, scene)


# What may come over a link


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ((LIMITS[Frame.STATUS].body_bytes + 1).to_bytes(4, "big") + bytes([Frame.STATUS]), Reason.OVERSIZED),
        (b"\xff\xff\xff\xff" + bytes([Frame.BLOCK_RESPONSE]), Reason.OVERSIZED),
        (b"\x00\x00\x00\x00\x63", Reason.FRAME_TYPE),
        (b"\x00\x00\x00\x00\x00", Reason.FRAME_TYPE),
        (b"\x00\x00\x00\x01" + bytes([Frame.HELLO]), Reason.FRAME_TYPE),
        (b"GET / HTTP/1.1\r\n\r\n", Reason.FRAME_TYPE),
        (b"\x00\x00\x00\x01" + bytes([Frame.PING]) + b"\xc1", Reason.MALFORMED),
    ],
)
def test_garbage_ends_the_link_on_its_header(header: bytes, reason: Reason) -> None:
    async def scene(member: Member) -> None:
        puppet = await Puppet.connect(node("a"), node("m"), member.port)
        puppet.send(Frame.STATUS, b"before")
        puppet.writer.write(header)
        await puppet.ended()
        assert member.recorder.events == [("up", "a"), (str(reason), "a")]
        assert member.recorder.frames == [("a", Frame.STATUS, b"before")]

    attack(QUICK, scene)


def test_repeated_garbage_locks_the_peer_out() -> None:
    async def scene(member: Member) -> None:
        for _ in range(4):
            puppet = await Puppet.connect(node("a"), node("m"), member.port)
            puppet.send(99, b"")
            await puppet.ended()
        puppet = await Puppet.dial(node("a"), node("m"), member.port)
        await puppet.ended()
        assert member.transport.refusals[Reason.PENALTY] == 1
        assert len(member.recorder.events) == 8

    attack(QUICK, scene)


def test_the_owners_verdicts_add_up() -> None:
    async def scene(member: Member) -> None:
        puppet = await Puppet.connect(node("a"), node("m"), member.port)
        await member.recorder.connected_to({"a"})
        for _ in range(20):
            member.transport.penalise("a", "codec.malformed")
        assert member.transport.peers()[0]["refusals"] == {"codec.malformed": 20}
        member.transport.penalise("a", "codec.malformed")
        member.transport.penalise("nobody", "codec.malformed")
        await puppet.ended()
        assert member.recorder.events[-1] == ("peer.conduct", "a")

    attack(QUICK, scene)


def test_gossip_above_the_rate_is_dropped_and_in_the_end_the_peer() -> None:
    async def scene(member: Member) -> None:
        puppet = await Puppet.connect(node("a"), node("m"), member.port)
        for number in range(60):
            puppet.send(Frame.TRANSACTIONS, bytes([number]))
        puppet.send(Frame.STATUS, b"end")
        await member.recorder.until(lambda: ("a", Frame.STATUS, b"end") in member.recorder.frames)
        kept = [body[0] for _, frame, body in member.recorder.frames if frame is Frame.TRANSACTIONS]
        # Burst of four seconds' worth; one more may have been earned while they arrived.
        assert kept[:40] == list(range(40))
        assert len(kept) + member.transport.peers()[0]["refusals"]["peer.rate"] == 60
        for number in range(200):
            puppet.send(Frame.TRANSACTIONS, bytes([number]))
        await puppet.ended()
        assert member.recorder.events == [("up", "a"), ("peer.conduct", "a")]

    attack(limits(Frame.TRANSACTIONS, 10), scene)


def test_consensus_above_the_rate_is_read_later_and_not_lost() -> None:
    async def scene(member: Member) -> None:
        puppet = await Puppet.connect(node("a"), node("m"), member.port)
        began = asyncio.get_running_loop().time()
        # More than one receive buffer, so that reading really has to stop and begin again.
        bodies = [number.to_bytes(2, "big") * 2_000 for number in range(260)]
        for body in bodies:
            puppet.send(Frame.CONSENSUS, body)
        await member.recorder.until(lambda: len(member.recorder.frames) == len(bodies))
        assert [body for _, _, body in member.recorder.frames] == bodies
        # 160 at once, the other hundred at 40 per second: no machine takes as long as that to read them.
        assert asyncio.get_running_loop().time() - began > 2.45
        assert member.transport.peers()[0]["refusals"]["peer.rate"] > 0
        assert member.recorder.up == {"a"}

    attack(limits(Frame.CONSENSUS, 40), scene)


# Who is slow


@pytest.mark.parametrize("stage", ["tcp", "tls", "hello"])
def test_an_unfinished_handshake_is_cut_off(stage: str) -> None:
    async def scene(member: Member) -> None:
        if stage == "hello":
            puppet = await Puppet.dial(node("a"), node("m"), member.port)
            puppet.writer.write(puppet.hello()[:20])
            await puppet.ended()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", member.port)
            # The header of a TLS record whose body never comes.
            writer.write(b"\x16\x03\x01\x02\x00\x01" if stage == "tls" else b"")
            async with asyncio.timeout(WAIT_S):
                assert await reader.read(-1) == b""
            writer.close()
        await until(lambda: member.transport.refusals[Reason.SLOW_HANDSHAKE] == 1)
        assert member.recorder.events == []

    attack(HASTY, scene)


@pytest.mark.parametrize("start", [b"\x00", b"\x00\x01\x00\x00" + bytes([Frame.CONSENSUS])])
def test_a_frame_that_trickles_is_cut_off(start: bytes) -> None:
    async def scene(member: Member) -> None:
        puppet = await Puppet.connect(node("a"), node("m"), member.port)
        puppet.writer.write(start)
        await member.recorder.connected_to({"a"})
        dripping = asyncio.create_task(drip(puppet))
        await member.recorder.until(lambda: member.recorder.events[-1] == ("peer.slow-frame", "a"))
        dripping.cancel()

    async def drip(puppet: Puppet) -> None:
        if len(start) == 5:
            while True:
                puppet.writer.write(b"\x00")
                await asyncio.sleep(0.02)

    attack(HASTY._replace(frame_bytes_per_s=1024 * 1024), scene)


def test_silent_connections_only_push_out_each_other() -> None:
    async def scene(member: Member) -> None:
        crowd = [await asyncio.open_connection("127.0.0.1", member.port) for _ in range(10)]
        await until(lambda: member.transport.refusals[Reason.CROWDED] == 6)
        for _, writer in crowd:
            writer.transport.abort()

    attack(QUICK._replace(pending_max=4), scene)


def test_noise_instead_of_tls_is_refused() -> None:
    async def scene(member: Member) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", member.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(WAIT_S):
            await reader.read(-1)
        writer.close()
        await until(lambda: member.transport.refusals[Reason.TLS] == 1)

    attack(QUICK, scene)


NARROW = QUICK._replace(
    queues={
        Priority.CONSENSUS: QueueBound(64, 4 * 1024 * 1024),
        Priority.SYNC: QueueBound(64, 4 * 1024 * 1024),
        Priority.TRANSACTIONS: QueueBound(8, 4 * 1024 * 1024),
    }
)


@pytest.mark.parametrize("frame", [Frame.TRANSACTIONS, Frame.BLOCK_RESPONSE])
def test_a_reader_that_never_reads_costs_a_bounded_queue(frame: Frame) -> None:
    async def scene(member: Member) -> None:
        puppet = await Puppet.connect(node("a"), node("m"), member.port)
        await member.recorder.connected_to({"a"})
        lane = LIMITS[frame].priority
        number = 0

        def depth() -> dict[str, int]:
            return member.transport.peers()[0]["queue"][lane.name.lower()]

        while depth()["dropped"] < 20:
            number += 1
            member.transport.send("a", frame, number.to_bytes(4, "big") + bytes(300_000))
            assert depth()["frames"] <= NARROW.queues[lane].frames
            assert depth()["bytes"] <= NARROW.queues[lane].bytes
            await asyncio.sleep(0)
        assert member.recorder.up == {"a"}
        # Once it reads: transactions lost their oldest, sync its newest.
        received = [int.from_bytes((await puppet.frame())[1][:4], "big")]
        while received[-1] != number and len(received) < number - depth()["dropped"]:
            received.append(int.from_bytes((await puppet.frame())[1][:4], "big"))
        assert received == sorted(received)
        assert (received[-1] == number) == (frame is Frame.TRANSACTIONS)
        assert len(received) == number - depth()["dropped"]
        puppet.hang_up()

    attack(NARROW, scene)


def test_a_full_consensus_queue_ends_the_link_but_not_inside_the_call() -> None:
    async def scene(member: Member) -> None:
        puppet = await Puppet.connect(node("a"), node("m"), member.port)
        await member.recorder.connected_to({"a"})
        for _ in range(10):
            member.transport.broadcast(Frame.CONSENSUS, bytes(1024 * 1024))
        assert member.recorder.up == {"a"}
        await member.recorder.connected_to(set())
        assert member.recorder.events[-1] == ("peer.queue-full", "a")
        puppet.hang_up()
        assert member.transport.peers()[0]["queue"]["consensus"]["bytes"] == 0

    attack(NARROW, scene)


def test_a_stall_of_our_own_loop_is_nobodys_silence() -> None:
    async def scene(member: Member) -> None:
        puppet = await Puppet.connect(node("a"), node("m"), member.port)
        await member.recorder.connected_to({"a"})
        (link,) = member.transport._links
        now = asyncio.get_running_loop().time() + 3600
        link.check(now, 3600.0)
        assert member.recorder.up == {"a"}
        link.check(now + QUICK.silence_ms / 1000 + 1, 0.0)
        assert member.recorder.events[-1] == ("peer.silent", "a")
        puppet.hang_up()

    attack(QUICK, scene)
