"""Asking Prometheus, the journal and web sources, and judging what they answer."""
