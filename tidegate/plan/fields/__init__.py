"""What a plan states, each part by itself."""
