"""Sigma proofs: the published vectors, and everything that must not pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zk import sigma
from zk.transcript import Sponge, session_id

VECTORS = Path(__file__).parent.parent / "vectors"
SPONGES: list[dict[str, Any]] = json.loads((VECTORS / "fiat-shamir_Shake128.some.json").read_text())
PROOFS: list[dict[str, Any]] = json.loads((VECTORS / "sigma-proofs_Shake128_BLS12381.some.json").read_text())


def published_nonces(vector: dict[str, Any]) -> bytes:
    """The nonces of a vector: squeezed from a sponge that its flavor and its relation name."""
    flavor = "CMPT" if vector["Flavor"] == "compact" else "DSFS"
    sponge = Sponge(session_id(f"TestDRNG-SIGMA-PROOFS-{flavor}-{vector['Ciphersuite']}-{vector['Relation']}".encode()))
    return b"".join(sponge.challenge().to_bytes(32, "big") for _ in range(len(vector["Witness"]) // 64))


@pytest.mark.parametrize("vector", SPONGES, ids=lambda vector: vector["Name"])
def test_known_answers_of_the_sponge(vector: dict[str, Any]) -> None:
    sponge = Sponge(bytes.fromhex(vector["SessionId"]))
    output = b""
    for operation in vector["Operations"]:
        if operation["type"] == "absorb":
            sponge.absorb(bytes.fromhex(operation["data"]))
        else:
            output += sponge.squeeze(operation["length"])
    assert output.hex() == vector["Output"]


@pytest.mark.parametrize("vector", PROOFS, ids=lambda vector: vector["Id"])
def test_known_answers_of_proofs(vector: dict[str, Any]) -> None:
    tag, compact = vector["Tag"].encode(), vector["Flavor"] == "compact"
    instance, witness = bytes.fromhex(vector["Instance"]), bytes.fromhex(vector["Witness"])
    assert session_id(tag).hex() == vector["SessionId"]
    proof = sigma.prove(tag, instance, witness, compact=compact, entropy=b"", nonces=published_nonces(vector))
    assert proof.hex() == vector["NargString"]
    assert sigma.verify(tag, instance, proof, compact=compact)
    assert not sigma.verify(tag + b"!", instance, proof, compact=compact)
    assert not sigma.verify(tag, instance, proof, compact=not compact)


def of(relation: str) -> dict[str, Any]:
    """The batchable vector of a relation."""
    return next(one for one in PROOFS if one["Relation"] == relation and one["Flavor"] == "batchable")


def test_a_relation_by_names_compiles_to_the_published_bytes() -> None:
    published = bytes.fromhex(of("dleq")["Instance"])
    x, h, y = (published[-48 * at :][:48] for at in (3, 2, 1))
    dleq = sigma.Relation({"X": x, "H": h, "Y": y}, ["x"])
    dleq.equation("X", ("x", "B"))
    dleq.equation("Y", ("x", "H"))
    assert dleq.instance.encoded == published
    published = bytes.fromhex(of("pedersen_commitment")["Instance"])
    opening = sigma.Relation({"H": published[-96:-48], "C": published[-48:]}, ["x", "r"])
    opening.equation("C", ("x", "B"), ("r", "H"))
    assert opening.instance.encoded == published
    assert opening.witness({"r": 2, "x": -1})[-1] == 2
