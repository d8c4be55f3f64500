"""What queries tell of closed intervals where a member and its meter came while the chain ran."""

from __future__ import annotations

import asyncio

from contracts.bodies import Need
from contracts.governance.bodies import Approve, Propose
from contracts.governance.changes import AdmitMember, NewMeter
from contracts.members import AccountKey, Member, Meter
from tests.rpc.chain import INTERVAL, METERS, PARAMS, Chain, Wireless
from tests.support.pact import VALIDATORS, key_of

NEWBIE = Member("newbie", "Newbie", ("consumer",), "site", (AccountKey(key_of("newbie").public_key, "all"),), (), b"")
METER = Meter("newbie-1", "newbie", key_of("newbie-1").public_key, "load", "zone", 10_000, None, None)


async def admitted() -> Chain:
    """A chain whose first interval with a meter that governance admitted is closed, all meters silent."""
    chain = Chain(meters=METERS, params=PARAMS)
    change = AdmitMember(NEWBIE, (NewMeter(METER, 70, 0),))
    await chain.submit([chain.speaker.member("campus", Propose(change, "joins", 1_000))])
    for name in VALIDATORS[:3]:
        await chain.submit([chain.speaker.member(name, Approve(0))])
    await chain.submit([chain.speaker.member("campus", Need(INTERVAL + 1, 1, 5_000, None, 0))])
    await chain.produce((INTERVAL + 2) * PARAMS.interval_ms + PARAMS.close_grace_ms)
    for _ in range(3):
        await chain.produce()
    return chain


def test_every_query_about_a_closed_interval_knows_an_admitted_meter() -> None:
    async def go() -> None:
        chain = await admitted()
        node = Wireless(chain)
        at = str(INTERVAL + 1)
        estimates = (await node.get(f"/query/estimates/{at}"))["data"]
        found = {one["meter"]: (one["member"], one["kind"]) for one in estimates["estimates"]}
        assert found["newbie-1"] == ("newbie", "load") and estimates["estimated"] == len(METERS) + 1
        energy = (await node.get(f"/query/energy/{at}/newbie-1"))["data"]
        assert energy["meter"] == "newbie-1"
        corrections = (await node.get(f"/query/corrections/{at}"))["data"]
        assert corrections["corrections"] == []
        bill = (await node.get(f"/query/bill/{at}/newbie"))["data"]
        assert bill is not None
        explained = (await node.get(f"/query/explain/{at}/newbie"))["data"]
        assert explained is not None

    asyncio.run(go())
