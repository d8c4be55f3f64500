"""Schedules by hand, for faults that chance meets too rarely: who gets which message in the first rounds of height 1.

The proposers of rounds 0 to 3 are campus, solar, wind and biodiesel. From round 4 on everything arrives, and all honest
ones decide.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from msgspec.structs import replace

from consensus.evidence import equivocation
from consensus.messages import NO_ROUND, Message, PolkaCertificate, Proposal, RoundCertificate, Vote, VoteType
from consensus.validators import ValidatorSet
from contracts.bodies import Transfer, Unbond
from contracts.genesis import ConsensusParams, Genesis
from devnet.simulator.behaviours.base import Behaviour, Out, Signing
from devnet.simulator.behaviours.votes import contradiction
from devnet.simulator.machine import Machine
from devnet.simulator.network import Network, Weather
from devnet.simulator.oracles import Oracles
from devnet.simulator.pact import VALIDATORS, Speaker, genesis
from devnet.simulator.violations import Failure, Violation, judged
from node.peer.wire import CODECS, Frame, FullBlock
from node.seats import Sets, validators_of
from tests.support.memory import in_turn
from zk.codec import encode

FREE_ROUND = 4
LIMIT_MS = 20_000

Rule = Callable[[Machine, str, Message], bool]
"""Whether a message of the first rounds gets from a machine to a node."""


class Outage(NamedTuple):
    """These nodes lose power, inside the `inside`-th disk operation from `at_ms` on (0: between two), and come back."""

    nodes: tuple[str, ...]
    at_ms: int
    inside: int = 0
    back_ms: int = 20


def _constant(pact: Genesis) -> Sets:
    first = validators_of(pact)
    return lambda _height: first


class Schedule(NamedTuple):
    """`lies` is what `liar` does, if anything."""

    rule: Rule
    delay_ms: int = 1
    target_block_ms: int = 100
    evidence_age_ms: int = 60_000
    lies: type[Behaviour] | None = None
    liar: str = "wind"
    sets: Callable[[Genesis], Sets] = _constant
    heights: int = 1
    """What everybody has to decide."""
    outage: Outage | None = None
    transfers_ms: tuple[int, ...] = ()
    """When a client of campus wants something."""
    unbond_ms: int | None = None
    """When the liar takes a part of its bond out."""


def play(schedule: Schedule) -> Failure | None:
    """The first rule that breaks under a schedule, None if everybody decides height 1."""
    consensus = ConsensusParams(
        target_block_ms=schedule.target_block_ms, evidence_age_blocks=2, evidence_age_ms=schedule.evidence_age_ms
    )
    pact = genesis(consensus=consensus)
    sets = schedule.sets(pact)
    network = Network(pact, weather=Weather(schedule.delay_ms, schedule.delay_ms), sets=sets, led=in_turn(VALIDATORS))
    honest = frozenset(VALIDATORS)
    if schedule.lies is not None:
        liar = network.machines[schedule.liar]
        liar.mouth = _Mask(schedule.lies, liar)
        honest -= {schedule.liar}
    accepted: list[bytes] = []
    oracles = network.watcher = Oracles(network, honest)

    def passes(sender: Machine, target: Machine, frame: Frame, body: bytes) -> bool:
        assert sender.driver is not None
        if frame is not Frame.CONSENSUS or sender.driver.replica.machine.round >= FREE_ROUND:
            return True
        message: Any = CODECS[frame].decode(body)
        # Round certificates carry votes that are held back.
        return not isinstance(message, RoundCertificate) and schedule.rule(sender, target.node, message)

    def decided() -> bool:
        return all(_height(network.machines[node]) >= schedule.heights for node in honest)

    def kept() -> bool:
        return all(oracles.on_ledger(hash_) for hash_ in accepted)

    network.passes = passes
    if schedule.outage is not None:
        _plan(network, schedule.outage)
    speaker = Speaker(pact.chain_id())
    for at_ms in schedule.transfers_ms:
        network.at(at_ms, partial(_ask, network, accepted, partial(speaker.member, "campus", Transfer("solar", 1, ""))))
    if schedule.unbond_ms is not None:
        unbond = partial(speaker.member, schedule.liar, Unbond(400))
        network.at(schedule.unbond_ms, partial(_ask, network, accepted, unbond))

    def run() -> None:
        # campus proposes as soon as it runs: last, so that the others hear it.
        for machine in sorted(network.machines.values(), key=lambda machine: machine.name == "campus"):
            machine.start()
        if not network.reached(lambda: decided() and kept(), LIMIT_MS):
            raise Violation("accepted" if decided() else "liveness", network.describe())

    return judged(run)


def _ask(network: Network, accepted: list[bytes], envelope: Callable[[], bytes]) -> None:
    """A client of campus asks once."""
    campus = network.machines["campus"]
    request = campus.submit(envelope())
    accepted += [result.hash for result in campus.replies[request] if result.code == "ok"]


def _height(machine: Machine) -> int:
    return 0 if machine.driver is None else machine.ledger.height


def _plan(network: Network, outage: Outage) -> None:
    machines = [network.machines[node] for node in outage.nodes]

    def fail() -> None:
        for machine in machines:
            if outage.inside:
                machine.disk.fail_at(outage.inside)
            else:
                machine.crash()

    def back() -> None:
        for machine in machines:
            if machine.driver is not None:
                machine.crash()
        for machine in machines:
            machine.start()

    network.at(outage.at_ms, fail)
    network.at(outage.at_ms + outage.back_ms, back)


class _Mask:
    """The mouth of a machine that has one behaviour and does nothing by itself."""

    def __init__(self, lies: type[Behaviour], machine: Machine) -> None:
        self._behaviour = lies(machine, Counter())

    def say(self, target: str, frame: Frame, body: bytes) -> None:
        for out in self._behaviour.say(target, frame, body):
            self._behaviour.machine.network.post(self._behaviour.machine, out.target, out.frame, out.body)

    def hear(self, peer: str, frame: Frame, body: bytes) -> None:
        """It hears what its replica hears."""

    def take(self, envelopes: list[bytes]) -> None:
        """Its replica answers clients."""


def _only_wind_locks(target: str, message: Message) -> bool | None:
    """Round 0: solar misses the proposal, and wind's prevote stays with wind, which alone sees a polka."""
    match message:
        case Proposal(round=0):
            return target != "solar"
        case Vote(kind=VoteType.PREVOTE, round=0, voter="wind"):
            return False
        case _:
            return None


