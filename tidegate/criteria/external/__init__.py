"""Criteria that judge what others than Prometheus tell: web sources, known requests, people."""
