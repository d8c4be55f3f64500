"""Proofs on their way through replicas: checked once, elsewhere, at nobody's expense, and with one answer for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from contracts import api
from contracts.bodies import Transfer
from contracts.confidential import keys
from contracts.confidential.bodies import RegisterNoteKey
from contracts.schema import NOTE_KEYS
from contracts.state import State
from node import driver as driving
from node.admission import Admission
from node.driver import Driver
from node.effects import FrameReceived, Now, Prove, Verified, Verify
from node.ledger.ledger import Ledger
from node.peer.wire import Frame, Transactions
from node.proving import gate, proofs
from node.proving.gate import Gate
from node.proving.proofs import Answer, Proofs, check_here
from tests.replica.test_buffers import LIAR, lone, receive, want
from tests.replica.test_network import agreed, heights, network, quiet
from tests.support.memory import Machine, MemoryNetwork
from tests.support.pact import key_of
from zk import notes
from zk.codec import encode
from zk.hashing import sha256
from zk.statements import check, logarithm
from zk.statements.assertion import Assertion, Where


def note_key(chain_id: str, member: str, number: int = 0, *, false: bool = False, salt: int = 0) -> RegisterNoteKey:
    """A registration with its proof of possession, or with that of somebody else, one of many by its salt."""
    secret = notes.secret_of(sha256(f"{member} {number}".encode()))
    where = Where(chain_id, "wind" if false and member != "wind" else "solar" if false else member)
    proof = logarithm.prove_known("possession", where, secret, keys.BOUND, entropy=sha256(secret + bytes([salt])))
    return RegisterNoteKey(logarithm.public_point(secret), proof)


def registered(machine: Machine, member: str) -> int:
    found = State(machine.ledger).load(NOTE_KEYS, NOTE_KEYS.key(member))
    return 0 if found is None else len(found.keys)


def driver_of(machine: Machine) -> Driver:
    assert machine.driver is not None
    return machine.driver


class Checker:
    """Counts what is asked, and answers when it is told to."""

    def __init__(self, *, held: bool = False) -> None:
        self.held = held
        self.asked: list[tuple[list[Assertion], bool]] = []
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, assertions: Sequence[Assertion], urgent: bool, done: Answer) -> None:
        self.asked.append((list(assertions), urgent))
        if self.held:
            self.waiting.append(lambda: check_here(assertions, urgent, done))
        else:
            check_here(assertions, urgent, done)

    def release(self) -> None:
        """Answer what waits now."""
        waiting, self.waiting = self.waiting, []
        for answer in waiting:
            answer()


def watched(machine: Machine, *, held: bool = False) -> Checker:
    checker = Checker(held=held)
    driver_of(machine).proofs = Proofs(checker)
    return checker


def plant(net: MemoryNetwork, raws: Sequence[bytes], *names: str) -> None:
    """Put transactions into pools as a node without conscience does, unexamined."""
    for name in names or net.machines:
        flow = driver_of(net.machines[name]).replica.flow
        for raw in raws:
            candidate = flow.admission.decode(raw, flow.admission.hash(raw), local=False)
            assert not isinstance(candidate, str)
            flow.mempool.add(candidate.entry)
        flow._on_arrival()


# The way of a good proof


def test_a_proof_is_checked_once_at_each_node_and_is_final_everywhere() -> None:
    net, speaker = network()
    checkers = [watched(machine) for machine in net.machines.values()]
    request = net.machines["solar"].submit(speaker.member("campus", note_key(speaker.chain_id, "campus")))
    quiet(net)
    agreed(net)
    assert net.machines["solar"].replies[request][0].code == "ok"
    for machine, checker in zip(net.machines.values(), checkers, strict=True):
        assert registered(machine, "campus") == 1
        assert [len(asked) for asked, _ in checker.asked] == [1]
    # The others may hear of it in its block first, and then wait for its proof.
    assert [urgent for _, urgent in checkers[list(net.machines).index("solar")].asked] == [False]


def test_a_chain_without_proofs_asks_for_none_and_remembers_none() -> None:
    net, speaker = network()
    checkers = [watched(machine) for machine in net.machines.values()]
    net.machines["solar"].submit(speaker.member("campus", Transfer("wind", 1, "")))
    quiet(net)
    assert [checker.asked for checker in checkers] == [[]] * 4
    assert all(len(driver_of(machine).proofs) == 0 for machine in net.machines.values())


def test_what_was_not_seen_before_its_block_is_checked_as_one_before_it_is_executed() -> None:
    net, speaker = network()
    raws = [speaker.member(name, note_key(speaker.chain_id, name)) for name in ("biodiesel", "solar", "wind")]
    checkers = {name: watched(machine) for name, machine in net.machines.items()}
    plant(net, raws)
    quiet(net)
    agreed(net)
    for name, machine in net.machines.items():
        assert [registered(machine, member) for member in ("biodiesel", "solar", "wind")] == [1, 1, 1]
        assert [(len(asked), urgent) for asked, urgent in checkers[name].asked] == [(3, True)]


def test_while_the_proofs_of_a_block_are_checked_a_node_goes_on_and_loses_nothing() -> None:
    net, speaker = network()
    slow = net.machines["solar"]
    checker = watched(slow, held=True)
    before = slow.ledger.height
    plant(net, [speaker.member("campus", note_key(speaker.chain_id, "campus"))])
    net.run_until(lambda: bool(checker.waiting))
    for _ in range(3):
        net.machines["wind"].submit(speaker.member("campus", Transfer("wind", 5, "")))
        net.run_for(2_000)
    others = [machine for machine in net.machines.values() if machine is not slow]
    assert slow.ledger.height == before
    assert min(machine.ledger.height for machine in others) > before + 1
    assert slow.running
    checker.release()
    checker.held = False
    quiet(net)
    agreed(net)
    assert registered(slow, "campus") == 1


def test_a_node_that_loses_power_while_proofs_are_checked_executes_the_block_when_it_is_back() -> None:
    net, speaker = network()
    slow = net.machines["solar"]
    checker = watched(slow, held=True)
    plant(net, [speaker.member("campus", note_key(speaker.chain_id, "campus"))], "biodiesel", "campus", "wind")
    net.run_until(lambda: bool(checker.waiting))
    slow.crash()
    checker.release()
    slow.start()
    quiet(net)
    agreed(net)
    assert registered(slow, "campus") == 1


# False ones


def test_a_false_proof_is_refused_with_the_code_that_execution_gives() -> None:
    net, speaker = network()
    before = heights(net)
    request = net.machines["solar"].submit(speaker.member("campus", note_key(speaker.chain_id, "campus", false=True)))
    net.run_for(5_000)
    assert [result.code for result in net.machines["solar"].replies[request]] == ["confidential.possession"]
    assert heights(net) == before
    assert driver_of(net.machines["solar"]).replica.work.counters["confidential.possession"] == 1


def test_a_false_proof_in_a_block_is_refused_by_everybody_and_its_sender_pays() -> None:
    net, speaker = network()
    false = [speaker.member("campus", note_key(speaker.chain_id, "campus", number, false=True)) for number in range(3)]
    plant(net, [*false, speaker.member("wind", note_key(speaker.chain_id, "wind"))], "wind", "solar")
    quiet(net)
    agreed(net)
    for machine in net.machines.values():
        assert (registered(machine, "campus"), registered(machine, "wind")) == (0, 1)
        assert api.next_position(State(machine.ledger), "campus", key_of("campus").public_key) == 3


@pytest.mark.parametrize("runs", [0, 1, 2, 9])
def test_false_proofs_that_hide_what_the_next_one_asks_change_no_outcome(
    runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each registers the same key: after a true one the next is refused unasked, after a false one it is asked for. A
    node that takes all to hold in its first run sees another world than the one there is, and the next one is hardly
    better; it does not go on like that without end."""
    monkeypatch.setattr(driving, "RUNS", runs)
    ran: Counter[tuple[int, int]] = Counter()
    run_block = driving.run_block

    def counted(ledger: Ledger, *rest: Any) -> Any:
        ran[id(ledger), ledger.height] += 1
        return run_block(ledger, *rest)

    monkeypatch.setattr(driving, "run_block", counted)
    net, speaker = network()
    chain = speaker.chain_id
    bodies = [note_key(chain, "campus", 1, false=True, salt=salt) for salt in range(4)]
    bodies += [note_key(chain, "campus", 1)] * 2 + [note_key(chain, "campus", 2, false=True)]
    plant(net, [speaker.member("campus", body) for body in bodies])
    quiet(net)
    agreed(net)
    assert {registered(machine, "campus") for machine in net.machines.values()} == {1}
    assert max(ran.values()) == min(runs + 1, 5)


