"""Lanes of account keys, and admission to a mempool, which asks the same without writing."""

from __future__ import annotations

import msgspec
import pytest
from ledger_world import FIRST, Chain
from provocations import FREE, NEXT, with_params
from sealed_provocations import CASES

from contracts import api
from contracts.bodies import Need
from contracts.schema import ACCOUNTS
from contracts.state import State
from contracts.units import MAX_COUNT
from zk.codec import encode


def test_envelope_is_valid_up_to_and_including_its_expiry_height() -> None:
    chain = Chain()
    last = msgspec.structs.replace(chain.pay("bio", "solar", 1), expiry_height=1)
    assert api.admit(State(chain.store), last, chain.context()) == "ok"
    assert chain.run(last) == "ok"


def test_budget_comes_back_with_the_next_interval() -> None:
    chain = Chain(with_params(units_per_key=1))
    assert chain.run(chain.pay("bio", "solar", 1)) == "ok"
    waiting = chain.pay("bio", "solar", 1)
    assert chain.at(FIRST + 1, -1).run(waiting) == "budget.exceeded"
    assert chain.at(FIRST + 1).run(waiting) == "ok"


def test_lane_ends_before_its_counter_would() -> None:
    chain = Chain()
    account = chain.account("bio")
    lanes = (msgspec.structs.replace(account.lanes[0], next_nonce=MAX_COUNT), *account.lanes[1:])
    chain.store[ACCOUNTS.key("bio")] = encode(msgspec.structs.replace(account, lanes=lanes))
    envelope = chain.pay("bio", "solar", 1)
    assert envelope.nonce == MAX_COUNT
    assert chain.run(envelope) == "tx.nonce"
    assert api.admit(State(chain.store), envelope, chain.context()) == "tx.nonce"


# Admission: the same sentences, without writing


@pytest.mark.parametrize(
    "code", sorted(code for code in FREE if code not in {"tx.nonce", "reading.gap", "reading.future"})
)
def test_admission_refuses_what_cannot_execute(code: str) -> None:
    chain, envelope = CASES[code]()
    state = State(chain.store)
    expected = "ok" if code in {"reading.open-full", "reading.cycles-full"} else code
    assert api.admit(state, envelope, chain.context()) == expected
    assert state.changes() == {}


def test_admission_keeps_a_window_of_nonces_and_sequences() -> None:
    chain = Chain()
    chain.block(chain.pay("bio", "solar", 1))
    state, context = State(chain.store), chain.context()
    window = {
        nonce: api.admit(state, chain.say("bio", Need(NEXT, 1, 1, None, 0), nonce), context)
        for nonce in (0, 1, 1024, 1025)
    }
    assert window == {0: "tx.nonce", 1: "ok", 1024: "ok", 1025: "tx.nonce"}
    reading = chain.reading("m-solar", FIRST, 0, 1)
    ahead = {
        sequence: api.admit(
            state,
            chain.meter_says("m-solar", msgspec.structs.replace(reading.body, sequence=sequence)),
            context,
        )
        for sequence in (1, 1023, 1024)
    }
    assert ahead == {1: "ok", 1023: "ok", 1024: "reading.gap"}
