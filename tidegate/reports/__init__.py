"""Reports written from the journal alone."""
