"""A node on an event loop: what clients report to it is on disk before they hear so, and a stopped one says so."""

from __future__ import annotations

import asyncio
from pathlib import Path

from msgspec.structs import replace

from consensus.evidence import DuplicateVote, equivocation
from consensus.messages import Vote, VoteType
from contracts.bodies import Transfer
from contracts.confidential import keys
from node.clock import SystemClock
from node.disk import MemoryDisk
from node.journal import EVIDENCE, Journal
from node.ledger.ledger import Ledger
from node.ledger.store import MemoryStore
from node.mempool import MempoolLimits
from node.peer.wire import Frame
from node.roster import Nodes
from node.runner import Node
from tests.replica.test_proofs import note_key
from tests.support.pact import Speaker, genesis, key_of
from zk.codec import encode
from zk.hashing import sha256


class Alone:
    """A network without peers."""

    def send(self, node: str, frame: Frame, body: bytes) -> None: ...

    def broadcast(self, frame: Frame, body: bytes) -> None: ...


def two_votes(chain_id: str, signer: str) -> DuplicateVote:
    votes = [Vote(VoteType.PRECOMMIT, 1, 0, value, -1, "wind", b"") for value in (None, sha256(b"x"))]
    key = key_of(f"{signer} node")
    evidence = equivocation(*(replace(vote, signature=key.sign(vote.sign_bytes(chain_id))) for vote in votes))
    assert isinstance(evidence, DuplicateVote)
    return evidence


def test_a_report_is_answered_from_disk_and_shown_by_status() -> None:
    async def go() -> None:
        ledger = Ledger.open(MemoryStore(), genesis())
        disk, where = MemoryDisk(), Path("/home/journal")
        journal = Journal.open(where, disk, ledger.chain_id)
        node = Node(ledger, "observer", journal, None, SystemClock(None), MempoolLimits())
        good = encode(two_votes(ledger.chain_id, "wind"))
        node.start(Alone())
        assert node.status()["evidence"] == {"waiting": 0, "offences": 0}
        epoch = node.status()["epoch"]
        assert (epoch["number"], epoch["ends_with"], epoch["flagged"]) == (0, 64, [])
        assert epoch["powers"] == dict.fromkeys(("biodiesel", "campus", "solar", "wind"), 15)
        assert epoch["set_hash"] == node.sets(1).hash.hex()
        assert await node.report(encode(two_votes(ledger.chain_id, "solar"))) == "consensus.signature"
        assert await node.report(b"") == "consensus.evidence-malformed"
        assert await node.report(good) == "ok"
        assert await node.report(good) == "consensus.evidence-known"
        assert node.status()["evidence"] == {"waiting": 1, "offences": 0}
        assert node.metrics()["gridpact_evidence_waiting"] == 1
        disk.crash()
        kept = Journal.open(where, disk, ledger.chain_id).records()
        assert [body for kind, _, body in kept if kind == EVIDENCE] == [good]
        node.stop()
        assert await node.report(good) == "node.stopped"

    asyncio.run(asyncio.wait_for(go(), 20))


def test_whoever_links_with_nodes_is_told_once_when_they_change() -> None:
    async def go() -> None:
        ledger = Ledger.open(MemoryStore(), genesis())
        journal = Journal.open(Path("/home/journal"), MemoryDisk(), ledger.chain_id)
        node = Node(ledger, "observer", journal, None, SystemClock(None), MempoolLimits())
        told: list[Nodes] = []
        node.on_roster = told.append
        node.stored(0)
        assert not told
        node.roster.nodes = {name: keys for name, keys in node.roster.nodes.items() if name != "wind"}
        node.stored(0)
        node.stored(0)
        assert told == [node.roster.nodes] and "wind" not in told[0]
        node.stop()

    asyncio.run(asyncio.wait_for(go(), 20))


def test_proofs_are_checked_in_a_process_that_the_first_one_starts_and_the_end_ends() -> None:
    async def go() -> None:
        ledger = Ledger.open(MemoryStore(), genesis())
        journal = Journal.open(Path("/home/journal"), MemoryDisk(), ledger.chain_id)
        clock = SystemClock(None)
        node = Node(ledger, "observer", journal, None, clock, MempoolLimits())
        node.start(Alone())
        speaker = Speaker(ledger.chain_id)
        (plain,) = await node.submit([speaker.member("wind", Transfer("solar", 1, ""))])
        assert (plain.code, node.metrics()["gridpact_proof_processes_total"]) == ("ok", 0)
        bodies = [note_key(ledger.chain_id, name, false=name == "campus") for name in ("campus", "solar", "wind")]
        said = [speaker.member(name, body) for name, body in zip(("campus", "solar", "wind"), bodies, strict=True)]
        answers = await node.submit(said)
        assert [answer.code for answer in answers] == ["confidential.possession", "ok", "ok"]
        metrics = node.metrics()
        assert (metrics["gridpact_proofs_checked_total"], metrics["gridpact_proof_processes_total"]) == (3, 1)
        assert metrics["gridpact_mempool_transactions"] == 3
        (process,) = node._pool._idle
        node.stop()
        await node.settled()
        assert process.returncode is not None
        (late,) = await node.submit([speaker.member("campus", note_key(ledger.chain_id, "campus"))])
        assert late.code == "node.stopped"

    asyncio.run(asyncio.wait_for(go(), 60))


def test_a_defect_that_an_answer_brings_to_light_stops_the_node() -> None:
    async def go() -> None:
        ledger = Ledger.open(MemoryStore(), genesis())
        journal = Journal.open(Path("/home/journal"), MemoryDisk(), ledger.chain_id)
        node = Node(ledger, "observer", journal, None, SystemClock(None), MempoolLimits())
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        node.start(Alone())

        def broken(_: list[bool]) -> None:
            raise ZeroDivisionError

        body = note_key(ledger.chain_id, "wind")
        node._check_proofs([keys.possession(ledger.chain_id, "wind", body)], True, broken)
        error = await node.stopped
        assert error is not None
        assert error.code == "node.defect"
        await node.settled()

    asyncio.run(asyncio.wait_for(go(), 60))
