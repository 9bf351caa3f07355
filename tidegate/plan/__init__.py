"""The release plan: its fields, and what contradicts itself in it."""
