"""What can be proven to the ledger without showing it.

An `Assertion` is a statement as bytes: which kind, the tag that pins it to its place, the public instance as its
verifier rebuilds it from ledger state, and the proof. Checking one is a pure function of these bytes, so it may be done
anywhere, in any process, beforehand and once. Each kind has a module here that makes its instances and proofs and
reduces them to claims; `zk.statements.check` is the one door through which every proof is checked.
"""
