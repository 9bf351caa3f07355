"""Feature flags in a flagd file, the embedded default."""
