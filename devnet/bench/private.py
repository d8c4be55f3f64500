"""The part of `gridpact bench zk` that needs a chain: private readings that four nodes make final in a second.

Real validators on loopback, and a thousand private meters that each have committed to their register. Once the cycle
is over every owner proves what its meter used, between the agreed bounds, with proofs that were made beforehand; all
are handed in at once, a part of them to each node, and each node checks all of them. The time ends when the last one
is final. The limit is what would be if the cores did nothing else than to check the range proof of each once for each
node, measured in the same run with a process on every core: two threads of one core are slower together than alone.
It is taken before and after, and the higher counts: others on the machine come and go.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from contracts.confidential import keys
from contracts.confidential.bodies import RegisterNoteKey
from contracts.cycles import cycle_of
from contracts.genesis import Genesis
from contracts.members import Meter, Private
from contracts.private import uses
from contracts.private.records import HiddenRegister
from devnet.bench import site
from devnet.bench.site import RECIPIENT, Running, Site
from devnet.bench.traffic import EXPIRY_HEIGHT, bench_seed
from devnet.bench.zk import BOUNDS
from devnet.errors import DevnetError
from node.admin import call
from node.billing import readings, words
from node.client import Account, Client, MeterKey
from node.proving.pool import PART, Pool
from zk import notes
from zk.hashing import ZERO_HASH, sha256
from zk.statements import logarithm, ranges
from zk.statements.assertion import Assertion, Where

Say = Callable[[str], None]

NODES = 4
METERS = 1_000
BATCH = 50
"""Proofs in one request."""
READY_S = 30.0
FINAL_MS = 120_000
RATING_W = 100_000
PROVING_BLOCKS = 100_000
"""Nobody is in a hurry: the phase ends when all have proven."""

_replace = msgspec.structs.replace


class Prepared(NamedTuple):
    """What a meter and its owner are going to say."""

    reading: bytes
    use: bytes
    proven: Assertion
    """That the use is between the agreed bounds."""


def measure(say: Say, meters: int = METERS) -> dict[str, Any]:
    """Private readings a second, and their share of the limit. DevnetError when a node does not start or refuses
    something."""
    root = Path(tempfile.mkdtemp(prefix="gridpact-bench-"))
    try:
        return asyncio.run(_Run(root, meters, say).measured())
    finally:
        shutil.rmtree(root, ignore_errors=True)


class _Run:
    def __init__(self, root: Path, meters: int, say: Say) -> None:
        self._say = say
        self._plan = site.found(root, NODES, meters, meters, private)
        self._running: list[Running] = []
        self._clients: list[Client] = []

    async def measured(self) -> dict[str, Any]:
        plan = self._plan
        self._say(f"making {len(plan.genesis.meters)} private readings and their proofs beforehand")
        prepared = [prepare(plan, meter) for meter in plan.genesis.meters]
        proven = [one.proven for one in prepared]
        limit = await limit_per_s(proven)
        try:
            self._running = site.start(plan.homes, list(plan.homes))
            self._clients = [Client(node.rpc) for node in self._running]
            await self._until(1)
            await self._say_all([_note_key(plan)])
            await self._say_all([one.reading for one in prepared])
            await self._end_cycle()
            self._say("handing all proofs in at once")
            start = time.perf_counter()
            await self._say_all([one.use for one in prepared])
            seconds = time.perf_counter() - start
        finally:
            for client in self._clients:
                await client.close()
            site.stop(self._running)
        per_s, limit = len(prepared) / seconds, max(limit, await limit_per_s(proven))
        return {
            "private_readings_per_s": round(per_s),
            "private_readings_limit_per_s": round(limit),
            "private_readings_ratio": round(per_s / limit, 3),
        }

    async def _say_all(self, envelopes: Sequence[bytes]) -> None:
        """Have all of them final, dealt out to the nodes. DevnetError `bench.refused` when one was refused."""
        parts = [envelopes[start : start + BATCH] for start in range(0, len(envelopes), BATCH)]
        clients = self._clients
        answers = await asyncio.gather(
            *(clients[n % len(clients)].submit(part, "final", FINAL_MS) for n, part in enumerate(parts))
        )
        codes = sorted({one.code for part in answers for one in part} - {"ok"})
        if codes:
            raise DevnetError("bench.refused", f"The nodes refused {codes}.", "This is a bug.")

    async def _end_cycle(self) -> None:
        """Let the clocks of all nodes pass the end of the cycle, and wait for the block that says so."""
        params = self._plan.genesis.params
        at_ms = (self._plan.interval + 1) * params.interval_ms + params.close_grace_ms + 1_000
        height = max([status["height"] for status in await self._statuses()])
        command = {"cmd": "clock", "freeze": False, "at_ms": at_ms}
        await asyncio.gather(*(call(node.home, command) for node in self._running))
        await self._until(height + 2)

    async def _until(self, height: int) -> None:
        end = time.perf_counter() + READY_S
        while min([status["height"] for status in await self._statuses()]) < height:
            if time.perf_counter() > end:
                raise DevnetError("bench.timeout", f"Waited {READY_S:.0f} s for block {height}.", "See node.log.")
            await asyncio.sleep(0.02)

    async def _statuses(self) -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(client.status() for client in self._clients)))


async def limit_per_s(assertions: Sequence[Assertion]) -> float:
    """How many of these all cores together check in a second for each of the nodes."""
    cores = os.cpu_count() or 1
    pool = Pool(workers=cores)
    try:
        # Processes start, and make their generators.
        await _checked(pool, [assertions[0]] * (PART * cores))
        start = time.perf_counter()
        await _checked(pool, assertions)
        return len(assertions) / (time.perf_counter() - start) / NODES
    finally:
        await pool.stop()


async def _checked(pool: Pool, assertions: Sequence[Assertion]) -> None:
    answered: asyncio.Future[list[bool]] = asyncio.get_running_loop().create_future()
    pool.check(assertions, False, answered.set_result)
    if not all(await answered):
        raise DevnetError("bench.zk", "a proof that was just made is not believed", "This is a bug.")


def private(genesis: Genesis) -> Genesis:
    """The chain of benchmarks with meters that are all private, billed by cycles of one interval."""
    terms = Private(RECIPIENT, 1, *BOUNDS)
    params = genesis.params
    return _replace(
        genesis,
        params=_replace(params, cycle_ms=params.interval_ms, private_blocks=PROVING_BLOCKS, private_ms=0),
        members=tuple(_replace(one, roles=("campus",)) if one.id == RECIPIENT else one for one in genesis.members),
        meters=tuple(_replace(one, rating_w=RATING_W, private=terms) for one in genesis.meters),
    )


def prepare(plan: Site, meter: Meter) -> Prepared:
    """The reading of a meter in the first interval, and the proof of what it used in the cycle."""
    genesis, interval = plan.genesis, plan.interval
    chain_id, cycle = genesis.chain_id(), cycle_of(genesis.params, interval)
    entropy = sha256(b"private " + meter.id.encode())
    secret = notes.secret_of(bench_seed(meter.member))
    body = readings.seal(
        chain_id,
        meter.id,
        readings.Owner(meter.member, notes.public(secret)),
        sequence=1,
        interval=interval,
        import_wh=BOUNDS[0] + int(meter.id[-5:]) % (BOUNDS[1] - BOUNDS[0] + 1),
        export_wh=0,
        previous_hash=ZERO_HASH,
        entropy=entropy,
    )
    read = readings.read(secret, chain_id, meter.id, meter.member, body)
    assert read is not None, "an owner reads its own meter"
    register = HiddenRegister(cycle, interval, 1, body.import_commitment)
    use = words.prove_use(
        chain_id,
        meter.id,
        meter.member,
        words.Recipient(RECIPIENT, notes.public(_campus_secret())),
        uses.Difference(body.import_commitment, interval, 0, 1, register),
        read.import_,
        BOUNDS,
        None,
        cycle=cycle,
        entropy=entropy,
    )
    owner = Account(chain_id, meter.member, bench_seed(meter.member))
    said = MeterKey(chain_id, meter.id, bench_seed(meter.id)).sign(body)
    place = uses.where(chain_id, meter.id, cycle, 1)
    proven = ranges.assertion(uses.KIND, place, [body.import_commitment], [BOUNDS], use.proof)
    return Prepared(said, owner.sign(use, EXPIRY_HEIGHT), proven)


def _note_key(plan: Site) -> bytes:
    chain_id, secret = plan.genesis.chain_id(), _campus_secret()
    where = Where(chain_id, RECIPIENT)
    proof = logarithm.prove_known("possession", where, secret, keys.BOUND, entropy=sha256(secret))
    body = RegisterNoteKey(notes.public(secret), proof)
    return Account(chain_id, RECIPIENT, bench_seed(RECIPIENT)).sign(body, EXPIRY_HEIGHT)


def _campus_secret() -> bytes:
    return notes.secret_of(bench_seed(RECIPIENT))
