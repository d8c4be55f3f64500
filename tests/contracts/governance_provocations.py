"""One way to provoke each refusal of governance; with those before it, `CASES` has them all."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from governance_world import BOND, CONSENSUS, EXPIRY, NAMES, Pact, governed, new_meter, newcomer, node
from ledger_world import FIRST, METERS, key_of
from mode_provocations import CASES
from provocations import provokes_on

from contracts.envelope import Envelope
from contracts.governance.bodies import Approve, Propose, Withdraw
from contracts.governance.changes import (
    Change,
    ReKey,
    RemoveMember,
    RevokeKey,
    SetConsensusParams,
    SetEnvelope,
    SetNetwork,
    SetParams,
    SetRoles,
    SetRuleSet,
)
from contracts.governance.records import (
    MAX_APPROVALS,
    MAX_FORMER_NODES,
    MAX_OPEN,
    MAX_PROPOSAL_BLOCKS,
    Agenda,
    Approval,
    OpenProposal,
)
from contracts.members import MAX_ENVELOPES, MAX_METERS, AccountKey, AssetEnvelope, EnvelopedList, Private
from contracts.network.records import Branch, Network, Place, Transfer
from contracts.params import PactParams
from contracts.records import Site, SiteMeter
from contracts.schema import AGENDA, BALLOTS, ENVELOPED_LIST, SITE
from zk.codec import encode

__all__ = ["CASES"]

_replace = msgspec.structs.replace
LOST = {**dict.fromkeys(NAMES, BOND), "tenant": 0, "storage": 0}


def provokes(code: str, **genesis: object) -> Callable[[Callable[[Pact], Envelope]], None]:
    """Register the way to provoke `code` on a new pact."""
    return provokes_on(code, lambda: Pact(governed(**genesis)))


def refused(code: str, make: Callable[[], Change], **genesis: object) -> None:
    """The change is refused when it is proposed."""
    provokes(code, **genesis)(lambda pact: proposed(pact, make()))


def proposed(pact: Pact, content: Change, expiry: int = EXPIRY) -> Envelope:
    return pact.say("bio", Propose(content, "because", expiry))


refused("governance.no-power", lambda: SetRoles("bio", ("campus",)), bonds={**dict.fromkeys(NAMES, BOND), "bio": 0})
refused("governance.member", lambda: RemoveMember("nobody"))
refused("governance.id-taken", lambda: newcomer("solar", keys=(AccountKey(key_of("new").public_key, "all"),)))
refused("governance.keys", lambda: newcomer(keys=(AccountKey(bytes(32), "all"),)))
refused("governance.key-taken", lambda: newcomer(keys=(AccountKey(key_of("solar").public_key, "all"),)))
refused("governance.possession", lambda: newcomer(nodes=(_replace(node("n"), bls_possession=bytes(48)),)))
refused("governance.node", lambda: newcomer(nodes=(_replace(node("n"), tls_certificate=b""),)))
refused("governance.meter", lambda: newcomer(meters=(new_meter("m-new", "newbie", kind="tie"),)))
refused("governance.private", lambda: newcomer(meters=(new_meter("m-new", "newbie", private=Private("solar")),)))
refused("governance.roles", lambda: SetRoles("bio", ("supplier", "consumer")))
refused("governance.utility", lambda: RemoveMember("utility"))
refused("governance.too-few", lambda: RemoveMember("campus"), bonds=LOST)
refused("governance.fixed", lambda: SetParams(PactParams(interval_ms=1_000)))
refused("governance.params", lambda: SetParams(PactParams(price_floor_nano_per_wh=1, offer_cap_nano_per_wh=0)))
refused("governance.evidence-age", lambda: SetConsensusParams(_replace(CONSENSUS, evidence_age_blocks=2**32 - 1), 2))
refused("governance.envelope-meter", lambda: SetEnvelope(AssetEnvelope("m-nobody", 0, 0)))
refused("governance.envelope", lambda: SetEnvelope(AssetEnvelope("m-solar", 400_001, 0)))
refused("governance.no-key", lambda: RevokeKey("solar", key_of("m-bio").public_key))
refused("governance.rule-set", lambda: SetRuleSet(1, 2))
refused("governance.epoch", lambda: SetRuleSet(2, 1))


HERE, THERE = Place("there"), Place("zone")


def network(code: str, lines: tuple[Branch, ...] = (), slack: str | None = None, **genesis: object) -> None:
    """A network of two places with these lines is refused."""
    refused(code, lambda: SetNetwork(Network((HERE, THERE), lines, slack=slack)), **genesis)


def branch(limit_w: int = 0, **fields: object) -> Branch:
    return _replace(Branch("tie", "there", "zone", limit_w), **fields)


refused("network.order", lambda: SetNetwork(Network((THERE, HERE), ())))
network("network.place", (branch(to_place="nowhere"),))
network("network.ends", (branch(to_place="there"),))
network("network.reactance", (branch(reactance_npu=0),))
network("network.disconnected")
network("network.no-source", (branch(),), meters={"m-campus": METERS["m-campus"]})
refused("network.transfer", lambda: SetNetwork(Network((THERE,), (), (Transfer("nobody", "zone", 1, 1),))))
refused("network.band", lambda: SetNetwork(Network((_replace(THERE, least_var=1),), (), slack="zone")))
network("network.admittance", (branch(),), slack="zone")
network("network.too-large", tuple(branch(id=f"tie-{number:04d}") for number in range(724)))
# Around a loop rounding alone may carry 2 Wh.
network("network.unsafe", (branch(), branch(id="tie-2")))


@provokes("governance.expiry")
def _(pact: Pact) -> Envelope:
    return proposed(pact, RemoveMember("bio"), expiry=MAX_PROPOSAL_BLOCKS + pact.height + 3)


@provokes("governance.own-full")
def _(pact: Pact) -> Envelope:
    for _ in range(4):
        assert pact.propose("bio", RemoveMember("solar")) == "ok"
    return proposed(pact, RemoveMember("solar"))


@provokes("governance.full")
def _(pact: Pact) -> Envelope:
    assert pact.propose("bio", RemoveMember("solar")) == "ok"
    others = tuple(OpenProposal(number, f"a-{number}", EXPIRY) for number in range(MAX_OPEN))
    pact.store[AGENDA] = encode(Agenda(MAX_OPEN, others))
    return proposed(pact, RemoveMember("solar"))


@provokes("governance.too-many")
def _(pact: Pact) -> Envelope:
    pact.store[SITE] = encode(Site((SiteMeter("m-bio", "bio", False),) * MAX_METERS))
    return proposed(pact, newcomer(meters=(new_meter("m-new", "newbie"),)))


@provokes("governance.unknown")
def _(pact: Pact) -> Envelope:
    return pact.say("bio", Approve(0))


@provokes("governance.closed")
def _(pact: Pact) -> Envelope:
    assert pact.propose("bio", RemoveMember("solar")) == "ok"
    assert pact.withdraw(0, "bio") == "ok"
    return pact.say("solar", Approve(0))


@provokes("governance.approved")
def _(pact: Pact) -> Envelope:
    assert pact.propose("bio", RemoveMember("solar")) == "ok"
    assert pact.approve(0, "campus") == ["ok"]
    return pact.say("campus", Approve(0))


@provokes("governance.approvals-full")
def _(pact: Pact) -> Envelope:
    assert pact.propose("bio", RemoveMember("solar")) == "ok"
    crowd = tuple(Approval(f"a-{number:05d}", 1) for number in range(MAX_APPROVALS))
    pact.store[BALLOTS.key(0)] = encode(_replace(pact.ballot(0), approvals=crowd))
    return pact.say("campus", Approve(0))


@provokes("governance.not-approved")
def _(pact: Pact) -> Envelope:
    assert pact.propose("bio", RemoveMember("solar")) == "ok"
    return pact.say("campus", Withdraw(0))


@provokes("governance.re-key-full")
def _(pact: Pact) -> Envelope:
    keys = pact.member("solar").keys
    for number in range(MAX_FORMER_NODES):
        new = (node("node-solar", f"solar-{number}"),)
        pact.height = 0  # All in one epoch.
        pact.agree(ReKey("solar", keys, new, b""), number)
    pact.height = 0
    return proposed(pact, ReKey("solar", keys, (node("node-solar", "solar-last"),), b""))


@provokes("governance.revoked")
def _(pact: Pact) -> Envelope:
    pact.agree(RevokeKey("solar", key_of("m-solar").public_key), 0)
    return proposed(pact, SetEnvelope(AssetEnvelope("m-solar", 1, 0)))


@provokes("governance.envelopes-full")
def _(pact: Pact) -> Envelope:
    pact.store[ENVELOPED_LIST] = encode(EnvelopedList(("m-bio",) * MAX_ENVELOPES))
    return proposed(pact, SetEnvelope(AssetEnvelope("m-solar", 1, 0)))


@provokes("meter.stopped")
def _(pact: Pact) -> Envelope:
    pact.agree(RemoveMember("solar"), 0)
    return pact.reading("m-solar", FIRST, 0, 0)
