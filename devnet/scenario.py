"""Scenarios: who is on the grid, what they own and want, what breaks, and what must hold, as data.

A scenario is a TOML file in `devnet/scenarios/` (by name) or anywhere (by path). It is read strictly: an
unknown field, a value outside its bounds or a reference to nobody is an error with a `scenario.*` code, the
path of the field and the closest valid name. Never holds code, and never decides what a rule means: that is
`contracts`.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from contracts.bodies import MAX_BLOCKS
from contracts.genesis import ConsensusParams
from contracts.params import PactParams
from contracts.units import PPM, Energy, Factor, Id, Meta, Name, Ppm, Price
from devnet.errors import DevnetError

MIN_VALIDATORS = 4
MAX_VALIDATORS = 7
MAX_INTERVALS = 512
"""Of one `devnet run`; agents remember the physical outcome of as many."""
MAX_SCENARIO_BYTES = 1024 * 1024
AGENTS = "agents"
"""What faults and commands call the process of all agents, beside the nodes; no member may be called so."""
SCENARIOS = Path(__file__).parent / "scenarios"

Positive = Annotated[int, Meta(ge=1, le=2**40 - 1)]
Role = Literal["supplier", "consumer", "storage", "campus", "utility"]
Season = Literal["summer", "winter"]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Common options of every table of a scenario."""


class Clock(Section, frozen=True):
    """How ledger time runs: `speed` times life from `origin`, or stepped from boundary to boundary."""

    origin: datetime
    """UTC, on an interval boundary."""
    speed: Annotated[int, Meta(ge=1, le=3_600)] = 1
    run: Literal["stepped", "running"] = "running"
    """What `devnet run` does; `devnet up` always runs."""
    zone: Annotated[str, Meta(pattern=r"^[A-Za-z0-9/_+-]{1,64}\Z")] = "UTC"
    """Time zone of the site, by its IANA name; people see both times, the ledger knows UTC alone."""

    @property
    def site(self) -> ZoneInfo | None:
        """The zone, where this machine knows one of that name; without it, times are shown in UTC alone."""
        try:
            return ZoneInfo(self.zone)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            return None

    @property
    def origin_ms(self) -> int:
        """Start of the scenario, ledger milliseconds."""
        return int(self.origin.timestamp()) * 1000


class MemberSpec(Section, frozen=True):
    """An organisation. The first `validators` members that are `able` each run a validator."""

    id: Id
    name: Name
    roles: Annotated[tuple[Role, ...], Meta(min_length=1)]
    balance_nano: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    able: bool = False


class OfferShare(Section, frozen=True):
    """Part of a source's forecast, offered at one price."""

    share_ppm: Annotated[int, Meta(ge=1, le=PPM)]
    price_nano_per_wh: Price


class Store(Section, frozen=True):
    """A battery: what it holds, what each way loses, and when its agent trades."""

    capacity_wh: Positive
    charge_ppm: Ppm = PPM // 2
    """How full it starts."""
    charge_efficiency_ppm: Annotated[int, Meta(ge=1, le=PPM)] = 960_000
    discharge_efficiency_ppm: Annotated[int, Meta(ge=1, le=PPM)] = 960_000
    buy_below_nano_per_wh: Price = 90_000
    sell_above_nano_per_wh: Price = 220_000


class MeterSpec(Section, frozen=True):
    """Equipment behind one meter.

    `profile` is a load shape's name, `pv`, `wind` or `flat`; `peak_w` scales it and defaults to `rating_w`.
    """

    id: Id
    member: Id
    kind: Literal["source", "load", "storage", "tie"]
    rating_w: Positive
    profile: str = "flat"
    peak_w: Energy | None = None
    zone: Id = "site"
    factor_ug_per_wh: Factor | None = None
    forecast_error_ppm: Ppm = 0
    """How far what happens lies from what was forecast, at most, either way."""
    blocks: Annotated[tuple[OfferShare, ...], Meta(max_length=MAX_BLOCKS)] = ()
    store: Store | None = None


class Fleet(Section, frozen=True):
    """`count` consumers alike, with one load meter each: members `prefix-01`.. and meters `prefix-01-load`..

    Peaks are spread evenly over `peak_w`, profiles are dealt out in turn.
    """

    prefix: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,20}\Z")]
    name: Annotated[str, Meta(min_length=1, max_length=60)]
    count: Annotated[int, Meta(ge=1, le=5_000)]
    peak_w: tuple[Positive, Positive]
    profiles: Annotated[tuple[str, ...], Meta(min_length=1)]
    balance_nano: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    forecast_error_ppm: Ppm = 0


class TariffHours(Section, frozen=True):
    """The utility's prices from this UTC hour until the next row's, every day. Synthetic."""

    from_hour: Annotated[int, Meta(ge=0, le=23)]
    import_nano_per_wh: Price
    export_nano_per_wh: Price


