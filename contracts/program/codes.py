"""The table of what is wrong with dispatch cases and solutions: every stable code with one sentence and a hint.

A `contracts.program.verdict.Refusal` names the place and the figures; this is what its code means in general. Codes are
never reused.
"""

from __future__ import annotations

from contracts.codes import Code

CODES: dict[str, Code] = {
    # Documents
    "dispatch.malformed": Code(
        "The document is not what its schema says.",
        "Compare it with docs/schemas: whole numbers in Wh, nano per Wh and micrograms, inside their bounds.",
    ),
    "dispatch.oversized": Code(
        "The document is larger than a node reads.",
        "Send fewer intervals or things; a solution has to fit into one transaction.",
    ),
    # Cases
    "dispatch.size": Code("The case asks for more work than a node does.", "Take fewer intervals, or fewer things."),
    "dispatch.length": Code(
        "Something that varies in time has not one entry per interval.", "Give as many entries as there are intervals."
    ),
    "dispatch.binding": Code("More intervals bind than there are.", "Bind at most all intervals."),
    "dispatch.duplicate": Code("Two things have one id.", "Give each its own; sources and storages share their ids."),
    "dispatch.place": Code(
        "A thing is at a place that no line leads to.",
        "Use an end of a line; a case without lines has one place, `site`.",
    ),
    "dispatch.line": Code("Both ends of a line are one place.", "A line joins two places; leave this one out."),
    "dispatch.blocks": Code(
        "The prices of a source's blocks do not rise strictly.", "Sort blocks by price and merge equal prices."
    ),
    "dispatch.price": Code(
        "A price is outside price floor and offer cap, or these are the wrong way round.",
        "Prices are nano-currency per Wh and lie between price floor and offer cap.",
    ),
    "dispatch.rating": Code("A source offers more than its rating.", "Offer at most what it can deliver."),
    "dispatch.efficiency": Code(
        "The efficiency of a storage is above one.", "Efficiency each way is n/d with n at most d."
    ),
    "dispatch.start": Code(
        "A storage begins with more than its capacity.", "The charge state is in 1/(n*d) Wh; check the unit."
    ),
    "dispatch.window": Code(
        "A load has no interval to be served in.", "It runs from interval `first` to before `until`, inside the case."
    ),
    "dispatch.tiers": Code(
        "Penalties of shedding tiers are too near to each other or to offers, or a tier has none.",
        "Each penalty is at most a fourth of the one before, and the last at least the offer cap.",
    ),
    "dispatch.reference": Code(
        "Nothing says what a Wh is worth where distances from the optimum are measured.",
        "Give `reference_nano_per_wh`: the import tariff of each interval, in an island the last one.",
    ),
    "dispatch.money": Code(
        "Costs could leave the bounds of money.", "Use smaller amounts: money stays below 2^63 nano."
    ),
    "dispatch.infeasible": Code(
        "No dispatch of this case keeps the constraint that is named.", "Offer more there, or ask for less."
    ),
    # Solutions: shape
    "dispatch.round": Code("The solution is of another round.", "Solve the case with this round id."),
    "dispatch.shape": Code(
        "The solution has not the shape of the case.",
        "Give one row per thing that has a choice, one value per interval.",
    ),
    "dispatch.load-time": Code("A load gets energy outside its time.", "Serve it from `first` to before `until` only."),
    "dispatch.parts": Code(
        "Two parts of a solution contradict each other.", "Leave out in one of them what is not its own."
    ),
    "dispatch.flow-unknown": Code("A flow is of no line or interval of the case.", "Number both from 0."),
    "dispatch.flow-duplicate": Code("A flow is declared twice.", "Declare each line once per interval."),
    "dispatch.flow-free": Code(
        "A flow is declared of a line that is not at its limit.", "Leave it out: its flow follows from the balance."
    ),
    "dispatch.flow-mesh": Code(
        "A line at its limit is declared without the lines that share loops with it.",
        "Declare the flows of all lines of a mesh, or of none.",
    ),
    "dispatch.multiplier-row": Code("A multiplier is of no row of the program.", "Rows are numbered from 0."),
    "dispatch.multiplier-order": Code(
        "Multipliers do not name rows in ascending order.", "Sort them by row and name each row once."
    ),
    "dispatch.multiplier-size": Code(
        "A multiplier is too large for its row.", "Its size x the row's largest coefficient stays below 2^60."
    ),
    # Solutions: limits
    "dispatch.shortage": Code(
        "A zone can not be balanced with everything taken and all demand shed.", "Charge, load or send less there."
    ),
    "dispatch.surplus": Code(
        "A zone has energy left over with nothing taken.", "Discharge, deliver or receive less there."
    ),
    "dispatch.line-limit": Code("A line carries more than it may.", "Declare it at its limit, so that zones separate."),
    "dispatch.offer-limit": Code(
        "A block delivers more than it offers, or less than nothing.", "Stay inside the offer."
    ),
    "dispatch.import-limit": Code("A connection imports more than it may.", "Stay inside its limit."),
    "dispatch.bid-limit": Code("More or less of a bid or of export is served than there is.", "Serve what is bid."),
    "dispatch.demand-limit": Code("More is shed or served than is demanded.", "Serve at most the demand."),
    "dispatch.charge-limit": Code("A storage charges more than it can.", "Stay inside its charging power."),
    "dispatch.discharge-limit": Code("A storage discharges more than it can.", "Stay inside its discharging power."),
    "dispatch.capacity": Code(
        "The charge state of a storage leaves 0 to its capacity.", "Charge or discharge less before."
    ),
    "dispatch.charge-state": Code(
        "A charge state does not follow from what was charged and discharged.",
        "It grows by n*n per charged Wh and falls by d*d per discharged Wh, from the state that the ledger has.",
    ),
    "dispatch.sharing": Code(
        "A storage charges and discharges more than fits into one interval.",
        "The shares of the interval that both need at full power add up to at most one.",
    ),
    "dispatch.end": Code(
        "A storage ends with less than it may.", "End no lower than the start, or offer an end value for the energy."
    ),
    "dispatch.load-limit": Code("A load gets more in one interval than it can take.", "Stay inside its power."),
    "dispatch.load-energy": Code(
        "A load gets more in all than it wants.", "Deliver at most its energy by its deadline."
    ),
    "dispatch.reserve-limit": Code(
        "Somebody holds back more reserve than it offers or can step up by.", "Stay inside offer and ramp."
    ),
    "dispatch.reserve-need": Code("An interval has less reserve than it needs.", "Hold more back."),
    "dispatch.headroom": Code(
        "Delivery and reserve together are more than the rating.", "Deliver less, or hold less back."
    ),
    "dispatch.stored": Code(
        "A storage promises reserve that it has not stored.", "Hold back at most what is in it after the interval."
    ),
    "dispatch.ramp": Code("A source changes faster than its ramp.", "Step by at most its ramp between intervals."),
    "dispatch.loop": Code(
        "Flows around a loop of lines break the second law of Kirchhoff.",
        "Reactance x flow sums to zero around it, but for two units per line.",
    ),
    "dispatch.balance": Code("A place does not balance.", "What goes in equals what is used, lost and sent on."),
    "dispatch.carbon": Code(
        "All intervals together emit more than the cap.", "Use cleaner sources, or a larger kappa."
    ),
    "dispatch.shed-order": Code(
        "A critical tier is shed while a less critical one is served.", "Shed the least critical tiers first."
    ),
}
