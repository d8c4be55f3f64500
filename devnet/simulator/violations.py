"""The rules that a run is judged by, and what a run ends with when one is broken."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import msgspec

ORACLES = {
    "agreement": "no two honest nodes decide different blocks of one height",
    "validity": "every decided block stands on the one below, under the right set, with an honest account of its body",
    "certificate": "every decision is certified by signatures of distinct seats worth more than 2/3 of power",
    "double-vote": "an honest key signs one proposal, prevote and precommit a round, across restarts",
    "durable": "nothing signed leaves before all that it rests on is on the medium",
    "timely": "no honest node prevotes a fresh block whose time is off its clock",
    "rounds": "honest nodes leave a round when more than 2/3 precommitted in it, or more than 1/3 are further",
    "lock": "no honest node prevotes against its lock without a newer polka",
    "polka": "no honest node precommits what more than 2/3 have not prevoted, nor repeats what never had a polka",
    "roots": "equal heights have equal state and receipts roots, those of an execution from genesis",
    "once": "what is executed is signed by its sender, and no nonce or sequence counts twice",
    "money": "what all members have together never changes",
    "tokens": "no trust token appears or vanishes, and none is owed",
    "seats": "every seating follows from the one before and from bonds and indexes, within cap and churn budget",
    "wager": "no honest member loses a wager for what it said",
    "law": "nothing changes in the pact without the power that it takes",
    "slashed": "evidence costs its organisation bond and name, at once and for good, and nobody else anything",
    "blame": "no honest node penalises another, and no evidence names one",
    "stopped": "no honest node stops by itself",
    "crash": "no input raises",
    "accepted": "what an honest node accepted is on the ledger in the end",
    "evidence": "whoever contradicts itself before one honest node is punished on the ledger",
    "liveness": "with a quorum healed, heights are decided within bounded time, and everybody catches up",
}
"""Every rule by name. `devnet.simulator.oracles` holds most of them, runs and twins those about how it must end."""


class Violation(Exception):
    """`oracle` names the rule, the message says who broke it and how."""

    def __init__(self, oracle: str, message: str) -> None:
        assert oracle in ORACLES
        super().__init__(message)
        self.oracle = oracle


class Failure(msgspec.Struct, frozen=True):
    """The rule that was broken, and how."""

    oracle: str
    message: str


def judged(play: Callable[[], None]) -> Failure | None:
    """The first rule that breaks while `play` runs. Never raises for what the replicas do: an exception is a broken
    rule too."""
    try:
        play()
    except Violation as violation:
        return Failure(violation.oracle, str(violation))
    except Exception:
        return Failure("crash", traceback.format_exc(limit=-8))
    return None
