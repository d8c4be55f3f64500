"""POST /evidence: whoever was lied to, such as a light client, tells a node who signed two contradicting messages.

Bodies are hostile: what is taken is canonical, bounded and verified by the node before it is kept. Never judges.
"""

from __future__ import annotations

from typing import Any

from consensus.evidence import decode, evidence_hash
from consensus.messages import MAX_EVIDENCE_BYTES
from consensus.refusals import Refusal as Malformed
from node.codes import describe
from node.rpc.errors import Refusal
from node.service import NodeService

KNOWN = ("consensus.evidence-known", "consensus.evidence-tombstoned")
"""Refusals of evidence that says nothing new."""


async def report(service: NodeService, body: bytes) -> dict[str, Any]:
    """`{hash, status}`: `kept` until a block has it, or `known` when that seat stands accused for that height already
    or its organisation has been punished.

    `body` is an encoded `consensus.evidence.Equivocation`. Raises `Refusal` with the code of the node.
    """
    try:
        if len(body) > MAX_EVIDENCE_BYTES:
            raise Malformed("consensus.evidence-malformed", f"{len(body)} bytes")
        evidence = decode(body)
    except Malformed as error:
        raise _refusal(error.code) from None
    code = await service.report(body)
    if code not in ("ok", *KNOWN):
        raise _refusal(code)
    hash_ = evidence_hash(evidence, service.ledger.chain_id)
    return {"hash": hash_, "status": "known" if code in KNOWN else "kept"}


def _refusal(code: str) -> Refusal:
    return Refusal(503 if code == "node.stopped" else 400, code, *describe(code))
