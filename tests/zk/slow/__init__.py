"""A second verifier of every proof, written from "Bytes" in docs/zero-knowledge.md and from nothing else.

Pure Python; py-ecc reads points and hashes to the curve. Imports nothing of Gridpact, so that an error would have to be
made twice. Each equation is checked as it stands in the document, one at a time, without batches or weights.
"""
