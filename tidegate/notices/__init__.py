"""Messages to people: when they are due, to whom, and their text."""
