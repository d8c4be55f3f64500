"""Signed questions: one header that shows which member, or which meter, asks which node what, and when.

    Gridpact-Reader: member campus solar 1763789000000 <public key> <signature>

Sort, name, node that is asked, UTC milliseconds, and hex. The signature covers all of it, the method and the target as
it is on the wire, behind a domain tag with the chain id: it is worthless at another node, for another question, and
`WINDOW_MS` later. Within the window it can be sent again, which reads the same once more; streams take each signature
once. Hides nothing from whoever sees the wire: that is TLS's work.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from contracts.members import Member
from contracts.policies import Asker
from contracts.schema import MEMBERS, METERS
from node.access.rights import NOBODY, Identity
from node.access.subjects import Get
from node.errors import NodeError
from zk import ed25519
from zk.codec import encode
from zk.hashing import domain

HEADER = "Gridpact-Reader"
WINDOW_MS = 60_000
"""How far the clocks of asker and node may be apart."""
MAX_HEADER = 320
MAX_STREAMS = 4_096
"""Signatures of streams that are remembered for `2 * WINDOW_MS`."""
MAX_STREAMS_EACH = 64
"""Of one member or meter: nobody keeps all others out."""

_FORM = re.compile(
    r"(member|meter) ([a-z0-9-]{1,32}) ([a-z0-9-]{1,32}) ([1-9][0-9]{0,14}) ([0-9a-f]{64}) ([0-9a-f]{128})\Z"
)
Sort = Literal["member", "meter"]


class Question(NamedTuple):
    """What is signed. `target` is path and query as they are on the wire."""

    sort: str
    name: str
    node: str
    time_ms: int
    method: str
    target: str

    def sign_bytes(self, chain_id: str) -> bytes:
        """Bytes under the signature."""
        return domain("read-request", chain_id) + encode(tuple(self))


class ReaderKey:
    """A key that signs questions: an account key of a member, or a meter's own."""

    def __init__(self, sort: Sort, name: str, key: ed25519.SigningKey) -> None:
        self.sort = sort
        self.name = name
        self._key = key

    def header(self, chain_id: str, node: str, time_ms: int, method: str, target: str) -> str:
        """Value of the header for one question."""
        question = Question(self.sort, self.name, node, time_ms, method, target)
        signature = self._key.sign(question.sign_bytes(chain_id))
        return f"{self.sort} {self.name} {node} {time_ms} {self._key.public_key.hex()} {signature.hex()}"


class BadRequest(NodeError):
    """A signature that shows nobody."""


class Gate:
    """Checks the headers of one node's requests."""

    def __init__(self, chain_id: str, node: str, get: Get) -> None:
        self._chain_id = chain_id
        self._node = node
        self._get = get
        self._streams: dict[str, int] = {}

    def identify(self, header: str | None, method: str, target: str, now_ms: int) -> Identity:
        """Who asks; `NOBODY` without a header. Raises `BadRequest` with a code of `access.`.

        The signature is checked last, after everything that costs less.
        """
        if header is None:
            return NOBODY
        match = _FORM.match(header) if len(header) <= MAX_HEADER else None
        if match is None:
            raise BadRequest(
                "access.malformed",
                f"The header {HEADER} can't be read.",
                "Write: sort, name, node, UTC milliseconds, public key and signature, the last two in hex.",
            )
        sort, name, node, time, key, signature = match.groups()
        question = Question(sort, name, node, int(time), method, target)
        if method != "GET":
            raise BadRequest("access.method", "Only GET requests are signed.", "Leave the header out.")
        if node != self._node:
            raise BadRequest(
                "access.node", f"The request is signed for node {node}, this is {self._node}.", "Sign it for this node."
            )
        if abs(now_ms - question.time_ms) > WINDOW_MS:
            raise BadRequest(
                "access.window",
                f"The request was signed {abs(now_ms - question.time_ms) // 1000} s away from this node's clock.",
                f"Sign it again, with a clock that is right to {WINDOW_MS // 1000} s.",
            )
        identity = self._registered(sort, name, bytes.fromhex(key))
        if identity is None:
            raise _unknown_key(sort, name)
        signed = question.sign_bytes(self._chain_id)
        if not ed25519.verify(identity.public_key, signed, bytes.fromhex(signature)):
            raise BadRequest(
                "access.signature",
                "The signature does not cover this request.",
                "Sign chain id, node, method and target as they are sent.",
            )
        return identity

    def again(self, identity: Identity) -> Identity:
        """The same asker by today's roles. Raises `BadRequest` once its key is no longer registered."""
        if identity == NOBODY:
            return identity
        sort, name = ("meter", identity.meter) if identity.meter else ("member", identity.asker.member)
        found = self._registered(sort, name, identity.public_key)
        if found is None:
            raise _unknown_key(sort, name)
        return found

    def open_stream(self, header: str | None, now_ms: int) -> None:
        """Use a signature up: a stream tells more than its first answer. Raises `BadRequest` `access.replayed |
        access.streams`."""
        if header is None:
            return
        for old in [one for one, until_ms in self._streams.items() if until_ms < now_ms]:
            del self._streams[old]
        if header in self._streams:
            raise BadRequest(
                "access.replayed", "This signature has opened a stream already.", "Sign a new request for each stream."
            )
        asker = " ".join(header.split(" ")[:2]) + " "
        opened = sum(one.startswith(asker) for one in self._streams)
        if opened >= MAX_STREAMS_EACH or len(self._streams) >= MAX_STREAMS:
            raise BadRequest(
                "access.streams",
                f"{opened} streams of this asker, and {len(self._streams)} in all, were opened in the last minutes.",
                f"Wait {2 * WINDOW_MS // 60_000} minutes, or ask another node; one that stays open needs no other.",
            )
        self._streams[header] = now_ms + 2 * WINDOW_MS

    def _registered(self, sort: str, name: str, key: bytes) -> Identity | None:
        if sort == "meter":
            meter = self._get(METERS.key(name))
            return None if meter is None or METERS.decode(meter).public_key != key else Identity(Asker(), name, key)
        raw = self._get(MEMBERS.key(name))
        member: Member | None = None if raw is None else MEMBERS.decode(raw)
        if member is None or all(one.public_key != key for one in member.keys):
            return None
        return Identity(Asker(name, member.roles), "", key)


def _unknown_key(sort: str, name: str) -> BadRequest:
    return BadRequest(
        "access.key",
        f"The key is not registered with {sort} {name} of this chain.",
        "Sign with one of the member's account keys, or the meter's own.",
    )
