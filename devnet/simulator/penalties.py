"""What evidence in a block must have cost: reckoned anew for every block, without the contracts that take it.

Part of `devnet.simulator.oracles`. Whoever is accused loses bond and unlocking tokens at once and for good, and nobody
else loses anything for an offence.
"""

from __future__ import annotations

from collections.abc import Sequence

from consensus.messages import Header
from contracts.genesis import ConsensusParams
from contracts.members import Trust
from contracts.offences import Charge
from contracts.schema import OFFENCES, TOMBSTONE_LIST, TOMBSTONES, TRUSTS
from contracts.state import State
from devnet.simulator.violations import Violation
from node.ledger.ledger import Ledger


class Penalties:
    """Watches the offences of one chain; `ledger` is its execution from genesis."""

    def __init__(self, ledger: Ledger, limits: ConsensusParams) -> None:
        self._ledger = ledger
        self._limits = limits
        self._punished: set[str] = set()

    def foresee(self, header: Header, charges: Sequence[Charge]) -> dict[str, int]:
        """Before the block is executed: what stands behind the word of each organisation that it accuses."""
        at_stake: dict[str, int] = {}
        for charge in charges:
            if charge.member in self._punished:
                raise Violation("slashed", f"block {header.height} holds evidence against {charge.member} once more")
            trust = self._trust(charge.member)
            leaving = (
                part.amount_tokens
                for part in trust.unlocking
                if not part.power_height
                or header.height - part.power_height <= self._limits.evidence_age_blocks
                or header.time_ms - part.power_ms <= self._limits.evidence_age_ms
            )
            at_stake[charge.member] = trust.bonded_tokens + sum(leaving)
        return at_stake

    def check(self, charges: Sequence[Charge], at_stake: dict[str, int]) -> None:
        """After the block was executed."""
        height, state = self._ledger.height, State(self._ledger)
        for charge in charges:
            offence = state.load(OFFENCES, OFFENCES.key(charge.node, charge.height))
            taken = 0 if charge.member in self._punished else at_stake[charge.member]
            self._punished.add(charge.member)
            share = 0 if charge.reporter in self._punished else taken * self._limits.whistleblower_ppm // 1_000_000
            if offence is None or (offence.taken_tokens, offence.rewarded_tokens) != (taken, share):
                raise Violation("slashed", f"block {height} takes {offence}, not {taken} and {share} of it as reward")
        stones = state.load(TOMBSTONES, TOMBSTONE_LIST)
        if (() if stones is None else stones.members) != tuple(sorted(self._punished)):
            raise Violation("slashed", f"after block {height} the tombstones are {stones}, not {self._punished}")
        for member in sorted(self._punished):
            trust = self._trust(member)
            if trust.bonded_tokens or trust.unlocking or trust.index_ppm:
                raise Violation("slashed", f"after block {height} the word of {member} weighs something: {trust}")

    def _trust(self, member: str) -> Trust:
        trust = State(self._ledger).entry(TRUSTS, member)
        assert trust is not None, "every organisation that is seated is a member"
        return trust
