"""Every published vector of the drafts on Fiat-Shamir and sigma protocols, over BLS12-381 with SHAKE128."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from zk import sigma
from zk.batch import Batch
from zk.sigma.instance import Instance
from zk.transcript import Sponge, session_id

VECTORS = Path(__file__).parent.parent / "vectors"


def vectors(name: str) -> list[dict[str, Any]]:
    """The records of a file."""
    records: list[dict[str, Any]] = json.loads((VECTORS / name).read_text())
    return records


SPONGES = vectors("fiat-shamir_Shake128.json")
PROOFS = vectors("sigma-proofs_Shake128_BLS12381.json")
ADVERSARIAL = vectors("sigma-proofs-invalid_Shake128_BLS12381.json")


def published_nonces(vector: dict[str, Any]) -> bytes:
    """The nonces of a vector: squeezed from a sponge that its flavor and its relation name."""
    flavor = "CMPT" if vector["Flavor"] == "compact" else "DSFS"
    sponge = Sponge(session_id(f"TestDRNG-SIGMA-PROOFS-{flavor}-{vector['Ciphersuite']}-{vector['Relation']}".encode()))
    return b"".join(sponge.challenge().to_bytes(32, "big") for _ in range(len(vector["Witness"]) // 64))


def accepted(vector: dict[str, Any]) -> bool:
    """What the verifier says of a vector."""
    instance, proof = bytes.fromhex(vector["Instance"]), bytes.fromhex(vector["NargString"])
    return sigma.verify(vector["Tag"].encode(), instance, proof, compact=vector["Flavor"] == "compact")


@pytest.mark.parametrize("vector", SPONGES, ids=lambda vector: vector["Name"])
def test_sponges(vector: dict[str, Any]) -> None:
    if vector["Function"] == "DeriveSessionID":
        output = session_id(bytes.fromhex(vector["Tag"]))
    else:
        sponge, output = Sponge(bytes.fromhex(vector["SessionId"])), b""
        for operation in vector["Operations"]:
            if operation["type"] == "absorb":
                sponge.absorb(bytes.fromhex(operation["data"]))
            else:
                output += sponge.squeeze(operation["length"])
    assert output.hex() == vector["Output"]


@pytest.mark.parametrize("vector", PROOFS, ids=lambda vector: vector["Id"].partition("/bls12381/")[2])
def test_proofs_regenerate_and_verify(vector: dict[str, Any]) -> None:
    tag, compact = vector["Tag"].encode(), vector["Flavor"] == "compact"
    instance, witness = bytes.fromhex(vector["Instance"]), bytes.fromhex(vector["Witness"])
    assert session_id(tag).hex() == vector["SessionId"]
    assert tag == sigma.tag_for(vector["Relation"].encode(), compact=compact)
    # The instance read and written again is the same.
    read = Instance.decode(instance)
    assert Instance.of(read.elements[1:], read.equations) == read
    proof = sigma.prove(tag, instance, witness, compact=compact, entropy=b"", nonces=published_nonces(vector))
    assert proof.hex() == vector["NargString"]
    assert accepted(vector)


@pytest.mark.parametrize("vector", ADVERSARIAL, ids=lambda vector: vector["Id"].partition("/bls12381/")[2])
def test_adversarial_proofs(vector: dict[str, Any]) -> None:
    assert accepted(vector) is (vector["Expected"] == "accept")
    assert vector.get("BaseId", PROOFS[0]["Id"]) in {one["Id"] for one in PROOFS if accepted(one)}


def claims(records: list[dict[str, Any]]) -> list[Any]:
    """Claims of batchable vectors."""
    return [
        sigma.claim(one["Tag"].encode(), bytes.fromhex(one["Instance"]), bytes.fromhex(one["NargString"]))
        for one in records
        if one["Flavor"] == "batchable"
    ]


def test_every_batch_of_valid_proofs_verifies_and_none_with_a_false_one() -> None:
    valid = claims(PROOFS)
    false = claims([one for one in ADVERSARIAL if one["Expected"] == "reject"])
    assert len(valid) == 7
    assert len(false) == 19

    def holds(*chosen: Any) -> bool:
        batch = Batch()
        for one in chosen:
            batch.add(one)
        return batch.verify()

    assert all(holds(*chosen) for size in (0, 1, 2, 7) for chosen in combinations(valid, size))
    assert not any(holds(*valid, one) or holds(one, valid[0]) for one in false)
