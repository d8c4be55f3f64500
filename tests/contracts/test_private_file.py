"""A private bill as a file: whoever gets it adds up what nobody sees, and a bill that does not add up is refused."""

from __future__ import annotations

import msgspec
import pytest
from ledger_world import FIRST, change
from private_world import CYCLE, PARAMS, SOURCES, TARIFF, Campus, genesis

from contracts.members import Private
from contracts.schema import HIDDEN_SITES, HIDDEN_USES, PRIVATE_CYCLES
from node.errors import ProofError
from node.proofs import Entry, StateBundle
from node.statements import cycles, file, making

RATED_WH = 400_000 * PARAMS.cycle_ms // 3_600_000
"""What a silent tenant is taken for."""
USED = {"m-t01": 1_700, "m-t02": 2_000, "m-t03": 2_300}
SOLD = {"m-bio": 2_500, "m-geo": 1_500, "m-solar": 1_100, "m-wind": 900}


def campus_with_a_bill() -> Campus:
    """Three tenants and four suppliers, and the campus has split the total."""
    campus = Campus(genesis(3))
    campus.read(FIRST + 1, USED | SOLD)
    campus.end()
    campus.prove_all()
    campus.chain.block()
    campus.split_is(SOLD)
    return campus


def bundle(campus: Campus, number: int = CYCLE) -> StateBundle:
    """What a node gives for a cycle, without headers: what they prove is tested where bundles are."""
    wanted = [PRIVATE_CYCLES.key(number, "campus"), HIDDEN_SITES.key("campus")]
    wanted += [HIDDEN_USES.key(number, meter) for meter in sorted(campus.meters)]
    found = [(key, campus.chain.store.get(key)) for key in wanted]
    entries = tuple(Entry(key.hex(), None if value is None else value.hex(), "") for key, value in found)
    return StateBundle(campus.chain.chain_id, {}, {}, (), (), entries)


def made(campus: Campus, number: int = CYCLE) -> file.StatementsFile:
    """The statements alone, as they are read again from a file."""
    built = cycles.file_of(bundle(campus, number))
    return file.decode(msgspec.json.encode(file.StatementsFile(built.statements)))


def test_a_bill_adds_up_before_a_stranger() -> None:
    campus = campus_with_a_bill()
    proven = file.verify(made(campus), campus.chain.genesis)
    uses, shares = (one["points"] for one in proven.data["statements"])
    record = campus.cycle()
    assert set(uses) == {campus.use(meter).point.hex() for meter in USED} | {record.used.hex() if record.used else ""}
    assert record.total is not None
    assert record.total == record.used and record.total.hex() in shares
    assert {one.bill.hex() for one in record.shares if one.bill} < set(shares)
    # Solar shows what it is billed, beside the sum.
    told = campus.told("m-solar")
    order = {
        "statement": "opening",
        "where": file.render_place(file.read(made(campus))[0].where),
        "inputs": {"opening": {"value": told.value, "blinding": told.blinding.hex()}},
    }
    orders = msgspec.json.encode({"kind": "statements-to-make", "statements": [order]})
    shown, _ = making.make(orders, (), b"e" * 32)
    (one,) = file.verify(shown, campus.chain.genesis).data["statements"]
    assert one["proven"] == f"a commitment of campus hides {SOLD['m-solar']}"
    assert set(one["points"]) < set(shares)


def test_a_share_of_another_bill_does_not_add_up() -> None:
    campus = campus_with_a_bill()
    record = campus.cycle()
    first, second, *others = record.shares
    forged = change(record, shares=(change(first, bill=second.bill), second, *others))
    site, uses = (
        HIDDEN_SITES.decode(campus.chain.store[HIDDEN_SITES.key("campus")]),
        [campus.use(meter) for meter in (*USED, *SOURCES)],
    )
    statements = cycles.statements_of(campus.chain.chain_id, forged, site, uses)
    with pytest.raises(ProofError, match="Statement 2"):
        file.verify(file.StatementsFile(statements), campus.chain.genesis)
    statements = cycles.statements_of(campus.chain.chain_id, record, site, uses[1:])
    with pytest.raises(ProofError, match="Statement 1"):
        file.verify(file.StatementsFile(statements), campus.chain.genesis)


def test_estimates_put_in_held_back_and_taken_out_again_add_up_too() -> None:
    """Public numbers of either sign, in the cycle of a silent tenant and in the one in which it speaks again."""
    campus = Campus(genesis(2, sources=2))
    campus.read(FIRST + 1, {"m-t01": 1_000, "m-t02": 2_000, "m-bio": 1_500, "m-geo": 1_500})
    campus.end()
    campus.prove_all(but=["m-t01"])
    campus.until("splitting")
    campus.split_is({"m-bio": 500, "m-geo": 1_500}, held_wh=RATED_WH)
    proven = file.verify(made(campus), campus.chain.genesis)
    assert [f"and {RATED_WH} in public" in one["proven"] for one in proven.data["statements"]] == [False, True, True]
    campus.until("done")
    campus.read(FIRST + 3, {"m-t01": 2_500, "m-t02": 4_000, "m-bio": 2_500, "m-geo": 3_000})
    campus.end(CYCLE + 1)
    campus.prove_all(CYCLE + 1)
    campus.until("splitting", CYCLE + 1)
    campus.split_is({"m-bio": 2_500, "m-geo": 2_000}, held_wh=-RATED_WH, number=CYCLE + 1)
    assert campus.cycle(CYCLE + 1).returned_wh == RATED_WH
    proven = file.verify(made(campus, CYCLE + 1), campus.chain.genesis)
    assert [f"and {RATED_WH} in public" in one["proven"] for one in proven.data["statements"]] == [False, True, True]


def test_a_share_blinded_like_the_delivery_leaves_its_owner_an_answer() -> None:
    """The campus knows the delivery's opening, and could choose the share's so that no proof of it would be taken: its
    owner was named for its silence, and was paid what the campus said."""
    campus = Campus(genesis(2, {"m-bio": Private("campus", TARIFF, accuracy_wh=3)}, sources=2))
    campus.read(FIRST + 1, {"m-t01": 1_000, "m-t02": 2_000, "m-bio": 1_500, "m-geo": 1_500})
    campus.end()
    campus.prove_all()
    campus.chain.block()
    chosen = campus.delivered("m-bio").shifted(3)
    said = campus.split({"m-bio": 1_503, "m-geo": 1_497}, deliveries={"m-bio": chosen})
    assert campus.chain.run(campus.chain.say("campus", said)) == "ok"
    assert campus.told("m-bio") == chosen
    assert campus.chain.run(campus.say("m-bio", campus.answer("m-bio"))) == "ok"
    assert campus.share("m-bio").outcome == "within"


def test_a_cycle_whose_total_is_not_fixed_has_nothing_to_add_up() -> None:
    campus = Campus(genesis(3))
    campus.read(FIRST + 1, USED | SOLD)
    campus.end()
    with pytest.raises(ProofError) as error:
        cycles.file_of(bundle(campus))
    assert error.value.code == "proof.cycle"
    with pytest.raises(ProofError) as error:
        cycles.file_of(StateBundle(campus.chain.chain_id, {}, {}, (), (), (Entry("00", None, ""),)))
    assert error.value.code == "proof.cycle"
    assert campus.cycle(CYCLE).total is None
