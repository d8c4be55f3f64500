"""Why the consensus floor refuses something: one table of stable codes, one exception.

`Refusal` never leaves `consensus` unannounced: the functions of `certificates` and `block` raise it and say
so; the machine turns it into a `Refused` effect. A code is never reused for another meaning.
"""

from __future__ import annotations

CODES: dict[str, str] = {
    "consensus.stale-height": "the message belongs to a height that is already decided here",
    "consensus.future-height": "the message belongs to a height that has not started here yet",
    "consensus.past-round": "the round is too far behind to be tracked",
    "consensus.future-round": "the sender already holds newer places among the tracked future rounds",
    "consensus.stranger": "the signer has no seat in the set of this height",
    "consensus.unsorted": "signers must be strictly ascending by seat, each at most once",
    "consensus.no-quorum": "a certificate must hold more than 2/3 of the power, flagged seats apart",
    "consensus.no-skip": "a round certificate must hold more than 1/3 of the power, flagged seats apart",
    "consensus.wrong-round": "every vote of a round certificate is of its height and round",
    "consensus.wrong-proposer": "only the proposer of (height, round) may propose in it",
    "consensus.wrong-block": "the certificate is for another block id",
    "consensus.valid-round": "valid_round must be -1 or an earlier round, and -1 on nil votes and precommits",
    "consensus.signature": "a signature does not verify with the key of its seat",
    "consensus.conflict": "more contradicting proposals of one round than are kept",
    "consensus.unasked": "this signed message is not what the machine asked to sign",
    "consensus.not-started": "no height has been started",
    "consensus.height-order": "a height can only be started above the one before it",
    "consensus.decided-invalid": "a quorum decided a block that is invalid here: more than 1/3 are faulty",
    "consensus.body": "the body is not what the header commits to",
    "consensus.untimely": "the proposal's time is too far from this node's clock at its arrival",
    "consensus.proposer-round": "a fresh value names its own round, a repeated one at most its valid_round",
    "consensus.block-version": "the header's version must be the rule set in force",
    "consensus.block-chain": "the block belongs to another chain",
    "consensus.block-height": "the header must name this height",
    "consensus.block-parent": "the header must name the decided block below it as parent",
    "consensus.block-time": "block time must be later than the parent's",
    "consensus.block-params": "params_hash must be that of the parameters in force",
    "consensus.block-proposer": "the header's proposer must be the proposer of its proposer_round",
    "consensus.block-set": "set_hash and next_set_hash must be those of the sets of this and the next height",
    "consensus.block-certificate": "the block must include a quorum certificate of its parent",
    "consensus.block-state": "state_root and receipts_root must be those after executing the parent",
    "consensus.block-payload": "a transaction hash may appear once in a block",
    "consensus.evidence-malformed": "evidence must be the canonical encoding of two signed votes or proposals",
    "consensus.evidence-order": "the two messages of evidence stand in the order of what they say",
    "consensus.evidence-same": "both messages must be of one key, height, round and type, and say different things",
    "consensus.evidence-pair": "the certificates must be of one height, and contradict each other",
    "consensus.evidence-height": "evidence must not be of a height above its block, or of genesis",
    "consensus.evidence-expired": "evidence expires when it is too old both in blocks and in time",
    "consensus.evidence-full": "enough evidence waits for a block, or enough against this seat",
    "consensus.evidence-known": "one piece of evidence per accused and height is enough",
    "consensus.evidence-tombstoned": "the organisation of the accused seat has lost its bond for an offence already",
    "consensus.block-beacon": "the beacon must be the original proposer's, over this height and the mix below",
    "consensus.block-empty": "there is no reason for a block without transactions now",
}


class Refusal(Exception):
    """Something is not acceptable: `code` of `CODES`, `reason` a sentence with what was seen."""

    def __init__(self, code: str, seen: str = "") -> None:
        self.code = code
        self.reason = f"{CODES[code]} ({seen})" if seen else CODES[code]
        super().__init__(f"{code}: {self.reason}")
