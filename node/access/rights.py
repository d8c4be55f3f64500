"""What one asker may read, by the policies that the newest state holds.

Policies are remembered while none changes. What was kept back is noted, so that the holder can log it. Never reads what
is asked for: whether a protected record exists changes no answer of this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from contracts.members import MAX_MEMBERS, AccessPolicy
from contracts.policies import Asker, may_read
from contracts.schema import ACCESS, ACCESS_COUNT, ACCESS_COUNTS, ACCESS_PLACES
from node.access.subjects import OF_ALL, Subject, Subjects
from node.errors import NodeError

METER_KINDS = ("readings", "registers", "energy")
"""What a meter's own key may read of its meter, so that a gateway can go on behind its head."""
Denial = tuple[str, str]
"""Kind of records, and the member whose policy keeps it."""


class State(Protocol):
    """The part of the ledger that policies are read from."""

    height: int

    def get(self, key: bytes, /) -> bytes | None: ...


class Identity(NamedTuple):
    """Who asks, as its signature showed: a member, a meter, or (neither) nobody in particular."""

    asker: Asker = Asker()
    meter: str = ""
    public_key: bytes = b""

    @property
    def name(self) -> str:
        """For logs and sentences; empty for nobody in particular."""
        return f"meter {self.meter}" if self.meter else self.asker.member


NOBODY = Identity()


class Policies:
    """Policies in force, of those members that somebody asked about."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._height = -1
        self._changes = 0
        self._held: dict[str, AccessPolicy | None] = {}
        self._members: list[str] = []
        self.subjects = Subjects(self.get)

    def get(self, key: bytes) -> bytes | None:
        """The newest record under `key`."""
        return self._state.get(key)

    def any(self) -> bool:
        """Whether any member has a policy. Forgets what is remembered once one has changed."""
        if self._state.height != self._height:
            raw = self._state.get(ACCESS_COUNT)
            changes = 0 if raw is None else ACCESS_COUNTS.decode(raw).changes
            if changes != self._changes:
                self._held.clear()
                self._members = []
            self._height, self._changes = self._state.height, changes
        return self._changes > 0

    def members(self) -> list[str]:
        """Everybody who has a policy."""
        if not self._members:
            raw = self._state.get(ACCESS_COUNT)
            count = 0 if raw is None else ACCESS_COUNTS.decode(raw).policies
            places = (self._state.get(ACCESS_PLACES.key(number)) for number in range(count))
            self._members = [ACCESS_PLACES.decode(place).member for place in places if place is not None]
        return self._members

    def of(self, member: str) -> AccessPolicy | None:
        """A member's policy, as of the last `any`."""
        if member not in self._held:
            if len(self._held) >= MAX_MEMBERS:
                # Names come out of requests: whoever asks about all that there could be fills no memory.
                self._held.clear()
            raw = self._state.get(ACCESS.key(member)) if member else None
            self._held[member] = None if raw is None else ACCESS.decode(raw)
        return self._held[member]


class Rights:
    """Answers for one request whether a record may be shown, and notes what was kept back and what was granted."""

    __slots__ = ("_now_ms", "_policies", "denied", "granted", "identity", "subjects")

    def __init__(self, policies: Policies, identity: Identity, now_ms: Callable[[], int]) -> None:
        self._policies = policies
        self._now_ms = now_ms
        self.identity = identity
        self.subjects: Subjects = policies.subjects
        self.denied: dict[Denial, None] = {}
        self.granted: dict[Denial, None] = {}

    @property
    def unrestricted(self) -> bool:
        """Whether nobody keeps anything, so that there is nothing to look at."""
        return not self._policies.any()

    def allow(self, subjects: Iterable[Subject]) -> bool:
        """Whether all of it may be shown. Notes what may not."""
        return self.unrestricted or all([self._allows(subject) for subject in subjects])

    def demand(self, subjects: Iterable[Subject]) -> None:
        """Raise NodeError `access.denied` unless all of it may be shown."""
        if not self.allow(subjects):
            kind, owner = next(reversed(self.denied))
            raise denied(self.identity, kind, owner)

    def _allows(self, subject: Subject) -> bool:
        asker, meter = self.identity.asker, self.identity.meter
        if asker.member and (asker.member in subject.owners or asker.member == subject.author):
            return True
        if meter and meter == subject.meter and subject.kind in METER_KINDS:
            return True
        owners = self._policies.members() if OF_ALL in subject.owners else subject.owners
        policies = {owner: self._policies.of(owner) for owner in owners if owner != asker.member}
        protecting = [
            (owner, policy) for owner, policy in policies.items() if policy is not None and subject.kind in policy.kinds
        ]
        kept = [owner for owner, policy in protecting if not may_read(policy, subject.kind, asker, self._now_ms())]
        noted = self.denied if kept else self.granted
        noted |= {(subject.kind, owner): None for owner in kept or [owner for owner, _ in protecting]}
        return not kept


class Denied(NodeError):
    """A member's policy keeps what was asked for."""


def denied(identity: Identity, kind: str, owner: str) -> Denied:
    """The same words whether there is such a record or not."""
    who = identity.name or "somebody who has not signed"
    sign = "" if identity.name else " If you may read it, sign the request: add `--as MEMBER`."
    return Denied(
        "access.denied",
        f"Records of kind `{kind}` of member {owner} are not open to {who}.",
        f"Ask {owner} for it: `gridpact tx access allow --as {owner} --kind {kind} --to "
        f"{identity.asker.member or 'MEMBER'}`; `gridpact query access {owner}` says who may read what.{sign}",
    )
