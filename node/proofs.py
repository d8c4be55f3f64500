"""Proof bundles: what a stranger needs to check one fact of the ledger with the genesis document alone.

A bundle is a JSON document: a header, the commit certificate that more than 2/3 of the power signed for it, the
validator set that the header names, and the path from a root in the header to the fact. Where that set is not the one
that genesis seats, light blocks lead from block 1 to the header, each believed for the one before (`consensus.light`).
Nothing in it is trusted: whatever is not checked is refused. Verification imports no storage, no network and no solver,
so that it runs anywhere Python and libsodium do.

    state        records under keys, or their absence, after executing height - 1 (ICS-23), entries of rolls by the
                 commitment that the state holds to their roll (RFC 6962)
    transaction  one envelope is entry `index` of the block (RFC 6962)
    receipt      one envelope is entry `index` of the block below and left this receipt (RFC 6962)

Where an entry is, and so which receipt is its own, depends on how many there are: `zk.merkle_size`.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, Protocol, TypeVar

import msgspec

from consensus.certificates import verify_commit
from consensus.messages import MAX_VALIDATORS, Block, CommitCertificate, Header
from consensus.refusals import Refusal
from consensus.validators import Validator
from contracts.envelope import CODEC, MAX_ENVELOPE_BYTES, Domains
from contracts.genesis import Genesis
from contracts.receipts import Receipt
from contracts.rolls import Commitment, Rolls, committed, is_roll, locate
from node.errors import UNREADABLE, ProofError
from node.render import NotThisForm, parse, render
from node.roll_proofs import Hex, HexPath, RollProof, is_in_roll, prove_in_roll
from node.seats import validators_of
from node.tables import show_key, table_of
from node.trail import MAX_TRAIL, Chain, led_to, make_trail
from zk import ics23, merkle
from zk.merkle_size import prove_size, proven_size

F = TypeVar("F")

MAX_BUNDLE_BYTES = 16 * 1024 * 1024
MAX_ENTRIES = 4096
"""State records in one bundle."""
MAX_NAMED_KEYS = 12
"""Of them, named in the sentence about it."""

HexSize = Annotated[tuple[HexPath, ...], msgspec.Meta(max_length=merkle.MAX_PATH)]
Document = dict[str, Any]


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every kind has: a decided header and who decided it, in their JSON forms."""

    chain_id: str
    header: Document
    certificate: Document
    validators: Annotated[tuple[Document, ...], msgspec.Meta(max_length=MAX_VALIDATORS)]
    trail: Annotated[tuple[Hex, ...], msgspec.Meta(max_length=MAX_TRAIL)]
    """Encoded light blocks from block 1 to `header`; empty where genesis seats `validators`."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key of state. `value` None: there is no such record. `proof` is a protobuf ICS-23
    `CommitmentProof`: of the record, or of the roll that the key's entry is in. `roll` None: there is no roll."""

    key: Hex
    value: Hex | None
    proof: Hex
    roll: RollProof | None = None


class StateBundle(Bundle, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="state"):
    """Records of the state after executing the block below `header`."""

    entries: Annotated[tuple[Entry, ...], msgspec.Meta(min_length=1, max_length=MAX_ENTRIES)]


class TransactionBundle(Bundle, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="transaction"):
    """An envelope in the block of `header`. `size` proves how many transactions the block has."""

    envelope: Hex
    index: Annotated[int, msgspec.Meta(ge=0)]
    path: HexPath
    size: HexSize


class ReceiptBundle(Bundle, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="receipt"):
    """An envelope in the block of `block_header`, and its receipt, committed to by the next header,
    `header`."""

    block_header: Document
    envelope: Hex
    index: Annotated[int, msgspec.Meta(ge=0)]
    path: HexPath
    size: HexSize
    receipt: Hex
    receipt_path: HexPath


AnyBundle = StateBundle | TransactionBundle | ReceiptBundle
_DECODER = msgspec.json.Decoder(AnyBundle)
_COMMITMENT = msgspec.msgpack.Decoder(Commitment)


