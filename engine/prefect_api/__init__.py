"""What is asked of Prefect's server, never on the path of an evaluation or a zero."""
