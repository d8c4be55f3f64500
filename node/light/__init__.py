"""A light client as a program: asks nodes for light blocks, keeps a verified head, and writes down attacks.

Kept apart from the node so that it stays small: nothing here imports a store, a solver or an event loop.
"""
