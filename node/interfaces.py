"""What a replica's driver must provide. Production, tests and the simulator each bring their own.

The replica itself never calls these: it returns effects, and the driver carries them out through them. Reading the
store is the one exception, because execution and admission read committed state.
"""

from __future__ import annotations

from typing import Protocol

from consensus.messages import Proposal, Vote
from node.peer.wire import Frame


class Clock(Protocol):
    """Ledger time for what is agreed, monotonic time for timeouts."""

    def ledger_ms(self) -> int:
        """UTC milliseconds as the pact counts them (a devnet's may run fast or stand still)."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds that never jump."""
        ...


class Network(Protocol):
    """Authenticated links to the other nodes; messages may be lost, delayed, reordered and repeated."""

    def send(self, node: str, frame: Frame, body: bytes) -> None: ...

    def broadcast(self, frame: Frame, body: bytes) -> None: ...


class Signer(Protocol):
    """The seat's key with its signing state. Raises NodeError `signer.double` rather than contradict itself."""

    def sign(self, message: Proposal | Vote, chain_id: str) -> Proposal | Vote:
        """`message` with its signature, once the state that remembers it is durable."""
        ...

    @property
    def restored(self) -> bool:
        """The node came from a backup and must see a height decided before it signs."""
        ...

    def clear_restored(self, height: int) -> None:
        """Sign again, above `height` only."""
        ...

    def resume(self, height: int, last: tuple[int, int]) -> bool:
        """The log of the open `height` asks for own messages up to `last` (round, step). False when this key has signed
        more there: with its votes the log has lost what they bind it to. Heights above, whose log was never replayed
        because the store fell back, are signed no further."""
        ...


class Entropy(Protocol):
    """Randomness for jitter and for peers to ask; never for anything that is agreed."""

    def below(self, bound: int) -> int:
        """Integer in [0, bound)."""
        ...
