"""A builder at work: the case of a locked window as a node shows it, a solution of it, and the seal on that.

Nothing here is trusted by anybody: whoever builds may do it in any way, with any solver. Keeps a sealed solution in a
file between commitment and reveal, since whoever loses its salt loses a part of its wager.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated, Any

import msgspec

from contracts.bodies import MAX_SOLUTION_BYTES, CommitSolution, RevealSolution
from contracts.program.case import Case, Solution
from contracts.program.documents import case_of, pack
from contracts.program.verdict import Refusal
from contracts.units import Count, Hash, Id, Meta
from contracts.wagers.sealing import seal
from node.disk import PRIVATE_MODE, sync_directory
from node.errors import UNREADABLE, NodeError
from node.render import NotThisForm, parse, render

SALT_BYTES = 32
MAX_SEALED_BYTES = 4 * MAX_SOLUTION_BYTES


class Sealed(msgspec.Struct, frozen=True, array_like=True):
    """What a builder has to keep until it reveals."""

    chain_id: Annotated[str, Meta(max_length=64)]
    round: Count
    builder: Id
    salt: Hash
    solution: Annotated[bytes, Meta(max_length=MAX_SOLUTION_BYTES)]

    def bodies(self) -> tuple[CommitSolution, RevealSolution]:
        """What it says while commitments count, and what while reveals do."""
        return seal(self.chain_id, self.round, self.builder, self.salt, self.solution)


def read_case(answer: dict[str, Any]) -> Case:
    """The case in a whole answer to a query `case`. Raises NodeError `builder.case`."""
    try:
        found = case_of(msgspec.json.encode(answer["data"]["case"]))
    except (KeyError, TypeError) as error:
        raise NodeError("builder.case", f"This is no case: {error}.", "Ask the node for `case`.") from None
    if isinstance(found, Refusal):
        raise NodeError("builder.case", f"{found.where}: {found.message}", "Ask the node for `case`.")
    return found


def packed(solution: Solution) -> bytes:
    """A solution as a transaction carries it. Raises NodeError with the code of what keeps it from being one."""
    raw = pack(solution)
    if isinstance(raw, Refusal):
        raise NodeError(raw.code, raw.message, "Solve a smaller case, or one with fewer multipliers.")
    return raw


async def make_solution(case: Case) -> bytes:
    """What the solver finds. Raises NodeError `solver.*`, `dispatch.*`."""
    from node.solver.process import solve

    return packed((await solve(case)).solution)


def sealed(chain_id: str, round_: int, builder: str, solution: bytes) -> Sealed:
    """A solution with a fresh salt."""
    return Sealed(chain_id, round_, builder, secrets.token_bytes(SALT_BYTES), solution)


def keep(path: Path, what: Sealed) -> None:
    """Write a new file that only its owner may read; on disk when this returns, since what is committed to it cannot be
    taken back. Raises NodeError `builder.kept` where there is one, `cli.write`."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_MODE), "wb") as file:
            file.write(msgspec.json.encode(render(what)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync_directory(path.parent)
    except FileExistsError:
        raise NodeError(
            "builder.kept", f"{path} exists.", "It may hold the only salt of another round: give a new file."
        ) from None
    except OSError as error:
        raise NodeError("cli.write", f"{path}: {error.strerror}.", "Give another file.") from None


def kept(path: Path) -> Sealed:
    """Read it back. Raises NodeError `builder.sealed`."""
    try:
        if path.stat().st_size > MAX_SEALED_BYTES:
            raise NotThisForm("it is too large")
        return parse(Sealed, msgspec.json.decode(path.read_bytes()))
    except (OSError, *UNREADABLE, NotThisForm) as error:
        raise NodeError(
            "builder.sealed", f"{path} is no sealed solution: {error}.", "Give the file that the commitment wrote."
        ) from None
