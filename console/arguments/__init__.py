"""What can be typed for each command: names, options, help. Imports nothing that a help page does not need."""
