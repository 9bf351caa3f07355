"""What an answer at a gate must prove."""
