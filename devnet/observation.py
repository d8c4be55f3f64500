"""What a run left behind, as public RPC showed it: plain records that can be kept, re-checked and changed by a test."""

from __future__ import annotations

from typing import Literal

import msgspec

from contracts.params import WagerParams


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Common options; `_nano` are decimal strings, bytes lower-case hex."""


class Submitted(Record, frozen=True):
    """One envelope that an agent signed and sent, whatever became of it."""

    hash: str
    kind: Literal["reading", "transfer", "need", "offer", "tariff", "correction", "word"]
    by: str
    """Meter of a reading, else member."""
    sequence: int = 0
    """Of a reading."""


HIDDEN = ""
"""In place of a member, where money goes into hidden balances or comes out of them."""


class Moved(Record, frozen=True):
    """Money that a transfer, a deposit or a withdrawal moved, from its receipt."""

    sender: str
    to: str
    amount_nano: str


class Corrected(Record, frozen=True):
    """A closed interval that a line of a later one's bills corrected."""

    meter: str
    interval: int
    booked_in: int
    cause: str = "returned"
    member: str = ""
    import_wh: int = 0
    """As the interval is billed from then on."""
    export_wh: int = 0
    amount_nano: str = "0"
    final: bool = False


class Decided(Record, frozen=True):
    """What a parent meter said about a disputed line."""

    parent_wh: int
    settled_wh: int
    decided_in: int
    final: bool


class Disputed(Record, frozen=True):
    """A line whose two ends disagreed in an interval."""

    line: str
    sending_meter: str
    receiving_meter: str
    parent_meter: str
    settled_wh: int
    held_wh: int
    verdict: Decided | None


class BlockView(Record, frozen=True):
    """A final block as one node shows it."""

    height: int
    id: str
    transactions: tuple[tuple[str, str], ...]
    """(hash, receipt code) in the order executed."""


class NodeView(Record, frozen=True):
    """One node at the end of a run."""

    name: str
    height: int
    state_root: str
    """In the header at the target height: an empty block follows every change, so this covers all of it."""
    blocks: tuple[BlockView, ...]
    sequences: dict[str, int]
    """Last reading of each meter, by this node's state."""
    registers: dict[str, tuple[int, int]] = {}
    """Its import and export register."""


class IntervalView(Record, frozen=True):
    """One interval that the run was about, with its money lines by member."""

    interval: int
    status: str
    demand_wh: int
    served_wh: int
    shed_wh: int
    unserved_wh: int
    """What the physical world could not feed; 0 where nobody was cut."""
    curtailed_wh: int
    """What sun and wind could have given and nobody took."""
    price_nano_per_wh: int
    injected_wh: int
    withdrawn_wh: int
    losses_wh: int
    bills_nano: dict[str, str]
    start_ms: int = 0
    silent: tuple[str, ...] = ()
    """Meters without a reading on time."""
    estimated: tuple[str, ...] = ()
    """Meters that the ledger estimated."""
    supplied_wh: dict[str, int] = {}
    """Ordered from each meter; those with nothing are left out."""
    flowed: dict[str, tuple[int, int]] = {}
    """What really crossed the meters of lines and those that misread at times."""
    disputes: tuple[Disputed, ...] = ()
    corrections_nano: dict[str, str] = {}
    """The lines `correction` of its bills, by member."""


class WagerView(Record, frozen=True):
    """What one member wagered in a round, and what became of it."""

    member: str
    claim: str
    amount_tokens: int
    verdict: str
    lost_tokens: int
    reward_tokens: int
    cost_nano: str | None = None
    reward_nano: str = "0"
    """Money that it earned."""


class IndexWord(Record, frozen=True):
    """A block's clock said something that moves a member's trust index, or might."""

    height: int
    member: str
    round: int | None = None
    """Round that judged a wager; None: less was delivered than ordered."""
    verdict: str = ""
    saved_nano: str = "0"
    lost_ppm: int = 0
    """By under-delivery."""


class RoundView(Record, frozen=True):
    """One round of wagering as it ended."""

    number: int
    interval: int
    phase: str
    reason: str
    builder: str | None
    fallback_nano: str
    cost_nano: str
    builders: tuple[str, ...]
    wagers: tuple[WagerView, ...]
    significance_ppm: int = 0