def test_what_relies_on_a_proof_may_break_when_a_false_one_counts_and_no_node_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the books of hidden money would, that are added up at the end of each block."""
    run_block, rehearse = driving.run_block, Admission.rehearse

    def strict(proves: Callable[[Assertion], bool]) -> Callable[[Assertion], bool]:
        def relied(assertion: Assertion) -> bool:
            answer = proves(assertion)
            assert not answer or check.verify(assertion), "the books do not add up"
            return answer

        return relied

    def fragile(ledger: Ledger, block: Any, envelopes: Any, charges: Any, proves: Any) -> Any:
        return run_block(ledger, block, envelopes, charges, strict(proves))

    monkeypatch.setattr(driving, "run_block", fragile)
    monkeypatch.setattr(
        Admission, "rehearse", lambda self, entry, now_ms, proves: rehearse(self, entry, now_ms, strict(proves))
    )
    net, speaker = network()
    chain = speaker.chain_id
    request = net.machines["wind"].submit(speaker.member("wind", note_key(chain, "wind", false=True), nonce=0))
    plant(net, [speaker.member("campus", note_key(chain, "campus", n, false=n < 2)) for n in range(4)])
    quiet(net)
    agreed(net)
    assert [result.code for result in net.machines["wind"].replies[request]] == ["confidential.possession"]
    assert {registered(machine, "campus") for machine in net.machines.values()} == {2}


def test_a_defect_of_a_contract_is_not_taken_for_a_false_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    net, speaker = network()
    monkeypatch.setattr(driving, "run_block", lambda *_: 1 // 0)
    plant(net, [speaker.member("campus", note_key(speaker.chain_id, "campus"))])
    with pytest.raises(ZeroDivisionError):
        net.run_for(5_000)


def test_a_block_waits_for_no_proof() -> None:
    """A false one makes no transaction invalid, so whoever votes needs no answer."""
    replica, speaker = lone()
    raw = speaker.member("campus", note_key(speaker.chain_id, "campus", false=True))
    (signature,) = (
        effect for effect in receive(replica, Frame.TRANSACTIONS, Transactions((raw,))) if isinstance(effect, Verify)
    )
    now = Now(replica.ledger.time_ms(0), 0)
    effects = replica.handle(Verified(signature.job, [True]), now)
    (proof,) = (effect for effect in effects if isinstance(effect, Prove))
    assert len(replica.flow.mempool) == 0
    # A block names it before the answer is there; then the answer is that it is false.
    block_id = want(replica, [raw])
    assert block_id not in replica.flow.missing()
    assert len(replica.flow.mempool) == 1
    replica.handle(Verified(proof.job, [False]), now)
    assert len(replica.flow.mempool) == 1
    assert replica.flow._unverified == 0


def test_what_a_block_misses_is_taken_without_a_look_at_its_proofs() -> None:
    replica, speaker = lone()
    raw = speaker.member("campus", note_key(speaker.chain_id, "campus", false=True))
    want(replica, [raw])
    for frame in (Frame.TRANSACTION_RESPONSE, Frame.TRANSACTIONS):
        for effect in receive(replica, frame, Transactions((raw,))):
            assert isinstance(effect, Verify)
            effects = replica.handle(Verified(effect.job, [True]), Now(replica.ledger.time_ms(0), 0))
            assert not [one for one in effects if isinstance(one, Prove)]
    assert len(replica.flow.mempool) == 1


# Bounds


def _asked(replica: Any, raws: Sequence[bytes], peer: str, now_ms: int, valid: bool) -> int:
    """Proofs that the replica wants checked for these, each answered with `valid`."""
    count = 0
    for raw in raws:
        effects = receive(replica, Frame.TRANSACTIONS, Transactions((raw,)), peer, now_ms)
        now = Now(replica.ledger.time_ms(0), now_ms)
        for effect in effects:
            if isinstance(effect, Verify):
                for wanted in replica.handle(Verified(effect.job, [True] * len(effect.triples)), now):
                    if isinstance(wanted, Prove):
                        count += len(wanted.assertions)
                        replica.handle(Verified(wanted.job, [valid] * len(wanted.assertions)), now)
    return count


def test_whoever_signs_garbage_is_soon_not_looked_at_and_others_are() -> None:
    replica, speaker = lone()
    chain = speaker.chain_id
    garbage = [speaker.member("campus", note_key(chain, "campus", n, false=True), nonce=0) for n in range(30)]
    assert _asked(replica, garbage, "solar", 0, False) == gate.SENDER_AT_ONCE // gate.FALSE_COST
    assert replica.work.counters["mempool.proofs"] == 28
    assert len(replica.flow.mempool) == 0
    # Its transactions without proofs go on, and those of other members.
    receive(replica, Frame.TRANSACTIONS, Transactions((speaker.member("campus", Transfer("solar", 1, ""), nonce=0),)))
    assert replica.flow._unverified == 1
    assert _asked(replica, [speaker.member("wind", note_key(chain, "wind"))], "solar", 0, True) == 1
    # Nobody is shut out for good.
    later = 1_000 * gate.FALSE_COST
    assert _asked(replica, garbage[2:], "solar", later, False) == 1


def test_whoever_is_named_by_others_is_not_shut_out() -> None:
    """Only a good signature counts against a sender: garbage in its name does not."""
    replica, speaker = lone()
    for number in range(30):
        raw = bytearray(speaker.member("campus", note_key(speaker.chain_id, "campus", number, false=True), nonce=0))
        raw[-1] ^= 1
        for effect in receive(replica, Frame.TRANSACTIONS, Transactions((bytes(raw),))):
            assert isinstance(effect, Verify)
            replica.handle(Verified(effect.job, [False]), Now(replica.ledger.time_ms(0), 0))
    assert (
        _asked(replica, [speaker.member("campus", note_key(speaker.chain_id, "campus"), nonce=0)], LIAR, 0, True) == 1
    )


def test_a_hundred_thousand_garbage_proofs_cost_a_bounded_number_of_checks() -> None:
    """From one sender through one peer, and from a hundred senders through one peer."""
    one, many = Gate(), Gate()
    checked = {"one": 0, "many": 0}
    for number in range(100_000):
        # A thousand a second.
        if one.is_open("campus", LIAR, number):
            checked["one"] += 1
            one.was_false("campus", LIAR, number)
        sender = f"member-{number % 100}"
        if many.is_open(sender, LIAR, number):
            checked["many"] += 1
            many.was_false(sender, LIAR, number)
    seconds = 100
    assert checked["one"] <= (gate.SENDER_AT_ONCE + seconds * gate.SENDER_PER_S) // gate.FALSE_COST + 1
    assert checked["many"] <= (gate.PEER_AT_ONCE + seconds * gate.PEER_PER_S) // gate.FALSE_COST + 1
    assert many.is_open("member-200", "solar", 100_000)


def test_a_hundred_thousand_garbage_proofs_in_blocks_are_paid_by_their_sender() -> None:
    """Its key has a budget: beyond it nothing is checked, and each refusal is one transaction that names it."""
    replica, speaker = lone()
    ledger = replica.ledger
    admission = replica.flow.admission
    asked: list[Assertion] = []

    def proves(assertion: Assertion) -> bool:
        asked.append(assertion)
        return False

    context = admission._context(ledger.time_ms(0))._replace(proves=proves)
    state = State(ledger, ledger.records)
    body = note_key(speaker.chain_id, "campus", false=True)
    candidate = admission.decode(speaker.member("campus", body), sha256(b""), local=False)
    assert not isinstance(candidate, str)
    envelope = candidate.entry.envelope
    codes = set()
    for nonce in range(100_000):
        codes.add(api.apply(state, replace(envelope, nonce=nonce), context).code)
        if codes == {"confidential.possession", "budget.exceeded"}:
            break
    assert codes == {"confidential.possession", "budget.exceeded"}
    assert len(asked) == context.params.units_per_key // api.units(envelope)


def test_answers_are_remembered_up_to_a_maximum_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "MAX_KNOWN", 3)
    checker = Checker()
    known = Proofs(checker)
    chain = "test-0000000000000000"
    made = [keys.possession(chain, "campus", note_key(chain, "campus", n, false=n == 2)) for n in range(5)]
    answered: list[list[bool]] = []
    known.check(made, urgent=False, done=answered.append)
    known.check(made, urgent=True, done=answered.append)
    assert answered == [[True, True, False, True, True]] * 2
    assert [len(asked) for asked, _ in checker.asked] == [5, 2]
    assert len(known) == 3
    assert [known.proves(one) for one in made] == [True, True, False, True, True]


def test_what_is_being_checked_is_not_asked_again_but_hurried_for_a_block() -> None:
    hurried: list[None] = []
    checker = Checker(held=True)
    known = Proofs(checker, lambda: hurried.append(None))
    chain = "test-0000000000000000"
    made = [keys.possession(chain, "campus", note_key(chain, "campus", n, false=n == 1)) for n in range(4)]
    answered: list[tuple[str, list[bool]]] = []
    known.check(made[:3], urgent=False, done=lambda valid: answered.append(("arrived", valid)))
    known.check(made[1:2] * 2, urgent=False, done=lambda valid: answered.append(("again", valid)))
    assert not hurried
    known.check(made[1:], urgent=True, done=lambda valid: answered.append(("block", valid)))
    assert len(hurried) == 1
    assert [(len(asked), urgent) for asked, urgent in checker.asked] == [(3, False), (1, True)]
    assert not answered
    checker.release()
    assert sorted(answered) == [
        ("again", [False, False]),
        ("arrived", [True, False, True]),
        ("block", [False, True, True]),
    ]
    assert not known._asked


def test_an_answer_is_for_all_of_the_statement_and_all_of_its_proof() -> None:
    chain = "test-0000000000000000"
    one = keys.possession(chain, "campus", note_key(chain, "campus"))
    known = Proofs()
    assert known.proves(one)
    for changed in (
        one._replace(kind="share of something"),
        one._replace(tag=one.tag + b"\0"),
        one._replace(instance=one.instance[:-1] + bytes([one.instance[-1] ^ 1])),
        one._replace(proof=one.proof[:-1] + bytes([one.proof[-1] ^ 1])),
        # The same bytes with another border between the parts.
        one._replace(tag=one.tag + one.instance[:1], instance=one.instance[1:]),
    ):
        assert known.get(proofs.digest(changed)) is None
        assert known.proves(changed) is check.verify(changed) is False


def test_a_frame_full_of_garbage_costs_what_its_sender_may_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once, before the first answer is known; and another sender in the same frame is not held up."""
    monkeypatch.setattr(gate, "MAX_WAITING", 5)
    replica, speaker = lone()
    chain = speaker.chain_id
    frame = [speaker.member("campus", note_key(chain, "campus", n, false=True), nonce=0) for n in range(20)]
    frame.append(speaker.member("wind", note_key(chain, "wind")))
    now = Now(replica.ledger.time_ms(0), 0)
    (effect,) = replica.handle(FrameReceived(LIAR, Frame.TRANSACTIONS, encode(Transactions(tuple(frame)))), now)
    assert isinstance(effect, Verify)
    (wanted,) = (one for one in replica.handle(Verified(effect.job, [True] * 21), now) if isinstance(one, Prove))
    assert len(wanted.assertions) == 6
    # While these wait, nothing more of that sender is checked.
    more = [speaker.member("campus", note_key(chain, "campus", n, false=True), nonce=0) for n in range(20, 25)]
    assert _asked(replica, more, "solar", 0, False) == 0
    replica.handle(Verified(wanted.job, [False] * 5 + [True]), now)
    assert [entry.owner for entry in replica.flow.mempool] == ["wind"]
    assert replica.work.counters["mempool.proofs-waiting"] == 20
    later = [speaker.member("campus", note_key(chain, "campus", 77), nonce=0)]
    assert _asked(replica, later, "solar", 1_000, True) == 0
    assert _asked(replica, later, "solar", 60_000, True) == 1
    assert not replica.flow._proofs._gate._waiting
