"""Rulebooks: what a member lets its agent do by itself, as private rules over what it sees.

expression  one condition or amount: CEL, bounded before it runs, with a stable code for every way to fail
document    the TOML file, checked as a whole
sight       what an agent sees of one interval ahead, and the names that rules call it by
forecasts   what to expect, from the ledger's own history, with the error that such forecasts made
decision    which rules fire on a sight, and the bodies that come of it
ledger      what was spent and staked, on disk: a restart forgets nothing
"""
