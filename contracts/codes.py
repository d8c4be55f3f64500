"""The table of refusals: every stable code with one sentence, and a hint that says what would be right.

Codes are never reused. Receipts carry the code alone; people are shown the sentence.
"""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """What a code means to a person."""

    message: str
    hint: str


CODES: dict[str, Code] = {
    "ok": Code("The transaction was executed.", ""),
    "codec.oversized": Code("The envelope is larger than 256 KiB.", "Send a smaller one."),
    "codec.malformed": Code("The bytes are not an envelope.", "Encode as typed MessagePack, integers inside their bounds."),
    "codec.non-canonical": Code("The encoding is not canonical.", "Use the shortest MessagePack form of every value."),
    "tx.wrong-chain": Code("The envelope is for another chain.", "Use the chain id that `gridpact status` shows."),
    "tx.signature": Code("The signature does not cover the envelope.", "Sign with the key whose public half is in the envelope."),
    "tx.expired": Code("The expiry height has passed.", "Sign again with a later expiry height."),
}


def describe(code: str) -> Code:
    """Sentence and hint of a code; an unknown one describes itself."""
    return CODES.get(code, Code(code, ""))