class Refused(Record, frozen=True):
    """A word about a round that a block holds and the contract refused."""

    member: str
    round: int
    code: str


class TrustView(Record, frozen=True):
    """A member's trust at the end."""

    member: str
    tokens: int
    """In any form."""
    bonded_tokens: int
    index_ppm: int
    tombstoned: bool
    power: int
    """In force for the next block."""


class Punished(Record, frozen=True):
    """An offence, and what it cost."""

    member: str
    kind: str
    height: int
    """Of the block that recorded it."""
    taken_tokens: int
    whistleblower: str | None
    rewarded_tokens: int


class Wagering(Record, frozen=True):
    """Everything about trust: what it was at the start, what happened to it, and what it was at the end."""

    terms: WagerParams
    epoch_blocks: int
    opening: dict[str, tuple[int, int]]
    """Tokens and index by member."""
    pool_tokens: int
    trusts: tuple[TrustView, ...]
    rounds: tuple[RoundView, ...] = ()
    """Ascending by number."""
    refused: tuple[Refused, ...] = ()
    punished: tuple[Punished, ...] = ()
    words: tuple[IndexWord, ...] = ()
    """In the order of the chain."""
    window_intervals: int = 1
    """Intervals that one round is about."""


class StatementView(Record, frozen=True):
    """One member's statement of one billing cycle, verified against the genesis document alone."""

    member: str
    cycle: int
    total_nano: str = "0"
    code: str = "ok"
    """Why it is not proven."""


class CycleView(Record, frozen=True):
    """One private billing cycle of one campus as it ended, added up again from what is public of it."""

    campus: str
    cycle: int
    phase: str
    uses: int
    wide: tuple[str, ...]
    named: tuple[tuple[str, str, str], ...]
    """Member, meter and reason."""
    outcomes: dict[str, str]
    """Of each source."""
    unpaid: tuple[str, ...]
    """Meters with a bill that waits."""
    estimated_wh: int
    adds_up: bool
    """The shares and what is held back are the total, and that is the sum of all uses and estimates, as points."""


class SealedView(Record, frozen=True):
    """One sealed round as it ended."""

    interval: int
    phase: str
    outcome: str
    reason: str
    demand_wh: int | None
    target_wh: int | None
    """None: it has no price."""
    price_nano_per_wh: int | None
    awarded_wh: int | None
    paid_nano: str
    bidders: tuple[str, ...]
    short: tuple[str, ...]
    """Suppliers with a shortfall."""
    lost: tuple[str, ...]
    """Suppliers that lost their wager."""
    openings: int
    ticks: int
    seconds: float
    """From its opening to the buyer's payment."""
    beside_wh: int
    """Served in the open, in the same interval."""


class Observation(Record, frozen=True):
    """Everything that the expectations are about."""

    scenario: str
    chain_id: str
    profile_source: str
    profile_sha256: str
    target_height: int
    """Highest final height when the run was over: every node must have it."""
    nodes: tuple[NodeView, ...]
    submitted: tuple[Submitted, ...]
    transfers: tuple[Moved, ...]
    opening_nano: dict[str, str]
    balances_nano: dict[str, str]
    intervals: tuple[IntervalView, ...]
    """Those the run was about, and any other that has settled."""
    expected_intervals: tuple[int, ...]
    """Those the run was about, ascending; expectations that count intervals count these."""
    shown: dict[str, tuple[int, int]] = {}
    """What each meter's registers physically showed when it last spoke."""
    corrected: tuple[Corrected, ...] = ()
    wagering: Wagering | None = None
    """Tokens, index and rounds; None in a recording that says nothing of them."""
    statements: tuple[StatementView, ...] = ()
    """Where the scenario expects them to be proven."""
    private: tuple[CycleView, ...] = ()
    sealed: tuple[SealedView, ...] = ()
    leaks: tuple[str, ...] = ()
    """Secrets of others that were found at a supplier's node, and where."""
    secrets: int = 0
    """That were looked for."""
