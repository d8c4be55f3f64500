"""Attacks on the consensus floor."""
