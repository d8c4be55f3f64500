"""Lies to clients."""

from __future__ import annotations

from contracts.envelope import Domains
from devnet.simulator.behaviours.base import Behaviour, behaviour
from node.effects import Submission


@behaviour
class AcceptAndForget(Behaviour):
    """Says "ok" to every client, and drops what it was given."""

    name = "accept-and-forget"

    def take(self, envelopes: list[bytes]) -> list[Submission] | None:
        self.acted(len(envelopes))
        domains = Domains(self.chain_id)
        return [Submission(domains.transaction_id(raw), "ok") for raw in envelopes]
