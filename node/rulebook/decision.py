"""Which rules fire on a sight, and the bodies that come of it: pure, so that a recorded day gives the same again.

Amounts are checked against the member's own equipment and the pact's prices; one that does not fit costs its rule, and
never is bent into shape. What would pass a limit of the rulebook stops all of it. A rule that fails says so, and the
others act. Never sends anything and remembers nothing: what was spent so far comes from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from contracts import bodies
from contracts.bodies import AccountBody, Claim
from contracts.units import MAX_ENERGY
from node.rulebook import document as book
from node.rulebook.document import Amount, Rule, Rulebook
from node.rulebook.expression import RulebookError, Value, evaluate
from node.rulebook.sight import NOTHING_SPENT, MeterKind, MeterSight, Sight, Spent, facts
from zk.codec import encode
from zk.hashing import sha256

MAX_ID = 32
"""Characters of `contracts.units.Id`."""


class Trouble(NamedTuple):
    """Why a rule did not act, or the whole rulebook does not."""

    rule: str
    """Empty: it is about the rulebook."""
    code: str
    message: str


class Decision(NamedTuple):
    """What comes of one sight."""

    bodies: tuple[AccountBody, ...]
    stake_tokens: int
    """What the builder may stake on the interval's round; 0: it does not wager."""
    claim: Claim
    spend_nano: int
    """The worst that the bodies may cost."""
    fired: tuple[str, ...]
    troubles: tuple[Trouble, ...]
    stopped: Trouble | None
    """A limit that is hit: nothing of the above is left then."""


class _Draft:
    """What the rules that fired so far want."""

    def __init__(self) -> None:
        self.needs: dict[int, int] = {}
        """Energy by tier."""
        self.bids: list[tuple[int, int]] = []
        """Energy and limit price."""
        self.others: list[AccountBody] = []
        self.spend_nano = 0
        self.stake_tokens = 0
        self.claim: Claim = "least-cost"

    def take(self, energy_wh: int) -> int:
        """Take from what is needed, the least critical tier first; how much there was to take."""
        left_wh = energy_wh
        for tier in sorted(self.needs, reverse=True):
            taken_wh = min(left_wh, self.needs[tier])
            self.needs[tier] -= taken_wh
            left_wh -= taken_wh
        return energy_wh - left_wh


def decide(rulebook: Rulebook, sight: Sight, spent: Spent = NOTHING_SPENT) -> Decision:
    """What to do about the interval of `sight`; `spent` is what the day has cost so far. Never raises."""
    stopped = _barred(rulebook, sight)
    if stopped is not None:
        return _nothing(stopped)
    troubles: list[Trouble] = []
    try:
        seen = facts(sight, spent)
        for name, expression in rulebook.names:
            seen[name] = evaluate(expression, seen, None, f"[let] {name}")
    except RulebookError as error:
        return _nothing(Trouble("", error.code, error.message))
    draft, fired = _Draft(), []
    # What takes from needs comes after all that add to them, in whichever order the rules stand.
    for later in (False, True):
        for rule in rulebook.rules:
            if isinstance(rule.do, book.Shed | book.Resell) is not later:
                continue
            try:
                if evaluate(rule.when, seen, "condition", f"{rule.where}, `when`"):
                    _act(draft, rule, sight, _reader(rulebook, rule, seen))
                    fired.append(rule.name)
            except RulebookError as error:
                troubles.append(Trouble(rule.name, error.code, error.message))
    beyond = _beyond(rulebook, sight, spent, draft)
    if beyond is not None:
        return _nothing(beyond)._replace(troubles=tuple(troubles))
    return Decision(
        _bodies(draft, sight),
        draft.stake_tokens,
        draft.claim,
        _worst(draft, sight),
        tuple(fired),
        tuple(troubles),
        None,
    )


def _nothing(stopped: Trouble) -> Decision:
    return Decision((), 0, "least-cost", 0, (), (), stopped)


# Limits


def _barred(rulebook: Rulebook, sight: Sight) -> Trouble | None:
    """A limit that is hit before anything is done."""
    limits = rulebook.limits
    if rulebook.member != sight.member:
        return Trouble("", "rulebook.member", f"It is of {rulebook.member}, not of {sight.member}.")
    if sight.index_ppm < limits.least_index_ppm:
        said = f"The trust index is {sight.index_ppm} ppm, the least is {limits.least_index_ppm}."
        return Trouble("", "rulebook.trust-limit", said)
    if sight.free_tokens < limits.least_free_tokens:
        said = f"{sight.free_tokens} tokens are free, the least is {limits.least_free_tokens}."
        return Trouble("", "rulebook.trust-limit", said)
    if limits.least_balance_nano is not None and sight.balance_nano < limits.least_balance_nano:
        said = f"The balance is {sight.balance_nano} nano, the least is {limits.least_balance_nano}."
        return Trouble("", "rulebook.spending-limit", said)
    return None


