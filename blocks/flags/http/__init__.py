"""A flag service by a description of its requests."""
