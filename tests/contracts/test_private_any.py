"""Whatever tenants do in whichever cycle: totals stay points of what was used and estimated, and no money is made."""

from __future__ import annotations

from functools import cache
from typing import Any

from hidden_world import entropy_of, note_secret
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, change
from private_world import CYCLE, TARIFF, Campus, genesis
from typed_values import values

from contracts.private import uses
from contracts.private.bodies import PrivateBody, ShareOfBill, SplitCycle
from contracts.schema import MIX
from node.billing import words
from zk import notes
from zk.group import ORDER, native
from zk.group.bases import bases
from zk.pedersen import commit

DEEDS = ("proves", "proves", "says nothing", "proves nothing", "lies")
TENANTS = ("m-t01", "m-t02")


@cache
def begun() -> Campus:
    return Campus(genesis(2, sources=1))


def lie(campus: Campus, meter: str, number: int) -> None:
    """A use with a note that is none, and the campus's complaint."""
    owner = campus.meters[meter].member
    route = uses.route(campus.chain.chain_id, meter, number, owner, "campus")
    garbage = notes.seal(campus.key("campus"), b"nothing", entropy=entropy_of(meter, number), **route)
    assert campus.chain.run(campus.say(meter, change(campus.prove(meter, number), note=garbage))) == "ok"
    blame = words.blame_use(
        note_secret("campus"), campus.chain.chain_id, "campus", campus.use(meter, number), entropy=entropy_of(number)
    )
    assert campus.chain.run(campus.chain.say("campus", blame)) == "ok"


@settings(max_examples=6)
@given(
    st.lists(
        st.tuples(st.sampled_from(DEEDS), st.sampled_from(DEEDS), st.integers(0, 6_000), st.integers(0, 6_000)),
        min_size=2,
        max_size=3,
    )
)
def test_totals_estimates_and_money_add_up_in_any_run(cycles: list[tuple[str, str, int, int]]) -> None:
    campus = begun().copy()
    money, shown = campus.chain.money(), dict.fromkeys((*TENANTS, "m-bio"), 0)
    settled = dict.fromkeys(TENANTS, 0)
    for at, (*deeds, first_wh, second_wh) in enumerate(cycles):
        number = CYCLE + at
        done = dict(zip(TENANTS, deeds, strict=True))
        for meter, wh in (*zip(TENANTS, (first_wh, second_wh), strict=True), ("m-bio", first_wh + second_wh)):
            shown[meter] += wh
        campus.read(FIRST + 1 + 2 * at, {meter: wh for meter, wh in shown.items() if done.get(meter) != DEEDS[2]})
        campus.end(number)
        for meter, deed in done.items():
            if deed == "proves":
                assert campus.chain.run(campus.say(meter, campus.prove(meter, number))) == "ok"
            elif deed == "lies":
                lie(campus, meter, number)
        campus.until("splitting", number)

        record = campus.cycle(number)
        proven = [meter for meter, deed in done.items() if deed == "proves"]
        estimated_wh = sum(one.energy_wh for one in record.estimates)
        assert {one.meter for one in record.estimates} == set(TENANTS) - set(proven)
        used_wh = sum(shown[meter] - settled[meter] for meter in proven)
        for meter in proven:
            settled[meter] = shown[meter]
        total = campus.total(number)
        assert total.value == used_wh + estimated_wh - record.returned_wh
        opened = commit(total.value % ORDER, total.blinding)
        assert record.total == (None if opened == native.IDENTITY else opened.to_bytes())
        owed_wh = {meter: campus.head(meter).owed_wh for meter in TENANTS}
        assert all(not owed_wh[meter] for meter in proven)
        assert all(campus.head(meter).owed_nano == owed * TARIFF for meter, owed in owed_wh.items())
        assert campus.book().standing_wh == sum(owed_wh.values())
        assert campus.chain.money() == money, "an estimate is paid by somebody to somebody"
        for meter, owed in owed_wh.items():
            spent = campus.chain.balance("utility") - campus.chain.balance(campus.meters[meter].member)
            assert spent == owed * TARIFF, "paid as long as it stands, and given back then"
        campus.until("done", number)
        assert {
            name for name, meter, why in campus.names(number) if meter in TENANTS and why in ("silent", "note")
        } == {campus.meters[meter].member for meter in set(TENANTS) - set(proven)}


POINTS = st.sampled_from([bytes(48), bases().V.to_bytes(), bases().H.to_bytes(), native.IDENTITY.to_bytes()])


@cache
def in_phase(phase: str) -> Campus:
    """A cycle that has come so far, and in which nothing is decided that need not be."""
    campus = begun().copy()
    if phase == "reading":
        campus.read(FIRST + 1, {"m-t01": 1_000, "m-t02": 2_000, "m-bio": 3_000})
        return campus
    if phase == "proving":
        campus = in_phase("reading").copy()
        campus.end()
        return campus
    campus = in_phase("proving").copy()
    campus.prove_all()
    campus.chain.block()
    if phase == "answering":
        campus.split_is({"m-bio": 3_000})
    elif phase != "opening":
        campus.until(phase)
    return campus


@settings(max_examples=60)
@given(
    st.sampled_from(["reading", "proving", "opening", "splitting", "answering", "paying", "done"]),
    values(PrivateBody),
    st.sampled_from(["m-bio", "m-t01", "m-campus", "nobody"]),
    st.sampled_from([CYCLE, CYCLE + 1]),
    st.sampled_from(["bio", "t01", "campus", "utility"]),
    POINTS,
)
def test_no_word_about_hidden_energy_makes_a_node_raise(
    phase: str, body: Any, meter: str, cycle: int, sender: str, point: bytes
) -> None:
    """Whoever says it, in whichever phase; and what is refused leaves nothing but a nonce and a budget."""
    campus = in_phase(phase).copy()
    named = {name: value for name, value in (("meter", meter), ("cycle", cycle)) if hasattr(body, name)}
    body = change(body, **named)
    if isinstance(body, SplitCycle):
        body = change(body, shares=(ShareOfBill("m-bio", point, b""),), held_wh=0)
    campus.chain.block()
    before = dict(campus.chain.store)
    (receipt,) = campus.chain.block(campus.chain.say(sender, body))
    if receipt.code != "ok":
        changed = {key for key in before if before[key] != campus.chain.store.get(key)}
        assert all(key.startswith((b"account/", b"private-cycle/", MIX)) for key in changed), receipt.code
