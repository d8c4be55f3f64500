"""Proof bundles: true ones verify with genesis alone, and no change of any kind verifies as something else."""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.bodies import Transfer
from contracts.genesis import Genesis
from contracts.rolls import locate
from contracts.schema import ACCOUNTS, BALANCES, BILLS, MEMBERS, REGISTERS
from node.errors import ProofError
from node.proofs import (
    decode_bundle,
    receipt_bundle,
    state_bundle,
    transaction_bundle,
    verify_bundle,
)
from node.render import render
from tests.rpc.chain import Chain
from tests.support.pact import genesis, meter
from zk import merkle
from zk.codec import encode
from zk.merkle_size import prove_size

Document = dict[str, Any]
SIZE = 6
MEASURING = [f"m-{number:03d}" for number in range(120)]
ROLL, _ = locate(BALANCES.key("solar"))
ABSENT = [
    next(key for end in range(999) if locate(key := BALANCES.key(f"{begin}-{end}"))[0] == ROLL) for begin in ("a", "z")
]
"""Members that nobody is, before and behind all others of the same roll."""
MIDDLE = [REGISTERS.key("m-060"), REGISTERS.key("m-060-a")]
"""A meter among others, and one that is none."""


@lru_cache(maxsize=1)
def chain() -> Chain:
    """Block 1 holds six transfers, the fifth of which fails; three empty blocks follow."""

    async def go() -> Chain:
        made = Chain(automatic=False, meters=[meter(name, "campus") for name in MEASURING])
        amounts = [1, 2, 3, 4, 2**62, 6]
        await made.submit([made.speaker.member("campus", Transfer("solar", amount, "")) for amount in amounts])
        for _ in range(4):
            await made.produce()
        return made

    return asyncio.run(go())


@lru_cache(maxsize=1)
def bundles() -> dict[str, Document]:
    ledger = chain().ledger
    return {
        "state": state_bundle(ledger, [ACCOUNTS.key("solar"), MEMBERS.key("nobody")], 1),
        "roll": state_bundle(ledger, [BALANCES.key("solar"), *ABSENT, BILLS.key(1, "solar"), ROLL, *MIDDLE], 1),
        "transaction": transaction_bundle(ledger, 1, 4),
        "receipt": receipt_bundle(ledger, 1, 4),
    }


def check(bundle: Any, trusted: Genesis | None = None) -> Any:
    return verify_bundle(decode_bundle(json.dumps(bundle).encode()), trusted or chain().ledger.genesis)


def test_true_bundles_verify_and_say_what_they_show() -> None:
    made = bundles()
    state = check(made["state"])
    assert "holds account/solar" in state.sentence and "has no member/nobody" in state.sentence
    assert state.data["records"][0]["value"]["lanes"]
    roll = check(made["roll"])
    names = [key.decode() for key in ABSENT]
    assert "holds balance/solar, balance/:" in roll.sentence
    assert f"has no {', '.join(names)}, bill/0000000001/solar, register/m-060-a:" in roll.sentence
    assert roll.data["records"][0]["value"] == {"member": "solar", "balance_nano": str(10**12 + 16)}
    many = check(state_bundle(chain().ledger, [REGISTERS.key(name) for name in MEASURING], 1))
    assert f" and {len(MEASURING) - 12} more: committed" in many.sentence
    assert MEASURING[11] in many.sentence and MEASURING[12] not in many.sentence
    assert len(many.data["records"]) == len(MEASURING)
    transaction = check(made["transaction"])
    assert "number 4 of the 6 in block 1" in transaction.sentence
    assert transaction.data["envelope"]["body"]["amount_nano"] == str(2**62)
    receipt = check(made["receipt"])
    assert receipt.data["receipt"]["code"] == "money.insufficient" and receipt.data["block_height"] == 1


