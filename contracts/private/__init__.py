"""Private metering and billing: registers are commitments, and what they add up to is still checked by everybody.

A private meter takes no part in intervals. It is not estimated in them, offers nothing and is ordered nothing; what its
equipment exchanges with the rest of a site crosses an open meter of its campus, which settles there like any other. Its
own energy settles by the billing cycle: its owner proves what the registers grew by, the campus opens the cycle's total
and splits it, suppliers answer for what they delivered, and everybody pays what no other member sees.
"""
