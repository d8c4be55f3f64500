"""A campus whose meters are private: what its members know, and the words that they make of it, with real proofs."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence

import hidden_world
from hidden_world import entropy_of, note_secret
from ledger_world import FIRST, Chain, Site, change, make_genesis

from contracts.bodies import CommittedReading, MonitorHead, Quality, Reserve
from contracts.confidential.bodies import Spend
from contracts.envelope import Envelope
from contracts.genesis import Genesis, OpeningTrust
from contracts.members import Private
from contracts.params import PactParams
from contracts.private import bills, cycles, uses
from contracts.private.bodies import PayBill, ProveUse, Reconcile, SplitCycle
from contracts.private.records import EstimateBook, HiddenHead, HiddenUse, PrivateCycle, Share
from contracts.schema import ESTIMATE_BOOKS, HIDDEN_HEADS, HIDDEN_USES, PRIVATE_CYCLES
from contracts.state import State
from node.billing import readings, words
from zk import notes
from zk.hashing import sha256
from zk.statements import spend as spending
from zk.statements.assertion import Where
from zk.statements.openings import Opening, total

SOURCES = {"m-bio": "bio", "m-geo": "geo", "m-solar": "solar", "m-wind": "wind"}
TARIFF = 100_000
CYCLE = 1_000_000
"""The billing cycle in which the chain starts; it has two intervals."""
PARAMS = PactParams(cycle_ms=1_800_000, private_blocks=1, private_ms=0)


def tenants(count: int) -> dict[str, str]:
    """Meters of so many tenants, and whose they are."""
    return {f"m-t{number:02d}": f"t{number:02d}" for number in range(1, count + 1)}


def genesis(
    count: int = 3, terms: Mapping[str, Private] | None = None, params: PactParams = PARAMS, sources: int = 4
) -> Genesis:
    """A campus, four suppliers and so many tenants, all with private meters; `terms` for some of them."""
    owners = {**dict(list(SOURCES.items())[:sources]), **tenants(count)}
    roles: dict[str, tuple[str, ...]] = {"campus": ("campus",), "utility": ("utility",)}
    roles |= {owner: ("supplier",) if meter in SOURCES else ("consumer",) for meter, owner in owners.items()}
    sites = {meter: Site(owner, "source" if meter in SOURCES else "load", 400_000) for meter, owner in owners.items()}
    sites["m-campus"] = Site("campus", "load", 400_000)
    # The four that sit in turn have power, so that blocks of a third of it are heard.
    trusts = tuple(OpeningTrust(name, 1_000, 10_000 if at < 4 else 0) for at, name in enumerate(sorted(roles)))
    made = make_genesis(params, sites, roles, scopes=("all",), trusts=trusts)
    agreed = {**{meter: Private("campus", TARIFF, 1_000, 3_000) for meter in tenants(count)}, **(terms or {})}
    return change(
        made,
        meters=tuple(
            one if one.id == "m-campus" else change(one, private=agreed.get(one.id, Private("campus", TARIFF)))
            for one in made.meters
        ),
    )


class Campus:
    """A chain with private meters, and everything that each member of it knows."""

    def __init__(self, document: Genesis) -> None:
        self.chain = Chain(document)
        self.meters = {meter.id: meter for meter in document.meters if meter.private is not None}
        self.openings: dict[tuple[str, int], Opening] = {}
        """Of the register that a meter is billed by, by meter and sequence."""
        self.hidden: dict[str, readings.Register] = {}
        """All of the newest reading that was made of each meter."""
        names = sorted({"campus", *(meter.member for meter in self.meters.values())})
        said = [self.chain.say(name, hidden_world.register(self.chain, name)) for name in names]
        assert {receipt.code for receipt in self.chain.block(*said)} == {"ok"}

    def copy(self) -> Campus:
        """The same again, to go on differently."""
        other = copy.copy(self)
        other.chain = self.chain.copy()
        other.openings = dict(self.openings)
        other.hidden = dict(self.hidden)
        return other

    # What state has

    @property
    def state(self) -> State:
        return State(self.chain.store)

    def cycle(self, number: int = CYCLE) -> PrivateCycle:
        return PRIVATE_CYCLES.decode(self.chain.store[PRIVATE_CYCLES.key(number, "campus")])

    def use(self, meter: str, number: int = CYCLE) -> HiddenUse:
        return HIDDEN_USES.decode(self.chain.store[HIDDEN_USES.key(number, meter)])

    def head(self, meter: str) -> HiddenHead:
        return HIDDEN_HEADS.decode(self.chain.store[HIDDEN_HEADS.key(meter)])

    def share(self, meter: str, number: int = CYCLE) -> Share:
        return next(one for one in self.cycle(number).shares if one.meter == meter)

    def book(self) -> EstimateBook:
        return ESTIMATE_BOOKS.decode(self.chain.store[ESTIMATE_BOOKS.key("campus")])

    def names(self, number: int = CYCLE) -> list[tuple[str, str | None, str]]:
        """Who is named, about which meter and why."""
        return [(one.member, one.meter, one.reason) for one in self.cycle(number).named]

    def key(self, member: str) -> bytes:
        return notes.public(note_secret(member))

    # Readings

    def reading(
        self,
        meter: str,
        interval: int,
        register_wh: int,
        reserve: Reserve | None = None,
        quality: Quality | None = None,
        monitor: MonitorHead | None = None,
    ) -> CommittedReading:
        """The next reading of a meter."""
        head = self.chain.head(meter)
        source = self.meters[meter].kind == "source"
        owner = readings.Owner(self.meters[meter].member, self.key(self.meters[meter].member))
        body = readings.seal(
            self.chain.chain_id,
            meter,
            owner,
            sequence=head.sequence + 1,
            interval=interval,
            import_wh=0 if source else register_wh,
            export_wh=register_wh if source else 0,
            previous_hash=head.reading_hash,
            entropy=entropy_of("reading", meter, head.sequence),
            reserve=reserve,
            quality=quality,
            monitor=monitor,
        )
        read = readings.read(note_secret(owner.member), self.chain.chain_id, meter, owner.member, body)
        assert read is not None, "an owner reads its own meter"
        self.openings[meter, body.sequence] = read.export if source else read.import_
        self.hidden[meter] = read
        return body

    def read(self, interval: int, registers_wh: Mapping[str, int]) -> None:
        """Meters say what they show in an interval; the clock is in it."""
        self.chain.at(interval)
        said = [self.chain.meter_says(meter, self.reading(meter, interval, wh)) for meter, wh in registers_wh.items()]
        assert {receipt.code for receipt in self.chain.block(*said)} <= {"ok"}

    def end(self, number: int = CYCLE) -> None:
        """The cycle closes."""
        interval = FIRST + 2 * (number - CYCLE) + 1
        self.chain.at(interval + 1, PARAMS.close_grace_ms)
        self.chain.catch_up()
        assert self.cycle(number).phase == "proving"

    # Uses

    def opening(self, meter: str, number: int = CYCLE) -> Opening:
        """Of what a meter used up to the end of a cycle, as its owner knows it."""
        head, found = self.head(meter), self.difference(meter, number)
        after = self.openings[meter, found.register.sequence]
        if head.settled is None:
            opened = self.chain.head(meter)
            return after.shifted(-(opened.import_wh + opened.export_wh))
        return after.minus(self.openings[meter, head.settled.sequence])

    def difference(self, meter: str, number: int = CYCLE) -> uses.Difference:
        found = uses.difference(
            self.chain.genesis.params, self.meters[meter], self.chain.head(meter), self.head(meter), number
        )
        assert found is not None
        return found

    def prove(self, meter: str, number: int = CYCLE, green_ppm: int | None = None) -> ProveUse:
        """What the owner of a meter says once a cycle is over, perhaps buying a part of it green."""
        params, found = self.chain.genesis.params, self.difference(meter, number)
        within = uses.bounds(params, self.meters[meter], found, False)
        assert within is not None
        return words.prove_use(
            self.chain.chain_id,
            meter,
            self.meters[meter].member,
            words.Recipient("campus", self.key("campus")),
            found,
            self.opening(meter, number),
            within,
            uses.bounds(params, self.meters[meter], found, True),
            cycle=number,
            entropy=entropy_of("use", meter, number),
            green_ppm=green_ppm,
        )

    def say(self, meter: str, body: ProveUse | Reconcile) -> Envelope:
        return self.chain.say(self.meters[meter].member, body)

    def prove_all(self, number: int = CYCLE, but: Iterable[str] = ()) -> None:
        """Everybody proves what it used, but some."""
        silent = set(but)
        told = [self.say(meter, self.prove(meter, number)) for meter in sorted(self.meters) if meter not in silent]
        assert {receipt.code for receipt in self.chain.block(*told)} == {"ok"}

    def pass_phase(self, number: int = CYCLE) -> None:
        """Blocks until the cycle is in another phase."""
        phase = self.cycle(number).phase
        for _ in range(64):
            self.chain.block()
            if self.cycle(number).phase != phase:
                return
        raise AssertionError(f"nothing ends the phase {phase}")

    def until(self, phase: str, number: int = CYCLE) -> None:
        """Let phases pass."""
        while self.cycle(number).phase != phase:
            self.pass_phase(number)

    # The campus

    def total(self, number: int = CYCLE) -> Opening:
        """Opening of the cycle's total, out of what notes told the campus and what is public."""
        told = []
        for meter in sorted(self.meters):
            use = cycles.use_of(self.state, number, meter)
            if use is not None and self.meters[meter].kind == "load":
                opening = words.read_use(note_secret("campus"), self.chain.chain_id, "campus", use)
                assert opening is not None
                told.append(opening)
        record = self.cycle(number)
        estimated_wh = sum(one.energy_wh for one in record.estimates)
        return total(told).shifted(estimated_wh - record.returned_wh)

    def split(
        self,
        amounts: Mapping[str, int],
        held_wh: int = 0,
        number: int = CYCLE,
        deliveries: Mapping[str, Opening] | None = None,
    ) -> SplitCycle:
        """How the campus splits a cycle."""
        return words.split(
            self.chain.chain_id,
            words.Recipient("campus", self.key("campus")),
            number,
            self.total(number),
            [
                (meter, words.Recipient(SOURCES[meter], self.key(SOURCES[meter])), amounts[meter])
                for meter in sorted(amounts)
            ],
            held_wh=held_wh,
            deliveries=deliveries,
            entropy=entropy_of("split", number),
        ).body

    def split_is(self, amounts: Mapping[str, int], held_wh: int = 0, number: int = CYCLE) -> None:
        """The campus splits, and the ledger takes it."""
        assert self.chain.run(self.chain.say("campus", self.split(amounts, held_wh, number))) == "ok"

    # Suppliers

    def told(self, meter: str, number: int = CYCLE) -> Opening:
        """A supplier's share, as the note to it says."""
        share = self.share(meter, number)
        opening = words.read_share(note_secret(share.member), self.chain.chain_id, "campus", number, share)
        assert opening is not None
        return opening

    def answer(self, meter: str, number: int = CYCLE) -> Reconcile:
        """What a supplier says to its share."""
        terms = self.meters[meter].private
        assert terms is not None
        return words.answer(
            self.chain.chain_id,
            meter,
            number,
            terms,
            self.told(meter, number),
            self.delivered(meter, number),
            entropy=entropy_of("answer", meter, number),
        )

    def delivered(self, meter: str, number: int = CYCLE) -> Opening:
        """What a source proved: the campus was told, and so was its owner by the meter."""
        opening = words.read_use(note_secret("campus"), self.chain.chain_id, "campus", self.use(meter, number))
        assert opening is not None
        return opening

    # Money

    def owed(self, meter: str, number: int = CYCLE) -> Opening:
        """Of the energy that a meter is billed for."""
        by_share = self.meters[meter].kind == "source" and self.share(meter, number).outcome != "delivery"
        return self.told(meter, number) if by_share else self.delivered(meter, number)

    def pay(self, meter: str, balance: Opening, number: int = CYCLE) -> tuple[PayBill, Opening]:
        """A payment out of the payer's hidden balance, and what stays of that."""
        sent = self.owed(meter, number).times(TARIFF)
        return PayBill(meter, number, self.spends(meter, sent, balance), b""), balance.minus(sent)

    def spends(self, meter: str, sent: Opening, balance: Opening) -> Spend:
        """A spend of exactly this, by who owes for a meter to whom it is owed."""
        payer, payee = bills.parties(self.meters[meter])
        where = Where(self.chain.chain_id, payer, hidden_world.account(self.chain, payer).sequence)
        proven = spending.prove(where, balance, sent, payee, sha256(b"note"), entropy=entropy_of("pay", where))
        return Spend(payee, where.at, proven.transfer, proven.proof, b"note", b"own")


def month(amounts_wh: Sequence[int] = (31_000, 30_000, 15_100, 14_900)) -> dict[str, int]:
    """What solar, wind, geothermal and biodiesel delivered in the paper's month, by meter."""
    return dict(zip(("m-solar", "m-wind", "m-geo", "m-bio"), amounts_wh, strict=True))
