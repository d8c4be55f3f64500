"""What a node has agreed on and executed: blocks, authenticated state and proofs, on one disk."""
