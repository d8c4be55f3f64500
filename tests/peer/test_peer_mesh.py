"""Honest nodes on real sockets: they find each other, deliver, lose each other and find back. On both loops."""

from __future__ import annotations

import asyncio

import pytest
from peer_mesh import CHAIN, QUICK, FixedEntropy, Puppet, Recorder, launch, lone, mesh, node, run, until

from node.errors import NodeError
from node.peer.limits import Settings
from node.peer.reasons import SENTENCES, Reason
from node.peer.transport import Transport, parse_address, redial_delay_ms
from node.peer.wire import LIMITS, Frame

PAYLOADS = [frame for frame in Frame if frame not in (Frame.HELLO, Frame.PING, Frame.PONG)]
LIVELY = QUICK._replace(ping_ms=40, silence_ms=200)


def test_four_nodes_deliver_every_type() -> None:
    async def main() -> None:
        async with mesh("a", "b", "c", "d") as members:
            sent = [(frame, bytes([frame]) * min(LIMITS[frame].body_bytes, 700_000)) for frame in PAYLOADS]
            for member in members.values():
                for frame, body in sent:
                    member.transport.broadcast(frame, body)
            for name, member in members.items():
                await member.recorder.until(lambda m=member: len(m.recorder.frames) == 3 * len(sent))
                expected = {(other, frame, body) for other in members if other != name for frame, body in sent}
                assert set(member.recorder.frames) == expected
                for status in member.transport.peers():
                    assert status["connected"]
                    assert status["bytes_in"] > sum(len(body) for _, body in sent)
                    assert status["refusals"] == {}

    run(main)


def test_the_longest_frame_arrives() -> None:
    async def main() -> None:
        async with mesh("a", "b") as members:
            longest = b"\x5a" * LIMITS[Frame.BLOCK_RESPONSE].body_bytes
            members["a"].transport.send("b", Frame.BLOCK_RESPONSE, longest)
            recorder = members["b"].recorder
            await recorder.until(lambda: recorder.frames == [("a", Frame.BLOCK_RESPONSE, longest)])

    run(main)


def test_frames_of_one_lane_keep_their_order_and_a_peer_is_addressed_alone() -> None:
    async def main() -> None:
        async with mesh("a", "b", "c") as members:
            bodies = [number.to_bytes(2, "big") * (1 + number % 700) for number in range(1000)]
            for body in bodies:
                members["c"].transport.send("a", Frame.CONSENSUS, body)
            recorder = members["a"].recorder
            await recorder.until(lambda: len(recorder.frames) == len(bodies))
            assert recorder.frames == [("c", Frame.CONSENSUS, body) for body in bodies]
            assert members["b"].recorder.frames == []

    run(main)


def test_consensus_leaves_before_sync_before_transactions() -> None:
    async def main() -> None:
        async with mesh("a", "b") as members:
            queued = [Frame.TRANSACTIONS, Frame.BLOCK_RESPONSE, Frame.CONSENSUS] * 3
            for frame in queued:
                members["a"].transport.send("b", frame, b"x" * 1000)
            recorder = members["b"].recorder
            await recorder.until(lambda: len(recorder.frames) == len(queued))
            order = [frame for _, frame, _ in recorder.frames]
            assert order == sorted(queued, key=lambda frame: LIMITS[frame].priority)

    run(main)


def test_idle_links_live_on_pings_and_measure_the_round_trip() -> None:
    async def main() -> None:
        async with mesh("a", "b", settings=LIVELY) as members:
            # Twelve pings and pongs take longer than the silence after which a dead link is dropped.
            await until(lambda: all(m.transport.peers()[0]["frames_in"] >= 12 for m in members.values()))
            for member in members.values():
                assert [event for event, _ in member.recorder.events] == ["up"]
                assert 0 < member.transport.peers()[0]["rtt_us"] < 10_000_000

    run(main)


def test_a_silent_peer_is_dropped() -> None:
    async def main() -> None:
        async with lone(LIVELY, a=node("a")) as member:
            puppet = await Puppet.connect(node("a"), node("m"), member.port)
            await member.recorder.until(lambda: member.recorder.events == [("up", "a"), ("peer.silent", "a")])
            await puppet.ended()

    run(main)


