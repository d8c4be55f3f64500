"""Attacks on access policies: every route, every form, every asker; what a member keeps is in none of the bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import product
from typing import Any, cast, get_args

import msgspec
import pytest
from aiohttp import WSMsgType

from contracts import receipts, schema
from contracts.bodies import AccountBody, MeterBody, RevealSolution
from contracts.envelope import AccountEnvelope, MeterEnvelope
from contracts.governance.bodies import RECORD_KINDS, AllowAccess, Reader, RevokeAccess
from contracts.policies import Asker
from contracts.rolls import Rolls, bucket
from contracts.state import Table
from node.access.decided import BY_ENTRY, BY_LINE, BY_MEMBER, BY_METER, PUBLIC_TABLES
from node.access.log import AccessLog
from node.access.rights import Identity
from node.access.subjects import Subjects, Undecided
from node.rpc import table
from node.rpc.access import Desk
from tests.rpc.access_world import (
    FIRST,
    METERS,
    OWNER,
    PARTNER,
    STRANGER,
    World,
    found,
    secrets,
    world,
)
from tests.rpc.access_world import Asker as HttpAsker
from tests.rpc.chain import Chain


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


# What is decided, and that nothing is left undecided

INTERVALS = (FIRST, FIRST + 1)
BESIDE = next(name for number in range(999) if bucket(name := f"x{number}") == bucket(OWNER))
"""No member. That it has no bill is shown by what is beside it in its roll: the owner's."""
MEMBERS = (OWNER, PARTNER, STRANGER, BESIDE)
ROUTES: dict[tuple[str, str], list[str]] = {
    ("POST", "/tx"): [],  # answers about envelopes that the asker has in its hands
    ("POST", "/evidence"): [],  # says whether what it was given is kept
    ("GET", "/"): ["/", "/nowhere", "/query/nothing", "/tx"],
    ("GET", "/docs"): ["/docs"],
    ("GET", "/web/{file}"): ["/web/nothing.js"],
    ("GET", "/web/{folder}/{file}"): ["/web/no/thing.js"],
    ("GET", "/openapi.json"): ["/openapi.json"],
    ("GET", "/status"): ["/status"],
    ("GET", "/health"): ["/health"],
    ("GET", "/metrics"): ["/metrics"],
    ("GET", "/genesis"): ["/genesis"],
    ("GET", "/blocks"): ["/blocks"],
    ("GET", "/block/{height}"): ["/block/latest"],
    ("GET", "/header/{height}"): ["/header/latest"],
    ("GET", "/light/{height}"): ["/light/latest"],
    ("GET", "/transactions"): ["/transactions", f"/transactions?sender={OWNER}"],
    ("GET", "/tx/{hash}"): [],  # of every transaction, see `targets`
    ("GET", "/receipt/{decided}/{index}"): [],
    ("GET", "/query/reading/{meter}"): [
        *(f"/query/reading/{meter.id}" for meter in METERS),
        *(f"/query/reading/{meter.id}?sequence=1" for meter in METERS),
    ],
    ("GET", "/check/{interval}"): [f"/check/{interval}" for interval in INTERVALS],
    ("GET", "/refusals"): ["/refusals"],
    ("GET", "/events"): [],  # see `heard`
    ("GET", "/ws"): [],  # likewise
}
QUERIES: dict[str, list[str]] = {
    "member/{member}": [f"member/{name}" for name in MEMBERS],
    "balance/{member}": [f"balance/{name}" for name in MEMBERS],
    "meter/{meter}": [f"meter/{meter.id}" for meter in METERS],
    "order/{interval}/{meter}": [f"order/{interval}/{meter.id}" for interval in INTERVALS for meter in METERS],
    "envelope/{meter}": [f"envelope/{meter.id}" for meter in METERS],
    "envelope/{meter}/{interval}": [f"envelope/{meter.id}/{interval}" for interval in INTERVALS for meter in METERS],
    "interval/{interval}": [f"interval/{interval}" for interval in INTERVALS],
    "dispatch/{interval}": [f"dispatch/{interval}" for interval in INTERVALS],
    "bill/{interval}/{member}": [f"bill/{interval}/{name}" for interval in INTERVALS for name in MEMBERS],
    "statement/{cycle}/{member}": [f"statement/now/{name}" for name in MEMBERS],
    "estimates/{interval}": [f"estimates/{interval}" for interval in INTERVALS],
    "corrections/{interval}": [f"corrections/{interval}" for interval in INTERVALS],
    "disputes/{disputed}": ["disputes/open", *(f"disputes/{interval}" for interval in INTERVALS)],
    "energy/{interval}/{meter}": [f"energy/{interval}/{meter.id}" for interval in INTERVALS for meter in METERS],
    "offences": ["offences"],
    "offences/{before}": ["offences/1"],
    "access": ["access"],
    "access/{member}": [f"access/{name}" for name in MEMBERS],
    "access/after/{policy}": ["access/after/0"],
    "conduct/{interval}": [f"conduct/{interval}" for interval in INTERVALS],
    "reductions/{interval}": [f"reductions/{interval}" for interval in INTERVALS],
    "make-whole/{interval}": [f"make-whole/{interval}" for interval in INTERVALS],
    "base-loads/{interval}": ["base-loads/now"],
    "rounds": ["rounds"],
    "rounds/{before}": ["rounds/1"],
    "round/{round}": ["round/0"],
    "wagers/{member}": [f"wagers/{name}" for name in MEMBERS],
    "wager/{round}/{member}": [f"wager/0/{name}" for name in MEMBERS],
    "case/{interval}": [f"case/{interval}" for interval in INTERVALS],
    "flexible/{interval}": [f"flexible/{interval}" for interval in INTERVALS],
    "storage/{meter}": [f"storage/{meter.id}" for meter in METERS],
    "loads": ["loads"],
    "load/{load}": ["load/car"],
    "network": ["network"],
    "rules": ["rules"],
    "proposals": ["proposals"],
    "proposals/{before}": ["proposals/1"],
    "proposal/{proposal}": ["proposal/0"],
    "trust": ["trust"],
    "carbon": ["carbon"],
    "carbon/{interval}": [f"carbon/{interval}" for interval in INTERVALS],
    "carbon-cycle/{cycle}": ["carbon-cycle/now"],
    "carbon-cycle/{cycle}/{member}": [f"carbon-cycle/now/{name}" for name in MEMBERS],
    "carbon-report/{first}/{until}": [f"carbon-report/{FIRST}/{FIRST + 2}"],
    "carbon-report/{first}/{until}/{member}": [f"carbon-report/{FIRST}/{FIRST + 2}/{name}" for name in MEMBERS],
    "factors/{meter}": [f"factors/{meter.id}" for meter in METERS],
    "certificates/{member}": [f"certificates/{name}" for name in MEMBERS],
    "offset/{certifier}/{serial}": ["offset/wind/o-1"],
    "explain/{interval}": [f"explain/{interval}" for interval in INTERVALS],
    "hidden": ["hidden"],
    "hidden/{member}": [f"hidden/{name}" for name in MEMBERS],
    "credits/{member}/{source}/{number}": [f"credits/{name}/award/0" for name in MEMBERS],
    "note-key/{member}": [f"note-key/{name}" for name in MEMBERS],
    "cycle/{cycle}/{member}": [f"cycle/now/{name}" for name in MEMBERS],
    "use/{cycle}/{meter}": [f"use/now/{meter.id}" for meter in METERS],
    "private-meter/{meter}": [f"private-meter/{meter.id}" for meter in METERS],
    "threshold": ["threshold"],
    "dealing/{epoch}/{attempt}/{member}": ["dealing/0/1/wind"],
    "opening/{number}": ["opening/0"],
    "sealed": ["sealed"],
    "sealed/{interval}": [f"sealed/{interval}" for interval in INTERVALS],
    "sealed/{interval}/{member}": [f"sealed/{interval}/{name}" for interval in INTERVALS for name in MEMBERS],
    "capacity/{meter}": [f"capacity/{meter.id}" for meter in METERS],
    "explain/{interval}/{member}": [f"explain/{interval}/{name}" for interval in INTERVALS for name in MEMBERS],
}


