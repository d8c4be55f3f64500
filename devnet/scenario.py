"""Scenarios: who is on the grid, what they own and want, what breaks, and what must hold, as data.

A scenario is a TOML file in `devnet/scenarios/` (by name) or anywhere (by path). It is read strictly: an
unknown field, a value outside its bounds or a reference to nobody is an error with a `scenario.*` code, the
path of the field and the closest valid name. Never holds code, and never decides what a rule means: that is
`contracts`.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec

from contracts.genesis import ConsensusParams
from contracts.params import PactParams
from contracts.units import Meta, Ppm
from devnet.errors import DevnetError
from devnet.faults import Fault
from devnet.scenario_checks import check, closest
from devnet.spec import (
    BuilderSpec,
    Clock,
    Expectations,
    Fleet,
    LineSpec,
    Load,
    MemberSpec,
    MeterSpec,
    PrivateRun,
    RulebookSpec,
    SealedRun,
    Season,
    Section,
    Utility,
)

MIN_VALIDATORS = 4
MAX_VALIDATORS = 7
MAX_INTERVALS = 1_024
"""Of one `devnet run`; agents remember the physical outcome of as many."""
MAX_SCENARIO_BYTES = 1024 * 1024
SCENARIOS = Path(__file__).parent / "scenarios"
BASE = "base"
"""Key of a file: the shipped scenario that it changes."""


class Scenario(Section, frozen=True):
    """One file. Times are ledger times unless they say otherwise."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
    title: str
    clock: Clock
    members: Annotated[tuple[MemberSpec, ...], Meta(min_length=MIN_VALIDATORS)]
    meters: tuple[MeterSpec, ...] = ()
    fleets: tuple[Fleet, ...] = ()
    validators: Annotated[int, Meta(ge=MIN_VALIDATORS, le=MAX_VALIDATORS)] = MIN_VALIDATORS
    season: Season = "summer"
    line_loss_ppm: Ppm = 0
    """Of everything withdrawn, lost in the site's lines."""
    lines: tuple[LineSpec, ...] = ()
    """Those with a meter at both ends."""
    params: PactParams = PactParams()
    consensus: ConsensusParams = ConsensusParams()
    utility: Utility | None = None
    builders: Annotated[tuple[BuilderSpec, ...], Meta(max_length=64)] = ()
    """Members whose agents build solutions where `params.wagering` is on."""
    rulebooks: Annotated[tuple[RulebookSpec, ...], Meta(max_length=64)] = ()
    load: Load | None = None
    private: PrivateRun | None = None
    sealed: SealedRun | None = None
    intervals: Annotated[int, Meta(ge=1, le=MAX_INTERVALS)] = 8
    """How many intervals `devnet run` runs, unless told otherwise."""
    faults: Annotated[tuple[Fault, ...], Meta(max_length=64)] = ()
    expect: Expectations = Expectations()

    @property
    def hides(self) -> bool:
        """Whether members have secrets that are looked for at others' nodes."""
        return self.private is not None or self.sealed is not None

    @property
    def nodes(self) -> tuple[str, ...]:
        """Members that run a validator; a node has its member's id."""
        return tuple(member.id for member in self.members if member.able)[: self.validators]

    @property
    def first_interval(self) -> int:
        """Interval in which the scenario's time starts."""
        return self.clock.origin_ms // self.params.interval_ms


# TOML has no null and msgspec's array-like structs would be read from lists, so these two come from tables.
_TABLES: dict[str, type[msgspec.Struct]] = {"params": PactParams, "consensus": ConsensusParams}


def available() -> list[str]:
    """Names of the scenarios that are shipped."""
    return sorted(path.stem for path in SCENARIOS.glob("*.toml"))


def load(name_or_path: str) -> Scenario:
    """The scenario of that name, or in that file. Raises `DevnetError` (`scenario.*`)."""
    return parse(*_read(name_or_path))


