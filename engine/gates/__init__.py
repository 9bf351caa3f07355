"""A gate's effects: opening it, reading and proving an answer, deciding."""