def test_partition_drops_both_ways_and_heals() -> None:
    async def main() -> None:
        async with mesh("a", "b", "c", settings=LIVELY) as members:
            a, b, c = members.values()
            a.transport.set_partition({"b"})
            b.transport.set_partition({"a"})
            for member in members.values():
                member.transport.broadcast(Frame.STATUS, b"cut")
            await c.recorder.until(lambda: len(c.recorder.frames) == 2)
            await a.recorder.until(lambda: ("peer.silent", "b") in a.recorder.events or "b" not in a.recorder.up)
            await b.recorder.connected_to({"c"})
            await a.recorder.connected_to({"c"})
            a.transport.set_partition(set())
            b.transport.set_partition(set())
            await a.recorder.connected_to({"b", "c"})
            await b.recorder.connected_to({"a", "c"})
            a.transport.send("b", Frame.STATUS, b"healed")
            await b.recorder.until(lambda: ("a", Frame.STATUS, b"healed") in b.recorder.frames)
            assert ("a", Frame.STATUS, b"cut") not in b.recorder.frames
            assert ("b", Frame.STATUS, b"cut") not in a.recorder.frames
            assert ("c", Frame.STATUS, b"cut") in a.recorder.frames

    run(main)


def test_a_partition_on_one_side_is_enough() -> None:
    async def main() -> None:
        async with mesh("a", "b") as members:
            a, b = members.values()
            b.transport.set_partition({"a"})
            a.transport.send("b", Frame.STATUS, b"lost")
            b.transport.send("a", Frame.STATUS, b"lost too")
            await until(lambda: b.transport.peers()[0]["frames_in"] == 1)
            b.transport.set_partition(set())
            a.transport.send("b", Frame.STATUS, b"heard")
            b.transport.send("a", Frame.STATUS, b"heard")
            await a.recorder.until(lambda: bool(a.recorder.frames))
            await b.recorder.until(lambda: bool(b.recorder.frames))
            assert a.recorder.frames == [("b", Frame.STATUS, b"heard")]
            assert b.recorder.frames == [("a", Frame.STATUS, b"heard")]

    run(main)


@pytest.mark.parametrize("restarted", ["a", "c"])
def test_a_restarted_peer_is_found_again(restarted: str) -> None:
    async def main() -> None:
        async with mesh("a", "b", "c") as members:
            registry = {name: node(name).record(member.port) for name, member in members.items()}
            await members[restarted].transport.stop()
            for name, member in members.items():
                if name != restarted:
                    await member.recorder.connected_to(set(members) - {name, restarted})
            members[restarted] = await launch(node(restarted), registry, port=members[restarted].port)
            for name, member in members.items():
                await member.recorder.connected_to(set(members) - {name})
            members[restarted].transport.broadcast(Frame.STATUS, b"back")
            await members["b"].recorder.until(
                lambda: (restarted, Frame.STATUS, b"back") in members["b"].recorder.frames
            )

    run(main)


def test_members_come_move_and_go_while_running() -> None:
    async def main() -> None:
        async with mesh("a", "b") as members:
            a, b = members["a"], members["b"]
            registry = {name: node(name).record(member.port) for name, member in members.items()}
            registry["c"] = node("c").record(1)
            for member in (a, b):
                member.transport.update_registry(registry)
            members["c"] = c = await launch(node("c"), registry)
            await until(lambda: a.transport.refusals[Reason.UNREACHABLE] > 0)
            registry["c"] = node("c").record(c.port)
            for member in members.values():
                member.transport.update_registry(registry)
            await c.recorder.connected_to({"a", "b"})
            await a.recorder.connected_to({"b", "c"})

            del registry["b"]
            a.transport.update_registry(registry)
            assert "b" in a.recorder.up, "no callback runs inside a call"
            await a.recorder.connected_to({"c"})
            assert a.recorder.events[-1] == ("peer.unregistered", "b")
            assert [status["id"] for status in a.transport.peers()] == ["c"]
            a.transport.send("b", Frame.STATUS, b"to nobody")

    run(main)


def test_another_key_for_a_node_ends_the_link_under_the_old_one() -> None:
    async def main() -> None:
        async with mesh("a", "b") as members:
            certificate, _, address = node("b").record(members["b"].port)
            members["a"].transport.update_registry({"b": (certificate, node("c").consensus_key, address)})
            await members["a"].recorder.connected_to(set())
            assert members["a"].recorder.events[-1] == ("peer.unregistered", "b")
            await until(lambda: members["a"].transport.refusals[Reason.SIGNATURE] > 0)
            assert members["a"].recorder.up == set()

    run(main)


