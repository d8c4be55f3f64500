"""Any traffic over windows: whatever members, builders and governance may say, drawn from one source of chance."""

from __future__ import annotations

from random import Random
from typing import Any

from flexible_world import EQUIPPED
from ledger_world import INTERVAL_MS, ROLES, Chain, Site, change, key_of, make_genesis
from network_world import NETWORK
from wager_world import BOND, SEATED, TERMS, open_numbers, packed, round_of, sealed

from contracts import api, relaxing, schema
from contracts.bodies import (
    AccountBody,
    BaseLoad,
    CallReduction,
    Correct,
    FlexibleLoad,
    Need,
    Offer,
    OfferBlock,
    OfferReduction,
    Require,
    Reserve,
    ReserveOffer,
    SetMode,
    StorageOffer,
    Tariff,
    Wager,
    WithdrawLoad,
)
from contracts.carbon.bodies import EndFactor, GreenBid, RegisterFactor, RetireOrigin, TransferOrigin
from contracts.envelope import AccountEnvelope, Envelope
from contracts.genesis import Genesis, OpeningTrust
from contracts.governance.changes import Change, RemoveMember, RevokeKey, SetEnvelope, SetNetwork, SetParams
from contracts.governance.enact import admissible, enact
from contracts.governance.rules import rules
from contracts.members import Asset, AssetEnvelope, DaySpan
from contracts.params import CarbonParams, ModeParams, PactParams, problem
from contracts.receipts import OK, Receipt
from contracts.records import SETTLED
from contracts.schema import CASES, LOADS, SCHEDULE, SCHEDULES
from contracts.state import State
from contracts.units import MAX_ENERGY, MAX_MONEY, MAX_PRICE
from node.solver.build import build

MEMBERS = ROLES | {"auditor": ("certifier",)}
NAMES = sorted(MEMBERS)
METERS = EQUIPPED | {"m-cell": Site("tenant", "storage", 40_000, None, 30_000, Asset(9, 10, charge_wh=9_000))}
PLACES = {"m-solar": "east", "m-bio": "east", "m-campus": "north", "m-tie": "north"}
ENERGIES = (0, 1, 700, 6_000, 20_000, 30_000, 90_000)
PRICES = (-500_000, 0, 50_000, 200_000, 300_000, 900_000, 4_000_000)


def genesis(chance: Random) -> Genesis:
    """Windows of some intervals, equipment that couples them, and three places or one."""
    meters = METERS
    made = make_genesis(
        params=params(chance, PactParams(window_intervals=2, wagering=TERMS, gate_lead_ms=1_800_000)),
        meters=meters,
        roles=MEMBERS,
        trusts=tuple(OpeningTrust(name, 1_000, BOND if name in SEATED else 0) for name in NAMES),
    )
    made = change(made, validators=tuple(f"node-{name}" for name in SEATED))
    if chance.random() < 0.5:
        return made
    placed = tuple(change(meter, zone=PLACES.get(meter.id, "south")) for meter in made.meters)
    return change(made, meters=placed, network=NETWORK)


def params(chance: Random, now: PactParams) -> PactParams:
    """What governance may come to: some of many parameters, each at one of its values."""
    pick = chance.choice
    choices: dict[str, Any] = {
        "window_intervals": pick((1, 2, 3, 4, 6)),
        "look_ahead_intervals": pick((0, 1, 5)),
        "gate_lead_ms": pick((1_800_000, 1_000_000)),
        "wagering": change(TERMS, on=chance.random() < 0.7, reward_nano_per_token=1, minimum_trust_tokens=0),
        "carbon": CarbonParams(
            zero_ghg=chance.random() < 0.5,
            embodied_baseline_ug=pick((0, 10**9)),
            embodied_surge_ug=pick((0, 10**9, MAX_MONEY)),
            surge_budget_ug=pick((0, MAX_MONEY)),
            site_ug=pick((0, 10**6, 10**18)),
        ),
        "modes": ModeParams(export_by_order=chance.random() < 0.5, export_threshold_nano=pick((0, 10**12))),
        "carbon_cap_ug": pick((None, 0, 10**9, MAX_MONEY)),
        "reserve_wh": pick((0, 2_000, MAX_ENERGY)),
        "line_loss_ppm": pick((0, 30_000, 1_000_000)),
        "shed_nano_per_wh": pick(((MAX_PRICE, 67_108_863, 16_777_215, 4_194_303), (4_000_000,))),
        "offer_cap_nano_per_wh": pick((4_000_000, 300_000)),
        "price_floor_nano_per_wh": pick((-500_000, 0, 200_000)),
        "scarcity_price_nano_per_wh": pick((4_000_000, 0)),
        "price_slack_ppm": pick((0, 5_000, 1_000_000)),
        "energy_ppm": pick((0, 1_000)),
        "soc_tolerance_wh": pick((0, 50_000)),
        "max_dispatch_variables": pick((1, 60, 2**17)),
        "need_threshold_ppm": pick((None, 0, 100_000)),
        "proposer_fee_nano": pick((0, 10**6)),
        "import_nano_per_wh": pick((300_000, -1, MAX_PRICE)),
        "max_closes_per_block": pick((1, 4)),
    }
    chosen = chance.sample(sorted(choices), chance.randint(1, len(choices)))
    return change(now, **{name: choices[name] for name in chosen})


