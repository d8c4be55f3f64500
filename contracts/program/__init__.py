"""Economic dispatch as an integer linear program that anybody may solve and everybody can check.

    case       the program as a plain document: what may be delivered, wanted, stored and moved, and the limits
    documents  cases and solutions as bytes
    codes      what each refusal means
    validate   whether a document is such a program at all, before any work is done for it
    flows      places, lines and the loops that they form
    rows       its variables, boxes, rows and costs in one canonical order
    points     schedules as points of it and back, and names for people
    arrays     it as arrays, for sums that are exact and quick
    stack      what a case offers, in the order in which it is taken
    ties       who gets how much of what is equal
    zones      what is left of the network without the lines at their limits
    fill       everything that a builder does not choose, by rule
    price      prices per interval and zone, and `sharing` which zones share one
    columns, sweep  fill and prices of all intervals at once, in arrays
    fallback   what happens if nobody solves anything, and `greedy` what it chooses beside its fill
    compose    one solution out of parts
    certificate  a lower bound of the optimum from any multipliers
    feasible   whether a point keeps every box and every row
    scarcity   what a Wh of rounding is worth where demand has to be shed whatever anybody chooses
    check      one verdict on a solution: a code, or cost, bound, prices and orders
    verdict    the types of that

Pure, in exact integers. Never solves an optimisation, and never trusts anybody who says that he did.
"""
