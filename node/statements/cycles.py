"""The bill of a private campus as statements that anybody adds up: no secret is needed, only what is on the ledger.

What all loads proved to have used is a sum of what each did; with estimates put in and taken back it is the total, and
the total is what all sources are billed for, with what the campus holds back. A supplier that shows the opening of its
own share beside that has shown its bill.
"""

from __future__ import annotations

from collections.abc import Sequence

from contracts.private.records import HiddenSite, HiddenUse, PrivateCycle
from contracts.schema import HIDDEN_SITES, HIDDEN_USES, PRIVATE_CYCLES
from node.errors import ProofError
from node.proofs import AnyBundle
from node.render import render
from node.statements.file import Statement, StatementsFile, Terms, render_place
from node.statements.kinds import Nothing
from node.statements.untrusted import read_as_it_is, records
from zk.group.native import decode_point, linear
from zk.statements import sums
from zk.statements.assertion import Where


def file_of(fact: AnyBundle) -> StatementsFile:
    """A file that adds up the cycle of a bundle (`gridpact proof fetch cycle`), which it carries as its fact.

    Raises `ProofError` `proof.cycle` where the bundle has no cycle, or one whose total is not fixed, and
    `proof.malformed`. Trusts nothing in it: whatever is false is found by whoever checks the file.
    """
    with read_as_it_is():
        return _file_of(fact)


def _file_of(fact: AnyBundle) -> StatementsFile:
    cycle, site = next(records(fact, PRIVATE_CYCLES), None), next(records(fact, HIDDEN_SITES), None)
    if cycle is None or site is None or cycle.total is None:
        raise ProofError(
            "proof.cycle",
            "There is nothing to add up: no cycle of a private campus, or none whose total is fixed.",
            "`gridpact query cycle` shows in which phase a cycle is.",
        )
    return StatementsFile(statements_of(fact.chain_id, cycle, site, list(records(fact, HIDDEN_USES))), (fact,))


def statements_of(
    chain_id: str, cycle: PrivateCycle, site: HiddenSite, uses: Sequence[HiddenUse]
) -> tuple[Statement, ...]:
    """The sums of a cycle whose total is fixed, as far as there is anything hidden to add up."""
    where = Where(chain_id, cycle.campus, cycle.cycle)
    loads = {one.meter for one in site.meters if not one.source}
    stand = [one.point for one in uses if one.meter in loads and not one.wrong]
    found: list[Statement] = []
    if cycle.used is not None and stand:
        found.append(_sum(where, stand, 0, cycle.used))
    if cycle.used is not None and cycle.total is not None:
        public_wh = sum(one.energy_wh for one in cycle.estimates) - cycle.returned_wh
        # Without one, both are the same point.
        if public_wh:
            found.append(_sum(where, [cycle.used], public_wh, cycle.total))
    billed = [one.bill for one in cycle.shares if one.bill is not None]
    if cycle.total is not None and billed and len(billed) == len(cycle.shares):
        found.append(_sum(where, billed, cycle.held_wh, cycle.total))
    return tuple(found)


def _sum(where: Where, parts: Sequence[bytes], public: int, total: bytes) -> Statement:
    """parts + public*V = total; what is negative is put on the other side, where a sum of parts is made of them."""
    if public >= 0:
        about, made_of = sums.Sum(tuple(parts), public, total), dict[str, Terms]()
    else:
        whole = linear(*((decode_point(part), 1) for part in parts)).to_bytes()
        about = sums.Sum((total,), -public, whole)
        made_of = {} if len(parts) == 1 else {whole.hex(): tuple((1, part.hex()) for part in parts)}
    return Statement(sums.SUM, render_place(where), render(about), render(Nothing()), "", made_of)
