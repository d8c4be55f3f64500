"""Sentences for what a node refuses before the ledger sees it; everything else is in `contracts.codes`, and what is
wrong with dispatch cases and solutions in `contracts.program.codes` and `contracts.network.codes`.

The same promise: a code never changes its meaning, and the hint says what would be right.
"""

from __future__ import annotations

from consensus.refusals import CODES as CONSENSUS_CODES
from contracts import codes
from contracts.codes import Code
from contracts.network.codes import CODES as NETWORK_CODES
from contracts.program.codes import CODES as PROGRAM_CODES

NODE_CODES: dict[str, Code] = {
    "mempool.full": Code("This node holds as many waiting transactions as it may.", "Send it again a little later."),
    "mempool.sender-full": Code(
        "Too many transactions of this member and its meters wait for a block.", "Wait until some of them are final."
    ),
    "mempool.conflict": Code(
        "Another transaction with this nonce or sequence waits for a block.",
        "Wait for it, or use the next nonce; two programs with one key each need a key of their own.",
    ),
    "mempool.busy": Code("More signatures wait for verification than this node allows.", "Send it again in a second."),
    "mempool.proofs": Code(
        "This member's transactions had false proofs, so none with proofs is taken from it for some seconds.",
        "Make the proof anew from the newest state of the account, and wait before sending it.",
    ),
    "mempool.proofs-waiting": Code(
        "Proofs of many of this member's transactions are being checked.", "Send it again in a second."
    ),
    "tx.overtaken": Code(
        "A block with another transaction in this nonce or sequence came first.",
        "Take the next nonce and sign again.",
    ),
    "node.stopped": Code("The node is stopping.", "Send it to another node."),
}


EVIDENCE_HINT = "Report two contradicting messages that one validator signed for one height, round and type."


def describe(code: str) -> Code:
    """Sentence and hint of any code that a submission or a report can get."""
    if code in CONSENSUS_CODES:
        sentence = CONSENSUS_CODES[code]
        return Code(f"{sentence[0].upper()}{sentence[1:]}.", EVIDENCE_HINT)
    return NODE_CODES.get(code) or PROGRAM_CODES.get(code) or NETWORK_CODES.get(code) or codes.describe(code)
