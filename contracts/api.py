"""The floor's front door: genesis into state, blocks into receipts, envelopes into mempools.

Everything here is total: no envelope makes it raise, whatever its fields. `open_block`, `apply` and `close_block` leave
the overlay committed or rolled back; nothing of a refused transaction stays but its nonce and its budget.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from contracts import (
    base_load,
    corrections,
    demand_response,
    envelopes,
    epochs,
    market,
    modes,
    money,
    policies,
    schedule,
    trust,
)
from contracts.bodies import (
    MAX_SPAN,
    BaseLoad,
    Bond,
    CallReduction,
    CommitSolution,
    Correct,
    FlexibleLoad,
    Need,
    Offer,
    OfferReduction,
    Require,
    ReserveOffer,
    RevealSolution,
    SetMode,
    StorageOffer,
    Tariff,
    Transfer,
    TransferTokens,
    Unbond,
    Wager,
    WithdrawLoad,
)
from contracts.carbon import bids, factors, offsets, origin
from contracts.carbon.bodies import (
    EndFactor,
    GreenBid,
    IssueOffset,
    RegisterFactor,
    RetireOffset,
    RetireOrigin,
    TransferOffset,
    TransferOrigin,
)
from contracts.ceremony import actions as seats
from contracts.ceremony import making, openings
from contracts.ceremony.bodies import CommitDealing, Complain, Deal, GiveShare, RegisterSeat
from contracts.clearing import advance
from contracts.confidential import accounts, book, keys, returning
from contracts.confidential import bodies as hidden
from contracts.confidential import succession as carried
from contracts.context import BlockContext, current_interval
from contracts.envelope import AccountEnvelope, Envelope
from contracts.flexible import assets
from contracts.flexible import offers as flexible
from contracts.genesis import Genesis, OpeningTrust
from contracts.governance import membership, proposals
from contracts.governance import rules as in_force
from contracts.governance.bodies import AllowAccess, Approve, Propose, RevokeAccess, RotateKeys, Withdraw
from contracts.governance.changes import AdmitMember, Change, ReKey, SetNetwork
from contracts.members import Account, Holding, Lane, Member, MeterHead, Registers, Seating
from contracts.metering import ADMISSION_WINDOW, admit_reading, apply_reading, reading_units
from contracts.network.transfers import size
from contracts.offences import Charge, accuse, is_accused, offence_count
from contracts.params import PactParams
from contracts.private import agenda, cycles
from contracts.private import handlers as private
from contracts.private import meters as hidden_meters
from contracts.private.bodies import PrivateBody
from contracts.receipts import OK, AnyEvent, Receipt
from contracts.records import EpochMix, Lines, Sentinel, Site, SiteMeter, Utility
from contracts.schema import (
    ACCOUNTS,
    BALANCES,
    CHARGES,
    HEADS,
    LINE_LIST,
    MEMBERS,
    METERS,
    MIX,
    NETWORK,
    REGISTERS,
    RULES_IN_FORCE,
    SENTINEL,
    SITE,
    TRUSTS,
    UTILITY,
)
from contracts.sealed import clock
from contracts.sealed import handlers as sealing
from contracts.state import State
from contracts.trust import is_tombstoned
from contracts.units import MAX_COUNT
from contracts.wagers import actions, certified, rounds
from contracts.wagers.judging import Judges
from zk.codec import encode
from zk.hashing import ZERO_HASH

__all__ = [
    "RESUBMITTABLE",
    "BlockContext",
    "Charge",
    "admit",
    "apply",
    "asks_proof",
    "close_block",
    "earliest_deadline_ms",
    "genesis_records",
    "is_accused",
    "is_tombstoned",
    "next_position",
    "offence_count",
    "open_block",
    "owner",
    "phase_open",
    "rehearse",
    "rules",
    "units",
]

RESUBMITTABLE = (
    "budget.exceeded",
    "reading.cycles-full",
    "reading.future",
    "reading.gap",
    "reading.open-full",
    "tx.nonce",
)
"""Refusals that leave everything as it was, so that the same envelope may succeed in a later block."""

TRANSFER_UNITS = 1
TOKEN_UNITS = 1
CORRECT_UNITS = 4
LOAD_UNITS = 2
BASE_LOAD_UNITS = 4
PROPOSE_UNITS = 16
PROVEN_PER_UNIT = 300
"""Lines x (places + lines) of a network: the largest fits a block."""
NODE_UNITS = 32
"""A node's proof of possession, which takes as long to check as so many readings."""
GRANTS_PER_UNIT = 16
DECIDE_UNITS = 64
"""An approval may be the one that carries the change out."""
WAGER_UNITS = 2
COMMIT_UNITS = 1
CARBON_UNITS = 4
NOTE_KEY_UNITS = 8
"""A proof of possession, as the next figures in multiples of what a reading takes."""
DEPOSIT_UNITS = 4
WITHDRAW_UNITS = 32
SPEND_UNITS = 64
ACCEPT_UNITS = 2
PROOF_UNITS = 4
"""A proof about a logarithm."""
VECTOR_PER_UNIT = 2
"""Points that are decoded."""
BYTES_PER_UNIT = 256
"""Of a revealed solution: it is checked once, in the block that judges its round."""

