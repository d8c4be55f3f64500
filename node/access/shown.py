"""What of a transaction, a receipt or a proof may leave the node, for one asker.

Of a transaction that is kept: its hash, its sorts of envelope and body, and the code of its receipt. Of an event: its
sort. A proof that there is no record shows the records beside the gap, which are somebody's, too: it is given whole or
not at all.
"""

from __future__ import annotations

from typing import Any

from contracts.envelope import Envelope
from contracts.receipts import AnyEvent, Receipt
from contracts.rolls import Rolls
from node.access.rights import Rights
from node.access.subjects import Subject
from node.errors import NodeError
from node.render import render, type_name
from node.tables import table_of
from zk import ics23
from zk.sparse import Absence

Document = dict[str, Any]


class WithheldProof(NodeError):
    """A proof would show what a member's policy keeps."""


def show_envelope(envelope: Envelope, rights: Rights) -> tuple[Document, bool]:
    """The JSON form of an envelope, and whether it is whole."""
    if may_show(envelope, rights):
        return render(envelope), True
    type_, body = sorts_of(envelope)
    return {"type": type_, "body": {"type": body}}, False


def may_show(envelope: Envelope, rights: Rights) -> bool:
    """Whether the asker may read more of a transaction than anybody."""
    return rights.unrestricted or rights.allow(rights.subjects.of_envelope(envelope))


def sorts_of(envelope: Envelope) -> tuple[str, str]:
    """What everybody may know of a transaction: the sorts of its envelope and of its body."""
    return type_name(type(envelope)), type_name(type(envelope.body))


def show_receipt(receipt: Receipt, rights: Rights, *, whole: bool = True) -> Document:
    """The JSON form of a receipt, each event whole or only its sort. Not `whole`: of a transaction that is kept."""
    if whole and rights.unrestricted:
        document: Document = render(receipt)
        return document
    events = [_show_event(event, rights) for event in receipt.events]
    kept = any("withheld" in event for event in events) or not whole
    return {"code": receipt.code, "units": None if kept else receipt.units, "events": events}


def _show_event(event: AnyEvent, rights: Rights) -> Document:
    subjects = rights.subjects.of_event(event)
    if rights.allow(subjects):
        document: Document = render(event)
        return document
    return {"type": type_name(type(event)), "withheld": subjects[0].kind}


def check_entry(entry: Document, rights: Rights) -> None:
    """Raise `WithheldProof` unless the asker may see every record in an entry of a bundle, neighbours included."""
    if rights.unrestricted:
        return
    for subject in _shown_by(entry, rights):
        if not rights.allow((subject,)):
            raise WithheldProof(
                "access.proof",
                "The proof would show a record that another member keeps: one of many members, or beside a gap.",
                "Ask without a proof; every node of a member can make and check it at home.",
            )


def _shown_by(entry: Document, rights: Rights) -> list[Subject]:
    """Whose the records are that one entry of a bundle shows: its own, or those beside the gap."""
    key, value = bytes.fromhex(entry["key"]), entry["value"]
    found = [*rights.subjects.of_record(key, None if value is None else bytes.fromhex(value))]
    if value is None:
        proof, rolls = ics23.decode(bytes.fromhex(entry["proof"])), table_of(key)
        if isinstance(rolls, Rolls):
            for encoded in entry.get("roll", {}).get("beside", ()):
                id_ = rolls.id(rolls.decode_entry(bytes.fromhex(encoded)))
                found += rights.subjects.of_record(key.rpartition(b"/")[0] + b"/" + id_.encode(), None)
        for neighbour in (proof.left, proof.right) if isinstance(proof, Absence) else ():
            if neighbour is not None:
                found += rights.subjects.of_record(neighbour.key, neighbour.value)
    return found
