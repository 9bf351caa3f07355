"""A first plan for a service: what Prometheus knows of it, what follows from that, and the files that `init` writes."""
