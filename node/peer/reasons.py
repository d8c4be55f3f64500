"""Why a link was refused or closed: the stable codes of the peer floor, each with its sentence.

The only such table. Codes are never reused; counters and `peers()` speak in these codes, never in free text.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Stable code of a refusal or disconnect."""

    UNKNOWN_KEY = "peer.unknown-key"
    REFUSED_US = "peer.refused-us"
    TLS = "peer.tls"
    WRONG_NODE = "peer.wrong-node"
    DIRECTION = "peer.direction"
    CHAIN = "peer.chain"
    VERSION = "peer.version"
    SIGNATURE = "peer.signature"
    HELLO = "peer.hello"
    FRAME_TYPE = "peer.frame-type"
    OVERSIZED = "peer.oversized"
    MALFORMED = "peer.malformed"
    SLOW_HANDSHAKE = "peer.slow-handshake"
    SLOW_FRAME = "peer.slow-frame"
    SILENT = "peer.silent"
    RATE = "peer.rate"
    CONDUCT = "peer.conduct"
    PENALTY = "peer.penalty"
    QUEUE_FULL = "peer.queue-full"
    CROWDED = "peer.crowded"
    REPLACED = "peer.replaced"
    UNREGISTERED = "peer.unregistered"
    ADDRESS = "peer.address"
    UNREACHABLE = "peer.unreachable"
    PARTITIONED = "peer.partitioned"
    LOST = "peer.lost"
    STOPPED = "peer.stopped"


SENTENCES: dict[Reason, str] = {
    Reason.UNKNOWN_KEY: "The TLS key is not registered; register the node's certificate on the ledger first.",
    Reason.REFUSED_US: "The peer does not know our TLS key; its ledger must register our certificate first.",
    Reason.TLS: "The TLS 1.3 handshake or stream failed; both sides must speak TLS 1.3 with a certificate.",
    Reason.WRONG_NODE: "The node claims another identity than its TLS key is registered for.",
    Reason.DIRECTION: "The node with the smaller id dials; this one dialled the wrong way round.",
    Reason.CHAIN: "The peer is on another chain; both nodes need the same genesis.",
    Reason.VERSION: "The peer speaks another protocol version; run the same release on both.",
    Reason.SIGNATURE: "The hello is not signed by the consensus key that is registered for the node.",
    Reason.HELLO: "The first frame was not a well-formed hello.",
    Reason.FRAME_TYPE: "A frame type that does not exist, or that is not allowed at this point.",
    Reason.OVERSIZED: "A frame announced a longer body than its type may have.",
    Reason.MALFORMED: "A frame's body is not the canonical encoding of its type.",
    Reason.SLOW_HANDSHAKE: "TLS and hello did not complete in time.",
    Reason.SLOW_FRAME: "A started frame did not complete in time.",
    Reason.SILENT: "Nothing was heard for too long, pongs included; the peer is dead or cut off.",
    Reason.RATE: "More frames or bytes than the rate limit of their type allows.",
    Reason.CONDUCT: "Too many violations; the peer was disconnected until its conduct budget refills.",
    Reason.PENALTY: "The peer came back too often or too soon after violations.",
    Reason.QUEUE_FULL: "The peer reads too slowly: its queue of consensus messages ran full. It will resync.",
    Reason.CROWDED: "Too many unauthenticated connections at once; the oldest was dropped.",
    Reason.REPLACED: "The peer opened a newer connection.",
    Reason.UNREGISTERED: "The node's registration was removed or its keys changed.",
    Reason.ADDRESS: "The registered address is not of the form host:port.",
    Reason.UNREACHABLE: "No connection to the registered address; is the node running and the address right?",
    Reason.PARTITIONED: "A devnet partition separates the two nodes.",
    Reason.LOST: "The connection was closed by the other side or by the network.",
    Reason.STOPPED: "This node is stopping.",
}


class Refused(Exception):
    """The peer broke the protocol: close its link for `reason`. Never leaves node.peer."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(SENTENCES[reason])
        self.reason = reason