def test_every_place_in_a_block_is_provable() -> None:
    ledger = chain().ledger
    for index, hash_ in enumerate(ledger.block(1).payload):
        for made in (transaction_bundle(ledger, 1, index), receipt_bundle(ledger, 1, index)):
            shown = check(made).data
            assert (shown["hash"], shown["index"]) == (hash_.hex(), index)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every scalar and every container of a document, with the way to it."""
    yield path, value
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from leaves(item, (*path, position))


def put(document: Document, path: tuple[Any, ...], value: Any) -> Document:
    changed = copy.deepcopy(document)
    at: Any = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return changed


def flip(text: str, position: int) -> str:
    """Another hex digit, letter or decimal in this place."""
    old = text[position]
    return (
        text[:position]
        + ("1" if old == "0" else "0" if old.isdigit() else "b" if old == "a" else "a")
        + text[position + 1 :]
    )


@pytest.mark.parametrize("kind", ["state", "roll", "transaction", "receipt"])
@given(data=st.data())
@settings(max_examples=250)
def test_no_changed_bundle_is_valid(kind: str, data: st.DataObject) -> None:
    bundle = bundles()[kind]
    path, value = data.draw(st.sampled_from([entry for entry in leaves(bundle) if entry[0]]))
    match value:
        case bool() | None:
            changed = put(bundle, path, "00" if value is None else not value)
        case int():
            changed = put(bundle, path, value + data.draw(st.sampled_from([-1, 1, 2])))
        case "":
            changed = put(bundle, path, "00")
        case str():
            changed = put(bundle, path, flip(value, data.draw(st.integers(0, len(value) - 1))))
        case list() if value and data.draw(st.booleans()):
            changed = put(bundle, path, value[:-1])
        case list():
            changed = put(bundle, path, [*value, *(value[:1] or ["00" * 32])])
        case _:
            changed = put(bundle, path, {**value, "more": 1})
    if kind in ("state", "roll") and path == ("entries",):
        # A shorter or longer list of proven facts is another proof of true facts.
        check(changed)
        return
    if kind == "roll" and path[-1] == "key" and value is not None:
        entry = changed["entries"][path[1]]
        if entry["value"] is None and locate(bytes.fromhex(value))[0] == locate(bytes.fromhex(entry["key"]))[0]:
            # Where there is no roll, none of the entries that would be in it exists.
            check(changed)
            return
    with pytest.raises(ProofError) as refused:
        check(changed)
    assert refused.value.code.startswith("proof.") and refused.value.hint


def test_a_receipt_never_passes_for_that_of_another_transaction() -> None:
    """The index attack: entry 4 of 6 has the audit path of entry 2 of 4, and so would get receipt 2's path."""
    ledger = chain().ledger
    block = ledger.block(1)
    assert block is not None
    lied = receipt_bundle(ledger, 1, 4) | {
        "index": 2,
        "receipt": ledger.receipts(1)[3].leaf().hex(),
        "receipt_path": render(ledger.prove_receipt(1, 3)),
    }
    for size in (prove_size(block.payload), prove_size(block.payload[:4])):
        with pytest.raises(ProofError):
            check(lied | {"size": render(size)})
    root, path = block.header.payload_root, merkle.path(block.payload, 4)
    assert merkle.verify(root, block.payload[4], 2, 4, path), "the audit path itself does not tell"


def rolled(name: str) -> Document:
    """A bundle about the registers of one meter."""
    return state_bundle(chain().ledger, [REGISTERS.key(name)], 1)


def entry(bundle: Document) -> Document:
    return dict(bundle["entries"][0])


def test_every_entry_of_every_roll_is_proven_and_nothing_else_is_in_them() -> None:
    strangers = [f"{name}-a" for name in MEASURING[::6]] + ["a", "z", "m"]
    shown = check(state_bundle(chain().ledger, [REGISTERS.key(name) for name in MEASURING + strangers], 1)).data
    found = {record["key"]: record["value"] for record in shown["records"]}
    assert [found[f"register/{name}"]["meter"] for name in MEASURING] == MEASURING
    assert all(found[f"register/{name}"] is None for name in strangers)
    assert any(entry(rolled(name))["roll"]["size"] > 4 for name in MEASURING), "rolls with something to hide"


