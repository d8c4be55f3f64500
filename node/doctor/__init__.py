"""Why a node, or a height, stands still: findings with a stable code, a sentence, and the command that helps.

Looks and never touches: nothing here writes into a home, takes a lock, or talks to a chain.
"""
