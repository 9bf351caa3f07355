"""A plan tried on the past: its own judge over what Prometheus remembers, as if each wave had run then."""
