"""Rolling back from the command line, with or without a Prefect server."""
