"""Carbon: factors, one exact account per interval, offsets apart, certificates of origin, and the site's policy.

account   one interval in exact integers: what is emitted, and who carries it
later     what corrections of energy do to closed intervals
book      both on the ledger, when an interval closes
factors   what a Wh of each meter emits, who certifies it, and the worst where nobody does
origin    certificates of origin, and how they follow the energy
offsets   what was not emitted elsewhere, apart from all this
policy    `zero_ghg` as limits of a dispatch case
green     what buyers pay for a green share, as part of the dispatch
bids      that on the ledger
cases     factors, green share and policy in the case that is dispatched
"""
