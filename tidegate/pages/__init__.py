"""Pages and documents that people read."""
