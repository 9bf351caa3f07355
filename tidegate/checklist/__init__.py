"""The checklist before wave 1: its items, their proofs, and how each is judged."""