def _read(name_or_path: str) -> tuple[bytes, str]:
    """A file, and where it is."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = SCENARIOS / f"{name_or_path}.toml"
        if name_or_path not in available():
            raise DevnetError(
                "scenario.unknown",
                f"There is no scenario {name_or_path!r}.",
                f"{closest(name_or_path, available())} A path must end in .toml.",
            )
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DevnetError(
            "scenario.unreadable", f"{path} can't be read: {error.strerror}.", "Check the path."
        ) from None
    return raw, str(path)


def parse(raw: bytes, where: str = "scenario") -> Scenario:
    """Scenario written in `raw` (TOML, at most 1 MiB). Raises `DevnetError` (`scenario.*`).

    One with a `base` is that shipped scenario with what it says itself in place of what stands there: tables field by
    field, anything else whole.
    """
    document = _document(raw, where)
    if BASE in document:
        base = document.pop(BASE)
        if not isinstance(base, str) or base not in available():
            raise DevnetError(
                "scenario.base", f"{where}: there is no shipped scenario {base!r}.", closest(str(base), available())
            )
        below = _document(*_read(base))
        if BASE in below:
            raise DevnetError("scenario.base", f"{where}: {base} has a base itself.", f"Name {below[BASE]!r}.")
        document = _over(below, document)
    refuse_unknown(document, Scenario, where)
    try:
        given = [name for name in _TABLES if name in document]
        tables = {name: _table(_TABLES[name], document.pop(name), name) for name in given}
        scenario = msgspec.convert(document, Scenario)
    except msgspec.ValidationError as error:
        raise _explain(str(error), where) from None
    return _expand(msgspec.structs.replace(scenario, **tables), where)


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Tables merged, the upper one first."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _over(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def _document(raw: bytes, where: str) -> dict[str, Any]:
    """What the file says, whatever that is."""
    if len(raw) > MAX_SCENARIO_BYTES:
        raise DevnetError("scenario.oversized", f"{where} is larger than 1 MiB.", "Use [[fleets]] for many alike.")
    try:
        return tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DevnetError("scenario.syntax", f"{where} is not TOML: {error}.", "Fix the line named.") from None


def with_validators(scenario: Scenario, count: int) -> Scenario:
    """The same scenario with another number of validators. Raises `DevnetError` (`scenario.validators`)."""
    able = sum(member.able for member in scenario.members)
    if not MIN_VALIDATORS <= count <= min(MAX_VALIDATORS, able):
        raise DevnetError(
            "scenario.validators",
            f"{count} validators are too few or too many for {scenario.name}.",
            f"Choose {MIN_VALIDATORS} to {min(MAX_VALIDATORS, able)}.",
        )
    changed = msgspec.structs.replace(scenario, validators=count)
    check(changed, scenario.name)
    return changed


def _table(type_: type[msgspec.Struct], values: Any, path: str) -> msgspec.Struct:
    """An array-like struct of the lower floors from a table of named values, each checked by its bounds."""
    if not isinstance(values, dict):
        raise msgspec.ValidationError(f"Expected `object`, got `{type(values).__name__}` - at `$.{path}`")
    fields = []
    for field in msgspec.structs.fields(type_):
        value = values.get(field.name, field.default)
        if isinstance(value, dict) and (inner := _struct_in(field.type)) is not None:
            value = _table(inner, value, f"{path}.{field.name}")
        try:
            fields.append(msgspec.convert(value, field.type))
        except msgspec.ValidationError as error:
            raise msgspec.ValidationError(f"{error} - at `$.{path}.{field.name}`") from None
    return type_(*fields)


def refuse_unknown(value: Any, type_: Any, where: str, path: str = "") -> None:
    """Raise `scenario.unknown-field` for the first key, depth first, that `type_` does not have.

    Before the conversion, because a conversion names the field but neither its neighbours nor what was meant.
    """
    type_ = _struct_in(type_)
    match value:
        case dict() if type_ is not None:
            fields = {field.name: field.type for field in msgspec.structs.fields(type_)}
            for key, inner in value.items():
                at = f"{path}.{key}" if path else key
                if key not in fields:
                    raise DevnetError(
                        "scenario.unknown-field",
                        f"{where}: there is no field `{at}`.",
                        closest(key, list(fields)),
                    )
                refuse_unknown(inner, fields[key], where, at)
        case list() if type_ is not None:
            for index, inner in enumerate(value):
                refuse_unknown(inner, type_, where, f"{path}[{index}]")
        case _:
            pass


def _struct_in(type_: Any) -> Any:
    """The struct type inside `Annotated`, `X | None` or `tuple[X, ...]`, or None where there is none."""
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return type_
    for inner in getattr(type_, "__args__", ()):
        if (found := _struct_in(inner)) is not None:
            return found
    return None


def _counted(fleet: Fleet, where: str) -> list[int]:
    """What each meter of a private fleet counts in a billing cycle: all together what the fleet does, each between the
    agreed bounds, spread over them. Nothing where the fleet is not private. Raises `DevnetError` (`scenario.value`)."""
    if fleet.private is None:
        return [0] * fleet.count
    low = fleet.private.low_wh
    high = fleet.cycle_wh if fleet.private.high_wh is None else fleet.private.high_wh
    if not low * fleet.count <= fleet.cycle_wh <= high * fleet.count:
        raise DevnetError(
            "scenario.value",
            f"{where}: {fleet.count} meters between {low} and {high} Wh can't count {fleet.cycle_wh} Wh together.",
            f"Set cycle_wh of `{fleet.prefix}` between {low * fleet.count} and {high * fleet.count}.",
        )
    spread = [low + (high - low) * (at * 37 % fleet.count) // max(1, fleet.count - 1) for at in range(fleet.count)]
    while apart := fleet.cycle_wh - sum(spread):
        # A part of what is off to each that has room for it, at least 1 Wh to the first of them.
        sign = 1 if apart > 0 else -1
        for at in range(fleet.count):
            room = high - spread[at] if apart > 0 else spread[at] - low
            step = min(room, max(1, abs(apart) // fleet.count), abs(fleet.cycle_wh - sum(spread)))
            spread[at] += sign * step
    return spread


_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)


def _explain(message: str, where: str) -> DevnetError:
    """A msgspec complaint in this floor's words."""
    match = _AT.match(message)
    what, path = (match["what"], match["path"] or "the file") if match else (message, "the file")
    if what.startswith("Object missing required field"):
        return DevnetError("scenario.missing", f"{where}: {path}: {what}.", "Add the field.")
    return DevnetError("scenario.value", f"{where}: {path}: {what}.", "Correct the value; units are in the name.")


