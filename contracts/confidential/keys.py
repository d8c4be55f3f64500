"""Note keys: the point that others seal notes to, with the proof that its member knows the secret behind it.

Without that proof somebody could register another's key, or one made of it, and have others seal notes to it that it
can not be made to open. A later key replaces the earlier one for new notes; old keys stay for disputes about old ones.
"""

from __future__ import annotations

from contracts.confidential.bodies import RegisterNoteKey
from contracts.confidential.events import NoteKeyRegistered
from contracts.confidential.records import MAX_NOTE_KEYS, NoteKeys, RegisteredKey
from contracts.context import BlockContext
from contracts.schema import NOTE_KEYS
from contracts.state import State
from zk.statements import logarithm
from zk.statements.assertion import Assertion, Where

BOUND = (b"note-key",)
"""What the proof of possession is for, beside chain and member: no seat's key, no other member's."""


def note_key(state: State, member: str, height: int | None = None) -> bytes | None:
    """The point that notes to a member are sealed to: that in force, or that of a block; None where there was none."""
    found = state.load(NOTE_KEYS, NOTE_KEYS.key(member))
    keys = () if found is None else found.keys
    return next((key.point for key in reversed(keys) if height is None or key.height <= height), None)


def possession(chain_id: str, member: str, body: RegisterNoteKey) -> Assertion:
    """What a registration has to prove."""
    return logarithm.known("possession", Where(chain_id, member), body.point, body.proof, BOUND)


def register(state: State, context: BlockContext, sender: str, body: RegisterNoteKey) -> tuple[NoteKeyRegistered] | str:
    """Put a note key on the ledger. Refuses `confidential.key-same`, `.key-full`, `.possession`."""
    found = state.load(NOTE_KEYS, NOTE_KEYS.key(sender))
    keys = () if found is None else found.keys
    if any(key.point == body.point for key in keys):
        return "confidential.key-same"
    if len(keys) == MAX_NOTE_KEYS:
        return "confidential.key-full"
    if not context.proves(possession(context.chain_id, sender, body)):
        return "confidential.possession"
    state.save(NOTE_KEYS.key(sender), NoteKeys((*keys, RegisteredKey(body.point, context.height))))
    return (NoteKeyRegistered(sender, body.point),)
