"""A rollout followed live in the terminal."""
