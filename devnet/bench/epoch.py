"""`gridpact bench epoch`: what one node pays for the end of an epoch, by how many members have a bond.

Every member bonds a little more in every epoch, so that each weight is computed anew, on the real ledger and disk,
without consensus, network or signatures. Above 100 members a committee is drawn. Medians over `MEASURED` epochs, on the
clock and of the processor: the last block of an epoch with all that the next height needs (`change`), the same with
the committee of a new day (`draw`), an empty block that ends nothing (`ordinary`), and the rules alone, with nothing
decoded before (`rules_cold`).
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from consensus.block import build_block
from consensus.committee import EVERYBODY
from consensus.messages import CommitCertificate
from contracts import api
from contracts.bodies import Bond
from contracts.envelope import NO_SIGNATURE, AccountEnvelope, Domains, Envelope
from contracts.genesis import ConsensusParams, Genesis, OpeningTrust
from contracts.members import AccountKey, Member, NodeKeys
from contracts.params import DAY_MS, PactParams
from contracts.receipts import OK, Receipt
from contracts.state import State
from devnet.bench.traffic import EXPIRY_HEIGHT, bench_key
from devnet.errors import DevnetError
from node.chain import height_context
from node.execution import execute
from node.ledger.ledger import Ledger
from node.ledger.store import LevelStore
from zk.codec import encode

MEASURED = 7
EPOCH_BLOCKS = 3
START_MS = 20_000 * DAY_MS
BOND = 10**6
TLS_BYTES = 400
"""Of a node's certificate, about as many as a real one has."""


T = TypeVar("T")


class Took(NamedTuple):
    """Milliseconds."""

    clock: float
    processor: float


class Pact:
    """A ledger on disk whose members bond; blocks are made when told."""

    def __init__(self, members: int, directory: Path) -> None:
        self.genesis = found(members)
        self.ledger = Ledger.open(LevelStore(directory), self.genesis)
        self.time_ms = START_MS
        self._domains = Domains(self.ledger.chain_id)
        self._epoch = 0

    def epoch(self, later_ms: int = 1) -> tuple[Took, Took]:
        """An ordinary block, and the last one of the epoch `later_ms` after it."""
        who = [(member.id, member.keys[0].public_key) for member in self.genesis.members]
        self._block(
            [
                AccountEnvelope(self.ledger.chain_id, id_, key, self._epoch, EXPIRY_HEIGHT, Bond(5_000), NO_SIGNATURE)
                for id_, key in who
            ]
        )
        self._epoch += 1
        ordinary = self._block([])
        self.time_ms += later_ms
        return ordinary, self._block([])

    def rules_cold(self) -> Took:
        """The rules of an end of an epoch alone, on records that nobody has decoded yet; nothing is kept of it."""
        height = -(-(self.ledger.height + 1) // EPOCH_BLOCKS) * EPOCH_BLOCKS
        state, params = State(self.ledger), self.genesis.params
        context = api.BlockContext(self.ledger.chain_id, height, self.time_ms, params, self.genesis.consensus)
        _, took = _timed(lambda: api.close_block(state, context))
        return took

    def _block(self, envelopes: Sequence[Envelope]) -> Took:
        """Execute and store a block, and open the height after it."""
        self.time_ms += 1
        pairs = [(encode(envelope), envelope) for envelope in envelopes]
        payload = tuple(self._domains.transaction_id(raw) for raw, _ in pairs)
        context = height_context(self.ledger, self.ledger.sets)
        block = build_block(context, 0, payload, self.time_ms, None, contribute=lambda _: b"")
        certificate = CommitCertificate(block.header.height, 0, block.header.id(), ())

        def run() -> list[Receipt]:
            receipts = execute(self.ledger, block, certificate, pairs)
            height_context(self.ledger, self.ledger.sets)
            return receipts

        receipts, took = _timed(run)
        if any(receipt.code != OK for receipt in receipts):
            raise DevnetError("bench.refused", "The ledger refused a bond.", "This is a defect.")
        return took


def _timed(run: Callable[[], T]) -> tuple[T, Took]:
    gc.collect()
    clock, processor = time.perf_counter(), time.process_time()
    done = run()
    return done, Took(1000 * (time.perf_counter() - clock), 1000 * (time.process_time() - processor))


def found(members: int) -> Genesis:
    """A pact of `members`, each with one node and a bond; no two bond the same."""
    names = [f"member-{number:05d}" for number in range(members)]
    everybody = [
        Member(
            name,
            name,
            ("consumer",),
            "site",
            (AccountKey(bench_key(name).public_key, "all"),),
            (NodeKeys(f"node-{name}", bench_key(f"{name} node").public_key, bytes(96), b"", bytes(TLS_BYTES), ""),),
            b"",
        )
        for name in names
    ]
    return Genesis(
        name="bench",
        rule_set=1,
        time_ms=START_MS,
        params=PactParams(),
        consensus=ConsensusParams(epoch_blocks=EPOCH_BLOCKS),
        members=tuple(everybody),
        meters=(),
        balances=(),
        registers=(),
        validators=tuple(f"node-{name}" for name in names),
        devnet_clock=None,
        trusts=tuple(OpeningTrust(name, 10**6, BOND + 10_007 * at) for at, name in enumerate(names)),
    )


def measure(members: int, say: Callable[[str], None]) -> dict[str, Any]:
    """The whole report. Raises DevnetError where the ledger refuses what it should take."""
    with tempfile.TemporaryDirectory(prefix="gridpact-bench-") as directory:
        say(f"founding a pact of {members} members")
        pact = Pact(members, Path(directory))
        pact.epoch()
        times = [pact.epoch() for _ in range(MEASURED)]
        draws = [pact.epoch(DAY_MS)[1] for _ in range(MEASURED)]
        cold = [pact.rules_cold() for _ in range(MEASURED)]
        seats = len(pact.ledger.sets(pact.ledger.height + 2))
        pact.ledger.close()
    ordinary, changes = zip(*times, strict=True)
    report: dict[str, Any] = {"members": members, "seats": seats, "committee": members > EVERYBODY}
    for name, took in (("change", changes), ("draw", draws), ("ordinary", ordinary), ("rules_cold", cold)):
        report[f"{name}_ms"] = round(statistics.median(one.clock for one in took), 2)
        report[f"{name}_processor_ms"] = round(statistics.median(one.processor for one in took), 2)
    worst = round(max(one.clock for one in changes), 2)
    return {**report, "change_worst_ms": worst, "measured_epochs": MEASURED}
