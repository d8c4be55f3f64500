"""A second verifier of every proof, written from "Bytes" in docs/zero-knowledge.md and from nothing else.

Pure Python over py-ecc; imports nothing of Gridpact, so that an error would have to be made twice. Each equation is
checked as it stands in the document, one at a time, without batches or weights. About 500 times slower than `zk`.
"""
