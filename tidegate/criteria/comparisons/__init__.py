"""Criteria that judge raw counts, on the new path beside the old one, however often one looks."""
