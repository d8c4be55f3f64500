"""Every query about state, `/query/...`: path, answer, and who makes it. `node.rpc.table` has all other routes.

A query gets the view that it reads and what its path names; it answers None where there is no such record.
"""

from __future__ import annotations

from typing import Any

from contracts.carbon.records import Offset
from contracts.ceremony.records import OpeningRecord
from contracts.confidential.records import HiddenTotal
from contracts.flexible.records import Load
from contracts.governance.records import Rules
from contracts.network.records import Network
from contracts.sealed.records import Capacity
from node.answers import hidden as answers
from node.answers import market, pact
from node.answers import sealed as sealed_answers
from node.rpc import carbon, flexible, governance, hidden, private, promises, sealed, threshold, wagers
from node.rpc.access import policies_of_all, policy_of
from node.rpc.routes import AT_HEIGHT, LIMIT, OF_MEMBER, OFFSET, PROVE, Option, Route

PAGED = (LIMIT, OFFSET)


def _query(path: str, answers: Any, handle: Any, says: str, lists: str = "", *, members: bool = False) -> Route:
    paged: tuple[Option, ...] = (*PAGED, *((OF_MEMBER,) if members else ())) if lists else ()
    options = (PROVE, AT_HEIGHT, *paged)
    return Route(
        "GET",
        f"/query/{path}",
        handle,
        says,
        answers,
        options=options,
        tag="state",
        state=True,
        personal=True,
        lists=lists,
    )