def lies(name: str, other: str) -> Iterator[Document]:
    """What somebody says who denies the entry of `name`, or shows that of `other` from the same roll in its place."""
    bundle, roll = rolled(name), dict(entry(rolled(name))["roll"])
    own, true = entry(bundle), entry(rolled(other))
    places = {true["roll"]["index"]: true, roll["index"]: own}
    first, second = (places[index] for index in sorted(places))
    beside, paths = [first["value"], second["value"]], [first["roll"]["paths"][0], second["roll"]["paths"][0]]
    for index in range(roll["size"] + 1):
        yield own | {"value": None, "roll": roll | {"index": index, "beside": [], "paths": []}}
        yield own | {"value": None, "roll": roll | {"index": index, "beside": beside[:1], "paths": paths[:1]}}
        yield own | {"value": None, "roll": roll | {"index": index, "beside": beside[1:], "paths": paths[1:]}}
        yield own | {"value": None, "roll": roll | {"index": index, "beside": beside, "paths": paths}}
        yield own | {"value": true["value"], "roll": true["roll"] | {"index": index}}
    yield own | {"value": None, "roll": None}
    yield own | {"value": None, "roll": None, "proof": entry(rolled("z"))["proof"]}
    yield own | {"roll": None}
    yield {**own, "key": REGISTERS.key(other).hex()}
    yield {**own, "key": ROLL.hex()}


def test_only_entries_of_rolls_have_a_place_in_one() -> None:
    bundle, roll = bundles()["state"], entry(rolled("m-060"))["roll"]
    for number, shown in enumerate(bundle["entries"]):
        entries = [*bundle["entries"][:number], shown | {"roll": roll}, *bundle["entries"][number + 1 :]]
        with pytest.raises(ProofError) as refused:
            check(bundle | {"entries": entries})
        assert refused.value.code == "proof.path"


def test_nobody_can_deny_an_entry_or_pass_one_for_another() -> None:
    roll = [name for name in MEASURING if locate(REGISTERS.key(name))[0] == locate(REGISTERS.key("m-060"))[0]]
    assert len(roll) > 3
    for name, other in itertools.pairwise(roll):
        for asked, shown in ((name, other), (other, name)):
            for lie in lies(asked, shown):
                with pytest.raises(ProofError) as refused:
                    check(rolled(asked) | {"entries": [lie]})
                assert refused.value.code in ("proof.path", "proof.malformed")


@pytest.mark.parametrize("seats", [(), (0,), (0, 1), (2, 3)])
def test_two_of_four_signatures_decide_nothing(seats: tuple[int, ...]) -> None:
    made = chain()
    header = made.ledger.header(2)
    assert header is not None
    for bundle in (bundles()["state"], bundles()["receipt"]):
        with pytest.raises(ProofError) as refused:
            check(bundle | {"certificate": render(made.certify(header, seats))})
        assert refused.value.code == "proof.certificate"
        check(bundle | {"certificate": render(made.certify(header, (1, 2, 3)))})


def test_another_genesis_trusts_nothing_of_this_chain() -> None:
    for bundle in bundles().values():
        with pytest.raises(ProofError) as refused:
            check(bundle, genesis(balance_nano=5))
        assert refused.value.code == "proof.chain"


def test_only_what_is_decided_is_provable() -> None:
    ledger = chain().ledger
    with pytest.raises(ProofError) as refused:
        state_bundle(ledger, [ACCOUNTS.key("solar")], ledger.height)
    assert refused.value.code == "proof.not-yet"
    with pytest.raises(ProofError) as unknown:
        transaction_bundle(ledger, 1, SIZE)
    assert unknown.value.code == "proof.unknown"


@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_garbage_is_refused_with_a_code(raw: bytes) -> None:
    with pytest.raises(ProofError) as refused:
        decode_bundle(raw)
    assert refused.value.code == "proof.malformed"


HEAVY = ("plyvel", "aiohttp", "uvloop", "asyncio", "cryptography", "ssl")
CHECK = f"""
import sys
from node.cli import app, run
code = run(app, sys.argv[1:])
heavy = [name for name in {HEAVY!r} if name in sys.modules]
print(heavy, file=sys.stderr)
sys.exit(code if not heavy else 9)
"""


def test_verification_runs_where_there_are_only_headers(tmp_path: Path) -> None:
    """A fresh interpreter checks every kind without storage, network or event loop being imported."""
    (tmp_path / "genesis.mp").write_bytes(encode(chain().ledger.genesis))
    trust = ["--genesis", str(tmp_path / "genesis.mp"), "--json"]
    for kind, bundle in bundles().items():
        file = tmp_path / f"{kind}.json"
        file.write_text(json.dumps(bundle))
        command = [sys.executable, "-c", CHECK, "proof", "verify", str(file), *trust]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["kind"] == bundle["kind"]
