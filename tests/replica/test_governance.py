"""What members agree on is in force on every node at the same height: parameters, rule sets, members."""

from __future__ import annotations

from contracts import api
from contracts.bodies import Approve, Propose, Transfer
from contracts.genesis import ConsensusParams, Genesis
from contracts.governance.changes import Change, SetConsensusParams, SetParams
from contracts.params import PactParams
from contracts.state import State
from tests.support.memory import Machine, MemoryNetwork
from tests.support.pact import VALIDATORS, Speaker, genesis
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
        """Submit to the first machine and wait until everybody has executed them."""
        machine = self.net.alive()[0]
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
