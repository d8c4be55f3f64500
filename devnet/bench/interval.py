"""`gridpact bench interval`: what one node pays to dispatch, meter and settle a site, and to clear many offers.

One site with as many members as asked, its contracts on the real ledger and disk, without consensus, network or
signatures: whole blocks go through `node.execution.execute`, as on a validator. The same quarter hour of successive
days, so that every meter has all its like days before anything is measured; then medians over `MEASURED` days.
"""

from __future__ import annotations

import contextlib
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from consensus.block import build_block
from consensus.messages import CommitCertificate
from contracts import api
from contracts.bodies import AccountBody, Need, Offer, OfferBlock, PlainReading
from contracts.envelope import NO_SIGNATURE, AccountEnvelope, Domains, Envelope, MeterEnvelope
from contracts.estimates import WINDOW_DAYS
from contracts.genesis import Balance, ConsensusParams, Genesis, OpeningTrust
from contracts.members import AccountKey, Member, Meter, NodeKeys
from contracts.metering import reading_hash
from contracts.params import DAY_MS, PactParams
from contracts.program.case import Block, Case, Connection, Demand, Source
from contracts.receipts import OK
from contracts.relaxing import answer
from contracts.schedule import close_ms, lock_ms
from contracts.schema import BILLS
from contracts.state import State
from devnet.bench.traffic import EXPIRY_HEIGHT, bench_key
from devnet.errors import DevnetError
from node.chain import height_context
from node.execution import execute
from node.ledger.ledger import Ledger
from node.ledger.store import Batch, KeyValue, LevelStore
from node.runner import GC_THRESHOLDS
from zk.codec import encode
from zk.hashing import ZERO_HASH, sha256

Say = Callable[[str], None]

MEASURED = 7
SOURCE_IN = 5
"""Every fifth member has a source, the others a load."""
LOAD_WH = 2_000
SOURCE_WH = 6_000
SOURCE_W = 40_000
OFFERS = 10_000
ROUNDS = 9
"""Clearings of `OFFERS` offers."""
PRUNE_WORK = 1 << 20
START_MS = 20_000 * DAY_MS
VALIDATORS = ("node-1", "node-2", "node-3", "node-4")
UTILITY = "utility"
BALANCE_NANO = 10**15
BOND = 10**6
"""Of each validator: tokens."""


class _Counted:
    """A store that knows how many bytes of keys and values it keeps, and how long it wrote."""

    def __init__(self, store: KeyValue) -> None:
        self._store = store
        self.get, self.scan, self.compact, self.close = store.get, store.scan, store.compact, store.close
        self.write_s = 0.0

    def write(self, batch: Batch, sync: bool) -> None:
        """See `KeyValue.write`."""
        start = time.perf_counter()
        self._store.write(batch, sync)
        self.write_s += time.perf_counter() - start

    def kept(self) -> int:
        """Bytes of all keys and values."""
        return sum(len(key) + len(value) for key, value in self.scan(b"", b"\xff" * 8))


class Times(NamedTuple):
    """Milliseconds of one interval's blocks, and what the last two left on disk for good."""

    market_ms: float
    lock_ms: float
    readings_ms: float
    close_ms: float
    close_write_ms: float
    reading_bytes: int
    bill_bytes: int