def test_every_route_and_every_query_has_a_decision() -> None:
    decided = {(method, path) for method, path in ROUTES} | {("GET", f"/query/{path}") for path in QUERIES}
    assert {(route.method, route.path) for route in table.ROUTES} == decided


def test_every_table_body_and_event_is_public_or_somebodys() -> None:
    tables = {table.prefix for table in vars(schema).values() if isinstance(table, Table | Rolls)}
    decided = [PUBLIC_TABLES, BY_MEMBER.keys(), BY_METER.keys(), BY_LINE.keys(), BY_ENTRY.keys()]
    decided.append({schema.SOLUTIONS.prefix, schema.CASES.prefix, schema.LOADS.prefix})
    assert tables == set().union(*decided), "decide in node.access.subjects whose the records of a new table are"
    assert sum(map(len, decided)) == len(tables), "nothing is decided twice"
    subjects = Subjects(lambda key: None)
    for body in get_args(AccountBody):
        subjects.of_envelope(AccountEnvelope("c", "a", b"", 0, 0, _blank(body), b""))
    for body in get_args(MeterBody):
        subjects.of_envelope(MeterEnvelope("c", "m", b"", _blank(body), b""))
    for event in get_args(receipts.AnyEvent):
        subjects.of_event(_blank(event))


def test_a_body_or_event_about_which_nobody_has_decided_is_not_served() -> None:
    """Whatever its tag: that it is of trust, wagers or governance does not make it public."""

    class Whisper(msgspec.Struct, frozen=True, array_like=True, tag=200):
        word: str

    subjects, unheard = Subjects(lambda key: None), cast(Any, Whisper("x"))
    with pytest.raises(Undecided, match="Whisper"):
        subjects.of_envelope(AccountEnvelope("c", "a", b"", 0, 0, unheard, b""))
    with pytest.raises(Undecided, match="Whisper"):
        subjects.of_event(unheard)


