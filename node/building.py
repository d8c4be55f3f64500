"""A builder at work: the market of a locked interval as a node shows it, a solution of it, and the seal on that.

Nothing here is trusted by anybody: whoever builds may do it in any way, with any solver. This is the way that is never
beaten, the merit order. Keeps a sealed solution in a file between commitment and reveal, since whoever loses its salt
loses a part of its wager.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated, Any

import msgspec

from contracts.bodies import MAX_SOLUTION_BYTES, CommitSolution, RevealSolution
from contracts.dispatch import Grid, Market
from contracts.ordering import make_market
from contracts.params import PactParams
from contracts.records import NeedEntry, OfferEntry
from contracts.units import Count, Hash, Id, Meta
from contracts.wagers.merit_order import solve
from contracts.wagers.sealing import seal
from node.disk import PRIVATE_MODE, sync_directory
from node.errors import NodeError
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


def read_market(chain_id: str, document: dict[str, Any]) -> Market:
    """The market in the data of a query `market`. Raises NodeError `builder.market`."""
    try:
        params = PactParams(
            offer_cap_nano_per_wh=document["offer_cap_nano_per_wh"],
            scarcity_price_nano_per_wh=document["scarcity_nano_per_wh"],
            price_slack_ppm=document["slack_ppm"],
        )
        grid = None if document["grid"] is None else Grid(**document["grid"])
        needs = [parse(NeedEntry, one) for one in document["needs"]]
        offers = [parse(OfferEntry, one) for one in document["offers"]]
        return make_market(chain_id, params, document["interval"], grid, needs, offers)
    except (KeyError, TypeError, NotThisForm) as error:
        raise NodeError("builder.market", f"This is no market: {error}.", "Ask the node for `market`.") from None


def make_solution(chain_id: str, answer: dict[str, Any]) -> bytes:
    """The merit order of the market in a whole answer to a query `market`.

    Raises NodeError `builder.market`, `builder.withheld`.
    """
    if answer.get("withheld"):
        raise NodeError(
            "builder.withheld",
            "Some needs or offers of the interval are kept from whoever asked.",
            "Ask as a member that may read them: what is built without them is infeasible.",
        )
    return solve(read_market(chain_id, answer["data"]))


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
    except (OSError, msgspec.DecodeError, NotThisForm) as error:
        raise NodeError(
            "builder.sealed", f"{path} is no sealed solution: {error}.", "Give the file that the commitment wrote."
        ) from None
