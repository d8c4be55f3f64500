"""Known answers of the light client's verdict.

From the model-based tests of tendermint-rs (light-client/tests/support/model_based/single_step, MC4_4_faulty and
MC10_3_faulty): runs of the TLA+ specification that the model checker Apalache found, each step with its verdict. They
are abstract (names, times in seconds, a trusting period of 1,400, equal powers), so each is signed anew in our form.
An empty set has no form here: in HeaderFromFuture and UntrustedBeforeTrusted one seat stands for it, and one step of
Failure, which the specification leaves undecided for want of trust, is left out.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from consensus.light import LightBlock, Verdict, judge, verify
from tests.consensus.light_chain import SECOND, light_block

OK, LITTLE, BAD = Verdict.SUCCESS, Verdict.NOT_ENOUGH_TRUST, Verdict.INVALID
TRUSTING_PERIOD_MS = 1_400 * SECOND
POWER = 50
ALL = "1234"


class Known(NamedTuple):
    """`height` at `time` with set, next set and signers; nodes by their digits, 0 for n10."""

    height: int
    time: int
    validators: str
    next_validators: str
    signers: str

    def block(self) -> LightBlock:
        """The same, signed."""
        return light_block(
            self.height, self.time * SECOND, _set(self.validators), _set(self.next_validators), _names(self.signers)
        )


class Step(NamedTuple):
    """What was judged at which time, and what came out; `code` is our reason."""

    now: int
    untrusted: Known
    verdict: Verdict
    code: str


def _names(digits: str) -> list[str]:
    return [f"n{digit}" for digit in digits]


def _set(digits: str) -> dict[str, int]:
    return {name: POWER for name in _names(digits)}


def _first(next_validators: str, everybody: str = ALL) -> Known:
    return Known(1, 1, everybody, next_validators, everybody)


RUNS: dict[str, tuple[Known, list[Step]]] = {
    "HalfValsetChanges": (
        _first("134"),
        [
            Step(1398, Known(5, 4, "2", "1", "2"), LITTLE, "light.trust"),
            Step(1400, Known(3, 3, "13", "13", "13"), OK, ""),
            Step(1400, Known(4, 4, "13", "1", "13"), OK, ""),
        ],
    ),
    "Failure": (
        _first("14"),
        [
            Step(5, Known(4, 4, "3", "134", "3"), LITTLE, "light.trust"),
            Step(1402, Known(2, 2, "13", "1234", "2"), BAD, "light.expired"),
        ],
    ),
    "3NotEnoughTrustFailure": (
        _first("3"),
        [
            Step(1398, Known(4, 4, "4", "13", "4"), LITTLE, "light.trust"),
            Step(1398, Known(3, 3, "1234", "4", "124"), LITTLE, "light.trust"),
            Step(1398, Known(2, 2, "3", "1234", "3"), OK, ""),
            Step(1399, Known(4, 4, "4", "13", "4"), LITTLE, "light.trust"),
            Step(1403, Known(3, 3, "1234", "4", "124"), BAD, "light.expired"),
        ],
    ),
    "3NotEnoughTrustSuccess": (
        _first("124"),
        [
            Step(7, Known(4, 6, "2", "3", "2"), LITTLE, "light.trust"),
            Step(7, Known(3, 5, "34", "2", "34"), LITTLE, "light.trust"),
            Step(9, Known(2, 3, "124", "34", "124"), OK, ""),
            Step(1402, Known(4, 6, "2", "3", "2"), LITTLE, "light.trust"),
            Step(1402, Known(3, 5, "34", "2", "34"), OK, ""),
        ],
    ),
    "HeaderFromFuture": (_first("23"), [Step(1401, Known(4, 1402, "1", "4", ""), BAD, "light.expired")]),
    "UntrustedBeforeTrusted": (_first("23"), [Step(1401, Known(4, 0, "23", "1", ""), BAD, "light.expired")]),
    "HeaderNotWithinTrustingPeriod": (
        _first("2"),
        [
            Step(5, Known(5, 4, "4", "34", "4"), LITTLE, "light.trust"),
            Step(5, Known(2, 2, "2", "2", "2"), OK, ""),
            Step(1403, Known(3, 3, "1", "134", "3"), BAD, "light.expired"),
        ],
    ),
    "LessThanTwoThirdsSign": (
        _first("14"),
        [
            Step(5, Known(4, 4, "2", "12", "2"), LITTLE, "light.trust"),
            Step(6, Known(3, 3, "3", "2", "3"), LITTLE, "light.trust"),
            Step(1400, Known(2, 2, "14", "3", "2"), BAD, "light.signers"),
        ],
    ),
    "NonMonotonicHeight": (_first("234"), [Step(1400, Known(1, 4, "1234", "1", "1"), BAD, "light.height")]),
    "EmptyCommitNonEmptyValset": (_first("14"), [Step(1400, Known(4, 2, "3", "23", ""), BAD, "light.signers")]),
    "ValsetDifferentAllSteps": (
        _first("123"),
        [
            Step(5, Known(4, 4, "1", "124", "1"), LITTLE, "light.trust"),
            Step(5, Known(2, 2, "123", "34", "123"), OK, ""),
            Step(5, Known(3, 3, "34", "1", "34"), OK, ""),
        ],
    ),
    "OneThirdValsetChanges": (
        _first("134"),
        [
            Step(1398, Known(4, 6, "23", "14", "23"), LITTLE, "light.trust"),
            Step(1398, Known(2, 3, "134", "23", "134"), OK, ""),
            Step(1399, Known(3, 4, "23", "23", "23"), OK, ""),
        ],
    ),
    "MC10 HalfValsetChangesVerdictNotEnoughTrust": (
        _first("0468", "1234567890"),
        [
            Step(1400, Known(3, 3, "2358", "10267", "258"), LITTLE, "light.trust"),
            Step(1400, Known(2, 2, "0468", "2358", "0468"), OK, ""),
        ],
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_the_verdicts_of_the_specification(name: str) -> None:
    first, steps = RUNS[name]
    trusted = first.block()
    for step in steps:
        untrusted = step.untrusted.block()
        judged = judge(trusted, untrusted, step.now * SECOND, TRUSTING_PERIOD_MS, 0)
        assert (judged.verdict, judged.code) == (step.verdict, step.code), judged.reason
        assert verify(trusted, untrusted, step.now * SECOND, TRUSTING_PERIOD_MS, 0) is step.verdict
        if step.verdict is OK:
            trusted = untrusted
