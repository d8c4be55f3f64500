"""ICS-23 by other means: google's protobuf over the published field numbers, and the published verification rules.

Written from the specification, generic over `ProofSpec`, without a line of `zk`.
"""

from __future__ import annotations

import hashlib
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_TYPES = descriptor_pb2.FieldDescriptorProto
_FIELDS: dict[str, list[tuple[str, int, str, bool]]] = {
    "LeafOp": [
        ("hash", 1, "int32", False),
        ("prehash_key", 2, "int32", False),
        ("prehash_value", 3, "int32", False),
        ("length", 4, "int32", False),
        ("prefix", 5, "bytes", False),
    ],
    "InnerOp": [("hash", 1, "int32", False), ("prefix", 2, "bytes", False), ("suffix", 3, "bytes", False)],
    "ExistenceProof": [
        ("key", 1, "bytes", False),
        ("value", 2, "bytes", False),
        ("leaf", 3, "LeafOp", False),
        ("path", 4, "InnerOp", True),
    ],
    "NonExistenceProof": [
        ("key", 1, "bytes", False),
        ("left", 2, "ExistenceProof", False),
        ("right", 3, "ExistenceProof", False),
    ],
    "CommitmentProof": [("exist", 1, "ExistenceProof", False), ("nonexist", 2, "NonExistenceProof", False)],
}


def _build() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="proofs.proto", package="cosmos.ics23.v1", syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        if name == "CommitmentProof":
            message.oneof_decl.add(name="proof")
        for field, number, kind, repeated in fields:
            entry = message.field.add(name=field, number=number)
            entry.label = _TYPES.LABEL_REPEATED if repeated else _TYPES.LABEL_OPTIONAL
            if kind == "int32":
                entry.type = _TYPES.TYPE_INT32
            elif kind == "bytes":
                entry.type = _TYPES.TYPE_BYTES
            else:
                entry.type = _TYPES.TYPE_MESSAGE
                entry.type_name = f".cosmos.ics23.v1.{kind}"
            if name == "CommitmentProof":
                entry.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("cosmos.ics23.v1.CommitmentProof"))


CommitmentProof = _build()
SHA256, NO_PREFIX = 1, 0
CHILD, EMPTY_CHILD, MAX_DEPTH = 32, bytes(32), 256


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _calculate(exist: Any) -> bytes | None:
    """Root of an existence proof that fits SmtSpec, else None."""
    leaf = exist.leaf
    if (leaf.hash, leaf.prehash_key, leaf.prehash_value, leaf.length) != (SHA256, SHA256, SHA256, NO_PREFIX):
        return None
    if not leaf.prefix.startswith(b"\0") or not exist.key or not exist.value or len(exist.path) > MAX_DEPTH:
        return None
    node = _sha256(leaf.prefix + _sha256(exist.key) + _sha256(exist.value))
    for step in exist.path:
        if step.hash != SHA256 or step.prefix.startswith(b"\0") or not 1 <= len(step.prefix) <= 1 + CHILD:
            return None
        if len(step.suffix) % CHILD:
            return None
        node = _sha256(step.prefix + node + step.suffix)
    return node


def _branch(step: Any) -> int:
    """0 for a left child, 1 for a right one, by what is around it."""
    return 1 if (len(step.prefix), len(step.suffix)) == (1 + CHILD, 0) else 0


def _left_most(path: Any) -> bool:
    return all(_branch(step) == 0 or step.prefix[1:] == EMPTY_CHILD for step in path)


def _right_most(path: Any) -> bool:
    return all(_branch(step) == 1 or step.suffix == EMPTY_CHILD for step in path)


def _left_neighbour(left: Any, right: Any) -> bool:
    left, right = list(left), list(right)
    while left and right:
        one, other = left.pop(), right.pop()
        if (one.prefix, one.suffix) != (other.prefix, other.suffix):
            return _branch(other) == _branch(one) + 1 and _right_most(left) and _left_most(right)
    return False


def verify_membership(root: bytes, key: bytes, value: bytes, raw: bytes) -> bool:
    """`VerifyMembership` of the specification with SmtSpec."""
    exist = CommitmentProof.FromString(raw).exist
    return exist.key == key and exist.value == value and _calculate(exist) == root


def verify_non_membership(root: bytes, key: bytes, raw: bytes) -> bool:
    """`VerifyNonMembership` of the specification with SmtSpec."""
    proof = CommitmentProof.FromString(raw)
    if not proof.HasField("nonexist"):
        return False
    nonexist = proof.nonexist
    left = nonexist.left if nonexist.HasField("left") else None
    right = nonexist.right if nonexist.HasField("right") else None
    if left is not None and (_calculate(left) != root or _sha256(left.key) >= _sha256(key)):
        return False
    if right is not None and (_calculate(right) != root or _sha256(right.key) <= _sha256(key)):
        return False
    if left is None and right is None:
        return False
    if left is None:
        return _left_most(right.path)
    if right is None:
        return _right_most(left.path)
    return _left_neighbour(left.path, right.path)
