"""What one table of a scenario means for another: references, spans, equipment, faults and rulebooks that fit together.

Each mistake is a `DevnetError` (`scenario.*`) with the path of the field. Reads no scenario, and never changes one.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import UTC
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from devnet.errors import DevnetError
from devnet.faults import EQUIPMENT
from devnet.spec import RulebookSpec
from node.errors import NodeError
from node.rulebook import document as rulebook
from node.rulebook.document import Rulebook

if TYPE_CHECKING:
    from devnet.scenario import Scenario

AGENTS = "agents"
"""What faults and commands call the process of all agents, beside the nodes; no member may be called so."""
RULEBOOKS = Path(__file__).parent / "scenarios" / "rulebooks"


def closest(name: str, valid: list[str]) -> str:
    """What was meant, or all that there is."""
    near = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    if near:
        return f"Did you mean `{near[0]}`?"
    return f"Valid here: {', '.join(sorted(valid)) or 'nothing'}."


def check(scenario: Scenario, where: str) -> None:
    """Raise `DevnetError` for the first thing that contradicts another."""
    ids = [member.id for member in scenario.members]
    for kind, names in (
        ("member", ids),
        ("meter", [meter.id for meter in scenario.meters]),
        ("line", [line.id for line in scenario.lines]),
    ):
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise DevnetError("scenario.duplicate", f"{where}: two {kind}s are called `{name}`.", "Rename one.")
            seen.add(name)
    if len(scenario.nodes) < scenario.validators:
        raise DevnetError(
            "scenario.validators",
            f"{where}: {scenario.validators} validators, but only {len(scenario.nodes)} members are able.",
            "Set `able = true` on more members, or lower `validators`.",
        )
    if AGENTS in ids:
        raise DevnetError("scenario.duplicate", f"{where}: `{AGENTS}` is the agents' process.", "Rename the member.")
    expect = scenario.expect
    spans = (*expect.silent_meters, *expect.lost_sources, *expect.restated_meters)
    disputed = [meter for span in expect.disputed_lines for meter in span.meters]
    _known_meters(scenario, [*(span.meter for span in spans), *disputed], f"{where}: expect")
    _check_lines(scenario, where)
    builders = [one.member for one in scenario.builders]
    for index, name in enumerate(builders):
        if name not in ids:
            raise DevnetError(
                "scenario.reference",
                f"{where}: builders[{index}].member: there is no member `{name}`.",
                closest(name, ids),
            )
        if name in builders[:index]:
            raise DevnetError(
                "scenario.duplicate", f"{where}: `{name}` has two builders.", "A member has one wager on each round."
            )
    if builders and not scenario.params.wagering.on:
        raise DevnetError(
            "scenario.builders", f"{where}: builders have nothing to do.", "Set `on = true` in [params.wagering]."
        )
    _check_rulebooks(scenario, ids, where)
    for index, meter in enumerate(scenario.meters):
        if meter.member not in ids:
            raise DevnetError(
                "scenario.reference",
                f"{where}: meters[{index}].member: there is no member `{meter.member}`.",
                closest(meter.member, ids),
            )
        if (meter.kind == "storage") != (meter.store is not None):
            raise DevnetError(
                "scenario.store",
                f"{where}: meters[{index}]: a `store` table goes with kind `storage`, and only with it.",
                "Add or remove the table.",
            )
        prices = [block.price_nano_per_wh for block in meter.blocks]
        if any(low >= high for low, high in pairwise(prices)):
            raise DevnetError(
                "scenario.blocks",
                f"{where}: meters[{index}].blocks: prices must rise strictly.",
                "Sort the blocks by price and merge equal ones.",
            )
    for index, fault in enumerate(scenario.faults):
        if AGENTS in fault.nodes and fault.action != "kill":
            raise DevnetError(
                "scenario.fault",
                f"{where}: faults[{index}]: `{AGENTS}` can only be killed; they start again by themselves.",
                "Use `kill`, without a `restart`.",
            )
        if (
            (fault.counts_ppm is not None) != (fault.action == "misread")
            or (fault.gives_ppm is not None) != (fault.action == "sag")
            or (fault.restate and fault.action != "mend")
        ):
            raise DevnetError(
                "scenario.fault",
                f"{where}: faults[{index}]: `counts_ppm` goes with `misread`, `gives_ppm` with `sag`, and `restate` "
                "with `mend`.",
                "Say how much of what flows a meter still counts, or of what it could a source still gives.",
            )
        if bool(fault.meters) != fault.on_equipment or (fault.on_equipment and fault.interval is None):
            raise DevnetError(
                "scenario.fault",
                f"{where}: faults[{index}]: `meters` and an `interval` go with {', '.join(EQUIPMENT)}, and only there.",
                "Name nodes, or meters and an interval.",
            )
        _known_meters(scenario, fault.meters, f"{where}: faults[{index}]")
        ties = {meter.id for meter in scenario.meters if meter.kind == "tie"}
        if fault.action in ("open", "close") and not ties.issuperset(fault.meters):
            raise DevnetError(
                "scenario.fault",
                f"{where}: faults[{index}]: only the breaker of a tie can `{fault.action}`.",
                "Name the meter of kind `tie`.",
            )
        for name in (*fault.nodes, *(node for group in fault.groups for node in group)):
            if name not in (*scenario.nodes, AGENTS):
                raise DevnetError(
                    "scenario.reference",
                    f"{where}: faults[{index}]: there is no node `{name}`.",
                    closest(name, list(scenario.nodes)),
                )
        if (fault.after_ms is None) == (fault.interval is None):
            raise DevnetError(
                "scenario.fault",
                f"{where}: faults[{index}] needs exactly one of `after_ms` and `interval`.",
                "Say when it happens, once.",
            )
        if (fault.action == "partition") != bool(fault.groups):
            raise DevnetError(
                "scenario.fault",
                f"{where}: faults[{index}]: `groups` go with `partition`.",
                "Name both sides.",
            )
    if scenario.clock.origin.tzinfo is None or scenario.clock.origin.utcoffset() != UTC.utcoffset(None):
        raise DevnetError("scenario.clock", f"{where}: clock.origin must be UTC.", "Write 2026-07-06T08:00:00Z.")
    if scenario.clock.origin_ms % scenario.params.interval_ms:
        raise DevnetError(
            "scenario.clock",
            f"{where}: clock.origin is not on a boundary of {scenario.params.interval_ms} ms.",
            "Start on the interval.",
        )


def _check_rulebooks(scenario: Scenario, members: list[str], where: str) -> None:
    """Raise `DevnetError` for a rulebook that is nobody's, or no rulebook."""
    for index, spec in enumerate(scenario.rulebooks):
        path = f"{where}: rulebooks[{index}]"
        if spec.member not in members:
            raise DevnetError(
                "scenario.reference", f"{path}: there is no member `{spec.member}`.", closest(spec.member, members)
            )
        if spec.member in [one.member for one in scenario.rulebooks[:index]]:
            raise DevnetError("scenario.duplicate", f"{path}: `{spec.member}` has two rulebooks.", "Write one.")
        _known_meters(scenario, spec.weather, path)
        try:
            written = rulebook_of(spec)
        except NodeError as error:
            raise DevnetError("scenario.rulebook", f"{path}: {error.message}", error.hint) from None
        if written.member != spec.member:
            raise DevnetError(
                "scenario.rulebook",
                f"{path}: `{spec.file}` is of `{written.member}`.",
                "Name a rulebook of that member.",
            )


