"""What a rollout does next, and when it may."""
