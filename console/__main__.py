"""`python -m console` is the `tidegate` command."""

from console.cli import main

main()