class Proven(NamedTuple):
    """What a valid bundle shows: one sentence for people, and the same as data."""

    sentence: str
    data: Document


# Building


class Source(Chain, Protocol):
    """The part of the ledger that proofs are made from."""

    chain_id: str
    genesis: Genesis

    def block(self, height: int, /) -> Block | None: ...

    def transactions(self, height: int, /) -> list[bytes]: ...

    def receipts(self, height: int, /) -> list[Receipt]: ...

    def get_at(self, key: bytes, height: int, /) -> bytes | None: ...

    def prove_state(self, key: bytes, height: int, /) -> bytes: ...

    def prove_transaction(self, height: int, index: int, /) -> list[bytes]: ...

    def prove_receipt(self, height: int, index: int, /) -> list[bytes]: ...


def state_bundle(source: Source, keys: list[bytes], height: int) -> Document:
    """Proof of what was under `keys` after executing `height`. Raises `ProofError` when not (or no longer)
    provable."""
    return {
        "kind": "state",
        **_anchor(source, height + 1),
        "entries": [state_entry(source, key, height) for key in keys],
    }


def state_entry(source: Source, key: bytes, height: int) -> Document:
    """Value and proof of one key: a part of a bundle of state."""
    rolls = _rolls(key)
    held, _ = (key, "") if rolls is None else locate(key)
    value, proof = source.get_at(held, height), source.prove_state(held, height).hex()
    if value is None:
        return {"key": key.hex(), "value": None, "proof": proof}
    if rolls is None:
        return {"key": key.hex(), "value": committed(key, value).hex(), "proof": proof}
    entry, place = prove_in_roll(rolls, key, value)
    return {"key": key.hex(), "value": None if entry is None else entry.hex(), "proof": proof, "roll": place}


def _rolls(key: bytes) -> Rolls[Any] | None:
    """The table whose entry `key` names; None when it names a record or a roll."""
    table = None if is_roll(key) else table_of(key)
    return table if isinstance(table, Rolls) else None


def transaction_bundle(source: Source, height: int, index: int) -> Document:
    """Proof that an envelope is in the block of `height`."""
    return {"kind": "transaction", **_anchor(source, height), **_position(source, height, index)}


def receipt_bundle(source: Source, height: int, index: int) -> Document:
    """Proof of a transaction and of what executing it left behind; needs header `height + 1`."""
    return {
        "kind": "receipt",
        **_anchor(source, height + 1),
        "block_header": render(source.header(height)),
        **_position(source, height, index),
        "receipt": source.receipts(height)[index + 1].leaf().hex(),
        "receipt_path": render(source.prove_receipt(height, index + 1)),
    }


def _anchor(source: Source, height: int) -> Document:
    header, certificate = source.header(height), source.certificate(height)
    if header is None or certificate is None:
        raise ProofError(
            "proof.not-yet",
            f"Header {height}, which commits to the result, is not decided yet.",
            "Ask again in a moment; the chain makes the next block by itself.",
        )
    return {
        "chain_id": source.chain_id,
        "header": render(header),
        "certificate": render(certificate),
        "validators": render(source.sets(height).seats),
        "trail": make_trail(source, height),
    }


def _position(source: Source, height: int, index: int) -> Document:
    block = source.block(height)
    if block is None or index >= len(block.payload):
        raise ProofError("proof.unknown", f"Block {height} has no transaction {index}.", "Check height and index.")
    return {
        "envelope": source.transactions(height)[index].hex(),
        "index": index,
        "path": render(source.prove_transaction(height, index)),
        "size": render(prove_size(block.payload)),
    }


# Verifying


def decode_bundle(raw: bytes) -> AnyBundle:
    """A bundle from JSON bytes. Raises `ProofError` (`proof.malformed`)."""
    bundle: AnyBundle = decode_file(raw, _DECODER, "a proof bundle", "--prove")
    return bundle