class Traffic:
    """A chain and what is said to it."""

    def __init__(self, chance: Random) -> None:
        made = genesis(chance)
        while problem(made.params) is not None:
            made = genesis(chance)
        self.chance = chance
        self.chain = Windowed(made)
        self.sums = self.chain.money(), self.chain.tokens()

    def step(self) -> None:
        """One word, reading, change or while, in a block of its own."""
        chance, chain = self.chance, self.chain
        match chance.choices(("say", "read", "wager", "wait", "change"), (60, 12, 20, 12, 3))[0]:
            case "say":
                self._say()
            case "read":
                self._read()
            case "wager":
                self._wager()
            case "wait":
                due_ms = chain.deadline_ms()
                later_ms = chain.now_ms + chance.choice((1, 300_000, 600_000, INTERVAL_MS, 3 * INTERVAL_MS))
                # Rounds open where a block comes as soon as offers lock.
                chain.now_ms = later_ms if due_ms is None or chance.random() < 0.4 else max(chain.now_ms, due_ms)
                chain.block()
            case _:
                self._change()
        self.check()

    def check(self) -> None:
        assert (self.chain.money(), self.chain.tokens()) == self.sums, "nothing appears or vanishes"

    def _interval(self) -> int:
        now = self.chain.now_ms // INTERVAL_MS
        return now + self.chance.randint(0, 9)

    def _say(self) -> None:
        chance, chain = self.chance, self.chain
        pick, interval = chance.choice, self._interval()
        count, energy, price = chance.randint(1, 6), pick(ENERGIES), pick(PRICES)
        source = pick(("m-bio", "m-solar", "m-storage", "m-plain", "m-cell"))
        prices = sorted(chance.sample(PRICES, chance.randint(0, 3)))
        limit = pick((None, None, price))
        body: Any = pick(
            (
                Need(interval, count, max(1, energy), limit, chance.randint(0, 7)),
                Need(interval, count, max(1, pick((energy, MAX_ENERGY // 16))), limit, chance.randint(0, 7)),
                Offer(source, interval, tuple(OfferBlock(one, max(1, energy // 5)) for one in prices)),
                Offer(source, interval, tuple(OfferBlock(one, max(1, energy // 5)) for one in prices)),
                Tariff(interval, count, price, pick(PRICES), pick((energy, 10**6)), energy, pick((0, 400_000))),
                StorageOffer(
                    pick(("m-storage", "m-cell")),
                    interval,
                    count,
                    min(energy, 10_000),
                    pick((0, 5_000, 10_000)),
                    pick((None, price)),
                    pick((0, 5_000)),
                    max(0, price),
                ),
                FlexibleLoad(f"l{chance.randint(0, 9)}", interval, interval + count, max(1, energy), 9_000, price),
                WithdrawLoad(f"l{chance.randint(0, 9)}"),
                ReserveOffer(pick(("m-bio", "m-solar")), interval, count, energy, max(0, price)),
                Require(interval, count, pick((0, energy)), pick((None, 0, 10**9, MAX_MONEY))),
                SetMode(interval, count, pick(("grid", "grid", "island", "injection")), "storm"),
                CallReduction(interval, count, energy, max(0, price), "peak"),
                OfferReduction(interval, count, energy, max(0, price), 0),
                BaseLoad(pick(("m-campus", "m-tenant")), energy),
                GreenBid(interval, count, energy, max(1, price)),
                RegisterFactor(source, "A", "B", pick((0, 9_000)), pick((0, 10**6)), interval, interval + count),
                EndFactor(source, interval),
                TransferOrigin(pick(NAMES), source, interval * INTERVAL_MS // 86_400_000, max(1, energy)),
                RetireOrigin(source, interval * INTERVAL_MS // 86_400_000, max(1, energy), "lunch"),
                Correct(source, 1, interval, energy, energy),
            )
        )
        owner = METERS[body.meter].member if hasattr(body, "meter") else pick(NAMES)
        match body:
            case Tariff():
                owner = "utility"
            case RegisterFactor():
                owner = "auditor"
            case Require() | SetMode() | CallReduction():
                owner = pick(("campus", "utility"))
            case _:
                pass
        chain.block(chain.word(owner, body))

    def _read(self) -> None:
        chance, chain = self.chance, self.chain
        readings = []
        for meter in sorted(METERS):
            if chance.random() < 0.8:
                head = chain.head(meter)
                more = chance.choice(((0, 0), (chance.choice(ENERGIES), 0), (0, chance.choice(ENERGIES))))
                reading = chain.reading(
                    meter, chain.now_ms // INTERVAL_MS, head.import_wh + more[0], head.export_wh + more[1]
                )
                if METERS[meter].asset is not None and chance.random() < 0.5:
                    report = Reserve(chance.choice((0, 9_000, 50_000)), 0, 0)
                    reading = chain.meter_says(meter, change(reading.body, reserve=report))
                readings.append(reading)
        chain.block(*readings)

    def _wager(self) -> None:
        """Everybody bets on an open round; the drawn commit and reveal, until somebody is late."""
        chance, chain = self.chance, self.chain
        for _ in range(chance.randint(1, 12)):
            numbers = open_numbers(chain)
            if not numbers:
                return
            number = numbers[-1]
            round_ = round_of(chain, number)
            document = CASES.decode(chain.store[CASES.key(round_.subject)]).document
            if round_.phase == "wager":
                claims = ("least-cost", "least-energy", "least-carbon")
                chain.block(*(chain.word(name, Wager(number, chance.choice(claims), 100)) for name in NAMES))
            for name in round_.builders:
                words = sealed(chain, name, self._solution(document), number)
                chain.block(chain.word(name, words[round_.phase == "reveal"]))
            if round_.phase != "draw":
                chain.now_ms = max(chain.now_ms, round_.ends_ms)
            for _ in range(5):
                chain.block()

    def _solution(self, document: bytes) -> bytes:
        """The fallback, what a solver finds, either with a field of the other or nonsense in it, or no document."""
        chance, found = self.chance, relaxing.remembered(document)
        assert found is not None, "a round is about what has an answer"
        solution = found.solution
        if chance.random() < 0.3:
            solution = build(found.case, 60.0).solution
        match chance.choice(("good", "good", "good", "field", "nonsense", "bytes")):
            case "good":
                return packed(solution)
            case "field":
                field = chance.choice(("charge_wh", "discharge_wh", "load_wh", "total_wh", "reserve_wh"))
                return packed(change(solution, **{field: getattr(found.solution, field)}))
            case "nonsense":
                field = chance.choice(("charge_wh", "discharge_wh", "load_wh", "total_wh", "reserve_wh"))
                rows = tuple(
                    tuple(chance.choice((wh, 0, wh + 1, MAX_ENERGY)) for wh in row) for row in getattr(solution, field)
                )
                return packed(change(solution, **{field: rows}, theta=chance.choice((0, 2**32)), kappa_num=2**31 - 1))
            case _:
                return chance.randbytes(chance.choice((0, 1, 300)))

    def _change(self) -> None:
        chance, chain = self.chance, self.chain
        meter = chance.choice(sorted(METERS))
        rating_w = METERS[meter].rating_w
        power_w = chance.choice((0, rating_w // 4, rating_w))
        give_w = power_w if METERS[meter].kind in ("source", "storage") else 0
        take_w = power_w if METERS[meter].kind in ("load", "storage") else 0
        spans = chance.choice(((), (DaySpan(0, 1_080),)))
        envelope = AssetEnvelope(meter, give_w, take_w, chance.choice((None, 0, MAX_ENERGY)), spans)
        proposed: Change = chance.choice(
            (
                SetParams(params(chance, rules(State(chain.store)).params)),
                SetParams(params(chance, rules(State(chain.store)).params)),
                SetEnvelope(envelope),
                RevokeKey(METERS[meter].member, key_of(meter).public_key),
                SetNetwork(chance.choice((None, NETWORK))),
                RemoveMember(chance.choice(("tenant", "bio"))),
            )
        )

        def carry_out(state: State, context: api.BlockContext) -> None:
            if admissible(state, context, proposed) == OK:
                enact(state, context, proposed)

        chain.decide(carry_out)

    def end(self) -> None:
        """Let everything lock, be judged and close; each interval that anybody spoke about is decided."""
        chain = self.chain
        calm = change(rules(State(chain.store)).params, need_threshold_ppm=None)
        chain.decide(lambda state, context: enact(state, context, SetParams(calm)))
        chain.at(chain.now_ms // INTERVAL_MS + 40)
        chain.catch_up()
        self.check()
        waiting = SCHEDULES.decode(chain.store[SCHEDULE]) if SCHEDULE in chain.store else None
        assert waiting is None or (waiting.locks, waiting.closes) == ((), ())
        for key, raw in chain.store.items():
            if key.startswith(schema.INTERVALS.prefix):
                record = schema.INTERVALS.decode(raw)
                assert (record.status, record.code) == (SETTLED, OK), "everybody has a dispatch"
                bills = [chain.bill(record.interval, name) for name in NAMES]
                assert sum(bill.total_nano for bill in bills if bill is not None) == 0
            if key.startswith(LOADS.prefix):
                load = LOADS.decode(raw)
                assert load.ordered_wh <= load.energy_wh


class Windowed(Chain):
    """A chain whose clock goes by the parameters in force; who is removed says nothing any more."""

    def block(self, *envelopes: Envelope | None) -> list[Receipt]:
        return super().block(*(one for one in envelopes if one is not None))

    def word(self, sender: str, body: AccountBody) -> AccountEnvelope | None:
        return self.say(sender, body) if self.account(sender).lanes else None

    def deadline_ms(self) -> int | None:
        state = State(self.store)
        return api.earliest_deadline_ms(state, rules(state).params)
