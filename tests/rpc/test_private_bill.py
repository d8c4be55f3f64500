"""A private bill from meters to a stranger: committed readings, uses, a split, and a file that anybody adds up."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from contracts.bodies import AccountBody, MeterBody
from contracts.envelope import NO_SIGNATURE, Domains, MeterEnvelope
from contracts.members import Meter, Private
from contracts.params import PactParams
from contracts.private import uses
from contracts.schema import HEADS, HIDDEN_HEADS
from contracts.state import State
from node.billing import readings, words
from node.errors import ProofError
from node.proofs import decode_bundle
from node.statements import cycles, file
from node.wallet import account
from tests.rpc.chain import Chain, serving
from tests.support.pact import START_MS, VALIDATORS, key_of, meter, seed_of
from zk import notes
from zk.hashing import sha256
from zk.statements.openings import Opening, total

PARAMS = PactParams(interval_ms=900_000, gate_lead_ms=300_000, cycle_ms=900_000, private_blocks=1, private_ms=0)
CYCLE = START_MS // PARAMS.cycle_ms
USED = {"m-wind-1": 1_700, "m-wind-2": 2_300}
SOLD = {"m-biodiesel": 1_100, "m-solar": 2_900}
OWNER = {"m-wind-1": "wind", "m-wind-2": "wind", "m-biodiesel": "biodiesel", "m-solar": "solar"}
KEYS = {name: notes.public(notes.secret_of(seed_of(name))) for name in VALIDATORS}


def entropy(*parts: object) -> bytes:
    return sha256(repr(parts).encode())


def private(name: str) -> Meter:
    registered = meter(name, OWNER[name], "source" if name in SOLD else "load")
    return msgspec.structs.replace(registered, private=Private("campus"))


class Site:
    """The chain, and what its members know."""

    def __init__(self, params: PactParams = PARAMS) -> None:
        self.meters = {name: private(name) for name in OWNER}
        self.chain = Chain(automatic=False, meters=tuple(self.meters.values()), params=params)
        self.chain.proposers = VALIDATORS
        self.chain_id = self.chain.ledger.chain_id
        self.known: dict[str, Opening] = {}

    async def say(self, *said: tuple[str, AccountBody]) -> None:
        """A block with these words of members."""
        results = await self.chain.submit([self.chain.speaker.member(name, body) for name, body in said])
        assert {one.code for one in results} == {"ok"}
        assert {one.code for one in (await self.chain.produce())[1:]} == {"ok"}

    async def read(self) -> None:
        """Each meter says its registers, which only its owner can read."""
        sent = []
        for name, wh in (USED | SOLD).items():
            owner = readings.Owner(OWNER[name], KEYS[OWNER[name]])
            body = readings.seal(
                self.chain_id,
                name,
                owner,
                sequence=1,
                interval=CYCLE,
                import_wh=wh if name in USED else 0,
                export_wh=wh if name in SOLD else 0,
                previous_hash=bytes(32),
                entropy=entropy(name),
            )
            read = readings.read(notes.secret_of(seed_of(owner.member)), self.chain_id, name, owner.member, body)
            assert read is not None
            self.known[name] = read.import_ if name in USED else read.export
            sent.append(self.signed(name, body))
        assert {one.code for one in await self.chain.submit(sent)} == {"ok"}
        await self.chain.produce(START_MS + PARAMS.interval_ms - 1)

    def signed(self, name: str, body: MeterBody) -> bytes:
        envelope = MeterEnvelope(self.chain_id, name, key_of(name).public_key, body, NO_SIGNATURE)
        return Domains(self.chain_id).seal(key_of(name), envelope)

    def use(self, name: str) -> Any:
        """What the owner of a meter says of its cycle."""
        state = State(self.chain.ledger)
        head, hidden = state.load(HEADS, HEADS.key(name)), state.load(HIDDEN_HEADS, HIDDEN_HEADS.key(name))
        assert head is not None and hidden is not None
        found = uses.difference(PARAMS, self.meters[name], head, hidden, CYCLE)
        assert found is not None
        within = uses.bounds(PARAMS, self.meters[name], found, False)
        assert within is not None
        return words.prove_use(
            self.chain_id,
            name,
            OWNER[name],
            words.Recipient("campus", KEYS["campus"]),
            found,
            self.known[name],
            within,
            uses.bounds(PARAMS, self.meters[name], found, True),
            cycle=CYCLE,
            entropy=entropy("use", name),
        )

    async def bill(self) -> None:
        """Everything up to the split of the total."""
        owners = [account.Owner(name, notes.secret_of(seed_of(name))) for name in VALIDATORS]
        await self.say(
            *((one.member, account.registration(self.chain_id, one, entropy("key", one.member))) for one in owners)
        )
        await self.read()
        await self.chain.produce(START_MS + PARAMS.interval_ms + PARAMS.close_grace_ms)
        for _ in range(4):
            await self.chain.produce()
        await self.say(*((owner, self.use(name)) for name, owner in OWNER.items()))
        await self.chain.produce()
        split = words.split(
            self.chain_id,
            words.Recipient("campus", KEYS["campus"]),
            CYCLE,
            total([self.known[name] for name in sorted(USED)]),
            [(name, words.Recipient(OWNER[name], KEYS[OWNER[name]]), wh) for name, wh in SOLD.items()],
            entropy=entropy("split"),
        )
        await self.say(("campus", split.body))
        await self.chain.produce()


async def made(site: Site) -> bytes:
    """The file as `gridpact proof cycle` writes it."""
    async with serving(site.chain) as client:
        answer = await client.query("cycle", str(CYCLE), "campus", prove=1)
    return msgspec.json.encode(cycles.file_of(decode_bundle(msgspec.json.encode(answer["proof"]))))


def test_a_private_bill_is_added_up_by_a_stranger_with_headers_alone() -> None:
    site = Site()
    asyncio.run(site.bill())
    content = asyncio.run(made(site))
    genesis = site.chain.ledger.genesis
    proven = file.verify(file.decode(content), genesis, anchored=True)
    used, billed = proven.data["statements"]
    assert used["proven"] == "2 hidden figures of campus make up a total, hidden too"
    places = {place for one in (used, billed) for place in one["points"].values()}
    assert f"hidden-use/{CYCLE:010}/m-wind-1: point" in places
    assert any(place.endswith(": shares.bill") for place in places)
    for wh in (USED | SOLD).values():
        assert str(wh) not in proven.sentence
    # Whoever made it can not have left a use out, or have put one bill in the place of another.
    for at, change in ((0, slice(1)), (1, slice(1))):
        forged = msgspec.json.decode(content)
        about = forged["statements"][at]["about"]
        about["parts"] = about["parts"][change] * (1 + at)
        with pytest.raises(ProofError) as error:
            file.verify(file.decode(msgspec.json.encode(forged)), genesis, anchored=True)
        assert error.value.code == "proof.false"
    # Nor can it be shown beside other records than those of the ledger.
    forged = msgspec.json.decode(content)
    entries = forged["facts"][0]["entries"]
    entries[0]["value"], entries[1]["value"] = entries[1]["value"], entries[0]["value"]
    with pytest.raises(ProofError) as error:
        file.verify(file.decode(msgspec.json.encode(forged)), genesis, anchored=True)
    assert error.value.code == "proof.path"
