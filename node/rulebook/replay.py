"""A rulebook on a recorded day: what would fire, what it would say, and which limit would stop it. Sends nothing.

A day is a file of sights, one JSON document a line, as ruled agents record them. What the day's bills cost is in it, so
limits are hit where they would have been hit, as far as the rulebook under test behaves like the one that was recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from node.disk import MemoryDisk
from node.rulebook.decision import Decision, decide
from node.rulebook.document import Rulebook
from node.rulebook.expression import RulebookError
from node.rulebook.ledger import RuleLedger
from node.rulebook.sight import Sight, Spent

DAYS = Path(__file__).parent / "days"
MAX_SIGHTS = 3_000
MAX_DAY_BYTES = 64 * 1024 * 1024
_DECODE = msgspec.json.Decoder(Sight).decode


class Step(NamedTuple):
    """One interval of a day."""

    sight: Sight
    spent: Spent
    decision: Decision


def shipped() -> list[str]:
    """Members of whom a day is shipped."""
    return sorted(path.stem for path in DAYS.glob("*.jsonl"))


def load_day(path: Path) -> list[Sight]:
    """A recorded day, ascending. Raises `rulebook.day`."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_DAY_BYTES + 1)
        lines = raw.splitlines()
        if len(raw) > MAX_DAY_BYTES or len(lines) > MAX_SIGHTS:
            raise ValueError(f"more than {MAX_SIGHTS} intervals")
        day = [_DECODE(line) for line in lines]
    except (OSError, ValueError) as error:
        raise RulebookError(
            "rulebook.day", f"{path} is no recorded day: {error}.", "`agent run --record FILE` writes one."
        ) from None
    if not day or [one.interval for one in day] != sorted({one.interval for one in day}):
        raise RulebookError("rulebook.day", f"{path} has no intervals in rising order.", "Give a whole recording.")
    return day


def replay(rulebook: Rulebook, day: Sequence[Sight]) -> list[Step]:
    """What the rulebook would do with each sight of a day."""
    ledger = RuleLedger(Path("day"), "recorded", rulebook.member, MemoryDisk())
    steps = []
    for sight in day:
        spent = ledger.look(sight)
        decision = decide(rulebook, sight, spent)
        if decision.stopped is None:
            ledger.act(sight.interval, decision.spend_nano, decision.stake_tokens, ())
        steps.append(Step(sight, spent, decision))
    return steps