def rulebook_of(spec: RulebookSpec) -> Rulebook:
    """The rulebook that a scenario names. Raises NodeError `rulebook.*`."""
    return rulebook.load(RULEBOOKS / f"{spec.file}.toml")


def _check_lines(scenario: Scenario, where: str) -> None:
    """Raise `DevnetError` for a line that nothing could flow through, or an expectation about no line."""
    kinds = {meter.id: meter.kind for meter in scenario.meters}
    used: set[str] = set()
    for index, line in enumerate(scenario.lines):
        path = f"{where}: lines[{index}]"
        _known_meters(scenario, line.meters, path)
        for meter in line.meters:
            if kinds[meter] != "load":
                raise DevnetError(
                    "scenario.line",
                    f"{path}: `{meter}` is a {kinds[meter]}; what a load takes is what its line carries.",
                    "Name three meters of kind `load`; one that only passes energy on has `peak_w = 0`.",
                )
            if meter in used:
                raise DevnetError(
                    "scenario.line", f"{path}: `{meter}` stands at a line already.", "Give each line meters of its own."
                )
            used.add(meter)
    names = [line.id for line in scenario.lines]
    for span in scenario.expect.disputed_lines:
        if span.line not in names:
            raise DevnetError(
                "scenario.reference", f"{where}: expect: there is no line `{span.line}`.", closest(span.line, names)
            )


def _known_meters(scenario: Scenario, names: Sequence[str], where: str) -> None:
    meters = [meter.id for meter in scenario.meters]
    for name in names:
        if name not in meters:
            raise DevnetError("scenario.reference", f"{where}: there is no meter `{name}`.", closest(name, meters))
