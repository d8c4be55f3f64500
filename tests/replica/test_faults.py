"""Any schedule of crashes, partitions, losses and submissions: honest nodes agree, and nothing accepted is lost."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.bodies import Transfer
from tests.replica.test_network import agreed, balance, heights, network, quiet
from tests.support.pact import VALIDATORS

ACTIONS = st.one_of(
    st.tuples(st.just("submit"), st.sampled_from(VALIDATORS)),
    st.tuples(st.just("run"), st.sampled_from([0, 3, 10, 40, 150, 600, 1_500])),
    st.tuples(st.just("crash"), st.sampled_from(VALIDATORS)),
    st.tuples(st.just("start"), st.sampled_from(VALIDATORS)),
    st.tuples(st.just("cut"), st.sets(st.sampled_from(VALIDATORS), min_size=1, max_size=3)),
    st.tuples(st.just("heal"), st.none()),
    st.tuples(st.just("lose"), st.integers(0, 60)),
)


@settings(max_examples=40)
@given(st.integers(0, 2**16), st.lists(ACTIONS, min_size=20, max_size=80))
def test_no_schedule_of_faults_breaks_agreement_or_loses_what_was_accepted(seed: int, actions: list) -> None:
    net, speaker = network(seed)
    accepted = 0
    loss = 0
    net.drop = lambda *_: net.random.randrange(100) < loss
    for name, argument in actions:
        machine = net.machines.get(argument) if isinstance(argument, str) else None
        if name == "submit" and machine is not None and machine.driver is not None:
            nonces = dict(speaker.nonces)
            request = machine.submit(speaker.member("campus", Transfer("wind", 1, "")))
            if machine.replies[request][0].code == "ok":
                accepted += 1
            else:
                speaker.nonces = nonces
        elif name == "run":
            net.run_for(argument)
        elif name == "crash" and machine is not None and machine.driver is not None:
            machine.crash()
        elif name == "start" and machine is not None and machine.driver is None:
            machine.start()
        elif name == "cut":
            net.partition(set(argument), set(VALIDATORS) - set(argument))
        elif name == "heal":
            net.heal()
        elif name == "lose":
            loss = argument
        if len(net.alive()) > 1:
            agreed(net)
    loss = 0
    net.heal()
    for machine in net.machines.values():
        if machine.driver is None:
            machine.start()
    quiet(net)
    agreed(net)
    assert len(set(heights(net))) == 1
    for node in net.machines:
        assert balance(net, node, "wind") == 10**12 + accepted