def _beyond(rulebook: Rulebook, sight: Sight, spent: Spent, draft: _Draft) -> Trouble | None:
    """A limit that this would pass."""
    limits, worst_nano = rulebook.limits, _worst(draft, sight)
    if limits.spend_nano_per_day is not None and spent.spend_nano + worst_nano > limits.spend_nano_per_day:
        said = (
            f"{spent.spend_nano} nano of the day's {limits.spend_nano_per_day} are spent or pledged, and this may cost"
        )
        return Trouble("", "rulebook.spending-limit", f"{said} {worst_nano} more.")
    if draft.stake_tokens and spent.wager_tokens + draft.stake_tokens > limits.wager_tokens_per_day:
        said = f"{spent.wager_tokens} tokens of the day's {limits.wager_tokens_per_day} are staked, and this stakes"
        return Trouble("", "rulebook.wager-limit", f"{said} {draft.stake_tokens} more.")
    return None


def _worst(draft: _Draft, sight: Sight) -> int:
    """Nothing costs more than the cap; a bid no more than its limit, and what is stored or scheduled no more than what
    it is worth."""
    needs_nano = sum(draft.needs.values()) * max(0, sight.cap_nano_per_wh)
    return needs_nano + sum(energy_wh * max(0, limit) for energy_wh, limit in draft.bids) + draft.spend_nano


# Actions

Read = Callable[[str, Amount, int, int], int]
"""An amount of the rule's, by its field, within bounds."""


def _reader(rulebook: Rulebook, rule: Rule, seen: dict[str, Any]) -> Read:
    def read(field: str, amount: Amount, least: int, most: int) -> int:
        where = f"{rule.where}, `{field}`"
        value: Value = amount if isinstance(amount, int) else evaluate(rulebook.amounts[amount], seen, "amount", where)
        assert isinstance(value, int), "an amount is a number"
        if not least <= value <= most:
            raise RulebookError("rulebook.amount", f"{where} is {value}.", f"It is from {least} to {most} here.")
        return value

    return read


