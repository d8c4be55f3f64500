"""Refusals of sealed dispatch, sentence and hint of each; `contracts.codes.CODES` has them with all others."""

from __future__ import annotations

SEALED_CODES: dict[str, tuple[str, str]] = {
    "sealed.off": (
        "This pact has no sealed dispatch.",
        "Offer openly with `gridpact tx offer`, or change `sealed.on`.",
    ),
    "sealed.role": ("The sender is not the campus.", "Ask the campus to open the round: it is the buyer."),
    "sealed.late": ("The gate of the interval has passed.", "Open a round for a later interval."),
    "sealed.horizon": ("The interval is too far ahead.", "Stay inside `horizon_intervals`."),
    "sealed.interval": (
        "The interval has had its sealed round.",
        "Choose another interval: each has one opening session, ever.",
    ),
    "sealed.ticks": (
        "The ticks do not rise, or there are more than `sealed.max_ticks`.",
        "Give rising prices, each once.",
    ),
    "sealed.price": ("A tick is above the offer cap.", "Keep ticks at or below `offer_cap_nano_per_wh`."),
    "sealed.deadline": (
        "The deadline has passed, or leaves no time to open anything before offers lock.",
        "Choose a time between now and the interval's gate.",
    ),
    "sealed.island": (
        "The interval is an island.",
        "Offer openly: a sealed round needs the public grid for what is missing.",
    ),
    "sealed.key": (
        "No threshold key is in force.",
        "Wait until the organisations with power have made one: `gridpact query threshold`.",
    ),
    "sealed.few": (
        "Fewer than three suppliers with a registered capacity could deliver.",
        "Have suppliers register with `gridpact tx seal-capacity`; with fewer, sums would show single offers.",
    ),
    "sealed.nameplate": (
        "The capacities that could take part sum up to 2^32 Wh or more.",
        "Use shorter intervals: sums would not be found.",
    ),
    "sealed.insolvent": (
        "The balance does not cover the demand at the highest tick.",
        "Lower the highest tick or the demand, or add money: the escrow is locked before any tick is opened.",
    ),
    "sealed.full": ("The maximum of rounds, or of those who take part, is reached.", "Wait until some are over."),
    "sealed.round": ("The interval has no sealed round.", "See those that wait with `gridpact query sealed`."),
    "sealed.phase": (
        "The round is in another phase.",
        "`gridpact query sealed INTERVAL` says which: bids, awards and deliveries count in their own phase each.",
    ),
    "sealed.demand-public": ("The demand of this round is public.", "Nothing to do: nobody seals a demand for it."),
    "sealed.twice": (
        "The sender has said this to the round.",
        "Nothing to do: the first valid word counts, none replaces it.",
    ),
    "sealed.tenant": (
        "The sender has no load whose meter is registered private.",
        "Register one: what a public meter takes is bought openly.",
    ),
    "sealed.participant": (
        "The sender was not registered as able to deliver when the round opened.",
        "Register the capacity of a source before rounds open: `gridpact tx seal-capacity`.",
    ),
    "sealed.open": (
        "The sender offers openly in this interval.",
        "Withdraw the offer first: per interval a supplier sells sealed or open, not both.",
    ),
    "sealed.shape": (
        "A bid has not one E and one R for each tick, or an award a remainder where there can be none, or none.",
        "Seal one quantity per tick, zeros included; `gridpact tx seal-award` knows whether anything can remain.",
    ),
    "sealed.point": (
        "A point is no point, or sums of the first ones are the identity.",
        "Draw every blinding anew; `gridpact tx seal-bid` does.",
    ),
    "sealed.wager": (
        "The balance does not cover the wager on the bid.",
        "A bid locks `sealed.wager_nano_per_wh` for each Wh of its nameplate.",
    ),
    "sealed.proof": (
        "The proof does not hold for this member, interval, key and these commitments.",
        "Make it for this very round, member and key.",
    ),
    "sealed.bidder": ("The sender has no bid in this round.", "Nothing to do: only bidders are awarded something."),
    "sealed.award": (
        "There is nothing of the sender's to deliver in this round.",
        "Deliver what was awarded; whoever is settled already has nothing to do.",
    ),
    "sealed.metered": (
        "The meters of the sender have not spoken about the interval yet.",
        "Prove the delivery once their readings are on the ledger and the interval has closed.",
    ),
    "sealed.shortfall": ("The shortfall is more than the award.", "Name at most what was awarded."),
    "sealed.opening": (
        "The round waits for no such opening, or it is claimed.",
        "See what waits with `gridpact query sealed INTERVAL`.",
    ),
    "sealed.claim": ("The value is not what was opened.", "Look for it again: value times V must be the opened point."),
    "capacity.meter": ("The meter belongs to another member.", "Register a source of your own."),
    "capacity.kind": (
        "The meter measures no source, or is not registered private.",
        "Register a private source: a public meter would show what was awarded.",
    ),
    "capacity.rating": (
        "The meter's rating delivers 2^32 Wh or more in an interval, or less than the reference offer.",
        "Offer no more than the rating as reference, and use shorter intervals for very large sources.",
    ),
    "capacity.order": (
        "Prices of the reference offer do not rise, or are out of bounds.",
        "Sort them, inside floor and cap.",
    ),
    "capacity.signature": ("The meter did not sign this capacity.", "Let the meter co-sign the commitment."),
    "capacity.proof": ("The proof does not hold.", "Prove a capacity between 0 and what the rating delivers."),
    "capacity.full": ("The maximum of capacities or of suppliers is registered.", "Register fewer, larger sources."),
    "offer.sealed": (
        "The sender sells sealed in this interval.",
        "Offer openly in another interval: not both in one.",
    ),
}
