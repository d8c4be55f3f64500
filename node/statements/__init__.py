"""Files of statements: what somebody proves about hidden figures, handed to whoever is to check it.

`kinds` says what there is to prove and in which words, `making` makes proofs out of openings, `file` writes files and
checks them: proofs with `zk.statements`, and that the commitments stand on the ledger with the bundles of
`node.proofs` and a genesis document. Needs no node, no network and no storage.
"""
