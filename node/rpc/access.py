"""Where requests show who asks: rights for each, the log of what was kept back, and what an owner may know of it.

Never decides who may read what (`contracts.policies`), and never looks at a record to do so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import web

from contracts.governance.bodies import RECORD_KINDS
from contracts.policies import NEVER_HIDDEN, Asker
from contracts.schema import ACCESS, ACCESS_COUNTS, ACCESS_PLACES, MEMBERS, NODE_OWNERS
from node.access.log import GRANTED, AccessLog
from node.access.requests import HEADER, BadRequest, Gate
from node.access.rights import NOBODY, Identity, Policies, Rights
from node.render import render
from node.rpc.limits import MAX_LISTED
from node.rpc.tokens import Tokens
from node.service import NodeService

if TYPE_CHECKING:
    from node.rpc.view import View

Document = dict[str, Any]
WITHHELD = "access.withheld"
"""Code in the log of an answer that leaves something out."""
MAX_REFUSALS = 256
"""In one answer."""


class Stream(NamedTuple):
    """A subscription: who opened it, and with which request."""

    rights: Rights
    request: web.BaseRequest


class Desk:
    """Gives every request its rights, and logs what those kept back."""

    def __init__(
        self, service: NodeService, log: AccessLog, wall_ms: Callable[[], int], tokens: Tokens | None = None
    ) -> None:
        self._service = service
        self._ledger = service.ledger
        self._log = log
        self._wall_ms = wall_ms
        self._tokens = tokens
        self._policies = Policies(service.ledger)
        self._gate = Gate(service.ledger.chain_id, service.node_id, service.ledger.get)

    def admit(self, request: web.BaseRequest) -> Rights:
        """The rights of one request; `settle` them when it is answered. Raises `BadRequest`."""
        header = request.headers.get(HEADER)
        try:
            return self.rights(self._gate.identify(header, request.method, request.raw_path, self._wall_ms()))
        except BadRequest as error:
            self._note(request, "", error.code, {})
            raise

    def let_in(self, request: web.BaseRequest) -> None:
        """Let nobody in without a token, where other machines reach this node. Raises `BadRequest`."""
        if self._tokens is not None:
            self._tokens.check(request)

    def caller(self, request: web.BaseRequest) -> str:
        """Which token a request was let in by; empty where none is needed."""
        return "" if self._tokens is None else self._tokens.name(request)

    def settle(self, request: web.BaseRequest, rights: Rights, code: str = WITHHELD) -> None:
        """Log what the rights kept back, and what they showed by a grant."""
        if rights.denied or code != WITHHELD:
            self._note(request, rights.identity.name, code, rights.denied)
        if rights.granted:
            self._note(request, rights.identity.name, GRANTED, rights.granted)
        rights.denied, rights.granted = {}, {}

    def rights(self, identity: Identity) -> Rights:
        """What `identity` may read now."""
        return Rights(self._policies, identity, self._now_ms)

    def for_operator(self) -> Rights:
        """What the member that runs this node may read."""
        owner = self._ledger.get(NODE_OWNERS.key(self._service.node_id))
        member = "" if owner is None else NODE_OWNERS.decode(owner).member
        held = self._ledger.get(MEMBERS.key(member)) if member else None
        return self.rights(NOBODY if held is None else Identity(Asker(member, MEMBERS.decode(held).roles)))

    def open_stream(self, request: web.BaseRequest) -> None:
        """Use the request's signature up. Raises `BadRequest`."""
        self._gate.open_stream(request.headers.get(HEADER), self._wall_ms())

    def renewed(self, stream: Stream) -> Rights:
        """The rights of a stream by now, and in the log what they kept back so far. Raises `BadRequest`."""
        self.settle(stream.request, stream.rights)
        self.let_in(stream.request)
        stream.rights.identity = self._gate.again(stream.rights.identity)
        return stream.rights

    def refusals(self, rights: Rights) -> Document:
        """What this node kept back of the asker's own records, and showed by its grants, newest first."""
        member = rights.identity.asker.member
        if not member:
            raise BadRequest(
                "access.unsigned",
                "Refusals are told to the owner of the records alone.",
                "Sign the request: add `--as MEMBER`.",
            )
        entries = self._log.about(member, MAX_REFUSALS)
        return {"member": member, "entries": [render(entry) for entry in entries]}

    def status(self) -> Document:
        """Counts for `status`."""
        return {"refused": self._log.refused, "granted": self._log.granted, "log_lines_lost": self._log.lost}

    def metrics(self) -> dict[str, float]:
        """Counters by Prometheus name."""
        return {
            "gridpact_access_refused_total": self._log.refused,
            "gridpact_access_granted_total": self._log.granted,
            "gridpact_access_log_lines_lost_total": self._log.lost,
        }

    def _now_ms(self) -> int:
        """Ledger time, by this node's clock or by the newest block, whichever is later: grants end in time."""
        return max(self._service.now_ms(), self._ledger.time_ms(self._ledger.height))

    def _note(self, request: web.BaseRequest, asker: str, code: str, denials: dict[tuple[str, str], None]) -> None:
        target = f"{request.method} {request.raw_path}"
        self._log.note(self._wall_ms(), asker, request.remote or "", target, code, denials)


def policy_of(view: View, member: str) -> Document | None:
    """One member's policy; None: no such member. One without a policy is open."""
    if view.load(MEMBERS, member) is None:
        return None
    policy = view.load(ACCESS, member)
    document: Document = {"member": member, "kinds": [], "grants": []} if policy is None else render(policy)
    open_kinds = [kind for kind in RECORD_KINDS if policy is None or kind not in policy.kinds]
    return {**document, "open": open_kinds, "never_hidden": list(NEVER_HIDDEN)}


def policies_of_all(view: View, after: int | None) -> Document:
    """Policies in the order of their first word; `after`: those with a higher number."""
    count = view.load(ACCESS_COUNTS, "all")
    total, first = 0 if count is None else count.policies, 0 if after is None else after + 1
    policies = []
    for number in range(first, min(total, first + MAX_LISTED)):
        place = view.load(ACCESS_PLACES, number)
        if place is not None:
            policies.append(render(view.load(ACCESS, place.member)))
    return {"count": total, "policies": policies, "never_hidden": list(NEVER_HIDDEN)}