def _blank(type_: type[msgspec.Struct]) -> Any:
    return type_(*["x"] * len(type_.__struct_fields__))


def test_kinds_that_members_may_keep_are_those_that_exist() -> None:
    kinds = {kind for kind, _ in (*BY_MEMBER.values(), *BY_METER.values(), *BY_LINE.values())} | {*BY_ENTRY.values()}
    assert kinds | {"readings", "transfers"} == set(RECORD_KINDS)


def test_a_solution_is_open_only_where_every_member_shows_its_orders() -> None:
    async def go() -> None:
        async with world() as here:
            desk = Desk(here.chain, AccessLog(), here.chain.now_ms)
            envelope = AccountEnvelope("c", "wind", b"", 0, 0, RevealSolution(0, bytes(32), b""), b"")

            def readers() -> set[str]:
                names = ("", "biodiesel", "campus", "solar", "wind")
                rights = {name: desk.rights(Identity(Asker(name))) for name in names}
                return {name for name in names if rights[name].allow(rights[name].subjects.of_envelope(envelope))}

            assert readers() == {"campus", "wind"}, "who keeps its orders, and who wrote the solution"
            await here.say(PARTNER, RevokeAccess(("orders",), ()))
            assert readers() == {"wind"}
            for name in (OWNER, PARTNER):
                await here.say(name, AllowAccess(("orders",), (Reader("member", STRANGER),), None))
            assert readers() == {"biodiesel", "wind"}

    run(go())


# What leaves the node


def targets(chain: Chain) -> list[str]:
    """Every question that there is about this chain, each with and without a proof, and at an earlier height."""
    asked = [target for listed in ROUTES.values() for target in listed]
    for height in range(1, chain.ledger.height + 1):
        asked += [f"/block/{height}", f"/header/{height}", f"/light/{height}", f"/receipt/{height}/clock"]
        block = chain.ledger.block(height)
        assert block is not None
        for index, hash_ in enumerate(block.payload):
            asked += [f"/receipt/{height}/{index}", f"/tx/{hash_.hex()}"]
    plain = [*asked, *(f"/query/{target}" for listed in QUERIES.values() for target in listed)]
    provable = [target for target in plain if target.startswith(("/query/", "/tx/", "/receipt/"))]
    return [*plain, *(f"{target}{'&' if '?' in target else '?'}prove=1" for target in provable)]


