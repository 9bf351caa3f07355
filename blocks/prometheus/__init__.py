"""Prometheus: its answers, their age, its alert rules and its clock."""
