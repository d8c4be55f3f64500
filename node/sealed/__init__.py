"""Sealed dispatch as its members see it: words made from secrets, and agents that say them."""
