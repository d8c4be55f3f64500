"""Sealed dispatch: merit order over offers that nobody sees, and whose result everybody can check.

A round is about one interval. Members say to it what is in `bodies`; the clock moves it from phase to phase (`clock`):

    bidding -> summing -> searching -> awarding -> balancing -> delivering -> done
                   \\___________\\______ failed: open merit order, in which reference offers stand

What is decrypted is decided here by the state machine alone, never by a message: the sum of sealed demands, cumulative
sums along a binary search, the sum of awards, and the offers of a single supplier that went silent once the price was
known. Whatever anybody does or omits, a round ends, and what it locked goes where `endings` and `delivering` say.
"""
