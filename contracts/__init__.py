"""What a transaction means: pure state transitions over a key-value view. Knows no network, clock or disk."""
