"""Solves dispatch cases in floating point, for builders. Nobody trusts what it says.

linear     the program of a case as HiGHS takes it, and what it answers
flows      what lines around loops carry, in whole numbers
powerflow  the voltages that a solution brings, where the ledger has an AC model
rounding   what a builder chooses, in whole numbers that keep to what couples intervals
merit      cases that need none of this, because nothing couples intervals or places
weights    the carbon weight and its share, exactly where offers tie
nudging    one Wh more or less where a zone does not balance for want of it
build      all of that, checked as every node will check it
worker     the process in which it happens
process    that process from outside: limits of time and memory, and a second check of what comes back
"""
