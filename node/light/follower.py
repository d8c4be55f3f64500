"""Keeps one verified head: follows a primary, lets witnesses confirm every step, and stops at a contradiction.

Each step is verified from the last one (`consensus.skipping.bisect`) and compared with every witness that answers,
before it becomes the head. A witness that is silent or behind is asked again later, from where it last agreed. Never
prints, and reads no clock but the one it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from consensus.light import LightBlock, LightRefusal, check_alone, check_fresh, refusal
from consensus.skipping import Divergence, Trace, Trust, bisect, drive, examine
from node.errors import NodeError
from node.light.source import SourceError

ANOTHER = "Ask another node, and compare what both say with somebody you trust."


class Blocks(Protocol):
    """Where light blocks come from: `node.light.source.Source`, or a test."""

    url: str

    def light_block(self, height: int | None = None) -> LightBlock | None:
        """The block of `height` (None: the newest); None when there is none. Raises `SourceError`."""
        ...


class Diverged(NodeError):
    """Primary and a witness show different verified blocks of one height: somebody lied, and signed it."""

    def __init__(self, divergence: Divergence, primary: str, witness: str) -> None:
        super().__init__(
            "light.divergence",
            f"At height {divergence.left.height} {primary} shows block {divergence.left.id().hex()} and {witness} "
            f"{divergence.right.id().hex()}, and both are signed.",
            "Give the evidence to the members: more than 1/3 of the power that was trusted broke the rules.",
        )
        self.divergence = divergence
        self.primary = primary
        self.witness = witness


class Head(NamedTuple):
    """A new verified head; `steps` light blocks led to it, `agreed` witnesses have confirmed it."""

    block: LightBlock
    steps: int
    agreed: int


class Witness:
    """A second source. `agreed` is the newest block that it has confirmed."""

    def __init__(self, source: Blocks, agreed: LightBlock) -> None:
        self.source = source
        self.agreed = agreed
        self.rooted = False
        """It has the block that trust starts from."""
        self.trouble: NodeError | None = None
        """Why it did not confirm the newest head; None when it did."""
        self.dropped = False
        """It showed what does not verify, or fell back too far, and is not asked any more."""


class Follower:
    """Follows `primary` from a trusted `root`, which every witness must have too."""

    def __init__(
        self,
        primary: Blocks,
        witnesses: Sequence[Blocks],
        root: LightBlock,
        trust: Trust,
        now_ms: Callable[[], int],
    ) -> None:
        self.root = Head(root, 0, 0)
        self.head = root
        self.primary = primary
        self.witnesses = [Witness(source, root) for source in witnesses]
        self._trace: Trace = (root,)
        self._trust = trust
        self._now_ms = now_ms

    def step(self, height: int | None = None) -> Head | None:
        """Look at the primary's newest block, or that of `height`, once; the new head, or None when there is none.

        Raises `SourceError` when the primary gives no answer (try again), and NodeError when going on would be wrong:
        `light.divergence` (`Diverged`), or a code of `consensus.light.CODES` for what the primary showed.
        """
        latest = self.primary.light_block(height)
        if latest is None or latest.height < self.head.height:
            return None
        if latest.height == self.head.height:
            if latest.id() != self.head.id():
                self._contradicted(latest)
            self._confirm(self._trace)
            return None
        trace = self._lead(self.head, latest)
        self._confirm(trace)
        self._trace, self.head = trace, trace[-1]
        agreed = sum(witness.agreed.height == self.head.height for witness in self.witnesses)
        return Head(self.head, len(trace) - 1, agreed)

    def _lead(self, trusted: LightBlock, latest: LightBlock) -> Trace:
        """The verified path from `trusted` towards `latest`, by the primary."""

        def answer(height: int) -> LightBlock:
            return latest if height == latest.height else block_of(self.primary, height)

        try:
            return drive(bisect(trusted, latest.height, self._trust), answer, self._now_ms)
        except LightRefusal as error:
            raise NodeError(error.code, f"{self.primary.url}: {error.reason}.", ANOTHER) from None

    def _confirm(self, trace: Trace) -> None:
        """Let every witness that answers confirm the end of `trace`, which the primary led."""
        for witness in self.witnesses:
            if witness.dropped or (witness.rooted and witness.agreed.height >= trace[-1].height):
                continue
            try:
                self._confirm_root(witness)
                self._confirm_with(witness, trace)
                witness.trouble = None
            except SourceError as trouble:
                witness.trouble = trouble
            except LightRefusal as error:
                witness.dropped = True
                witness.trouble = NodeError(
                    error.code,
                    f"{witness.source.url} can confirm nothing: {error.reason}.",
                    "It is not asked any more: name another witness.",
                )

    def _confirm_root(self, witness: Witness) -> None:
        """A witness must have the block that trust starts from. Raises NodeError `light.root` when the set of that
        block signed two, `LightRefusal` when the witness is at fault."""
        if witness.rooted:
            return
        root = witness.agreed
        theirs = block_of(witness.source, root.height)
        if theirs.id() != root.id():
            check_alone(theirs)
            if theirs.header.set_hash != root.header.set_hash:
                raise refusal("light.hash", f"height {theirs.height}, {theirs.id().hex()}")
            raise NodeError(
                "light.root",
                f"{witness.source.url} has another block {root.height} than the one that is trusted, and the same "
                "members signed it.",
                ANOTHER,
            )
        witness.rooted = True

    def _confirm_with(self, witness: Witness, trace: Trace) -> None:
        """Move `witness.agreed` to the end of `trace`. Raises `Diverged`, `SourceError`, or `LightRefusal` when the
        witness is at fault."""
        end = trace[-1]
        while witness.agreed.height < end.height:
            at = next((at for at, block in enumerate(trace) if block.id() == witness.agreed.id()), None)
            if at is None:
                check_fresh(witness.agreed, self._now_ms(), self._trust.period_ms)
            piece = self._lead(witness.agreed, end) if at is None else trace[at:]
            theirs = block_of(witness.source, piece[-1].height)
            if theirs.id() != piece[-1].id():
                divergence = drive(examine(piece, theirs, self._trust), partial(block_of, witness.source), self._now_ms)
                raise Diverged(divergence, self.primary.url, witness.source.url)
            witness.agreed = piece[-1]

    def _contradicted(self, latest: LightBlock) -> None:
        """The primary shows another block where it showed the head: it is its own witness against itself."""
        if len(self._trace) == 1:
            raise NodeError(
                "light.root",
                f"{self.primary.url} has another block {latest.height} than the one that is trusted.",
                ANOTHER,
            )
        try:
            divergence = drive(examine(self._trace, latest, self._trust), partial(block_of, self.primary), self._now_ms)
        except LightRefusal as error:
            raise NodeError(error.code, f"{self.primary.url}: {error.reason}.", ANOTHER) from None
        raise Diverged(divergence, self.primary.url, self.primary.url)


def block_of(source: Blocks, height: int) -> LightBlock:
    """The block of a height that `source` must have. Raises `SourceError`, `light.behind` when it has not."""
    block = source.light_block(height)
    if block is None:
        raise SourceError("light.behind", f"{source.url} has no block {height} yet.", "It is asked again.")
    return block
