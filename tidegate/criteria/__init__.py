"""The kinds of criteria: what each asks, and how its answers are judged."""
