"""Sets that change while nodes run: everybody has the same ones, whatever happened to it, and strangers can follow."""

from __future__ import annotations

import json
from functools import lru_cache

import pytest

from consensus.light import LightBlock
from consensus.skipping import Trust
from contracts import epochs
from contracts.bodies import Bond, TransferTokens, Unbond
from contracts.genesis import ConsensusParams
from contracts.schema import TRUSTS
from contracts.state import State
from node.errors import NodeError, ProofError
from node.leaders import Leaders
from node.ledger.ledger import Ledger
from node.ledger.records import BLOCK, EVERYTHING, SET, TURN, height_bytes
from node.ledger.store import MemoryStore
from node.light.follower import Follower
from node.proofs import decode_bundle, receipt_bundle, state_bundle, verify_bundle
from node.seats import Decided, LedgerSets, Sets, light_block
from tests.light.sources import Listed
from tests.replica.test_network import agreed, heights, quiet
from tests.support.memory import MemoryNetwork
from tests.support.pact import START_MS, Speaker, genesis

BLOCKS = 3
NAMES = ("biodiesel", "campus", "hydro", "solar", "wind")
LATE = "wind"
"""Starts when the sets have changed."""
FOREVER = Trust(10**12, 10**12)


@lru_cache(maxsize=1)
def network() -> MemoryNetwork:
    """Five members that move their bonds until no two of them weigh the same; one restarts, one comes late."""
    consensus = ConsensusParams(epoch_blocks=BLOCKS, evidence_age_blocks=4, evidence_age_ms=100)
    net = MemoryNetwork(genesis(validators=NAMES, consensus=consensus))
    for name in NAMES:
        if name != LATE:
            net.machines[name].start()
    net.run_until(lambda: max(heights(net)) >= 1)
    speaker = Speaker(net.genesis.chain_id())
    moves = [
        ("campus", Bond(900)),
        ("solar", Unbond(400)),
        ("hydro", Bond(300)),
        ("biodiesel", Unbond(700)),
        ("campus", TransferTokens("solar", 50, "")),
    ]
    for at, (who, body) in enumerate(moves * 3):
        small = type(body)(30) if at >= len(moves) and not isinstance(body, TransferTokens) else body
        net.machines["campus"].submit(speaker.member(who, small))
        if at == 7:
            net.machines["solar"].crash()
            net.machines["solar"].start()
        quiet_now(net)
    net.machines[LATE].start()
    net.run_until(lambda: len(set(heights(net))) == 1 and len(net.alive()) == len(NAMES))
    quiet(net)
    return net


def quiet_now(net: MemoryNetwork) -> None:
    """Run until nobody who runs has a pending transaction, and all have the same height."""
    net.run_until(
        lambda: (
            all(m.driver is not None and not len(m.driver.replica.flow.mempool) for m in net.alive())
            and len(set(heights(net))) == 1
        )
    )


def blocks_of(net: MemoryNetwork, name: str) -> list[LightBlock]:
    ledger = net.machines[name].ledger
    found = [light_block(ledger, ledger.sets, height) for height in range(1, ledger.height + 1)]
    return [one for one in found if one is not None]


def test_sets_follow_bonds_two_epochs_later_and_the_chain_goes_idle_in_between() -> None:
    net = network()
    agreed(net)
    ledger = net.machines["campus"].ledger
    hashes = [ledger.sets(height).hash for height in range(1, ledger.height + 3)]
    assert len(set(hashes)) > 3
    for height in range(1, ledger.height + 1):
        header = ledger.header(height)
        assert header is not None
        assert (header.set_hash, header.next_set_hash) == (hashes[height - 1], hashes[height])
        assert (height - 1) % BLOCKS == 0 or height == 1 or hashes[height - 1] == hashes[height - 2]
    # The end of an epoch is no reason to go on for ever.
    net.run_for(10_000)
    idle = ledger.height
    net.run_for(60_000)
    assert ledger.height == idle


@pytest.mark.parametrize("name", NAMES)
def test_everybody_has_the_same_sets_after_a_restart_or_coming_late(name: str) -> None:
    net = network()
    ours, theirs = net.machines["campus"].ledger, net.machines[name].ledger
    fresh = LedgerSets(theirs)
    for height in [*range(ours.height + 3), *reversed(range(ours.height + 3))]:
        assert fresh(height).seats == theirs.sets(height).seats == ours.sets(height).seats
    for height in (ours.height + 3, ours.height + 100):
        with pytest.raises(LookupError):
            fresh(height)
    state = State(theirs)
    assert epochs.seats(state, theirs.height + 1) == theirs.sets(theirs.height + 1).seats
    assert epochs.seats(state, theirs.height + 2) == theirs.sets(theirs.height + 2).seats