class Utility(Section, frozen=True):
    """What the tie to the public grid costs and carries."""

    tariff: Annotated[tuple[TariffHours, ...], Meta(min_length=1, max_length=24)]
    import_limit_wh: Energy
    export_limit_wh: Energy
    factor_ug_per_wh: Factor


class Load(Section, frozen=True):
    """Traffic for its own sake: so many readings and transfers a second, for so long."""

    seconds: Annotated[int, Meta(ge=1, le=3_600)]
    readings_per_s: Annotated[int, Meta(ge=0, le=50_000)]
    transfers_per_s: Annotated[int, Meta(ge=0, le=50_000)]


class Fault(Section, frozen=True):
    """Something that breaks or is mended, some time after a run's start or at its k-th interval.

    Processes and links break for real: the runner does that. `agents` can only be killed, and start again at
    once. Equipment breaks in the world, at an interval: a meter in `silence` counts on and says nothing until it
    may `speak`; a source that is lost (`lose`) gives and offers nothing until `regain`. What was promised for
    the interval of the loss is not delivered.
    """

    action: Literal["kill", "restart", "pause", "resume", "partition", "heal", "silence", "speak", "lose", "regain"]
    nodes: tuple[Id, ...] = ()
    groups: tuple[tuple[Id, ...], ...] = ()
    """Sides of a partition."""
    meters: tuple[Id, ...] = ()
    """Equipment."""
    after_ms: Annotated[int, Meta(ge=0, le=3_600_000)] | None = None
    interval: Annotated[int, Meta(ge=0, le=10_000)] | None = None

    @property
    def on_equipment(self) -> bool:
        """It happens in the world, and no process notices."""
        return self.action in EQUIPMENT


EQUIPMENT = ("silence", "speak", "lose", "regain")
MENDS = {"restart": "kill", "resume": "pause", "heal": "partition", "speak": "silence", "regain": "lose"}
"""Actions that undo another."""


def within(faults: Sequence[Fault], intervals: int) -> tuple[Fault, ...]:
    """The faults of a run of so many intervals: what would begin later is left out, with its mending.

    A mending that would come later, of something that breaks inside, stays: it happens at the end of the run.
    """
    kept: list[Fault] = []
    for fault in faults:
        breaking = MENDS.get(fault.action)
        undone = any(
            one.action == breaking and not {*fault.nodes, *fault.meters}.isdisjoint((*one.nodes, *one.meters))
            for one in kept
        ) or any(one.action == breaking == "partition" for one in kept)
        inside = fault.interval is None or fault.interval < intervals
        if undone or (inside and breaking is None) or fault.after_ms is not None:
            kept.append(fault)
    return tuple(kept)


def broken(faults: Sequence[Fault], action: str, at: int) -> frozenset[str]:
    """Meters that `action` (`silence` or `lose`) holds in the run's `at`-th interval."""
    held: set[str] = set()
    for fault in faults:
        if fault.interval is None or fault.interval > at:
            continue
        if fault.action == action:
            held |= set(fault.meters)
        elif MENDS.get(fault.action) == action:
            held -= set(fault.meters)
    return frozenset(held)


class MeterSpan(Section, frozen=True):
    """A meter from one interval of the run (the first is 0) until before another; None: to its end."""

    meter: Id
    from_interval: Annotated[int, Meta(ge=0, le=10_000)]
    until_interval: Annotated[int, Meta(ge=0, le=10_000)] | None = None

    def covers(self, at: int) -> bool:
        """Whether the run's `at`-th interval is one of these."""
        return self.from_interval <= at and (self.until_interval is None or at < self.until_interval)


class Expectations(Section, frozen=True):
    """What must hold after a run; see `devnet.expectations` for what each one compares."""

    submissions_final_once: bool = True
    roots_equal: bool = True
    money_conserved: bool = True
    bills_balance: bool = True
    everything_accepted: bool = True
    caught_up: bool = True
    registers_equal: bool = True
    load_served: bool = False
    intervals_settled: bool = False
    silent_meters: tuple[MeterSpan, ...] = ()
    """Exactly these say nothing about exactly these intervals, and nobody else about any."""
    silence_estimated: bool = True
    """The ledger estimated exactly the silent meters, and trued them up in the interval in which they spoke again."""
    lost_sources: tuple[MeterSpan, ...] = ()
    """Nothing is ordered from these in these intervals, though something was before."""
    readings_at_least: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0
    transfers_at_least: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0


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
    params: PactParams = PactParams()
    consensus: ConsensusParams = ConsensusParams()
    utility: Utility | None = None
    load: Load | None = None
    intervals: Annotated[int, Meta(ge=1, le=MAX_INTERVALS)] = 8
    """How many intervals `devnet run` runs, unless told otherwise."""
    faults: Annotated[tuple[Fault, ...], Meta(max_length=64)] = ()
    expect: Expectations = Expectations()

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
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = SCENARIOS / f"{name_or_path}.toml"
        if name_or_path not in available():
            raise DevnetError(
                "scenario.unknown",
                f"There is no scenario {name_or_path!r}.",
                f"{_closest(name_or_path, available())} A path must end in .toml.",
            )
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DevnetError(
            "scenario.unreadable", f"{path} can't be read: {error.strerror}.", "Check the path."
        ) from None
    return parse(raw, str(path))


