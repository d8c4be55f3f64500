"""The threshold key of the organisations with power: how it is made, who holds it, and what it opens.

making    attempts at a key, moved by the clock: register, commit, deal, complain
actions   what seats say in them, and later about a bad share
keys      which key is in force, which are pinned by rounds that use them; `key_in_force`, `pin`, `unpin`
openings  what the state machine asks the seats to open; `ask`, `opened`
window    how long seats are waited for: blocks of enough proposers

No key is no failure: what needs one falls back to what needs none.
"""
