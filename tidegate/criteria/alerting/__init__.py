"""Criteria that judge alerts, and whether an alert would arrive."""
