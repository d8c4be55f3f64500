"""The file of a rulebook: TOML, read strictly and as a whole; one mistake anywhere, and none of it acts.

Every condition and every amount is compiled when the file is read (`node.rulebook.expression`), and every name in it is
tried on an empty sight, so that a misspelt fact is found before the night in which it would have mattered. Errors are
`rulebook.*` with the line and the rule. Never evaluates anything on real figures.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

from contracts.bodies import MAX_BLOCKS, Claim
from contracts.units import Id, Meta, Money, Name, Ppm, Tokens, Total
from node.rulebook.expression import Expression, Kind, RulebookError, Value, compile_expression, evaluate
from node.rulebook.sight import Forecast, MeterKind, MeterSight, Sight, facts

MAX_BYTES = 64 * 1_024
MAX_RULES = 64
MAX_NAMES = 64
FORMAT = 1
FIGURES = ("rulebook.division", "rulebook.overflow", "rulebook.failed")
"""What an expression may come to for some figures and not for others."""

Amount = int | str
"""A whole number, or an expression that comes to one."""
Word = Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_]{0,31}\Z")]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Common options."""


class _Action(_Table, frozen=True, tag_field="action", tag=str.lower):
    """What a rule does when it fires; energies are of the interval ahead."""


class Need(_Action, frozen=True):
    """Ask for energy whatever it costs."""

    wh: Amount
    tier: Annotated[int, Meta(ge=0, le=7)] = 1
    """Of shedding; 0 is the most critical."""


class Bid(_Action, frozen=True):
    """Ask for energy up to a price."""

    wh: Amount
    limit_nano_per_wh: Amount


class Shed(_Action, frozen=True):
    """Ask for less of what other rules need, the least critical tier first."""

    wh: Amount


class Resell(_Action, frozen=True):
    """Give up part of what other rules need where somebody else pays more for it: it becomes a bid."""

    wh: Amount
    limit_nano_per_wh: Amount


class OfferPart(_Table, frozen=True):
    """A block of an offer."""

    wh: Amount
    nano_per_wh: Amount


class Offer(_Action, frozen=True):
    """Offer energy of a source or a storage in blocks; equal prices add up, empty blocks are left out."""

    meter: Id
    blocks: Annotated[tuple[OfferPart, ...], Meta(min_length=1, max_length=MAX_BLOCKS)]


class Withdraw(_Action, frozen=True):
    """Take back what was offered of a meter for the interval."""

    meter: Id


class Store(_Action, frozen=True):
    """Let the dispatch charge and discharge a storage."""

    meter: Id
    charge_wh: Amount
    discharge_wh: Amount
    end_value_nano_per_wh: Amount | None = None
    reserve_wh: Amount = 0
    reserve_nano_per_wh: Amount = 0


class Reserve(_Action, frozen=True):
    """Hold something of a source back for the worst."""

    meter: Id
    wh: Amount
    nano_per_wh: Amount


class Schedule(_Action, frozen=True):
    """Energy by a deadline, whenever it is cheapest: a load of its own for each interval in which the rule fires."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,24}\Z")]
    """What the id of each begins with."""
    wh: Amount
    most_wh: Amount
    """In one interval."""
    intervals: Amount
    """From the interval ahead to the deadline."""
    value_nano_per_wh: Amount


class Wager(_Action, frozen=True):
    """Let the member's builder stake tokens on the round of the interval."""

    tokens: Amount
    claim: Claim = "least-cost"


class Island(_Action, frozen=True):
    """Open the connection to the public grid in the interval."""

    reason: Name


class Grid(_Action, frozen=True):
    """Take back one's own order to be an island."""

    reason: Name


Action = Need | Bid | Shed | Resell | Offer | Withdraw | Store | Reserve | Schedule | Wager | Island | Grid


class RuleTable(_Table, frozen=True):
    """[[rules]]"""

    name: Name
    when: str
    do: Action


class Limits(_Table, frozen=True):
    """[limits]: hit one, and the agent acts no more, until the next UTC day or until the figure is back."""

    spend_nano_per_day: Total | None = None
    """What the bills of a day and the worst of what is still open may come to."""
    wager_tokens_per_day: Tokens = 0
    """Staked in a day, whatever becomes of it."""
    least_index_ppm: Ppm = 0
    least_free_tokens: Tokens = 0
    least_balance_nano: Money | None = None


class RulebookTable(_Table, frozen=True, kw_only=True):
    """The file."""

    format: Annotated[int, Meta(ge=1, le=FORMAT)]
    member: Id
    about: Annotated[str, Meta(max_length=1_024)] = ""
    limits: Limits
    let: Annotated[dict[Word, str], Meta(max_length=MAX_NAMES)] = msgspec.field(default_factory=dict)
    rules: Annotated[tuple[RuleTable, ...], Meta(min_length=1, max_length=MAX_RULES)]


class Rule(NamedTuple):
    """A rule that was checked."""

    name: str
    line: int
    """Where its table begins."""
    when: Expression
    do: Action

    @property
    def where(self) -> str:
        """For people."""
        return f"rule {self.name!r} (line {self.line})"


class Rulebook(NamedTuple):
    """A file that was checked."""

    member: str
    about: str
    limits: Limits
    names: tuple[tuple[str, Expression], ...]
    """What stands under [let], in its order."""
    rules: tuple[Rule, ...]
    amounts: dict[str, Expression]
    """Every expression of an amount, by its text."""


