"""What must hold in every run, checked while it happens, from what leaves a machine and what its ledger says.

Nothing here asks the code under test whether it did well: signatures, quorums, locks and roots are counted anew, so
that a fault planted in the replica does not blind its judge. Honest machines only: liars may do anything.
"""

from __future__ import annotations

from typing import NamedTuple

from consensus import evidence
from consensus.messages import NO_ROUND, Block, CommitCertificate, Header, Proposal, Vote, VoteType, vote_sign_bytes
from consensus.validators import ValidatorSet
from contracts import trust
from contracts.envelope import CODEC, AccountEnvelope, Domains, Envelope
from contracts.offences import Charge
from contracts.receipts import OK, AnyEvent, SolutionRevealed, WagerJudged
from contracts.schema import BALANCES, TRUST_POOL, TRUST_POOLS, TRUSTS
from contracts.state import State
from devnet.simulator.ballots import Ballots
from devnet.simulator.frames import read
from devnet.simulator.machine import Machine
from devnet.simulator.network import Network, Watcher
from devnet.simulator.pact import beacon_key_of
from devnet.simulator.penalties import Penalties
from devnet.simulator.seatings import Seatings
from devnet.simulator.turns import Turns
from devnet.simulator.violations import Violation
from node.effects import Timer
from node.errors import NodeError
from node.execution import execute
from node.ledger.ledger import Ledger
from node.ledger.store import MemoryStore
from node.peer.wire import Frame
from node.seats import Sets
from zk import merkle
from zk.codec import encode


class Locked(NamedTuple):
    """What a node's own precommits oblige it to."""

    block_id: bytes
    round: int


class _Height:
    """What honest nodes said in one height."""

    def __init__(self) -> None:
        self.prevotes: dict[tuple[int, bytes], set[str]] = {}
        """By (round, block id): who prevoted it."""
        self.locks: dict[str, Locked] = {}
        self.said: dict[tuple[str, int, int], bytes] = {}
        """By (node, round, step): the signed bytes."""
        self.precommitters: dict[int, set[str]] = {}
        """By round: who precommitted, a block or nil."""
        self.entered: set[int] = {0}
        """Rounds in which somebody said something."""
        self.blocks: dict[bytes, Block] = {}
        """Those that were proposed to somebody, by id."""
        self.arrived_ms: dict[tuple[str, bytes], int] = {}
        """By (node, block id): when it was first proposed to this node, on its own clock."""