class Site:
    """A ledger on disk and everybody's words for it; blocks are made when told."""

    def __init__(self, members: int, directory: Path) -> None:
        self.genesis = found(members)
        self.params = self.genesis.params
        self.store = _Counted(LevelStore(directory))
        # Nothing of earlier heights is kept, so that what is left on disk is what stays for ever.
        self.ledger = Ledger.open(self.store, self.genesis, retain=0)
        self.chain_id = self.ledger.chain_id
        self._domains = Domains(self.chain_id)
        self._public = {member.id: member.keys[0].public_key for member in self.genesis.members}
        self._nonces = dict.fromkeys(self._public, 0)
        self._registers = {meter.id: (0, 0, 0, ZERO_HASH) for meter in self.genesis.meters}
        self._sets = self.ledger.sets

    def live(self, interval: int) -> Times:
        """One interval from its market to its bills."""
        start_ms = interval * self.params.interval_ms
        market_ms = self._timed(lock_ms(self.params, interval) - 1, self._market(interval))
        locked_ms = self._timed(lock_ms(self.params, interval), [])
        self.prune()
        before = self.store.kept()
        readings = self._readings(interval)
        readings_ms = self._timed(start_ms + self.params.interval_ms - 1, readings)
        self.prune()
        between = self.store.kept()
        self.store.write_s = 0.0
        closed_ms = self._timed(close_ms(self.params, interval), [])
        written_ms = 1000 * self.store.write_s
        self._check_settled(interval)
        self.prune()
        return Times(
            market_ms,
            locked_ms,
            readings_ms,
            closed_ms,
            written_ms,
            between - before,
            self.store.kept() - between,
        )

    def rules_ms(self, interval: int) -> float:
        """What the contracts alone take to close an interval that `live` has not seen; nothing is kept of it."""
        self._timed(lock_ms(self.params, interval) - 1, self._market(interval))
        self._timed(lock_ms(self.params, interval), [])
        self._timed((interval + 1) * self.params.interval_ms - 1, self._readings(interval))
        state = State(self.ledger, self.ledger.records)
        height, time_ms = self.ledger.height + 1, close_ms(self.params, interval)
        context = api.BlockContext(self.chain_id, height, time_ms, self.params, self.genesis.consensus)
        gc.collect()
        start = time.perf_counter()
        api.open_block(state, context)
        return 1000 * (time.perf_counter() - start)

    def prune(self) -> None:
        """Drop what only earlier heights need; a node does this between blocks."""
        while self.ledger.prune(PRUNE_WORK):
            pass

    def reading_bytes(self) -> int:
        """Of one envelope."""
        return len(encode(self._reading(self.genesis.meters[0], self.genesis.time_ms // self.params.interval_ms)))

    def _timed(self, time_ms: int, envelopes: Sequence[Envelope]) -> float:
        """Execute and store a block; milliseconds."""
        pairs = [(encode(envelope), envelope) for envelope in envelopes]
        payload = tuple(self._domains.transaction_id(raw) for raw, _ in pairs)
        context = height_context(self.ledger, self._sets)
        block = build_block(context, 0, payload, time_ms, None, contribute=lambda _: b"")
        assert block.header.time_ms == time_ms, "blocks come in the order of their times"
        seats = tuple((seat, bytes(64)) for seat in range(3))
        certificate = CommitCertificate(block.header.height, 0, block.header.id(), seats)
        gc.collect()
        start = time.perf_counter()
        receipts = execute(self.ledger, block, certificate, pairs)
        took = time.perf_counter() - start
        refused = sorted({receipt.code for receipt in receipts if receipt.code != OK})
        if refused:
            raise DevnetError("bench.refused", f"The ledger refused with {', '.join(refused)}.", "This is a defect.")
        return 1000 * took

    def _market(self, interval: int) -> list[Envelope]:
        """A need of every load, each third a bid, and two blocks of every source; prices differ by member."""
        said: list[Envelope] = []
        for number, meter in enumerate(self.genesis.meters):
            body: AccountBody
            if meter.kind == "source":
                cheap = 40_000 + 17 * (number % 1_000)
                blocks = (OfferBlock(cheap, SOURCE_WH), OfferBlock(cheap + 60_000, SOURCE_WH // 2))
                body = Offer(meter.id, interval, blocks)
            elif meter.kind == "load":
                limit = 200_000 + 13 * number if number % 3 == 0 else None
                body = Need(interval, 1, LOAD_WH + number % 97, limit, 0 if limit else number % 4)
            else:
                continue
            said.append(self._say(meter.member, body))
        return said

    def _say(self, member: str, body: AccountBody) -> AccountEnvelope:
        nonce = self._nonces[member]
        self._nonces[member] = nonce + 1
        return AccountEnvelope(self.chain_id, member, self._public[member], nonce, EXPIRY_HEIGHT, body, NO_SIGNATURE)

    def _readings(self, interval: int) -> list[Envelope]:
        return [self._reading(meter, interval) for meter in self.genesis.meters]

    def _reading(self, meter: Meter, interval: int) -> MeterEnvelope:
        """The meter's next reading; no two meters deviate alike from what was ordered."""
        sequence, import_wh, export_wh, previous = self._registers[meter.id]
        spread = sha256(meter.id.encode())[0]
        match meter.kind:
            case "load":
                import_wh += LOAD_WH + spread - 128
            case "source":
                export_wh += SOURCE_WH + spread
            case _:
                export_wh += LOAD_WH * len(self._registers) // 2
        body = PlainReading(sequence + 1, interval, import_wh, export_wh, None, None, 0, previous)
        self._registers[meter.id] = (sequence + 1, import_wh, export_wh, reading_hash(self.chain_id, body))
        return MeterEnvelope(self.chain_id, meter.id, meter.public_key, body, NO_SIGNATURE)

    def _check_settled(self, interval: int) -> None:
        """Everybody has a bill, or the figures are of something else."""
        state = State(self.ledger, self.ledger.records)
        without = [one.id for one in self.genesis.members if state.entry(BILLS, one.id, interval) is None]
        if without:
            raise DevnetError(
                "bench.unsettled", f"{without[0]} has no bill of interval {interval}.", "This is a defect."
            )


def found(members: int) -> Genesis:
    """A site of `members`, one of them the utility; every one has a meter."""
    names = [f"member-{number:05d}" for number in range(members - 1)]
    kinds = ["load" if number % SOURCE_IN else "source" for number in range(members - 1)]
    nodes = {name: NodeKeys(node, bytes(32), b"", b"", b"", "") for name, node in zip(names, VALIDATORS, strict=False)}
    everybody = [
        Member(name, name, roles, "site", (AccountKey(bench_key(name).public_key, "all"),), own, b"")
        for name, roles, own in [
            *((name, ("consumer",), (nodes[name],) if name in nodes else ()) for name in names),
            (UTILITY, ("utility",), ()),
        ]
    ]
    meters = [
        Meter(f"meter-{name}", name, bytes(32), kind, "site", SOURCE_W, 50_000 if kind == "source" else None, None)
        for name, kind in zip(names, kinds, strict=True)
    ]
    meters.append(Meter("tie", UTILITY, bytes(32), "tie", "site", 10**9, None, None))
    return Genesis(
        name="bench",
        rule_set=1,
        time_ms=START_MS,
        params=PactParams(import_limit_wh=10**9, export_limit_wh=10**8),
        consensus=ConsensusParams(),
        members=tuple(sorted(everybody, key=lambda member: member.id)),
        meters=tuple(sorted(meters, key=lambda meter: meter.id)),
        balances=tuple(Balance(member.id, BALANCE_NANO) for member in everybody),
        registers=(),
        validators=VALIDATORS,
        devnet_clock=None,
        trusts=tuple(OpeningTrust(name, bonded_tokens=BOND) for name in names[: len(VALIDATORS)]),
    )


def case(offers: int) -> Case:
    """`offers` offers of one block each at a few hundred different prices, for two thirds of which there is demand."""
    sources = tuple(
        Source(
            f"meter-{n:05d}",
            f"member-{n:05d}",
            ((Block(40_000 + 211 * (n * 7_919 % 500), 500 + n % 1_000),),),
            factor_ug_per_wh=50_000,
        )
        for n in range(offers)
    )
    wanted_wh = sum(source.blocks[0][0].energy_wh for source in sources) * 2 // 3
    demands = tuple(Demand(f"member-{n:05d}", (wanted_wh // 1_000,), n % 4) for n in range(1_000))
    grid = Connection("grid", UTILITY, (300_000,), (50_000,), (10**9,), (10**6,), (400_000,))
    return Case("bench", 1, 1, sha256(b"bench round").hex(), sources, connections=(grid,), demands=demands)


def clearing_ms(offers: int = OFFERS) -> float:
    """Median time until every node has its own answer to a case of `offers` offers, checked and priced."""
    given, times = case(offers), []
    for _ in range(ROUNDS):
        gc.collect()
        start = time.perf_counter()
        found = answer(given)
        times.append(1000 * (time.perf_counter() - start))
        assert found is not None and not found.relaxed, "offers cover the demand"
    return float(statistics.median(times))


@contextlib.contextmanager
def _collected_as_in_a_node() -> Iterator[None]:
    """`node.runner` keeps Python's garbage collector away from what lives as long as the process."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def measure(members: int, say: Say) -> dict[str, Any]:
    """The whole report. Raises DevnetError where the ledger refuses what it should take."""
    with _collected_as_in_a_node(), tempfile.TemporaryDirectory(prefix="gridpact-bench-") as directory:
        say(f"founding a site of {members} members")
        site = Site(members, Path(directory))
        noon = START_MS // site.params.interval_ms + DAY_MS // site.params.interval_ms // 2
        per_day = DAY_MS // site.params.interval_ms
        times: list[Times] = []
        for day in range(WINDOW_DAYS + MEASURED):
            if day % 7 == 0:
                say(f"day {day} of {WINDOW_DAYS + MEASURED}")
            times.append(site.live(noon + day * per_day))
        rules_ms = site.rules_ms(noon + (WINDOW_DAYS + MEASURED) * per_day)
        envelope_bytes = site.reading_bytes()
        site.store.close()
    say(f"clearing {OFFERS} offers")
    measured = times[WINDOW_DAYS:]

    def median(field: str) -> float:
        return round(float(statistics.median(getattr(one, field) for one in measured)), 2)

    return {
        "members": members,
        "close_ms": median("close_ms"),
        "close_worst_ms": round(max(one.close_ms for one in measured), 2),
        "close_contracts_ms": round(rules_ms, 2),
        "close_write_ms": median("close_write_ms"),
        "lock_ms": median("lock_ms"),
        "readings_ms": median("readings_ms"),
        "market_ms": median("market_ms"),
        "dispatch_offers": OFFERS,
        "dispatch_ms": round(clearing_ms(), 2),
        "bytes_per_reading": round(median("reading_bytes") / members, 1),
        "envelope_bytes": envelope_bytes,
        "bytes_per_bill": round(median("bill_bytes") / members, 1),
        "measured_intervals": MEASURED,
    }
