"""Roots of trust, the stored head, trusting periods, and what is written down of an attack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consensus.attack import CODEC as ATTACK
from consensus.attack import accused
from consensus.evidence import EQUIVOCATION, check
from consensus.light import CODEC, LightBlock
from consensus.skipping import Trust
from consensus.validators import ValidatorSet
from contracts.genesis import ConsensusParams, DevnetClock, Genesis
from contracts.members import Meter
from node.errors import NodeError
from node.ledger.ledger import Ledger
from node.ledger.store import MemoryStore
from node.light.follower import Diverged, Follower
from node.light.founding import Founding, read_founding
from node.light.session import (
    DEFAULT_PERIOD_MS,
    MAX_DRIFT_MS,
    UNBOUNDED_MS,
    Anchor,
    clock_of,
    find_root,
    load,
    report,
    save,
    trust_of,
    write_evidence,
)
from node.seats import validators_of
from tests.consensus.light_chain import CHAIN, SECOND, chain, light_block
from tests.light.sources import Listed
from tests.support.pact import START_MS, genesis
from zk.codec import encode
from zk.ed25519 import verify
from zk.hashing import ZERO_HASH

SET = dict.fromkeys(["ada", "bob", "cyd", "dan"], 1)
BLOCKS = chain([SET] * 10)
TRUST = Trust(1_000 * SECOND, 10 * SECOND)
NOW_MS = 100 * SECOND


def founded(document: Genesis, directory: Path) -> Founding:
    (directory / "genesis.mp").write_bytes(encode(document))
    return read_founding(directory / "genesis.mp")


def root(anchor: Anchor, store: Path | None = None, now_ms: int = NOW_MS) -> LightBlock:
    return find_root(Listed("primary", BLOCKS), anchor, store, TRUST, now_ms)


def code(anchor: Anchor, store: Path | None = None, now_ms: int = NOW_MS) -> str:
    with pytest.raises(NodeError) as caught:
        root(anchor, store, now_ms)
    assert caught.value.hint
    return caught.value.code


def test_what_a_document_founds_is_what_the_whole_document_says(tmp_path: Path) -> None:
    meters = tuple(Meter(f"m-{at}", "campus", bytes(32), "load", "site", 1, None, None) for at in range(5))
    for document in (genesis(), genesis(meters=meters, clock=DevnetClock(START_MS, 7, 9))):
        found = founded(document, tmp_path)
        ledger = Ledger.open(MemoryStore(), document)
        assert (found.chain_id, found.genesis_hash) == (ledger.chain_id, ledger.genesis_hash)
        assert found.validators.seats == validators_of(document).seats
        assert (found.evidence_age_ms, found.clock) == (document.consensus.evidence_age_ms, document.devnet_clock)


@pytest.mark.parametrize("damage", [b"", b"\xc0", b"\x91\x01", encode(genesis())[:-40], encode((1, 2, 3))])
def test_what_is_no_genesis_document_is_named(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "genesis.mp").write_bytes(damage)
    with pytest.raises(NodeError, match=r"genesis\.unreadable"):
        read_founding(tmp_path / "genesis.mp")


def test_a_block_is_trusted_by_height_and_hash(tmp_path: Path) -> None:
    other = founded(genesis(), tmp_path)
    assert root(Anchor(None, 4, BLOCKS[3].id())) == BLOCKS[3]
    assert code(Anchor(None, 4, BLOCKS[4].id())) == "light.hash"
    assert code(Anchor(None, 40, BLOCKS[3].id())) == "light.behind"
    assert code(Anchor(None)) == "light.root"
    assert code(Anchor(other, 4, BLOCKS[3].id())) == "light.chain"
    assert code(Anchor(other)) == "light.chain"
    assert code(Anchor(None, 4, BLOCKS[3].id()), now_ms=4 * SECOND + TRUST.period_ms) == "light.expired"


def test_the_stored_head_comes_first_and_is_checked(tmp_path: Path) -> None:
    store, anchor = tmp_path / "head", Anchor(None, 1, BLOCKS[0].id())
    assert load(store) is None and root(anchor, store) == BLOCKS[0]
    save(store, BLOCKS[6])
    assert load(store) == BLOCKS[6] and root(anchor, store) == BLOCKS[6]
    assert [file.name for file in tmp_path.iterdir()] == ["head"]
    assert code(anchor, store, 7 * SECOND + TRUST.period_ms) == "light.expired"
    assert code(Anchor(founded(genesis(), tmp_path)), store) == "light.store"


@pytest.mark.parametrize("damage", ["empty", "cut", "long", "unsigned", "directory"])
def test_a_damaged_store_is_named(tmp_path: Path, damage: str) -> None:
    store, raw = tmp_path / "head", encode(BLOCKS[6])
    match damage:
        case "directory":
            store.mkdir()
        case "unsigned":
            store.write_bytes(encode(light_block(7, 7 * SECOND, SET, SET, ["ada"])))
        case _:
            store.write_bytes({"empty": b"", "cut": raw[:-1], "long": raw + bytes(CODEC.limit)}[damage])
    with pytest.raises(NodeError, match=str(store)) as caught:
        load(store)
    assert caught.value.code == "light.store"


def test_trust_lasts_two_thirds_of_the_evidence_age(tmp_path: Path) -> None:
    short = founded(genesis(consensus=ConsensusParams(evidence_age_ms=3_000_000)), tmp_path)
    assert trust_of(short, None) == (2_000_000, MAX_DRIFT_MS)
    assert trust_of(short, 1_000_000).period_ms == 1_000_000
    with pytest.raises(NodeError, match=r"light\.period"):
        trust_of(short, 2_000_001)
    assert trust_of(None, None) == (DEFAULT_PERIOD_MS, MAX_DRIFT_MS)
    assert trust_of(founded(genesis(), tmp_path), None).period_ms == DEFAULT_PERIOD_MS


def test_a_devnet_keeps_its_own_time(tmp_path: Path) -> None:
    still = founded(genesis(clock=DevnetClock(START_MS, 0, 0)), tmp_path)
    assert clock_of(still)() == START_MS
    assert trust_of(still, None).drift_ms == UNBOUNDED_MS
    assert clock_of(None)() > START_MS > clock_of(founded(genesis(clock=DevnetClock(5, 0, 1)), tmp_path))()


def diverged(right: LightBlock) -> Diverged:
    client = Follower(
        Listed("http://one", BLOCKS), [Listed("http://two", [*BLOCKS[:8], right])], BLOCKS[0], TRUST, lambda: NOW_MS
    )
    with pytest.raises(Diverged) as caught:
        client.step()
    return caught.value


def test_a_report_names_the_liars_and_its_evidence_stands_alone(tmp_path: Path) -> None:
    parent = BLOCKS[7].id()
    other = light_block(9, 9 * SECOND, SET, SET, ["bob", "cyd", "dan"], payload_root=ZERO_HASH, parent_hash=parent)
    told = report(diverged(other))
    assert told.document["kind"] == "equivocation" and told.document["proven"] == ["bob", "cyd", "dan"]
    assert (told.document["height"], told.document["common_height"]) == (9, 1)
    assert told.document["witness"] == {
        "node": "http://two",
        "block_id": other.id().hex(),
        "liars": ["bob", "cyd", "dan"],
    }
    assert "bob, cyd, dan" in told.sentences[1]
    write_evidence(tmp_path / "evidence.json", told.evidence)
    kept = json.loads((tmp_path / "evidence.json").read_bytes())
    attacks = [ATTACK.decode(bytes.fromhex(raw)) for raw in kept["attacks"]]
    assert {attack.conflicting.id() for attack in attacks} == {BLOCKS[8].id(), other.id()}
    kind, seats = accused(attacks[-1], BLOCKS[0], BLOCKS[8])
    assert (kind, [seat.id for seat in seats]) == ("equivocation", ["bob", "cyd", "dan"])
    votes = [EQUIVOCATION.decode(bytes.fromhex(raw)) for raw in kept["duplicate_precommits"]]
    validators = ValidatorSet(BLOCKS[8].validators)
    assert [vote.accused for vote in votes] == ["bob", "cyd", "dan"]
    assert all(verify(*part) for vote in votes for part in check(vote, CHAIN, validators))


def test_amnesia_and_a_forged_set_are_told_apart() -> None:
    parent = BLOCKS[7].id()
    later = light_block(9, 9 * SECOND, SET, SET, None, 1, payload_root=ZERO_HASH, parent_hash=parent)
    told = report(diverged(later))
    assert told.document["kind"] == "amnesia" and told.document["proven"] == []
    assert told.evidence["duplicate_precommits"] == [] and "nobody" in told.sentences[1]
    liars = {"cyd": 1, "dan": 1}
    told = report(diverged(light_block(9, 9 * SECOND, liars, SET, parent_hash=parent)))
    assert told.document["kind"] == "lunatic" and told.document["witness"]["liars"] == ["cyd", "dan"]
    assert told.evidence["duplicate_precommits"] == []