def _two_locks(sender: Machine, target: str, message: Message) -> bool:
    """wind locks in round 0 and biodiesel another block in round 1; then wind proposes its older one with the polka."""
    early = _only_wind_locks(target, message)
    if early is not None:
        return early
    match message:
        case PolkaCertificate(round=round_):
            assert sender.driver is not None
            return round_ == 0 and sender.driver.replica.machine.round == 2
        case Vote(kind=VoteType.PREVOTE, round=1, voter="solar"):
            return target == "biodiesel"
        case Vote(kind=VoteType.PREVOTE, round=1, voter="campus"):
            return target != "solar"
        case _:
            return True


def _lonely_lock(_sender: Machine, target: str, message: Message) -> bool:
    """wind locks in round 0, two rounds end with nil, and in round 3 somebody proposes another block."""
    early = _only_wind_locks(target, message)
    if early is not None:
        return early
    match message:
        case PolkaCertificate() | Proposal(round=1 | 2):
            return False
        case _:
            return True


def _deaf_start(sender: Machine, _target: str, message: Message) -> bool:
    """No vote arrives that is sent before everybody has waited for one."""
    return not isinstance(message, Vote) or sender.network.now_ms >= 450


def _everything(_sender: Machine, _target: str, _message: Message) -> bool:
    return True


class _BorrowedPolka(Behaviour):
    """Says in round 2 that the polka of round 1, which was for another block, allows its older one."""

    name = "borrowed-polka"

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        message = self.own(frame, body)
        if isinstance(message, Proposal) and message.round == 2:
            body = self.signed(replace(message, valid_round=1))
        return [Out(target, frame, body)]


class _LieInSync(Behaviour, ABC):
    """Is asked first, for its name, and alters the blocks of its answers."""

    name = "lie-in-sync"

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        if frame is Frame.BLOCK_RESPONSE:
            answer: Any = CODECS[frame].decode(body)
            blocks = tuple(map(self.alter, answer.blocks))
            return [Out(target, frame, encode(replace(answer, blocks=blocks)))]
        return [Out(target, frame, body)]

    @abstractmethod
    def alter(self, full: FullBlock) -> FullBlock:
        """Another answer."""


class _Unsigned(_LieInSync):
    """A certificate of no signatures for a block on another parent."""

    def alter(self, full: FullBlock) -> FullBlock:
        block = replace(full.block, header=replace(full.block.header, parent_hash=bytes(32)))
        signatures = tuple((index, bytes(64)) for index, _ in full.certificate.signatures)
        certificate = replace(full.certificate, block_id=block.header.id(), signatures=signatures)
        return replace(full, block=block, certificate=certificate)


class _Forged(_LieInSync):
    """The right block with false signatures."""

    def alter(self, full: FullBlock) -> FullBlock:
        signatures = tuple((index, bytes(64)) for index, _ in full.certificate.signatures)
        return replace(full, certificate=replace(full.certificate, signatures=signatures))


