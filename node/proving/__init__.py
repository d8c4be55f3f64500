"""Proofs at a node: which are known to hold, who checks the others, and how much of that anybody can cause.

A check takes milliseconds, so it runs in processes of its own (`node.proving.pool`), is done once, and is remembered
(`node.proving.proofs`). Whether a proof holds is a pure function of bytes: nothing here can make two nodes disagree,
only make one slower. Nodes of a chain without private traffic start no process and remember nothing.
"""
