"""What each kind of entry says, as a type."""
