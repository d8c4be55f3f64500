"""A member's statement for one billing cycle: every line of every settled interval, and what they add up to.

Made from state records alone, so that whoever has the records can make it again: `verify_statement` checks a
file against the genesis document, with headers and proofs and without any node. The file proves for each
interval of the cycle that has begun either its bill or that there is none, so no line can be left out, and the
working schedule, so that nobody calls a cycle closed that still waits for something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from contracts.cycles import Cycle, cycle
from contracts.genesis import Genesis
from contracts.params import PactParams
from contracts.records import Bill, Schedule
from contracts.schedule import close_ms
from contracts.schema import BILLS, RULES, RULES_IN_FORCE, SCHEDULE, SCHEDULES
from node.errors import ProofError
from node.proofs import Proven, StateBundle, decode_file, verify_bundle
from node.render import render

Document = dict[str, Any]
CLOSED = "closed"
OPEN = "open"


class StatementFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `gridpact bill show --prove-to` writes."""

    kind: Literal["statement"]
    statement: Document
    proof: StateBundle


_DECODER = msgspec.json.Decoder(StatementFile)


def begun(params: PactParams, which: Cycle, time_ms: int) -> range:
    """Intervals of the cycle that have begun: only these can have a bill."""
    return range(which.first, min(which.last, time_ms // params.interval_ms) + 1)


def make_statement(
    params: PactParams, which: Cycle, member: str, time_ms: int, schedule: Schedule, bills: Mapping[int, Bill]
) -> Document:
    """The statement, JSON-ready, as of ledger time `time_ms`. Raises ValueError when a bill does not add up."""
    lines: list[Document] = []
    totals: dict[str, list[int]] = {}
    for interval, bill in sorted(bills.items()):
        if bill.total_nano != sum(line.amount_nano for line in bill.lines):
            raise ValueError(f"the bill of interval {interval} does not add up")
        for line in bill.lines:
            lines.append({"interval": interval, "start_ms": interval * params.interval_ms, **render(line)})
            total = totals.setdefault(line.kind, [0, 0])
            total[0] += line.energy_wh
            total[1] += line.amount_nano
    waiting = [one for one in schedule.closes if which.first <= one <= which.last]
    over = close_ms(params, which.last) <= time_ms
    return {
        "member": member,
        "cycle": which.number,
        "start_ms": which.start_ms,
        "end_ms": which.end_ms,
        "first_interval": which.first,
        "last_interval": which.last,
        "as_of_ms": time_ms,
        "status": CLOSED if over and not waiting else OPEN,
        "waiting_intervals": len(waiting),
        "billed_intervals": len(bills),
        "lines": lines,
        "totals": [
            {"kind": kind, "energy_wh": total[0], "amount_nano": str(total[1])}
            for kind, total in sorted(totals.items())
        ],
        "total_nano": str(sum(total[1] for total in totals.values())),
    }


def statement_keys(params: PactParams, which: Cycle, member: str, time_ms: int) -> list[bytes]:
    """The records that a statement is made of."""
    return [SCHEDULE, RULES_IN_FORCE, *(BILLS.key(interval, member) for interval in begun(params, which, time_ms))]


def verify_statement(raw: bytes, genesis: Genesis) -> Proven:
    """Check a statement file against `genesis`. Raises `ProofError`; returns the statement as its data."""
    file = decode_file(raw, _DECODER, "a statement", "bill show --prove-to")
    proven = verify_bundle(file.proof, genesis)
    stated, time_ms = file.statement, proven.data["time_ms"]
    number, member = stated.get("cycle"), stated.get("member")
    if not (isinstance(number, int) and 0 <= number < 2**32 and isinstance(member, str)):
        raise ProofError("proof.statement", "The statement names no cycle and member.")
    which = cycle(genesis.params, number)
    values = {bytes.fromhex(entry.key): entry.value for entry in file.proof.entries}
    if list(values) != statement_keys(genesis.params, which, member, time_ms) or len(values) != len(file.proof.entries):
        raise ProofError(
            "proof.statement", f"The file does not prove every interval of cycle {number} for {member}, and only those."
        )
    bills = {
        interval: BILLS.decode_entry(bytes.fromhex(value))
        for interval in begun(genesis.params, which, time_ms)
        if (value := values[BILLS.key(interval, member)]) is not None
    }
    kept, rules = values[SCHEDULE], values[RULES_IN_FORCE]
    if rules is None:
        raise ProofError("proof.statement", "The chain has no rules in force.")
    schedule = Schedule((), ()) if kept is None else SCHEDULES.decode(bytes.fromhex(kept))
    try:
        made = make_statement(RULES.decode(bytes.fromhex(rules)).params, which, member, time_ms, schedule, bills)
    except ValueError as error:
        raise ProofError("proof.statement", f"The records contradict themselves: {error}.") from None
    if made != stated:
        wrong = sorted(name for name in made.keys() | stated.keys() if made.get(name) != stated.get(name))
        raise ProofError("proof.statement", f"The statement does not say what its records say: {', '.join(wrong)}.")
    return Proven(
        f"Cycle {number} of {member} is {made['status']}: {len(made['lines'])} lines of {len(bills)} bills add up to "
        f"{made['total_nano']} nano; {len(values) - 2} intervals proven by header {proven.data['height']} of "
        f"{genesis.chain_id()}.",
        {**made, "height": proven.data["height"], "block_id": proven.data["block_id"]},
    )
