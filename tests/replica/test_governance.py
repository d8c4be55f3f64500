"""What members agree on is in force on every node at the same height: parameters, rule sets, members."""

from __future__ import annotations

import msgspec
import pytest

from contracts import api
from contracts.bodies import Bond, Transfer, TransferTokens
from contracts.context import BlockContext
from contracts.envelope import AccountEnvelope, Envelope
from contracts.genesis import ConsensusParams, Genesis
from contracts.governance.bodies import Approve, Propose
from contracts.governance.changes import (
    AdmitMember,
    Change,
    ReKey,
    RemoveMember,
    SetConsensusParams,
    SetParams,
    SetRuleSet,
)
from contracts.members import AccountKey, Member, NodeKeys
from contracts.params import PactParams
from contracts.receipts import Receipt
from contracts.rulesets import FIRST
from contracts.state import State
from contracts.units import MAX_MONEY
from devnet.simulator.machine import SIGN_STATE
from devnet.simulator.pact import node_keys
from node.disk import MemoryDisk
from node.errors import NodeError
from node.ledger.store import MemoryStore
from node.signer import FileSigner
from tests.support.memory import Machine, MemoryNetwork
from tests.support.pact import VALIDATORS, Speaker, genesis, key_of
from zk.codec import encode

EPOCH = 4
DEARER = PactParams(penalty_ppm=200_000, max_block_units=1_024)
SLOWER = ConsensusParams(epoch_blocks=EPOCH, target_block_ms=400)


def founded() -> Genesis:
    return genesis(consensus=ConsensusParams(epoch_blocks=EPOCH))


class Pact:
    """A network whose members govern."""

    def __init__(self, document: Genesis) -> None:
        self.net = MemoryNetwork(document)
        self.speaker = Speaker(document.chain_id())
        self.net.start()

    @property
    def height(self) -> int:
        return min(machine.ledger.height for machine in self.net.alive())

    def say(self, *envelopes: bytes) -> None:
        """Submit to the first machine that runs, and wait until everybody has executed them."""
        machine = next(machine for machine in self.net.alive() if machine.running)
        request = machine.submit(*envelopes)
        assert [one.code for one in machine.replies[request]] == ["ok"] * len(envelopes)
        hashes = [one.hash for one in machine.replies[request]]
        self.net.run_until(
            lambda: all(m.ledger.find_transaction(hash_) for m in self.net.alive() if m.running for hash_ in hashes)
        )

    def propose(self, change: Change) -> None:
        self.say(self.speaker.member("campus", Propose(change, "because", 1_000)))

    def approve(self, number: int, *names: str) -> None:
        self.say(*(self.speaker.member(name, Approve(number)) for name in names))

    def pay(self) -> None:
        """Something that makes a block."""
        self.say(self.speaker.member("wind", Transfer("solar", 1, "")))

    def until(self, height: int) -> None:
        while self.height < height:
            self.pay()


def params_hash(machine: Machine, height: int) -> bytes:
    header = machine.ledger.header(height)
    assert header is not None
    return header.params_hash


def hash_of(machine: Machine, params: PactParams, consensus: ConsensusParams) -> bytes:
    return params.hash(machine.ledger.chain_id, encode(consensus))


def test_parameters_in_force_are_those_of_the_ledger_and_in_every_header() -> None:
    document = founded()
    pact = Pact(document)
    pact.propose(SetParams(DEARER))
    pact.approve(0, "campus", "wind")
    pact.approve(0, "solar")
    pact.pay()
    for machine in pact.net.alive():
        rules = api.rules(State(machine.ledger))
        assert rules.params == DEARER
        before = hash_of(machine, document.params, document.consensus)
        after = hash_of(machine, DEARER, document.consensus)
        assert params_hash(machine, rules.height - 1) == before
        assert params_hash(machine, rules.height) == after
        assert machine.driver is not None
        assert machine.driver.replica.flow.admission.rules.params == DEARER
    # Who starts from its disk knows them, too.
    machine = pact.net.machines["solar"]
    machine.crash()
    machine.start()
    pact.pay()
    assert len({machine.ledger.state_root for machine in pact.net.alive()}) == 1


