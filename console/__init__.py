"""What people see: the `tidegate` command."""