JUDGES: Judges = {certified.NAME: certified.JUDGE}
"""What builders may be asked for."""

rules = in_force.rules

Handler = Callable[[State, BlockContext, str, Any], tuple[AnyEvent, ...] | str]
_HANDLERS: dict[type, tuple[str, Handler]] = {
    Correct: ("metering", corrections.restate),
    Need: ("market", market.need),
    Offer: ("market", market.offer),
    Tariff: ("market", market.tariff),
    StorageOffer: ("market", flexible.offer_storage),
    FlexibleLoad: ("market", flexible.want),
    WithdrawLoad: ("market", flexible.withdraw_load),
    ReserveOffer: ("market", flexible.offer_reserve),
    Require: ("market", flexible.require),
    Transfer: ("money", money.transfer),
    SetMode: ("market", modes.set_mode),
    CallReduction: ("market", demand_response.call),
    OfferReduction: ("market", demand_response.offer),
    BaseLoad: ("market", base_load.register),
    TransferTokens: ("trust", trust.transfer),
    Bond: ("trust", trust.bond),
    Unbond: ("trust", trust.unbond),
    AllowAccess: ("access", policies.allow),
    RevokeAccess: ("access", policies.revoke),
    Propose: ("governance", proposals.propose),
    Approve: ("governance", proposals.approve),
    Withdraw: ("governance", proposals.withdraw),
    RotateKeys: ("all", proposals.rotate_keys),
    Wager: ("wagering", actions.wager),
    CommitSolution: ("wagering", actions.commit),
    RevealSolution: ("wagering", actions.reveal),
    RegisterFactor: ("carbon", factors.register),
    EndFactor: ("carbon", factors.end),
    IssueOffset: ("carbon", offsets.issue),
    TransferOffset: ("carbon", offsets.transfer),
    RetireOffset: ("carbon", offsets.use),
    TransferOrigin: ("carbon", origin.transfer),
    RetireOrigin: ("carbon", origin.use),
    GreenBid: ("market", bids.bid),
    hidden.RegisterNoteKey: ("all", keys.register),
    hidden.Deposit: ("money", accounts.deposit),
    hidden.Withdraw: ("money", accounts.withdraw),
    hidden.Spend: ("money", accounts.spend),
    hidden.Accept: ("money", accounts.accept),
    RegisterSeat: ("sealed", seats.register),
    CommitDealing: ("sealed", seats.commit),
    Deal: ("sealed", seats.deal),
    Complain: ("sealed", seats.complain),
    GiveShare: ("sealed", openings.give),
    **private.HANDLERS,
    **sealing.HANDLERS,
}
"""Scope that a key needs, and the contract, per body."""

PROVEN = frozenset(
    {
        hidden.RegisterNoteKey,
        hidden.Withdraw,
        hidden.Spend,
        RegisterSeat,
        Deal,
        Complain,
        GiveShare,
        *private.HANDLERS,
        *sealing.PROVEN,
    }
)
"""Bodies whose contract asks whether a proof holds: a node checks those before it executes them."""