def test_keys_that_were_replaced_are_accepted_as_long_as_they_are_known() -> None:
    async def main() -> None:
        async with mesh("a", "b") as members:
            a, (old_certificate, old_key, address) = members["a"].transport, node("b").record(members["b"].port)
            new_certificate, new_key, _ = node("c").record(members["b"].port)
            ends = len(members["a"].recorder.events)
            a.update_registry({"b": (new_certificate, new_key, address)}, {"b": [(old_certificate, old_key, address)]})
            a.send("b", Frame.STATUS, b"still there")
            await until(lambda: ("a", Frame.STATUS, b"still there") in members["b"].recorder.frames)
            assert len(members["a"].recorder.events) == ends
            a.update_registry({"b": (new_certificate, new_key, address)})
            await members["a"].recorder.connected_to(set())
            assert members["a"].recorder.events[-1] == ("peer.unregistered", "b")

    run(main)


def test_an_expired_certificate_is_as_good_as_its_registration() -> None:
    async def main() -> None:
        old = node("a", not_after=2021)
        async with lone(a=old) as member:
            puppet = await Puppet.connect(old, node("m"), member.port)
            await member.recorder.connected_to({"a"})
            puppet.hang_up()
            await member.recorder.connected_to(set())

    run(main)


def test_a_broken_entry_of_the_registry_harms_only_itself() -> None:
    async def main() -> None:
        broken = {
            "x": (b"no certificate", b"no key", "no address"),
            "y": (node("y").certificate, node("y").consensus_key, "127.0.0.1:99999"),
            "z": (node("a").certificate, node("z").consensus_key, "a" * 80 + ".example:80"),
        }
        member = await launch(node("m"), {"a": node("a").record(), **broken})
        puppet = await Puppet.connect(node("a"), node("m"), member.port)
        await member.recorder.connected_to({"a"})
        await until(lambda: all(member.transport.peers()[i]["refusals"] for i in (1, 2, 3)))
        reasons = [status["last_reason"] for status in member.transport.peers()[1:]]
        assert reasons == ["peer.address", "peer.address", "peer.unreachable"]
        await member.transport.stop()
        puppet.hang_up()

    run(main)


def test_a_taken_port_and_a_foreign_address_say_what_to_do() -> None:
    async def main() -> None:
        async with lone() as member:
            other = Transport(node("a").identity(), {}, CHAIN, Recorder(), FixedEntropy())
            with pytest.raises(NodeError) as taken:
                await other.start("127.0.0.1", member.port)
            assert taken.value.code == "net.port-taken"
            assert str(member.port) in taken.value.message
            assert taken.value.hint
            with pytest.raises(NodeError) as foreign:
                await other.start("192.0.2.1", 0)
            assert foreign.value.code == "net.address"
            await other.stop()

    run(main)


def test_stopping_closes_everything_and_tells_everybody() -> None:
    async def main() -> None:
        async with mesh("a", "b", "c") as members:
            await members["b"].transport.stop()
            assert members["b"].recorder.up == set()
            assert {reason for reason, _ in members["b"].recorder.events[2:]} == {"peer.stopped"}
            await members["a"].recorder.connected_to({"c"})
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", members["b"].port)

    run(main)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("host.example:26656", ("host.example", 26656)), ("[::1]:1", ("::1", 1)), ("10.0.0.1:65535", ("10.0.0.1", 65535))],
)
def test_addresses(address: str, expected: tuple[str, int]) -> None:
    assert parse_address(address) == expected


@pytest.mark.parametrize("address", ["", "host", ":1", "host:", "host:0", "host:65536", "host:-1", "host:1x", "host:²"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ValueError):
        parse_address(address)


def test_redialling_backs_off_with_jitter_up_to_the_cap() -> None:
    class Extreme:
        def __init__(self, highest: bool) -> None:
            self.highest = highest

        def below(self, bound: int) -> int:
            return bound - 1 if self.highest else 0

    settings = Settings(redial_first_ms=50, redial_cap_ms=1000)
    assert [redial_delay_ms(settings, n, Extreme(False)) for n in range(7)] == [50, 100, 200, 400, 800, 1000, 1000]
    assert [redial_delay_ms(settings, n, Extreme(True)) for n in range(7)] == [25, 50, 100, 200, 400, 500, 500]
    assert redial_delay_ms(settings, 10**6, Extreme(False)) == 1000


def test_a_key_that_does_not_fit_the_certificate_is_said_plainly() -> None:
    async def main() -> None:
        identity = node("a").identity()._replace(tls_seed=bytes(32))
        with pytest.raises(NodeError) as refused:
            Transport(identity, {}, CHAIN, Recorder(), FixedEntropy())
        assert refused.value.code == "net.tls-key"

    run(main)


def test_every_reason_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Reason)
    assert all(str(reason).startswith("peer.") for reason in Reason)