@pytest.mark.parametrize(("tag", "below"), [(TURN, 0), (TURN, 3), (BLOCK, 0), (BLOCK, 3), (SET, None)])
def test_a_store_that_lost_what_turns_are_drawn_from_is_called_damaged(tag: bytes, below: int | None) -> None:
    """`below` the newest height; None: of all of them."""
    net = network()
    whole = net.machines["campus"].ledger
    lost = tag if below is None else tag + height_bytes(whole.height - below)
    store = MemoryStore()
    kept = [(key, value) for key, value in whole._store.scan(*EVERYTHING) if not key.startswith(lost)]
    store.write([*kept], sync=True)
    with pytest.raises(NodeError) as caught:
        ledger = Ledger.open(store, net.genesis)
        Leaders(ledger, ledger.sets).proposers()
    assert caught.value.code == "store.corrupt" and "Move the store away" in caught.value.hint


def test_a_light_client_follows_across_the_changes() -> None:
    net = network()
    chain, other = Listed("campus", blocks_of(net, "campus")), Listed("late", blocks_of(net, LATE))
    follower = Follower(chain, [other], chain.blocks[0], FOREVER, lambda: START_MS)
    while follower.step() is not None:
        pass
    assert follower.head == chain.blocks[-1] and follower.witnesses[0].agreed == follower.head


def test_proofs_lead_from_genesis_to_whoever_signs_now() -> None:
    net = network()
    ledger = net.machines[LATE].ledger
    height = ledger.height - 1
    bundle = json.loads(json.dumps(state_bundle(ledger, [TRUSTS.key("campus")], height)))
    assert len(bundle["trail"]) >= 2 and verify_bundle(decode_bundle(json.dumps(bundle).encode()), net.genesis)
    early = next(height for height in range(1, BLOCKS) if ledger.transactions(height))
    assert receipt_bundle(ledger, early, 0)["trail"] == [], "genesis seats who signed it"
    # Each part of the way is needed, and nobody else's way will do.
    wrong = [
        bundle["trail"][1:],
        bundle["trail"][:-1],
        bundle["trail"][::-1],
        [*bundle["trail"][:-1], bundle["trail"][0]],
        [*bundle["trail"][:-1], bundle["trail"][-1][:-2] + "00"],
        [],
    ]
    for trail in wrong:
        with pytest.raises(ProofError) as caught:
            verify_bundle(decode_bundle(json.dumps({**bundle, "trail": trail}).encode()), net.genesis)
        assert caught.value.code in ("proof.trail", "proof.validators")
    others = genesis(validators=NAMES, balance_nano=7)
    with pytest.raises(ProofError, match="chain"):
        verify_bundle(decode_bundle(json.dumps(bundle).encode()), others)


def test_the_way_from_genesis_is_not_gone_again_for_every_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its steps has a quorum of signatures, and a node makes proofs for whoever asks."""
    net = network()
    ledger = net.machines["solar"].ledger
    asked: list[int] = []

    def counted(chain: Decided, sets: Sets, at: int) -> LightBlock | None:
        asked.append(at)
        return light_block(chain, sets, at)

    def proven(height: int) -> list[str]:
        bundle = state_bundle(ledger, [TRUSTS.key("campus")], height)
        assert verify_bundle(decode_bundle(json.dumps(bundle).encode()), net.genesis)
        trail: list[str] = bundle["trail"]
        return trail

    monkeypatch.setattr("node.trail.light_block", counted)
    fresh: list[int] = []
    for height in range(1, ledger.height):
        monkeypatch.setattr("node.trail._TRAILS", {})
        fresh.append(len(proven(height)))
    asked.clear()
    lengths = [len(proven(height)) for height in range(1, ledger.height)]
    assert lengths[0] == 0 and lengths[-1] >= 2 and len(asked) <= 3 * ledger.height
    assert all(length <= gone for length, gone in zip(lengths, fresh, strict=True))
    newest = proven(ledger.height - 1)
    asked.clear()
    assert proven(ledger.height - 1) == newest and asked == []
    for height in reversed(range(1, ledger.height)):
        asked.clear()
        proven(height)
        assert len(asked) <= 4
    assert proven(ledger.height - 1) == newest


def test_a_way_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    ledger = net.machines["campus"].ledger
    monkeypatch.setattr("node.trail.MAX_TRAIL", 1)
    with pytest.raises(ProofError) as caught:
        state_bundle(ledger, [TRUSTS.key("campus")], ledger.height - 1)
    assert caught.value.code == "proof.trail"
    monkeypatch.undo()
    long = {**state_bundle(ledger, [TRUSTS.key("campus")], ledger.height - 1), "trail": ["00"] * 65}
    with pytest.raises(ProofError) as caught:
        decode_bundle(json.dumps(long).encode())
    assert caught.value.code == "proof.malformed"
