"""The past asked and judged: of a back-test, and of the time in which nobody looked."""
