"""Offsets: what somebody vouches was not emitted, or taken out of the air, elsewhere. Never netted against emission.

An offset is issued whole by a certifier, never to itself, with certificate and boundary; its serial is used once. It
changes hands whole and is used up once, in the open. Reports show what was used up beside what was emitted, and no
difference of the two.
"""

from __future__ import annotations

import msgspec

from contracts.carbon.bodies import IssueOffset, RetireOffset, TransferOffset
from contracts.carbon.events import OffsetIssued, OffsetRetired, OffsetTransferred
from contracts.carbon.factors import is_certifier
from contracts.carbon.records import (
    MAX_OFFSETS,
    MAX_RETIRED,
    Offset,
    OffsetAccount,
    OffsetPlace,
    Retirement,
    Retirements,
)
from contracts.context import BlockContext, current_interval
from contracts.cycles import cycle_of
from contracts.governance.membership import is_member
from contracts.params import PactParams
from contracts.schema import OFFSET_ACCOUNTS, OFFSETS, RETIREMENTS
from contracts.state import State

_replace = msgspec.structs.replace


def issue(state: State, context: BlockContext, sender: str, body: IssueOffset) -> tuple[OffsetIssued, ...] | str:
    """Let `to` hold a new offset. Refuses `carbon.role`, `carbon.own`, `offset.recipient`, `offset.exists`,
    `offset.full`."""
    if not is_certifier(state, sender):
        return "carbon.role"
    if body.to == sender:
        return "carbon.own"
    if not is_member(state, body.to):
        return "offset.recipient"
    key = OFFSETS.key(sender, body.serial)
    if state.load(OFFSETS, key) is not None:
        return "offset.exists"
    if not _give(state, body.to, OffsetPlace(sender, body.serial)):
        return "offset.full"
    texts = body.certificate, body.boundary
    state.save(key, Offset(sender, body.serial, *texts, body.amount_ug, context.height, body.to))
    return (OffsetIssued(sender, body.serial, body.to, body.amount_ug),)


def transfer(
    state: State, _context: BlockContext, sender: str, body: TransferOffset
) -> tuple[OffsetTransferred, ...] | str:
    """Pass a whole offset on. Refuses `offset.unknown`, `offset.retired`, `offset.holder`, `offset.recipient`,
    `carbon.own` (nobody holds what it issued), `offset.full`."""
    found = _held(state, sender, body.certifier, body.serial)
    if isinstance(found, str):
        return found
    if not is_member(state, body.to):
        return "offset.recipient"
    if body.to == body.certifier:
        return "carbon.own"
    place = OffsetPlace(body.certifier, body.serial)
    _drop(state, sender, place)
    if not _give(state, body.to, place):
        return "offset.full"
    state.save(OFFSETS.key(body.certifier, body.serial), _replace(found, holder=body.to))
    return (OffsetTransferred(body.certifier, body.serial, sender, body.to),)


def use(state: State, context: BlockContext, sender: str, body: RetireOffset) -> tuple[OffsetRetired, ...] | str:
    """Use an offset up. Refuses `offset.unknown`, `offset.retired`, `offset.holder`, `retire.full`."""
    found = _held(state, sender, body.certifier, body.serial)
    if isinstance(found, str):
        return found
    now = current_interval(context)
    said = Retirement(now, body.purpose, body.certifier, body.serial, found.amount_ug)
    if not retire(state, context.params, sender, said):
        return "retire.full"
    _drop(state, sender, OffsetPlace(body.certifier, body.serial))
    state.save(OFFSETS.key(body.certifier, body.serial), _replace(found, retired_in=now, purpose=body.purpose))
    return (OffsetRetired(body.certifier, body.serial, sender, body.purpose),)


def retire(state: State, params: PactParams, member: str, said: Retirement) -> bool:
    """Put down that a member used something up; False where its billing cycle has no room left."""
    cycle = cycle_of(params, said.interval)
    key = RETIREMENTS.key(member, cycle)
    before = state.load(RETIREMENTS, key) or Retirements(member, cycle, ())
    if len(before.retired) >= MAX_RETIRED:
        return False
    state.save(key, _replace(before, retired=(*before.retired, said)))
    return True


def _held(state: State, sender: str, certifier: str, serial: str) -> Offset | str:
    """The offset, where the sender may move it; a code where not."""
    found = state.load(OFFSETS, OFFSETS.key(certifier, serial))
    if found is None:
        return "offset.unknown"
    if found.retired_in is not None:
        return "offset.retired"
    return found if found.holder == sender else "offset.holder"


def _give(state: State, member: str, place: OffsetPlace) -> bool:
    account = state.load(OFFSET_ACCOUNTS, OFFSET_ACCOUNTS.key(member)) or OffsetAccount(member, ())
    if len(account.offsets) >= MAX_OFFSETS:
        return False
    state.save(OFFSET_ACCOUNTS.key(member), OffsetAccount(member, (*account.offsets, place)))
    return True


def _drop(state: State, member: str, place: OffsetPlace) -> None:
    account = state.load(OFFSET_ACCOUNTS, OFFSET_ACCOUNTS.key(member))
    assert account is not None, "whoever holds an offset has an account of them"
    left = tuple(one for one in account.offsets if one != place)
    state.save(OFFSET_ACCOUNTS.key(member), OffsetAccount(member, left))