class Oracles(Watcher):
    """Raises `Violation` at the first broken rule."""

    def __init__(self, network: Network, honest: frozenset[str]) -> None:
        self.decided: dict[int, bytes] = {}
        self._network = network
        self._honest = honest
        self._limits = network.genesis.consensus
        self._heights: dict[int, _Height] = {}
        self._domains = Domains(network.genesis.chain_id())
        self._drifted: set[str] = set()
        """Whose clock was ever wrong: what it found timely says nothing."""
        self._kept: set[tuple[str, bytes]] = set()
        """(node, hash) of transactions that were found on the node's medium."""
        self._used: set[tuple[str, bytes, int]] = set()
        """(sender, key, nonce) and (meter, key, sequence) of what succeeded."""
        self._certified: set[tuple[bytes, int, tuple[tuple[int, bytes], ...]]] = set()
        self._reference = Ledger.open(MemoryStore(), network.genesis)
        self._seatings = Seatings(self._reference)
        self._sets: Sets = network.sets or self._seatings
        self._ballots = Ballots(self._reference, self._seatings)
        self._revealed: set[tuple[int, str]] = set()
        """(round, member) of what honest members revealed in time."""
        self._penalties = Penalties(self._reference, self._limits)
        self._turns = Turns(self._reference, self._sets, network.led)
        self._roots: dict[int, tuple[bytes, bytes]] = {}
        self._money = self._money_now()
        self._tokens = self._tokens_now()

    @property
    def reference(self) -> Ledger:
        """The chain as executed from genesis by nobody's replica."""
        return self._reference

    @property
    def height(self) -> int:
        """Highest height that anybody honest has executed."""
        return self._reference.height

    # What leaves a machine

    def sending(self, machine: Machine, target: str, frame: Frame, body: bytes) -> None:
        if frame is not Frame.CONSENSUS or machine.node not in self._honest:
            return
        message = read(frame, body)
        self._watch_clock(machine)
        if isinstance(message, Proposal) and message.proposer == machine.node:
            self._proposed(machine, message)
            self._said(machine, message, message.round, 0)
        elif isinstance(message, Vote) and message.voter == machine.node:
            self._said(machine, message, message.round, int(message.kind))

    def delivered(self, machine: Machine, peer: str, frame: Frame, body: bytes) -> None:
        if machine.node not in self._honest:
            return
        self._watch_clock(machine)
        if frame is Frame.CONSENSUS and isinstance(message := read(frame, body), Proposal):
            self._proposed(machine, message)

    def fired(self, machine: Machine, timer: Timer) -> None:
        self._watch_clock(machine)

    def _watch_clock(self, machine: Machine) -> None:
        if machine.skew_ms:
            self._drifted.add(machine.node)

    def _proposed(self, machine: Machine, proposal: Proposal) -> None:
        block, heard = proposal.block, self._heights.setdefault(proposal.height, _Height())
        if block.header.payload_root == merkle.root(block.payload):
            block_id = block.header.id()
            heard.blocks[block_id] = block
            heard.arrived_ms.setdefault((machine.node, block_id), machine.ledger_ms())

    def _said(self, machine: Machine, message: Proposal | Vote, round_: int, step: int) -> None:
        """One own message of an honest node."""
        node, height = machine.node, message.height
        heard = self._heights.setdefault(height, _Height())
        signed = message.sign_bytes(self._network.genesis.chain_id())
        known = heard.said.get((node, round_, step))
        if known == signed:
            return
        if known is not None:
            raise Violation("double-vote", f"{machine.name} contradicts itself at {height}/{round_}, step {step}")
        heard.said[node, round_, step] = signed
        self._entered(node, heard, height, round_)
        if not machine.disk.survives(encode(message)):
            raise Violation("durable", f"{machine.name} sends what is not on its medium, at {height}/{round_}")
        if step == VoteType.PRECOMMIT:
            heard.precommitters.setdefault(round_, set()).add(node)
        if isinstance(message, Vote) and message.block_id is not None:
            if message.kind == VoteType.PREVOTE:
                self._stands_behind(machine, heard, message, message.block_id)
                self._prevoted(node, heard, message, message.block_id)
            else:
                self._precommitted(node, heard, message, message.block_id)

    def _entered(self, node: str, heard: _Height, height: int, round_: int) -> None:
        """The first honest node in a round came there by precommits of the round before; others may follow it."""
        if round_ in heard.entered:
            return
        if not self._quorum_of(heard.precommitters.get(round_ - 1, set()), height):
            raise Violation("rounds", f"{node} is the first in {height}/{round_}, and nothing has ended the one before")
        heard.entered.add(round_)

    def _stands_behind(self, machine: Machine, heard: _Height, vote: Vote, block_id: bytes) -> None:
        """A prevote says that the block can be executed from this node's disk alone, and was proposed in time."""
        where = f"{vote.height}/{vote.round}"
        block = heard.blocks.get(block_id)
        if block is None:
            raise Violation("validity", f"{machine.name} prevotes at {where} what nobody proposed")
        assert machine.driver is not None
        for hash_ in block.payload:
            if (machine.name, hash_) not in self._kept:
                entry = machine.driver.replica.flow.mempool.get(hash_)
                known = entry is not None and self._domains.transaction_id(entry.raw) == hash_
                if entry is None or not known or not machine.disk.survives(entry.raw):
                    raise Violation(
                        "durable", f"{machine.name} prevotes at {where} without a transaction on its medium"
                    )
                self._kept.add((machine.name, hash_))
        if vote.valid_round == NO_ROUND and machine.node not in self._drifted:
            self._check_time(machine, heard, vote, block)

    def _check_time(self, machine: Machine, heard: _Height, vote: Vote, block: Block) -> None:
        """The bounds of proposer-based timestamps, without `consensus.timing`. A node that lost power before it could
        send its own block was in time when it made it."""
        if block.header.proposer == machine.node:
            return
        time_ms, limits = block.header.time_ms, self._limits
        arrived_ms = heard.arrived_ms.get((machine.node, block.header.id()))
        latest_ms = time_ms + limits.message_delay_ms * (2 + vote.round) // 2 + limits.precision_ms
        earliest_ms = time_ms - limits.precision_ms
        too_early = machine.ledger_ms() < earliest_ms and time_ms > self._reference.time_ms(vote.height - 1) + 1
        if too_early or arrived_ms is None or arrived_ms > latest_ms:
            raise Violation(
                "timely", f"{machine.name} prevotes at {vote.height}/{vote.round} a block of {time_ms}, not in time"
            )

    def _prevoted(self, node: str, heard: _Height, vote: Vote, block_id: bytes) -> None:
        heard.prevotes.setdefault((vote.round, block_id), set()).add(node)
        if vote.valid_round != NO_ROUND and not self._could_polka(heard, vote.height, vote.valid_round, block_id):
            raise Violation("polka", f"{node} believes in a polka of {vote.height}/{vote.valid_round} that can not be")
        lock = heard.locks.get(node)
        if lock is None or lock.block_id == block_id or vote.round <= lock.round:
            return
        if vote.valid_round < lock.round:
            raise Violation(
                "lock",
                f"{node} is locked on {lock.block_id.hex()[:8]} since {vote.height}/{lock.round} and prevotes "
                f"{block_id.hex()[:8]} in round {vote.round} with valid round {vote.valid_round}",
            )

    def _precommitted(self, node: str, heard: _Height, vote: Vote, block_id: bytes) -> None:
        if not self._could_polka(heard, vote.height, vote.round, block_id):
            raise Violation("polka", f"{node} precommits {block_id.hex()[:8]} at {vote.height}/{vote.round} unproven")
        known = heard.locks.get(node)
        if known is None or known.round < vote.round:
            heard.locks[node] = Locked(block_id, vote.round)

    def _could_polka(self, heard: _Height, height: int, round_: int, block_id: bytes) -> bool:
        """Whether a polka can exist: honest prevotes that were sent, and every liar's."""
        return self._quorum_of(heard.prevotes.get((round_, block_id), set()), height)

    def _quorum_of(self, voters: set[str], height: int) -> bool:
        """Whether these honest nodes and all liars are more than 2/3."""
        seats = self._sets(height).seats
        power = sum(seat.power for seat in seats if seat.id in voters or seat.id not in self._honest)
        return 3 * power > 2 * sum(seat.power for seat in seats)

    # What a machine stores

    def stored(self, machine: Machine, height: int) -> None:
        if machine.node not in self._honest:
            return
        ledger = machine.ledger
        block, certificate = ledger.block(height), ledger.certificate(height)
        assert block is not None and certificate is not None
        block_id = block.header.id()
        known = self.decided.setdefault(height, block_id)
        if known != block_id:
            raise Violation(
                "agreement", f"{machine.name} decides {block_id.hex()[:8]} at {height}, not {known.hex()[:8]}"
            )
        self._check_certificate(machine.name, certificate, block_id, self._sets(height))
        if height == self._reference.height + 1:
            order = self._turns.order(height, trust.tombstoned(State(self._reference)))
            self._check_block(block, height, order)
            self._execute(block, certificate, ledger.transactions(height))
            self._turns.took(block, order)
        if self._roots.get(height) != (ledger.state_root, ledger.receipts_root):
            raise Violation("roots", f"{machine.name} has state root {ledger.state_root.hex()} after {height}")

    def _check_certificate(
        self, name: str, certificate: CommitCertificate, block_id: bytes, seats: ValidatorSet
    ) -> None:
        """Count the signatures anew, without `consensus.certificates`."""
        identity = (block_id, certificate.round, certificate.signatures)
        if identity in self._certified:
            return
        signed = vote_sign_bytes(
            self._network.genesis.chain_id(),
            VoteType.PRECOMMIT,
            certificate.height,
            certificate.round,
            certificate.block_id,
            -1,
        )
        power = 0
        for index in {index for index, _ in certificate.signatures}:
            seat = seats.seats[index]
            signatures = [signature for at, signature in certificate.signatures if at == index]
            if not all(self._network.verify(seat.public_key, signed, signature) for signature in signatures):
                raise Violation("certificate", f"{name} decided {certificate.height} on a false signature")
            power += 0 if seat.flagged else seat.power
        if certificate.block_id != block_id or 3 * power <= 2 * sum(seat.power for seat in seats.seats):
            raise Violation("certificate", f"{name} decided {certificate.height} with a power of {power}")
        self._certified.add(identity)

    def _check_block(self, block: Block, height: int, order: list[str]) -> None:
        """Against what the execution from genesis says, without `consensus.block`."""
        header, reference = block.header, self._reference
        expected = {
            "chain_id": reference.chain_id,
            "height": height,
            "parent_hash": reference.block_id(height - 1),
            "set_hash": self._sets(height).hash,
            "next_set_hash": self._sets(height + 1).hash,
            "proposer": order[header.proposer_round % len(order)],
            "payload_root": merkle.root(block.payload),
            "evidence_root": merkle.root(block.evidence),
            "state_root": reference.state_root,
            "receipts_root": reference.receipts_root,
        }
        for name, value in expected.items():
            if getattr(header, name) != value:
                raise Violation("validity", f"block {height} has another {name} than the chain")
        self._check_beacon(header)
        if height > 1:
            included = block.last_certificate
            if included is None:
                raise Violation("validity", f"block {height} includes no certificate")
            self._check_certificate(f"block {height}", included, header.parent_hash, self._sets(height - 1))
        if header.time_ms <= reference.time_ms(height - 1):
            raise Violation("validity", f"block {height} is not later than the one below")
        if len(set(block.payload)) != len(block.payload):
            raise Violation("validity", f"block {height} names a transaction twice")

    def _check_beacon(self, header: Header) -> None:
        """The one that its original proposer has to give; who knows the secrets of all need not verify signatures."""
        message = f"gridpact/1/beacon/{header.chain_id}/".encode() + encode((header.height, self._turns.mixes[-1]))
        if header.beacon != beacon_key_of(header.proposer).sign(message):
            raise Violation("validity", f"block {header.height} has a beacon that {header.proposer} can not have given")

    def _execute(self, block: Block, certificate: CommitCertificate, raws: list[bytes]) -> None:
        """Bring the reference to this height."""
        reference = self._reference
        envelopes = [(raw, CODEC.decode(raw)) for raw in raws]
        charges = [self._charge(raw, block) for raw in block.evidence]
        at_stake = self._penalties.foresee(block.header, charges)
        receipts = execute(reference, block, certificate, envelopes, charges)
        self._penalties.check(charges, at_stake)
        self._seatings.took()
        events = [event for receipt in receipts for event in receipt.events]
        self._ballots.took(events)
        self._check_wagers(events)
        for (raw, envelope), receipt in zip(envelopes, receipts[1:], strict=True):
            self._check_sender(raw, envelope, receipt.code == OK)
        self._roots[reference.height] = (reference.state_root, reference.receipts_root)
        money = self._money_now()
        if money != self._money:
            raise Violation("money", f"after block {reference.height} members have {money}, at first {self._money}")
        tokens = self._tokens_now()
        if tokens != self._tokens:
            raise Violation("tokens", f"after block {reference.height} there are {tokens}, at first {self._tokens}")

    def _check_wagers(self, events: list[AnyEvent]) -> None:
        """Honest members reveal what every node computes itself: nothing of theirs can be shown to be false."""
        for event in events:
            match event:
                case SolutionRevealed(round_, member) if member in self._honest:
                    self._revealed.add((round_, member))
                case WagerJudged(round_, member, verdict) if member in self._honest:
                    said = (round_, member) in self._revealed
                    if verdict not in ({"best", "valid", "void"} if said else {"silent", "unrevealed", "void"}):
                        raise Violation("wager", f"{member} built honestly in round {round_}, and is called {verdict}")

    def _check_sender(self, raw: bytes, envelope: Envelope, succeeded: bool) -> None:
        height = self._reference.height
        if not self._network.verify(envelope.public_key, self._domains.sign_bytes(raw), envelope.signature):
            raise Violation("once", f"block {height} executes what its sender has not signed")
        if isinstance(envelope, AccountEnvelope):
            place = envelope.sender, envelope.public_key, envelope.nonce
        else:
            place = envelope.meter, envelope.public_key, envelope.body.sequence
        if succeeded and place in self._used:
            raise Violation("once", f"block {height} executes number {place[2]} of {place[0]} again")
        if succeeded:
            self._used.add(place)

    def _charge(self, raw: bytes, block: Block) -> Charge:
        """One piece of evidence, by the keys of the set of its own height, without `node.evidence`."""
        found, chain_id = evidence.decode(raw), self._reference.chain_id
        accused, height = evidence.offence_of(found)
        seat = self._sets(height).seat(accused)
        signed = [(message.sign_bytes(chain_id), message.signature) for message in (found.first, found.second)]
        if seat is None or not all(self._network.verify(seat.public_key, *one) for one in signed):
            raise Violation("validity", f"block {block.header.height} holds false evidence against {accused}")
        if accused in self._honest:
            raise Violation("blame", f"block {block.header.height} holds {found.kind} of {accused} at {height}")
        age_ms = block.header.time_ms - self._reference.time_ms(min(height, self._reference.height))
        if block.header.height - height > self._limits.evidence_age_blocks and age_ms > self._limits.evidence_age_ms:
            raise Violation("validity", f"block {block.header.height} holds expired evidence of {height}")
        hash_ = evidence.evidence_hash(found, chain_id)
        proposer = self._sets(block.header.height).seat(block.header.proposer)
        assert proposer is not None, "the proposer was compared with the set before"
        return Charge(accused, seat.organisation, found.kind, height, found.first.round, hash_, proposer.organisation)

    def _money_now(self) -> int:
        state = State(self._reference)
        return sum(one.balance_nano for one in state.group(BALANCES))

    def _tokens_now(self) -> int:
        """All tokens, counted without `contracts.trust`."""
        state = State(self._reference)
        pool = state.load(TRUST_POOLS, TRUST_POOL)
        total = 0 if pool is None else pool.pool_tokens
        if total < 0:
            raise Violation("tokens", f"after block {self._reference.height} the pool owes tokens")
        for one in state.group(TRUSTS):
            held = [one.free_tokens, one.bonded_tokens, one.wagered_tokens]
            held += [part.amount_tokens for part in one.unlocking]
            if min(held) < 0:
                raise Violation("tokens", f"after block {self._reference.height} {one.member} owes tokens")
            total += sum(held)
        return total

    def on_ledger(self, hash_: bytes) -> bool:
        """Whether a transaction was executed."""
        return self._reference.find_transaction(hash_) is not None

    # What goes wrong

    def penalised(self, machine: Machine, peer: str, code: str) -> None:
        if machine.node in self._honest and peer in self._honest:
            raise Violation("blame", f"{machine.name} penalises {peer} for {code}")

    def stopped(self, machine: Machine, error: NodeError) -> None:
        if machine.node in self._honest:
            raise Violation("stopped", f"{machine.name}: {error.code}: {error}")