def parse(raw: bytes, where: str = "scenario") -> Scenario:
    """Scenario written in `raw` (TOML, at most 1 MiB). Raises `DevnetError` (`scenario.*`)."""
    if len(raw) > MAX_SCENARIO_BYTES:
        raise DevnetError("scenario.oversized", f"{where} is larger than 1 MiB.", "Use [[fleets]] for many alike.")
    try:
        document = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DevnetError("scenario.syntax", f"{where} is not TOML: {error}.", "Fix the line named.") from None
    refuse_unknown(document, Scenario, where)
    try:
        given = [name for name in _TABLES if name in document]
        tables = {name: _table(_TABLES[name], document.pop(name), name) for name in given}
        scenario = msgspec.convert(document, Scenario)
    except msgspec.ValidationError as error:
        raise _explain(str(error), where) from None
    return _expand(msgspec.structs.replace(scenario, **tables), where)


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
    _check(changed, scenario.name)
    return changed


def _table(type_: type[msgspec.Struct], values: Any, path: str) -> msgspec.Struct:
    """An array-like struct of the lower floors from a table of named values, each checked by its bounds."""
    if not isinstance(values, dict):
        raise msgspec.ValidationError(f"Expected `object`, got `{type(values).__name__}` - at `$.{path}`")
    fields = []
    for field in msgspec.structs.fields(type_):
        value = values.get(field.name, field.default)
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
                        _closest(key, list(fields)),
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


_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)


def _explain(message: str, where: str) -> DevnetError:
    """A msgspec complaint in this floor's words."""
    match = _AT.match(message)
    what, path = (match["what"], match["path"] or "the file") if match else (message, "the file")
    if what.startswith("Object missing required field"):
        return DevnetError("scenario.missing", f"{where}: {path}: {what}.", "Add the field.")
    return DevnetError("scenario.value", f"{where}: {path}: {what}.", "Correct the value; units are in the name.")


def _closest(name: str, valid: list[str]) -> str:
    near = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    if near:
        return f"Did you mean `{near[0]}`?"
    return f"Valid here: {', '.join(sorted(valid)) or 'nothing'}."


def _expand(scenario: Scenario, where: str) -> Scenario:
    """Fleets written out as members and meters, and everything that types alone can't say checked."""
    members, meters = list(scenario.members), list(scenario.meters)
    for fleet in scenario.fleets:
        low, high = fleet.peak_w
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
                )
            )
    whole = msgspec.structs.replace(scenario, members=tuple(members), meters=tuple(meters), fleets=())
    _check(whole, where)
    return whole


def _check(scenario: Scenario, where: str) -> None:
    """Raise `DevnetError` for the first thing that contradicts another."""
    ids = [member.id for member in scenario.members]
    for kind, names in (("member", ids), ("meter", [meter.id for meter in scenario.meters])):
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
    _known_meters(
        scenario,
        [span.meter for span in (*scenario.expect.silent_meters, *scenario.expect.lost_sources)],
        f"{where}: expect",
    )
    for index, meter in enumerate(scenario.meters):
        if meter.member not in ids:
            raise DevnetError(
                "scenario.reference",
                f"{where}: meters[{index}].member: there is no member `{meter.member}`.",
                _closest(meter.member, ids),
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
        if bool(fault.meters) != fault.on_equipment or (fault.on_equipment and fault.interval is None):
            raise DevnetError(
                "scenario.fault",
                f"{where}: faults[{index}]: `meters` and an `interval` go with {', '.join(EQUIPMENT)}, and only there.",
                "Name nodes, or meters and an interval.",
            )
        _known_meters(scenario, fault.meters, f"{where}: faults[{index}]")
        for name in (*fault.nodes, *(node for group in fault.groups for node in group)):
            if name not in (*scenario.nodes, AGENTS):
                raise DevnetError(
                    "scenario.reference",
                    f"{where}: faults[{index}]: there is no node `{name}`.",
                    _closest(name, list(scenario.nodes)),
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


def _known_meters(scenario: Scenario, names: Sequence[str], where: str) -> None:
    meters = [meter.id for meter in scenario.meters]
    for name in names:
        if name not in meters:
            raise DevnetError("scenario.reference", f"{where}: there is no meter `{name}`.", _closest(name, meters))
