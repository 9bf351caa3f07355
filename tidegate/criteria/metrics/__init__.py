"""Criteria that judge what Prometheus measures on one path, by a bound, a reference, a trend or an objective."""
