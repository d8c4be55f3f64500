"""Agreement and weights: pure state machines, effects out. Knows no transaction, clock, key or socket."""
