"""Flag systems: who gets the new path, written under a permit and read back."""
