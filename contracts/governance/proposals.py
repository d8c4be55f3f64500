"""Proposals from the first word to the last: proposed, approved, carried out, postponed or lapsed.

A change of members or of the pact's parameters is carried out in the block in which those who approve have a quorum of
the power in force there. Consensus parameters and rule sets wait for the end of the epoch before the one that they
name: to approve them is to signal that one's nodes are ready. With more than 5/6 of the power of the epoch that begins
they are in force from its first block on; with less they are put off by an epoch, until the proposal expires.

What is open is on one agenda, which is bounded and shared: on a full one, members with fewer proposals take the places
of those with more. Proposals and ballots stay for good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from consensus.quorum import is_broad, is_quorum
from contracts.context import BlockContext
from contracts.epochs import ends_epoch, epoch_of
from contracts.governance import membership
from contracts.governance.bodies import Approve, Propose, RotateKeys, Withdraw
from contracts.governance.changes import SCHEDULED
from contracts.governance.enact import admissible, enact
from contracts.governance.events import (
    ApprovalWithdrawn,
    KeysRotated,
    ProposalApproved,
    ProposalDecided,
    ProposalMade,
    ProposalPostponed,
)
from contracts.governance.records import (
    MAX_APPROVALS,
    MAX_OPEN,
    MAX_OPEN_PER_MEMBER,
    MAX_PROPOSAL_BLOCKS,
    Agenda,
    Approval,
    Ballot,
    OpenProposal,
    Proposal,
    Status,
)
from contracts.governance.voting import count, has_voice
from contracts.receipts import OK, AnyEvent
from contracts.schema import AGENDA, AGENDAS, BALLOTS, PROPOSALS
from contracts.state import State

_replace = msgspec.structs.replace
NOTICE_EPOCHS = 2
"""Epochs ahead that a scheduled change has to be proposed at least: the sets of the next two are known already."""


# What members say


def propose(state: State, context: BlockContext, sender: str, body: Propose) -> tuple[AnyEvent, ...] | str:
    """Open a proposal, without approving it. Refuses `governance.*`."""
    if not has_voice(state, context.height, sender):
        return "governance.no-power"
    last = context.height + MAX_PROPOSAL_BLOCKS
    if not context.height < body.expiry_height <= last:
        return "governance.expiry"
    change = body.change
    if isinstance(change, SCHEDULED):
        if change.epoch < epoch_of(context.height, context.consensus) + NOTICE_EPOCHS:
            return "governance.epoch"
        if change.epoch * context.consensus.epoch_blocks > body.expiry_height:
            return "governance.expiry"
    events = _lapse(state, context)
    agenda = _agenda(state)
    if sum(one.proposer == sender for one in agenda.open) >= MAX_OPEN_PER_MEMBER:
        return "governance.own-full"
    if len(agenda.open) >= MAX_OPEN:
        crowding = _crowding(agenda, sender)
        if crowding is None:
            return "governance.full"
        events.append(_close(state, context, _load(state, crowding)[1], "lapsed", "governance.full"))
        agenda = _agenda(state)
    code = admissible(state, context, change)
    if code != OK:
        return code
    number = agenda.next_number
    proposal = Proposal(number, sender, change, body.reason, context.height, body.expiry_height)
    ballot = Ballot(number, "open", context.height, OK, 0, 0, 0, ())
    state.save(PROPOSALS.key(number), proposal)
    state.save(BALLOTS.key(number), ballot)
    opened = OpenProposal(number, sender, body.expiry_height)
    state.save(AGENDA, Agenda(number + 1, (*agenda.open, opened)))
    return (*events, ProposalMade(number, sender))


def _crowding(agenda: Agenda, sender: str) -> int | None:
    """The proposal that makes room on a full agenda: the newest of whoever has most, where that is two more than the
    sender has. So a few members that hold all the places keep nobody from governing."""
    held = Counter(one.proposer for one in agenda.open)
    most = max(held.values())
    if most < held[sender] + 2:
        return None
    return max(one.number for one in agenda.open if held[one.proposer] == most)


def approve(state: State, context: BlockContext, sender: str, body: Approve) -> tuple[AnyEvent, ...] | str:
    """Agree to a proposal; carries it out where that makes a quorum. Refuses `governance.*`."""
    found = _open(state, context, body.number)
    if isinstance(found, str):
        return found
    proposal, ballot = found
    if not has_voice(state, context.height, sender):
        return "governance.no-power"
    if any(approval.member == sender for approval in ballot.approvals):
        return "governance.approved"
    if len(ballot.approvals) >= MAX_APPROVALS:
        return "governance.approvals-full"
    approvals = tuple(sorted((*ballot.approvals, Approval(sender, context.height)), key=lambda one: one.member))
    ballot = _replace(ballot, approvals=approvals)
    return (ProposalApproved(body.number, sender), *_consider(state, context, proposal, ballot))


def withdraw(state: State, context: BlockContext, sender: str, body: Withdraw) -> tuple[AnyEvent, ...] | str:
    """Take back one's proposal, or else one's approval. Refuses `governance.*`."""
    found = _open(state, context, body.number)
    if isinstance(found, str):
        return found
    proposal, ballot = found
    if proposal.proposer == sender:
        return (_close(state, context, ballot, "withdrawn", OK),)
    approvals = tuple(approval for approval in ballot.approvals if approval.member != sender)
    if len(approvals) == len(ballot.approvals):
        return "governance.not-approved"
    state.save(BALLOTS.key(body.number), _counted(state, context.height, _replace(ballot, approvals=approvals)))
    return (ApprovalWithdrawn(body.number, sender),)


def rotate_keys(state: State, context: BlockContext, sender: str, body: RotateKeys) -> tuple[AnyEvent, ...] | str:
    """A member replaces its account keys by itself. Refuses `governance.keys`, `governance.key-taken`."""
    code = membership.may_rotate(state, sender, body.keys)
    if code != OK:
        return code
    membership.rotate(state, context, sender, body.keys)
    return (KeysRotated(sender, len(body.keys)),)


# What the chain does


def turn(state: State, context: BlockContext) -> tuple[AnyEvent, ...]:
    """In the last block of an epoch, before its transactions: what has expired lapses, scheduled changes whose time
    has come are carried out or put off, and everything else that is open is counted with the power of today."""
    if not ends_epoch(context.height, context.consensus):
        return ()
    events = _lapse(state, context)
    for one in _agenda(state).open:
        proposal, ballot = _load(state, one.number)
        if isinstance(proposal.change, SCHEDULED):
            events += _reach(state, context, proposal, ballot, proposal.change.epoch)
        else:
            events += _consider(state, context, proposal, ballot)
    state.commit()
    return tuple(events)


def _lapse(state: State, context: BlockContext) -> list[AnyEvent]:
    """Close what can not be approved any more."""
    expired = [one.number for one in _agenda(state).open if one.expiry_height < context.height]
    return [_close(state, context, _load(state, number)[1], "lapsed", OK) for number in expired]


def _consider(state: State, context: BlockContext, proposal: Proposal, ballot: Ballot) -> list[AnyEvent]:
    """Carry the change out if those who approve are a quorum, unless it has to wait for its epoch.

    What could go through later, once others have weight, stays open.
    """
    ballot = _counted(state, context.height, ballot)
    if isinstance(proposal.change, SCHEDULED) or not is_quorum(ballot.approving_power, ballot.total_power):
        state.save(BALLOTS.key(ballot.number), ballot)
        return []
    return _carry_out(state, context, proposal, ballot)


def _reach(state: State, context: BlockContext, proposal: Proposal, ballot: Ballot, epoch: int) -> list[AnyEvent]:
    """The epoch after this block begins: the change, which names `epoch`, is due, too early, or lacks support."""
    next_epoch = epoch_of(context.height + 1, context.consensus)
    ballot = _counted(state, context.height + 1, ballot)
    if next_epoch < epoch:
        state.save(BALLOTS.key(ballot.number), ballot)
        return []
    if is_broad(ballot.approving_power, ballot.total_power):
        return _carry_out(state, context, proposal, ballot)
    postponed = _replace(ballot, status_height=context.height, postponed=ballot.postponed + 1)
    state.save(BALLOTS.key(ballot.number), postponed)
    return [ProposalPostponed(ballot.number, next_epoch + 1)]


def _carry_out(state: State, context: BlockContext, proposal: Proposal, ballot: Ballot) -> list[AnyEvent]:
    code = admissible(state, context, proposal.change)
    if code == "governance.too-few":
        state.save(BALLOTS.key(ballot.number), _replace(ballot, status_height=context.height, code=code))
        return []
    if code != OK:
        return [_close(state, context, ballot, "failed", code)]
    enact(state, context, proposal.change)
    return [_close(state, context, ballot, "enacted", OK)]


def _counted(state: State, height: int, ballot: Ballot) -> Ballot:
    got, total = count(state, height, [approval.member for approval in ballot.approvals])
    return _replace(ballot, approving_power=got, total_power=total)


def _close(state: State, context: BlockContext, ballot: Ballot, status: Status, code: str) -> ProposalDecided:
    """Off the agenda, for good."""
    agenda = _agenda(state)
    state.save(BALLOTS.key(ballot.number), _replace(ballot, status=status, status_height=context.height, code=code))
    state.save(AGENDA, _replace(agenda, open=tuple(one for one in agenda.open if one.number != ballot.number)))
    return ProposalDecided(ballot.number, status, code)


def _open(state: State, context: BlockContext, number: int) -> tuple[Proposal, Ballot] | str:
    """A proposal that can still be approved."""
    if number >= _agenda(state).next_number:
        return "governance.unknown"
    proposal, ballot = _load(state, number)
    if ballot.status != "open" or proposal.expiry_height < context.height:
        return "governance.closed"
    return proposal, ballot


def _load(state: State, number: int) -> tuple[Proposal, Ballot]:
    proposal, ballot = state.load(PROPOSALS, PROPOSALS.key(number)), state.load(BALLOTS, BALLOTS.key(number))
    assert proposal is not None and ballot is not None, "each number was written once, and stays"
    return proposal, ballot


def _agenda(state: State) -> Agenda:
    return state.load(AGENDAS, AGENDA) or Agenda(0, ())


def open_proposals(state: State) -> Sequence[OpenProposal]:
    """What can still be approved or carried out, oldest first."""
    return _agenda(state).open
