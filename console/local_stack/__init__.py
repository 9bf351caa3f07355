"""The local stack: Prefect's server and workers, Prometheus, the demo service."""
