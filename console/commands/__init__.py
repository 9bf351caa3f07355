"""The commands of the `tidegate` command line."""
