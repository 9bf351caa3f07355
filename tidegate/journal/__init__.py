"""The journal's entries, and the fold that makes a rollout's state of them."""
