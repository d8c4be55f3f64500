"""One gateway against the real contracts and a model, through any order of faults.

The model is the list of readings that `record` promised to keep, less those that say an earlier interval than
the one before: the ledger must hold exactly these, each once, in order, whatever was lost, repeated, torn or
cut off on the way.
"""

from __future__ import annotations

import asyncio
import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.bodies import PlainReading
from contracts.envelope import CODEC
from node.agents.gateway import Flushed, MeterGateway
from node.agents.outbox import Outbox
from node.client import MAX_BATCH, RpcError
from node.disk import MemoryDisk, PowerLoss, Tear
from tests.rpc.chain import INTERVAL, PARAMS, Chain
from tests.rpc.gateway_world import PATH, WRITTEN, Accepted, Shown, Wire, key

TEARS = st.builds(Tear, st.integers(0, 300), st.booleans()) | st.just(WRITTEN)


class GatewayMachine(RuleBasedStateMachine):
    """Faults are rules; each leaves the gateway open, so any may follow any other."""

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.chain = self.runner.run(_chain())
        self.disk = MemoryDisk()
        self.wire = Wire(self.chain)
        self.gateway = MeterGateway(key(self.chain), PATH, self.disk)
        self.accepted = Accepted(self.chain)
        self.register = 0
        self.skew = 0
        """How many intervals the gateway's clock is ahead of the ledger's."""
        self.promised: list[Shown] = []
        self.reported: list[str] = []

    # The model

    def due(self) -> list[Shown]:
        """What the ledger takes of the promised readings, sooner or later."""
        last, taken = INTERVAL, []
        for interval, register in self.promised:
            if interval >= last:
                taken.append((interval, register))
                last = interval
        return taken

    def waiting(self) -> list[Shown]:
        outbox: Outbox = self.gateway._outbox
        bodies = [CODEC.decode(one.envelope).body for one in outbox.waiting.values()]
        return [(body.interval, body.import_wh) for body in bodies if isinstance(body, PlainReading)]

    # What a gateway does

    @rule(count=st.integers(1, 4))
    def record(self, count: int) -> None:
        for _ in range(count):
            shown = self.next_reading()
            self.gateway.record(*shown, 0)
            self.promised.append(shown)

    @rule()
    def flush(self) -> None:
        self.run_flush()

    @rule()
    def flush_twice_at_once(self) -> None:
        async def both() -> None:
            for flushed in await asyncio.gather(self.gateway.flush(self.wire), self.gateway.flush(self.wire)):
                self.note(flushed)

        self.runner.run(both())

    @rule(count=st.integers(1, 2))
    def record_while_a_request_is_under_way(self, count: int) -> None:
        self.wire.meanwhile = lambda: self.record(count)
        self.run_flush()
        self.wire.meanwhile = None

    # What happens to it

    @rule(fault=st.sampled_from(["lose_request", "lose_answer", "scramble"]))
    def flush_over_a_bad_network(self, fault: str) -> None:
        setattr(self.wire, fault, True)
        self.run_flush()
        setattr(self.wire, fault, False)

    @rule(count=st.integers(1, 6))
    def copies_arrive_late(self, count: int) -> None:
        self.runner.run(self.wire.repeat(count))

    @rule(tear=TEARS)
    def kill(self, tear: Tear) -> None:
        self.restart(tear)

    @rule(operation=st.integers(1, 2), tear=TEARS)
    def lose_power_while_recording(self, operation: int, tear: Tear) -> None:
        """The caller was promised nothing, so the reading may be there afterwards or not, but not by half."""
        self.disk.fail_at(operation)
        shown = self.next_reading()
        with contextlib.suppress(PowerLoss):
            self.gateway.record(*shown, 0)
            raise AssertionError("the power failed")
        self.restart(tear)
        if shown in self.waiting():
            self.promised.append(shown)

    @rule(operation=st.integers(1, 4), tear=TEARS)
    def lose_power_while_flushing(self, operation: int, tear: Tear) -> None:
        self.disk.fail_at(operation)
        with contextlib.suppress(PowerLoss):
            self.run_flush()
        self.restart(tear)

    @rule(intervals=st.integers(0, 5))
    def time_passes(self, intervals: int) -> None:
        self.runner.run(self.chain.produce(self.chain.time_ms + intervals * PARAMS.interval_ms))

    @rule(skew=st.sampled_from([0, 0, -1, -4, 1, 3, 96]))
    def the_gateways_clock_jumps(self, skew: int) -> None:
        self.skew = skew

    # What must hold

    @invariant()
    def the_ledger_has_each_reading_once_in_order(self) -> None:
        shown = self.accepted.shown()
        assert shown == self.due()[: len(shown)]
        assert self.accepted.sequences == list(range(1, len(shown) + 1))

    @invariant()
    def what_was_promised_is_somewhere(self) -> None:
        kept = self.accepted.shown()
        missing = [one for one in self.due()[len(kept) :] if one not in self.waiting()]
        assert not missing

    @invariant()
    def only_the_impossible_is_refused(self) -> None:
        assert set(self.reported) <= {"reading.interval"}
        assert self.wire.largest <= MAX_BATCH

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        newest = max((interval for interval, _ in self.promised), default=INTERVAL)
        self.runner.run(self.chain.produce((newest + 1) * PARAMS.interval_ms))
        before = self.wire.requests
        while self.gateway.waiting:
            self.run_flush()
            assert self.wire.requests - before <= len(self.promised) + 8, "each request achieves something"
        assert self.accepted.shown() == self.due()
        self.runner.close()

    # Steps

    def next_reading(self) -> Shown:
        self.register += 7
        return max(0, self.chain.time_ms // PARAMS.interval_ms + self.skew), self.register

    def run_flush(self) -> None:
        with contextlib.suppress(RpcError):
            self.note(self.runner.run(self.gateway.flush(self.wire)))

    def note(self, flushed: Flushed) -> None:
        self.reported += [one.code for one in flushed.refused]
        assert flushed.final >= 0

    def restart(self, tear: Tear) -> None:
        self.disk.crash(tear)
        self.gateway = MeterGateway(key(self.chain), PATH, self.disk)
        self.runner.run(self.gateway.adopt(self.wire))


async def _chain() -> Chain:
    """A chain binds its condition to the loop that it is used on."""
    return Chain()


TestGateway = GatewayMachine.TestCase
TestGateway.settings = settings(max_examples=60, stateful_step_count=30)
