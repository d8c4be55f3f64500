"""Mathematics: hashing, encoding, signatures, Merkle proofs. Pure, and below every other floor."""