def _act(draft: _Draft, rule: Rule, sight: Sight, read: Read) -> None:
    """Add what a rule wants; all of it, or (raising `rulebook.*`) nothing."""
    low, high, most = sight.floor_nano_per_wh, sight.cap_nano_per_wh, MAX_ENERGY
    now = sight.interval
    match rule.do:
        case book.Need(wh=wh, tier=tier):
            energy_wh = _taken(rule, sight, draft, read("wh", wh, 0, most))
            draft.needs[tier] = draft.needs.get(tier, 0) + energy_wh
        case book.Bid(wh=wh, limit_nano_per_wh=limit):
            limit_nano = read("limit_nano_per_wh", limit, low, high)
            if energy_wh := _taken(rule, sight, draft, read("wh", wh, 0, most)):
                draft.bids.append((energy_wh, limit_nano))
        case book.Shed(wh=wh):
            draft.take(read("wh", wh, 0, most))
        case book.Resell(wh=wh, limit_nano_per_wh=limit):
            limit_nano, energy_wh = read("limit_nano_per_wh", limit, low, high), read("wh", wh, 0, most)
            if taken_wh := draft.take(energy_wh):
                draft.bids.append((taken_wh, limit_nano))
        case book.Offer(meter=meter, blocks=parts):
            own = _own(rule, sight, meter, ("source", "storage"))
            by_price: dict[int, int] = {}
            for part in parts:
                price = read("nano_per_wh", part.nano_per_wh, low, high)
                by_price[price] = by_price.get(price, 0) + read("wh", part.wh, 0, most)
            _rated(rule, "offers", sum(by_price.values()), own.give_wh)
            blocks = tuple(bodies.OfferBlock(price, wh) for price, wh in sorted(by_price.items()) if wh)
            if blocks:
                draft.others.append(bodies.Offer(meter, now, blocks))
        case book.Withdraw(meter=meter):
            _own(rule, sight, meter, ("source", "storage"))
            draft.others.append(bodies.Offer(meter, now, ()))
        case book.Store() as store:
            own = _own(rule, sight, store.meter, ("storage",))
            charge_wh = read("charge_wh", store.charge_wh, 0, most)
            discharge_wh = read("discharge_wh", store.discharge_wh, 0, most)
            _rated(rule, "charges", charge_wh, own.take_wh)
            _rated(rule, "discharges", discharge_wh, own.give_wh)
            value = store.end_value_nano_per_wh
            end_value = None if value is None else read("end_value_nano_per_wh", value, low, high)
            reserve_wh = read("reserve_wh", store.reserve_wh, 0, discharge_wh)
            reserve_nano = read("reserve_nano_per_wh", store.reserve_nano_per_wh, 0, high)
            draft.spend_nano += charge_wh * max(0, high if end_value is None else end_value)
            draft.others.append(
                bodies.StorageOffer(store.meter, now, 1, charge_wh, discharge_wh, end_value, reserve_wh, reserve_nano)
            )
        case book.Reserve(meter=meter, wh=wh, nano_per_wh=nano):
            own = _own(rule, sight, meter, ("source",))
            energy_wh = read("wh", wh, 0, most)
            _rated(rule, "holds back", energy_wh, own.give_wh)
            draft.others.append(bodies.ReserveOffer(meter, now, 1, energy_wh, read("nano_per_wh", nano, 0, high)))
        case book.Schedule() as job:
            count = read("intervals", job.intervals, 1, bodies.MAX_SPAN)
            most_wh = read("most_wh", job.most_wh, 1, most)
            energy_wh = read("wh", job.wh, 0, min(most, most_wh * count))
            value_nano = read("value_nano_per_wh", job.value_nano_per_wh, low, high)
            _rated(rule, "takes", most_wh, _rating(sight))
            if energy_wh:
                draft.spend_nano += energy_wh * max(0, value_nano)
                load = _load_id(job.name, sight)
                draft.others.append(bodies.FlexibleLoad(load, now, now + count, energy_wh, most_wh, value_nano))
        case book.Wager(tokens=tokens, claim=claim):
            draft.stake_tokens = read("tokens", tokens, 0, sight.free_tokens)
            draft.claim = claim
        case book.Island(reason=reason):
            draft.others.append(bodies.SetMode(now, 1, "island", reason))
        case book.Grid(reason=reason):
            draft.others.append(bodies.SetMode(now, 1, "grid", reason))


def _load_id(name: str, sight: Sight) -> str:
    """The id of the load that is scheduled in the interval: a ledger takes each once, from all members together."""
    return f"{name}-{sha256(encode((sight.member, name, sight.interval))).hex()}"[:MAX_ID]


def _own(rule: Rule, sight: Sight, meter: str, kinds: tuple[MeterKind, ...]) -> MeterSight:
    found = next((one for one in sight.meters if one.id == meter and one.kind in kinds), None)
    if found is None:
        raise RulebookError(
            "rulebook.meter", f"{rule.where} names {meter}.", f"Name a {' or '.join(kinds)} of your own."
        )
    return found


def _rated(rule: Rule, does: str, energy_wh: int, most_wh: int) -> None:
    if energy_wh > most_wh:
        raise RulebookError(
            "rulebook.rating",
            f"{rule.where} {does} {energy_wh} Wh, and its equipment may {most_wh} Wh.",
            "Write min(..., battery.give_wh), supply.give_wh or the like.",
        )


def _rating(sight: Sight) -> int:
    """Most that all equipment of the member takes in an interval."""
    return sum(meter.take_wh for meter in sight.meters if meter.kind != "source")


def _taken(rule: Rule, sight: Sight, draft: _Draft, energy_wh: int) -> int:
    """Energy that, with all asked for already, the member's own equipment can take."""
    before_wh = sum(draft.needs.values()) + sum(wh for wh, _ in draft.bids)
    _rated(rule, "takes, with what others need,", before_wh + energy_wh, _rating(sight))
    return energy_wh


def _bodies(draft: _Draft, sight: Sight) -> tuple[AccountBody, ...]:
    needs = [bodies.Need(sight.interval, 1, wh, None, tier) for tier, wh in sorted(draft.needs.items()) if wh]
    by_limit: dict[int, int] = {}
    for energy_wh, limit in draft.bids:
        by_limit[limit] = by_limit.get(limit, 0) + energy_wh
    bids = [bodies.Need(sight.interval, 1, wh, limit, 0) for limit, wh in sorted(by_limit.items())]
    return (*needs, *bids, *draft.others)
