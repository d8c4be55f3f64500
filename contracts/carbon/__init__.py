"""Carbon: factors, one exact account per interval, offsets apart, certificates of origin, and the site's policy.

account     one interval in exact integers: what is emitted, and who carries it
factors     what a Wh of each meter emits, who certifies it, and the worst where nobody does
policy      `zero_ghg` as limits of a dispatch case
green       what buyers pay for a green share, as part of the dispatch
"""