async def heard(asker: HttpAsker, world: World) -> bytes:
    """Every frame of the event stream, from the first block to the newest."""
    target = "/events?cursor=0.0"
    height, frames = world.chain.ledger.height, list[str]()
    live = f"/ws?topics=block,interval,receipt,status&cursor=0.{len(frames)}"
    async with world.session.ws_connect(world.url + live, headers=asker.header(live)) as socket:
        while not frames or not frames[-1].startswith(f'{{"kind":"events","cursor":"{height}.'):
            message = await socket.receive()
            assert message.type is WSMsgType.TEXT
            frames.append(message.data)
    async with world.session.ws_connect(world.url + target, headers=asker.header(target)) as socket:
        while True:
            message = await socket.receive()
            assert message.type is WSMsgType.TEXT
            frames.append(message.data)
            if msgspec.json.decode(message.data)["cursor"].startswith(f"{height}."):
                return "\n".join(frames).encode()


FORMS = ("application/json", "application/msgpack")


async def everything(asker: HttpAsker, world: World, forms: tuple[str, ...] = FORMS) -> list[tuple[str, bytes]]:
    """All that a node answers to all questions."""
    answers = [("events", await heard(asker, world))]
    for target, accept in product(targets(world.chain), forms):
        status, body = await asker.ask(target, accept)
        assert status < 500, (target, body)
        answers.append((target, body))
    return answers


@pytest.mark.parametrize("name", [None, STRANGER])
def test_nobody_without_the_right_gets_a_figure_by_any_way(name: str | None) -> None:
    async def go() -> None:
        async with world() as here:
            hidden = secrets(here.chain, OWNER, name or "")
            assert hidden.keys() == set(RECORD_KINDS), "every kind has a planted figure"
            for target, body in await everything(here.asker(name), here):
                for kind, planted in hidden.items():
                    leaked = [figure for figure in planted if found(body, figure)]
                    assert not leaked, (target, kind, leaked)

    run(go())


def test_the_owner_sees_all_and_who_is_allowed_sees_the_same() -> None:
    async def go() -> None:
        async with world() as here:
            hidden = secrets(here.chain, OWNER, "")
            stranger, own = here.asker(STRANGER), here.asker(OWNER)
            before = b"".join(body for _, body in await everything(own, here, FORMS[:1]))
            for kind, planted in hidden.items():
                assert any(found(before, figure) for figure in planted), kind
            for kind in RECORD_KINDS:
                await here.say(OWNER, AllowAccess((kind,), (Reader("member", STRANGER),), None))
            granted = b"".join(body for _, body in await everything(stranger, here, FORMS[:1]))
            for kind, planted in hidden.items():
                seen, shown = ({one for one in planted if found(all_, one)} for all_ in (before, granted))
                assert seen <= shown, kind
            await here.say(OWNER, RevokeAccess(RECORD_KINDS, ()))
            again = b"".join(body for _, body in await everything(stranger, here, FORMS[:1]))
            # Others' figures may equal a sum of these by now; none of what was secret before is told again.
            assert not any(found(again, figure) for planted in hidden.values() for figure in planted)

    run(go())


def test_an_explanation_tells_no_offer_of_one_who_shows_its_orders_alone() -> None:
    async def go() -> None:
        async with world() as here:
            await here.say(OWNER, AllowAccess(("orders",), (Reader("all", "all"),), None))
            status, body = await here.asker(STRANGER).ask(f"/query/explain/{FIRST}")
            assert status == 200 and not [one for one in secrets(here.chain, OWNER, "")["offers"] if found(body, one)]
            assert msgspec.json.decode(body)["withheld"] == {"needs": 1, "offers": 1}
            assert (await here.asker(STRANGER).ask(f"/query/explain/{FIRST}?prove=1"))[0] == 403

    run(go())
