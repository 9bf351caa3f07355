"""Replaying criteria on the past, look by look, with whoever stands in for the new path."""
