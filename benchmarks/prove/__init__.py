"""Proofs of the promises: each opens a market of its own, does its worst, and holds a journal against the tables."""
