"""From what is known of a height to the next input of its round machine.

Truth table; the first row that holds is the next input, "-" is "any". It is asked again after every new fact
(a threshold, a proposal, a checked payload, a new step), until no row holds: a fact that arrives before what
it waits for is never lost, and the marks in `RoundState` keep each row from holding twice.

| row | step    | proposal of the round | votes                                | input           | line     |
|-----|---------|-----------------------|--------------------------------------|-----------------|----------|
| 1   | -       | block valid, payload  | commit quorum, any round             | Committed       | L49      |
| 2   | -       | anything less         | commit quorum, any round             | (wait for it)   | L49      |
| 3   | -       | -                     | > 1/3 in a later round               | Skip            | L55      |
| 4   | propose | 1st invalid, refused  | -                                    | ProposedInvalid | L26, L32 |
| 5   | propose | 1st valid, vr = -1    | -                                    | Proposed        | L22      |
| 6   | propose | 1st valid, vr >= 0    | polka of round vr for its block      | ProposedAgain   | L28      |
| 7   | voting  | any valid (vr)        | polka of this round, (block, vr), *  | Polka           | L36      |
| 8   | prevote | -                     | polka nil of this round              | PolkaNil        | L44      |
| 9   | prevote | -                     | > 2/3 prevotes of this round, *      | PrevotesAny     | L34      |
| 10  | -       | -                     | > 2/3 precommits of this round, *    | PrecommitsAny   | L47      |
| 11  | -       | its block valid       | polka of an earlier round, newer     | EarlierPolka    | L42      |
|     |         |                       | than the valid value's               |                 |          |

"voting" is prevote or precommit; "*" is once per round.

A pending proposal (payload unchecked) matches no row: the timeout propose (L57) is the way out. "Refused" is
a proposal that may not be prevoted although its block is valid (untimely): it fails row 4, and still serves
row 7, for others may have found it timely. Row 6 needs no equal valid_round: any polka of round vr for the
block justifies it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from consensus.effects import Step
from consensus.messages import NO_ROUND, PolkaCertificate
from consensus.round import (
    Committed,
    EarlierPolka,
    Mark,
    Polka,
    PolkaNil,
    PrecommitsAny,
    PrevotesAny,
    Proposed,
    ProposedAgain,
    ProposedInvalid,
    RoundInput,
    RoundState,
    Skip,
)


class Standing(IntEnum):
    """What is known of a block."""

    PENDING = 1
    """Header and body are valid; the payload is not checked yet."""
    VALID = 2
    INVALID = 3


class Seen(NamedTuple):
    """A proposal of the current round."""

    block_id: bytes
    valid_round: int
    standing: Standing
    refused: bool = False
    """It may not be prevoted, whatever its block is worth."""


class Commitment(NamedTuple):
    """A block id with a commit quorum. `ready`: block known, valid, payload there."""

    block_id: bytes
    ready: bool


class View(NamedTuple):
    """The facts of a height, as seen from the current round."""

    proposals: tuple[Seen, ...] = ()
    """Of the current round; the first to arrive is the one to prevote."""
    polkas: Mapping[int, PolkaCertificate] = {}
    """By round."""
    polka_nil: bool = False
    prevotes_any: bool = False
    precommits_any: bool = False
    commit: Commitment | None = None
    skip_to: int | None = None
    earlier: Mark | None = None
    """Newest earlier round whose polka is for a block that is valid and has its payload here."""


def next_input(state: RoundState, view: View) -> RoundInput | None:
    """The round machine's next input, or None when it has to wait."""
    if state.decided:
        return None
    # Rows 1 and 2.
    if view.commit is not None:
        return Committed(view.commit.block_id) if view.commit.ready else None
    # Row 3.
    if view.skip_to is not None and view.skip_to > state.round:
        return Skip(view.skip_to)
    of_step = _propose_rows(view) if state.step == Step.PROPOSE else _vote_rows(state, view)
    if of_step is not None:
        return of_step
    # Row 10.
    if view.precommits_any and not state.precommit_timer:
        return PrecommitsAny()
    # Row 11.
    earlier = view.earlier
    if (
        earlier is not None
        and earlier.round < state.round
        and (state.valid is None or earlier.round > state.valid.round)
    ):
        return EarlierPolka(earlier.block_id, earlier.round)
    return None


def _propose_rows(view: View) -> RoundInput | None:
    if not view.proposals:
        return None
    first = view.proposals[0]
    # Row 4.
    if first.refused or first.standing == Standing.INVALID:
        return ProposedInvalid()
    if first.standing != Standing.VALID:
        return None
    # Row 5.
    if first.valid_round == NO_ROUND:
        return Proposed(first.block_id)
    # Row 6.
    polka = view.polkas.get(first.valid_round)
    if polka is not None and polka.block_id == first.block_id:
        return ProposedAgain(first.block_id, first.valid_round)
    return None


def _vote_rows(state: RoundState, view: View) -> RoundInput | None:
    # Row 7.
    polka = view.polkas.get(state.round)
    if polka is not None and not state.polka_used:
        for seen in view.proposals:
            matches = (polka.block_id, polka.valid_round) == (seen.block_id, seen.valid_round)
            if matches and seen.standing == Standing.VALID:
                return Polka(seen.block_id)
    if state.step != Step.PREVOTE:
        return None
    # Row 8.
    if view.polka_nil:
        return PolkaNil()
    # Row 9.
    if view.prevotes_any and not state.prevote_timer:
        return PrevotesAny()
    return None
