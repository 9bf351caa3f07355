"""What the demo service is made of."""
