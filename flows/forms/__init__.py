"""The forms that people fill in Prefect's UI."""
