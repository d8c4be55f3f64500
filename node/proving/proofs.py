"""What this node knows of proofs, and a way to execute without waiting for one.

A block is run as if every proof that nobody has checked yet held, and the questions are noted (`Recording`). When all
of them turn out to hold, the run stands as it is; otherwise it is thrown away and made again with the answers. So a
block is mostly executed once, its proofs are checked together and elsewhere, and the outcome is that of checking each
in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from zk.hashing import sha256
from zk.statements import check
from zk.statements.assertion import Assertion, framed

MAX_KNOWN = 65_536
"""Answers that are remembered; the oldest go first, and are found again when they are asked for."""

Answer = Callable[[list[bool]], None]
Checker = Callable[[Sequence[Assertion], bool, Answer], None]
"""Finds out which assertions are proven and calls back, now or later. True: somebody waits for it to go on."""


def digest(assertion: Assertion) -> bytes:
    """What an answer is remembered by: all of the statement and all of its proof, 32 bytes."""
    return sha256(framed((assertion.kind.encode(), assertion.tag, assertion.instance, assertion.proof)))


def check_here(assertions: Sequence[Assertion], _urgent: bool, done: Answer) -> None:
    """The `Checker` of whoever has no processes: at once."""
    done(check.verify_all(assertions))


def nothing_to_hurry() -> None:
    """With `check_here` nothing ever waits."""


@dataclass(slots=True)
class _Waiter:
    """One call of `Proofs.check` until its last answer is there."""

    digests: list[bytes]
    answers: dict[bytes, bool]
    left: int
    """Answers that are missing."""
    done: Answer

    def hear(self, of: bytes, holds: bool) -> bool:
        """Take an answer; True: it was the last one."""
        self.answers[of] = holds
        self.left -= 1
        return not self.left

    def tell(self) -> None:
        """Call back."""
        self.done([self.answers[of] for of in self.digests])


class Proofs:
    """Answers by digest, and where new ones come from. Nothing is being checked twice at once."""

    def __init__(self, checker: Checker = check_here, hurry: Callable[[], None] = nothing_to_hurry) -> None:
        """`hurry`: what was asked before without urgency is waited for now."""
        self._checker = checker
        self._hurry = hurry
        self._known: dict[bytes, bool] = {}
        self._asked: dict[bytes, list[_Waiter]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, of: bytes) -> bool | None:
        """The answer that is remembered under a digest."""
        return self._known.get(of)

    def check(self, assertions: Sequence[Assertion], *, urgent: bool, done: Answer) -> None:
        """`done` gets one answer for each, and they are remembered. What is known or being checked is not asked."""
        digests = [digest(one) for one in assertions]
        unknown = {of: one for of, one in zip(digests, assertions, strict=True) if of not in self._known}
        known = {of: self._known[of] for of in digests if of not in unknown}
        waiter = _Waiter(digests, known, len(unknown), done)
        new = {of: one for of, one in unknown.items() if of not in self._asked}
        for of in unknown:
            self._asked.setdefault(of, []).append(waiter)
        if not unknown:
            waiter.tell()
        if urgent and len(new) < len(unknown):
            self._hurry()
        if new:
            self._checker(list(new.values()), urgent, partial(self._learned, list(new)))

    def _learned(self, digests: list[bytes], answers: list[bool]) -> None:
        ready = []
        for of, holds in zip(digests, answers, strict=True):
            self._remember(of, holds)
            ready += [waiter for waiter in self._asked.pop(of) if waiter.hear(of, holds)]
        for waiter in ready:
            waiter.tell()

    def recording(self) -> Recording:
        """For one run in which every proof that is not known is taken to hold."""
        return Recording(self)

    def proves(self, assertion: Assertion) -> bool:
        """Whether it is proven, found out here and now where nobody knows."""
        of = digest(assertion)
        known = self._known.get(of)
        if known is None:
            known = check.verify(assertion)
            self._remember(of, known)
        return known

    def _remember(self, of: bytes, holds: bool) -> None:
        self._known.pop(of, None)
        self._known[of] = holds
        if len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]


class Recording:
    """What `BlockContext.proves` is in such a run."""

    def __init__(self, proofs: Proofs) -> None:
        self._proofs = proofs
        self._asked: dict[bytes, Assertion] = {}

    @property
    def unknown(self) -> list[Assertion]:
        """What was taken to hold and is not known to, each once, in the order in which it was asked."""
        return list(self._asked.values())

    def __call__(self, assertion: Assertion) -> bool:
        of = digest(assertion)
        known = self._proofs.get(of)
        if known is None:
            self._asked[of] = assertion
            return True
        return known
