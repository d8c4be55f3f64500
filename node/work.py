"""What the parts of a replica share while one input is handled: the time, the effects so far, open questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from node.effects import Effect, Now, Penalise, Prove, Triple, Verify
from zk.statements.assertion import Assertion

Answer = Callable[[list[bool]], None]


class Work:
    """Effects are appended in the order in which they must happen."""

    def __init__(self) -> None:
        self.now = Now(0, 0)
        self.counters: Counter[str] = Counter()
        self.peers: set[str] = set()
        self._out: list[Effect] = []
        self._jobs: dict[int, Answer] = {}
        self._last_job = 0

    def emit(self, *effects: Effect) -> None:
        """Add effects."""
        self._out += effects

    def take(self) -> list[Effect]:
        """All effects since the last call."""
        effects, self._out = self._out, []
        return effects

    def verify(self, triples: list[Triple], done: Answer, *, urgent: bool) -> None:
        """Have signatures checked; `done` gets the results in a later input."""
        self.emit(Verify(self._job(done), triples, urgent))

    def prove(self, assertions: list[Assertion], done: Answer) -> None:
        """Have proofs checked; `done` gets the results in a later input."""
        self.emit(Prove(self._job(done), assertions))

    def _job(self, done: Answer) -> int:
        self._last_job += 1
        self._jobs[self._last_job] = done
        return self._last_job

    def verified(self, job: int, valid: list[bool]) -> None:
        """Hand the results to whoever asked."""
        self._jobs.pop(job)(valid)

    def penalise(self, peer: str, code: str) -> None:
        """Count what no honest peer sends, and tell the transport."""
        self.counters[code] += 1
        self.emit(Penalise(peer, code))