def genesis_records(genesis: Genesis) -> dict[bytes, bytes]:
    """The whole initial state, encoded."""
    interval = min(genesis.time_ms // genesis.params.interval_ms, MAX_COUNT)
    balances = {balance.member: balance.balance_nano for balance in genesis.balances}
    registers = {opening.meter: (opening.import_wh, opening.export_wh) for opening in genesis.registers}
    records: dict[bytes, bytes] = {SENTINEL: encode(Sentinel(genesis.name))}
    records[RULES_IN_FORCE] = encode(in_force.opening(genesis))
    records |= membership.opening_records(genesis.members)
    for member in epochs.registered(genesis):
        lanes = tuple(Lane(0, interval, 0) for _ in member.keys)
        records[MEMBERS.key(member.id)] = encode(member)
        records[ACCOUNTS.key(member.id)] = encode(Account(lanes))
    for meter in genesis.meters:
        import_wh, export_wh = registers.get(meter.id, (0, 0))
        head = MeterHead(
            sequence=0,
            reading_hash=ZERO_HASH,
            interval=interval,
            import_wh=import_wh,
            export_wh=export_wh,
            open=(),
            budget_interval=interval,
            units_used=0,
        )
        records[METERS.key(meter.id)] = encode(meter)
        records[HEADS.key(meter.id)] = encode(head)
    utility = min((member.id for member in genesis.members if "utility" in member.roles), default=None)
    if utility is not None:
        records[UTILITY] = encode(Utility(utility))
    records |= envelopes.opening_records(genesis.envelopes)
    if genesis.lines:
        records[LINE_LIST] = encode(Lines(genesis.lines))
    if genesis.network is not None:
        records[NETWORK] = encode(genesis.network)
    if genesis.hidden is not None:
        records |= carried.opening_records(genesis.hidden)
    site = [
        SiteMeter(
            meter.id,
            meter.member,
            tie=meter.kind == "tie" and meter.member == utility,
            firm_w=assets.asset_of(meter).firm_w,
        )
        for meter in sorted(genesis.meters, key=lambda meter: meter.id)
        if meter.private is None
    ]
    hidden = hidden_meters.opening_records(genesis.meters, interval)
    records |= {key: encode(record) for key, record in hidden.items()}
    records[SITE] = encode(Site(tuple(site)))
    settled = [Registers(meter.meter, interval, *registers.get(meter.meter, (0, 0))) for meter in site]
    names = sorted(member.id for member in genesis.members)
    holdings = [Holding(name, balances.get(name, 0)) for name in names]
    opened = {opening.member: opening for opening in genesis.trusts}
    trusted = [trust.opening(opened.get(name, OpeningTrust(name))) for name in names]
    storages = [assets.opening(meter, interval) for meter in genesis.meters if assets.is_storage(meter)]
    rolls = BALANCES.spread(holdings) | REGISTERS.spread(settled) | TRUSTS.spread(trusted)
    records |= {key: encode(roll) for key, roll in rolls.items()}
    records |= {key: encode(roll) for key, roll in CHARGES.spread(sorted(storages, key=CHARGES.id)).items()}
    records |= {key: encode(worst) for key, worst in factors.opening_records(genesis.params, genesis.meters).items()}
    return records | epochs.records(genesis)


def earliest_deadline_ms(state: State, params: PactParams) -> int | None:
    """Earliest ledger time at which a block would lock, close or judge something, or end a phase, at least 0; None when
    nothing waits."""
    deadlines = (
        schedule.earliest_deadline_ms(state, params),
        rounds.earliest_deadline_ms(state),
        agenda.earliest_deadline_ms(state, params),
        clock.earliest_deadline_ms(state, params),
    )
    return min((one for one in deadlines if one is not None), default=None)


def phase_open(state: State) -> bool:
    """Whether a phase that is counted in heights needs the next block, even if that is empty."""
    return any(one.phase_open(state) for one in (rounds, making, openings, agenda, clock))


def open_block(state: State, context: BlockContext, charges: Sequence[Charge] = (), judges: Judges = JUDGES) -> Receipt:
    """What happens before the first transaction: the last block of an epoch records the chain's randomness, the block's
    evidence is punished, the clock moves rounds of wagering, the making of a threshold key and what that opens, locks
    and settles the intervals that are due, moves sealed rounds and private billing cycles, and at the end of an epoch
    governance is looked at. Other `judges` than those of every node are for laboratories."""
    if epochs.ends_epoch(context.height, context.consensus):
        state.save(MIX, EpochMix(context.height, context.mix))
        state.commit()
    accused = [event for charge in charges for event in accuse(state, context, charge)]
    judged = rounds.advance(state, context, judges)
    opened = (*making.advance(state, context), *openings.advance(state, context))
    state.commit()
    cleared, sealed = advance(state, context), clock.advance(state, context)
    billed, turned = cycles.advance(state, context), proposals.turn(state, context)
    returned = returning.advance(state, context)
    return Receipt(OK, 0, (*accused, *judged, *opened, *cleared, *sealed, *billed, *turned, *returned))


def close_block(state: State, context: BlockContext) -> Seating | None:
    """What happens after the last transaction: hidden money adds up, and at the end of an epoch there is the seating of
    the one after next."""
    book.check(state)
    return epochs.close(state, context)


def units(envelope: Envelope) -> int:
    """Declared verification units, at least 1: what execution may cost, in readings."""
    if not isinstance(envelope, AccountEnvelope):
        return reading_units(envelope.body)
    body = envelope.body
    match body:
        case Need(count=count):
            return count
        case Tariff(count=count) | SetMode(count=count) | CallReduction(count=count) | OfferReduction(count=count):
            return 1 + count // 4
        case StorageOffer(count=count) | ReserveOffer(count=count):
            return 1 + count // 2
        case Require(count=count):
            return 1 + count // 4
        case FlexibleLoad(interval=interval, until=until):
            return LOAD_UNITS + min(max(0, until - interval), MAX_SPAN) // 4
        case WithdrawLoad():
            return LOAD_UNITS
        case Offer(blocks=blocks):
            return 1 + len(blocks) // 8
        case Transfer():
            return TRANSFER_UNITS
        case BaseLoad():
            return BASE_LOAD_UNITS
        case TransferTokens() | Bond() | Unbond():
            return TOKEN_UNITS
        case Correct():
            return CORRECT_UNITS
        case AllowAccess(kinds=kinds, readers=readers) | RevokeAccess(kinds=kinds, readers=readers):
            return 1 + len(kinds) * len(readers) // GRANTS_PER_UNIT
        case Propose(change=change):
            return _proposal_units(change)
        case Approve() | Withdraw():
            return DECIDE_UNITS
        case RotateKeys(keys=keys):
            return 1 + len(keys)
        case Wager():
            return WAGER_UNITS
        case CommitSolution():
            return COMMIT_UNITS
        case GreenBid(count=count):
            return count
        case RegisterFactor() | EndFactor() | IssueOffset() | TransferOffset() | RetireOffset():
            return CARBON_UNITS
        case TransferOrigin() | RetireOrigin():
            return CARBON_UNITS
        case hidden.RegisterNoteKey():
            return NOTE_KEY_UNITS
        case hidden.Deposit():
            return DEPOSIT_UNITS
        case hidden.Withdraw():
            return WITHDRAW_UNITS
        case hidden.Spend():
            return SPEND_UNITS
        case hidden.Accept(items=items):
            return DEPOSIT_UNITS + ACCEPT_UNITS * len(items)
        case RegisterSeat() | Complain() | GiveShare():
            return PROOF_UNITS
        case CommitDealing():
            return COMMIT_UNITS
        case Deal(vector=vector, shares=shares):
            return PROOF_UNITS * (1 + len(shares)) + len(vector) // VECTOR_PER_UNIT
        case RevealSolution(solution=solution):
            return 1 + len(solution) // BYTES_PER_UNIT
    return private.units(body) if isinstance(body, PrivateBody) else sealing.units(body)


def _proposal_units(change: Change) -> int:
    match change:
        case AdmitMember(member=member, meters=meters):
            return PROPOSE_UNITS + NODE_UNITS * len(member.nodes) + len(member.keys) + len(meters)
        case ReKey(keys=keys, nodes=nodes):
            return PROPOSE_UNITS + NODE_UNITS * len(nodes) + len(keys)
        case SetNetwork(network=network):
            return PROPOSE_UNITS + (0 if network is None else size(network) // PROVEN_PER_UNIT)
        case _:
            return PROPOSE_UNITS


def apply(state: State, envelope: Envelope, context: BlockContext) -> Receipt:
    """Execute one transaction on the overlay. Never raises; a refusal leaves only nonce and budget."""
    if not isinstance(envelope, AccountEnvelope):
        return apply_reading(state, envelope, context)
    cost = units(envelope)
    scope, handler = _HANDLERS[type(envelope.body)]
    speaker = _speaker(state, envelope, scope)
    if isinstance(speaker, str):
        return Receipt(speaker, cost, ())
    account, number = speaker
    lane = account.lanes[number]
    if envelope.nonce != lane.next_nonce or envelope.nonce >= MAX_COUNT:
        return Receipt("tx.nonce", cost, ())
    if envelope.expiry_height < context.height:
        return Receipt("tx.expired", cost, ())
    now = current_interval(context)
    used = (lane.units_used if lane.interval == now else 0) + cost
    if used > context.params.units_per_key:
        return Receipt("budget.exceeded", cost, ())

    lanes = account.lanes
    account_key = ACCOUNTS.prefix + envelope.sender.encode()
    charged = Account((*lanes[:number], Lane(envelope.nonce + 1, now, used), *lanes[number + 1 :]))
    state.save(account_key, charged)
    outcome = handler(state, context, envelope.sender, envelope.body)
    if isinstance(outcome, str):
        state.rollback()
        state.save(account_key, charged)
        state.commit()
        return Receipt(outcome, cost, ())
    state.commit()
    return Receipt(OK, cost, outcome)


def admit(state: State, envelope: Envelope, context: BlockContext) -> str:
    """Whether a mempool should hold this envelope: "ok", or why it will not execute. Writes nothing."""
    if not isinstance(envelope, AccountEnvelope):
        return admit_reading(state, envelope, context)
    speaker = _speaker(state, envelope, _HANDLERS[type(envelope.body)][0])
    if isinstance(speaker, str):
        return speaker
    if envelope.expiry_height < context.height:
        return "tx.expired"
    account, number = speaker
    lane = account.lanes[number]
    if not lane.next_nonce <= envelope.nonce < min(lane.next_nonce + ADMISSION_WINDOW, MAX_COUNT):
        return "tx.nonce"
    used = lane.units_used if lane.interval == current_interval(context) else 0
    if used + units(envelope) > context.params.units_per_key:
        return "budget.exceeded"
    return OK


def asks_proof(envelope: Envelope) -> bool:
    """Whether executing this envelope may take a proof."""
    return type(envelope.body) in PROVEN


def rehearse(state: State, envelope: Envelope, context: BlockContext) -> str:
    """What the contract would say if it were this envelope's turn: "ok", or the code of a refusal. For the questions
    that `context.proves` gets meanwhile; whatever is written is the caller's to throw away."""
    if not isinstance(envelope, AccountEnvelope):
        return apply_reading(state, envelope, context).code
    scope, handler = _HANDLERS[type(envelope.body)]
    speaker = _speaker(state, envelope, scope)
    if isinstance(speaker, str):
        return speaker
    outcome = handler(state, context, envelope.sender, envelope.body)
    return outcome if isinstance(outcome, str) else OK


def owner(state: State, envelope: Envelope) -> str:
    """Member who answers for this envelope: its sender, or whose meter it is. "" for a meter that nobody registered."""
    if isinstance(envelope, AccountEnvelope):
        return envelope.sender
    meter = state.load(METERS, METERS.prefix + envelope.meter.encode())
    return "" if meter is None else meter.member


def next_position(state: State, speaker: str, public_key: bytes) -> int:
    """Nonce that this key of a member needs next, or sequence of a meter (empty key). 0 for the unknown."""
    if not public_key:
        head = state.load(HEADS, HEADS.prefix + speaker.encode())
        return 0 if head is None else head.sequence + 1
    member = state.load(MEMBERS, MEMBERS.prefix + speaker.encode())
    account = state.load(ACCOUNTS, ACCOUNTS.prefix + speaker.encode())
    number = None if member is None else _lane(member, public_key)
    return 0 if account is None or number is None else account.lanes[number].next_nonce


def _speaker(state: State, envelope: AccountEnvelope, scope: str) -> tuple[Account, int] | str:
    """The sender's account and the lane of its key; a code when this key may not call the contract of `scope`."""
    name = envelope.sender.encode()
    member = state.load(MEMBERS, MEMBERS.prefix + name)
    account = state.load(ACCOUNTS, ACCOUNTS.prefix + name)
    if member is None or account is None:
        return "member.unknown"
    number = _lane(member, envelope.public_key)
    if number is None:
        return "key.unknown"
    if member.keys[number].scope not in ("all", scope):
        return "key.scope"
    return account, number


def _lane(member: Member, public_key: bytes) -> int | None:
    """Index of the key, and so of its nonce lane."""
    for number, key in enumerate(member.keys):
        if key.public_key == public_key:
            return number
    return None