def _expand(scenario: Scenario, where: str) -> Scenario:
    """Fleets written out as members and meters, faults in their order, and what types alone can't say checked."""
    members, meters = list(scenario.members), list(scenario.meters)
    for fleet in scenario.fleets:
        low, high = fleet.peak_w
        counted_wh = _counted(fleet, where)
        for number in range(fleet.count):
            name = f"{fleet.prefix}-{number + 1:02d}"
            # 37 is prime to every fleet that is not a multiple of it: neighbours differ, the spread is even.
            peak_w = low + (high - low) * (number * 37 % fleet.count) // max(1, fleet.count - 1)
            members.append(MemberSpec(name, f"{fleet.name} {number + 1}", ("consumer",), fleet.balance_nano))
            meters.append(
                MeterSpec(
                    id=f"{name}-load",
                    member=name,
                    kind="load",
                    rating_w=max(1, peak_w * 3 // 2),
                    profile=fleet.profiles[number % len(fleet.profiles)],
                    peak_w=peak_w,
                    forecast_error_ppm=fleet.forecast_error_ppm,
                    tier=fleet.tier,
                    private=fleet.private,
                    cycle_wh=counted_wh[number],
                )
            )
    # What a mending ends comes before it, wherever it stands in the file.
    faults = sorted(scenario.faults, key=lambda fault: -1 if fault.interval is None else fault.interval)
    whole = msgspec.structs.replace(
        scenario, members=tuple(members), meters=tuple(meters), fleets=(), faults=tuple(faults)
    )
    check(whole, where)
    return whole