def test_timing_changes_with_the_first_block_of_an_epoch() -> None:
    document = founded()
    pact = Pact(document)
    pact.propose(SetConsensusParams(SLOWER, 3))
    pact.approve(0, *VALIDATORS)
    pact.until(3 * EPOCH + 2)
    for machine in pact.net.alive():
        assert machine.driver is not None
        old, new = (hash_of(machine, document.params, consensus) for consensus in (document.consensus, SLOWER))
        hashes = [params_hash(machine, height) for height in range(1, 3 * EPOCH + 3)]
        assert hashes == [old] * (3 * EPOCH) + [new] * 2
        assert machine.driver.replica._context.timing.target_block_ms == 400


# Members


def newcomer() -> Member:
    keys = node_keys("newbie", key_of("newbie node").public_key, b"certificate of newbie", "127.0.0.1:2")
    return Member("newbie", "Newbie", (), "site", (AccountKey(key_of("newbie").public_key, "all"),), (keys,), b"")


def boot(net: MemoryNetwork, name: str) -> Machine:
    """A machine that genesis does not know."""
    net.nodes = (*net.nodes, name)
    net.machines[name] = machine = Machine(name, name, net)
    net._of_node[name] = [machine]
    machine.start()
    return machine


def test_an_admitted_node_syncs_and_votes_once_its_member_has_a_bond_and_two_epochs_have_passed() -> None:
    pact = Pact(founded())
    joined = boot(pact.net, "newbie")
    assert joined.driver is not None and "newbie" not in joined.driver.replica.roster.nodes
    pact.propose(AdmitMember(newcomer(), ()))
    pact.approve(0, "campus", "wind", "solar")
    for machine in pact.net.alive():
        assert machine.driver is not None
        (keys,) = machine.driver.replica.roster.nodes["newbie"]
        assert keys.address == "127.0.0.1:2"
    pact.say(pact.speaker.member("campus", TransferTokens("newbie", 900, "")))
    pact.say(pact.speaker.member("newbie", Bond(900)))
    bonded = pact.height
    pact.until((bonded - 1) // EPOCH * EPOCH + 2 * EPOCH + 2)
    seats = joined.driver.replica._context.validators
    assert seats.seat("newbie") is not None
    assert joined.ledger.state_root == pact.net.machines["wind"].ledger.state_root
    # Four of five have more than 2/3 without any one of them, so its vote counts.
    pact.net.machines["biodiesel"].crash()
    height = pact.height
    pact.until(height + 6)
    assert any("newbie" in voters(joined, at) for at in range(height + 1, height + 7))


def test_a_removed_node_is_known_until_its_seat_is_gone_and_the_others_go_on() -> None:
    document = genesis(validators=(*VALIDATORS, "geothermal"), consensus=ConsensusParams(epoch_blocks=EPOCH))
    pact = Pact(document)
    pact.propose(RemoveMember("solar"))
    pact.approve(0, "biodiesel", "campus", "geothermal", "wind")
    machine = pact.net.machines["wind"]
    assert machine.driver is not None
    roster, removed = machine.driver.replica.roster, pact.height
    assert "solar" in roster.nodes
    pact.until((removed - 1) // EPOCH * EPOCH + 2 * EPOCH)
    assert "solar" not in roster.nodes
    assert machine.driver.replica._context.validators.seat("solar") is None
    height = pact.height
    pact.net.machines["solar"].crash()
    pact.until(height + 3)


def test_a_node_signs_nothing_while_its_seat_has_another_key() -> None:
    pact = Pact(founded())
    machine = pact.net.machines["solar"]
    (old,) = node_of(machine, "solar")
    new = node_keys("solar", key_of("solar second").public_key, b"second certificate")
    keys = (AccountKey(key_of("solar").public_key, "all"),)
    pact.propose(ReKey("solar", keys, (msgspec.structs.replace(new, bls_key=old.bls_key),), b""))
    pact.approve(0, "biodiesel", "campus", "wind")
    assert [one.consensus_key for one in node_of(machine, "solar")] == [new.consensus_key, old.consensus_key]
    changed = pact.height
    # Its machine keeps the old key: it votes until the seat changes, and is silent afterwards.
    assert machine.driver is not None
    machine.driver.replica._public_key = old.consensus_key
    pact.until((changed - 1) // EPOCH * EPOCH + 2 * EPOCH + 4)
    seat = machine.driver.replica._context.validators.seat("solar")
    assert seat is not None and seat.public_key == new.consensus_key
    assert [one.consensus_key for one in node_of(machine, "solar")] == [new.consensus_key]
    assert not pact.net.penalties
    assert not any("solar" in voters(machine, at) for at in range(pact.height - 1, pact.height + 1))


def voters(machine: Machine, height: int) -> list[str]:
    """Whose precommits are in the certificate of a height inside the open epoch."""
    certificate = machine.ledger.certificate(height)
    assert certificate is not None and machine.driver is not None
    seats = machine.driver.replica._context.validators.seats
    return [seats[index].id for index, _ in certificate.signatures]


def node_of(machine: Machine, node: str) -> tuple[NodeKeys, ...]:
    assert machine.driver is not None
    return machine.driver.replica.roster.nodes[node]


# Rule sets


def dearer(state: State, envelope: Envelope, context: BlockContext) -> Receipt:
    """Version 2: nobody transfers a single nano any more."""
    if isinstance(envelope, AccountEnvelope) and isinstance(envelope.body, Transfer) and envelope.body.amount_nano == 1:
        body = msgspec.structs.replace(envelope.body, amount_nano=MAX_MONEY)
        envelope = msgspec.structs.replace(envelope, body=body)
    return FIRST.apply(state, envelope, context)


SECOND = FIRST._replace(version=2, apply=dearer)
BOTH = {1: FIRST, 2: SECOND}
SEVEN = ("biodiesel", "campus", "geothermal", "hydro", "solar", "storage", "wind")


class Upgrade(Pact):
    """Seven organisations, of which `ready` know version 2."""

    def __init__(self, ready: tuple[str, ...]) -> None:
        document = genesis(validators=SEVEN, consensus=ConsensusParams(epoch_blocks=EPOCH))
        self.net = MemoryNetwork(document)
        self.speaker = Speaker(document.chain_id())
        for name in ready:
            self.net.machines[name].rule_sets = BOTH
        self.net.start()
        self.propose(SetRuleSet(2, 2))

    def pay_more(self) -> None:
        self.say(self.speaker.member("wind", Transfer("solar", 2, "")))

    @property
    def height(self) -> int:
        return min(machine.ledger.height for machine in self.net.alive() if machine.running)

    def until(self, height: int) -> None:
        while self.height < height:
            self.pay_more()


def version(machine: Machine, height: int) -> int:
    header = machine.ledger.header(height)
    assert header is not None
    return header.version


def test_who_does_not_know_the_rules_that_come_into_force_stops_before_the_first_block_of_them() -> None:
    pact = Upgrade(SEVEN[1:])
    pact.approve(0, *SEVEN[1:])
    pact.until(2 * EPOCH + 3)
    old = pact.net.machines["biodiesel"]
    assert old.error is not None and old.error.code == "rules.unknown"
    assert f"rule set 2 from block {2 * EPOCH + 1} on" in old.error.message and "Install" in old.error.hint
    assert old.ledger.height == 2 * EPOCH
    for name in SEVEN[1:]:
        machine = pact.net.machines[name]
        assert [version(machine, at) for at in (2 * EPOCH, 2 * EPOCH + 1)] == [1, 2]
        assert machine.ledger.block_id(2 * EPOCH) == old.ledger.block_id(2 * EPOCH)
    # What version 1 would have executed, version 2 refuses.
    pact.pay()
    machine = pact.net.machines["wind"]
    assert [receipt.code for receipt in machine.ledger.receipts(machine.ledger.height)][1:] == ["money.insufficient"]
    # The same program stops at once, an installed one goes on, and so does one that replays everything.
    old.crash()
    with pytest.raises(NodeError, match="rule set 2"):
        old.start()
    old.crash()
    old.rule_sets = BOTH
    old.start()
    fresh = pact.net.machines["storage"]
    fresh.crash()
    fresh.store = MemoryStore()
    fresh.disk = MemoryDisk()
    FileSigner.create(SIGN_STATE, fresh.disk, fresh.key.public_key)
    fresh.start()
    pact.pay_more()
    assert len({machine.ledger.state_root for machine in pact.net.alive()}) == 1


def test_rules_are_put_off_until_more_than_five_sixths_are_ready() -> None:
    pact = Upgrade(SEVEN)
    pact.approve(0, *SEVEN[:5])
    pact.until(2 * EPOCH + 1)
    assert {version(machine, 2 * EPOCH + 1) for machine in pact.net.alive()} == {1}
    pact.approve(0, SEVEN[5])
    # Looked at when an epoch ends, before the transactions of its last block.
    turn = (pact.height // EPOCH + 1) * EPOCH
    pact.until(turn + 1)
    assert {(version(machine, turn), version(machine, turn + 1)) for machine in pact.net.alive()} == {(1, 2)}