QUERIES: tuple[Route, ...] = (
    _query(
        "member/{member}",
        market.MemberShown,
        lambda q, view, member: q.member(view, member),
        "A member with money, trust, keys and their next nonces.",
    ),
    _query("balance/{member}", market.Balance, lambda q, view, member: q.balance(view, member), "A member's money."),
    _query(
        "meter/{meter}",
        market.MeterShown,
        lambda q, view, meter: q.meter(view, meter),
        "A meter with the head of its chain of readings.",
    ),
    _query(
        "order/{interval}/{meter}",
        market.MeterOrdered,
        lambda q, view, interval, meter: q.order(view, interval, meter),
        "The order of a meter's member in an interval, and the terms of its asset.",
    ),
    _query(
        "envelope/{meter}",
        market.Envelope,
        lambda q, view, meter: q.envelope(view, meter, q.interval("now")),
        "What no order may make of the asset behind a meter, now.",
    ),
    _query(
        "envelope/{meter}/{interval}",
        market.Envelope,
        lambda q, view, meter, interval: q.envelope(view, meter, interval),
        "What no order may make of the asset behind a meter in an interval.",
    ),
    _query(
        "interval/{interval}",
        market.IntervalShown,
        lambda q, view, interval: q.interval_of(view, interval),
        "An interval: demand, price, grid, mode, energy, and when it locks and closes.",
    ),
    _query(
        "dispatch/{interval}",
        market.Dispatch,
        lambda q, view, interval: q.dispatch(view, interval),
        "An ordered interval with every order.",
        "orders",
        members=True,
    ),
    _query(
        "bill/{interval}/{member}",
        market.BillShown,
        lambda q, view, interval, member: q.bill(view, interval, member),
        "What a member owes or gets for a settled interval.",
    ),
    _query(
        "statement/{cycle}/{member}",
        market.Statement,
        lambda q, view, cycle, member: q.statement(view, cycle, member),
        "All lines of a member in one billing cycle.",
        "lines",
    ),
    _query(
        "estimates/{interval}",
        market.Estimates,
        lambda q, view, interval: q.history.estimates(view, interval),
        "Meters that were silent when the interval closed, and their estimates.",
        "estimates",
        members=True,
    ),
    _query(
        "corrections/{interval}",
        market.Corrections,
        lambda q, view, interval: q.history.corrections(view, interval),
        "Corrections of an interval, and those that its bills carry.",
        "corrections",
        members=True,
    ),
    _query(
        "disputes/{disputed}",
        market.Disputes,
        lambda q, view, interval: q.history.disputes(view, interval),
        "Disputed lines of an interval, or all that wait for their parent meter.",
        "disputes",
    ),
    _query(
        "conduct/{interval}",
        market.Conduct,
        lambda q, view, interval: promises.conduct(view, interval),
        "Who gave less than ordered, held back, or was capped.",
        "shortfalls",
        members=True,
    ),
    _query(
        "reductions/{interval}",
        market.Reductions,
        lambda q, view, interval: promises.reductions(view, interval),
        "The call of an interval, and what members were ordered to do without.",
        "reductions",
        members=True,
    ),
    _query(
        "make-whole/{interval}",
        market.MadeWholeShown,
        lambda q, view, interval: promises.made_whole(view, interval),
        "Storages that bills of an interval make whole.",
        "storages",
        members=True,
    ),
    _query(
        "base-loads/{interval}",
        market.BaseLoads,
        lambda q, view, interval: promises.base_loads(view, interval),
        "Base load, and what of it the site can promise.",
        "entries",
        members=True,
    ),
    _query(
        "energy/{interval}/{meter}",
        market.Energy,
        lambda q, view, interval, meter: q.history.energy(view, interval, meter),
        "What a meter metered in a closed interval, and what it is billed for by now.",
    ),
    _query("offences", pact.Offences, lambda q, view: q.offences(view, None), "The newest 64 offences."),
    _query(
        "offences/{before}",
        pact.Offences,
        lambda q, view, before: q.offences(view, before),
        "The 64 offences before a number.",
    ),
    _query("access", pact.Policies, lambda q, view: policies_of_all(view, None), "The first 64 access policies."),
    _query(
        "access/{member}",
        pact.Policy,
        lambda q, view, member: policy_of(view, member),
        "Who may read what of a member.",
    ),
    _query(
        "access/after/{policy}",
        pact.Policies,
        lambda q, view, policy: policies_of_all(view, policy),
        "The 64 access policies behind a number.",
    ),
    _query("rounds", pact.Rounds, lambda q, view: wagers.rounds(view, None), "The newest 64 rounds of wagering."),
    _query(
        "rounds/{before}",
        pact.Rounds,
        lambda q, view, before: wagers.rounds(view, before),
        "The 64 rounds before a number.",
    ),
    _query(
        "round/{round}",
        pact.RoundShown,
        lambda q, view, number: wagers.round_of(view, number),
        "A round of wagering with every wager on it.",
        "placed",
        members=True,
    ),
    _query(
        "wagers/{member}",
        pact.Wagers,
        lambda q, view, member: wagers.wagers_of(view, member),
        "Every open round with a member's wager on it.",
    ),
    _query(
        "wager/{round}/{member}",
        pact.WagerShown,
        lambda q, view, number, member: wagers.wager_of(view, number, member),
        "A round with a member's wager on it.",
    ),
    _query(
        "case/{interval}",
        market.Case,
        lambda q, view, interval: flexible.case_of(view, interval),
        "The case by which an interval's window is dispatched.",
    ),
    _query(
        "flexible/{interval}",
        market.Flexible,
        lambda q, view, interval: flexible.standing_of(view, interval),
        "Storages, reserves and requirements that stand for an interval.",
    ),
    _query(
        "storage/{meter}",
        market.Storage,
        lambda q, view, meter: flexible.storage(view, meter),
        "What a storage holds, and what it may do.",
    ),
    _query(
        "loads", market.Loads, lambda q, view: flexible.loads(view), "Flexible loads that wait.", "loads", members=True
    ),
    _query("load/{load}", Load, lambda q, view, load: flexible.load(view, load), "A flexible load."),
    _query("network", Network, lambda q, view: governance.network_of(view), "Places, lines and what members may move."),
    _query("rules", Rules, lambda q, view: governance.rules_of(view), "Parameters and rule set in force."),
    _query("proposals", pact.Proposals, lambda q, view: governance.proposals(view, None), "The newest 64 proposals."),
    _query(
        "proposals/{before}",
        pact.Proposals,
        lambda q, view, before: governance.proposals(view, before),
        "The 64 proposals before a number.",
    ),
    _query(
        "proposal/{proposal}",
        pact.ProposalSummary,
        lambda q, view, number: governance.proposal(view, number),
        "A proposal and its ballot.",
    ),
    _query(
        "trust",
        pact.Trust,
        lambda q, view: q.trust(view),
        "Everybody's tokens, index, weight and power.",
        "members",
        members=True,
    ),
    _query("carbon", pact.CarbonOfAll, lambda q, view: carbon.totals(view), "Carbon and origin since genesis."),
    _query(
        "carbon/{interval}",
        pact.CarbonShown,
        lambda q, view, interval: carbon.interval_of(view, interval),
        "The carbon of one interval, and what each meter brought in.",
        "sources",
        members=True,
    ),
    _query(
        "carbon-cycle/{cycle}",
        pact.CarbonReport,
        lambda q, view, cycle: q.carbon(view, cycle.first, cycle.last + 1, None),
        "The carbon of the site in a billing cycle.",
        "lines",
    ),
    _query(
        "carbon-cycle/{cycle}/{member}",
        pact.CarbonReport,
        lambda q, view, cycle, member: q.carbon(view, cycle.first, cycle.last + 1, member),
        "The carbon of a member in a billing cycle.",
        "lines",
    ),
    _query(
        "carbon-report/{first}/{until}",
        pact.CarbonReport,
        lambda q, view, first, until: q.carbon(view, first, until, None),
        "The carbon of the site from an interval to before another.",
        "lines",
    ),
    _query(
        "carbon-report/{first}/{until}/{member}",
        pact.CarbonReport,
        lambda q, view, first, until, member: q.carbon(view, first, until, member),
        "The carbon of a member from an interval to before another.",
        "lines",
    ),
    _query(
        "factors/{meter}",
        pact.Factors,
        lambda q, view, meter: carbon.factors_of(view, q.rules().params, meter, q.interval("now")),
        "What is certified for a meter.",
    ),
    _query(
        "certificates/{member}",
        pact.Certificates,
        lambda q, view, member: carbon.held_by(view, q.rules().params, member, q.interval("now")),
        "Certificates of origin and offsets of a member.",
    ),
    _query(
        "offset/{certifier}/{serial}",
        Offset,
        lambda q, view, certifier, serial: carbon.offset_of(view, certifier, serial),
        "An offset, and what became of it.",
    ),
    _query(
        "hidden",
        HiddenTotal,
        lambda q, view: hidden.sums_of(view),
        "Sums over all hidden accounts: both sides of the equality that every block asserts.",
    ),
    _query(
        "hidden/{member}",
        answers.HiddenMoney,
        lambda q, view, member: hidden.hidden_of(view, member),
        "A member's hidden account: commitments and sealed notes.",
    ),
    _query(
        "credits/{member}/{source}/{number}",
        answers.Credits,
        lambda q, view, member, source, number: hidden.credits_of(view, member, source, number),
        "Credits of a member from one on, back to the last acceptance.",
    ),
    _query(
        "note-key/{member}",
        answers.NoteKeysShown,
        lambda q, view, member: hidden.note_key_of(view, member),
        "The note keys of a member.",
    ),
    _query(
        "cycle/{cycle}/{member}",
        answers.CycleShown,
        lambda q, view, cycle, campus: private.cycle_of(view, cycle.number, campus),
        "A billing cycle of a campus with the use of each of its private meters.",
    ),
    _query(
        "use/{cycle}/{meter}",
        answers.UseShown,
        lambda q, view, cycle, meter: private.use_of(view, cycle.number, meter),
        "What one private meter used in a billing cycle, hidden, and that cycle.",
    ),
    _query(
        "private-meter/{meter}",
        answers.PrivateMeter,
        lambda q, view, meter: private.meter_of(view, meter),
        "A private meter, and where its hidden registers stand.",
    ),
    _query(
        "sealed",
        sealed_answers.SealedRounds,
        lambda q, view: sealed.rounds(view),
        "Sealed rounds that wait for something, and what they hold.",
    ),
    _query(
        "sealed/{interval}",
        sealed_answers.RoundShown,
        lambda q, view, interval: sealed.round_of(view, interval),
        "The sealed round of an interval, with the standing of its suppliers.",
    ),
    _query(
        "sealed/{interval}/{member}",
        sealed_answers.PartyShown,
        lambda q, view, interval, member: sealed.party_of(view, interval, member),
        "A sealed round and everything in it of one member.",
    ),
    _query(
        "capacity/{meter}",
        Capacity,
        lambda q, view, meter: sealed.capacity_of(view, meter),
        "The hidden capacity that is registered for a meter.",
    ),
    _query(
        "threshold",
        answers.Threshold,
        lambda q, view: threshold.threshold(view),
        "The threshold key: where making it stands, and what waits to be opened.",
    ),
    _query(
        "dealing/{epoch}/{attempt}/{member}",
        answers.Dealing,
        lambda q, view, epoch, attempt, dealer: threshold.dealing(view, epoch, attempt, dealer),
        "What a dealer dealt in an attempt at a threshold key.",
    ),
    _query(
        "opening/{number}",
        OpeningRecord,
        lambda q, view, number: threshold.opening(view, number),
        "An opening with the shares that were given for it.",
    ),
    _query(
        "explain/{interval}",
        market.Explanation,
        lambda q, view, interval: q.explain(view, interval, []),
        "Why an interval has its price and its suppliers.",
    ),
    _query(
        "explain/{interval}/{member}",
        market.Explanation,
        lambda q, view, interval, member: q.explain(view, interval, [member]),
        "Why an interval has its price and its suppliers, and what it means for a member.",
    ),
)
