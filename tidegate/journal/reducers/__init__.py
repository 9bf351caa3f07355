"""What each kind of entry does to a rollout's state."""