class _Swapped(_LieInSync):
    """The right certificate with another block."""

    def alter(self, full: FullBlock) -> FullBlock:
        header = full.block.header
        return replace(full, block=replace(full.block, header=replace(header, time_ms=header.time_ms + 1)))


class _Emptied(_LieInSync):
    """The right block without its transactions."""

    def alter(self, full: FullBlock) -> FullBlock:
        return replace(full, transactions=())


class _TwoFaces(Behaviour):
    """Sends everybody two votes for each step."""

    name = "two-faces"

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        message = self.own(frame, body)
        if not isinstance(message, Vote):
            return [Out(target, frame, body)]
        return [Out(target, frame, body), Out(target, frame, self.signed(contradiction(message)))]


class _TwoFacesLater(_TwoFaces):
    """The same from height 2 on: some of its bond has left by then. It proposes nothing, so that honest ones have its
    evidence in their blocks."""

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        message = self.own(frame, body)
        if isinstance(message, Proposal):
            return []
        if isinstance(message, Vote) and message.height < 2:
            return [Out(target, frame, body)]
        return super().say(target, frame, body)


class _LateConfession(Behaviour):
    """Admits in height 4 what it might have said in height 1."""

    name = "late-confession"

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        honest = Out(target, frame, body)
        if frame is not Frame.STATUS or self.height < 4:
            return [honest]
        vote = Vote(VoteType.PREVOTE, 1, 0, None, NO_ROUND, self.node, b"")
        signer = Signing(self.machine)
        both = (signer.sign(one, self.chain_id) for one in (vote, contradiction(vote)))
        return [honest, Out(target, Frame.EVIDENCE, encode(equivocation(*both)))]


def _without_wind(pact: Genesis) -> Sets:
    """wind has a seat at height 1 only."""
    first = validators_of(pact)
    later = ValidatorSet(tuple(seat for seat in first.seats if seat.id != "wind"))
    return lambda height: first if height <= 1 else later


TWO_LOCKS = Schedule(_two_locks)
LONELY_LOCK = Schedule(_lonely_lock)
RESTARTED_LOCK = Schedule(_lonely_lock, outage=Outage(("wind",), 100))
"""wind restarts after it has locked."""
SILENT_PAIR = Schedule(_everything, outage=Outage(("solar", "wind"), 2, back_ms=3_000))
"""Two nodes have prevoted and are away before they precommit."""
SITE_OUTAGE = Schedule(_everything, outage=Outage(VALIDATORS, 1, inside=2))
"""The site loses power while its nodes sign."""
_LATER = Outage(("solar",), 0, back_ms=2_000)
LOST_TRANSFER = Schedule(_everything, outage=Outage(VALIDATORS, 2), transfers_ms=(1,))
"""The site loses power after a client was told ok."""
PINNED_TRANSFER = Schedule(_everything, outage=Outage(("wind",), 5), transfers_ms=(1,), heights=2)
"""A node restarts when a block is proposed that names what it was told of."""
LATE_COMER = Schedule(_everything, outage=_LATER)
"""solar is away while the others decide, and hears nothing more of it unless it asks."""
UNSIGNED_SYNC = Schedule(_everything, outage=_LATER, lies=_Unsigned, liar="biodiesel")
FORGED_SYNC = Schedule(_everything, outage=_LATER, lies=_Forged, liar="biodiesel")
SWAPPED_SYNC = Schedule(_everything, outage=_LATER, lies=_Swapped, liar="biodiesel")
EMPTIED_SYNC = Schedule(_everything, outage=_LATER, lies=_Emptied, liar="biodiesel", transfers_ms=(1,), heights=2)
"""The same, and the one that it asks first lies to it."""
BORROWED_POLKA = Schedule(_two_locks, lies=_BorrowedPolka)
DEAF_START = Schedule(_deaf_start)
GONE_LIAR = Schedule(_everything, lies=_TwoFaces, sets=_without_wind, heights=3)
"""Evidence comes into a block of a set that its liar is no part of."""
LEAVING_LIAR = Schedule(_everything, lies=_TwoFacesLater, transfers_ms=(500, 1_000, 1_500), unbond_ms=1, heights=6)
"""A liar contradicts itself at each height after it has taken a part of its bond out."""
OLD_GUILT = Schedule(_everything, lies=_LateConfession, evidence_age_ms=10, transfers_ms=(1, 1_000), heights=4)
"""Evidence comes when it has expired."""
SLOW_LINKS = Schedule(_everything, delay_ms=250, target_block_ms=40)
"""Links that take longer than the timeouts of the first rounds."""