def decode_file(raw: bytes, decoder: msgspec.json.Decoder[F], what: str, writer: str) -> F:
    """A file with proofs from JSON bytes. Raises `ProofError` (`proof.malformed`): it is not `what`, as `writer` writes
    it."""
    if len(raw) > MAX_BUNDLE_BYTES:
        raise ProofError("proof.malformed", f"The file has {len(raw)} bytes; a proof has at most {MAX_BUNDLE_BYTES}.")
    try:
        return decoder.decode(raw)
    except UNREADABLE as error:
        raise ProofError(
            "proof.malformed", f"This is not {what}: {error}.", f"Give the file that `{writer}` wrote."
        ) from None


def verify_bundle(bundle: AnyBundle, genesis: Genesis) -> Proven:
    """Check everything in `bundle` against `genesis`. Raises `ProofError`; returns what is proven."""
    try:
        header = decided_header(bundle, genesis)
        match bundle:
            case StateBundle():
                return _verify_state(bundle, header)
            case TransactionBundle():
                return _verify_transaction(bundle, header)
            case ReceiptBundle():
                return _verify_receipt(bundle, header)
    except NotThisForm as error:
        raise ProofError("proof.malformed", f"This is not a proof bundle: {error}.") from None


def decided_header(bundle: Bundle, genesis: Genesis) -> Header:
    """The bundle's header, once more than 2/3 of the power of the genesis set is known to have committed to it.

    Raises `ProofError`, `NotThisForm`.
    """
    chain_id = genesis.chain_id()
    header = parse(Header, bundle.header)
    certificate = parse(CommitCertificate, bundle.certificate)
    if not bundle.chain_id == header.chain_id == chain_id:
        raise ProofError(
            "proof.chain",
            f"The proof is for chain {bundle.chain_id}, the genesis document for {chain_id}.",
            "Give the genesis document of the proof's chain with --genesis.",
        )
    trusted = led_to(bundle.trail, header, genesis) if bundle.trail else validators_of(genesis)
    if tuple(parse(Validator, seat) for seat in bundle.validators) != trusted.seats:
        raise ProofError("proof.validators", "The validator set is not the one that genesis seats or leads to.")
    if header.set_hash != trusted.hash:
        raise ProofError("proof.validators", "The header names another validator set than genesis seats or leads to.")
    if certificate.height != header.height or certificate.block_id != header.id():
        raise ProofError("proof.certificate", "The certificate is for another header.")
    try:
        verify_commit(certificate, chain_id, trusted)
    except Refusal as refusal:
        raise ProofError(
            "proof.certificate",
            f"More than 2/3 of the validators' power did not sign this header: {refusal}.",
        ) from None
    return header


def _verify_state(bundle: StateBundle, header: Header) -> Proven:
    records: list[Document] = []
    present: list[str] = []
    absent: list[str] = []
    for key, value in proven_records(bundle, header).items():
        name = show_key(key)
        (absent if value is None else present).append(name)
        records.append({"key": name, "value": None if value is None else read_record(key, value)})
    parts = [f"holds {_named(present)}"] if present else []
    parts += [f"has no {_named(absent)}"] if absent else []
    return Proven(
        f"The state of {header.chain_id} after block {header.height - 1} {' and '.join(parts)}: "
        f"committed by header {header.height}.",
        {**_common("state", header), "state_height": header.height - 1, "records": records},
    )


def _named(keys: list[str]) -> str:
    """Keys as part of a sentence that somebody reads; all of them are in the records beside it."""
    more = len(keys) - MAX_NAMED_KEYS
    return ", ".join(keys[:MAX_NAMED_KEYS]) + (f" and {more} more" if more > 0 else "")


def proven_records(bundle: StateBundle, header: Header) -> dict[bytes, bytes | None]:
    """The encoded record or entry under each key of `bundle`, None where there is none, after the block below
    `header`, which somebody else has checked. Raises `ProofError` `proof.path`."""
    found: dict[bytes, bytes | None] = {}
    for entry in bundle.entries:
        key, value = bytes.fromhex(entry.key), None if entry.value is None else bytes.fromhex(entry.value)
        if not _is_proven(header.state_root, key, value, entry):
            raise ProofError("proof.path", f"The path does not lead from {show_key(key)} to the header's state root.")
        found[key] = value
    return found


