"""What happens to a transaction with proofs between the check of its signature and its place in the mempool.

Its contract is rehearsed on the newest committed state, the questions that it asks are checked elsewhere, and only when
a proof turns out to be false is it refused, with the code that execution would give. What is refused for another
reason than a proof is kept as any other transaction: what it needs may be in the same block. Nothing here decides
validity: a block may hold what this node refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from node.admission import Admission
from node.mempool import Entry
from node.proving.gate import Gate
from node.work import Work
from zk.statements.assertion import Assertion

Codes = Callable[[list[str]], None]
"""Gets "ok" or a refusal for each entry."""
_BUSY = "mempool.proofs"
_CROWDED = "mempool.proofs-waiting"


class ProofStage:
    """Of one node."""

    def __init__(self, admission: Admission, work: Work) -> None:
        self._admission = admission
        self._work = work
        self._gate = Gate()

    def may_enter(self, entry: Entry, peer: str | None) -> str:
        """ "ok", or why nothing with proofs is taken from its sender or this peer now."""
        if self._admission.asks_proof(entry):
            return "ok" if self._gate.is_open(entry.owner, peer, self._work.now.monotonic_ms) else _BUSY
        return "ok"

    def check(self, entries: Sequence[Entry], peer: str | None, done: Codes) -> None:
        """Find out which of these, which ask for proofs, have false ones; `done` hears of it at once when none does."""
        asked: dict[Assertion, None] = {}
        entered = [self._gate.enter(entry.owner) for entry in entries]
        for entry, inside in zip(entries, entered, strict=True):
            if inside:
                self._rehearse(entry, partial(_note, asked))

        def answered(valid: list[bool]) -> None:
            false = {one for one, holds in zip(asked, valid, strict=True) if not holds}
            codes = []
            for entry, inside in zip(entries, entered, strict=True):
                if inside:
                    self._gate.leave(entry.owner)
                    codes.append(self._judge(entry, peer, false) if false else "ok")
                else:
                    codes.append(_CROWDED)
            done(codes)

        if asked:
            self._work.prove(list(asked), answered)
        else:
            answered([])

    def _judge(self, entry: Entry, peer: str | None, false: set[Assertion]) -> str:
        """With the answers, on the state of now: it may ask something else by now, which nobody knows yet."""
        met: dict[Assertion, None] = {}

        def proves(assertion: Assertion) -> bool:
            if assertion in false:
                met[assertion] = None
            return assertion not in false

        code = self._rehearse(entry, proves)
        if not met or code == "ok":
            return "ok"
        self._gate.was_false(entry.owner, peer, self._work.now.monotonic_ms)
        return code

    def _rehearse(self, entry: Entry, proves: Callable[[Assertion], bool]) -> str:
        try:
            return self._admission.rehearse(entry, self._work.now.ledger_ms, proves)
        except Exception:
            # A contract may rely on a proof, and here a false one may count. Execution finds out.
            return "ok"


def _note(asked: dict[Assertion, None], assertion: Assertion) -> bool:
    asked[assertion] = None
    return True