def load(path: Path) -> Rulebook:
    """Read and check a file. Raises `rulebook.*`."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RulebookError("rulebook.unreadable", f"{path}: {error.strerror}.", "Check the path.") from None
    return parse(raw)


def parse(raw: bytes) -> Rulebook:
    """Check a rulebook. Raises `rulebook.oversized`, `rulebook.syntax`, `rulebook.value`, and what an expression may
    raise.
    """
    if len(raw) > MAX_BYTES:
        raise RulebookError("rulebook.oversized", f"The rulebook has more than {MAX_BYTES} bytes.", "Use fewer rules.")
    try:
        text = raw.decode()
        table = msgspec.convert(tomllib.loads(text), RulebookTable)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise RulebookError(
            "rulebook.syntax", f"This is no TOML: {error or 'it is nested too deeply'}.", "Mend that line."
        ) from None
    except msgspec.ValidationError as error:
        raise RulebookError("rulebook.value", _located(str(error), raw), "See docs/rulebooks.md.") from None
    lines = _lines(text)
    if len(lines) < len(table.rules):
        # Written in one line, or in some way of TOML's own.
        lines = [1] * len(table.rules)
    named = [rule.name for rule in table.rules]
    if len(set(named)) < len(named):
        twice = next(name for name in named if named.count(name) > 1)
        raise RulebookError("rulebook.value", f"Two rules are called {twice!r}.", "Give each rule a name of its own.")
    rules = tuple(
        Rule(rule.name, line, compile_expression(rule.when, f"rule {rule.name!r} (line {line}), `when`"), rule.do)
        for rule, line in zip(table.rules, lines, strict=False)
    )
    names = tuple((name, compile_expression(said, f"[let] {name}")) for name, said in table.let.items())
    amounts = {
        said: compile_expression(said, f"{rule.where}, `{field}`") for rule in rules for field, said in _texts(rule.do)
    }
    rulebook = Rulebook(table.member, table.about, table.limits, names, rules, amounts)
    _try(rulebook)
    return rulebook


def _texts(struct: msgspec.Struct) -> list[tuple[str, str]]:
    """The amounts of an action that are expressions, with their fields."""
    found: list[tuple[str, str]] = []
    for field in msgspec.structs.fields(type(struct)):
        value = getattr(struct, field.name)
        if isinstance(value, tuple):
            found += [one for part in value for one in _texts(part)]
        elif isinstance(value, str) and field.type in (Amount, Amount | None):
            found.append((field.name, value))
    return found


def _try(rulebook: Rulebook) -> None:
    """Every name is known, and every expression comes to what its place takes, on a made-up sight."""
    seen: dict[str, Any] = facts(made_up(rulebook.member))
    doubtful = False

    def tried(expression: Expression, kind: Kind | None, where: str) -> Value:
        nonlocal doubtful
        for name, field in expression.names:
            fact = seen.get(name)
            if fact is None or (field and (not isinstance(fact, dict) or field not in fact)):
                raise RulebookError(
                    "rulebook.unknown",
                    f"{where} names {name}{'.' * bool(field)}{field}, which there is not.",
                    "`gridpact rulebook facts` lists all names.",
                )
        try:
            return evaluate(expression, seen, kind, where)
        except RulebookError as error:
            # Of these figures alone; and what rests on a name that has no value now may be anything.
            if error.code in FIGURES or (doubtful and error.code == "rulebook.type"):
                doubtful = True
                return 0
            raise

    for name, expression in rulebook.names:
        if name in seen:
            raise RulebookError("rulebook.value", f"[let] {name} is the name of a fact.", "Choose another name.")
        seen[name] = tried(expression, None, f"[let] {name}")
    for rule in rulebook.rules:
        tried(rule.when, "condition", f"{rule.where}, `when`")
        for field, said in _texts(rule.do):
            tried(rulebook.amounts[said], "amount", f"{rule.where}, `{field}`")


def made_up(member: str) -> Sight:
    """An interval in which every figure is something."""
    some = Forecast(1, 1, 1, 1, 1, 1)
    kinds: tuple[MeterKind, ...] = ("load", "source", "storage")
    meters = tuple(
        MeterSight(id=kind, kind=kind, give_wh=1, take_wh=1, expect=some, charge_wh=1, capacity_wh=2) for kind in kinds
    )
    return Sight(
        interval=1, interval_ms=900_000, member=member, price=some, weather=some, ahead=(1,) * 96, meters=meters
    )


def _lines(text: str) -> list[int]:
    """Where the tables of rules begin, from 1."""
    return [number for number, line in enumerate(text.splitlines(), 1) if line.split("#")[0].strip() == "[[rules]]"]


def _located(message: str, raw: bytes) -> str:
    """The sentence of a mistake, with the line of the rule that it is in."""
    said, _, path = message.partition(" - at `$")
    if path.startswith(".rules["):
        number = int(path[len(".rules[") :].partition("]")[0])
        lines = _lines(raw.decode())
        where = f"line {lines[number]}" if number < len(lines) else f"rule {number + 1}"
        return f"{where}{path.partition(']')[2].rstrip('`')}: {said}."
    return f"{path.strip('.`') or 'the file'}: {said}."
