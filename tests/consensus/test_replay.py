"""A log of inputs is the whole recovery story: encoded, decoded and run again, it gives the same machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus import machine
from consensus.effects import LoggedInput, Sign, StartHeight
from tests.consensus.height import NAMES
from tests.consensus.soup import Soup
from tests.consensus.storms import storm
from zk.codec import Codec, encode

pytestmark = pytest.mark.properties

LOGGED: Codec[LoggedInput] = Codec(LoggedInput, 1 << 20)


def logs(seed: int) -> Soup:
    soup = storm(seed, 200, NAMES[seed % 4])
    soup.run_fairly()
    return soup


@given(seed=st.integers(0, 2**32 - 1))
def test_a_decoded_log_replays_to_the_same_state_and_effects(seed: int) -> None:
    soup = logs(seed)
    for node in soup.nodes.values():
        state, _ = machine.step(machine.initial(node.name), StartHeight(soup.context))
        for input_, recorded in zip(node.log, node.effects, strict=True):
            state, effects = machine.step(state, LOGGED.decode(encode(input_)))
            assert effects == recorded
        assert state == node.state


@given(seed=st.integers(0, 2**32 - 1), cut=st.floats(0, 1))
def test_a_crash_anywhere_loses_only_what_was_not_logged(seed: int, cut: float) -> None:
    """Replay up to any point, feed the rest: the machine signs what it had not asked for, and nothing twice."""
    soup = logs(seed)
    for node in soup.nodes.values():
        kept = int(len(node.log) * cut)
        state, _ = machine.step(machine.initial(node.name), StartHeight(soup.context))
        turns = []
        for input_ in (*node.log[:kept], *node.log[:kept], *node.log[kept:]):
            state, effects = machine.step(state, input_)
            turns += [
                (type(effect.message), effect.message.round, getattr(effect.message, "kind", None))
                for effect in effects
                if isinstance(effect, Sign)
            ]
        assert len(turns) == len(set(turns))
