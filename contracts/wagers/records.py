"""What state keeps about rounds of wagering: the records behind the tables of `contracts.schema`.

Types and bounds only. A round and the wagers on it stay for good once they are judged; solutions stay until then, and
in the transactions that revealed them.
"""

from __future__ import annotations

from typing import Annotated

from contracts.bodies import MAX_SOLUTION_BYTES
from contracts.members import Record
from contracts.params import MAX_BUILDERS, WagerParams
from contracts.units import (
    PPM,
    Count,
    Emission,
    Energy,
    Hash,
    Height,
    Id,
    Interval,
    Meta,
    Money,
    Ppm,
    Time,
    TokenAmount,
    Tokens,
)

MAX_ROUNDS = 64
"""Rounds that may be open at once; what needs one beyond that is decided by its fallback."""
MAX_WAGERS = 256
"""Wagers on one round."""
MAX_HEARD = 256
"""Organisations that a round remembers as proposers; no set has as many that weigh less than 1/3 together."""

WAGERING, DRAWING, COMMITTING, REVEALING, JUDGED = PHASES = ("wager", "draw", "commit", "reveal", "judged")

Digest = Annotated[bytes, Meta(max_length=32)]
"""A hash, or empty where there is none yet."""


class Round(Record, frozen=True):
    """One question with money at stake, from its opening to what was decided. Written by `contracts.wagers.rounds`."""

    number: Count
    judge: Id
    """Which rules decide what a solution is and is worth."""
    subject: Count
    """What it is about, by the judge's own count: an interval for `dispatch`."""
    opener: Id | None
    """Organisation whose need it is; None: the pact, by its clock."""
    stake_nano: Money
    """Money at stake here, without other rounds of the opener."""
    significance_ppm: Ppm
    """With them."""
    opened_height: Height
    opened_ms: Time
    last_ms: Time
    """From here on the fallback decides, whatever phase the round is in."""
    terms: WagerParams
    """Rules that hold for this round."""
    rules_hash: Hash
    """All parameters at the opening: under others nobody could say which solution is right."""

    phase: Id
    since_height: Height
    """Block in which the phase began."""
    ends_ms: Time
    """The phase lasts at least until then; nothing in the phase `draw`."""
    closing_height: Height = 0
    """First block after that, from which on blocks and their proposers are counted; 0: it has not come."""
    heard: Annotated[tuple[Id, ...], Meta(max_length=MAX_HEARD)] = ()
    """Organisations that have proposed one of these, or in the phase `draw` any block."""
    randomness: Digest = b""
    """What the builders are drawn from, as far as it has been mixed."""
    wagers: Count = 0
    builders: Annotated[tuple[Id, ...], Meta(max_length=MAX_BUILDERS)] = ()
    """In the order in which they were drawn."""

    outcome: Id = "open"
    """`builder` or `fallback`: whose solution was ordered."""
    reason: Id = "none"
    """Why no builder's could be: `few`, `trust`, `late`, `rules`."""
    builder: Id | None = None
    """The one of the best builders that was drawn first."""
    fallback_nano: Money = 0
    """Cost of the fallback; at the bound of money where changed rules let it pass that, as the next."""
    cost_nano: Money = 0
    """Cost of what was ordered."""
    judged_height: Height = 0
    paid_in: Interval | None = None
    """The interval whose bills have the money of its builders; None: they were owed none, or are not paid yet."""


class Wagered(Record, frozen=True):
    """The wager of one member on one round, and what became of it."""

    member: Id
    round: Count
    claim: Id
    amount_tokens: TokenAmount
    commitment: Digest = b""
    solution_hash: Digest = b""
    verdict: Id = "open"
    """See `contracts.wagers.judging`; before that `open`, and `undrawn` for who was not drawn."""
    cost_nano: Money | None = None
    """The next three: what the judge found of a feasible solution."""
    energy_wh: Energy | None = None
    carbon_ug: Emission | None = None
    lost_tokens: Tokens = 0
    reward_tokens: Tokens = 0
    reward_nano: Money = 0
    """Money that its builder is owed, and that bills of the first interval which the round decided have."""


class Solution(Record, frozen=True):
    """A revealed solution that waits for its judgement. Working record."""

    solution: Annotated[bytes, Meta(max_length=MAX_SOLUTION_BYTES)]


class OpenRounds(Record, frozen=True):
    """Rounds that are not judged, ascending. Working record."""

    rounds: Annotated[tuple[Count, ...], Meta(max_length=MAX_ROUNDS)]


class RoundCount(Record, frozen=True):
    """Rounds so far."""

    count: Count


def minimum_wager(round_: Round) -> int:
    """Smallest wager on the round, in tokens. Public, and the same for everybody."""
    return _grown(round_.terms.minimum_wager_tokens, round_)


def minimum_trust(round_: Round) -> int:
    """Smallest net trust of who wagers on the round."""
    return _grown(round_.terms.minimum_trust_tokens, round_)


def draw_trust(round_: Round) -> int:
    """Smallest net trust of all drawn builders together."""
    return _grown(round_.terms.draw_trust_tokens, round_)


def _grown(tokens: int, round_: Round) -> int:
    """A bar at the significance of the round: as it is without any, twice as high at the full one."""
    return tokens + tokens * round_.significance_ppm // PPM
