"""Wagering on solutions: drawn builders bind themselves to what they will show, and a lie costs the wager.

`rounds` moves what `records` holds, by `phases`; `actions` takes what members say, `sealing` is how they say it;
`judging` decides, by the rules of a judge. `certified` is the judge of dispatch.
"""
