"""A member that speaks for itself: what every agent of private billing and of sealed dispatch has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from contracts.bodies import AccountBody
from node.agents.proven import ProvenLedger
from node.wallet.account import Owner

Say = Callable[[AccountBody], Awaitable[str]]
"""Signs a body, sends it, and answers with the code of its receipt once it is final."""
Entropy = Callable[[], bytes]
"""32 bytes that nobody else knows, at every call others."""


class Party:
    """A member's secrets, its view of the ledger, and a way to speak."""

    def __init__(self, owner: Owner, ledger: ProvenLedger, say: Say, entropy: Entropy) -> None:
        self.member = owner.member
        self._owner = owner
        self._ledger = ledger
        self._chain_id = ledger.chain_id
        self._say = say
        self._entropy = entropy
        self._height = 0

    def since(self, height: int) -> None:
        """Believe no view that is older: the member's last word is in it."""
        self._height = max(self._height, height)
