"""Unleash: flags reached by its admin API."""