def _is_proven(root: bytes, key: bytes, value: bytes | None, entry: Entry) -> bool:
    """Whether the state under `root` has `value` under `key`, or nothing."""
    proof, rolls, roll = bytes.fromhex(entry.proof), _rolls(key), entry.roll
    if rolls is None:
        if roll is not None:
            return False
        if value is None:
            return ics23.verify_non_membership(root, key, proof)
        return ics23.verify_membership(root, key, value, proof)
    roll_key, _ = locate(key)
    if roll is None:
        return value is None and ics23.verify_non_membership(root, roll_key, proof)
    if not ics23.verify_membership(root, roll_key, roll.commitment(), proof):
        return False
    return is_in_roll(rolls, key, value, roll)


def _verify_transaction(bundle: TransactionBundle, header: Header) -> Proven:
    identity, total = _located(bundle, header)
    return Proven(
        f"Transaction {identity.hex()} is number {bundle.index} of the {total} in block {header.height} "
        f"of {header.chain_id}.",
        {
            **_common("transaction", header),
            "hash": identity.hex(),
            "index": bundle.index,
            "envelope": _read_envelope(bundle.envelope),
        },
    )


def _verify_receipt(bundle: ReceiptBundle, header: Header) -> Proven:
    block_header = parse(Header, bundle.block_header)
    if block_header.chain_id != header.chain_id or header.parent_hash != block_header.id():
        raise ProofError("proof.parent", "The block's header is not the parent of the signed one.")
    identity, total = _located(bundle, block_header)
    leaf = bytes.fromhex(bundle.receipt)
    siblings = [bytes.fromhex(one) for one in bundle.receipt_path]
    # The clock's receipt comes before those of the transactions.
    if not merkle.verify(header.receipts_root, leaf, bundle.index + 1, total + 1, siblings):
        raise ProofError("proof.path", "The path does not lead from the receipt to the next header's receipts root.")
    receipt = msgspec.msgpack.decode(leaf, type=Receipt)
    return Proven(
        f"Transaction {identity.hex()} was executed in block {block_header.height} of {header.chain_id} "
        f"with code {receipt.code}: committed by header {header.height}.",
        {
            **_common("receipt", header),
            "hash": identity.hex(),
            "block_height": block_header.height,
            "block_time_ms": block_header.time_ms,
            "index": bundle.index,
            "envelope": _read_envelope(bundle.envelope),
            "receipt": render(receipt),
        },
    )


def _located(bundle: TransactionBundle | ReceiptBundle, header: Header) -> tuple[bytes, int]:
    """Transaction id and the block's number of transactions, once the envelope is proven to be entry
    `index`."""
    raw = bytes.fromhex(bundle.envelope)
    if len(raw) > MAX_ENVELOPE_BYTES:
        raise ProofError("proof.malformed", "The envelope is larger than any on the ledger.")
    identity = Domains(header.chain_id).transaction_id(raw)
    size = tuple(tuple(bytes.fromhex(one) for one in subtree) for subtree in bundle.size)
    total = proven_size(header.payload_root, size)
    if total is None:
        raise ProofError("proof.size", "The number of transactions in the block is not proven.")
    siblings = [bytes.fromhex(one) for one in bundle.path]
    if not merkle.verify(header.payload_root, identity, bundle.index, total, siblings):
        raise ProofError("proof.path", "The path does not lead from the envelope to the header's payload root.")
    return identity, total


def _common(kind: str, header: Header) -> Document:
    return {
        "kind": kind,
        "chain_id": header.chain_id,
        "height": header.height,
        "time_ms": header.time_ms,
        "block_id": header.id().hex(),
    }


def _read_envelope(raw: str) -> Any:
    return render(CODEC.decode(bytes.fromhex(raw)))


def read_record(key: bytes, value: bytes) -> Any:
    """JSON form of the record, entry or commitment under `key`; hex when no table of this version has the key."""
    if is_roll(key):
        return render(_COMMITMENT.decode(value))
    match table_of(key):
        case None:
            return value.hex()
        case Rolls() as rolls:
            return render(rolls.decode_entry(value))
        case table:
            return render(table.decode(value))
