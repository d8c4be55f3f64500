"""Confidential accounts: money whose amounts nobody sees but its owners, and that still adds up in every block.

A balance is a Pedersen commitment vV + sH. Only its owner's signature moves it, and a proof shows that what leaves and
what stays are amounts, not debts. Whatever others send waits beside the balance until the owner accepts it, so nobody
can spoil a balance by paying it. Knows nothing of rounds or readings: who is credited is decided elsewhere.
"""
